//! Faults that a test injects into the file operations of publishing: feature `fault-injection`,
//! which no release has.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use rustix::io::Errno;

use super::Workspace;
use super::operations::{Operation, errno_of};

/// Which side of an operation a fault is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultPoint {
    /// The operation has not happened.
    Before,
    /// It has happened.
    After,
}

/// Decides for each operation whether it fails, and with which number of the operating system.
type Decide = dyn Fn(Operation, FaultPoint) -> Option<i32> + Send + Sync;

/// The faults of a workspace.
#[derive(Clone, Default)]
pub(super) struct Faults(Option<Arc<Decide>>);

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "injected" } else { "none" })
    }
}

impl Faults {
    fn at(&self, operation: Operation, point: FaultPoint) -> Result<(), Errno> {
        match self.0.as_ref().and_then(|decide| decide(operation, point)) {
            Some(number) => Err(Errno::from_raw_os_error(number)),
            None => Ok(()),
        }
    }
}

impl Workspace {
    /// For tests: `decide` is asked before and after each file operation of publishing, and
    /// makes it fail with the error number that it returns.
    #[must_use]
    pub fn with_faults(
        mut self,
        decide: impl Fn(Operation, FaultPoint) -> Option<i32> + Send + Sync + 'static,
    ) -> Workspace {
        self.faults = Faults(Some(Arc::new(decide)));
        self
    }

    pub(super) fn act<T>(
        &self,
        operation: Operation,
        act: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.faults.at(operation, FaultPoint::Before)?;
        let done = rustix::io::retry_on_intr(act)?;
        self.faults.at(operation, FaultPoint::After)?;
        Ok(done)
    }

    /// Writes in two halves where faults are injected, so that one can fall in between.
    pub(super) fn write_content(&self, file: &mut File, bytes: &[u8]) -> Result<(), Errno> {
        if self.faults.0.is_none() {
            return file.write_all(bytes).map_err(|error| errno_of(&error));
        }
        let (first, second) = bytes.split_at(bytes.len() / 2);
        self.act(Operation::WriteFirstHalf, || {
            file.write_all(first).map_err(|error| errno_of(&error))
        })?;
        self.act(Operation::WriteSecondHalf, || {
            file.write_all(second).map_err(|error| errno_of(&error))
        })
    }
}
