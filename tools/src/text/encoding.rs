//! Finds the encoding of a file, and decodes its bytes.

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
            // UTF-32 begins like UTF-16, and nobody begins a text with NUL.
            [0xFF, 0xFE, 0, 0, ..] => None,
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
    /// Latin-1.
    Latin1,
    /// Windows-1252: Latin-1 with printable characters in the bytes 0x80 to 0x9F.
    Windows1252,
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
            Encoding::Windows1252 => "windows-1252",
        }
    }

    /// The first `most` characters of `bytes`, which has no byte-order mark, and how many bytes
    /// they took. Malformed bytes become U+FFFD.
    pub fn decode(self, bytes: &[u8], most: usize) -> (String, usize) {
        match self {
            Encoding::Utf8 | Encoding::Utf8Marked => decode_utf8(bytes, most),
            Encoding::Utf16Le => decode_utf16(bytes, most, u16::from_le_bytes),
            Encoding::Utf16Be => decode_utf16(bytes, most, u16::from_be_bytes),
            Encoding::Latin1 | Encoding::Windows1252 => {
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

/// What tells encodings apart that extend ASCII, block by block.
#[derive(Debug, Default)]
pub(super) struct ByteCheck {
    /// Not UTF-8.
    invalid: bool,
    /// Whether a byte from 0x80 to 0x9F was there.
    windows: bool,
    /// The beginning of a character whose rest is in the next block.
    pending: Vec<u8>,
}

impl ByteCheck {
    pub(super) fn feed(&mut self, mut block: &[u8]) {
        self.windows = self.windows || block.iter().any(|byte| byte & 0xE0 == 0x80);
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

    /// The encoding of a file of this family. At its end a character may not be unfinished.
    pub(super) fn encoding(&self, family: Family, at_end: bool) -> Encoding {
        match family {
            Family::Bytes { marked: true } => Encoding::Utf8Marked,
            Family::Bytes { .. } if !self.invalid && (!at_end || self.pending.is_empty()) => {
                Encoding::Utf8
            }
            Family::Bytes { .. } if self.windows => Encoding::Windows1252,
            Family::Bytes { .. } => Encoding::Latin1,
            Family::Utf16 { big_endian: true } => Encoding::Utf16Be,
            Family::Utf16 { big_endian: false } => Encoding::Utf16Le,
        }
    }

    /// Forgets an unfinished character, before a part that does not follow on the last one.
    pub(super) fn jump(&mut self) {
        self.pending.clear();
    }
}
