//! Which numbers in the directory of a record are versions, and which somebody else has put there.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use super::entries;
use super::metadata::{Kind, Metadata};
use super::versions::{MAX_LOOKED_AT, MAX_NUMBER, VALUE};

/// A number that no writer comes to in practice: one a millisecond needs 34 years for it.
const UNLIKELY: u64 = 1 << 40;

/// The numbers of the versions in a directory, ascending, up to the newest.
pub(super) fn numbers(versions: &OwnedFd) -> Result<Vec<u64>, Errno> {
    let mut all = Vec::new();
    entries::each(versions, |name, kind| {
        if let Some(number) = number(name)
            && entries::kind_of(versions, name, kind) == Kind::Directory
        {
            all.push(number);
        }
        Ok::<(), Errno>(())
    })?;
    all.sort_unstable();
    up_to_the_newest(versions, &mut all)?;
    Ok(all)
}

/// Takes from the end of a listing what is no version, and adds the version before the newest where
/// the listing missed it: it came while the names were read, and is the newest that has a value if
/// somebody else has put an empty directory behind it.
///
/// Numbers that follow each other are versions if one of them has content. That is asked only where
/// there is a gap before them, which no writer leaves, or where they are so large that no writer
/// has come so far: the others cost no look.
fn up_to_the_newest(versions: &OwnedFd, listed: &mut Vec<u64>) -> Result<(), Errno> {
    while let Some(newest) = listed.last().copied() {
        let first = first_of_run(listed);
        let before = first.saturating_sub(1);
        let is_whole = first == 1 || listed.first() == Some(&first);
        if before > 0 && (first == newest || !is_whole) && is_there(versions, before)? {
            let place = listed.partition_point(|number| *number < before);
            listed.insert(place, before);
        } else if first == 1 || is_whole && first != newest && newest < UNLIKELY {
            break;
        } else {
            let run = first..=newest;
            let mut has_any = false;
            for number in run.clone().rev().take(MAX_LOOKED_AT) {
                has_any = has_content(versions, number)?;
                if has_any {
                    break;
                }
            }
            if has_any {
                break;
            }
            listed.retain(|number| !run.contains(number));
        }
    }
    Ok(())
}

/// The first of the numbers that lead to the last without a gap.
fn first_of_run(listed: &[u64]) -> u64 {
    let mut after = listed.iter().rev();
    let mut first = after.next().copied().unwrap_or_default();
    for number in after {
        if number.saturating_add(1) != first {
            break;
        }
        first = *number;
    }
    first
}

/// The number that a name of a version is; `07` and `+7` are none.
fn number(name: &[u8]) -> Option<u64> {
    let name = std::str::from_utf8(name).ok()?;
    let number: u64 = name.parse().ok()?;
    ((1..=MAX_NUMBER).contains(&number) && number.to_string() == name).then_some(number)
}

/// Whether a writer can have made a version, after 1, whose predecessor is in no listing: a listing
/// may have missed it, or else the version has content.
pub(super) fn stands_alone(versions: &OwnedFd, version: u64) -> Result<bool, Errno> {
    Ok(is_there(versions, version.saturating_sub(1))? || has_content(versions, version)?)
}

fn has_content(versions: &OwnedFd, version: u64) -> Result<bool, Errno> {
    match statat(versions, format!("{version}/{VALUE}"), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => {
            let content = Metadata::from(&stat);
            Ok(content.kind == Kind::File && content.size > 0)
        }
        // Who may not look into it cannot say that a writer made it.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::PERM) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether a directory of that number is there.
pub(super) fn is_there(versions: &OwnedFd, version: u64) -> Result<bool, Errno> {
    match statat(versions, version.to_string(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Metadata::from(&stat).kind == Kind::Directory),
        Err(Errno::NOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // plants what a scope would not make
mod tests {
    use super::*;

    #[test]
    fn a_version_that_came_during_a_listing_is_not_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        for (version, value) in [(1, "1"), (2, "2"), (3, ""), (9, ""), (12, "12")] {
            let version = directory.path().join(version.to_string());
            std::fs::create_dir(&version).unwrap();
            if !value.is_empty() {
                std::fs::write(version.join(VALUE), value).unwrap();
            }
        }
        let versions = OwnedFd::from(std::fs::File::open(directory.path()).unwrap());
        let read = |mut listed: Vec<u64>| {
            up_to_the_newest(&versions, &mut listed).unwrap();
            listed
        };
        assert_eq!(read(vec![1, 3]), [1, 2, 3]);
        assert_eq!(read(vec![1, 3, 9]), [1, 2, 3]);
        assert_eq!(read(vec![1, 2, 3, 12]), [1, 2, 3, 12]);
        assert_eq!(read(vec![9]), [0; 0]);
        assert_eq!(read(vec![1]), [1]);
    }
}
