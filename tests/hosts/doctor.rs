//! What `doctor` finds and mends by its words, on the command line and over HTTP.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use mcp_workspace_test_support::server::{Server, command};

const POLICY: &str = r#"
version = 1

[[role]]
name    = "reviewer"
callers = ["local"]
tools   = ["list_dir", "read_file", "write_finding", "propose_patch", "write_state"]
read    = ["input/**"]
write   = ["output/findings/reviewer/**", "output/proposals/**", "state/**"]
propose = ["input/**"]
"#;

const SIGNED: &str = "\n[decisions]\nkey_env = \"DECISION_KEY\"\n";

const OPERATOR: &str = "\n[[role]]\nname = \"operator\"\ncallers = [\"local\"]\ndoctor = true\n";

struct Site {
    folder: tempfile::TempDir,
}

impl Site {
    fn new(policy: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("workspace/input")).unwrap();
        std::fs::write(folder.path().join("workspace/input/a.txt"), "a\n").unwrap();
        std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
        Site { folder }
    }

    fn workspace(&self) -> PathBuf {
        self.folder.path().join("workspace")
    }

    fn policy(&self) -> PathBuf {
        self.folder.path().join("policy.toml")
    }

    fn examine(&self, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, Value) {
        let output = command()
            .args(["doctor", "--format", "json", "--policy"])
            .arg(self.policy())
            .args(arguments)
            .env("MCP_WORKSPACE_ROOT", self.workspace())
            .env_remove("AWS_LAMBDA_FUNCTION_NAME")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {output:?}"));
        (output.status.code().unwrap(), report)
    }
}

/// The checks of that name.
fn named<'r>(report: &'r Value, name: &str) -> Vec<&'r Value> {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().filter(|check| check["name"] == name).collect()
}

fn only<'r>(report: &'r Value, name: &str) -> &'r Value {
    let found = named(report, name);
    assert_eq!(found.len(), 1, "{name}: {report}");
    found[0]
}

fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn a_sound_workspace_passes_and_stays_as_it_was() {
    let site = Site::new(POLICY);
    let before = tree(&site.workspace());
    let (status, report) = site.examine(&["--file", "input/a.txt"], &[]);
    assert_eq!(status, 0, "{report}");
    assert_eq!(report["ok"], true);
    for check in report["checks"].as_array().unwrap() {
        assert_eq!(check["outcome"], "ok", "{report}");
    }
    for name in ["mount", "storage", "names", "paths", "policy", "identity", "read", "export"] {
        only(&report, name);
    }
    let written = named(&report, "write");
    for (check, folder) in
        written.iter().zip(["output/findings/reviewer", "output/proposals", "state"])
    {
        let detail = check["detail"].as_str().unwrap();
        assert!(detail.contains(folder) && detail.contains("atomic"), "{detail}");
    }
    assert_eq!(written.len(), 3);
    assert_eq!(tree(&site.workspace()), before, "something was left behind");
}

#[test]
fn text_has_a_line_a_check_and_a_verdict() {
    let site = Site::new(POLICY);
    let output = command()
        .args(["doctor", "--caller", "nobody", "--policy"])
        .arg(site.policy())
        .env("MCP_WORKSPACE_ROOT", site.workspace())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("OK    mount     present"), "{text}");
    assert!(text.contains("\nFAIL  identity  no role names `nobody`\n      fix: "), "{text}");
    assert_eq!(*lines.last().unwrap(), "1 failed");
}

#[test]
fn a_missing_mount_names_network_and_permission() {
    let site = Site::new(POLICY);
    std::fs::remove_dir_all(site.workspace()).unwrap();
    let (status, report) = site.examine(&[], &[("AWS_LAMBDA_FUNCTION_NAME", "workspace")]);
    assert_eq!(status, 1);
    let check = only(&report, "mount");
    assert_eq!(check["outcome"], "failed");
    let fix = check["fix"].as_str().unwrap();
    for words in ["2049", "zone of each subnet", "access point", "s3files:ClientMount"] {
        assert!(fix.contains(words), "{words}: {fix}");
    }
    let (_, report) = site.examine(&[], &[]);
    assert!(only(&report, "mount")["fix"].as_str().unwrap().contains("--workspace"));
}

#[test]
fn local_storage_is_wrong_where_a_network_mount_is_meant() {
    let site = Site::new(POLICY);
    let (status, report) = site.examine(&[], &[("AWS_LAMBDA_FUNCTION_NAME", "workspace")]);
    assert_eq!(status, 1);
    let check = only(&report, "storage");
    assert_eq!(check["outcome"], "failed", "{report}");
    assert!(check["fix"].as_str().unwrap().contains("2049"), "{check}");
}

#[test]
fn a_record_folder_that_cannot_be_had_fails_and_one_that_policy_forgot_warns() {
    let site = Site::new(POLICY);
    std::fs::write(site.workspace().join("output"), "a file where a folder should be").unwrap();
    let (status, report) = site.examine(&[], &[]);
    assert_eq!(status, 1);
    let outcomes: Vec<_> = named(&report, "write").iter().map(|check| &check["outcome"]).collect();
    assert_eq!(outcomes, ["failed", "failed", "ok"], "{report}");

    let site = Site::new(&POLICY.replace("\"state/**\"", "\"elsewhere/**\""));
    let (status, report) = site.examine(&[], &[]);
    assert_eq!(status, 0, "a warning is no failure: {report}");
    let check = named(&report, "write")[2];
    assert_eq!(check["outcome"], "warning");
    assert!(check["fix"].as_str().unwrap().contains("state/**"), "{check}");
}

