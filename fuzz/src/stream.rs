//! Any bytes in each way of compressing: decompressing ends, gives no more than its limit, and
//! `read_file` answers for the same bytes. The first byte chooses between lines from the
//! beginning and from the end.

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mcp_workspace_data::{Packing, Stream};
use mcp_workspace_stop::StopSignal;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::json;
use tempfile::TempDir;

const POLICY: &str = r#"
version = 1
[[role]]
name = "reader"
callers = ["fuzz"]
tools = ["read_file"]
read = ["**"]
[role.limits]
max_file_bytes = 1048576
"#;

static WORKSPACE: LazyLock<(TempDir, Arc<Workspace>, Policy)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let workspace = Workspace::open_with_ambient_authority(directory.path()).unwrap();
    (directory, Arc::new(workspace), Policy::parse(POLICY, "fuzz").unwrap())
});

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let stop = StopSignal::new(Duration::from_secs(5));
    let all = [Packing::Gzip, Packing::Zstd, Packing::Brotli, Packing::Bzip2, Packing::Xz];
    for packing in all {
        let mut stream = Stream::new(packing, bytes, 1 << 20, &stop);
        let given = io::copy(&mut stream, &mut io::sink()).unwrap();
        assert!(given == stream.progress().0 && given <= stream.limit());
    }
    let (directory, workspace, policy) = &*WORKSPACE;
    std::fs::write(directory.path().join("file"), bytes).unwrap();
    let grant = policy.grant("fuzz").unwrap().for_tool("read_file");
    let scope = Scope::new(Arc::clone(workspace), grant, Arc::new(policy.layout().clone()));
    let offset = if first & 1 == 0 { 2 } else { -3 };
    let call = Call::new("fuzz", Duration::from_secs(5));
    let arguments = json!({"path": "file", "offset": offset, "limit": 50});
    match tool::find("read_file").unwrap().run(&scope, arguments, &call) {
        Ok(answer) => assert!(answer.json().to_string().len() < 1 << 20),
        Err(error) => assert!(!error.message.is_empty()),
    }
}
