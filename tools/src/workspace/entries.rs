//! Lists the entries of one directory by its handle: names and kinds, without a stat.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use crate::path::WorkspacePath;
use crate::policy::{Access, ToolGrant};

use super::metadata::Kind;

/// One entry as the directory lists it.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub name: String,
    pub kind: Kind,
}

/// The entries of a directory, and those whose names are not text: U+FFFD stands for each byte of
/// them that is none.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub entries: Vec<RawEntry>,
    pub undecodable: Vec<RawEntry>,
}

/// Reads the whole directory. The order is the file system's. `.` and `..` are left out.
pub(super) fn read(directory: &OwnedFd) -> Result<Listing, Errno> {
    read_where(directory, |_| true)
}

/// Reads the entries whose names are wanted: of thousands, the others cost next to nothing.
pub(super) fn read_where(
    directory: &OwnedFd,
    mut wanted: impl FnMut(&[u8]) -> bool,
) -> Result<Listing, Errno> {
    let mut listing = Listing::default();
    each(directory, |name, kind| {
        if wanted(name) {
            let kind = kind_of(directory, name, kind);
            let (list, name) = match std::str::from_utf8(name) {
                Ok(text) => (&mut listing.entries, text.to_owned()),
                Err(_) => (&mut listing.undecodable, String::from_utf8_lossy(name).into_owned()),
            };
            list.push(RawEntry { name, kind });
        }
        Ok::<(), Errno>(())
    })?;
    Ok(listing)
}

/// The kind of an entry. Some file systems do not say it in the listing.
pub(super) fn kind_of(directory: &OwnedFd, name: &[u8], listed: FileType) -> Kind {
    match listed {
        FileType::Unknown => statat(directory.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(Kind::Other, |stat| FileType::from_raw_mode(stat.st_mode).into()),
        known => known.into(),
    }
}

/// Whether a caller may be told that an entry is there whose name is no valid path. Policy judges
/// paths, so it is asked about the path that is nearest to the name.
pub(super) fn may_be_told(grant: &ToolGrant, directory: &WorkspacePath, entry: &RawEntry) -> bool {
    let access = if entry.kind == Kind::Directory { Access::Enter } else { Access::Read };
    grant.may(access, &directory.nearest_to(&entry.name))
}

/// Gives each entry as it comes, until one is refused; nothing is kept.
#[cfg(target_os = "linux")]
pub(super) fn each<E: From<Errno>>(
    directory: &OwnedFd,
    mut entry: impl FnMut(&[u8], FileType) -> Result<(), E>,
) -> Result<(), E> {
    use rustix::fs::{RawDir, SeekFrom, seek};
    // A handle goes on where it was read to before.
    seek(directory, SeekFrom::Start(0))?;
    // One page of a network directory listing; a name needs at most 280 bytes of it.
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut raw = RawDir::new(directory.as_fd(), buffer.spare_capacity_mut());
    while let Some(next) = raw.next() {
        let next = next?;
        let name = next.file_name().to_bytes();
        if name != b"." && name != b".." {
            entry(name, next.file_type())?;
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(super) fn each<E: From<Errno>>(
    directory: &OwnedFd,
    mut entry: impl FnMut(&[u8], FileType) -> Result<(), E>,
) -> Result<(), E> {
    for next in rustix::fs::Dir::read_from(directory)? {
        let next = next?;
        let name = next.file_name().to_bytes();
        if name != b"." && name != b".." {
            entry(name, next.file_type())?;
        }
    }
    Ok(())
}
