//! Gathers the entries of a source: it checks and counts each, and has it written aside.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read};

use sha2::{Digest, Sha256};

use super::aside::{Aside, Writers};
use super::{Limits, StageError, name};

/// What was gathered.
pub(super) struct Gathered {
    pub digest: String,
    pub files: u64,
    pub bytes: u64,
    /// Directories, from the outermost in.
    pub directories: Vec<String>,
}

/// One entry, as far as the digest wants to know it.
enum Entry {
    Directory,
    File { executable: bool, hash: [u8; 32] },
    Link(String),
}

/// Takes entries.
pub(super) struct Gather<'a> {
    place: &'a str,
    limits: &'a Limits,
    /// Where they are written; nowhere when they are only counted.
    writers: Option<&'a Writers<'a>>,
    entries: BTreeMap<String, Entry>,
    files: u64,
    bytes: u64,
}

/// Files up to this size are handed over whole; of larger ones no second is held in memory.
const WHOLE: usize = 256 * 1024;

impl<'a> Gather<'a> {
    /// Counts the entries that `fill` gives, and writes nothing.
    pub(super) fn only_counting(
        place: &str,
        limits: &Limits,
        fill: impl FnOnce(&mut Gather<'_>) -> Result<(), StageError>,
    ) -> Result<Gathered, StageError> {
        let mut gather = Gather::new(place, limits, None);
        fill(&mut gather)?;
        Ok(gather.finish())
    }

    /// Writes the entries that `fill` gives, all of them on the disk when this returns.
    pub(super) fn writing(
        aside: &Aside,
        place: &str,
        limits: &Limits,
        fill: impl FnOnce(&mut Gather<'_>) -> Result<(), StageError>,
    ) -> Result<Gathered, StageError> {
        aside.with_writers(|writers| {
            let mut gather = Gather::new(place, limits, Some(writers));
            fill(&mut gather)?;
            writers.finish()?;
            // Links come last, so that nothing can ever be written through one.
            for (path, entry) in &gather.entries {
                if let Entry::Link(target) = entry {
                    writers.link(path, target)?;
                }
            }
            Ok(gather.finish())
        })
    }

    fn new(place: &'a str, limits: &'a Limits, writers: Option<&'a Writers<'a>>) -> Gather<'a> {
        Gather { place, limits, writers, entries: BTreeMap::new(), files: 0, bytes: 0 }
    }

    /// A directory. The same one again is no fault.
    pub(super) fn directory(&mut self, name: &[u8]) -> Result<(), StageError> {
        match name::parse(self.place, name)? {
            Some(path) => self.make(&path),
            None => Ok(()),
        }
    }

    /// A file.
    pub(super) fn file(
        &mut self,
        name: &[u8],
        executable: bool,
        content: &mut dyn Read,
    ) -> Result<(), StageError> {
        let path = self.new_path(name)?;
        let mut hash = Sha256::new();
        let mut size: u64 = 0;
        let mut block = Vec::with_capacity(WHOLE);
        let first = self.read(&path, content, &mut block, &mut size)?;
        hash.update(&block);
        match self.writers {
            Some(writers) if first == Block::Last => writers.file(&path, executable, block)?,
            Some(writers) => {
                let mut file = writers.large_file(&path, executable)?;
                file.write(&block)?;
                loop {
                    block.clear();
                    let last = self.read(&path, content, &mut block, &mut size)? == Block::Last;
                    hash.update(&block);
                    file.write(&block)?;
                    if last {
                        break;
                    }
                }
                file.finish()?;
            }
            None => {
                let mut last = first == Block::Last;
                while !last {
                    block.clear();
                    last = self.read(&path, content, &mut block, &mut size)? == Block::Last;
                    hash.update(&block);
                }
            }
        }
        self.files += 1;
        let hash = hash.finalize().into();
        self.entries.insert(path, Entry::File { executable, hash });
        Ok(())
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, name: &[u8], target: &[u8]) -> Result<(), StageError> {
        let path = self.new_path(name)?;
        let target = name::link_target(&path, target)?;
        self.entries.insert(path, Entry::Link(target));
        Ok(())
    }

    /// Something that is not staged.
    pub(super) fn refuse(&mut self, name: &[u8], kind: &'static str) -> Result<(), StageError> {
        let path = String::from_utf8_lossy(name).escape_debug().to_string();
        Err(StageError::Kind { path, kind })
    }

    fn new_path(&mut self, name: &[u8]) -> Result<String, StageError> {
        let path = name::parse(self.place, name)?.ok_or_else(|| StageError::Name {
            name: String::from_utf8_lossy(name).escape_debug().to_string(),
            reason: "it names the directory of all sources".to_owned(),
        })?;
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.make(parent)?;
        }
        if self.entries.contains_key(&path) {
            return Err(StageError::Twice(path));
        }
        // Before it is read: what cannot be kept need not be unpacked.
        self.room_for_one_more()?;
        Ok(path)
    }

