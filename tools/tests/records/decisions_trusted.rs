//! A record is trusted for what it proves, not for where it lies. Whoever can write the mount and
//! plants a journal there has nothing carried out that was not approved as it is, and a look never
//! carries out anything.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mcp_workspace_tools::decide;
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::records::decision::{Action, State};
use serde_json::{Value, json};

use mcp_workspace_test_support::kinds::{Thing, under_permissions, unlock};

use crate::deciding::{NEW, OLD, Place};

/// Looks in every way, and nothing on the disk is another afterwards.
fn look_without_a_trace(place: &Place, what: &str) {
    let before = place.everything();
    for caller in ["anna", "clara"] {
        let _ = decide::list(&place.decider(caller)).unwrap();
        let _ = decide::show(&place.decider(caller), &place.id);
        let _ = decide::may_see(&place.decider(caller), &place.id);
    }
    assert!(place.everything() == before, "{what}: a look has changed something");
}

#[test]
fn a_look_carries_out_nothing_and_recovering_does() {
    let place = Place::interrupted();
    look_without_a_trace(&place, "a true journal");
    let shown = decide::show(&place.decider("anna"), &place.id).unwrap();
    assert_eq!((shown.state, shown.doubt), (State::Applying, None));
    let listed = decide::list(&place.decider("anna")).unwrap().readable;
    assert_eq!(listed[0].state, State::Applying);
    assert_eq!(place.source(), OLD);
    // Nor do decisions that are none about its end.
    let anna = place.decider("anna");
    assert_eq!(decide::approve(&anna, &place.id, None, None).unwrap_err().code, Code::Conflict);
    assert_eq!(decide::reject(&anna, &place.id, "no").unwrap_err().code, Code::Conflict);
    assert_eq!(place.source(), OLD);
    let ended = decide::recover(&anna, &place.id).unwrap();
    assert_eq!(ended.action, Action::Applied);
    assert_eq!(place.source(), NEW);
    // Once.
    assert_eq!(decide::recover(&anna, &place.id).unwrap_err().code, Code::Conflict);
    decide::revert(&anna, &place.id, None).unwrap();
    assert_eq!(place.source(), OLD);
}

#[test]
fn apply_and_revert_take_up_what_was_interrupted() {
    let place = Place::interrupted();
    assert_eq!(decide::apply(&place.decider("anna"), &place.id).unwrap().action, Action::Applied);
    assert_eq!(place.source(), NEW);
    let place = Place::interrupted();
    // It is finished first, and then taken back.
    decide::revert(&place.decider("anna"), &place.id, None).unwrap();
    assert_eq!(place.source(), OLD);
}

/// How a journal is forged, and what the refusal says.
type Forgery = (&'static str, fn(&Place), &'static str);

fn change(place: &Place, step: usize, change: impl FnOnce(&mut Value)) {
    let mut json = if step == 1 { place.approval() } else { place.intent() };
    change(&mut json);
    place.plant(step, &json);
}

fn version(text: &str) -> Value {
    json!(mcp_workspace_test_support::git::version(text.as_bytes()))
}

