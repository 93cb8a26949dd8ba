//! A directory is swapped with a link to the outside, again and again, while the tools work:
//! nothing from outside is ever seen, nothing is ever written there.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mcp_workspace_test_support::tree::{self, MODES, OUTSIDE, Tree, call, path, run, strings};
use mcp_workspace_tools::workspace::{Resolution, Scope};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde_json::json;

/// At least so many rounds of work and so many swaps a case, unless time runs out.
const ROUNDS: usize = 100;
const SWAPS: u64 = 200;
const MOST_TIME: Duration = Duration::from_secs(5);
const OUTSIDE_SIZE: u64 = 7_777;

/// `d0/d1/d2/file.txt`, and outside the same shape with other content.
fn tree() -> Tree {
    let tree = Tree::new();
    tree.file("d0/d1/d2/file.txt", "inside");
    let mirror = tree.outside().join("d0/d1/d2");
    std::fs::create_dir_all(&mirror).unwrap();
    let content = format!("{OUTSIDE}{}", "x".repeat(OUTSIDE_SIZE as usize - OUTSIDE.len()));
    std::fs::write(mirror.join("file.txt"), content).unwrap();
    std::fs::write(mirror.join("only-outside.txt"), OUTSIDE).unwrap();
    tree
}

/// Ends the swapping thread, also when the work fails: a failure must not become a hang.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Swaps `place` with a link to `target` while `work` runs; gives the number of swaps.
fn while_swapping(place: &Path, target: &Path, mut work: impl FnMut()) -> u64 {
    let link = place.with_file_name("swapped");
    std::os::unix::fs::symlink(target, &link).unwrap();
    let done = AtomicBool::new(false);
    let swaps = AtomicU64::new(0);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                renameat_with(CWD, place, CWD, &link, RenameFlags::EXCHANGE).unwrap();
                // Every third swap holds a little, so now the directory and now the link.
                if swaps.fetch_add(1, Ordering::Relaxed).is_multiple_of(3) {
                    std::thread::sleep(Duration::from_micros(50));
                }
            }
        });
        let _end = SetOnDrop(&done);
        let began = Instant::now();
        let mut rounds = 0;
        while (rounds < ROUNDS || swaps.load(Ordering::Relaxed) < SWAPS)
            && began.elapsed() < MOST_TIME
        {
            work();
            rounds += 1;
        }
    });
    let swaps = swaps.into_inner();
    if swaps % 2 == 1 {
        renameat_with(CWD, place, CWD, &link, RenameFlags::EXCHANGE).unwrap();
    }
    std::fs::remove_file(link).unwrap();
    swaps
}

/// Each component of the path, with what it is swapped for.
fn places(tree: &Tree) -> Vec<(PathBuf, PathBuf)> {
    ["d0", "d0/d1", "d0/d1/d2", "d0/d1/d2/file.txt"]
        .map(|place| (tree.root().join(place), tree.outside().join(place)))
        .into()
}

fn in_both_modes(work: impl Fn(&Scope, &mut u64)) {
    for mode in MODES {
        let tree = tree();
        let scope = tree.scope(mode);
        for (place, target) in places(&tree) {
            let mut seen = 0;
            let swaps = while_swapping(&place, &target, || work(&scope, &mut seen));
            // A race that never gets through, or never swaps, would prove nothing.
            assert!(swaps > 10, "{} {mode:?}", place.display());
            assert!(seen > 0, "{} {mode:?}", place.display());
        }
    }
}

#[test]
fn reading_never_sees_what_a_swapped_link_points_to() {
    in_both_modes(|scope, seen| {
        for _ in 0..20 {
            let Ok(mut opened) = scope.open_file(&path("d0/d1/d2/file.txt"), &call()) else {
                continue;
            };
            let mut text = String::new();
            opened.file.read_to_string(&mut text).unwrap();
            assert_eq!((text.as_str(), opened.size), ("inside", 6));
            *seen += 1;
        }
    });
}

#[test]
fn stat_never_sees_what_a_swapped_link_points_to() {
    in_both_modes(|scope, seen| {
        for _ in 0..20 {
            if let Some(metadata) = scope.stat(&path("d0/d1/d2/file.txt")).unwrap() {
                assert_ne!(metadata.size, OUTSIDE_SIZE);
                *seen += 1;
            }
            assert_eq!(scope.stat(&path("d0/d1/d2/only-outside.txt")).unwrap(), None);
        }
    });
}

#[test]
fn listing_never_sees_what_a_swapped_link_points_to() {
    in_both_modes(|scope, seen| {
        for arguments in [
            json!({ "depth": 9, "details": true }),
            json!({ "path": "d0/d1/d2", "details": true }),
            json!({ "path": "d0", "depth": 9 }),
        ] {
            let Ok(listed) = run(scope, "list_dir", arguments) else { continue };
            for entry in listed["entries"].as_array().unwrap() {
                assert!(!entry["path"].as_str().unwrap().contains("only-outside"), "{listed}");
                assert_ne!(entry["size"], OUTSIDE_SIZE, "{listed}");
                *seen += 1;
            }
        }
        assert!(scope.record_names(&path("d0/d1/d2")).unwrap().len() <= 2);
    });
}

