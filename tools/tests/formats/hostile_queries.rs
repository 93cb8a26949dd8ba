//! Statements and files of an attacker: nothing is written, opened or loaded, time and memory keep to
//! their bounds, and the next call works.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::memory::Memory;
use serde_json::{Value, json};

use crate::querying::{Tables, long};
use crate::reading::fixture;

/// A small table, and the names of all that lies in the workspace.
fn tables() -> Tables {
    let mut text = String::from("id,name\n");
    for row in 1..=1_000 {
        text += &format!("{row},name {row}\n");
    }
    Tables::new(&[("t.csv", text.as_bytes())])
}

fn names(tables: &Tables) -> Vec<String> {
    let entries = std::fs::read_dir(tables.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn refused(tables: &Tables, sql: &str) -> ToolError {
    let began = Instant::now();
    let error = tables.ask("t.csv", sql).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(30), "{sql}: {:?}", began.elapsed());
    error
}

#[test]
fn only_a_select_over_the_tables_is_possible() {
    let tables = tables();
    for (sql, why) in [
        ("ATTACH 'other.db' AS other", "ATTACH and DETACH are not possible"),
        ("DETACH main", "ATTACH and DETACH are not possible"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA is not possible"),
        ("PRAGMA table_info(t)", "PRAGMA is not possible"),
        ("SELECT * FROM pragma_database_list", ""),
        ("SELECT * FROM pragma_function_list", ""),
        ("SELECT load_extension('x')", "function `load_extension` is not available"),
        ("SELECT readfile('/etc/passwd')", "no such function: readfile"),
        ("SELECT writefile('x', 'y')", "no such function: writefile"),
        ("SELECT edit('x')", "no such function: edit"),
        ("SELECT fts3_tokenizer('x')", ""),
        ("SELECT randomblob(1000000000)", "function `randomblob` is not available"),
        ("SELECT zeroblob(1000000000)", "function `zeroblob` is not available"),
        ("SELECT sqlite_version()", "function `sqlite_version` is not available"),
        ("INSERT INTO t VALUES (1, 2)", ""),
        ("INSERT INTO t SELECT * FROM t", ""),
        ("UPDATE t SET id = 1", ""),
        ("DELETE FROM t", ""),
        ("REPLACE INTO t VALUES (1, 2)", ""),
        ("DROP TABLE t", ""),
        ("CREATE TABLE x(a)", "only SELECT is possible"),
        ("CREATE TEMP TABLE x AS SELECT * FROM t", "only SELECT is possible"),
        ("CREATE VIRTUAL TABLE x USING fts5(a)", "only SELECT is possible"),
        ("CREATE VIEW x AS SELECT 1", "only SELECT is possible"),
        ("CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END", ""),
        ("ALTER TABLE t RENAME TO x", ""),
        ("VACUUM INTO 'copy.db'", ""),
        ("VACUUM", ""),
        ("REINDEX", ""),
        ("ANALYZE", ""),
        ("BEGIN", "only SELECT is possible"),
        ("SAVEPOINT x", "only SELECT is possible"),
        ("SELECT sql FROM sqlite_master", "table `sqlite_master` is not one of `tables`"),
        ("SELECT name FROM dbstat", ""),
        ("SELECT data FROM sqlite_dbpage", ""),
        ("SELECT 1; SELECT 2", "there is more than one statement"),
        ("SELECT 1; DROP TABLE t", "there is more than one statement"),
        ("", "there is no statement"),
        ("-- nothing", "there is no statement"),
        (";", "there is no statement"),
        ("SELECT ?", "parameters (`?`, `:name`) have no value here"),
        ("SELECT 1\0", "the statement contains a NUL character"),
    ] {
        let error = refused(&tables, sql);
        assert_eq!(error.code, Code::InvalidArgument, "{sql}: {error}");
        assert!(error.message.contains(why), "{sql}: {}", error.message);
    }
    assert_eq!(names(&tables), ["t.csv"]);
    assert_eq!(tables.rows("t.csv", "SELECT count(*) FROM t; -- and no more"), json!([[1000]]));
    assert_eq!(tables.memory.used(), 0);
}

#[test]
fn what_never_ends_ends_at_the_deadline() {
    let tables = tables();
    let ways = "WITH a AS (SELECT 1 x UNION ALL SELECT 2), b AS (SELECT 1 FROM a, a p, a q, a r), \
                c AS (SELECT 1 FROM b, b p, b q, b r), d AS (SELECT 1 FROM c, c p, c q, c r), \
                e AS (SELECT 1 FROM d, d p, d q, d r) SELECT count(*) FROM e";
    for sql in [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT max(i) FROM n",
        "SELECT count(*) FROM t a, t b, t c, t d",
        "SELECT max(a.name || b.name || c.name) FROM t a, t b, t c",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
         SELECT i FROM n WHERE i < 0",
        ways,
    ] {
        let began = Instant::now();
        let error = tables.within(Duration::from_millis(300), "t.csv", sql).unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(20), "{sql}: {:?}", began.elapsed());
        let in_time = error.code == Code::Deadline || sql == ways;
        assert!(in_time, "{sql}: {}", error.to_text());
    }
    assert_eq!(tables.memory.used(), 0);
}

#[test]
fn rows_before_the_deadline_are_given() {
    let tables = tables();
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
               SELECT i FROM n WHERE i < 4";
    let answer = tables.within(Duration::from_millis(500), "t.csv", sql).unwrap();
    assert_eq!(answer["rows"], json!([[1], [2], [3]]));
    assert_eq!((&answer["stopped"], &answer["more"]), (&json!("deadline"), &json!(true)));
}

#[test]
fn a_cancelled_query_ends() {
    let tables = Arc::new(tables());
    let call = Call::new("local", Duration::from_secs(600));
    let running = call.clone();
    let there = Arc::clone(&tables);
    let query = thread::spawn(move || {
        let arguments = json!({
            "sql": "SELECT count(*) FROM t a, t b, t c, t d, t e",
            "tables": [{ "name": "t", "path": "t.csv" }]
        });
        there.call(arguments, &running)
    });
    // It has begun once it has drawn its memory.
    let began = Instant::now();
    while tables.memory.used() == 0 && began.elapsed() < Duration::from_secs(60) {
        thread::yield_now();
    }
    call.cancel();
    let error = query.join().unwrap().unwrap_err();
    assert_eq!(error.code, Code::Cancelled);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert_eq!(tables.memory.used(), 0);
}

#[test]
fn what_takes_too_much_memory_is_refused_and_the_next_query_works() {
    let mut tables = tables();
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000000)";
    for budget in [64 << 20, 512 << 20] {
        tables.memory = Memory::new(budget);
        for sql in [
            // A sorter, a temporary table, a set, a group for each row.
            format!("{numbers} SELECT i FROM n ORDER BY printf('%0500d', i) DESC"),
            format!(
                "{numbers}, m AS MATERIALIZED (SELECT printf('%0500d', i) t FROM n) \
                     SELECT count(*) FROM m a, m b WHERE a.t = b.t"
            ),
            format!("{numbers} SELECT count(DISTINCT printf('%0500d', i)) FROM n"),
            format!(
                "{numbers} SELECT count(*) FROM (SELECT 1 FROM n GROUP BY printf('%0500d', i))"
            ),
            format!(
                "{numbers} SELECT max(t) OVER () FROM (SELECT printf('%0500d', i) AS t FROM n)"
            ),
        ] {
            let error = refused(&tables, &sql);
            assert_eq!(error.code, Code::TooLarge, "{sql}: {error}");
            assert!(error.message.contains("of memory at once"), "{sql}: {}", error.message);
        }
        assert_eq!(tables.rows("t.csv", "SELECT count(*) FROM t"), json!([[1000]]));
        assert_eq!(tables.memory.used(), 0);
    }
}

