//! `propose_patch`: a change for people to decide on, stored as one canonical git diff.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Effect, Tool};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::patch::edits::{Edit, MAX_EDITS};
use crate::patch::{self, Canonical, Content, Found, Mode, Plan, Sources};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::proposal::{FORMAT, PATCH, Proposal, ProposedFile, RECORD};
use crate::workspace::{Kind, Published, Scope};

/// Longest title in characters.
const MAX_TITLE: usize = 200;
/// Longest rationale in bytes.
const MAX_RATIONALE: usize = 16 * 1024;
/// Longest name of a run or id of a finding in characters, and most findings.
const MAX_NAME: usize = 300;
const MAX_FINDINGS: usize = 100;
/// Hex digits of an id: 128 bits.
const ID_DIGITS: usize = 32;

/// The tool.
pub struct ProposePatch;

/// Arguments of `propose_patch`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What the change does, in one line of at most 200 characters.
    title: String,
    /// A unified or git diff. Give this or `edits`.
    patch: Option<String>,
    /// Exact edits. Give this or `patch`.
    edits: Option<Vec<Edit>>,
    /// The `version` of files as you read them, by path: `{"input/a.py": "9f86…"}`. If a file
    /// has changed since, the answer is a conflict.
    #[serde(default)]
    expected_versions: BTreeMap<String, String>,
    /// Why the change is right and what it may break; at most 16 KiB.
    rationale: Option<String>,
    /// Ids of the findings that it resolves.
    #[serde(default)]
    finding_ids: Vec<String>,
    /// The name of the run that this belongs to.
    run: Option<String>,
}

/// Output of `propose_patch`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The proposal's id: the hash of the patch and the versions that it is based on.
    id: String,
    /// The folder where it is stored.
    path: String,
    /// `created`, or `duplicate` when the same proposal was stored before.
    status: Status,
    /// What it does to each file.
    files: Vec<ProposedFile>,
    /// What to know about it, such as hunks that had moved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Created,
    Duplicate,
}

impl Tool for ProposePatch {
    const NAME: &'static str = "propose_patch";
    const TITLE: &'static str = "Propose a patch";
    const DESCRIPTION: &'static str = include_str!("propose_patch.md");
    const EFFECT: Effect = Effect::Records;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = true;
    type Args = Args;
    type Output = Output;

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        check(&args)?;
        let sources = InScope { scope, call };
        let plan = match (&args.patch, &args.edits) {
            (Some(text), None) => patch::from_patch(text.as_bytes(), &sources)?,
            (None, Some(edits)) => patch::from_edits(edits, &sources)?,
            (Some(_), Some(_)) => {
                return Err(ToolError::invalid("`patch` and `edits` exclude each other; give one"));
            }
            (None, None) => {
                return Err(ToolError::invalid("missing argument `edits` or `patch`")
                    .hint("`edits` are the surer way: [{\"path\", \"old_text\", \"new_text\"}]"));
            }
        };
        check_expected(&args.expected_versions, &plan, &sources)?;
        call.check()?;
        let canonical = patch::canonical(&plan.files)?;
        let files = files_of(&plan, &canonical);
        let id = id_of(&canonical, &files);
        let folder = scope.layout().proposals().join(&id)?;
        let status = store(scope, args, call, &id, &folder, &files, &canonical)?;
        Ok(Output { id, path: folder.as_str().to_owned(), status, files, notes: plan.notes })
    }
}

/// The bounds of the arguments.
fn check(args: &Args) -> Result<(), ToolError> {
    let title = args.title.chars().count();
    if args.title.trim().is_empty() || args.title.chars().any(char::is_control) {
        return Err(ToolError::invalid("`title` must be one line that says what the change does"));
    }
    if title > MAX_TITLE {
        return Err(ToolError::invalid(format!(
            "`title` has {title} characters; the limit is {MAX_TITLE}"
        ))
        .hint("put the details into `rationale`"));
    }
    if let Some(rationale) = &args.rationale
        && rationale.len() > MAX_RATIONALE
    {
        return Err(ToolError::new(
            Code::TooLarge,
            format!("`rationale` has {} bytes; the limit is {MAX_RATIONALE}", rationale.len()),
        ));
    }
    let bad = |name: &str| {
        name.trim().is_empty()
            || name.chars().count() > MAX_NAME
            || name.chars().any(char::is_control)
    };
    if args.run.as_deref().is_some_and(bad) {
        return Err(ToolError::invalid(format!("`run` must have 1 to {MAX_NAME} characters")));
    }
    if args.finding_ids.len() > MAX_FINDINGS || args.finding_ids.iter().any(|id| bad(id)) {
        return Err(ToolError::invalid(format!(
            "`finding_ids` may have {MAX_FINDINGS} ids of 1 to {MAX_NAME} characters"
        )));
    }
    let edits = args.edits.as_ref().map_or(0, Vec::len);
    if edits > MAX_EDITS {
        return Err(ToolError::new(
            Code::TooLarge,
            format!("there are {edits} edits; the limit is {MAX_EDITS}"),
        )
        .hint("propose the change in parts"));
    }
    Ok(())
}

