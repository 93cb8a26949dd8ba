//! Patches and edits that must be refused, several of which git itself accepts.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use mcp_workspace_test_support::checkout::Checkout;
use mcp_workspace_test_support::git::version;
use mcp_workspace_tools::error::Code;
use serde_json::json;

fn checkout() -> Checkout {
    Checkout::of(&[
        ("f.txt", "one\ntwo\nthree\n"),
        ("g.txt", "one\ntwo\nthree\n"),
        ("empty.txt", ""),
        ("crlf.txt", "one\r\ntwo\r\nthree\r\n"),
        ("open.txt", "one\ntwo"),
        ("sub/g.txt", "one\ntwo\nthree\n"),
        ("a/f.txt", "one\ntwo\nthree\n"),
        ("b/f.txt", "one\ntwo\nthree\n"),
        ("src/a.rs", "fn a() {}\n"),
        ("hidden/secret.txt", "one\ntwo\nthree\n"),
        (".env", "one\ntwo\nthree\n"),
        ("twice.txt", "x\nsame\ny\nz\nx\nsame\ny\n"),
    ])
}

const HUNK: &str = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

/// Everything here is refused and nothing is stored.
fn all_refused(attacks: &[(&str, String)]) {
    let checkout = checkout();
    let before = checkout.files();
    let accepted: Vec<_> = attacks
        .iter()
        .filter(|(_, patch)| checkout.patch(patch).is_ok())
        .map(|(name, _)| name)
        .collect();
    assert!(accepted.is_empty(), "accepted: {accepted:#?}");
    assert_eq!(checkout.files(), before);
    assert!(!checkout.root().join("output").exists(), "something was stored");
}

fn change(old: &str, new: &str) -> String {
    format!("--- {old}\n+++ {new}\n{HUNK}")
}

fn git_change(header: &str, old: &str, new: &str) -> String {
    format!("diff --git {header}\n--- {old}\n+++ {new}\n{HUNK}")
}

fn added(name: &str) -> String {
    format!(
        "diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n+++ b/{name}\n\
         @@ -0,0 +1 @@\n+x\n"
    )
}

#[test]
fn names_that_leave_the_workspace_or_hide_are_refused() {
    let mut attacks = vec![
        ("parent", change("a/../f.txt", "b/../f.txt")),
        ("parent inside", change("a/sub/../f.txt", "b/sub/../f.txt")),
        ("absolute", change("/etc/passwd", "/etc/passwd")),
        ("dot", change("a/./f.txt", "b/./f.txt")),
        ("empty component", change("a//f.txt", "b//f.txt")),
        ("quoted parent", change("\"a/\\056\\056/f.txt\"", "\"b/\\056\\056/f.txt\"")),
        ("quoted NUL", change("\"a/f.txt\\000\"", "\"b/f.txt\\000\"")),
        ("quoted newline", added("x").replace("b/x", "\"b/x\\ny\"")),
        ("unknown escape", change("\"a/f\\.txt\"", "\"b/f\\.txt\"")),
        ("open quote", change("\"a/f.txt", "\"b/f.txt")),
        ("overlong octal", change("\"a/\\566.txt\"", "\"b/\\566.txt\"")),
        ("not UTF-8", change("\"a/\\377.txt\"", "\"b/\\377.txt\"")),
        ("both a/", change("a/f.txt", "a/f.txt")),
        ("swapped", change("b/f.txt", "a/f.txt")),
        ("hidden by policy", change("a/hidden/secret.txt", "b/hidden/secret.txt")),
        ("secret", change("a/.env", "b/.env")),
        ("a directory", change("a/sub", "b/sub")),
        ("below a file", added("f.txt/x")),
        ("over a directory", added("sub")),
        ("the root", change("a/", "b/")),
        ("git, both a/", git_change("a/f.txt a/f.txt", "a/f.txt", "a/f.txt")),
        ("added under a/", "--- /dev/null\n+++ a/n\n@@ -0,0 +1 @@\n+x\n".into()),
        ("both nothing", change("/dev/null", "/dev/null")),
    ];
    for name in [
        "../x",
        "sub/../../x",
        "/x",
        "~/x",
        "x\\y",
        "C:\\x",
        "x\u{202e}y",
        "x\u{200b}",
        "x\ty",
        ".git/hooks/pre-commit",
        "sub/.git/config",
        ".GIT/config",
        ".git./x",
        ".git /x",
        "git~1/x",
        ".git::$INDEX_ALLOCATION/x",
        ".env.local",
        "hidden/x",
        "./x",
        "x//y",
        "x/",
        ".git",
    ] {
        attacks.push((name, added(name)));
    }
    attacks.push(("long component", added(&"x".repeat(256))));
    attacks.push(("long path", added(&"x/".repeat(600))));
    all_refused(&attacks);
}

