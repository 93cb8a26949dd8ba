//! Text: encodings and windows of lines, over anything that reads and seeks.

mod blocks;
mod encoding;
mod lines;
pub mod markup;
mod pass;
mod read;
mod tail;
pub mod visible;
mod window;

pub use encoding::{Encoding, Family, HEAD_BYTES};
pub use lines::{LineEndings, MAX_LINE_CHARS};
pub use read::{read_head, read_window};
pub use tail::TAIL_BYTES;
pub use window::{NoVersion, Request, Version, Window, WindowError};

/// A whole file as text, without its byte-order mark, and the name of its encoding, or none if it
/// is binary. Windows of the same file have the same text.
pub fn decode_whole(bytes: &[u8]) -> Option<(String, &'static str)> {
    let family = Family::of(bytes)?;
    let text = bytes.get(family.mark_bytes()..).unwrap_or_default();
    let mut check = encoding::ByteCheck::default();
    check.feed(text);
    let encoding = check.encoding(family, true);
    Some((encoding.decode(text, usize::MAX).0, encoding.name()))
}
