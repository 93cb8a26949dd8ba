//! `propose_patch`: a change of sources, checked against them and stored for review.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{Alias, Effect, Foreign, Tool, arguments};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::memory::Drawn;
use crate::name;
use crate::patch::{
    self, Base, Draft, Edit, MAX_FILES, MAX_PATCH_BYTES, Meant, Outcome, Surroundings, Written,
};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::proposal::{FORMAT, MAX_BYTES, PATCH, Proposal, ProposedFile, RECORD, id_of};
use crate::storage::{findings, proposals};
use crate::version;
use crate::workspace::{Kind, Published, Quota, Scope};

/// Longest texts in characters.
const MAX_TITLE: usize = 200;
const MAX_RATIONALE: usize = 16 * 1024;
const MAX_NAME: usize = 200;
/// Most finding ids.
const MAX_FINDINGS: usize = 100;
/// Most edits.
const MAX_EDITS: usize = 1000;
/// Largest diff that is stored, in bytes: deleting a file by an edit puts all of it there.
const MAX_STORED_BYTES: usize = 4 * MAX_PATCH_BYTES;

/// Longest time for comparing with other proposals.
const MOST_COMPARING: Duration = Duration::from_secs(10);
/// Most sentences in `adjusted`.
const MAX_ADJUSTED: usize = 50;
/// Most ids in `conflicts_with`.
const MAX_CONFLICTS: usize = 100;

/// The tool.
pub struct ProposePatch;

/// Arguments of `propose_patch`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// One line of at most 200 characters.
    title: String,
    /// A unified diff.
    patch: Option<String>,
    /// Exact edits.
    edits: Option<Vec<Edit>>,
    /// What read_file gave; refused if a file has changed since.
    #[serde(default, deserialize_with = "versions_by_path")]
    #[schemars(with = "Vec<ReadVersion>")]
    expected_versions: BTreeMap<String, String>,
    /// Why the change is right.
    rationale: Option<String>,
    /// The findings that it answers.
    #[serde(default)]
    finding_ids: Vec<String>,
    /// The run that it belongs to.
    run: Option<String>,
}

/// A version that somebody has read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadVersion {
    /// The file, relative to the workspace root.
    path: String,
    /// Its version.
    version: String,
}

/// Versions as a list, or as a map from paths to versions.
fn versions_by_path<'de, D: Deserializer<'de>>(
    source: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    use serde::de::Error;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        List(Vec<ReadVersion>),
        Map(BTreeMap<String, String>),
    }
    let list = match Given::deserialize(source) {
        Ok(Given::Map(map)) => return Ok(map),
        Ok(Given::List(list)) => list,
        Err(_) => {
            return Err(D::Error::custom("what is given is no list of {path, version}"));
        }
    };
    let mut versions = BTreeMap::new();
    for ReadVersion { path, version } in list {
        let known = versions.insert(path.clone(), version.clone());
        if known.is_some_and(|known| known != version) {
            return Err(D::Error::custom(format!("two versions are given for `{path}`")));
        }
    }
    Ok(versions)
}

/// One edit, by the names that other tools give its parts beside each other.
fn one_edit(_: &Value, all: &Map<String, Value>) -> Option<Vec<(&'static str, Value)>> {
    let is = |given: &str, names: &[&str]| names.iter().any(|name| arguments::is_name(given, name));
    let named =
        |names: &[&str]| all.iter().find(|(given, _)| is(given, names)).map(|(_, v)| v.clone());
    let path = named(&["file_path", "path"])?;
    let mut edit = Map::from_iter([("path".to_owned(), path)]);
    let parts = [
        ("old_text", ["old_string", "old_str", "old_text"]),
        ("new_text", ["new_string", "new_str", "new_text"]),
    ];
    for (part, names) in parts {
        edit.insert(part.to_owned(), named(&names)?);
    }
    Some(vec![("edits", Value::Array(vec![Value::Object(edit)]))])
}

/// Output of `propose_patch`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The proposal's id: the hash of the diff and of the versions that it is made for.
    id: String,
    /// The directory where it lies.
    path: String,
    /// `created`, or `duplicate` when the same change was proposed before.
    status: Status,
    /// What changes, by path.
    files: Vec<ProposedFile>,
    /// Ids of other proposals on the same files that may still be applied: once one is, the
    /// others no longer fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    conflicts_with: Vec<String>,
    /// How many other proposals were not compared, because time ran out, they could not be read
    /// or `conflicts_with` is full; they may conflict as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_compared: Option<u64>,
    /// How the patch or the edits were read where they were not exact: look whether it was meant
    /// so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    adjusted: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Created,
    Duplicate,
}