#[test]
fn headers_that_disagree_are_refused() {
    let rename = |from: &str, to: &str, header: &str, rest: &str| {
        format!("diff --git {header}\nrename from {from}\nrename to {to}\n{rest}")
    };
    all_refused(&[
        ("diff --git and ---", git_change("a/f.txt b/f.txt", "a/sub/g.txt", "b/sub/g.txt")),
        ("old and new", git_change("a/f.txt b/f.txt", "a/f.txt", "b/g.txt")),
        ("plain rename", change("a/f.txt", "b/g.txt")),
        ("mixed prefix", change("a/f.txt", "f.txt")),
        ("second +++ only", git_change("a/f.txt b/g.txt", "a/f.txt", "b/f.txt")),
        ("rename and header", rename("f.txt", "n.txt", "a/g.txt b/n.txt", "")),
        (
            "rename and ---",
            rename("f.txt", "n.txt", "a/f.txt b/n.txt", &change("a/g.txt", "b/n.txt")),
        ),
        ("rename to itself", rename("f.txt", "f.txt", "a/f.txt b/f.txt", "")),
        ("rename outside", rename("f.txt", "../n.txt", "a/f.txt b/../n.txt", "")),
        ("rename into .git", rename("f.txt", ".git/n", "a/f.txt b/.git/n", "")),
        ("rename of hidden", rename("hidden/secret.txt", "n", "a/hidden/secret.txt b/n", "")),
        ("rename over a file", rename("f.txt", "g.txt", "a/f.txt b/g.txt", "")),
        ("rename to hidden", rename("f.txt", "hidden/n", "a/f.txt b/hidden/n", "")),
        ("half a rename", "diff --git a/f.txt b/n.txt\nrename from f.txt\n".into()),
        ("two renames", rename("f.txt", "n.txt", "a/f.txt b/n.txt", "rename to m.txt\n")),
        ("copy", "diff --git a/f.txt b/n.txt\ncopy from f.txt\ncopy to n.txt\n".into()),
        ("copy out of hidden", "diff --git a/.env b/n\ncopy from .env\ncopy to n\n".into()),
        (
            "added and deleted",
            added("n").replace(
                "new file mode 100644\n",
                "new file mode 100644\ndeleted file mode 100644\n",
            ),
        ),
        ("added without mode line", added("n").replace("new file mode 100644\n", "")),
        ("added from a name", added("n").replace("/dev/null", "a/n")),
        ("no names at all", format!("diff --git a/f.txt b/f.txt\n{HUNK}")),
        ("no new name", format!("--- a/f.txt\n{HUNK}")),
        ("three names", format!("--- a/f.txt\n--- a/f.txt\n+++ b/f.txt\n{HUNK}")),
        (
            "a mode change whose hunks are lost",
            "diff --git a/f.txt b/f.txt\nold mode 100644\nnew mode 100755\nindex 9d77432..4cb29ea\n"
                .into(),
        ),
        (
            "another mode in the index line",
            "diff --git a/f.txt b/f.txt\nold mode 100644\nnew mode 100755\nindex 1..1 100755\n".into(),
        ),
        ("a new file whose hunk is lost", {
            "diff --git a/n b/n\nnew file mode 100644\nindex 0000000..9d77432\n".into()
        }),
        ("epoch", change("a/f.txt\t1970-01-01 00:00:00 +0000", "b/f.txt")),
    ]);
}

