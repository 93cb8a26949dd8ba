//! `Scope`: the workspace as one caller may see it. All that a tool receives.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, fstat};
use rustix::io::Errno;

use crate::call::Call;
use crate::error::{Code, Situation, ToolError};
use crate::memory::Memory;
use crate::path::WorkspacePath;
use crate::policy::{Access, Judgement, Judgements, Layout, ToolGrant};

use super::metadata::{Kind, Metadata, OpenFile};
use super::{Content, Workspace, suggest};

/// A handle of the workspace together with a caller's grant for one call of one tool. Every
/// method judges the access by the grant, notes the judgement for the audit record, and opens
/// through directory handles, so a tool cannot forget any of them.
#[derive(Debug, Clone)]
pub struct Scope {
    workspace: Arc<Workspace>,
    grant: ToolGrant,
    layout: Arc<Layout>,
    judgements: Judgements,
}

/// What was found where a listing or a search begins.
#[derive(Debug)]
pub enum Start {
    /// A file that the caller may read.
    File(OpenFile),
    /// A directory that the caller may see.
    Directory(Directory),
}

/// An opened directory, with the path that it was opened by.
#[derive(Debug)]
pub struct Directory {
    pub(super) path: WorkspacePath,
    pub(super) handle: OwnedFd,
}

/// For reading: never wait for a writer of a FIFO, never become a terminal's owner.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// What is read at once between two looks at the call.
const BLOCK_BYTES: usize = 256 * 1024;

impl Scope {
    /// Joins a workspace and a grant. Only the dispatcher does this.
    pub fn new(workspace: Arc<Workspace>, grant: ToolGrant, layout: Arc<Layout>) -> Self {
        Scope { workspace, grant, layout, judgements: Judgements::default() }
    }

    /// The caller's rights in this call.
    pub fn grant(&self) -> &ToolGrant {
        &self.grant
    }

    /// Judges an access that is about to happen, and notes the judgement for the audit record.
    /// Whoever asks for a path by its name asks here; views of many paths leave out what
    /// [`ToolGrant::may`] does not allow.
    pub fn judge(&self, access: Access, path: &WorkspacePath) -> Judgement {
        let judgement = self.grant.judge(access, path);
        self.judgements.note(&judgement);
        judgement
    }

    /// Whether an access that is about to happen is allowed; noted as by [`Scope::judge`].
    pub(super) fn allows(&self, access: Access, path: &WorkspacePath) -> bool {
        self.judge(access, path).allowed
    }

    /// Notes that a call is refused for what it asked for, before any access could be judged.
    pub(crate) fn refuse(&self, reason: String) {
        self.judgements.note(&Judgement::refused(reason));
    }

    /// All that was judged so far; also what is judged later.
    pub fn judgements(&self) -> Judgements {
        self.judgements.clone()
    }

    /// Where records lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What the call draws its buffers from.
    pub fn memory(&self) -> &Memory {
        self.workspace.memory()
    }

    /// A name relative to the workspace's root, where it begins with the root's own path; none where
    /// it does not.
    pub fn beneath_root(&self, name: &str) -> Option<String> {
        self.workspace.beneath_root(name).map(str::to_owned)
    }

    pub(super) fn workspace(&self) -> &Arc<Workspace> {
        &self.workspace
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// [`Code::NotFound`] when nothing is there or policy hides it (the two are alike);
    /// [`Code::InvalidArgument`] for a directory, a FIFO, a socket or a device, at once.
    pub fn open_file(&self, path: &WorkspacePath, call: &Call) -> Result<OpenFile, ToolError> {
        if self.allows(Access::Read, path) {
            return self.open_regular(path, call, || self.not_found(path, call));
        }
        call.check()?;
        // Whoever may enter a directory knows that it is one.
        Err(if self.knows(path) { is_directory(path) } else { self.not_found(path, call) })
    }

    /// Whether a caller may hear of `path` more than that nothing is there: it may read it, or it
    /// is a directory that it may enter. A failure of what it may not hear of is answered by
    /// [`Scope::not_found`], whatever lies there and whatever the file system said.
    fn knows(&self, path: &WorkspacePath) -> bool {
        self.grant.may(Access::Read, path)
            || self.grant.may(Access::Enter, path)
                && matches!(self.workspace.stat(path), Ok(Some(m)) if m.kind == Kind::Directory)
    }

    /// Opens what a listing or a search begins with, once: a directory that the caller may see,
    /// or a file that it may read.
    ///
    /// # Errors
    /// As [`Scope::open_file`].
    pub fn open_start(&self, path: &WorkspacePath, call: &Call) -> Result<Start, ToolError> {
        call.check()?;
        // Whoever may read a path may enter it, were it a directory.
        let entering = self.grant.judge(Access::Enter, path);
        if !entering.allowed {
            self.judgements.note(&entering);
            return Err(self.not_found(path, call));
        }
        match self.workspace.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(handle) => {
                self.judgements.note(&entering);
                call.touch(1);
                Ok(Start::Directory(Directory { path: path.clone(), handle }))
            }
            // No directory: then it is judged and opened as a file.
            Err(Errno::NOTDIR) => self.open_file(path, call).map(Start::File),
            Err(errno) => {
                self.judgements.note(&entering);
                let absent = || self.not_found(path, call);
                Err(if self.knows(path) { self.open_error(path, errno, absent) } else { absent() })
            }
        }
    }

