//! Where the policy names a key, steps without a true signature are shown as such and nothing is
//! done by them; each signature covers its step and all before it.

use std::fs;
use std::path::PathBuf;

use mcp_workspace_tools::decide;
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::records::decision::State;
use mcp_workspace_tools::records::signature::{DecisionKeys, WrongKeys};
use mcp_workspace_tools::workspace::Workspace;
use serde_json::{Value, json};

use crate::deciding::{KEY, NEW, OLD, Place};

fn signed() -> Place {
    Place { signed: true, ..Place::new() }
}

fn file(place: &Place, step: usize) -> PathBuf {
    place.step(step).join("decision.json")
}

fn change(place: &Place, step: usize, change: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_slice(&fs::read(file(place, step)).unwrap()).unwrap();
    change(&mut json);
    fs::write(file(place, step), json.to_string()).unwrap();
}

/// How a stored step is changed.
type Forge = fn(&mut Value);

/// Nothing follows from what is stored, and everybody is told.
fn is_doubted(place: &Place, why: &str, what: &str) {
    let source = place.source();
    let anna = place.decider("anna");
    let shown = decide::show(&anna, &place.id).unwrap();
    assert!(shown.doubt.as_ref().is_some_and(|doubt| doubt.contains(why)), "{what}: {shown:?}");
    let listed = decide::list(&anna).unwrap().readable;
    let listed = listed.iter().find(|view| view.proposal.id == place.id).unwrap();
    assert!(listed.doubt.is_some(), "{what}");
    for refusal in [
        decide::apply(&anna, &place.id).unwrap_err(),
        decide::revert(&anna, &place.id, None).unwrap_err(),
        decide::recover(&anna, &place.id).unwrap_err(),
        decide::approve(&anna, &place.id, None, None).unwrap_err(),
        decide::reject(&anna, &place.id, "no").unwrap_err(),
    ] {
        assert!(refusal.message.contains("cannot be believed"), "{what}: {refusal}");
    }
    assert_eq!(place.source(), source, "{what}");
}

#[test]
fn signed_decisions_are_carried_out() {
    let place = signed();
    decide::approve(&place.decider("anna"), &place.id, Some("good"), None).unwrap();
    decide::apply(&place.decider("ben"), &place.id).unwrap();
    assert_eq!(place.source(), NEW);
    decide::revert(&place.decider("anna"), &place.id, None).unwrap();
    assert_eq!(place.source(), OLD);
    let shown = decide::show(&place.decider("anna"), &place.id).unwrap();
    assert_eq!((shown.state, shown.doubt), (State::Reverted, None));
    assert!(shown.history.iter().all(|step| step.signature.is_some()));
}

#[test]
fn a_step_without_a_signature_is_not_believed() {
    let place = signed();
    place.plant(1, &place.approval());
    is_doubted(&place, "is not signed", "planted");
    assert_eq!(decide::show(&place.decider("anna"), &place.id).unwrap().state, State::Proposed);
}

#[test]
fn a_signature_is_of_one_step_with_one_key() {
    let change_step = |change_json: fn(&mut Value)| {
        let place = signed();
        decide::approve(&place.decider("anna"), &place.id, Some("good"), None).unwrap();
        change(&place, 1, change_json);
        place
    };
    let forgeries: [(&str, Forge); 7] = [
        ("caller", |step| step["caller"] = json!("ben")),
        ("role", |step| step["role"] = json!("other")),
        ("reason", |step| step["reason"] = json!("bad")),
        ("time", |step| step["created"] = json!("2020-01-01T00:00:00Z")),
        ("what it covers", |step| step["covers"] = json!("0".repeat(64))),
        ("signature", |step| step["signature"] = json!("0".repeat(64))),
        ("short signature", |step| step["signature"] = json!("00")),
    ];
    for (what, forge) in forgeries {
        is_doubted(&change_step(forge), "has a signature that is not", what);
    }
    // The signature of another key.
    let place = signed();
    let other = DecisionKeys::new(&[b'x'; 40]).unwrap();
    let step = serde_json::from_value(place.approval()).unwrap();
    let mut forged = place.approval();
    forged["signature"] = json!(other.sign(&step, None));
    place.plant(1, &forged);
    is_doubted(&place, "has a signature that is not", "another key");
    // The true approval of another proposal, whatever it says of itself.
    let (place, other) = (signed(), signed());
    decide::approve(&other.decider("anna"), &other.id, None, None).unwrap();
    let moved = json!({"path": "victim.txt", "old_text": "whole", "new_text": "w"});
    let id = place.checkout.edits(json!([moved])).unwrap()["id"].as_str().unwrap().to_owned();
    let place = Place { id, ..place };
    fs::create_dir_all(place.step(1)).unwrap();
    fs::copy(file(&other, 1), file(&place, 1)).unwrap();
    change(&place, 1, |step| {
        step["proposal"] = json!(place.id);
        step["covers"] = json!(place.proposal().digest());
    });
    is_doubted(&place, "has a signature that is not", "another proposal");
}

