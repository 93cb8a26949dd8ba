//! Questions and their answers, the same over every format.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::Code;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use crate::querying::{Tables, long};
use crate::reading::fixture;

const ROWS: i64 = 1_000;
const NAMES: [Option<&str>; 4] = [Some("ada"), Some("bob"), None, Some("zoë, \"z\"")];

fn name(row: i64) -> Option<&'static str> {
    NAMES[(row % 4) as usize]
}

fn amount(row: i64) -> f64 {
    row as f64 * 0.25
}

fn day(row: i64) -> String {
    format!("2026-11-{:02}", row % 28 + 1)
}

fn delimited(delimiter: &str) -> Vec<u8> {
    let mut text = ["id", "name", "amount", "day"].join(delimiter) + "\n";
    for row in 1..=ROWS {
        let name =
            name(row).map_or(String::new(), |name| format!("\"{}\"", name.replace('"', "\"\"")));
        let fields = [row.to_string(), name, format!("{:.2}", amount(row)), day(row)];
        text += &(fields.join(delimiter) + "\n");
    }
    text.into_bytes()
}

pub(crate) fn json_lines() -> Vec<u8> {
    let mut text = String::new();
    for row in 1..=ROWS {
        let line = json!({ "id": row, "name": name(row), "amount": amount(row), "day": day(row) });
        text += &format!("{line}\n");
    }
    text.into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Several row groups, so that columns go on over their ends.
pub(crate) fn parquet() -> Vec<u8> {
    let schema = "message t { required int64 id; optional binary name (UTF8); required double \
                  amount; required binary day (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    for first in (1..=ROWS).step_by(300) {
        let rows: Vec<i64> = (first..=ROWS.min(first + 299)).collect();
        let mut group = file.next_row_group().unwrap();
        let text = |text: &str| ByteArray::from(text);
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&rows, None, None).unwrap();
        column.close().unwrap();
        let names: Vec<ByteArray> = rows.iter().filter_map(|row| name(*row)).map(text).collect();
        let levels: Vec<i16> = rows.iter().map(|row| i16::from(name(*row).is_some())).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&names, Some(&levels), None).unwrap();
        column.close().unwrap();
        let amounts: Vec<f64> = rows.iter().map(|row| amount(*row)).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&amounts, None, None).unwrap();
        column.close().unwrap();
        let days: Vec<ByteArray> = rows.iter().map(|row| text(&day(*row))).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&days, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    file.close().unwrap();
    bytes
}

/// Several blocks.
fn avro() -> Vec<u8> {
    let schema = r#"{"type":"record","name":"t","fields":[{"name":"id","type":"long"},
        {"name":"name","type":["null","string"]},{"name":"amount","type":"double"},
        {"name":"day","type":"string"}]}"#;
    let text = |text: &str| [long(text.len() as i64), text.as_bytes().to_vec()].concat();
    let sync = [7; 16];
    let mut bytes =
        [b"Obj\x01".to_vec(), long(1), text("avro.schema"), text(schema), long(0)].concat();
    bytes.extend(sync);
    for first in (1..=ROWS).step_by(300) {
        let rows: Vec<i64> = (first..=ROWS.min(first + 299)).collect();
        let mut block = Vec::new();
        for row in &rows {
            block.extend(long(*row));
            match name(*row) {
                None => block.extend(long(0)),
                Some(name) => block.extend([long(1), text(name)].concat()),
            }
            block.extend(amount(*row).to_le_bytes());
            block.extend(text(&day(*row)));
        }
        bytes.extend([long(rows.len() as i64), long(block.len() as i64), block].concat());
        bytes.extend(sync);
    }
    bytes
}

fn every_format() -> Tables {
    let (comma, lines) = (delimited(","), json_lines());
    let crlf = String::from_utf8(comma.clone()).unwrap().replace('\n', "\r\n");
    Tables::new(&[
        ("t.csv", &comma),
        ("t.tsv", &delimited("\t")),
        ("semicolon.csv", &delimited(";")),
        ("crlf.csv", format!("\u{feff}{crlf}").as_bytes()),
        ("t.csv.gz", &gzip(&comma)),
        ("t.jsonl", &lines),
        ("t.ndjson.gz", &gzip(&lines)),
        ("t.parquet", &parquet()),
        ("t.avro", &avro()),
    ])
}

