//! What is measured holds against what a parser makes of the same text.

use mcp_workspace_json::{Exceeded, Limits, Size, id_at_end, id_of, measure, parse};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn nodes(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Value::Object(fields) => 1 + fields.values().map(nodes).sum::<usize>(),
        _ => 1,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn values() -> impl Strategy<Value = Value> {
    let text = "[a-z\"\\\\\\[\\]{}:,\\n\u{e9}]{0,8}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((text, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Bytes that come near to JSON.
fn almost() -> impl Strategy<Value = Vec<u8>> {
    let pieces = proptest::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"a\"",
        "\"\\\"",
        "1",
        "-2.5e3",
        "null",
        "true",
        " ",
        "\n",
        "x",
        "\u{feff}",
        "{\"a\":{}}",
        "[[],[]]",
        "\"id\":7",
    ]);
    proptest::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn valid_json_is_measured_exactly(value in values(), pretty in any::<bool>()) {
        let text = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
        let text = text.unwrap();
        let expected = Size { bytes: text.len(), nodes: nodes(&value), depth: depth(&value) };
        prop_assert_eq!(measure(&text), expected);
    }

    #[test]
    fn no_text_gives_more_than_was_measured(text in almost()) {
        let size = measure(&text);
        if let Ok(value) = serde_json::from_slice::<Value>(&text) {
            prop_assert!(size.nodes >= nodes(&value) && size.depth >= depth(&value));
        }
        // A parser that reads one value after the other stops at the first fault.
        let mut made = 0;
        for value in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
            let Ok(value) = value else { break };
            made += nodes(&value);
        }
        prop_assert!(size.nodes >= made, "{} < {made}", size.nodes);
    }

    #[test]
    fn no_bytes_panic(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let size = measure(&text);
        prop_assert!(size.nodes <= text.len() && size.depth <= text.len());
        let _ = (id_of(&text), id_at_end(&text));
    }

    #[test]
    fn the_id_of_a_message_is_found(params in values(), id in any::<i64>(), cut in any::<bool>()) {
        let params = json!({ "id": "not this", "value": params });
        let mut text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"params\":{params}}}").into_bytes();
        if cut {
            text.truncate(text.len() - 3);
        }
        prop_assert_eq!(id_of(&text), Some(Value::from(id)));
        let text = format!("{{\"params\":{params},\"method\":\"id\",\"id\" : \"{id}\"}}");
        prop_assert_eq!(id_of(text.as_bytes()), Some(Value::from(id.to_string())));
    }

    #[test]
    fn an_id_that_is_found_at_the_end_is_the_messages(
        params in values(),
        id in prop_oneof![any::<i64>().prop_map(Value::from), "[a-z\"\\\\:}]{0,6}".prop_map(Value::from)],
        from in 0_usize..60,
        last in any::<bool>(),
    ) {
        let params = json!({ "id": "not this", "value": params, "text": "\"id\":1}" });
        let text = if last {
            format!("{{\"params\":{params},\"jsonrpc\":\"2.0\",\"id\":{id}}}\r\n")
        } else {
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"params\":{params}}}")
        };
        let found = id_at_end(&text.as_bytes()[from.min(text.len())..]);
        prop_assert!(found.is_none() || found.as_ref() == Some(&id), "{found:?} of {text}");
        if last && from == 0 {
            prop_assert_eq!(found, Some(id));
        }
    }
}

#[test]
fn a_message_without_an_id_has_none() {
    for text in [
        "",
        "{",
        "{\"id\"",
        "{\"id\":",
        "{\"id\":null}",
        "{\"id\":{}}",
        "{\"id\":[1]}",
        "[\"id\",1]",
        "{\"a\":{\"id\":1}}",
        "{\"method\":\"id\"}",
    ] {
        assert_eq!(id_of(text.as_bytes()), None, "{text}");
    }
    let long = format!("{{\"id\":\"{}\"}}", "x".repeat(300));
    assert_eq!(id_of(long.as_bytes()), None);
}

#[test]
fn each_limit_is_named_with_what_was_found() {
    let limits = Limits { bytes: 40, nodes: 3, depth: 2 };
    let of = |text: &str| limits.check(measure(text.as_bytes())).unwrap_err();
    assert_eq!(of(&" ".repeat(41)), Exceeded::Bytes { found: 41, limit: 40 });
    assert_eq!(of("[[[]]]"), Exceeded::Depth { found: 3, limit: 2 });
    assert_eq!(of("[1,2,3]"), Exceeded::Nodes { found: 4, limit: 3 });
    assert!(parse::<Value>(b"[1,2]", &limits).is_ok());
    assert!(parse::<Value>(b"[1,", &limits).unwrap_err().to_string().contains("EOF"));
    // What stands behind the end cannot make up for what stands before it.
    assert_eq!(of("[1,2,3,4]::::::"), Exceeded::Nodes { found: 5, limit: 3 });
}
