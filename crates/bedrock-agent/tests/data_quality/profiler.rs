//! Reads the tables window by window and runs the tests of `schema.yml` on their rows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::talk::{Answer, Mind, Next, finding, read};

pub(crate) const SCHEMA: &str = "input/models/schema.yml";

#[derive(Default)]
pub(crate) struct Profiler {
    began: bool,
    tests: Vec<Test>,
    to_read: VecDeque<String>,
    tables: BTreeMap<String, Table>,
    reported: bool,
}

/// A test of a column, as `schema.yml` says it.
pub(crate) struct Test {
    table: String,
    column: String,
    name: String,
    values: Vec<String>,
}

#[derive(Default)]
struct Table {
    columns: Vec<String>,
    rows: Vec<Value>,
}

impl Mind for Profiler {
    fn think(&mut self, answers: &[Answer]) -> Next {
        if !self.began {
            self.began = true;
            return Next::Ask(vec![
                ("list_dir", json!({ "path": "input", "depth": 3 })),
                read(SCHEMA, 1),
            ]);
        }
        if self.tests.is_empty() {
            assert!(
                answers[0].text.contains("input/warehouse:\n")
                    && answers[0].text.contains("\nshipments.parquet\n"),
                "{}",
                answers[0].text
            );
            self.tests = tests(&answers[1]);
            let tables: BTreeSet<&String> = self.tests.iter().map(|test| &test.table).collect();
            self.to_read = tables.into_iter().cloned().collect();
        } else if let Some(name) = self.to_read.front().cloned() {
            let page = answers[0].json();
            let table = self.tables.entry(name).or_default();
            let columns = page["schema"].as_array().unwrap().iter();
            table.columns =
                columns.map(|column| column["name"].as_str().unwrap().to_owned()).collect();
            table.rows.extend(page["rows"].as_array().unwrap().clone());
            if let Some(next) = page["next_offset"].as_u64() {
                return Next::Ask(vec![read(&path(self.to_read.front().unwrap()), next)]);
            }
            assert_eq!(page["row_count"], table.rows.len());
            self.to_read.pop_front();
        }
        if let Some(name) = self.to_read.front() {
            return Next::Ask(vec![read(&path(name), 1)]);
        }
        if !self.reported {
            self.reported = true;
            return Next::Ask(self.report());
        }
        assert!(answers.iter().all(|answer| answer.succeeded), "{}", answers[0].text);
        Next::Say(format!("{} tests were run.", self.tests.len()))
    }
}

impl Profiler {
    fn report(&self) -> Vec<(&'static str, Value)> {
        let mut asked = Vec::new();
        let mut failed = Vec::new();
        for test in &self.tests {
            let broken = self.broken(test);
            if broken.is_empty() {
                continue;
            }
            let rule = format!("{}/{}.{}", test.name, test.table, test.column);
            let message = format!("{} rows break the test `{}`", broken.len(), test.name);
            failed.push(json!({ "table": test.table, "column": test.column, "test": test.name }));
            asked.push(finding(&rule, &path(&test.table), &message, &broken));
        }
        let mut profile = json!({ "failed": failed, "tables": {} });
        for (name, table) in &self.tables {
            let key = &table.columns[0];
            let keys: Vec<&Value> = table.rows.iter().map(|row| &row[key]).collect();
            profile["tables"][name] =
                json!({ "columns": table.columns, "rows": table.rows.len(), "keys": keys });
        }
        asked.push(("write_state", json!({ "key": "profile/warehouse", "value": profile })));
        asked
    }

    /// The rows that break a test.
    fn broken(&self, test: &Test) -> Vec<(u64, String)> {
        let table = &self.tables[&test.table];
        let value = |row: &Value| row[&test.column].clone();
        let known: Vec<Value> = match test.name.as_str() {
            "relationships" => {
                let [to, field] = test.values.as_slice() else { panic!("{:?}", test.values) };
                self.tables[to].rows.iter().map(|row| row[field].clone()).collect()
            }
            _ => test.values.iter().map(|value| json!(value)).collect(),
        };
        let breaks = |row: &Value| match test.name.as_str() {
            "not_null" => value(row).is_null(),
            "unique" => table.rows.iter().filter(|other| value(other) == value(row)).count() > 1,
            "accepted_values" | "relationships" => !known.contains(&value(row)),
            other => panic!("no such test: {other}"),
        };
        let numbered = (1..).zip(&table.rows).filter(|(_, row)| breaks(row));
        numbered.map(|(number, row)| (number, row.to_string())).collect()
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
