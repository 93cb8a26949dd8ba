//! Policy: who may do what with which paths.
use crate::path::WorkspacePath;
use std::sync::Arc;
/// x
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// r
    Read,
    /// w
    Write,
    /// p
    Propose,
    /// d
    Decide,
}
/// x
#[derive(Debug, Clone)]
pub struct Layout {
    /// i
    pub input: String,
    /// o
    pub output: String,
    /// s
    pub state: String,
}
/// x
#[derive(Debug, Clone)]
pub struct Limits {
    /// m
    pub max_file_bytes: u64,
    /// n
    pub max_findings_per_run: u64,
}
/// x
#[derive(Debug, Clone)]
pub struct ToolGrant(Arc<Limits>);
/// x
#[derive(Debug, Clone)]
pub struct Grant;
impl Grant {
    /// x
    pub fn allows_tool(&self, _t: &str) -> bool {
        true
    }
    /// x
    pub fn for_tool(&self, _t: &str) -> ToolGrant {
        ToolGrant(Arc::new(Limits { max_file_bytes: 1 << 26, max_findings_per_run: 500 }))
    }
}
impl ToolGrant {
    /// x
    pub fn may(&self, _a: Access, _p: &WorkspacePath) -> bool {
        true
    }
    /// x
    pub fn may_enter(&self, _p: &WorkspacePath) -> bool {
        true
    }
    /// x
    pub fn granting_role(&self, _a: Access, _p: &WorkspacePath) -> Option<&str> {
        Some("local")
    }
    /// x
    pub fn roles(&self) -> Vec<&str> {
        vec!["local"]
    }
    /// x
    pub fn limits(&self) -> &Limits {
        &self.0
    }
}
/// x
#[derive(Debug)]
pub struct Policy(Layout);
/// x
pub struct Explanation;
impl Explanation {
    /// x
    pub fn role(&self) -> Option<&str> {
        Some("local")
    }
    /// x
    pub fn rule(&self) -> Option<&str> {
        None
    }
}
impl Policy {
    /// x
    pub fn parse(_t: &str, _f: &str) -> Result<Policy, Vec<String>> {
        Ok(Policy(Layout {
            input: ".".into(),
            output: ".mcp-workspace/output".into(),
            state: ".mcp-workspace/state".into(),
        }))
    }
    /// x
    pub fn layout(&self) -> &Layout {
        &self.0
    }
    /// x
    pub fn grant(&self, _c: &str) -> Option<Grant> {
        Some(Grant)
    }
    /// x
    pub fn explain(&self, _c: &str, _t: &str, _p: &str) -> Explanation {
        Explanation
    }
}
impl Layout {
    /// x
    pub fn findings(&self) -> WorkspacePath {
        WorkspacePath::parse(&format!("{}/findings", self.output)).unwrap()
    }
    /// x
    pub fn proposals(&self) -> WorkspacePath {
        WorkspacePath::parse(&format!("{}/proposals", self.output)).unwrap()
    }
}
