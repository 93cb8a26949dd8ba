//! The example `data_quality` finds what is seeded in its data: three agents of the real binary,
//! each a model that knows its task and nothing of the data but what the tools return.
#![cfg(test)]

mod dbt_reviewer;
mod investigator;
mod night;
mod profiler;
mod talk;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::night::Night;

#[test]
fn the_agents_find_the_seeded_defects_with_their_rows_and_nothing_else() {
    let night = Night::new();
    night.run("profiler", &["profiler"], || Box::new(profiler::Profiler::default()));
    night.run("dbt-reviewer", &["dbt-reviewer"], || Box::new(dbt_reviewer::Reviewer::default()));
    // Two investigators at the same time: one has the claim, the other stops.
    let said = night.run("investigator", &["first", "second"], || {
        Box::new(investigator::Investigator::default())
    });
    let stopped = said.iter().filter(|text| text.contains("another agent has it")).count();
    assert_eq!(stopped, 1, "{said:?}");

    let found: BTreeSet<String> = night.findings().iter().map(as_defect).collect();
    let seeded: Vec<Value> = serde_json::from_str(&night.example("defects.json")).unwrap();
    let seeded: BTreeSet<String> = seeded.iter().map(Value::to_string).collect();
    assert_eq!(found, seeded);

    let conclusion = night.state("conclusion/nightly");
    assert_eq!(conclusion["trusted"], false, "{conclusion}");
    // What one agent found and another saw in a model comes together.
    assert_eq!(
        conclusion["mend_first"],
        serde_json::json!(["shipments.weight_kg is null and input/models/billing.sql hides it"])
    );
    assert_eq!(night.state("claims/nightly")["done"], true);
    let report = night.file(investigator::REPORT);
    for rule in ["load/count-mismatch", "events/malformed-json", "events/unknown-shipment"] {
        assert!(report.contains(rule), "{report}");
    }
    // What it may not read of stays with those who may.
    assert!(!report.contains("input/warehouse"), "{report}");
}

/// A finding as it stands in `defects.json`; rows are those that its evidence shows.
fn as_defect(finding: &Value) -> String {
    let mut defect = serde_json::json!({
        "agent": finding["agent"], "rule_id": finding["rule_id"], "path": finding["location"]["path"],
    });
    if let Some(line) = finding["location"]["start_line"].as_u64() {
        defect["line"] = line.into();
        return defect.to_string();
    }
    let rows = finding["evidence"].as_array().unwrap().iter().map(|row| {
        let row = row.as_str().unwrap().strip_prefix("row ").unwrap();
        let (number, row) = row.split_once(": ").unwrap();
        assert!(row.len() > 10, "the row itself is shown: {row}");
        number.parse::<u64>().unwrap()
    });
    defect["rows"] = rows.collect();
    defect.to_string()
}
