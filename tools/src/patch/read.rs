//! From the text of a patch to what it asks of each file. diffy reads the hunks; the rules about
//! names, modes and headers, where it and git are lax, are here.

use std::collections::BTreeSet;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;

use super::names::{self, Name, Style};
use super::sections::{self, Section, at};
use super::{MAX_FILES, MAX_PATCH_BYTES, Mode, lines_of};

/// What a patch asks of one file. Paths have no `a/` and `b/` any more.
#[derive(Debug)]
pub(super) struct FilePatch<'a> {
    /// The file that must be there; none when it is to be added.
    pub(super) old: Option<WorkspacePath>,
    /// The file afterwards; none when it is to be deleted.
    pub(super) new: Option<WorkspacePath>,
    /// The mode that the file must have.
    pub(super) old_mode: Option<Mode>,
    /// The mode that it gets.
    pub(super) new_mode: Option<Mode>,
    pub(super) hunks: Vec<Hunk<'a>>,
}

impl FilePatch<'_> {
    /// The path that messages name.
    pub(super) fn path(&self) -> WorkspacePath {
        self.old.clone().or_else(|| self.new.clone()).unwrap_or_default()
    }
}

/// A hunk whose counts are right.
#[derive(Debug)]
pub(super) struct Hunk<'a> {
    /// The first old line as declared, from 1; the line before where there are no old lines.
    pub(super) old_start: usize,
    /// The same for the new lines.
    pub(super) new_start: usize,
    pub(super) lines: Vec<(Side, &'a [u8])>,
}

/// Which side of a hunk has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Both,
    Old,
    New,
}

impl<'a> Hunk<'a> {
    /// The lines that the file must have.
    pub(super) fn old_lines(&self) -> Vec<&'a [u8]> {
        self.lines.iter().filter(|(side, _)| *side != Side::New).map(|(_, line)| *line).collect()
    }

    /// The lines that it gets in their place.
    pub(super) fn new_lines(&self) -> Vec<&'a [u8]> {
        self.lines.iter().filter(|(side, _)| *side != Side::Old).map(|(_, line)| *line).collect()
    }

    /// How many unchanged lines end the hunk.
    pub(super) fn trailing_context(&self) -> usize {
        self.lines.iter().rev().take_while(|(side, _)| *side == Side::Both).count()
    }
}

/// Reads a patch text.
///
/// # Errors
/// `invalid_argument` with the line of the patch, `too_large`.
pub(super) fn read(text: &[u8], most: usize) -> Result<Vec<FilePatch<'_>>, ToolError> {
    if text.len() > most {
        return Err(ToolError::new(
            Code::TooLarge,
            format!("the patch has {} bytes; the limit is {most}", text.len()),
        )
        .hint("propose it in parts"));
    }
    let (text, lines_before) = sections::unwrap_fence(text)?;
    let sections = sections::split(text, lines_before)?;
    if sections.len() > MAX_FILES {
        return Err(too_many_files(sections.len()));
    }
    let mut seen = BTreeSet::new();
    let mut style = None;
    let mut files = Vec::with_capacity(sections.len());
    for section in &sections {
        let (file, its_style) = read_section(section)?;
        if *style.get_or_insert(its_style) != its_style {
            return Err(at(section.line, "some names have `a/` and `b/` and some have not"));
        }
        let mut names: Vec<&WorkspacePath> = file.old.iter().chain(&file.new).collect();
        names.dedup();
        for name in names {
            if !seen.insert(name.clone()) {
                return Err(at(
                    section.line,
                    format!("`{name}` is named by two parts of the patch"),
                )
                .hint("put all hunks of a file below one header, in order"));
            }
        }
        files.push(file);
    }
    Ok(files)
}

/// [`read`] for what a caller sends.
pub(super) fn read_input(text: &[u8]) -> Result<Vec<FilePatch<'_>>, ToolError> {
    read(text, MAX_PATCH_BYTES)
}

