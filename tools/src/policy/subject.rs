//! The subject of a policy decision: a caller's id and the scopes that its token carries.

use std::sync::Arc;

use super::Role;

/// What separates the id of an IAM role from the name that it speaks for.
pub const ON_BEHALF: &str = "/on-behalf/";

/// A caller as policy sees it. A plain id converts into one without scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'s> {
    /// The caller's id.
    pub caller: &'s str,
    /// The scopes that were proven with it.
    pub scopes: &'s [String],
}

impl<'s> Subject<'s> {
    /// A caller with the scopes of its token.
    pub fn new(caller: &'s str, scopes: &'s [String]) -> Subject<'s> {
        Subject { caller, scopes }
    }

    /// Whether the role gives its rights to this caller: it names it, and the token carries all
    /// of its scopes.
    pub(super) fn is_served_by(&self, role: &Role) -> bool {
        self.is_named_by(role) && role.scopes.iter().all(|scope| self.scopes.contains(scope))
    }

    /// Whether the role names this caller. A role speaking for another is a caller of its own:
    /// `role/gateway-*` does not name `role/gateway-1/on-behalf/anna`, though `*` would match,
    /// or every end agent had the gateway's rights. `*` alone names everybody.
    pub(super) fn is_named_by(&self, role: &Role) -> bool {
        let delegated = self.is_delegated();
        role.callers.iter().any(|pattern| {
            pattern.matches(self.caller)
                && (!delegated || pattern.is_everybody() || pattern.as_str().contains(ON_BEHALF))
        })
    }

    /// Whether the role's `deny` binds this caller: by any pattern that matches.
    pub(super) fn is_bound_by(&self, role: &Role) -> bool {
        role.callers.iter().any(|pattern| pattern.matches(self.caller))
    }

    /// Whether this is a role that speaks for another. A role's name has no slash, and users are
    /// no roles, so no other caller's id looks like it.
    fn is_delegated(&self) -> bool {
        self.caller.starts_with("arn:")
            && self.caller.split_once(":role/").is_some_and(|(_, role)| role.contains(ON_BEHALF))
    }
}

impl<'s> From<&'s str> for Subject<'s> {
    fn from(caller: &'s str) -> Subject<'s> {
        Subject { caller, scopes: &[] }
    }
}

impl<'s> From<&'s String> for Subject<'s> {
    fn from(caller: &'s String) -> Subject<'s> {
        Subject::from(caller.as_str())
    }
}

impl<'s> From<&'s Arc<str>> for Subject<'s> {
    fn from(caller: &'s Arc<str>) -> Subject<'s> {
        Subject::from(&**caller)
    }
}

/// Whether this can be a scope: what RFC 6749 allows, and not too long.
pub fn is_scope(text: &str) -> bool {
    (1..=256).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests {
    use super::super::Policy;
    use super::*;

    const POLICY: &str = r#"
version = 1

[[role]]
name    = "reader"
callers = ["jwt:https://idp.example.com#sub=*"]
scopes  = ["workspace:read"]
tools   = ["read_file"]
read    = ["**"]

[[role]]
name    = "auditor"
callers = ["jwt:https://idp.example.com#sub=*"]
scopes  = ["workspace:read", "workspace:audit"]
tools   = ["grep"]
read    = ["**"]
deny    = ["secret/**"]

[[role]]
name    = "gateway"
callers = ["arn:aws:iam::123456789012:role/gateway-*"]
tools   = ["grep"]
read    = ["**"]
deny    = ["hidden/**"]

[[role]]
name    = "anna"
callers = ["arn:aws:iam::123456789012:role/gateway-*/on-behalf/anna"]
tools   = ["read_file"]
read    = ["**"]
"#;

    const ANNA: &str = "jwt:https://idp.example.com#sub=anna";

    fn tools(scopes: &[&str]) -> Vec<&'static str> {
        let policy = Policy::parse(POLICY, "policy.toml").unwrap();
        let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let grant = policy.grant(Subject::new(ANNA, &scopes));
        ["read_file", "grep"]
            .into_iter()
            .filter(|tool| grant.as_ref().is_some_and(|grant| grant.allows_tool(tool)))
            .collect()
    }

    #[test]
    fn a_role_serves_who_carries_all_of_its_scopes() {
        assert!(tools(&[]).is_empty());
        assert!(tools(&["workspace:audit"]).is_empty());
        assert!(tools(&["workspace:rea", "workspace:read2"]).is_empty());
        assert_eq!(tools(&["workspace:read"]), ["read_file"]);
        assert_eq!(tools(&["x", "workspace:audit", "workspace:read"]), ["read_file", "grep"]);
    }

    #[test]
    fn fewer_scopes_do_not_lift_a_deny() {
        let policy = Policy::parse(POLICY, "policy.toml").unwrap();
        let scopes = ["workspace:read".to_owned()];
        let explained =
            policy.explain(Subject::new(ANNA, &scopes), "read_file", Some("secret/key.txt"));
        assert!(!explained.is_allowed(), "{explained}");
        assert_eq!(explained.role(), Some("auditor"));
    }

    #[test]
    fn what_a_token_lacks_can_be_told() {
        let policy = Policy::parse(POLICY, "policy.toml").unwrap();
        assert_eq!(policy.wanted_scopes(ANNA).unwrap(), ["workspace:read"]);
        assert_eq!(policy.wanted_scopes(Subject::new(ANNA, &["workspace:read".to_owned()])), None);
        assert_eq!(policy.wanted_scopes("jwt:https://other.example#sub=anna"), None);
        assert_eq!(policy.scopes(), ["workspace:audit", "workspace:read"]);
    }

    #[test]
    fn who_speaks_for_another_is_a_caller_of_its_own() {
        let policy = Policy::parse(POLICY, "policy.toml").unwrap();
        let gateway = "arn:aws:iam::123456789012:role/gateway-1";
        assert!(policy.grant(gateway).unwrap().allows_tool("grep"));
        assert!(!policy.grant(gateway).unwrap().allows_tool("read_file"));
        let anna = format!("{gateway}/on-behalf/anna");
        assert!(policy.grant(&anna).unwrap().allows_tool("read_file"));
        assert!(!policy.grant(&anna).unwrap().allows_tool("grep"));
        assert!(!policy.explain(&anna, "read_file", Some("hidden/x")).is_allowed());
        assert!(policy.grant(&format!("{gateway}/on-behalf/bert")).is_none());
    }

    #[test]
    fn scopes_are_those_of_the_standard() {
        assert!(is_scope("workspace:read") && is_scope("https://x.example/read") && is_scope("!"));
        for text in ["", "a b", "a\"b", "a\\b", "\u{e9}", "a\n", &"x".repeat(257)] {
            assert!(!is_scope(text), "{text:?}");
        }
    }
}
