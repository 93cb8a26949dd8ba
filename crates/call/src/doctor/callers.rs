//! Whom the policy names, and by which events they can come.

use super::Check;
use crate::event::OpenEvents;

/// Which kinds of events are open, and whether the policy names callers of each.
pub(super) fn events_check(open: OpenEvents, callers: &[&str]) -> Check {
    let names = |prefix: &str| callers.iter().any(|id| *id == "*" || id.starts_with(prefix));
    let unused: OpenEvents = open
        .iter()
        .filter(|kind| kind.names_callers().is_some_and(|prefix| !names(prefix)))
        .collect();
    let believed: OpenEvents = open.iter().filter(|kind| kind.names_callers().is_some()).collect();
    let mut detail = format!("open: {open}");
    if believed.iter().next().is_some() {
        detail += &format!(
            "; whoever may call lambda:InvokeFunction can be any caller in events of {believed}"
        );
    }
    if unused.iter().next().is_none() {
        return Check::ok("events", detail);
    }
    let needed: OpenEvents = open.iter().filter(|kind| !unused.has(*kind)).collect();
    Check::warning(
        "events",
        format!("{detail}; policy names no caller of {unused}"),
        format!("close what is not used: set MCP_WORKSPACE_EVENTS to `{needed}`"),
    )
}

/// The kinds of callers that patterns name, each once.
pub(super) fn kinds<'p>(patterns: impl Iterator<Item = &'p str>) -> Vec<&'static str> {
    let mut kinds: Vec<_> = patterns
        .map(|pattern| match pattern.split_once(':').map_or(pattern, |(scheme, _)| scheme) {
            "arn" => "IAM",
            "jwt" => "JWT issuers",
            "agentcore" => "AgentCore Gateway",
            "bedrock-agent" => "Bedrock agents",
            "local" => "this machine",
            "*" => "any kind",
            _ => "bearer tokens",
        })
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Outcome;

    #[test]
    fn the_open_kinds_of_events_are_told_and_those_that_nobody_uses() {
        use crate::event::EventKind::{Gateway, UrlIam, UrlToken};
        let callers = ["arn:aws:iam::123456789012:role/a", "jwt:https://idp.example.com#sub=b"];
        let check = events_check([UrlIam, UrlToken].into_iter().collect(), &callers);
        assert_eq!(check.outcome, Outcome::Ok);
        assert!(check.detail.starts_with("open: url-iam,url-token; "), "{}", check.detail);
        assert!(check.detail.ends_with("in events of url-iam"), "{}", check.detail);
        let check = events_check([UrlToken].into_iter().collect(), &callers);
        assert_eq!((check.outcome, check.detail.as_str()), (Outcome::Ok, "open: url-token"));
        let check = events_check([UrlIam, Gateway].into_iter().collect(), &callers);
        assert_eq!(check.outcome, Outcome::Warning);
        assert!(check.fix.unwrap().contains("`url-iam`"), "{}", check.detail);
    }

    #[test]
    fn the_kinds_of_callers_are_told_by_their_ids() {
        let named = ["local", "arn:aws:iam::123456789012:role/a-*", "ci-bot", "*"];
        assert_eq!(kinds(named.into_iter()), ["IAM", "any kind", "bearer tokens", "this machine"]);
    }
}
