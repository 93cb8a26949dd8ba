//! Translates between the Model Context Protocol and the dispatcher.

mod completion;
mod instructions;
mod prompts;
mod resources;

use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::contract;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::tool::Entry;
use rmcp::ErrorData;
use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams,
    CompleteResult, ContentBlock, DiscoverResult, GetPromptRequestParams, GetPromptResponse,
    Implementation, InitializeRequestParams, InitializeResult, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities,
    ServerConfig, Tool,
};
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde_json::Value;

use crate::caller::Caller;
use crate::dispatch::{Deadline, Dispatcher};
use crate::request::Request;
use crate::trace::Trace;

/// How long a client may keep a tool list, in milliseconds: policies change with the server's
/// restart only, but a gateway may put another server behind the same address.
const LIST_FRESH_MS: u64 = 60_000;
/// How long the last progress reports may take before the result is sent without them.
const REPORTS_GRACE: Duration = Duration::from_millis(250);

/// One connection's (stdio) or one request's (HTTP) view of the dispatcher.
#[derive(Clone)]
pub(crate) struct Handler {
    dispatcher: Arc<Dispatcher>,
    host: &'static str,
    /// The caller of a host that knows it from the start; HTTP proves one for each request.
    caller: Option<Caller>,
}

impl Handler {
    /// A handler for calls that `host` receives.
    pub(crate) fn new(
        dispatcher: Arc<Dispatcher>,
        host: &'static str,
        caller: Option<Caller>,
    ) -> Handler {
        Handler { dispatcher, host, caller }
    }

    fn caller(&self, context: &RequestContext<RoleServer>) -> Result<Caller, ErrorData> {
        let proven = beside::<Caller>(context);
        proven.or(self.caller.as_ref()).cloned().ok_or_else(|| {
            ErrorData::invalid_request(
                "the request carries no caller that could be identified",
                None,
            )
        })
    }

    /// How to work with the tools that this caller has, for its model.
    fn instructions(&self, context: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
        Ok(instructions::of(&self.dispatcher.tools_for(&self.caller(context)?)))
    }

    /// Runs a tool for a request that is no tool call, such as the read of a resource.
    async fn run(
        &self,
        tool: &str,
        arguments: Value,
        context: &RequestContext<RoleServer>,
    ) -> Result<Result<Answer, ToolError>, ErrorData> {
        let request = self.request(tool.to_owned(), arguments, context)?;
        Ok(self.dispatcher.dispatch(request, context.ct.clone()).await)
    }

    fn request(
        &self,
        tool: String,
        arguments: Value,
        context: &RequestContext<RoleServer>,
    ) -> Result<Request, ErrorData> {
        Ok(Request {
            caller: self.caller(context)?,
            host: self.host,
            tool,
            arguments,
            request_id: context.id.to_string(),
            progress: None,
            deadline: beside::<Deadline>(context).map(|deadline| deadline.0),
            trace: trace_of(context),
        })
    }
}

impl ServerHandler for Handler {
    fn get_info(&self) -> ServerConfig {
        let mut server = Implementation::new("mcp-workspace", env!("CARGO_PKG_VERSION"));
        server.title = Some("Workspace".to_owned());
        server.description = Some(env!("CARGO_PKG_DESCRIPTION").to_owned());
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .enable_completions()
            .build();
        ServerConfig::new(capabilities).with_server_info(server)
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        context.peer.set_peer_info(request.clone());
        let mut info = self.negotiate_initialize(&request)?;
        info.instructions = Some(self.instructions(&context)?);
        Ok(info)
    }

