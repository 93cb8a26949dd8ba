//! A list of proposals is made of records alone: what the sources cost is paid by who opens one.

use std::fs;
use std::time::Duration;

use delayed_mount::{Mounted, Operation, Options};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::{self, ProposalView};
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::memory::Memory;
use mcp_workspace_tools::patch::{Change, version};
use mcp_workspace_tools::records::decision::State;
use mcp_workspace_tools::records::proposal::{FORMAT, Proposal, ProposedFile, id_of};
use mcp_workspace_tools::workspace::Workspace;

use crate::deciding::Place;

const MANY: usize = 110;

/// Many proposals that each change the first line of one large file. Their records are written as
/// the tool does it; to propose them all would hash that file so many times here.
fn many(place: &Place) -> String {
    let content = "line\n".repeat(51 * 1024 * 1024 / 5);
    fs::write(place.root().join("src/big.txt"), &content).unwrap();
    let base = version(content.as_bytes());
    let mut last = String::new();
    for number in 0..MANY {
        let patch = format!(
            "diff --git a/src/big.txt b/src/big.txt\n--- a/src/big.txt\n+++ b/src/big.txt\n\
             @@ -1,4 +1,4 @@\n-line\n+line {number}\n line\n line\n line\n"
        );
        let files = vec![ProposedFile {
            path: "src/big.txt".to_owned(),
            change: Change::Modified,
            old_path: None,
            additions: 1,
            deletions: 1,
            base_version: Some(base.clone()),
            result_version: Some("0".repeat(64)),
        }];
        let id = id_of(patch.as_bytes(), &files);
        let proposal = Proposal {
            format: FORMAT,
            id: id.clone(),
            title: format!("change {number}"),
            rationale: None,
            finding_ids: Vec::new(),
            run: None,
            agent: "agent".to_owned(),
            caller: "agent".to_owned(),
            created: format!("2026-01-01T00:{:02}:{:02}Z", number / 60, number % 60),
            files,
        };
        let folder = place.root().join(format!("output/proposals/{id}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("proposal.json"), serde_json::to_vec(&proposal).unwrap()).unwrap();
        fs::write(folder.join("change.patch"), patch).unwrap();
        last = id;
    }
    last
}

#[test]
fn many_proposals_on_one_large_file_are_listed_without_opening_it() {
    let place = Place::new();
    let last = many(&place);
    let Some(mounted) = Mounted::or_skip(&place.root(), Options::default()).unwrap() else {
        return;
    };
    let anna = || {
        let workspace = Workspace::open_with_ambient_authority(mounted.path()).unwrap();
        place.over(workspace, "anna")
    };
    let before = mounted.counts().of(Operation::Read);
    let listing = decide::list(&anna()).unwrap();
    let reads = mounted.counts().of(Operation::Read) - before;
    assert_eq!((listing.readable.len(), listing.not_read), (MANY + 1, 0));
    assert!(listing.readable.iter().all(|view| view.state == State::Proposed));
    assert!(listing.unreadable.is_empty());
    // A record or two a proposal; the large file takes four hundred for itself.
    assert!(reads <= 3 * (MANY as u64 + 1), "{reads} reads");
    // The one that is opened is compared with its source.
    let before = mounted.counts().of(Operation::Read);
    let shown = decide::show(&anna(), &last).unwrap();
    assert_eq!(shown.state, State::Proposed);
    // As many conflicts are told as a person can look at.
    assert_eq!(shown.conflicts_with.len(), ProposalView::MOST_CONFLICTS);
    assert!(shown.more_conflicts && !shown.conflicts_with.contains(&last));
    let reads = mounted.counts().of(Operation::Read) - before;
    assert!(reads < 3 * (MANY as u64 + 1) + 1_000, "{reads} reads");
}

#[test]
fn a_list_tells_what_was_decided_and_a_look_what_the_sources_are() {
    let place = Place::new();
    fs::remove_file(place.root().join("src/tool.sh")).unwrap();
    let listed = decide::list(&place.decider("anna")).unwrap().readable;
    assert_eq!(listed[0].state, State::Proposed);
    let shown = decide::show(&place.decider("anna"), &place.id).unwrap();
    assert_eq!((shown.state, shown.changed.len()), (State::Conflicted, 1));
    let compared = decide::compare(&place.decider("anna"), listed[0].clone()).unwrap();
    assert_eq!(compared.state, State::Conflicted);
}

#[test]
fn a_list_ends_with_its_time_and_says_what_is_missing() {
    let place = Place::new();
    let call = Call::new("anna", Duration::ZERO);
    let listing = decide::list(&place.decider("anna").during(&call)).unwrap();
    assert_eq!((listing.readable.len(), listing.not_read), (0, 1));
    // One that is opened is whole or an error.
    let refusal = decide::show(&place.decider("anna").during(&call), &place.id).unwrap_err();
    assert_eq!(refusal.code, Code::Deadline);
}

#[test]
fn a_record_of_absurd_size_is_left_out_alone() {
    let place = Place::new();
    let folder = place.root().join(format!("output/proposals/{}", "f".repeat(32)));
    fs::create_dir_all(&folder).unwrap();
    fs::File::create(folder.join("proposal.json")).unwrap().set_len(1 << 40).unwrap();
    fs::write(folder.join("change.patch"), "").unwrap();
    let listing = decide::list(&place.decider("anna")).unwrap();
    assert_eq!((listing.readable.len(), listing.unreadable.len()), (1, 1));
}

#[test]
fn a_list_takes_no_more_memory_than_a_caller_may_have_and_tells_the_rest() {
    let place = Place::new();
    let model = place.proposal();
    for number in 0..30 {
        let id = format!("{number:032x}");
        let rationale = Some("r".repeat(900_000));
        let proposal = Proposal { id: id.clone(), rationale, ..model.clone() };
        let folder = place.root().join(format!("output/proposals/{id}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("proposal.json"), serde_json::to_vec(&proposal).unwrap()).unwrap();
    }
    let memory = Memory::new(16 * 1024 * 1024);
    let workspace = Workspace::open_with_ambient_authority(&place.root()).unwrap();
    let call = Call::new("anna", Duration::from_secs(60));
    let decider = place.over(workspace.with_memory(memory.clone()), "anna").during(&call);
    let listed = decide::list(&decider).unwrap();
    // Of those that are too large some have room, and the others take nothing from a small one.
    assert!((2..15).contains(&listed.readable.len()), "{}", listed.readable.len());
    assert!(listed.readable.iter().any(|view| view.proposal.id == place.id));
    assert_eq!(listed.readable.len() + listed.unreadable.len(), 31);
    let why = &listed.unreadable[0].error;
    assert!(why.code == Code::TooLarge && why.message.contains("bytes of memory"), "{why}");
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_history_that_nobody_can_have_made_is_doubted_and_read_no_further() {
    let place = Place::new();
    place.plant(1, &place.approval());
    let step = |number: usize, action: &str, journal: bool| {
        let mut step = place.intent();
        step["step"] = number.into();
        step["action"] = action.into();
        if !journal {
            step.as_object_mut().unwrap().remove("journal");
        }
        place.plant(number, &step);
    };
    for number in (2..1_004).step_by(2) {
        step(number, "applying", true);
        step(number + 1, "apply-undone", false);
    }
    let shown = decide::show(&place.decider("anna"), &place.id).unwrap();
    assert!(shown.doubt.unwrap().contains("more than 1000 steps"));
    assert_eq!(shown.history.len(), 1_000);
}
