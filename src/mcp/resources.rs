//! Resources: files of the workspace by URI, and the records among them as a list.
//!
//! Nothing here touches a file: a list is a call of `list_dir`, a read one of `read_file`, so
//! that policy, deadlines and audit hold for resources as for tools.

use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::path::WorkspacePath;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate,
};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use super::{Handler, LIST_FRESH_MS};

/// What every URI of this server begins with.
const SCHEME: &str = "workspace:///";
/// The URI template by which any file can be read.
pub(super) const TEMPLATE: &str = "workspace:///{+path}";
/// The template's variable.
pub(super) const VARIABLE: &str = "path";
/// Records on one page of the list.
const PAGE: usize = 100;
/// How deep files that agents have made are listed.
const FILES_DEPTH: usize = 8;
/// The bytes of a path that stand in a URI as they are (RFC 3986, unreserved, and `/`).
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One kind of record, as the list shows it. The order is that of the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Records {
    Findings,
    Proposals,
    /// Files that agents have made, in the folder of this number.
    Files(usize),
}

impl Records {
    /// The letter before a cursor of this kind's pages.
    fn mark(self) -> char {
        match self {
            Records::Findings => 'f',
            Records::Proposals => 'p',
            Records::Files(_) => 'a',
        }
    }

    /// The file of a record below its directory.
    fn glob(self) -> &'static str {
        match self {
            Records::Findings => "*.json",
            Records::Proposals => "change.patch",
            Records::Files(_) => "*",
        }
    }

    /// How far below its directory that is.
    fn depth(self) -> usize {
        match self {
            Records::Findings | Records::Proposals => 2,
            Records::Files(_) => FILES_DEPTH,
        }
    }

    /// What the list shows next, where there are so many folders of files.
    fn next(self, folders: usize) -> Option<Records> {
        let files = |number| (number < folders).then_some(Records::Files(number));
        match self {
            Records::Findings => Some(Records::Proposals),
            Records::Proposals => files(0),
            Records::Files(number) => files(number + 1),
        }
    }

    /// How a cursor of its pages begins.
    fn cursor(self, rest: &str) -> String {
        match self {
            Records::Files(number) => format!("{}{number}.{rest}", self.mark()),
            _ => format!("{}{rest}", self.mark()),
        }
    }

    fn resource(self, directory: &WorkspacePath, path: &str) -> Resource {
        let below = path.strip_prefix(directory.as_str()).unwrap_or(path).trim_start_matches('/');
        let name = below.trim_end_matches("/change.patch").trim_end_matches(".json");
        let (title, media_type) = match self {
            Records::Findings => (format!("Finding {name}"), "application/json"),
            Records::Proposals => (format!("Proposed patch {name}"), "text/x-diff"),
            Records::Files(_) => {
                return Resource::new(uri_of(path), path)
                    .with_title(path.to_owned())
                    .with_mime_type(media_type(path));
            }
        };
        Resource::new(uri_of(path), name).with_title(title).with_mime_type(media_type)
    }
}

/// The URI of a path.
pub(super) fn uri_of(path: &str) -> String {
    format!("{SCHEME}{}", utf8_percent_encode(path, ESCAPED))
}

/// The path of a URI; none when it is not one of this server.
fn path_of(uri: &str) -> Option<String> {
    let escaped = uri.strip_prefix(SCHEME)?;
    percent_decode_str(escaped).decode_utf8().ok().map(String::from)
}

/// One page of the records that the caller may read, findings first, then proposals, and of the
/// files that agents have made.
pub(super) async fn list(
    handler: &Handler,
    cursor: Option<String>,
    context: &RequestContext<RoleServer>,
) -> Result<ListResourcesResult, ErrorData> {
    let (mut kind, mut cursor) = match cursor {
        None => (Records::Findings, None),
        Some(text) => page_of(&text)?,
    };
    let mut resources = Vec::new();
    let layout = handler.dispatcher.layout();
    let mut folders = handler.dispatcher.policy().folders_of_files();
    // What can be anywhere is no list of what agents have made.
    folders.retain(|folder| !folder.is_root());
    let next = loop {
        let directory = match kind {
            Records::Findings => layout.findings(),
            Records::Proposals => layout.proposals(),
            // A folder of a policy that is another by now has no pages any more.
            Records::Files(number) => match folders.get(number) {
                Some(folder) => folder,
                None => break None,
            },
        };
        let arguments = json!({
            "path": directory.as_str(),
            "depth": kind.depth(),
            "glob": kind.glob(),
            "limit": PAGE.saturating_sub(resources.len()).max(1),
            "cursor": cursor.take(),
        });
        let page = match handler.run("list_dir", arguments, context).await? {
            Ok(answer) => answer.into_json(),
            // Nothing is recorded yet, or the caller sees no records.
            Err(ToolError { code: Code::NotFound | Code::UnknownTool, .. }) => Value::Null,
            Err(error) => return Err(refused(&error, None)),
        };
        let entries = page.get("entries").and_then(Value::as_array);
        resources.extend(
            entries
                .into_iter()
                .flatten()
                .filter(|entry| entry.get("type").is_some_and(|kind| kind == "file"))
                .filter_map(|entry| entry.get("path")?.as_str())
                .map(|path| kind.resource(directory, path)),
        );
        if let Some(next) = page.get("next_cursor").and_then(Value::as_str) {
            break Some(kind.cursor(next));
        }
        match kind.next(folders.len()) {
            Some(next) if resources.len() < PAGE => kind = next,
            next => break next.map(|next| next.cursor("")),
        }
    };
    let mut list = ListResourcesResult::with_all_items(resources);
    list.next_cursor = next;
    list.ttl_ms = Some(0);
    list.cache_scope = Some(CacheScope::Private);
    Ok(list)
}

