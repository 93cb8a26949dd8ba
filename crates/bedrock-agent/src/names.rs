//! Names of runs, agents and roles, as everything that keeps records of runs has them.

pub use mcp_workspace_tools::name::Name;
