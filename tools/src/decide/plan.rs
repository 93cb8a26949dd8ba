//! The files of a proposal before and after. They are saved so that either side can be restored,
//! and changed from one side to the other.

use std::collections::{BTreeMap, BTreeSet};

use super::loaded::Loaded;
use crate::error::{Code, ToolError};
use crate::patch::version;
use crate::path::WorkspacePath;
use crate::records::decision::{Action, Decision, Journal, JournalFile, Saved};
use crate::workspace::{Decider, Source, SourceChange};

/// What saved content is called after.
const BEFORE: &str = "before";
const AFTER: &str = "after";

/// The files of a proposal before and after.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    files: Vec<Planned>,
    /// Directories that are not there before, the outermost first.
    new_directories: Vec<WorkspacePath>,
}

/// One file before and after.
#[derive(Debug, Clone)]
pub(super) struct Planned {
    pub path: WorkspacePath,
    pub before: Option<Source>,
    pub after: Option<Source>,
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Before,
    After,
}

impl To {
    pub(super) fn other(self) -> To {
        match self {
            To::Before => To::After,
            To::After => To::Before,
        }
    }

    /// What is done with files on this way, for people.
    fn done(self) -> &'static str {
        match self {
            To::Before => "files put back",
            To::After => "files changed",
        }
    }
}

impl Planned {
    fn side(&self, to: To) -> Option<&Source> {
        match to {
            To::Before => self.before.as_ref(),
            To::After => self.after.as_ref(),
        }
    }

    fn is_at(&self, found: Option<&Source>, to: To) -> bool {
        match (found, self.side(to)) {
            (None, None) => true,
            (Some(found), Some(side)) => found.is_same_as(side),
            _ => false,
        }
    }
}

impl Plan {
    pub(super) fn new(decider: &Decider, files: Vec<Planned>) -> Result<Plan, ToolError> {
        let mut new_directories: Vec<WorkspacePath> = Vec::new();
        for file in files.iter().filter(|file| file.after.is_some()) {
            for above in file.path.parent().iter().flat_map(|parent| parent.ancestors_and_self()) {
                let above = WorkspacePath::parse(above)?;
                if !new_directories.contains(&above) && !decider.is_directory(&above) {
                    new_directories.push(above);
                }
            }
        }
        new_directories.sort();
        Ok(Plan { files, new_directories })
    }