#[test]
fn a_policy_that_does_not_check_is_told_with_its_lines() {
    let site =
        Site::new("version = 1\n[[role]]\nname = \"a\"\ncallers = [\"local\"]\ndoctor = 1\n");
    let (status, report) = site.examine(&[], &[]);
    assert_eq!(status, 1);
    let detail = only(&report, "policy")["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(":5:10: `doctor` is not true or false"), "{detail}");
}

#[test]
fn over_http_the_doctor_is_for_callers_whom_policy_allows() {
    let site = Site::new(POLICY);
    let (workspace, policy) = (site.workspace(), site.policy());
    let arguments =
        ["--workspace", workspace.to_str().unwrap(), "--policy", policy.to_str().unwrap()];
    let server = Server::start(&arguments);
    let refused = server.request("GET /doctor", &[], "");
    assert_eq!(refused.status, 403, "{refused:?}");
    assert!(refused.body.contains("doctor = true"), "{refused:?}");
    let record = server.audit();
    assert_eq!((&record["tool"], &record["decision"]), (&json!("doctor"), &json!("deny")));

    std::fs::write(&policy, format!("{POLICY}{OPERATOR}")).unwrap();
    let server = Server::start(&arguments);
    let answer = server.request("GET /doctor?file=input%2Fa.txt", &[], "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let report = answer.json();
    assert_eq!(report["ok"], true, "{report}");
    assert!(only(&report, "export")["detail"].as_str().unwrap().contains("input/a.txt"));
    let record = server.audit();
    assert_eq!(record["decision"], "allow");
    assert_eq!((&record["role"], &record["path"]), (&json!("operator"), &json!("input/a.txt")));

    assert_eq!(server.request("POST /doctor", &[], "").status, 405);
    let page = [("Origin", "http://localhost:3000")];
    assert_eq!(server.request("GET /doctor", &page, "").status, 403);
    let rebound = [("Host", "evil.example:8787")];
    assert_eq!(server.request("GET /doctor", &rebound, "").status, 403);
    let called = server.call("doctor", json!({})).json();
    assert!(called["error"]["message"].as_str().unwrap().contains("no tool `doctor`"), "{called}");
}

#[test]
fn whether_decisions_are_signed_is_told() {
    let (_, report) = Site::new(POLICY).examine(&[], &[]);
    assert_eq!(named(&report, "decisions"), [&Value::Null; 0], "nobody decides: {report}");
    let policy = format!("{POLICY}{OPERATOR}decide = [\"input/**\"]\n").replacen(
        "\"local\"",
        "\"somebody\"",
        1,
    );
    let (_, report) = Site::new(&policy).examine(&[], &[]);
    let check = only(&report, "decisions");
    assert_eq!(check["outcome"], "ok", "{check}");
    assert!(check["detail"].as_str().unwrap().starts_with("not signed"), "{check}");
    let site = Site::new(&(policy + SIGNED));
    let key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let detail = |keys: &str| {
        let (status, report) = site.examine(&[], &[("DECISION_KEY", keys)]);
        let check = only(&report, "decisions");
        assert_eq!((status, &check["outcome"]), (0, &json!("ok")), "{check}");
        assert!(!report.to_string().contains(key), "the key is told: {report}");
        check["detail"].as_str().unwrap().to_owned()
    };
    let own = detail(key);
    let id = own.strip_prefix("signed with the key ").unwrap().split(' ').next().unwrap();
    assert_eq!(own, format!("signed with the key {id} in DECISION_KEY"));
    // Which key signs, and which are still believed.
    let newer = "fedcba9876543210fedcba9876543210";
    let both = detail(&format!("{newer}\n{key}"));
    assert!(
        both.ends_with(&format!("in DECISION_KEY; what {id} signed is believed as well")),
        "{both}"
    );
    assert!(!both.contains(&format!("with the key {id}")), "{both}");

    let (status, report) = site.examine(&[], &[]);
    let check = only(&report, "decisions");
    assert_eq!((status, &check["outcome"]), (0, &json!("warning")), "{check}");
    assert!(check["detail"].as_str().unwrap().contains("DECISION_KEY has no key"), "{check}");
    let (status, report) = site.examine(&[], &[("DECISION_KEY", "short")]);
    let check = only(&report, "decisions");
    assert_eq!((status, &check["outcome"]), (1, &json!("failed")), "{check}");
    assert!(check["detail"].as_str().unwrap().contains("has 5 bytes"), "{check}");
}

#[test]
fn a_folder_of_files_is_tried_and_one_that_policy_forgot_is_told() {
    let with_files = POLICY.replace("\"write_state\"]", "\"write_state\", \"write_file\"]");
    let site = Site::new(&format!("{with_files}create = [\"output/reports/*.md\"]\n"));
    let before = tree(&site.workspace());
    let (status, report) = site.examine(&[], &[]);
    assert_eq!(status, 0, "{report}");
    let written = named(&report, "write");
    let detail = written.iter().map(|check| check["detail"].as_str().unwrap());
    let about = detail.filter(|detail| detail.starts_with("write_file can write in"));
    assert!(about.clone().all(|detail| detail.contains("`output/reports`")), "{report}");
    assert_eq!(about.count(), 1, "{report}");
    assert_eq!(tree(&site.workspace()), before, "something was left behind");

    let site = Site::new(&with_files);
    let (status, report) = site.examine(&[], &[]);
    assert_eq!(status, 0, "a warning is no failure: {report}");
    let told = named(&report, "write").into_iter().find(|check| check["outcome"] == "warning");
    let fix = told.expect("a warning")["fix"].as_str().unwrap().to_owned();
    assert!(fix.contains("output/reports/**") && fix.contains("`create`"), "{fix}");
}
