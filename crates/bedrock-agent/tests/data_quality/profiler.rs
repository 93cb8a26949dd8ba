//! Asks the tables by SQL: what they have, and which rows break the tests of `schema.yml`. No row that
//! is right goes through its context.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::talk::{Answer, Mind, Next, finding, query, read};

pub(crate) const SCHEMA: &str = "input/models/schema.yml";

#[derive(Default)]
pub(crate) struct Profiler {
    turn: usize,
    tests: Vec<Test>,
    tables: Vec<String>,
    profile: Value,
}

/// A test of a column, as `schema.yml` says it.
pub(crate) struct Test {
    table: String,
    column: String,
    name: String,
    values: Vec<String>,
}

impl Mind for Profiler {
    fn think(&mut self, answers: &[Answer]) -> Next {
        self.turn += 1;
        match self.turn {
            1 => Next::Ask(vec![
                ("list_dir", json!({ "path": "input", "depth": 3 })),
                read(SCHEMA, 1),
            ]),
            2 => {
                assert!(
                    answers[0].text.contains("input/warehouse:\n")
                        && answers[0].text.contains("\nshipments.parquet\n"),
                    "{}",
                    answers[0].text
                );
                self.tests = tests(&answers[1]);
                let tables: BTreeSet<&String> = self.tests.iter().map(|test| &test.table).collect();
                self.tables = tables.into_iter().cloned().collect();
                let first = self
                    .tables
                    .iter()
                    .map(|name| query("SELECT * FROM t LIMIT 1", &[("t", path(name).as_str())]));
                Next::Ask(first.collect())
            }
            3 => {
                let mut asked = Vec::new();
                for (name, answer) in self.tables.iter().zip(answers) {
                    let columns = answer.json()["columns"].clone();
                    let key = columns[0].as_str().unwrap();
                    let keys = format!("SELECT {key} FROM t ORDER BY _line");
                    asked.push(query(&keys, &[("t", path(name).as_str())]));
                    self.profile["tables"][name] = json!({ "columns": columns });
                }
                Next::Ask(asked)
            }
            4 => {
                for (name, answer) in self.tables.iter().zip(answers) {
                    let answer = answer.json();
                    let keys = answer["rows"].as_array().unwrap().iter();
                    let keys: Vec<Value> = keys.map(|row| row[0].clone()).collect();
                    let table = &mut self.profile["tables"][name];
                    (table["rows"], table["keys"]) = (keys.len().into(), keys.into());
                }
                Next::Ask(self.tests.iter().map(Test::question).collect())
            }
            5 => Next::Ask(self.report(answers)),
            _ => {
                assert!(answers.iter().all(|answer| answer.succeeded), "{}", answers[0].text);
                Next::Say(format!("{} tests were run.", self.tests.len()))
            }
        }
    }
}

impl Profiler {
    fn report(&mut self, answers: &[Answer]) -> Vec<(&'static str, Value)> {
        let (mut asked, mut failed) = (Vec::new(), Vec::new());
        for (test, answer) in self.tests.iter().zip(answers) {
            let broken = answer.rows();
            if broken.is_empty() {
                continue;
            }
            let rule = format!("{}/{}.{}", test.name, test.table, test.column);
            let message = format!("{} rows break the test `{}`", broken.len(), test.name);
            failed.push(json!({ "table": test.table, "column": test.column, "test": test.name }));
            asked.push(finding(&rule, &path(&test.table), &message, &broken));
        }
        self.profile["failed"] = failed.into();
        asked.push(("write_state", json!({ "key": "profile/warehouse", "value": self.profile })));
        asked
    }
}

impl Test {
    /// Asks for the rows that break it.
    fn question(&self) -> (&'static str, Value) {
        let column = &self.column;
        let own = path(&self.table);
        let rows = |breaks: String| format!("SELECT _line, * FROM t WHERE {breaks} ORDER BY _line");
        let sql = match self.name.as_str() {
            "not_null" => rows(format!("{column} IS NULL")),
            "unique" => {
                let twice = format!("SELECT {column} FROM t GROUP BY 1 HAVING count(*) > 1");
                let rows = rows(format!("{column} IN (SELECT {column} FROM twice)"));
                format!("WITH twice AS MATERIALIZED ({twice}) {rows}")
            }
            "accepted_values" => {
                let values: Vec<String> =
                    self.values.iter().map(|value| format!("'{value}'")).collect();
                rows(format!("{column} NOT IN ({})", values.join(", ")))
            }
            "relationships" => {
                let [to, field] = self.values.as_slice() else { panic!("{:?}", self.values) };
                let rows = rows(format!("{column} NOT IN (SELECT {field} FROM known)"));
                let sql = format!("WITH known AS MATERIALIZED (SELECT {field} FROM other) {rows}");
                return query(&sql, &[("t", own.as_str()), ("other", path(to).as_str())]);
            }
            other => panic!("no such test: {other}"),
        };
        query(&sql, &[("t", own.as_str())])
    }
}

fn path(table: &str) -> String {
    format!("input/warehouse/{table}.parquet")
}

/// The tests in `schema.yml`, as far as this example has them.
fn tests(schema: &Answer) -> Vec<Test> {
    let (mut tests, mut table, mut column) = (Vec::new(), String::new(), String::new());
    for (_, line) in schema.lines() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim().trim_start_matches("- ");
        let Some((key, value)) = words.split_once(':') else { continue };
        let list = || -> Vec<String> {
            let inside = value.split(['[', ']']).nth(1).unwrap_or_default();
            inside.split(", ").map(str::to_owned).collect()
        };
        let mut add = |name: &str, values: Vec<String>| {
            let (table, column, name) = (table.clone(), column.clone(), name.to_owned());
            tests.push(Test { table, column, name, values });
        };
        match (key, indent) {
            ("name", 2) => table = value.trim().to_owned(),
            ("name", _) => column = value.trim().to_owned(),
            ("tests", _) if value.contains('[') => {
                list().iter().for_each(|name| add(name, Vec::new()));
            }
            ("accepted_values", _) => add(key, list()),
            ("relationships", _) => {
                let inside = value.trim().trim_matches(['{', '}']);
                let parts =
                    inside.split(", ").map(|part| part.split_once(": ").unwrap().1.to_owned());
                add(key, parts.collect());
            }
            _ => {}
        }
    }
    assert!(!tests.is_empty());
    tests
}
