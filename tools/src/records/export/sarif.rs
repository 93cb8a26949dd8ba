//! Findings as SARIF 2.1.0, in the form that GitHub takes or in that of the profile for findings
//! of AI agents.
//!
//! Written with `serde_json` rather than the types of `serde-sarif`: that crate brings a builder
//! and an enum generator for a hundred types of which a dozen are needed. The tests hold the
//! output against the standard's JSON schema.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::records::finding::Severity;
use crate::records::merged::{MergedFinding, MergedFindings};

use super::describe::{confidence, runs, severity_name};
use super::sarif_limits::{BYTES, RESULTS, TAGS, cut};
use super::{Export, markdown};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const ROOT: &str = "SRCROOT";

/// For whom the SARIF is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// GitHub code scanning: fingerprints, one run for all agents, within its limits.
    Github,
    /// The profile for findings of AI agents, as the SARIF multitool checks it.
    Ai,
}

/// Where the sources come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The repository's URI.
    pub repository: Option<String>,
    /// The commit.
    pub revision: Option<String>,
}

/// The report as SARIF.
pub fn sarif(merged: &MergedFindings, profile: Profile, provenance: &Provenance) -> Export {
    let mut notes = Vec::new();
    let mut findings = merged.findings.as_slice();
    if profile == Profile::Github {
        findings = fit_results(findings, &mut notes);
    } else if provenance.repository.is_none() || provenance.revision.is_none() {
        notes.push(
            "without --repository and --revision the report says nothing about where its sources \
             come from, which the AI profile asks for (AI1004)"
                .to_owned(),
        );
    }
    let mut results: Vec<Value> = Vec::with_capacity(findings.len());
    let rules = Rules::of(findings, profile, &mut notes);
    for finding in findings {
        results.push(result(finding, profile, &rules));
    }
    if profile == Profile::Github {
        fit_bytes(&mut results, &mut notes);
    }
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [run(findings, profile, provenance, rules, results)],
    });
    Export { text: format!("{log:#}\n"), notes }
}

fn run(
    findings: &[MergedFinding],
    profile: Profile,
    provenance: &Provenance,
    rules: Rules,
    results: Vec<Value>,
) -> Value {
    let mut run = json!({
        "tool": { "driver": {
            "name": "mcp-workspace",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "informationUri": env!("CARGO_PKG_REPOSITORY"),
            "rules": rules.descriptors,
        }},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": { ROOT: { "description": { "text": "The root of the workspace." } } },
        "results": results,
    });
    let Some(fields) = run.as_object_mut() else { return run };
    if let (Some(repository), Some(revision)) = (&provenance.repository, &provenance.revision) {
        let provenance = json!([{
            "repositoryUri": repository,
            "revisionId": revision,
            "mappedTo": { "uriBaseId": ROOT },
        }]);
        fields.insert("versionControlProvenance".to_owned(), provenance);
    }
    let automation = match profile {
        Profile::Github => json!({ "id": "mcp-workspace/" }),
        Profile::Ai => {
            fields.insert("properties".to_owned(), json!({ "ai/origin": "generated" }));
            json!({ "id": "mcp-workspace/", "guid": guid(findings) })
        }
    };
    fields.insert("automationDetails".to_owned(), automation);
    run
}

/// The rules of a run and each rule's place among them.
struct Rules {
    descriptors: Vec<Value>,
    ids: Vec<String>,
}

impl Rules {
    fn of(findings: &[MergedFinding], profile: Profile, notes: &mut Vec<String>) -> Rules {
        let mut ids: Vec<String> =
            findings.iter().map(|finding| rule_id(finding, profile).0).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut too_many_tags = 0;
        let mut descriptors = Vec::with_capacity(ids.len());
        let mut by_rule: Vec<Vec<&MergedFinding>> = ids.iter().map(|_| Vec::new()).collect();
        for finding in findings {
            let place = ids.binary_search(&rule_id(finding, profile).0);
            if let Some(of_rule) = place.ok().and_then(|place| by_rule.get_mut(place)) {
                of_rule.push(finding);
            }
        }
        for (id, of_rule) in ids.iter().zip(&by_rule) {
            descriptors.push(descriptor(id, of_rule, &mut too_many_tags));
        }
        if too_many_tags > 0 {
            notes.push(format!(
                "{too_many_tags} rules have more than {TAGS} tags; the first {TAGS} are kept"
            ));
        }
        Rules { descriptors, ids }
    }
}

