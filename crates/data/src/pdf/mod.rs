//! The text of PDF files, page by page.
//!
//! It is read here and by no crate, since those that there are take no bound: hayro-syntax
//! decompresses a stream of objects to its end, and lopdf, under pdf-extract, makes a value of its
//! own of each token of the file. Here a file's objects are looked at where they stand, each with a
//! bound of its values, and a stream is decompressed up to a limit, when a page needs it.
mod cmap;
mod file;
mod filter;
mod font;
mod glyph;
mod object;
mod page;

use mcp_workspace_stop::StopSignal;

use self::file::File;
use crate::error::TableError;
use crate::lines::Lines;
use crate::room::Room;

/// Whether a file begins as a PDF does.
pub(crate) fn is_pdf(head: &[u8]) -> bool {
    let head = head.get(..1_024).unwrap_or(head);
    memchr::memmem::find(head, b"%PDF-").is_some_and(|at| {
        // A text may speak of it; what stands before it otherwise is white space or a mark.
        at == 0 || head.get(..at).is_some_and(|before| before.iter().all(|b| !b.is_ascii_graphic()))
    })
}

/// The pages of a file as text: a heading, and the lines of the page.
pub(crate) struct Pages {
    file: File,
    pages: Vec<u32>,
    /// The page that is next, and the one behind the last, from 0.
    next: usize,
    end: usize,
    headed: bool,
}

impl Pages {
    /// Opens a file.
    pub(crate) fn open(
        bytes: Vec<u8>,
        room: &Room,
        stop: &StopSignal,
    ) -> Result<Pages, TableError> {
        let file = File::open(bytes, room, stop)?;
        let pages = file.pages()?;
        let end = pages.len();
        Ok(Pages { file, pages, next: 0, end, headed: true })
    }

    /// How many pages there are.
    pub(crate) fn count(&self) -> usize {
        self.pages.len()
    }

    /// Only the pages that are chosen: `3`, or `3-5`. None where there are no such pages.
    pub(crate) fn only(mut self, chosen: &str) -> Option<Pages> {
        let (first, last) = chosen.split_once('-').unwrap_or((chosen, chosen));
        let first = first.trim().parse::<usize>().ok()?;
        let last = last.trim().parse::<usize>().ok()?;
        if first == 0 || first > last || first > self.pages.len() {
            return None;
        }
        (self.next, self.end) = (first - 1, last.min(self.pages.len()));
        self.headed = first != last;
        Some(self)
    }
}

impl Lines for Pages {
    fn next(&mut self, line: &mut String) -> Result<bool, TableError> {
        let Some(number) = self.pages.get(self.next).filter(|_| self.next < self.end) else {
            return Ok(false);
        };
        self.next += 1;
        let page = page::read(&self.file, *number)?;
        let mut about = Vec::new();
        if page.text.trim().is_empty() {
            about.push(match (page.images, page.largest) {
                (0, _) => "no text".to_owned(),
                (_, None) => "no text: an image".to_owned(),
                (_, Some((width, height))) => {
                    format!("no text: an image of {width} x {height} pixels, perhaps a scan")
                }
            });
        } else if page.images > 0 {
            let images = if page.images == 1 { "image" } else { "images" };
            about.push(format!("{} {images} not shown", page.images));
        }
        if page.unknown {
            about.push("some letters have no known text".to_owned());
        }
        if self.headed || !about.is_empty() {
            line.push_str(&format!("[page {}", self.next));
            about.iter().for_each(|one| {
                line.push_str(" · ");
                line.push_str(one);
            });
            line.push_str("]\n");
        }
        let text = page.text.trim_end();
        if !text.trim().is_empty() {
            line.push_str(text);
            line.push('\n');
        }
        Ok(true)
    }
}