    /// Opens a record that the caller may read or may itself write.
    ///
    /// # Errors
    /// As [`Scope::open_file`].
    pub fn open_record(&self, path: &WorkspacePath, call: &Call) -> Result<OpenFile, ToolError> {
        // Nobody mistypes the name of a record: to look for one like it would cost a listing each.
        if !self.knows_record(path) {
            return Err(missing(path));
        }
        self.open_regular(path, call, || missing(path))
    }

    /// Opens a file that the caller may know of.
    fn open_regular(
        &self,
        path: &WorkspacePath,
        call: &Call,
        absent: impl Fn() -> ToolError,
    ) -> Result<OpenFile, ToolError> {
        call.check()?;
        let handle = match self.workspace.open(path, READ) {
            Ok(handle) => handle,
            Err(errno) => return Err(self.open_error(path, errno, absent)),
        };
        call.touch(1);
        let metadata = metadata_of(&handle).map_err(|errno| io_error("read", path, errno))?;
        match metadata.kind {
            Kind::Directory => Err(is_directory(path)),
            Kind::Symlink => Err(absent()),
            Kind::Other => Err(special(path)),
            Kind::File => Ok(OpenFile {
                file: File::from(handle),
                size: metadata.size,
                modified: metadata.modified,
                executable: metadata.executable,
            }),
        }
    }

    /// Whether the caller may know of a record: one that it may read, or may itself write.
    pub(super) fn knows_record(&self, path: &WorkspacePath) -> bool {
        self.grant.may(Access::Read, path) || self.grant.may(Access::Write, path)
    }

    /// Reads a whole file of at most the grant's `max_file_bytes`.
    ///
    /// # Errors
    /// As [`Scope::open_file`], [`Code::TooLarge`], and [`Code::Overloaded`] where there is no memory.
    pub fn read_whole(&self, path: &WorkspacePath, call: &Call) -> Result<Content, ToolError> {
        let opened = self.open_file(path, call)?;
        self.read_opened(path, opened, call)
    }

    /// Reads the rest of an opened file of at most the grant's `max_file_bytes`.
    ///
    /// # Errors
    /// [`Code::TooLarge`], [`Code::Io`], [`Code::Overloaded`] where there is no memory, or the
    /// call's end.
    pub fn read_opened(
        &self,
        path: &WorkspacePath,
        opened: OpenFile,
        call: &Call,
    ) -> Result<Content, ToolError> {
        let limit = self.grant.limits().max_file_bytes;
        let too_large = |size: u64| {
            ToolError::new(
                Code::TooLarge,
                format!("`{path}` has {size} bytes; the limit is {limit} (max_file_bytes)"),
            )
        };
        if opened.size > limit {
            return Err(too_large(opened.size));
        }
        let size = usize::try_from(opened.size).unwrap_or(usize::MAX);
        let mut drawn = self.memory().draw(size, call)?;
        let mut bytes = Vec::with_capacity(size);
        let mut rest = opened.file.take(limit.saturating_add(1));
        loop {
            call.check()?;
            // A file that grows while it is read takes more, a block at a time.
            if bytes.len() == bytes.capacity() {
                let mut probe = [0; 32];
                match rest.read(&mut probe) {
                    Ok(0) => break,
                    Ok(read) => {
                        drawn.grow(BLOCK_BYTES, call)?;
                        bytes.reserve_exact(BLOCK_BYTES);
                        bytes.extend_from_slice(probe.get(..read).unwrap_or_default());
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(read_error(path, &error)),
                }
                continue;
            }
            let room = (bytes.capacity() - bytes.len()).min(BLOCK_BYTES) as u64;
            match rest.by_ref().take(room).read_to_end(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(read_error(path, &error)),
            }
        }
        let size = bytes.len() as u64;
        if size > limit { Err(too_large(size)) } else { Ok(Content::new(bytes, drawn)) }
    }

    /// What lies at `path`; none when nothing is there or policy hides it. Symbolic links are
    /// described, not followed.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn stat(&self, path: &WorkspacePath) -> Result<Option<Metadata>, ToolError> {
        if self.grant.may(Access::Read, path) {
            return self.workspace.stat(path).map_err(|errno| io_error("stat", path, errno));
        }
        if !self.grant.may(Access::Enter, path) {
            return Ok(None);
        }
        let metadata = self.workspace.stat(path).unwrap_or_default();
        Ok(metadata.filter(|metadata| metadata.kind == Kind::Directory))
    }

