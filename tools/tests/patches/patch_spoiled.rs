//! A valid patch, spoiled as models spoil them, gives the same stored patch or an error. One fault
//! alone is nearly always read as it was meant.

use std::time::{Duration, Instant};

use mcp_workspace_test_support::git::{Files, git_apply, git_is_there};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::patch::{Base, Draft, Edit, Surroundings, read, read_meant, write};
use mcp_workspace_tools::path::WorkspacePath;

use crate::patch_agrees_with_git::Random;

/// Patches that each fault is tried on.
const CASES: u64 = 150;
/// How many of a hundred must be taken.
const TAKEN: usize = 95;

const LINES: [&str; 12] = [
    "",
    "",
    "return None",
    "x = x + 1",
    "if x > 0:",
    "    pass",
    "log(x)",
    "}",
    "for item in items:",
    "    total += item",
    "- a list",
    "+ another",
];

/// A file as people write them: most lines are there once, some often.
fn source(random: &mut Random) -> String {
    let end = if random.one_in(4) { "\r\n" } else { "\n" };
    let indent = if random.one_in(3) { "\t" } else { "    " };
    let mut text = format!("# module {}{end}import os{end}{end}", random.below(1000));
    for function in 0..3 + random.below(5) {
        text += &format!("def function_{function}(x, items):{end}");
        for line in 0..2 + random.below(7) {
            if random.one_in(2) {
                text += &format!("{indent}value_{line} = compute({}){end}", random.below(10_000));
            } else {
                let line = random.pick(&LINES);
                text +=
                    &if line.is_empty() { end.to_owned() } else { format!("{indent}{line}{end}") };
            }
        }
        text += end;
    }
    text += &format!("# end {}", random.below(1000));
    if !random.one_in(5) {
        text += end;
    }
    text
}

/// Other lines in some places, with the file's own ends.
fn changed(random: &mut Random, old: &str) -> String {
    let end = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let mut lines: Vec<String> = old.split_inclusive('\n').map(str::to_owned).collect();
    for _ in 0..1 + random.below(3) {
        // The last line stays: whether it has an end is a question of its own.
        let at = random.below(lines.len() - 1);
        let new = format!("    changed_{} = {}{end}", at, random.below(1000));
        match random.below(4) {
            0 if lines.len() > 5 => drop(lines.remove(at)),
            1 => lines.insert(at, new),
            2 => lines.splice(at..at, [new, end.to_owned()]).for_each(drop),
            _ => lines[at] = new,
        }
    }
    lines.concat()
}

#[derive(Clone)]
struct Hunk {
    old_start: usize,
    old_count: usize,
    new_start: usize,
    new_count: usize,
    /// In place of the whole header.
    header: Option<String>,
    lines: Vec<String>,
}

impl Hunk {
    fn recount(&mut self) {
        self.old_count = self.lines.iter().filter(|line| !line.starts_with('+')).count();
        self.new_count = self.lines.iter().filter(|line| !line.starts_with('-')).count();
    }

    fn trailing(&self) -> usize {
        self.lines.iter().rev().take_while(|line| line.starts_with(' ')).count()
    }
}

#[derive(Clone)]
struct Patch {
    /// Lines above `---`, the two names, and the hunks.
    files: Vec<(Vec<String>, String, String, Vec<Hunk>)>,
    before: String,
    after: String,
    final_newline: bool,
    begin_patch: bool,
}