const FORMATS: [&str; 9] = [
    "t.csv",
    "t.tsv",
    "semicolon.csv",
    "crlf.csv",
    "t.csv.gz",
    "t.jsonl",
    "t.ndjson.gz",
    "t.parquet",
    "t.avro",
];

#[test]
fn each_format_gives_the_same_answers() {
    let tables = every_format();
    let questions = [
        (
            "SELECT count(*), sum(amount), min(day), max(id), count(name), count(DISTINCT day) FROM t",
            json!([[1000, 125125.0, "2026-11-01", 1000, 750, 28]]),
        ),
        (
            "SELECT name, count(*), avg(amount) FROM t GROUP BY name ORDER BY name",
            json!([
                [null, 250, 125.0],
                ["ada", 250, 125.5],
                ["bob", 250, 124.75],
                ["zoë, \"z\"", 250, 125.25]
            ]),
        ),
        (
            "SELECT id, day FROM t WHERE amount > 249 AND name IS NOT NULL ORDER BY id DESC LIMIT 2",
            json!([[1000, "2026-11-21"], [999, "2026-11-20"]]),
        ),
        // A number and its text are the same, however it is written.
        ("SELECT id FROM t WHERE id = '7' OR id = 8", json!([[7], [8]])),
        ("SELECT id FROM t WHERE id BETWEEN 299 AND 302", json!([[299], [300], [301], [302]])),
        (
            "SELECT typeof(id), typeof(name), typeof(amount), typeof(day) FROM t LIMIT 1",
            json!([["integer", "text", "real", "text"]]),
        ),
        (
            "SELECT id, amount - lag(amount) OVER (ORDER BY id) FROM t ORDER BY id LIMIT 2",
            json!([[1, null], [2, 0.25]]),
        ),
        (
            "WITH few AS MATERIALIZED (SELECT id, day FROM t WHERE id <= 3) \
             SELECT count(*) FROM t JOIN few ON few.day = t.day",
            json!([[108]]),
        ),
        ("SELECT id FROM t WHERE name LIKE 'zo%' AND instr(name, ', ') = 4 LIMIT 1", json!([[3]])),
        (
            "SELECT strftime('%d', day) AS d, count(*) FROM t GROUP BY d HAVING d = '28'",
            json!([["28", 35]]),
        ),
        ("SELECT DISTINCT replace(name, 'o', '0') FROM t WHERE name = 'bob'", json!([["b0b"]])),
        ("SELECT trim('xxaxx', 'x'), ltrim('  a '), rtrim('ab', 'b')", json!([["a", "a ", "a"]])),
        (
            "SELECT id, name, amount, day FROM t WHERE id = 1000",
            json!([[1000, "ada", 250.0, "2026-11-21"]]),
        ),
    ];
    for path in FORMATS {
        for (sql, answer) in &questions {
            assert_eq!(&tables.rows(path, sql), answer, "{path}: {sql}");
        }
        let answer = tables.ask(path, "SELECT amount FROM t WHERE id > 990").unwrap();
        // Of Parquet the last row group alone can have such a row.
        let scanned = if path.contains("parquet") { 100 } else { 1000 };
        assert_eq!((&answer["rows_scanned"], &answer["more"]), (&json!(scanned), &json!(false)));
        assert_eq!(answer["notes"], Value::Null, "{path}");
    }
}

#[test]
fn a_row_knows_where_it_stands() {
    let tables = every_format();
    for path in FORMATS {
        let lines = if path.contains("csv") || path.contains("tsv") { 1 } else { 0 };
        let rows = tables.rows(path, "SELECT _file, _line FROM t WHERE id = 700");
        assert_eq!(rows, json!([[path, 700 + lines]]), "{path}");
    }
    // Quoted line ends and blank lines are lines too.
    let text = "a,b\n\n1,\"x\n\ny\"\n2,z\n\n\n3,z\n";
    let tables = Tables::new(&[("t.csv", text.as_bytes())]);
    assert_eq!(tables.rows("t.csv", "SELECT a, _line FROM t"), json!([[1, 3], [2, 6], [3, 9]]));
}

