//! Conditions reach the reader of Parquet: row groups in which no row can meet them are not read, and
//! no row that meets them is missing.

use std::cmp::Ordering;
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use crate::queries::{json_lines, parquet};
use crate::querying::Tables;

const GROUPS: i64 = 5;
const GROUP: i64 = 40;

/// A number as a query is asked, and as it compares.
const NUMBERS: [(&str, f64); 9] = [
    ("-1", -1.0),
    ("0", 0.0),
    ("1", 1.0),
    ("40", 40.0),
    ("40.5", 40.5),
    ("41", 41.0),
    ("120.0", 120.0),
    ("200", 200.0),
    ("1e300", 1e300),
];
const TEXTS: [&str; 8] =
    ["", "2024-07-07", "2024-08-16", "2024-08-16T", "2025", "k040", "k0a", "~"];
const OPERATORS: [&str; 5] = ["=", "<", "<=", ">", ">="];

fn meets(order: Ordering, operator: &str) -> bool {
    match operator {
        "=" => order.is_eq(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    }
}

/// Row groups of 40 rows, of each kind of column that has statistics.
fn typed() -> Vec<u8> {
    let schema = "message t { required int64 whole; required double real; required binary text \
                  (UTF8); required int32 day (DATE); required int64 at (TIMESTAMP(MILLIS,true)); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    for group in 0..GROUPS {
        let rows: Vec<i64> = (group * GROUP + 1..=(group + 1) * GROUP).collect();
        let mut written = file.next_row_group().unwrap();
        let mut column = written.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&rows, None, None).unwrap();
        column.close().unwrap();
        let reals: Vec<f64> = rows.iter().map(|row| *row as f64 / 2.0).collect();
        let mut column = written.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&reals, None, None).unwrap();
        column.close().unwrap();
        let texts: Vec<ByteArray> =
            rows.iter().map(|row| ByteArray::from(format!("k{row:03}").as_str())).collect();
        let mut column = written.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&texts, None, None).unwrap();
        column.close().unwrap();
        let days: Vec<i32> = rows.iter().map(|row| 19_910 + *row as i32).collect();
        let mut column = written.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&days, None, None).unwrap();
        column.close().unwrap();
        // Parts of a second, whose texts are in another order: `00.5Z` is before `00Z`.
        let times: Vec<i64> = rows.iter().map(|row| 1_723_766_390_000 + row * 250).collect();
        let mut column = written.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&times, None, None).unwrap();
        column.close().unwrap();
        written.close().unwrap();
    }
    file.close().unwrap();
    bytes
}

/// The rows that meet a condition, and how many were read for that.
fn ask(tables: &Tables, path: &str, condition: &str) -> (Vec<Value>, i64) {
    let sql = format!("SELECT _line FROM t WHERE {condition} ORDER BY _line");
    let answer = tables.ask(path, &sql).unwrap();
    let rows = answer["rows"].as_array().unwrap();
    let lines = rows.iter().map(|row| row[0].clone()).collect();
    (lines, answer["rows_scanned"].as_i64().unwrap())
}

#[test]
fn no_row_that_meets_a_condition_is_missing() {
    let tables = Tables::new(&[("t.parquet", &typed())]);
    let all = tables.rows("t.parquet", "SELECT whole, real, text, day, at FROM t");
    let all = all.as_array().unwrap();
    assert_eq!(all.len() as i64, GROUPS * GROUP);
    let lines = |expected: &dyn Fn(&Value) -> bool| -> Vec<Value> {
        (1..).zip(all).filter(|(_, row)| expected(row)).map(|(line, _)| json!(line)).collect()
    };
    let mut left_out = 0;
    let mut check = |condition: String, expected: Vec<Value>| {
        let (found, scanned) = ask(&tables, "t.parquet", &condition);
        assert_eq!(found, expected, "{condition}");
        assert_eq!(scanned % GROUP, 0, "{condition}");
        left_out += GROUPS - scanned / GROUP;
    };
    for operator in OPERATORS {
        for (at, column) in ["whole", "real"].into_iter().enumerate() {
            for (written, number) in NUMBERS {
                let expected =
                    lines(&|row| meets(row[at].as_f64().unwrap().total_cmp(&number), operator));
                check(format!("{column} {operator} {written}"), expected);
            }
        }
        for (at, column) in [(2, "text"), (3, "day"), (4, "at")] {
            let mut texts: Vec<String> = TEXTS.map(str::to_owned).into();
            for row in [1, 39, 40, 41, 200] {
                let text = all[row - 1][at].as_str().unwrap();
                texts.extend([
                    text.to_owned(),
                    format!("{text}0"),
                    text.get(..text.len() - 1).unwrap().into(),
                ]);
            }
            for text in texts {
                let expected =
                    lines(&|row| meets(row[at].as_str().unwrap().cmp(text.as_str()), operator));
                check(format!("{column} {operator} '{text}'"), expected);
            }
        }
    }
    assert!(left_out > 100, "only {left_out} row groups were left out");
}

#[test]
fn only_row_groups_that_may_hold_an_answer_are_read() {
    let tables = Tables::new(&[("t.parquet", &typed())]);
    for (condition, rows, groups) in [
        ("whole = 41", 1, 1),
        ("41 = whole", 1, 1),
        ("whole BETWEEN 39 AND 42", 4, 2),
        ("whole > 39 AND whole < 200 AND text < 'k042'", 2, 2),
        ("whole > 200", 0, 0),
        ("day >= '2024-08-16' AND day < '2024-08-18'", 2, 1),
        // Three of them lie in that second, after it as times and before it as texts.
        ("at < '2024-08-15T23:59:52Z'", 10, 1),
        // What says nothing that statistics could answer reads all.
        ("whole = 41 OR whole = 42", 2, 5),
        ("abs(whole) = 41", 1, 5),
        ("text = 'K041' COLLATE NOCASE", 1, 5),
        ("whole IS NOT 41", 199, 5),
    ] {
        let (found, scanned) = ask(&tables, "t.parquet", condition);
        assert_eq!((found.len(), scanned), (rows, groups * GROUP), "{condition}");
    }
}

#[test]
fn a_condition_means_the_same_as_over_a_format_without_statistics() {
    let tables = Tables::new(&[("t.parquet", &parquet()), ("t.jsonl", &json_lines())]);
    for condition in [
        "id = '300'",
        "id = 300.0",
        "id < '5'",
        "id > 'a'",
        "name = 'zoë, \"z\"'",
        "name >= 'zo'",
        "name < 5",
        "name IS NULL AND id > 900",
        "amount = 225",
        "amount >= 249.9 AND day = '2026-11-21'",
        "id IN (1, 301, 1000)",
        "id = NULL",
        "NOT id < 999",
    ] {
        let (found, _) = ask(&tables, "t.parquet", condition);
        let (expected, scanned) = ask(&tables, "t.jsonl", condition);
        assert_eq!(found, expected, "{condition}");
        assert_eq!(scanned, 1_000);
    }
    // A join's condition is no value that is written: each row has another one.
    let named = json!([{ "name": "a", "path": "t.parquet" }, { "name": "b", "path": "t.jsonl" }]);
    let sql = "SELECT a.id FROM a JOIN b ON a.id = b.id WHERE b.amount = 225 AND a.id > 850";
    let call = mcp_workspace_tools::call::Call::new("local", std::time::Duration::from_secs(60));
    let answer = tables.call(json!({ "sql": sql, "tables": named, "format": "json" }), &call);
    assert_eq!(answer.unwrap().into_json()["rows"], json!([[900]]));
}
