//! The one way to run a tool: caller and call in, grant, scope, tool, answer and audit record out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::policy::{Judgement, Layout, Policy};
use mcp_workspace_tools::review::LocalReview;
use mcp_workspace_tools::tool::{Catalog, Entry};
use mcp_workspace_tools::workspace::{Decider, Scope, Workspace};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::audit::Record;
use crate::caller::Caller;
use crate::doctor::{Check, Examination, Outcome, Site};
use crate::event::OpenEvents;
use crate::metrics::Metrics;
pub use crate::places::Load;
use crate::places::{MAX_RUNNING, Place, Places};
use crate::request::Request;

/// What a tool gets after its deadline to give what it has.
const GRACE: Duration = Duration::from_secs(1);

/// What a person needs for a command that is no tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// To read findings, or to decide about anything.
    Look,
    /// To decide about anything; about what, the decision itself asks.
    Decide,
}

impl Right {
    /// The judgement that gives it; none where no role does.
    fn judge(self, review: &LocalReview) -> Option<Judgement> {
        let by = |role: Option<&str>, rule| role.map(|role| Judgement::by_role(role, Some(rule)));
        let deciding = by(review.deciding_role(), "decide");
        match self {
            Right::Decide => deciding,
            Right::Look => by(review.reading_role(), "read").or(deciding),
        }
    }

    fn missing(self, caller: &Caller, layout: &Layout) -> ToolError {
        let (what, hint) = match self {
            Right::Look => (
                "look at findings and proposals",
                format!("a role with `read` on `{}`, or with `decide`, may", layout.findings()),
            ),
            Right::Decide => ("decide", "a role with `decide` may".to_owned()),
        };
        ToolError::new(Code::Denied, format!("caller `{}` may not {what}", caller.id)).hint(hint)
    }
}

/// What runs, for those who wait.
struct About<'a> {
    name: &'a str,
    /// The path that the call says it is about.
    path: String,
}

fn path_of(arguments: &Value) -> String {
    arguments.get("path").and_then(Value::as_str).unwrap_or_default().chars().take(1_024).collect()
}

/// A call that somebody waits for. However that ends, whatever still works for it is asked to stop.
struct Answering {
    call: Call,
    place: Arc<Place>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.call.cancel();
        self.place.answered();
    }
}

/// When the host must answer a request, carried beside it through MCP.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(pub Instant);

/// Runs tools.
pub struct Dispatcher {
    workspace: Arc<Workspace>,
    policy: Policy,
    layout: Arc<Layout>,
    catalog: Catalog,
    time_for_a_call: Duration,
    places: Places,
    site: Site,
    metrics: Metrics,
}

impl Dispatcher {
    /// A dispatcher over one workspace and one policy.
    pub fn new(workspace: Workspace, policy: Policy, time_for_a_call: Duration) -> Dispatcher {
        let layout = Arc::new(policy.layout().clone());
        Dispatcher {
            workspace: Arc::new(workspace),
            policy,
            layout,
            catalog: Catalog::default(),
            time_for_a_call,
            places: Places::new(),
            site: Site::default(),
            metrics: Metrics::Off,
        }
    }

    /// Offers other tools than those of the catalog.
    #[must_use]
    pub fn offering(mut self, catalog: Catalog) -> Dispatcher {
        self.catalog = catalog;
        self
    }

