//! Source files as a [`Decider`] sees them, and their directories.

use std::io::Read;

use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, fstat};
use rustix::io::Errno;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;

use super::decider::Decider;
use super::entries;
use super::metadata::Kind;
use super::scope::{io_error, metadata_of, read_error};

/// A source file: its content and its permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The content.
    pub bytes: Vec<u8>,
    /// The permission bits.
    pub mode: u32,
}

impl Source {
    /// Whether its owner may execute it.
    pub fn is_executable(&self) -> bool {
        self.mode & 0o100 != 0
    }

    /// Whether a diff between the two would be empty.
    pub fn is_same_as(&self, other: &Source) -> bool {
        self.bytes == other.bytes && self.is_executable() == other.is_executable()
    }
}

impl Decider {
    /// A source as it is now, or none if there is no file.
    ///
    /// # Errors
    /// [`Code::Conflict`] when something else than a file is there, [`Code::TooLarge`],
    /// [`Code::Denied`] when the caller may not decide about it.
    pub fn source(&self, path: &WorkspacePath) -> Result<Option<Source>, ToolError> {
        self.may_decide(path)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let handle = match self.workspace().open(path, flags) {
            Ok(handle) => handle,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Err(no_file(path)),
            Err(errno) => return Err(io_error("read", path, errno)),
        };
        let failed = |errno| io_error("read", path, errno);
        let metadata = metadata_of(&handle).map_err(failed)?;
        if metadata.kind != Kind::File {
            return Err(no_file(path));
        }
        let limit = self.rights().limits().max_file_bytes;
        let mode = permissions(&handle).map_err(failed)?;
        let mut bytes = Vec::new();
        let mut file = std::fs::File::from(handle).take(limit.saturating_add(1));
        file.read_to_end(&mut bytes).map_err(|error| read_error(path, &error))?;
        if bytes.len() as u64 > limit {
            return Err(ToolError::new(
                Code::TooLarge,
                format!("`{path}` has over {limit} bytes (max_file_bytes)"),
            ));
        }
        Ok(Some(Source { bytes, mode }))
    }

    /// Removes a directory if it is empty. Answers whether it is gone.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn remove_if_empty(&self, path: &WorkspacePath) -> Result<bool, ToolError> {
        let Ok((parent, name)) = parts(path) else { return Ok(false) };
        let disk = self.workspace();
        let failed = |errno| io_error("remove", path, errno);
        let open = |path| disk.open(path, OFlags::RDONLY | OFlags::DIRECTORY);
        let there = match open(path) {
            Err(Errno::NOENT) => return Ok(true),
            Err(_) => return Ok(false),
            Ok(there) => entries::read(&there).map_err(failed)?,
        };
        if !there.entries.is_empty() || !there.undecodable.is_empty() {
            return Ok(false);
        }
        let directory = open(&parent).map_err(failed)?;
        match disk.remove_directory(&directory, name) {
            Ok(()) | Err(Errno::NOENT) => disk.sync_directory(&directory).map_err(failed)?,
            Err(Errno::NOTEMPTY | Errno::EXIST) => return Ok(false),
            Err(errno) => return Err(failed(errno)),
        }
        Ok(true)
    }

    /// Whether a directory is there.
    pub fn is_directory(&self, path: &WorkspacePath) -> bool {
        self.workspace().open(path, OFlags::RDONLY | OFlags::DIRECTORY).is_ok()
    }

    pub(super) fn may_decide(&self, path: &WorkspacePath) -> Result<(), ToolError> {
        if self.rights().may(Access::Decide, path) {
            return Ok(());
        }
        Err(ToolError::new(
            Code::Denied,
            format!("caller `{}` may not decide about `{path}`", self.caller()),
        )
        .hint("the policy's `decide` list of the caller's role decides"))
    }
}

#[allow(clippy::unnecessary_cast, reason = "the width of the field differs by platform")]
pub(super) fn permissions(handle: &OwnedFd) -> Result<u32, Errno> {
    Ok(fstat(handle)?.st_mode as u32 & 0o7777)
}

pub(super) fn parts(path: &WorkspacePath) -> Result<(WorkspacePath, &str), ToolError> {
    path.parent()
        .zip(path.file_name())
        .ok_or_else(|| ToolError::invalid("the workspace itself is no source"))
}

fn no_file(path: &WorkspacePath) -> ToolError {
    ToolError::new(Code::Conflict, format!("`{path}` is not a regular file"))
        .hint("links, directories and devices are never changed; look at what is there")
}
