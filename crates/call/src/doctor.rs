//! Examines what the server stands on: mount, rights, file system, clock, policy, identity.
//! Each check says that all is well, or what is wrong and what mends it.

use std::path::Path;
use std::sync::Arc;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Access, Grant, Policy};
use mcp_workspace_tools::tool::{Catalog, Effect, Entry};
use mcp_workspace_tools::workspace::probe::{ProbeError, Reading, RecordFacts, Storage};
use mcp_workspace_tools::workspace::{Resolution, Scope, Workspace};
use serde::Serialize;

use crate::caller::Caller;
use crate::event::OpenEvents;

/// How far the clocks of this machine and of the mount may be apart, in seconds: signatures and
/// tokens are believed for minutes, and tools compare times of files.
const MAX_CLOCK_SECONDS: u64 = 30;

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

/// The wall that the kernel (Landlock) puts around a server, so that it reaches nothing but its
/// workspace, its own files and its own ports, whatever happens inside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wall {
    /// All that was asked for.
    Whole,
    /// What an older kernel has of it.
    Part,
    /// The kernel has it, and it was turned off at boot.
    Off,
    /// The kernel does not have it.
    Missing,
    /// The kernel has it and did not take the rules.
    Refused,
}

impl Wall {
    /// A word for it, for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Wall::Whole => "whole",
            Wall::Part => "part",
            Wall::Off => "off",
            Wall::Missing => "missing",
            Wall::Refused => "refused",
        }
    }

    fn check(wall: Option<Wall>) -> Check {
        let name = "wall";
        let none = |why: &str| {
            Check::ok(name, format!("none by the kernel: {why}; the server's own checks hold"))
        };
        match wall {
            Some(Wall::Whole) => Check::ok(
                name,
                "the kernel lets the server reach nothing but workspace, own files and own ports",
            ),
            Some(Wall::Part) => Check::ok(
                name,
                "the kernel lets the server reach no other files; it is too old to limit the rest",
            ),
            Some(Wall::Off) => none("Landlock is turned off"),
            Some(Wall::Missing) => none("it has no Landlock"),
            Some(Wall::Refused) => Check::warning(
                name,
                "none: the kernel did not take Landlock's rules",
                "the server's log says why; its own checks hold without them",
            ),
            None => none("the server was told not to raise one"),
        }
    }
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

/// Which kinds of events are open, and whether the policy names callers of each.
fn events_check(open: OpenEvents, callers: &[&str]) -> Check {
    let names = |prefix: &str| callers.iter().any(|id| *id == "*" || id.starts_with(prefix));
    let unused: OpenEvents = open
        .iter()
        .filter(|kind| kind.names_callers().is_some_and(|prefix| !names(prefix)))
        .collect();
    let believed: OpenEvents = open.iter().filter(|kind| kind.names_callers().is_some()).collect();
    let mut detail = format!("open: {open}");
    if believed.iter().next().is_some() {
        detail += &format!(
            "; whoever may call lambda:InvokeFunction can be any caller in events of {believed}"
        );
    }
    if unused.iter().next().is_none() {
        return Check::ok("events", detail);
    }
    let needed: OpenEvents = open.iter().filter(|kind| !unused.has(*kind)).collect();
    Check::warning(
        "events",
        format!("{detail}; policy names no caller of {unused}"),
        format!("close what is not used: set MCP_WORKSPACE_EVENTS to `{needed}`"),
    )
}

