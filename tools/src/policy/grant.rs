//! What one caller may do.

use std::sync::Arc;

use crate::path::WorkspacePath;

use super::{Access, Layout, Limits, Role};

/// The union of the roles that serve a caller, less what the roles that bind it deny. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct Grant {
    roles: Arc<[Arc<Role>]>,
    binding: Arc<[Arc<Role>]>,
    layout: Arc<Layout>,
}

impl Grant {
    pub(super) fn new(
        roles: Arc<[Arc<Role>]>,
        binding: Arc<[Arc<Role>]>,
        layout: Arc<Layout>,
    ) -> Grant {
        Grant { roles, binding, layout }
    }

    /// Whether any role lists this tool.
    pub fn allows_tool(&self, tool: &str) -> bool {
        self.roles.iter().any(|role| role.tools.iter().any(|name| name == tool))
    }

    /// The first role that lets this caller ask a server for its doctor.
    pub fn doctor_role(&self) -> Option<String> {
        self.roles.iter().find(|role| role.doctor).map(|role| role.name.clone())
    }

    /// The rights within this tool: of the roles that list it, less what any role denies.
    pub fn for_tool(&self, tool: &str) -> ToolGrant {
        let granting: Arc<[Arc<Role>]> = self
            .roles
            .iter()
            .filter(|role| role.tools.iter().any(|name| name == tool))
            .cloned()
            .collect();
        ToolGrant::new(granting, Arc::clone(&self.binding), Arc::clone(&self.layout))
    }

    /// The rights over every tool, for what is no tool: decisions of people.
    pub fn for_decisions(&self) -> ToolGrant {
        ToolGrant::new(Arc::clone(&self.roles), Arc::clone(&self.binding), Arc::clone(&self.layout))
    }
}

/// What one caller may do within one tool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ToolGrant {
    granting: Arc<[Arc<Role>]>,
    denying: Arc<[Arc<Role>]>,
    layout: Arc<Layout>,
    limits: Limits,
}

impl ToolGrant {
    fn new(granting: Arc<[Arc<Role>]>, denying: Arc<[Arc<Role>]>, layout: Arc<Layout>) -> Self {
        let limits = granting
            .iter()
            .map(|role| role.limits)
            .reduce(|one, other| Limits {
                max_file_bytes: one.max_file_bytes.max(other.max_file_bytes),
                max_findings_per_run: one.max_findings_per_run.max(other.max_findings_per_run),
            })
            .unwrap_or_default();
        ToolGrant { granting, denying, layout, limits }
    }

    /// Whether `access` to `path` is granted and not denied. Records can never be proposed on,
    /// and decisions never be written by a tool, whatever the policy says.
    pub fn may(&self, access: Access, path: &WorkspacePath) -> bool {
        self.layout.never(access, path).is_none()
            && self.granting.iter().any(|role| role.rules(access).is_match(path))
            && !self.denies(path)
    }

    /// The first role in the policy's order that grants `access` to `path`; none when it is
    /// not granted, or denied.
    pub fn granting_role(&self, access: Access, path: &WorkspacePath) -> Option<&str> {
        if !self.may(access, path) {
            return None;
        }
        let role = self.granting.iter().find(|role| role.rules(access).is_match(path))?;
        Some(role.name.as_str())
    }

    /// Whether a directory is visible: the root, one that may be read itself, or one that leads
    /// to something that may.
    pub fn may_enter(&self, directory: &WorkspacePath) -> bool {
        directory.is_root() || self.entering_role(directory).is_some()
    }

    /// The first role in the policy's order that lets this caller into a directory.
    pub fn entering_role(&self, directory: &WorkspacePath) -> Option<&str> {
        if self.denies(directory) {
            return None;
        }
        let role = self.granting.iter().find(|role| {
            role.read.is_match(directory) || role.read.find_leading(directory).is_some()
        })?;
        Some(role.name.as_str())
    }

    /// The first role that lets this caller decide about anything at all.
    pub fn deciding_role(&self) -> Option<&str> {
        let role = self.granting.iter().find(|role| !role.decide.is_empty())?;
        Some(role.name.as_str())
    }

    /// The names of the roles that grant the tool, in the policy's order.
    pub fn roles(&self) -> Vec<&str> {
        self.granting.iter().map(|role| role.name.as_str()).collect()
    }

    /// The limits; of several roles the largest.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    fn denies(&self, path: &WorkspacePath) -> bool {
        self.denying.iter().any(|role| role.deny.is_match(path))
    }

    pub(super) fn granting(&self) -> &[Arc<Role>] {
        &self.granting
    }

    pub(super) fn denying(&self) -> &[Arc<Role>] {
        &self.denying
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }
}
