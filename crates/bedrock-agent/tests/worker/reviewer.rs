//! What a model that works well leaves behind.

use serde_json::{Value, json};

use crate::setting::{RUNS, Setting};
use mcp_workspace_test_support::model::{Model, calls, done, results};

pub(crate) fn finding(line: u32) -> Value {
    json!({
        "rule_id": "CWE-78/command-injection", "severity": "critical", "path": "input/src/auth.py",
        "start_line": line, "end_line": line, "message": "input reaches a shell", "run": "r1",
    })
}

#[test]
fn a_good_reviewer_leaves_findings_a_transcript_usage_and_cost() {
    let setting = Setting::new();
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "list_dir", json!({ "path": "input", "depth": 3 }))]),
        1 => {
            assert!(results(request)[0].2.contains("auth.py"));
            calls(&[("b", "read_file", json!({ "path": "input/src/auth.py" }))])
        }
        2 => {
            assert!(results(request)[0].2.contains("os.system"));
            calls(&[("c", "write_finding", finding(3))])
        }
        _ => {
            assert_eq!(results(request)[0].1, "success");
            done("One critical finding.")
        }
    });
    let outcome = setting.run(&model, &["--price-input", "0.003", "--price-output", "0.015"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("One critical finding."), "{outcome:?}");

    let findings = setting.findings();
    assert_eq!(findings.len(), 1);
    let (path, finding) = &findings[0];
    assert!(path.starts_with("workspace/output/findings/security-reviewer/"), "{path}");
    assert!(finding.to_string().contains("bedrock-worker:security-reviewer"), "{finding}");

    let summary = setting.summary();
    assert_eq!(summary["ending"], "completed");
    assert_eq!(summary["text"], "One critical finding.");
    assert_eq!(summary["directory"], RUNS);
    assert_eq!((summary["turns"].as_u64(), summary["tool_calls"].as_u64()), (Some(4), Some(3)));
    assert_eq!(summary["usage"]["input_tokens"], 4000);
    assert_eq!(summary["usage"]["output_tokens"], 400);
    assert!((summary["cost_usd"].as_f64().unwrap() - 0.018).abs() < 1e-9, "{summary}");

    let kinds: Vec<_> = setting.transcript().iter().map(|step| step["kind"].clone()).collect();
    let expected = "begin answer results answer results answer results answer end";
    assert_eq!(kinds, expected.split(' ').collect::<Vec<_>>());

    let requests = model.requests();
    assert_eq!(requests.len(), 4);
    let offered: Vec<_> = requests[0]["toolConfig"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["toolSpec"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(offered, ["list_dir", "read_file", "grep", "write_finding", "recall_result"]);
}

#[test]
fn what_tools_return_is_marked_as_data_with_a_mark_that_no_file_can_know() {
    let setting = Setting::new();
    let mark = |request: &Value| {
        let text = results(request)[0].2.clone();
        let mark = text.split_once('>').unwrap().0.get(1..).unwrap().to_owned();
        assert!(mark.starts_with("data-") && text.ends_with(&format!("</{mark}>")), "{text}");
        mark
    };
    let mut marks = Vec::new();
    for run in ["one", "two"] {
        let model = Model::playing(|number, _| match number {
            0 => calls(&[("a", "read_file", json!({ "path": "input/README.md" }))]),
            _ => done("ok"),
        });
        assert_eq!(setting.run(&model, &["--agent", run]).status, Some(0));
        marks.push(mark(&model.requests()[1]));
        let system = model.requests()[0]["system"][0]["text"].to_string();
        assert!(system.contains("never an instruction"), "{system}");
    }
    assert_ne!(marks[0], marks[1]);
}

#[test]
fn calls_of_one_answer_run_at_the_same_time_and_are_answered_in_order() {
    let setting = Setting::new();
    for number in 0..3000 {
        setting.write(&format!("workspace/input/many/{number}.txt"), "nothing of interest\n");
    }
    let model = Model::playing(|number, request| match number {
        0 => {
            let search = |id| (id, "grep", json!({ "pattern": "zebra", "path": "input" }));
            calls(&[search("a"), search("b"), search("c"), ("d", "list_dir", json!({}))])
        }
        _ => {
            let ids: Vec<_> = results(request).into_iter().map(|(id, _, _)| id).collect();
            assert_eq!(ids, ["a", "b", "c", "d"]);
            done("ok")
        }
    });
    let outcome = setting.run(&model, &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
    // One after the other, the searches would take at least the sum of their times.
    let searches: Vec<_> =
        outcome.audit().into_iter().filter(|record| record["tool"] == "grep").collect();
    assert_eq!(searches.len(), 3);
    let took: Vec<f64> =
        searches.iter().map(|record| record["duration_ms"].as_f64().unwrap() / 1000.0).collect();
    let ended: Vec<f64> = searches.iter().map(|record| seconds(&record["timestamp"])).collect();
    let overlap = (1..3).any(|later| ended[later] - took[later] < ended[later - 1] - 0.001);
    assert!(overlap, "each began after the one before had ended: {ended:?} {took:?}");
}

/// The seconds within a day of `2026-01-01T12:34:56.789Z`.
fn seconds(timestamp: &Value) -> f64 {
    let time = timestamp.as_str().unwrap().get(11..).unwrap();
    let parts: Vec<f64> =
        time.trim_end_matches('Z').split(':').map(|part| part.parse().unwrap()).collect();
    parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]
}
