//! Examines what the server stands on: mount, rights, file system, clock, policy, identity.
//! Each check says that all is well, or what is wrong and what mends it.

mod callers;
mod records;
mod wall;

use std::path::Path;
use std::sync::Arc;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Access, Grant, KeySource, Policy};
use mcp_workspace_tools::records::signature::DecisionKeys;
use mcp_workspace_tools::tool::{Catalog, Effect, Entry};
use mcp_workspace_tools::workspace::probe::{Reading, Storage};
use mcp_workspace_tools::workspace::{Resolution, Scope, Workspace};
use serde::Serialize;

pub use wall::Wall;

use callers::{events_check, kinds};
use records::records_in;

use crate::caller::Caller;
use crate::event::OpenEvents;

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// All is well.
    Ok,
    /// It works, and may not be what was meant.
    Warning,
    /// It does not work.
    Failed,
}

/// One line of the doctor.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was examined, a word.
    pub name: &'static str,
    /// What came of it.
    pub outcome: Outcome,
    /// What was found.
    pub detail: String,
    /// What mends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, detail: impl Into<String>) -> Check {
        Check { name, outcome: Outcome::Ok, detail: detail.into(), fix: None }
    }

    /// It works, and may not be what was meant.
    pub fn warning(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
        let (detail, fix) = (detail.into(), Some(fix.into()));
        Check { name, outcome: Outcome::Warning, detail, fix }
    }

    /// It does not work.
    pub fn failed(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Check {
        let (detail, fix) = (detail.into(), Some(fix.into()));
        Check { name, outcome: Outcome::Failed, detail, fix }
    }
}

/// Where the server runs, as far as the checks depend on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Site {
    /// Whether the workspace must be a network mount: on Lambda, and below `/mnt`.
    pub networked: bool,
    /// The kinds of events that are answered, where the server is a function.
    pub events: Option<OpenEvents>,
    /// The kernel's wall around the server; none where the server was told not to raise one.
    pub wall: Option<Wall>,
}

impl Site {
    /// What is expected of a workspace at `root`.
    pub fn of(root: &Path, on_lambda: bool) -> Site {
        Site { networked: on_lambda || root.starts_with("/mnt"), events: None, wall: None }
    }

    /// The same site of a function that answers these kinds of events.
    #[must_use]
    pub fn answering(self, events: OpenEvents) -> Site {
        Site { events: Some(events), ..self }
    }

    /// The same, behind this wall.
    #[must_use]
    pub fn behind(self, wall: Option<Wall>) -> Site {
        Site { wall, ..self }
    }
}

/// What mends a mount that is missing, hangs or is empty.
pub const MOUNT_FIX: &str = "attach the S3 Files access point in the function's FileSystemConfigs \
with this LocalMountPath; have a mount target in the zone of each subnet of the function; let the \
function's security group reach the mount target's on TCP 2049, and the mount target's admit it; \
give the function's role s3files:ClientMount on the file system";

const OWNER_FIX: &str = "the access point's PosixUser must own or be let into the files: set its \
RootDirectory CreationPermissions (OwnerUid, OwnerGid, Permissions 755) to the PosixUser's uid and \
gid; objects put into the bucket by others may belong to root until they are given to that uid";

const READ_ONLY_FIX: &str = "to write, give the function's role s3files:ClientWrite on the file \
system, in its own policy and in the file system's; to stay read-only, use a policy without the \
writing tools";

/// The check of a workspace that cannot be opened.
pub fn no_mount(root: &Path, site: Site, error: &std::io::Error) -> Check {
    let detail = format!("cannot open `{}`: {error}", root.display());
    let fix = match (site.networked, error.kind()) {
        (_, std::io::ErrorKind::PermissionDenied) => OWNER_FIX,
        (true, _) => MOUNT_FIX,
        (false, _) => "name a directory that exists: --workspace DIR or MCP_WORKSPACE_ROOT",
    };
    Check::failed("mount", detail, fix)
}

/// One examination: what is examined, for whom.
pub struct Examination {
    /// What is examined.
    pub workspace: Arc<Workspace>,
    /// By which policy.
    pub policy: Policy,
    /// The tools that the server offers.
    pub catalog: Catalog,
    /// Where it lies.
    pub site: Site,
    /// The caller whose rights are tried.
    pub caller: Caller,
    /// A file whose export is asked about.
    pub file: Option<String>,
}

