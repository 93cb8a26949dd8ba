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
use crate::version;
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
    /// The file. Directories on the way are made.
    path: String,
    /// The exact content.
    content: Option<String>,
    /// Of `content`. Default: text.
    #[serde(default)]
    encoding: Encoding,
    /// A file to copy, instead of `content`.
    from: Option<String>,
    /// Write what is in a compressed `from`. Default: false.
    decompress: Option<bool>,
    /// The version that you have read and replace.
    expected_version: Option<String>,
    /// Add at the end of the expected version. Default: false.
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
    const GUIDE: &'static str = "Leave results (a report, extracted text, CSV) with `write_file`; a file that stands there is replaced only by its `expected_version`.";
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
        let expected = args.expected_version.as_deref().map(self::expected).transpose()?;
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
        let unpack = args.decompress.unwrap_or_default();
        if unpack && content.is_some() {
            return Err(ToolError::invalid("`decompress` is about a file that is copied")
                .hint("give its path as `from`, without `content`"));
        }
        let copied = if unpack { FileContent::Packed } else { FileContent::File };
        let content = content.or(from.as_ref().map(copied)).ok_or_else(|| {
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

/// The version that the caller expects.
fn expected(text: &str) -> Result<String, ToolError> {
    version::given(text).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        ToolError::invalid(format!("`expected_version` is `{shown}`, which is no version")).hint(
            "give the hex digits that read_file or write_file gave; leave it out for a new file",
        )
    })
}

/// Why nothing was written: what stands there.
fn conflict(scope: &Scope, write: &FileWrite<'_>, standing: Standing) -> ToolError {
    let FileWrite { path, expected, .. } = write;
    let told = |message: String| ToolError::new(Code::Conflict, message);
    let wanted = match expected {
        Some(expected) => format!("version {} was expected", version::shown(expected)),
        None => "a file is new unless expected_version says what it replaces".to_owned(),
    };
    match standing {
        Standing::Nothing => {
            told(format!("`{path}` does not exist; {wanted}. Nothing was written"))
                .hint("leave expected_version out to make it")
        }
        Standing::File(version, size) if scope.grant().may(Access::Read, path) => told(format!(
            "`{path}` is there, with version {} and {size} bytes; {wanted}. Nothing was written",
            version::shown(&version)
        ))
        .hint(match expected {
            Some(_) => "read_file it, make your change of that, and give its version",
            None => {
                "to replace it or to append to it, read_file it and give its version as \
                 expected_version; else choose another path"
            }
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