pub(super) fn too_many_files(count: usize) -> ToolError {
    ToolError::new(
        Code::TooLarge,
        format!("the proposal touches {count} files; the limit is {MAX_FILES}"),
    )
    .hint("propose it in parts")
}

fn read_section<'a>(section: &Section<'a>) -> Result<(FilePatch<'a>, Style), ToolError> {
    let wrong = |what: String| at(section.line, what);
    let header = Header::of(section).map_err(wrong)?;
    let (old, new, style) = header.names(section).map_err(wrong)?;
    let path = |name: Option<String>| name.map(|name| names::path(&name)).transpose();
    let (old, new) = (path(old)?, path(new)?);
    let hunks = read_hunks(section)?;
    let name = old.as_ref().or(new.as_ref()).cloned().unwrap_or_default();
    match (&old, &new) {
        (None, _) if hunks.iter().any(|hunk| !hunk.old_lines().is_empty()) => {
            return Err(wrong(format!("`{name}` is to be added, but a hunk has old lines")));
        }
        (_, None) if hunks.iter().any(|hunk| !hunk.new_lines().is_empty()) => {
            return Err(wrong(format!("`{name}` is to be deleted, but a hunk leaves lines in it")));
        }
        (None, _) | (_, None) if hunks.len() > 1 => {
            return Err(wrong(format!("`{name}` is added or deleted whole: one hunk is enough")));
        }
        (Some(from), Some(to)) if from == to && hunks.is_empty() && !header.changes_mode() => {
            return Err(wrong(format!("nothing is to change in `{name}`")));
        }
        _ => {}
    }
    let file = FilePatch { old, new, old_mode: header.old_mode, new_mode: header.new_mode, hunks };
    Ok((file, style))
}

/// git's extended headers, read.
#[derive(Default)]
struct Header {
    old_mode: Option<Mode>,
    new_mode: Option<Mode>,
    adds: bool,
    deletes: bool,
    rename: Option<(String, String)>,
}

impl Header {
    fn of(section: &Section) -> Result<Header, String> {
        let value = |keyword: &str| {
            section.extended.iter().find(|(name, _)| *name == keyword).map(|(_, value)| *value)
        };
        if value("copy from ").or(value("copy to ")).is_some() {
            return Err("copies are not supported; add the file with its whole content".to_owned());
        }
        for keyword in ["similarity index ", "dissimilarity index "] {
            if let Some(percent) = value(keyword)
                && !is_percent(percent)
            {
                return Err(format!("`{keyword}` needs a percentage"));
            }
        }
        let pair = |one: &str, two: &str| match (value(one), value(two)) {
            (Some(one), Some(two)) => Ok(Some((one, two))),
            (None, None) => Ok(None),
            _ => Err(format!("`{}` and `{}` come together", one.trim_end(), two.trim_end())),
        };
        let mut header = Header::default();
        if let Some((from, to)) = pair("rename from ", "rename to ")? {
            header.rename = Some((names::whole(from)?, names::whole(to)?));
        }
        let modes = pair("old mode ", "new mode ")?;
        let (added, deleted) = (value("new file mode "), value("deleted file mode "));
        let kinds = [added.is_some(), deleted.is_some(), modes.or(pair_of(&header)).is_some()];
        if kinds.iter().filter(|is| **is).count() > 1 {
            return Err("the headers contradict each other: a file is added, deleted, or changed \
                        and renamed"
                .to_owned());
        }
        (header.adds, header.deletes) = (added.is_some(), deleted.is_some());
        header.old_mode = modes.map(|(old, _)| old).or(deleted).map(mode).transpose()?;
        header.new_mode = modes.map(|(_, new)| new).or(added).map(mode).transpose()?;
        if let Some(index) = value("index ")
            && let Some(index_mode) = index_mode(index)?
        {
            // git takes it for the mode before and after.
            if modes.is_some() || header.adds || header.deletes {
                return Err("the `index` line has a mode beside the mode lines".to_owned());
            }
            header.old_mode = Some(index_mode);
        }
        Ok(header)
    }

