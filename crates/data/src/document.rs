//! Documents as text: notebooks as cells, workbooks as rows, PDF by pages, archives as lists of
//! their members, and one part of them alone. The text is made as it is read.
use std::io::{self, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use mcp_workspace_stop::StopSignal;

use crate::error::TableError;
use crate::lines::Made;
use crate::notebook;
pub use crate::notebook::is_notebook;
use crate::pdf;
use crate::room::Room;
use crate::source::{Input, Slice, Source};
use crate::stream::{End, Packing, Stream};
use crate::tar;
use crate::workbook::{SheetLines, Workbook};
use crate::zip::{self, Archive};

/// What a document may hold while it is read, in bytes, beside the file of a notebook.
const ROOM_BYTES: u64 = 48 * 1024 * 1024;
/// What is held besides: blocks, a row, an event of XML.
const BESIDES_BYTES: u64 = 16 * 1024 * 1024;
/// The beginning of a compressed file that shows whether an archive is in it.
const HEAD_BYTES: u64 = 512;

/// A text that is made of a document.
pub type Text = Box<dyn Read + Send>;

/// A document as text.
pub struct Document {
    /// The text, or the bytes of one member.
    pub text: Stream<Text>,
    /// The format, such as `xlsx` or `gzip+tar`.
    pub name: String,
    /// Whether a line is a row, and the first one names columns.
    pub is_table: bool,
    /// Whether the text is what a file in it contains, in whatever encoding it has.
    pub is_member: bool,
    /// What can be chosen and how it is called, such as `sheet` and the names of sheets; empty
    /// where the text itself lists it.
    pub parts: Option<(&'static str, Vec<String>)>,
}

/// What is asked of a document.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The name of the file.
    pub name: &'a str,
    /// How it begins.
    pub head: &'a [u8],
    /// Its size in bytes.
    pub size: u64,
    /// The sheet or the member alone.
    pub part: Option<&'a str>,
    /// The size up to which files are read whole; 16 times that is the most of a text.
    pub whole_bytes: u64,
    /// When it must end.
    pub stop: &'a StopSignal,
}

/// What the reading of a document holds at most, in bytes; none where a file that begins so is no
/// document. A compressed file may be one.
pub fn memory(name: &str, head: &[u8], size: u64) -> Option<u64> {
    if zip::is_zip(head) {
        return Some(ROOM_BYTES + BESIDES_BYTES);
    }
    if pdf::is_pdf(head) {
        return Some(size + ROOM_BYTES + 3 * BESIDES_BYTES);
    }
    if notebook::is_notebook(name, head) {
        return Some(size + notebook::MAX_BYTES as u64 + BESIDES_BYTES);
    }
    let packing = Packing::of_file(name, head);
    packing
        .map(|packing| packing.memory() + BESIDES_BYTES)
        .or_else(|| tar::is_tar(head).then_some(BESIDES_BYTES))
}

/// Opens a file as a document; none where it is another kind of file.
///
/// # Errors
/// [`TableError`].
pub fn open(
    input: Box<dyn Input>,
    question: &Question<'_>,
) -> Result<Option<Document>, TableError> {
    let open = || {
        let room = Room::new(ROOM_BYTES);
        let source = Source::scanned(input, question.size, &room, question.stop);
        question.open(&source, &room)
    };
    catch_unwind(AssertUnwindSafe(open))
        .unwrap_or_else(|_| Err(TableError::broken("its decoder failed on it")))
}

impl Question<'_> {
    fn open(&self, source: &Source, room: &Room) -> Result<Option<Document>, TableError> {
        if zip::is_zip(self.head) {
            return self.zip(source, room).map(Some);
        }
        if notebook::is_notebook(self.name, self.head) && self.part.is_none() {
            return self.notebook(source);
        }
        if pdf::is_pdf(self.head) {
            return self.pdf(source, room).map(Some);
        }
        if tar::is_tar(self.head) {
            let bytes = tar::Bytes::Plain(Slice::new(source, 0, source.size()));
            return self.tar(bytes, "tar".to_owned()).map(Some);
        }
        let Some(packing) = Packing::of_file(self.name, self.head) else { return Ok(None) };
        let unpacked = || {
            let slice = Slice::new(source, 0, source.size());
            Stream::new(packing, slice, self.whole_bytes, self.stop)
        };
        let mut head = Vec::new();
        // What fails here fails again where it is told.
        let _ = unpacked().take(HEAD_BYTES).read_to_end(&mut head);
        if !tar::is_tar(&head) {
            return Ok(None);
        }
        let bytes = tar::Bytes::Packed(Box::new(unpacked()));
        self.tar(bytes, format!("{}+tar", packing.name())).map(Some)
    }

    fn zip(&self, source: &Source, room: &Room) -> Result<Document, TableError> {
        if let Some(book) = Workbook::open(source, room)? {
            return self.workbook(book);
        }
        let archive = Archive::open(source)?;
        let Some(part) = self.part else {
            return Ok(self.document(Made::new(zip::List(archive.members())), "zip"));
        };
        let Some(member) = archive.member(part)? else {
            return Err(TableError::no_part("member", part, &[]));
        };
        let text = Ending(archive.read(&member)?);
        Ok(Document { is_member: true, ..self.document(text, "zip") })
    }

    fn tar(&self, bytes: tar::Bytes, name: String) -> Result<Document, TableError> {
        let members = tar::Members::new(bytes);
        let Some(part) = self.part else {
            return Ok(self.document(Made::new(tar::List(members)), &name));
        };
        let Some(text) = members.find(part)? else {
            return Err(TableError::no_part("member", part, &[]));
        };
        Ok(Document { is_member: true, ..self.document(text, &name) })
    }

    fn workbook(&self, book: Workbook) -> Result<Document, TableError> {
        let (name, sheets) = (book.name(), book.sheets());
        let chosen = match self.part {
            None => None,
            Some(part) => match sheets.iter().position(|sheet| sheet == part) {
                Some(index) => Some(index),
                None => return Err(TableError::no_part("sheet", part, &sheets)),
            },
        };
        let lines = match chosen {
            Some(index) => SheetLines::one(book, index),
            None => SheetLines::all(book),
        };
        Ok(Document {
            is_table: chosen.is_some() || sheets.len() == 1,
            parts: Some(("sheet", sheets)),
            ..self.document(Made::new(lines), name)
        })
    }

    fn pdf(&self, source: &Source, room: &Room) -> Result<Document, TableError> {
        if source.size() > self.whole_bytes {
            return Err(TableError::broken(format!(
                "a PDF is read whole, and it is over {} bytes (max_file_bytes)",
                self.whole_bytes
            )));
        }
        let bytes = source.read(0, source.size())?;
        let pages = pdf::Pages::open(bytes, room, self.stop)?;
        let count = pages.count();
        let pages = match self.part {
            None => pages,
            Some(part) => pages
                .only(part)
                .ok_or_else(|| TableError::no_part("page", part, &[format!("1-{count}")]))?,
        };
        let about =
            if self.part.is_none() { Some(("page", vec![format!("1-{count}")])) } else { None };
        Ok(Document { parts: about, ..self.document(Made::new(pages), "pdf") })
    }

    fn notebook(&self, source: &Source) -> Result<Option<Document>, TableError> {
        if source.size() > self.whole_bytes {
            return Ok(None);
        }
        let json = source.read(0, source.size())?;
        // What is none is a text like others.
        let text = notebook::text(&json).ok();
        Ok(text.map(|text| self.document(Cursor::new(text), "notebook")))
    }

    fn document(&self, text: impl Read + Send + 'static, name: &str) -> Document {
        let text: Text = Box::new(text);
        Document {
            text: Stream::plain(text, self.whole_bytes, self.stop),
            name: name.to_owned(),
            is_table: false,
            is_member: false,
            parts: None,
        }
    }
}

/// A stream that ends with an error where it breaks off.
struct Ending<R: Read>(Stream<R>);

impl<R: Read> Read for Ending<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        match self.0.end() {
            End::Broken(why) if read == 0 => Err(io::Error::other(why.clone())),
            _ => Ok(read),
        }
    }
}