impl Tool for ProposePatch {
    const NAME: &'static str = "propose_patch";
    const TITLE: &'static str = "Propose a change";
    const DESCRIPTION: &'static str = include_str!("propose_patch.md");
    const GUIDE: &'static str = "Propose changes with `propose_patch`, giving `expected_versions` from what you read. Nothing is applied: a person decides.";
    const EFFECT: Effect = Effect::Records;
    const ACCESS: Access = Access::Propose;
    const SUBJECT: Option<&'static str> = None;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = true;
    const ALIASES: &'static [Alias] = &[
        ("diff", "patch"),
        ("unified_diff", "patch"),
        ("description", "rationale"),
        ("body", "rationale"),
        ("findings", "finding_ids"),
        ("edits.file_path", "edits.path"),
        ("edits.file", "edits.path"),
        ("edits.old_string", "edits.old_text"),
        ("edits.old_str", "edits.old_text"),
        ("edits.new_string", "edits.new_text"),
        ("edits.new_str", "edits.new_text"),
        ("edits.content", "edits.new_text"),
    ];
    const FOREIGN: &'static [Foreign] = &[
        ("file_path", one_edit),
        ("path", one_edit),
        ("old_string", one_edit),
        ("old_str", one_edit),
        ("old_text", one_edit),
        ("new_string", one_edit),
        ("new_str", one_edit),
        ("new_text", one_edit),
    ];
    type Args = Args;
    type Output = Output;

    fn folders(scope: &Scope) -> Result<Vec<WorkspacePath>, ToolError> {
        Ok(vec![scope.layout().proposals().clone()])
    }

    fn run(scope: &Scope, mut args: Args, call: &Call) -> Result<Output, ToolError> {
        check(&args)?;
        let mut drawn = Vec::new();
        let (outcomes, adjusted) = draft(scope, &args, call, &mut drawn)?;
        if outcomes.len() > MAX_FILES {
            return Err(too_large(format!(
                "the proposal changes {} files; the limit is {MAX_FILES}",
                outcomes.len()
            )));
        }
        let finding_ids = findings::whole_ids(scope, std::mem::take(&mut args.finding_ids), call)?;
        let written = patch::write(&outcomes, call.deadline())?;
        // Past the deadline the diff is not the canonical one.
        call.check()?;
        if written.patch.len() > MAX_STORED_BYTES {
            return Err(too_large(format!(
                "the diff has {} bytes; the limit is {MAX_STORED_BYTES}",
                written.patch.len()
            )));
        }
        let files = files(&outcomes, &written);
        let id = id_of(&written.patch, &files);
        let path = scope.layout().proposals().join(&id)?;
        let judgement = scope.judge(Access::Write, &path);
        let agent = judgement.role.filter(|_| judgement.allowed).ok_or_else(|| {
            ToolError::new(Code::Denied, format!("this caller may not write `{path}`"))
                .hint("its role needs `write` on the folder of proposals; ask the operator")
        })?;
        let proposal = Proposal {
            format: FORMAT,
            id,
            title: args.title.trim().to_owned(),
            rationale: args.rationale,
            finding_ids,
            run: args.run,
            agent,
            caller: call.caller.to_string(),
            created: Timestamp::now().to_string(),
            files,
        };
        let mut json = serde_json::to_vec_pretty(&proposal).map_err(|error| {
            ToolError::new(Code::Internal, "the proposal could not be written as JSON")
                .caused_by(error)
        })?;
        json.push(b'\n');
        let record: [(&str, &[u8]); 2] = [(RECORD, &json), (PATCH, &written.patch)];
        let quota = Quota {
            folder: scope.layout().proposals(),
            most: scope.grant().limits().max_proposals,
            what: "proposals",
            limit: "max_proposals",
        };
        let place = scope.take_place(quota, &path, call)?;
        // What stands there under this id is this diff, and a record of it.
        let is_of_record = |name: &str, content: &[u8]| match name {
            PATCH => content == written.patch,
            _ => Proposal::parse(&proposal.id, content)
                .is_ok_and(|stored| stored.files == proposal.files),
        };
        let most = MAX_BYTES.max(MAX_STORED_BYTES as u64);
        let published = scope.publish_known_directory(&path, &record, most, &is_of_record, call)?;
        let status = match published {
            Published::Created => Status::Created,
            Published::AlreadyThere => {
                place.give_back(scope);
                Status::Duplicate
            }
        };
        let Proposal { id, files, .. } = proposal;
        // After publishing: of two who propose at the same instant one sees the other.
        let Conflicts { with, not_compared } = conflicts(scope, &id, &files, call);
        Ok(Output {
            id,
            path: path.as_str().to_owned(),
            status,
            files,
            conflicts_with: with,
            not_compared: (not_compared > 0).then_some(not_compared),
            adjusted: shortened(adjusted),
        })
    }
}