#[test]
fn a_glob_is_one_table_whose_columns_are_found_by_name() {
    let tables = Tables::new(&[
        ("data/2026-01/sales.csv", b"id,city\n1,Bern\n2,Basel\n"),
        ("data/2026-02/sales.csv", b"city,id,note\nChur,3,late\n"),
        ("data/2026-03/sales.jsonl", b"{\"id\":4,\"City\":\"Davos\"}\n"),
        ("secret/sales.csv", b"id,city\n9,Hidden\n"),
    ]);
    let all = "SELECT id, city, note, _file FROM t ORDER BY id";
    assert_eq!(
        tables.rows("data/*/sales.csv", all),
        json!([
            [1, "Bern", null, "data/2026-01/sales.csv"],
            [2, "Basel", null, "data/2026-01/sales.csv"],
            [3, "Chur", "late", "data/2026-02/sales.csv"]
        ])
    );
    // Names that differ in their case alone are two columns.
    let rows =
        tables.rows("data/**/sales.*", "SELECT id, city, City_2 FROM t WHERE id >= 3 ORDER BY 1");
    assert_eq!(rows, json!([[3, "Chur", null], [4, null, "Davos"]]));
    // What policy hides is as if it were not there.
    assert_eq!(tables.rows("**/sales.csv", "SELECT count(*) FROM t"), json!([[3]]));
    for hidden in ["secret/sales.csv", "secret/none.csv"] {
        let error = tables.ask(hidden, "SELECT 1 FROM t").unwrap_err();
        assert_eq!(
            (error.code, error.message),
            (Code::NotFound, format!("no such file: {hidden}"))
        );
    }
    let error = tables.ask("secret/*.csv", "SELECT 1 FROM t").unwrap_err();
    assert_eq!(error.code, Code::NotFound);
    let error = tables.ask("data/*.parquet", "SELECT 1 FROM t").unwrap_err();
    assert_eq!(error.message, "no file matches `data/*.parquet`");
}

#[test]
fn several_tables_are_joined() {
    let tables = Tables::new(&[
        ("orders.csv", b"id,customer\n1,10\n2,11\n3,12\n"),
        ("customers.jsonl", b"{\"id\":10,\"name\":\"ada\"}\n{\"id\":11,\"name\":\"bob\"}\n"),
    ]);
    let both =
        json!([{"name": "o", "path": "orders.csv"}, {"name": "c", "path": "customers.jsonl"}]);
    let ask = |sql: &str| {
        let call = Call::new("local", Duration::from_secs(60));
        tables
            .call(json!({"sql": sql, "tables": both, "format": "json"}), &call)
            .unwrap()
            .into_json()
    };
    let answer = ask("SELECT o.id, c.name FROM o LEFT JOIN c ON c.id = o.customer ORDER BY 1");
    assert_eq!(answer["rows"], json!([[1, "ada"], [2, "bob"], [3, null]]));
    assert_eq!(answer["columns"], json!(["id", "name"]));
    let answer = ask("SELECT id FROM o WHERE customer NOT IN (SELECT id FROM c)");
    assert_eq!(answer["rows"], json!([[3]]));
    // The same table twice at a time.
    let answer = ask("SELECT a.id, b.id FROM o AS a JOIN o AS b ON b.id = a.id + 1 ORDER BY 1");
    assert_eq!(answer["rows"], json!([[1, 2], [2, 3]]));
}

#[test]
fn pages_are_the_whole_and_belong_to_one_question_over_unchanged_files() {
    let tables = every_format();
    let call = || Call::new("local", Duration::from_secs(60));
    let named = json!([{ "name": "t", "path": "t.parquet" }]);
    let mut arguments = json!({
        "sql": "SELECT id FROM t WHERE id % 2 = 0", "tables": named, "limit": 120, "format": "json"
    });
    let mut read: Vec<Value> = Vec::new();
    let mut pages = 0;
    loop {
        let page = tables.call(arguments.clone(), &call()).unwrap().into_json();
        read.extend(page["rows"].as_array().unwrap().iter().map(|row| row[0].clone()));
        pages += 1;
        assert_eq!(page["more"], page["next_cursor"].is_string());
        match page["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = json!(cursor),
            None => break,
        }
    }
    let wanted: Vec<Value> = (1..=500).map(|half| json!(half * 2)).collect();
    assert_eq!((pages, read), (5, wanted));
    // The cursor of a page serves no other question, no other caller and no other content.
    let mut other = arguments.clone();
    other["sql"] = json!("SELECT id FROM t");
    let error = tables.call(other, &call()).unwrap_err();
    assert!(error.message.contains("belongs to another caller or to a call"), "{error}");
    tables.write("t.parquet", &parquet());
    let modified =
        std::fs::File::options().write(true).open(tables.path().join("t.parquet")).unwrap();
    modified.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let error = tables.call(arguments, &call()).unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (Code::Conflict, "the files have changed since that page")
    );
}

