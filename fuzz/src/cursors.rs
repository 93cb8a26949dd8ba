//! Any text as a cursor of every tool that has pages, and any place under a true binding: the page
//! is a tail of what the caller sees without a cursor, or the cursor is refused.
//!
//! The first line of an input chooses question and caller. Where the second is empty, the rest is
//! the cursor as it is; else it is a line's number, or `-`, and the rest is the place.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// In all that `narrow` may not see, by its name or its text.
const HIDDEN: &str = "unseen";
const POLICY: &str = r#"
version = 1

[[role]]
name    = "wide"
callers = ["wide"]
tools   = ["list_dir", "grep", "read_state", "write_state", "write_finding", "propose_patch", "list_findings", "list_proposals"]
read    = ["**"]
write   = ["state/**", "output/**"]
propose = ["a/**", "b/**"]

[[role]]
name    = "narrow"
callers = ["narrow"]
tools   = ["list_dir", "grep", "read_state", "list_findings", "list_proposals"]
read    = ["a/**", "state/a/**", "output/**"]
deny    = ["**/*unseen*", "**/*unseen*/**"]
"#;
const CALLERS: [&str; 2] = ["narrow", "wide"];

/// A question that is answered in pages, with the answer's list and what of an item is compared.
struct Question {
    tool: &'static str,
    arguments: Value,
    list: &'static str,
    parts: &'static [&'static str],
}

static QUESTIONS: LazyLock<Vec<Question>> = LazyLock::new(|| {
    let ask = |tool, arguments, list, parts| Question { tool, arguments, list, parts };
    // Below `a`: what `narrow` reads of records tells of hidden files by name.
    let search = |path: &str, mode: &str| json!({ "pattern": "e", "path": path, "mode": mode, "format": "json" });
    vec![
        ask("list_dir", json!({ "depth": 9 }), "entries", &["path"]),
        ask("list_dir", json!({ "path": "a" }), "entries", &["path"]),
        ask("list_dir", json!({ "glob": "*.txt" }), "entries", &["path"]),
        ask("grep", search("a", "content"), "matches", &["path", "line"]),
        ask("grep", search("a/b.txt", "content"), "matches", &["path", "line"]),
        ask("grep", search("a", "files"), "files", &["path"]),
        ask("grep", search("a", "count"), "files", &["path"]),
        ask("read_state", json!({ "prefix": "" }), "keys", &["key"]),
        ask("read_state", json!({ "prefix": "a/" }), "keys", &["key"]),
        ask("read_state", json!({ "prefix": "a/b" }), "keys", &["key"]),
        ask("list_findings", json!({ "format": "json" }), "findings", &["fingerprint"]),
        ask("list_proposals", json!({ "format": "json" }), "proposals", &["id"]),
    ]
});

struct Site {
    _directory: TempDir,
    workspace: Arc<Workspace>,
    policy: Policy,
}

static SITE: LazyLock<Site> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let text = "one\ntwo\nthree\nfour\nfive\n";
    for path in ["a.txt", "a/b.txt", "a/b/c.txt", "a/b-c.txt", "a/\u{e9}.txt", "b/a.txt", "z/z"] {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), text).unwrap();
    }
    for path in ["a/unseen.txt", "a/b/unseen/here.txt", "unseen/a.txt"] {
        std::fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        std::fs::write(root.join(path), format!("{HIDDEN}\n{text}")).unwrap();
    }
    std::os::unix::fs::symlink("../b", root.join("a/link")).unwrap();
    let workspace = Arc::new(Workspace::open_with_ambient_authority(root).unwrap());
    let policy = Policy::parse(POLICY, "fuzz.toml").unwrap();
    let site = Site { _directory: directory, workspace, policy };
    for key in ["a", "a/b", "a/b/c", "a/bc", "a/unseen", "a/z", "b", "unseen/a"] {
        let arguments = json!({ "key": key, "value": key });
        site.run("wide", "write_state", arguments).unwrap();
    }
    for path in ["a/b.txt", "a/b/c.txt", "a/unseen.txt", "b/a.txt"] {
        let finding = json!({ "rule_id": "r", "severity": "low", "message": "m", "path": path });
        site.run("wide", "write_finding", finding).unwrap();
        if path != "a/unseen.txt" {
            let edit = json!({ "path": path, "old_text": "two", "new_text": "2" });
            let arguments = json!({ "title": "t", "edits": [edit] });
            site.run("wide", "propose_patch", arguments).unwrap();
        }
    }
    site
});

