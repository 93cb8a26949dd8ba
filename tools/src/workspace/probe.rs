//! Tests what the file system under the workspace really does: for operators, never for agents.
//!
//! Records depend on exclusive creation and on atomic renames. The probe tries both in a caller's
//! own record folder and leaves nothing behind.

use std::collections::VecDeque;
use std::sync::Barrier;
use std::time::{Duration, SystemTime};

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Mode, OFlags, fstat, fstatfs, fstatvfs, mkdirat, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;

use super::metadata::{Kind, Metadata};
use super::operations::{DIRECTORY, NEW_FILE};
use super::scope::{Scope, io_error, metadata_of};
use super::unfinished::unfinished_name;
use super::{Workspace, entries};

/// Writers that race for one name.
const WRITERS: usize = 8;
/// Entries that are looked at to find a file that the caller can read.
const MOST_ENTRIES: usize = 2_000;
/// Longest name that S3 Files and common file systems take, in bytes.
const LONGEST_NAME: usize = 255;
/// The attribute in which S3 Files says how the export of a file went; `;` and the time follow.
const EXPORT_STATUS: &str = "user.s3files.status";

/// What kind of storage the workspace lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// NFS, as S3 Files and EFS are mounted.
    Nfs,
    /// A file system of a program, such as an S3 client that mounts a bucket.
    Fuse,
    /// Storage of this machine; the magic number of its file system.
    Local(i64),
}

/// The file system under the workspace's root.
#[derive(Debug, Clone, Copy)]
pub struct MountFacts {
    /// The kind of storage.
    pub storage: Storage,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// The longest name that it takes, in bytes.
    pub longest_name: u64,
    /// Who owns the root, and the mode of it.
    pub owner: (u32, u32, u32),
}

/// What a search for a readable file found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// This file opened and could be read.
    Read(WorkspacePath),
    /// Nothing that policy lets the caller read was among so many entries.
    NothingVisible(usize),
}

/// What the file system did in a record folder. All is as it must be when every field says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFacts {
    /// Of writers that create one name at once, how many were told that they did: one.
    pub creators: usize,
    /// Whether a rename replaced a file whole.
    pub rename_replaces: bool,
    /// Of writers that rename a directory to one name at once, how many did: one.
    pub publishers: usize,
    /// Whether a name of 255 bytes could be created.
    pub long_names: bool,
    /// How far the time of a file just written is ahead of this machine's clock, in seconds;
    /// negative when it is behind.
    pub clock_ahead_seconds: i64,
}

/// The step of a probe that failed, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{step}: {errno}")]
pub struct ProbeError {
    /// What was tried.
    pub step: &'static str,
    /// How the file system refused it.
    pub errno: Errno,
}

impl ProbeError {
    /// Whether rights are missing, rather than the file system failing.
    pub fn is_refusal(&self) -> bool {
        matches!(self.errno, Errno::ACCESS | Errno::PERM)
    }

    /// Whether the file system is mounted read-only.
    pub fn is_read_only(&self) -> bool {
        self.errno == Errno::ROFS
    }
}

fn at<T>(step: &'static str, result: Result<T, Errno>) -> Result<T, ProbeError> {
    result.map_err(|errno| ProbeError { step, errno })
}

impl Workspace {
    /// What is mounted at the root.
    ///
    /// # Errors
    /// When the file system does not answer.
    pub fn mount_facts(&self) -> Result<MountFacts, ProbeError> {
        const NFS: i64 = 0x6969;
        const FUSE: i64 = 0x6573_5546;
        let root = &self.root;
        #[allow(
            clippy::unnecessary_cast,
            clippy::cast_lossless,
            reason = "widths differ by platform"
        )]
        let magic = at("statfs of the root", fstatfs(root))?.f_type as i64;
        let limits = at("statvfs of the root", fstatvfs(root))?;
        let stat = at("stat of the root", fstat(root))?;
        Ok(MountFacts {
            storage: match magic {
                NFS => Storage::Nfs,
                FUSE => Storage::Fuse,
                other => Storage::Local(other),
            },
            read_only: limits.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
            longest_name: limits.f_namemax,
            owner: (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777),
        })
    }
}