impl Patch {
    fn parse(text: &str) -> Patch {
        let number = |text: &str| {
            let (start, count) = text.split_once(',').unwrap_or((text, "1"));
            (start.parse().unwrap(), count.parse().unwrap())
        };
        let mut files: Vec<(Vec<String>, String, String, Vec<Hunk>)> = Vec::new();
        for line in text.split_inclusive('\n') {
            let in_hunk = files.last().is_some_and(|(.., hunks)| !hunks.is_empty());
            if line.starts_with("diff --git ") {
                files.push((vec![line.to_owned()], String::new(), String::new(), Vec::new()));
            } else if let Some(ranges) = line.strip_prefix("@@ -") {
                let (old, rest) = ranges.split_once(" +").unwrap();
                let (new, _) = rest.split_once(" @@").unwrap();
                let ((old_start, old_count), (new_start, new_count)) = (number(old), number(new));
                files.last_mut().unwrap().3.push(Hunk {
                    old_start,
                    old_count,
                    new_start,
                    new_count,
                    header: None,
                    lines: Vec::new(),
                });
            } else if in_hunk {
                let (.., hunks) = files.last_mut().unwrap();
                let lines = &mut hunks.last_mut().unwrap().lines;
                if line.starts_with('\\') {
                    lines.last_mut().unwrap().push_str(line);
                } else {
                    lines.push(line.to_owned());
                }
            } else if let Some(name) = line.strip_prefix("--- ") {
                files.last_mut().unwrap().1 = name.trim_end().to_owned();
            } else if let Some(name) = line.strip_prefix("+++ ") {
                files.last_mut().unwrap().2 = name.trim_end().to_owned();
            } else {
                files.last_mut().unwrap().0.push(line.to_owned());
            }
        }
        Patch {
            files,
            before: String::new(),
            after: String::new(),
            final_newline: true,
            begin_patch: false,
        }
    }

    fn text(&self) -> String {
        let mut text = self.before.clone();
        if self.begin_patch {
            text += "*** Begin Patch\n";
        }
        for (above, old, new, hunks) in &self.files {
            if self.begin_patch {
                text += &format!("*** Update File: {}\n", new.trim_start_matches("b/"));
            } else {
                text += &above.concat();
                text += &format!("--- {old}\n+++ {new}\n");
            }
            for hunk in hunks {
                let range = |start: usize, count: usize| match count {
                    1 => start.to_string(),
                    _ => format!("{start},{count}"),
                };
                let old = range(hunk.old_start, hunk.old_count);
                let new = range(hunk.new_start, hunk.new_count);
                let header = format!("@@ -{old} +{new} @@");
                text +=
                    if self.begin_patch { "@@" } else { hunk.header.as_ref().unwrap_or(&header) };
                text += "\n";
                text += &hunk.lines.concat();
            }
        }
        if self.begin_patch {
            text += "*** End Patch\n";
        }
        text += &self.after;
        if !self.final_newline {
            text.truncate(text.trim_end_matches('\n').len());
        }
        text
    }

    fn hunks(&mut self) -> impl Iterator<Item = &mut Hunk> {
        self.files.iter_mut().flat_map(|(.., hunks)| hunks)
    }

    fn one_hunk(&mut self, random: &mut Random) -> &mut Hunk {
        let count = self.hunks().count();
        let at = random.below(count);
        self.hunks().nth(at).unwrap()
    }

    fn lines(&mut self) -> impl Iterator<Item = &mut String> {
        self.hunks().flat_map(|hunk| &mut hunk.lines)
    }
}