impl Examination {
    /// Gives each check as soon as it is known.
    pub fn run(&self, call: &Call, each: &mut dyn FnMut(Check)) {
        self.storage(each);
        each(match self.workspace.resolution() {
            Resolution::Openat2 => Check::ok("paths", "resolved by openat2, in the kernel"),
            Resolution::Components => Check::ok(
                "paths",
                "resolved component by component: this kernel or its filter refuses openat2",
            ),
        });
        each(Wall::check(self.site.wall));
        let roles: Vec<_> = self.policy.roles().collect();
        each(Check::ok("policy", format!("valid, with the roles {}", roles.join(", "))));
        if self.policy.has_deciders() {
            each(self.decisions());
        }
        if let Some(events) = self.site.events {
            each(events_check(events, &self.policy.callers().collect::<Vec<_>>()));
        }
        let Some(grant) = self.policy.grant(&self.caller) else {
            let named: Vec<_> = self.policy.callers().take(8).collect();
            let fix = format!(
                "examine for a caller that the policy names (--caller ID), or add this one to a \
                 role's `callers`; it names {}",
                named.join(", ")
            );
            each(Check::failed("identity", format!("no role names `{}`", self.caller.id), fix));
            return;
        };
        let names = grant.for_decisions();
        each(Check::ok(
            "identity",
            format!(
                "`{}` has the roles {}; policy names callers of {}",
                self.caller.id,
                names.roles().join(", "),
                kinds(self.policy.callers()).join(", ")
            ),
        ));
        each(self.reading(&grant, call));
        self.records(&grant, each);
        if let Some(file) = &self.file {
            each(self.export(&grant, file, call));
        }
    }

    /// Whether decisions prove who made them, and by which keys.
    fn decisions(&self) -> Check {
        let name = "decisions";
        let place = match self.policy.decision_key() {
            Some(KeySource::Environment(variable)) => variable.clone(),
            Some(KeySource::File(file)) => format!("`{file}`"),
            None if self.site.networked => {
                return Check::warning(
                    name,
                    "not signed: whoever can write to the mount or its bucket can plant an \
                     approval",
                    "set [decisions] key_env or key_file in the policy; SECURITY.md says what it \
                     is for",
                );
            }
            None => {
                return Check::ok(
                    name,
                    "not signed; only who can write to this directory can plant one",
                );
            }
        };
        let ids = self.policy.decision_keys().map(DecisionKeys::ids).unwrap_or_default();
        match ids.split_first() {
            None => Check::warning(
                name,
                format!("signed, and {place} has no key for this program: it can decide nothing"),
                "give it the key where people are to decide; a server for agents alone needs none",
            ),
            Some((newest, [])) => {
                Check::ok(name, format!("signed with the key {newest} in {place}"))
            }
            Some((newest, older)) => Check::ok(
                name,
                format!(
                    "signed with the key {newest} in {place}; what {} signed is believed as well",
                    older.join(", ")
                ),
            ),
        }
    }

    fn storage(&self, each: &mut dyn FnMut(Check)) {
        let facts = match self.workspace.mount_facts() {
            Ok(facts) => facts,
            Err(error) => return each(Check::failed("mount", error.to_string(), MOUNT_FIX)),
        };
        let (uid, gid, mode) = facts.owner;
        let writable = if facts.read_only { ", mounted read-only" } else { "" };
        each(Check::ok("mount", format!("present, owner {uid}:{gid}, mode {mode:o}{writable}")));
        each(match (facts.storage, self.site.networked) {
            (Storage::Nfs, _) => Check::ok("storage", "network storage (NFS)"),
            (Storage::Fuse, _) => Check::warning(
                "storage",
                "a file system of a program (FUSE)",
                "see that it renames atomically and that several machines see one state; clients \
                 that mount a bucket often do neither",
            ),
            (Storage::Local(magic), true) => Check::failed(
                "storage",
                format!("not network storage (file system {magic:#x}): nothing is mounted here"),
                MOUNT_FIX,
            ),
            (Storage::Local(magic), false) => Check::ok(
                "storage",
                format!("this machine's (file system {magic:#x}); agents elsewhere do not see it"),
            ),
        });
        each(if facts.longest_name >= 255 {
            Check::ok(
                "names",
                "up to 255 bytes, and 1,024 bytes for a path with the bucket's prefix",
            )
        } else {
            Check::failed(
                "names",
                format!("the file system takes names up to {} bytes", facts.longest_name),
                "records need up to 255: serve from another file system",
            )
        });
    }

    fn scope(&self, grant: &Grant, tool: &str) -> Scope {
        let layout = Arc::new(self.policy.layout().clone());
        Scope::new(Arc::clone(&self.workspace), grant.for_tool(tool), layout)
    }

