//! What one caller may do, and the judgement of each access.

use std::borrow::Cow;
use std::sync::Arc;

use crate::path::WorkspacePath;
use crate::records::history::Proof;
use crate::records::signature::DecisionKeys;

use super::glob::Rule;
use super::{Access, Judgement, Layout, Limits, Role, Subject};

/// The union of the roles that serve a caller, less what the roles that bind it deny. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct Grant {
    roles: Arc<[Arc<Role>]>,
    binding: Arc<[Arc<Role>]>,
    layout: Arc<Layout>,
    /// All roles of the policy, for what others have decided.
    all: Arc<[Arc<Role>]>,
    signing: Signing,
}

/// Whether a policy has decisions signed.
#[derive(Debug, Clone)]
pub(super) enum Signing {
    /// It names no key.
    None,
    /// It names one, and this program was not given it.
    Without,
    With(Arc<DecisionKeys>),
}

impl Grant {
    pub(super) fn new(
        roles: Arc<[Arc<Role>]>,
        binding: Arc<[Arc<Role>]>,
        layout: Arc<Layout>,
        (all, signing): (Arc<[Arc<Role>]>, Signing),
    ) -> Grant {
        Grant { roles, binding, layout, all, signing }
    }

    /// How decisions prove that they come from a program of people.
    pub(crate) fn proof_of_decisions(&self) -> Proof<'_> {
        match &self.signing {
            Signing::None => Proof::Place,
            Signing::Without => Proof::Missing,
            Signing::With(keys) => Proof::Keys(keys),
        }
    }

    /// Whether the policy lets another caller decide about a path, as a record says it has: some
    /// role that names it decides there, none that it always has proposes there, and none denies
    /// it. Scopes are not asked, because records do not keep them.
    pub fn lets_decide(&self, caller: &str, path: &WorkspacePath) -> bool {
        let subject = Subject::from(caller);
        let named = || self.all.iter().filter(|role| subject.is_named_by(role));
        self.layout.never(Access::Decide, path).is_none()
            && named().any(|role| role.grants(Access::Decide, path))
            && !named().any(|role| role.scopes.is_empty() && role.grants(Access::Propose, path))
            && !self.all.iter().any(|role| subject.is_bound_by(role) && role.deny.is_match(path))
    }

    /// Whether any role lists this tool.
    pub fn allows_tool(&self, tool: &str) -> bool {
        self.roles.iter().any(|role| role.lists(tool))
    }

    /// The judgement that lets the caller ask a server for its doctor, or none if it may not.
    pub fn judge_doctor(&self) -> Option<Judgement> {
        let role = self.roles.iter().find(|role| role.doctor)?;
        Some(Judgement::by_role(&role.name, Some("doctor = true")))
    }

    /// The rights within this tool: of the roles that list it, less what any role denies.
    pub fn for_tool(&self, tool: &str) -> ToolGrant {
        let granting: Arc<[Arc<Role>]> =
            self.roles.iter().filter(|role| role.lists(tool)).cloned().collect();
        self.grant_of(granting)
    }

    /// The rights over all tools, for decisions of people, which are not tools.
    pub fn for_decisions(&self) -> ToolGrant {
        self.grant_of(Arc::clone(&self.roles))
    }

    fn grant_of(&self, granting: Arc<[Arc<Role>]>) -> ToolGrant {
        let limits =
            granting.iter().map(|role| role.limits).reduce(Limits::or_larger).unwrap_or_default();
        ToolGrant {
            granting,
            denying: Arc::clone(&self.binding),
            all: Arc::clone(&self.all),
            layout: Arc::clone(&self.layout),
            limits,
        }
    }
}

/// What one caller may do within one tool. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ToolGrant {
    granting: Arc<[Arc<Role>]>,
    denying: Arc<[Arc<Role>]>,
    /// All roles of the policy: what any of them proposes on is a source.
    all: Arc<[Arc<Role>]>,
    layout: Arc<Layout>,
    limits: Limits,
}

/// The folders that hold all that `create` of roles can match.
pub(super) fn folders_of_files(roles: &[Arc<Role>]) -> Vec<WorkspacePath> {
    let all = roles.iter().flat_map(|role| role.create.folders());
    let mut folders: Vec<_> = all.collect();
    folders.sort_unstable();
    folders.dedup();
    folders
}

