//! Reads the folder of findings: whole, a page at a time, or one finding over all agents.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::memory::Drawn;
use crate::path::WorkspacePath;
use crate::records::finding::{FORMAT, Finding, MAX_BYTES};
use crate::records::fingerprint;
use crate::records::merged::{Filter, MergedFinding, merge_group};
use crate::workspace::{Kind, Scope};

use super::omissions::{Omissions, unnameable};

/// What a record in a listing takes beside the path of its folder, at most.
const BYTES_A_RECORD: usize = 512;
/// What a finding takes beside its texts, at most.
const BYTES_A_FINDING: usize = 16 * 1024;
/// Records between two reports of progress.
const PROGRESS_EVERY: usize = 100;

/// The content of the folder of findings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ledger {
    /// The findings, as they lie there.
    pub findings: Vec<Finding>,
    /// What cannot be read as one. Unfinished work is not among it.
    pub omissions: Omissions,
}

/// Reads all findings that the caller may see, as their agents wrote them.
///
/// # Errors
/// When the folder of findings cannot be listed, or at the call's end. An agent's folder or a
/// record that cannot be read is no error here: it is among the omissions.
pub fn read(scope: &Scope, call: &Call) -> Result<Ledger, ToolError> {
    let Listing { records, omissions, drawn: _drawn } = list(scope, call)?;
    let mut ledger = Ledger { findings: Vec::new(), omissions };
    for record in records.into_values().flat_map(|group| group.0) {
        call.check()?;
        match record.read(scope, call) {
            Ok(finding) => ledger.findings.push(finding),
            Err(problem) => {
                call.check()?;
                ledger.omissions.add(Omissions::MOST, &record.path, problem);
            }
        }
    }
    Ok(ledger)
}

