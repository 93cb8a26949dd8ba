//! The workspace: the only code that touches files.

/// What a tool receives.
#[derive(Debug, Clone)]
pub struct Scope;
