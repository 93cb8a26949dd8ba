//! The fuzzer around the target `stream`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::stream::run(bytes));