/// Refuses a proposal on top of a change that its author has not seen.
fn check_expected(
    expected: &BTreeMap<String, String>,
    plan: &Plan,
    sources: &InScope,
) -> Result<(), ToolError> {
    for (name, version) in expected {
        let path = WorkspacePath::parse(name)?;
        let planned = plan
            .files
            .iter()
            .find(|file| {
                file.old.is_some() && *file.old_path.as_ref().unwrap_or(&file.path) == path
            })
            .and_then(|file| file.old.as_ref());
        let current = match planned {
            Some(content) => content.version(),
            None => sources.read(&path)?.version(),
        };
        if !current.eq_ignore_ascii_case(version.trim()) {
            return Err(ToolError::new(
                Code::Conflict,
                format!(
                    "`{path}` has changed: you expect version {}, and its current version is \
                     {current}",
                    version.trim().chars().take(100).collect::<String>()
                ),
            )
            .hint("read the file again and make the proposal from what is there"));
        }
    }
    Ok(())
}

fn files_of(plan: &Plan, canonical: &Canonical) -> Vec<ProposedFile> {
    plan.files
        .iter()
        .zip(&canonical.stats)
        .map(|(file, stats)| ProposedFile {
            path: file.path.as_str().to_owned(),
            change: file.change(),
            old_path: file.old_path.as_ref().map(|path| path.as_str().to_owned()),
            additions: stats.additions,
            deletions: stats.deletions,
            base_version: file.old.as_ref().map(Content::version),
            result_version: file.new.as_ref().map(Content::version),
        })
        .collect()
}

/// The same change of the same files has the same id, whoever proposes it and however.
fn id_of(canonical: &Canonical, files: &[ProposedFile]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"mcp-workspace proposal 1\n");
    for file in files {
        hash.update(file.path.as_bytes());
        hash.update(b"\0");
        hash.update(file.base_version.as_deref().unwrap_or_default());
        hash.update(b"\n");
    }
    hash.update(&canonical.bytes);
    let mut id = patch::hex(&hash.finalize());
    id.truncate(ID_DIGITS);
    id
}

fn store(
    scope: &Scope,
    args: Args,
    call: &Call,
    id: &str,
    folder: &WorkspacePath,
    files: &[ProposedFile],
    canonical: &Canonical,
) -> Result<Status, ToolError> {
    let role = scope.grant().granting_role(Access::Write, folder).ok_or_else(|| {
        ToolError::new(Code::Denied, "this caller may not store proposals").hint(format!(
            "its role needs `write` on `{}/**`; ask the operator",
            scope.layout().proposals()
        ))
    })?;
    let proposal = Proposal {
        format: FORMAT,
        id: id.to_owned(),
        title: args.title.trim().to_owned(),
        rationale: args.rationale,
        finding_ids: args.finding_ids,
        run: args.run,
        caller: call.caller.to_string(),
        role: role.to_owned(),
        created: Timestamp::now().to_string(),
        files: files.to_vec(),
    };
    let mut json = serde_json::to_vec_pretty(&proposal).map_err(|error| {
        ToolError::new(Code::Internal, "the proposal could not be written as JSON").caused_by(error)
    })?;
    json.push(b'\n');
    call.check()?;
    let contents = [(RECORD, json.as_slice()), (PATCH, canonical.bytes.as_slice())];
    Ok(match scope.publish_directory(folder, &contents)? {
        Published::Created => Status::Created,
        Published::AlreadyThere => Status::Duplicate,
    })
}

/// The files of the workspace, as this caller may propose to change them.
struct InScope<'a> {
    scope: &'a Scope,
    call: &'a Call,
}

impl Sources for InScope<'_> {
    fn read(&self, path: &WorkspacePath) -> Result<Content, ToolError> {
        let opened = self.scope.open_file(path, self.call)?;
        let mode = if opened.executable { Mode::Executable } else { Mode::Regular };
        let bytes = self.scope.read_opened(path, opened, self.call)?;
        Ok(Content { bytes, mode })
    }

    fn look(&self, path: &WorkspacePath) -> Result<Option<Found>, ToolError> {
        Ok(self.scope.stat(path)?.map(|metadata| match metadata.kind {
            Kind::File => Found::File,
            Kind::Directory => Found::Directory,
            Kind::Symlink | Kind::Other => Found::Other,
        }))
    }

    fn permit(&self, path: &WorkspacePath) -> Result<(), ToolError> {
        if !self.scope.grant().may(Access::Read, path) {
            return Err(self.scope.not_found(path));
        }
        if !self.scope.grant().may(Access::Propose, path) {
            return Err(ToolError::new(
                Code::Denied,
                format!("this caller may not propose changes to `{path}`"),
            )
            .hint("the policy's `propose` list of the caller's role decides; report a finding"));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ToolError> {
        Ok(self.call.check()?)
    }
}
