//! Somebody edits a source while a proposal is applied or reverted to it, between any two file
//! operations. Whatever came of the apply, the edit is at its path, or the error says where it is
//! kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use delayed_mount::{Mounted, Options};
use mcp_workspace_test_support::checkout::Checkout;
use mcp_workspace_test_support::git::files_of;
use mcp_workspace_tools::decide;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::records::decision::Decision;
use mcp_workspace_tools::workspace::{Decider, FaultPoint, Operation, Workspace};
use serde_json::json;

const POLICY: &str = r#"
version = 1
[[role]]
name = "person"
callers = ["anna"]
read = ["**"]
decide = ["**"]
"#;

/// One file of each kind of change.
const FILES: [&str; 5] =
    ["src/changed.rs", "src/gone.rs", "src/moved.rs", "src/new/place.rs", "made/it.txt"];

/// How an editor saves.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Saves {
    ByRename,
    InPlace,
}

impl Saves {
    fn save(self, path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match self {
            Saves::InPlace => fs::write(path, text).unwrap(),
            Saves::ByRename => {
                let aside = path.with_extension("editor~");
                fs::write(&aside, text).unwrap();
                fs::rename(&aside, path).unwrap();
            }
        }
    }
}

struct Place {
    checkout: Checkout,
    id: String,
    /// What was told by errors.
    told: Mutex<String>,
    /// Where the editor works, if that is not where the files lie.
    desk: Mutex<Option<PathBuf>>,
}

impl Place {
    fn new() -> Place {
        let checkout = Checkout::new(&files_of(&[
            ("src/changed.rs", "one\ntwo\n"),
            ("src/gone.rs", "bye\n"),
            ("src/moved.rs", "1\n2\n3\n4\n5\n"),
        ]));
        let answer = checkout.edits(json!([
            {"path": "src/changed.rs", "old_text": "two", "new_text": "2"},
            {"path": "src/gone.rs", "delete": true},
            {"path": "src/moved.rs", "new_path": "src/new/place.rs"},
            {"path": "made/it.txt", "create": true, "new_text": "new\n"},
        ]));
        let id = answer.unwrap()["id"].as_str().unwrap().to_owned();
        let place = Place { checkout, id, told: Mutex::default(), desk: Mutex::default() };
        decide::approve(&place.decider(place.open()), &place.id, None, None).unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        self.checkout.root()
    }

    fn save(&self, saves: Saves, file: &str) {
        let desk = self.desk.lock().unwrap().clone();
        saves.save(&desk.unwrap_or_else(|| self.root()).join(file), "an edit\n");
    }

    fn open(&self) -> Workspace {
        Workspace::open_with_ambient_authority(&self.root()).unwrap()
    }

    fn decider(&self, workspace: Workspace) -> Decider {
        let policy = Policy::parse(POLICY, "policy").unwrap();
        let layout = Arc::new(policy.layout().clone());
        Decider::new(Arc::new(workspace), &policy.grant("anna").unwrap(), layout, "anna")
    }

    fn hear<T>(&self, result: &Result<T, ToolError>) {
        if let Err(error) = result {
            let mut told = self.told.lock().unwrap();
            told.push_str(&error.message);
            told.push('\n');
        }
    }

    /// The edit is at its path, or where an error says.
    fn has(&self, path: &str, edit: &str, what: &str) {
        let at_its_path = fs::read_to_string(self.root().join(path)).is_ok_and(|now| now == edit);
        let told = self.told.lock().unwrap();
        let named = told.split("is kept in `").skip(1).filter_map(|rest| rest.split('`').next());
        let kept: Vec<PathBuf> = named.map(|kept| self.root().join(kept)).collect();
        let is_kept = kept.iter().any(|kept| fs::read_to_string(kept).is_ok_and(|it| it == edit));
        assert!(at_its_path || is_kept, "{what}: the edit of {path} is lost; told:\n{told}");
    }