    fn changes_mode(&self) -> bool {
        self.new_mode.is_some() && self.old_mode != self.new_mode
    }

    /// The names before and after, once every header that has one agrees.
    fn names(&self, section: &Section) -> Result<(Option<String>, Option<String>, Style), String> {
        let from_lines = match section.names {
            Some((old, new)) => {
                let (old, new) = (names::from_file_header(old)?, names::from_file_header(new)?);
                Some(names::strip(&old, &new)?)
            }
            None => None,
        };
        let Some(git) = section.git else {
            let (old, new, style) = from_lines.ok_or("the file names are missing")?;
            if let (Some(old), Some(new)) = (&old, &new)
                && old != new
            {
                return Err(format!(
                    "the names differ: `{old}` and `{new}`; a rename needs git's headers \
                     (`diff --git`, `rename from`, `rename to`)"
                ));
            }
            return Ok((old, new, style));
        };
        if let Some((from, to)) = &self.rename {
            if from == to {
                return Err(format!("`{from}` is renamed to itself"));
            }
            let given = |prefix: &str, name: &str| Name::Given(format!("{prefix}{name}"));
            let style = if names::header_names(git, &format!("a/{from}"), &format!("b/{to}")) {
                Style::Prefixed
            } else if names::header_names(git, from, to)
                && names::strip(&given("", from), &given("", to))?.2 == Style::Bare
            {
                Style::Bare
            } else {
                return Err(
                    "`diff --git` and `rename from`/`rename to` name different files".into()
                );
            };
            let renamed = (Some(from.clone()), Some(to.clone()), style);
            return match from_lines {
                Some(lines) if lines != renamed => {
                    Err("`---`/`+++` and `rename from`/`rename to` name different files".into())
                }
                _ => Ok(renamed),
            };
        }
        let (name, style) = match &from_lines {
            None if section.git_has_cr => {
                return Err("the header lines end in \\r\\n; end them with \\n alone".to_owned());
            }
            None => names::same_in_header(git).map_err(|why| {
                format!("the names after `diff --git` are not `a/PATH b/PATH` of one file: {why}")
            })?,
            Some((old, new, style)) => {
                let name = old.as_ref().or(new.as_ref()).cloned().unwrap_or_default();
                let (a, b) = match style {
                    Style::Prefixed => (format!("a/{name}"), format!("b/{name}")),
                    Style::Bare => (name.clone(), name.clone()),
                };
                if old.as_ref().zip(new.as_ref()).is_some_and(|(old, new)| old != new)
                    || !names::header_names(git, &a, &b)
                {
                    return Err("`diff --git`, `---` and `+++` name different files; a rename \
                                needs `rename from` and `rename to`"
                        .to_owned());
                }
                if (old.is_none(), new.is_none()) != (self.adds, self.deletes) {
                    return Err("`/dev/null` goes with `new file mode 100644` (as the old name) \
                                or `deleted file mode 100644` (as the new name), and with \
                                nothing else"
                        .to_owned());
                }
                (name, *style)
            }
        };
        Ok(((!self.adds).then(|| name.clone()), (!self.deletes).then_some(name), style))
    }
}

fn pair_of(header: &Header) -> Option<(&'static [u8], &'static [u8])> {
    header.rename.as_ref().map(|_| (b"".as_slice(), b"".as_slice()))
}

fn mode(digits: &[u8]) -> Result<Mode, String> {
    let shown = String::from_utf8_lossy(digits);
    match digits {
        b"100644" => Ok(Mode::Regular),
        b"100755" => Ok(Mode::Executable),
        b"120000" => Err("mode 120000: symbolic links are not supported".to_owned()),
        b"160000" => Err("mode 160000: submodules are not supported".to_owned()),
        _ => Err(format!("mode `{shown}` is not supported; 100644 and 100755 are")),
    }
}