    /// The journal of this plan, and the content to be saved beside it.
    pub(super) fn save(&self) -> (Journal, Vec<(String, Vec<u8>)>) {
        let mut contents = Vec::new();
        let mut files = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            let mut save = |side: &Option<Source>, suffix: &str| {
                side.as_ref().map(|source| {
                    let content = content_name(index, suffix);
                    contents.push((content.clone(), source.bytes.clone()));
                    Saved { version: version(&source.bytes), mode: source.mode, content }
                })
            };
            let (before, after) = (save(&file.before, BEFORE), save(&file.after, AFTER));
            files.push(JournalFile { path: file.path.as_str().to_owned(), before, after });
        }
        let new_directories =
            self.new_directories.iter().map(|path| path.as_str().to_owned()).collect();
        (Journal { files, new_directories }, contents)
    }

    /// The plan of the last apply, as it was saved: exactly what the proposal makes of what was
    /// there before. A record that lies in the right place proves nothing by itself.
    ///
    /// # Errors
    /// [`Code::Io`] with what differs; then nothing is done by it.
    pub(super) fn saved(
        decider: &Decider,
        loaded: &Loaded,
        history: &[Decision],
    ) -> Result<Plan, ToolError> {
        let id = &loaded.proposal.id;
        let damaged = |what: String| {
            ToolError::new(Code::Io, format!("the journal of proposal {id} is damaged: {what}"))
                .hint("nothing was done by it; restore the sources by hand")
        };
        let intent = history.iter().rev().find(|step| step.action == Action::Applying);
        let journal = intent.and_then(|intent| Some((intent.step, intent.journal.as_ref()?)));
        let (step, journal) = journal.ok_or_else(|| damaged("there is none".to_owned()))?;
        let names: BTreeSet<&str> = journal.files.iter().map(|file| file.path.as_str()).collect();
        let paths: BTreeSet<&str> =
            loaded.proposal.files.iter().flat_map(|file| file.paths()).collect();
        if names != paths || names.len() != journal.files.len() {
            let other: Vec<&str> = names.symmetric_difference(&paths).copied().collect();
            return Err(damaged(format!(
                "it is about other files than the proposal: `{}`",
                other.join("`, `").escape_debug()
            )));
        }
        let load = |saved: &Option<Saved>, index: usize, side: &str| {
            let Some(saved) = saved else { return Ok(None) };
            if saved.content != content_name(index, side) {
                return Err(damaged(format!("it has content `{}`", saved.content.escape_debug())));
            }
            let bytes = decider.saved(id, step, &saved.content)?;
            if version(&bytes) != saved.version {
                return Err(damaged(format!("saved content `{}` is not as saved", saved.content)));
            }
            Ok(Some(Source { bytes, mode: saved.mode & 0o777 }))
        };
        let mut saved = BTreeMap::new();
        for (index, file) in journal.files.iter().enumerate() {
            let path = WorkspacePath::parse(&file.path)?;
            let sides = (load(&file.before, index, BEFORE)?, load(&file.after, index, AFTER)?);
            saved.insert(path, sides);
        }
        let before =
            |path: &WorkspacePath| Ok(saved.get(path).and_then(|(before, _)| before.clone()));
        let made = loaded.files(before).map_err(|error| damaged(error.message))?;
        let mut files = Vec::new();
        for file in made {
            let (before, after) = saved.remove(&file.path).unwrap_or_default();
            let is = |one: &Option<Source>, other: &Option<Source>| match (one, other) {
                (None, None) => true,
                (Some(one), Some(other)) => one.is_same_as(other),
                _ => false,
            };
            if !is(&file.before, &before) || !is(&file.after, &after) {
                return Err(damaged(format!(
                    "`{}` before and after is not what the proposal changes",
                    file.path
                )));
            }
            files.push(Planned { path: file.path, before, after });
        }
        let mut new_directories = Vec::new();
        for directory in &journal.new_directories {
            let path = WorkspacePath::parse(directory)?;
            if !files.iter().any(|file| file.path != path && file.path.is_within(&path)) {
                return Err(damaged(format!("`{path}` is above no file of the proposal")));
            }
            new_directories.push(path);
        }
        Ok(Plan { files, new_directories })
    }

    /// Refuses to go back from anything but what was applied.
    ///
    /// # Errors
    /// [`Code::Conflict`] with each file that has changed since.
    pub(super) fn must_be_applied(&self, decider: &Decider) -> Result<(), ToolError> {
        let changed = self.strangers(decider, To::After)?;
        if changed.is_empty() {
            return Ok(());
        }
        Err(ToolError::new(
            Code::Conflict,
            format!("the sources have changed since it was applied:\n{}", changed.join("\n")),
        )
        .hint("nothing was changed; propose the way back as a change of its own"))
    }

    /// The files that are not at one of these sides.
    fn strangers(&self, decider: &Decider, side: To) -> Result<Vec<String>, ToolError> {
        let mut strangers = Vec::new();
        for file in &self.files {
            let found = match decider.source(&file.path) {
                Ok(found) => found,
                Err(error) if error.code == Code::Conflict => {
                    strangers.push(format!("  {}", error.message));
                    continue;
                }
                Err(error) => return Err(error),
            };
            if !file.is_at(found.as_ref(), side) {
                strangers.push(told(file, found.as_ref(), side));
            }
        }
        Ok(strangers)
    }

    /// Brings every file to one side. With `lenient`, a file that is at neither is left alone, and
    /// the answer tells of what was met.
    pub(super) fn settle(
        &self,
        decider: &Decider,
        id: &str,
        to: To,
        lenient: bool,
    ) -> Result<Vec<String>, ToolError> {
        let mut remarks = Vec::new();
        // What somebody else has made of a file stops the whole, or is left as it is.
        let mut met = |result: Result<(), ToolError>| match result {
            Err(error) if lenient && error.code == Code::Conflict => {
                remarks.push(error.message);
                Ok(())
            }
            other => other,
        };
        let change = |index: usize, file| self.change(index, file, id, to);
        let mut todo = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            decider.report(index, self.files.len(), "files looked at");
            met(decider.clear_unfinished(change(index, file)))?;
            if is_to_do(decider, file, to, lenient)? {
                todo.push((index, file));
            }
        }
        // What is new comes before what goes, so that nothing of a rename is missing for long.
        let (new, gone): (Vec<_>, Vec<_>) =
            todo.iter().partition(|(_, file)| file.side(to).is_some());
        for (done, (index, file)) in new.into_iter().chain(gone).enumerate() {
            decider.report(done, todo.len(), to.done());
            met(decider.change_source(change(index, file)))?;
        }
        self.prune(decider, to)?;
        Ok(remarks)
    }

    fn change<'p>(
        &'p self,
        index: usize,
        file: &'p Planned,
        proposal: &'p str,
        to: To,
    ) -> SourceChange<'p> {
        let (expected, wanted) = (file.side(to.other()), file.side(to));
        SourceChange { path: &file.path, expected, wanted, proposal, index }
    }

    /// Removes directories: those that are not there before, or, as git does, those that a removed
    /// file has left empty.
    fn prune(&self, decider: &Decider, to: To) -> Result<(), ToolError> {
        if to == To::Before {
            for directory in self.new_directories.iter().rev() {
                decider.remove_if_empty(directory)?;
            }
            return Ok(());
        }
        for file in self.files.iter().filter(|file| file.after.is_none()) {
            let mut above = file.path.parent();
            while let Some(directory) = above.filter(|directory| {
                !directory.is_root() && !decider.layout().input.is_within(directory)
            }) {
                if !decider.remove_if_empty(&directory)? {
                    break;
                }
                above = directory.parent();
            }
        }
        Ok(())
    }
}

/// Whether a file is yet to be changed.
fn is_to_do(decider: &Decider, file: &Planned, to: To, lenient: bool) -> Result<bool, ToolError> {
    let found = match decider.source(&file.path) {
        Err(error) if lenient && error.code == Code::Conflict => return Ok(false),
        other => other?,
    };
    if file.is_at(found.as_ref(), to) {
        return Ok(false);
    }
    if lenient || file.is_at(found.as_ref(), to.other()) {
        return Ok(file.is_at(found.as_ref(), to.other()));
    }
    Err(ToolError::new(
        Code::Conflict,
        format!("a source changed in the middle:\n{}", told(file, found.as_ref(), to.other())),
    ))
}

/// The name of saved content in the step's directory.
fn content_name(index: usize, side: &str) -> String {
    format!("{index}.{side}")
}

fn told(file: &Planned, found: Option<&Source>, expected: To) -> String {
    let tell = |source: Option<&Source>| match source {
        Some(source) => {
            let executable = if source.is_executable() { ", executable" } else { "" };
            format!("version {}{executable}", version(&source.bytes))
        }
        None => "nothing".to_owned(),
    };
    format!("  `{}`: expected {}, found {}", file.path, tell(file.side(expected)), tell(found))
}
