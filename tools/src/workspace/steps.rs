//! Reads the records of proposals and the steps that were taken with them.

use std::io::Read;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::metadata::Kind;
use super::scope::{io_error, metadata_of, read_error};
use super::{Workspace, entries};
use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Layout;
use crate::records::decision::RECORD;
use crate::records::history::{History, Proof};

/// Largest record in bytes that is read; a larger one was not written here.
const MAX_RECORD_BYTES: u64 = 4 * 1024 * 1024;
/// Longest history, and most bytes of it. People and programs come nowhere near.
const MAX_STEPS: u32 = 1_000;
const MAX_HISTORY_BYTES: usize = 32 * 1024 * 1024;

/// What is found under the name of a record.
enum Found {
    Nothing,
    Bytes(Vec<u8>),
    /// Something that no program of this kind leaves there, or lets nobody read.
    NoRecord(ToolError),
}

pub(super) fn step_path(layout: &Layout, id: &str, step: u32) -> Result<WorkspacePath, ToolError> {
    Ok(layout.decisions().join(id)?.join(&step.to_string())?)
}

impl Workspace {
    /// The names of directories of records, sorted; none when there is no such directory.
    pub(super) fn record_directories(
        &self,
        path: &WorkspacePath,
    ) -> Result<Vec<String>, ToolError> {
        let handle = match self.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(io_error("list", path, errno)),
        };
        let listing = entries::read(&handle).map_err(|errno| io_error("list", path, errno))?;
        let mut names: Vec<String> = listing
            .entries
            .into_iter()
            .filter(|entry| entry.kind == Kind::Directory && !entry.name.starts_with('.'))
            .map(|entry| entry.name)
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// A whole record; none when nothing is there.
    pub(super) fn read_record(
        &self,
        path: &WorkspacePath,
        most: u64,
    ) -> Result<Option<Vec<u8>>, ToolError> {
        match self.look_up(path, most)? {
            Found::Nothing => Ok(None),
            Found::Bytes(bytes) => Ok(Some(bytes)),
            Found::NoRecord(error) => Err(error),
        }
    }

    fn look_up(&self, path: &WorkspacePath, most: u64) -> Result<Found, ToolError> {
        let no_record =
            || {
                let message = format!("`{path}` is no record of this server");
                Found::NoRecord(ToolError::new(Code::Io, message).hint(format!(
                    "a record is a file of at most {most} bytes; look at what is there"
                )))
            };
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let handle = match self.open(path, flags) {
            Ok(handle) => handle,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Found::Nothing),
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Ok(no_record()),
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
                return Ok(Found::NoRecord(io_error("read", path, errno)));
            }
            Err(errno) => return Err(io_error("read", path, errno)),
        };
        let metadata = metadata_of(&handle).map_err(|errno| io_error("read", path, errno))?;
        if metadata.kind != Kind::File || metadata.size > most {
            return Ok(no_record());
        }
        let mut bytes = Vec::new();
        let mut file = std::fs::File::from(handle).take(most);
        file.read_to_end(&mut bytes).map_err(|error| read_error(path, &error))?;
        Ok(Found::Bytes(bytes))
    }

    /// The steps of a proposal as far as they can be believed.
    pub(super) fn history(
        &self,
        layout: &Layout,
        id: &str,
        proof: Proof<'_>,
    ) -> Result<History, ToolError> {
        let (mut history, mut bytes_of_all) = (History::default(), 0_usize);
        while history.doubt.is_none() {
            // By its name: a listing on a network mount may be older than the last step.
            let path = step_path(layout, id, history.next())?.join(RECORD)?;
            match self.look_up(&path, MAX_RECORD_BYTES)? {
                Found::Nothing => break,
                // What stands in the place of a step keeps all that come after it.
                Found::NoRecord(error) => history.doubt(error.message),
                Found::Bytes(_) if history.next() > MAX_STEPS => {
                    history.doubt(format!("it has more than {MAX_STEPS} steps"));
                }
                Found::Bytes(bytes)
                    if bytes_of_all.saturating_add(bytes.len()) > MAX_HISTORY_BYTES =>
                {
                    history.doubt(format!("its steps have more than {MAX_HISTORY_BYTES} bytes"));
                }
                Found::Bytes(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(step) => {
                        bytes_of_all = bytes_of_all.saturating_add(bytes.len());
                        history.push(step, id, proof);
                    }
                    Err(error) => history.doubt(format!("`{path}` is no decision: {error}")),
                },
            }
        }
        Ok(history)
    }

    /// Later steps behind one that is missing are no end of a history.
    pub(super) fn doubt_gaps(
        &self,
        layout: &Layout,
        id: &str,
        history: &mut History,
    ) -> Result<(), ToolError> {
        if history.doubt.is_some() {
            return Ok(());
        }
        let stored = self.record_directories(&layout.decisions().join(id)?)?;
        let numbers: Vec<u32> = stored.iter().filter_map(|name| name.parse().ok()).collect();
        // A step that is listed was written just now, or is not shown by its name yet.
        let next = history.next();
        if let Some(later) = numbers.iter().filter(|number| **number > next).min()
            && !numbers.contains(&next)
        {
            history.doubt(format!("step {later} is there, but step {next} is missing"));
        }
        if numbers.contains(&next) {
            let path = step_path(layout, id, next)?;
            if self.is_no_step(&path)? {
                history.doubt(format!("`{path}` is there, and has no decision in it"));
            }
        }
        Ok(())
    }

    /// Whether a directory holds something, and no decision.
    fn is_no_step(&self, path: &WorkspacePath) -> Result<bool, ToolError> {
        let failed = |errno| io_error("list", path, errno);
        let inside = match self.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(false),
            other => other.map_err(failed)?,
        };
        let all = entries::read(&inside).map_err(failed)?;
        let has_decision = all.entries.iter().any(|entry| entry.name == RECORD);
        Ok(!(has_decision || all.entries.is_empty() && all.undecodable.is_empty()))
    }
}
