//! What the reading tools cost on a network mount, in round trips: one open and one read a file,
//! one listing a directory, no stat; many at once; and a page that is full stops the work.

use std::time::{Duration, Instant};

use delayed_mount::{Counts, Effect, Fault, Operation, Options};
use mcp_workspace_test_support::mounted::{MODES, MountedWorkspace};
use mcp_workspace_tools::workspace::Resolution;
use serde_json::json;

const DIRECTORIES: u64 = 12;
const FILES_EACH: u64 = 20;

/// Twelve directories of twenty small files, each nested in two more.
fn workspace(options: Options) -> Option<MountedWorkspace> {
    let workspace = MountedWorkspace::mount(options)?;
    for directory in 0..DIRECTORIES {
        for file in 0..FILES_EACH {
            workspace
                .file(&format!("top/d{directory:02}/f{file:02}.txt"), "some words\nand a needle\n");
        }
    }
    Some(workspace)
}

/// All that counts but what is asked about.
fn others(counts: &Counts, apart: &[Operation]) -> u64 {
    let each = counts.seen().filter(|(operation, _)| !apart.contains(operation));
    each.filter(|(operation, _)| *operation != Operation::Opendir).map(|(_, count)| count).sum()
}

#[test]
fn grep_opens_and_reads_each_file_once_and_lists_each_directory_once() {
    for mode in MODES {
        let Some(workspace) = workspace(Options::default()) else { return };
        let scope = workspace.scope(mode);
        workspace.mounted.reset_counts();
        let found = workspace.run(
            &scope,
            "grep",
            json!({ "pattern": "needle", "mode": "count", "limit": 1000 }),
        );
        assert_eq!(found.unwrap()["files_searched"], DIRECTORIES * FILES_EACH);
        let counts = workspace.mounted.counts();
        assert_eq!(counts.of(Operation::Open), DIRECTORIES * FILES_EACH, "{mode:?} {counts}");
        assert_eq!(counts.of(Operation::Read), DIRECTORIES * FILES_EACH, "{mode:?} {counts}");
        assert_eq!(counts.of(Operation::Readdir), DIRECTORIES + 2, "{mode:?} {counts}");
        // The listing brings names and attributes, so nothing is looked up and no stat is made,
        // except one of the directory where the search starts.
        let apart = [Operation::Open, Operation::Read, Operation::Readdir, Operation::Getattr];
        assert!(counts.of(Operation::Getattr) <= 1, "{mode:?} {counts}");
        assert_eq!(others(&counts, &apart), 0, "{mode:?} {counts}");
    }
}

#[test]
fn grep_looks_each_name_up_by_its_directory_when_nothing_is_remembered() {
    // The worst mount: it forgets everything at once. Even so no path is resolved from the root.
    for mode in MODES {
        let options = Options { remembered: Duration::ZERO, ..Options::default() };
        let Some(workspace) = workspace(options) else { return };
        let scope = workspace.scope(mode);
        workspace.mounted.reset_counts();
        workspace
            .run(&scope, "grep", json!({ "pattern": "needle", "mode": "count", "limit": 1000 }))
            .unwrap();
        let counts = workspace.mounted.counts();
        let entries = DIRECTORIES * FILES_EACH + DIRECTORIES + 1;
        assert!(counts.of(Operation::Lookup) <= entries, "{mode:?} {counts}");
        assert_eq!(counts.of(Operation::Open), DIRECTORIES * FILES_EACH, "{mode:?} {counts}");
    }
}

