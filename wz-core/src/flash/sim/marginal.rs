//! Cells that were being changed when power failed: they hold too little charge to be read alike for
//! ever.

use std::ops::Range;

use crate::sim::hash;

/// What a cut leaves of the cells in flight. They read back right a few times, and from then on with
/// another bit wrong each time.
#[derive(Clone, Debug)]
pub(super) struct Marginal {
    cells: Range<usize>,
    seed: u64,
    reads: u64,
}

impl Marginal {
    pub(super) fn new(cells: Range<usize>, seed: u64) -> Self {
        let seed = hash(seed, cells.start as u64);
        let reads = 0;
        Self { cells, seed, reads }
    }

    /// How often they read back as if nothing were wrong: 1 to 6 times.
    fn sound_reads(&self) -> u64 {
        1 + self.seed % 6
    }

    /// Whether all of them are in `block`, so that erasing it heals them.
    pub(super) fn is_inside(&self, block: &Range<usize>) -> bool {
        block.start <= self.cells.start && self.cells.end <= block.end
    }

    /// Does to `buffer`, which was read from `range`, what they do. Two reads in a row never show
    /// the same bit wrong.
    pub(super) fn disturb(&mut self, range: &Range<usize>, buffer: &mut [u8]) {
        let start = range.start.max(self.cells.start);
        let end = range.end.min(self.cells.end);
        if start >= end {
            return;
        }
        self.reads += 1;
        if self.reads > self.sound_reads() {
            let wrong = &mut buffer[start - range.start..end - range.start];
            // The golden ratio spreads the places; rounding it to an odd number moves on by at
            // least one bit.
            let step = (wrong.len() as u64 * 8 * 618 / 1000) | 1;
            let bit = (self.seed.wrapping_add(self.reads * step)) % (wrong.len() as u64 * 8);
            wrong[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
    }
}

/// The pages that `range` touches, divided where erase blocks are: what was in flight while it was
/// programmed.
pub(super) fn pages_of(
    range: &Range<usize>,
    page: usize,
    block: usize,
) -> impl Iterator<Item = Range<usize>> {
    let (page, block) = (page.max(1), block.max(1));
    let start = range.start / page * page;
    let end = range.end.next_multiple_of(page);
    let blocks = (start / block * block..end).step_by(block);
    let is_touched = !range.is_empty();
    blocks
        .filter(move |_| is_touched)
        .map(move |at| start.max(at)..end.min(at + block))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::inside_a_page(10..20, &[(0, 256)])]
    #[case::a_whole_page(256..512, &[(256, 512)])]
    #[case::over_the_end_of_a_page(500..513, &[(256, 768)])]
    #[case::over_the_end_of_a_block(1000..1030, &[(768, 1024), (1024, 1280)])]
    #[case::nothing(515..515, &[])]
    fn pages_in_flight(#[case] range: Range<usize>, #[case] pages: &[(usize, usize)]) {
        let found = pages_of(&range, 256, 1024).map(|cells| (cells.start, cells.end));
        assert_eq!(found.collect::<Vec<_>>(), pages);
    }

    fn read(marginal: &mut Marginal, range: Range<usize>) -> Vec<u8> {
        let mut buffer = vec![0; range.len()];
        marginal.disturb(&range, &mut buffer);
        buffer
    }

    #[test]
    fn they_read_right_one_to_six_times_and_then_never_twice_alike() {
        let mut sound = [false; 8];
        for seed in 0..200 {
            let mut marginal = Marginal::new(256..512, seed);
            let reads: Vec<_> = (0..40).map(|_| read(&mut marginal, 0..1024)).collect();
            let right = reads
                .iter()
                .take_while(|bytes| **bytes == [0; 1024])
                .count();
            sound[right] = true;
            assert!(reads[right..].windows(2).all(|two| two[0] != two[1]));
            for bytes in &reads[right..] {
                assert_ne!(bytes[256..512], [0; 256]);
                assert_eq!(bytes[..256], [0; 256], "only they are wrong");
                assert_eq!(bytes[512..], [0; 512], "only they are wrong");
            }
        }
        assert_eq!(sound, [false, true, true, true, true, true, true, false]);
    }

    #[rstest]
    #[case::their_first_byte(200..257)]
    #[case::their_last_byte(511..512)]
    #[case::some_inside(300..305)]
    fn a_read_that_touches_some_of_them_is_wrong_there(#[case] range: Range<usize>) {
        let mut marginal = Marginal::new(256..512, 3);
        (0..6).for_each(|_| drop(read(&mut marginal, range.clone())));
        let (one, next) = (
            read(&mut marginal, range.clone()),
            read(&mut marginal, range),
        );
        assert!(one.iter().any(|byte| *byte != 0) && one != next);
    }

    #[test]
    fn reads_elsewhere_do_not_wear_them() {
        let mut marginal = Marginal::new(256..512, 3);
        for _ in 0..100 {
            assert_eq!(read(&mut marginal, 0..256), [0; 256]);
            assert_eq!(read(&mut marginal, 512..600), [0; 88]);
        }
        assert_eq!(read(&mut marginal, 256..512), [0; 256]);
    }
}
