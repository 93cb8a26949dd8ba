//! SECURITY.md names for each promise the tests that hold it, and what it names is there.

use std::fs;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Where tests lie.
const PLACES: [&str; 5] = ["tests/", "tools/", "crates/", "src/", "fuzz/"];

/// The names of tests in a text: what stands in backticks and begins as a path to tests.
fn named(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| PLACES.iter().any(|place| name.starts_with(place))).collect()
}

/// What is wrong with a name; none where tests are run from there.
fn problem(name: &str) -> Option<String> {
    let path = Path::new(ROOT).join(name);
    let files = if path.is_dir() {
        let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|file| file.extension().is_some_and(|it| it == "rs")).collect()
    } else if path.is_file() {
        vec![path.clone()]
    } else {
        return Some(format!("there is no {name}"));
    };
    let is_run = files.iter().any(|file| {
        let text = fs::read_to_string(file).unwrap();
        let has_tests = ["#[test]", "#[tokio::test", "proptest! {"];
        has_tests.iter().any(|sign| text.contains(sign)) && belongs_to_a_program(file)
    });
    (!is_run).then(|| format!("no test is run from {name}"))
}

/// Whether the program of its folder takes a file in.
fn belongs_to_a_program(file: &Path) -> bool {
    let main = file.with_file_name("main.rs");
    let module = format!("mod {};", file.file_stem().unwrap().to_str().unwrap());
    let is_of_tests = file.components().any(|part| part.as_os_str() == "tests");
    file == main
        || !main.is_file()
        || !is_of_tests
        || fs::read_to_string(main).unwrap().contains(&module)
}

#[test]
fn every_promise_names_tests_that_are_run() {
    let text = fs::read_to_string(Path::new(ROOT).join("SECURITY.md")).unwrap();
    let promised = text.split("## What is promised\n").nth(1).unwrap();
    let promised = promised.split("\n## ").next().unwrap();
    let promises: Vec<&str> = promised.split("\n- ").skip(1).collect();
    assert!(promises.len() > 20, "{}", promises.len());
    let bare = promises.iter().filter(|promise| named(promise).is_empty());
    assert_eq!(bare.collect::<Vec<_>>(), [&""; 0], "these promises name no test");
    let problems: Vec<String> = named(promised).into_iter().filter_map(problem).collect();
    assert_eq!(problems, [""; 0]);
    // And what else the page names is there.
    let missing = named(&text).into_iter().filter(|name| !Path::new(ROOT).join(name).exists());
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn a_name_of_nothing_is_noticed() {
    for name in ["tests/hosts/nothing.rs", "tests/nowhere/", "tests/commands", "src/main.rs"] {
        let is_there = name == "tests/commands";
        assert_eq!(problem(name).is_none(), is_there, "{name}: {:?}", problem(name));
    }
    assert_eq!(named("by `tests/a.rs` and `--flag`, `src/b/`"), ["tests/a.rs", "src/b/"]);
}
