//! The fuzzer around the target `events`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::events::run(bytes));
