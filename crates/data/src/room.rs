//! The memory that the scans of one call may hold together.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::TableError;

/// So many bytes for buffers, pages and blocks. Clones share it.
#[derive(Debug, Clone)]
pub struct Room(Arc<Bounds>);

#[derive(Debug)]
struct Bounds {
    bytes: u64,
    used: AtomicU64,
}

impl Room {
    /// Room for so many bytes.
    pub fn new(bytes: u64) -> Room {
        Room(Arc::new(Bounds { bytes, used: AtomicU64::new(0) }))
    }

    /// What is held at this moment, in bytes.
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// What is free at this moment, in bytes.
    pub(crate) fn left(&self) -> u64 {
        self.0.bytes.saturating_sub(self.used())
    }

    /// Takes room for what is about to be made.
    pub(crate) fn hold(&self, bytes: u64) -> Result<Held, TableError> {
        let most = self.0.bytes;
        let add = |used: u64| used.checked_add(bytes).filter(|used| *used <= most);
        match self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(Held { room: self.clone(), bytes }),
            Err(_) => Err(TableError::Memory(most)),
        }
    }
}

/// Room that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    room: Room,
    bytes: u64,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_and_comes_back() {
        let room = Room::new(10);
        let held = room.hold(7).unwrap();
        assert!(matches!(room.hold(4), Err(TableError::Memory(10))));
        assert_eq!(room.used(), 7);
        drop(held);
        assert!(room.hold(u64::MAX).is_err());
        assert!(room.hold(10).is_ok());
        assert_eq!(room.used(), 0);
    }
}
