//! The directory into which sources are unpacked before they get their name, and how they get it.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::gather::Gathered;
use super::{FORMAT, Place, RECORD, Record, StageError, Staged};

/// What unfinished stages are called: this, the run, `~`, and something random. A run's name has
/// no `~`.
const UNFINISHED: &str = ".stage~";
/// What is being removed is called this: renamed first, so that a stage that still runs cannot
/// give its name to half of a directory.
const SWEPT: &str = ".swept~";
/// Unfinished stages of other runs are nobody's any more after this time.
const OLD: Duration = Duration::from_secs(24 * 60 * 60);
/// Files that are written at the same time: on a network mount each is several round trips.
const WRITERS: usize = 16;

/// A directory that has not its final name yet.
pub(super) struct Aside<'a> {
    directory: PathBuf,
    /// What it will be called, from the workspace's root.
    path: String,
    moment: &'a (dyn Fn() + Sync),
}

impl<'a> Aside<'a> {
    /// Makes an empty one.
    pub(super) fn create(place: &Place<'a>) -> Result<Aside<'a>, StageError> {
        (place.moment)();
        let io = |what| move |path: &Path, cause| StageError::io(what, path, cause);
        fs::create_dir_all(&place.input).map_err(|cause| io("make")(&place.input, cause))?;
        let random = RandomState::new().build_hasher().finish();
        let name = format!("{UNFINISHED}{}~{random:016x}", place.run);
        let directory = place.input.join(name);
        (place.moment)();
        fs::create_dir(&directory).map_err(|cause| io("make")(&directory, cause))?;
        Ok(Aside { directory, path: place.path.clone(), moment: place.moment })
    }

    /// Lets `fill` write from several threads.
    pub(super) fn with_writers<T>(
        &self,
        fill: impl FnOnce(&Writers<'_>) -> Result<T, StageError>,
    ) -> Result<T, StageError> {
        let (sender, receiver) = sync_channel(WRITERS);
        let shared = Shared { receiver: Mutex::new(receiver), failed: Mutex::default() };
        let filled = std::thread::scope(|threads| {
            for _ in 0..WRITERS {
                threads.spawn(|| shared.write_all(self));
            }
            let writers =
                Writers { aside: self, sender: Mutex::new(Some(sender)), shared: &shared };
            fill(&writers)
        });
        // What a writer met is why `fill` could not go on.
        let failed = shared.failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut filled = failed.map_or(filled, Err);
        if filled.is_err() {
            if !self.directory.exists() {
                filled = Err(StageError::Swept(self.path.clone()));
            }
            // What stays is swept by the next stage.
            let _ = fs::remove_dir_all(&self.directory);
        }
        filled
    }

    /// Gives the stage its name.
    pub(super) fn publish(
        self,
        place: &Place<'_>,
        gathered: Gathered,
    ) -> Result<Staged, StageError> {
        let published = self.try_publish(place, &gathered);
        if published.as_ref().map_or(true, |staged| staged.already) {
            let _ = fs::remove_dir_all(&self.directory);
        }
        published
    }

    fn try_publish(&self, place: &Place<'_>, gathered: &Gathered) -> Result<Staged, StageError> {
        let record = Record {
            format: FORMAT,
            digest: gathered.digest.clone(),
            files: gathered.files,
            bytes: gathered.bytes,
        };
        let mut text = serde_json::to_vec(&record).unwrap_or_default();
        text.push(b'\n');
        self.write(&Job { path: RECORD.to_owned(), executable: false, content: text })?;
        for directory in gathered.directories.iter().rev() {
            (self.moment)();
            sync(&self.directory.join(directory))?;
        }
        sync(&self.directory)?;
        (self.moment)();
        let to = place.directory();
        if let Err(cause) = fs::rename(&self.directory, &to) {
            // The reply may be what was lost; and somebody else may have been first.
            return match (place.is_taken(), cause.kind()) {
                (Ok(true), _) => place.compare(gathered),
                // Ours is gone; or another one is there, which a network mount does not show yet.
                (
                    _,
                    ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists,
                ) => Err(StageError::Swept(place.path.clone())),
                _ => Err(StageError::io("rename a stage to", &to, cause)),
            };
        }
        (self.moment)();
        sync(&place.input)?;
        Ok(place.staged(gathered, false))
    }

    fn open(&self, path: &str, executable: bool) -> Result<(File, PathBuf), StageError> {
        (self.moment)();
        let whole = self.directory.join(path);
        let mode = if executable { 0o755 } else { 0o644 };
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&whole);
        match file {
            Ok(file) => Ok((file, whole)),
            // Only on a file system for which two names are one.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(StageError::Twice(path.to_owned()))
            }
            Err(cause) => Err(StageError::io("write", &whole, cause)),
        }
    }

