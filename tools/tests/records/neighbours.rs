//! One malformed neighbour among the findings and proposals spoils nothing: what can be read is
//! read, what cannot is told, and a write needs no folder but its own.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use mcp_workspace_test_support::kinds::{Thing, lock, under_permissions, unlock};
use mcp_workspace_test_support::tool_call::{self, open};
use mcp_workspace_test_support::tree::Tree;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::memory::Memory;
use mcp_workspace_tools::records::finding::{Finding, MAX_ITEMS};
use mcp_workspace_tools::records::merged::{self, Filter, Wanted};
use mcp_workspace_tools::storage::findings::{self, Ledger};
use mcp_workspace_tools::storage::omissions::Omissions;
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["local"]
tools = ["write_finding", "propose_patch", "list_findings"]
read = ["**"]
write = ["output/findings/agent/**", "output/proposals/**"]
propose = ["input/**"]

[[role]]
name = "narrow"
callers = ["narrow"]
tools = ["write_finding"]
read = ["input/**"]
write = ["output/findings/narrow/**"]
"#;

fn finding(agent: &str, number: usize) -> Finding {
    serde_json::from_value(json!({
        "format": 1, "id": format!("{agent}:{number:048x}"), "fingerprint": format!("{number:048x}"),
        "rule_id": "r", "severity": "low", "message": "m", "agent": agent, "caller": "local",
        "created": "2026-11-24T08:00:00Z",
    }))
    .unwrap()
}

fn store(tree: &Tree, finding: &Finding) {
    let path = format!("output/findings/{}/{}.json", finding.agent, finding.fingerprint);
    tree.file(&path, serde_json::to_vec(finding).unwrap());
}

/// A workspace with a finding of each of two agents.
fn tree() -> Tree {
    let tree = Tree::new();
    store(&tree, &finding("first", 1));
    store(&tree, &finding("last", 2));
    tree.file("input/a.txt", "one\n");
    tree
}

fn run(root: &Path, caller: &str, tool: &str, arguments: Value) -> Result<Value, ToolError> {
    tool_call::run_as(open(root), POLICY, caller, tool, arguments)
}

fn write(root: &Path, caller: &str) -> Result<Value, ToolError> {
    let arguments = json!({"rule_id": "new", "severity": "low", "message": "m"});
    run(root, caller, "write_finding", arguments)
}

fn read(root: &Path) -> Result<Ledger, ToolError> {
    let scope = tool_call::scope(open(root), POLICY, "local", "write_finding");
    let call = Call::new("local", Duration::from_secs(60));
    let ledger = findings::read(&scope, &call);
    // Both ways of reading tell the same.
    let wanted = Wanted::default();
    let page = findings::page(&scope, &Filter::new(&wanted).unwrap(), None, None, &call);
    match (&ledger, page) {
        (Ok(ledger), Ok(page)) => {
            assert_eq!(merged::merge(ledger.findings.clone()).findings.len(), page.findings.len());
            assert_eq!(ledger.omissions.count(), page.omissions.count());
        }
        (Err(one), Err(other)) => assert_eq!(one, &other),
        (one, other) => panic!("{one:?} and {other:?}"),
    }
    ledger
}

fn told(ledger: &Ledger) -> Vec<&str> {
    ledger.omissions.named.iter().map(|one| one.path.as_str()).collect()
}

#[test]
fn whatever_is_in_the_place_of_an_agents_folder_is_told_and_the_others_are_read() {
    under_permissions(|| {
        for thing in Thing::ALL.into_iter().filter(|thing| *thing != Thing::Directory) {
            let tree = tree();
            let there = tree.root().join("output/findings/evil");
            thing.make(&there);
            let ledger = read(&tree.root()).unwrap();
            assert_eq!(ledger.findings.len(), 2, "{thing:?}");
            assert_eq!(told(&ledger), ["output/findings/evil"], "{thing:?}");
            assert!(!ledger.omissions.named[0].problem.is_empty());

            let written = write(&tree.root(), "local").unwrap();
            assert_eq!(written["status"], "created", "{thing:?}");
            assert_eq!(written["left_out"][0]["path"], "output/findings/evil", "{thing:?}");
            // Who may not see what is there is told nothing of it.
            let written = write(&tree.root(), "narrow").unwrap();
            assert_eq!(written["status"], "created", "{thing:?}");
            assert_eq!(written.get("left_out"), None, "{thing:?}");
            unlock(&there);
        }
    });
}

#[test]
fn whatever_is_in_the_place_of_a_record_is_told_and_the_others_are_read() {
    under_permissions(|| {
        for thing in Thing::ALL {
            let tree = tree();
            let name = format!("output/findings/first/{:048x}.json", 7);
            thing.make(&tree.root().join(&name));
            let ledger = read(&tree.root()).unwrap();
            assert_eq!((ledger.findings.len(), told(&ledger)), (2, vec![&*name]), "{thing:?}");
            assert_eq!(write(&tree.root(), "local").unwrap()["status"], "created", "{thing:?}");
            unlock(&tree.root().join(&name));
        }
    });
}

