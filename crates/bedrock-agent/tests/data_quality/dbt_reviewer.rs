//! Compares the models with what the profiler has handed over.

use serde_json::{Value, json};

use crate::profiler::SCHEMA;
use crate::talk::{Answer, Mind, Next, read};

#[derive(Default)]
pub(crate) struct Reviewer {
    turn: usize,
    profile: Value,
    models: Vec<String>,
}

impl Mind for Reviewer {
    fn think(&mut self, answers: &[Answer]) -> Next {
        self.turn += 1;
        match self.turn {
            1 => Next::Ask(vec![
                ("read_state", json!({ "key": "profile/warehouse" })),
                ("list_dir", json!({ "path": "input/models", "format": "json" })),
                // It is not for this agent.
                read("input/warehouse/shipments.parquet", 1),
            ]),
            2 => {
                assert!(!answers[2].succeeded && answers[2].text.contains("no such file"));
                self.profile = answers[0].json()["value"].clone();
                let entries = answers[1].json()["entries"].clone();
                let paths = entries.as_array().unwrap().iter();
                self.models = paths
                    .map(|entry| entry["path"].as_str().unwrap().to_owned())
                    .filter(|path| path.ends_with(".sql"))
                    .collect();
                let mut asked = vec![read(SCHEMA, 1)];
                asked.extend(self.models.iter().map(|path| read(path, 1)));
                Next::Ask(asked)
            }
            3 => {
                let mut asked = self.missing(&answers[0]);
                let mut used = json!({});
                for (path, model) in self.models.iter().zip(&answers[1..]) {
                    for (column, line) in self.hidden(model) {
                        used[&column] = json!({ "model": path, "line": line });
                        let message = format!("`coalesce` hides that `{column}` is null");
                        asked.push(at("dbt/null-hidden", path, line, &message));
                    }
                }
                let value = json!({ "read": self.models, "in_doubt": used });
                asked.push(("write_state", json!({ "key": "models/dbt", "value": value })));
                Next::Ask(asked)
            }
            _ => {
                assert!(answers.iter().all(|answer| answer.succeeded), "{}", answers[0].text);
                Next::Say("The models were compared with the profile.".to_owned())
            }
        }
    }
}

impl Reviewer {
    /// Columns that the schema describes and the table does not have.
    fn missing(&self, schema: &Answer) -> Vec<(&'static str, Value)> {
        let (mut asked, mut table) = (Vec::new(), String::new());
        for (number, line) in schema.lines() {
            let Some((indent, name)) = line.split_once("- name: ") else { continue };
            if indent.len() == 2 {
                table = name.to_owned();
                continue;
            }
            let columns = self.profile["tables"][&table]["columns"].as_array().unwrap();
            if !columns.contains(&json!(name)) {
                let message = format!("`{table}` has no column `{name}`");
                asked.push(at("dbt/column-missing", SCHEMA, number, &message));
            }
        }
        asked
    }

    /// Columns with nulls that a model fills, and the lines where it does.
    fn hidden(&self, model: &Answer) -> Vec<(String, u64)> {
        let failed = self.profile["failed"].as_array().unwrap().iter();
        let nulls: Vec<&Value> = failed.filter(|failed| failed["test"] == "not_null").collect();
        let mut hidden = Vec::new();
        for (number, line) in model.lines() {
            for failed in &nulls {
                let column = failed["column"].as_str().unwrap();
                if line.contains(&format!("coalesce({column},")) {
                    let table = failed["table"].as_str().unwrap();
                    hidden.push((format!("{table}.{column}"), number));
                }
            }
        }
        hidden
    }
}

fn at(rule: &str, path: &str, line: u64, message: &str) -> (&'static str, Value) {
    let arguments = json!({
        "rule_id": rule, "severity": "medium", "path": path, "start_line": line,
        "message": message, "run": "night",
    });
    ("write_finding", arguments)
}
