//! What was done with chip and card, in order.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::units::{Offset, Region, Size};

/// An operation that succeeded, as its caller was told. Paths are those of the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// Erased the block that starts there.
    Erased(Offset),
    /// Programmed.
    Programmed {
        /// From where on.
        at: Offset,
        /// How much.
        length: Size,
    },
    /// Read the chip.
    ReadFlash(Region),
    /// Made a file or folder.
    Created(String),
    /// Wrote to the end of a file.
    Appended(String),
    /// Closed a file that was written.
    Finished(String),
    /// Replaced a sector in place.
    WroteSector {
        /// Of which file.
        file: String,
        /// Which one, counted from 0.
        sector: u32,
        /// Its new content.
        bytes: Vec<u8>,
    },
    /// Read a file from its beginning.
    ReadCard(String),
    /// Read a stretch of a file.
    ReadCardAt {
        /// Which file.
        file: String,
        /// From where on.
        at: Offset,
        /// How much.
        length: Size,
    },
    /// Opened a file to read it from the card itself.
    ReadBack(String),
    /// Gave a file or folder another name.
    Renamed {
        /// The old name.
        from: String,
        /// The new name.
        to: String,
    },
    /// Removed a file or folder.
    Removed(String),
    /// Flushed the card.
    Synced,
}

/// A list that chip and card may share. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct Trace(Arc<Mutex<Vec<Did>>>);

impl Trace {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was done so far.
    pub fn entries(&self) -> Vec<Did> {
        self.list().clone()
    }

    pub(crate) fn add(&self, did: Did) {
        self.list().push(did);
    }

    fn list(&self) -> MutexGuard<'_, Vec<Did>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