const FORGERIES: [Forgery; 18] = [
    (
        "no approval",
        |place| {
            fs::remove_dir_all(place.step(1)).unwrap();
            fs::remove_dir_all(place.step(2)).unwrap();
            let mut intent = place.intent();
            intent["step"] = json!(1);
            place.plant(1, &intent);
        },
        "does not follow proposed",
    ),
    (
        "the approval is missing",
        |place| fs::remove_dir_all(place.step(1)).unwrap(),
        "step 2 is there, but step 1 is missing",
    ),
    (
        "approved by who proposed it",
        |place| change(place, 1, |step| step["caller"] = json!("local")),
        "who proposed it",
    ),
    (
        "approved by a stranger",
        |place| change(place, 1, |step| step["caller"] = json!("mallory")),
        "who may not decide about `src/tool.sh`",
    ),
    (
        "approved by who decides elsewhere",
        |place| change(place, 1, |step| step["caller"] = json!("clara")),
        "who may not decide about `src/tool.sh`",
    ),
    (
        "begun by a stranger",
        |place| change(place, 2, |step| step["caller"] = json!("mallory")),
        "who began it, may not decide",
    ),
    (
        "approval of another proposal",
        |place| change(place, 1, |step| step["proposal"] = json!("0".repeat(32))),
        "is step 1 of 0000",
    ),
    (
        "approval of another record",
        |place| change(place, 1, |step| step["covers"] = json!("0".repeat(64))),
        "its record was changed afterwards",
    ),
    (
        "rejected before",
        |place| change(place, 1, |step| step["action"] = json!("rejected")),
        "does not follow rejected",
    ),
    (
        "another path",
        |place| {
            change(place, 2, |step| step["journal"]["files"][0]["path"] = json!("victim.txt"));
        },
        "other files than the proposal",
    ),
    (
        "one path more",
        |place| {
            change(place, 2, |step| {
                let files = step["journal"]["files"].as_array_mut().unwrap();
                files.push(json!({"path": "victim.txt", "after":
                    {"version": version(NEW), "mode": 0o644, "content": "1.after"}}));
            });
            place.save("1.after", NEW);
        },
        "other files than the proposal: `victim.txt`",
    ),
    (
        "one path twice",
        |place| {
            change(place, 2, |step| {
                let files = step["journal"]["files"].as_array_mut().unwrap();
                files.push(files[0].clone());
            });
        },
        "other files than the proposal",
    ),
    (
        "another content after",
        |place| {
            change(place, 2, |step| {
                step["journal"]["files"][0]["after"]["version"] = version("evil\n");
            });
            place.save("0.after", "evil\n");
        },
        "is not what the proposal changes",
    ),
    (
        "another content before",
        |place| {
            change(place, 2, |step| {
                step["journal"]["files"][0]["before"]["version"] = version("evil\n");
            });
            place.save("0.before", "evil\n");
        },
        "is damaged",
    ),
    ("content that is not as saved", |place| place.save("0.after", "evil\n"), "not as saved"),
    (
        "content from elsewhere",
        |place| {
            change(place, 2, |step| {
                step["journal"]["files"][0]["after"]["content"] = json!("decision.json");
            });
        },
        "it has content `decision.json`",
    ),
    (
        "another mode",
        |place| {
            change(place, 2, |step| step["journal"]["files"][0]["after"]["mode"] = json!(0o644));
        },
        "is not what the proposal changes",
    ),
    (
        "a directory of others",
        |place| {
            fs::create_dir(place.root().join("empty")).unwrap();
            change(place, 2, |step| step["journal"]["new_directories"] = json!(["empty"]));
        },
        "`empty` is above no file",
    ),
];

#[test]
fn a_planted_journal_is_not_carried_out() {
    for (what, forge, why) in FORGERIES {
        let place = Place::interrupted();
        forge(&place);
        let sources = place.sources();
        look_without_a_trace(&place, what);
        let anna = place.decider("anna");
        let refusals = [
            decide::recover(&anna, &place.id).unwrap_err(),
            decide::apply(&anna, &place.id).unwrap_err(),
            decide::revert(&anna, &place.id, None).unwrap_err(),
        ];
        for refusal in refusals {
            assert!(refusal.message.contains(why), "{what}: {refusal:?}");
            assert!(refusal.hint.is_some(), "{what}");
        }
        assert!(place.sources() == sources, "{what}: a source was changed");
    }
}

#[test]
fn no_set_id_and_no_wider_mode_comes_out_of_a_journal() {
    for mode in [0o4755, 0o6777, 0o1755, 0o7777, 0o775, 0o100_755] {
        let place = Place::interrupted();
        change(&place, 2, |step| {
            for side in ["before", "after"] {
                step["journal"]["files"][0][side]["mode"] = json!(mode);
            }
        });
        let tool = place.root().join("src/tool.sh");
        let mode_now = || fs::metadata(&tool).unwrap().permissions().mode() & 0o7777;
        decide::recover(&place.decider("anna"), &place.id).unwrap();
        assert_eq!((place.source().as_str(), mode_now()), (NEW, 0o755), "{mode:o}");
        decide::revert(&place.decider("anna"), &place.id, None).unwrap();
        assert_eq!((place.source().as_str(), mode_now()), (OLD, 0o755), "{mode:o}");
    }
}

#[test]
fn a_source_loses_its_set_id_bits_and_keeps_what_is_private() {
    for (before, after) in [(0o6755, 0o755), (0o4700, 0o700), (0o777, 0o755), (0o750, 0o750)] {
        let place = Place::new();
        let tool = place.root().join("src/tool.sh");
        fs::set_permissions(&tool, fs::Permissions::from_mode(before)).unwrap();
        decide::approve(&place.decider("anna"), &place.id, None, None).unwrap();
        decide::apply(&place.decider("anna"), &place.id).unwrap();
        let mode = fs::metadata(&tool).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, after, "{before:o} became {mode:o}");
    }
}

