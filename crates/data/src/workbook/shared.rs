//! The texts that the sheets of a workbook share: one text of all, and where each of them ends.
use crate::error::TableError;
use crate::room::{Held, Room};

const STEP_BYTES: usize = 1024 * 1024;

/// The texts.
#[derive(Debug)]
pub(super) struct Shared {
    text: String,
    ends: Vec<u32>,
    room: Room,
    held: Vec<Held>,
}

impl Shared {
    pub(super) fn new(room: &Room) -> Shared {
        Shared { text: String::new(), ends: Vec::new(), room: room.clone(), held: Vec::new() }
    }

    pub(super) fn push(&mut self, part: &str) -> Result<(), TableError> {
        if self.text.capacity() - self.text.len() < part.len() {
            let more = part.len().max(STEP_BYTES).max(self.text.len() / 2);
            self.held.push(self.room.hold(more as u64)?);
            self.text.reserve_exact(more);
        }
        if self.ends.capacity() == self.ends.len() {
            let more = (STEP_BYTES / 4).max(self.ends.len() / 2);
            self.held.push(self.room.hold(4 * more as u64)?);
            self.ends.reserve_exact(more);
        }
        self.text.push_str(part);
        let end = u32::try_from(self.text.len())
            .map_err(|_| TableError::broken("its sheets share more than 4 GiB of texts"))?;
        self.ends.push(end);
        Ok(())
    }

    pub(super) fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)? as usize;
        let start = match at.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.text.get(start..end)
    }
}
