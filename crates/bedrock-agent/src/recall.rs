//! A tool of the worker's own: it shows a result of this run again that was taken out of the
//! conversation, or cut, to make room. It reads the journal and nothing else, so it shows what the
//! agent was allowed to see and has seen.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::context::{Page, RECALL, page};
use crate::conversation::{Shown, Status, ToolResult, ToolUse};

/// Bytes of one answer.
const PAGE: usize = 16_000;

/// Its definition.
pub(crate) fn tool() -> Value {
    json!({
        "toolSpec": {
            "name": RECALL,
            "description": "Shows an earlier result of this run again, which was taken out of the \
                conversation or cut to make room. What stands in its place names the id and the \
                offset.",
            "inputSchema": { "json": {
                "type": "object",
                "properties": {
                    "id": { "type": "string", "description": "The id of the call that had this result" },
                    "offset": { "type": "integer", "minimum": 0, "description": "The byte of the result to begin at; 0 unless given" },
                },
                "required": ["id"],
            } },
        },
    })
}

/// Whether the worker answers this call itself.
pub(crate) fn is_recall(call: &ToolUse) -> bool {
    call.name == RECALL
}

/// Answers a call from the results of the run.
pub(crate) fn answer(call: &ToolUse, results: &HashMap<String, ToolResult>) -> ToolResult {
    let (text, status) = match look_up(&call.input, results) {
        Ok(text) => (text, Status::Success),
        Err(text) => (text, Status::Error),
    };
    ToolResult { tool_use_id: call.tool_use_id.clone(), content: vec![Shown::Text(text)], status }
}

fn look_up(input: &Value, results: &HashMap<String, ToolResult>) -> Result<String, String> {
    let id = input.get("id").and_then(Value::as_str).unwrap_or_default();
    let result = results.get(id).ok_or_else(|| {
        format!(
            "no call of this run has the id `{id}`: give the id that stands in place of the result"
        )
    })?;
    let offset = match input.get("offset") {
        None | Some(Value::Null) => 0,
        Some(offset) => {
            offset.as_u64().and_then(|offset| usize::try_from(offset).ok()).ok_or_else(|| {
                format!("`offset` is {offset}: give the number of bytes that stands in the text")
            })?
        }
    };
    let text = result.content.iter().find_map(|shown| match shown {
        Shown::Text(text) => Some(text),
        Shown::Image(_) => None,
    });
    let text = text.ok_or("it was an image: call the tool itself again")?;
    let Page { text, next, all } = page(text, offset, PAGE);
    if offset > 0 && offset >= all {
        return Err(format!("`offset` is {offset}, and the result has {all} bytes"));
    }
    Ok(match next {
        Some(next) => {
            format!("{text}\n[bytes {offset} to {next} of {all}; offset {next} goes on]")
        }
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_again_in_pages_and_errors_say_what_to_give() {
        let whole = format!("<data-1>\n{}\n</data-1>", "line\n".repeat(5000));
        let content = vec![Shown::Text(whole)];
        let result = ToolResult { tool_use_id: "a".into(), content, status: Status::Success };
        let results = HashMap::from([("a".to_owned(), result)]);
        let ask = |input: Value| {
            let call = ToolUse { tool_use_id: "x".into(), name: RECALL.into(), input };
            let answered = answer(&call, &results);
            let [Shown::Text(text)] = answered.content.as_slice() else { panic!("{answered:?}") };
            (text.clone(), answered.status)
        };
        let (first, status) = ask(json!({ "id": "a" }));
        assert_eq!(status, Status::Success);
        assert!(first.ends_with("[bytes 0 to 16000 of 25000; offset 16000 goes on]"), "{first}");
        let (rest, _) = ask(json!({ "id": "a", "offset": 16_000 }));
        assert!(rest.starts_with("<data-1>\nline") && rest.ends_with("</data-1>"), "{rest}");
        for (wrong, words) in [
            (json!({ "id": "b" }), "`b`"),
            (json!({}), "no call"),
            (json!({ "id": "a", "offset": -1 }), "-1"),
            (json!({ "id": "a", "offset": 25_000 }), "25000 bytes"),
        ] {
            let (text, status) = ask(wrong);
            assert!(status == Status::Error && text.contains(words), "{text}");
        }
    }
}
