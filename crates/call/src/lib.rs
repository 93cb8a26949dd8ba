//! Everything from a proven caller to a recorded call. All programs that run tools share it, so the
//! worker on Bedrock has the same dispatcher as the server. The hosts belong to the binary.
//!
//! ```
//! use std::time::Duration;
//!
//! use mcp_workspace_call::caller::{Caller, Proof};
//! use mcp_workspace_call::dispatch::Dispatcher;
//! use mcp_workspace_call::request::Request;
//! use mcp_workspace_tools::policy::Policy;
//! use mcp_workspace_tools::workspace::Workspace;
//! use serde_json::json;
//! use tokio_util::sync::CancellationToken;
//!
//! # let directory = tempfile::tempdir()?;
//! # std::fs::create_dir(directory.path().join("src"))?;
//! # std::fs::write(directory.path().join("src/main.py"), "print('hello')\n")?;
//! # std::fs::write(directory.path().join(".env"), "PASSWORD=secret\n")?;
//! # let root = directory.path();
//! let policy = Policy::parse(
//!     r#"
//!         version = 1
//!         [[role]]
//!         name    = "reader"
//!         callers = ["local"]
//!         tools   = ["read_file"]
//!         read    = ["**"]
//!         deny    = ["**/.env"]
//!     "#,
//!     "policy.toml",
//! )
//! .expect("the policy is sound");
//! let workspace = Workspace::open_with_ambient_authority(root)?;
//! let dispatcher = Dispatcher::new(workspace, policy, Duration::from_secs(10));
//!
//! let read = |path: &str| {
//!     let request = Request {
//!         caller: Caller::new(Caller::LOCAL, Proof::Process),
//!         host: "example",
//!         tool: "read_file".to_owned(),
//!         arguments: json!({ "path": path }),
//!         request_id: "1".to_owned(),
//!         progress: None,
//!         deadline: None,
//!         trace: None,
//!     };
//!     dispatcher.dispatch(request, CancellationToken::new())
//! };
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let answer = read("src/main.py").await.expect("the policy allows it");
//! assert_eq!(answer.json()["path"], "src/main.py");
//!
//! // What policy hides is answered like what does not exist.
//! let error = read(".env").await.expect_err("the policy denies it");
//! assert_eq!(error.code.as_str(), "not_found");
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod audit;
pub mod caller;
pub mod decision_keys;
pub mod dispatch;
pub mod doctor;
pub mod event;
pub mod memory;
pub mod metrics;
mod places;
pub mod request;
pub mod trace;