/// What a caller is given to a question without a cursor, and a cursor of its own.
type Whole = (Vec<Value>, Option<String>);

/// For each question, and each caller.
static WHOLE: LazyLock<Vec<[Whole; 2]>> = LazyLock::new(|| {
    let of = |question: &Question, caller| {
        let whole = question.of(&SITE.ask(question, caller, None).unwrap());
        let mut first = question.arguments.clone();
        first["limit"] = 1.into();
        let first = SITE.run(caller, question.tool, first).unwrap();
        (whole, first["next_cursor"].as_str().map(str::to_owned))
    };
    let whole: Vec<_> =
        QUESTIONS.iter().map(|question| CALLERS.map(|caller| of(question, caller))).collect();
    for [(narrow, _), (wide, _)] in &whole {
        assert!(!narrow.is_empty() && narrow.len() <= wide.len());
        assert!(!json!(narrow).to_string().contains(HIDDEN));
    }
    whole
});

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(3, '\n');
    let [chosen, line, rest] = std::array::from_fn(|_| lines.next().unwrap_or_default());
    let chosen = chosen.parse::<usize>().unwrap_or_default();
    let (at, who) = (chosen / 2 % QUESTIONS.len(), chosen % 2);
    let (question, caller) = (&QUESTIONS[at], CALLERS[who]);
    let (whole, own) = &WHOLE[at][who];
    let cursor = match (line, own) {
        ("", _) | (_, None) => rest.to_owned(),
        (line, Some(own)) => forged(own, line.parse().ok(), rest),
    };
    match SITE.ask(question, caller, Some(&cursor)) {
        Ok(answer) => {
            let page = question.of(&answer);
            assert!(whole.ends_with(&page), "{caller} {cursor}: {page:?} of {whole:?}");
            assert!(caller == "wide" || !answer.to_string().contains(HIDDEN), "{answer}");
            assert_eq!(answer["next_cursor"], Value::Null, "all of it fits");
        }
        Err(error) => {
            assert_eq!(error.code, Code::InvalidArgument, "{error:?}");
            assert!(error.message.contains("cursor") && error.hint.is_some(), "{error:?}");
            // A true binding is refused only where the text around it is too long.
            assert!(line.is_empty() || own.is_none() || cursor.len() > 16_384, "{error:?}");
        }
    }
    // It belongs to nobody else, and to no other question.
    let other = chosen / (2 * QUESTIONS.len()) % (2 * QUESTIONS.len());
    if let Some(cursor) = &WHOLE[other / 2][other % 2].1 {
        let fits = (other / 2, other % 2) == (at, who);
        assert_eq!(SITE.ask(question, caller, Some(cursor)).is_ok(), fits, "{caller} {other}");
    }
}

/// A cursor of this binding at another place.
fn forged(own: &str, line: Option<u64>, place: &str) -> String {
    let (binding, _) = own.split_once('.').unwrap();
    let line = line.map(|line| line.to_string()).unwrap_or_default();
    format!("{binding}.{line}.{}", utf8_percent_encode(place, NON_ALPHANUMERIC))
}

impl Question {
    /// The answer's items, as far as they are compared.
    fn of(&self, answer: &Value) -> Vec<Value> {
        let items = answer[self.list].as_array().unwrap();
        let parts = |item: &Value| self.parts.iter().map(|part| item[*part].clone()).collect();
        let mut items: Vec<_> = items.iter().map(parts).collect();
        // The only list whose pages have an order of their own.
        if self.list == "findings" {
            items.sort_by_key(Value::to_string);
        }
        items
    }
}

impl Site {
    fn ask(
        &self,
        question: &Question,
        caller: &str,
        cursor: Option<&str>,
    ) -> Result<Value, ToolError> {
        let mut arguments = question.arguments.clone();
        if let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) {
            arguments["cursor"] = cursor.into();
        }
        self.run(caller, question.tool, arguments)
    }

    fn run(&self, caller: &str, tool: &str, arguments: Value) -> Result<Value, ToolError> {
        let grant = self.policy.grant(caller).unwrap().for_tool(tool);
        let layout = Arc::new(self.policy.layout().clone());
        let scope = Scope::new(Arc::clone(&self.workspace), grant, layout);
        // A page that ends with its time would be no fault: also a starved fuzzer must have enough.
        let call = Call::new(caller, Duration::from_secs(600));
        tool::find(tool).unwrap().run(&scope, arguments, &call).map(|answer| answer.into_json())
    }
}