/// On what a judgement stands.
enum Ground<'g> {
    Denied(&'g Role),
    Never(&'static str),
    Granted(&'g Role),
    Root,
    Nothing,
}

impl ToolGrant {
    /// Decides about one access. This is the only place where policy is decided: a `deny` of any
    /// role that binds the caller wins, then what no policy can grant (records are never
    /// proposed on, decisions never written by a tool, sources never replaced), then the first role
    /// that grants it.
    fn ground(&self, access: Access, path: &WorkspacePath) -> Ground<'_> {
        if access == Access::Enter && path.is_root() {
            return Ground::Root;
        }
        if let Some(role) = self.denying.iter().find(|role| role.deny.is_match(path)) {
            return Ground::Denied(role);
        }
        if let Some(why) = self.layout.never(access, path) {
            return Ground::Never(why);
        }
        if access == Access::Create && self.is_source(path) {
            return Ground::Never("sources are changed by proposals");
        }
        match self.granting.iter().find(|role| role.grants(access, path)) {
            Some(role) => Ground::Granted(role),
            None => Ground::Nothing,
        }
    }

    /// Whether some role of the policy proposes changes of `path`, whoever has that role.
    fn is_source(&self, path: &WorkspacePath) -> bool {
        self.layout.never(Access::Propose, path).is_none()
            && self.all.iter().any(|role| role.grants(Access::Propose, path))
    }

    /// The folders that hold all that `create` of these roles can match: the beginning of each of
    /// their globs, as far as it names directories. Sorted, each once.
    pub fn folders_of_files(&self) -> Vec<WorkspacePath> {
        folders_of_files(&self.granting)
    }

    /// Whether `access` to `path` is allowed: what [`ToolGrant::judge`] decides, for loops over
    /// many paths that need no more of it.
    pub fn may(&self, access: Access, path: &WorkspacePath) -> bool {
        matches!(self.ground(access, path), Ground::Granted(_) | Ground::Root)
    }

    /// Decides about `access` to `path`, with the role and the rule behind the decision.
    pub fn judge(&self, access: Access, path: &WorkspacePath) -> Judgement {
        let judgement =
            |allowed, role: Option<&Role>, rule: Option<(&str, &Rule)>, reason| Judgement {
                allowed,
                access: Some(access),
                path: Some(path.clone()),
                role: role.map(|role| role.name.clone()),
                rule: rule.map(|(key, rule)| format!("{key} = \"{}\"", rule.text)),
                line: rule.map(|(_, rule)| rule.line),
                reason,
            };
        let key = access.as_str();
        match self.ground(access, path) {
            Ground::Denied(role) => {
                let rule = role.deny.find(path).map(|rule| ("deny", rule));
                judgement(false, Some(role), rule, "the role denies it".into())
            }
            Ground::Never(why) => judgement(false, None, None, why.into()),
            Ground::Granted(role) => {
                let rule = role.find_rule(access, path).map(|rule| (key, rule));
                judgement(true, Some(role), rule, "the role grants it".into())
            }
            Ground::Root => {
                let named = self
                    .granting
                    .iter()
                    .find_map(|role| Some((role, role.find_rule(access, path)?)));
                let role = named.map(|(role, _)| role).or(self.granting.first());
                let rule = named.map(|(_, rule)| (key, rule));
                let reason = "the root may always be entered".into();
                judgement(true, role.map(|role| &**role), rule, reason)
            }
            Ground::Nothing => {
                let reason =
                    format!("no `{key}` rule of role `{}` matches", self.roles().join("`, `"));
                // The first of the roles that were asked, though no rule of any says anything.
                let asked = self.granting.first().map(|role| &**role);
                judgement(false, asked, None, Cow::Owned(reason))
            }
        }
    }

    /// Decides about the tool as a whole, before any path is known: it is listed.
    pub fn judge_tool(&self) -> Judgement {
        match self.granting.first() {
            None => Judgement::refused("no role of this caller lists this tool"),
            Some(role) => Judgement {
                reason: format!("role `{}` lists the tool", role.name).into(),
                ..Judgement::by_role(&role.name, None)
            },
        }
    }

    /// The first role in the policy's order that grants `access` to `path`; none when it is
    /// not granted, or denied.
    pub fn granting_role(&self, access: Access, path: &WorkspacePath) -> Option<&str> {
        match self.ground(access, path) {
            Ground::Granted(role) => Some(&role.name),
            _ => None,
        }
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
}
