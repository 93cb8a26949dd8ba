//! The files of a proposal before and after. They are saved so that either side can be restored,
//! and changed from one side to the other.

use crate::error::{Code, ToolError};
use crate::patch::version;
use crate::path::WorkspacePath;
use crate::records::decision::{Action, Decision, Journal, JournalFile, Saved};
use crate::workspace::{Decider, Source};

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
                    let content = format!("{index}.{suffix}");
                    contents.push((content.clone(), source.bytes.clone()));
                    Saved { version: version(&source.bytes), mode: source.mode, content }
                })
            };
            let (before, after) = (save(&file.before, "before"), save(&file.after, "after"));
            files.push(JournalFile { path: file.path.as_str().to_owned(), before, after });
        }
        let new_directories =
            self.new_directories.iter().map(|path| path.as_str().to_owned()).collect();
        (Journal { files, new_directories }, contents)
    }

    /// The plan of the last apply, as it was saved.
    pub(super) fn saved(
        decider: &Decider,
        id: &str,
        history: &[Decision],
    ) -> Result<Plan, ToolError> {
        let missing = || {
            ToolError::new(Code::Io, format!("proposal {id} has no journal of its files"))
                .hint("restore the sources by hand")
        };
        let intent = history.iter().rev().find(|step| step.action == Action::Applying);
        let intent = intent.ok_or_else(missing)?;
        let journal = intent.journal.as_ref().ok_or_else(missing)?;
        let load = |saved: &Option<Saved>| {
            let Some(saved) = saved else { return Ok(None) };
            let bytes = decider.saved(id, intent.step, &saved.content)?;
            if version(&bytes) != saved.version {
                return Err(ToolError::new(
                    Code::Io,
                    format!("proposal {id}: saved content `{}` is damaged", saved.content),
                )
                .hint("restore the sources by hand"));
            }
            Ok(Some(Source { bytes, mode: saved.mode }))
        };
        let mut files = Vec::new();
        for file in &journal.files {
            let (before, after) = (load(&file.before)?, load(&file.after)?);
            files.push(Planned { path: WorkspacePath::parse(&file.path)?, before, after });
        }
        let new_directories = journal.new_directories.iter().map(|path| WorkspacePath::parse(path));
        let new_directories = new_directories.collect::<Result<_, _>>()?;
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

    /// Brings every file to one side. With `lenient`, a file that is at neither is left alone.
    pub(super) fn settle(
        &self,
        decider: &Decider,
        id: &str,
        to: To,
        lenient: bool,
    ) -> Result<(), ToolError> {
        let mark = |index: usize| format!("{id}-{index}");
        let mut todo = Vec::new();
        for (index, file) in self.files.iter().enumerate() {
            decider.report(index, self.files.len(), "files looked at");
            decider.remove_unfinished(&file.path, &mark(index))?;
            if self.is_to_do(decider, file, to, lenient)? {
                todo.push((index, file));
            }
        }
        // What is new comes before what goes, so that nothing of a rename is missing for long.
        let (new, gone): (Vec<_>, Vec<_>) =
            todo.iter().partition(|(_, file)| file.side(to).is_some());
        for (done, (index, file)) in new.into_iter().chain(gone).enumerate() {
            decider.report(done, todo.len(), to.done());
            if !self.is_to_do(decider, file, to, lenient)? {
                continue;
            }
            match file.side(to) {
                Some(source) => decider.write_source(&file.path, source, &mark(index))?,
                None => decider.remove_source(&file.path)?,
            }
        }
        self.prune(decider, to)
    }

    fn is_to_do(
        &self,
        decider: &Decider,
        file: &Planned,
        to: To,
        lenient: bool,
    ) -> Result<bool, ToolError> {
        let found = match decider.source(&file.path) {
            Err(error) if lenient && error.code == Code::Conflict => return Ok(false),
            other => other?,
        };
        if file.is_at(found.as_ref(), to) {
            return Ok(false);
        }
        if file.is_at(found.as_ref(), to.other()) {
            return Ok(true);
        }
        if lenient {
            return Ok(false);
        }
        Err(ToolError::new(
            Code::Conflict,
            format!("a source changed in the middle:\n{}", told(file, found.as_ref(), to.other())),
        ))
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
