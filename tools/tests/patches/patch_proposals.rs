//! `propose_patch` as agents and people see it: what is stored, who may, and the error texts.

use std::fs;
use std::path::Path;

use mcp_workspace_test_support::tool_call::{open, run_as};
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Value, json};

const POLICY: &str = r#"version = 1
[[role]]
name = "reviewer"
callers = ["agent"]
tools = ["propose_patch"]
read = ["input/**"]
write = ["output/proposals/**"]
propose = ["input/**"]
deny = ["**/secret*"]

[[role]]
name = "reader"
callers = ["agent"]
tools = ["propose_patch"]
read = ["docs/**"]

[[role]]
name = "mute"
callers = ["mute"]
tools = ["propose_patch"]
read = ["input/**"]
propose = ["input/**"]
"#;

const MAIN: &str = "use std::io;\nuse std::fs;\nfn main() {\n    let a = 1;\n    let b = 2;\n    \
                    println!(\"{a}\");\n}\n\nfn end() {}\n";

struct Fixture {
    root: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Fixture {
        let fixture = Fixture { root: tempfile::tempdir().unwrap() };
        fixture.file("input/main.rs", MAIN.as_bytes());
        fixture.file("input/windows.txt", b"one\r\ntwo\r\nthree\r\n");
        fixture.file("input/secret.txt", b"secret\n");
        fixture.file("docs/guide.md", b"guide\n");
        fixture
    }

    fn file(&self, path: &str, bytes: &[u8]) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn propose_as(&self, caller: &str, args: Value) -> Result<Value, ToolError> {
        run_as(open(self.root.path()), POLICY, caller, "propose_patch", args)
    }

    fn propose(&self, args: Value) -> Result<Value, ToolError> {
        self.propose_as("agent", args)
    }

    /// The error of a proposal that must leave nothing behind.
    fn refusal(&self, args: Value) -> ToolError {
        let before = tree(self.root.path());
        let error = self.propose(args).unwrap_err();
        assert_eq!(tree(self.root.path()), before);
        error
    }

    fn refusal_of_edit(&self, edit: Value) -> String {
        self.refusal(json!({"title": "t", "edits": [edit]})).to_text()
    }

    fn refusal_of_patch(&self, patch: &str) -> String {
        self.refusal(json!({"title": "t", "patch": patch})).to_text()
    }

    fn stored(&self, answer: &Value, name: &str) -> String {
        let path = self.root.path().join(answer["path"].as_str().unwrap()).join(name);
        fs::read_to_string(path).unwrap()
    }
}

