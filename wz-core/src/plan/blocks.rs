//! What becomes of each erase block: pure, from what it holds and what it is to hold.
//!
//! ```text
//!                    old == wanted        no bit 0 -> 1        some bit 0 -> 1
//! settled block      Keep                 Program              EraseProgram, Erase if wanted is blank
//! block in flight    EraseProgram, Erase if wanted is blank: its cells may be marginal
//! ```

use std::ops::Range;

use crate::units::Size;

/// What an erased byte reads.
pub const BLANK: u8 = 0xFF;

/// What is done with an erase block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing: it holds what is wanted.
    Keep,
    /// Bits are cleared; none has to be set.
    Program,
    /// It is erased, and stays so.
    Erase,
    /// It is erased and programmed anew.
    EraseProgram,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It holds what is wanted.
    Equal,
    /// Only bits that are 1 have to become 0.
    ClearsBits,
    /// A bit that is 0 has to become 1, which only erasing does.
    SetsBits,
    /// Power went while it was written: what it reads like may not last.
    InFlight,
}

impl Action {
    /// Whether the block is erased.
    pub fn erases(self) -> bool {
        matches!(self, Self::Erase | Self::EraseProgram)
    }
}

/// What a block was, once power had failed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// Nothing was being done with it.
    Settled,
    /// It was being erased or programmed when power went.
    InFlight,
}

/// What is done with a block that reads `old` and is to hold `wanted`, which are equally long.
pub fn decide(old: &[u8], wanted: &[u8], past: Past) -> (Action, Reason) {
    let anew = match is_blank(wanted) {
        true => Action::Erase,
        false => Action::EraseProgram,
    };
    if past == Past::InFlight {
        return (anew, Reason::InFlight);
    }
    if old == wanted {
        return (Action::Keep, Reason::Equal);
    }
    let sets_a_bit = |(old, wanted): (&u8, &u8)| wanted & !old != 0;
    match old.iter().zip(wanted).any(sets_a_bit) {
        true => (anew, Reason::SetsBits),
        false => (Action::Program, Reason::ClearsBits),
    }
}

/// Whether all bytes are erased.
pub fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == BLANK)
}

/// The ranges of whole pages of a block in which `old` and `wanted` differ; neighbours are joined.
/// These have to be programmed, and no others.
pub fn ranges_to_program(old: &[u8], wanted: &[u8], page: Size) -> Vec<Range<usize>> {
    let page = page.as_usize().max(1);
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for start in (0..wanted.len()).step_by(page) {
        let end = (start + page).min(wanted.len());
        if old[start..end] == wanted[start..end] {
            continue;
        }
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => ranges.push(start..end),
        }
    }
    ranges
}

/// How much work a rewrite is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Blocks that stay as they are.
    pub kept: u32,
    /// Blocks that are programmed without being erased.
    pub programmed: u32,
    /// Blocks that are erased, programmed anew or not.
    pub erased: u32,
    /// Bytes of the pages to be programmed.
    pub bytes: u64,
}

/// How long a chip takes for a block and for a page, as typical as data sheets have it: W25Q128JV
/// 120 ms, XM25QH128A 200 ms; 0.4 to 0.8 ms.
const ERASE_MS: u64 = 160;
const PAGE_US: u64 = 600;

impl Work {
    /// Adds a block that reads `old` and is to hold `wanted`.
    pub fn add(&mut self, action: Action, old: &[u8], wanted: &[u8], page: Size) {
        match action {
            Action::Keep => self.kept += 1,
            Action::Program => self.programmed += 1,
            Action::Erase | Action::EraseProgram => self.erased += 1,
        }
        let length = |ranges: Vec<Range<usize>>| ranges.iter().map(Range::len).sum::<usize>();
        self.bytes += match action {
            Action::Keep | Action::Erase => 0,
            Action::Program => length(ranges_to_program(old, wanted, page)) as u64,
            Action::EraseProgram => {
                length(ranges_to_program(&vec![BLANK; wanted.len()], wanted, page)) as u64
            }
        };
    }

    /// Whether flash stays as it is.
    pub fn is_none(&self) -> bool {
        self.programmed == 0 && self.erased == 0
    }

    /// Roughly how long erasing and programming takes, in seconds.
    pub fn estimated_seconds(&self, page: Size) -> u64 {
        let pages = self.bytes / page.get().max(1);
        (u64::from(self.erased) * ERASE_MS + pages * PAGE_US / 1000).div_ceil(1000)
    }
}

