//! What the commands over findings and proposals say of neighbours that they cannot read: what is left out is told
//! on stderr with the status 1, and a list that would be wrong is no list (status 2).

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Output;

use mcp_workspace_test_support::server;
use serde_json::json;
use tempfile::TempDir;

const POLICY: &str = r#"
version = 1
[[role]]
name = "person"
callers = ["local", "reviewer"]
tools = ["read_file"]
read = ["**"]
decide = ["src/**"]
"#;

/// A workspace with one finding, and its policy beside it.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(TempDir::new().unwrap());
        let agent = place.findings().join("first");
        fs::create_dir_all(&agent).unwrap();
        let fingerprint = format!("{:048x}", 1);
        let finding = json!({
            "format": 1, "id": format!("first:{fingerprint}"), "fingerprint": fingerprint,
            "rule_id": "the-rule", "severity": "high", "message": "m", "agent": "first",
            "caller": "c", "created": "2026-11-24T08:00:00Z",
        });
        fs::write(agent.join(format!("{fingerprint}.json")), finding.to_string()).unwrap();
        fs::write(place.0.path().join("policy.toml"), POLICY).unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("workspace")
    }

    fn findings(&self) -> PathBuf {
        self.root().join("output/findings")
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let policy = self.0.path().join("policy.toml");
        let mut command = server::command();
        command.args(arguments).arg("--workspace").arg(self.root()).arg("--policy").arg(policy);
        command.output().unwrap()
    }
}

const COMMANDS: [&[&str]; 6] = [
    &["findings", "list"],
    &["findings", "list", "--format", "json"],
    &["findings", "export", "--format", "sarif"],
    &["findings", "export", "--format", "markdown"],
    &["findings", "export", "--format", "html"],
    &["findings", "export", "--format", "json"],
];

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_neighbour_that_cannot_be_read_is_named_and_the_rest_is_there() {
    for command in COMMANDS {
        let place = Place::new();
        let whole = place.run(command);
        assert_eq!(whole.status.code(), Some(0), "{command:?}: {whole:?}");
        symlink("/etc", place.findings().join("evil\u{202e}")).unwrap();
        symlink("/etc", place.findings().join("link")).unwrap();
        for number in 0..200 {
            fs::write(place.findings().join(format!("stray-{number:03}")), "").unwrap();
        }
        let part = place.run(command);
        assert_eq!(part.status.code(), Some(1), "{command:?}: {part:?}");
        assert_eq!(part.stdout, whole.stdout, "{command:?}");
        let said = text(&part.stderr);
        assert!(said.contains("`output/findings/link` is left out: "), "{command:?}: {said}");
        assert!(said.contains("and 102 more are left out"), "{command:?}: {said}");
        assert!(!said.contains('\u{202e}') && said.lines().count() < 110, "{command:?}: {said}");
    }
}

#[test]
fn a_folder_of_findings_that_is_a_link_is_no_empty_list() {
    for command in COMMANDS {
        let place = Place::new();
        let away: &Path = &place.root().join("away");
        fs::rename(place.findings(), away).unwrap();
        symlink(away, place.findings()).unwrap();
        let done = place.run(command);
        assert_eq!(done.status.code(), Some(2), "{command:?}: {done:?}");
        assert!(done.stdout.is_empty(), "{command:?}: {done:?}");
        assert!(text(&done.stderr).contains("`output/findings` is a link or a file"), "{done:?}");
    }
}

#[test]
fn what_is_no_proposal_is_named() {
    let place = Place::new();
    let proposals = place.root().join("output/proposals");
    fs::create_dir(&proposals).unwrap();
    assert_eq!(place.run(&["proposals", "list"]).status.code(), Some(0));
    fs::write(proposals.join("README.md"), "").unwrap();
    symlink("/etc", proposals.join("link")).unwrap();
    fs::create_dir(proposals.join("empty")).unwrap();
    let done = place.run(&["proposals", "list"]);
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    for name in ["README.md", "link", "empty"] {
        assert!(text(&done.stderr).contains(&format!("`{name}` is left out: ")), "{done:?}");
    }
    fs::remove_dir_all(&proposals).unwrap();
    symlink("/etc", &proposals).unwrap();
    let done = place.run(&["proposals", "list"]);
    assert!(!done.status.success() && done.stdout.is_empty(), "{done:?}");
}