#[test]
fn no_value_is_larger_than_its_bound() {
    let tables = tables();
    for sql in [
        "SELECT length(printf('%.*c', 1000000000, 'x'))",
        "SELECT length(printf('%1000000000d', 1))",
        "SELECT length(replace(printf('%.*c', 4000000, 'x'), 'x', 'xxxx'))",
        "SELECT length(hex(printf('%.*c', 4000000, 'x')))",
        "WITH RECURSIVE n(t) AS (SELECT 'x' UNION ALL SELECT t || t FROM n LIMIT 60) \
         SELECT max(length(t)) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) \
         SELECT length(group_concat(printf('%.*c', 4000, 'x'))) FROM n",
        "SELECT length(group_concat(a.name)) FROM t a, t b",
    ] {
        let error = refused(&tables, sql);
        let too_big = error.message.contains("string or blob too big");
        assert!(too_big && error.message.contains("4194304 bytes"), "{sql}: {}", error.message);
    }
}

#[test]
fn statements_that_are_too_large_are_refused() {
    let tables = tables();
    let long = format!("SELECT 1 -- {}", "x".repeat(10 << 20));
    assert_eq!(refused(&tables, &long).code, Code::TooLarge);
    for sql in [
        format!("SELECT {}1{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("SELECT {}1", "-".repeat(1_000).replace('-', "- ")),
        format!("SELECT 1{}", "+1".repeat(10_000)),
        format!("SELECT {}1{}", "abs(".repeat(500), ")".repeat(500)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(200)),
        format!("SELECT {}", ["1"; 5_000].join(",")),
        format!("SELECT max({})", ["1"; 500].join(",")),
        format!("SELECT {}1{}", "(SELECT ".repeat(2_000), ")".repeat(2_000)),
        format!("SELECT 'x' LIKE '{}'", "%a".repeat(1_000)),
        format!(
            "SELECT count(*) FROM {}",
            (0..100).map(|n| format!("t AS t{n}")).collect::<Vec<_>>().join(", ")
        ),
    ] {
        let error = refused(&tables, &sql);
        let shown: String = sql.chars().take(60).collect();
        assert!(
            [Code::InvalidArgument, Code::TooLarge].contains(&error.code),
            "{shown}: {}",
            error.to_text()
        );
        assert!(error.to_text().len() < 3_000, "{shown}");
    }
}

/// Nothing interrupts a function: the time of each is in proportion to its input.
#[test]
fn functions_do_not_compare_everything_with_everything() {
    let tables = tables();
    let long = "printf('%.*c', 4000000, 'a')";
    let half = "printf('%.*c', 2000000, 'a')";
    for sql in [
        format!("SELECT instr({long}, {half} || 'b')"),
        format!("SELECT length(replace({long}, {half} || 'b', 'c'))"),
        format!("SELECT length(trim({half}, {half} || 'b'))"),
        format!("SELECT length(trim({half}, printf('%.*c', 2000000, 'b') || 'a'))"),
        format!("SELECT {long} LIKE '%a%a%a%a%a%a%a%a%ab'"),
        format!("SELECT {long} GLOB '*a*a*a*a*a*a*a*a*ab'"),
    ] {
        let began = Instant::now();
        let answer = tables.ask("t.csv", &sql);
        assert!(answer.is_ok(), "{sql}: {answer:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{sql}: {:?}", began.elapsed());
    }
}

#[test]
fn odd_text_is_read_and_told() {
    let ragged = "a,b,c\n1,2,3\n4,5\n6,7,8,9\n\n10,,\n";
    let tables = Tables::new(&[
        ("ragged.csv", ragged.as_bytes()),
        ("latin.csv", b"a,b\ncaf\xe9,1\nx,2\n"),
        ("nul.csv", b"a,b\n\0x,1\n"),
        ("names.csv", b"a,,A,a,\" \"\n1,2,3,4,5\n"),
        ("header.csv", b"a,b\n"),
        ("open.csv", b"a,b\n1,\"open\n2,3\n4,5\n"),
        ("return.csv", b"a,b\r1,2\r3,4"),
    ]);
    let answer = tables.ask("ragged.csv", "SELECT *, _line FROM t").unwrap();
    assert_eq!(
        answer["rows"],
        json!([[1, 2, 3, 2], [4, 5, null, 3], [6, 7, 8, 4], [10, null, null, 6]])
    );
    assert_eq!(
        answer["notes"],
        json!([
            "ragged.csv: 1 row with fewer fields than the 3 of the header (line 3)",
            "ragged.csv: 1 row with more fields than the 3 of the header (line 4)"
        ])
    );
    let answer = tables.ask("latin.csv", "SELECT a FROM t").unwrap();
    assert_eq!(answer["rows"], json!([["caf\u{fffd}"], ["x"]]));
    let note = answer["notes"][0].as_str().unwrap();
    assert!(note.contains("1 row with bytes that are no UTF-8"), "{note}");
    assert_eq!(tables.rows("nul.csv", "SELECT b FROM t"), json!([[1]]));
    let answer = tables.ask("names.csv", "SELECT * FROM t").unwrap();
    assert_eq!(answer["columns"], json!(["a", "column_2", "A_2", "a_3", "column_5"]));
    assert_eq!(answer["rows"], json!([[1, 2, 3, 4, 5]]));
    assert_eq!(tables.rows("header.csv", "SELECT count(*), max(a) FROM t"), json!([[0, null]]));
    // A quote that is not closed takes in what follows.
    assert_eq!(tables.rows("open.csv", "SELECT a, b FROM t"), json!([[1, "open\n2,3\n4,5\n"]]));
    assert_eq!(tables.rows("return.csv", "SELECT a, b FROM t"), json!([[1, 2], [3, 4]]));
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    for row in 0..200_000_u32 {
        writeln!(gz, "{row},{}", row.wrapping_mul(2_654_435_761)).unwrap();
    }
    let gz = gz.finish().unwrap();
    let long = [b"a\n".to_vec(), vec![b'x'; 20 << 20]].concat();
    let (parquet, _) = fixture("scalars.parquet");
    let (brotli, _) = fixture("brotli.parquet");
    let open = [b"a,b\n1,\"".to_vec(), b"x\n".repeat(10 << 20)].concat();
    let tables = Tables::new(&[
        ("empty.csv", b""),
        ("utf16.csv", b"\xff\xfea\0,\0b\0"),
        ("cut.csv.gz", &gz[..gz.len() / 2]),
        ("long.csv", &long),
        ("long.jsonl", &[b"{\"a\":1}\n{\"b\":\"".to_vec(), vec![b'x'; 20 << 20]].concat()),
        ("open.csv", &open),
        ("cut.parquet", &parquet[..parquet.len() - 100]),
        ("brotli.parquet", &brotli),
        ("none.jsonl", b"[1]\n"),
        ("fields.csv", ["a,b\n".to_owned(), ",".repeat(10_000), "\n".into()].concat().as_bytes()),
        ("columns.csv", ["x"; 5_000].join(",").as_bytes()),
    ]);
    for (path, why) in [
        ("empty.csv", "it has no line with the names of columns"),
        ("utf16.csv", "it is UTF-16"),
        ("cut.csv.gz", "its compressed stream breaks off after"),
        ("long.csv", "the row on line 2 is longer than 8388608 bytes"),
        ("long.jsonl", "a row is longer than 8388608 bytes"),
        ("open.csv", "perhaps a quote is not closed"),
        ("cut.parquet", "it begins like Parquet but has no footer"),
        ("brotli.parquet", "its compression is BROTLI"),
        ("none.jsonl", "none of its first lines is a JSON object"),
        ("fields.csv", "the row on line 2 has more than 4000 fields"),
        ("columns.csv", "more than 4000 fields"),
    ] {
        let error = tables.ask(path, "SELECT * FROM t ORDER BY 1").unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{path}: {error}");
        assert!(error.message.contains(why), "{path}: {}", error.message);
        assert!(error.message.starts_with(&format!("`{path}`")), "{path}: {}", error.message);
    }
    assert_eq!(tables.memory.used(), 0);
}

#[test]
fn damaged_tables_are_answered() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut roll = move |sides: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % sides as u64) as usize
    };
    for name in [
        "scalars.parquet",
        "nested.parquet",
        "nested-v1.parquet",
        "encodings.parquet",
        "endless.parquet",
        "snappy.avro",
        "deflate.avro",
    ] {
        let (bytes, _) = fixture(name);
        for round in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + roll(3) {
                let at = roll(damaged.len());
                damaged[at] = if roll(2) == 0 { 0xFF } else { roll(256) as u8 };
            }
            let tables = Tables::new(&[(name, &damaged)]);
            let began = Instant::now();
            let _ = tables.within(Duration::from_secs(5), name, "SELECT * FROM t");
            assert!(began.elapsed() < Duration::from_secs(20), "{name} round {round}");
            assert_eq!(tables.memory.used(), 0);
        }
    }
}

