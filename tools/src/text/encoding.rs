//! Which encoding a file has, and text from its bytes.

use encoding_rs::WINDOWS_1252;

/// How much of a file decides whether it is binary.
pub const HEAD_BYTES: usize = 64 * 1024;

/// What the first bytes say: how line ends are found. Which single-byte encoding it is shows only
/// when all has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// ASCII and what extends it: a line ends with the byte 0x0A.
    Bytes {
        /// Whether a UTF-8 byte-order mark stands first.
        marked: bool,
    },
    /// UTF-16 with a byte-order mark.
    Utf16 {
        /// Whether the high byte comes first.
        big_endian: bool,
    },
}

impl Family {
    /// The family of a file that begins with `head`; none when it is binary, that is, when a NUL
    /// byte stands in the first [`HEAD_BYTES`] and no byte-order mark explains it.
    pub fn of(head: &[u8]) -> Option<Family> {
        match head {
            [0xEF, 0xBB, 0xBF, ..] => Some(Family::Bytes { marked: true }),
            [0xFF, 0xFE, ..] => Some(Family::Utf16 { big_endian: false }),
            [0xFE, 0xFF, ..] => Some(Family::Utf16 { big_endian: true }),
            _ if head.iter().take(HEAD_BYTES).any(|byte| *byte == 0) => None,
            _ => Some(Family::Bytes { marked: false }),
        }
    }

    /// Length of the byte-order mark in bytes.
    pub fn mark_bytes(self) -> usize {
        match self {
            Family::Bytes { marked: true } => 3,
            Family::Bytes { marked: false } => 0,
            Family::Utf16 { .. } => 2,
        }
    }

    /// Bytes of a line feed.
    pub fn unit_bytes(self) -> usize {
        match self {
            Family::Bytes { .. } => 1,
            Family::Utf16 { .. } => 2,
        }
    }

    /// The encoding, given whether all that was read is UTF-8.
    pub fn encoding(self, is_utf8: bool) -> Encoding {
        match self {
            Family::Bytes { marked: true } => Encoding::Utf8Marked,
            Family::Bytes { marked: false } if is_utf8 => Encoding::Utf8,
            Family::Bytes { marked: false } => Encoding::Latin1,
            Family::Utf16 { big_endian: true } => Encoding::Utf16Be,
            Family::Utf16 { big_endian: false } => Encoding::Utf16Le,
        }
    }

    /// Whether `unit` is the character `wanted`, an ASCII one.
    pub(super) fn is(self, unit: &[u8], wanted: u8) -> bool {
        match self {
            Family::Bytes { .. } => unit == [wanted],
            Family::Utf16 { big_endian: false } => unit == [wanted, 0],
            Family::Utf16 { big_endian: true } => unit == [0, wanted],
        }
    }
}

/// The encoding of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-8 after a byte-order mark, which is no part of the text.
    Utf8Marked,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// Latin-1, read as Windows-1252, which fills its unused places.
    Latin1,
}

impl Encoding {
    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf8Marked => "utf-8-bom",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::Latin1 => "iso-8859-1",
        }
    }

    /// The first `most` characters of `bytes`, which has no byte-order mark, and how many bytes
    /// they took. What is malformed becomes U+FFFD.
    pub fn decode(self, bytes: &[u8], most: usize) -> (String, usize) {
        match self {
            Encoding::Utf8 | Encoding::Utf8Marked => decode_utf8(bytes, most),
            Encoding::Utf16Le => decode_utf16(bytes, most, u16::from_le_bytes),
            Encoding::Utf16Be => decode_utf16(bytes, most, u16::from_be_bytes),
            Encoding::Latin1 => {
                let taken = bytes.get(..most).unwrap_or(bytes);
                (WINDOWS_1252.decode_without_bom_handling(taken).0.into_owned(), taken.len())
            }
        }
    }
}

fn decode_utf8(bytes: &[u8], most: usize) -> (String, usize) {
    let mut text = String::with_capacity(bytes.len());
    let (mut left, mut used) = (most, 0);
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        if let Some((end, _)) = valid.char_indices().nth(left) {
            text.push_str(valid.get(..end).unwrap_or_default());
            return (text, used + end);
        }
        text.push_str(valid);
        left -= if left == usize::MAX { 0 } else { valid.chars().count() };
        used += valid.len();
        if !chunk.invalid().is_empty() {
            if left == 0 {
                break;
            }
            text.push(char::REPLACEMENT_CHARACTER);
            left -= 1;
            used += chunk.invalid().len();
        }
    }
    (text, used)
}

fn decode_utf16(bytes: &[u8], most: usize, unit: fn([u8; 2]) -> u16) -> (String, usize) {
    let (pairs, odd) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    let mut used = 0;
    let characters = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)));
    let mut left = most;
    for character in characters.take(most) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        text.push(character);
        used += 2 * character.len_utf16();
        left -= 1;
    }
    if left > 0 && !odd.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
        used += odd.len();
    }
    (text, used)
}

/// Whether a stream of bytes is UTF-8, block by block.
#[derive(Debug, Default)]
pub(super) struct Utf8Check {
    invalid: bool,
    /// The beginning of a character whose rest is in the next block.
    pending: Vec<u8>,
}

impl Utf8Check {
    pub(super) fn feed(&mut self, mut block: &[u8]) {
        while !self.invalid && !self.pending.is_empty() {
            let Some((byte, rest)) = block.split_first() else { return };
            self.pending.push(*byte);
            block = rest;
            match std::str::from_utf8(&self.pending) {
                Ok(_) => self.pending.clear(),
                Err(error) => self.invalid = error.error_len().is_some(),
            }
        }
        if self.invalid {
            return;
        }
        if let Err(error) = std::str::from_utf8(block) {
            self.invalid = error.error_len().is_some();
            self.pending
                .extend(block.get(error.valid_up_to()..).unwrap_or_default().iter().take(3));
        }
    }

    /// Whether all of it is UTF-8; a character may be unfinished only where more would follow.
    pub(super) fn is_utf8(&self, at_end: bool) -> bool {
        !self.invalid && (!at_end || self.pending.is_empty())
    }

    /// Forgets an unfinished character, before a part that does not follow on the last one.
    pub(super) fn jump(&mut self) {
        self.pending.clear();
    }
}
