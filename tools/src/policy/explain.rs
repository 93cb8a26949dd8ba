//! Why a call is allowed or not, and whether the policy's expectations hold.

use std::fmt;

use crate::path::WorkspacePath;

use super::{Access, Judgement, Policy, Subject};

/// A judgement with the question that it answers, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    question: String,
    file: std::sync::Arc<str>,
    judgement: Judgement,
}

impl Explanation {
    /// Whether the call is allowed.
    pub fn is_allowed(&self) -> bool {
        self.judgement.allowed
    }

    /// The role that decided.
    pub fn role(&self) -> Option<&str> {
        self.judgement.role.as_deref()
    }

    /// The rule that decided, as it stands in the file.
    pub fn rule(&self) -> Option<&str> {
        self.judgement.rule.as_deref()
    }

    /// The judgement itself, the same that a call notes.
    pub fn judgement(&self) -> &Judgement {
        &self.judgement
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judgement = &self.judgement;
        let decision = if judgement.allowed { "allow" } else { "deny" };
        write!(f, "{decision}: {}\n  ", self.question)?;
        match (&judgement.role, &judgement.rule, judgement.line) {
            (Some(role), Some(rule), Some(line)) => {
                write!(f, "role `{role}`, {rule} ({}:{line})", self.file)
            }
            _ => f.write_str(&judgement.reason),
        }
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

impl Policy {
    /// Judges as a call of the tool is judged, and says why. The access is the one that the tool
    /// is for: for a writing tool the path is that of the record, for a proposing tool that of
    /// the source file. Without a path only the tool is judged.
    pub fn explain<'s>(
        &self,
        subject: impl Into<Subject<'s>>,
        tool: &str,
        path: Option<&str>,
    ) -> Explanation {
        let access = self.tools.iter().find(|one| one.name == tool).map(|one| one.access);
        self.explain_access(subject, tool, access.unwrap_or(Access::Read), path)
    }

    /// Like [`Policy::explain`], for an access that the caller of this function names: a tool
    /// that enters directories reads the file that it is given in the place of one.
    pub fn explain_access<'s>(
        &self,
        subject: impl Into<Subject<'s>>,
        tool: &str,
        access: Access,
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
        let judgement = self.judge(subject, tool, access, path);
        Explanation { question, file: self.file.clone(), judgement }
    }

    fn judge(
        &self,
        subject: Subject<'_>,
        tool: &str,
        access: Access,
        path: Option<&str>,
    ) -> Judgement {
        let Some(grant) = self.grant(subject) else {
            return Judgement::refused(match self.wanted_scopes(subject) {
                Some(scopes) => format!(
                    "the roles that name this caller need scopes that its token does not carry, \
                     such as `{}`",
                    scopes.join(" ")
                ),
                None => "no role names this caller".to_owned(),
            });
        };
        let grant = grant.for_tool(tool);
        let listed = grant.judge_tool();
        let Some(path) = path.filter(|_| listed.allowed) else { return listed };
        match WorkspacePath::parse(path) {
            Ok(path) => grant.judge(access, &path),
            Err(error) => Judgement::refused(error.to_string()),
        }
    }

    /// Runs the file's `[[expect]]` entries.
    pub fn test(&self) -> Vec<ExpectationOutcome> {
        let outcome = |expected: &super::Expectation| {
            let path = expected.path.as_deref();
            let subject = Subject::new(&expected.caller, &expected.scopes);
            let explanation = self.explain(subject, &expected.tool, path);
            ExpectationOutcome {
                holds: explanation.is_allowed() == expected.allow,
                place: format!("{}:{}", self.file, expected.line),
                explanation,
            }
        };
        self.expectations.iter().map(outcome).collect()
    }
}
