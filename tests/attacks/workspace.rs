//! A workspace with everything in it that an attacker could use, and what lies beside it.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Stands in every file that the caller may not read. No answer may contain it.
pub(crate) const SECRET: &str = "NOT-FOR-THE-CALLER";

/// Who may do what; `callers` are those that each door proves.
pub(crate) const POLICY: &str = r#"
version = 1

[[role]]
name    = "agent"
callers = [
    "local",
    "arn:aws:iam::123456789012:role/reviewer",
    "agentcore:workspace-gw-a1b2c3d4e5/TGT1234567",
    "bedrock-agent:AGENT12345/TSTALIASID",
]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch", "write_file", "read_state", "write_state"]
read    = ["input/**", "state/own/**"]
write   = ["output/findings/agent/**", "output/proposals/**", "state/own/**"]
create  = ["work/**", "output/**"]
propose = ["input/**"]
deny    = ["**/*.key", "**/.env"]
"#;

/// The directory `root` and, beside it, `outside`; gone when dropped.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    _socket: UnixListener,
}

impl Site {
    pub(crate) fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("policy.toml", POLICY);
        write("root/input/visible.txt", "visible\n");
        write("root/input/sub/deep.txt", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\n");
        for hidden in [
            "outside/secret.txt",
            "root/private/notes.txt",
            "root/input/secret.key",
            "root/input/sub/.env",
            "root/state/others/secret/@/1/value.json",
            "root/output/decisions/x/1/decision.json",
            "root/work/kept.txt",
        ] {
            write(hidden, &format!("{SECRET}\n"));
        }
        // A rule of another directory, which must not be read through a link.
        write("outside/.gitignore", "visible.txt\n");
        write("root/work/taken.txt", "taken\n");
        let work = folder.path().join("root/work");
        for (link, target) in [
            ("up", "../.."),
            ("leak.txt", "../../outside/secret.txt"),
            ("dangling.txt", "../../outside/new.txt"),
        ] {
            symlink(target, work.join(link)).unwrap();
        }
        let input = folder.path().join("root/input");
        for (link, target) in [
            ("out.txt", "../../outside/secret.txt"),
            ("notes.txt", "../private/notes.txt"),
            ("up", "../.."),
            ("self", "."),
            ("proc", "/proc/self"),
            ("sub/.gitignore", "../../../outside/.gitignore"),
        ] {
            symlink(target, input.join(link)).unwrap();
        }
        let socket = UnixListener::bind(input.join("agent.sock")).unwrap();
        Site { folder, _socket: socket }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn policy(&self) -> PathBuf {
        self.folder.path().join("policy.toml")
    }

    /// All files and links that nobody may change, with their content.
    pub(crate) fn untouchable(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        for top in [
            "outside",
            "root/input",
            "root/private",
            "root/work",
            "root/state/others",
            "root/output/decisions",
        ] {
            collect(&self.folder.path().join(top), &mut found);
        }
        found
    }
}

fn collect(directory: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            collect(&path, found);
        } else {
            let content = if kind.is_symlink() {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if kind.is_file() {
                std::fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            found.insert(path, content);
        }
    }
}