#[test]
fn a_search_below_a_directory_resolves_its_start_once() {
    for mode in MODES {
        // A mount that forgets at once shows how often a path is resolved.
        let options = Options { remembered: Duration::ZERO, ..Options::default() };
        let Some(workspace) = workspace(options) else { return };
        let scope = workspace.scope(mode);
        for (tool, arguments) in [
            ("grep", json!({ "pattern": "needle", "mode": "count", "path": "top/d03" })),
            ("list_dir", json!({ "path": "top/d03" })),
        ] {
            workspace.mounted.reset_counts();
            workspace.run(&scope, tool, arguments).unwrap();
            let counts = workspace.mounted.counts();
            let opened = counts.of(Operation::Open);
            // `top` and `d03`, and each file that is opened by its name.
            assert_eq!(counts.of(Operation::Lookup), 2 + opened, "{tool} {mode:?} {counts}");
            let above = if mode == Resolution::Components { 1 } else { 0 };
            assert!(counts.of(Operation::Opendir) <= 1 + above, "{tool} {mode:?} {counts}");
        }
    }
}

#[test]
fn list_dir_lists_each_directory_once_and_asks_for_details_only_when_told() {
    for mode in MODES {
        let Some(workspace) = workspace(Options::default()) else { return };
        let scope = workspace.scope(mode);
        workspace.mounted.reset_counts();
        let listed =
            workspace.run(&scope, "list_dir", json!({ "depth": 3, "limit": 1000 })).unwrap();
        let entries = DIRECTORIES * FILES_EACH + DIRECTORIES + 1;
        assert_eq!(listed["entries"].as_array().unwrap().len() as u64, entries);
        let counts = workspace.mounted.counts();
        assert_eq!(counts.of(Operation::Readdir), DIRECTORIES + 2, "{mode:?} {counts}");
        assert_eq!(others(&counts, &[Operation::Readdir]), 0, "{mode:?} {counts}");
        // Details cost at most one request an entry.
        workspace.mounted.reset_counts();
        workspace
            .run(&scope, "list_dir", json!({ "depth": 3, "details": true, "limit": 1000 }))
            .unwrap();
        let counts = workspace.mounted.counts();
        assert!(others(&counts, &[Operation::Readdir]) <= entries, "{mode:?} {counts}");
    }
}

#[test]
fn a_small_file_costs_its_names_one_open_and_one_read() {
    for mode in MODES {
        for depth in [1, 3, 8] {
            let Some(workspace) = MountedWorkspace::mount(Options::default()) else { return };
            let path = format!("{}file.txt", "d/".repeat(depth - 1));
            workspace.file(&path, "one\ntwo\n");
            let scope = workspace.scope(mode);
            workspace.mounted.reset_counts();
            workspace.run(&scope, "read_file", json!({ "path": path })).unwrap();
            let counts = workspace.mounted.counts();
            assert_eq!(counts.of(Operation::Open), 1, "{mode:?} {depth} {counts}");
            assert_eq!(counts.of(Operation::Read), 1, "{mode:?} {depth} {counts}");
            assert_eq!(counts.of(Operation::Lookup), depth as u64, "{mode:?} {depth} {counts}");
            // The size is asked of the open file; NFS has it from the open.
            let apart = [Operation::Open, Operation::Read, Operation::Lookup, Operation::Getattr];
            assert!(counts.of(Operation::Getattr) <= 1, "{mode:?} {depth} {counts}");
            assert_eq!(others(&counts, &apart), 0, "{mode:?} {depth} {counts}");
            // A second reading finds the names known.
            workspace.mounted.reset_counts();
            workspace.run(&scope, "read_file", json!({ "path": path })).unwrap();
            let counts = workspace.mounted.counts();
            assert_eq!(counts.of(Operation::Lookup), 0, "{mode:?} {depth} {counts}");
            assert!(counts.round_trips() <= 3, "{mode:?} {depth} {counts}");
        }
    }
}

#[test]
fn the_tail_of_a_large_file_is_read_without_the_rest() {
    let Some(workspace) = MountedWorkspace::mount(Options::default()) else { return };
    // As large as a file can be for free: lines, a hole, and lines at its end.
    workspace.file("large.log", "a line\n".repeat(20_000));
    let large = workspace.source().join("large.log");
    let file = std::fs::File::options().write(true).open(large).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &b"a line\n".repeat(2_000), 5 << 30).unwrap();
    let scope = workspace.scope(Resolution::Openat2);
    workspace.mounted.reset_counts();
    let read = workspace.run(
        &scope,
        "read_file",
        json!({ "path": "large.log", "offset": -20, "format": "json" }),
    );
    assert_eq!(read.unwrap()["content"], "a line\n".repeat(20));
    let counts = workspace.mounted.counts();
    assert!(counts.of(Operation::Read) <= 8, "{counts}");
}

