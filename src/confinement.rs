//! A second wall around a server. What a call may touch is decided by its `Scope`. Should that ever
//! fail, the kernel still lets the process touch nothing but its workspace, its own files and its
//! own ports (Landlock), gain no rights (`no_new_privs`), and leave none of its memory on disk (no
//! core dumps).
//!
//! It holds for the thread that raises it and for all that this one starts afterwards, so it is
//! raised before the runtime starts.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::doctor::Wall;

/// What a server needs of the machine.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    workspace: PathBuf,
    reads: Vec<PathBuf>,
    listens: Option<u16>,
    asks: Vec<u16>,
    /// Whether it looks names up and checks certificates.
    looks_up: bool,
}

/// What the runtime asks about the machine: how many processors and how much memory it may use.
const OWN: [&str; 4] = ["/proc/self", "/proc/meminfo", "/proc/cgroups", "/sys/fs/cgroup"];
/// What looking names up and checking certificates needs.
const NAMES_AND_CERTIFICATES: [&str; 7] = [
    "/etc",
    "/run/systemd/resolve",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
];
/// Names are asked for over TCP where an answer is long.
const DOMAIN: u16 = 53;

impl Reach {
    /// The reach of a server over `workspace`: there it may read and write.
    pub(crate) fn of(workspace: &Path) -> Reach {
        Reach { workspace: workspace.to_owned(), ..Reach::default() }
    }

    /// It reads this file, or all below this directory.
    #[must_use]
    pub(crate) fn reading(mut self, path: Option<&Path>) -> Reach {
        self.reads.extend(path.map(Path::to_owned));
        self
    }

    /// It reads this file again and again, also when another one has taken its place: then all
    /// files of its directory can be read.
    #[must_use]
    pub(crate) fn watching(self, file: Option<&Path>) -> Reach {
        let directory = file.and_then(Path::parent).map(|directory| {
            if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
        });
        self.reading(directory)
    }

    /// It listens on this port.
    #[must_use]
    pub(crate) fn listening(mut self, port: u16) -> Reach {
        self.listens = Some(port);
        self
    }

    /// It asks a server on this port, if any.
    #[must_use]
    pub(crate) fn asking(mut self, port: Option<u16>) -> Reach {
        self.asks.extend(port);
        self
    }

    /// It looks names up and checks certificates.
    #[must_use]
    pub(crate) fn looking_up(mut self) -> Reach {
        self.looks_up = true;
        self.asking(Some(DOMAIN))
    }
}

/// What was raised in this process, for its doctor.
static RAISED: OnceLock<Wall> = OnceLock::new();

/// What was raised in this process; none where nothing was to be.
pub(crate) fn raised() -> Option<Wall> {
    RAISED.get().copied()
}

/// Raises the wall around this thread and all that it starts. What the kernel does not have is left
/// out: the server's own checks hold without it.
pub(crate) fn raise(reach: &Reach) -> Wall {
    let wall = kernel::raise(reach);
    tracing::debug!(wall = wall.as_str(), "confined");
    *RAISED.get_or_init(|| wall)
}

#[cfg(target_os = "linux")]
mod kernel {
    use landlock::{
        ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
    };
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

    use super::{NAMES_AND_CERTIFICATES, OWN, Reach};
    use crate::doctor::Wall;

    /// The newest rights that were tried here; an older kernel has some of them.
    const NEWEST: ABI = ABI::V6;

    pub(super) fn raise(reach: &Reach) -> Wall {
        // Core dumps that are piped to a program heed no limit, so memory is not dumpable at all.
        let dumps = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        if let Err(error) = dumps.and(set_dumpable_behavior(DumpableBehavior::NotDumpable)) {
            tracing::warn!(%error, "core dumps could not be turned off");
        }
        match confine(reach) {
            Ok(wall) => wall,
            Err(error) => {
                tracing::warn!(%error, "Landlock refused the rules");
                Wall::Refused
            }
        }
    }

    fn confine(reach: &Reach) -> Result<Wall, RulesetError> {
        let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
        // All that files and directories need; the server makes no links, sockets or devices, and
        // executes nothing.
        let write: BitFlags<AccessFs> = read
            | make_bitflags!(AccessFs::{
                WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
            });
        let own = OWN.into_iter().map(std::path::PathBuf::from);
        let shared = NAMES_AND_CERTIFICATES.into_iter().map(std::path::PathBuf::from);
        let reads = own.chain(shared.filter(|_| reach.looks_up)).chain(reach.reads.iter().cloned());
        let net = |port, access| Ok::<_, RulesetError>(NetPort::new(port, access));
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules([&reach.workspace], write))?
            .add_rules(path_beneath_rules(reads, read))?
            .add_rules(reach.listens.map(|port| net(port, AccessNet::BindTcp)))?
            .add_rules(reach.asks.iter().map(|port| net(*port, AccessNet::ConnectTcp)))?
            .restrict_self()?;
        Ok(match (status.ruleset, status.landlock) {
            (RulesetStatus::FullyEnforced, _) => Wall::Whole,
            (RulesetStatus::PartiallyEnforced, _) => Wall::Part,
            (RulesetStatus::NotEnforced, LandlockStatus::NotImplemented) => Wall::Missing,
            (RulesetStatus::NotEnforced, _) => Wall::Off,
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use super::Reach;
    use crate::doctor::Wall;

    pub(super) fn raise(_: &Reach) -> Wall {
        Wall::Missing
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn nothing_else_is_within_reach() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let secret = outside.path().join("secret.txt");
        std::fs::write(&secret, "secret").unwrap();
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = elsewhere.local_addr().unwrap();
        let reach = Reach::of(inside.path()).listening(0);
        // The wall is around the thread that raises it.
        std::thread::spawn(move || {
            let wall = raise(&reach);
            if wall != Wall::Whole {
                eprintln!("SKIPPED: this kernel does not confine a server whole: {wall:?}");
                return;
            }
            let denied = |result: std::io::Result<()>| {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
            };
            let own = inside.path().join("directory/file.txt");
            std::fs::create_dir(inside.path().join("directory")).unwrap();
            std::fs::write(&own, "own").unwrap();
            std::fs::rename(&own, inside.path().join("file.txt")).unwrap();
            std::fs::remove_dir(inside.path().join("directory")).unwrap();
            assert_eq!(std::fs::read(inside.path().join("file.txt")).unwrap(), b"own");
            denied(std::fs::read(&secret).map(drop));
            denied(std::fs::write(outside.path().join("new.txt"), "new"));
            denied(std::fs::remove_file(&secret));
            denied(std::os::unix::fs::symlink(&secret, inside.path().join("link")));
            denied(std::fs::read("/etc/passwd").map(drop));
            denied(std::fs::read_dir("/").map(drop));
            denied(std::process::Command::new("/bin/true").status().map(drop));
            denied(TcpStream::connect(port).map(drop));
            TcpListener::bind("127.0.0.1:0").unwrap();
        })
        .join()
        .unwrap();
    }
}
