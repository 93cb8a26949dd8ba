//! Rows of Parquet and Avro are those that the writer's own library reads, in every window.

use std::sync::Arc;

use mcp_workspace_tools::answer::Shown;
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type};
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

use crate::reading::{Setting, fixture, notes, version};

const TABLES: [&str; 9] = [
    "scalars.parquet",
    "nested.parquet",
    "nested-v1.parquet",
    "encodings.parquet",
    "int96.parquet",
    "events.avro",
    "deflate.avro",
    "snappy.avro",
    "zstandard.avro",
];

#[test]
fn all_rows_are_those_of_the_writers_library() {
    for name in TABLES {
        let (bytes, rows) = fixture(name);
        let setting = Setting::with(&bytes);
        let answer = setting.json(json!({}));
        assert_eq!(answer["notes"], Value::Null, "{name}");
        assert_eq!(answer["row_count"], rows.len(), "{name}");
        assert_eq!(answer["version"], version(&bytes), "{name}");
        assert_eq!(answer["encoding"], name.rsplit_once('.').unwrap().1, "{name}");
        let shown = answer["rows"].as_array().unwrap();
        assert!(!shown.is_empty(), "{name}: {answer}");
        for (number, (is, should)) in shown.iter().zip(&rows).enumerate() {
            assert_eq!(is, should, "row {} of {name}", number + 1);
        }
        assert_eq!(shown.len(), rows.len(), "{name}: {answer}");
    }
}

#[test]
fn every_window_is_a_part_of_the_whole() {
    for name in TABLES {
        let (bytes, rows) = fixture(name);
        let setting = Setting::with(&bytes);
        let count = rows.len();
        for first in (1..=count).step_by(3) {
            for limit in [1, 2, 7, 30] {
                let answer = setting.json(json!({"offset": first, "limit": limit}));
                let end = count.min(first + limit - 1);
                let is = answer["rows"].as_array();
                let is = is.unwrap_or_else(|| panic!("{name} {first} {limit}: {answer}"));
                assert_eq!(is, &rows[first - 1..end], "{name} {first} {limit}");
                assert_eq!(answer["end_line"], end);
                assert_eq!(answer["more"], end < count);
                let next = if end < count { json!(end + 1) } else { Value::Null };
                assert_eq!(answer["next_offset"], next);
            }
        }
        for last in [1, 2, 9, count, count + 5] {
            let answer = setting.json(json!({"offset": -(last as i64)}));
            let is =
                answer["rows"].as_array().unwrap_or_else(|| panic!("{name} -{last}: {answer}"));
            assert_eq!(is, &rows[count - last.min(count)..], "{name} -{last}");
            assert_eq!(answer["more"], false);
        }
    }
}

#[test]
fn windows_in_sequence_are_the_table() {
    let (bytes, rows) = fixture("scalars.parquet");
    let setting = Setting::with(&bytes);
    let (mut read, mut next) = (Vec::new(), json!(1));
    while let Some(offset) = next.as_i64() {
        let text = setting.read(json!({"offset": offset, "limit": 5})).into_json();
        for line in text["content"].as_str().unwrap().lines() {
            read.push(serde_json::from_str::<Value>(line).unwrap());
        }
        next = text["next_offset"].clone();
    }
    assert_eq!(read, rows);
}

#[test]
fn the_text_begins_with_the_schema_and_ends_with_how_to_go_on() {
    let (bytes, _) = fixture("scalars.parquet");
    let text = Setting::with(&bytes).text(json!({"limit": 2}));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "id: int64");
    assert_eq!(lines[1], "flag: boolean, may be null");
    for line in ["price: decimal(9,2), may be null", "at: timestamp(ms, UTC), may be null"] {
        assert!(lines.contains(&line), "{text}");
    }
    assert!(lines[17].starts_with("1\t{\"id\":1000,\"flag\":true,\"small\":-128,"), "{text}");
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("[rows 1-2 of 36 · parquet · 2 row groups · snappy · written by parquet-"),
        "{last}"
    );
    assert!(last.ends_with(" · more: offset 3]"), "{last}");
    // Who reads on has seen the schema.
    let text = Setting::with(&bytes).text(json!({"offset": 3, "limit": 2}));
    assert!(text.starts_with("3\t{"), "{text}");
}