    /// A directory and those that lead to it.
    fn make(&mut self, path: &str) -> Result<(), StageError> {
        let mut upto = String::new();
        for component in path.split('/') {
            if !upto.is_empty() {
                upto.push('/');
            }
            upto.push_str(component);
            match self.entries.get(&upto) {
                Some(Entry::Directory) => {}
                Some(_) => return Err(StageError::Twice(upto)),
                None => {
                    self.room_for_one_more()?;
                    if let Some(writers) = self.writers {
                        writers.directory(&upto)?;
                    }
                    self.entries.insert(upto.clone(), Entry::Directory);
                }
            }
        }
        Ok(())
    }

    fn room_for_one_more(&self) -> Result<(), StageError> {
        if self.entries.len() as u64 >= self.limits.entries {
            return Err(StageError::TooMany(self.limits.entries));
        }
        Ok(())
    }

    /// Reads up to a block more, and counts it against the limits.
    fn read(
        &mut self,
        path: &str,
        content: &mut dyn Read,
        block: &mut Vec<u8>,
        size: &mut u64,
    ) -> Result<Block, StageError> {
        let read = content.take(WHOLE as u64).read_to_end(block).map_err(|cause| {
            // What an archive's reader says is about the archive and not about this machine.
            match cause.kind() {
                ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                    StageError::Archive { path: path.to_owned(), reason: cause.to_string() }
                }
                _ => StageError::Io { what: "read", path: path.to_owned(), cause },
            }
        })? as u64;
        *size += read;
        self.bytes += read;
        if *size > self.limits.file_bytes {
            let limit = self.limits.file_bytes;
            return Err(StageError::FileTooLarge { path: path.to_owned(), limit });
        }
        if self.bytes > self.limits.bytes {
            return Err(StageError::TooLarge(self.limits.bytes));
        }
        Ok(if read < WHOLE as u64 { Block::Last } else { Block::MoreMayFollow })
    }

    fn finish(self) -> Gathered {
        let mut hash = Sha256::new();
        let mut directories = Vec::new();
        for (path, entry) in self.entries {
            let mut field = |bytes: &[u8]| {
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            };
            match entry {
                Entry::Directory => {
                    field(b"directory");
                    field(path.as_bytes());
                    directories.push(path);
                }
                Entry::File { executable, hash } => {
                    field(if executable { b"program" } else { b"file" });
                    field(path.as_bytes());
                    field(&hash);
                }
                Entry::Link(target) => {
                    field(b"link");
                    field(path.as_bytes());
                    field(target.as_bytes());
                }
            }
        }
        let digest = hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Gathered { digest, files: self.files, bytes: self.bytes, directories }
    }
}

/// Whether a file may go on after a block.
#[derive(PartialEq)]
enum Block {
    Last,
    MoreMayFollow,
}
