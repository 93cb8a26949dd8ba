//! A review of a workspace behind the URL of a function. Each method sends signed requests to the
//! function's review API.

mod connection;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::{Listing, ProposalView};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::records::decision::Decision;
use mcp_workspace_tools::records::export::describe::severity_name;
use mcp_workspace_tools::records::merged::{MergedFinding, Wanted};
use mcp_workspace_tools::records::proposal::id_of;
use mcp_workspace_tools::review::message::{
    Decided, OneFinding, OneProposal, Person, ProposalsPage, Reason, is_id,
};
use mcp_workspace_tools::review::{Excerpt, Findings, Review, Verdict};
use mcp_workspace_tools::storage::findings::Page;
use mcp_workspace_tools::storage::omissions::Omissions;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use connection::Connection;

/// How long a list of findings is good for: a person turns its pages without reading it anew.
const FRESH: Duration = Duration::from_secs(30);

/// A review through a function.
pub(super) struct RemoteReview {
    connection: Connection,
    known: Mutex<Option<Known>>,
}

/// The findings that were read last.
struct Known {
    since: Instant,
    wanted: Wanted,
    findings: Findings,
}

impl RemoteReview {
    /// Finds the credentials to sign with. Nothing is asked yet.
    ///
    /// # Errors
    /// When the URL is none, or there are no credentials or no region.
    pub(super) fn connect(url: &str, region: Option<&str>) -> anyhow::Result<RemoteReview> {
        Ok(RemoteReview { connection: Connection::open(url, region)?, known: Mutex::new(None) })
    }

    fn all_findings(&self, wanted: &Wanted, call: &Call) -> Result<Findings, ToolError> {
        let filter = query(wanted);
        let (mut findings, mut omissions) = (Vec::new(), Omissions::default());
        let (mut after, mut turned): (Option<String>, _) = (None, BTreeSet::new());
        loop {
            let from = after.iter().map(|after| ("after", after.as_str()));
            let page: Page =
                self.connection.get("findings", filter.iter().copied().chain(from), call)?;
            findings.extend(page.findings);
            omissions.extend(page.omissions);
            call.report(page.done as u64, &format!("{} of {} findings read", page.done, page.all));
            let Some(next) = page.next else { return Ok(Findings::of(findings, omissions)) };
            after = Some(turn(&mut turned, next)?);
        }
    }
}

impl Review for RemoteReview {
    fn person(&self, call: &Call) -> Result<String, ToolError> {
        let person: Person = self.connection.get("", [], call)?;
        Ok(person.caller)
    }

    fn findings(&self, wanted: &Wanted, call: &Call) -> Result<Findings, ToolError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*known
            && known.since.elapsed() < FRESH
            && known.wanted == *wanted
        {
            return Ok(known.findings.clone());
        }
        let findings = self.all_findings(wanted, call)?;
        let since = Instant::now();
        *known = Some(Known { since, wanted: wanted.clone(), findings: findings.clone() });
        Ok(findings)
    }

    fn finding(&self, fingerprint: &str, call: &Call) -> Result<MergedFinding, ToolError> {
        if !is_id(fingerprint) {
            return Err(ToolError::new(Code::NotFound, "there is no such finding"));
        }
        let one: OneFinding = self.connection.get(&format!("findings/{fingerprint}"), [], call)?;
        Ok(one.finding)
    }

    fn source(&self, finding: &MergedFinding, call: &Call) -> Result<Excerpt, ToolError> {
        if !is_id(&finding.fingerprint) {
            return Err(ToolError::new(Code::NotFound, "there is no such finding"));
        }
        self.connection.get(&format!("findings/{}/source", finding.fingerprint), [], call)
    }

    fn proposals(&self, call: &Call) -> Result<Listing, ToolError> {
        let mut all = Listing::default();
        let (mut after, mut turned): (Option<String>, _) = (None, BTreeSet::new());
        loop {
            let from = after.iter().map(|after| ("after", after.as_str()));
            let page: ProposalsPage = self.connection.get("proposals", from, call)?;
            all.readable.extend(page.proposals);
            all.unreadable.extend(page.unreadable);
            all.not_read = all.not_read.max(page.not_read);
            let Some(next) = page.next else { return Ok(all) };
            after = Some(turn(&mut turned, next)?);
        }
    }

    fn proposal(&self, id: &str, call: &Call) -> Result<ProposalView, ToolError> {
        check_id(id)?;
        let one: OneProposal = self.connection.get(&format!("proposals/{id}"), [], call)?;
        let OneProposal { proposal: mut view, patch, .. } = one;
        // What is decided about is what the id names, and so must be what is shown.
        if !view.proposal.id.starts_with(id)
            || id_of(&patch, &view.proposal.files) != view.proposal.id
        {
            return Err(connection::misunderstood("the proposal is not what its id names"));
        }
        view.patch = patch;
        Ok(view)
    }

    fn decide(&self, id: &str, verdict: Verdict<'_>, call: &Call) -> Result<Decision, ToolError> {
        check_id(id)?;
        let Verdict { verb, reason, seen } = verdict;
        let reason = Reason { reason: reason.map(str::to_owned), seen: seen.map(str::to_owned) };
        let path = format!("proposals/{id}/{}", verb.as_str());
        let decided: Decided = self.connection.post(&path, &reason, call)?;
        Ok(decided.decision)
    }
}

/// Where the next page begins. Whatever the function says, this comes to an end.
fn turn(turned: &mut BTreeSet<String>, next: String) -> Result<String, ToolError> {
    if turned.insert(next.clone()) {
        return Ok(next);
    }
    Err(connection::misunderstood("its pages do not go on"))
}

fn check_id(id: &str) -> Result<(), ToolError> {
    if is_id(id) {
        return Ok(());
    }
    Err(ToolError::new(Code::NotFound, format!("no proposal `{}`", id.escape_debug()))
        .hint("an id is hexadecimal digits; the list of proposals shows those that there are"))
}

fn query(wanted: &Wanted) -> Vec<(&'static str, &str)> {
    let severities = wanted.severities.iter().map(|one| ("severity", severity_name(*one)));
    let named = |name: &'static str, values| {
        let values: &Vec<String> = values;
        values.iter().map(move |value| (name, value.as_str()))
    };
    severities
        .chain(named("rule", &wanted.rules))
        .chain(named("path", &wanted.paths))
        .chain(named("agent", &wanted.agents))
        .chain(named("run", &wanted.runs))
        .collect()
}

/// All but what RFC 3986 never escapes, so that a query is signed in the form in which it is sent.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value in a query.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}
