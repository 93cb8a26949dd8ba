//! Ignore files are foreign data: off by default, counted when on, and then they mean what they
//! mean to ripgrep's own walker.

use std::ops::ControlFlow;

use ignore::WalkBuilder;
use mcp_workspace_test_support::cases::cases;
use mcp_workspace_test_support::tree::{self, MODES, Tree, call, run, strings};
use mcp_workspace_tools::call::Ended;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::workspace::Kind;
use mcp_workspace_tools::workspace::walk::{Entry, Found, Options, Selection, Visitor, walk};
use proptest::prelude::*;
use serde_json::json;

struct Everything;

impl Visitor for Everything {
    type Item = ();

    fn select(&self, _: &WorkspacePath, _: Kind) -> Selection {
        Selection::Now
    }

    fn visit(&self, _: &Entry<'_>) -> Option<()> {
        Some(())
    }
}

/// What a walk gives and what it leaves out because of ignore files.
fn walked(tree: &Tree, start: &str, ignore_files: bool) -> (Vec<String>, Vec<String>) {
    let options = Options { start: tree::path(start), ignore_files, ..Options::default() };
    let (mut given, mut ignored) = (Vec::new(), Vec::new());
    let ended = walk(&tree.scope(MODES[0]), &options, Everything, &call(), &mut |found| {
        match found {
            Found::Item(path, ()) => given.push(path.to_string()),
            Found::Ignored(path) => ignored.push(path.to_string()),
            other => panic!("{other:?}"),
        }
        ControlFlow::Continue(())
    });
    assert_eq!(ended.unwrap(), Ended::Complete);
    (given, ignored)
}

/// The same by ripgrep's walker.
fn walked_by_ripgrep(tree: &Tree, start: &str) -> Vec<String> {
    let root = tree.root();
    let mut walker = WalkBuilder::new(root.join(start));
    walker.standard_filters(false).git_ignore(true).ignore(true).require_git(false);
    // Rules above the start count, but not those above the workspace.
    walker.parents(!start.is_empty()).current_dir(&root);
    let mut paths: Vec<String> = walker
        .build()
        .map(|entry| {
            entry.unwrap().path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned()
        })
        .filter(|path| path != start)
        .collect();
    paths.sort();
    paths
}

const RULES: [&str; 28] = [
    "a", "b/", "/a", "*.rs", "!a.rs", "!a", "!b/", "a/b", "/a/b", "**/c", "a/**", "a/*", "**", "*",
    "!*/", "#a", "\\#a", "[ab]", "[!a]", "?", "", "   ", "a ", "a\\ ", "*/b", "a/**/c", "!/b/c",
    "{a,b}",
];

fn rules() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(RULES.to_vec()), 1..5)
        .prop_map(|rules| rules.join("\n"))
}

fn place() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "a.rs", "b.rs", "#a", "a "]);
    prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"))
}

