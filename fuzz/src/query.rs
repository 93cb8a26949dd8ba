//! Any statement over small tables: it ends in time, changes no file, gives back its memory, and its
//! pages are the whole answer. The first line of an input is the statement, the rest is `t`, a CSV file;
//! `p` is Parquet and `j` JSON lines.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::{Value, json};

const POLICY: &str = "version = 1\n[[role]]\nname = \"reader\"\ncallers = [\"local\"]\ntools = \
                      [\"query_table\"]\nread = [\"**\"]\n";
const PARQUET: &[u8] =
    include_bytes!("../../examples/data_quality/workspace/input/warehouse/carriers.parquet");
const JSON_LINES: &str = "{\"id\":1,\"x\":\"one\"}\n{\"id\":2,\"y\":[1,2]}\n";
/// What a statement may take, and what it may be late by.
const TIME: Duration = Duration::from_secs(2);
const LATE: Duration = Duration::from_secs(20);
/// Rows of a page, and how many pages are asked for.
const PAGE: usize = 3;
const PAGES: usize = 4;

static RIGHTS: LazyLock<Policy> = LazyLock::new(|| Policy::parse(POLICY, "fuzz").unwrap());

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (sql, table) = text.split_once('\n').unwrap_or((text, "a,b\n1,x\n2,\n"));
    let directory = tempfile::tempdir().unwrap();
    let files =
        [("t.csv", table.as_bytes()), ("p.parquet", PARQUET), ("j.jsonl", JSON_LINES.as_bytes())];
    for (name, content) in files {
        std::fs::write(directory.path().join(name), content).unwrap();
    }
    let workspace = Workspace::open_with_ambient_authority(directory.path()).unwrap();
    let workspace = Arc::new(workspace);
    let used = workspace.memory().used();
    let ask = |limit: usize, cursor: Option<&Value>| -> Result<Value, ToolError> {
        let grant = RIGHTS.grant("local").unwrap().for_tool("query_table");
        let scope = Scope::new(Arc::clone(&workspace), grant, Arc::new(RIGHTS.layout().clone()));
        let tables = json!([{ "name": "t", "path": "t.csv" }, { "name": "p", "path": "p.parquet" },
                            { "name": "j", "path": "j.jsonl" }]);
        let mut arguments =
            json!({ "sql": sql, "tables": tables, "format": "json", "limit": limit });
        if let Some(cursor) = cursor {
            arguments["cursor"] = cursor.clone();
        }
        let call = Call::new("local", TIME);
        let begun = Instant::now();
        let answer = tool::find("query_table").unwrap().run(&scope, arguments, &call);
        assert!(begun.elapsed() < TIME + LATE, "it took {:?}", begun.elapsed());
        answer.map(mcp_workspace_tools::answer::Answer::into_json)
    };
    let whole = ask(5_000, None);
    if let Err(error) = &whole {
        assert!(!matches!(error.code, Code::Internal | Code::Io), "{error:?}");
    }
    if let Ok(whole) = whole
        && whole["stopped"].is_null()
        && !sql.to_ascii_lowercase().contains("random")
    {
        pages(&whole, &ask);
    }
    for (name, content) in files {
        assert_eq!(std::fs::read(directory.path().join(name)).unwrap(), content, "{name}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), files.len());
    assert_eq!(workspace.memory().used(), used);
}

/// Asks for so many rows behind a cursor.
type Ask<'a> = &'a dyn Fn(usize, Option<&Value>) -> Result<Value, ToolError>;

/// The pages of an answer are its rows, in their order.
fn pages(whole: &Value, ask: Ask<'_>) {
    let rows = whole["rows"].as_array().unwrap();
    let (mut seen, mut cursor) = (0, None);
    for _ in 0..PAGES {
        let Ok(page) = ask(PAGE, cursor.as_ref()) else { return };
        if !page["stopped"].is_null() {
            return;
        }
        let part = page["rows"].as_array().unwrap();
        assert_eq!(Some(part.as_slice()), rows.get(seen..seen + part.len()), "from row {seen} on");
        seen += part.len();
        match page.get("next_cursor").filter(|cursor| !cursor.is_null()) {
            Some(next) => cursor = Some(next.clone()),
            None => {
                assert!(seen == rows.len() || !whole["next_cursor"].is_null(), "{seen} rows");
                return;
            }
        }
    }
}
