//! The fuzzer around the target `arguments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::arguments::run(bytes));
