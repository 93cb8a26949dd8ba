//! The queries of `examples/data_quality` find what was seeded in its data, and count what another way of
//! reading counts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use serde_json::{Value, json};

use crate::querying::Tables;
use crate::reading::Setting;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data_quality")
}

fn table(name: &str) -> Vec<u8> {
    let folder = example().join("workspace/input/warehouse");
    std::fs::read(folder.join(format!("{name}.parquet"))).unwrap()
}

/// The rows of a query of the example.
fn rows(query: &str) -> Value {
    let sql = std::fs::read_to_string(example().join(format!("queries/{query}.sql"))).unwrap();
    let tables = Tables::new(&[
        ("shipments.parquet", &table("shipments")),
        ("carriers.parquet", &table("carriers")),
    ]);
    let named = json!([
        {"name": "shipments", "path": "shipments.parquet"},
        {"name": "carriers", "path": "carriers.parquet"}
    ]);
    let call = Call::new("local", Duration::from_secs(60));
    let arguments = json!({"sql": sql, "tables": named, "format": "json"});
    tables.call(arguments, &call).unwrap().into_json()["rows"].take()
}

#[test]
fn the_queries_find_the_seeded_defects() {
    let defects = std::fs::read_to_string(example().join("defects.json")).unwrap();
    let defects: Value = serde_json::from_str(&defects).unwrap();
    for query in ["not_null", "unique", "accepted_values", "relationships"] {
        let defect = defects.as_array().unwrap().iter().find(|defect| {
            let rule = defect["rule_id"].as_str().unwrap();
            defect["agent"] == "profiler" && rule.starts_with(&format!("{query}/"))
        });
        let lines = rows(query);
        let found: Vec<&Value> = lines.as_array().unwrap().iter().map(|row| &row[0]).collect();
        assert_eq!(json!(found), defect.unwrap()["rows"], "{query}");
    }
}

#[test]
fn the_profile_counts_what_read_file_shows() {
    let setting = Setting::with(&table("shipments"));
    let (mut shipments, mut offset) = (Vec::new(), json!(1));
    while !offset.is_null() {
        let answer = setting.json(json!({ "offset": offset }));
        shipments.extend(answer["rows"].as_array().unwrap().clone());
        offset = answer["next_offset"].clone();
    }
    assert_eq!(shipments.len(), 240);
    let profile = rows("profile");
    let profile = profile.as_array().unwrap();
    assert_eq!(profile.len(), 5);
    for column in profile {
        let name = column[0].as_str().unwrap();
        let values: Vec<&Value> =
            shipments.iter().map(|row| &row[name]).filter(|value| !value.is_null()).collect();
        let different: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
        let order = |a: &&&Value, b: &&&Value| match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => a.as_str().cmp(&b.as_str()),
        };
        let nulls = shipments.len() - values.len();
        assert_eq!((&column[1], &column[2]), (&json!(240), &json!(nulls)), "{name}");
        assert_eq!(column[3], json!(different.len()), "{name}");
        assert_eq!(&&column[4], values.iter().min_by(order).unwrap(), "{name}");
        assert_eq!(&&column[5], values.iter().max_by(order).unwrap(), "{name}");
    }
}
