//! The text that a model reads: names, grouped by directory as `ls -R` shows them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{EntryType, ListedEntry, Output};
use crate::text::visible::written_out;
use crate::tool::page_end::{self, Stopped};

/// The whole answer as text. With `headings_only` a directory that is the heading of its own
/// entries has no line among those of its parent.
pub(super) fn text(output: &Output, stopped: Option<Stopped>, headings_only: bool) -> String {
    let mut groups: BTreeMap<&str, Vec<&ListedEntry>> = BTreeMap::new();
    for entry in &output.entries {
        groups.entry(split(&entry.path).0).or_default().push(entry);
    }
    let headings: BTreeSet<&str> = groups.keys().copied().collect();
    let mut text = String::new();
    for (directory, entries) in &groups {
        if !text.is_empty() {
            text.push('\n');
        }
        // Names at the root need no heading where they come first.
        if !directory.is_empty() {
            text += directory;
            text += ":\n";
        }
        let is_told = |entry: &&&ListedEntry| {
            !headings_only
                || entry.kind != EntryType::Directory
                || !headings.contains(entry.path.as_str())
        };
        entries.iter().filter(is_told).for_each(|entry| line(&mut text, entry));
    }
    // Writing to a String cannot fail.
    for path in &output.unreadable {
        let _ = writeln!(text, "left out: {path}: it could not be read");
    }
    if output.unnameable > 0 {
        let count = output.unnameable;
        let _ = writeln!(text, "left out: {count} names that are no text");
    }
    let count = match output.entries.len() {
        0 => "no entries".to_owned(),
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    page_end::last_line(&mut text, vec![count], stopped, output.next_cursor.as_deref());
    text
}

/// The directory and the name of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn line(text: &mut String, entry: &ListedEntry) {
    text.push_str(split(&entry.path).1);
    match entry.kind {
        EntryType::File => {}
        EntryType::Directory => text.push('/'),
        EntryType::Symlink => {
            text.push_str(" -> ");
            // A target can hold what a path cannot, such as a new line.
            text.push_str(&entry.target.as_deref().map_or("?".to_owned(), written_out));
        }
        EntryType::Other => text.push_str(" (neither file nor directory)"),
    }
    if let Some(size) = entry.size {
        let _ = write!(text, "\t{size}");
    }
    if let Some(modified) = &entry.modified {
        // To the second.
        let time = modified.split(['.', 'Z']).next().unwrap_or_default();
        let _ = write!(text, "\t{time}Z");
    }
    if entry.unreadable && entry.kind != EntryType::Symlink {
        text.push_str("\t(unreadable)");
    }
    text.push('\n');
}