#[test]
fn a_nested_schema_is_told_in_paths() {
    let (bytes, _) = fixture("nested.parquet");
    let answer = Setting::with(&bytes).json(json!({"limit": 1}));
    let fields: Vec<String> = answer["schema"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| {
            format!("{} {}", field["name"].as_str().unwrap(), field["type"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        fields,
        [
            "tags list<string>",
            "items list<struct>",
            "items[].sku string",
            "items[].sizes list<int32>",
            "attrs map<string, int64>",
            "codes map<int32, string>",
            "place struct",
            "place.city string",
            "place.at struct",
            "place.at.x double",
        ]
    );
    let (bytes, _) = fixture("events.avro");
    let text = Setting::with(&bytes).text(json!({"limit": 1}));
    for line in [
        "kind: enum(PICKUP, DROP)",
        "note: string, may be null",
        "price: decimal(9,2)",
        "counts: map<string, long>",
    ] {
        assert!(text.lines().any(|is| is == line), "{text}");
    }
}

#[test]
fn a_window_beyond_the_end_says_how_many_rows_there_are() {
    for name in ["scalars.parquet", "events.avro"] {
        let (bytes, rows) = fixture(name);
        let setting = Setting::with(&bytes);
        let answer = setting.json(json!({"offset": 1_000}));
        let count = rows.len();
        assert_eq!((&answer["rows"], &answer["row_count"]), (&json!([]), &json!(count)));
        assert_eq!((&answer["more"], &answer["next_offset"]), (&json!(false), &Value::Null));
        let text = setting.text(json!({"offset": 1_000}));
        let said = format!("nothing at offset 1000: the file has {count} rows");
        assert!(text.starts_with("[no rows · ") && text.contains(&said), "{text}");
    }
}

/// A Parquet file of `groups` row groups, each of a thousand rows and about a hundred kilobytes.
fn long_table(groups: i32) -> Vec<u8> {
    let schema = "message m { required int32 id; optional binary text (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    for group in 0..groups {
        let mut rows = file.next_row_group().unwrap();
        let ids: Vec<i32> = (0..1_000).map(|row| group * 1_000 + row).collect();
        let mut column = rows.next_column().unwrap().unwrap();
        column.typed::<Int32Type>().write_batch(&ids, None, None).unwrap();
        column.close().unwrap();
        let texts: Vec<ByteArray> =
            ids.iter().map(|id| format!("{id}{}", "x".repeat(100)).as_bytes().into()).collect();
        let mut column = rows.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&texts, Some(&[1; 1_000]), None).unwrap();
        column.close().unwrap();
        rows.close().unwrap();
    }
    file.close().unwrap();
    bytes
}

#[test]
fn a_table_beyond_the_size_limit_is_read_in_parts_and_has_no_version() {
    let bytes = long_table(20);
    let setting = Setting::limited(&bytes, bytes.len() as u64 / 4);
    for (offset, id) in [(1, 0), (10_000, 9_999), (-1, 19_999)] {
        let answer = setting.json(json!({"offset": offset, "limit": 1}));
        assert_eq!(answer["rows"][0]["id"], id, "{answer}");
        assert_eq!((&answer["row_count"], &answer["version"]), (&json!(20_000), &Value::Null));
        assert!(notes(&answer).contains("no version: the file is over"), "{}", notes(&answer));
    }
    // The rows themselves may not take more than that.
    let answer = Setting::limited(&bytes, 100_000).json(json!({}));
    assert_eq!(answer["rows"][0], json!({"id": 0}));
    assert!(notes(&answer).contains("columns from `text` on are not read"), "{}", notes(&answer));
    let error = Setting::limited(&bytes, 30_000).try_read(json!({})).unwrap_err();
    assert_eq!(error.code.as_str(), "too_large");
    assert!(error.message.contains("take more than 30000 bytes (max_file_bytes)"), "{error}");
}

#[test]
fn answers_keep_to_their_bound_and_continue_across_row_groups() {
    let setting = Setting::with(&long_table(3));
    for format in ["text", "json"] {
        let (mut next, mut rows) = (json!(1), 0);
        while let Some(offset) = next.as_i64() {
            let answer = setting.read(json!({"offset": offset, "format": format}));
            let length = match &answer.shown {
                Shown::Text(text) => text.chars().count(),
                _ => answer.json().to_string().chars().count(),
            };
            assert!(length <= 48_000, "{length}");
            assert_eq!(answer.json()["start_line"], rows + 1);
            rows = answer.json()["end_line"].as_i64().unwrap();
            next = answer.json()["next_offset"].clone();
        }
        assert_eq!(rows, 3_000);
    }
}

/// A Parquet file of one column, of which each row is made by `row`.
fn one_column(
    schema: &str,
    rows: usize,
    write: impl Fn(&mut SerializedColumnWriter, usize),
) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    let mut group = file.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    write(&mut column, rows);
    column.close().unwrap();
    group.close().unwrap();
    file.close().unwrap();
    bytes
}

