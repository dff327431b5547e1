//! How long flash chip and card take at least.

use std::time::Duration;

use wz_testbed::{NorCounters, PAGE};

const KIB: u64 = 1024;

/// Typical times of a W25Q128-class chip on the driver of these cameras. A model, not a measurement.
pub(super) const ERASE_US_PER_BLOCK: u64 = 120_000;
pub(super) const PROGRAM_US_PER_PAGE: u64 = 500;
pub(super) const READ_US_PER_KIB: u64 = 150;

/// The words for the emulated kernel that make its chip take these times.
pub(super) fn kernel_arguments() -> [String; 3] {
    [
        format!("block2mtd.erase_us={ERASE_US_PER_BLOCK}"),
        format!("block2mtd.program_us={PROGRAM_US_PER_PAGE}"),
        format!("block2mtd.read_us={READ_US_PER_KIB}"),
    ]
}

pub(super) fn reading(bytes: u64) -> Duration {
    Duration::from_micros(bytes * READ_US_PER_KIB / KIB)
}

pub(super) fn erasing(blocks: u64) -> Duration {
    Duration::from_micros(blocks * ERASE_US_PER_BLOCK)
}

pub(super) fn programming(bytes: u64) -> Duration {
    Duration::from_micros(bytes.div_ceil(PAGE.get()) * PROGRAM_US_PER_PAGE)
}

/// All that the chip did, one thing after the other.
pub(super) fn flash(nor: &NorCounters) -> Duration {
    erasing(nor.erases) + programming(nor.programmed) + reading(nor.read)
}

/// What a card of this speed takes to read and write so much.
pub(super) fn card(bytes: u64, bytes_per_second: u64) -> Duration {
    Duration::from_micros(bytes * 1_000_000 / bytes_per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_chip_takes_as_long_as_datasheets_have_it() {
        let nor = NorCounters {
            erases: 512,
            programmed: 16 << 20,
            read: 16 << 20,
            set_bits: 0,
        };

        // 61.44 s of erasing, 32.768 s of programming, 2.4576 s of reading.
        assert_eq!(flash(&nor), Duration::from_micros(96_665_600));
    }

    #[test]
    fn a_part_of_a_page_takes_as_long_as_a_page() {
        assert_eq!(programming(4), Duration::from_micros(500));
    }

    #[test]
    fn a_card_takes_its_bytes_by_its_speed() {
        assert_eq!(card(8_000_000, 4_000_000), Duration::from_secs(2));
    }
}