#[test]
fn whatever_is_under_the_name_of_a_finding_gives_way_to_it() {
    under_permissions(|| {
        let texts = ["", "{}", "[1", "no finding"].map(Planted::Text);
        for planted in Thing::ALL.map(Planted::Thing).into_iter().chain(texts) {
            let tree = tree();
            let path = write(&tree.root(), "local").unwrap()["path"].as_str().unwrap().to_owned();
            let place = tree.root().join(&path);
            fs::remove_file(&place).unwrap();
            planted.make(&place);
            let written = write(&tree.root(), "local").unwrap();
            assert_eq!(written["status"], "created", "{planted:?} {written}");
            assert_eq!(written["left_out"][0]["path"], json!(path), "{planted:?} {written}");
            let ledger = read(&tree.root()).unwrap();
            assert_eq!((ledger.findings.len(), told(&ledger)), (3, vec![]), "{planted:?}");
            assert_eq!(write(&tree.root(), "local").unwrap()["status"], "duplicate", "{planted:?}");
            // It is not said of another agent either that it had seen this.
            let other = tree.root().join("output/findings/first").join(place.file_name().unwrap());
            planted.make(&other);
            let written = write(&tree.root(), "local").unwrap();
            assert_eq!(written["seen_by"], json!(["agent"]), "{planted:?}");
            unlock_all(&tree.root().join("output/findings"));
        }
    });
}

/// What somebody has put where a record should be.
#[derive(Debug, Clone, Copy)]
enum Planted {
    Thing(Thing),
    Text(&'static str),
}

impl Planted {
    fn make(self, path: &Path) {
        match self {
            Planted::Thing(thing) => thing.make(path),
            Planted::Text(text) => fs::write(path, text).unwrap(),
        }
    }
}

/// So that a test can remove its tree.
fn unlock_all(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        unlock(&path);
        if path.symlink_metadata().unwrap().is_dir() {
            unlock_all(&path);
        }
    }
}

