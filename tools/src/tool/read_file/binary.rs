//! Files without lines: images and sounds are given, others described.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::io::Read;

use super::render::about;
use super::{Format, Output, room};
use crate::answer::Shown;
use crate::call::{Call, Stop};
use crate::error::ToolError;
use crate::hex::hex;
use crate::path::WorkspacePath;
use crate::workspace::{OpenFile, read_error};

/// The encoding of media.
pub(super) const BASE64: &str = "base64";
/// The encoding of what is only described.
const BINARY: &str = "binary";
/// Largest image or sound that is given.
pub(super) const MAX_MEDIA_BYTES: u64 = 3 * 1024 * 1024;
const BLOCK_BYTES: usize = 256 * 1024;

/// A kind of file that clients can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    Image,
    Audio,
}

/// The kind of media that begins with `head`, and its media type.
pub(super) fn media(head: &[u8]) -> Option<(Media, &'static str)> {
    // Some magic numbers are three letters, with which a text may begin too.
    if !head.contains(&0) && head.first().is_none_or(u8::is_ascii) {
        return None;
    }
    Some(match infer::get(head)?.mime_type() {
        known @ ("image/png" | "image/jpeg" | "image/gif" | "image/webp") => (Media::Image, known),
        "audio/mpeg" => (Media::Audio, "audio/mpeg"),
        "audio/x-wav" | "audio/wav" => (Media::Audio, "audio/wav"),
        "audio/ogg" => (Media::Audio, "audio/ogg"),
        "audio/x-flac" | "audio/flac" => (Media::Audio, "audio/flac"),
        _ => return None,
    })
}

/// Reads a binary file that began with `head`.
pub(super) fn read(
    path: &WorkspacePath,
    opened: OpenFile,
    head: Vec<u8>,
    whole_bytes: u64,
    format: Format,
    call: &Call,
) -> Result<Output, ToolError> {
    let media = media(&head);
    let media_type = media
        .map(|(_, media_type)| media_type)
        .or_else(|| infer::get(&head).map(|kind| kind.mime_type()));
    // A media block is for eyes and ears; as JSON it is text, which has to fit like any other.
    let most_bytes = match format {
        Format::Text => MAX_MEDIA_BYTES,
        Format::Json => MAX_MEDIA_BYTES.min((room(path.as_str(), call) / 4 * 3) as u64),
    };
    let keep = (media.is_some() && opened.size <= most_bytes).then_some(most_bytes);
    let whole = Whole::read(path, opened, head, whole_bytes, keep, call)?;
    let mut notes = Vec::new();
    if media.is_some() && whole.bytes.is_none() {
        let most = most_bytes.min(whole_bytes);
        notes.push(match format {
            Format::Json if whole.size <= MAX_MEDIA_BYTES.min(whole_bytes) => {
                format!("not in JSON: over {most} bytes; leave out `format` to see or hear it")
            }
            _ => format!("not shown: over {most} bytes"),
        });
    }
    if whole.version.is_none() {
        notes.push(if whole.out_of_time {
            "no version: time ran out before the file's end".to_owned()
        } else {
            format!("no version: the file is over {whole_bytes} bytes (max_file_bytes)")
        });
    }
    Ok(Output {
        path: path.as_str().to_owned(),
        encoding: if whole.bytes.is_some() { BASE64 } else { BINARY }.into(),
        content: whole.bytes.map(|bytes| STANDARD.encode(bytes)).unwrap_or_default(),
        start_line: 0,
        end_line: 0,
        more: false,
        next_offset: None,
        size: whole.size,
        version: whole.version,
        total_lines: None,
        lines_cut: None,
        line_endings: None,
        media_type: media_type.map(str::to_owned),
        schema: None,
        rows: None,
        row_count: None,
        header: None,
        stored: None,
        notes,
        format,
    })
}

/// What is known of a binary file after reading it.
struct Whole {
    size: u64,
    version: Option<String>,
    /// All of it, where it is to be shown.
    bytes: Option<Vec<u8>>,
    out_of_time: bool,
}

impl Whole {
    fn read(
        path: &WorkspacePath,
        mut opened: OpenFile,
        head: Vec<u8>,
        whole_bytes: u64,
        keep: Option<u64>,
        call: &Call,
    ) -> Result<Whole, ToolError> {
        let mut found = Whole { size: opened.size, version: None, bytes: None, out_of_time: false };
        if opened.size > whole_bytes {
            return Ok(found);
        }
        let mut hasher = Sha256::new();
        hasher.update(&head);
        let mut size = head.len() as u64;
        let mut kept = keep.is_some().then_some(head);
        let mut block = vec![0; BLOCK_BYTES];
        loop {
            match call.check() {
                Ok(()) => {}
                Err(Stop::Deadline) => {
                    found.out_of_time = true;
                    return Ok(found);
                }
                Err(Stop::Cancelled) => return Err(Stop::Cancelled.into()),
            }
            let read = match opened.file.read(&mut block) {
                Ok(0) => break,
                Ok(read) => block.get(..read).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(read_error(path, &error)),
            };
            size += read.len() as u64;
            // It grows while it is read.
            if size > whole_bytes {
                found.size = size;
                return Ok(found);
            }
            hasher.update(read);
            kept = kept.filter(|_| keep.is_some_and(|most| size <= most));
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(read);
            }
        }
        Ok(Whole { size, version: Some(hex(&hasher.finalize())), bytes: kept, out_of_time: false })
    }
}

/// The media block of an answer.
pub(super) fn show(output: &Output, media_type: &str) -> Shown {
    let mut note = format!("[{} · {media_type} · {} bytes", output.path, output.size);
    for part in about(output) {
        note.push_str(" · ");
        note.push_str(&part);
    }
    note.push(']');
    let (data, media_type) = (output.content.clone(), media_type.to_owned());
    if media_type.starts_with("audio/") {
        Shown::Audio { data, media_type, note }
    } else {
        Shown::Image { data, media_type, note }
    }
}