/// Some of the merged findings, in the order of their fingerprints: each record of the folder is
/// read for one page and no other, so that all pages together cost what the whole does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// The findings that are wanted.
    pub findings: Vec<MergedFinding>,
    /// What cannot be read as a finding. Whole folders are told on the first page.
    #[serde(default, skip_serializing_if = "Omissions::is_empty")]
    pub omissions: Omissions,
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
/// When the folder of findings cannot be listed, or at the call's end. An agent's folder or a
/// record that cannot be read is no error here: it is among the omissions.
pub fn page(
    scope: &Scope,
    filter: &Filter<'_>,
    after: Option<&str>,
    bounds: Option<Bounds>,
    call: &Call,
) -> Result<Page, ToolError> {
    let Listing { records, omissions, drawn: _drawn } = list(scope, call)?;
    let mut page = Page { all: records.len(), ..Page::default() };
    if after.is_none() {
        page.omissions = omissions;
    }
    let mut bytes = 0;
    for (done, (name, group)) in records.iter().enumerate() {
        page.done = done + 1;
        if after.is_some_and(|after| name.as_str() <= after) {
            continue;
        }
        report(done, page.all, call);
        let finding = group.read(scope, &|_| Ok(true), &mut page.omissions, call)?;
        if let Some(finding) = finding.filter(|finding| filter.wants(finding)) {
            match bounds.map(|bounds| (bounds.bytes, bytes_of(&finding))) {
                Some((most, size)) if size > most => {
                    let problem = format!("it has {size} bytes, and an answer takes {most}");
                    page.omissions.add(Omissions::MOST, name, problem);
                }
                size => {
                    bytes += size.map_or(0, |(_, size)| size);
                    page.findings.push(finding);
                }
            }
        }
        let size = bytes + page.omissions.bytes();
        let full = bounds.is_some_and(|most| size >= most.bytes || Instant::now() >= most.until);
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

/// Tells the client how far reading is, not too often.
pub(crate) fn report(done: usize, all: usize, call: &Call) {
    if done.is_multiple_of(PROGRESS_EVERY) {
        call.report(done as u64, &format!("{done} of {all} findings read"));
    }
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
    let mut group = Group::default();
    for (agent, _) in scope.record_entries(scope.layout().findings(), "", call)?.entries {
        // A name that no path can have is no finding's.
        group.0.extend(Record::of(scope, &agent, fingerprint));
    }
    // Of each agent whose folder has it and can be read.
    group.read(scope, &|_| Ok(true), &mut Omissions::default(), call)
}

/// The findings that an agent names: a fingerprint's last digits, as lists show them to models,
/// become the fingerprint where the caller may know of one that ends so. Other names stay.
///
/// # Errors
/// When two fingerprints end so, when the folder of findings cannot be listed, or at the call's end.
pub(crate) fn whole_ids(
    scope: &Scope,
    given: Vec<String>,
    call: &Call,
) -> Result<Vec<String>, ToolError> {
    if !given.iter().any(|id| fingerprint::is_short(id)) {
        return Ok(given);
    }
    let records = list(scope, call)?.records;
    let whole = |id: String| {
        let mut meant = records.keys().filter(|name| name.ends_with(id.as_str()));
        match (meant.next(), meant.next()) {
            _ if !fingerprint::is_short(&id) => Ok(id),
            (Some(one), Some(other)) => Err(ToolError::invalid(format!(
                "`{id}` in `finding_ids` ends two fingerprints: {one} and {other}"
            ))
            .hint("give the whole fingerprint of the one that is meant")),
            (Some(one), None) => Ok(one.clone()),
            (None, _) => Ok(id),
        }
    };
    given.into_iter().map(whole).collect()
}

/// The finding of one agent with one fingerprint, or what is wrong with it.
pub(crate) fn read_one(
    scope: &Scope,
    agent: &str,
    fingerprint: &str,
    call: &Call,
) -> Result<Finding, String> {
    let record = Record::of(scope, agent, fingerprint).map_err(|error| error.message)?;
    record.read(scope, call)
}

/// A file of the folder, not yet read.
struct Record {
    agent: String,
    path: WorkspacePath,
}

/// The records of one fingerprint, of all agents.
#[derive(Default)]
pub(crate) struct Group(Vec<Record>);

/// What lies in the folder of findings, as far as the caller may know of it.
#[derive(Default)]
pub(crate) struct Listing {
    /// The records by their names, which are the fingerprints and the same for all agents. The
    /// findings of one file follow each other.
    pub records: BTreeMap<String, Group>,
    /// What else is there.
    pub omissions: Omissions,
    /// The memory that all this takes.
    pub drawn: Option<Drawn>,
}

/// Lists the folder of findings. No record is read.
///
/// # Errors
/// When the folder of findings cannot be listed, or at the call's end.
pub(crate) fn list(scope: &Scope, call: &Call) -> Result<Listing, ToolError> {
    let mut listed = Listing::default();
    let directory = scope.layout().findings();
    let agents = scope.record_entries(directory, "", call)?;
    listed.leave_out_unnameable(directory, agents.unnameable);
    for (agent, kind) in agents.entries {
        call.check()?;
        let of_agent = directory.join(&agent)?;
        if kind != Kind::Directory {
            listed.omissions.add(Omissions::MOST, &of_agent, "it is no folder of an agent");
            continue;
        }
        let files = match scope.record_entries(&of_agent, "", call) {
            Ok(files) => files,
            Err(error) => {
                call.check()?;
                if scope.may_be_told_of(&of_agent) {
                    listed.omissions.add(Omissions::MOST, &of_agent, error.message);
                }
                continue;
            }
        };
        listed.leave_out_unnameable(&of_agent, files.unnameable);
        let each = of_agent.as_str().len().saturating_add(agent.len() + BYTES_A_RECORD);
        let bytes = files.entries.len().saturating_mul(each);
        scope.memory().draw_more(&mut listed.drawn, bytes, call)?;
        for (name, _) in files.entries {
            let record = Record { agent: agent.clone(), path: of_agent.join(&name)? };
            let fingerprint = name.strip_suffix(".json").map(str::to_owned).unwrap_or(name);
            listed.records.entry(fingerprint).or_default().0.push(record);
        }
    }
    Ok(listed)
}

impl Listing {
    fn leave_out_unnameable(&mut self, directory: &WorkspacePath, count: u64) {
        if count > 0 {
            self.omissions.add(Omissions::MOST, directory, unnameable(count));
        }
    }
}

impl Group {
    /// Reads the records that `admits` lets pass, and merges them; none when nothing is left. A
    /// record that cannot be read, or of which `admits` says that something is wrong, goes to the
    /// omissions, and so does one for which the caller cannot have the memory.
    ///
    /// # Errors
    /// [`Code::Overloaded`] where others have the memory; at the call's end.
    pub(crate) fn read(
        &self,
        scope: &Scope,
        admits: &dyn Fn(&Finding) -> Result<bool, String>,
        omissions: &mut Omissions,
        call: &Call,
    ) -> Result<Option<MergedFinding>, ToolError> {
        let mut group = Vec::new();
        let mut drawn = scope.memory().draw(0, call)?;
        for record in &self.0 {
            call.check()?;
            let read = record.read_with_size(scope, call);
            let read =
                read.and_then(|(finding, size)| Ok(admits(&finding)?.then_some((finding, size))));
            match read {
                Ok(None) => {}
                // It, and what the merged one has of it.
                Ok(Some((finding, size))) => {
                    match drawn.grow(size.saturating_mul(3).saturating_add(BYTES_A_FINDING), call) {
                        Ok(()) => group.push(finding),
                        Err(error) if error.code == Code::TooLarge => {
                            omissions.add(Omissions::MOST, &record.path, error.message);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Err(problem) => {
                    call.check()?;
                    omissions.add(Omissions::MOST, &record.path, problem);
                }
            }
        }
        Ok(merge_group(group))
    }
}

impl Record {
    fn of(scope: &Scope, agent: &str, fingerprint: &str) -> Result<Record, ToolError> {
        let directory = scope.layout().findings().join(agent)?;
        let path = directory.join(&format!("{fingerprint}.json"))?;
        Ok(Record { agent: agent.to_owned(), path })
    }

    /// The finding, or what is wrong with the file.
    fn read(&self, scope: &Scope, call: &Call) -> Result<Finding, String> {
        self.read_with_size(scope, call).map(|(finding, _)| finding)
    }

    /// The finding, and how large its record is.
    fn read_with_size(&self, scope: &Scope, call: &Call) -> Result<(Finding, usize), String> {
        let told = |error: ToolError| error.message;
        let opened = scope.open_record(&self.path, call).map_err(told)?;
        if opened.size > MAX_BYTES {
            return Err(format!("it has {} bytes, and a finding has {MAX_BYTES}", opened.size));
        }
        let bytes = scope.read_opened(&self.path, opened, call).map_err(told)?;
        let finding: Finding =
            serde_json::from_slice(&bytes).map_err(|error| format!("it is no finding: {error}"))?;
        if finding.format != FORMAT {
            return Err(format!(
                "its format is {}, which this version does not know",
                finding.format
            ));
        }
        finding.check()?;
        let name = format!("{}.json", finding.fingerprint);
        if finding.agent != self.agent || self.path.file_name() != Some(name.as_str()) {
            return Err(format!(
                "it says agent `{}` and fingerprint `{}`, which is not where it lies",
                finding.agent, finding.fingerprint
            ));
        }
        Ok((finding, bytes.len()))
    }
}