#[test]
fn records_that_are_too_much_are_told_and_cost_little() {
    let tree = tree();
    let mut many = serde_json::to_value(finding("first", 3)).unwrap();
    many["evidence"] = (0..60_000).map(|number| number.to_string()).collect();
    tree.file(&format!("output/findings/first/{:048x}.json", 3), many.to_string());
    let mut at_most = serde_json::to_value(finding("first", 4)).unwrap();
    at_most["evidence"] = (0..MAX_ITEMS).map(|number| number.to_string()).collect();
    tree.file(&format!("output/findings/first/{:048x}.json", 4), at_most.to_string());
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    tree.file("output/findings/first/deep.json", deep);
    let huge = tree.root().join("output/findings/first/huge.json");
    fs::File::create(&huge).unwrap().set_len(1 << 30).unwrap();
    let begun = Instant::now();
    let ledger = read(&tree.root()).unwrap();
    assert_eq!(ledger.findings.len(), 3);
    let named = told(&ledger);
    assert_eq!(named.len(), 3, "{named:?}");
    let problems: Vec<&str> =
        ledger.omissions.named.iter().map(|one| one.problem.as_str()).collect();
    assert!(problems.iter().any(|problem| problem.contains("60000 items")), "{problems:?}");
    assert!(problems.iter().any(|problem| problem.contains("1073741824 bytes")), "{problems:?}");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn findings_of_many_agents_take_no_more_memory_than_a_caller_may_have() {
    let tree = tree();
    for agent in 0..60 {
        let mut one = finding(&format!("agent-{agent:02}"), 1);
        one.evidence = (0..MAX_ITEMS).map(|item| format!("{item} {}", "e".repeat(7_000))).collect();
        store(&tree, &one);
    }
    let memory = Memory::new(16 * 1024 * 1024);
    let list = |tool: &str, arguments: Value| {
        let workspace = open(&tree.root()).with_memory(memory.clone());
        tool_call::run_as(workspace, POLICY, "local", tool, arguments).unwrap()
    };
    let listed = list("list_findings", json!({"format": "json"}));
    assert_eq!(listed["findings"].as_array().unwrap().len(), 2, "{listed}");
    let agents = listed["findings"][0]["agents"].as_array().unwrap().len();
    assert!((2..60).contains(&agents), "{agents}");
    let why = listed["left_out"][0]["problem"].as_str().unwrap();
    assert!(why.contains("bytes of memory"), "{why}");
    assert_eq!(memory.used(), 0);
}

#[test]
fn names_of_records_are_drawn_from_the_budget() {
    let tree = tree();
    for number in 0..20_000 {
        tree.file(&format!("output/findings/first/{number:0200}.json"), "");
    }
    let workspace = open(&tree.root()).with_memory(Memory::new(4 * 1024 * 1024));
    let arguments = json!({"format": "json"});
    let listed = tool_call::run_as(workspace, POLICY, "local", "list_findings", arguments).unwrap();
    assert_eq!(listed["findings"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["left_out"][0]["path"], "output/findings/first", "{listed}");
    let why = listed["left_out"][0]["problem"].as_str().unwrap();
    assert!(why.contains("bytes of memory"), "{why}");
    // Whoever writes looks at few of them.
    assert_eq!(write(&tree.root(), "local").unwrap()["status"], "created");
}

#[test]
fn a_finding_on_very_many_equal_lines_is_written_in_linear_time() {
    let tree = tree();
    tree.file("input/same.txt", "x\n".repeat(400_000));
    tree.file("input/words.txt", "a ".repeat(2_000_000));
    let begun = Instant::now();
    for (path, from, to) in [("same", 200_000, 400_000), ("words", 1, 1)] {
        let arguments = json!({"rule_id": "new", "severity": "low", "message": "m",
            "path": format!("input/{path}.txt"), "start_line": from, "end_line": to});
        let written = run(&tree.root(), "local", "write_finding", arguments).unwrap();
        assert_eq!(written["status"], "created");
    }
    // Each line with each is an hour.
    assert!(begun.elapsed() < Duration::from_secs(50), "{:?}", begun.elapsed());
}

#[test]
fn evidence_of_many_agents_is_merged_in_linear_time() {
    // 100,000 different items: each compared with each is hours in a build for tests.
    let all = (0..2_000).map(|agent| {
        let mut one = finding(&format!("agent-{agent}"), 1);
        one.evidence = (0..MAX_ITEMS).map(|item| format!("{agent} {item}")).collect();
        one.evidence.push("the same".to_owned());
        one
    });
    let begun = Instant::now();
    let merged = merged::merge(all.collect());
    assert_eq!(merged.findings[0].evidence.len(), 2_000 * MAX_ITEMS + 1);
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn names_that_are_no_text_are_counted_once_each() {
    let tree = tree();
    let folder = tree.root().join("output/findings");
    for name in [&b"caf\xe9"[..], b"new\nline"] {
        fs::create_dir(folder.join(std::ffi::OsStr::from_bytes(name))).unwrap();
        fs::write(folder.join("first").join(std::ffi::OsStr::from_bytes(name)), "{}").unwrap();
    }
    let ledger = read(&tree.root()).unwrap();
    assert_eq!(ledger.findings.len(), 2);
    assert_eq!(told(&ledger), ["output/findings", "output/findings/first"]);
    for one in &ledger.omissions.named {
        assert!(one.problem.starts_with("2 names"), "{}", one.problem);
    }
}

#[test]
fn a_folder_of_findings_that_is_none_is_an_error_and_never_an_empty_list() {
    under_permissions(|| {
        for thing in Thing::ALL.into_iter().filter(|thing| *thing != Thing::Directory) {
            let tree = Tree::new();
            let there = tree.root().join("output/findings");
            thing.make(&there);
            let error = read(&tree.root()).unwrap_err();
            let expected = if thing == Thing::LockedDirectory { Code::Denied } else { Code::Io };
            assert_eq!(error.code, expected, "{thing:?}: {error}");
            assert!(error.message.contains("output/findings"), "{error}");
            unlock(&there);
        }
        // None at all is no findings.
        assert!(read(&Tree::new().root()).unwrap().omissions.is_empty());
    });
}

#[test]
fn what_is_left_out_is_named_up_to_a_bound_and_counted_beyond() {
    let tree = tree();
    for number in 0..500 {
        tree.file(&format!("output/findings/stray-{number:03}"), "");
    }
    let ledger = read(&tree.root()).unwrap();
    assert_eq!(ledger.omissions.named.len(), Omissions::MOST);
    assert_eq!(ledger.omissions.count(), 500);
    let written = write(&tree.root(), "local").unwrap();
    let named = written["left_out"].as_array().unwrap().len();
    assert_eq!(named as u64 + written["more_left_out"].as_u64().unwrap(), 500, "{written}");
}

#[test]
fn thousands_of_agents_do_not_keep_one_from_writing() {
    let tree = tree();
    let folder = tree.root().join("output/findings");
    for agent in 0..1_500 {
        fs::create_dir(folder.join(format!("other-{agent:04}"))).unwrap();
    }
    let written = write(&tree.root(), "local").unwrap();
    assert_eq!(written["status"], "created");
    let problem = written["left_out"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("folders of agents were not looked at"), "{problem}");
    // Its own folder is looked at first, wherever it stands among the others.
    assert_eq!(write(&tree.root(), "local").unwrap()["status"], "duplicate");
}

fn propose(root: &Path, title: &str, path: &str) -> Value {
    let edit = json!([{"path": path, "create": true, "new_text": format!("{title}\n")}]);
    let arguments = json!({"title": title, "edits": edit});
    run(root, "local", "propose_patch", arguments).unwrap()
}

#[test]
fn a_conflict_is_found_behind_any_number_of_others() {
    let tree = tree();
    let model = propose(&tree.root(), "model", "input/model.txt");
    let model = fs::read(tree.root().join(model["path"].as_str().unwrap()).join("proposal.json"));
    let model: Value = serde_json::from_slice(&model.unwrap()).unwrap();
    let conflicting = propose(&tree.root(), "same", "input/same.txt");
    let conflicting = conflicting["id"].as_str().unwrap();
    for number in 0..300 {
        // Before all ids that a hash gives.
        let mut other = model.clone();
        other["files"][0]["path"] = json!(format!("input/other-{number}.txt"));
        other["id"] = json!(format!("00{number:030x}"));
        tree.file(&format!("output/proposals/00{number:030x}/proposal.json"), other.to_string());
    }
    let proposed = propose(&tree.root(), "other", "input/same.txt");
    assert_eq!(proposed["conflicts_with"], json!([conflicting]));
    assert_eq!(proposed.get("not_compared"), None, "{proposed}");

    under_permissions(|| {
        let locked = tree.root().join("output/proposals/evil");
        fs::create_dir(&locked).unwrap();
        lock(&locked);
        tree.file("output/proposals/broken/proposal.json", "[".repeat(100_000));
        tree.file("output/proposals/README.md", "no proposal");
        let proposed = propose(&tree.root(), "third", "input/same.txt");
        assert_eq!(proposed["conflicts_with"].as_array().unwrap().len(), 2);
        assert_eq!(proposed["not_compared"], 2, "{proposed}");
        unlock(&locked);
    });
}

#[test]
fn whatever_is_under_the_name_of_a_proposal_gives_way_to_it() {
    type Damage = (&'static str, fn(&Path));
    const DAMAGES: [Damage; 9] = [
        ("nothing in it", |place| {
            fs::remove_file(place.join("proposal.json")).unwrap();
            fs::remove_file(place.join("change.patch")).unwrap();
        }),
        ("no record", |place| fs::remove_file(place.join("proposal.json")).unwrap()),
        ("no diff", |place| fs::remove_file(place.join("change.patch")).unwrap()),
        ("another diff", |place| fs::write(place.join("change.patch"), "x").unwrap()),
        ("another record", |place| fs::write(place.join("proposal.json"), "{}").unwrap()),
        ("a huge record", |place| {
            fs::File::create(place.join("proposal.json")).unwrap().set_len(1 << 40).unwrap();
        }),
        ("a locked diff", |place| lock(&place.join("change.patch"))),
        ("a locked folder", lock),
        ("a pipe", |place| {
            fs::remove_file(place.join("proposal.json")).unwrap();
            Thing::Fifo.make(&place.join("proposal.json"));
        }),
    ];
    under_permissions(|| {
        for (name, damage) in DAMAGES {
            let tree = tree();
            let proposed = propose(&tree.root(), "t", "input/new.txt");
            let place = tree.root().join(proposed["path"].as_str().unwrap());
            damage(&place);
            let again = propose(&tree.root(), "t", "input/new.txt");
            assert_eq!(
                (&again["status"], &again["id"]),
                (&json!("created"), &proposed["id"]),
                "{name}"
            );
            let record = fs::read(place.join("proposal.json")).unwrap();
            assert!(serde_json::from_slice::<Value>(&record).is_ok(), "{name}");
            assert!(
                fs::read_to_string(place.join("change.patch")).unwrap().contains("+t"),
                "{name}"
            );
            let again = propose(&tree.root(), "t", "input/new.txt");
            assert_eq!(again["status"], "duplicate", "{name}");
            unlock_all(&tree.root().join("output/proposals"));
        }
    });
}

#[test]
fn what_is_no_directory_does_not_keep_a_proposal_from_its_name() {
    for thing in [Thing::File, Thing::LinkToDirectory, Thing::Fifo] {
        let tree = tree();
        let proposed = propose(&tree.root(), "t", "input/new.txt");
        let place = tree.root().join(proposed["path"].as_str().unwrap());
        fs::remove_dir_all(&place).unwrap();
        thing.make(&place);
        assert_eq!(propose(&tree.root(), "t", "input/new.txt")["status"], "created", "{thing:?}");
        assert!(place.join("change.patch").is_file(), "{thing:?}");
        assert!(Path::new("/etc").is_dir());
    }
}