    /// The first tool of the caller that reads files: by its grant files are looked at here.
    fn reading_tool(&self, grant: &Grant) -> Option<&'static Entry> {
        let reads = |entry: &Entry| {
            entry.effect == Effect::Reads
                && entry.subject_is_path()
                && grant.allows_tool(entry.name)
        };
        // One that reads a file by its name before one that searches.
        self.catalog
            .iter()
            .filter(|entry| reads(entry))
            .min_by_key(|entry| entry.access != Access::Read)
    }

    fn reading(&self, grant: &Grant, call: &Call) -> Check {
        let Some(tool) = self.reading_tool(grant) else {
            return Check::ok("read", "not asked for: no role of this caller lists a reading tool");
        };
        match self.scope(grant, tool.name).probe_reading(call) {
            Ok(Reading::Read(path)) => Check::ok("read", format!("`{path}` could be read")),
            Ok(Reading::NothingVisible(seen)) => Check::warning(
                "read",
                format!("no file that this caller may read is among the first {seen} entries"),
                "stage files where the role's `read` globs match; S3 Files shows new objects of \
                 the bucket within seconds",
            ),
            Err(error) => Check::failed("read", shown(&error), OWNER_FIX),
        }
    }

    /// The folders of records that the caller's tools write to.
    fn records(&self, grant: &Grant, each: &mut dyn FnMut(Check)) {
        let mut asked = false;
        for tool in self.catalog.iter().filter(|tool| grant.allows_tool(tool.name)) {
            let scope = self.scope(grant, tool.name);
            match tool.folders(&scope) {
                Ok(folders) if folders.is_empty() && tool.access != Access::Create => {}
                Ok(folders) => {
                    asked = true;
                    each(records_in(&scope, tool, &folders));
                }
                Err(error) => {
                    asked = true;
                    let fix = "rename the role in the policy";
                    each(Check::failed("write", shown(&error), fix));
                }
            }
        }
        if !asked {
            each(Check::ok("write", "not asked for: no role of this caller lists a writing tool"));
        }
    }

    fn export(&self, grant: &Grant, file: &str, call: &Call) -> Check {
        let path = match WorkspacePath::parse(file) {
            Ok(path) => path,
            Err(error) => {
                let fix = "name a file by its path from the workspace's root";
                return Check::failed("export", error.to_string(), fix);
            }
        };
        let tool = self.reading_tool(grant).map(|tool| tool.name).unwrap_or_default();
        match self.scope(grant, tool).export_status(&path, call) {
            Ok(Some(status)) => export_check(&path, status.trim()),
            Ok(None) => Check::ok(
                "export",
                format!("the file system says nothing of `{path}`: not S3 Files, or no export yet"),
            ),
            Err(error) => {
                Check::failed("export", shown(&error), "name a file that this caller may read")
            }
        }
    }
}

fn shown(error: &ToolError) -> String {
    match &error.source_for_log {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

/// Why S3 Files did not export a file, and what mends it.
const EXPORT_FIXES: [(&str, &str); 7] = [
    ("S3AccessDenied", "let the file system's sync role s3:PutObject under the bucket's prefix"),
    ("S3BucketNotFound", "the bucket is gone: restore it, or make a new file system"),
    ("RoleAssumptionFailed", "let elasticfilesystem.amazonaws.com assume the sync role"),
    ("EncryptionKeyInaccessible", "let the sync role use the bucket's KMS key"),
    ("PathTooLong", "the key has over 1,024 bytes: move the file to a shorter path"),
    ("FileSizeExceedsS3Limit", "the file is larger than an S3 object can be: split it"),
    ("S3ObjectArchived", "the object is archived: restore it in S3"),
];

fn export_check(path: &WorkspacePath, status: &str) -> Check {
    let detail = format!("`{path}`: {status}");
    match EXPORT_FIXES.iter().find(|(error, _)| status.contains(error)) {
        Some((_, fix)) => Check::failed("export", detail, *fix),
        None => Check::ok("export", detail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_export_names_its_fix() {
        let path = WorkspacePath::parse("output/a.json").unwrap();
        let check = export_check(&path, "{\"ExportError\":\"S3AccessDenied\"}");
        assert_eq!(check.outcome, Outcome::Failed);
        assert!(check.fix.unwrap().contains("s3:PutObject"));
        assert_eq!(export_check(&path, "EXPORTED").outcome, Outcome::Ok);
    }
}