fn descriptor(id: &str, findings: &[&MergedFinding], too_many_tags: &mut usize) -> Value {
    let mut tags: Vec<String> = findings
        .iter()
        .flat_map(|finding| finding.category.iter().chain(&finding.tags))
        .map(|tag| cut(tag))
        .collect();
    let is_security = id.starts_with("CWE-") || tags.iter().any(|tag| tag.contains("security"));
    tags.sort_unstable();
    tags.dedup();
    tags.retain(|tag| tag != "security");
    if is_security {
        tags.insert(0, "security".to_owned());
    }
    if tags.len() > TAGS {
        tags.truncate(TAGS);
        *too_many_tags += 1;
    }
    // Findings come most severe first.
    let worst = findings.first().map_or(Severity::Info, |finding| finding.severity);
    let mut properties = json!({ "tags": tags });
    if let Some(fields) = properties.as_object_mut().filter(|_| is_security) {
        fields.insert("security-severity".to_owned(), json!(security_severity(worst)));
    }
    let text = format!("Agents that reviewed this workspace report findings under the rule {id}.");
    let help = "Each result says what is wrong, where, what goes wrong because of it and, where \
                the agent knew, what to do.";
    json!({
        "id": id,
        "name": pascal(id),
        "shortDescription": { "text": format!("Findings of the rule {id}.") },
        "fullDescription": { "text": text },
        "help": { "text": help, "markdown": help },
        "helpUri": env!("CARGO_PKG_REPOSITORY"),
        "defaultConfiguration": { "level": level(worst) },
        "properties": properties,
    })
}

fn result(finding: &MergedFinding, profile: Profile, rules: &Rules) -> Value {
    let (descriptor, sub) = rule_id(finding, profile);
    let index = rules.ids.binary_search(&descriptor).unwrap_or_default();
    let rule = match sub {
        Some(sub) => format!("{descriptor}/{sub}"),
        None => descriptor,
    };
    let mut result = json!({
        "ruleId": rule,
        "ruleIndex": index,
        "level": level(finding.severity),
        "rank": rank(finding),
        "message": message(finding),
        "locations": [location(finding)],
        "properties": properties(finding, profile),
    });
    if let Some(fields) = result.as_object_mut().filter(|_| profile == Profile::Github) {
        let fingerprints = json!({
            // The name that GitHub matches alerts by; the text is our own, and moves with the line.
            "primaryLocationLineHash": format!("{}:1", finding.fingerprint),
            "mcpWorkspaceFingerprint/v1": finding.fingerprint,
        });
        fields.insert("partialFingerprints".to_owned(), fingerprints);
    }
    result
}

fn message(finding: &MergedFinding) -> Value {
    let parts = [
        ("", Some(&finding.message)),
        ("What goes wrong: ", finding.failure_scenario.as_ref()),
        ("What to do: ", finding.recommendation.as_ref()),
    ];
    let mut text = Vec::new();
    let mut marked = Vec::new();
    for (title, part) in parts {
        let Some(part) = part else { continue };
        let part = sentence(&cut(part));
        // Braces are placeholders in both forms, so they are doubled rather than escaped.
        let escaped = markdown::paragraphs(&part).replace("\\{", "{{").replace("\\}", "}}");
        marked.push(format!("{title}{escaped}"));
        text.push(format!("{title}{}", literal(&part)));
    }
    json!({ "text": text.join("\n\n"), "markdown": marked.join("\n\n") })
}

/// A text that ends like a sentence, as SARIF wants it.
fn sentence(text: &str) -> String {
    let text = text.trim_end();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{text}{end}")
}

/// Plain text in which nothing is a placeholder or a link.
fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '{' => out.push_str("{{"),
            '}' => out.push_str("}}"),
            '[' | ']' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    out
}

/// A finding on the workspace as a whole is put on its root: without a place no viewer shows it.
fn location(finding: &MergedFinding) -> Value {
    let Some(location) = &finding.location else {
        return json!({ "physicalLocation": {
            "artifactLocation": { "uri": "./", "uriBaseId": ROOT },
            "region": { "startLine": 1 },
        }});
    };
    let start = location.start_line.unwrap_or(1).max(1);
    let mut region = Map::new();
    region.insert("startLine".to_owned(), json!(start));
    if let Some(end) = location.end_line.filter(|end| *end >= start) {
        region.insert("endLine".to_owned(), json!(end));
    }
    if let Some(snippet) = &location.snippet {
        region.insert("snippet".to_owned(), json!({ "text": cut(snippet) }));
    }
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(&location.path), "uriBaseId": ROOT },
        "region": region,
    }})
}

