//! The table of `table.json`: each kind of call that is not as the schema says, how it is read, and
//! what comes of it.

use mcp_workspace_tools::answer::Shown;
use serde_json::{Value, json};

use super::calls::{call, split};

/// One row. Either `as` and `adjusted` say how the call is read, or `error` what is said instead.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    kind: String,
    tool: String,
    input: Value,
    /// The call that it is read as, whose answer it must have.
    r#as: Option<Value>,
    /// What the answer names.
    #[serde(default)]
    adjusted: Vec<String>,
    /// Part of the answer's JSON as text, to see that the call has found what it was about.
    answer: Option<String>,
    /// Part of the error as the model reads it.
    error: Option<String>,
}

fn rows() -> Vec<Row> {
    serde_json::from_str(include_str!("table.json")).unwrap()
}

/// What is not as a row says.
fn faults(row: Row) -> Vec<String> {
    let Row { kind, tool, input, r#as, adjusted, answer, error } = row;
    let result = call(&tool, input);
    if let Some(wanted) = error {
        let text = match result {
            Ok(answer) => answer.json().to_string(),
            Err(error) if error.to_text().contains(&wanted) => return Vec::new(),
            Err(error) => error.to_text(),
        };
        return vec![format!("{kind}: {text}, and not {wanted}")];
    }
    let given = match result {
        Ok(given) => given,
        Err(error) => return vec![format!("{kind}: {}", error.to_text())],
    };
    let meant = call(&tool, r#as.expect("a row says what it is read as")).unwrap();
    let answer = answer.expect("a row says part of its answer");
    let ((found, told), (wanted, plain)) = (split(&given), split(&meant));
    [
        (told != adjusted, format!("{kind}: named {told:?}, and not {adjusted:?}")),
        (!plain.is_empty(), format!("{kind}: what it is read as is itself read as {plain:?}")),
        (found != wanted, format!("{kind}: {found}, and not {wanted}")),
        (!found.to_string().contains(&answer), format!("{kind}: {found} has no {answer}")),
    ]
    .into_iter()
    .filter_map(|(is_fault, what)| is_fault.then_some(what))
    .collect()
}

#[test]
fn each_row_is_read_as_it_says() {
    let faults: Vec<String> = rows().into_iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// A refusal for each way of giving a value twice would be lost among the rows that are taken.
#[test]
fn the_table_holds_what_is_taken_and_what_is_refused() {
    let refused = rows().iter().filter(|row| row.error.is_some()).count();
    assert!(refused >= 10 && rows().len() - refused >= 50, "{} rows", rows().len());
}

#[test]
fn an_adjustment_stands_in_one_line_before_a_text() {
    let input = json!({ "file_path": "/README.md", "limit": "1" });
    let answer = call("read_file", input).unwrap();
    let Shown::Text(text) = &answer.shown else { panic!("{answer:?}") };
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some(
            "[read as meant: `file_path` as `path`; `limit` \"1\" as 1; `path` \"/README.md\" as \
             \"README.md\"]"
        )
    );
    assert!(lines.next().unwrap().ends_with("# Title"), "{text}");
    let plain = call("read_file", json!({ "path": "README.md", "limit": 1 })).unwrap();
    let Shown::Text(plain) = &plain.shown else { panic!("{plain:?}") };
    assert!(text.ends_with(plain.as_str()) && !plain.contains("read as meant"), "{plain}");
    assert_eq!(answer.shown_bytes(), text.len());
}

#[test]
fn a_hidden_file_is_absent_however_its_path_is_written() {
    for write in [
        |name: &str| format!("/{name}"),
        |name: &str| format!(" {name} "),
        |name: &str| format!("'{name}'"),
        |name: &str| format!("workspace:///{name}"),
        |name: &str| format!("file:///mnt/workspace/{name}"),
        |name: &str| format!("src\\..\\{name}"),
    ] {
        let told = |name: &str| {
            let path = write(name);
            let error = call("read_file", json!({ "path": path })).unwrap_err();
            error.to_text().replace(name, "NAME")
        };
        assert_eq!(told("secret.key"), told("absent.key"), "{}", write("NAME"));
    }
}

#[test]
fn a_long_value_is_named_in_few_words() {
    let paths: Vec<String> = (0..200).map(|number| format!("missing{number}")).collect();
    let edits = json!(paths.iter().map(|path| json!({ "file": path })).collect::<Vec<_>>());
    let error = call("propose_patch", json!({ "title": "t", "edits": edits.to_string() }));
    assert!(error.unwrap_err().to_text().len() < 1_000);
    let evidence = "x".repeat(7_000);
    let answer = call(
        "write_finding",
        json!({ "rule_id": "r", "severity": "low", "message": "m", "evidence": evidence }),
    );
    let (_, told) = split(&answer.unwrap());
    assert!(told.len() == 1 && told[0].len() < 200, "{told:?}");
}
