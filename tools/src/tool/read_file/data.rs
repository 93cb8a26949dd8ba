//! Compressed text, documents and tables, in a server that is built for data.
use std::io::{ErrorKind, Read, Seek, SeekFrom};

use mcp_workspace_data::document::{self, Document, Question};
use mcp_workspace_data::{End, Kind, Packing, Stream, Table, TableError, Window, read_table};
use sha2::{Digest, Sha256};

use super::compressed::{Stretch, read_stretch};
use super::{
    Args, Column, Output, binary, header_of, is_delimited, leave_room, nothing_there, render,
};
use crate::answer::Format;
use crate::call::{Call, Stop};
use crate::error::{Code, ToolError};
use crate::hex::hex;
use crate::path::WorkspacePath;
use crate::text::{self, NoVersion, Request, Version};
use crate::workspace::{OpenFile, read_error};

const BLOCK_BYTES: usize = 256 * 1024;

/// What is held at most of the last lines of a text that goes by: twice.
const LAST_LINES_BYTES: usize = 16 * 1024 * 1024;
/// Names of sheets that are told.
const NAMED_SHEETS: usize = 20;
/// What is held of a table at most: a page and its dictionary, as they are and as they are stored.
const TABLE_BYTES: usize = 128 * 1024 * 1024;
/// How much larger the parts of a table are than the file, at most, in memory.
const EXPANSION: usize = 8;

/// What the reading of such a file holds at most, in bytes; none where it is no such file.
pub(super) fn memory_for(name: &str, head: &[u8], size: u64) -> Option<usize> {
    if let Some(bytes) = document::memory(name, head, size) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        return Some(bytes.saturating_add(LAST_LINES_BYTES));
    }
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let expanded = size.saturating_mul(EXPANSION).min(TABLE_BYTES);
    Kind::of(head).filter(|_| text::Family::of(head).is_none()).map(|_| expanded)
}

/// The file as text or as a table; none where it is neither compressed nor a document or a table.
pub(super) fn read(
    path: &WorkspacePath,
    opened: &mut OpenFile,
    head: &[u8],
    args: &Args,
    request: &Request,
    call: &Call,
) -> Result<Option<Output>, ToolError> {
    let reading = Reading { path, head, args, request, call };
    // The exact text of a notebook is its JSON.
    let exact = args.format == Format::Json && document::is_notebook(path.as_str(), head);
    if !exact && let Some(output) = reading.document(opened)? {
        return Ok(Some(output));
    }
    if let Some(part) = &args.part {
        return Err(ToolError::invalid(format!("`part` is {part:?}, but `{path}` has no parts"))
            .hint("leave `part` out; workbooks and archives have parts"));
    }
    if let Some(packing) = Packing::of_file(path.as_str(), head) {
        return reading.unpack(packing, opened).map(Some);
    }
    // A text may begin with the letters PAR1 too.
    match Kind::of(head).filter(|_| text::Family::of(head).is_none()) {
        Some(kind) => reading.table(kind, opened).map(Some),
        None => Ok(None),
    }
}

/// A text that goes by, and what is known of it.
struct Passing<R: Read> {
    stream: Stream<R>,
    /// The format, such as `gzip` or `xlsx`.
    name: String,
    /// What breaks off where it does, such as `gzip stream`.
    what: String,
    /// Whether the encoding of the text is told too.
    encoded: bool,
    /// Whether the first line names the columns of the others.
    is_table: bool,
    notes: Vec<String>,
}

impl Passing<document::Text> {
    fn of(document: Document) -> Self {
        let mut notes = Vec::new();
        if let Some((what, parts)) = &document.parts
            && parts.len() > 1
        {
            let named: Vec<&str> = parts.iter().take(NAMED_SHEETS).map(String::as_str).collect();
            let more = match parts.len() - named.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = named.join(", ");
            notes.push(format!("{what}s: {named}{more}; `part` shows one of them alone"));
        }
        Passing {
            what: format!("{} file", document.name),
            stream: document.text,
            encoded: document.is_member,
            is_table: document.is_table,
            name: document.name,
            notes,
        }
    }
}

struct Reading<'a> {
    path: &'a WorkspacePath,
    head: &'a [u8],
    args: &'a Args,
    request: &'a Request,
    call: &'a Call,
}

