//! Changing several sources, all or none: first both states are saved with an intent, then each
//! file is changed, then the end is recorded. Each step finds out by itself what is still to do,
//! so a run that was interrupted is simply taken up again, by anybody.

use jiff::Timestamp;

use super::review::Loaded;
use super::{may_decide, next_step, path_of};
use crate::error::{Code, ToolError};
use crate::patch::version;
use crate::path::WorkspacePath;
use crate::records::decision::{Action, Decision, Journal, JournalFile, Saved, State};
use crate::workspace::{Decider, Hold, Published, Source};

/// Without locks, an interrupted run is taken over after this many seconds.
const OLD_SECONDS: i64 = 600;

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
enum To {
    Before,
    After,
}

impl To {
    fn other(self) -> To {
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
    pub fn new(decider: &Decider, files: Vec<Planned>) -> Result<Plan, ToolError> {
        let mut new_directories: Vec<WorkspacePath> = Vec::new();
        for file in files.iter().filter(|file| file.after.is_some()) {
            for above in file.path.parent().iter().flat_map(|parent| parent.ancestors_and_self()) {
                let above = path_of(above)?;
                if !new_directories.contains(&above) && !decider.is_directory(&above) {
                    new_directories.push(above);
                }
            }
        }
        new_directories.sort();
        Ok(Plan { files, new_directories })
    }

    /// The journal of this plan, and the content to be saved beside it.
    pub fn save(&self) -> (Journal, Vec<(String, Vec<u8>)>) {
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
    pub fn saved(decider: &Decider, id: &str, history: &[Decision]) -> Result<Plan, ToolError> {
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
            files.push(Planned { path: path_of(&file.path)?, before, after });
        }
        let new_directories =
            journal.new_directories.iter().map(|path| path_of(path)).collect::<Result<_, _>>()?;
        Ok(Plan { files, new_directories })
    }

    /// Refuses to go back from anything but what was applied.
    ///
    /// # Errors
    /// [`Code::Conflict`] with each file that has changed since.
    pub fn must_be_applied(&self, decider: &Decider) -> Result<(), ToolError> {
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
    fn settle(&self, decider: &Decider, id: &str, to: To, lenient: bool) -> Result<(), ToolError> {
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

/// Carries out the intent that a history ends with, and records the end.
///
/// # Errors
/// When nothing was changed, or when the next run has to take it up.
pub(super) fn carry_out(
    decider: &Decider,
    id: &str,
    plan: &Plan,
    history: Vec<Decision>,
    role: &str,
) -> Result<Decision, ToolError> {
    let applies = State::after(&history) == State::Applying;
    let (to, done, undone) = match applies {
        true => (To::After, Action::Applied, Action::ApplyUndone),
        false => (To::Before, Action::Reverted, Action::RevertUndone),
    };
    let Err(cause) = plan.settle(decider, id, to, false) else {
        return end(decider, id, &history, done, role, None).map_err(|error| {
            error.hint("all files are changed; the next `proposals` command records that")
        });
    };
    let interrupted = |more: ToolError| {
        ToolError::new(
            cause.code,
            format!("the sources are half changed: {}; {}", cause.message, more.message),
        )
        .hint("the next `proposals` command finishes this or takes it back; nothing is lost")
    };
    plan.settle(decider, id, to.other(), true).map_err(interrupted)?;
    end(decider, id, &history, undone, role, Some(&cause.message)).map_err(interrupted)?;
    let hint = cause.hint.clone().unwrap_or_else(|| "look at what changed, then try again".into());
    Err(ToolError::new(cause.code, format!("nothing was changed: {}", cause.message)).hint(hint))
}

/// Records the end. That somebody else has recorded the same is as good.
fn end(
    decider: &Decider,
    id: &str,
    history: &[Decision],
    action: Action,
    role: &str,
    reason: Option<&str>,
) -> Result<Decision, ToolError> {
    let shortened: Option<String> = reason.map(|reason| reason.chars().take(1_000).collect());
    let step = next_step(decider, id, history, action, role, shortened.as_deref())?;
    if decider.take_step(&step, &[])? == Published::Created {
        return Ok(step);
    }
    let now = decider.history(id)?;
    let there = now.into_iter().find(|other| other.step == step.step);
    there.filter(|other| other.action == action).ok_or_else(|| {
        ToolError::new(Code::Conflict, format!("somebody else ended what was begun with {id}"))
            .hint("`proposals show` tells its history")
    })
}

/// A proposal's history once nothing of it is left in the middle.
pub(super) struct Recovered {
    pub history: Vec<Decision>,
    /// What an interrupted run was brought to by this call.
    pub ended: Option<Decision>,
}

/// Finishes or takes back an apply or revert that was interrupted.
///
/// # Errors
/// When that fails; then it is still to be done.
pub(super) fn recover(
    decider: &Decider,
    loaded: &Loaded,
    hold: &Hold,
) -> Result<Recovered, ToolError> {
    let id = &loaded.proposal.id;
    let history = decider.history(id)?;
    // Without locks nobody knows whether it is still under way, so only its age tells.
    let is_interrupted = history.last().is_some_and(|intent| {
        matches!(intent.action, Action::Applying | Action::Reverting)
            && (matches!(hold, Hold::Held(_)) || is_old(intent))
    });
    if !is_interrupted {
        return Ok(Recovered { history, ended: None });
    }
    let role = may_decide(decider, loaded)?;
    let plan = Plan::saved(decider, id, &history)?;
    match carry_out(decider, id, &plan, history, &role) {
        Ok(ended) => Ok(Recovered { history: decider.history(id)?, ended: Some(ended) }),
        Err(error) => {
            let history = decider.history(id)?;
            // Taken back is an end too.
            match State::after(&history) {
                State::Applying | State::Reverting => Err(error),
                _ => Ok(Recovered { ended: history.last().cloned(), history }),
            }
        }
    }
}

/// Whether a step was taken so long ago that nobody is still at it.
fn is_old(step: &Decision) -> bool {
    let begun = step.created.parse::<Timestamp>().map_or(0, Timestamp::as_second);
    Timestamp::now().as_second().saturating_sub(begun) > OLD_SECONDS
}
