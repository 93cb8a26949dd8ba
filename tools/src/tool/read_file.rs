//! `read_file`: a window of a text file's lines or a table's rows, or an image, a sound, a
//! description of a binary.

mod binary;
#[cfg(feature = "data")]
mod compressed;
#[cfg(feature = "data")]
mod data;
mod render;

use std::borrow::Cow;
use std::fs::File;
use std::io::{Seek, SeekFrom};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Alias, Effect, Foreign, Tool, arguments};
use crate::answer::{Format, Shown};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::text::{
    Encoding, Family, LineEndings, MAX_LINE_CHARS, NoVersion, Request, TAIL_BYTES, Window,
    WindowError, read_head, read_window,
};
use crate::workspace::{Scope, read_error};

/// Lines of one answer unless the caller says otherwise.
const DEFAULT_LIMIT: u64 = 2_000;
/// Most lines of one answer.
const MAX_LIMIT: u64 = 100_000;
/// What of the answer's characters is left for all that is not content.
const CHARS_AROUND: usize = 1_000;
/// What a window of a text takes of memory at most: blocks, the kept lines, the answer.
const TEXT_BYTES: usize = 2 * 1024 * 1024;

/// The tool.
pub struct ReadFile;

/// Arguments of `read_file`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The file.
    path: String,
    /// The first line, from 1; -20: the last 20 lines. Default: 1.
    offset: Option<i64>,
    /// Most lines, up to 100000. Default: 2000.
    limit: Option<u64>,
    /// One part alone: a sheet, a member of an archive, a page of a PDF (`3`, `3-5`).
    part: Option<String>,
    /// `json` for the exact text. Default: text.
    #[serde(default)]
    format: Format,
}

/// Output of `read_file`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The file.
    path: String,
    /// The exact text of the lines; base64 of an image or a sound; empty for other binary files.
    content: String,
    /// `utf-8`, `utf-8-bom`, `utf-16le`, `utf-16be`, `iso-8859-1`, `windows-1252`, `base64` or `binary`; where the server is built for data also `gzip+` and the like before a text's, and formats such as `parquet`, `xlsx`, `zip` and `notebook`.
    encoding: Cow<'static, str>,
    /// Number of the first line; negative when counted from the end; 0 for what has no lines.
    start_line: i64,
    /// Number of the last line; one less than `start_line` for an empty file.
    end_line: i64,
    /// The first line of a CSV, a TSV or a sheet, whose lines begin further on.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    /// Whether lines follow.
    more: bool,
    /// The offset to continue with.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<i64>,
    /// The file's size in bytes.
    size: u64,
    /// SHA-256 of the file's content, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Lines of the whole file, where it was read whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    total_lines: Option<u64>,
    /// Lines of this answer that were cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    lines_cut: Option<u64>,
    /// How the lines end that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    line_endings: Option<LineEndings>,
    /// The media type of a binary file, by its first bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    /// The columns of a table.
    #[serde(skip_serializing_if = "no_columns")]
    schema: Option<Vec<Column>>,
    /// The rows of a table's window; `start_line` and `end_line` are their numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<Value>>,
    /// Rows of the whole table, where they could be counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    row_count: Option<u64>,
    /// How a table is stored, such as its row groups and its compression.
    #[serde(skip_serializing_if = "Option::is_none")]
    stored: Option<String>,
    /// What is missing in this answer and why, such as the version of a very large file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip)]
    format: Format,
}

/// Whether the columns are not told: this is no table, or whoever reads on knows them.
fn no_columns(schema: &Option<Vec<Column>>) -> bool {
    schema.as_ref().is_none_or(Vec::is_empty)
}

/// A column of a table, or a field inside of one.
#[derive(Debug, Serialize, JsonSchema)]
struct Column {
    /// Its name; that of a field inside is joined to it by a dot, and `[]` stands for the items of a list.
    name: String,
    /// Its type, such as `int64`, `decimal(10,2)` or `list<string>`.
    r#type: String,
    /// Whether it may be null.
    nullable: bool,
}

