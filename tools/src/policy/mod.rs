//! Policy: who may do what with which paths.
//!
//! A policy is a TOML file of roles. The default is no, and a `deny` of any role of a caller wins
//! over everything. A caller has the union of the roles that name it, as with IAM statements:
//! a tool and a path must be granted by the same role.

mod case;
mod check;
mod delegate;
mod explain;
mod glob;
mod grant;
mod judgement;
mod overlap;
mod subject;

use std::sync::Arc;

use crate::path::WorkspacePath;
use crate::records::signature::DecisionKeys;
use grant::Signing;

pub use check::{PolicyError, PolicyWarning};
pub use explain::{ExpectationOutcome, Explanation};
pub use grant::{Grant, ToolGrant};
pub use judgement::{Judgement, Judgements};
pub use subject::{ON_BEHALF, Subject, is_scope};

/// A tool as far as policy knows it: a name that roles may list, and the access that a call of it
/// is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolAccess {
    /// The name.
    pub name: &'static str,
    /// What the tool does with the path that it is about.
    pub access: Access,
}

/// What is done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Seeing a directory: listing it and searching in it. Where something below it may be read,
    /// its name is no secret.
    Enter,
    /// Seeing a file in listings and searches, and reading it.
    Read,
    /// Writing a record.
    Write,
    /// Making a file that is no record, for people and other agents, or replacing one.
    Create,
    /// Proposing a change of a source file.
    Propose,
    /// Approving and applying proposals, by people.
    Decide,
}

impl Access {
    /// The key in a role. Directories are entered by what may be read below them.
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Enter | Access::Read => "read",
            Access::Write => "write",
            Access::Create => "create",
            Access::Propose => "propose",
            Access::Decide => "decide",
        }
    }
}

/// Where things lie in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// What was staged for agents. Default: `input`.
    pub input: WorkspacePath,
    /// What agents leave. Default: `output`.
    pub output: WorkspacePath,
    /// Versions of shared state. Default: `state`.
    pub state: WorkspacePath,
    findings: WorkspacePath,
    proposals: WorkspacePath,
    decisions: WorkspacePath,
    runs: WorkspacePath,
}

/// How the directories begin, in folders of records, that callers' records are counted by.
pub(crate) const QUOTA: &str = ".quota-";

impl Layout {
    /// The directory of findings: `findings` in the output.
    pub fn findings(&self) -> &WorkspacePath {
        &self.findings
    }

    /// The directory of proposals: `proposals` in the output.
    pub fn proposals(&self) -> &WorkspacePath {
        &self.proposals
    }

    /// The directory of decisions: `decisions` in the output. No tool writes there.
    pub fn decisions(&self) -> &WorkspacePath {
        &self.decisions
    }

    /// The directory of the runs of agents that a program leads: `runs` in the output. No tool
    /// writes there.
    pub fn runs(&self) -> &WorkspacePath {
        &self.runs
    }

    /// The folders of records. Files that agents make are never there.
    fn folders_of_records(&self) -> [&WorkspacePath; 5] {
        [&self.findings, &self.proposals, &self.decisions, &self.runs, &self.state]
    }

    /// Whether `path` has a name that begins with a dot, those of the output's own path left out:
    /// what is hidden is read by programs (`.git/config`, `.envrc`) rather than by people.
    fn is_hidden(&self, path: &WorkspacePath) -> bool {
        let own = if is_within(path, &self.output) { self.output.components().count() } else { 0 };
        path.components().skip(own).any(|name| name.starts_with('.'))
    }

    /// Whether `path` is the directory of decisions or lies below it.
    fn is_decision(&self, path: &WorkspacePath) -> bool {
        is_within(path, &self.decisions)
    }

    /// Whether `path` is content of sources that was saved for a revert: no tool reads it, since
    /// it is not where policy judges it.
    fn is_saved_source(&self, path: &WorkspacePath) -> bool {
        let saved = |name: &str| {
            let name = case::fold(name).to_ascii_lowercase();
            name.ends_with(".before") || name.ends_with(".after")
        };
        path.file_name().is_some_and(saved) && self.is_decision(path)
    }