impl Scope {
    /// Looks for a file that the caller may read, level by level, and reads of it.
    ///
    /// # Errors
    /// When a directory or a file that policy shows cannot be opened.
    pub fn probe_reading(&self, call: &Call) -> Result<Reading, ToolError> {
        let mut waiting = VecDeque::from([WorkspacePath::root()]);
        let mut seen = 0;
        while let Some(directory) = waiting.pop_front() {
            call.check()?;
            let failed = |errno| io_error("list", &directory, errno);
            let handle = self
                .workspace()
                .open(&directory, OFlags::RDONLY | OFlags::DIRECTORY)
                .map_err(failed)?;
            let mut listed = entries::read(&handle).map_err(failed)?.entries;
            listed.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            for entry in listed {
                seen += 1;
                if seen > MOST_ENTRIES {
                    return Ok(Reading::NothingVisible(MOST_ENTRIES));
                }
                let Ok(path) = directory.join(&entry.name) else { continue };
                match entry.kind {
                    Kind::File if self.grant().may(Access::Read, &path) => {
                        let mut opened = self.open_file(&path, call)?;
                        std::io::Read::read(&mut opened.file, &mut [0; 1])
                            .map_err(|error| super::read_error(&path, &error))?;
                        return Ok(Reading::Read(path));
                    }
                    Kind::Directory if self.grant().may(Access::Enter, &path) => {
                        waiting.push_back(path)
                    }
                    _ => {}
                }
            }
        }
        Ok(Reading::NothingVisible(seen))
    }

    /// Tries in `folder` the operations that records, and files that agents make, depend on, and
    /// leaves nothing behind. None when policy does not give the caller this access there.
    ///
    /// # Errors
    /// With the step that the file system refused.
    pub fn probe_records(
        &self,
        folder: &WorkspacePath,
        access: Access,
    ) -> Result<Option<RecordFacts>, ProbeError> {
        let name = unfinished_name();
        let Ok(path) = folder.join(&name) else { return Ok(None) };
        let granted = match access {
            // Which names a glob matches is its own affair; it leads here.
            Access::Create => self.grant().folders_of_files().contains(folder),
            access => self.grant().may(access, &path),
        };
        if !granted {
            return Ok(None);
        }
        let missing = self.missing_directories(folder);
        let facts = self.workspace().directory_for_records(folder).map_or_else(
            |errno| Err(ProbeError { step: "making the folder", errno }),
            |directory| probe_in(self.workspace(), &directory, &name),
        );
        // Only what was made here, and only while nobody has put a record there since.
        for made in missing {
            if let Some((parent, name)) = made.parent().zip(made.file_name())
                && let Ok(parent) =
                    self.workspace().open(&parent, OFlags::RDONLY | OFlags::DIRECTORY)
            {
                let _ = unlinkat(&parent, name, AtFlags::REMOVEDIR);
            }
        }
        facts.map(Some)
    }

    /// The directories on the way to `folder` that are not there, the deepest first.
    fn missing_directories(&self, folder: &WorkspacePath) -> Vec<WorkspacePath> {
        let mut missing = Vec::new();
        let mut next = Some(folder.clone());
        while let Some(path) = next.filter(|path| !path.is_root()) {
            if !matches!(self.workspace().stat(&path), Ok(None)) {
                break;
            }
            next = path.parent();
            missing.push(path);
        }
        missing
    }

    /// The state of the export of a file, as S3 Files reports it, or none if the file system
    /// reports nothing.
    ///
    /// # Errors
    /// As [`Scope::open_file`], and [`Code::Io`] when the attribute cannot be read.
    pub fn export_status(
        &self,
        path: &WorkspacePath,
        call: &Call,
    ) -> Result<Option<String>, ToolError> {
        let opened = self.open_file(path, call)?;
        let epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        match attribute(&opened.file, &format!("{EXPORT_STATUS};{epoch}")) {
            Ok(value) => Ok(Some(String::from_utf8_lossy(&value).into_owned())),
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::INVAL) => Ok(None),
            Err(errno) => {
                Err(ToolError::new(Code::Io, format!("cannot read the export status of `{path}`"))
                    .caused_by(errno))
            }
        }
    }
}

#[cfg(target_os = "linux")]
fn attribute(file: &std::fs::File, name: &str) -> Result<Vec<u8>, Errno> {
    let mut value = vec![0; 4_096];
    let length = rustix::fs::fgetxattr(file, name, value.as_mut_slice())?;
    value.truncate(length);
    Ok(value)
}

