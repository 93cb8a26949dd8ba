//! What `apply` does with approved proposals is what `git apply` does, byte for byte and mode for
//! mode; `revert` gives the tree back; and after a fault at any file operation the tree is wholly old
//! or wholly new once the proposal is recovered.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_workspace_test_support::cases::cases;
use mcp_workspace_test_support::checkout::Checkout;
use mcp_workspace_test_support::git::{Files, files_of, git_apply, git_diff, git_is_there};
use mcp_workspace_tools::decide;
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::policy::{Policy, Subject};
use mcp_workspace_tools::records::decision::{Action, State};
use mcp_workspace_tools::workspace::{Decider, FaultPoint, Workspace};
use proptest::prelude::*;
use serde_json::json;

const POLICY: &str = r#"
version = 1
[[role]]
name = "person"
callers = ["anna", "ben", "jwt:both", "local"]
read = ["**"]
decide = ["**"]
[[role]]
name = "proposer"
# Without scopes a policy that gives a caller both is refused.
callers = ["jwt:both"]
scopes = ["propose"]
tools = ["propose_patch"]
propose = ["src/**"]
[[role]]
name = "narrow"
callers = ["narrow"]
decide = ["docs/**"]
"#;

fn decider_over(workspace: Workspace, caller: &str) -> Decider {
    let policy = Policy::parse(POLICY, "policy").unwrap();
    let layout = Arc::new(policy.layout().clone());
    let scopes = ["propose".to_owned()];
    let grant = policy.grant(Subject::new(caller, &scopes)).unwrap();
    Decider::new(Arc::new(workspace), &grant, layout, caller)
}

fn decider(checkout: &Checkout, caller: &str) -> Decider {
    decider_over(Workspace::open_with_ambient_authority(&checkout.root()).unwrap(), caller)
}

fn state(checkout: &Checkout, id: &str) -> State {
    decide::show(&decider(checkout, "anna"), id).unwrap().state
}

/// How it stands once what was interrupted is recovered. A look alone changes nothing.
fn recovered(checkout: &Checkout, id: &str) -> State {
    let seen = state(checkout, id);
    if matches!(seen, State::Applying | State::Reverting) {
        let files = checkout.files();
        assert_eq!(state(checkout, id), seen);
        assert_eq!(checkout.files(), files, "a look has changed something");
        decide::recover(&decider(checkout, "anna"), id).unwrap();
    }
    state(checkout, id)
}

const NAMES: [&str; 9] = [
    "a.txt",
    "dir/b.txt",
    "dir/sub/deep.rs",
    "dir/with space.txt",
    "ü/ñ 漢.txt",
    "quo\"te.txt",
    "other/c",
    ".hidden",
    "new/er/est.txt",
];
const LINES: [&str; 8] = ["", "a", "b", "}", "    x = 1", "\ty", "ä ö", "-- dashes"];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap()
    }

    fn content(&mut self) -> Vec<u8> {
        let end = if self.below(3) == 0 { "\r\n" } else { "\n" };
        let mut text = String::new();
        for line in 0..self.below(24) {
            text.push_str(LINES[self.below(LINES.len())]);
            text.push_str(&format!("{}{end}", line % 7));
        }
        if self.below(3) == 0 {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text.into_bytes()
    }

    fn tree(&mut self) -> Files {
        (0..2 + self.below(5))
            .map(|_| (NAMES[self.below(9)].to_owned(), (self.content(), self.below(4) == 0)))
            .collect()
    }

    fn changed(&mut self, old: &Files) -> Files {
        let mut new = old.clone();
        for path in old.keys() {
            match self.below(6) {
                0 => drop(new.remove(path)),
                1 => {
                    let to = NAMES[self.below(9)];
                    if !new.contains_key(to) && !old.contains_key(to) {
                        let file = new.remove(path).unwrap();
                        new.insert(to.to_owned(), file);
                    }
                }
                2 => new.get_mut(path).unwrap().1 ^= true,
                _ => {
                    let mut lines: Vec<Vec<u8>> =
                        old[path].0.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                    let at = self.below(lines.len() + 1);
                    lines.insert(at, format!("{}!\n", LINES[self.below(8)]).into_bytes());
                    if at > 0 && self.below(2) == 0 {
                        lines.remove(at - 1);
                    }
                    new.get_mut(path).unwrap().0 = lines.concat();
                }
            }
        }
        if self.below(2) == 0 {
            let file = (self.content(), self.below(3) == 0);
            new.entry(NAMES[self.below(9)].to_owned()).or_insert(file);
        }
        new
    }
}

