//! `Decider`: the workspace with the rights of a person who decides. Only it writes decisions and
//! sources. It is made from a whole [`Grant`]; tools have only a part of one, so no tool can get a
//! `Decider`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::call::{Call, Stop};
use crate::error::{Code, ToolError};
use crate::memory::Drawn;
use crate::path::WorkspacePath;
use crate::policy::{Grant, Layout, ToolGrant};
use crate::records::decision::{Decision, RECORD};
use crate::records::history::{History, Proof};
use crate::records::proposal;

use super::Workspace;
use super::publish::Published;
use super::scope::{Scope, io_error};
use super::steps::step_path;
use super::unfinished::unfinished_name;

/// Largest diff in bytes that is read, and largest content that was saved with a step: that of a
/// source, whose limit is the policy's.
const MAX_CONTENT_BYTES: u64 = 1024 * 1024 * 1024;
/// How often a proposal that is held is asked for again, and how long apart.
const HOLD_TRIES: u32 = 25;
const HOLD_PAUSE: Duration = Duration::from_millis(20);

/// Whether a proposal is held.
#[derive(Debug)]
pub enum Hold {
    /// By this handle.
    Held(OwnedFd),
    /// By another process.
    Busy,
    /// The file system does not say.
    Unknown,
}

/// A handle of the workspace together with the rights of a person who decides.
#[derive(Clone)]
pub struct Decider {
    workspace: Arc<Workspace>,
    rights: ToolGrant,
    grant: Grant,
    layout: Arc<Layout>,
    caller: Arc<str>,
    call: Option<(Call, Instant)>,
}

impl Decider {
    /// Joins a workspace and a caller's grant. Only the commands of people do this.
    pub fn new(
        workspace: Arc<Workspace>,
        grant: &Grant,
        layout: Arc<Layout>,
        caller: &str,
    ) -> Self {
        let rights = grant.for_decisions();
        let caller = caller.into();
        Decider { workspace, rights, grant: grant.clone(), layout, caller, call: None }
    }

    /// Looks at the deadline of this call while it reads, and sends progress to where the call's
    /// progress goes. A decision about many files on a network mount takes a while.
    #[must_use]
    pub fn during(mut self, call: &Call) -> Self {
        // Half of the time is for reading lists, so that what was read can still be answered.
        self.call = Some((call.clone(), Instant::now() + call.time_left() / 2));
        self
    }

    /// Whether there is time to read more of a list.
    pub(crate) fn has_time(&self) -> bool {
        self.call
            .as_ref()
            .is_none_or(|(call, until)| call.check().is_ok() && Instant::now() < *until)
    }

    /// Memory of which each part of a list takes some; none where it reads for no call.
    ///
    /// # Errors
    /// As [`Memory::draw`](crate::memory::Memory::draw).
    pub(crate) fn draw(&self, drawn: &mut Option<Drawn>, bytes: usize) -> Result<(), ToolError> {
        let Some((call, _)) = &self.call else { return Ok(()) };
        self.workspace.memory().draw_more(drawn, bytes, call)
    }