/// Which page a cursor names: a letter for the kind, then `list_dir`'s own cursor, which that
/// tool checks.
fn page_of(cursor: &str) -> Result<(Records, Option<String>), ErrorData> {
    let kind = [Records::Findings, Records::Proposals, Records::Files(0)]
        .into_iter()
        .find_map(|kind| Some((kind, cursor.strip_prefix(kind.mark())?)));
    let page = match kind {
        Some((Records::Files(_), rest)) => rest
            .split_once('.')
            .and_then(|(number, rest)| Some((Records::Files(number.parse().ok()?), rest))),
        other => other,
    };
    let Some((kind, rest)) = page else {
        return Err(ErrorData::invalid_params(
            "`cursor` is not one that this server gave; leave it out to start from the beginning",
            None,
        ));
    };
    Ok((kind, (!rest.is_empty()).then(|| rest.to_owned())))
}

/// The one template: any file that the caller may read.
pub(super) fn templates() -> ListResourceTemplatesResult {
    let template = ResourceTemplate::new(TEMPLATE, "file")
        .with_title("A file of the workspace")
        .with_description(
            "Any file that you may read, by its path from the workspace root. A long file is cut; \
             the tool read_file reads the rest.",
        );
    let mut list = ListResourceTemplatesResult::with_all_items(vec![template]);
    list.ttl_ms = Some(LIST_FRESH_MS);
    list.cache_scope = Some(CacheScope::Private);
    list
}

/// Reads a file: its exact text, or its bytes for an image or a sound.
pub(super) async fn read(
    handler: &Handler,
    uri: &str,
    context: &RequestContext<RoleServer>,
) -> Result<ReadResourceResult, ErrorData> {
    let Some(path) = path_of(uri) else {
        return Err(refused(
            &ToolError::new(Code::NotFound, format!("no resource `{uri}`"))
                .hint(format!("the resources of this server are {TEMPLATE}")),
            Some(uri),
        ));
    };
    let json = match handler.run("read_file", json!({ "path": path }), context).await? {
        Ok(answer) => answer.into_json(),
        Err(error) => return Err(refused(&error, Some(uri))),
    };
    let field = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    let media_type = field("media_type");
    let contents = match field("encoding") {
        "base64" => vec![ResourceContents::blob(field("content"), uri).with_mime_type(media_type)],
        "binary" => {
            return Err(refused(
                &ToolError::new(
                    Code::InvalidArgument,
                    format!("`{path}` is a binary file ({media_type}) and has no text"),
                ),
                Some(uri),
            ));
        }
        _ => text(&json, uri, &path),
    };
    let mut result = ReadResourceResult::new(contents);
    result.ttl_ms = Some(0);
    result.cache_scope = Some(CacheScope::Private);
    Ok(result)
}

/// The text, and where it was cut a second part that says how to go on.
fn text(json: &Value, uri: &str, path: &str) -> Vec<ResourceContents> {
    let content = json.get("content").and_then(Value::as_str).unwrap_or_default();
    let mut contents = vec![ResourceContents::text(content, uri).with_mime_type(media_type(path))];
    if let Some(offset) = json.get("next_offset").and_then(Value::as_i64) {
        let rest = format!(
            "[cut here; read_file with path `{path}` and offset {offset} reads what follows]"
        );
        contents.push(ResourceContents::text(rest, uri).with_mime_type("text/plain"));
    }
    contents
}

/// The media type of a text by its name's ending.
fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("json") => "application/json",
        Some("md") => "text/markdown",
        Some("csv") => "text/csv",
        Some("patch" | "diff") => "text/x-diff",
        _ => "text/plain",
    }
}

/// A tool's error in the protocol's form. A resource that is not there is a wrong parameter
/// since revision 2026-07-28.
pub(super) fn refused(error: &ToolError, uri: Option<&str>) -> ErrorData {
    let data = uri.map(|uri| json!({ "uri": uri }));
    match error.code {
        Code::NotFound
        | Code::UnknownTool
        | Code::InvalidArgument
        | Code::Denied
        | Code::TooLarge => ErrorData::invalid_params(error.to_text(), data),
        _ => ErrorData::internal_error(error.to_text(), data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_this_servers_uris_name_files() {
        assert_eq!(path_of("workspace:///a/b%20c.txt").as_deref(), Some("a/b c.txt"));
        for uri in ["file:///a", "workspace://host/a", "workspace:/a", "a", "workspace:///%ff"] {
            assert_eq!(path_of(uri), None, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn a_path_survives_its_uri(path in "\\PC{0,60}") {
            prop_assert_eq!(path_of(&uri_of(&path)), Some(path));
        }
    }
}
