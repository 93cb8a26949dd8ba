//! Lists the entries of one directory by its handle: names and kinds, without a stat.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::metadata::Kind;

/// One entry as the directory lists it.
#[derive(Debug)]
pub(super) struct RawEntry {
    pub name: String,
    pub kind: Kind,
}

/// The entries of a directory and how many of its names are not text.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub entries: Vec<RawEntry>,
    pub not_utf8: u64,
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
        if !wanted(name) {
            return;
        }
        let Ok(text) = std::str::from_utf8(name) else {
            listing.not_utf8 += 1;
            return;
        };
        let kind = match kind {
            // Some file systems do not say the kind in the listing.
            FileType::Unknown => statat(directory.as_fd(), text, AtFlags::SYMLINK_NOFOLLOW)
                .map_or(Kind::Other, |stat| FileType::from_raw_mode(stat.st_mode).into()),
            known => known.into(),
        };
        listing.entries.push(RawEntry { name: text.to_owned(), kind });
    })?;
    Ok(listing)
}

#[cfg(target_os = "linux")]
fn each(directory: &OwnedFd, mut entry: impl FnMut(&[u8], FileType)) -> Result<(), Errno> {
    use rustix::fs::RawDir;
    // One page of a network directory listing; a name needs at most 280 bytes of it.
    let mut buffer = Vec::with_capacity(32 * 1024);
    let mut raw = RawDir::new(directory.as_fd(), buffer.spare_capacity_mut());
    while let Some(next) = raw.next() {
        let next = next?;
        let name = next.file_name().to_bytes();
        if name != b"." && name != b".." {
            entry(name, next.file_type());
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn each(directory: &OwnedFd, mut entry: impl FnMut(&[u8], FileType)) -> Result<(), Errno> {
    for next in rustix::fs::Dir::read_from(directory)? {
        let next = next?;
        let name = next.file_name().to_bytes();
        if name != b"." && name != b".." {
            entry(name, next.file_type());
        }
    }
    Ok(())
}
