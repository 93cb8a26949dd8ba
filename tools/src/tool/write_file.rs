//! `write_file`: a plain file for people and other agents, new or in the place of what was read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Effect, Tool};
use crate::call::Call;
use crate::error::{Code, Situation, ToolError};
use crate::memory::Drawn;
use crate::name;
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::workspace::{FileContent, FileWrite, Kind, Scope, Standing, WroteHow};

/// The tool.
pub struct WriteFile;

/// How `content` is given.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Text,
    Base64,
}

/// Arguments of `write_file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file, relative to the workspace root. Directories on the way are made.
    path: String,
    /// What the file is to contain, exactly.
    content: Option<String>,
    /// `text` for UTF-8 text, `base64` for other bytes. Default: text.
    #[serde(default)]
    encoding: Encoding,
    /// Instead of content: the path of a file that you may read, whose content is copied.
    from: Option<String>,
    /// The version that you have read and replace. Without it no file may stand there.
    expected_version: Option<String>,
    /// Whether the content goes at the end of the expected version instead of in its place. Default: false.
    append: Option<bool>,
}

/// Output of `write_file`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The file.
    path: String,
    /// The version of the file now: SHA-256 of its content, in hex.
    version: String,
    /// The file's size in bytes.
    size: u64,
    /// `created`, `replaced` or `appended`; `unchanged` if it had this content already.
    status: Status,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Created,
    Replaced,
    Appended,
    Unchanged,
}

impl From<WroteHow> for Status {
    fn from(how: WroteHow) -> Status {
        match how {
            WroteHow::Created => Status::Created,
            WroteHow::Replaced => Status::Replaced,
            WroteHow::Appended => Status::Appended,
            WroteHow::Unchanged => Status::Unchanged,
        }
    }
}

impl Tool for WriteFile {
    const NAME: &'static str = "write_file";
    const TITLE: &'static str = "Write a file";
    const DESCRIPTION: &'static str = include_str!("write_file.md");
    const EFFECT: Effect = Effect::Records;
    const ACCESS: Access = Access::Create;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = true;
    const MAY_BE_EMPTY: &'static [&'static str] = &["content"];
    const ESSENTIAL: &'static [&'static str] = &["content", "from", "expected_version", "append"];
    type Args = Args;
    type Output = Output;

    fn folders(scope: &Scope) -> Result<Vec<WorkspacePath>, ToolError> {
        Ok(scope.grant().folders_of_files())
    }

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        let path = WorkspacePath::parse(&args.path)?;
        scope.judge(Access::Create, &path);
        name::must_be_seen("path", path.as_str())?;
        let expected = args.expected_version.as_deref().map(version).transpose()?;
        let from = args.from.as_deref().map(WorkspacePath::parse).transpose()?;
        let given = Given::of(scope, args.content, args.encoding, call)?;
        let content = match (&given.bytes, &from) {
            // A model that fills in every argument leaves this one empty.
            (Some(bytes), Some(_)) if bytes.is_empty() => None,
            (Some(_), Some(_)) => {
                return Err(ToolError::invalid("`content` and `from` are two contents")
                    .hint("give one: `content` itself, or the path that it is copied `from`"));
            }
            (Some(bytes), None) => Some(FileContent::Bytes(bytes)),
            (None, _) => None,
        };
        let content = content.or(from.as_ref().map(FileContent::File)).ok_or_else(|| {
            ToolError::invalid("there is nothing to write")
                .hint("give `content`, or the path of a file that it is copied `from`")
        })?;
        let append = args.append.unwrap_or_default();
        let write = FileWrite { path: &path, content, expected: expected.as_deref(), append };
        let wrote = scope
            .write_file(&write, call)?
            .map_err(|standing| conflict(scope, &write, standing))?;
        Ok(Output {
            path: path.as_str().to_owned(),
            version: wrote.version,
            size: wrote.size,
            status: wrote.how.into(),
        })
    }
}

/// A content that the caller gave itself, with the memory that was drawn to decode it.
struct Given {
    bytes: Option<Vec<u8>>,
    _drawn: Option<Drawn>,
}

impl Given {
    fn of(
        scope: &Scope,
        content: Option<String>,
        encoding: Encoding,
        call: &Call,
    ) -> Result<Given, ToolError> {
        let Some(text) = content else { return Ok(Given { bytes: None, _drawn: None }) };
        if encoding == Encoding::Text {
            return Ok(Given { bytes: Some(text.into_bytes()), _drawn: None });
        }
        let drawn = scope.memory().draw(text.len(), call)?;
        let bytes = STANDARD.decode(text.trim_ascii()).map_err(|error| {
            ToolError::invalid(format!("`content` is no base64: {error}"))
                .hint("give base64 with its padding, or text without `encoding`")
        })?;
        Ok(Given { bytes: Some(bytes), _drawn: Some(drawn) })
    }
}

/// A version as it is written: 64 hex digits.
fn version(text: &str) -> Result<String, ToolError> {
    let text = text.trim_ascii();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    let shown: String = text.chars().take(80).collect();
    Err(ToolError::invalid(format!("`expected_version` is `{shown}`, which is no version")).hint(
        "give the 64 hex digits that read_file or write_file gave; leave it out for a new file",
    ))
}

/// Why nothing was written: what stands there.
fn conflict(scope: &Scope, write: &FileWrite<'_>, standing: Standing) -> ToolError {
    let FileWrite { path, expected, .. } = write;
    let told = |message: String| ToolError::new(Code::Conflict, message);
    let wanted = match expected {
        Some(expected) => format!("version {expected} was expected"),
        None => "a file is new unless expected_version says what it replaces".to_owned(),
    };
    match standing {
        Standing::Nothing => {
            told(format!("`{path}` does not exist; {wanted}. Nothing was written"))
                .hint("leave expected_version out to make it")
        }
        Standing::File(version, size) if scope.grant().may(Access::Read, path) => told(format!(
            "`{path}` is there, with version {version} and {size} bytes; {wanted}. Nothing was \
             written"
        ))
        .hint(match expected {
            Some(_) => format!(
                "read_file it, make your change of that, and give expected_version {version}"
            ),
            None => format!(
                "to replace it or to append to it, read_file it and give expected_version \
                 {version}; else choose another path"
            ),
        }),
        Standing::File(..) => told(format!(
            "`{path}` is there, and this caller may not read it; {wanted}. Nothing was written"
        ))
        .hint("choose another path; only who made it knows its version"),
        Standing::Other(Kind::Directory) => ToolError::invalid(format!("`{path}` is a directory"))
            .in_situation(Situation::Directory),
        Standing::Other(_) => {
            told(format!("`{path}` is no regular file, and only those are replaced"))
                .hint("choose another path")
        }
    }
}
