//! The whole content of a file, with the memory that it was drawn from.

use std::ops::Deref;

use crate::memory::Drawn;

/// What a file contains. The memory that it takes is given back to the budget when it is dropped.
#[derive(Debug)]
pub struct Content {
    bytes: Vec<u8>,
    drawn: Drawn,
}

impl Content {
    pub(super) fn new(bytes: Vec<u8>, drawn: Drawn) -> Content {
        Content { bytes, drawn }
    }

    /// The bytes, for whoever accounts for the memory of what is made of them.
    pub fn into_parts(self) -> (Vec<u8>, Drawn) {
        (self.bytes, self.drawn)
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
