//! What of a conversation gives way when it becomes too long for the model. Old results and old
//! inputs of tools go first: they are in the journal, and `recall_result` reads them there. The
//! current turn, which is the last calls and their results, stays whole for as long as it fits;
//! then its results are cut, evenly and with the place where the rest begins.

use serde_json::Value;

use crate::conversation::{Block, Message, Shown, Speaker, ToolResult};

/// Results and texts in inputs that are no longer than this stay: what stands in their place would
/// be as long.
const SHORT: usize = 400;
/// What an image counts: models take some 1,600 tokens for one.
const IMAGE: usize = 6400;
/// The tool of the worker's own that reads results in the journal.
pub(crate) const RECALL: &str = "recall_result";

/// Bytes of a conversation as a model sees it.
pub(crate) fn bytes(messages: &[Message]) -> usize {
    messages.iter().flat_map(|message| &message.content).map(bytes_of_block).sum()
}

fn bytes_of_block(block: &Block) -> usize {
    match block {
        Block::Text(text) => text.len(),
        Block::ToolUse(call) => call.name.len() + bytes_of_value(&call.input),
        Block::ToolResult(result) => bytes_of(result),
        Block::ReasoningContent(thought) => thought.bytes(),
    }
}

/// Bytes of a result.
pub(crate) fn bytes_of(result: &ToolResult) -> usize {
    let each = result.content.iter().map(|shown| match shown {
        Shown::Text(text) => text.len(),
        Shown::Image(_) => IMAGE,
    });
    each.sum()
}

fn bytes_of_value(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => items.iter().map(|item| bytes_of_value(item) + 1).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() + 4 + bytes_of_value(value)).sum()
        }
        _ => 4,
    }
}

/// Where the current turn begins: at the last thing that the model said.
pub(crate) fn current_turn(messages: &[Message]) -> usize {
    let last = messages.iter().rposition(|message| message.role == Speaker::Assistant);
    last.unwrap_or(messages.len())
}

/// The message up to which old results and inputs must give way so that so many bytes are saved,
/// or as many as there are. None where there is nothing to save.
pub(crate) fn giving_way(messages: &[Message], wanted: usize) -> Option<usize> {
    let (mut saved, mut before) = (0, None);
    for (index, message) in messages.iter().enumerate().take(current_turn(messages)) {
        let here: usize = message.content.iter().map(saving).sum();
        if here > 0 {
            saved += here;
            before = Some(index + 1);
        }
        if saved >= wanted && before.is_some() {
            break;
        }
    }
    before
}

fn saving(block: &Block) -> usize {
    let mut gone = block.clone();
    give_way(&mut gone);
    bytes_of_block(block).saturating_sub(bytes_of_block(&gone))
}

/// Takes old results and old inputs out of the messages before this one.
pub(crate) fn elide(messages: &mut [Message], before: usize) {
    let old = messages.iter_mut().take(before);
    old.flat_map(|message| &mut message.content).for_each(give_way);
}

fn give_way(block: &mut Block) {
    match block {
        Block::ToolUse(call) => shorten_texts(&mut call.input),
        Block::ToolResult(result) if bytes_of(result) > SHORT => {
            let (bytes, id) = (bytes_of(result), &result.tool_use_id);
            let text = format!(
                "[{bytes} bytes were taken out to make room in the conversation; `{RECALL}` with \
                 id `{id}` gives them again]"
            );
            result.content = vec![Shown::Text(text)];
        }
        _ => {}
    }
}

fn shorten_texts(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > SHORT => {
            *text = format!("[{} bytes were taken out to make room]", text.len());
        }
        Value::Array(items) => items.iter_mut().for_each(shorten_texts),
        Value::Object(fields) => fields.values_mut().for_each(shorten_texts),
        _ => {}
    }
}

/// Cuts results so that all of them together take no more than this: each gets the same, and what
/// short ones leave goes to the long ones.
pub(crate) fn fit(results: &mut [ToolResult], room: usize) {
    fit_each(&mut results.iter_mut().collect::<Vec<_>>(), room);
}

/// The same, where they lie among other things.
pub(crate) fn fit_each(results: &mut [&mut ToolResult], room: usize) {
    let mut sizes: Vec<usize> = results.iter().map(|result| bytes_of(result)).collect();
    if sizes.iter().sum::<usize>() <= room {
        return;
    }
    sizes.sort_unstable();
    let (mut left, mut share) = (room, 0);
    for (done, size) in sizes.iter().enumerate() {
        share = left / (sizes.len() - done);
        if *size > share {
            break;
        }
        left -= size;
    }
    for result in results {
        cut(result, share.max(SHORT));
    }
}