    async fn discover(
        &self,
        context: RequestContext<RoleServer>,
    ) -> Result<DiscoverResult, ErrorData> {
        let mut info = self.get_info();
        info.instructions = Some(self.instructions(&context)?);
        let versions = self.supported_protocol_versions().into_owned();
        Ok(DiscoverResult::from_server_info(versions, info))
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let caller = self.caller(&context)?;
        let tools = self.dispatcher.tools_for(&caller).into_iter().map(describe);
        let mut list = ListToolsResult::with_all_items(tools.collect::<Result<_, _>>()?);
        list.ttl_ms = Some(LIST_FRESH_MS);
        // The list depends on what policy grants the caller.
        list.cache_scope = Some(CacheScope::Private);
        Ok(list)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let name = request.name.into_owned();
        let arguments = request.arguments.map_or(Value::Null, Value::Object);
        let mut request = self.request(name, arguments, &context)?;
        let progress = context.meta.get_progress_token().map(|token| {
            let (sender, receiver) = tokio::sync::mpsc::channel(16);
            let forward = tokio::spawn(forward(context.peer.clone(), token, receiver));
            (sender, forward)
        });
        request.progress = progress.as_ref().map(|(sender, _)| {
            let sender = sender.clone();
            // A client that reads slowly misses a report rather than slows the work.
            Arc::new(move |done: u64, message: &str| {
                let _ = sender.try_send((done, message.to_owned()));
            }) as Arc<mcp_workspace_tools::call::ProgressSink>
        });
        let result = self.dispatcher.dispatch(request, context.ct.clone()).await;
        if let Some((sender, mut forward)) = progress {
            // Reports come before the result or not at all. The sink holds a sender as well, but
            // it went with the request; a client that does not read must not hold the result up.
            drop(sender);
            if tokio::time::timeout(REPORTS_GRACE, &mut forward).await.is_err() {
                forward.abort();
            }
        }
        match result {
            Ok(answer) => Ok(render(answer).into()),
            Err(error) if error.code == Code::UnknownTool => {
                Err(ErrorData::invalid_params(error.to_text(), None))
            }
            Err(error) => Ok(render_error(&error).into()),
        }
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(self, request.and_then(|page| page.cursor), &context).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.caller(&context)?;
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(resources::read(self, &request.uri, &context).await?.into())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(prompts::list(&self.dispatcher.tools_for(&self.caller(&context)?)))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let tools = self.dispatcher.tools_for(&self.caller(&context)?);
        Ok(prompts::get(&tools, &request.name, request.arguments.as_ref())?.into())
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completion::complete(self, &request, &context).await
    }
}

/// The trace that the client says it is in: in the message, in HTTP's headers, or in what the
/// host knows.
fn trace_of(context: &RequestContext<RoleServer>) -> Option<Trace> {
    let parts = context.extensions.get::<axum::http::request::Parts>();
    let told = context.meta.get_traceparent();
    told.and_then(|parent| Trace::from_w3c(parent, context.meta.get_tracestate()))
        .or_else(|| Trace::from_headers(&parts?.headers))
        .or_else(|| beside::<Trace>(context).cloned())
}

/// What the HTTP host put beside the request.
fn beside<T: Clone + Send + Sync + 'static>(context: &RequestContext<RoleServer>) -> Option<&T> {
    context.extensions.get::<axum::http::request::Parts>()?.extensions.get::<T>()
}

async fn forward(
    peer: Peer<RoleServer>,
    token: rmcp::model::ProgressToken,
    mut reports: tokio::sync::mpsc::Receiver<(u64, String)>,
) {
    while let Some((done, message)) = reports.recv().await {
        // Counts stay far below 2^52.
        #[expect(clippy::cast_precision_loss, reason = "the protocol's numbers are floats")]
        let mut notification = ProgressNotificationParam::new(token.clone(), done as f64);
        notification.message = Some(message);
        if peer.notify_progress(notification).await.is_err() {
            return;
        }
    }
}

/// A tool as `tools/list` shows it.
fn describe(entry: &Entry) -> Result<Tool, ErrorData> {
    serde_json::from_value(contract::mcp::tool(entry)).map_err(|error| {
        ErrorData::internal_error(
            format!("the tool `{}` has no contract: {error}", entry.name),
            None,
        )
    })
}

/// Clients show their model the structured content where there is some, and nothing else then:
/// so a result has either text (or an image, a sound), or JSON in both places. JSON of a tool that
/// declares no output schema is text alone: no client expects it twice.
fn render(answer: Answer) -> CallToolResult {
    match answer.shown {
        Shown::Json if !answer.structured => {
            CallToolResult::success(vec![ContentBlock::text(answer.json_text())])
        }
        Shown::Json => {
            // The audit has written the text already.
            let (json, text) = answer.into_json_and_text();
            let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
            result.structured_content = Some(json);
            result
        }
        Shown::Text(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
        Shown::Image { data, media_type, note } => CallToolResult::success(vec![
            ContentBlock::image(data, media_type),
            ContentBlock::text(note),
        ]),
        Shown::Audio { data, media_type, note } => CallToolResult::success(vec![
            ContentBlock::audio(data, media_type),
            ContentBlock::text(note),
        ]),
    }
}

fn render_error(error: &ToolError) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(error.to_text())])
}

#[cfg(test)]
mod tests {
    use mcp_workspace_tools::tool::catalog;

    use super::*;

    #[test]
    fn the_protocol_carries_each_contract_whole() {
        for entry in catalog() {
            let tool = describe(entry).unwrap();
            assert_eq!(serde_json::to_value(tool).unwrap(), contract::mcp::tool(entry));
        }
    }
}
