//! The boot partition.
//!
//! ```text
//! U-Boot 2013.07   0       26K                U-Boot 2026.x   0      32K     96K
//!                  | SPL   | U-Boot ...                       | TPL  | SPL   | U-Boot ...
//!                  06 05 04 03                                06 05 04 03
//! ```
//! Source: `CONFIG_SPL_MAX_SIZE` and `CONFIG_UBOOT_OFFSET` of u-boot-ingenic (`include/configs/isvp_*.h`).

use std::ops::Range;

use super::error::ContentError;
use super::head::Head;
use crate::units::Size;

const MAGIC: [u8; 4] = [0x06, 0x05, 0x04, 0x03];
const SIGMASTAR: &[u8] = b"IPL_";

/// Where the first program is. Not the 32K that it has in newer U-Boots: in an older one, U-Boot starts
/// at 26K, and would pass for an SPL that is not there.
const FIRST_PROGRAM: Range<u64> = 0..26 * 1024;

/// Where whatever the first program starts must reach to.
const NEXT_PROGRAM: Range<u64> = 32 * 1024..u64::MAX;

/// The least that a program has of bytes that are neither blank nor padding. What sets up clocks, memory
/// and flash is ten times as long; a header with a name and a date is far shorter.
const SHORTEST_PROGRAM: Size = Size::kib(1);

#[derive(Debug, Default)]
pub(super) struct Spl {
    head: Head<8>,
    position: u64,
    first: u64,
    next: u64,
}

impl Spl {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.head.take(bytes);
        self.first += filled(part(bytes, self.position, FIRST_PROGRAM));
        self.next += filled(part(bytes, self.position, NEXT_PROGRAM));
        self.position += bytes.len() as u64;
    }

    pub(super) fn finish(self) -> Result<(), ContentError> {
        let head = self.head.bytes();
        let (first, next) = (Size::bytes(self.first), Size::bytes(self.next));
        if head.get(4..) == Some(SIGMASTAR) {
            return Err(ContentError::SigmaStar);
        }
        if !head.starts_with(&MAGIC) {
            return Err(ContentError::NoSpl {
                found: head.iter().copied().take(MAGIC.len()).collect(),
            });
        }
        if first < SHORTEST_PROGRAM {
            return Err(ContentError::EmptySpl { filled: first });
        }
        if next < SHORTEST_PROGRAM {
            return Err(ContentError::NoUboot { filled: next });
        }
        Ok(())
    }
}

/// What of the bytes that start at `position` lies in `range`.
fn part(bytes: &[u8], position: u64, range: Range<u64>) -> &[u8] {
    let index = |at: u64| {
        let index = usize::try_from(at.saturating_sub(position));
        index.unwrap_or(usize::MAX).min(bytes.len())
    };
    &bytes[index(range.start)..index(range.end)]
}

/// How many bytes are neither blank nor padding.
fn filled(bytes: &[u8]) -> u64 {
    let filled = bytes.iter().filter(|byte| !matches!(byte, 0x00 | 0xff));
    filled.count() as u64
}
