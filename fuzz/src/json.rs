//! Any bytes as JSON of strangers: what is parsed of them is never more than what was measured.

use mcp_workspace_json::{Limits, id_at_end, id_of, measure, parse};
use serde_json::Value;

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let size = measure(bytes);
    assert_eq!(size.bytes, bytes.len());
    let _ = (id_of(bytes), id_at_end(bytes));
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        let (nodes, depth) = counted(&value);
        assert!(nodes <= size.nodes && depth <= size.depth, "{nodes} {depth} {size:?}");
    }
    let limits = Limits { bytes: 64, nodes: 8, depth: 3 };
    if let Ok(value) = parse::<Value>(bytes, &limits) {
        let (nodes, depth) = counted(&value);
        assert!(nodes <= limits.nodes && depth <= limits.depth);
    }
}

/// The values in a value, itself among them, and how deep they lie.
fn counted(value: &Value) -> (usize, usize) {
    let inside: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(object) => object.values().collect(),
        _ => return (1, 0),
    };
    let below = inside.into_iter().map(counted);
    let (nodes, depth) = below.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1.max(one.1)));
    (1 + nodes, 1 + depth)
}