impl std::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.kept += other.kept;
        self.programmed += other.programmed;
        self.erased += other.erased;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[0x0F], &[0x0F], Past::Settled, Action::Keep, Reason::Equal)]
    #[case(&[0xFF], &[0xFF], Past::Settled, Action::Keep, Reason::Equal)]
    #[case(&[0x0F], &[0x0E], Past::Settled, Action::Program, Reason::ClearsBits)]
    #[case(&[0xFF], &[0x00], Past::Settled, Action::Program, Reason::ClearsBits)]
    #[case(&[0x0F], &[0x1F], Past::Settled, Action::EraseProgram, Reason::SetsBits)]
    #[case(&[0x0F, 0xFF], &[0x0E, 0xF0], Past::Settled, Action::Program, Reason::ClearsBits)]
    #[case(&[0x0F], &[0xFF], Past::Settled, Action::Erase, Reason::SetsBits)]
    #[case(&[0x0F], &[0x0F], Past::InFlight, Action::EraseProgram, Reason::InFlight)]
    #[case(&[0xFF], &[0xFF], Past::InFlight, Action::Erase, Reason::InFlight)]
    fn each_block_gets_the_least_that_makes_it_right(
        #[case] old: &[u8],
        #[case] wanted: &[u8],
        #[case] past: Past,
        #[case] action: Action,
        #[case] reason: Reason,
    ) {
        assert_eq!(decide(old, wanted, past), (action, reason));
    }

    #[test]
    fn only_pages_that_differ_are_programmed_and_neighbours_in_one_go() {
        let old = [
            [0xFF; 4],
            [0xFF; 4],
            [0xFF; 4],
            [0xFF; 4],
            [0xFF; 2].repeat(2).try_into().unwrap(),
        ]
        .concat();
        let mut wanted = old.clone();
        wanted[5] = 0;
        wanted[8] = 0;
        wanted[19] = 0;
        assert_eq!(
            ranges_to_program(&old, &wanted, Size::bytes(4)),
            [4..12, 16..20]
        );
    }

    #[test]
    fn work_is_counted_by_block_and_page() {
        let (page, mut work) = (Size::bytes(2), Work::default());
        let blocks: [(&[u8], &[u8]); 4] = [
            (&[1, 1, 1, 1], &[1, 1, 1, 1]),
            (&[0xFF, 0xFF, 0xFF, 0xFF], &[0xFF, 0xFF, 0xFF, 7]),
            (&[0, 0, 0, 0], &[0xFF, 0xFF, 1, 1]),
            (&[0, 0, 0, 0], &[0xFF, 0xFF, 0xFF, 0xFF]),
        ];
        for (old, wanted) in blocks {
            let (action, _) = decide(old, wanted, Past::Settled);
            work.add(action, old, wanted, page);
        }
        let expected = Work {
            kept: 1,
            programmed: 1,
            erased: 2,
            bytes: 4,
        };
        assert_eq!(work, expected);
        assert_eq!(work.estimated_seconds(page), 1);
        assert!(!work.is_none());
    }

    proptest! {
        /// The chip's own rules: erasing sets all bits, programming clears some.
        #[test]
        fn what_is_decided_makes_any_block_hold_what_is_wanted(
            old in prop::collection::vec(prop::sample::select(vec![0u8, 0x0F, 0xF0, 0xFF]), 16),
            wanted in prop::collection::vec(prop::sample::select(vec![0u8, 0x0F, 0xFF]), 16),
            in_flight: bool,
        ) {
            let past = if in_flight { Past::InFlight } else { Past::Settled };
            let (action, _) = decide(&old, &wanted, past);
            let mut cells = old.clone();
            if action.erases() {
                cells.fill(BLANK);
            }
            if matches!(action, Action::Program | Action::EraseProgram) {
                for range in ranges_to_program(&cells.clone(), &wanted, Size::bytes(4)) {
                    for at in range {
                        cells[at] &= wanted[at];
                    }
                }
            }
            prop_assert_eq!(&cells, &wanted);
            prop_assert!(!in_flight || action.erases());
            prop_assert!(in_flight || action.erases() == old.iter().zip(&wanted).any(|(o, w)| w & !o != 0));
        }
    }

    #[rstest]
    #[case::nothing(0, 0, 0)]
    #[case::a_part_of_a_second_counts_as_one(1, 0, 1)]
    #[case::erases_alone(100, 0, 16)]
    #[case::pages_alone(0, 10_000, 6)]
    #[case::both(100, 10_000, 22)]
    fn a_rewrite_is_said_to_take_as_long_as_its_erases_and_pages(
        #[case] erased: u32,
        #[case] pages: u64,
        #[case] seconds: u64,
    ) {
        let bytes = pages * 256;
        let work = Work {
            erased,
            bytes,
            ..Work::default()
        };
        assert_eq!(work.estimated_seconds(Size::bytes(256)), seconds);
    }

    #[test]
    fn the_work_of_two_partitions_adds_up() {
        let work = |n: u32| Work {
            kept: n,
            programmed: 10 * n,
            erased: 100 * n,
            bytes: 1000 * u64::from(n),
        };
        let mut sum = work(1);
        sum += work(2);
        assert_eq!(sum, work(3));
    }
}
