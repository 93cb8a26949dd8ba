//! The fuzzer around the target `path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::path::run(bytes));
