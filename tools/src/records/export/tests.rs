use proptest::prelude::*;

use super::*;
use crate::records::finding::{Finding, Location, Severity, Verdict};
use crate::records::merged::{MergedFindings, merge};

fn finding(number: u64, agent: &str, severity: Severity) -> Finding {
    Finding {
        format: 1,
        id: format!("{agent}:{number:048x}"),
        fingerprint: format!("{number:048x}"),
        rule_id: format!("CWE-{}/case", 70 + number % 5),
        severity,
        message: format!("finding {number} <script>alert(1)</script> \u{202e} `x` [a](b) {{0}}"),
        short_summary: (number.is_multiple_of(2)).then(|| format!("summary {number}")),
        failure_scenario: Some("it fails".to_owned()),
        recommendation: None,
        category: Some("injection".to_owned()),
        verdict: Some(Verdict::Plausible),
        evidence: vec!["```\n</pre>".to_owned()],
        confidence: Some(0.5),
        tags: (0..number % 30).map(|tag| format!("tag-{tag}")).collect(),
        run: None,
        location: (!number.is_multiple_of(7)).then(|| Location {
            path: format!("src/a file {}.rs", number % 3),
            start_line: Some(number % 11 + 1),
            end_line: None,
            file_version: None,
            snippet: Some("let x = 1;".to_owned()),
        }),
        agent: agent.to_owned(),
        caller: "local".to_owned(),
        created: "2026-01-02T03:04:05Z".to_owned(),
    }
}

fn all_exports(findings: &MergedFindings) -> [Export; 4] {
    let provenance = Provenance::default();
    let plain = |text| Export { text, notes: Vec::new() };
    [
        sarif(findings, Profile::Github, &provenance),
        sarif(findings, Profile::Ai, &provenance),
        plain(markdown(findings)),
        plain(html(findings)),
    ]
}

fn any_severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(describe::ALL_SEVERITIES.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_same_set_gives_the_same_bytes_in_any_order(
        // One record a fingerprint and agent, as they lie on disk.
        (written, read) in prop::collection::btree_map((0..12_u64, 0..3_u8), any_severity(), 0..24)
            .prop_map(|all| {
                let one = |((number, agent), severity)| finding(number, &format!("agent-{agent}"), severity);
                all.into_iter().map(one).collect::<Vec<_>>()
            })
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(all_exports(&merge(written)), all_exports(&merge(read)));
    }
}

#[test]
fn one_thing_seen_by_two_agents_is_one_result() {
    let seen = [finding(1, "b", Severity::Low), finding(1, "a", Severity::High)];
    let log: serde_json::Value = serde_json::from_str(
        &sarif(&merge(seen.into()), Profile::Github, &Provenance::default()).text,
    )
    .unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["level"], "error");
    assert_eq!(results[0]["properties"]["mcpWorkspace/seen"].as_array().unwrap().len(), 2);
    assert_eq!(log["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn the_most_severe_stay_within_githubs_limits() {
    let mut many: Vec<_> = (0..6_000).map(|number| finding(number, "a", Severity::Low)).collect();
    many.push(finding(7_000, "a", Severity::Critical));
    let Export { text, notes } = sarif(&merge(many), Profile::Github, &Provenance::default());
    assert!(text.len() <= sarif_limits::BYTES, "{} bytes", text.len());
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.len() <= sarif_limits::RESULTS);
    assert_eq!(results[0]["properties"]["mcpWorkspace/severity"], "critical");
    let tags = |rule: &serde_json::Value| rule["properties"]["tags"].as_array().unwrap().len();
    let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().all(|rule| tags(rule) <= sarif_limits::TAGS));
    assert!(notes.iter().any(|note| note.contains("left out")), "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("tags")), "{notes:?}");
}

#[test]
fn long_text_is_cut_to_the_size_that_github_takes() {
    let long = |number| Finding {
        message: "x".repeat(20_000),
        failure_scenario: Some("y".repeat(20_000)),
        ..finding(number, "a", Severity::High)
    };
    let many: Vec<_> = (0..2_000).map(long).collect();
    let Export { text, notes } = sarif(&merge(many), Profile::Github, &Provenance::default());
    assert!(text.len() <= sarif_limits::BYTES, "{} bytes", text.len());
    assert!(notes.iter().any(|note| note.contains("10 MB")), "{notes:?}");
}

#[test]
fn text_of_agents_is_no_markup() {
    let seen = [finding(1, "a", Severity::High)];
    let seen = merge(seen.into());
    let page = html(&seen);
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(page.matches("</pre>").count(), 2);
    assert!(page.contains("default-src 'none'"));
    let report = markdown(&seen);
    assert!(!report.contains('\u{202e}'));
    assert!(report.contains("&lt;script&gt;"));
    assert!(report.contains("````\n```\n</pre>\n````"), "{report}");
    assert!(report.contains(r"\[a\]\(b\)"), "{report}");
}

#[test]
fn rules_have_the_ids_of_the_ai_profile() {
    let named = |id: &str| {
        let seen = [Finding { rule_id: id.to_owned(), ..finding(1, "a", Severity::High) }];
        let text = sarif(&merge(seen.into()), Profile::Ai, &Provenance::default()).text;
        let log: serde_json::Value = serde_json::from_str(&text).unwrap();
        log["runs"][0]["results"][0]["ruleId"].as_str().unwrap().to_owned()
    };
    assert_eq!(named("CWE-89/order-by"), "CWE-89/order-by");
    assert_eq!(named("cwe-89"), "CWE-89/injection");
    assert_eq!(named("sql injection"), "NOVEL-sql-injection");
    assert_eq!(named("CWE-"), "NOVEL-cwe");
}

#[test]
fn no_text_becomes_a_link() {
    for (text, shown) in [
        ("see www.example.com, WWW.example.com", "see www&#46;example.com, WWW&#46;example.com"),
        ("www", "www"),
        ("w.www", "w.www"),
        ("https://example.com", "https&#58;//example.com"),
        ("[a](b)", "\\[a\\]\\(b\\)"),
    ] {
        assert_eq!(markdown::escaped(text), shown);
    }
}
