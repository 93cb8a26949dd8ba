//! Random trees with links and random path inputs: the answer is the one of an oracle that
//! resolves by hand, equal in both modes, and never more than cap-std allows.

use std::fs;
use std::io::Read;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use mcp_workspace_test_support::cases::cases;
use mcp_workspace_test_support::tree::{self, MODES, OUTSIDE, Tree, call};
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::workspace::{Kind, Scope};
use proptest::prelude::*;

/// One step of making a tree. Steps that do not fit what is there are left out.
#[derive(Debug, Clone)]
enum Step {
    File(String),
    Directory(String),
    Link(String, String),
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c", "root", "secret.txt"])
}

fn place() -> impl Strategy<Value = String> {
    prop::collection::vec(name(), 1..4).prop_map(|names| names.join("/"))
}

fn target() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec!["a", "b", "c", "..", ".", "root", "outside", "root-evil"]);
    let absolute = prop::sample::select(vec!["", "", "", "/", "{outside}/", "{root}/"]);
    (absolute, prop::collection::vec(part, 0..4))
        .prop_map(|(start, parts)| format!("{start}{}", parts.join("/")))
        .prop_filter("a link needs a target", |target| !target.is_empty())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => place().prop_map(Step::File),
        2 => place().prop_map(Step::Directory),
        3 => (place(), target()).prop_map(|(place, target)| Step::Link(place, target)),
    ]
}

/// What a caller may write: mostly names of the tree, and all that must be refused.
fn input() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        8 => name().prop_map(str::to_owned),
        1 => prop::sample::select(vec!["..", ".", "", "~", "a\0", "a\\b", "\n", "..a", "%2e%2e"])
            .prop_map(str::to_owned),
    ];
    let start = prop_oneof![
        8 => Just(""),
        1 => prop::sample::select(vec!["/", "./", "/mnt/workspace/", "{root}/", "{outside}/", "~/"]),
    ];
    (start, prop::collection::vec(part, 0..5))
        .prop_map(|(start, parts)| format!("{start}{}", parts.join("/")))
}

fn build(steps: &[Step]) -> Tree {
    let tree = Tree::new();
    for (number, step) in steps.iter().enumerate() {
        // Making the tree must not itself go through its links.
        let (Step::File(place) | Step::Directory(place) | Step::Link(place, _)) = step;
        let full = tree.root().join(place);
        let way = Path::new(place).parent().unwrap();
        let mut free = true;
        let mut at = tree.root();
        for component in way {
            at.push(component);
            free &= match at.symlink_metadata() {
                Ok(there) => there.is_dir(),
                Err(_) => fs::create_dir(&at).is_ok(),
            };
        }
        if !free || full.symlink_metadata().is_ok() {
            continue;
        }
        match step {
            Step::File(_) => fs::write(&full, format!("inside {number}")).unwrap(),
            Step::Directory(_) => fs::create_dir(&full).unwrap(),
            Step::Link(_, target) => {
                std::os::unix::fs::symlink(placed(target, &tree), &full).unwrap();
            }
        }
    }
    tree
}

fn placed(text: &str, tree: &Tree) -> String {
    text.replace("{outside}", tree.outside().to_str().unwrap())
        .replace("{root}", tree.root().to_str().unwrap())
}

/// What must come of reading `input`: the rules of paths, then one `lstat` a component.
fn oracle(root: &Path, input: &str) -> Result<Vec<u8>, Code> {
    let refused = |c: char| c.is_control() || c == '\\';
    if input.chars().any(refused) {
        return Err(Code::InvalidArgument);
    }
    let relative = match input.strip_prefix("/mnt/workspace") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ if input.starts_with('/') => return Err(Code::InvalidArgument),
        _ => input,
    };
    let parts: Vec<&str> =
        relative.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    // A home directory is one however it is spelt: `~`, `./~`, `/mnt/workspace/~`.
    if parts.contains(&"..") || parts.first() == Some(&"~") {
        return Err(Code::InvalidArgument);
    }
    let mut at = root.to_owned();
    for (index, part) in parts.iter().enumerate() {
        at.push(part);
        let Ok(there) = at.symlink_metadata() else { return Err(Code::NotFound) };
        if there.is_symlink() || index + 1 < parts.len() && !there.is_dir() {
            return Err(Code::NotFound);
        }
    }
    if at.symlink_metadata().unwrap().is_dir() {
        return Err(Code::InvalidArgument);
    }
    Ok(fs::read(at).unwrap())
}

