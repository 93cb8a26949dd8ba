//! What `propose_patch` accepts, git applies to the same bytes. What git refuses is refused, or read
//! as it was meant, which the answer says.

use mcp_workspace_test_support::cases::cases;
use mcp_workspace_test_support::checkout::Checkout;
use mcp_workspace_test_support::git::{
    Files, git_apply, git_counts, git_diff, git_is_there, version,
};
use proptest::prelude::*;
use serde_json::{Value, json};

const NAMES: [&str; 18] = [
    "a.txt",
    "dir/b.txt",
    "dir/with space.txt",
    "quo\"te.txt",
    "ü/ñ 漢.txt",
    "a/a.txt",
    "b/b",
    "a/b/a/b",
    "-dash",
    "x  y",
    "trailing ",
    "dir/sub/deep.rs",
    ".hidden-name",
    "'single' $(x) `y`",
    "*star*[x]?",
    "dev/null",
    "diff --git a b",
    "b c/a b/c d",
];

const LINES: [&str; 14] = [
    "",
    "a",
    "b",
    "a",
    "}",
    "    x = 1",
    "\ty = 2",
    "fn main() {",
    "-- dashes",
    "++ pluses",
    " ",
    "@@ -1 +1 @@",
    "\\ No newline at end of file",
    "ä ö",
];

/// A small generator of numbers; proptest gives the seed and remembers those that fail.
pub(super) struct Random(pub u64);

impl Random {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).unwrap()
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    fn content(&mut self) -> String {
        let count = if self.one_in(8) { 0 } else { self.below(30) };
        let end = if self.one_in(3) { "\r\n" } else { "\n" };
        let distinct = self.one_in(2);
        let mut text = String::new();
        for line in 0..count {
            text.push_str(self.pick(&LINES));
            if distinct {
                text.push_str(&line.to_string());
            }
            text.push_str(if self.one_in(25) { "\r\n" } else { end });
        }
        if self.one_in(4) {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
        text
    }

    fn tree(&mut self) -> Files {
        let count = 1 + self.below(5);
        (0..count)
            .map(|_| (self.pick(&NAMES).to_owned(), (self.content().into(), self.one_in(5))))
            .collect()
    }

    /// Another state of a tree: changed, deleted, renamed, added files, other modes.
    fn changed(&mut self, old: &Files) -> Files {
        let mut new = old.clone();
        for path in old.keys() {
            match self.below(8) {
                0 => {
                    new.remove(path);
                }
                1 => {
                    let to = self.pick(&NAMES);
                    if !new.contains_key(to) {
                        let file = new.remove(path).unwrap();
                        new.insert(to.to_owned(), file);
                    }
                }
                2 => new.get_mut(path).unwrap().1 ^= true,
                3 => {}
                _ => {
                    let bytes = self.changed_lines(&old[path].0);
                    new.get_mut(path).unwrap().0 = bytes;
                }
            }
        }
        if self.one_in(2) {
            let name = self.pick(&NAMES).to_owned();
            let file = (self.content().into_bytes(), self.one_in(4));
            new.entry(name).or_insert(file);
        }
        new
    }

    fn changed_lines(&mut self, old: &[u8]) -> Vec<u8> {
        let mut lines: Vec<Vec<u8>> =
            old.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        for _ in 0..1 + self.below(3) {
            let at = self.below(lines.len() + 1);
            match self.below(4) {
                0 if at < lines.len() => drop(lines.remove(at)),
                1 if at < lines.len() => lines[at] = format!("{}!\n", self.pick(&LINES)).into(),
                2 => lines.clear(),
                _ => lines.insert(at, format!("{}\n", self.pick(&LINES)).into()),
            }
        }
        let mut bytes = lines.concat();
        if self.one_in(4) && bytes.ends_with(b"\n") {
            bytes.pop();
        }
        bytes
    }

    /// A text with one small fault.
    fn damaged(&mut self, text: &str) -> String {
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        if lines.is_empty() {
            return String::new();
        }
        // Faults in headers are rare in long patches and tell most.
        let headers: Vec<usize> =
            (0..lines.len()).filter(|at| !lines[*at].starts_with([' ', '+', '-'])).collect();
        let at = if self.one_in(2) && !headers.is_empty() {
            headers[self.below(headers.len())]
        } else {
            self.below(lines.len())
        };
        let line = lines[at].clone();
        match self.below(13) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, line),
            2 => {
                let other = self.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines.truncate(at),
            4 => lines[at] = line.replacen(|c: char| c.is_ascii_digit(), "7", 1),
            5 => lines[at] = line.replacen('1', "2", 1),
            6 => lines[at] = format!("{}\n", line.trim_end()),
            7 => lines[at] = format!("{}{line}", self.pick(&[" ", "+", "-", "\\", "@@ ", "x"])),
            8 => lines[at] = line.chars().skip(1).collect(),
            9 => {
                let junk = self.pick(&[
                    "\n",
                    "junk\n",
                    "\\ No newline at end of file\n",
                    "@@ -1 +1 @@\n",
                    "new file mode 100644\n",
                    "deleted file mode 100644\n",
                    "old mode 100644\n",
                    "new mode 100755\n",
                    "rename from a.txt\n",
                    "copy to b/b\n",
                    "--- a/a.txt\n",
                    "+++ b/a.txt\n",
                    "--- /dev/null\n",
                    "index 123..456 120000\n",
                    "GIT binary patch\n",
                ]);
                lines.insert(at, junk.to_owned());
            }
            10 => {
                let (from, to) = (self.pick(&NAMES), self.pick(&NAMES));
                lines[at] = line.replacen(from, to, 1);
            }
            11 => lines[at] = line.trim_end_matches('\n').to_owned() + "\r\n",
            _ => {
                let whole = lines.concat();
                let mut end = self.below(whole.len());
                while !whole.is_char_boundary(end) {
                    end -= 1;
                }
                return whole.get(..end).unwrap().to_owned();
            }
        }
        lines.concat()
    }
}

