//! What a scripted agent knows: the conversation so far, as a model sees it.

use std::collections::HashMap;

use serde_json::{Value, json};

use mcp_workspace_test_support::model::{Play, calls, done};

/// A request, read.
pub(crate) struct Conversation {
    pub role: String,
    pub run: String,
    /// Messages so far: 1, 3, 5, ...
    pub messages: usize,
    /// Calls with their results, in order.
    pub called: Vec<Called>,
}

/// One call of a tool and what came of it.
pub(crate) struct Called {
    pub tool: String,
    pub input: Value,
    pub succeeded: bool,
    pub text: String,
}

impl Conversation {
    pub(crate) fn of(request: &Value) -> Conversation {
        // Who it is stands behind what all agents share.
        let own = request["system"].as_array().unwrap().last().unwrap();
        let system = own["text"].as_str().unwrap();
        let quoted: Vec<&str> = system.split('`').collect();
        let messages = request["messages"].as_array().unwrap();
        let mut asked: HashMap<String, (String, Value)> = HashMap::new();
        let mut called = Vec::new();
        for block in messages.iter().flat_map(|message| message["content"].as_array().unwrap()) {
            if let Some(call) = block.get("toolUse") {
                let id = call["toolUseId"].as_str().unwrap().to_owned();
                asked
                    .insert(id, (call["name"].as_str().unwrap().to_owned(), call["input"].clone()));
            } else if let Some(result) = block.get("toolResult") {
                let (tool, input) = asked.remove(result["toolUseId"].as_str().unwrap()).unwrap();
                let shown = result["content"][0]["text"].as_str().unwrap();
                called.push(Called {
                    tool,
                    input,
                    succeeded: result["status"] == "success",
                    text: unmarked(shown),
                });
            }
        }
        Conversation {
            role: quoted[1].to_owned(),
            run: quoted[3].to_owned(),
            messages: messages.len(),
            called,
        }
    }

    /// Where the sources lie, as the task says.
    pub(crate) fn sources(&self) -> String {
        format!("input/{}", self.run)
    }

    /// The results of a tool, in order.
    pub(crate) fn results<'a>(&'a self, tool: &'a str) -> impl Iterator<Item = &'a Called> {
        self.called.iter().filter(move |called| called.tool == tool)
    }

    /// Files that `list_dir` gave.
    pub(crate) fn listed(&self) -> Vec<String> {
        let pages = self.results("list_dir").map(|called| called.json());
        let entries = pages.flat_map(|page| page["entries"].as_array().unwrap().clone());
        entries
            .filter(|entry| entry["type"] == "file")
            .map(|entry| entry["path"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The next calls, or the end when there are none.
    pub(crate) fn call(&self, inputs: Vec<(&str, Value)>) -> Play {
        if inputs.is_empty() {
            return done("Nothing is left to do.");
        }
        let ids: Vec<String> =
            (0..inputs.len()).map(|index| format!("t{}-{index}", self.messages)).collect();
        let all: Vec<(&str, &str, Value)> =
            ids.iter().zip(inputs).map(|(id, (tool, input))| (id.as_str(), tool, input)).collect();
        calls(&all)
    }

    /// Reads these files.
    pub(crate) fn read(&self, paths: impl IntoIterator<Item = String>) -> Play {
        let inputs = paths.into_iter().map(|path| ("read_file", json!({ "path": path })));
        self.call(inputs.collect())
    }
}

impl Called {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The path that was asked for, and the file's lines as the tool showed them.
    pub(crate) fn file(&self) -> (String, Vec<String>) {
        assert!(self.succeeded, "{} {}: {}", self.tool, self.input, self.text);
        let numbered = self.text.lines().filter_map(|line| line.split_once('\t'));
        let lines = numbered.filter(|(number, _)| number.trim().parse::<u32>().is_ok());
        let path = self.input["path"].as_str().unwrap().to_owned();
        (path, lines.map(|(_, line)| line.to_owned()).collect())
    }
}

/// A result without the marks around data.
fn unmarked(shown: &str) -> String {
    let inner = shown.split_once('\n').and_then(|(_, rest)| rest.rsplit_once("\n</"));
    inner.map_or_else(|| shown.to_owned(), |(inner, _)| inner.to_owned())
}