fn is_percent(value: &[u8]) -> bool {
    let digits = value.strip_suffix(b"%").unwrap_or_default();
    (1..=3).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

/// The mode of `abc123..def456 100644`, where it has one.
fn index_mode(value: &[u8]) -> Result<Option<Mode>, String> {
    let mut words = value.split(|byte| *byte == b' ');
    let hashes = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
    let is_hash = |hash: &str| {
        (4..=64).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if !hashes.split_once("..").is_some_and(|(old, new)| is_hash(old) && is_hash(new)) {
        return Err("the `index` line is malformed; leave it out".to_owned());
    }
    match (words.next(), words.next()) {
        (None, _) => Ok(None),
        (Some(digits), None) => mode(digits).map(Some),
        _ => Err("the `index` line is malformed; leave it out".to_owned()),
    }
}

fn read_hunks<'a>(section: &Section<'a>) -> Result<Vec<Hunk<'a>>, ToolError> {
    if section.hunks.is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |what: String| at(section.hunks_at, what);
    let patch =
        diffy::Patch::from_bytes(section.hunks).map_err(|error| wrong(error.to_string()))?;
    let mut bodies = bodies(section.hunks).into_iter();
    let mut hunks = Vec::with_capacity(patch.hunks().len());
    for hunk in patch.hunks() {
        let (old, new) = (hunk.old_range(), hunk.new_range());
        if !old.is_empty() && old.start() == 0 || !new.is_empty() && new.start() == 0 {
            return Err(wrong("a hunk starts at line 0; lines count from 1".to_owned()));
        }
        let lines = bodies.next().unwrap_or_default();
        // INVARIANT: two readers, diffy and ours, have read the same lines.
        if !hunk.lines().iter().copied().map(side_of).eq(lines.iter().copied()) {
            return Err(wrong("the hunks are malformed".to_owned()));
        }
        let hunk = Hunk { old_start: old.start(), new_start: new.start(), lines };
        for side in [hunk.old_lines(), hunk.new_lines()] {
            let all_but_last = side.split_last().map_or(&[][..], |(_, before)| before);
            if all_but_last.iter().any(|line| !line.ends_with(b"\n")) {
                return Err(wrong(
                    "`\\ No newline at end of file` stands before another line of the same side"
                        .to_owned(),
                ));
            }
        }
        hunks.push(hunk);
    }
    if bodies.next().is_some() {
        return Err(wrong("the hunks are malformed".to_owned()));
    }
    Ok(hunks)
}

fn side_of<'l>(line: diffy::Line<'l, [u8]>) -> (Side, &'l [u8]) {
    match line {
        diffy::Line::Context(line) => (Side::Both, line),
        diffy::Line::Delete(line) => (Side::Old, line),
        diffy::Line::Insert(line) => (Side::New, line),
    }
}

/// The lines of each hunk; the splitter has checked their marks and counts.
fn bodies(hunks: &[u8]) -> Vec<Vec<(Side, &[u8])>> {
    let mut bodies: Vec<Vec<(Side, &[u8])>> = Vec::new();
    for line in lines_of(hunks) {
        let content = match line {
            [b'@', ..] => {
                bodies.push(Vec::new());
                continue;
            }
            [b' ', line @ ..] => (Side::Both, line),
            [b'-', line @ ..] => (Side::Old, line),
            [b'+', line @ ..] => (Side::New, line),
            [b'\\', ..] => {
                if let Some((_, last)) = bodies.last_mut().and_then(|body| body.last_mut()) {
                    *last = last.strip_suffix(b"\n").unwrap_or(last);
                }
                continue;
            }
            // git takes an empty line for an empty context line.
            line => (Side::Both, line),
        };
        if let Some(body) = bodies.last_mut() {
            body.push(content);
        }
    }
    bodies
}
