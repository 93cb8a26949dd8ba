//! A review of a workspace on this machine that writes an audit record for each decision. Behind a
//! URL the function writes the records.

use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::{Listing, ProposalView};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::records::decision::Decision;
use mcp_workspace_tools::records::merged::{MergedFinding, Wanted};
use mcp_workspace_tools::review::{Excerpt, Findings, LocalReview, Review, Verdict};

use crate::audit::Record;

/// A review whose decisions are recorded.
pub(super) struct AuditedReview {
    review: LocalReview,
    host: &'static str,
}

impl AuditedReview {
    /// Records the decisions of `review` as taken through `host`.
    pub(super) fn new(review: LocalReview, host: &'static str) -> AuditedReview {
        AuditedReview { review, host }
    }
}

impl Review for AuditedReview {
    fn person(&self, call: &Call) -> Result<String, ToolError> {
        self.review.person(call)
    }

    fn findings(&self, wanted: &Wanted, call: &Call) -> Result<Findings, ToolError> {
        self.review.findings(wanted, call)
    }

    fn finding(&self, fingerprint: &str, call: &Call) -> Result<MergedFinding, ToolError> {
        self.review.finding(fingerprint, call)
    }

    fn source(&self, finding: &MergedFinding, call: &Call) -> Result<Excerpt, ToolError> {
        self.review.source(finding, call)
    }

    fn proposals(&self, call: &Call) -> Result<Listing, ToolError> {
        self.review.proposals(call)
    }

    fn proposal(&self, id: &str, call: &Call) -> Result<ProposalView, ToolError> {
        self.review.proposal(id, call)
    }

    fn decide(&self, id: &str, verdict: Verdict<'_>, call: &Call) -> Result<Decision, ToolError> {
        let person = self.review.person(call)?;
        let verb = verdict.verb.as_str();
        let mut record = Record::of_decision(&person, self.host, verb, id, call);
        let decided = self.review.decide(id, verdict, call);
        if let Ok(decision) = &decided {
            record.decided(&decision.role, &decision.proposal);
        }
        let answer = decided.and_then(|decision| match serde_json::to_value(&decision) {
            Ok(json) => Ok((Answer::of_json(json), decision)),
            Err(error) => Err(ToolError::new(Code::Internal, error.to_string())),
        });
        match answer {
            Ok((answer, decision)) => {
                record.finish(&Ok(answer));
                Ok(decision)
            }
            Err(error) => {
                record.finish(&Err(error.clone()));
                Err(error)
            }
        }
    }
}
