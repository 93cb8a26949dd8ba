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
    fn files_are_made_neither_among_sources_nor_among_records(
        create in globs(), propose in globs(), path in paths_of_all(),
    ) {
        let text = made_and_proposed(&create, &propose);
        // What is refused as a whole makes nothing.
        if let Ok(policy) = Policy::parse(&text, "test") {
            let may = |caller: &str, tool: &str, access| {
                policy.grant(caller).unwrap().for_tool(tool).may(access, &path)
            };
            if may("local", "write_file", Access::Create) {
                prop_assert!(!may("other", "propose_patch", Access::Propose), "{}", path);
                let text = format!("/{path}/").to_lowercase();
                let kept = ["output/findings", "output/proposals", "output/decisions",
                    "output/runs", "state"].map(|kept| format!("/{kept}/"));
                prop_assert!(!kept.iter().any(|kept| text.starts_with(kept)), "{}", text);
                prop_assert!(!text.contains("/."), "{}", text);
            }
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}|[\\[\\]a-z=\"\n. ]{0,120}") {
        let _ = Policy::parse(&text, "test");
        let _ = Policy::parse(&format!("version = 1\n[[role]]\n{text}"), "test");
    }
}

/// A role that makes files, and another of somebody else that proposes.
fn made_and_proposed(create: &[String], propose: &[String]) -> String {
    format!(
        "version = 1\n\
         [[role]]\nname = \"w\"\ncallers = [\"local\"]\ntools = [\"write_file\"]\n\
         create = {create:?}\n\
         [[role]]\nname = \"p\"\ncallers = [\"other\"]\ntools = [\"propose_patch\"]\n\
         propose = {propose:?}\n"
    )
}

/// Paths of sources, of records and of what is hidden.
fn paths_of_all() -> impl Strategy<Value = WorkspacePath> {
    let first = prop_oneof![
        Just("output/findings/"),
        Just("output/Proposals/"),
        Just("output/decisions/"),
        Just("OUTPUT/runs/"),
        Just("output/.quota-1/"),
        Just("state/"),
        Just("output/"),
        Just("a/"),
        Just("b/.git/"),
        Just(""),
    ];
    (first, paths())
        .prop_map(|(first, path)| WorkspacePath::parse(&format!("{first}{path}")).unwrap())
}

#[test]
fn a_glob_that_the_check_cannot_compare_still_makes_no_file_among_sources() {
    // Alternatives in alternatives are compared by nobody before a call.
    let text = made_and_proposed(&["{a,{b,c}}/**".to_owned()], &["b/**".to_owned()]);
    let policy = Policy::parse(&text, "test").unwrap();
    let grant = policy.grant("local").unwrap().for_tool("write_file");
    let may = |path: &str| grant.may(Access::Create, &WorkspacePath::parse(path).unwrap());
    assert!(may("a/x") && may("c/x"));
    assert!(!may("b/x"));
    let told = policy.explain("local", "write_file", Some("b/x")).to_string();
    assert!(told.contains("sources are changed by proposals"), "{told}");
}

#[test]
fn deny_wins_over_create_and_wide_globs_reach_no_records() {
    let text = "version = 1\n[[role]]\nname = \"w\"\ncallers = [\"*\"]\ntools = [\"write_file\"]\n\
                create = [\"output/**\", \"work/**\"]\ndeny = [\"work/private/**\", \"**/*.key\"]\n";
    let policy = Policy::parse(text, "test").unwrap();
    let grant = policy.grant("local").unwrap().for_tool("write_file");
    let may = |path: &str| grant.may(Access::Create, &WorkspacePath::parse(path).unwrap());
    for path in ["output/a.md", "output/reports/deep/a.md", "work/a", "output/findings.md"] {
        assert!(may(path), "{path}");
    }
    for path in [
        "work/private/a",
        "work/a.KEY",
        "input/a",
        "output/findings/w/a.json",
        "output/Findings/w/a.json",
        "output/proposals/x/change.patch",
        "output/decisions/x/1/decision.json",
        "output/runs/r/a/steps/000001/step.json",
        "output/.quota-0/x",
        "output/.hidden",
        "work/.git/config",
        "state/key/@/1/value.json",
        "output/findings",
    ] {
        assert!(!may(path), "{path}");
    }
    // The output itself may lie in a hidden directory.
    let hidden = format!(
        "version = 1\n[layout]\noutput = \".mcp/out\"\n{}",
        text.split_once('\n').unwrap().1
    )
    .replace("\"output/**\"", "\".mcp/out/**\"");
    let policy = Policy::parse(&hidden, "test").unwrap();
    let grant = policy.grant("local").unwrap().for_tool("write_file");
    let may = |path: &str| grant.may(Access::Create, &WorkspacePath::parse(path).unwrap());
    assert!(may(".mcp/out/reports/a.md"));
    assert!(!may(".mcp/out/.x/a.md") && !may(".mcp/out/findings/a"));
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