proptest! {
    // At least so many patches; `PROPTEST_CASES` has its usual meaning.
    #![proptest_config(cases(512))]

    #[test]
    fn apply_does_what_git_apply_does_and_revert_undoes_it(seed: u64) {
        if !git_is_there() { return Ok(()); }
        let mut random = Random(seed);
        let old = random.tree();
        let new = random.changed(&old);
        let patch = git_diff(&old, &new, &[if random.below(3) == 0 { "--no-renames" } else { "-M" }]);
        prop_assume!(!patch.is_empty());
        let checkout = Checkout::new(&old);
        let answer = checkout.patch(std::str::from_utf8(&patch).unwrap()).unwrap();
        let id = answer["id"].as_str().unwrap();
        let by_git = git_apply(&old, &checkout.stored(&answer), "-p1").unwrap();
        let (anna, ben) = (decider(&checkout, "anna"), decider(&checkout, "ben"));
        decide::approve(&anna, id, None, None).unwrap();
        prop_assert_eq!(&checkout.files(), &old);
        let applied = decide::apply(&ben, id);
        prop_assert!(applied.is_ok(), "{:?}", applied);
        prop_assert_eq!(&checkout.files(), &by_git);
        prop_assert_eq!(&by_git, &new);
        decide::revert(&anna, id, None).unwrap();
        prop_assert_eq!(&checkout.files(), &old);
        prop_assert_eq!(state(&checkout, id), State::Reverted);
    }
}

/// Every kind of change in one proposal, approved.
fn approved() -> (Checkout, String, Files, Files) {
    let mut old = files_of(&[
        ("src/changed.rs", "one\ntwo\nthree\n"),
        ("src/gone.rs", "bye\n"),
        ("src/moved.rs", "1\n2\n3\n4\n5\n"),
        ("only/here.txt", "alone\n"),
    ]);
    old.get_mut("src/changed.rs").unwrap().1 = true;
    let checkout = Checkout::new(&old);
    let answer = checkout
        .edits(json!([
            {"path": "src/changed.rs", "old_text": "two", "new_text": "2"},
            {"path": "src/gone.rs", "delete": true},
            {"path": "src/moved.rs", "new_path": "src/new/place.rs"},
            {"path": "only/here.txt", "delete": true},
            {"path": "made/for/it.txt", "create": true, "new_text": "new\n"},
        ]))
        .unwrap();
    let id = answer["id"].as_str().unwrap().to_owned();
    decide::approve(&decider(&checkout, "anna"), &id, None, None).unwrap();
    let mut new = files_of(&[
        ("src/changed.rs", "one\n2\nthree\n"),
        ("src/new/place.rs", "1\n2\n3\n4\n5\n"),
        ("made/for/it.txt", "new\n"),
    ]);
    new.get_mut("src/changed.rs").unwrap().1 = true;
    (checkout, id, old, new)
}

/// Makes the operation of number `at` fail, and all after it when `dies`. Counts them.
fn faulty(checkout: &Checkout, at: usize, dies: bool) -> (Workspace, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let workspace = Workspace::open_with_ambient_authority(&checkout.root()).unwrap();
    let workspace = workspace.with_faults(move |_, _: FaultPoint| {
        let now = counted.fetch_add(1, Ordering::Relaxed);
        (now == at || dies && now > at).then_some(5)
    });
    (workspace, count)
}

fn nothing_unfinished(checkout: &Checkout) {
    for (path, _) in checkout.files() {
        assert!(!path.contains(".unfinished"), "{path} is left");
    }
}

