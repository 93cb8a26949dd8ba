//! What a path may not reach, in both ways of resolving it and by every operation: open, stat,
//! list, search, record names, publish.

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use mcp_workspace_test_support::tree::{
    MODES, OPEN_POLICY, OUTSIDE, Tree, call, path, run, scope_at, strings,
};
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::workspace::{Kind, Scope};
use serde_json::json;

/// The text of the file, or the error's code.
fn read(scope: &Scope, text: &str) -> Result<String, Code> {
    let path = WorkspacePath::parse(text).map_err(|_| Code::InvalidArgument)?;
    let mut content = String::new();
    let opened = scope.open_file(&path, &call()).map_err(|error| error.code)?;
    { opened.file }.read_to_string(&mut content).unwrap();
    Ok(content)
}

fn tree() -> Tree {
    let tree = Tree::new();
    let outside = tree.outside();
    tree.file("a/b/file.txt", "inside")
        .file("plain.txt", "plain")
        .link("to_parent", "..")
        .link("to_root", "/")
        .link("to_self", ".")
        .link("loop", "loop")
        .link("ping", "pong")
        .link("pong", "ping")
        .link("dangling", "nothing-here")
        .link("leaf_inside", "plain.txt")
        .link("leaf_outside", outside.join("secret.txt"))
        .link("leaf_relative_outside", "../outside/secret.txt")
        .link("leaf_sibling", "../root-evil/secret.txt")
        .link("directory_inside", "a")
        .link("directory_outside", &outside)
        .link("directory_absolute_inside", tree.root().join("a"))
        .link("chain_1", "chain_2")
        .link("chain_2", "directory_outside")
        .link("a/up_and_out", "../../outside")
        .link("magic_root", "/proc/self/root")
        .link("magic_cwd", "/proc/self/cwd")
        .link("magic_descriptor", "/proc/self/fd/0");
    tree
}

const LINKS: [&str; 18] = [
    "to_parent",
    "to_root",
    "to_self",
    "loop",
    "ping",
    "pong",
    "dangling",
    "leaf_inside",
    "leaf_outside",
    "leaf_relative_outside",
    "leaf_sibling",
    "directory_inside",
    "directory_outside",
    "directory_absolute_inside",
    "chain_1",
    "a/up_and_out",
    "magic_root",
    "magic_descriptor",
];

#[test]
fn no_symbolic_link_is_followed_at_the_end_of_a_path() {
    let tree = tree();
    for mode in MODES {
        let scope = tree.scope(mode);
        for link in LINKS {
            assert_eq!(read(&scope, link), Err(Code::NotFound), "{link} {mode:?}");
            assert_eq!(scope.stat(&path(link)).unwrap().unwrap().kind, Kind::Symlink, "{link}");
            let listed = run(&scope, "list_dir", json!({ "path": link })).unwrap_err();
            assert_eq!(listed.code, Code::NotFound, "{link} {mode:?}");
            let searched = run(&scope, "grep", json!({ "path": link, "pattern": "." }));
            assert_eq!(searched.unwrap_err().code, Code::NotFound, "{link} {mode:?}");
            assert_eq!(scope.record_names(&path(link)).unwrap(), Vec::<String>::new(), "{link}");
        }
    }
}

#[test]
fn no_symbolic_link_is_followed_inside_a_path() {
    let tree = tree();
    let inside = ["secret.txt", "sub/secret.txt", "file.txt", "b/file.txt", "etc/passwd"];
    let rests = inside.into_iter().chain(["root/plain.txt", "outside/secret.txt", "plain.txt"]);
    let rests: Vec<&str> = rests.collect();
    for mode in MODES {
        let scope = tree.scope(mode);
        for link in LINKS {
            for rest in &rests {
                let text = format!("{link}/{rest}");
                assert_eq!(read(&scope, &text), Err(Code::NotFound), "{text} {mode:?}");
                assert_eq!(scope.stat(&path(&text)).unwrap(), None, "{text} {mode:?}");
                assert_eq!(scope.record_names(&path(&text)).unwrap(), Vec::<String>::new());
            }
            let text = format!("{link}/new/record.json");
            assert!(scope.publish_file(&path(&text), b"{}").is_err(), "{text} {mode:?}");
            assert!(scope.publish_directory(&path(&text), &[("f", b"x")]).is_err(), "{text}");
        }
        assert!(!tree.neighbourhood().keys().any(|path| path.ends_with("new")));
    }
}