#[test]
fn rows_with_long_lists_are_read_few_at_a_time() {
    // Two million values would be in the rows that a short name lets one hope for.
    let schema = "message m { repeated int32 e; }";
    let bytes = one_column(schema, 3_000, |column, rows| {
        let values: Vec<i32> = (0..rows as i32 * 1_000).collect();
        let (mut levels, mut first) = (vec![1; values.len()], 0);
        while first < levels.len() {
            levels[first] = 0;
            first += 1_000;
        }
        let all = vec![1; values.len()];
        column.typed::<Int32Type>().write_batch(&values, Some(&all), Some(&levels)).unwrap();
    });
    let setting = Setting::with(&bytes);
    let answer = setting.json(json!({}));
    assert_eq!(answer["notes"], Value::Null, "{}", answer["notes"]);
    let first = answer["rows"][0]["e"].as_array().unwrap();
    assert_eq!((first.len(), &first[100]), (101, &json!("… 900 more items")));
    let last = setting.json(json!({"offset": -1}));
    assert_eq!(last["rows"][0]["e"][0], 2_999_000);
}

#[test]
fn rows_of_many_bytes_are_read_few_at_a_time() {
    let schema = "message m { required binary image; }";
    let bytes = one_column(schema, 100, |column, rows| {
        for row in 0..rows {
            let image = ByteArray::from(vec![row as u8; 200_000]);
            column.typed::<ByteArrayType>().write_batch(&[image], None, None).unwrap();
        }
    });
    let setting = Setting::limited(&bytes, 8 << 20);
    let answer = setting.json(json!({}));
    let rows = answer["rows"].as_array().unwrap();
    assert!(rows.len() > 5 && answer["more"] == true, "{answer}");
    assert_eq!(rows[3]["image"], format!("0x{}… [cut: 199936 more bytes]", "03".repeat(64)));
    let next = setting.json(json!({"offset": answer["next_offset"]}));
    assert_eq!(next["start_line"], answer["next_offset"]);
}

#[test]
fn a_wide_row_and_a_long_value_are_cut_and_say_so() {
    let names: Vec<String> =
        (0..3_000).map(|column| format!("required binary column_{column} (UTF8);")).collect();
    let schema =
        Arc::new(parse_message_type(&format!("message m {{ {} }}", names.join(" "))).unwrap());
    let mut bytes = Vec::new();
    let mut file = SerializedFileWriter::new(&mut bytes, schema, Default::default()).unwrap();
    let mut rows = file.next_row_group().unwrap();
    while let Some(mut column) = rows.next_column().unwrap() {
        let value = ByteArray::from("ä".repeat(1_500).as_str());
        column.typed::<ByteArrayType>().write_batch(&[value], None, None).unwrap();
        column.close().unwrap();
    }
    rows.close().unwrap();
    file.close().unwrap();
    let setting = Setting::with(&bytes);
    let text = setting.text(json!({}));
    assert!(text.chars().count() <= 48_000, "{}", text.len());
    assert!(text.contains("… [cut: 500 more characters]"));
    let end: String = text.chars().skip(text.chars().count() - 300).collect();
    assert!(end.contains(" more fields\"}\n[row 1 of 1 · parquet"), "{end}");
    assert!(end.contains(" more fields in the schema"), "{end}");
    let json = setting.json(json!({}));
    assert!(json.to_string().chars().count() <= 48_000);
}

#[test]
fn what_cannot_be_read_is_described_and_says_why() {
    let (brotli, _) = fixture("brotli.parquet");
    let (whole, _) = fixture("scalars.parquet");
    let cut = &whole[..whole.len() - 100];
    for (bytes, why) in [
        (&brotli[..], "its compression is BROTLI"),
        (cut, "it begins like Parquet but has no footer"),
    ] {
        let answer = Setting::with(bytes).json(json!({}));
        assert_eq!(answer["encoding"], "binary");
        assert_eq!(answer["version"], version(bytes));
        assert!(notes(&answer).contains(why), "{}", notes(&answer));
    }
}

#[test]
fn rows_before_the_damage_of_an_avro_file_are_given() {
    let (mut bytes, rows) = fixture("events.avro");
    bytes.truncate(bytes.len() - 30);
    let answer = Setting::with(&bytes).json(json!({}));
    let is = answer["rows"].as_array().unwrap();
    assert!(!is.is_empty() && is.len() < rows.len());
    assert_eq!(is, &rows[..is.len()]);
    assert_eq!(answer["row_count"], Value::Null);
    assert!(notes(&answer).contains("the file ends in the middle of a block"), "{answer}");
}
