//! Bytes as a sequence of calls and of changes that somebody else makes past the tools, on a
//! workspace of their own, compared after each step with a model:
//! - what was acknowledged is there, and nothing else has changed;
//! - versions of a key grow by one, and compare-and-set is exact;
//! - equal findings and equal proposals are one, different ones never are;
//! - what a caller may see is shown whole, and nothing that the policy hides is ever shown;
//! - no tool changes a source.

mod model;
mod others;
mod site;

use serde_json::json;

use model::Model;
use others::Others;
use site::{CALLERS, Caller, Site};

/// Most steps of one sequence.
const MAX_STEPS: usize = 40;

/// Paths that calls and changes are about; `unseen` and `dark` are hidden from every caller.
const PATHS: [&str; 10] = [
    "input/a.txt",
    "input/b.txt",
    "input/d/a.txt",
    "input/d/c.txt",
    "input/d/e/f.txt",
    "input/d/unseen.txt",
    "input/unseen/x.txt",
    "input/dark/e.txt",
    "input/d",
    "input/link",
];
/// Contents of files. No line is a part of another one.
const CONTENTS: [&str; 6] = [
    "",
    "alpha\nbeta\n",
    "alpha\nbeta\nalpha\n  gamma\n",
    "beta\r\ndelta",
    "delta\n\nbeta\n\tgamma\nalpha\n",
    "gamma\n",
];
const KEYS: [&str; 5] = ["k", "k/x", "t", "t/u/v", "unseen"];
const RULES: [&str; 3] = ["rule-1", "rule-2", "CWE-89/sql"];
/// Patterns, and the text that each of them finds in a line.
const PATTERNS: [(&str, &str); 4] = [
    ("alpha", "alpha"),
    ("[bd]e[l-t]", "beta delta"),
    ("zq[r-t]ecret", "zqsecret"),
    ("gam", "gamma"),
];

/// The bytes of an input, taken one by one; zeros when they are used up.
struct Draw<'b>(&'b [u8]);

impl Draw<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    fn of<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    fn caller(&mut self) -> Caller {
        CALLERS[self.below(CALLERS.len())]
    }
}

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let site = Site::new();
    let mut model = Model::new(&site);
    let mut draw = Draw(bytes);
    for _ in 0..MAX_STEPS {
        if draw.is_empty() {
            break;
        }
        step(&site, &mut model, &mut draw);
    }
    model.check_records();
    site.check_order();
}

fn step(site: &Site, model: &mut Model<'_>, draw: &mut Draw<'_>) {
    let others = Others(site);
    match draw.below(26) {
        0..4 => {
            let (caller, key, expected) = (draw.caller(), draw.of(&KEYS), draw.byte());
            let value = match draw.below(4) {
                0 => json!({ "n": draw.byte(), "list": [null, true, "\u{e9}"] }),
                1 => json!("a note\nof two lines"),
                2 => json!(draw.byte()),
                _ => json!(""),
            };
            model.write_state(caller, key, expected, &value);
        }
        4 => model.read_state(draw.caller(), draw.of(&KEYS), None),
        5 => model.read_state(draw.caller(), draw.of(&KEYS), Some(draw.byte().into())),
        6 => model.list_state(draw.caller()),
        7..10 => {
            let (caller, path, line) = (draw.caller(), draw.of(&PATHS), draw.below(8));
            model.write_finding(caller, draw.of(&RULES), path, line);
        }
        10..12 => {
            let (caller, path) = (draw.caller(), draw.of(&PATHS));
            let old = draw.of(&["alpha", "beta", "gamma", "delta", "nowhere"]);
            model.propose(caller, path, old, draw.of(&["omega", "sigma"]));
        }
        12 => model.read_file(draw.caller(), draw.of(&PATHS)),
        13 => model.list_dir(draw.caller()),
        14 => model.grep(draw.caller(), PATTERNS[draw.below(PATTERNS.len())]),
        15..18 => others.write(draw.of(&PATHS), draw.of(&CONTENTS)),
        18 => others.remove(draw.of(&PATHS)),
        19 => {
            let to = ["../outside/secret.txt", "../../outside", "dark", "a.txt", "d", "/etc"];
            others.link(draw.of(&PATHS), draw.of(&to));
        }
        20 => others.make_directory(draw.of(&PATHS)),
        21 => others.rename(draw.of(&PATHS[..5]), draw.of(&PATHS[..5])),
        22 => match draw.below(4) {
            0 => model.lose_key(draw.of(&KEYS)),
            1 => model.damage_key(draw.of(&KEYS)),
            2 => model.lose_finding(draw.byte()),
            _ => model.lose_proposal(draw.byte()),
        },
        23 => others.litter(draw.below(6), draw.byte()),
        24 => model.list_findings(draw.caller()),
        _ => model.list_proposals(draw.caller()),
    }
}