fn tree(root: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let mut directories = vec![root.to_path_buf()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_symlink() {
                files.push((path.display().to_string(), Vec::new()));
            } else if path.is_dir() {
                directories.push(path);
            } else {
                files.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

const ALL_KINDS: &str = "```diff
diff --git a/input/windows.txt b/input/old/windows.txt
similarity index 90%
rename from input/windows.txt
rename to input/old/windows.txt
diff --git a/input/main.rs b/input/main.rs
--- a/input/main.rs
+++ b/input/main.rs
@@ -1,6 +1,6 @@
 use std::io;
 use std::fs;
 fn main() {
-    let a = 1;
+    let a = 7;
     let b = 2;
     println!(\"{a}\");
diff --git a/input/new.txt b/input/new.txt
new file mode 100755
--- /dev/null
+++ b/input/new.txt
@@ -0,0 +1 @@
+new
\\ No newline at end of file
```";

#[test]
fn a_patch_is_stored_as_one_canonical_diff_and_sources_stay() {
    let fixture = Fixture::new();
    let before = tree(&fixture.root.path().join("input"));
    let answer = fixture
        .propose(json!({"title": "All kinds", "patch": ALL_KINDS, "rationale": "Because.",
                        "finding_ids": ["security:1"], "run": "r1"}))
        .unwrap();
    assert_eq!(tree(&fixture.root.path().join("input")), before);
    insta::assert_snapshot!(fixture.stored(&answer, "change.patch"), @r#"
    diff --git a/input/main.rs b/input/main.rs
    --- a/input/main.rs
    +++ b/input/main.rs
    @@ -1,7 +1,7 @@
     use std::io;
     use std::fs;
     fn main() {
    -    let a = 1;
    +    let a = 7;
         let b = 2;
         println!("{a}");
     }
    diff --git a/input/new.txt b/input/new.txt
    new file mode 100755
    --- /dev/null
    +++ b/input/new.txt
    @@ -0,0 +1 @@
    +new
    \ No newline at end of file
    diff --git a/input/windows.txt b/input/old/windows.txt
    similarity index 100%
    rename from input/windows.txt
    rename to input/old/windows.txt
    "#);
    let mut record: Value =
        serde_json::from_str(&fixture.stored(&answer, "proposal.json")).unwrap();
    record["created"] = json!("(time)");
    insta::assert_json_snapshot!(record, @r#"
    {
      "agent": "reviewer",
      "caller": "agent",
      "created": "(time)",
      "files": [
        {
          "additions": 1,
          "base_version": "16e8dad76c32de9c5e46c575dd9491c247684665a772d2614570d596944d6600",
          "change": "modified",
          "deletions": 1,
          "path": "input/main.rs",
          "result_version": "e8450ecbbcee9c460ffc02688990feb47beec24a7b411e93bba578d254bf3044"
        },
        {
          "additions": 1,
          "change": "added",
          "deletions": 0,
          "path": "input/new.txt",
          "result_version": "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
        },
        {
          "additions": 0,
          "base_version": "9fc4c6bdc7e5374b75e38fa9e1097577399bb74f1ccc33b1712d53a26d02c09a",
          "change": "renamed",
          "deletions": 0,
          "old_path": "input/windows.txt",
          "path": "input/old/windows.txt",
          "result_version": "9fc4c6bdc7e5374b75e38fa9e1097577399bb74f1ccc33b1712d53a26d02c09a"
        }
      ],
      "finding_ids": [
        "security:1"
      ],
      "format": 1,
      "id": "972e35c8c5c9f9b136dfea769371d6e0",
      "rationale": "Because.",
      "run": "r1",
      "title": "All kinds"
    }
    "#);
    insta::assert_json_snapshot!(answer, @r#"
    {
      "files": [
        {
          "additions": 1,
          "base_version": "16e8dad76c32de9c5e46c575dd9491c247684665a772d2614570d596944d6600",
          "change": "modified",
          "deletions": 1,
          "path": "input/main.rs",
          "result_version": "e8450ecbbcee9c460ffc02688990feb47beec24a7b411e93bba578d254bf3044"
        },
        {
          "additions": 1,
          "change": "added",
          "deletions": 0,
          "path": "input/new.txt",
          "result_version": "11507a0e2f5e69d5dfa40a62a1bd7b6ee57e6bcd85c67c9b8431b36fff21c437"
        },
        {
          "additions": 0,
          "base_version": "9fc4c6bdc7e5374b75e38fa9e1097577399bb74f1ccc33b1712d53a26d02c09a",
          "change": "renamed",
          "deletions": 0,
          "old_path": "input/windows.txt",
          "path": "input/old/windows.txt",
          "result_version": "9fc4c6bdc7e5374b75e38fa9e1097577399bb74f1ccc33b1712d53a26d02c09a"
        }
      ],
      "id": "972e35c8c5c9f9b136dfea769371d6e0",
      "path": "output/proposals/972e35c8c5c9f9b136dfea769371d6e0",
      "status": "created"
    }
    "#);
}

#[test]
fn edits_and_a_patch_of_the_same_change_are_the_same_proposal() {
    let fixture = Fixture::new();
    let edits = json!([
        {"path": "input/windows.txt", "new_path": "input/old/windows.txt"},
        {"path": "input/main.rs", "old_text": "a = 1", "new_text": "a = 5"},
        {"path": "input/main.rs", "old_text": "a = 5", "new_text": "a = 7"},
    ]);
    let first = fixture.propose(json!({"title": "one", "edits": edits})).unwrap();
    assert_eq!(first["status"], "created");
    let patch = fixture.stored(&first, "change.patch");
    let second = fixture.propose(json!({"title": "other", "patch": patch})).unwrap();
    assert_eq!(second["status"], "duplicate");
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["files"], first["files"]);
}

#[test]
fn a_moved_hunk_is_reported() {
    let fixture = Fixture::new();
    let patch = "--- input/main.rs\n+++ input/main.rs\n@@ -40,3 +40,3 @@\n fn main() {\n-    let \
                 a = 1;\n+    let a = 3;\n     let b = 2;\n";
    let answer = fixture.propose(json!({"title": "t", "patch": patch})).unwrap();
    insta::assert_json_snapshot!(answer["adjusted"], @r#"
    [
      "hunk 1 of input/main.rs says line 40 and was found at line 3"
    ]
    "#);
}

#[test]
fn an_expected_version_that_differs_is_a_conflict() {
    let fixture = Fixture::new();
    let edit = json!([{"path": "input/main.rs", "old_text": "a = 1", "new_text": "a = 2"}]);
    let error = fixture.refusal(
        json!({"title": "t", "edits": edit, "expected_versions": {"input/main.rs": "00"}}),
    );
    assert_eq!(error.code, Code::Conflict);
    insta::assert_snapshot!(error.to_text(), @r#"
    conflict: `input/main.rs` has changed: its version is 16e8dad76c32de9c5e46, 00 was expected
    read the file again and make the change from what is there
    "#);
    let current = error.message.split("version is ").nth(1).unwrap().split(',').next().unwrap();
    let args =
        json!({"title": "t", "edits": edit, "expected_versions": {"input/main.rs": current}});
    let proposed = fixture.propose(args).unwrap();
    // What is stored is whole.
    let base = proposed["files"][0]["base_version"].as_str().unwrap();
    assert!(base.len() == 64 && base.starts_with(current), "{base}");
}

#[test]
fn a_file_that_is_only_built_on_is_compared_too() {
    let fixture = Fixture::new();
    let error = fixture.refusal(json!({"title": "t",
        "edits": [{"path": "input/main.rs", "old_text": "a = 1", "new_text": "a = 2"}],
        "expected_versions": {"docs/guide.md": "00"}}));
    assert_eq!(error.code, Code::Conflict);
}

#[test]
fn hidden_and_absent_files_answer_alike() {
    let fixture = Fixture::new();
    let edit = |path: &str| json!({"path": path, "old_text": "a", "new_text": "b"});
    let hidden = fixture.refusal_of_edit(edit("input/secret.txt"));
    let absent = fixture.refusal_of_edit(edit("input/absent.txt"));
    assert_eq!(hidden.lines().next().unwrap(), "not_found: no such file: input/secret.txt");
    assert_eq!(absent.lines().next().unwrap(), "not_found: no such file: input/absent.txt");
    for path in ["input/secret.txt", "input/secret2.txt", "elsewhere/x"] {
        let create = fixture.refusal_of_edit(json!({"path": path, "create": true}));
        assert!(create.starts_with("not_found: no such file"), "{create}");
    }
}

#[test]
fn a_visible_file_outside_propose_is_denied() {
    let fixture = Fixture::new();
    insta::assert_snapshot!(fixture.refusal_of_edit(json!({"path": "docs/guide.md", "delete": true})), @r#"
    denied: this caller may not propose changes of `docs/guide.md`
    the policy's `propose` list of the caller's role decides; ask the operator
    "#);
}

#[test]
fn a_caller_without_write_is_denied() {
    let fixture = Fixture::new();
    let args = json!({"title": "t", "edits": [{"path": "input/main.rs", "delete": true}]});
    let error = fixture.propose_as("mute", args).unwrap_err();
    assert_eq!(error.code, Code::Denied);
    insta::assert_snapshot!(error.hint.unwrap(), @r#"its role needs `write` on the folder of proposals; ask the operator"#);
}

#[test]
fn links_and_directories_are_no_files() {
    let fixture = Fixture::new();
    std::os::unix::fs::symlink("main.rs", fixture.root.path().join("input/link")).unwrap();
    std::os::unix::fs::symlink("/etc", fixture.root.path().join("input/etc")).unwrap();
    fs::create_dir(fixture.root.path().join("input/dir")).unwrap();
    for (path, what) in [
        ("input/link", "symbolic link"),
        ("input/dir", "is a directory"),
        ("input/etc/new", "not a directory"),
        ("input/main.rs/new", "not a directory"),
    ] {
        let error = fixture.refusal_of_edit(json!({"path": path, "create": true}));
        assert!(error.contains(what), "{path}: {error}");
    }
}

#[test]
fn what_is_there_is_not_created() {
    let fixture = Fixture::new();
    insta::assert_snapshot!(fixture.refusal_of_edit(json!({"path": "input/main.rs", "create": true})), @r#"
    conflict: `input/main.rs` exists already; its version is 16e8dad76c32de9c5e46
    change the file that is there, or choose another name
    "#);
}

#[test]
fn no_change_is_refused() {
    let fixture = Fixture::new();
    let error = fixture.refusal(json!({"title": "t", "edits": [
        {"path": "input/main.rs", "old_text": "a = 1", "new_text": "a = 2"},
        {"path": "input/main.rs", "old_text": "a = 2", "new_text": "a = 1"},
    ]}));
    insta::assert_snapshot!(error.to_text(), @r#"
    invalid_argument: the proposal changes nothing
    every file would be as it is; nothing was stored
    "#);
}

#[test]
fn a_line_that_differs_is_shown_with_its_neighbours() {
    let fixture = Fixture::new();
    let patch = "--- a/input/main.rs\n+++ b/input/main.rs\n@@ -3,4 +3,4 @@\n fn main() {\n     \
                 let a = 9;\n-    let b = 2;\n+    let b = 3;\n     println!(\"{a}\");\n";
    insta::assert_snapshot!(fixture.refusal_of_patch(patch), @r#"
    patch_does_not_apply: hunk 1 of 1 does not fit `input/main.rs`: line 4 differs
    expected: `    let a = 9;`
    found:    `    let a = 1;`
    lines of the file as it is:
         1	use std::io;
         2	use std::fs;
         3	fn main() {
         4	    let a = 1;
         5	    let b = 2;
         6	    println!("{a}");
         7	}
    version of the file: 16e8dad76c32de9c5e46
    make the patch again from the lines above; nothing was stored
    "#);
}

#[test]
fn white_space_that_differs_is_made_visible() {
    let fixture = Fixture::new();
    let patch = "--- a/input/main.rs\n+++ b/input/main.rs\n@@ -3,4 +3,4 @@\n fn main() {\n\tlet a \
                 = 1;\n-    let b = 2;\n+    let b = 3;\n     println!(\"{a}\");\n"
        .replace("\tlet", " \tlet");
    insta::assert_snapshot!(fixture.refusal_of_patch(&patch), @r#"
    patch_does_not_apply: hunk 1 of 1 does not fit `input/main.rs`: line 4 differs in white space only (· space, → tab, ␍␊ line end)
    expected: `→let·a·=·1;␊`
    found:    `····let·a·=·1;␊`
    lines of the file as it is:
         1	use std::io;
         2	use std::fs;
         3	fn main() {
         4	    let a = 1;
         5	    let b = 2;
         6	    println!("{a}");
         7	}
    version of the file: 16e8dad76c32de9c5e46
    make the patch again from the lines above; nothing was stored
    "#);
}

#[test]
fn lf_for_crlf_says_what_to_do() {
    let fixture = Fixture::new();
    let patch = "--- a/input/windows.txt\n+++ b/input/windows.txt\n@@ -1,3 +1,3 @@\n one\n-zwei\n\
                 +2\n three\n";
    insta::assert_snapshot!(fixture.refusal_of_patch(patch), @r#"
    patch_does_not_apply: hunk 1 of 1 does not fit `input/windows.txt`: line 1 differs in white space only (· space, → tab, ␍␊ line end)
    expected: `one␊`
    found:    `one␍␊`
    lines of the file as it is:
         1	one
         2	two
         3	three
    version of the file: 9fc4c6bdc7e5374b75e3
    the file has CRLF line ends, and the patch has not: end its lines in `\r\n`, or give `edits` with `\r\n`
    "#);
    insta::assert_snapshot!(fixture.refusal_of_edit(json!({"path": "input/windows.txt", "old_text": "one\ntwo!", "new_text": "2"})), @r#"
    patch_does_not_apply: edit 1: `old_text` is not in `input/windows.txt`; line 1 differs in white space only (· space, → tab, ␍␊ line end)
    expected: `one␊`
    found:    `one␍␊`
    lines of the file as it is:
         1	one
         2	two
         3	three
    version of the file: 9fc4c6bdc7e5374b75e3
    the file has CRLF line ends: write `\r\n` in `old_text` and `new_text`
    "#);
}

#[test]
fn a_change_that_is_there_already_is_named() {
    let fixture = Fixture::new();
    let patch = "--- a/input/main.rs\n+++ b/input/main.rs\n@@ -3,3 +3,3 @@\n fn main() {\n-    let \
                 a = 0;\n+    let a = 1;\n     let b = 2;\n";
    insta::assert_snapshot!(fixture.refusal_of_patch(patch), @r#"
    patch_does_not_apply: hunk 1 of 1 does not fit `input/main.rs`: what it would make is there already, at line 3
    lines of the file as it is:
         1	use std::io;
         2	use std::fs;
         3	fn main() {
         4	    let a = 1;
         5	    let b = 2;
         6	    println!("{a}");
    version of the file: 16e8dad76c32de9c5e46
    leave the hunk out if the change is done; nothing was stored
    "#);
}

/// A hunk that stops in its change may have been cut off; else its lines are right, and not the
/// counts.
#[test]
fn wrong_counts_are_corrected_in_the_message() {
    let fixture = Fixture::new();
    let patch = "--- a/input/main.rs\n+++ b/input/main.rs\n@@ -3,5 +3,5 @@\n fn main() {\n-    let \
                 a = 1;\n+    let a = 2;\n";
    insta::assert_snapshot!(fixture.refusal_of_patch(patch), @r#"
    invalid_argument: hunk 1 of `input/main.rs` (line 3 of the patch) says 5 old and 5 new lines, but has 2 and 2
    if no line is missing, write `@@ -3,2 +3,2 @@`; or give `edits`, which need no counts
    "#);
    let whole = format!("{patch}     let b = 2;\n");
    let answer = fixture.propose(json!({"title": "t", "patch": whole})).unwrap();
    insta::assert_json_snapshot!(answer["adjusted"], @r#"
    [
      "hunk 1 of input/main.rs says 5 old and 5 new lines and has 3 and 3"
    ]
    "#);
}

#[test]
fn old_text_that_is_not_unique_names_its_lines() {
    let fixture = Fixture::new();
    insta::assert_snapshot!(fixture.refusal_of_edit(json!({"path": "input/main.rs", "old_text": "fn ", "new_text": "x"})), @r#"
    patch_does_not_apply: edit 1: `old_text` is in `input/main.rs` more than once, at lines 3, 9
    lines of the file at line 3:
         1	use std::io;
         2	use std::fs;
         3	fn main() {
         4	    let a = 1;
         5	    let b = 2;
         6	    println!("{a}");
    lines of the file at line 9:
         6	    println!("{a}");
         7	}
         8
         9	fn end() {}
    add lines before or after it until it is unique
    "#);
}

#[test]
fn old_text_that_is_not_there_names_the_nearest_place() {
    let fixture = Fixture::new();
    insta::assert_snapshot!(fixture.refusal_of_edit(json!({"path": "input/main.rs", "old_text": "fn main() {\n\tlet a = 1;", "new_text": "x"})), @r#"
    patch_does_not_apply: edit 1: `old_text` is not in `input/main.rs`; line 4 differs in white space only (· space, → tab, ␍␊ line end)
    expected: `→let·a·=·1;`
    found:    `····let·a·=·1;␊`
    lines of the file as it is:
         1	use std::io;
         2	use std::fs;
         3	fn main() {
         4	    let a = 1;
         5	    let b = 2;
         6	    println!("{a}");
         7	}
    version of the file: 16e8dad76c32de9c5e46
    read the file again and copy the text exactly; nothing was stored
    "#);
    insta::assert_snapshot!(fixture.refusal_of_edit(json!({"path": "input/main.rs", "old_text": "    let c = 1;\n", "new_text": "x"})), @r#"
    patch_does_not_apply: edit 1: `old_text` is not in `input/main.rs`; the nearest place is line 4
    lines of the file as it is:
         1	use std::io;
         2	use std::fs;
         3	fn main() {
         4	    let a = 1;
         5	    let b = 2;
         6	    println!("{a}");
         7	}
    version of the file: 16e8dad76c32de9c5e46
    read the file again and copy the text exactly; nothing was stored
    "#);
}

#[test]
fn an_edit_that_is_done_already_is_named() {
    let fixture = Fixture::new();
    let edit = json!({"path": "input/main.rs", "old_text": "let z = 1;", "new_text": "let a = 1;"});
    insta::assert_snapshot!(fixture.refusal_of_edit(edit).lines().next().unwrap(), @r#"patch_does_not_apply: edit 1: `old_text` is not in `input/main.rs`, and `new_text` is there already; the nearest place is line 4"#);
}

#[test]
fn an_edit_that_asks_for_two_things_is_refused() {
    let fixture = Fixture::new();
    for edit in [
        json!({"path": "input/main.rs"}),
        json!({"path": "input/main.rs", "delete": true, "new_text": "x"}),
        json!({"path": "input/main.rs", "delete": true, "create": true}),
        json!({"path": "input/new", "create": true, "old_text": "x"}),
        json!({"path": "input/main.rs", "old_text": "x"}),
        json!({"path": "input/main.rs", "new_text": "x"}),
        json!({"path": "input/main.rs", "old_text": "", "new_text": "x"}),
        json!({"path": "", "delete": true}),
        json!({"path": "input/.git/hooks/x", "create": true}),
    ] {
        let error = fixture.refusal_of_edit(edit.clone());
        assert!(error.starts_with("invalid_argument: "), "{edit}: {error}");
    }
}

#[test]
fn records_are_never_proposed_on() {
    let fixture = Fixture::new();
    let error = fixture.refusal_of_edit(json!({"path": "output/proposals/x", "create": true}));
    assert!(error.starts_with("not_found"), "{error}");
}