/// Texts of a record that people see and that the diff does not hold.
const TEXTS: [(&str, &str); 7] = [
    ("title", "fix a typo"),
    ("rationale", "harmless"),
    ("agent", "trusted-role"),
    ("caller", "somebody-else"),
    ("run", "monday"),
    ("created", "2020-01-01T00:00:00Z"),
    ("finding_ids", ""),
];

#[test]
fn an_approval_covers_every_text_that_was_seen() {
    for (field, text) in TEXTS {
        let tamper = |place: &Place| {
            let mut record: Value =
                serde_json::from_slice(&fs::read(place.record()).unwrap()).unwrap();
            record[field] = if text.is_empty() { json!(["a:b"]) } else { json!(text) };
            fs::write(place.record(), record.to_string()).unwrap();
        };
        // After the approval.
        let place = Place::new();
        decide::approve(&place.decider("anna"), &place.id, None, None).unwrap();
        tamper(&place);
        let refusal = decide::apply(&place.decider("ben"), &place.id).unwrap_err();
        assert!(refusal.message.contains("changed afterwards"), "{field}: {refusal}");
        assert_eq!(place.source(), OLD);
        let doubt = decide::show(&place.decider("anna"), &place.id).unwrap().doubt;
        assert!(doubt.unwrap().contains("changed afterwards"), "{field}");
        // Between the look and the approval.
        let place = Place::new();
        let seen = decide::show(&place.decider("anna"), &place.id).unwrap().proposal.digest();
        tamper(&place);
        let refusal = decide::approve(&place.decider("anna"), &place.id, None, Some(&seen));
        assert_eq!(refusal.unwrap_err().code, Code::Conflict, "{field}");
        let shown = decide::show(&place.decider("anna"), &place.id).unwrap();
        assert!(shown.history.is_empty(), "{field}");
        decide::approve(&place.decider("anna"), &place.id, None, Some(&shown.proposal.digest()))
            .unwrap();
    }
}

#[test]
fn an_approval_of_an_older_version_is_given_again() {
    let place = Place::new();
    let mut approval = place.approval();
    approval.as_object_mut().unwrap().remove("covers");
    place.plant(1, &approval);
    let anna = place.decider("anna");
    let shown = decide::show(&anna, &place.id).unwrap();
    assert!(shown.state == State::Approved && shown.awaits_approval());
    let refusal = decide::apply(&anna, &place.id).unwrap_err();
    assert!(refusal.message.contains("did not record of what"), "{refusal}");
    decide::approve(&anna, &place.id, None, None).unwrap();
    decide::apply(&anna, &place.id).unwrap();
    assert_eq!(place.source(), NEW);
    // Twice is enough.
    assert_eq!(decide::approve(&anna, &place.id, None, None).unwrap_err().code, Code::Conflict);
}

#[test]
fn whatever_is_in_the_place_of_a_step_is_told_and_keeps_no_other_proposal_from_its_own() {
    under_permissions(|| {
        for thing in Thing::ALL {
            for name in ["1", "1/decision.json"] {
                let place = Place::new();
                let other = json!([{"path": "victim.txt", "old_text": "whole", "new_text": "w"}]);
                let other = place.checkout.edits(other).unwrap()["id"].as_str().unwrap().to_owned();
                let there = place.root().join(format!("output/decisions/{}/{name}", place.id));
                thing.make(&there);
                let anna = place.decider("anna");
                let listed = decide::list(&anna).unwrap();
                assert_eq!((listed.readable.len(), listed.unreadable.len()), (2, 0), "{thing:?}");
                decide::approve(&anna, &other, None, None).unwrap();
                let shown = decide::show(&anna, &place.id).unwrap();
                let approved = decide::approve(&anna, &place.id, None, None);
                // A file is no step and gives way to one.
                let files = [Thing::File, Thing::Fifo, Thing::Socket, Thing::LockedFile];
                if name == "1" && files.contains(&thing) {
                    assert_eq!(shown.doubt, None, "{thing:?}");
                    approved.unwrap();
                } else {
                    let doubt = shown.doubt.unwrap();
                    assert!(doubt.contains(&format!("{}/1", place.id)), "{thing:?}: {doubt}");
                    let refusal = approved.unwrap_err();
                    assert!(refusal.message.contains("cannot be believed"), "{thing:?} {refusal}");
                }
                unlock(&there);
            }
        }
    });
}