#[test]
fn after_a_fault_at_any_step_the_tree_is_wholly_old_or_wholly_new() {
    for dies in [true, false] {
        let (mut olds, mut news) = (0, 0);
        for at in 0.. {
            let (checkout, id, old, new) = approved();
            let (workspace, count) = faulty(&checkout, at, dies);
            let result = decide::apply(&decider_over(workspace, "anna"), &id);
            let ended = count.load(Ordering::Relaxed) <= at;
            let next = recovered(&checkout, &id);
            let files = checkout.files();
            match next {
                State::Applied => assert_eq!(files, new, "step {at}, dies {dies}"),
                State::Approved => assert_eq!(files, old, "step {at}, dies {dies}"),
                other => panic!("step {at}, dies {dies}: {other:?} after {result:?}"),
            }
            if result.is_ok() {
                assert_eq!(next, State::Applied, "acknowledged at step {at}");
            }
            nothing_unfinished(&checkout);
            if next == State::Approved {
                olds += 1;
                decide::apply(&decider(&checkout, "ben"), &id).unwrap();
                assert_eq!(checkout.files(), new);
            } else {
                news += 1;
            }
            decide::revert(&decider(&checkout, "ben"), &id, None).unwrap();
            assert_eq!(checkout.files(), old);
            if ended {
                break;
            }
        }
        assert!(olds > 10 && news > 10, "{olds} old, {news} new");
    }
}

#[test]
fn after_a_fault_at_any_step_of_a_revert_too() {
    for at in 0.. {
        let (checkout, id, old, new) = approved();
        decide::apply(&decider(&checkout, "anna"), &id).unwrap();
        assert_eq!(checkout.files(), new);
        let (workspace, count) = faulty(&checkout, at, true);
        let result = decide::revert(&decider_over(workspace, "anna"), &id, None);
        match recovered(&checkout, &id) {
            State::Reverted => assert_eq!(checkout.files(), old, "step {at}"),
            State::Applied => assert_eq!(checkout.files(), new, "step {at}"),
            other => panic!("step {at}: {other:?} after {result:?}"),
        }
        nothing_unfinished(&checkout);
        if count.load(Ordering::Relaxed) <= at {
            break;
        }
    }
}

#[test]
fn a_source_that_changed_is_named_with_both_versions_and_nothing_is_applied() {
    let (checkout, id, mut files, _) = approved();
    fs::write(checkout.root().join("src/gone.rs"), "still needed\n").unwrap();
    files.get_mut("src/gone.rs").unwrap().0 = b"still needed\n".to_vec();
    let error = decide::apply(&decider(&checkout, "anna"), &id).unwrap_err();
    assert_eq!(error.code, Code::Conflict);
    assert!(error.message.contains("conflicted"), "{error}");
    for version in [
        mcp_workspace_test_support::git::version(b"bye\n"),
        mcp_workspace_test_support::git::version(b"still needed\n"),
    ] {
        assert!(error.message.contains(&version), "{error}");
    }
    assert!(!error.message.contains("src/changed.rs"), "{error}");
    assert_eq!(checkout.files(), files);
    assert_eq!(state(&checkout, &id), State::Conflicted);
}

#[test]
fn revert_refuses_when_a_file_has_changed_since() {
    let (checkout, id, _, _) = approved();
    decide::apply(&decider(&checkout, "anna"), &id).unwrap();
    fs::write(checkout.root().join("src/changed.rs"), "later work\n").unwrap();
    let before = checkout.files();
    let error = decide::revert(&decider(&checkout, "anna"), &id, None).unwrap_err();
    assert!(error.message.contains("src/changed.rs"), "{error}");
    assert_eq!(checkout.files(), before);
    assert_eq!(state(&checkout, &id), State::Applied);
}

#[test]
fn who_may_propose_or_did_propose_does_not_decide() {
    let checkout = Checkout::of(&[("src/a.rs", "a\n")]);
    let answer = checkout.edits(json!([{"path": "src/a.rs", "old_text": "a", "new_text": "b"}]));
    let id = answer.unwrap()["id"].as_str().unwrap().to_owned();
    for (caller, why) in [
        ("jwt:both", "may propose on `src/a.rs`"),
        ("narrow", "may not decide about `src/a.rs`"),
        ("local", "proposed"),
    ] {
        let error = decide::approve(&decider(&checkout, caller), &id, None, None).unwrap_err();
        assert_eq!(error.code, Code::Denied, "{caller}");
        assert!(error.message.contains(why), "{caller}: {error}");
    }
    assert_eq!(state(&checkout, &id), State::Proposed);
}

