//! The fuzzer around the target `policy`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mcp_workspace_fuzz::policy::run(bytes));