    /// Asked in loops that only look.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        self.call.as_ref().map_or(Ok(()), |(call, _)| call.check())
    }

    /// Tells how many of all were done, and what.
    pub(crate) fn report(&self, count: usize, all: usize, done: &str) {
        if let Some(sink) = self.call.as_ref().and_then(|(call, _)| call.progress()) {
            sink(count as u64, &format!("{count} of {all} {done}"));
        }
    }

    /// Whether the policy lets somebody else decide about a path, as a record says it has.
    pub(crate) fn lets_decide(&self, caller: &str, path: &WorkspacePath) -> bool {
        self.grant.lets_decide(caller, path)
    }

    /// Signs a step after another, where the policy names a key.
    ///
    /// # Errors
    /// [`Code::Denied`] when this program was not given the key.
    pub(crate) fn sign(
        &self,
        step: &mut Decision,
        previous: Option<&Decision>,
    ) -> Result<(), ToolError> {
        step.signature = match self.grant.proof_of_decisions() {
            Proof::Place => None,
            Proof::Keys(keys) => Some(keys.sign(step, previous)),
            Proof::Missing => {
                return Err(ToolError::new(
                    Code::Denied,
                    "the policy names a key for decisions, and this program was not given it",
                )
                .hint("decide with a program that has the key"));
            }
        };
        Ok(())
    }

    /// What the caller may do.
    pub fn rights(&self) -> &ToolGrant {
        &self.rights
    }

    /// Who decides.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// Where records lie.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The ids of all proposals, sorted.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn proposal_ids(&self) -> Result<Vec<String>, ToolError> {
        self.workspace.record_directories(self.layout.proposals())
    }

    /// The record of a proposal, as it is stored.
    ///
    /// # Errors
    /// [`Code::NotFound`] when there is no such proposal, [`Code::Io`] when the file system fails.
    pub fn proposal(&self, id: &str) -> Result<Vec<u8>, ToolError> {
        self.of_proposal(id, proposal::RECORD, proposal::MAX_BYTES)
    }

    /// The diff of a proposal, as it is stored.
    ///
    /// # Errors
    /// As [`Decider::proposal`].
    pub fn diff(&self, id: &str) -> Result<Vec<u8>, ToolError> {
        self.of_proposal(id, proposal::PATCH, MAX_CONTENT_BYTES)
    }

    fn of_proposal(&self, id: &str, name: &str, most: u64) -> Result<Vec<u8>, ToolError> {
        let missing = || {
            ToolError::new(Code::NotFound, format!("no proposal `{id}`"))
                .hint("the list of proposals shows those that there are")
        };
        let path = self.layout.proposals().join(id).and_then(|folder| folder.join(name));
        self.workspace.read_record(&path.map_err(|_| missing())?, most)?.ok_or_else(missing)
    }

    /// The steps that were taken with a proposal, in order, as far as they can be believed.
    /// Nothing is written.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn history(&self, id: &str) -> Result<History, ToolError> {
        let mut history =
            self.workspace.history(&self.layout, id, self.grant.proof_of_decisions())?;
        self.workspace.doubt_gaps(&self.layout, id, &mut history)?;
        Ok(history)
    }

    /// Content that was saved with a step.
    ///
    /// # Errors
    /// [`Code::Io`] when it is missing or the file system fails.
    pub fn saved(&self, id: &str, step: u32, name: &str) -> Result<Vec<u8>, ToolError> {
        let path = step_path(&self.layout, id, step)?.join(name)?;
        self.workspace.read_record(&path, MAX_CONTENT_BYTES)?.ok_or_else(|| {
            ToolError::new(Code::Io, format!("`{path}` is missing, which was saved for a revert"))
                .hint("restore it, or restore the sources by hand")
        })
    }

    /// Holds a proposal against other processes of this machine, until the answer is dropped or
    /// the process ends. This is only so that nobody takes over what is still under way: where a
    /// file system has no such locks, steps are still exclusive, and an interrupted run is taken
    /// over only when it is old.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn hold(&self, id: &str) -> Result<Hold, ToolError> {
        let path = self.layout.decisions().join(id)?;
        let failed = |errno| io_error("write", &path, errno);
        let directory = self.workspace.directory_for_records(&path).map_err(failed)?;
        for _ in 0..HOLD_TRIES {
            match flock(&directory, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Hold::Held(directory)),
                // Also a process that is just being started has the handle for a moment.
                Err(Errno::WOULDBLOCK) => std::thread::sleep(HOLD_PAUSE),
                Err(_) => return Ok(Hold::Unknown),
            }
        }
        Ok(Hold::Busy)
    }

    /// Takes the next step, exclusively: of several at once exactly one gets
    /// [`Published::Created`].
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn take_step(
        &self,
        decision: &Decision,
        saved: &[(String, Vec<u8>)],
    ) -> Result<Published, ToolError> {
        let mut json = serde_json::to_vec_pretty(decision).map_err(|error| {
            ToolError::new(Code::Internal, "the decision could not be written as JSON")
                .caused_by(error)
        })?;
        json.push(b'\n');
        let path = step_path(&self.layout, &decision.proposal, decision.step)?;
        let contents = saved.iter().enumerate().map(|(done, (name, bytes))| {
            self.report(done, saved.len(), "versions saved");
            (name.as_str(), bytes.as_slice())
        });
        let record = std::iter::once((RECORD, json.as_slice()));
        self.publish_step(&path, contents.chain(record))
    }

    fn publish_step<'f>(
        &self,
        path: &WorkspacePath,
        files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
    ) -> Result<Published, ToolError> {
        let (parent, name) = path
            .parent()
            .zip(path.file_name())
            .ok_or_else(|| ToolError::invalid("a step needs a name"))?;
        let disk = self.workspace();
        let failed = |errno| io_error("write", path, errno);
        let directory = disk.directory_for_records(&parent).map_err(failed)?;
        let temporary = unfinished_name();
        disk.write_aside(&directory, &temporary, files).map_err(failed)?;
        disk.rename_exclusively((&directory, &temporary), (&directory, name))
            .map_err(|how| failed(how.errno()))
    }
}

impl Scope {
    /// The steps that people took with a proposal of which the caller knows the id. Signatures
    /// are not checked: a tool has no key, and only tells of conflicts by them.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn history(&self, id: &str) -> Result<Vec<Decision>, ToolError> {
        let folder = self.layout().proposals().join(id)?;
        if !self.knows_record(&folder) && !self.knows_record(&folder.join(proposal::RECORD)?) {
            return Ok(Vec::new());
        }
        Ok(self.workspace().history(self.layout(), id, Proof::Place)?.steps)
    }
}
