//! The fuzzer around the target `document`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    // Panics of parsers are caught; libFuzzer's own hook would count them as crashes.
    init: std::panic::set_hook(Box::new(|_| {})),
    |bytes: &[u8]| mcp_workspace_fuzz::document::run(bytes)
);
