//! The model: what must have come of a call, by what was acknowledged before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Value, json};

use super::site::{CALLERS, Caller, Node, Site, UNSEEN};

/// Versions that are never pruned.
const KEPT: u64 = 16;
/// What a finding is about that names no file.
const WORKSPACE: &str = "the workspace";

/// The versions of a key; none stands for one that somebody has damaged.
#[derive(Default)]
struct Key {
    newest: u64,
    versions: BTreeMap<u64, Option<Value>>,
}

struct Proposal {
    id: String,
    /// What is proposed for which content.
    path: String,
    before: String,
}

pub(super) struct Model<'s> {
    site: &'s Site,
    keys: BTreeMap<&'static str, Key>,
    /// What each caller has found, by what it is about.
    findings: BTreeSet<(Caller, String)>,
    fingerprints: BTreeMap<String, String>,
    /// Every proposal that was ever made, by what it changes.
    proposals: BTreeMap<String, Proposal>,
    /// The ids of those that are there.
    live: BTreeSet<String>,
}

impl<'s> Model<'s> {
    pub(super) fn new(site: &'s Site) -> Model<'s> {
        Model {
            site,
            keys: BTreeMap::new(),
            findings: BTreeSet::new(),
            fingerprints: BTreeMap::new(),
            proposals: BTreeMap::new(),
            live: BTreeSet::new(),
        }
    }

    fn newest(&self, key: &str) -> u64 {
        self.keys.get(key).map_or(0, |key| key.newest)
    }

    pub(super) fn write_state(
        &mut self,
        caller: Caller,
        key: &'static str,
        expected: u8,
        value: &Value,
    ) {
        let newest = self.newest(key);
        let mut arguments = json!({ "key": key, "value": value });
        let expected = match expected % 4 {
            0 => None,
            1 => Some(newest),
            2 => Some(0),
            _ => Some(newest + 1 + u64::from(expected / 4)),
        };
        if let Some(expected) = expected {
            arguments["expected_version"] = expected.into();
        }
        let result = self.site.call(caller, "write_state", &arguments);
        if key == UNSEEN {
            assert_eq!(result.unwrap_err().code, Code::Denied);
        } else if expected.is_none_or(|expected| expected == newest) {
            assert_eq!(result.unwrap()["version"], newest + 1);
            let of_key = self.keys.entry(key).or_default();
            of_key.newest = newest + 1;
            of_key.versions.insert(newest + 1, Some(value.clone()));
            self.read_state(caller, key, None);
        } else {
            let error = result.unwrap_err();
            assert_eq!(error.code, Code::Conflict, "{error:?}");
            let says = if newest == 0 { "does not exist".to_owned() } else { newest.to_string() };
            assert!(error.message.contains(&says), "{error:?}");
        }
    }

    pub(super) fn read_state(&self, caller: Caller, key: &'static str, version: Option<u64>) {
        let mut arguments = json!({ "key": key });
        let version = version.filter(|version| *version != 0);
        if let Some(version) = version {
            arguments["version"] = version.into();
        }
        let result = self.site.call(caller, "read_state", &arguments);
        let none = Key::default();
        let stored = self.keys.get(key).unwrap_or(&none);
        let wanted = match version {
            Some(version) => stored.versions.get_key_value(&version),
            // The newest that can be read.
            None => stored.versions.iter().rfind(|(_, value)| value.is_some()),
        };
        match (wanted, result) {
            (Some((number, Some(value))), Ok(read)) => {
                assert_eq!((&read["version"], &read["value"]), (&json!(number), value), "{key}");
                let newer = (version.is_none() && stored.newest > *number).then_some(stored.newest);
                assert_eq!(read["newest_version"].as_u64(), newer, "{key}");
            }
            (Some((number, Some(_))), Err(error)) => {
                let pruned = number.saturating_add(KEPT) <= stored.newest;
                assert!(pruned && error.code == Code::NotFound, "{key} {number}: {error:?}");
            }
            (_, Ok(read)) => panic!("{key} {version:?}: {read}"),
            (_, Err(error)) => {
                let is_damaged = stored.versions.values().any(Option::is_none);
                let code = if is_damaged { error.code } else { Code::NotFound };
                assert!(
                    error.code == code && matches!(code, Code::NotFound | Code::Io),
                    "{error:?}"
                );
            }
        }
    }

    pub(super) fn list_state(&self, caller: Caller) {
        let answer = self.site.call(caller, "read_state", &json!({ "prefix": "" })).unwrap();
        let listed = answer["keys"].as_array().unwrap().iter();
        let listed: BTreeMap<_, _> = listed
            .map(|one| (one["key"].as_str().unwrap(), one["version"].as_u64().unwrap()))
            .collect();
        let there = self.keys.iter().filter(|(_, key)| key.newest > 0);
        assert_eq!(listed, there.map(|(name, key)| (*name, key.newest)).collect());
    }

    /// Somebody removes all versions of a key.
    pub(super) fn lose_key(&mut self, key: &'static str) {
        if self.keys.remove(key).is_some() {
            fs::remove_dir_all(self.site.at(&format!("state/{key}/@"))).unwrap();
        }
    }

    /// Somebody puts something else in the place of the next version.
    pub(super) fn damage_key(&mut self, key: &'static str) {
        let Some(of_key) = self.keys.get_mut(key) else { return };
        of_key.newest += 1;
        of_key.versions.insert(of_key.newest, None);
        let version = self.site.at(&format!("state/{key}/@/{}", of_key.newest));
        fs::create_dir(&version).unwrap();
        fs::write(version.join("value.json"), "{\"format\":1}").unwrap();
    }

    /// `line` 0 is the whole file, and 7 is the workspace.
    pub(super) fn write_finding(&mut self, caller: Caller, rule: &str, path: &str, line: usize) {
        let mut arguments = json!({ "rule_id": rule, "severity": "low", "message": "m" });
        let about = if line == 7 {
            Some(WORKSPACE.to_owned())
        } else {
            arguments["path"] = path.into();
            if line > 0 {
                arguments["start_line"] = line.into();
            }
            self.text(caller, path)
                .and_then(|text| place(&text, line))
                .map(|place| format!("{path}: {place}"))
        };
        let result = self.site.call(caller, "write_finding", &arguments);
        let Some(about) = about else {
            let error = result.unwrap_err();
            assert!(matches!(error.code, Code::NotFound | Code::InvalidArgument), "{error:?}");
            return;
        };
        let (about, answer) = (format!("{rule}: {about}"), result.unwrap());
        let fingerprint = answer["fingerprint"].as_str().unwrap();
        let known =
            self.fingerprints.entry(about.clone()).or_insert_with(|| fingerprint.to_owned());
        assert_eq!(known, fingerprint, "one thing has one fingerprint: {about}");
        let of_others = self.fingerprints.iter().filter(|(other, _)| **other != about);
        assert!(!of_others.clone().any(|(_, other)| other == fingerprint), "{about}");
        let seen_by: Vec<_> = CALLERS
            .iter()
            .filter(|other| self.findings.contains(&(**other, about.clone())))
            .map(|other| other.0)
            .collect();
        assert_eq!(answer["seen_by"], json!(seen_by), "{about}");
        let is_new = self.findings.insert((caller, about));
        assert_eq!(answer["status"], if is_new { "created" } else { "duplicate" });
        let there: Vec<_> = self.findings.iter().map(|finding| self.id_of(finding)).collect();
        assert!(there.iter().any(|id| answer["id"] == *id));
        for near in answer["possibly_same"].as_array().unwrap() {
            assert!(there.iter().any(|id| near == id) && *near != answer["id"], "{near}");
        }
    }

    fn id_of(&self, (caller, about): &(Caller, String)) -> String {
        format!("{}:{}", caller.0, self.fingerprints[about])
    }

    fn record_of(&self, finding: &(Caller, String)) -> std::path::PathBuf {
        let id = self.id_of(finding).replace(':', "/");
        self.site.at(&format!("output/findings/{id}.json"))
    }

    /// Each thing that was found is listed once, whoever has found it, to whom may read its file.
    pub(super) fn list_findings(&self, caller: Caller) {
        let answer = self.site.call(caller, "list_findings", &json!({ "format": "json" })).unwrap();
        let listed = answer["findings"].as_array().unwrap().iter();
        let listed: Vec<_> = listed.map(|one| one["fingerprint"].as_str().unwrap()).collect();
        let once: BTreeSet<_> = listed.iter().copied().collect();
        assert_eq!(listed.len(), once.len(), "{listed:?}");
        let path = |about: &str| about.split(": ").nth(1).unwrap().to_owned();
        let may_see = |about: &str| path(about) == WORKSPACE || caller.reads(&path(about));
        let there = self.findings.iter().filter(|(_, about)| may_see(about));
        assert_eq!(once, there.map(|(_, about)| self.fingerprints[about].as_str()).collect());
    }

    /// Each proposal that is there is listed to whom may read its file.
    pub(super) fn list_proposals(&self, caller: Caller) {
        let answer =
            self.site.call(caller, "list_proposals", &json!({ "format": "json" })).unwrap();
        let listed = answer["proposals"].as_array().unwrap().iter();
        let listed: BTreeSet<_> = listed.map(|one| one["id"].as_str().unwrap()).collect();
        let there = self.proposals.values().filter(|one| self.live.contains(&one.id));
        let there = there.filter(|one| caller.reads(&one.path)).map(|one| one.id.as_str());
        assert_eq!(listed, there.collect());
    }

    /// Somebody removes one of the findings.
    pub(super) fn lose_finding(&mut self, which: u8) {
        let nth = usize::from(which) % self.findings.len().max(1);
        if let Some(lost) = self.findings.iter().nth(nth).cloned() {
            fs::remove_file(self.record_of(&lost)).unwrap();
            self.findings.remove(&lost);
        }
    }

    pub(super) fn propose(&mut self, caller: Caller, path: &str, old: &str, new: &str) {
        let edit = json!({ "path": path, "old_text": old, "new_text": new });
        let arguments = json!({ "title": "t", "rationale": "why", "edits": [edit] });
        let result = self.site.call(caller, "propose_patch", &arguments);
        let before = self.text(caller, path).filter(|text| text.matches(old).count() == 1);
        let Some(before) = before else {
            result.unwrap_err();
            return;
        };
        let answer = result.unwrap();
        let id = answer["id"].as_str().unwrap();
        let same_files = self.proposals.values().filter(|other| other.id != id);
        let conflicts: BTreeSet<_> = same_files
            .filter(|other| other.path == path && other.before == before)
            .filter(|other| self.live.contains(&other.id))
            .map(|other| other.id.as_str())
            .collect();
        let told = answer["conflicts_with"].as_array().into_iter().flatten();
        assert_eq!(told.map(|id| id.as_str().unwrap()).collect::<BTreeSet<_>>(), conflicts);
        let change = format!("{path}: {old} -> {new} in {before}");
        let is_other =
            |(other, proposal): (&String, &Proposal)| *other != change && proposal.id == id;
        assert!(!self.proposals.iter().any(is_other), "{change}");
        let proposal = Proposal { id: id.to_owned(), path: path.to_owned(), before };
        assert_eq!(self.proposals.entry(change).or_insert(proposal).id, id);
        let is_new = self.live.insert(id.to_owned());
        assert_eq!(answer["status"], if is_new { "created" } else { "duplicate" });
    }

    /// Somebody removes one of the proposals.
    pub(super) fn lose_proposal(&mut self, which: u8) {
        let nth = usize::from(which) % self.live.len().max(1);
        if let Some(lost) = self.live.iter().nth(nth).cloned() {
            fs::remove_dir_all(self.site.at(&format!("output/proposals/{lost}"))).unwrap();
            self.live.remove(&lost);
        }
    }

    /// The text of a file that the caller may read.
    fn text(&self, caller: Caller, path: &str) -> Option<String> {
        let tree = self.site.sources();
        match tree.get(path) {
            Some(Node::File(text)) if caller.sees(path, &tree) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn read_file(&self, caller: Caller, path: &str) {
        let arguments = json!({ "path": path, "format": "json" });
        let result = self.site.call(caller, "read_file", &arguments);
        match (self.text(caller, path), result) {
            (Some(text), Ok(read)) => assert_eq!(read["content"], text, "{path}"),
            (None, Err(error)) => self.check_refusal(caller, path, &error),
            (text, result) => panic!("{path}: {text:?}, {result:?}"),
        }
    }

    /// Hidden is answered as absent.
    fn check_refusal(&self, caller: Caller, path: &str, error: &ToolError) {
        let tree = self.site.sources();
        match tree.get(path).filter(|_| caller.sees(path, &tree)) {
            Some(Node::Directory) => assert_eq!(error.code, Code::InvalidArgument, "{error:?}"),
            Some(_) => assert_eq!(error.code, Code::NotFound, "{error:?}"),
            None => {
                assert_eq!(error.code, Code::NotFound, "{error:?}");
                assert_eq!(error.message, format!("no such file: {path}"));
            }
        }
    }

    pub(super) fn list_dir(&self, caller: Caller) {
        let arguments = json!({ "path": "input", "depth": 9 });
        let answer = self.site.call(caller, "list_dir", &arguments).unwrap();
        let tree = self.site.sources();
        let seen = tree.iter().filter(|(path, _)| caller.sees(path, &tree));
        let kind = |node: &Node| match node {
            Node::File(_) => "file",
            Node::Directory => "directory",
            Node::Link => "symlink",
        };
        let seen: BTreeSet<_> = seen.map(|(path, node)| (path.as_str(), kind(node))).collect();
        let text = |entry: &'_ Value, part: &str| entry[part].as_str().unwrap().to_owned();
        let entries = answer["entries"].as_array().unwrap().iter();
        let listed: Vec<_> = entries.map(|one| (text(one, "path"), text(one, "type"))).collect();
        let listed: BTreeSet<_> =
            listed.iter().map(|(path, kind)| (path.as_str(), kind.as_str())).collect();
        assert_eq!(listed, seen);
    }

    pub(super) fn grep(&self, caller: Caller, (pattern, found): (&str, &str)) {
        let arguments =
            json!({ "pattern": pattern, "path": "input", "format": "json", "limit": 5000 });
        let answer = self.site.call(caller, "grep", &arguments).unwrap();
        let tree = self.site.sources();
        let mut lines = BTreeSet::new();
        for (path, node) in tree.iter().filter(|(path, _)| caller.sees(path, &tree)) {
            let Node::File(text) = node else { continue };
            for (at, line) in text.lines().enumerate() {
                if found.split(' ').any(|word| line.contains(word)) {
                    lines.insert((path.as_str(), at as u64 + 1));
                }
            }
        }
        let matches = answer["matches"].as_array().unwrap().iter();
        let matches =
            matches.map(|one| (one["path"].as_str().unwrap(), one["line"].as_u64().unwrap()));
        assert_eq!(matches.collect::<BTreeSet<_>>(), lines, "{pattern}");
    }

    /// What was acknowledged, and nobody has taken away, is there.
    pub(super) fn check_records(&self) {
        for key in self.keys.keys() {
            self.read_state(CALLERS[0], key, None);
        }
        for finding in &self.findings {
            let record = fs::read(self.record_of(finding)).unwrap();
            let record: Value = serde_json::from_slice(&record).unwrap();
            assert_eq!(record["fingerprint"], self.fingerprints[&finding.1]);
        }
        for id in &self.live {
            for file in ["proposal.json", "change.patch"] {
                let bytes =
                    fs::read(self.site.at(&format!("output/proposals/{id}/{file}"))).unwrap();
                assert!(!bytes.is_empty());
            }
        }
    }
}

/// What a finding on a line is about, whatever its number and its indentation are; none where
/// there is no such line.
fn place(text: &str, line: usize) -> Option<String> {
    let Some(before) = line.checked_sub(1) else { return Some("the file".to_owned()) };
    let normal = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<_> = text.lines().map(normal).collect();
    let own = lines.get(before)?;
    let equal = lines.iter().take(before).filter(|line| *line == own).count();
    Some(format!("`{own}` number {equal}"))
}