#[test]
fn steps_that_do_not_follow_are_refused() {
    let (checkout, id, _, _) = approved();
    let anna = decider(&checkout, "anna");
    let conflict = |result: Result<_, mcp_workspace_tools::error::ToolError>| {
        let error = result.map(drop::<mcp_workspace_tools::records::decision::Decision>);
        assert_eq!(error.unwrap_err().code, Code::Conflict);
    };
    conflict(decide::approve(&anna, &id, None, None));
    conflict(decide::revert(&anna, &id, None));
    assert_eq!(decide::reject(&anna, &id, " ").unwrap_err().code, Code::InvalidArgument);
    decide::reject(&anna, &id, "not now").unwrap();
    assert_eq!(state(&checkout, &id), State::Rejected);
    conflict(decide::apply(&anna, &id));
    conflict(decide::approve(&anna, &id, None, None));
    conflict(decide::reject(&anna, &id, "again"));
}

#[test]
fn of_many_who_decide_at_once_one_wins() {
    let (checkout, id, _, new) = approved();
    let results: Vec<_> = std::thread::scope(|scope| {
        let apply = |number: usize| {
            let decider = decider(&checkout, if number.is_multiple_of(2) { "anna" } else { "ben" });
            let id = &id;
            scope.spawn(move || match number {
                0..4 => decide::apply(&decider, id),
                _ => decide::reject(&decider, id, "no"),
            })
        };
        let running: Vec<_> = (0..8).map(apply).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let history = decide::show(&decider(&checkout, "anna"), &id).unwrap().history;
    let steps: Vec<Action> = history.iter().map(|step| step.action).collect();
    let rejected = results.iter().flatten().filter(|step| step.action == Action::Rejected).count();
    match steps.as_slice() {
        [Action::Approved, Action::Rejected] => assert_eq!(rejected, 1),
        [Action::Approved, Action::Applying, Action::Applied] => {
            assert_eq!(rejected, 0);
            assert_eq!(checkout.files(), new);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_approval_is_of_exactly_what_the_id_names() {
    let (checkout, id, old, _) = approved();
    let patch = checkout.root().join(format!("output/proposals/{id}/change.patch"));
    let forged = fs::read_to_string(&patch).unwrap().replace("+2\n", "+evil\n");
    fs::write(&patch, forged).unwrap();
    let error = decide::apply(&decider(&checkout, "anna"), &id).unwrap_err();
    assert!(error.message.contains("damaged"), "{error}");
    assert_eq!(checkout.files(), old);
}

#[test]
fn the_second_proposal_on_a_file_is_told_and_conflicts_once_the_first_is_applied() {
    let checkout = Checkout::of(&[("src/a.rs", "a\nb\n"), ("src/c.rs", "c\n")]);
    let edit = |path: &str, old: &str, new: &str| {
        checkout.edits(json!([{"path": path, "old_text": old, "new_text": new}])).unwrap()
    };
    let first = edit("src/a.rs", "a", "1");
    let other = edit("src/c.rs", "c", "3");
    assert!(first.get("conflicts_with").is_none() && other.get("conflicts_with").is_none());
    let second = edit("src/a.rs", "b", "2");
    assert_eq!(second["conflicts_with"], json!([first["id"]]));
    let (one, two) = (first["id"].as_str().unwrap(), second["id"].as_str().unwrap());
    let anna = decider(&checkout, "anna");
    let listed = decide::list(&anna).unwrap().readable;
    let of = |id: &str| listed.iter().find(|view| view.proposal.id == id).unwrap();
    assert_eq!(of(one).conflicts_with, [two]);
    decide::approve(&anna, one, None, None).unwrap();
    decide::apply(&anna, one).unwrap();
    assert_eq!(state(&checkout, two), State::Conflicted);
    // What no longer fits is in nobody's way.
    assert!(edit("src/a.rs", "b", "3").get("conflicts_with").is_none());
    decide::reject(&anna, two, "overtaken").unwrap();
}
