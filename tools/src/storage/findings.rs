//! Reads the folder of findings: whole, a page at a time, or one finding over all agents.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::error::ToolError;
use crate::path::WorkspacePath;
use crate::records::finding::{FORMAT, Finding};
use crate::records::merged::{Filter, MergedFinding, merge_group};
use crate::workspace::Scope;

/// Records between two reports of progress.
const PROGRESS_EVERY: usize = 100;

/// A file among the findings that cannot be read as one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damaged {
    /// Where it lies.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The content of the folder of findings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// The findings, as they lie there.
    pub findings: Vec<Finding>,
    /// What cannot be read as one. Unfinished work is not among it.
    pub damaged: Vec<Damaged>,
}

/// Reads all findings that the caller may see, as their agents wrote them.
///
/// # Errors
/// When a directory cannot be listed, or at the call's end. A record that cannot be read is no
/// error here: it is among the damaged ones.
pub fn read(scope: &Scope, call: &Call) -> Result<Ledger, ToolError> {
    let mut ledger = Ledger::default();
    for record in list(scope, call)?.into_values().flatten() {
        call.check()?;
        match record.read(scope, call) {
            Ok(finding) => ledger.findings.push(finding),
            Err(damaged) => {
                call.check()?;
                ledger.damaged.push(damaged);
            }
        }
    }
    Ok(ledger)
}

impl Damaged {
    fn bytes(&self) -> usize {
        self.path.len() + self.problem.len()
    }
}

/// Some of the merged findings, in the order of their fingerprints: each record of the folder is
/// read for one page and no other, so that all pages together cost what the whole does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The findings that are wanted.
    pub findings: Vec<MergedFinding>,
    /// What cannot be read as a finding.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub damaged: Vec<Damaged>,
    /// Where the next page begins: after this; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many findings were looked at up to the end of this page.
    pub done: usize,
    /// How many there are to be looked at, wanted or not.
    pub all: usize,
}

/// Where a page ends at the latest.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of JSON.
    pub bytes: usize,
    /// When no further finding is read.
    pub until: Instant,
}

/// The page that begins after the fingerprint `after`, or all that follows if there are no bounds.
/// It covers at least one finding, so a reader who asks for page after page comes to the end.
///
/// # Errors
/// When a directory cannot be listed, or at the call's end. A record that cannot be read is no
/// error here: it is among the damaged ones.
pub fn page(
    scope: &Scope,
    filter: &Filter<'_>,
    after: Option<&str>,
    bounds: Option<Bounds>,
    call: &Call,
) -> Result<Page, ToolError> {
    let listed = list(scope, call)?;
    let mut page = Page { all: listed.len(), ..Page::default() };
    let mut bytes = 0;
    for (done, (name, records)) in listed.iter().enumerate() {
        page.done = done + 1;
        if after.is_some_and(|after| name.as_str() <= after) {
            continue;
        }
        if done.is_multiple_of(PROGRESS_EVERY) {
            call.report(done as u64, &format!("{done} of {} findings read", page.all));
        }
        let mut group = Vec::new();
        for record in records {
            call.check()?;
            match record.read(scope, call) {
                Ok(finding) => group.push(finding),
                Err(damaged) => {
                    call.check()?;
                    bytes += damaged.bytes();
                    page.damaged.push(damaged);
                }
            }
        }
        if let Some(finding) = merge_group(group).filter(|finding| filter.wants(finding)) {
            match bounds.map(|bounds| (bounds.bytes, bytes_of(&finding))) {
                Some((most, size)) if size > most => {
                    let problem = format!("it has {size} bytes, and an answer takes {most}");
                    let damaged = Damaged { path: name.clone(), problem };
                    bytes += damaged.bytes();
                    page.damaged.push(damaged);
                }
                size => {
                    bytes += size.map_or(0, |(_, size)| size);
                    page.findings.push(finding);
                }
            }
        }
        let full = bounds.is_some_and(|most| bytes >= most.bytes || Instant::now() >= most.until);
        if full && page.done < page.all {
            page.next = Some(name.clone());
            break;
        }
    }
    Ok(page)
}

fn bytes_of(finding: &MergedFinding) -> usize {
    serde_json::to_vec(finding).map_or(usize::MAX, |json| json.len())
}

/// The finding with one fingerprint, or none if the caller may see nothing of it.
///
/// # Errors
/// When a directory cannot be listed, or at the call's end.
pub fn one(
    scope: &Scope,
    fingerprint: &str,
    call: &Call,
) -> Result<Option<MergedFinding>, ToolError> {
    let name = format!("{fingerprint}.json");
    let directory = scope.layout().findings();
    let mut group = Vec::new();
    for agent in scope.record_names(directory)? {
        call.check()?;
        let of_agent = directory.join(&agent)?;
        let (names, _) = scope.record_names_beginning(&of_agent, &name)?;
        if names.contains(&name) {
            let record = Record { path: of_agent.join(&name)?, agent };
            group.extend(record.read(scope, call));
        }
    }
    Ok(merge_group(group))
}

/// A file of the folder, not yet read.
struct Record {
    agent: String,
    path: WorkspacePath,
}

/// The files by their names, which are those of the fingerprints and the same for all agents.
fn list(scope: &Scope, call: &Call) -> Result<BTreeMap<String, Vec<Record>>, ToolError> {
    let mut listed: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    let directory = scope.layout().findings();
    for agent in scope.record_names(directory)? {
        let of_agent = directory.join(&agent)?;
        call.check()?;
        for name in scope.record_names(&of_agent)? {
            let record = Record { agent: agent.clone(), path: of_agent.join(&name)? };
            let fingerprint = name.strip_suffix(".json").map(str::to_owned).unwrap_or(name);
            listed.entry(fingerprint).or_default().push(record);
        }
    }
    Ok(listed)
}

impl Record {
    fn read(&self, scope: &Scope, call: &Call) -> Result<Finding, Damaged> {
        self.finding(scope, call)
            .map_err(|problem| Damaged { path: self.path.as_str().to_owned(), problem })
    }

    fn finding(&self, scope: &Scope, call: &Call) -> Result<Finding, String> {
        let told = |error: ToolError| error.message;
        let opened = scope.open_record(&self.path, call).map_err(told)?;
        let bytes = scope.read_opened(&self.path, opened, call).map_err(told)?;
        let finding: Finding =
            serde_json::from_slice(&bytes).map_err(|error| format!("it is no finding: {error}"))?;
        if finding.format != FORMAT {
            return Err(format!(
                "its format is {}, which this version does not know",
                finding.format
            ));
        }
        let name = format!("{}.json", finding.fingerprint);
        if finding.agent != self.agent || self.path.file_name() != Some(name.as_str()) {
            return Err(format!(
                "it says agent `{}` and fingerprint `{}`, which is not where it lies",
                finding.agent, finding.fingerprint
            ));
        }
        Ok(finding)
    }
}
