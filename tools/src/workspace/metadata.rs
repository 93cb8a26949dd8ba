//! Metadata of an opened or listed file or directory.

use std::fs::File;
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, Stat};

/// The kind of a directory entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link; never followed.
    Symlink,
    /// A FIFO, a socket or a device; never opened.
    Other,
}

impl From<FileType> for Kind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Other,
        }
    }
}

/// What is known of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// The kind.
    pub kind: Kind,
    /// The size in bytes.
    pub size: u64,
    /// The last change of the content.
    pub modified: SystemTime,
    /// Whether its owner may execute it.
    pub executable: bool,
}

impl From<&Stat> for Metadata {
    #[allow(clippy::unnecessary_cast, reason = "the widths of these fields differ by platform")]
    fn from(stat: &Stat) -> Self {
        let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
        let nanoseconds = u32::try_from(stat.st_mtime_nsec as i64).unwrap_or(0).min(999_999_999);
        Metadata {
            kind: FileType::from_raw_mode(stat.st_mode as _).into(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: SystemTime::UNIX_EPOCH
                .checked_add(Duration::new(seconds, nanoseconds))
                .unwrap_or(SystemTime::UNIX_EPOCH),
            executable: stat.st_mode & 0o100 != 0,
        }
    }
}

/// A regular file that the caller may read, opened.
#[derive(Debug)]
pub struct OpenFile {
    /// The handle, positioned at the start.
    pub file: File,
    /// The size in bytes when it was opened.
    pub size: u64,
    /// The last change of the content when it was opened.
    pub modified: SystemTime,
    /// Whether its owner may execute it.
    pub executable: bool,
}