#[test]
fn the_text_is_a_table_with_one_last_line() {
    let tables = Tables::new(&[("t.csv", b"a,b\n1,x\ty\n2,NULL\n3,\n4.5,\"two\nlines\"\n")]);
    assert_eq!(
        tables.text("t.csv", "SELECT a, b AS \"b c\" FROM t"),
        "a\tb c\n1\tx\\ty\n2\t\"NULL\"\n3\tNULL\n4.5\ttwo\\nlines\n[rows 1-4 · 4 rows scanned]"
    );
    let text = tables.text("t.csv", "SELECT a FROM t WHERE a > 9");
    assert_eq!(text, "a\n[no rows · 4 rows scanned]");
    let long = format!("a\n{}\n", "ä".repeat(2_000));
    let tables = Tables::new(&[("t.csv", long.as_bytes())]);
    let text = tables.text("t.csv", "SELECT a, length(a) FROM t");
    assert!(text.contains("… [cut: 1000 more characters; substr() shows them]\t2000\n"), "{text}");
    let wide = "a\n".to_owned() + &format!("{}\n", "x".repeat(900)).repeat(200);
    let tables = Tables::new(&[("t.csv", wide.as_bytes())]);
    let text = tables.text("t.csv", "SELECT a FROM t");
    assert!(text.chars().count() <= 48_000 && text.contains(" · more: cursor "));
}

#[test]
fn errors_name_the_tables_and_columns_that_there_are() {
    let tables = Tables::new(&[("t.csv", b"order id,total\n1,2\n")]);
    for (sql, why) in [
        ("SELECT nope FROM t", "`sql`: no such column: nope"),
        ("SELECT * FROM orders", "`sql`: no such table: orders"),
        ("SELEC 1", "`sql`: near \"SELEC\": syntax error"),
        ("SELECT sum(total, 1) FROM t", "`sql`: wrong number of arguments to function sum()"),
    ] {
        let error = tables.ask("t.csv", sql).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{sql}");
        assert!(error.message.starts_with(why), "{sql}: {}", error.message);
        let hint = error.hint.unwrap();
        assert!(hint.contains("t(order id, total)"), "{sql}: {hint}");
    }
    assert_eq!(tables.rows("t.csv", "SELECT \"order id\" FROM t"), json!([[1]]));
    for (tables_argument, why) in [
        (json!([]), "`tables` names 0 tables"),
        (json!([{"name": "a b", "path": "t.csv"}]), "`a b` cannot be the name of a table"),
        (json!([{"name": "sqlite_x", "path": "t.csv"}]), "`sqlite_x` cannot be the name"),
        (
            json!([{"name": "t", "path": "t.csv"}, {"name": "T", "path": "t.csv"}]),
            "`tables` has two tables `T`",
        ),
    ] {
        let call = Call::new("local", Duration::from_secs(60));
        let arguments = json!({"sql": "SELECT 1", "tables": tables_argument});
        let error = tables.call(arguments, &call).unwrap_err();
        assert!(error.message.starts_with(why), "{error}");
    }
    tables.write("t.txt", b"a,b\n");
    let error = tables.ask("t.txt", "SELECT 1 FROM t").unwrap_err();
    assert_eq!(error.message, "`t.txt` is no table that can be queried");
}

