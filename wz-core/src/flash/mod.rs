//! The flash chip: what it can do, and what a power cut may leave behind.

mod file_systems;
mod sim;

use std::fmt;
use std::io;

use crate::event::Problem;
use crate::units::{Offset, Region, Size};

pub use crate::sim::{Cut, FlashFault as Fault};
pub use file_systems::{FileSystem, FileSystems};
pub use sim::{SimNor, Wear};

/// How a chip is divided. Known only at run time: one camera model carries chips of several makers.
///
/// ```text
/// |<------------------------------ size ------------------------------>|
/// |<------ erase_block ------>|<------ erase_block ------>|     ...    |
/// |<- page ->|<- page ->| ... |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The whole chip.
    pub size: Size,
    /// The smallest stretch that can be erased.
    pub erase_block: Size,
    /// The longest stretch that one program command takes.
    pub page: Size,
}

impl Geometry {
    /// The whole chip as a region.
    pub fn whole(&self) -> Region {
        Region::new(Offset::ZERO, self.size)
    }
}

/// A flash chip that is only looked at. Backup and dry runs get no more than this, so that they
/// cannot change the chip.
///
/// A read returns what the cells hold. After a power cut during an erase or a program, the cells of
/// the block in flight may read as anything between old and new, and differently each time; all
/// other blocks are untouched.
pub trait ReadFlash: Send {
    /// Size and division of the chip.
    fn geometry(&self) -> Geometry;

    /// Fills `buffer` from `at` on.
    ///
    /// # Errors
    /// When the range leaves the chip, or the chip or its driver reports an error; `buffer` then
    /// holds nothing of use.
    fn read(&mut self, at: Offset, buffer: &mut [u8]) -> Result<(), FlashError>;
}

/// A NOR flash chip that can be changed.
///
/// - Erasing sets all bits of one erase block. A cut leaves each of its bits old or set.
/// - Programming clears bits and can never set one. A cut leaves each bit of the range old or new.
/// - When a call returns `Ok`, the chip holds the result; nothing is buffered.
/// - A failed call may have changed any part of what it was to change, and nothing else.
pub trait Flash: ReadFlash {
    /// Sets every bit of the erase block that starts at `block`.
    ///
    /// # Errors
    /// When `block` is not the start of an erase block, or the chip reports an error.
    fn erase(&mut self, block: Offset) -> Result<(), FlashError>;

    /// Clears the bits that are 0 in `data`, from `at` on.
    ///
    /// # Errors
    /// When the range leaves the chip, or the chip reports an error.
    fn program(&mut self, at: Offset, data: &[u8]) -> Result<(), FlashError>;
}

/// What was being done with the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashOperation {
    /// Reading.
    Read,
    /// Erasing one block.
    Erase,
    /// Programming.
    Program,
}

impl fmt::Display for FlashOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Erase => "erase",
            Self::Program => "program",
        })
    }
}

/// An operation on the chip that failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} flash at {region}: {source}")]
pub struct FlashError {
    /// What was being done.
    pub operation: FlashOperation,
    /// Where.
    pub region: Region,
    /// What the driver said.
    pub source: io::Error,
}

impl FlashError {
    /// The words for the owner, where flash was to be read.
    pub fn into_read_problem(self) -> Problem {
        Problem::FlashRead {
            region: self.region,
            reason: self.source.to_string(),
        }
    }

    /// An error of `operation` on `length` bytes from `at` on.
    pub fn new(operation: FlashOperation, at: Offset, length: usize, source: io::Error) -> Self {
        Self {
            operation,
            region: Region::new(at, Size::bytes(length as u64)),
            source,
        }
    }
}