    /// Once all has ended: no file is half changed, and nothing unfinished is left.
    fn is_settled(&self, edited: &str, what: &str) {
        let shown = decide::show(&self.decider(self.open()), &self.id).unwrap();
        if shown.is_begun() {
            let recovered = decide::recover(&self.decider(self.open()), &self.id);
            self.hear(&recovered);
            recovered.unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        for (path, _) in self.checkout.files() {
            assert!(!path.contains(".unfinished"), "{what}: {path} is left");
        }
        let files = self.checkout.files();
        let is = |path: &str, text: &str| {
            files.get(path).is_some_and(|(content, _)| content == text.as_bytes())
        };
        let old = is("src/changed.rs", "one\ntwo\n") && is("src/gone.rs", "bye\n");
        let new = is("src/changed.rs", "one\n2\n") && !files.contains_key("src/gone.rs");
        if !edited.starts_with("src/changed") && !edited.starts_with("src/gone") {
            assert!(old || new, "{what}: {:?}", files.keys());
        }
    }
}

/// Runs `work` once for each point between its file operations, with `edit` done there. Before the
/// step that says that sources are about to be changed, none is.
fn at_each_point(
    intent: u32,
    workspace: impl Fn(&Place) -> Workspace,
    prepare: impl Fn() -> Place,
    work: impl Fn(&Decider, &str) -> Result<Decision, ToolError>,
    edit: impl Fn(&Place, Operation, FaultPoint) -> bool + Send + Sync + 'static,
    check: impl Fn(&Place, &str),
) -> usize {
    let edit = Arc::new(edit);
    let mut edited = 0;
    for at in 0.. {
        let place = Arc::new(prepare());
        let count = Arc::new(AtomicUsize::new(0));
        let done = Arc::new(AtomicUsize::new(0));
        let point = Arc::new(Mutex::new(String::new()));
        let faulty = {
            let (place, count, done, edit) =
                (Arc::clone(&place), Arc::clone(&count), Arc::clone(&done), Arc::clone(&edit));
            let point = Arc::clone(&point);
            let step = |number: u32| format!("output/decisions/{}/{number}", place.id);
            let begun = place.root().join(step(intent));
            let ended = place.root().join(step(intent + 1));
            workspace(&place).with_faults(move |operation, side| {
                if !begun.exists() || ended.exists() {
                    return None;
                }
                if count.fetch_add(1, Ordering::Relaxed) == at && edit(&place, operation, side) {
                    done.fetch_add(1, Ordering::Relaxed);
                    *point.lock().unwrap() = format!("{side:?} {operation:?}, number {at}");
                }
                None
            })
        };
        let result = work(&place.decider(faulty), &place.id);
        place.hear(&result);
        let what = format!("{} ({result:?})", point.lock().unwrap());
        if done.load(Ordering::Relaxed) == 1 {
            edited += 1;
            check(&place, &what);
        }
        if count.load(Ordering::Relaxed) <= at {
            return edited;
        }
    }
    edited
}

/// Saves each file in each way at each point of `work`: the edit is there afterwards.
fn no_edit_is_lost(
    intent: u32,
    prepare: impl Fn() -> Place,
    work: impl Fn(&Decider, &str) -> Result<Decision, ToolError>,
) {
    for saves in [Saves::ByRename, Saves::InPlace] {
        for file in FILES {
            let points = at_each_point(
                intent,
                Place::open,
                &prepare,
                &work,
                move |place, _, _| {
                    place.save(saves, file);
                    true
                },
                |place, what| {
                    place.is_settled(file, &format!("{saves:?} {file} {what}"));
                    place.has(file, "an edit\n", &format!("{saves:?} {file} {what}"));
                },
            );
            assert!(points > 20, "{points} points");
        }
    }
}

#[test]
fn an_edit_between_any_two_operations_of_an_apply_is_not_lost() {
    no_edit_is_lost(2, Place::new, decide::apply);
}

#[test]
fn an_edit_between_any_two_operations_of_a_revert_is_not_lost() {
    let applied = || {
        let place = Place::new();
        decide::apply(&place.decider(place.open()), &place.id).unwrap();
        place
    };
    no_edit_is_lost(4, applied, |decider, id| decide::revert(decider, id, None));
}

/// An editor that saves again after its first edit has been exchanged out: both versions exist.
#[test]
fn two_edits_in_a_row_are_both_kept() {
    for saves in [Saves::ByRename, Saves::InPlace] {
        let place = Arc::new(Place::new());
        let count = Arc::new(AtomicUsize::new(0));
        let workspace = {
            let (place, count) = (Arc::clone(&place), Arc::clone(&count));
            place.clone().open().with_faults(move |operation, side| {
                let source = place.root().join("src/changed.rs");
                if operation == Operation::Exchange {
                    match (side, count.fetch_add(1, Ordering::Relaxed)) {
                        (FaultPoint::Before, 0) => saves.save(&source, "first edit\n"),
                        (FaultPoint::After, 1) => saves.save(&source, "second edit\n"),
                        _ => {}
                    }
                }
                None
            })
        };
        let result = decide::apply(&place.decider(workspace), &place.id);
        place.hear(&result);
        assert!(result.is_err() && count.load(Ordering::Relaxed) >= 2, "{saves:?} {result:?}");
        place.is_settled("src/changed.rs", "two edits");
        place.has("src/changed.rs", "first edit\n", "two edits");
        place.has("src/changed.rs", "second edit\n", "two edits");
        let now = fs::read_to_string(place.root().join("src/changed.rs")).unwrap();
        assert_eq!(now, "second edit\n", "the newer one stands");
    }
}

/// The process dies at each point after an edit came in before the names changed places.
#[test]
fn an_edit_that_came_out_is_not_lost_when_the_process_dies() {
    for at in 0.. {
        let place = Arc::new(Place::new());
        let (edited, after) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let workspace = {
            let (place, edited, after) =
                (Arc::clone(&place), Arc::clone(&edited), Arc::clone(&after));
            place.clone().open().with_faults(move |operation, side| {
                if operation == Operation::Exchange
                    && side == FaultPoint::Before
                    && edited.fetch_add(1, Ordering::Relaxed) == 0
                {
                    Saves::ByRename.save(&place.root().join("src/changed.rs"), "an edit\n");
                }
                let dies = edited.load(Ordering::Relaxed) > 0
                    && after.fetch_add(1, Ordering::Relaxed) > at;
                dies.then_some(5)
            })
        };
        let result = decide::apply(&place.decider(workspace), &place.id);
        place.hear(&result);
        let what = format!("died {at} operations later: {result:?}");
        place.is_settled("src/changed.rs", &what);
        place.has("src/changed.rs", "an edit\n", &what);
        if after.load(Ordering::Relaxed) <= at {
            assert!(at > 3, "{at}");
            break;
        }
    }
}

/// On a mount without rename flags and without links. What is lost there of the edits of the same
/// machine is what an editor renames to its place between the last comparison and the rename.
#[test]
fn on_a_network_mount_only_a_rename_in_that_instant_is_lost() {
    // All workspaces of this test lie below it.
    let temporary = std::env::temp_dir();
    let Some(mounted) = Mounted::or_skip(&temporary, Options::default()).unwrap() else { return };
    let through_the_mount = |place: &Place| {
        let root = mounted.path().join(place.root().strip_prefix(&temporary).unwrap());
        *place.desk.lock().unwrap() = Some(root.clone());
        Workspace::open_with_ambient_authority(&root).unwrap()
    };
    for saves in [Saves::ByRename, Saves::InPlace] {
        for file in ["src/changed.rs", "src/gone.rs"] {
            let points = at_each_point(
                2,
                through_the_mount,
                Place::new,
                decide::apply,
                move |place, operation, side| {
                    let is_the_instant = saves == Saves::ByRename
                        && (operation, side) == (Operation::Rename, FaultPoint::Before);
                    if !is_the_instant {
                        place.save(saves, file);
                    }
                    !is_the_instant
                },
                |place, what| place.has(file, "an edit\n", &format!("{saves:?} {file} {what}")),
            );
            assert!(points > 20, "{points} points");
        }
    }
}
