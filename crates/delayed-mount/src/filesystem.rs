//! The pass-through: each request becomes the same operation on the source directory.
//!
//! What is like an NFS mount: the kernel remembers names and attributes for a while, even that a
//! name does not exist; opening a file asks for it anew and drops its pages (close-to-open); a
//! listing brings the attributes of what it lists; a read-only file is closed without a round trip.
//! There are no hard links, no rename flags and no extended attributes, and other mounts do not see
//! locks.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use fuser::{
    BsdFileFlags, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig,
    LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use rustix::fs::{
    AtFlags, Mode, OFlags, fstat, fstatvfs, mkdirat, mknodat, openat, readlinkat, renameat,
    symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::attributes::{attributes, kind, nothing};
use crate::operation::Operation;
use crate::source::{OpenDirectory, PassThrough, Set, errno, lock, refusal};

const GENERATION: Generation = Generation(0);

fn may_write(flags: OpenFlags) -> bool {
    flags.acc_mode() != fuser::OpenAccMode::O_RDONLY
}

/// Pages are dropped at each open; only writers have something to flush at their close.
fn open_flags(flags: OpenFlags) -> FopenFlags {
    if may_write(flags) { FopenFlags::empty() } else { FopenFlags::FOPEN_NOFLUSH }
}

impl Filesystem for PassThrough {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        let wanted = InitFlags::FUSE_DO_READDIRPLUS | InitFlags::FUSE_PARALLEL_DIROPS;
        // An old kernel without one of these is slower and no less right.
        let _ = config.add_capabilities(wanted);
        let _ = config.set_max_background(1024);
        let _ = config.set_max_write(1 << 20);
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self
            .control
            .perform(Operation::Lookup, || self.entry(parent, name, &self.child(parent, name)?));
        match found {
            Ok(attributes) => reply.entry(&self.remembered, &attributes, GENERATION),
            Err(Errno::NOENT) if !self.remembered.is_zero() => {
                reply.entry(&self.remembered, &nothing(), GENERATION);
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn forget(&self, _: &Request, number: INodeNo, lookups: u64) {
        lock(&self.nodes).forget(number.0, lookups);
    }

    fn getattr(&self, _: &Request, number: INodeNo, handle: Option<FileHandle>, reply: ReplyAttr) {
        let found = self.control.perform(Operation::Getattr, || {
            match handle.and_then(|handle| self.file(handle).ok()) {
                Some(file) => fstat(&file),
                None => self.stat_number(number),
            }
        });
        match found {
            Ok(stat) => {
                lock(&self.nodes).tell(number.0, &stat);
                reply.attr(&self.remembered, &attributes(number.0, &stat));
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        number: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        accessed: Option<TimeOrNow>,
        modified: Option<TimeOrNow>,
        _changed: Option<SystemTime>,
        handle: Option<FileHandle>,
        _created: Option<SystemTime>,
        _flagged: Option<SystemTime>,
        _backed_up: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = Set { mode, size, accessed, modified };
        match self.control.perform(Operation::Setattr, || self.set(number, handle, &set)) {
            Ok(stat) => {
                lock(&self.nodes).tell(number.0, &stat);
                reply.attr(&self.remembered, &attributes(number.0, &stat));
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn readlink(&self, _: &Request, number: INodeNo, reply: ReplyData) {
        let target = self.control.perform(Operation::Readlink, || {
            readlinkat(&self.source, self.path(number)?, Vec::new())
        });
        match target {
            Ok(target) => reply.data(target.to_bytes()),
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn mknod(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _device: u32,
        reply: ReplyEntry,
    ) {
        let made = self.control.perform(Operation::Mknod, || {
            let path = self.child(parent, name)?;
            let kind = rustix::fs::FileType::from_raw_mode(mode);
            if kind.is_char_device() || kind.is_block_device() {
                return Err(Errno::PERM);
            }
            mknodat(&self.source, &path, kind, Mode::from_raw_mode(mode & !umask & 0o7777), 0)?;
            self.entry(parent, name, &path)
        });
        match made {
            Ok(attributes) => reply.entry(&self.remembered, &attributes, GENERATION),
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn mkdir(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        reply: ReplyEntry,
    ) {
        let made = self.control.perform(Operation::Mkdir, || {
            let path = self.child(parent, name)?;
            mkdirat(&self.source, &path, Mode::from_raw_mode(mode & !umask & 0o7777))?;
            self.entry(parent, name, &path)
        });
        match made {
            Ok(attributes) => reply.entry(&self.remembered, &attributes, GENERATION),
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self.control.perform(Operation::Unlink, || {
            unlinkat(&self.source, self.child(parent, name)?, AtFlags::empty())?;
            lock(&self.nodes).lose(parent.0, name);
            Ok(())
        });
        answer(reply, done);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let done = self.control.perform(Operation::Rmdir, || {
            unlinkat(&self.source, self.child(parent, name)?, AtFlags::REMOVEDIR)?;
            lock(&self.nodes).lose(parent.0, name);
            Ok(())
        });
        answer(reply, done);
    }

    fn symlink(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        target: &Path,
        reply: ReplyEntry,
    ) {
        let made = self.control.perform(Operation::Symlink, || {
            let path = self.child(parent, name)?;
            symlinkat(target, &self.source, &path)?;
            self.entry(parent, name, &path)
        });
        match made {
            Ok(attributes) => reply.entry(&self.remembered, &attributes, GENERATION),
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let done = self.control.perform(Operation::Rename, || {
            if !flags.is_empty() {
                return Err(Errno::INVAL);
            }
            let (from, to) = (self.child(parent, name)?, self.child(new_parent, new_name)?);
            renameat(&self.source, from, &self.source, to)?;
            lock(&self.nodes).rename((parent.0, name), (new_parent.0, new_name));
            Ok(())
        });
        answer(reply, done);
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        let refused = self.control.perform(Operation::Link, || Err::<(), _>(Errno::PERM));
        reply.error(refusal(refused.err().unwrap_or(Errno::PERM)));
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        match self.control.perform(Operation::Open, || self.open_file(number, flags)) {
            Ok(file) => {
                let handle = self.new_handle();
                lock(&self.files).insert(handle, Arc::new(file));
                reply.opened(FileHandle(handle), open_flags(flags));
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let created = self.control.perform(Operation::Create, || {
            let path = self.child(parent, name)?;
            let asked = OFlags::from_bits_retain(flags as u32);
            let kept = asked & (OFlags::RWMODE | OFlags::EXCL | OFlags::TRUNC);
            let flags = kept | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(mode & !umask & 0o7777);
            let file = File::from(openat(&self.source, &path, flags, mode)?);
            let stat = fstat(&file)?;
            let number = lock(&self.nodes).remember(parent.0, name, &stat);
            Ok((file, attributes(number, &stat)))
        });
        match created {
            Ok((file, attributes)) => {
                let handle = self.new_handle();
                lock(&self.files).insert(handle, Arc::new(file));
                let flags = open_flags(OpenFlags(flags));
                reply.created(&self.remembered, &attributes, GENERATION, FileHandle(handle), flags);
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.control.perform(Operation::Read, || {
            let file = self.file(handle)?;
            let mut bytes = vec![0; size as usize];
            let mut length = 0;
            while let Some(room) = bytes.get_mut(length..).filter(|room| !room.is_empty()) {
                match file.read_at(room, offset + length as u64).map_err(|error| errno(&error))? {
                    0 => break,
                    read => length += read,
                }
            }
            bytes.truncate(length);
            Ok(bytes)
        });
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.control.perform(Operation::Write, || {
            self.file(handle)?.write_all_at(data, offset).map_err(|error| errno(&error))
        });
        match written {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        answer(reply, self.control.perform(Operation::Flush, || Ok(())));
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        lock(&self.files).remove(&handle.0);
        reply.ok();
    }

    // The source is on this machine, which keeps what was written even when the process that
    // wrote it is killed: there is nothing to wait for.
    fn fsync(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.control.perform(Operation::Fsync, || Ok(())));
    }

    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, self.control.perform(Operation::Fsyncdir, || Ok(())));
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.control.perform(Operation::Opendir, || Ok(self.new_handle())) {
            Ok(handle) => {
                lock(&self.directories).insert(handle, OpenDirectory::default());
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn readdir(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        match self.listing(number, handle, offset) {
            Ok(listed) => {
                let rest =
                    listed.iter().enumerate().skip(usize::try_from(offset).unwrap_or(usize::MAX));
                for (index, entry) in rest {
                    let number = INodeNo(entry.stat.st_ino);
                    if reply.add(number, index as u64 + 1, kind(entry.stat.st_mode), &entry.name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn readdirplus(
        &self,
        _: &Request,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectoryPlus,
    ) {
        match self.listing(number, handle, offset) {
            Ok(listed) => {
                let rest =
                    listed.iter().enumerate().skip(usize::try_from(offset).unwrap_or(usize::MAX));
                for (index, entry) in rest {
                    let dots = entry.name == "." || entry.name == "..";
                    // A later page tells what is there now, not what was when it was listed.
                    let Ok(stat) = (if dots { Ok(entry.stat) } else { self.stat(&entry.path) })
                    else {
                        continue;
                    };
                    let child = if dots {
                        number.0
                    } else {
                        lock(&self.nodes).remember(number.0, &entry.name, &stat)
                    };
                    let (ino, next) = (INodeNo(child), index as u64 + 1);
                    let attributes = attributes(child, &stat);
                    let ttl = &self.remembered;
                    if reply.add(ino, next, &entry.name, ttl, &attributes, GENERATION) {
                        if !dots {
                            lock(&self.nodes).forget(child, 1);
                        }
                        break;
                    }
                }
                reply.ok();
            }
            Err(errno) => reply.error(refusal(errno)),
        }
    }

    fn releasedir(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        _: OpenFlags,
        reply: ReplyEmpty,
    ) {
        lock(&self.directories).remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        match self.control.perform(Operation::Statfs, || fstatvfs(&self.source)) {
            Ok(size) => reply.statfs(
                size.f_blocks,
                size.f_bfree,
                size.f_bavail,
                size.f_files,
                size.f_ffree,
                size.f_bsize as u32,
                size.f_namemax as u32,
                size.f_frsize as u32,
            ),
            Err(errno) => reply.error(refusal(errno)),
        }
    }
}

fn answer(reply: ReplyEmpty, done: Result<(), Errno>) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(refusal(errno)),
    }
}
