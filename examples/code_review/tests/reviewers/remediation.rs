//! The remediation agent by script: it lists the findings, reads the files that they name, and
//! proposes one change a file.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::conversation::Conversation;
use mcp_workspace_test_support::model::{Play, done};

/// What it does next.
pub(crate) fn play(conversation: &Conversation) -> Play {
    match conversation.messages {
        1 => conversation.call(vec![("list_findings", json!({ "path": conversation.sources() }))]),
        3 => conversation.read(findings(conversation).into_keys()),
        5 => conversation.call(proposals(conversation)),
        _ => {
            let written = conversation.results("propose_patch");
            let (good, bad): (Vec<_>, Vec<_>) = written.partition(|called| called.succeeded);
            let problems: Vec<&str> = bad.iter().map(|called| called.text.as_str()).collect();
            done(&format!("{} proposals. {}", good.len(), problems.join(" ")))
        }
    }
}

/// A line of the list of findings.
struct Found {
    line: usize,
    rule: String,
    id: String,
}

/// The findings of this run, by file, as the one answer shows them.
fn findings(conversation: &Conversation) -> BTreeMap<String, Vec<Found>> {
    let mut by_file: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    let listed = conversation.results("list_findings").next().unwrap();
    assert!(listed.succeeded && !listed.text.contains("cursor"), "{}", listed.text);
    let mut path = "";
    for line in listed.text.lines().filter(|line| !line.starts_with('[')) {
        let Some(finding) = line.strip_prefix(' ') else {
            path = line;
            continue;
        };
        let mut words = finding.split(' ');
        let mut word = || words.next().unwrap();
        let (lines, _, rule, id) = (word(), word(), word(), word());
        by_file.entry(path.to_owned()).or_default().push(Found {
            line: lines.split('-').next().unwrap().parse().unwrap(),
            rule: rule.to_owned(),
            id: id.trim_end_matches(':').to_owned(),
        });
    }
    by_file
}

fn proposals(conversation: &Conversation) -> Vec<(&'static str, Value)> {
    let findings = findings(conversation);
    let mut proposals = Vec::new();
    for called in conversation.results("read_file") {
        let (path, lines) = called.file();
        let Some(findings) = findings.get(&path) else { continue };
        // Two reviewers may have seen the same line.
        let mut edits: BTreeMap<usize, Value> = BTreeMap::new();
        let mut rules = Vec::new();
        for finding in findings {
            let at = finding.line - 1;
            let Some((count, new)) = fix(&finding.rule, &lines[at..]) else { continue };
            let old = lines[at..at + count].join("\n");
            edits.insert(at, json!({ "path": path, "old_text": old, "new_text": new }));
            rules.push(finding.rule.clone());
        }
        rules.sort();
        rules.dedup();
        let ids: Vec<&str> = findings.iter().map(|finding| finding.id.as_str()).collect();
        let input = json!({
            "title": format!("Fix {} in {}", rules.join(", "), path.rsplit('/').next().unwrap()),
            "rationale": "What the findings recommend, and nothing else.",
            "edits": edits.into_values().collect::<Vec<_>>(),
            "finding_ids": ids,
            "run": conversation.run,
        });
        proposals.push(("propose_patch", input));
    }
    proposals
}

/// How many lines to replace, from the one that is wrong, and by what.
fn fix(rule: &str, lines: &[String]) -> Option<(usize, String)> {
    let line = lines[0].as_str();
    let replaced = |from: &str, to: &str| Some((1, line.replace(from, to)));
    let indent: String = line.chars().take_while(|c| c.is_whitespace()).collect();
    match rule {
        "CWE-89/sql-injection" => {
            let query = line.replacen("f\"", "\"", 1).replace("'{code}'", "?");
            Some((1, format!("{query},\n{indent}(code,),")))
        }
        "CWE-328/weak-hash" => replaced("md5", "sha256"),
        "CWE-208/timing" => {
            Some((1, format!("{indent}return hmac.compare_digest(digest(token), expected_digest)")))
        }
        "CWE-502/unsafe-yaml" => {
            replaced("yaml.load(stream, Loader=yaml.Loader)", "yaml.safe_load(stream)")
        }
        "CWE-78/command-injection" => Some((
            1,
            format!("{indent}subprocess.run([\"lp\", \"-d\", printer, file], check=True)"),
        )),
        "CWE-79/inner-html" => {
            let text = line.replace("innerHTML", "textContent");
            Some((1, text.replace("<b>", "").replace("</b>", "")))
        }
        "CWE-295/no-certificate-check" => replaced(" --insecure", ""),
        "bare-except" => replaced("except:", "except OSError:"),
        "mutable-default" => Some((
            4,
            [
                line.replace("[]", "()").as_str(),
                lines[1].as_str(),
                "    return [*recipients, parcel[\"customer\"]]",
            ]
            .join("\n"),
        )),
        "comparison-to-none" => replaced("== None", "is None"),
        "eqeqeq" => replaced("==", "==="),
        "unpinned-image" => replaced(":latest", ":3.13-slim"),
        "open-ssh" => {
            let (before, _) = line.split_once(" #")?;
            Some((1, before.replace("0.0.0.0/0", "10.0.0.0/8")))
        }
        "public-bucket" => replaced("public-read", "private"),
        "wildcard-action" => Some((
            1,
            format!(
                "{indent}Action:\n{indent}  - sqs:ReceiveMessage\n{indent}  - sqs:DeleteMessage"
            ),
        )),
        "unquoted-variable" => replaced("$directory/printed", "\"${directory:?}/printed\""),
        _ => None,
    }
}