fn read(scope: &Scope, input: &str) -> Result<Vec<u8>, (Code, String)> {
    let path =
        WorkspacePath::parse(input).map_err(|error| (Code::InvalidArgument, error.to_string()))?;
    let content = scope.read_whole(&path, &call());
    content.map(|content| content.to_vec()).map_err(|error| (error.code, error.to_text()))
}

fn cap_read(root: &Path, input: &str) -> std::io::Result<Vec<u8>> {
    let directory = Dir::open_ambient_dir(root, ambient_authority())?;
    let mut bytes = Vec::new();
    let relative = input.strip_prefix("/mnt/workspace").unwrap_or(input);
    let relative = relative.trim_start_matches('/').trim_end_matches(['/', '.']);
    directory.open(relative)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn reading_gives_what_a_resolution_by_hand_gives(
        steps in prop::collection::vec(step(), 1..24),
        inputs in prop::collection::vec(input(), 24),
    ) {
        let tree = build(&steps);
        let scopes = MODES.map(|mode| tree.scope(mode));
        // Every entry that there is, and random inputs.
        let entries = tree::naive_listing(&tree.root()).into_iter().map(|(path, _)| path);
        let below = entries.clone().map(|path| format!("{path}/secret.txt"));
        let inputs = inputs.iter().map(|input| placed(input, &tree));
        for input in entries.chain(below).chain(inputs) {
            let expected = oracle(&tree.root(), &input);
            let [fast, slow] = scopes.each_ref().map(|scope| read(scope, &input));
            prop_assert_eq!(&fast, &slow, "the two modes differ on {:?}", input);
            prop_assert_eq!(fast.clone().map_err(|(code, _)| code), expected, "{:?}", input);
            match fast {
                Ok(bytes) => {
                    prop_assert!(!bytes.starts_with(OUTSIDE.as_bytes()));
                    prop_assert_eq!(cap_read(&tree.root(), &input).ok(), Some(bytes), "{:?}", input);
                }
                Err((_, message)) => {
                    prop_assert!(!message.contains(tree.root().to_str().unwrap())
                        || input.contains(tree.root().to_str().unwrap()), "{}", message);
                }
            }
        }
    }

    #[test]
    fn stat_tells_the_kind_without_following(steps in prop::collection::vec(step(), 1..24)) {
        let tree = build(&steps);
        for (path, kind) in tree::naive_listing(&tree.root()) {
            for mode in MODES {
                let metadata = tree.scope(mode).stat(&tree::path(&path)).unwrap().unwrap();
                let word = match metadata.kind {
                    Kind::File => "file",
                    Kind::Directory => "directory",
                    Kind::Symlink => "symlink",
                    Kind::Other => "other",
                };
                prop_assert_eq!(word, kind, "{}", path);
            }
        }
    }

    #[test]
    fn publishing_changes_nothing_outside(
        steps in prop::collection::vec(step(), 1..24),
        places in prop::collection::vec(place(), 1..8),
    ) {
        let tree = build(&steps);
        let before = tree.neighbourhood();
        for mode in MODES {
            let scope = tree.scope(mode);
            for place in &places {
                let file = tree::path(place);
                if scope.publish_file(&file, b"published").is_ok() {
                    prop_assert_eq!(read(&scope, place).unwrap(), b"published");
                }
                let _ = scope.publish_directory(&tree::path(&format!("{place}/d")), &[("f", b"x")]);
            }
        }
        prop_assert_eq!(tree.neighbourhood(), before);
    }
}
