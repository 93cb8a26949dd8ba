//! Any bytes as gzip and as zstd: decompressing ends, and gives no more than its limit. The first
//! byte chooses between the beginning and the end.

use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::data::{Packing, Stream};
use mcp_workspace_tools::text::Request;

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let offset = if first & 1 == 0 { 2 } else { -3 };
    let cost = |line: &str, _| line.len();
    let request = Request { offset, limit: 50, whole_bytes: 1 << 20, room: 10_000, cost };
    let call = Call::new("fuzz", Duration::from_secs(5));
    for packing in [Packing::Gzip, Packing::Zstd] {
        let mut stream = Stream::new(packing, bytes, request.whole_bytes, &call);
        let _ = stream.read_window(&request, &call);
        assert!(stream.progress().0 <= stream.limit());
    }
}
