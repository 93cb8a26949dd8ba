//! The fuzzer around the target `text`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::text::run(bytes));