/// A fault: what it is, and how it is made; false where it cannot be made here.
type Fault = (&'static str, fn(&mut Patch, &mut Random, &[(String, String)]) -> bool);

const FAULTS: [Fault; 19] = [
    ("counts too large", |patch, random, _| {
        let hunk = patch.one_hunk(random);
        let more = 1 + random.below(3);
        let count = if random.one_in(2) { &mut hunk.old_count } else { &mut hunk.new_count };
        *count += more;
        true
    }),
    ("counts too small", |patch, random, _| {
        let hunk = patch.one_hunk(random);
        let count = if random.one_in(2) { &mut hunk.old_count } else { &mut hunk.new_count };
        *count = count.saturating_sub(1 + random.below(3));
        true
    }),
    ("counts left out", |patch, _, _| {
        patch.hunks().for_each(|hunk| {
            hunk.header = Some(format!("@@ -{} +{} @@", hunk.old_start, hunk.new_start));
        });
        true
    }),
    ("bare headers", |patch, _, _| {
        patch.hunks().for_each(|hunk| hunk.header = Some("@@".to_owned()));
        true
    }),
    ("headers that name a function", |patch, _, files| {
        for (_, old, _, hunks) in &mut patch.files {
            let (_, text) = files.iter().find(|(path, _)| old.contains(path)).unwrap();
            for hunk in hunks {
                let above = text.lines().take(hunk.old_start);
                let function = above.filter(|line| line.starts_with("def ")).last();
                hunk.header = Some(format!("@@ {}", function.unwrap_or("import os")));
            }
        }
        true
    }),
    ("other line numbers", |patch, random, _| {
        let by = 1 + random.below(40);
        let both = random.one_in(2);
        let hunk = patch.one_hunk(random);
        hunk.old_start = if random.one_in(3) { 1 } else { hunk.old_start + by };
        if both {
            hunk.new_start += by;
        }
        true
    }),
    ("no context below", |patch, random, _| {
        let hunk = patch.one_hunk(random);
        let trailing = hunk.trailing();
        hunk.lines.truncate(hunk.lines.len() - trailing);
        hunk.recount();
        trailing > 0
    }),
    ("short context below", |patch, random, _| {
        let hunk = patch.one_hunk(random);
        let trailing = hunk.trailing();
        hunk.lines.truncate(hunk.lines.len() - trailing + 1.min(trailing));
        hunk.recount();
        trailing > 1
    }),
    ("no context above", |patch, random, _| {
        let hunk = patch.one_hunk(random);
        let leading = hunk.lines.iter().take_while(|line| line.starts_with(' ')).count();
        hunk.lines.drain(..leading);
        hunk.old_start += leading;
        hunk.new_start += leading;
        hunk.recount();
        leading > 0 && hunk.lines.iter().any(|line| !line.starts_with('+'))
    }),
    ("blank context lines without their space", |patch, _, _| {
        let mut any = false;
        for line in patch.lines().filter(|line| [" \n", " \r\n"].contains(&line.as_str())) {
            line.remove(0);
            any = true;
        }
        any
    }),
    ("no final newline", |patch, _, _| {
        let there = patch.final_newline;
        patch.final_newline = false;
        there
    }),
    ("LF patch of a CRLF file", |patch, _, _| {
        let is_crlf = patch.lines().all(|line| line.contains("\r\n") || line.contains('\\'));
        let any = patch.lines().any(|line| line.contains("\r\n"));
        patch.lines().for_each(|line| *line = line.replace("\r\n", "\n"));
        is_crlf && any
    }),
    ("CRLF patch of a LF file", |patch, _, _| {
        let is_lf = patch.lines().all(|line| !line.contains('\r') && !line.contains('\\'));
        patch.lines().for_each(|line| *line = line.replace('\n', "\r\n"));
        is_lf
    }),
    ("other blanks at the ends of context lines", |patch, random, _| {
        let mut any = false;
        for line in patch.lines().filter(|line| line.starts_with(' ') && !line.contains('\\')) {
            if random.one_in(2) {
                let at = line.trim_end_matches(['\r', '\n']).len();
                line.insert_str(at, random.pick(&[" ", "\t", "   "]));
                any = true;
            }
        }
        any
    }),
    ("a fence and prose", |patch, _, _| {
        patch.before.insert_str(0, "Here is the change:\n\n- it is small\n\n```diff\n");
        patch.after.push_str("```\n\nThat is all.\n");
        true
    }),
    ("a name without its prefix", |patch, random, _| {
        for (above, old, new, _) in &mut patch.files {
            if above.len() > 1 {
                return false;
            }
            above.clear();
            let name = if random.one_in(2) { old } else { new };
            *name = name.trim_start_matches(['a', 'b']).trim_start_matches('/').to_owned();
        }
        true
    }),
    ("names below the mount", |patch, _, _| {
        for (above, old, new, _) in &mut patch.files {
            if above.len() > 1 || !old.starts_with("a/") || !new.starts_with("b/") {
                return false;
            }
            above.clear();
            *old = format!("/mnt/workspace/{}", old.trim_start_matches("a/"));
            *new = format!("/mnt/workspace/{}", new.trim_start_matches("b/"));
        }
        true
    }),
    ("time stamps", |patch, _, _| {
        for (_, old, new, _) in &mut patch.files {
            if old == "/dev/null" {
                return false;
            }
            old.push_str(" 2024-05-01 10:00:00.000 +0200");
            new.push_str("\t2024-05-01 10:00:00.000 +0200");
        }
        true
    }),
    ("the Begin Patch form", |patch, _, _| {
        let plain = patch.files.iter().all(|(above, old, new, _)| {
            above.len() <= 1 && old.starts_with("a/") && new.starts_with("b/")
        });
        let open = patch.lines().any(|line| line.contains('\\'));
        patch.begin_patch = true;
        plain && !open
    }),
];

/// A patch of one or two files, and what is written for it.
struct Valid {
    files: Vec<(String, String)>,
    patch: String,
}

fn valid(random: &mut Random) -> Valid {
    let count = 1 + usize::from(random.one_in(3));
    let names = ["src/main.py", "lib.py"];
    let files: Vec<(String, String)> =
        names.iter().take(count).map(|name| ((*name).to_owned(), source(random))).collect();
    let edits: Vec<(String, String)> =
        files.iter().map(|(path, text)| (path.clone(), changed(random, text))).collect();
    let outcomes = files.iter().zip(&edits).map(|((path, old), (_, new))| {
        let base = |text: &String| Some(Base { bytes: text.clone().into(), executable: false });
        mcp_workspace_tools::patch::Outcome {
            change: mcp_workspace_tools::patch::Change::Modified,
            path: WorkspacePath::parse(path).unwrap(),
            old_path: None,
            base: base(old),
            result: base(new),
        }
    });
    let mut outcomes: Vec<_> = outcomes.filter(|one| one.base != one.result).collect();
    outcomes.sort_by(|one, other| one.path.cmp(&other.path));
    let written = write(&outcomes, deadline()).unwrap();
    Valid { files, patch: String::from_utf8(written.patch).unwrap() }
}

fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Does something with a draft over these files, and gives the patch that is stored for it.
fn stored(
    files: &[(String, String)],
    work: impl FnOnce(&mut Draft<'_>) -> Result<(), ToolError>,
) -> Result<String, ToolError> {
    let mut load = |path: &WorkspacePath| {
        let file = files.iter().find(|(name, _)| name == path.as_str());
        Ok(file.map(|(_, text)| Base { bytes: text.clone().into(), executable: false }))
    };
    let mut draft = Draft::new(&mut load);
    work(&mut draft)?;
    let (outcomes, _) = draft.finish()?;
    Ok(String::from_utf8(write(&outcomes, deadline())?.patch).unwrap())
}

/// What a tool stores of a patch.
fn meant(files: &[(String, String)], patch: &str) -> Result<String, ToolError> {
    let exists = |path: &WorkspacePath| files.iter().any(|(name, _)| name == path.as_str());
    let beneath = |name: &str| name.strip_prefix("/mnt/workspace/").map(str::to_owned);
    let surroundings = Surroundings { exists: &exists, beneath_root: &beneath };
    let call = Call::new("local", Duration::from_secs(60));
    let (changes, _) = read_meant(patch, surroundings)?;
    stored(files, |draft| {
        changes.iter().try_for_each(|change| draft.apply_meant(change, call.stop_signal()))
    })
}

/// What the strict reader makes of it.
fn exactly(files: &[(String, String)], patch: &str) -> Result<String, ToolError> {
    let changes = read(patch)?;
    stored(files, |draft| changes.iter().try_for_each(|change| draft.apply(change)))
}

#[test]
fn one_fault_alone_is_read_as_it_was_meant() {
    let mut too_few = Vec::new();
    for (name, fault) in FAULTS {
        let (mut tried, mut taken, mut seed) = (0_usize, 0_usize, 0);
        let mut refused = None;
        while tried < CASES as usize && seed < 40 * CASES {
            seed += 1;
            let mut random = Random(seed);
            let valid = valid(&mut random);
            if valid.patch.is_empty() {
                continue;
            }
            let mut patch = Patch::parse(&valid.patch);
            if !fault(&mut patch, &mut random, &valid.files) {
                continue;
            }
            let text = patch.text();
            // What fits exactly elsewhere says so, and is no fault.
            if exactly(&valid.files, &text).is_ok_and(|stored| stored != valid.patch) {
                continue;
            }
            tried += 1;
            match meant(&valid.files, &text) {
                Ok(stored) => {
                    assert_eq!(stored, valid.patch, "{name}, seed {seed}:\n{text}");
                    taken += 1;
                }
                Err(error) => refused = Some(format!("{}\n{text}", error.to_text())),
            }
        }
        assert_eq!(tried, CASES as usize, "{name} is hardly ever possible");
        println!("{name}: {taken} of {tried}");
        if taken * 100 < TAKEN * tried {
            too_few.push(format!("{name}: {taken} of {tried}; {}", refused.unwrap_or_default()));
        }
    }
    assert!(too_few.is_empty(), "{}", too_few.join("\n\n"));
}

#[test]
fn several_faults_give_the_same_patch_or_an_error() {
    let mut taken = 0_usize;
    for seed in 0..3000 {
        let mut random = Random(seed);
        let valid = valid(&mut random);
        if valid.patch.is_empty() {
            continue;
        }
        let mut patch = Patch::parse(&valid.patch);
        let mut names = Vec::new();
        for _ in 0..1 + random.below(3) {
            let (name, fault) = FAULTS[random.below(FAULTS.len())];
            let whole = patch.clone();
            if fault(&mut patch, &mut random, &valid.files) {
                names.push(name);
            } else {
                patch = whole;
            }
        }
        let text = patch.text();
        if exactly(&valid.files, &text).is_ok_and(|stored| stored != valid.patch) {
            continue;
        }
        if let Ok(stored) = meant(&valid.files, &text) {
            assert_eq!(stored, valid.patch, "seed {seed}, {names:?}:\n{text}");
            taken += 1;
        }
    }
    println!("taken: {taken} of 3000");
    assert!(taken > 2000, "{taken}");
}

#[test]
fn what_is_never_guessed_is_refused() {
    let mut tried = 0;
    for seed in 0..600 {
        let mut random = Random(seed);
        let valid = valid(&mut random);
        let mut patch = Patch::parse(&valid.patch);
        let bare = random.one_in(2);
        let Some((.., hunks)) = patch.files.iter_mut().find(|(.., hunks)| hunks.len() > 1) else {
            continue;
        };
        tried += 1;
        if random.one_in(2) {
            // In another order.
            hunks.swap(0, 1);
        } else {
            // Only a part of what must be there.
            let hunk = &mut hunks[0];
            let inside = hunk.lines.iter().rposition(|line| !line.starts_with('+')).unwrap();
            let mark = hunk.lines[inside].chars().next().unwrap();
            hunk.lines[inside] = format!("{mark}lost\n");
        }
        if bare {
            hunks.iter_mut().for_each(|hunk| hunk.header = Some("@@".to_owned()));
        }
        let text = patch.text();
        let read = meant(&valid.files, &text);
        assert!(read.is_err(), "seed {seed}: {read:?}\n{text}");
    }
    assert!(tried > 100, "{tried}");
}

#[test]
fn git_applies_the_patches_that_these_are_compared_with() {
    if !git_is_there() {
        return;
    }
    for seed in 0..15 {
        let mut random = Random(seed);
        let Valid { files, patch } = valid(&mut random);
        let before: Files =
            files.iter().map(|(path, text)| (path.clone(), (text.clone().into(), false))).collect();
        let mut after = before.clone();
        for change in read(&patch).unwrap() {
            let path = change.path.as_str();
            let base = before[path].0.as_slice();
            let applied = mcp_workspace_tools::patch::apply(&change.path, base, &change.hunks);
            after.get_mut(path).unwrap().0 = applied.unwrap().bytes;
        }
        assert_eq!(git_apply(&before, patch.as_bytes(), "-p1"), Ok(after));
    }
}

/// An edit of some lines of a file, and the lines that it is of.
fn valid_edit(random: &mut Random, text: &str) -> Option<(String, String)> {
    let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let first = random.below(lines.len() - 4);
    let old = lines[first..first + 2 + random.below(3)].concat();
    let new = match random.below(3) {
        0 => format!("{old}    added = {}{end}", random.below(1000)),
        1 => old.replace("compute", "calculate"),
        _ => format!("    # {}{end}{old}", random.below(1000)),
    };
    (text.matches(&old).count() == 1 && old != new && old.ends_with('\n')).then_some((old, new))
}

#[test]
fn an_edit_with_a_fault_is_read_as_it_was_meant() {
    type EditFault = (&'static str, fn(&str, &mut Random) -> String);
    let faults: [EditFault; 4] = [
        ("LF for CRLF", |text, _| text.replace("\r\n", "\n")),
        ("CRLF for LF", |text, _| text.replace("\r\n", "\n").replace('\n', "\r\n")),
        ("more indentation", |text, _| {
            let line = |line: &str| match line.trim() {
                "" => line.to_owned(),
                _ => format!("  {line}"),
            };
            text.split_inclusive('\n').map(line).collect()
        }),
        ("less indentation", |text, _| {
            let line = |line: &str| line.strip_prefix("    ").unwrap_or(line).to_owned();
            text.split_inclusive('\n').map(line).collect()
        }),
    ];
    for (name, fault) in faults {
        let (mut tried, mut taken, mut seed) = (0_usize, 0_usize, 0);
        while tried < CASES as usize && seed < 60 * CASES {
            seed += 1;
            let mut random = Random(seed);
            let file = source(&mut random);
            let Some((old, new)) = valid_edit(&mut random, &file) else { continue };
            let edit = |old: &str, new: &str| Edit {
                path: "a.py".to_owned(),
                old_text: Some(old.to_owned()),
                new_text: Some(new.to_owned()),
                ..Edit::default()
            };
            let files = [("a.py".to_owned(), file.clone())];
            let wanted = stored(&files, |draft| draft.edit(1, &edit(&old, &new))).unwrap();
            let (spoiled_old, spoiled_new) = (fault(&old, &mut random), fault(&new, &mut random));
            // Not a fault here: it is as it was, it is there as it is, or not all lines are shifted.
            let even = !name.starts_with("less")
                || new.lines().all(|line| line.trim().is_empty() || line.starts_with("    "));
            if spoiled_old == old || file.contains(&spoiled_old) || !even {
                continue;
            }
            tried += 1;
            let read = stored(&files, |draft| draft.edit(1, &edit(&spoiled_old, &spoiled_new)));
            if let Ok(read) = read {
                assert_eq!(read, wanted, "{name}, seed {seed}:\n{spoiled_old}\n{spoiled_new}");
                taken += 1;
            }
        }
        println!("{name}: {taken} of {tried}");
        assert_eq!(tried, CASES as usize, "{name} is hardly ever possible");
        assert!(taken * 100 >= TAKEN * tried, "{name}: {taken} of {tried}");
    }
}
