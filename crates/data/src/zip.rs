//! Zip archives: the directory at the end of the file, which is read a member at a time, and what
//! is in one member. Nothing that the directory declares is believed beyond what is there.
use std::fmt::Write;
use std::io::{BufReader, Read};

use crate::error::TableError;
use crate::lines::Lines;
use crate::source::{Slice, Source};
use crate::stream::{Packing, Stream};

const END_BYTES: u64 = 22;
const LOCATOR_BYTES: u64 = 20;
/// Longest comment behind the directory.
const MAX_COMMENT_BYTES: u64 = 65_535;
const MEMBER_BYTES: usize = 46;
const BLOCK_BYTES: usize = 64 * 1024;

/// Whether a file begins as an archive does, with a member or without any.
pub(crate) fn is_zip(head: &[u8]) -> bool {
    matches!(head, [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..])
}

/// The directory of an archive.
pub(crate) struct Archive {
    source: Source,
    start: u64,
    length: u64,
    /// What stands before the archive in its file.
    before: u64,
}

/// What the directory says of a member.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub name: String,
    pub size: u64,
    packed: u64,
    method: u16,
    encrypted: bool,
    offset: u64,
}

impl Archive {
    /// Finds the directory.
    pub(crate) fn open(source: &Source) -> Result<Archive, TableError> {
        let size = source.size();
        let tail_start = size.saturating_sub(END_BYTES + MAX_COMMENT_BYTES + LOCATOR_BYTES);
        let tail = source.read(tail_start, size - tail_start)?;
        let place = tail
            .windows(4)
            .rposition(|window| window == b"PK\x05\x06")
            .filter(|at| tail.len() - at >= END_BYTES as usize)
            .ok_or_else(|| TableError::broken("the archive has no directory at its end"))?;
        let end = tail.get(place..).unwrap_or_default();
        let mut length = u64::from(number(end, 12, 4));
        let mut offset = u64::from(number(end, 16, 4));
        let mut directory_end = tail_start + place as u64;
        // Larger archives have a second such record before the first.
        let locator = place.checked_sub(LOCATOR_BYTES as usize).and_then(|at| tail.get(at..));
        if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
            let at = long(locator, 8);
            let record = source.read(at, 56)?;
            if record.len() == 56 && record.starts_with(b"PK\x06\x06") {
                (length, offset) = (long(&record, 40), long(&record, 48));
                directory_end = at;
            }
        }
        let start = directory_end
            .checked_sub(length)
            .ok_or_else(|| TableError::broken("the archive's directory is longer than the file"))?;
        let before = start.saturating_sub(offset);
        Ok(Archive { source: source.clone(), start, length, before })
    }

    /// The members, from the first.
    pub(crate) fn members(&self) -> Members {
        let slice = Slice::new(&self.source, self.start, self.length);
        Members { reader: BufReader::with_capacity(BLOCK_BYTES, slice), left: self.length }
    }

    /// The first member of this name.
    pub(crate) fn member(&self, name: &str) -> Result<Option<Member>, TableError> {
        let mut members = self.members();
        while let Some(member) = members.next()? {
            if member.name == name {
                return Ok(Some(member));
            }
        }
        Ok(None)
    }

    /// What is in a member, however much it is.
    pub(crate) fn read(&self, member: &Member) -> Result<Stream<Slice>, TableError> {
        if member.encrypted {
            return Err(TableError::broken(format!("`{}` is encrypted", member.name)));
        }
        let offset = self.before.saturating_add(member.offset);
        let header = self.source.read(offset, 30)?;
        if header.len() < 30 || !header.starts_with(b"PK\x03\x04") {
            return Err(TableError::broken(format!(
                "`{}` is not where the archive's directory says",
                member.name
            )));
        }
        let data =
            offset + 30 + u64::from(number(&header, 26, 2)) + u64::from(number(&header, 28, 2));
        let slice = Slice::new(&self.source, data, member.packed);
        let stop = self.source.stop();
        Ok(match member.method {
            0 => Stream::plain(slice, u64::MAX, stop),
            8 => Stream::deflate(slice, u64::MAX, stop),
            12 => Stream::new(Packing::Bzip2, slice, u64::MAX, stop),
            93 => Stream::new(Packing::Zstd, slice, u64::MAX, stop),
            95 => Stream::new(Packing::Xz, slice, u64::MAX, stop),
            other => {
                return Err(TableError::broken(format!(
                    "`{}` is compressed by method {other}; 0 (none), 8 (deflate), 12 (bzip2), 93 \
                     (zstd) and 95 (xz) are read",
                    member.name
                )));
            }
        })
    }
}

/// Goes through the members of an archive.
pub(crate) struct Members {
    reader: BufReader<Slice>,
    left: u64,
}

impl Members {
    /// The next member; none behind the last.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, TableError> {
        if self.left < MEMBER_BYTES as u64 {
            return Ok(None);
        }
        let header = self.take(MEMBER_BYTES)?;
        if !header.starts_with(b"PK\x01\x02") {
            return Err(TableError::broken("the archive's directory is damaged"));
        }
        let lengths = [28, 30, 32].map(|at| number(&header, at, 2) as usize);
        let [name, extra, comment] = lengths;
        let name = self.take(name)?;
        let extra = self.take(extra)?;
        self.take(comment)?;
        let mut member = Member {
            name: String::from_utf8_lossy(&name).into_owned(),
            size: u64::from(number(&header, 24, 4)),
            packed: u64::from(number(&header, 20, 4)),
            method: u16::try_from(number(&header, 10, 2)).unwrap_or(u16::MAX),
            encrypted: number(&header, 8, 2) & 1 != 0,
            offset: u64::from(number(&header, 42, 4)),
        };
        member.enlarge(&extra);
        Ok(Some(member))
    }

    fn take(&mut self, bytes: usize) -> Result<Vec<u8>, TableError> {
        self.left = self.left.saturating_sub(bytes as u64);
        let mut taken = vec![0; bytes];
        self.reader.read_exact(&mut taken).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => {
                TableError::broken("the archive's directory breaks off")
            }
            _ => TableError::Io(error),
        })?;
        Ok(taken)
    }
}

impl Member {
    /// Takes sizes that need more than four bytes from where they stand.
    fn enlarge(&mut self, mut extra: &[u8]) {
        while let Some((head, rest)) = extra.split_at_checked(4) {
            let length = number(head, 2, 2) as usize;
            let (field, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            extra = rest;
            if number(head, 0, 2) != 1 {
                continue;
            }
            let mut at = 0;
            for value in [&mut self.size, &mut self.packed, &mut self.offset] {
                if *value == u64::from(u32::MAX) && field.len() >= at + 8 {
                    *value = long(field, at);
                    at += 8;
                }
            }
        }
    }
}

/// A member a line: its size and its name.
pub(crate) struct List(pub Members);

impl Lines for List {
    fn next(&mut self, line: &mut String) -> Result<bool, TableError> {
        let Some(member) = self.0.next()? else { return Ok(false) };
        // Writing to a String cannot fail.
        let _ = write!(line, "{}\t{}", member.size, crate::lines::one_line(&member.name));
        if member.encrypted {
            line.push_str(" (encrypted)");
        }
        line.push('\n');
        Ok(true)
    }
}

/// A number of up to four bytes, the low one first; 0 where there are not so many.
fn number(bytes: &[u8], at: usize, length: usize) -> u32 {
    let part = bytes.get(at..at + length).unwrap_or_default();
    part.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// A number of eight bytes.
fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(number(bytes, at + 4, 4)) << 32 | u64::from(number(bytes, at, 4))
}
