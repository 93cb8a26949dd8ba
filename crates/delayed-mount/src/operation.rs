//! The operations of a mount: what is counted, delayed and can fail.

use std::str::FromStr;

macro_rules! operations {
    ($($(#[$doc:meta])* $variant:ident $name:literal,)*) => {
        /// One kind of request that the kernel sends to a mount.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { $($(#[$doc])* $variant,)* }

        impl Operation {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Operation] = &[$(Operation::$variant),*];

            /// Its name on the command line and in messages.
            pub fn name(self) -> &'static str {
                match self { $(Operation::$variant => $name,)* }
            }
        }
    };
}

operations! {
    /// A name is resolved in its directory.
    Lookup "lookup",
    /// Attributes are asked for.
    Getattr "getattr",
    /// Mode, size or times are set.
    Setattr "setattr",
    /// A file is opened.
    Open "open",
    /// A file is created and opened.
    Create "create",
    /// Bytes are read.
    Read "read",
    /// Bytes are written.
    Write "write",
    /// A file that was open for writing is closed.
    Flush "flush",
    /// A file is synced.
    Fsync "fsync",
    /// A directory is opened; free of delay, as on NFS.
    Opendir "opendir",
    /// A directory is listed from its start; its further pages are not counted.
    Readdir "readdir",
    /// A directory is synced.
    Fsyncdir "fsyncdir",
    /// A directory is made.
    Mkdir "mkdir",
    /// A FIFO or the like is made.
    Mknod "mknod",
    /// A directory is removed.
    Rmdir "rmdir",
    /// A file is removed.
    Unlink "unlink",
    /// A name is changed.
    Rename "rename",
    /// A hard link is asked for, and refused.
    Link "link",
    /// A symbolic link is made.
    Symlink "symlink",
    /// The target of a symbolic link is read.
    Readlink "readlink",
    /// The size of the file system is asked for.
    Statfs "statfs",
}

impl Operation {
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Whether a network file system makes a round trip for it.
    pub(crate) fn is_round_trip(self) -> bool {
        self != Operation::Opendir
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Operation::ALL.iter().copied().find(|operation| operation.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Operation::ALL.iter().map(|known| known.name()).collect();
            format!("no operation `{name}`; there are {}", names.join(", "))
        })
    }
}
