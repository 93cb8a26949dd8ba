//! Tar archives (ustar, GNU and pax), read from their beginning: the members and what is in one.
use std::fmt::Write;
use std::io::{self, ErrorKind, Read};

use crate::error::TableError;
use crate::lines::Lines;
use crate::source::Slice;
use crate::stream::{End, Stream};

const BLOCK_BYTES: usize = 512;
/// Longest name, and longest record of pax attributes, that is read.
const MAX_NAME_BYTES: u64 = 64 * 1024;

/// Whether a file begins as an archive does.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar") && head.get(..BLOCK_BYTES).is_some_and(is_sound)
}

/// Whether the header's sum is the one that it has in it.
fn is_sound(header: &[u8]) -> bool {
    let sum: u64 = header
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) })
        .sum();
    octal(header.get(148..156).unwrap_or_default()) == Some(sum)
}

/// Where an archive is read from.
pub(crate) enum Bytes {
    Plain(Slice),
    Packed(Box<Stream<Slice>>),
}

impl Bytes {
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        match self {
            Bytes::Plain(slice) => {
                slice.skip(bytes);
                Ok(())
            }
            Bytes::Packed(stream) => {
                let skipped = io::copy(&mut stream.take(bytes), &mut io::sink())?;
                if skipped < bytes { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
            }
        }
    }

    /// Why there is nothing more, where that is not the archive's end.
    fn broken(&self) -> TableError {
        match self {
            Bytes::Packed(stream) => match stream.end() {
                End::Broken(why) => {
                    TableError::broken(format!("its compressed stream breaks off: {why}"))
                }
                End::Stopped(stop) => TableError::Stopped(*stop),
                End::Limit => TableError::broken(format!(
                    "only its first {} bytes are within reach",
                    stream.limit()
                )),
                End::Open | End::Whole => TableError::broken("the archive breaks off"),
            },
            Bytes::Plain(_) => TableError::broken("the archive breaks off"),
        }
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Bytes::Plain(slice) => slice.read(buffer),
            Bytes::Packed(stream) => stream.read(buffer),
        }
    }
}

/// What a header says of a member.
#[derive(Debug)]
pub(crate) struct Member {
    pub name: String,
    size: u64,
    kind: u8,
    link: String,
}

/// Goes through the members of an archive.
pub(crate) struct Members {
    bytes: Bytes,
    /// What is left of the member, with what fills its last block.
    left: u64,
}

impl Members {
    pub(crate) fn new(bytes: Bytes) -> Members {
        Members { bytes, left: 0 }
    }