impl Tool for ReadFile {
    const NAME: &'static str = "read_file";
    const TITLE: &'static str = "Read a file";
    const DESCRIPTION: &'static str = include_str!("read_file.md");
    const GUIDE: &'static str = "`read_file` gives numbered lines and the file's `version`.";
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Read;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = false;
    const ESSENTIAL: &'static [&'static str] = &["offset", "limit", "format"];
    const ALIASES: &'static [Alias] = &[
        ("file_path", "path"),
        ("file", "path"),
        ("filename", "path"),
        ("uri", "path"),
        ("line", "offset"),
        ("start", "offset"),
        ("start_line", "offset"),
        ("line_offset", "offset"),
        ("length", "limit"),
        ("count", "limit"),
        ("num_lines", "limit"),
        ("max_lines", "limit"),
        ("head_limit", "limit"),
        ("sheet", "part"),
        ("sheet_name", "part"),
        ("member", "part"),
    ];
    const FOREIGN: &'static [Foreign] = &[
        ("head", |given, _| Some(vec![("offset", 1.into()), ("limit", given.clone())])),
        ("tail", |given, _| {
            let lines = arguments::whole(given).filter(|lines| *lines > 0)?;
            Some(vec![("offset", lines.checked_neg()?.into())])
        }),
        ("end_line", |given, all| {
            let first = ["offset", "start_line", "start", "line", "line_offset"];
            let first = first.iter().find_map(|name| all.get(*name)).map(arguments::whole);
            let lines = arguments::whole(given)?.checked_sub(first.unwrap_or(Some(1))?)?;
            let lines = lines.checked_add(1).filter(|lines| *lines > 0)?;
            Some(vec![("limit", lines.into())])
        }),
    ];
    type Args = Args;
    type Output = Output;

    fn is_partial(output: &Output) -> bool {
        output.more
    }

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        let path = WorkspacePath::parse(&args.path)?;
        let request = request(&args, scope, call)?;
        let mut opened = scope.open_file(&path, call)?;
        let head = read_head(&mut opened.file).map_err(|error| read_error(&path, &error))?;
        let _drawn = scope.memory().draw(memory_for(&path, &head, opened.size), call)?;
        #[cfg(feature = "data")]
        if let Some(output) = data::read(&path, &mut opened, &head, &args, &request, call)? {
            return Ok(output);
        }
        #[cfg(not(feature = "data"))]
        if args.part.is_some() {
            return Err(ToolError::invalid("`part` is for a server that is built for data")
                .hint("leave `part` out: this server reads no workbooks and archives"));
        }
        let Some(family) = Family::of(&head).filter(|_| binary::media(&head).is_none()) else {
            let mut output =
                binary::read(&path, opened, head, request.whole_bytes, args.format, call)?;
            if args.offset.is_some() || args.limit.is_some() {
                output.notes.push("it has no lines, so offset and limit were not used".to_owned());
            }
            return Ok(output);
        };
        let mut request = request;
        let mut header = None;
        if is_delimited(path.as_str()) && request.offset != 1 {
            header = first_line(&head, family, &request, call);
            leave_room(&mut request, header.as_deref());
        }
        let read = |file: &mut File, request: &Request| {
            read_window(file, opened.size, &head, family, request, call)
        };
        let failed = |error| match error {
            WindowError::PastEnd(_) => {
                ToolError::new(Code::Io, format!("`{path}` changed while it was read"))
                    .hint("read it again")
            }
            WindowError::Stopped(stop) => stop.into(),
            WindowError::Io(error) => read_error(&path, &error),
        };
        match read(&mut opened.file, &request) {
            Ok(window) => {
                let mut output = Output::text(&path, window, &request, args.format);
                // Lines that are counted from the end may be all lines.
                output.header = header.filter(|_| output.start_line != 1);
                Ok(output)
            }
            Err(WindowError::PastEnd(lines)) => {
                let first = Request { offset: 1, limit: 1, ..request };
                let after_head = SeekFrom::Start(head.len() as u64);
                opened.file.seek(after_head).map_err(|error| failed(error.into()))?;
                let window = read(&mut opened.file, &first).map_err(failed)?;
                Ok(Output::text(&path, window, &first, args.format).past_end(request.offset, lines))
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn show(output: &Output) -> Shown {
        match (output.format, &output.media_type) {
            (Format::Json, _) => Shown::Json,
            (Format::Text, _) if output.schema.is_some() => Shown::Text(render::table(output)),
            (Format::Text, Some(media_type)) if output.encoding == binary::BASE64 => {
                binary::show(output, media_type)
            }
            (Format::Text, _) => Shown::Text(render::text(output)),
        }
    }
}

/// What the reading of a file that begins with `head` holds at most, in bytes.
#[cfg_attr(not(feature = "data"), expect(unused_variables, reason = "documents go by names too"))]
fn memory_for(path: &WorkspacePath, head: &[u8], size: u64) -> usize {
    #[cfg(feature = "data")]
    if let Some(bytes) = data::memory_for(path.as_str(), head, size) {
        return bytes;
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    match binary::media(head) {
        Some(_) => size.min(binary::MAX_MEDIA_BYTES as usize).saturating_mul(4),
        None => size.saturating_mul(2).min(TEXT_BYTES),
    }
}

/// Whether a file of this name has a line with the names of columns, and then a row a line.
fn is_delimited(name: &str) -> bool {
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    matches!(end.as_deref(), Some("csv" | "tsv" | "tab"))
}

/// The first line of a text that begins with `head`.
fn first_line(head: &[u8], family: Family, request: &Request, call: &Call) -> Option<String> {
    let first = Request { offset: 1, limit: 1, ..*request };
    let window = read_window(&mut std::io::empty(), 0, head, family, &first, call).ok()?;
    header_of(window)
}

/// Leaves room for a first line that is shown above the others.
fn leave_room(request: &mut Request, header: Option<&str>) {
    let cost = header.map_or(0, |header| (request.cost)(header, 1));
    request.room = request.room.saturating_sub(cost);
}

/// The line of a window, without its end; none where it is empty.
fn header_of(window: Window) -> Option<String> {
    let line = window.content.lines().next()?;
    (!line.is_empty()).then(|| line.to_owned())
}

/// Characters that content may take of an answer.
fn room(path: &str, call: &Call) -> usize {
    call.answer_chars.saturating_sub(CHARS_AROUND + path.len())
}

fn request(args: &Args, scope: &Scope, call: &Call) -> Result<Request, ToolError> {
    let offset = args.offset.unwrap_or(1);
    if offset == 0 {
        return Err(ToolError::invalid("`offset` is 0; lines count from 1")
            .hint("1 is the first line, -1 the last"));
    }
    let limit = arguments::limit(args.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    Ok(Request {
        offset,
        limit,
        whole_bytes: scope.grant().limits().max_file_bytes,
        room: room(&args.path, call),
        cost: match args.format {
            Format::Text => render::text_cost,
            Format::Json => render::json_cost,
        },
    })
}

/// What is said where a window would begin after the last line or row.
fn nothing_there(offset: i64, count: u64, what: &str) -> String {
    let (counted, last) = match count {
        0 => (format!("no {what}s"), String::new()),
        1 => (format!("1 {what}"), String::new()),
        _ => (format!("{count} {what}s"), format!(", the last at offset {count}")),
    };
    format!("nothing at offset {offset}: the file has {counted}{last}")
}

impl Output {
    /// An answer about the beginning of a text as the one for an offset after its last line.
    fn past_end(mut self, offset: i64, lines: u64) -> Output {
        self.content.clear();
        self.end_line = i64::try_from(lines).unwrap_or(i64::MAX);
        self.start_line = self.end_line.saturating_add(1);
        (self.more, self.next_offset, self.lines_cut) = (false, None, None);
        self.total_lines = Some(lines);
        self.notes.push(nothing_there(offset, lines, "line"));
        self
    }

    fn text(path: &WorkspacePath, window: Window, request: &Request, format: Format) -> Output {
        let mut notes = Vec::new();
        match &window.version {
            Ok(_) => {}
            Err(NoVersion::TooLarge) => notes.push(format!(
                "no version: the file is over {} bytes (max_file_bytes)",
                request.whole_bytes
            )),
            Err(NoVersion::Deadline) => {
                notes.push("no version: time ran out before the file's end".to_owned());
            }
            Err(NoVersion::Changed) => {
                notes.push("no version: the file changed while it was read; read it again".into());
            }
        }
        if window.short_tail {
            notes.push(format!(
                "earlier lines lie more than {TAIL_BYTES} bytes before the end; reach them with a positive offset"
            ));
        }
        if window.lines_cut > 0 {
            let lines = if window.lines_cut == 1 { "line" } else { "lines" };
            notes.push(format!(
                "{} {lines} cut at {MAX_LINE_CHARS} characters; grep finds what is further on",
                window.lines_cut
            ));
        }
        let may_replace = !matches!(window.encoding, Encoding::Latin1 | Encoding::Windows1252);
        if may_replace && window.content.contains(char::REPLACEMENT_CHARACTER) {
            notes.push(format!(
                "\u{fffd} stands for bytes that are not valid {}, unless the file has it itself",
                window.encoding.name()
            ));
        }
        Output {
            path: path.as_str().to_owned(),
            content: window.content,
            encoding: window.encoding.name().into(),
            start_line: window.start_line,
            end_line: window.end_line,
            more: window.more,
            next_offset: window.next_offset,
            size: window.size,
            version: window.version.ok(),
            total_lines: window.total_lines,
            lines_cut: (window.lines_cut > 0).then_some(window.lines_cut),
            line_endings: Some(window.endings),
            media_type: None,
            schema: None,
            rows: None,
            row_count: None,
            header: None,
            stored: None,
            notes,
            format,
        }
    }
}