#[test]
fn spellings_that_climb_or_hide_are_refused_before_any_file_is_touched() {
    let tree = tree();
    for mode in MODES {
        let scope = tree.scope(mode);
        for text in [
            "..",
            "../outside/secret.txt",
            "a/../../outside/secret.txt",
            "a/../plain.txt",
            "../root-evil/secret.txt",
            "/etc/passwd",
            "//etc/passwd",
            "/mnt/workspace/../outside/secret.txt",
            "/mnt/workspace-evil/secret.txt",
            "~/x",
            "plain.txt\0",
            "plain.txt\0.png",
            "..\\outside\\secret.txt",
            "C:\\secret.txt",
            "plain.txt\n\u{202e}",
            "\u{feff}plain.txt",
            "txt.\u{202e}nialp",
        ] {
            for (tool, arguments) in [
                ("list_dir", json!({ "path": text })),
                ("grep", json!({ "path": text, "pattern": "." })),
            ] {
                let error = run(&scope, tool, arguments).unwrap_err();
                assert_eq!(error.code, Code::InvalidArgument, "{tool} {text:?}");
            }
        }
    }
}

/// What has one meaning inside of the workspace is read as that, and judged as that path.
#[test]
fn spellings_that_mean_a_path_inside_give_that_path() {
    let tree = tree();
    for mode in MODES {
        let scope = tree.scope(mode);
        for (text, meant) in [
            ("/", "."),
            ("a\\b\\file.txt", "a/b/file.txt"),
            ("plain.txt\n", "plain.txt"),
            ("/plain.txt", "plain.txt"),
        ] {
            let found = |path: &str| {
                let answer = run(&scope, "grep", json!({ "path": path, "pattern": "." })).unwrap();
                answer["matches"].clone()
            };
            assert_eq!(found(text), found(meant), "{mode:?} {text:?}");
        }
    }
}

#[test]
fn percent_signs_dots_and_spaces_are_ordinary_characters_of_names() {
    let tree = tree();
    for name in ["%2e%2e", "...", "..a", "trailing ", "trailing.", "-rf", "*", "é", "e\u{301}"] {
        tree.file(name, name);
    }
    for mode in MODES {
        let scope = tree.scope(mode);
        for name in ["%2e%2e", "...", "..a", "trailing ", "trailing.", "-rf", "*", "é", "e\u{301}"]
        {
            assert_eq!(read(&scope, name).as_deref(), Ok(name), "{mode:?}");
        }
        assert_eq!(read(&scope, "%2e%2e/outside/secret.txt"), Err(Code::NotFound));
        assert_eq!(read(&scope, "PLAIN.TXT"), Err(Code::NotFound));
        assert_eq!(read(&scope, "./a//b/./file.txt").as_deref(), Ok("inside"));
        assert_eq!(read(&scope, "/mnt/workspace/a/b/file.txt").as_deref(), Ok("inside"));
    }
}

#[test]
fn a_file_is_no_directory_and_a_directory_no_file() {
    let tree = tree();
    for mode in MODES {
        let scope = tree.scope(mode);
        assert_eq!(read(&scope, "plain.txt/x"), Err(Code::NotFound), "{mode:?}");
        assert_eq!(read(&scope, "plain.txt/"), Ok("plain".into()), "{mode:?}");
        assert_eq!(read(&scope, "a"), Err(Code::InvalidArgument), "{mode:?}");
        assert_eq!(read(&scope, ""), Err(Code::InvalidArgument), "{mode:?}");
        let listed = run(&scope, "list_dir", json!({ "path": "plain.txt" })).unwrap_err();
        assert_eq!(listed.code, Code::InvalidArgument);
        assert!(scope.publish_file(&path("plain.txt/record"), b"x").is_err());
        assert!(scope.publish_file(&path("a"), b"x").is_err(), "{mode:?}");
    }
    assert_eq!(std::fs::read(tree.root().join("plain.txt")).unwrap(), b"plain");
}