#[test]
fn kinds_of_files_that_are_not_text_are_refused() {
    let mode = |mode: &str| added("n").replace("100644", mode);
    let to = |mode: &str| format!("diff --git a/f.txt b/f.txt\nold mode 100644\nnew mode {mode}\n");
    all_refused(&[
        ("symbolic link", mode("120000").replace("+x", "+/etc")),
        ("submodule", mode("160000")),
        ("set user id", mode("104755")),
        ("group writable", mode("100664")),
        ("directory", mode("040000")),
        ("mode 0", mode("0")),
        ("turned into a link", to("120000")),
        ("turned into a submodule", to("160000")),
        ("other bits", to("100777")),
        ("one mode only", "diff --git a/f.txt b/f.txt\nnew mode 100755\n".into()),
        ("wrong old mode", "diff --git a/f.txt b/f.txt\nold mode 100755\nnew mode 100644\n".into()),
        ("same mode", to("100644")),
        ("link in index", git_change("a/f.txt b/f.txt\nindex 1234567..89abcde 120000", "a/f.txt", "b/f.txt")),
        ("binary mark", "diff --git a/f.txt b/f.txt\nindex 123..456\nBinary files a/f.txt and b/f.txt differ\n".into()),
        ("binary patch", "diff --git a/n b/n\nnew file mode 100644\nindex 0000000..1111111\nGIT binary patch\nliteral 1\nIc$~{iL0A9)\n\nliteral 0\nHcmV?d00001\n\n".into()),
        ("NUL", added("n").replace("+x", "+x\0y")),
    ]);
}

#[test]
fn hunks_that_lie_are_refused() {
    let hunk = |hunk: &str| format!("--- a/f.txt\n+++ b/f.txt\n{hunk}");
    let on = |file: &str, hunk: &str| format!("--- a/{file}\n+++ b/{file}\n{hunk}");
    all_refused(&[
        ("nothing", String::new()),
        ("prose", "please change two to 2\n".into()),
        ("no hunk", hunk("")),
        ("cut off in a line", hunk("@@ -1,3 +1,3 @@\n one\n-two\n+2\n thr")),
        ("cut off in an added line", hunk("@@ -1,3 +1,4 @@\n one\n-two\n+2\n+th")),
        ("cut off after a line", hunk("@@ -1,3 +1,3 @@\n one\n-two\n+2\n")),
        ("open fence", format!("```diff\n{}", hunk(HUNK))),
        ("wrong context", hunk("@@ -1,3 +1,3 @@\n One\n-two\n+2\n three\n")),
        ("newline that is not there", on("open.txt", "@@ -1,2 +1,2 @@\n one\n-two\n+2\n")),
        ("newline that is there", hunk("@@ -2,2 +2,2 @@\n two\n-three\n\\ No newline at end of file\n+3\n")),
        ("mark in the middle", hunk("@@ -1,3 +1,3 @@\n one\n-two\n+2\n\\ No newline at end of file\n three\n")),
        ("mark first", hunk("@@ -1,3 +1,3 @@\n\\ No newline at end of file\n one\n-two\n+2\n three\n")),
        ("other mark", on("open.txt", "@@ -1,2 +1,2 @@\n one\n-two\n\\ no newline\n+2\n\\ no newline\n")),
        ("changes nothing", hunk("@@ -1,3 +1,3 @@\n one\n two\n three\n")),
        ("same line again", hunk("@@ -1,3 +1,3 @@\n one\n-two\n+two\n three\n")),
        ("already applied", hunk("@@ -1,3 +1,3 @@\n one\n-2\n+two\n three\n")),
        ("two places", on("twice.txt", "@@ -3,3 +3,3 @@\n x\n-same\n+other\n y\n")),
        ("no context inside", hunk("@@ -1,0 +2 @@\n+new\n")),
        ("no context at the start", hunk("@@ -0,0 +1 @@\n+new\n")),
        ("no context after an open line", on("open.txt", "@@ -2,0 +3 @@\n+new\n")),
        ("overlap", hunk("@@ -1,2 +1,2 @@\n-one\n+1\n two\n@@ -2,2 +2,2 @@\n two\n-three\n+3\n")),
        ("out of order", on("twice.txt", "@@ -5,3 +5,3 @@\n x\n-same\n+b\n y\n@@ -2,3 +2,3 @@\n same\n-y\n+a\n z\n")),
        ("file twice", format!("{}{}", hunk(HUNK), hunk("@@ -1,3 +1,3 @@\n one\n-2\n+3\n three\n"))),
        ("added over a file", added("f.txt")),
        ("added over an empty file", added("empty.txt")),
        ("added twice", format!("{}{}", added("n"), added("n"))),
        ("file and directory", format!("{}{}", added("n"), added("n/m"))),
        ("added with old lines", added("n").replace("@@ -0,0 +1 @@\n", "@@ -1 +1 @@\n-y\n")),
        ("deletes a part", "diff --git a/f.txt b/f.txt\ndeleted file mode 100644\n--- a/f.txt\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n".into()),
        ("deletes and keeps", "--- a/f.txt\n+++ /dev/null\n@@ -1,3 +1 @@\n-one\n-two\n three\n".into()),
        ("deletes without content", "diff --git a/f.txt b/f.txt\ndeleted file mode 100644\n".into()),
        ("no such file", change("a/none.txt", "b/none.txt")),
        ("over 1 MiB", added("n").replace("+x", &format!("+{}", "x".repeat(1024 * 1024)))),
        ("too many files", (0..201).map(|n| added(&format!("n{n}"))).collect()),
    ]);
}