    /// Whether `path` is where callers' records are counted: the names there are of records that
    /// others may not know of.
    fn is_count(&self, path: &WorkspacePath) -> bool {
        let is_count = |name: &str| case::fold(name).to_ascii_lowercase().starts_with(QUOTA);
        self.holds_records(path) && path.components().any(is_count)
    }

    /// Why no policy can grant this; none when it can.
    fn never(&self, access: Access, path: &WorkspacePath) -> Option<&'static str> {
        match access {
            _ if self.is_count(path) => Some("what callers have left is counted there"),
            Access::Read if self.is_saved_source(path) => {
                Some("sources that were saved for a revert are not read here")
            }
            Access::Read | Access::Enter if is_unfinished(path) => {
                Some("that is unfinished work of a writer")
            }
            Access::Create if self.folders_of_records().iter().any(|all| is_within(path, all)) => {
                Some("records are written by tools of their own")
            }
            Access::Create if self.is_hidden(path) => Some("hidden names are not made"),
            Access::Write if self.is_decision(path) => Some("decisions are written by no tool"),
            Access::Propose if self.holds_records(path) => Some("records cannot be proposed on"),
            Access::Decide if self.holds_records(path) => Some("records are not decided about"),
            _ => None,
        }
    }

    /// Whether `path` is among the records, which no proposal may touch.
    fn holds_records(&self, path: &WorkspacePath) -> bool {
        is_within(path, &self.output) || is_within(path, &self.state)
    }
}

/// How the names begin of what is written aside, and of the claims of who replaces a file.
pub(crate) const UNFINISHED: &str = ".unfinished-";
pub(crate) const CLAIM: &str = ".claim-";

/// Whether `path` is unfinished work of a writer: whoever writes next sweeps it.
fn is_unfinished(path: &WorkspacePath) -> bool {
    let is_one = |name: &str| name.starts_with(UNFINISHED) || name.starts_with(CLAIM);
    // Walks ask about each path.
    path.as_str().contains('-') && path.components().any(is_one)
}

/// Whether `path` is `folder` or lies below it, in any spelling that a file system without cases
/// takes for it.
fn is_within(path: &WorkspacePath, folder: &WorkspacePath) -> bool {
    let mut there = path.components();
    folder
        .components()
        .all(|wanted| there.next().is_some_and(|name| case::same_but_case(name, wanted)))
}

/// Limits of a role. Of several roles the largest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest file in bytes that is searched, versioned or patched. Larger ones can still
    /// be read by windows. Default: 67,108,864.
    pub max_file_bytes: u64,
    /// Findings that one role may have, over all its callers and runs. Default: 10,000.
    pub max_findings: u64,
    /// Proposals that one caller may make, decided ones included. Default: 1,000.
    pub max_proposals: u64,
    /// Keys of shared state that one caller may make. Default: 10,000.
    pub max_keys: u64,
    /// Files that one caller may leave by `create`. Default: 1,000.
    pub max_files: u64,
    /// Bytes that those files may have together. Default: 10,737,418,240.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_file_bytes: 64 * 1024 * 1024,
            max_findings: 10_000,
            max_proposals: 1_000,
            max_keys: 10_000,
            max_files: 1_000,
            max_bytes: 10 * 1024 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// Their names in a policy.
    const NAMES: [&str; 6] =
        ["max_file_bytes", "max_findings", "max_proposals", "max_keys", "max_files", "max_bytes"];

    /// All of them, in the order of [`Limits::NAMES`].
    fn each(&mut self) -> [&mut u64; 6] {
        [
            &mut self.max_file_bytes,
            &mut self.max_findings,
            &mut self.max_proposals,
            &mut self.max_keys,
            &mut self.max_files,
            &mut self.max_bytes,
        ]
    }

    /// The larger of each.
    fn or_larger(mut self, mut other: Limits) -> Limits {
        for (own, other) in self.each().into_iter().zip(other.each()) {
            *own = (*own).max(*other);
        }
        self
    }
}

