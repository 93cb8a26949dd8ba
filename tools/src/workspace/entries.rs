//! Lists the entries of one directory by its handle: names and kinds, without a stat.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::metadata::Kind;

/// An entry whose name is text, as a directory lists it.
pub(super) type Named<'a> = (&'a str, Kind);

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
        if wanted(name) {
            match named(directory, name, kind) {
                Some((name, kind)) => {
                    listing.entries.push(RawEntry { name: name.to_owned(), kind })
                }
                None => listing.not_utf8 += 1,
            }
        }
        Ok::<(), Errno>(())
    })?;
    Ok(listing)
}

/// Gives each entry to `take`, which may end the reading; none for a name that is no text.
pub(super) fn read_each<E: From<Errno>>(
    directory: &OwnedFd,
    mut take: impl FnMut(Option<Named<'_>>) -> Result<(), E>,
) -> Result<(), E> {
    each(directory, |name, kind| take(named(directory, name, kind)))
}

/// The name as text, and the kind.
fn named<'a>(directory: &OwnedFd, name: &'a [u8], kind: FileType) -> Option<Named<'a>> {
    let text = std::str::from_utf8(name).ok()?;
    let kind = match kind {
        // Some file systems do not say the kind in the listing.
        FileType::Unknown => statat(directory.as_fd(), text, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(Kind::Other, |stat| FileType::from_raw_mode(stat.st_mode).into()),
        known => known.into(),
    };
    Some((text, kind))
}

#[cfg(target_os = "linux")]
fn each<E: From<Errno>>(
    directory: &OwnedFd,
    mut entry: impl FnMut(&[u8], FileType) -> Result<(), E>,
) -> Result<(), E> {
    use rustix::fs::RawDir;
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
fn each<E: From<Errno>>(
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