/// These were refused until the reading of what is meant. Counts and line numbers are no promise any
/// more, nor are blanks at the ends of lines; where the lines are decides, and there is one place.
#[test]
fn harmless_lies_are_read_as_they_were_meant() {
    let hunk = |hunk: &str| format!("--- a/f.txt\n+++ b/f.txt\n{hunk}");
    let on = |file: &str, hunk: &str| format!("--- a/{file}\n+++ b/{file}\n{hunk}");
    for (name, patch) in [
        ("old count", hunk("@@ -1,4 +1,3 @@\n one\n-two\n+2\n three\n")),
        ("new count", hunk("@@ -1,3 +1,4 @@\n one\n-two\n+2\n three\n")),
        ("counts too small", hunk("@@ -1,2 +1,2 @@\n one\n-two\n+2\n three\n")),
        ("huge count", hunk("@@ -1,99999999999999999999 +1,3 @@\n one\n-two\n+2\n three\n")),
        ("line 0", hunk("@@ -0,3 +0,3 @@\n one\n-two\n+2\n three\n")),
        ("no final newline", hunk("@@ -1,3 +1,3 @@\n one\n-two\n+2\n three")),
        ("text after", hunk(&format!("{HUNK}rm -rf /\n"))),
        ("two styles", format!("{}{}", change("a/f.txt", "b/f.txt"), change("g.txt", "g.txt"))),
        ("git then plain", format!("{}{}", change("a/f.txt", "b/f.txt"), added("n"))),
        ("text before", format!("hello\n{}", hunk(HUNK))),
        ("signature after", hunk(&format!("{HUNK}-- \n2.47.3\n"))),
        ("white space", hunk("@@ -1,3 +1,3 @@\n one \n-two\n+2\n three\n")),
        ("LF on CRLF", on("crlf.txt", HUNK)),
        ("CRLF on LF", hunk("@@ -1,3 +1,3 @@\n one\r\n-two\r\n+2\r\n three\r\n")),
    ] {
        let checkout = checkout();
        let answer = checkout.patch(&patch).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert!(answer["adjusted"].is_array(), "{name}");
        let (path, text) = match name {
            "LF on CRLF" => ("crlf.txt", "one\r\n2\r\nthree\r\n"),
            _ => ("f.txt", "one\n2\nthree\n"),
        };
        let result = version(text.as_bytes());
        assert_eq!(answer["files"][0]["path"], path, "{name}");
        assert_eq!(answer["files"][0]["result_version"], result, "{name}");
    }
}

#[test]
fn ordinary_patches_are_accepted() {
    for patch in [
        change("a/f.txt", "b/f.txt"),
        change("f.txt", "f.txt"),
        change("a/a/f.txt", "b/a/f.txt"),
        format!("\n```diff\n{}```\n", change("a/f.txt", "b/f.txt")),
        git_change("a/f.txt b/f.txt", "a/f.txt", "b/f.txt"),
        git_change("\"a/f.txt\" \"b/f.txt\"", "\"a/f\\056txt\"", "b/f.txt"),
        added("n"),
        added("a/n"),
        added(".gitignore"),
        "diff --git a/n b/n\nnew file mode 100644\nindex 0000000..e69de29\n".into(),
        "diff --git a/empty.txt b/empty.txt\ndeleted file mode 100644\nindex e69de29..0000000\n".into(),
        "diff --git a/f.txt b/f.txt\nold mode 100644\nnew mode 100755\n".into(),
        "--- a/open.txt\n+++ b/open.txt\n@@ -2 +2 @@\n-two\n\\ No newline at end of file\n+2\n\\ No \
         newline at end of file"
            .into(),
        "--- a/f.txt\n+++ b/f.txt\n@@ -3,0 +4 @@\n+four\n".into(),
        "--- a/twice.txt\n+++ b/twice.txt\n@@ -3,3 +3,3 @@\n y\n-z\n+Z\n x\n".into(),
    ] {
        let answer = checkout().patch(&patch);
        assert!(answer.is_ok(), "{patch}\n{answer:?}");
    }
}

