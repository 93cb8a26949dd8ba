//! The desk over a workspace of this machine, whose decisions leave audit records as calls of
//! tools do. Behind a URL the function records them.

use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::ProposalView;
use mcp_workspace_tools::desk::{Desk, Excerpt, Findings, Here, Proposals, Verb};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::records::decision::Decision;
use mcp_workspace_tools::records::merged::{MergedFinding, Wanted};

use crate::audit::Record;

/// A desk that records.
pub struct Audited {
    desk: Here,
    host: &'static str,
}

impl Audited {
    /// Records the decisions of `desk` as taken through `host`.
    pub fn new(desk: Here, host: &'static str) -> Audited {
        Audited { desk, host }
    }
}

impl Desk for Audited {
    fn person(&self, call: &Call) -> Result<String, ToolError> {
        self.desk.person(call)
    }

    fn findings(&self, wanted: &Wanted, call: &Call) -> Result<Findings, ToolError> {
        self.desk.findings(wanted, call)
    }

    fn finding(&self, fingerprint: &str, call: &Call) -> Result<MergedFinding, ToolError> {
        self.desk.finding(fingerprint, call)
    }

    fn source(&self, finding: &MergedFinding, call: &Call) -> Result<Excerpt, ToolError> {
        self.desk.source(finding, call)
    }

    fn proposals(&self, call: &Call) -> Result<Proposals, ToolError> {
        self.desk.proposals(call)
    }

    fn proposal(&self, id: &str, call: &Call) -> Result<ProposalView, ToolError> {
        self.desk.proposal(id, call)
    }

    fn decide(
        &self,
        id: &str,
        verb: Verb,
        reason: Option<&str>,
        call: &Call,
    ) -> Result<Decision, ToolError> {
        let person = self.desk.person(call)?;
        let mut record = Record::of_decision(&person, self.host, verb.as_str(), id, call);
        let decided = self.desk.decide(id, verb, reason, call);
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
