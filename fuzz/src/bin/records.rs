//! The fuzzer around the target `records`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::records::run(bytes));