/// The first of them, and how many more there are.
fn shortened(mut adjusted: Vec<String>) -> Vec<String> {
    let more = adjusted.len().saturating_sub(MAX_ADJUSTED);
    if more > 0 {
        adjusted.truncate(MAX_ADJUSTED);
        adjusted.push(format!("and {more} more of the kind"));
    }
    adjusted
}

/// Other proposals on the same files.
struct Conflicts {
    with: Vec<String>,
    not_compared: u64,
}

/// Other proposals on the same files as they are now, undecided or approved: of all that there
/// are, in at most half of the time that is left. The proposal itself is stored, so nothing here fails;
/// what could not be compared is counted.
fn conflicts(scope: &Scope, id: &str, files: &[ProposedFile], call: &Call) -> Conflicts {
    let mut conflicts = Conflicts { with: Vec::new(), not_compared: 0 };
    let mut looking = call.clone();
    looking.end_by(Instant::now() + (call.time_left() / 2).min(MOST_COMPARING));
    let directory = scope.layout().proposals();
    let Ok(listing) = scope.record_entries(directory, "", &looking) else {
        // Nobody knows how many there are.
        conflicts.not_compared = 1;
        return conflicts;
    };
    let mut on_path: BTreeMap<&str, Vec<&ProposedFile>> = BTreeMap::new();
    for (file, path) in files.iter().flat_map(|file| file.paths().map(move |path| (file, path))) {
        on_path.entry(path).or_default().push(file);
    }
    let meets = |other: &ProposedFile| {
        other.paths().filter_map(|path| on_path.get(path)).flatten().any(|one| {
            // Of one file both must be made for what it is now.
            one.path != other.path || one.base_version == other.base_version
        })
    };
    let others = listing.entries.into_iter().filter(|(other, _)| other != id);
    for (other, _) in others.filter(|(_, kind)| *kind == Kind::Directory) {
        let found = if looking.check().is_err() || conflicts.with.len() >= MAX_CONFLICTS {
            None
        } else {
            proposals::read_one(scope, &other, &looking).ok().and_then(|record| {
                let on_same_files = record.files.iter().any(meets);
                let is_live = || Some(proposals::state(scope, &other).ok()?.is_live());
                if on_same_files { is_live() } else { Some(false) }
            })
        };
        match found {
            Some(true) => conflicts.with.push(other),
            Some(false) => {}
            None => conflicts.not_compared = conflicts.not_compared.saturating_add(1),
        }
    }
    conflicts
}

fn too_large(message: String) -> ToolError {
    ToolError::new(Code::TooLarge, message).hint("propose it in several parts")
}

/// The bounds of the arguments.
fn check(args: &Args) -> Result<(), ToolError> {
    let texts = [
        ("title", Some(&args.title), MAX_TITLE),
        ("rationale", args.rationale.as_ref(), MAX_RATIONALE),
        ("run", args.run.as_ref(), MAX_NAME),
    ];
    for (name, text, most) in texts {
        let Some(text) = text else { continue };
        if text.trim().is_empty() {
            return Err(ToolError::invalid(format!("`{name}` is empty")));
        }
        let length = text.chars().count();
        if length > most {
            return Err(ToolError::invalid(format!(
                "`{name}` has {length} characters; the limit is {most}"
            )));
        }
    }
    args.run.as_ref().map_or(Ok(()), |run| name::must_be_seen("run", run))?;
    args.finding_ids.iter().try_for_each(|id| name::must_be_seen("finding_ids", id))?;
    if args.title.trim().chars().any(char::is_control) {
        return Err(ToolError::invalid("`title` is more than one line")
            .hint("put the explanation into `rationale`"));
    }
    if args.finding_ids.len() > MAX_FINDINGS
        || args.finding_ids.iter().any(|id| id.is_empty() || id.chars().count() > MAX_NAME)
    {
        return Err(ToolError::invalid(format!(
            "`finding_ids` may have {MAX_FINDINGS} ids of 1 to {MAX_NAME} characters"
        )));
    }
    let Some(edits) = &args.edits else { return Ok(()) };
    let texts = edits.iter().flat_map(|edit| [&edit.old_text, &edit.new_text]).flatten();
    let bytes: usize = texts.map(String::len).sum();
    if edits.len() > MAX_EDITS || bytes > MAX_PATCH_BYTES {
        return Err(too_large(format!(
            "{} edits with {bytes} bytes of text; the limit is {MAX_EDITS} with {MAX_PATCH_BYTES}",
            edits.len()
        )));
    }
    Ok(())
}

