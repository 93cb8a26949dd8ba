//! The export of findings depends on the set of findings alone, and nothing is dropped silently.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_test_support::cases::cases;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::records::finding::{FORMAT, Finding, Location, Severity, Verdict};
use mcp_workspace_tools::records::merged::{self, Filter, MergedFinding, MergedFindings, Wanted};
use mcp_workspace_tools::review::Findings;
use mcp_workspace_tools::storage::findings::{self, Bounds};
use mcp_workspace_tools::storage::omissions::Omissions;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use proptest::prelude::*;

/// All findings, in pages of about so many bytes, or whole; and how many pages there were.
fn read(root: &Path, bytes: Option<usize>) -> (Findings, usize) {
    let policy = Policy::parse(
        "version = 1\n[[role]]\nname = \"a\"\ncallers = [\"local\"]\ntools = [\"grep\"]\n\
         read = [\"**\"]\n",
        "policy",
    )
    .unwrap();
    let workspace = Workspace::open_with_ambient_authority(root).unwrap();
    let grant = policy.grant("local").unwrap().for_decisions();
    let scope = Scope::new(Arc::new(workspace), grant, Arc::new(policy.layout().clone()));
    let call = Call::new("local", Duration::from_secs(60));
    let wanted = Wanted::default();
    let filter = Filter::new(&wanted).unwrap();
    let bounds = bytes.map(|bytes| Bounds { bytes, until: call.deadline() });
    let (mut findings, mut omissions): (Vec<MergedFinding>, Omissions) = Default::default();
    let (mut after, mut pages) = (None, 0);
    loop {
        let page = findings::page(&scope, &filter, after.as_deref(), bounds, &call).unwrap();
        pages += 1;
        findings.extend(page.findings);
        omissions.extend(page.omissions);
        assert!(page.done <= page.all && (page.next.is_some() || page.done == page.all));
        after = page.next;
        if after.is_none() {
            let whole = findings::read(&scope, &call).unwrap();
            assert_eq!(
                whole.findings.is_empty() && whole.omissions.is_empty(),
                findings.is_empty() && omissions.is_empty()
            );
            if bytes.is_none() {
                assert_eq!(
                    merged::merge(whole.findings).findings,
                    MergedFindings::of(findings.clone()).findings
                );
            }
            return (Findings::of(findings, omissions), pages);
        }
    }
}

fn write(root: &Path, finding: &Finding) {
    let folder = root.join("output/findings").join(&finding.agent);
    fs::create_dir_all(&folder).unwrap();
    let name = format!("{}.json", finding.fingerprint);
    fs::write(folder.join(name), serde_json::to_vec(finding).unwrap()).unwrap();
}

fn finding(number: u32, agent: u32, severity: Severity, created: u32, tag: &str) -> Finding {
    let (agent, fingerprint) = (format!("agent-{agent}"), format!("{number:048x}"));
    Finding {
        format: FORMAT,
        id: format!("{agent}:{fingerprint}"),
        fingerprint,
        rule_id: format!("rule-{}", number % 3),
        severity,
        message: format!("words of {agent}"),
        short_summary: None,
        failure_scenario: None,
        recommendation: None,
        category: None,
        verdict: number.is_multiple_of(2).then_some(Verdict::Plausible),
        evidence: vec![format!("seen by {agent}")],
        confidence: Some(0.5),
        tags: vec![tag.to_owned()],
        run: Some(format!("run-{}", created % 2)),
        location: Some(Location {
            path: format!("src/{}.rs", number % 4),
            start_line: Some(u64::from(number)),
            end_line: Some(u64::from(number)),
            file_version: None,
            snippet: None,
        }),
        caller: format!("caller of {agent}"),
        agent,
        created: format!("2026-01-01T00:00:{:02}Z", created % 60),
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn the_export_is_the_same_whatever_the_order_of_writing(
        all in proptest::collection::vec((0_u32..12, 0_u32..4, 0_usize..5, 0_u32..4, "[a-c]"), 0..30),
        seed: u64,
    ) {
        let severities =
            [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];
        let mut findings: Vec<Finding> = all
            .iter()
            .map(|(number, agent, severity, created, tag)| {
                finding(*number, *agent, severities[*severity], *created, tag)
            })
            .collect();
        // One record an agent and fingerprint, as on disk.
        findings.sort_by(|one, other| one.id.cmp(&other.id));
        findings.dedup_by(|one, other| one.id == other.id);
        let mut shuffled = findings.clone();
        let mut random = seed | 1;
        for at in (1..shuffled.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(at, usize::try_from(random >> 33).unwrap() % (at + 1));
        }
        let export = |findings: &[Finding], bytes| {
            let directory = tempfile::tempdir().unwrap();
            for finding in findings {
                write(directory.path(), finding);
            }
            let (read, _) = read(directory.path(), bytes);
            assert!(read.omissions.is_empty(), "{:?}", read.omissions);
            serde_json::to_string_pretty(&read.merged).unwrap()
        };
        let once = export(&findings, None);
        prop_assert_eq!(&once, &export(&shuffled, None));
        prop_assert_eq!(&once, &export(&shuffled, Some(1_500)));
        let memory = |findings| serde_json::to_string_pretty(&merged::merge(findings)).unwrap();
        prop_assert_eq!(&once, &memory(shuffled));
        // Everybody who saw something is kept.
        let merged = merged::merge(findings.clone());
        let seen: usize = merged.findings.iter().map(|finding| finding.seen.len()).sum();
        prop_assert_eq!(seen, findings.len());
    }
}

#[test]
fn a_damaged_record_is_named_and_unfinished_work_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(root, &finding(1, 1, Severity::High, 1, "a"));
    let folder = root.join("output/findings/agent-1");
    fs::write(folder.join("cut.json"), "{\"format\": 1, ").unwrap();
    fs::copy(folder.join(format!("{:048x}.json", 1)), folder.join("misplaced.json")).unwrap();
    fs::write(folder.join(".unfinished-1"), "{").unwrap();
    for (bytes, expected) in [(None, 1), (Some(1), 3)] {
        let (read, pages) = read(root, bytes);
        assert_eq!(pages, expected);
        // One byte is too little for any finding, and that is told.
        assert_eq!(read.merged.findings.len(), usize::from(bytes.is_none()));
        let named: Vec<&str> = read.omissions.named.iter().map(|one| one.path.as_str()).collect();
        let of = |name: &str| format!("output/findings/agent-1/{name}");
        let too_large = format!("{:048x}", 1);
        let (cut, misplaced) = (of("cut.json"), of("misplaced.json"));
        match bytes {
            None => assert_eq!(named, [&cut, &misplaced]),
            Some(_) => assert_eq!(named, [&too_large, &cut, &misplaced]),
        }
    }
}
