//! Completion of paths, for the resource template and for prompts: one call of `list_dir`.

use mcp_workspace_tools::error::{Code, ToolError};
use rmcp::ErrorData;
use rmcp::model::{CompleteRequestParams, CompleteResult, CompletionInfo, Reference};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use super::resources::{TEMPLATE, VARIABLE, refused};
use super::{Handler, prompts};

/// Entries of a directory that are looked through for one completion.
const MAX_ENTRIES: usize = 5_000;

/// The paths that begin with what was typed; a directory ends with `/`, so that typing goes on
/// below it.
pub(super) async fn complete(
    handler: &Handler,
    request: &CompleteRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<CompleteResult, ErrorData> {
    let argument = request.argument.name.as_str();
    let is_path = match &request.r#ref {
        Reference::Resource(resource) => resource.uri == TEMPLATE && argument == VARIABLE,
        Reference::Prompt(prompt) => prompts::takes_path(&prompt.name, argument),
        _ => false,
    };
    if !is_path {
        return Ok(CompleteResult::default());
    }
    let typed = request.argument.value.as_str();
    let directory = typed.rsplit_once('/').map_or("", |(directory, _)| directory);
    let arguments = json!({ "path": directory, "depth": 1, "limit": MAX_ENTRIES });
    let page = match handler.run("list_dir", arguments, context).await? {
        Ok(answer) => answer.into_json(),
        // What does not exist, or is no path, has no completions; that is no fault of typing.
        Err(ToolError {
            code: Code::NotFound | Code::InvalidArgument | Code::UnknownTool, ..
        }) => return Ok(CompleteResult::default()),
        Err(error) => return Err(refused(&error, None)),
    };
    let entries = page.get("entries").and_then(Value::as_array);
    let mut values: Vec<String> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.get("path")?.as_str()?;
            let slash = if entry.get("type")?.as_str()? == "directory" { "/" } else { "" };
            path.starts_with(typed).then(|| format!("{path}{slash}"))
        })
        .collect();
    let found = values.len();
    let more = page.get("more").and_then(Value::as_bool).unwrap_or(false);
    values.truncate(CompletionInfo::MAX_VALUES);
    let mut completion =
        CompletionInfo::new(values).map_err(|error| ErrorData::internal_error(error, None))?;
    completion.has_more = Some(more || found > CompletionInfo::MAX_VALUES);
    completion.total = if more { None } else { u32::try_from(found).ok() };
    Ok(CompleteResult::new(completion))
}
