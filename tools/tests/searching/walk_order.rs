//! A walk gives each entry once, in the byte order of whole paths, whatever its threads do.

use std::ops::ControlFlow;
use std::time::Duration;

use mcp_workspace_test_support::cases::cases;
use mcp_workspace_test_support::tree::{self, MODES, Tree, call, naive_listing};
use mcp_workspace_tools::call::Ended;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::workspace::walk::{Entry, Found, Options, Selection, Visitor, walk};
use mcp_workspace_tools::workspace::{Kind, Scope};
use proptest::prelude::*;

/// Names whose order differs between whole paths and component by component.
const NAMES: [&str; 12] =
    ["a", "a-b", "a.b", "a b", "ab", "A", "b", "é", "a!", "a0", "zz", "a\u{10000}"];

/// Visits some entries at once and some in the pool, and there some slowly.
struct Mixed;

impl Visitor for Mixed {
    type Item = &'static str;

    fn select(&self, path: &WorkspacePath, _: Kind) -> Selection {
        if path.as_str().len().is_multiple_of(3) { Selection::Now } else { Selection::Later }
    }

    fn visit(&self, entry: &Entry<'_>) -> Option<&'static str> {
        if entry.path.as_str().len() % 5 == 1 {
            std::thread::sleep(Duration::from_micros(300));
        }
        Some(match entry.kind {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Symlink => "symlink",
            Kind::Other => "other",
        })
    }
}

fn entries(scope: &Scope, options: &Options) -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    let ended = walk(scope, options, Mixed, &call(), &mut |found| {
        match found {
            Found::Item(path, kind) => all.push((path.as_str().to_owned(), kind)),
            other => panic!("{other:?}"),
        }
        ControlFlow::Continue(())
    });
    assert_eq!(ended.unwrap(), Ended::Complete);
    all
}

fn place() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(NAMES.to_vec()), 1..6)
        .prop_map(|names| names.join("/"))
}

/// Makes what fits: a file where a directory is already, or below a file, is left out.
fn build(places: &[(String, u8)]) -> Tree {
    let tree = Tree::new();
    for (place, kind) in places {
        let full = tree.root().join(place);
        if std::fs::create_dir_all(full.parent().unwrap()).is_err() {
            continue;
        }
        let _ = match kind % 4 {
            0 => std::fs::create_dir(&full),
            1 => std::os::unix::fs::symlink("..", &full),
            _ => std::fs::File::create_new(&full).map(drop),
        };
    }
    tree
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn the_order_is_that_of_whole_paths(
        places in prop::collection::vec((place(), any::<u8>()), 0..60),
        depth in prop::option::of(1usize..5),
        inclusive in any::<bool>(),
    ) {
        let tree = build(&places);
        let all = naive_listing(&tree.root());
        let scope = tree.scope(MODES[places.len() % 2]);
        let options = Options { depth, inclusive, ..Options::default() };
        let deep = |path: &str| path.matches('/').count() < depth.unwrap_or(usize::MAX);
        let expected: Vec<_> = all.iter().filter(|(path, _)| deep(path)).cloned().collect();
        prop_assert_eq!(&entries(&scope, &options), &expected);

        // From every place on, those that exist and those that do not.
        let cuts = all.iter().map(|(path, _)| path.clone());
        let cuts = cuts.chain(NAMES.map(str::to_owned)).chain(["a/".into(), "a/a/".into()]);
        for cut in cuts.take(24) {
            let options = Options { after: Some(cut.clone()), ..options.clone() };
            let after = |path: &String| *path > cut || inclusive && *path == cut;
            let expected: Vec<_> = expected.iter().filter(|(path, _)| after(path)).cloned().collect();
            prop_assert_eq!(&entries(&scope, &options), &expected, "after {:?}", cut);
        }
    }

    #[test]
    fn a_walk_of_a_directory_is_that_part_of_the_whole(
        places in prop::collection::vec((place(), any::<u8>()), 1..40),
    ) {
        let tree = build(&places);
        let all = naive_listing(&tree.root());
        for (start, _) in all.iter().filter(|(_, kind)| *kind == "directory").take(8) {
            let options = Options { start: tree::path(start), ..Options::default() };
            let below = format!("{start}/");
            let expected: Vec<_> =
                all.iter().filter(|(path, _)| path.starts_with(&below)).cloned().collect();
            prop_assert_eq!(&entries(&tree.scope(MODES[0]), &options), &expected);
        }
    }
}

#[test]
fn a_large_directory_comes_in_order_with_more_finds_than_wait_at_once() {
    let tree = Tree::new();
    for number in 0..6_000 {
        tree.file(&format!("d{}/{number}", number % 3), "");
    }
    for mode in MODES {
        let found = entries(&tree.scope(mode), &Options::default());
        assert_eq!(found, naive_listing(&tree.root()), "{mode:?}");
    }
}

#[test]
fn links_that_lead_in_circles_are_entries_and_nothing_more() {
    let tree = Tree::new();
    tree.file("a/b/file", "")
        .link("a/b/up", "../..")
        .link("a/b/self", ".")
        .link("a/itself", "itself")
        .link("root", tree.root());
    for mode in MODES {
        let found = entries(&tree.scope(mode), &Options::default());
        assert_eq!(found, naive_listing(&tree.root()), "{mode:?}");
        assert_eq!(found.len(), 7);
    }
}