    fn write(&self, job: &Job) -> Result<(), StageError> {
        let (mut file, whole) = self.open(&job.path, job.executable)?;
        file.write_all(&job.content)
            .and_then(|()| file.sync_all())
            .map_err(|cause| StageError::io("write", &whole, cause))
    }
}

/// A file that is to be written.
struct Job {
    path: String,
    executable: bool,
    content: Vec<u8>,
}

struct Shared {
    receiver: Mutex<Receiver<Job>>,
    failed: Mutex<Option<StageError>>,
}

impl Shared {
    fn write_all(&self, aside: &Aside<'_>) {
        loop {
            let job = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(job) = job else { return };
            // After a failure the rest is taken and dropped, so that nobody waits.
            if self.has_failed() {
                continue;
            }
            if let Err(error) = aside.write(&job) {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

/// Writes files of a stage, several at the same time.
pub(super) struct Writers<'a> {
    aside: &'a Aside<'a>,
    sender: Mutex<Option<SyncSender<Job>>>,
    shared: &'a Shared,
}

impl Writers<'_> {
    /// A directory whose parent is there.
    pub(super) fn directory(&self, path: &str) -> Result<(), StageError> {
        (self.aside.moment)();
        let whole = self.aside.directory.join(path);
        match fs::create_dir(&whole) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(StageError::Twice(path.to_owned()))
            }
            other => other.map_err(|cause| StageError::io("make", &whole, cause)),
        }
    }

    /// A small file: it is written while the caller goes on.
    pub(super) fn file(
        &self,
        path: &str,
        executable: bool,
        content: Vec<u8>,
    ) -> Result<(), StageError> {
        let job = Job { path: path.to_owned(), executable, content };
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = sender.as_ref().is_some_and(|sender| sender.send(job).is_ok());
        if sent && !self.shared.has_failed() { Ok(()) } else { Err(stopped(path)) }
    }

    /// A large file: the caller writes it.
    pub(super) fn large_file(&self, path: &str, executable: bool) -> Result<LargeFile, StageError> {
        let (file, path) = self.aside.open(path, executable)?;
        Ok(LargeFile { file, path })
    }

    /// A link whose parent is there.
    pub(super) fn link(&self, path: &str, target: &str) -> Result<(), StageError> {
        (self.aside.moment)();
        let whole = self.aside.directory.join(path);
        std::os::unix::fs::symlink(target, &whole)
            .map_err(|cause| StageError::io("link", &whole, cause))
    }

    /// No more files follow.
    pub(super) fn finish(&self) -> Result<(), StageError> {
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        if self.shared.has_failed() { Err(stopped("")) } else { Ok(()) }
    }
}

/// Takes the place of a writer's own error, which [`Aside::with_writers`] puts back.
fn stopped(path: &str) -> StageError {
    StageError::io("write", Path::new(path), ErrorKind::Interrupted.into())
}

/// A large file that is being written.
pub(super) struct LargeFile {
    file: File,
    path: PathBuf,
}

impl LargeFile {
    pub(super) fn write(&mut self, block: &[u8]) -> Result<(), StageError> {
        self.file.write_all(block).map_err(|cause| StageError::io("write", &self.path, cause))
    }

    pub(super) fn finish(self) -> Result<(), StageError> {
        self.file.sync_all().map_err(|cause| StageError::io("write", &self.path, cause))
    }
}

fn sync(directory: &Path) -> Result<(), StageError> {
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|cause| StageError::io("sync", directory, cause))
}

/// Removes what crashes have left: of this run at once, of others when it is old.
pub(super) fn sweep(place: &Place<'_>) -> Result<(), StageError> {
    let entries = match fs::read_dir(&place.input) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(StageError::io("list", &place.input, cause)),
    };
    let ours = format!("{UNFINISHED}{}~", place.run);
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let unfinished = name.starts_with(UNFINISHED) || name.starts_with(SWEPT);
        let modified = || entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = || {
            let age = modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            age.is_some_and(|age| age > OLD)
        };
        if !unfinished || !(name.starts_with(&ours) || is_old()) {
            continue;
        }
        (place.moment)();
        let random = RandomState::new().build_hasher().finish();
        // Under the run's own prefix it would be swept again; what a crash leaves of this is old
        // some day.
        let away = place.input.join(format!("{SWEPT}{}~{random:016x}", place.run));
        if fs::rename(entry.path(), &away).is_ok() {
            (place.moment)();
            let _ = fs::remove_dir_all(&away);
        }
    }
    Ok(())
}