#[test]
fn items_that_take_no_bytes_are_bounded() {
    let text = |text: &[u8]| [long(text.len() as i64), text.to_vec()].concat();
    let schema = br#"{"type":"array","items":"null"}"#;
    let block = [long(1 << 40), long(0)].concat();
    let sync = [7; 16];
    let bytes = [
        b"Obj\x01".to_vec(),
        long(1),
        text(b"avro.schema"),
        text(schema),
        long(0),
        sync.to_vec(),
        long(1),
        long(block.len() as i64),
        block,
        sync.to_vec(),
    ]
    .concat();
    let tables = Tables::new(&[("t.avro", &bytes)]);
    let error = tables.ask("t.avro", "SELECT value FROM t").unwrap_err();
    assert!(error.message.contains("a value has more than 100000 items"), "{error}");
    // Who does not ask for it passes over it, as long as there is time.
    let error = tables.within(Duration::from_millis(200), "t.avro", "SELECT count(*) FROM t");
    assert_eq!(error.unwrap_err().code, Code::Deadline);
}

#[test]
fn a_file_that_changes_in_the_meantime_is_a_conflict() {
    let tables = tables();
    let call = Call::new("local", Duration::from_secs(60));
    let answer: Value = tables
        .call(
            json!({ "sql": "SELECT id FROM t", "tables": [{ "name": "t", "path": "t.csv" }],
                "limit": 2, "format": "json" }),
            &call,
        )
        .unwrap()
        .into_json();
    tables.write("t.csv", b"id,name\n1,x\n");
    let error = tables
        .call(
            json!({ "sql": "SELECT id FROM t", "tables": [{ "name": "t", "path": "t.csv" }],
                "limit": 2, "format": "json", "cursor": answer["next_cursor"] }),
            &call,
        )
        .unwrap_err();
    assert_eq!(error.code, Code::Conflict);
}
