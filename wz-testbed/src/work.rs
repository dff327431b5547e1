//! The least that a NOR chip has to do to turn one content into another.

use wz_core::units::{Region, Size};

use crate::counters::NorCounters;

/// The erase block of these cameras' flash driver.
pub const ERASE_BLOCK: Size = Size::kib(32);
/// What one program command writes.
pub const PAGE: Size = Size::bytes(256);

/// Work of a NOR chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Blocks to erase.
    pub erases: u64,
    /// Bytes to program, in whole pages.
    pub programmed: u64,
}

impl Work {
    /// What it takes to turn `old` into `new`: a block is erased only if a bit of it has to become 1,
    /// and a page is programmed only if it differs then. If anything in `boot` differs, its first
    /// block is erased whatever is in it: a half-written boot loader must not be started.
    pub fn to_rewrite(old: &[u8], new: &[u8], boot: Region) -> Self {
        let block = ERASE_BLOCK.as_usize();
        let boot_range = boot.offset.as_usize()..boot.end().as_usize();
        let boot_differs = old.get(boot_range.clone()) != new.get(boot_range.clone());
        let blocks = old.chunks(block).zip(new.chunks(block)).enumerate();
        blocks.fold(Self::default(), |work, (number, (old, new))| {
            let is_first_of_boot = number * block == boot_range.start;
            let is_erased = needs_erase(old, new) || (is_first_of_boot && boot_differs);
            let blank = vec![0xff; old.len()];
            let cells = if is_erased { &blank } else { old };
            Self {
                erases: work.erases + u64::from(is_erased),
                programmed: work.programmed + programmed(cells, new),
            }
        })
    }

    /// What is in the way of these counters being exactly this work; nothing if they are. Where the
    /// boot partition was rewritten, a few bytes more are right: its first bytes are cleared before
    /// all else, and programmed last.
    pub fn not_matched_by(&self, nor: &NorCounters, seal: Size) -> Vec<String> {
        let mut wrong = Vec::new();
        if nor.erases != self.erases {
            wrong.push(format!("{} erases, not {}", nor.erases, self.erases));
        }
        let programmed = self.programmed..=self.programmed + seal.get();
        if !programmed.contains(&nor.programmed) {
            let (done, due) = (nor.programmed, self.programmed);
            wrong.push(format!("{done} bytes programmed, not {due} (+ {seal})"));
        }
        if nor.set_bits != 0 {
            wrong.push(format!("{} pages programmed without erase", nor.set_bits));
        }
        wrong
    }
}

fn needs_erase(old: &[u8], new: &[u8]) -> bool {
    old.iter().zip(new).any(|(old, new)| new & !old != 0)
}

fn programmed(cells: &[u8], new: &[u8]) -> u64 {
    let page = PAGE.as_usize();
    let pages = cells.chunks(page).zip(new.chunks(page));
    pages
        .filter(|(cells, new)| cells != new)
        .map(|(_, new)| new.len() as u64)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use wz_core::units::Offset;

    const BLOCK: usize = 32 * 1024;

    /// Of four blocks, the first two are the boot partition.
    fn work(old: &[u8], new: &[u8]) -> (u64, u64) {
        let boot = Region::new(Offset::ZERO, Size::kib(64));
        let work = Work::to_rewrite(old, new, boot);
        (work.erases, work.programmed)
    }

    fn flash(fill: u8, changes: &[(usize, u8)]) -> Vec<u8> {
        let mut flash = vec![fill; 4 * BLOCK];
        for (at, byte) in changes {
            flash[*at] = *byte;
        }
        flash
    }

    #[rstest]
    #[case::nothing_differs(&[], &[], (0, 0))]
    #[case::a_bit_becomes_0(&[], &[(2 * BLOCK, 0x54)], (0, 256))]
    #[case::a_bit_becomes_1(&[], &[(2 * BLOCK, 0x57)], (1, 32_768))]
    #[case::both(&[], &[(2 * BLOCK, 0x54), (2 * BLOCK + 1, 0x57)], (1, 32_768))]
    #[case::in_two_blocks(&[], &[(2 * BLOCK, 0x57), (3 * BLOCK, 0x57)], (2, 65_536))]
    #[case::last_byte(&[], &[(4 * BLOCK - 1, 0x54)], (0, 256))]
    #[case::boot_block_0(&[], &[(0, 0x54)], (1, 32_768))]
    #[case::boot_block_1_takes_block_0_along(&[], &[(BLOCK, 0x54)], (1, 33_024))]
    fn of_a_filled_chip(
        #[case] old: &[(usize, u8)],
        #[case] new: &[(usize, u8)],
        #[case] expected: (u64, u64),
    ) {
        assert_eq!(work(&flash(0x55, old), &flash(0x55, new)), expected);
    }

    #[test]
    fn blank_pages_are_not_programmed() {
        let half = [vec![0; BLOCK / 2], vec![0xff; BLOCK / 2]].concat();
        let new = [half.repeat(2), vec![0xff; 2 * BLOCK]].concat();

        assert_eq!(work(&flash(0x55, &[]), &new), (4, 32_768));
    }

    #[test]
    fn a_blank_chip_needs_no_erase_but_that_of_the_boot_loader() {
        assert_eq!(work(&flash(0xff, &[]), &flash(0x55, &[])), (1, 131_072));
    }

    #[test]
    fn every_deviation_of_the_counters_is_told() {
        let due = Work {
            erases: 2,
            programmed: 512,
        };
        let counted = |erases, programmed, set_bits| NorCounters {
            erases,
            programmed,
            read: 1,
            set_bits,
        };
        let seal = Size::bytes(8);

        assert_eq!(due.not_matched_by(&counted(2, 512, 0), seal), [""; 0]);
        assert_eq!(due.not_matched_by(&counted(2, 520, 0), seal), [""; 0]);
        assert_eq!(due.not_matched_by(&counted(2, 521, 0), seal).len(), 1);
        assert_eq!(due.not_matched_by(&counted(3, 511, 1), seal).len(), 3);
    }
}