/// The files as they are and as the proposal would have them.
fn draft(
    scope: &Scope,
    args: &Args,
    call: &Call,
    drawn: &mut Vec<Drawn>,
) -> Result<(Vec<Outcome>, Vec<String>), ToolError> {
    let mut sources = Sources::new(scope, args, call, drawn)?;
    let mut load = |path: &WorkspacePath| sources.load(path);
    let mut draft = Draft::new(&mut load);
    let mut adjusted = Vec::new();
    match (&args.patch, args.edits.as_ref().filter(|edits| !edits.is_empty())) {
        (Some(text), None) => {
            let surroundings = Surroundings {
                exists: &|path| exists(scope, path),
                beneath_root: &|name| scope.beneath_root(name),
            };
            let (changes, how) = patch::read_meant(text, surroundings)?;
            adjusted.extend(how);
            changes.iter().flat_map(Meant::paths).for_each(|path| judge(scope, path));
            for change in changes {
                call.check()?;
                draft.apply_meant(&change, call.stop_signal())?;
            }
        }
        (None, Some(edits)) => {
            let list: Vec<Edit> = edits.iter().map(|edit| beneath_root(scope, edit)).collect();
            let paths = list.iter().flat_map(|edit| [Some(&edit.path), edit.new_path.as_ref()]);
            let paths = paths.flatten().filter_map(|path| WorkspacePath::parse(path).ok());
            paths.for_each(|path| judge(scope, &path));
            for (index, edit) in list.iter().enumerate() {
                call.check()?;
                draft.edit(index + 1, edit)?;
            }
        }
        (Some(_), Some(_)) => {
            return Err(ToolError::invalid("`patch` and `edits` are both given; give one"));
        }
        (None, _) => {
            return Err(ToolError::invalid("neither `patch` nor `edits` is given")
                .hint("`edits`: [{path, old_text, new_text}] is the simplest form"));
        }
    }
    let (outcomes, how) = draft.finish()?;
    adjusted.extend(how);
    sources.check_the_rest()?;
    Ok((outcomes, adjusted))
}

/// What a patch's names are held against. Nothing is judged for the audit record by looking: the
/// file that is meant is judged when it is read.
fn exists(scope: &Scope, path: &WorkspacePath) -> bool {
    scope.grant().may(Access::Read, path)
        && matches!(scope.stat(path), Ok(Some(there)) if there.kind != Kind::Directory)
}

/// An edit whose paths are relative to the root, also where they begin with its own path.
fn beneath_root(scope: &Scope, edit: &Edit) -> Edit {
    let relative = |path: &String| scope.beneath_root(path).unwrap_or_else(|| path.clone());
    let new_path = edit.new_path.as_ref().map(relative);
    Edit { path: relative(&edit.path), new_path, ..edit.clone() }
}

/// Judges a file of the proposal before any of them is read, so that the audit record names all
/// of them, whichever is refused first. The file's own reading obeys the judgement.
fn judge(scope: &Scope, path: &WorkspacePath) {
    if scope.judge(Access::Read, path).allowed {
        scope.judge(Access::Propose, path);
    }
}

/// What is made of a file beside its content, in memory: copies of it as text and changed, and what
/// is noted of each line while the two are compared.
const COPIES: usize = 4;
const LINE_BYTES: usize = 64;

/// Reads the files that a proposal touches, within the caller's rights.
struct Sources<'a> {
    scope: &'a Scope,
    call: &'a Call,
    /// What the caller has read, as far as it has not been compared yet.
    expected: BTreeMap<WorkspacePath, String>,
    bytes_left: u64,
    /// The memory of what is read and of what is made of it.
    drawn: &'a mut Vec<Drawn>,
}

