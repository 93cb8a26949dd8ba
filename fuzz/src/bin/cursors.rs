//! The fuzzer around the target `cursors`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::cursors::run(bytes));