/// A role, compiled.
#[derive(Debug)]
struct Role {
    name: String,
    callers: Vec<glob::CallerPattern>,
    /// What a caller's token must carry, all of it, before the role serves it.
    scopes: Vec<String>,
    tools: Vec<String>,
    read: glob::PathRules,
    write: glob::PathRules,
    create: glob::PathRules,
    propose: glob::PathRules,
    decide: glob::PathRules,
    deny: glob::DenyRules,
    limits: Limits,
    /// Whether its callers may ask a server for its doctor.
    doctor: bool,
}

impl Role {
    fn lists(&self, tool: &str) -> bool {
        self.tools.iter().any(|name| name == tool)
    }

    fn grants(&self, access: Access, path: &WorkspacePath) -> bool {
        self.rules(access).is_match(path)
            || access == Access::Enter && self.read.find_leading(path).is_some()
    }

    /// The rule by which the role grants an access.
    fn find_rule(&self, access: Access, path: &WorkspacePath) -> Option<&glob::Rule> {
        let leading = || self.read.find_leading(path);
        let rule = self.rules(access).find(path);
        if access == Access::Enter { rule.or_else(leading) } else { rule }
    }

    fn rules(&self, access: Access) -> &glob::PathRules {
        match access {
            Access::Enter | Access::Read => &self.read,
            Access::Write => &self.write,
            Access::Create => &self.create,
            Access::Propose => &self.propose,
            Access::Decide => &self.decide,
        }
    }
}

/// An `[[expect]]` of the file.
#[derive(Debug, Clone)]
struct Expectation {
    caller: String,
    scopes: Vec<String>,
    tool: String,
    path: Option<String>,
    allow: bool,
    line: usize,
}

/// A policy that has been checked and compiled. Cheap to clone.
///
/// ```
/// use mcp_workspace_tools::policy::Policy;
///
/// let policy = Policy::parse(
///     r#"
///         version = 1
///         [[role]]
///         name    = "reviewer"
///         callers = ["arn:aws:iam::123456789012:role/review-*"]
///         tools   = ["read_file", "grep"]
///         read    = ["src/**"]
///         deny    = ["**/*.pem"]
///     "#,
///     "policy.toml",
/// )
/// .unwrap();
///
/// let caller = "arn:aws:iam::123456789012:role/review-1";
/// assert!(policy.explain(caller, "read_file", Some("src/a.rs")).is_allowed());
///
/// let denied = policy.explain(caller, "read_file", Some("src/key.pem"));
/// assert!(!denied.is_allowed());
/// assert_eq!(denied.role(), Some("reviewer"));
///
/// // Nobody has a role that the policy does not name.
/// assert!(policy.grant("local").is_none());
///
/// // Errors say where and what.
/// let errors = Policy::parse("version = 1\n[[roles]]\n", "policy.toml").unwrap_err();
/// assert!(errors.iter().any(|error| error.to_string().starts_with("policy.toml:2:3: ")));
/// ```
#[derive(Debug, Clone)]
pub struct Policy {
    file: Arc<str>,
    roles: Arc<[Arc<Role>]>,
    delegates: Arc<[delegate::Delegate]>,
    layout: Arc<Layout>,
    expectations: Arc<[Expectation]>,
    tools: Arc<[ToolAccess]>,
    warnings: Arc<[PolicyWarning]>,
    decision_key: Option<KeySource>,
    decision_keys: Option<Arc<DecisionKeys>>,
}

/// Where the key is that signs decisions. A policy holds no secret itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In the environment variable of this name.
    Environment(String),
    /// In the file at this path of the machine.
    File(String),
}

