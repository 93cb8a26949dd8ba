//! Twelve tasks of a review, as each server does them.

use std::error::Error;
use std::path::Path;

use serde_json::{Value, json};

use crate::session::Session;

/// Whose tools are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// This repository's.
    Ours,
    /// `@modelcontextprotocol/server-filesystem`.
    Node,
    /// `rust-mcp-filesystem`.
    Rust,
}

/// What a task is mostly made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Listing,
    Searching,
    Reading,
    Writing,
}

/// A task; `run` makes its calls, and says whether the server can do it.
pub(crate) struct Task {
    pub name: &'static str,
    pub kind: Kind,
    pub run: fn(&mut At<'_>) -> Result<bool, Box<dyn Error>>,
}

/// A server at work in a tree.
pub(crate) struct At<'a> {
    pub server: Server,
    pub session: &'a mut Session,
    pub root: &'a Path,
}

impl At<'_> {
    /// The path as the server wants it: the peers know absolute ones alone.
    fn path(&self, inside: &str) -> String {
        match self.server {
            Server::Ours => inside.to_owned(),
            Server::Node | Server::Rust => self.root.join(inside).display().to_string(),
        }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Result<bool, Box<dyn Error>> {
        self.session.call(tool, arguments)?;
        Ok(true)
    }
}

/// A problem and a report as an agent writes them.
const PROBLEM: &str = "The loop allocates a new String for each line; reuse one buffer.";
const REPORT: &str = "# Review of the tools\n\n- 1 finding: a loop allocates for each line.\n";
/// A line of the sources, and the same line changed.
const OLD: &str = "    let options = Options {\n        start: question.start.clone(),\n";
const NEW: &str = "    let options = Options {\n        start: question.start.to_owned(),\n";

/// The tasks, in the order of a review.
pub(crate) const TASKS: [Task; 12] = [
    Task {
        name: "list the root",
        kind: Kind::Listing,
        run: |at| match at.server {
            Server::Ours => at.call("list_dir", &json!({})),
            _ => at.call("list_directory", &json!({ "path": at.path("") })),
        },
    },
    Task {
        name: "list 1,000 names",
        kind: Kind::Listing,
        run: |at| match at.server {
            Server::Ours => at.call("list_dir", &json!({ "path": "names" })),
            _ => at.call("list_directory", &json!({ "path": at.path("names") })),
        },
    },
    Task {
        name: "show a tree of sources",
        kind: Kind::Listing,
        run: |at| match at.server {
            Server::Ours => at.call("list_dir", &json!({ "path": "src", "depth": 10 })),
            _ => at.call("directory_tree", &json!({ "path": at.path("src") })),
        },
    },
    Task {
        name: "find files by name",
        kind: Kind::Listing,
        run: |at| match at.server {
            Server::Ours => at.call("list_dir", &json!({ "glob": "**/mod.rs" })),
            _ => at.call("search_files", &json!({ "path": at.path(""), "pattern": "**/mod.rs" })),
        },
    },
    Task {
        name: "find where a function is defined",
        kind: Kind::Searching,
        run: |at| search(at, "fn with_next_step"),
    },
    Task {
        name: "search a common word",
        kind: Kind::Searching,
        run: |at| search(at, "ToolError::new"),
    },
    Task {
        name: "read a file of 400 lines",
        kind: Kind::Reading,
        run: |at| match at.server {
            Server::Ours => at.call("read_file", &json!({ "path": "src/tool/grep.rs" })),
            _ => at.call("read_text_file", &json!({ "path": at.path("src/tool/grep.rs") })),
        },
    },
    Task {
        name: "read 60 lines in the middle",
        kind: Kind::Reading,
        run: |at| window(at, 3_000, 60),
    },
    Task {
        name: "read the last 20 lines",
        kind: Kind::Reading,
        run: |at| match at.server {
            Server::Ours => at.call("read_file", &json!({ "path": "long.rs", "offset": -20 })),
            Server::Node => {
                at.call("read_text_file", &json!({ "path": at.path("long.rs"), "tail": 20 }))
            }
            Server::Rust => {
                at.call("tail_file", &json!({ "path": at.path("long.rs"), "lines": 20 }))
            }
        },
    },
    Task {
        name: "page twice through 500 lines",
        kind: Kind::Reading,
        run: |at| Ok(window(at, 1, 500)? && window(at, 501, 500)?),
    },
    Task {
        name: "report a problem and leave a report",
        kind: Kind::Writing,
        run: |at| {
            let report = at.path("out/reports/review.md");
            if at.server == Server::Ours {
                at.call(
                    "write_finding",
                    &json!({ "path": "src/tool/grep.rs", "start_line": 330,
                             "rule_id": "allocation", "severity": "low",
                             "message": PROBLEM }),
                )?;
            } else {
                // What comes nearest: a file for each.
                let finding = json!({ "path": "src/tool/grep.rs", "line": 330,
                                      "rule": "allocation", "severity": "low",
                                      "message": PROBLEM });
                let path = at.path("out/finding-1.json");
                let content = finding.to_string();
                at.call("write_file", &json!({ "path": path, "content": content }))?;
            }
            at.call("write_file", &json!({ "path": report, "content": REPORT }))
        },
    },
    Task {
        name: "propose a change",
        kind: Kind::Writing,
        run: |at| match at.server {
            Server::Ours => at.call(
                "propose_patch",
                &json!({ "title": "Say what is cloned",
                         "edits": [{ "path": "src/tool/grep.rs",
                                     "old_text": OLD, "new_text": NEW }] }),
            ),
            // Only a preview leaves the file as it is.
            _ => at.call(
                "edit_file",
                &json!({ "path": at.path("src/tool/grep.rs"), "dryRun": true,
                         "edits": [{ "oldText": OLD, "newText": NEW }] }),
            ),
        },
    },
];

fn search(at: &mut At<'_>, text: &str) -> Result<bool, Box<dyn Error>> {
    match at.server {
        Server::Ours => at.call("grep", &json!({ "pattern": text, "path": "src" })),
        Server::Rust => at.call(
            "search_files_content",
            &json!({ "path": at.path("src"), "pattern": "**/*.rs", "query": text }),
        ),
        Server::Node => Ok(false),
    }
}

fn window(at: &mut At<'_>, first: u64, lines: u64) -> Result<bool, Box<dyn Error>> {
    match at.server {
        Server::Ours => {
            at.call("read_file", &json!({ "path": "long.rs", "offset": first, "limit": lines }))
        }
        Server::Rust => at.call(
            "read_file_lines",
            &json!({ "path": at.path("long.rs"), "offset": first - 1, "limit": lines }),
        ),
        // It can only begin at the beginning.
        Server::Node => at.call(
            "read_text_file",
            &json!({ "path": at.path("long.rs"), "head": first - 1 + lines }),
        ),
    }
}
