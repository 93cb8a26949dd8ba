//! The ready policies do what their expectations say; the rejected ones give exactly their error.

use std::fs;
use std::path::{Path, PathBuf};

use mcp_workspace_tools::policy::Policy;

fn policies(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies").join(directory);
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

#[test]
fn ready_policies_hold_their_expectations() {
    let files = policies("");
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let policy = Policy::parse(&fs::read_to_string(&file).unwrap(), "policy").unwrap();
        let outcomes = policy.test();
        assert!(outcomes.len() >= 5, "{}", file.display());
        for outcome in &outcomes {
            assert!(
                outcome.holds,
                "{}: {}\n{}",
                file.display(),
                outcome.place,
                outcome.explanation
            );
        }
        let denials = outcomes.iter().filter(|outcome| !outcome.explanation.is_allowed()).count();
        assert!(denials >= 3 && denials < outcomes.len(), "{}: both ways", file.display());
    }
}

#[test]
fn rejected_policies_give_their_errors() {
    let files = policies("rejected");
    assert!(files.len() >= 10);
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let errors = Policy::parse(&fs::read_to_string(&file).unwrap(), name)
            .expect_err("a rejected policy was accepted");
        let told: String = errors.iter().map(|error| format!("{error}\n")).collect();
        let expected = file.with_extension("txt");
        if std::env::var_os("UPDATE_POLICIES").is_some() {
            fs::write(&expected, &told).unwrap();
        }
        assert_eq!(told, fs::read_to_string(&expected).unwrap(), "{name}");
    }
}