/// Checks one proposal against git: `Ok(true)` when both accept and agree.
fn agrees(files: &Files, patch: &str) -> Result<bool, TestCaseError> {
    let checkout = Checkout::new(files);
    let answer = checkout.patch(patch);
    prop_assert_eq!(&checkout.files(), files, "a proposal changed a source");
    let Ok(answer) = answer else { return Ok(false) };
    let stored = checkout.stored(&answer);
    let canonical = git_apply(files, &stored, "-p1");
    let context = || format!("patch:\n{patch}\nstored:\n{}", String::from_utf8_lossy(&stored));
    prop_assert!(canonical.is_ok(), "git refuses what is stored: {:?}\n{}", canonical, context());
    let canonical = canonical.unwrap();
    let with = git_apply(files, patch.as_bytes(), "-p1");
    let without = git_apply(files, patch.as_bytes(), "-p0");
    // What git refuses and is taken was read otherwise than it is written, and the answer says how.
    // Behind a hunk's counts, which the answer names, and behind a header that it does not know, git drops lines without a
    // word, and a last header without newline with them; here they are a part of the patch.
    let drops_lines = answer["adjusted"].to_string().contains(" new lines and has ");
    let all = git_counts(&stored, "-p1");
    let differs = |by_git: &Result<Files, String>, strip| {
        by_git.is_err() || git_counts(patch.as_bytes(), strip) < all
    };
    // A last line without characters and without newline git reads as no line at all, and removes
    // what is there: a space that the patch has lost.
    let end = "\n\\ No newline at end of file";
    let is_empty = ["\n", "\n "].iter().any(|line| patch.contains(&format!("{line}{end}")));
    let git_differs = drops_lines || is_empty || differs(&with, "-p1") && differs(&without, "-p0");
    let read_as_meant = git_differs && answer.get("adjusted").is_some();
    prop_assert!(
        with.as_ref() == Ok(&canonical) || without.as_ref() == Ok(&canonical) || read_as_meant,
        "git makes something else of it: {:?} {:?}\nhere: {:?}\nbefore: {:?}\n{}",
        with,
        without,
        canonical,
        files,
        context()
    );
    check_answer(files, &canonical, &answer)?;
    Ok(true)
}

/// What is answered is what happens.
fn check_answer(old: &Files, new: &Files, answer: &Value) -> Result<(), TestCaseError> {
    let mut expected = old.clone();
    for file in answer["files"].as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let before = file["old_path"].as_str().unwrap_or(path);
        let base = old.get(before).map(|file| version(&file.0));
        prop_assert_eq!(file["base_version"].as_str(), base.as_deref());
        let result = new.get(path).map(|file| version(&file.0));
        prop_assert_eq!(file["result_version"].as_str(), result.as_deref());
        expected.remove(before);
        if let Some(file) = new.get(path) {
            expected.insert(path.to_owned(), file.clone());
        }
    }
    prop_assert_eq!(&expected, new, "a file changed that the answer does not name");
    Ok(())
}

/// Damaged patches on the files that they are of, and a whole one on other files.
fn damaged_patches_agree(seed: u64) -> Result<(), TestCaseError> {
    let mut random = Random(seed);
    let old = random.tree();
    let new = random.changed(&old);
    let context = random.pick(&["-U3", "-U3", "-U1", "-U0"]);
    let patch = git_diff(&old, &new, &[context, random.pick(&["-M", "--no-renames"])]);
    let patch = String::from_utf8(patch).unwrap();
    for _ in 0..6 {
        let mut damaged = random.damaged(&patch);
        while random.one_in(3) {
            damaged = random.damaged(&damaged);
        }
        agrees(&old, &damaged)?;
    }
    let mut drifted = old.clone();
    for file in drifted.values_mut() {
        file.0 = random.changed_lines(&file.0);
    }
    agrees(&drifted, &patch)?;
    let plain: String = patch
        .split_inclusive('\n')
        .filter(|line| line.starts_with(['-', '+', ' ', '@', '\\', '\n']))
        .collect();
    agrees(&old, &plain)?;
    Ok(())
}

