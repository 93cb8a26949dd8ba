//! Why a call is allowed or not, and whether the policy's expectations hold.

use std::fmt;

use crate::path::WorkspacePath;

use super::{Access, Policy, Subject};

/// A decision with the role and the rule behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    allowed: bool,
    question: String,
    role: Option<String>,
    rule: Option<String>,
    reason: String,
}

impl Explanation {
    /// Whether the call is allowed.
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// The role that decided.
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// The rule that decided, as it stands in the file.
    pub fn rule(&self) -> Option<&str> {
        self.rule.as_deref()
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decision = if self.allowed { "allow" } else { "deny" };
        write!(f, "{decision}: {}\n  {}", self.question, self.reason)
    }
}

/// What came of one `[[expect]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectationOutcome {
    /// Whether the decision was the expected one.
    pub holds: bool,
    /// Where it stands: `file:line`.
    pub place: String,
    /// The decision.
    pub explanation: Explanation,
}

/// The access that a tool needs to the path that it is asked about.
fn access_of(tool: &str) -> Access {
    match tool {
        "write_finding" | "write_state" => Access::Write,
        "propose_patch" => Access::Propose,
        _ => Access::Read,
    }
}

impl Policy {
    /// Decides as a call would be decided, and says why. For a writing tool the path is that of
    /// the record; for `propose_patch` that of the source file. Without a path only the tool is
    /// decided.
    pub fn explain<'s>(
        &self,
        subject: impl Into<Subject<'s>>,
        tool: &str,
        path: Option<&str>,
    ) -> Explanation {
        let subject = subject.into();
        let mut question = format!("caller `{}`", subject.caller);
        if !subject.scopes.is_empty() {
            question += &format!(" with the scopes `{}`", subject.scopes.join(" "));
        }
        question += &format!(", tool `{tool}`");
        if let Some(path) = path {
            question += &format!(", path `{}`", if path.is_empty() { "." } else { path });
        }
        let decided = self.decide(subject, tool, path);
        Explanation {
            allowed: decided.allowed,
            question,
            role: decided.role,
            rule: decided.rule,
            reason: decided.reason,
        }
    }

    fn decide(&self, subject: Subject<'_>, tool: &str, path: Option<&str>) -> Decided {
        let Some(grant) = self.grant(subject) else {
            return match self.wanted_scopes(subject) {
                Some(scopes) => Decided::no(&format!(
                    "the roles that name this caller need scopes that its token does not carry, \
                     such as `{}`",
                    scopes.join(" ")
                )),
                None => Decided::no("no role names this caller"),
            };
        };
        if !grant.allows_tool(tool) {
            return Decided::no("no role of this caller lists this tool");
        }
        let grant = grant.for_tool(tool);
        let Some(path) = path else {
            let role = grant.roles().first().map(|role| (*role).to_owned());
            let reason = format!("role `{}` lists the tool", role.as_deref().unwrap_or_default());
            return Decided { allowed: true, role, rule: None, reason };
        };
        let path = match WorkspacePath::parse(path) {
            Ok(path) => path,
            Err(error) => return Decided::no(&error.to_string()),
        };
        for role in grant.denying() {
            if let Some(rule) = role.deny.find(&path) {
                return self.by_rule(false, &role.name, "deny", &rule.text, rule.line);
            }
        }
        let access = access_of(tool);
        if let Some(why) = grant.layout().never(access, &path) {
            return Decided::no(why);
        }
        // Listing and searching also work on directories that lead to something readable.
        let enters = matches!(tool, "list_dir" | "grep");
        for role in grant.granting() {
            let leading = enters.then(|| role.read.find_leading(&path)).flatten();
            if let Some(rule) = role.rules(access).find(&path).or(leading) {
                return self.by_rule(true, &role.name, access.as_str(), &rule.text, rule.line);
            }
        }
        if enters && path.is_root() {
            let role = grant.roles().first().map(|role| (*role).to_owned());
            let reason = "the root may always be entered".to_owned();
            return Decided { allowed: true, role, rule: None, reason };
        }
        let roles = grant.roles().join("`, `");
        Decided::no(&format!("no `{}` rule of role `{roles}` matches", access.as_str()))
    }

    fn by_rule(&self, allowed: bool, role: &str, key: &str, glob: &str, line: usize) -> Decided {
        let rule = format!("{key} = \"{glob}\"");
        let reason = format!("role `{role}`, {rule} ({}:{line})", self.file);
        Decided { allowed, role: Some(role.to_owned()), rule: Some(rule), reason }
    }

    /// Runs the file's `[[expect]]` entries.
    pub fn test(&self) -> Vec<ExpectationOutcome> {
        let outcome = |expected: &super::Expectation| {
            let path = expected.path.as_deref();
            let subject = Subject::new(&expected.caller, &expected.scopes);
            let explanation = self.explain(subject, &expected.tool, path);
            ExpectationOutcome {
                holds: explanation.allowed == expected.allow,
                place: format!("{}:{}", self.file, expected.line),
                explanation,
            }
        };
        self.expectations.iter().map(outcome).collect()
    }
}

struct Decided {
    allowed: bool,
    role: Option<String>,
    rule: Option<String>,
    reason: String,
}

impl Decided {
    fn no(reason: &str) -> Decided {
        Decided { allowed: false, role: None, rule: None, reason: reason.to_owned() }
    }
}
