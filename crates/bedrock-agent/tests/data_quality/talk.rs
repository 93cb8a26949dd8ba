//! How a scripted model talks: it asks tools, and thinks about what they answer.

use serde_json::{Value, json};

use mcp_workspace_test_support::model::{Play, calls, done, results};

/// What a mind does next.
pub(crate) enum Next {
    /// Calls these tools.
    Ask(Vec<(&'static str, Value)>),
    /// Says this, and is done.
    Say(String),
}

/// A model that knows its task.
pub(crate) trait Mind: Send {
    /// What it does after these answers, of which the first are none.
    fn think(&mut self, answers: &[Answer]) -> Next;
}

/// What a tool answered.
pub(crate) struct Answer {
    pub succeeded: bool,
    pub text: String,
}

impl Answer {
    /// The answer as JSON.
    pub(crate) fn json(&self) -> Value {
        assert!(self.succeeded, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    /// The rows of a query whose first column is `_line`, each with its number.
    pub(crate) fn rows(&self) -> Vec<(u64, String)> {
        let json = self.json();
        let columns = json["columns"].as_array().unwrap();
        let row = |row: &Value| {
            let named = columns.iter().zip(row.as_array().unwrap()).skip(1);
            let named =
                named.map(|(name, value)| (name.as_str().unwrap().to_owned(), value.clone()));
            (row[0].as_u64().unwrap(), Value::Object(named.collect()).to_string())
        };
        json["rows"].as_array().unwrap().iter().map(row).collect()
    }

    /// The exact lines of a text that was read as JSON, numbered from `start_line` on.
    pub(crate) fn lines(&self) -> Vec<(u64, String)> {
        let json = self.json();
        let start = json["start_line"].as_u64().unwrap();
        let content = json["content"].as_str().unwrap();
        (start..).zip(content.lines().map(str::to_owned)).collect()
    }
}

/// The script of a mind.
pub(crate) fn play(mut mind: Box<dyn Mind>) -> impl FnMut(usize, &Value) -> Play + Send {
    move |number, request| {
        let answers: Vec<Answer> = results(request)
            .into_iter()
            .map(|(_, status, text)| Answer { succeeded: status == "success", text: inside(&text) })
            .collect();
        match mind.think(&answers) {
            Next::Say(text) => done(&text),
            Next::Ask(asked) => {
                let ids: Vec<String> =
                    (0..asked.len()).map(|at| format!("call-{number}-{at}")).collect();
                let asked: Vec<_> = ids
                    .iter()
                    .zip(asked)
                    .map(|(id, (tool, input))| (id.as_str(), tool, input))
                    .collect();
                calls(&asked)
            }
        }
    }
}

/// What stands between the marks around an answer.
fn inside(text: &str) -> String {
    let (_, rest) = text.split_once(">\n").unwrap();
    rest.rsplit_once("\n</").unwrap().0.to_owned()
}

/// Reads a file from a line or row on, as JSON.
pub(crate) fn read(path: &str, offset: u64) -> (&'static str, Value) {
    ("read_file", json!({ "path": path, "offset": offset, "limit": 100, "format": "json" }))
}

/// Asks a question of tables of the example, by the names of their files.
pub(crate) fn query(sql: &str, tables: &[(&str, &str)]) -> (&'static str, Value) {
    let tables: Vec<Value> =
        tables.iter().map(|(name, path)| json!({ "name": name, "path": path })).collect();
    ("query_table", json!({ "sql": sql, "tables": tables, "limit": 5_000, "format": "json" }))
}

/// A finding with the rows that show it.
pub(crate) fn finding(
    rule: &str,
    path: &str,
    message: &str,
    rows: &[(u64, String)],
) -> (&'static str, Value) {
    let evidence: Vec<String> =
        rows.iter().map(|(number, row)| format!("row {number}: {row}")).collect();
    let arguments = json!({
        "rule_id": rule, "severity": "high", "path": path, "message": message,
        "evidence": evidence, "verdict": "confirmed", "run": "night",
    });
    ("write_finding", arguments)
}
