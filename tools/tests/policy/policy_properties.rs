//! What holds for every policy and every path.

use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Access, Policy, Subject};
use proptest::prelude::*;

fn globs() -> impl Strategy<Value = Vec<String>> {
    let part = prop_oneof![Just("**"), Just("*"), Just("a"), Just("b"), Just("a*"), Just("{a,b}")];
    let glob = proptest::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"));
    proptest::collection::vec(glob, 0..4)
}

fn paths() -> impl Strategy<Value = WorkspacePath> {
    proptest::collection::vec("[abAB]{1,2}", 1..5)
        .prop_map(|parts| WorkspacePath::parse(&parts.join("/")).unwrap())
}

fn role(name: &str, tool: &str, read: &[String], deny: &[String]) -> String {
    format!(
        "[[role]]\nname = \"{name}\"\ncallers = [\"local\"]\ntools = [\"{tool}\"]\n\
         read = {read:?}\ndeny = {deny:?}\n"
    )
}

const ANNA: &str = "jwt:https://idp.example.com#sub=anna";

fn scopes() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(prop_oneof![Just("a"), Just("b"), Just("c")], 0..3)
        .prop_map(|scopes| scopes.into_iter().map(str::to_owned).collect())
}

fn policy(roles: &[String]) -> Policy {
    Policy::parse(&format!("version = 1\n{}", roles.join("\n")), "test").unwrap()
}

/// Matching by hand: components against components.
fn matches(glob: &[&str], path: &[&str]) -> bool {
    match glob.split_first() {
        None => path.is_empty(),
        // At the end `**` needs something to match; before more it may match nothing.
        Some((&"**", [])) => !path.is_empty(),
        Some((&"**", rest)) => (0..=path.len()).any(|at| matches(rest, &path[at..])),
        Some((part, rest)) => path.split_first().is_some_and(|(name, path)| {
            let fits = match *part {
                "*" => true,
                "a*" => name.starts_with('a'),
                "{a,b}" => *name == "a" || *name == "b",
                literal => literal == *name,
            };
            fits && matches(rest, path)
        }),
    }
}

fn by_hand(globs: &[String], path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    globs.iter().any(|glob| matches(&glob.split('/').collect::<Vec<_>>(), &parts))
}

proptest! {
    #[test]
    fn globs_match_as_by_hand(read in globs(), path in paths()) {
        let grant =
            policy(&[role("r", "grep", &read, &[])]).grant("local").unwrap().for_tool("grep");
        prop_assert_eq!(grant.may(Access::Read, &path), by_hand(&read, path.as_str()));
    }

    #[test]
    fn what_may_be_read_can_be_reached(read in globs(), deny in globs(), path in paths()) {
        let grant =
            policy(&[role("r", "grep", &read, &deny)]).grant("local").unwrap().for_tool("grep");
        if grant.may(Access::Read, &path) {
            let mut parent = path.parent();
            while let Some(directory) = parent {
                prop_assert!(grant.may(Access::Enter, &directory), "{} leads to {}", directory, path);
                parent = directory.parent();
            }
        }
    }

    #[test]
    fn deny_of_any_role_wins_in_any_case_and_below(
        read in globs(), deny in globs(), path in paths(), below in paths(),
    ) {
        let both = policy(&[role("r", "grep", &read, &[]), role("s", "read_file", &[], &deny)]);
        let grant = both.grant("local").unwrap().for_tool("grep");
        if by_hand(&deny, &path.as_str().to_lowercase()) {
            prop_assert!(!grant.may(Access::Read, &path));
            prop_assert!(!grant.may(Access::Enter, &path));
            let deeper = WorkspacePath::parse(&format!("{path}/{below}")).unwrap();
            prop_assert!(!grant.may(Access::Read, &deeper));
        }
    }

    #[test]
    fn fewer_scopes_never_give_more(
        roles in proptest::collection::vec((scopes(), globs(), globs()), 1..4),
        token in scopes(), more in scopes(), path in paths(),
    ) {
        let roles: Vec<String> = roles
            .iter()
            .enumerate()
            .map(|(number, (wanted, read, deny))| {
                let wanted = match wanted.len() {
                    0 => String::new(),
                    _ => format!("scopes = {wanted:?}\n"),
                };
                role(&format!("r{number}"), "grep", read, deny).replace("local", ANNA) + &wanted
            })
            .collect();
        let policy = policy(&roles);
        let may = |scopes: &[String]| {
            policy
                .grant(Subject::new(ANNA, scopes))
                .is_some_and(|grant| grant.for_tool("grep").may(Access::Read, &path))
        };
        let both: Vec<String> = token.iter().chain(&more).cloned().collect();
        prop_assert!(!may(&token) || may(&both));
    }

    #[test]
    fn a_role_more_never_takes_rights_unless_it_denies(
        one in globs(), other in globs(), path in paths(),
    ) {
        let before = policy(&[role("r", "grep", &one, &[])]);
        let after = policy(&[role("r", "grep", &one, &[]), role("s", "grep", &other, &[])]);
        let may = |policy: &Policy| {
            policy.grant("local").unwrap().for_tool("grep").may(Access::Read, &path)
        };
        prop_assert!(!may(&before) || may(&after));
    }

    #[test]
    fn tool_and_path_come_from_the_same_role(one in globs(), other in globs(), path in paths()) {
        let both = policy(&[role("r", "grep", &one, &[]), role("s", "read_file", &other, &[])]);
        let alone = policy(&[role("r", "grep", &one, &[])]);
        let may = |policy: &Policy| {
            policy.grant("local").unwrap().for_tool("grep").may(Access::Read, &path)
        };
        prop_assert_eq!(may(&both), may(&alone));
    }

    #[test]
    fn explanations_agree_with_decisions(read in globs(), deny in globs(), path in paths()) {
        let policy = policy(&[role("r", "read_file", &read, &deny)]);
        let grant = policy.grant("local").unwrap().for_tool("read_file");
        prop_assert_eq!(
            policy.explain("local", "read_file", Some(path.as_str())).is_allowed(),
            grant.may(Access::Read, &path)
        );
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}|[\\[\\]a-z=\"\n. ]{0,120}") {
        let _ = Policy::parse(&text, "test");
        let _ = Policy::parse(&format!("version = 1\n[[role]]\n{text}"), "test");
    }
}

#[test]
fn proposals_never_touch_records() {
    let policy = Policy::parse(
        "version = 1\n[[role]]\nname = \"r\"\ncallers = [\"*\"]\n\
         tools = [\"propose_patch\"]\npropose = [\"**\"]\n",
        "test",
    )
    .unwrap();
    let grant = policy.grant("anybody").unwrap().for_tool("propose_patch");
    let may = |path: &str| grant.may(Access::Propose, &WorkspacePath::parse(path).unwrap());
    assert!(may("input/a"));
    assert!(!may("output/findings/a.json"));
    assert!(!may("state/key/1/value.json"));
}