impl<'a> Sources<'a> {
    fn new(
        scope: &'a Scope,
        args: &Args,
        call: &'a Call,
        drawn: &'a mut Vec<Drawn>,
    ) -> Result<Self, ToolError> {
        let expected = args
            .expected_versions
            .iter()
            .map(|(path, version)| Ok((WorkspacePath::parse(path)?, version.clone())))
            .collect::<Result<_, ToolError>>()?;
        let bytes_left = scope.grant().limits().max_file_bytes;
        Ok(Sources { scope, call, expected, bytes_left, drawn })
    }

    fn load(&mut self, path: &WorkspacePath) -> Result<Option<Base>, ToolError> {
        let scope = self.scope;
        if !scope.judge(Access::Read, path).allowed {
            return Err(scope.not_found(path, self.call));
        }
        if !scope.judge(Access::Propose, path).allowed {
            return Err(ToolError::new(
                Code::Denied,
                format!("this caller may not propose changes of `{path}`"),
            )
            .hint("the policy's `propose` list of the caller's role decides; ask the operator"));
        }
        if scope.stat(path)?.is_none() {
            name::must_be_seen("path", path.as_str())?;
            self.check_above(path)?;
            return match self.expected.remove(path) {
                Some(expected) => Err(ToolError::new(
                    Code::Conflict,
                    format!("`{path}` is not there any more; version {expected} was expected"),
                )),
                None => Ok(None),
            };
        }
        let opened = scope.open_file(path, self.call)?;
        let executable = opened.executable;
        if opened.size > self.bytes_left {
            return Err(too_large(format!(
                "the files have more than {} bytes together, with `{path}` (max_file_bytes)",
                scope.grant().limits().max_file_bytes
            )));
        }
        let size = usize::try_from(opened.size).unwrap_or(usize::MAX);
        self.drawn.push(scope.memory().draw(size.saturating_mul(COPIES), self.call)?);
        let content = scope.read_opened(path, opened, self.call)?;
        let (bytes, drawn) = content.into_parts();
        self.drawn.push(drawn);
        let lines = memchr::memchr_iter(b'\n', &bytes).count();
        self.drawn.push(scope.memory().draw(lines.saturating_mul(LINE_BYTES), self.call)?);
        self.bytes_left = self.bytes_left.saturating_sub(bytes.len() as u64);
        self.compare(path, &bytes)?;
        Ok(Some(Base { bytes, executable }))
    }

    /// A new file needs directories above it, or nothing.
    fn check_above(&self, path: &WorkspacePath) -> Result<(), ToolError> {
        for above in path.parent().iter().flat_map(|parent| parent.ancestors_and_self()) {
            let above = WorkspacePath::parse(above)?;
            if self.scope.stat(&above)?.is_some_and(|there| there.kind != Kind::Directory) {
                return Err(ToolError::invalid(format!(
                    "`{above}` is not a directory, so `{path}` cannot be"
                )));
            }
        }
        Ok(())
    }

    fn compare(&mut self, path: &WorkspacePath, bytes: &[u8]) -> Result<(), ToolError> {
        let Some(expected) = self.expected.remove(path) else { return Ok(()) };
        let current = patch::version(bytes);
        if version::given(&expected).is_some_and(|given| version::is(&given, &current)) {
            return Ok(());
        }
        Err(ToolError::new(
            Code::Conflict,
            format!(
                "`{path}` has changed: its version is {}, {} was expected",
                version::shown(&current),
                version::shown(&expected)
            ),
        )
        .hint("read the file again and make the change from what is there"))
    }

    /// Compares what the proposal builds on without touching it.
    fn check_the_rest(&mut self) -> Result<(), ToolError> {
        for path in self.expected.keys().cloned().collect::<Vec<_>>() {
            let bytes = self.scope.read_whole(&path, self.call)?;
            self.compare(&path, &bytes)?;
        }
        Ok(())
    }
}

fn files(outcomes: &[Outcome], written: &Written) -> Vec<ProposedFile> {
    let version = |side: &Option<Base>| side.as_ref().map(|base| patch::version(&base.bytes));
    outcomes
        .iter()
        .zip(&written.counts)
        .map(|(outcome, (additions, deletions))| ProposedFile {
            path: outcome.path.as_str().to_owned(),
            change: outcome.change,
            old_path: outcome.old_path.as_ref().map(|path| path.as_str().to_owned()),
            additions: *additions,
            deletions: *deletions,
            base_version: version(&outcome.base),
            result_version: version(&outcome.result),
        })
        .collect()
}
