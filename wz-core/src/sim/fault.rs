//! What can be wrong with a simulated chip or card.
//!
//! Faults that name an `nth` operation are transient: they strike that operation, counted from when
//! the device was broken (1 is the next one), and are over.

use crate::units::{Offset, Size};

/// Something that is wrong with the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashFault {
    /// Every read that touches this byte fails.
    UnreadableAt(Offset),
    /// Reads that touch this byte return it with one bit flipped.
    FlippedBitAt(Offset),
    /// Bits of a byte that are 0 whatever is done to them.
    StuckAtZero {
        /// The byte.
        at: Offset,
        /// Its bits that are stuck.
        mask: u8,
    },
    /// An erase reports an error. It has done nothing, or a part.
    FailsErase {
        /// Which erase from now on.
        nth: u64,
    },
    /// A program reports an error. It has done nothing, or a part.
    FailsProgram {
        /// Which program from now on.
        nth: u64,
    },
    /// A read reports an error.
    FailsRead {
        /// Which read from now on.
        nth: u64,
    },
    /// An erase reports success and has done nothing.
    IgnoresErase {
        /// Which erase from now on.
        nth: u64,
    },
    /// A program reports success and has done nothing.
    IgnoresProgram {
        /// Which program from now on.
        nth: u64,
    },
    /// An erase reports success and has left one bit at 0.
    LeavesABit {
        /// Which erase from now on.
        nth: u64,
    },
    /// A read returns one wrong bit; the cell is right.
    FlipsOnRead {
        /// Which read from now on.
        nth: u64,
    },
}

/// Something that is wrong with the card.
///
/// A write is any change of the card. A read is a call of `read`, `read_at` or `read_back`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardFault {
    /// Every write is refused.
    ReadOnly,
    /// There is no room for anything new.
    Full,
    /// What is written after this many bytes is reported as written and lost.
    DropsWritesAfter(Size),
    /// One bit of the byte after this many written ones is stored wrong.
    FlipsABitAfter(Size),
    /// Pulled out once this many bytes were written: everything fails from then on.
    PulledAfter(Size),
    /// Renaming is reported as done, seen until the next sync, and lost.
    LosesNewNames,
    /// A read reports an error.
    FailsRead {
        /// Which read from now on.
        nth: u64,
    },
    /// A read returns one wrong bit; the card holds the right one.
    FlipsOnRead {
        /// Which read from now on.
        nth: u64,
    },
    /// A read ends early: a `read_back` half-way, the others with an error.
    ShortRead {
        /// Which read from now on.
        nth: u64,
    },
    /// A write reports an error, and nothing was changed.
    FailsWrite {
        /// Which write from now on.
        nth: u64,
    },
    /// A write is reported as done, seen until the next sync, and lost. A `write_sector`, which
    /// looks at the card, notices.
    IgnoresWrite {
        /// Which write from now on.
        nth: u64,
    },
    /// One bit is stored wrong. A `write_sector` notices.
    FlipsOnWrite {
        /// Which write of content (an append or a `write_sector`) from now on.
        nth: u64,
    },
}

/// A fault that may be over after one operation.
pub(crate) trait Transient: Copy {
    /// The operation that it strikes, unless it lasts.
    fn nth(&self) -> Option<u64>;
}

impl Transient for FlashFault {
    fn nth(&self) -> Option<u64> {
        match *self {
            Self::UnreadableAt(_) | Self::FlippedBitAt(_) | Self::StuckAtZero { .. } => None,
            Self::FailsErase { nth }
            | Self::FailsProgram { nth }
            | Self::FailsRead { nth }
            | Self::IgnoresErase { nth }
            | Self::IgnoresProgram { nth }
            | Self::LeavesABit { nth }
            | Self::FlipsOnRead { nth } => Some(nth),
        }
    }
}

impl Transient for CardFault {
    fn nth(&self) -> Option<u64> {
        match *self {
            Self::ReadOnly
            | Self::Full
            | Self::DropsWritesAfter(_)
            | Self::FlipsABitAfter(_)
            | Self::PulledAfter(_)
            | Self::LosesNewNames => None,
            Self::FailsRead { nth }
            | Self::FlipsOnRead { nth }
            | Self::ShortRead { nth }
            | Self::FailsWrite { nth }
            | Self::IgnoresWrite { nth }
            | Self::FlipsOnWrite { nth } => Some(nth),
        }
    }
}
