//! Any bytes in any encoding: decoding ends, keeps to its bound, and whole text stays whole.

use mcp_workspace_tools::text::{Encoding, decode_whole};

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let _ = decode_whole(bytes);
    for encoding in [Encoding::Utf8, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Latin1] {
        for most in [0, 1, 7, 4_096] {
            let (text, taken) = encoding.decode(bytes, most);
            assert!(text.chars().count() <= most && taken <= bytes.len());
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (decoded, taken) = Encoding::Utf8.decode(bytes, usize::MAX / 8);
        assert_eq!((decoded.as_str(), taken), (text, bytes.len()));
    }
}