#[test]
fn a_full_page_stops_the_search() {
    for mode in MODES {
        // Long enough that a busy machine reads no whole tree before it hears of the third match.
        let options = Options { delay: Duration::from_millis(50), ..Options::default() };
        let Some(workspace) = MountedWorkspace::mount(options) else { return };
        for file in 0..1_500 {
            workspace.file(&format!("d{:02}/f{file:04}.txt", file / 100), "needle\n");
        }
        let scope = workspace.scope(mode);
        workspace.mounted.reset_counts();
        let page = workspace.run(
            &scope,
            "grep",
            json!({ "pattern": "needle", "limit": 3, "format": "json" }),
        );
        let page = page.unwrap();
        assert_eq!(page["matches"].as_array().unwrap().len(), 3, "{page}");
        assert!(page["next_cursor"].is_string(), "{page}");
        let opened = workspace.mounted.counts().of(Operation::Open);
        assert!(opened < 500, "{mode:?}: {opened} of 1500 files were opened for 3 matches");
    }
}

#[test]
fn what_is_read_ahead_of_a_file_that_does_not_answer_is_bounded() {
    // Finds that may wait for an earlier one, and operations under way (tools/src/workspace/walk).
    // The file that is read first need not be the first: as many, begun at once, may come before.
    const MOST: u64 = 2_048 + 2 * 64;
    for mode in MODES {
        let Some(workspace) = MountedWorkspace::mount(Options::default()) else { return };
        for file in 0..3_000 {
            workspace.file(&format!("f{file:04}.txt"), "needle\n");
        }
        let scope = workspace.scope(mode);
        workspace.mounted.reset_counts();
        workspace.mounted.fail(Fault::nth(Operation::Read, Effect::Hang, 1));
        std::thread::scope(|threads| {
            let arguments = json!({ "pattern": "needle", "limit": 5_000, "format": "json" });
            let search = threads.spawn(|| workspace.run(&scope, "grep", arguments));
            // Until nothing but the one request is under way for a while. To look too early
            // shows less, and nothing wrong.
            let (mut quiet, until) = (0, Instant::now() + Duration::from_secs(30));
            while quiet < 50 && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
                let waits = workspace.mounted.under_way() == 1;
                quiet = if waits { quiet + 1 } else { 0 };
            }
            let opened = workspace.mounted.counts().of(Operation::Open);
            workspace.mounted.clear_faults();
            assert!(opened <= MOST, "{mode:?}: {opened} files were opened meanwhile");
            let page = search.join().unwrap().unwrap();
            assert_eq!(page["files_skipped"]["unreadable"].as_u64().unwrap_or(0), 0, "{page}");
        });
    }
}

#[test]
fn many_operations_are_under_way_at_once() {
    for (tool, arguments) in [
        ("grep", json!({ "pattern": "needle", "mode": "count", "limit": 1000 })),
        ("list_dir", json!({ "depth": 3, "limit": 1000 })),
    ] {
        // Longer than a busy machine takes to start the threads.
        let options = Options { delay: Duration::from_millis(40), ..Options::default() };
        let Some(workspace) = MountedWorkspace::mount(options) else { return };
        let wide = if tool == "grep" { 8 } else { 80 };
        for directory in 0..wide {
            for file in 0..320 / wide {
                workspace.file(&format!("d{directory:02}/f{file:02}.txt"), "needle\n");
            }
        }
        let scope = workspace.scope(Resolution::Openat2);
        workspace.mounted.reset_counts();
        workspace.run(&scope, tool, arguments).unwrap();
        let counts = workspace.mounted.counts();
        assert!((24..=64).contains(&counts.peak), "{tool}: {counts}");
    }
}