fn properties(finding: &MergedFinding, profile: Profile) -> Value {
    let mut properties = json!({
        "mcpWorkspace/fingerprint": finding.fingerprint,
        "mcpWorkspace/severity": severity_name(finding.severity),
        "mcpWorkspace/rule": finding.rule_id,
        "mcpWorkspace/seen": finding.seen,
    });
    let Some(fields) = properties.as_object_mut() else { return properties };
    let mut add = |name: &str, value: Value| fields.insert(format!("mcpWorkspace/{name}"), value);
    if let Some(verdict) = finding.verdict {
        add("verdict", json!(verdict));
    }
    if let Some(confidence) = confidence(finding) {
        add("confidence", json!(confidence));
    }
    let runs = runs(finding);
    if !runs.is_empty() {
        add("runs", json!(runs));
    }
    if let Some(version) = finding.location.as_ref().and_then(|at| at.file_version.as_ref()) {
        add("fileVersion", json!(version));
    }
    // GitHub does not show evidence, and counts its bytes.
    if profile == Profile::Ai && !finding.evidence.is_empty() {
        let evidence: Vec<_> = finding.evidence.iter().map(|text| cut(text)).collect();
        add("evidence", json!(evidence));
    }
    properties
}

/// The rule's id in the profile, and what stands behind it in a result.
fn rule_id(finding: &MergedFinding, profile: Profile) -> (String, Option<String>) {
    let id = finding.rule_id.as_str();
    if profile == Profile::Github {
        return (cut(id), None);
    }
    let digits = id.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("cwe-")).and_then(|_| {
        let rest = id.get(4..)?;
        let end = rest.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end).filter(|digits| !digits.is_empty())
    });
    match digits {
        Some(digits) => {
            let rest = id.get(4 + digits.len()..).unwrap_or_default();
            let category = finding.category.as_deref().unwrap_or("finding");
            let sub = Some(kebab(rest)).filter(|sub| !sub.is_empty());
            (format!("CWE-{digits}"), Some(sub.unwrap_or_else(|| kebab_or(category, "finding"))))
        }
        None => (format!("NOVEL-{}", kebab_or(id, &finding.fingerprint)), None),
    }
}

fn kebab_or(text: &str, otherwise: &str) -> String {
    let kebab = kebab(text);
    if kebab.is_empty() { otherwise.to_owned() } else { kebab }
}

fn kebab(text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric());
    let words: Vec<_> =
        words.filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    words.join("-")
}

/// A name for a rule. One that says the id again would be no name (SARIF1001).
fn pascal(id: &str) -> String {
    let words = id.split(|character: char| !character.is_ascii_alphanumeric());
    let name: String = words
        .filter_map(|word| {
            let first = word.get(..1)?;
            let rest = word.get(1..)?.to_ascii_lowercase();
            Some(format!("{}{rest}", first.to_ascii_uppercase()))
        })
        .collect();
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic());
    if is_name && !name.eq_ignore_ascii_case(id) { name } else { format!("Rule{name}") }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// GitHub's scale: over 9 critical, from 7 high, from 4 medium.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "0.5",
    }
}

/// From 0 to 100, the severity first and then the agent's confidence.
fn rank(finding: &MergedFinding) -> f64 {
    let base = match finding.severity {
        Severity::Critical => 80.0,
        Severity::High => 60.0,
        Severity::Medium => 40.0,
        Severity::Low => 20.0,
        Severity::Info => 0.0,
    };
    (base + confidence(finding).unwrap_or(0.5).clamp(0.0, 1.0) * 20.0).round()
}

/// A relative URI of a path.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    uri
}

/// The same for the same set of findings, in the form of a UUID of version 8.
fn guid(findings: &[MergedFinding]) -> String {
    let mut hash = Sha256::new();
    for seen in findings.iter().flat_map(|finding| &finding.seen) {
        hash.update(seen.id.as_bytes());
        hash.update(seen.created.as_bytes());
        hash.update([0]);
    }
    let digits = hex(&hash.finalize());
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(12, 15), part(15, 18), part(18, 30))
}

fn fit_results<'a>(findings: &'a [MergedFinding], notes: &mut Vec<String>) -> &'a [MergedFinding] {
    let all = findings.len();
    match findings.get(..RESULTS) {
        Some(kept) if all > RESULTS => {
            let cut = all - RESULTS;
            notes.push(format!(
                "GitHub keeps {RESULTS} results of a run; the least severe {cut} of {all} findings are left out"
            ));
            kept
        }
        _ => findings,
    }
}

fn fit_bytes(results: &mut Vec<Value>, notes: &mut Vec<String>) {
    let all = results.len();
    let mut bytes = 0;
    let fitting = results
        .iter()
        .take_while(|result| {
            bytes += format!("{result:#}").len();
            // A tenth is left for the rules.
            bytes <= BYTES / 10 * 9
        })
        .count();
    if fitting < all {
        results.truncate(fitting);
        notes.push(format!(
            "GitHub takes {} MB; the least severe {} of {all} findings are left out",
            BYTES / 1_000_000,
            all - fitting
        ));
    }
}
