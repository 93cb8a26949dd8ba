//! The fuzzer around the target `patch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::patch::run(bytes));