fn shown(error: &ToolError) -> String {
    match &error.source_for_log {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

fn records_in(scope: &Scope, tool: &Entry, folders: &[WorkspacePath]) -> Check {
    // Whatever a tool is about, what it leaves is a record unless it makes files.
    let access = if tool.access == Access::Create { Access::Create } else { Access::Write };
    for folder in folders {
        match scope.probe_records(folder, access) {
            Ok(Some(facts)) => return judge(tool.name, folder, facts),
            Ok(None) => {}
            Err(error) => return refused(tool.name, folder, error),
        }
    }
    let named: Vec<_> = folders.iter().map(|folder| format!("`{folder}/**`")).collect();
    let example = || format!("`{}/reports/**`, say,", scope.layout().output);
    let named = if named.is_empty() { example() } else { named.join(" or ") };
    let (name, list) = (tool.name, access.as_str());
    Check::warning(
        "write",
        format!("policy lists {name} for this caller but lets it write nowhere"),
        format!("add {named} to the role's `{list}`, or take the tool away"),
    )
}

fn judge(tool: &str, folder: &WorkspacePath, facts: RecordFacts) -> Check {
    let RecordFacts { creators, rename_replaces, publishers, long_names, clock_ahead_seconds } =
        facts;
    let fix = "records are not safe on this file system: serve from S3 Files, EFS or a local disk";
    if creators != 1 {
        let detail = format!("{creators} of 8 writers created one name in `{folder}`; one should");
        return Check::failed("write", detail, fix);
    }
    if publishers != 1 {
        let detail =
            format!("{publishers} of 8 writers renamed a directory to one name in `{folder}`");
        return Check::failed("write", detail, fix);
    }
    if !rename_replaces {
        let detail = format!("a rename in `{folder}` did not replace a file whole");
        return Check::failed("write", detail, fix);
    }
    if !long_names {
        let detail = format!("a name of 255 bytes was refused in `{folder}`");
        return Check::failed("write", detail, fix);
    }
    if clock_ahead_seconds.unsigned_abs() > MAX_CLOCK_SECONDS {
        let side = if clock_ahead_seconds > 0 { "ahead of" } else { "behind" };
        let seconds = clock_ahead_seconds.unsigned_abs();
        let detail = format!("the mount's clock is {seconds} s {side} this machine's");
        return Check::failed("clock", detail, "set this machine's clock by a time server (NTP)");
    }
    Check::ok(
        "write",
        format!(
            "{tool} can write in `{folder}`: exclusive create and rename are atomic, clocks agree"
        ),
    )
}

fn refused(tool: &str, folder: &WorkspacePath, error: ProbeError) -> Check {
    let detail = format!("{tool} cannot write in `{folder}`: {error}");
    let fix = if error.is_read_only() {
        READ_ONLY_FIX.to_owned()
    } else if error.is_refusal() {
        format!("{OWNER_FIX}; or the role lacks s3files:ClientWrite")
    } else {
        "see whether the file system is full, and what it says in its own log".to_owned()
    };
    Check::failed("write", detail, fix)
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

/// The kinds of callers that patterns name, each once.
fn kinds<'p>(patterns: impl Iterator<Item = &'p str>) -> Vec<&'static str> {
    let mut kinds: Vec<_> = patterns
        .map(|pattern| match pattern.split_once(':').map_or(pattern, |(scheme, _)| scheme) {
            "arn" => "IAM",
            "jwt" => "JWT issuers",
            "agentcore" => "AgentCore Gateway",
            "bedrock-agent" => "Bedrock agents",
            "local" => "this machine",
            "*" => "any kind",
            _ => "bearer tokens",
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
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

    #[test]
    fn the_open_kinds_of_events_are_told_and_those_that_nobody_uses() {
        use crate::event::EventKind::{Gateway, UrlIam, UrlToken};
        let callers = ["arn:aws:iam::123456789012:role/a", "jwt:https://idp.example.com#sub=b"];
        let check = events_check([UrlIam, UrlToken].into_iter().collect(), &callers);
        assert_eq!(check.outcome, Outcome::Ok);
        assert!(check.detail.starts_with("open: url-iam,url-token; "), "{}", check.detail);
        assert!(check.detail.ends_with("in events of url-iam"), "{}", check.detail);
        let check = events_check([UrlToken].into_iter().collect(), &callers);
        assert_eq!((check.outcome, check.detail.as_str()), (Outcome::Ok, "open: url-token"));
        let check = events_check([UrlIam, Gateway].into_iter().collect(), &callers);
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(check.fix.unwrap().contains("`url-iam`"), "{}", check.detail);
    }

    #[test]
    fn what_a_file_system_breaks_is_told() {
        let folder = WorkspacePath::parse("output/findings/a").unwrap();
        let good = RecordFacts {
            creators: 1,
            rename_replaces: true,
            publishers: 1,
            long_names: true,
            clock_ahead_seconds: 0,
        };
        assert_eq!(judge("write_finding", &folder, good).outcome, Outcome::Ok);
        for (bad, words) in [
            (RecordFacts { creators: 3, ..good }, "3 of 8"),
            (RecordFacts { publishers: 0, ..good }, "0 of 8"),
            (RecordFacts { rename_replaces: false, ..good }, "did not replace"),
            (RecordFacts { long_names: false, ..good }, "255 bytes"),
            (RecordFacts { clock_ahead_seconds: -90, ..good }, "90 s behind"),
        ] {
            let check = judge("write_finding", &folder, bad);
            assert_eq!(check.outcome, Outcome::Failed);
            assert!(check.detail.contains(words), "{}", check.detail);
        }
    }

    #[test]
    fn the_kinds_of_callers_are_told_by_their_ids() {
        let named = ["local", "arn:aws:iam::123456789012:role/a-*", "ci-bot", "*"];
        assert_eq!(kinds(named.into_iter()), ["IAM", "any kind", "bearer tokens", "this machine"]);
    }
}