#[test]
fn a_symbolic_link_is_never_followed() {
    let checkout = checkout();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("f.txt"), "one\ntwo\nthree\n").unwrap();
    symlink(outside.path(), checkout.root().join("out")).unwrap();
    symlink(outside.path().join("f.txt"), checkout.root().join("link.txt")).unwrap();
    symlink("f.txt", checkout.root().join("inside.txt")).unwrap();
    for name in ["out/f.txt", "link.txt", "inside.txt"] {
        assert!(
            checkout.patch(&change(&format!("a/{name}"), &format!("b/{name}"))).is_err(),
            "{name}"
        );
    }
    for name in ["out/new.txt", "link.txt", "inside.txt", "inside.txt/x"] {
        assert!(checkout.patch(&added(name)).is_err(), "{name}");
        let edit = json!([{"path": name, "create": true, "new_text": "x\n"}]);
        assert!(checkout.edits(edit).is_err(), "{name}");
    }
}

#[test]
fn what_is_hidden_looks_like_what_is_not_there() {
    let checkout = checkout();
    let told = |name: &str| {
        let error =
            checkout.patch(&change(&format!("a/{name}"), &format!("b/{name}"))).unwrap_err();
        assert_eq!(error.code, Code::NotFound, "{name}");
        error.to_text().replace(name, "NAME")
    };
    assert_eq!(told("hidden/secret.txt"), told("hidden/nothing.txt"));
    let edited = |name: &str| {
        let edit = json!([{"path": name, "old_text": "one", "new_text": "1"}]);
        let error = checkout.edits(edit).unwrap_err();
        assert_eq!(error.code, Code::NotFound, "{name}");
        error.to_text().replace(name, "NAME")
    };
    assert_eq!(edited("hidden/secret.txt"), edited("hidden/nothing.txt"));
    let create =
        |name: &str| checkout.patch(&added(name)).unwrap_err().to_text().replace(name, "NAME");
    assert_eq!(create("hidden/secret.txt"), create("hidden/nothing.txt"));
    let expected = |name: &str| {
        let versions = json!({name: version(b"one\ntwo\nthree\n")});
        let arguments = json!({"title": "t", "patch": change("a/f.txt", "b/f.txt"),
            "expected_versions": versions});
        checkout.propose(arguments).map(|_| ()).map_err(|e| e.to_text().replace(name, "NAME"))
    };
    assert_eq!(expected("hidden/secret.txt"), expected("hidden/nothing.txt"));
}

#[test]
fn each_right_is_needed() {
    let checkout = checkout();
    let arguments = |name: &str| json!({"title": "t", "edits": [{"path": name, "delete": true}]});
    assert_eq!(checkout.propose_as("narrow", arguments("f.txt")).unwrap_err().code, Code::Denied);
    assert!(checkout.propose_as("narrow", arguments("src/a.rs")).is_ok());
    assert_eq!(
        checkout.propose_as("writeless", arguments("f.txt")).unwrap_err().code,
        Code::Denied
    );
    let out = json!({"title": "t", "edits": [{"path": "src/a.rs", "new_path": "a.rs"}]});
    assert_eq!(checkout.propose_as("narrow", out).unwrap_err().code, Code::Denied);
    let out = json!({"title": "t", "edits": [{"path": "n.rs", "create": true, "new_text": ""}]});
    assert_eq!(checkout.propose_as("narrow", out).unwrap_err().code, Code::Denied);
}

#[test]
fn hunks_of_very_many_equal_lines_are_looked_for_in_linear_time() {
    let checkout = Checkout::of(&[("same.txt", &"x\n".repeat(250_000))]);
    let lines = " x\n".repeat(100_000);
    let name = "--- a/same.txt\n+++ b/same.txt\n";
    let begun = Instant::now();
    for hunk in [
        format!("@@\n{lines}-y\n+z\n"),
        format!("@@ -7,100001 +7,100001 @@\n{lines}-y\n+z\n x\n"),
        format!("@@ -7,100001 +9,100001 @@\n{lines}-x\n+z\n x\n"),
        format!("@@ -7,100001 +7,200001 @@\n{lines}-x\n+z\n{}", "+x\n".repeat(100_000)),
    ] {
        let refused = checkout.patch(&format!("{name}{hunk}")).unwrap_err();
        assert_eq!(refused.code, Code::PatchDoesNotApply, "{refused}");
    }
    // Each place with each is an hour.
    assert!(begun.elapsed() < Duration::from_secs(100), "{:?}", begun.elapsed());
}