#[cfg(not(target_os = "linux"))]
fn attribute(_: &std::fs::File, _: &str) -> Result<Vec<u8>, Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Works in a private directory of `folder` and takes it away again.
fn probe_in(
    workspace: &Workspace,
    folder: &OwnedFd,
    name: &str,
) -> Result<RecordFacts, ProbeError> {
    let mode = Mode::from_raw_mode(0o755);
    at("making a directory in it", mkdirat(folder, name, mode))?;
    let facts = at("opening a directory in it", openat(folder, name, DIRECTORY, Mode::empty()))
        .and_then(|inside| {
            let facts = try_all(workspace, &inside);
            clear(&inside);
            facts
        });
    let removed = unlinkat(folder, name, AtFlags::REMOVEDIR);
    let facts = facts?;
    at("taking the directory away again", removed)?;
    Ok(facts)
}

fn try_all(workspace: &Workspace, inside: &OwnedFd) -> Result<RecordFacts, ProbeError> {
    let began = SystemTime::now();
    at("writing a file", workspace.write_new(inside, "new", b"new"))?;
    let clock = clock_ahead(inside, began)?;
    at("writing a second file", workspace.write_new(inside, "old", b"old file"))?;
    at("renaming a file over another", renameat(inside, "new", inside, "old"))?;
    let gone = matches!(openat(inside, "new", OFlags::RDONLY, Mode::empty()), Err(Errno::NOENT));
    let replaced = at("reading a renamed file", stat_of(inside, "old"))?;

    let creators = race(|_| openat(inside, "one", NEW_FILE, Mode::from_raw_mode(0o644)).map(drop));
    let creators = at("creating a file exclusively", only(creators, Errno::EXIST))?;
    for writer in 0..WRITERS {
        let name = format!("d{writer}");
        let made = mkdirat(inside, &name, Mode::from_raw_mode(0o755))
            .and_then(|()| openat(inside, &name, DIRECTORY, Mode::empty()))
            .and_then(|directory| workspace.write_new(&directory, "record", b"{}"));
        at("making a directory with a file", made)?;
    }
    let publishers = race(|writer| match renameat(inside, format!("d{writer}"), inside, "done") {
        Err(Errno::NOTEMPTY) => Err(Errno::EXIST),
        other => other,
    });
    let publishers = at("renaming a directory", only(publishers, Errno::EXIST))?;

    let long = "n".repeat(LONGEST_NAME);
    let long_names = workspace.write_new(inside, &long, b"").is_ok();
    Ok(RecordFacts {
        creators,
        rename_replaces: gone && replaced.size == 3,
        publishers,
        long_names,
        clock_ahead_seconds: clock,
    })
}

/// How many of the writers succeeded; an error other than `lost` is one.
fn only(results: Vec<Result<(), Errno>>, lost: Errno) -> Result<usize, Errno> {
    let mut won = 0;
    for result in results {
        match result {
            Ok(()) => won += 1,
            Err(errno) if errno == lost => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(won)
}

/// Lets all writers go at once.
fn race(write: impl Fn(usize) -> Result<(), Errno> + Sync) -> Vec<Result<(), Errno>> {
    let start = Barrier::new(WRITERS);
    let (start, write) = (&start, &write);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    start.wait();
                    write(writer)
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().unwrap_or(Err(Errno::IO))).collect()
    })
}

/// The file's time against the span in which it was written, in whole seconds.
fn clock_ahead(inside: &OwnedFd, began: SystemTime) -> Result<i64, ProbeError> {
    let modified = at("reading the time of a file", stat_of(inside, "new"))?.modified;
    let ended = SystemTime::now();
    let seconds = |span: Duration| i64::try_from(span.as_secs()).unwrap_or(i64::MAX);
    Ok(match (modified.duration_since(ended), began.duration_since(modified)) {
        (Ok(ahead), _) => seconds(ahead),
        (_, Ok(behind)) => -seconds(behind),
        _ => 0,
    })
}

fn stat_of(inside: &OwnedFd, name: &str) -> Result<Metadata, Errno> {
    metadata_of(&openat(inside, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Takes away all that [`try_all`] made, however far it came.
fn clear(inside: &OwnedFd) {
    let Ok(listing) = entries::read(inside) else { return };
    for entry in listing.entries {
        if entry.kind == Kind::Directory {
            if let Ok(directory) = openat(inside, &entry.name, DIRECTORY, Mode::empty()) {
                let _ = unlinkat(&directory, "record", AtFlags::empty());
            }
            let _ = unlinkat(inside, &entry.name, AtFlags::REMOVEDIR);
        } else {
            let _ = unlinkat(inside, &entry.name, AtFlags::empty());
        }
    }
}
