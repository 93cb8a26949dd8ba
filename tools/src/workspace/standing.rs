//! What stands under the name of a record and is none: a directory of anything else, or one that
//! nobody may enter. It gives way, so that nobody is told of a record that is not there.

use std::io::Read;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::metadata::Kind;
use super::publish::{Failed, Published};
use super::scope::{Scope, io_error, metadata_of, read_error};
use crate::call::Call;
use crate::error::ToolError;
use crate::path::WorkspacePath;

/// What stands under the name of a file.
enum There {
    File(std::fs::File, u64),
    Nothing,
    /// What cannot be opened as a file, or is none.
    Other,
}

impl Scope {
    /// As [`Scope::publish_directory`], for a record that its writer can tell from anything else:
    /// [`Published::AlreadyThere`] says that each of its files stands there, of at most `most`
    /// bytes, and that `is_of_record` took the content for what the record has. Whatever else
    /// stands there gets an unfinished name.
    ///
    /// # Errors
    /// As [`Scope::publish_directory`]; [`crate::error::Code::Overloaded`] where there is no
    /// memory, and the call's end.
    pub fn publish_known_directory(
        &self,
        path: &WorkspacePath,
        files: &[(&str, &[u8])],
        most: u64,
        is_of_record: &dyn Fn(&str, &[u8]) -> bool,
        call: &Call,
    ) -> Result<Published, ToolError> {
        if self.publish_directory(path, files)? == Published::Created {
            return Ok(Published::Created);
        }
        let names = files.iter().map(|(name, _)| *name);
        if self.stands(path, names, most, is_of_record, call)? {
            return Ok(Published::AlreadyThere);
        }
        self.gives_way(path)?;
        self.publish_directory(path, files)
    }

    fn stands<'n>(
        &self,
        path: &WorkspacePath,
        names: impl Iterator<Item = &'n str>,
        most: u64,
        is_of_record: &dyn Fn(&str, &[u8]) -> bool,
        call: &Call,
    ) -> Result<bool, ToolError> {
        let disk = self.workspace();
        let directory = match disk.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(directory) => directory,
            Err(Errno::ACCESS | Errno::PERM | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                return Ok(false);
            }
            Err(errno) => return Err(io_error("read", path, errno)),
        };
        for name in names {
            call.check()?;
            let failed = |errno| io_error("read", path, errno);
            match there(&directory, name).map_err(failed)? {
                There::File(file, size) if size <= most => {
                    let size_in_memory = usize::try_from(size).unwrap_or(usize::MAX);
                    let _drawn = self.memory().draw(size_in_memory, call)?;
                    let mut bytes = Vec::with_capacity(size_in_memory);
                    file.take(size)
                        .read_to_end(&mut bytes)
                        .map_err(|error| read_error(path, &error))?;
                    if !is_of_record(name, &bytes) {
                        return Ok(false);
                    }
                }
                There::File(..) | There::Other => return Ok(false),
                // A network mount may not know of it yet: only making it asks the server.
                There::Nothing => match disk.create_new(&directory, name) {
                    Err(Errno::EXIST) => {}
                    Ok(_) | Err(Errno::ACCESS | Errno::PERM | Errno::NOENT | Errno::STALE) => {
                        return Ok(false);
                    }
                    Err(errno) => return Err(failed(errno)),
                },
            }
        }
        Ok(true)
    }

    /// Gives what stands there an unfinished name.
    fn gives_way(&self, path: &WorkspacePath) -> Result<(), ToolError> {
        let Some((parent, name)) = path.parent().zip(path.file_name()) else { return Ok(()) };
        let disk = self.workspace();
        self.once_more(path, || {
            let directory = disk.directory_for_records(&parent).map_err(Failed::Before)?;
            match disk.set_aside(&directory, name) {
                Ok(_) | Err(Errno::NOENT) => Ok(()),
                Err(errno) => Err(Failed::Before(errno)),
            }
        })
    }
}

fn there(directory: &OwnedFd, name: &str) -> Result<There, Errno> {
    // Never wait for the writer of a FIFO.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::io::retry_on_intr(|| openat(directory, name, flags, Mode::empty()));
    match opened.and_then(|handle| Ok((metadata_of(&handle)?, handle))) {
        Ok((metadata, handle)) if metadata.kind == Kind::File => {
            Ok(There::File(handle.into(), metadata.size))
        }
        Err(Errno::NOENT) => Ok(There::Nothing),
        Ok(_) | Err(Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::NXIO | Errno::NODEV) => {
            Ok(There::Other)
        }
        Err(errno) => Err(errno),
    }
}
