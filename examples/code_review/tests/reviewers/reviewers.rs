//! Reviewers by script: they list, search and read, and report what they have read.

use regex::Regex;
use serde_json::{Value, json};

use crate::conversation::Conversation;
use mcp_workspace_test_support::model::{Play, done};

/// What a reviewer knows to be wrong.
struct Rule {
    role: &'static str,
    id: &'static str,
    severity: &'static str,
    /// In files whose names end so.
    ending: &'static str,
    pattern: &'static str,
    message: &'static str,
}

const fn rule(
    role: &'static str,
    id: &'static str,
    severity: &'static str,
    ending: &'static str,
    pattern: &'static str,
    message: &'static str,
) -> Rule {
    Rule { role, id, severity, ending, pattern, message }
}

const SECURITY: &str = "security-reviewer";
const STYLE: &str = "style-reviewer";
const MAINTAINABILITY: &str = "maintainability-reviewer";
const INFRASTRUCTURE: &str = "infrastructure-reviewer";

#[rustfmt::skip]
const RULES: [Rule; 17] = [
    rule(SECURITY, "CWE-89/sql-injection", "critical", ".py", r"f.(SELECT|INSERT|UPDATE|DELETE)\b.*\{", "A value is put into the text of a query"),
    rule(SECURITY, "CWE-328/weak-hash", "high", ".py", r"hashlib\.(md5|sha1)\(", "MD5 is no hash for a secret"),
    rule(SECURITY, "CWE-208/timing", "medium", ".py", r"return .*digest.* == ", "How long the comparison takes tells about the secret"),
    rule(SECURITY, "CWE-502/unsafe-yaml", "high", ".py", r"yaml\.load\(.*Loader=yaml\.(Unsafe)?Loader", "The file can make objects of any class"),
    rule(SECURITY, "CWE-78/command-injection", "critical", ".py", r"subprocess\.\w+\(f.*shell=True", "A shell reads what the caller sends"),
    rule(SECURITY, "CWE-79/inner-html", "high", ".js", r"\.innerHTML\s*=", "What the server says becomes markup"),
    rule(SECURITY, "CWE-295/no-certificate-check", "high", ".sh", r"curl .*(--insecure|-k )", "Nobody checks who takes the backup"),
    rule(SECURITY, "unquoted-variable", "high", ".sh", r"rm -rf \$\w+", "An empty or spaced variable deletes something else"),
    rule(STYLE, "comparison-to-none", "low", ".py", r"[!=]= None\b", "None is compared by identity"),
    rule(STYLE, "eqeqeq", "low", ".js", r"[^=!<>]==[^=]", "== converts its operands"),
    rule(MAINTAINABILITY, "bare-except", "medium", ".py", r"^\s*except:\s*$", "Every error is swallowed, Ctrl-C too"),
    rule(MAINTAINABILITY, "mutable-default", "medium", ".py", r"def .*=(\[\]|\{\})", "All callers share one list"),
    rule(INFRASTRUCTURE, "unpinned-image", "medium", "Dockerfile", r"^FROM .*:latest", "The image is another one tomorrow"),
    rule(INFRASTRUCTURE, "open-ssh", "critical", ".tf", r#"cidr_blocks = \["0\.0\.0\.0/0"\] # "#, "Everybody may try to log in"),
    rule(INFRASTRUCTURE, "public-bucket", "critical", ".tf", r#"acl\s*=\s*"public-"#, "Everybody may read the labels"),
    rule(INFRASTRUCTURE, "wildcard-action", "high", ".yaml", r#"Action: "\*""#, "The reader may delete the queue"),
    rule(INFRASTRUCTURE, "unquoted-variable", "high", ".sh", r"rm -rf \$\w+", "An empty or spaced variable deletes something else"),
];

/// What a reviewer does next. It follows from the conversation alone.
pub(crate) fn play(conversation: &Conversation) -> Play {
    let rules: Vec<&Rule> = RULES.iter().filter(|rule| rule.role == conversation.role).collect();
    let wanted = |path: &str| rules.iter().any(|rule| path.ends_with(rule.ending));
    match conversation.messages {
        1 => {
            let patterns: Vec<&str> = rules.iter().map(|rule| rule.pattern).collect();
            let sources = conversation.sources();
            conversation.call(vec![
                (
                    "list_dir",
                    json!({ "path": sources, "depth": 10, "limit": 5000, "format": "json" }),
                ),
                (
                    "grep",
                    json!({ "path": sources, "pattern": patterns.join("|"), "mode": "files", "format": "json" }),
                ),
            ])
        }
        // What the search names and the listing shows is read.
        3 => {
            let listed = conversation.listed();
            let hits = conversation.results("grep").next().unwrap().json();
            let hits = hits["files"].as_array().unwrap().clone();
            let hits = hits.iter().map(|file| file["path"].as_str().unwrap().to_owned());
            conversation.read(hits.filter(|path| listed.contains(path) && wanted(path)))
        }
        // In two answers, so that there is a middle to be stopped in.
        5 => conversation.call(half(findings(conversation, &rules), 0)),
        7 => conversation.call(half(findings(conversation, &rules), 1)),
        _ => {
            let written = conversation.results("write_finding");
            let (good, bad): (Vec<_>, Vec<_>) = written.partition(|called| called.succeeded);
            let problems: Vec<&str> = bad.iter().map(|called| called.text.as_str()).collect();
            done(&format!("{} findings. {}", good.len(), problems.join(" ")))
        }
    }
}

fn half(findings: Vec<(&str, Value)>, which: usize) -> Vec<(&str, Value)> {
    let middle = findings.len().div_ceil(2);
    let second = findings[middle..].to_vec();
    if which == 0 { findings[..middle].to_vec() } else { second }
}

/// What is wrong with what was read.
fn findings(conversation: &Conversation, rules: &[&Rule]) -> Vec<(&'static str, Value)> {
    let mut findings = Vec::new();
    for (path, lines) in conversation.results("read_file").map(|called| called.file()) {
        for rule in rules.iter().filter(|rule| path.ends_with(rule.ending)) {
            let pattern = Regex::new(rule.pattern).unwrap();
            for (index, line) in lines.iter().enumerate() {
                if pattern.is_match(line) {
                    let input = json!({
                        "rule_id": rule.id, "severity": rule.severity, "message": rule.message,
                        "path": path, "start_line": index + 1, "end_line": index + 1,
                        "verdict": "confirmed", "run": conversation.run,
                    });
                    findings.push(("write_finding", input));
                }
            }
        }
    }
    findings
}
