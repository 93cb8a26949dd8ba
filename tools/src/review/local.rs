//! A review of a workspace on this machine.

use super::{Excerpt, Findings, Review, Verb, Verdict};
use crate::call::Call;
use crate::decide::{self, Listing, ProposalView, Unreadable};
use crate::error::{Code, ToolError};
use crate::policy::Access;
use crate::records::decision::Decision;
use crate::records::merged::{Filter, MergedFinding, Wanted};
use crate::storage::findings::{self, Bounds, Page};
use crate::storage::omissions::{Omission, Omissions, unnameable};
use crate::workspace::{Decider, Kind, Scope};

/// What a person may read and decide in a workspace on this machine.
pub struct LocalReview {
    scope: Scope,
    decider: Decider,
}

impl LocalReview {
    /// Joins both sides of one person's rights.
    pub fn new(scope: Scope, decider: Decider) -> LocalReview {
        LocalReview { scope, decider }
    }

    /// The role that lets the person read findings, if any does.
    pub fn reading_role(&self) -> Option<&str> {
        self.scope.grant().granting_role(Access::Enter, self.scope.layout().findings())
    }

    /// The role that lets the person decide about anything, if any does.
    pub fn deciding_role(&self) -> Option<&str> {
        self.decider.rights().deciding_role()
    }

    /// One page of findings.
    ///
    /// # Errors
    /// As [`Review::findings`].
    pub fn page(
        &self,
        wanted: &Wanted,
        after: Option<&str>,
        bounds: Option<Bounds>,
        call: &Call,
    ) -> Result<Page, ToolError> {
        self.must_read()?;
        findings::page(&self.scope, &Filter::new(wanted)?, after, bounds, call)
    }

    /// Whether the person may see this proposal, by its whole id.
    ///
    /// # Errors
    /// When it is not there or cannot be read.
    pub fn may_see(&self, id: &str) -> Result<bool, ToolError> {
        decide::may_see(&self.decider, id)
    }

    /// The id that `given` stands for.
    ///
    /// # Errors
    /// When no proposal is meant, or several are.
    pub fn resolve(&self, given: &str) -> Result<String, ToolError> {
        decide::resolve(&self.decider, given)
    }

    /// What lies among the proposals and cannot be one, as far as the person may know of it.
    fn strays(&self, call: &Call) -> Result<Vec<Unreadable>, ToolError> {
        let directory = self.scope.layout().proposals();
        let listing = self.scope.record_entries(directory, "", call)?;
        let mut strays = Omissions::default();
        if listing.unnameable > 0 {
            strays.add(Omissions::MOST, directory, unnameable(listing.unnameable));
        }
        for (name, _) in listing.entries.iter().filter(|(_, kind)| *kind != Kind::Directory) {
            strays.add(Omissions::MOST, name, "it is no folder of a proposal");
        }
        if strays.more > 0 {
            let problem = format!("{} more things in it are no proposals", strays.more);
            strays.named.push(Omission { path: directory.to_string(), problem });
        }
        let unreadable = |one: Omission| {
            let error = ToolError::new(Code::Io, one.problem).hint("the operator can remove it");
            Unreadable { id: one.path, error }
        };
        Ok(strays.named.into_iter().map(unreadable).collect())
    }

    fn must_read(&self) -> Result<(), ToolError> {
        if self.reading_role().is_some() {
            return Ok(());
        }
        let (caller, findings) = (self.decider.caller(), self.scope.layout().findings());
        Err(ToolError::new(Code::Denied, format!("caller `{caller}` may not read findings"))
            .hint(format!("a role with `read` on `{findings}` may")))
    }
}

impl Review for LocalReview {
    fn person(&self, _: &Call) -> Result<String, ToolError> {
        Ok(self.decider.caller().to_owned())
    }

    fn findings(&self, wanted: &Wanted, call: &Call) -> Result<Findings, ToolError> {
        let page = self.page(wanted, None, None, call)?;
        Ok(Findings::of(page.findings, page.omissions))
    }

    fn finding(&self, fingerprint: &str, call: &Call) -> Result<MergedFinding, ToolError> {
        self.must_read()?;
        findings::one(&self.scope, fingerprint, call)?
            .ok_or_else(|| ToolError::new(Code::NotFound, "there is no such finding"))
    }

    fn source(&self, finding: &MergedFinding, call: &Call) -> Result<Excerpt, ToolError> {
        let location = finding.location.as_ref().ok_or_else(|| {
            ToolError::new(Code::NotFound, "the finding is about the workspace as a whole")
        })?;
        Excerpt::around(&self.scope, location, call)
    }

    fn proposals(&self, call: &Call) -> Result<Listing, ToolError> {
        let mut listing = decide::list(&self.decider.clone().during(call))?;
        listing.unreadable.extend(self.strays(call)?);
        Ok(listing)
    }

    fn proposal(&self, id: &str, call: &Call) -> Result<ProposalView, ToolError> {
        decide::show(&self.decider.clone().during(call), id)
    }

    fn decide(&self, id: &str, verdict: Verdict<'_>, call: &Call) -> Result<Decision, ToolError> {
        let decider = self.decider.clone().during(call);
        let Verdict { verb, reason, seen } = verdict;
        match verb {
            Verb::Approve => decide::approve(&decider, id, reason, seen),
            Verb::Reject => decide::reject(&decider, id, reason.unwrap_or_default()),
            Verb::Apply => decide::apply(&decider, id),
            Verb::Revert => decide::revert(&decider, id, reason),
            Verb::Recover => decide::recover(&decider, id),
        }
    }
}
