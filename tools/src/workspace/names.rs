//! The names of a directory, packed: of half a million entries none is held as a path of its own.

use rustix::fd::OwnedFd;
use rustix::io::Errno;

use crate::call::Call;
use crate::error::ToolError;
use crate::memory::{Drawn, Memory};

use super::entries::{self, RawEntry};
use super::metadata::Kind;

/// Listings below this are not counted against the budget; larger ones draw in steps of this.
const STEP_BYTES: usize = 1024 * 1024;
/// After so many entries it is looked whether the call goes on.
const CHECK_EVERY: usize = 1_024;

/// Names and kinds in the order of their bytes.
#[derive(Debug, Default)]
pub(super) struct Names {
    text: String,
    entries: Vec<Packed>,
    /// The memory beyond the first step.
    drawn: Option<Drawn>,
}

/// Where a name stands in the text.
#[derive(Debug, Clone, Copy)]
struct Packed {
    start: u32,
    /// No file system has names over 255 bytes.
    length: u8,
    kind: Kind,
}

/// Why a directory was not listed.
#[derive(Debug)]
pub(super) enum Unlisted {
    /// The file system failed.
    Failed(Errno),
    /// The call ended, or there is no memory.
    Ended(ToolError),
}

impl From<Errno> for Unlisted {
    fn from(errno: Errno) -> Self {
        Unlisted::Failed(errno)
    }
}

impl From<ToolError> for Unlisted {
    fn from(error: ToolError) -> Self {
        Unlisted::Ended(error)
    }
}

/// What becomes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorted {
    Kept,
    LeftOut,
    /// It is no name of a path, so it is counted.
    Unnameable,
}

impl Names {
    /// Reads the whole directory. Gives the names that `sort` keeps, and how many are no names of
    /// paths, of those that may be `told`.
    pub(super) fn read(
        directory: &OwnedFd,
        memory: &Memory,
        call: &Call,
        mut sort: impl FnMut(&str, Kind) -> Sorted,
        told: impl Fn(&RawEntry) -> bool,
    ) -> Result<(Names, u64), Unlisted> {
        let mut names = Names::default();
        let (mut unnameable, mut seen) = (0, 0_usize);
        entries::each(directory, |name, kind| {
            seen += 1;
            if seen.is_multiple_of(CHECK_EVERY) {
                call.check().map_err(ToolError::from)?;
                names.draw(memory, call)?;
            }
            let kind = entries::kind_of(directory, name, kind);
            let text = std::str::from_utf8(name);
            match text.map(|name| (sort(name, kind), name)) {
                Ok((Sorted::Kept, name)) if names.push(name, kind) => {}
                Ok((Sorted::LeftOut, _)) => {}
                _ => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    unnameable += u64::from(told(&RawEntry { name, kind }));
                }
            }
            Ok::<(), Unlisted>(())
        })?;
        names.draw(memory, call)?;
        let Names { text, entries, .. } = &mut names;
        entries.sort_unstable_by(|a, b| a.of(text).cmp(b.of(text)));
        Ok((names, unnameable))
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry at a place of the order.
    pub(super) fn get(&self, index: usize) -> Option<(&str, Kind)> {
        self.entries.get(index).map(|packed| (packed.of(&self.text), packed.kind))
    }

    fn push(&mut self, name: &str, kind: Kind) -> bool {
        let (Ok(start), Ok(length)) = (u32::try_from(self.text.len()), u8::try_from(name.len()))
        else {
            return false;
        };
        self.text.push_str(name);
        self.entries.push(Packed { start, length, kind });
        true
    }

    /// Draws what the names take by now; more is drawn before a buffer doubles.
    fn draw(&mut self, memory: &Memory, call: &Call) -> Result<(), ToolError> {
        let held = self.text.capacity() + self.entries.capacity() * size_of::<Packed>();
        let drawn = STEP_BYTES + self.drawn.as_ref().map_or(0, Drawn::bytes);
        let Some(more) = held.checked_sub(drawn).filter(|more| *more > 0) else { return Ok(()) };
        let more = more.next_multiple_of(STEP_BYTES);
        match &mut self.drawn {
            Some(drawn) => drawn.grow(more, call),
            None => memory.draw(more, call).map(|drawn| self.drawn = Some(drawn)),
        }
    }
}

impl Packed {
    fn of(self, text: &str) -> &str {
        let start = self.start as usize;
        text.get(start..start + usize::from(self.length)).unwrap_or_default()
    }
}
