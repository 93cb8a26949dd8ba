//! The numbers that the kernel uses for files, and the paths behind them.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use rustix::fs::Stat;
use rustix::io::Errno;

/// The number of the mount's root.
pub(crate) const ROOT: u64 = 1;

/// Which file of the machine a number stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    device: u64,
    number: u64,
    kind: u32,
}

impl From<&Stat> for Identity {
    #[allow(clippy::unnecessary_cast, reason = "the widths of these fields differ by platform")]
    fn from(stat: &Stat) -> Identity {
        let kind = stat.st_mode as u32 & 0o170_000;
        Identity { device: stat.st_dev as u64, number: stat.st_ino as u64, kind }
    }
}

/// What the kernel was last told about a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    size: i64,
    modified: (i64, u64),
}

impl From<&Stat> for Told {
    #[allow(clippy::unnecessary_cast, reason = "the widths of these fields differ by platform")]
    fn from(stat: &Stat) -> Told {
        let modified = (stat.st_mtime as i64, stat.st_mtime_nsec as u64);
        Told { size: stat.st_size as i64, modified }
    }
}

#[derive(Debug)]
struct Node {
    parent: u64,
    name: OsString,
    identity: Identity,
    told: Told,
    lookups: u64,
    /// Its name was removed or given to another file.
    gone: bool,
}

/// All numbers that the kernel holds.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: HashMap<u64, Node>,
    names: HashMap<(u64, OsString), u64>,
    next: u64,
}

impl Nodes {
    pub(crate) fn new() -> Nodes {
        Nodes { nodes: HashMap::new(), names: HashMap::new(), next: ROOT + 1 }
    }

    /// The path below the source, `.` for the root; [`Errno::STALE`] when its name is gone.
    pub(crate) fn path(&self, number: u64) -> Result<PathBuf, Errno> {
        let mut names = Vec::new();
        let mut at = number;
        while at != ROOT {
            let node = self.nodes.get(&at).filter(|node| !node.gone).ok_or(Errno::STALE)?;
            names.push(&node.name);
            at = node.parent;
        }
        let below = names.into_iter().rev();
        Ok(std::iter::once(OsStr::new(".")).chain(below.map(OsString::as_os_str)).collect())
    }

    /// The number of a file that was looked up under this name.
    pub(crate) fn remember(&mut self, parent: u64, name: &OsStr, stat: &Stat) -> u64 {
        let identity = Identity::from(stat);
        let key = (parent, name.to_owned());
        if let Some(number) = self.names.get(&key).copied() {
            if let Some(node) = self.nodes.get_mut(&number)
                && node.identity == identity
            {
                node.lookups += 1;
                node.told = stat.into();
                return number;
            }
            self.lose(parent, name);
        }
        let number = self.next;
        self.next += 1;
        let told = stat.into();
        let name = name.to_owned();
        self.nodes.insert(number, Node { parent, name, identity, told, lookups: 1, gone: false });
        self.names.insert(key, number);
        number
    }

    /// Whether the number still stands for this file.
    pub(crate) fn is_same(&self, number: u64, stat: &Stat) -> bool {
        number == ROOT
            || self.nodes.get(&number).is_some_and(|node| node.identity == Identity::from(stat))
    }

    /// Notes what the kernel is told now; says whether it knew something else.
    pub(crate) fn tell(&mut self, number: u64, stat: &Stat) -> bool {
        let Some(node) = self.nodes.get_mut(&number) else { return false };
        let told = Told::from(stat);
        std::mem::replace(&mut node.told, told) != told
    }

    /// The name no longer stands for what it stood for.
    pub(crate) fn lose(&mut self, parent: u64, name: &OsStr) {
        if let Some(number) = self.names.remove(&(parent, name.to_owned()))
            && let Some(node) = self.nodes.get_mut(&number)
        {
            node.gone = true;
        }
    }

    /// A name was changed through this mount.
    pub(crate) fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) {
        self.lose(to.0, to.1);
        if let Some(number) = self.names.remove(&(from.0, from.1.to_owned())) {
            if let Some(node) = self.nodes.get_mut(&number) {
                node.parent = to.0;
                node.name = to.1.to_owned();
            }
            self.names.insert((to.0, to.1.to_owned()), number);
        }
    }

    /// The kernel gives back so many lookups.
    pub(crate) fn forget(&mut self, number: u64, lookups: u64) {
        let Some(node) = self.nodes.get_mut(&number) else { return };
        node.lookups = node.lookups.saturating_sub(lookups);
        if node.lookups > 0 {
            return;
        }
        if let Some(node) = self.nodes.remove(&number) {
            let key = (node.parent, node.name);
            if self.names.get(&key) == Some(&number) {
                self.names.remove(&key);
            }
        }
    }
}