fn build(files: &[String], ignores: &[(Option<String>, &'static str, String)]) -> Tree {
    let tree = Tree::new();
    let write = |place: &str, text: &str| {
        let full = tree.root().join(place);
        if std::fs::create_dir_all(full.parent().unwrap()).is_ok() && !full.is_dir() {
            std::fs::write(full, text).unwrap();
        }
    };
    for file in files {
        write(file, "needle");
    }
    for (directory, name, text) in ignores {
        match directory {
            Some(directory) => write(&format!("{directory}/{name}"), text),
            None => write(name, text),
        }
    }
    tree
}

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn ignore_files_mean_what_they_mean_to_ripgrep(
        files in prop::collection::vec(place(), 1..30),
        ignores in prop::collection::vec(
            (
                prop::option::of(place()),
                prop::sample::select(vec![".gitignore", ".gitignore", ".ignore"]),
                rules(),
            ),
            1..4,
        ),
    ) {
        let tree = build(&files, &ignores);
        let all: Vec<_> =
            tree::naive_listing(&tree.root()).into_iter().map(|(path, _)| path).collect();
        let (given, ignored) = walked(&tree, "", true);
        prop_assert_eq!(&given, &walked_by_ripgrep(&tree, ""));

        // Nothing is lost silently: what is not given is ignored, or lies below what is.
        for path in &all {
            let below = ignored.iter().any(|i| path == i || path.starts_with(&format!("{i}/")));
            prop_assert_eq!(!given.contains(path), below, "{}", path);
        }
        // Off by default.
        let (given, ignored) = walked(&tree, "", false);
        prop_assert_eq!((given, ignored), (all, Vec::new()));
    }

    #[test]
    fn rules_above_the_start_count(
        files in prop::collection::vec(place(), 1..30),
        ignores in prop::collection::vec(
            (prop::option::of(place()), Just(".gitignore"), rules()),
            1..3,
        ),
    ) {
        let tree = build(&files, &ignores);
        for start in ["a", "a/b", "b"] {
            if tree.root().join(start).is_dir() {
                let (given, _) = walked(&tree, start, true);
                prop_assert_eq!(given, walked_by_ripgrep(&tree, start), "{}", start);
            }
        }
    }
}

#[test]
fn an_ignore_file_above_outweighs_a_gitignore_below() {
    let tree = Tree::new();
    tree.file(".ignore", "a.rs\n").file("b/.gitignore", "!a.rs\n").file("b/a.rs", "");
    tree.file(".gitignore", "b.rs\n").file("b/.ignore", "!b.rs\n").file("b/b.rs", "");
    let (given, _) = walked(&tree, "", true);
    assert_eq!(given, walked_by_ripgrep(&tree, ""));
    let (given, _) = walked(&tree, "b", true);
    assert_eq!(given, walked_by_ripgrep(&tree, "b"));
}

#[test]
fn a_gitignore_with_a_byte_order_mark_or_windows_line_ends_works() {
    let tree = Tree::new();
    tree.file(".gitignore", "\u{feff}a.rs\r\nb.rs\r\n").file("a.rs", "").file("b.rs", "");
    tree.file("c/.gitignore", b"\xff\xfe\n*.txt\n").file("c/x.txt", "").file("c/y", "");
    let (given, _) = walked(&tree, "", true);
    assert_eq!(given, walked_by_ripgrep(&tree, ""));
}

#[test]
fn grep_counts_what_ignore_files_leave_out_and_only_when_asked() {
    let tree = Tree::new();
    tree.file(".gitignore", "*.log\n/build/\n")
        .file("a.txt", "needle")
        .file("b.log", "needle")
        .file("build/one", "needle")
        .file("build/two", "needle");
    for mode in MODES {
        let scope = tree.scope(mode);
        let all = run(&scope, "grep", json!({ "pattern": "needle", "mode": "files" })).unwrap();
        let files = strings(&all["files"], "path");
        assert_eq!(files, ["a.txt", "b.log", "build/one", "build/two"]);
        assert_eq!(all["files_skipped"]["ignored"], 0);
        let arguments =
            json!({ "pattern": "needle", "mode": "files", "respect_ignore_files": true });
        let some = run(&scope, "grep", arguments).unwrap();
        assert_eq!(strings(&some["files"], "path"), ["a.txt"]);
        // The file, and the directory as one.
        assert_eq!(some["files_skipped"]["ignored"], 2);
    }
}

#[test]
fn an_ignore_file_that_is_a_link_a_pipe_or_a_directory_rules_nothing() {
    let tree = Tree::new();
    std::fs::write(tree.outside().join("rules"), "*\n").unwrap();
    tree.file("a/keep", "needle").file("b/keep", "needle").file("c/keep", "needle");
    tree.link("a/.gitignore", tree.outside().join("rules")).directory("b/.gitignore");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        tree.root().join("c/.gitignore"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let (given, ignored) = walked(&tree, "", true);
    assert_eq!(given.iter().filter(|path| path.ends_with("keep")).count(), 3);
    assert_eq!(ignored, Vec::<String>::new());
}