    /// The answer for a path that is not there, and for one that policy hides.
    pub fn not_found(&self, path: &WorkspacePath, call: &Call) -> ToolError {
        match suggest::nearest(&self.workspace, &self.grant, path, call) {
            Some(near) => {
                ToolError { situation: None, ..missing(path) }.hint(format!("did you mean {near}?"))
            }
            None => missing(path),
        }
    }

    /// Why a path was not opened of which the caller may hear more than that it is missing.
    fn open_error(
        &self,
        path: &WorkspacePath,
        errno: Errno,
        absent: impl Fn() -> ToolError,
    ) -> ToolError {
        match errno {
            Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::NAMETOOLONG => absent(),
            // A socket or a device without a driver cannot be opened at all.
            Errno::NXIO | Errno::NODEV => special(path),
            Errno::LOOP if matches!(self.stat(path), Ok(Some(m)) if m.kind == Kind::Symlink) => {
                ToolError::new(
                    Code::NotFound,
                    format!("`{path}` is a symbolic link, and links are not followed"),
                )
                .in_situation(Situation::Link)
            }
            Errno::LOOP => absent(),
            other => io_error("open", path, other),
        }
    }
}

impl Workspace {
    /// What lies at `path`, without following a link; none when nothing is there.
    pub(super) fn stat(&self, path: &WorkspacePath) -> Result<Option<Metadata>, Errno> {
        match self.stat_by_handle(path) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    #[cfg(target_os = "linux")]
    fn stat_by_handle(&self, path: &WorkspacePath) -> Result<Metadata, Errno> {
        metadata_of(&self.open(path, OFlags::PATH)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn stat_by_handle(&self, path: &WorkspacePath) -> Result<Metadata, Errno> {
        use rustix::fs::{AtFlags, statat};
        let parent = path.parent().unwrap_or_default();
        let directory = self.open(&parent, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let name = path.file_name().unwrap_or(".");
        statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).map(|stat| Metadata::from(&stat))
    }
}

pub(super) fn metadata_of(handle: &OwnedFd) -> Result<Metadata, Errno> {
    fstat(handle).map(|stat| Metadata::from(&stat))
}

fn missing(path: &WorkspacePath) -> ToolError {
    ToolError::new(Code::NotFound, format!("no such file: {path}")).in_situation(Situation::Missing)
}

fn is_directory(path: &WorkspacePath) -> ToolError {
    ToolError::invalid(format!("`{path}` is a directory")).in_situation(Situation::Directory)
}

fn special(path: &WorkspacePath) -> ToolError {
    ToolError::invalid(format!("`{path}` is a FIFO, a socket or a device, not a regular file"))
}

/// A failure of the file system, with what an operator can do about it.
pub(super) fn io_error(action: &str, path: &WorkspacePath, errno: Errno) -> ToolError {
    let (code, what, hint) = match errno {
        Errno::ACCESS | Errno::PERM => (
            Code::Denied,
            "the file system refuses it (permission denied)",
            "the server's user has no right to it; the operator can change owner or mode",
        ),
        Errno::ROFS => (
            Code::Denied,
            "the workspace is mounted read-only",
            "the operator can mount it for writing",
        ),
        Errno::NOSPC | Errno::DQUOT => {
            (Code::Io, "the file system is full", "the operator can make room; nothing was written")
        }
        Errno::STALE => (
            Code::Io,
            "the file was replaced on the network file system while it was open",
            "try the call again",
        ),
        Errno::MFILE | Errno::NFILE => {
            (Code::Overloaded, "the server has too many files open", "try again in a few seconds")
        }
        _ => (Code::Io, "the file system failed", "try again; if it stays, tell the operator"),
    };
    ToolError::new(code, format!("cannot {action} `{path}`: {what}")).hint(hint).caused_by(errno)
}

/// What a caller is told of an error of the standard library while reading.
pub fn read_error(path: &WorkspacePath, error: &std::io::Error) -> ToolError {
    io_error("read", path, Errno::from_io_error(error).unwrap_or(Errno::IO))
}