#[test]
fn searching_never_sees_what_a_swapped_link_points_to() {
    in_both_modes(|scope, seen| {
        for start in ["", "d0/d1", "d0/d1/d2/file.txt"] {
            let arguments = json!({ "path": start, "pattern": "inside|OUTSIDE", "format": "json" });
            let Ok(found) = run(scope, "grep", arguments) else { continue };
            for line in strings(&found["matches"], "text") {
                assert_eq!(line, "inside", "{found}");
                *seen += 1;
            }
        }
    });
}

#[test]
fn ignore_files_are_never_read_through_a_swapped_link() {
    // If the link were followed, the rules outside would hide the file.
    for mode in MODES {
        let tree = Tree::new();
        tree.file("d0/keep.txt", "inside").file("d0/.gitignore", "nothing\n");
        std::fs::write(tree.outside().join("rules"), "keep.txt\n").unwrap();
        let scope = tree.scope(mode);
        let (place, target) = (tree.root().join("d0/.gitignore"), tree.outside().join("rules"));
        while_swapping(&place, &target, || {
            let arguments =
                json!({ "pattern": "inside", "respect_ignore_files": true, "mode": "files" });
            let found = run(&scope, "grep", arguments).unwrap();
            assert_eq!(found["files_skipped"]["ignored"], 0, "{mode:?}");
            assert_eq!(strings(&found["files"], "path"), ["d0/keep.txt"]);
        });
    }
}

fn publishing(publish: impl Fn(&Scope, &str) -> bool) {
    for mode in MODES {
        let tree = Tree::new();
        tree.directory("out/a/b");
        std::fs::create_dir_all(tree.outside().join("a/b")).unwrap();
        std::fs::create_dir_all(tree.outside().join("out/a/b")).unwrap();
        std::fs::create_dir_all(tree.outside().join("b")).unwrap();
        let before = tree.neighbourhood();
        let scope = tree.scope(mode);
        let mut published = 0;
        for (place, target) in [("out", "out"), ("out/a", "a"), ("out/a/b", "b"), ("out/a", "out")]
        {
            let (place, target) = (tree.root().join(place), tree.outside().join(target));
            let mut number = 0;
            while_swapping(&place, &target, || {
                number += 1;
                // New directories are made on the way, too.
                let name = place.file_name().unwrap().to_str().unwrap();
                published +=
                    u64::from(publish(&scope, &format!("out/a/b/{name}{number}/n/record")));
                published += u64::from(publish(&scope, &format!("out/a/b/{name}{number}")));
            });
            assert_eq!(tree.neighbourhood(), before, "{mode:?}");
        }
        assert!(published > 0, "{mode:?}");
    }
}

#[test]
fn a_file_is_never_published_through_a_swapped_link() {
    publishing(|scope, name| scope.publish_file(&path(&format!("{name}.json")), b"{}").is_ok());
}

#[test]
fn a_directory_is_never_published_through_a_swapped_link() {
    publishing(|scope, name| {
        scope
            .publish_directory(&path(&format!("{name}.d")), &[("one", b"1"), ("two", b"2")])
            .is_ok()
    });
}

#[test]
fn a_link_at_the_final_name_is_replaced_and_never_written_through() {
    for mode in MODES {
        let tree = Tree::new();
        let before = tree.neighbourhood();
        tree.link("record.json", tree.outside().join("secret.txt"));
        tree.link("record.d", tree.outside().join("sub"));
        let scope: Scope = tree.scope(mode);
        scope.publish_file(&path("record.json"), b"{}").unwrap();
        assert_eq!(std::fs::read(tree.root().join("record.json")).unwrap(), b"{}");
        assert!(!tree.root().join("record.json").is_symlink());
        // A link in the way of a record must not keep it from being written.
        scope.publish_directory(&path("record.d"), &[("one", b"1")]).unwrap();
        assert_eq!(std::fs::read(tree.root().join("record.d/one")).unwrap(), b"1", "{mode:?}");
        assert!(!tree.root().join("record.d").is_symlink());
        assert_eq!(tree.neighbourhood(), before, "{mode:?}");
        assert_eq!(unfinished(&tree), 0, "{mode:?}");
    }
}

#[test]
fn of_many_writers_of_one_directory_exactly_one_wins_and_readers_see_it_whole() {
    use mcp_workspace_tools::workspace::Published;
    for mode in MODES {
        let tree = Tree::new();
        for round in 0..20 {
            let name = format!("records/{round}/{}", Resolution::as_str(mode));
            let created = AtomicU64::new(0);
            std::thread::scope(|threads| {
                for writer in 0..4 {
                    let (scope, name, created) = (tree.scope(mode), name.clone(), &created);
                    threads.spawn(move || {
                        let text = format!("writer {writer}");
                        let files = [("one", text.as_bytes()), ("two", text.as_bytes())];
                        match scope.publish_directory(&path(&name), &files).unwrap() {
                            Published::Created => created.fetch_add(1, Ordering::Relaxed),
                            Published::AlreadyThere => 0,
                        };
                        let read = |file: &str| {
                            scope
                                .read_whole(&path(&format!("{name}/{file}")), &call())
                                .unwrap()
                                .to_vec()
                        };
                        assert_eq!(read("one"), read("two"));
                    });
                }
            });
            assert_eq!(created.into_inner(), 1, "{name}");
        }
        assert_eq!(unfinished(&tree), 0, "{mode:?}");
    }
}

/// Entries of unfinished work that were left behind.
fn unfinished(tree: &Tree) -> usize {
    let all = tree::naive_listing(&tree.root());
    all.iter().filter(|(path, _)| path.contains("unfinished")).count()
}
