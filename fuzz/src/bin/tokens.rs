//! The fuzzer around the target `tokens`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::tokens::run(bytes));