impl Reading<'_> {
    fn document(&self, opened: &mut OpenFile) -> Result<Option<Output>, ToolError> {
        let path = self.path;
        let question = Question {
            name: path.as_str(),
            head: self.head,
            size: opened.size,
            part: self.args.part.as_deref(),
            whole_bytes: self.request.whole_bytes,
            stop: self.call.stop_signal(),
        };
        let open = |opened: &OpenFile| -> Result<Option<Document>, TableError> {
            document::open(Box::new(opened.file.try_clone()?), &question)
        };
        let document = match open(opened) {
            Ok(None) => {
                self.rewind(opened, self.head.len() as u64)?;
                return Ok(None);
            }
            Ok(Some(document)) => document,
            Err(error @ (TableError::Broken(_) | TableError::Memory(_))) => {
                return self.describe(opened, format!("not shown: {error}")).map(Some);
            }
            Err(error) => return Err(self.refused(error)),
        };
        let passing = Passing::of(document);
        let again = |opened: &mut OpenFile| {
            open(opened).map_err(|error| self.refused(error))?.map(Passing::of).ok_or_else(|| {
                ToolError::new(Code::Io, format!("`{path}` changed while it was read"))
                    .hint("read it again")
            })
        };
        self.show(passing, &again, opened).map(Some)
    }

    fn unpack(&self, packing: Packing, opened: &mut OpenFile) -> Result<Output, ToolError> {
        let again = |opened: &mut OpenFile| {
            self.rewind(opened, 0)?;
            let file = opened.file.try_clone().map_err(|error| read_error(self.path, &error))?;
            let stop = self.call.stop_signal();
            let name = packing.name();
            let bare =
                packing.endings().iter().find_map(|end| self.path.as_str().strip_suffix(end));
            Ok(Passing {
                stream: Stream::new(packing, file, self.request.whole_bytes, stop),
                name: name.to_owned(),
                what: format!("{name} stream"),
                encoded: true,
                is_table: bare.is_some_and(is_delimited),
                notes: Vec::new(),
            })
        };
        self.show(again(opened)?, &again, opened)
    }

    /// A window of a text that goes by; `again` begins it anew.
    fn show<R: Read>(
        &self,
        mut passing: Passing<R>,
        again: &dyn Fn(&mut OpenFile) -> Result<Passing<R>, ToolError>,
        opened: &mut OpenFile,
    ) -> Result<Output, ToolError> {
        let path = self.path;
        let mut request = *self.request;
        let mut header = None;
        if passing.is_table && request.offset != 1 {
            header = self.header(&mut passing.stream)?;
            leave_room(&mut request, header.as_deref());
            passing = again(opened)?;
        }
        let stream = &mut passing.stream;
        let stretch =
            read_stretch(stream, &request, self.call).map_err(|error| read_error(path, &error))?;
        let ((bytes, lines), limit, end) =
            (stream.progress(), stream.limit(), stream.end().clone());
        let broken = match &end {
            End::Broken(why) => {
                Some(format!("the {} breaks off after {bytes} bytes of text: {why}", passing.what))
            }
            _ => None,
        };
        let mut window = match stretch {
            _ if end == End::Limit && request.offset < 0 => {
                return Err(self.out_of_reach(limit, lines));
            }
            Stretch::Text(_) if bytes == 0 && broken.is_some() => {
                return self.describe(opened, broken.unwrap_or_default());
            }
            Stretch::Text(window) => window,
            Stretch::PastEnd(_) if end == End::Limit => {
                return Err(self.out_of_reach(limit, lines));
            }
            Stretch::PastEnd(lines) => {
                if let Some(broken) = broken {
                    let nothing = nothing_there(request.offset, lines, "line");
                    return Err(ToolError::invalid(format!("{nothing}; {broken}"))
                        .hint(format!("give an offset from 1 to {}", lines.max(1))));
                }
                let first = Request { offset: 1, limit: 1, ..request };
                let reading = Reading { request: &first, ..*self };
                let passing = again(opened)?;
                return Ok(reading.show(passing, again, opened)?.past_end(request.offset, lines));
            }
            Stretch::Binary(head) => {
                let kind = infer::get(&head).map_or("application/octet-stream", |k| k.mime_type());
                return self.describe(opened, format!("what is in it is no text ({kind})"));
            }
            Stretch::Stopped(Stop::Cancelled) => return Err(Stop::Cancelled.into()),
            Stretch::Stopped(Stop::Deadline) => {
                return Err(ToolError::new(
                    Code::Deadline,
                    format!(
                        "time ran out {bytes} bytes and {lines} lines into the text of `{path}`"
                    ),
                )
                .hint("its beginning can be read: give a smaller offset"));
            }
        };
        window.size = opened.size;
        window.version = self.version(opened)?;
        let encoding = if passing.encoded {
            format!("{}+{}", passing.name, window.encoding.name())
        } else {
            passing.name
        };
        let mut output = Output::text(path, window, &request, self.args.format);
        output.header = header.filter(|_| output.start_line > 1);
        output.encoding = encoding.into();
        output.notes.extend(broken);
        output.notes.extend(passing.notes);
        if end == End::Limit {
            output.notes.push(format!("only the first {limit} bytes of its text are within reach"));
        }
        if let End::Stopped(_) = end {
            output.notes.push(format!("time ran out {bytes} bytes into its text"));
        }
        Ok(output)
    }

    /// The first line of a text that goes by.
    fn header<R: Read>(&self, stream: &mut Stream<R>) -> Result<Option<String>, ToolError> {
        let first = Request { offset: 1, limit: 1, ..*self.request };
        let stretch = read_stretch(stream, &first, self.call)
            .map_err(|error| read_error(self.path, &error))?;
        Ok(match stretch {
            Stretch::Text(window) => header_of(window),
            _ => None,
        })
    }

    fn out_of_reach(&self, limit: u64, lines: u64) -> ToolError {
        ToolError::new(
            Code::TooLarge,
            format!(
                "`offset` is {}, but of `{}` only the first {limit} bytes of text are within \
                 reach (16 times max_file_bytes)",
                self.request.offset, self.path
            ),
        )
        .hint(format!("these are {lines} lines: give an offset from 1 to {}", lines.max(1)))
    }

    fn table(&self, kind: Kind, opened: &mut OpenFile) -> Result<Output, ToolError> {
        let (path, request) = (self.path, self.request);
        let json = self.args.format == Format::Json;
        // Whoever goes on has seen the schema.
        let wants_schema = json || self.args.offset.is_none_or(|offset| offset == 1);
        let window = Window {
            offset: request.offset,
            limit: request.limit,
            room: if wants_schema { request.room / 3 * 2 } else { request.room },
            cost: if json { |row, _| row.chars().count() + 1 } else { render::text_cost },
            budget: request.whole_bytes,
        };
        let file = opened.file.try_clone().map_err(|error| read_error(path, &error))?;
        let stop = self.call.stop_signal();
        let table = match read_table(kind, Box::new(file), opened.size, &window, stop) {
            Ok(table) => table,
            Err(TableError::PastEnd(rows)) => return self.no_rows(kind, rows, opened),
            Err(why @ (TableError::Broken(_) | TableError::TooMany(..))) => {
                return self.describe(opened, format!("not shown as {}: {why}", kind.name()));
            }
            Err(error) => return Err(self.refused(error)),
        };
        let schema = if wants_schema { Some(request.room / 3) } else { None };
        self.answer(kind, table, schema, opened)
    }

    /// The answer for a table that has no row at the offset.
    fn no_rows(&self, kind: Kind, rows: u64, opened: &mut OpenFile) -> Result<Output, ToolError> {
        let json = self.args.format == Format::Json;
        let last = i64::try_from(rows).unwrap_or(i64::MAX);
        Ok(Output {
            path: self.path.as_str().to_owned(),
            content: String::new(),
            encoding: kind.name().into(),
            start_line: last.saturating_add(1),
            end_line: last,
            more: false,
            next_offset: None,
            size: opened.size,
            version: self.version(opened)?.ok(),
            total_lines: None,
            lines_cut: None,
            line_endings: None,
            media_type: Some(kind.media_type().to_owned()),
            schema: Some(Vec::new()),
            rows: json.then(Vec::new),
            row_count: Some(rows),
            header: None,
            stored: None,
            notes: vec![nothing_there(self.request.offset, rows, "row")],
            format: self.args.format,
        })
    }

    fn answer(
        &self,
        kind: Kind,
        table: Table,
        schema: Option<usize>,
        opened: &mut OpenFile,
    ) -> Result<Output, ToolError> {
        let json = self.args.format == Format::Json;
        let mut notes = Vec::new();
        if !table.counted {
            notes.push(format!("at least {} rows; not all were counted", table.row_count));
        }
        let mut left = schema.unwrap_or(0);
        let mut columns = Vec::new();
        let all = table.fields.len() + table.more_fields;
        for field in table.fields {
            let cost = field.name.len() + field.kind.len() + if json { 50 } else { 20 };
            if cost > left {
                break;
            }
            left -= cost;
            columns.push(Column { name: field.name, r#type: field.kind, nullable: field.nullable });
        }
        if schema.is_some() && columns.len() < all {
            notes.push(format!("{} more fields in the schema", all - columns.len()));
        }
        notes.extend(table.rows.notes);
        let first = i64::try_from(table.rows.first).unwrap_or(i64::MAX);
        let count = i64::try_from(table.rows.rows.len()).unwrap_or(i64::MAX);
        let end = first.saturating_add(count).saturating_sub(1);
        let (mut content, mut rows) = (String::new(), Vec::new());
        for (row, text) in table.rows.rows {
            if json {
                rows.push(serde_json::to_value(row).unwrap_or_default());
            } else {
                content.push_str(&text);
                content.push('\n');
            }
        }
        let version = match self.version(opened)? {
            Ok(version) => Some(version),
            Err(why) => {
                notes.push(self.no_version(why));
                None
            }
        };
        Ok(Output {
            path: self.path.as_str().to_owned(),
            content,
            encoding: kind.name().into(),
            start_line: first,
            end_line: end,
            more: table.rows.more,
            next_offset: table.rows.more.then(|| end.saturating_add(1)),
            size: opened.size,
            version,
            total_lines: None,
            lines_cut: None,
            line_endings: None,
            media_type: Some(kind.media_type().to_owned()),
            schema: Some(columns),
            rows: json.then_some(rows),
            row_count: table.counted.then_some(table.row_count),
            header: None,
            stored: Some(table.about.join(" · ")),
            notes,
            format: self.args.format,
        })
    }

    /// The error for rows that cannot be given.
    fn refused(&self, error: TableError) -> ToolError {
        let path = self.path;
        match error {
            TableError::NotReached(rows) => ToolError::new(
                Code::TooLarge,
                format!("`{path}` has at least {rows} rows; they could not all be counted"),
            )
            .hint(format!("give an offset from 1 to {}", rows.max(1))),
            TableError::Budget(bytes) => ToolError::new(
                Code::TooLarge,
                format!("these rows of `{path}` take more than {bytes} bytes (max_file_bytes)"),
            )
            .hint("ask for fewer rows; the operator can raise the limit"),
            TableError::NoPart { .. } => {
                ToolError::new(Code::NotFound, format!("`{path}`: {error}"))
                    .hint("without `part` all of it is shown")
            }
            TableError::Stopped(stop) => stop.into(),
            TableError::Io(error) => read_error(path, &error),
            other => ToolError::invalid(format!("`{path}` is not readable: {other}")),
        }
    }

    /// The file as what it is on disk, and why it is not shown otherwise.
    fn describe(&self, opened: &mut OpenFile, why: String) -> Result<Output, ToolError> {
        self.rewind(opened, self.head.len() as u64)?;
        let opened = OpenFile {
            file: opened.file.try_clone().map_err(|error| read_error(self.path, &error))?,
            ..*opened
        };
        let (head, whole_bytes) = (self.head.to_vec(), self.request.whole_bytes);
        let mut output =
            binary::read(self.path, opened, head, whole_bytes, self.args.format, self.call)?;
        output.notes.insert(0, why);
        Ok(output)
    }

    /// The version of the file as it is stored.
    fn version(&self, opened: &mut OpenFile) -> Result<Version, ToolError> {
        let whole_bytes = self.request.whole_bytes;
        if opened.size > whole_bytes {
            return Ok(Err(NoVersion::TooLarge));
        }
        self.rewind(opened, 0)?;
        let (mut hasher, mut size) = (Sha256::new(), 0_u64);
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            match self.call.check() {
                Ok(()) => {}
                Err(Stop::Deadline) => return Ok(Err(NoVersion::Deadline)),
                Err(Stop::Cancelled) => return Err(Stop::Cancelled.into()),
            }
            match opened.file.read(&mut block) {
                Ok(0) if size == opened.size => return Ok(Ok(hex(&hasher.finalize()))),
                // It is another file by now.
                Ok(0) => return Ok(Err(NoVersion::Changed)),
                Ok(read) => {
                    size += read as u64;
                    hasher.update(block.get(..read).unwrap_or_default());
                    if size > opened.size {
                        return Ok(Err(NoVersion::Changed));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(self.path, &error)),
            }
        }
    }

    fn no_version(&self, why: NoVersion) -> String {
        match why {
            NoVersion::TooLarge => format!(
                "no version: the file is over {} bytes (max_file_bytes)",
                self.request.whole_bytes
            ),
            NoVersion::Deadline => "no version: time ran out before the file's end".to_owned(),
            NoVersion::Changed => {
                "no version: the file changed while it was read; read it again".to_owned()
            }
        }
    }

    fn rewind(&self, opened: &mut OpenFile, position: u64) -> Result<(), ToolError> {
        let sought = opened.file.seek(SeekFrom::Start(position));
        sought.map(|_| ()).map_err(|error| read_error(self.path, &error))
    }
}