impl Policy {
    /// Reads, checks and compiles a policy over these tools. `file` names it in errors.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place and the fix.
    pub fn parse_for(
        tools: &[ToolAccess],
        text: &str,
        file: &str,
    ) -> Result<Policy, Vec<PolicyError>> {
        check::parse(tools, text, file)
    }

    /// What may mean less than it seems to, in the file's order.
    pub fn warnings(&self) -> &[PolicyWarning] {
        &self.warnings
    }

    /// Where things lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The folders that hold all that any role's `create` can match, sorted. One that lies in
    /// another is not among them.
    pub fn folders_of_files(&self) -> Vec<WorkspacePath> {
        let all = grant::folders_of_files(&self.roles);
        let mut outer: Vec<WorkspacePath> = Vec::new();
        for folder in all {
            if !outer.iter().any(|known| folder.is_within(known)) {
                outer.push(folder);
            }
        }
        outer
    }

    /// The names of the roles, in the file's order.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|role| role.name.as_str())
    }

    /// The patterns of callers that roles name, in the file's order.
    pub fn callers(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().flat_map(|role| &role.callers).map(glob::CallerPattern::as_str)
    }

    /// How many `[[expect]]` entries the file has.
    pub fn expectations(&self) -> usize {
        self.expectations.len()
    }

    /// What a caller may do, or none if no role serves it.
    ///
    /// A role that names the caller serves it only with the role's scopes. Its `deny` binds the
    /// caller all the same: who asks for a token with fewer scopes must not gain by it.
    pub fn grant<'s>(&self, subject: impl Into<Subject<'s>>) -> Option<Grant> {
        let subject = subject.into();
        let serving: Arc<[Arc<Role>]> =
            self.roles.iter().filter(|role| subject.is_served_by(role)).cloned().collect();
        let binding: Arc<[Arc<Role>]> =
            self.roles.iter().filter(|role| subject.is_bound_by(role)).cloned().collect();
        let signing = match (&self.decision_key, &self.decision_keys) {
            (None, _) => Signing::None,
            (Some(_), None) => Signing::Without,
            (Some(_), Some(keys)) => Signing::With(Arc::clone(keys)),
        };
        let all = (Arc::clone(&self.roles), signing);
        (!serving.is_empty()).then(|| Grant::new(serving, binding, Arc::clone(&self.layout), all))
    }

    /// Whether a role lets its callers decide about proposals.
    pub fn has_deciders(&self) -> bool {
        self.roles.iter().any(|role| !role.decide.is_empty())
    }

    /// Where the key is that signs decisions; none when they are not signed.
    pub fn decision_key(&self) -> Option<&KeySource> {
        self.decision_key.as_ref()
    }

    /// Gives what was read from where [`Policy::decision_key`] says. Without it nothing is believed
    /// and nothing decided; where the policy names no key, it is not used. Tools never get it.
    #[must_use]
    pub fn with_decision_keys(mut self, keys: Option<DecisionKeys>) -> Policy {
        self.decision_keys = keys.map(Arc::new);
        self
    }

    /// The keys that it was given.
    pub fn decision_keys(&self) -> Option<&DecisionKeys> {
        self.decision_keys.as_deref()
    }

    /// Where only scopes keep every role from a caller: those of the first role that names it.
    pub fn wanted_scopes<'s>(&self, subject: impl Into<Subject<'s>>) -> Option<&[String]> {
        let subject = subject.into();
        if self.roles.iter().any(|role| subject.is_served_by(role)) {
            return None;
        }
        let role = self.roles.iter().find(|role| subject.is_named_by(role))?;
        Some(&role.scopes)
    }

    /// All scopes that roles ask for, sorted.
    pub fn scopes(&self) -> Vec<&str> {
        let mut scopes: Vec<&str> =
            self.roles.iter().flat_map(|role| &role.scopes).map(String::as_str).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }

    /// Whether the caller, an IAM role, may speak for the end agent of this name.
    pub fn may_delegate(&self, caller: &str, name: &str) -> bool {
        self.delegates.iter().any(|delegate| delegate.allows(caller, name))
    }
}
