//! The fuzzer around the target `json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::json::run(bytes));
