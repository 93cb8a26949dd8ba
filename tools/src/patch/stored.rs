//! Reading a stored diff back. The writer keeps the bytes of files as they are, and the reader
//! reads text: bytes that are no UTF-8 stand for themselves as characters of a private area.

use crate::error::{Code, ToolError};

use super::{FileChange, read};

/// The first of 256 characters that stand for one byte each, in the last private area.
const FIRST: u32 = 0x10_FF00;

/// Reads a diff that [`write`](super::write()) has written.
///
/// # Errors
/// As [`read`](super::read()), without its limit of size.
pub fn read_stored(patch: &[u8]) -> Result<Vec<FileChange>, ToolError> {
    let mut changes = read::read_text(&to_text(patch))?;
    for change in &mut changes {
        for path in std::iter::once(&change.path).chain(&change.old_path) {
            if path.as_str().chars().any(|c| byte_of(c).is_some()) {
                return Err(ToolError::new(
                    Code::InvalidArgument,
                    format!("`{path}` is no name that can be told from other bytes"),
                ));
            }
        }
        for (_, line) in change.hunks.iter_mut().flat_map(|hunk| &mut hunk.lines) {
            *line = to_bytes(line);
        }
    }
    Ok(changes)
}

fn byte_of(character: char) -> Option<u8> {
    u32::from(character).checked_sub(FIRST).and_then(|byte| u8::try_from(byte).ok())
}

/// The bytes as text. Characters of the area itself are taken apart too, so nothing is ambiguous.
fn to_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let one = |byte: u8| char::from_u32(FIRST + u32::from(byte)).unwrap_or_default();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if byte_of(character).is_some() {
                let mut buffer = [0; 4];
                text.extend(character.encode_utf8(&mut buffer).bytes().map(one));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(one));
    }
    text
}

fn to_bytes(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for character in String::from_utf8_lossy(text).chars() {
        match byte_of(character) {
            Some(byte) => bytes.push(byte),
            None => {
                let mut buffer = [0; 4];
                bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes());
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_survive(
            bytes in prop_oneof![
                any::<Vec<u8>>(),
                "[\u{10FF00}-\u{10FFFF}a-z]{0,8}".prop_map(String::into_bytes),
            ],
        ) {
            prop_assert_eq!(to_bytes(to_text(&bytes).as_bytes()), bytes);
        }
    }
}
