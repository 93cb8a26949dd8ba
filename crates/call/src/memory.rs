//! How much memory calls may use together: what was said, else half of what the process may have.

use std::path::Path;

use mcp_workspace_tools::memory::Memory;

const MIB: u64 = 1024 * 1024;
/// Between these the budget lies that nobody has said.
const LEAST: u64 = 64 * MIB;
const MOST: u64 = 1024 * MIB;
/// The kernel's word for no limit in version 1 of control groups is a number near 2^63.
const UNLIMITED: u64 = 1 << 60;

/// Of what calls may use, this is drawn by them; the rest is for what nobody counts, such as blocks that
/// the allocator gives back a moment after they are freed.
fn counted(bytes: u64) -> u64 {
    bytes / 4 * 3
}

/// The budget of a process: `mebibytes`, else a half of the limit of the function or of its control
/// group, and [`Memory::DEFAULT_BYTES`] where nobody limits it.
pub fn budget(mebibytes: Option<u64>) -> Memory {
    let bytes = match mebibytes {
        Some(mebibytes) => Some(mebibytes.saturating_mul(MIB)),
        None => limit().map(|limit| (limit / 2).clamp(LEAST, MOST)),
    };
    match bytes.map(counted).and_then(|bytes| usize::try_from(bytes).ok()) {
        Some(bytes) => Memory::new(bytes),
        None => Memory::default(),
    }
}

/// The most that this process may have, in bytes; none where nobody limits it.
fn limit() -> Option<u64> {
    let function = std::env::var("AWS_LAMBDA_FUNCTION_MEMORY_SIZE").ok();
    let function = function.and_then(|size| size.parse::<u64>().ok()).map(|size| size * MIB);
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    function.into_iter().chain(limit_of_groups(Path::new("/sys/fs/cgroup"), &groups)).min()
}

/// The least limit of the control groups that the lines of `/proc/self/cgroup` name, and of those
/// above them, in both versions.
fn limit_of_groups(root: &Path, groups: &str) -> Option<u64> {
    let limits = groups.lines().flat_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let (root, name) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|one| one == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return Vec::new(),
        };
        let group = root.join(path.trim_start_matches('/'));
        let within = group.ancestors().take_while(|above| above.starts_with(&root));
        // In a container the group's own directory is the root of what is mounted there.
        within.filter_map(|above| std::fs::read_to_string(above.join(name)).ok()).collect()
    });
    limits.filter_map(|text| text.trim().parse().ok()).filter(|limit| *limit < UNLIMITED).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_counts() {
        assert_eq!(budget(Some(96)).bytes(), 72 * 1024 * 1024);
    }

    #[test]
    fn the_least_limit_of_a_group_and_those_above_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a/memory.max", "400\n");
        write("a/b/memory.max", "max\n");
        write("memory/c/memory.limit_in_bytes", "300\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let limit = |groups| limit_of_groups(root.path(), groups);
        assert_eq!(limit("0::/a/b\n"), Some(400));
        assert_eq!(limit("0::/elsewhere\n"), None);
        assert_eq!(limit("5:cpu,memory:/c\n0::/a/b\n"), Some(300));
        assert_eq!(limit("4:memory:/not/mounted\n3:cpu:/c\n"), None);
        assert_eq!(limit("nonsense\n"), None);
    }
}
