//! The seeded defects, and whether each is still there.

use std::path::{Path, PathBuf};

use regex::Regex;
use serde::Deserialize;

/// One of them.
#[derive(Debug, Deserialize)]
pub(crate) struct Defect {
    pub path: String,
    pub line: usize,
    pub text: String,
    pub rule: String,
    pub severity: String,
    pub agents: Vec<String>,
    absent: String,
    present: String,
}

#[derive(Deserialize)]
struct All {
    defect: Vec<Defect>,
}

/// The seeded repository.
pub(crate) fn seeded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("seeded")
}

/// All of them.
pub(crate) fn all() -> Vec<Defect> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeded-defects.toml");
    toml::from_str::<All>(&std::fs::read_to_string(file).unwrap()).unwrap().defect
}

impl Defect {
    /// Whether it is fixed in these sources.
    pub(crate) fn is_fixed(&self, sources: &Path) -> bool {
        let text = std::fs::read_to_string(sources.join(&self.path)).unwrap();
        let any = |pattern: &str| {
            let pattern = Regex::new(pattern).unwrap();
            text.lines().any(|line| pattern.is_match(line))
        };
        !any(&self.absent) && any(&self.present)
    }
}

#[test]
fn the_list_is_true_of_the_seeded_repository() {
    let defects = all();
    assert!(defects.len() >= 12);
    for defect in defects {
        let text = std::fs::read_to_string(seeded().join(&defect.path)).unwrap();
        let line = text.lines().nth(defect.line - 1).unwrap();
        assert!(line.contains(&defect.text), "{defect:?}: {line}");
        assert!(!defect.is_fixed(&seeded()), "{defect:?} is fixed already");
    }
}