/// Seeds at which git and the tool once made different things of a patch.
const ONCE_DIFFERENT: [u64; 12] = [
    2_241_361_129_104_839_476,
    3_017_705_052_220_465_843,
    7_838_236_393_549_699_416,
    8_755_171_836_382_470_586,
    9_990_785_133_042_600_856,
    10_332_741_390_469_526_047,
    13_440_655_022_336_683_084,
    13_578_277_097_300_641_029,
    15_058_618_990_039_774_540,
    15_633_420_118_638_498_223,
    15_802_344_351_017_254_717,
    17_744_039_777_311_338_580,
];

#[test]
fn what_was_once_read_in_two_ways_is_read_in_one() {
    if git_is_there() {
        for seed in ONCE_DIFFERENT {
            damaged_patches_agree(seed).unwrap_or_else(|error| panic!("{seed}: {error}"));
        }
    }
}

proptest! {
    // At least so many patches; `PROPTEST_CASES` has its usual meaning.
    #![proptest_config(cases(120))]

    #[test]
    fn a_diff_by_git_is_accepted_and_leads_to_the_same_bytes(seed: u64) {
        if !git_is_there() { return Ok(()); }
        let mut random = Random(seed);
        let old = random.tree();
        let new = random.changed(&old);
        let context = random.pick(&["-U3", "-U3", "-U1", "-U0", "-U8"]);
        let renames = random.pick(&["-M", "--no-renames"]);
        let prefix = random.pick(&["--src-prefix=a/", "--src-prefix=a/", "--no-prefix"]);
        let patch = git_diff(&old, &new, &[context, renames, prefix]);
        prop_assume!(!patch.is_empty());
        let patch = String::from_utf8(patch).unwrap();
        let accepted = agrees(&old, &patch)?;
        // git itself refuses hunks without context, and names are ambiguous without prefix.
        if prefix != "--no-prefix" && context != "-U0" && context != "-U1" {
            prop_assert!(accepted, "refused: {:?}\n{patch}", Checkout::new(&old).patch(&patch));
        }
    }

    #[test]
    fn what_git_refuses_is_refused_or_adjusted(seed: u64) {
        if !git_is_there() { return Ok(()); }
        damaged_patches_agree(seed)?;
    }

    #[test]
    fn edits_lead_to_what_they_say(seed: u64) {
        if !git_is_there() { return Ok(()); }
        let mut random = Random(seed);
        let mut old = random.tree();
        for file in old.values_mut() {
            // Latin-1, as no JSON text can hold it.
            if random.one_in(4) {
                file.0.splice(0..0, *b"caf\xe9 \xff\n");
            }
        }
        let mut new = old.clone();
        let mut edits = Vec::new();
        for (path, (bytes, executable)) in &old {
            let to = random.pick(&NAMES);
            let free = !new.contains_key(to) && !old.contains_key(to);
            match random.below(6) {
                0 => {
                    edits.push(json!({"path": path, "delete": true}));
                    new.remove(path);
                }
                1 if free => {
                    edits.push(json!({"path": path, "new_path": to}));
                    let file = new.remove(path).unwrap();
                    new.insert(to.to_owned(), file);
                }
                2 if free => {
                    let text = random.content();
                    edits.push(json!({"path": to, "create": true, "new_text": text}));
                    new.insert(to.to_owned(), (text.into_bytes(), false));
                }
                _ => {
                    let Ok(text) = std::str::from_utf8(bytes) else { continue };
                    let lines: Vec<&str> = text.split_inclusive('\n').collect();
                    let at = random.below(lines.len());
                    let Some(line) = lines.get(at) else { continue };
                    if text.matches(line).count() != 1 { continue }
                    let replacement = format!("{}\r\n{line}", random.pick(&LINES));
                    edits.push(json!({"path": path, "old_text": line, "new_text": replacement}));
                    let changed = text.replacen(line, &replacement, 1).into_bytes();
                    new.insert(path.clone(), (changed, *executable));
                }
            }
        }
        prop_assume!(!edits.is_empty());
        let checkout = Checkout::new(&old);
        let answer = checkout.edits(json!(edits));
        prop_assert!(answer.is_ok(), "{:?}\n{edits:?}", answer);
        let answer = answer.unwrap();
        prop_assert_eq!(&checkout.files(), &old, "a proposal changed a source");
        prop_assert_eq!(git_apply(&old, &checkout.stored(&answer), "-p1"), Ok(new.clone()));
        check_answer(&old, &new, &answer)?;
        let again = checkout.edits(json!(edits)).unwrap();
        prop_assert_eq!(again["status"].as_str(), Some("duplicate"));
    }
}
