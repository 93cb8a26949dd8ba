//! The shapes of `meant.toml`: each is read as the one thing that it can mean, or refused.

use std::collections::BTreeMap;

use mcp_workspace_test_support::checkout::Checkout;
use mcp_workspace_test_support::git::{Files, git_apply, git_is_there};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    files: BTreeMap<String, String>,
    shape: Vec<Shape>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    name: String,
    #[serde(default = "usual")]
    file: String,
    patch: Option<String>,
    edits: Option<String>,
    becomes: Option<String>,
    creates: Option<(String, String)>,
    moves: Option<(String, String)>,
    deletes: Option<String>,
    #[serde(default)]
    adjusted: Vec<String>,
    refused: Option<Vec<String>>,
}

fn usual() -> String {
    "a.py".to_owned()
}

impl Shape {
    /// The files afterwards.
    fn after(&self, before: &Files) -> Files {
        let mut after = before.clone();
        let file = |text: &String| (text.clone().into_bytes(), false);
        if let Some(text) = &self.becomes {
            after.insert(self.file.clone(), file(text));
        }
        if let Some((path, text)) = &self.creates {
            after.insert(path.clone(), file(text));
        }
        if let Some((path, text)) = &self.moves {
            after.remove(&self.file);
            after.insert(path.clone(), file(text));
        }
        if let Some(path) = &self.deletes {
            after.remove(path);
        }
        after
    }
}

/// What is wrong with how a shape is read.
fn fault(shape: &Shape, before: &Files) -> Option<String> {
    let checkout = Checkout::new(before);
    let root = checkout.root().to_str().unwrap().to_owned();
    let here = |text: &str| text.replace("{root}", &root);
    let mut arguments = json!({"title": "t"});
    if let Some(patch) = &shape.patch {
        arguments["patch"] = here(patch).into();
    }
    if let Some(edits) = &shape.edits {
        // Line ends within the texts of a JSON text stand as they are in the table.
        let edits = here(edits).replace('\n', "\\n");
        arguments["edits"] = serde_json::from_str(&edits).unwrap();
    }
    let answer = checkout.propose(arguments);
    if checkout.files() != *before {
        return Some("a source was changed".to_owned());
    }
    match (answer, &shape.refused) {
        (Ok(answer), Some(_)) => Some(format!("taken: {answer}")),
        (Err(error), None) => Some(format!("refused: {}", error.to_text())),
        (Err(error), Some(said)) => {
            let text = error.to_text();
            let missing = said.iter().find(|part| !text.contains(*part));
            let stored = checkout.root().join("output").exists();
            missing
                .map(|part| format!("it does not say {part:?}: {text}"))
                .or_else(|| stored.then(|| "something was stored".to_owned()))
        }
        (Ok(answer), None) => {
            let adjusted: Vec<String> = shape.adjusted.iter().map(|text| here(text)).collect();
            let told = answer.get("adjusted").cloned().unwrap_or_else(|| json!([]));
            if told != json!(adjusted) {
                return Some(format!("adjusted: {told:#}"));
            }
            let stored = checkout.stored(&answer);
            if !git_is_there() {
                return None;
            }
            let after = git_apply(before, &stored, "-p1");
            let wrong = after != Ok(shape.after(before));
            wrong.then(|| format!("stored: {}\n{after:?}", String::from_utf8_lossy(&stored)))
        }
    }
}

#[test]
fn what_can_mean_one_thing_is_taken_and_nothing_else() {
    let table: Table = toml::from_str(include_str!("meant.toml")).unwrap();
    let before: Files =
        table.files.into_iter().map(|(path, text)| (path, (text.into_bytes(), false))).collect();
    let faults: Vec<String> = table
        .shape
        .iter()
        .filter_map(|shape| Some(format!("{}: {}", shape.name, fault(shape, &before)?)))
        .collect();
    assert!(faults.is_empty(), "{} of them\n\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
fn the_record_of_a_patch_that_was_adjusted_is_exact() {
    let checkout = Checkout::of(&[("a.py", "one\ntwo\nthree\n")]);
    let exact = checkout
        .patch("--- a/a.py\n+++ b/a.py\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n")
        .unwrap();
    assert_eq!(exact.get("adjusted"), None);
    let loose = checkout.patch("--- a/a.py\n+++ b/a.py\n@@\n-two\n+2\n").unwrap();
    assert_eq!(loose["id"], exact["id"]);
    assert_eq!(loose["status"], "duplicate");
    // How it was read is for whoever wrote it; the record is the same.
    assert_eq!(checkout.record(&loose).get("adjusted"), None::<&Value>);
}