#[test]
fn json_lines_have_the_keys_of_their_first_lines_and_nest_as_json() {
    let text = r#"{"id":1,"tags":["a","b"],"at":{"city":"Bern"},"ok":true}

{"id":"2","extra":12345678901234567890,"ok":null,"tags":[]}
not json
[1,2]
{"id":3.5,"id":4,"text":"a\u00e9\n","ok":false}
"#;
    let tables = Tables::new(&[("t.jsonl", text.as_bytes())]);
    let answer = tables.ask("t.jsonl", "SELECT *, _line FROM t").unwrap();
    assert_eq!(answer["columns"], json!(["id", "tags", "at", "ok", "extra", "text", "_line"]));
    assert_eq!(
        answer["rows"],
        json!([
            [1, "[\"a\",\"b\"]", "{\"city\":\"Bern\"}", 1, null, null, 1],
            ["2", "[]", null, null, "12345678901234567890", null, 3],
            [4, null, null, 0, null, "aé\n", 6]
        ])
    );
    assert_eq!(
        answer["notes"],
        json!(["t.jsonl: 2 rows left out, since they are no JSON objects (lines 4, 5)"])
    );
    let rows = tables.rows("t.jsonl", "SELECT at ->> '$.city', value FROM t, json_each(t.tags)");
    assert_eq!(rows, json!([["Bern", "a"], ["Bern", "b"]]));
}

/// Rows as the writer's own library reads them, in the words of `read_file`, and what a query makes of
/// them: truth values are 1 and 0, decimals numbers, and what nests is JSON.
#[test]
fn tables_of_other_writers_are_read_whole() {
    for name in [
        "scalars.parquet",
        "nested.parquet",
        "nested-v1.parquet",
        "encodings.parquet",
        "int96.parquet",
        "events.avro",
        "deflate.avro",
        "snappy.avro",
        "zstandard.avro",
    ] {
        let (bytes, rows) = fixture(name);
        let tables = Tables::new(&[(name, &bytes)]);
        let answer = tables.ask(name, "SELECT * FROM t").unwrap();
        let columns: Vec<&str> =
            answer["columns"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let read = answer["rows"].as_array().unwrap();
        assert_eq!(read.len(), rows.len(), "{name}");
        for (row, (is, should)) in read.iter().zip(&rows).enumerate() {
            for (column, is) in columns.iter().zip(is.as_array().unwrap()) {
                let should = &should[column];
                assert!(agrees(is, should), "{name} row {row} {column}: {is}, but {should}");
            }
        }
        // Each column by itself, backwards through the columns and only some rows.
        for column in &columns {
            let quoted = column.replace('"', "\"\"");
            let sql = format!("SELECT \"{quoted}\" FROM t WHERE _line % 7 = 3");
            let some = tables.rows(name, &sql);
            for (at, is) in some.as_array().unwrap().iter().enumerate() {
                assert!(agrees(&is[0], &rows[2 + 7 * at][column]), "{name} {column} {at}");
            }
        }
    }
}

fn agrees(is: &Value, should: &Value) -> bool {
    match (is, should) {
        (is, should) if is == should => true,
        (Value::Number(is), Value::Bool(should)) => is.as_i64() == Some(i64::from(*should)),
        (Value::Number(is), Value::Number(should)) => is.as_f64() == should.as_f64(),
        // Decimals, which read_file shows as texts.
        (Value::Number(is), Value::String(should)) => should.parse::<f64>().ok() == is.as_f64(),
        (Value::Null, Value::String(should)) => should == "NaN",
        // Numbers without a sign, where they are beyond those with one.
        (Value::String(is), Value::Number(should)) => *is == should.to_string(),
        (Value::String(is), Value::Object(_) | Value::Array(_)) => {
            serde_json::from_str::<Value>(is).is_ok_and(|is| nested(&is, should))
        }
        // What is cut there is whole here.
        (Value::String(is), Value::String(should)) => match should.split_once("… [cut: ") {
            Some((kept, _)) => is.starts_with(kept),
            None => false,
        },
        _ => false,
    }
}

/// Inside of a value everything stands as `read_file` shows it, but for the cuts.
fn nested(is: &Value, should: &Value) -> bool {
    match (is, should) {
        (Value::Object(is), Value::Object(should)) => {
            let known = |(key, value): (&String, &Value)| {
                key == "…" || is.get(key).is_some_and(|is| nested(is, value))
            };
            should.iter().all(known)
        }
        (Value::Array(is), Value::Array(should)) => {
            let more = |value: &Value| value.as_str().is_some_and(|text| text.starts_with("… "));
            let kept = should.iter().take_while(|value| !more(value)).count();
            is.len() >= kept
                && is.iter().zip(&should[..kept]).all(|(is, should)| nested(is, should))
        }
        (Value::String(is), Value::String(should)) => {
            is == should
                || should.split_once("… [cut: ").is_some_and(|(kept, _)| is.starts_with(kept))
        }
        (is, should) => is == should,
    }
}