/// Cuts the text of a result to so many bytes, and says where the rest is.
fn cut(result: &mut ToolResult, most: usize) {
    if bytes_of(result) <= most {
        return;
    }
    let id = result.tool_use_id.clone();
    let images = result.content.iter().filter(|shown| matches!(shown, Shown::Image(_))).count();
    let beside_images = most.checked_sub(images * IMAGE).filter(|left| *left >= SHORT);
    if beside_images.is_none() {
        result.content.retain(|shown| matches!(shown, Shown::Text(_)));
        let note = "(an image was left out: there was no room in the conversation)".to_owned();
        result.content.push(Shown::Text(note));
    }
    let most = beside_images.unwrap_or(most);
    for shown in &mut result.content {
        let Shown::Text(text) = shown else { continue };
        if text.len() <= most {
            continue;
        }
        let Page { text: page, next, all } =
            page(text, 0, most.saturating_sub(SHORT).max(SHORT / 2));
        *text = match next {
            None => page,
            Some(next) => format!(
                "{page}\n[bytes 0 to {next} of {all}, cut to make room in the conversation; \
                 `{RECALL}` with id `{id}` and offset {next} goes on]"
            ),
        };
    }
}

/// A piece of a result.
#[derive(Debug, PartialEq)]
pub(crate) struct Page {
    /// The piece, between the marks of the whole.
    pub text: String,
    /// Where the next one begins.
    pub next: Option<usize>,
    /// Bytes of the whole, without its marks.
    pub all: usize,
}

/// The piece of a marked result that begins at this byte and has at most so many: whole lines
/// where there are some, and always something.
pub(crate) fn page(text: &str, offset: usize, most: usize) -> Page {
    let (open, body, close) = unmarked(text);
    let begin = body.floor_char_boundary(offset);
    let end = body.floor_char_boundary(begin.saturating_add(most.max(4)));
    let piece = body.get(begin..end).unwrap_or_default();
    let piece = match piece.rfind('\n') {
        Some(line) if end < body.len() && line > 0 => piece.get(..=line).unwrap_or(piece),
        _ => piece,
    };
    let end = begin + piece.len();
    let next = (end < body.len()).then_some(end);
    let piece = if next.is_some() { piece.trim_end_matches('\n') } else { piece };
    Page { text: format!("{open}{piece}{close}"), next, all: body.len() }
}

/// A result without the marks around it: the first line, what is between, the last line.
fn unmarked(text: &str) -> (&str, &str, &str) {
    let marked = || {
        let (open, rest) = text.starts_with("<data-").then(|| text.split_once('\n'))??;
        let at = rest.rfind("\n</data-")?;
        Some((text.get(..=open.len())?, rest.get(..at)?, rest.get(at..)?))
    };
    marked().unwrap_or(("", text, ""))
}

/// The results of the current turn.
pub(crate) fn current_results(messages: &mut [Message]) -> Vec<&mut ToolResult> {
    let last = messages.last_mut().into_iter().flat_map(|message| &mut message.content);
    let results = last.filter_map(|block| match block {
        Block::ToolResult(result) => Some(result),
        _ => None,
    });
    results.collect()
}

/// Puts a summary in place of everything between the task and the current turn.
pub(crate) fn summarise(messages: &mut Vec<Message>, summary: &str) {
    let turn = messages.split_off(current_turn(messages));
    messages.truncate(1);
    if let Some(task) = messages.first_mut() {
        task.content.truncate(1);
        task.content.push(Block::Text(format!(
            "What you did until now was taken out to make room. You summed it up like this:\n\n\
             {summary}"
        )));
    }
    messages.extend(turn);
}

/// Half of what the results of the current turn take, if that is room for them at all.
pub(crate) fn half_of_current(messages: &mut [Message]) -> Option<usize> {
    let results = current_results(messages);
    let all: usize = results.iter().map(|result| bytes_of(result)).sum();
    (all > results.len() * SHORT * 2).then_some(all / 2)
}

/// Whether there is anything between the task and the current turn.
pub(crate) fn has_history(messages: &[Message]) -> bool {
    current_turn(messages) > 1
}