    /// The next member; none behind the last.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, TableError> {
        let (mut name, mut link, mut size) = (None, None, None);
        loop {
            let skipped = self.bytes.skip(std::mem::take(&mut self.left));
            skipped.map_err(|error| self.failed(error))?;
            let mut header = [0; BLOCK_BYTES];
            if !self.fill(&mut header)? || header.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            if !is_sound(&header) {
                return Err(TableError::broken("a header of the archive is damaged"));
            }
            let field = |from: usize, to: usize| text(header.get(from..to).unwrap_or_default());
            let kind = header.get(156).copied().unwrap_or_default();
            let length = octal(header.get(124..136).unwrap_or_default())
                .ok_or_else(|| TableError::broken("a size in the archive is no number"))?;
            // What only describes the next member has its own size.
            let describes = matches!(kind, b'L' | b'K' | b'x' | b'g');
            let length = if describes { length } else { size.take().unwrap_or(length) };
            self.left = length.saturating_add(BLOCK_BYTES as u64 - 1) / 512 * 512;
            if describes && length > MAX_NAME_BYTES {
                // It is passed over, and the member keeps the name in its header.
                continue;
            }
            match kind {
                b'L' => name = Some(text(&self.described(length)?)),
                b'K' => link = Some(text(&self.described(length)?)),
                b'x' => {
                    for (key, value) in attributes(&self.described(length)?) {
                        match key.as_str() {
                            "path" => name = Some(value),
                            "linkpath" => link = Some(value),
                            "size" => size = value.parse().ok(),
                            _ => {}
                        }
                    }
                }
                b'g' => {}
                kind => {
                    let prefix = if header.get(257..263) == Some(b"ustar\0") {
                        field(345, 500)
                    } else {
                        String::new()
                    };
                    let own = || match prefix.as_str() {
                        "" => field(0, 100),
                        prefix => format!("{prefix}/{}", field(0, 100)),
                    };
                    return Ok(Some(Member {
                        name: name.unwrap_or_else(own),
                        size: length,
                        kind,
                        link: link.unwrap_or_else(|| field(157, 257)),
                    }));
                }
            }
        }
    }

    /// What is in the first file of this name; none where there is no such member.
    pub(crate) fn find(mut self, name: &str) -> Result<Option<Content>, TableError> {
        while let Some(member) = self.next()? {
            if member.name == name {
                if !member.is_file() {
                    return Err(TableError::broken(format!("`{name}` in it is no file")));
                }
                return Ok(Some(Content(self.bytes.take(member.size))));
            }
        }
        Ok(None)
    }

    fn described(&mut self, length: u64) -> Result<Vec<u8>, TableError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        if !self.fill(&mut bytes)? {
            return Err(self.bytes.broken());
        }
        self.left -= length;
        Ok(bytes)
    }

    /// Fills the buffer; false where there is nothing at all.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, TableError> {
        let mut filled = 0;
        while let Some(space) = buffer.get_mut(filled..).filter(|space| !space.is_empty()) {
            match self.bytes.read(space) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        let ended = matches!(&self.bytes, Bytes::Packed(stream) if *stream.end() != End::Whole);
        match filled {
            0 if ended => Err(self.bytes.broken()),
            0 => Ok(false),
            filled if filled < buffer.len() => Err(self.bytes.broken()),
            _ => Ok(true),
        }
    }

    fn failed(&self, error: io::Error) -> TableError {
        if error.kind() == ErrorKind::UnexpectedEof { self.bytes.broken() } else { error.into() }
    }
}

impl Member {
    fn is_file(&self) -> bool {
        matches!(self.kind, b'0' | 0 | b'7')
    }
}

/// What is in a member.
pub(crate) struct Content(io::Take<Bytes>);

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 && self.0.limit() > 0 && !buffer.is_empty() {
            return Err(io::Error::other(self.0.get_ref().broken()));
        }
        Ok(read)
    }
}

/// A member a line: its size and its name.
pub(crate) struct List(pub Members);

impl Lines for List {
    fn next(&mut self, line: &mut String) -> Result<bool, TableError> {
        let Some(member) = self.0.next()? else { return Ok(false) };
        let name = crate::lines::one_line(&member.name);
        // Writing to a String cannot fail.
        let _ = write!(line, "{}\t{name}", member.size);
        if matches!(member.kind, b'1' | b'2') {
            let _ = write!(line, " -> {}", crate::lines::one_line(&member.link));
        }
        line.push('\n');
        Ok(true)
    }
}

/// A field of a header: up to its first NUL.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// A number in octal digits, or in the binary form of GNU for large ones.
fn octal(bytes: &[u8]) -> Option<u64> {
    if let Some((0x80, rest)) = bytes.split_first() {
        return rest.iter().try_fold(0_u64, |number, byte| {
            number.checked_mul(256).map(|number| number | u64::from(*byte))
        });
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let digits = text.trim_matches(|character: char| character == '\0' || character == ' ');
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok() }
}

/// The records `<length> <key>=<value>\n` of pax.
fn attributes(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let digits = std::str::from_utf8(bytes.get(..space).unwrap_or_default()).ok();
        let Some(length) = digits.and_then(|digits| digits.parse::<usize>().ok()) else { break };
        let Some((record, rest)) = bytes.split_at_checked(length).filter(|_| length > space + 1)
        else {
            break;
        };
        bytes = rest;
        let record = record.get(space + 1..length - 1).unwrap_or_default();
        if let Some(equals) = record.iter().position(|byte| *byte == b'=') {
            let (key, value) = record.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            found.push((
                String::from_utf8_lossy(key).into_owned(),
                String::from_utf8_lossy(value).into_owned(),
            ));
        }
    }
    found
}