#[test]
fn steps_cannot_be_left_out_or_moved() {
    // Approved, applied, reverted: five steps.
    let place = || {
        let place = signed();
        decide::approve(&place.decider("anna"), &place.id, None, None).unwrap();
        decide::apply(&place.decider("ben"), &place.id).unwrap();
        decide::revert(&place.decider("ben"), &place.id, None).unwrap();
        place
    };
    let first = place();
    fs::remove_dir_all(first.step(1)).unwrap();
    is_doubted(&first, "step 1 is missing", "the first is gone");
    let middle = place();
    fs::remove_dir_all(middle.step(3)).unwrap();
    is_doubted(&middle, "step 3 is missing", "one in the middle is gone");
    // The revert is left out: its two steps, and another end in their place.
    let closed = place();
    for step in [2, 3] {
        fs::remove_dir_all(closed.step(step)).unwrap();
        fs::rename(closed.step(step + 2), closed.step(step)).unwrap();
        change(&closed, step, |json| json["step"] = json!(step));
    }
    is_doubted(&closed, "has a signature that is not", "closed up");
    // An old end of an apply after a new begin.
    let moved = place();
    change(&moved, 3, |json| json["action"] = json!("apply-undone"));
    is_doubted(&moved, "has a signature that is not", "another end");
}

#[test]
fn what_a_journal_saved_is_signed_with_it() {
    let place = signed();
    decide::approve(&place.decider("anna"), &place.id, None, None).unwrap();
    decide::apply(&place.decider("ben"), &place.id).unwrap();
    fs::write(place.step(2).join("0.before"), "evil\n").unwrap();
    let refusal = decide::revert(&place.decider("anna"), &place.id, None).unwrap_err();
    assert!(refusal.message.contains("not as saved"), "{refusal}");
    let hash = mcp_workspace_test_support::git::version(b"evil\n");
    change(&place, 2, |json| json["journal"]["files"][0]["before"]["version"] = json!(hash));
    is_doubted(&place, "has a signature that is not", "its hash");
    assert_eq!(place.source(), NEW);
}

#[test]
fn a_program_without_the_key_decides_nothing() {
    let place = signed();
    decide::approve(&place.decider("anna"), &place.id, None, None).unwrap();
    let workspace = || Workspace::open_with_ambient_authority(&place.root()).unwrap();
    let keyless = place.with_keys(workspace(), "anna", None);
    let shown = decide::show(&keyless, &place.id).unwrap();
    assert!(shown.doubt.unwrap().contains("was not given it"));
    assert!(decide::apply(&keyless, &place.id).is_err());
    let fresh = signed();
    let workspace = Workspace::open_with_ambient_authority(&fresh.root()).unwrap();
    let keyless = fresh.with_keys(workspace, "anna", None);
    assert!(decide::show(&keyless, &fresh.id).unwrap().doubt.is_none());
    let refusal = decide::approve(&keyless, &fresh.id, None, None).unwrap_err();
    assert_eq!(refusal.code, Code::Denied, "{refusal}");
}

#[test]
fn an_older_key_proves_what_it_signed_and_signs_no_more() {
    let place = signed();
    let newer = "fedcba9876543210fedcba9876543210";
    let with = |keys: &str| {
        let workspace = Workspace::open_with_ambient_authority(&place.root()).unwrap();
        place.with_keys(workspace, "anna", Some(keys))
    };
    decide::approve(&with(KEY), &place.id, None, None).unwrap();
    // Replaced without the older one, nothing of before is believed.
    let doubt = decide::show(&with(newer), &place.id).unwrap().doubt.unwrap();
    assert!(doubt.contains("not of a key of this program"), "{doubt}");
    assert!(decide::apply(&with(newer), &place.id).is_err());
    assert_eq!(place.source(), OLD);

    let both = format!("{newer}\n{KEY}\n");
    let ids = DecisionKeys::new(both.as_bytes()).unwrap().ids();
    let own = DecisionKeys::new(KEY.as_bytes()).unwrap().ids();
    assert_eq!((ids.len(), &ids[1..]), (2, own.as_slice()));
    assert!(!KEY.contains(&own[0]) && own[0].len() == 8);

    decide::apply(&with(&both), &place.id).unwrap();
    assert_eq!(place.source(), NEW);
    // The steps after the change have the signature of the newer key alone.
    assert!(decide::show(&with(KEY), &place.id).unwrap().doubt.unwrap().contains("step 2"));
    // While programs are told one after another, each believes what the others sign.
    let told_already = with(&both);
    let not_yet = with(&format!("{KEY} {newer}"));
    assert_eq!(decide::show(&not_yet, &place.id).unwrap().doubt, None);
    decide::revert(&not_yet, &place.id, None).unwrap();
    let shown = decide::show(&told_already, &place.id).unwrap();
    assert_eq!((shown.state, shown.doubt), (State::Reverted, None));
}

#[test]
fn keys_have_a_length_and_are_never_shown() {
    let wrong = |text: &str| DecisionKeys::new(text.as_bytes()).unwrap_err();
    assert_eq!(wrong("  short\n"), WrongKeys::TooShort { number: 1, count: 1, bytes: 5 });
    assert_eq!(wrong(" \n"), WrongKeys::None);
    let long = "k".repeat(32);
    let error = wrong(&format!("{long} words of a sentence"));
    assert_eq!(error, WrongKeys::TooShort { number: 2, count: 5, bytes: 5 });
    assert!(!error.to_string().contains("words"), "{error}");
    assert_eq!(wrong(&[long.as_str(); 17].join(" ")), WrongKeys::TooMany(17));
    let keys = DecisionKeys::new(&[b'k'; 32]).unwrap();
    assert!(!format!("{keys:?}").contains("kkk"));
}
