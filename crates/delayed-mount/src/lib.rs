//! A network file system for tests: a FUSE pass-through of a directory, with a delay for each
//! operation, names and attributes that other mounts see late, counted operations, and faults.
//!
//! ```no_run
//! use delayed_mount::{Mounted, Options};
//! # fn main() -> std::io::Result<()> {
//! let mounted = Mounted::over("some/directory".as_ref(), Options::default())?;
//! std::fs::read(mounted.path().join("file"))?;
//! println!("{}", mounted.counts());
//! # Ok(())
//! # }
//! ```

mod attributes;
mod control;
mod fault;
mod filesystem;
mod nodes;
mod operation;
mod source;

use std::io;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fuser::{Config, MountOption, Session};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::mount::{UnmountFlags, unmount};

use control::Control;
use source::PassThrough;

pub use control::Counts;
pub use fault::{ERRORS, Effect, Fault};
pub use operation::Operation;
pub use rustix::io::Errno;

/// How a mount behaves from its start.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long each round trip takes.
    pub delay: Duration,
    /// How long the kernel may go by what it knows of names and attributes. Zero asks each time.
    pub remembered: Duration,
    /// Requests that are worked on at once.
    pub threads: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { delay: Duration::ZERO, remembered: Duration::from_secs(30), threads: 96 }
    }
}

/// A mount that lasts as long as this value.
#[derive(Debug)]
pub struct Mounted {
    path: PathBuf,
    own_directory: bool,
    control: Arc<Control>,
    ended: Mutex<Receiver<()>>,
}

/// How long starting and ending may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Mounted {
    /// Mounts `source` in a new directory.
    ///
    /// # Errors
    /// When there is no FUSE here, no right to mount, or no such directory.
    pub fn over(source: &Path, options: Options) -> io::Result<Mounted> {
        let path = tempfile::Builder::new().prefix("delayed-mount-").tempdir()?.keep();
        match Mounted::at(source, &path, options) {
            Ok(mut mounted) => {
                mounted.own_directory = true;
                Ok(mounted)
            }
            Err(error) => {
                let _ = std::fs::remove_dir(&path);
                Err(error)
            }
        }
    }

    /// Like [`Mounted::over`], but where this machine cannot mount it says on the terminal that
    /// the test is skipped, and gives none.
    ///
    /// # Errors
    /// When the machine can mount and it fails all the same.
    pub fn or_skip(source: &Path, options: Options) -> io::Result<Option<Mounted>> {
        if let Err(error) = std::fs::File::options().read(true).write(true).open("/dev/fuse") {
            skip(&format!("/dev/fuse: {error}"));
            return Ok(None);
        }
        match Mounted::over(source, options) {
            Ok(mounted) => Ok(Some(mounted)),
            // Not root, and no `fusermount3` to ask.
            Err(error) if !nix::unistd::geteuid().is_root() => {
                skip(&error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Mounts `source` at `mountpoint`, an empty directory.
    ///
    /// # Errors
    /// As [`Mounted::over`].
    pub fn at(source: &Path, mountpoint: &Path, options: Options) -> io::Result<Mounted> {
        let source = source.canonicalize()?;
        let path = mountpoint.canonicalize()?;
        let control = Arc::new(Control::new(options.delay));
        let (started, starting) = channel();
        let (ending, ended) = channel();
        let own = (Arc::clone(&control), path.clone());
        std::thread::Builder::new().name("delayed-mount".into()).spawn(move || {
            serve(&source, &own.1, own.0, &options, &started);
            // Nobody may be waiting for it.
            let _ = ending.send(());
        })?;
        match starting.recv_timeout(PATIENCE) {
            Ok(result) => result?,
            Err(_) => return Err(io::ErrorKind::TimedOut.into()),
        }
        Ok(Mounted { path, own_directory: false, control, ended: Mutex::new(ended) })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The requests since the start or the last reset.
    pub fn counts(&self) -> Counts {
        self.control.counts()
    }

    /// The first requests since the start or the last reset that were answered without an error,
    /// in the order of their answers: ten thousand at most.
    pub fn succeeded(&self) -> Vec<Operation> {
        self.control.succeeded()
    }

    /// Counts from zero.
    pub fn reset_counts(&self) {
        self.control.reset_counts();
    }

    /// Requests that are under way now.
    pub fn under_way(&self) -> usize {
        self.control.under_way()
    }

    /// Waits until so many requests are under way; says whether that came within the time.
    pub fn wait_under_way(&self, least: usize, time: Duration) -> bool {
        let until = Instant::now() + time;
        while self.under_way() < least {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Changes how long each round trip takes.
    pub fn set_delay(&self, delay: Duration) {
        self.control.set_delay(delay);
    }

    /// Adds a fault.
    pub fn fail(&self, fault: Fault) {
        self.control.fail(fault);
    }

    /// Ends all faults; what hangs goes on.
    pub fn clear_faults(&self) {
        self.control.clear_faults();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        self.control.clear_faults();
        self.control.set_delay(Duration::ZERO);
        // Detached, so that a handle that somebody has left open does not keep it in its place.
        let unmounted = unmount(self.path.as_path(), UnmountFlags::DETACH);
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(PATIENCE).is_err() {
            say(&format!("{} is still in use ({unmounted:?})", self.path.display()));
        }
        if self.own_directory {
            // Never with what is in it: that would be the source's.
            let _ = std::fs::remove_dir(&self.path);
        }
    }
}

/// Mounts and answers until it is unmounted.
///
/// This thread and those of the session have a table of handles of their own. Were it shared, a
/// process that is killed while one of its threads waits for the mount could never end: the
/// waiting thread would keep the device open on which nobody answers any more.
fn serve(
    source: &Path,
    mountpoint: &Path,
    control: Arc<Control>,
    options: &Options,
    started: &Sender<io::Result<()>>,
) {
    let mounted = separate_handles().and_then(|()| {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let source = openat(CWD, source, flags, Mode::empty())?;
        let filesystem = PassThrough::new(source, control, options.remembered);
        let notifier = Arc::clone(&filesystem.notifier);
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("delayed-mount".to_owned())];
        config.n_threads = Some(options.threads.max(1));
        let session = Session::new(filesystem, mountpoint, &config)?;
        let _ = notifier.set(session.notifier());
        Ok(session)
    });
    match mounted {
        Ok(session) => {
            let _ = started.send(Ok(()));
            // A thread that was told of the end while it asked for more has not failed.
            let aborted = Some(Errno::CONNABORTED.raw_os_error());
            if let Err(error) = session.run()
                && error.raw_os_error() != aborted
            {
                say(&format!("{}: {error}", mountpoint.display()));
            }
        }
        Err(error) => {
            let _ = started.send(Err(error));
        }
    }
}

fn separate_handles() -> io::Result<()> {
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES)?;
    let mut copied = Vec::new();
    for entry in std::fs::read_dir("/proc/thread-self/fd")? {
        let name = entry?.file_name();
        copied.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for handle in copied.into_iter().filter(|handle| *handle > 2) {
        // One of them was the listing's own and is closed already.
        let _ = nix::unistd::close(handle);
    }
    Ok(())
}

/// Says on the terminal that a test is skipped, also where the test's output is captured.
pub fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    say(&format!("SKIPPED {test}: no FUSE mount on this machine ({why})"));
}

fn say(line: &str) {
    // Unlike `eprintln`, this is not held back for tests that pass.
    let _ = writeln!(io::stderr(), "delayed-mount: {line}");
}
