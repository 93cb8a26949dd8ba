//! Lists directories of records: what a caller may know of, and what in there cannot be a record.

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::memory::Drawn;
use crate::path::WorkspacePath;
use crate::policy::Access;

use super::entries::{self, RawEntry};
use super::metadata::Kind;
use super::scope::{Scope, io_error};

/// Names between two looks at the call's time.
const CHECK_EVERY: u64 = 1_024;
/// What is held of a name beside itself, at most: a vector that grows has room for twice as many.
const BYTES_A_NAME: usize = 2 * size_of::<(String, Kind)>();

/// What a directory of records holds, as far as the caller may know of it.
#[derive(Debug, Default)]
pub struct RecordListing {
    /// Names and kinds, sorted by name.
    pub entries: Vec<(String, Kind)>,
    /// How many names of records there are, whoever may know of them and however they begin.
    pub all: u64,
    /// How many names no path can have: they are not UTF-8, or have control characters.
    pub unnameable: u64,
    /// The memory that the names take, for as long as this is there.
    #[expect(dead_code, reason = "it is given back when it is dropped")]
    drawn: Option<Drawn>,
}

impl Scope {
    /// The names in a directory of records that the caller may read or write, sorted; none when
    /// there is no such directory. Names that start with `.` are unfinished work and left out.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn record_names(&self, directory: &WorkspacePath) -> Result<Vec<String>, ToolError> {
        match self.open_records(directory) {
            Ok(Some(handle)) => {
                let listing = self.listed(directory, &handle, "", &mut |_| Ok(()))?;
                Ok(listing.entries.into_iter().map(|(name, _)| name).collect())
            }
            Ok(None) | Err(Errno::NOTDIR | Errno::LOOP) => Ok(Vec::new()),
            Err(errno) => Err(io_error("list", directory, errno)),
        }
    }

    /// The entries of a directory of records whose names begin with `prefix`; none when nothing
    /// is there. Unfinished work is left out.
    ///
    /// # Errors
    /// [`Code::Io`] for what is no directory, and when the file system fails;
    /// [`Code::TooLarge`] and [`Code::Overloaded`] where there is no memory for the names; the
    /// call's end.
    pub fn record_entries(
        &self,
        directory: &WorkspacePath,
        prefix: &str,
        call: &Call,
    ) -> Result<RecordListing, ToolError> {
        match self.open_records(directory) {
            Ok(Some(handle)) => {
                let mut drawn: Option<Drawn> = None;
                let mut look = |bytes: usize| {
                    call.check()?;
                    self.memory().draw_more(&mut drawn, bytes, call)
                };
                let listing = self.listed(directory, &handle, prefix, &mut look)?;
                Ok(RecordListing { drawn, ..listing })
            }
            Ok(None) => Ok(RecordListing::default()),
            Err(errno) => Err(folder_error(directory, errno)),
        }
    }

    /// Whether the caller may be told that something at `path` among the records was left out.
    pub(crate) fn may_be_told_of(&self, path: &WorkspacePath) -> bool {
        self.knows_record(path) || self.grant().may(Access::Enter, path)
    }

    fn open_records(&self, directory: &WorkspacePath) -> Result<Option<OwnedFd>, Errno> {
        match self.workspace().open(directory, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(handle) => Ok(Some(handle)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn listed(
        &self,
        directory: &WorkspacePath,
        handle: &OwnedFd,
        prefix: &str,
        look: &mut dyn FnMut(usize) -> Result<(), ToolError>,
    ) -> Result<RecordListing, ToolError> {
        let mut listing = RecordListing::default();
        let (mut looked_at, mut bytes) = (0_u64, 0_usize);
        let mut ended = None;
        let listed = entries::each(handle, |name, kind| {
            looked_at = looked_at.saturating_add(1);
            if looked_at.is_multiple_of(CHECK_EVERY)
                && let Err(error) = look(std::mem::take(&mut bytes))
            {
                ended = Some(error);
                return Err(Errno::CANCELED);
            }
            if name.starts_with(b".") {
                return Ok(());
            }
            listing.all = listing.all.saturating_add(1);
            if !name.starts_with(prefix.as_bytes()) {
                return Ok(());
            }
            let kind = entries::kind_of(handle, name, kind);
            let text = std::str::from_utf8(name).ok();
            match text.and_then(|text| Some((text, directory.join(text).ok()?))) {
                Some((text, path)) => {
                    let is_known = self.knows_record(&path)
                        || kind == Kind::Directory && self.grant().may(Access::Enter, &path);
                    if is_known {
                        bytes = bytes.saturating_add(text.len() + BYTES_A_NAME);
                        listing.entries.push((text.to_owned(), kind));
                    }
                }
                None => {
                    let entry = RawEntry { name: String::from_utf8_lossy(name).into(), kind };
                    let told = entries::may_be_told(self.grant(), directory, &entry);
                    listing.unnameable = listing.unnameable.saturating_add(u64::from(told));
                }
            }
            Ok::<(), Errno>(())
        });
        if let Err(errno) = listed {
            return Err(ended.unwrap_or_else(|| io_error("list", directory, errno)));
        }
        // A few names need no look at the budget.
        if looked_at >= CHECK_EVERY {
            look(bytes)?;
        }
        listing.entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(listing)
    }
}

/// Why a directory of records was not opened.
fn folder_error(directory: &WorkspacePath, errno: Errno) -> ToolError {
    match errno {
        Errno::NOTDIR | Errno::LOOP => ToolError::new(
            Code::Io,
            format!("`{directory}` is a link or a file, and a folder of records should be there"),
        )
        .hint("nothing below it can be read; the operator can put the folder back"),
        other => io_error("list", directory, other),
    }
}