#[test]
fn pipes_sockets_and_devices_are_refused_at_once() {
    let tree = tree();
    let fifo = tree.root().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    // A FIFO with a writer would hold a reader for ever, one without would not even open.
    let with_writer = tree.root().join("fifo_with_writer");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &with_writer,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let _writer = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed())
        .open(&with_writer)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.root().join("socket")).unwrap();
    let devices = rustix::fs::mknodat(
        rustix::fs::CWD,
        tree.root().join("zero"),
        rustix::fs::FileType::CharacterDevice,
        rustix::fs::Mode::from_raw_mode(0o666),
        rustix::fs::makedev(1, 5),
    );
    let mut names = vec!["fifo", "fifo_with_writer", "socket"];
    names.extend(devices.is_ok().then_some("zero"));
    for mode in MODES {
        let scope = tree.scope(mode);
        let began = Instant::now();
        for name in &names {
            assert_eq!(read(&scope, name), Err(Code::InvalidArgument), "{name} {mode:?}");
            assert_eq!(scope.stat(&path(name)).unwrap().unwrap().kind, Kind::Other, "{name}");
            let searched = run(&scope, "grep", json!({ "path": name, "pattern": "." }));
            assert_eq!(searched.unwrap_err().code, Code::InvalidArgument, "{name} {mode:?}");
        }
        let all = run(&scope, "grep", json!({ "pattern": ".", "format": "json" })).unwrap();
        assert_eq!(all["files_searched"], 2, "{all}");
        let listed = run(&scope, "list_dir", json!({ "details": true })).unwrap();
        for name in &names {
            let entries = listed["entries"].as_array().unwrap();
            let entry = entries.iter().find(|entry| entry["path"] == *name).unwrap();
            assert_eq!(entry["type"], "other");
        }
        assert!(began.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn a_hard_link_is_a_file_like_any_other() {
    // The kernel knows no way back from a hard link to another name, and network mounts have
    // none: whoever can link a file into the workspace has given it to the workspace.
    let tree = Tree::new();
    std::fs::hard_link(tree.outside().join("secret.txt"), tree.root().join("hard")).unwrap();
    for mode in MODES {
        assert_eq!(read(&tree.scope(mode), "hard").as_deref(), Ok(OUTSIDE));
    }
}

#[test]
fn publishing_over_a_hard_link_leaves_the_other_name_alone() {
    let tree = Tree::new();
    let before = tree.neighbourhood();
    std::fs::hard_link(tree.outside().join("secret.txt"), tree.root().join("hard")).unwrap();
    for mode in MODES {
        tree.scope(mode).publish_file(&path("hard"), b"new").unwrap();
        assert_eq!(read(&tree.scope(mode), "hard").as_deref(), Ok("new"));
    }
    assert_eq!(tree.neighbourhood(), before);
}

#[test]
fn magic_links_of_proc_lead_nowhere() {
    let own = std::path::Path::new("/proc/self");
    if !own.join("root/etc").is_dir() {
        return;
    }
    for mode in MODES {
        let scope = scope_at(own, mode, OPEN_POLICY);
        for text in ["root/etc/passwd", "cwd/Cargo.toml", "exe", "fd/0", "root", "cwd"] {
            let read = read(&scope, text);
            assert_eq!(read, Err(Code::NotFound), "{text} {mode:?}");
        }
        assert!(scope.publish_file(&path("cwd/written-through-a-magic-link"), b"x").is_err());
        assert!(read(&scope, "status").unwrap().contains("Name:"), "{mode:?}");
    }
    assert!(!std::path::Path::new("written-through-a-magic-link").exists());
}

#[test]
fn names_and_paths_up_to_the_limits_work_and_longer_ones_are_refused() {
    let tree = Tree::new();
    let longest_name = "n".repeat(255);
    tree.file(&longest_name, "longest name");
    let component = "d".repeat(203);
    let longest_path = format!("{}{}", format!("{component}/").repeat(5), "f".repeat(4));
    assert_eq!(longest_path.len(), 1_024);
    tree.file(&longest_path, "longest path");
    let deep = format!("{}f", "x/".repeat(511));
    tree.file(&deep, "deep");
    // The file system holds longer paths than an object store has keys.
    tree.file(&format!("{longest_path}2"), "too long");
    for mode in MODES {
        let scope = tree.scope(mode);
        assert_eq!(read(&scope, &longest_name).as_deref(), Ok("longest name"), "{mode:?}");
        assert_eq!(read(&scope, &longest_path).as_deref(), Ok("longest path"), "{mode:?}");
        assert_eq!(read(&scope, &deep).as_deref(), Ok("deep"), "{mode:?}");
        assert_eq!(read(&scope, &"n".repeat(256)), Err(Code::InvalidArgument));
        assert_eq!(read(&scope, &format!("{longest_path}2")), Err(Code::InvalidArgument));
        let listed = run(&scope, "list_dir", json!({ "glob": "f*" })).unwrap();
        assert_eq!(listed["unnameable"], 1, "{mode:?}");
        let entries = strings(&listed["entries"], "path");
        assert!(entries.contains(&longest_path) && entries.contains(&deep), "{mode:?}");
        let found =
            run(&scope, "grep", json!({ "pattern": "^(deep|longest|too)", "mode": "files" }));
        let found = found.unwrap();
        assert_eq!(found["files"].as_array().unwrap().len(), 3, "{mode:?}");
        assert_eq!(found["files_skipped"]["unreadable"], 1, "{mode:?}");
    }
}

#[test]
fn names_that_are_no_text_are_counted_and_never_shown() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let tree = Tree::new();
    tree.file("ok.txt", "needle");
    for name in [&b"caf\xe9"[..], b"new\nline", b"tab\there", b"bell\x07", b"esc\x1b[31m"] {
        std::fs::write(tree.root().join(OsStr::from_bytes(name)), "needle").unwrap();
    }
    for name in ["bidi\u{202e}txt", "zero\u{200b}width", "back\\slash"] {
        tree.file(name, "needle");
    }
    tree.file("dir/\u{1}/below.txt", "needle");
    for mode in MODES {
        let scope = tree.scope(mode);
        let listed = run(&scope, "list_dir", json!({ "depth": 9 })).unwrap();
        assert_eq!(strings(&listed["entries"], "path"), ["dir", "ok.txt"], "{mode:?}");
        assert_eq!(listed["unnameable"], 9, "{mode:?}");
        let found = run(&scope, "grep", json!({ "pattern": "needle", "mode": "files" })).unwrap();
        assert_eq!(strings(&found["files"], "path"), ["ok.txt"], "{mode:?}");
        assert_eq!(found["files_skipped"]["unreadable"], 9, "{mode:?}");
    }
}

#[test]
fn a_link_is_listed_with_its_target_and_nothing_below_it() {
    let tree = tree();
    for mode in MODES {
        let listed = run(&tree.scope(mode), "list_dir", json!({ "depth": 50 })).unwrap();
        let paths = strings(&listed["entries"], "path");
        assert!(paths.iter().all(|path| !path.contains("secret")), "{paths:?}");
        assert!(paths.contains(&"a/b/file.txt".to_owned()));
        let entries = listed["entries"].as_array().unwrap();
        let link = entries.iter().find(|entry| entry["path"] == "chain_1").unwrap();
        assert_eq!(link, &json!({ "path": "chain_1", "type": "symlink", "target": "chain_2" }));
    }
}

#[test]
fn search_sees_each_file_once_and_none_through_links() {
    let tree = tree();
    for mode in MODES {
        let scope = tree.scope(mode);
        let found = run(&scope, "grep", json!({ "pattern": "", "mode": "files" }));
        assert_eq!(found.unwrap_err().code, Code::InvalidArgument);
        let found = run(&scope, "grep", json!({ "pattern": "(?s).", "mode": "files" })).unwrap();
        let files = strings(&found["files"], "path");
        assert_eq!(files, ["a/b/file.txt", "plain.txt"], "{mode:?}");
        assert_eq!(found["files_searched"], 2);
    }
}

#[test]
fn a_root_that_is_renamed_or_replaced_stays_the_root_that_was_opened() {
    let tree = tree();
    let scopes = MODES.map(|mode| tree.scope(mode));
    std::fs::rename(tree.root(), tree.root().with_file_name("moved")).unwrap();
    std::os::unix::fs::symlink(tree.outside(), tree.root()).unwrap();
    for scope in scopes {
        assert_eq!(read(&scope, "plain.txt").as_deref(), Ok("plain"));
        assert_eq!(read(&scope, "secret.txt"), Err(Code::NotFound));
        let listed = run(&scope, "list_dir", json!({ "depth": 9 })).unwrap();
        assert!(!listed.to_string().contains("secret.txt\",\"type\":\"file"), "{listed}");
    }
}