/// What the model said last, at most so many bytes of it: a summary where it can give none.
pub(crate) fn last_words(messages: &[Message], most: usize) -> String {
    let said = messages.iter().filter(|message| message.role == Speaker::Assistant);
    let texts = said.flat_map(|message| &message.content).filter_map(|block| match block {
        Block::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let all = texts.collect::<Vec<_>>().join("\n");
    let begin = all.floor_char_boundary(all.len().saturating_sub(most));
    all.get(begin..).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::conversation::{Image, Source, Status, ToolUse};

    fn call(id: &str, input: Value) -> Message {
        let call = ToolUse { tool_use_id: id.into(), name: "read_file".into(), input };
        Message { role: Speaker::Assistant, content: vec![Block::ToolUse(call)] }
    }

    fn result(id: &str, text: &str) -> ToolResult {
        let text = format!("<data-1>\n{text}\n</data-1>");
        let content = vec![Shown::Text(text)];
        ToolResult { tool_use_id: id.into(), content, status: Status::Success }
    }

    fn answered(id: &str, text: &str) -> Message {
        Message { role: Speaker::User, content: vec![Block::ToolResult(result(id, text))] }
    }

    fn conversation(turns: usize) -> Vec<Message> {
        let task = vec![Block::Text("task".into())];
        let mut messages = vec![Message { role: Speaker::User, content: task }];
        for turn in 0..turns {
            let id = turn.to_string();
            messages.push(call(&id, json!({ "content": "i".repeat(1000), "path": "p" })));
            messages.push(answered(&id, &"r".repeat(5000)));
        }
        messages
    }

    fn text(result: &ToolResult) -> &str {
        match result.content.as_slice() {
            [Shown::Text(text)] => text,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_oldest_gives_way_first_and_the_current_turn_never() {
        let mut messages = conversation(4);
        let before = giving_way(&messages, 6000).unwrap();
        assert_eq!(before, 4);
        elide(&mut messages, before);
        let json = serde_json::to_string(&messages).unwrap();
        assert_eq!((json.matches("rrrrr").count() > 0, json.matches("id `0`").count()), (true, 1));
        assert!(json.contains(r#""path":"p""#));
        let before = giving_way(&messages, usize::MAX).unwrap();
        elide(&mut messages, before);
        let json = serde_json::to_string(&messages).unwrap();
        assert_eq!((json.matches("id `2`").count(), json.matches("id `3`").count()), (1, 0));
        assert!(bytes(&messages) < 8000);
        assert_eq!(giving_way(&messages, 1), None);
    }

    #[test]
    fn results_share_the_room_and_say_where_they_go_on() {
        let mut results = vec![
            result("a", "short"),
            result("b", &"b\n".repeat(4000)),
            result("c", &"c".repeat(9000)),
        ];
        fit(&mut results, 6000);
        assert_eq!(text(&results[0]), "<data-1>\nshort\n</data-1>");
        assert!(results.iter().map(bytes_of).sum::<usize>() <= 6000);
        for (id, result) in [("b", &results[1]), ("c", &results[2])] {
            let text = text(result);
            assert!(text.len() > 2500 && text.contains("\n</data-1>\n[bytes 0 to "), "{text}");
            assert!(text.contains(&format!("with id `{id}` and offset ")), "{text}");
        }
    }

    #[test]
    fn an_image_stays_beside_its_text_for_as_long_as_both_have_room() {
        let with_image = || {
            let mut result = result("a", &"a".repeat(20_000));
            let source = Source { bytes: "AAAA".into() };
            result.content.push(Shown::Image(Image { format: "png".into(), source }));
            result
        };
        for (room, stays) in [(20_000, true), (6000, false)] {
            let mut results = [with_image()];
            fit(&mut results, room);
            let shown = serde_json::to_string(&results).unwrap();
            assert_eq!(shown.contains("png"), stays, "{shown}");
            assert_eq!(shown.contains("an image was left out"), !stays, "{shown}");
            assert!(bytes_of(&results[0]) <= room, "{room}");
        }
    }

    #[test]
    fn the_pages_of_a_result_are_the_whole() {
        let body = format!("{}ä€\u{1F600}{}", "line of text\n".repeat(50), "x".repeat(500));
        let whole = format!("<data-1>\n{body}\n</data-1>");
        for most in [1, 5, 64, 10_000] {
            let (mut read, mut offset, mut pages) = (String::new(), 0, 0);
            loop {
                let page = page(&whole, offset, most);
                let piece = page.text.strip_prefix("<data-1>\n").unwrap();
                read.push_str(piece.strip_suffix("\n</data-1>").unwrap());
                pages += 1;
                assert!(pages < 2000);
                let Some(next) = page.next else { break };
                assert!(next > offset);
                // The line end at which a page stops is not shown twice.
                let shown = read.len();
                read.push_str(&"\n".repeat(next - shown));
                offset = next;
            }
            assert_eq!(read, body, "{most}");
        }
    }

    #[test]
    fn a_summary_stands_between_the_task_and_the_current_turn() {
        let mut messages = conversation(3);
        assert!(has_history(&messages));
        summarise(&mut messages, "I read two.");
        let roles: Vec<Speaker> = messages.iter().map(|message| message.role).collect();
        assert_eq!(roles, [Speaker::User, Speaker::Assistant, Speaker::User]);
        let json = serde_json::to_string(&messages).unwrap();
        assert!(json.contains("task") && json.contains("I read two.") && json.contains("\"2\""));
        assert!(!has_history(&messages));
    }
}