    /// The tool of that name, whoever may use it.
    pub fn find(&self, name: &str) -> Option<&'static Entry> {
        self.catalog.find(name)
    }

    /// How busy it is.
    pub fn load(&self) -> Load {
        let (running, hanging) = self.places.count();
        let memory = self.workspace.memory();
        Load {
            running,
            hanging,
            places: MAX_RUNNING,
            memory_bytes: memory.bytes(),
            memory_used: memory.used(),
        }
    }

    /// The policy that it judges by.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Says where the server runs, for the doctor.
    #[must_use]
    pub fn at(mut self, site: Site) -> Dispatcher {
        self.site = site;
        self
    }

    /// Says which kinds of events the function answers, for the doctor.
    #[must_use]
    pub fn answering(mut self, events: OpenEvents) -> Dispatcher {
        self.site = self.site.answering(events);
        self
    }

    /// Writes metrics of each call.
    #[must_use]
    pub fn measured(mut self, metrics: Metrics) -> Dispatcher {
        self.metrics = metrics;
        self
    }

    /// The review of a person over this workspace; none without a role.
    pub fn local_review(&self, caller: &Caller) -> Option<LocalReview> {
        let grant = self.policy.grant(caller)?;
        let (workspace, layout) = (Arc::clone(&self.workspace), Arc::clone(&self.layout));
        let scope = Scope::new(Arc::clone(&workspace), grant.for_decisions(), Arc::clone(&layout));
        let decider = Decider::new(workspace, &grant, layout, &caller.id);
        Some(LocalReview::new(scope, decider))
    }

    /// Where records lie in the workspace.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The tools that this caller may use, in the catalog's order.
    pub fn tools_for(&self, caller: &Caller) -> Vec<&'static Entry> {
        let Some(grant) = self.policy.grant(caller) else { return Vec::new() };
        self.catalog.iter().filter(|entry| grant.allows_tool(entry.name)).collect()
    }

    /// Judges, runs and records one call. Dropping the future, as hosts do when a client goes
    /// away, cancels the call and records it as cancelled.
    ///
    /// # Errors
    /// The tool's error, or why it did not run.
    pub async fn dispatch(
        &self,
        request: Request,
        cancelled: CancellationToken,
    ) -> Result<Answer, ToolError> {
        let mut call = self.call_of(&request);
        if let Some(sink) = &request.progress {
            call = call.with_progress(Arc::clone(sink));
        }
        let mut record = Record::begin(&request, &call, self.metrics);
        let result = self.judge_and_run(request, call, &mut record, cancelled).await;
        record.finish(&result);
        result
    }

    async fn judge_and_run(
        &self,
        request: Request,
        call: Call,
        record: &mut Record,
        cancelled: CancellationToken,
    ) -> Result<Answer, ToolError> {
        let entry = self.catalog.find(&request.tool);
        if let Some(entry) = entry {
            record.mark_known();
            record.about(entry.subject(&request.arguments));
        }
        let grant = self.policy.grant(&request.caller);
        let Some((entry, grant)) =
            entry.zip(grant).filter(|(entry, grant)| grant.allows_tool(entry.name))
        else {
            return Err(self.unknown_tool(&request));
        };
        let grant = grant.for_tool(entry.name);
        record.judged(grant.judge_tool());
        let scope = Scope::new(Arc::clone(&self.workspace), grant, Arc::clone(&self.layout));
        record.follow(entry, scope.judgements());
        let about = About { name: entry.name, path: path_of(&request.arguments) };
        let work = move |call: &Call| entry.run(&scope, request.arguments, call);
        self.run(&about, &call, cancelled, record, work).await
    }

    /// Examines what the server stands on, for a caller whose role says `doctor = true`. The
    /// request's tool is `doctor`, its arguments may name a `file`.
    ///
    /// # Errors
    /// [`Code::Denied`] for other callers, or that the file system did not answer.
    pub async fn doctor(&self, request: Request) -> Result<Answer, ToolError> {
        let call = self.call_of(&request);
        let (caller, arguments) = (&request.caller, &request.arguments);
        let mut record = Record::begin(&request, &call, self.metrics);
        let judgement = self.policy.grant(caller).and_then(|grant| grant.judge_doctor());
        record.mark_known();
        record.about(arguments.get("file").and_then(Value::as_str));
        let result = match judgement {
            None => Err(ToolError::new(
                Code::Denied,
                format!("caller `{}` may not ask for the doctor", caller.id),
            )
            .hint("a role with `doctor = true` that names the caller allows it")),
            Some(judgement) => {
                record.judged(judgement);
                let examination = Examination {
                    workspace: Arc::clone(&self.workspace),
                    policy: self.policy.clone(),
                    catalog: self.catalog.clone(),
                    site: self.site,
                    caller: caller.clone(),
                    file: arguments.get("file").and_then(Value::as_str).map(str::to_owned),
                };
                let about = About { name: "doctor", path: String::new() };
                let work = move |call: &Call| Ok(report(&examination, call));
                self.run(&about, &call, CancellationToken::new(), &mut record, work).await
            }
        };
        record.finish(&result);
        result
    }

    /// Lets a person look at findings and proposals, or decide about them. Never a tool: the
    /// request's `tool` is the command's name, and no catalog holds it.
    ///
    /// # Errors
    /// [`Code::Denied`] without the right, or what came of the work.
    pub async fn review(
        &self,
        request: Request,
        right: Right,
        work: impl FnOnce(&LocalReview, &Call) -> Result<Answer, ToolError> + Send + 'static,
    ) -> Result<Answer, ToolError> {
        let call = self.call_of(&request);
        let mut record = Record::begin(&request, &call, self.metrics);
        let review = self.local_review(&request.caller);
        let judgement = review.as_ref().and_then(|review| right.judge(review));
        let result = match review.zip(judgement) {
            None => Err(right.missing(&request.caller, &self.layout)),
            Some((review, judgement)) => {
                record.judged(judgement);
                let about = About { name: &request.tool, path: path_of(&request.arguments) };
                let work = move |call: &Call| work(&review, call);
                self.run(&about, &call, CancellationToken::new(), &mut record, work).await
            }
        };
        if let Ok(answer) = &result {
            record.learn(answer.json());
        }
        record.finish(&result);
        result
    }

    /// The call of a request: it ends with the server's time for a call, or when the host must
    /// answer, whichever comes first.
    fn call_of(&self, request: &Request) -> Call {
        let mut call = Call::new(&request.caller.id, self.time_for_a_call);
        if let Some(deadline) = request.deadline {
            call.end_by(deadline);
        }
        call
    }

    /// Runs blocking work when a place is free, until the call's deadline. The work has the place
    /// until the last of its threads has ended.
    async fn run(
        &self,
        about: &About<'_>,
        call: &Call,
        cancelled: CancellationToken,
        record: &mut Record,
        work: impl FnOnce(&Call) -> Result<Answer, ToolError> + Send + 'static,
    ) -> Result<Answer, ToolError> {
        let place = self.places.take(call, &about.path).await?;
        record.in_place(&place);
        let running = call.clone().holding(Arc::<Place>::clone(&place));
        let _until_answered = Answering { call: call.clone(), place };
        let running = tokio::task::spawn_blocking(move || work(&running));
        let late = tokio::time::sleep(call.time_left() + GRACE);
        tokio::select! {
            done = running => done.unwrap_or_else(|failed| Err(
                ToolError::new(Code::Internal, format!("the tool `{}` failed", about.name))
                    .hint("this is a fault of the server; other calls go on")
                    .caused_by(failed)
            )),
            () = cancelled.cancelled() => {
                Err(ToolError::new(Code::Cancelled, "the call was cancelled"))
            }
            () = late => {
                Err(ToolError::new(Code::Deadline, "the file system did not answer in time")
                    .hint("try again; if it stays, the operator should check the mount"))
            }
        }
    }

    fn unknown_tool(&self, request: &Request) -> ToolError {
        let names: Vec<_> =
            self.tools_for(&request.caller).into_iter().map(|entry| entry.name).collect();
        let error = ToolError::new(
            Code::UnknownTool,
            format!("no tool `{}` for caller `{}`", request.tool, request.caller.id),
        );
        if names.is_empty() {
            error.hint("the policy names no role for this caller; ask the operator")
        } else {
            error.hint(format!("the tools are: {}", names.join(", ")))
        }
    }
}

/// The examination as an answer: whether nothing has failed, and each check.
fn report(examination: &Examination, call: &Call) -> Answer {
    let mut checks: Vec<Check> = Vec::new();
    examination.run(call, &mut |check| checks.push(check));
    let ok = checks.iter().all(|check| check.outcome != Outcome::Failed);
    Answer::of_json(json!({ "ok": ok, "checks": checks }))
}
