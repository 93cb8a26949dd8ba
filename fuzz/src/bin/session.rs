//! The fuzzer around the target `session`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::session::run(bytes));
