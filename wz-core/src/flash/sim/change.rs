//! What erasing and programming do to cells, in whole and in part.

use super::Fault;
use crate::sim::hash;

/// A change of the cells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'a> {
    /// Every bit becomes 1.
    Erase,
    /// The bits that are 0 in the data become 0.
    Program(&'a [u8]),
}

/// What a seed decides, beside bits.
const PAGES: u64 = u64::MAX - 1;
const WHOLE: u64 = u64::MAX - 2;

/// Cells are handled by as many; erased ones, which are the most, as quickly as memory is copied.
const STRETCH: usize = 256;
const ERASED: [u8; STRETCH] = [0xFF; STRETCH];

fn is_erased(cells: &[u8]) -> bool {
    ERASED.get(..cells.len()) == Some(cells)
}

impl Change<'_> {
    /// Whether `fault` is about changes of this kind.
    pub(super) fn is_struck_by(&self, fault: &Fault) -> bool {
        match self {
            Self::Erase => matches!(
                fault,
                Fault::FailsErase { .. } | Fault::IgnoresErase { .. } | Fault::LeavesABit { .. }
            ),
            Self::Program(_) => matches!(
                fault,
                Fault::FailsProgram { .. } | Fault::IgnoresProgram { .. }
            ),
        }
    }

    /// Makes the whole change.
    pub(super) fn make(&self, cells: &mut [u8]) {
        match self {
            Self::Erase => cells.fill(0xFF),
            Self::Program(data) => {
                let stretches = cells.chunks_mut(STRETCH).zip(data.chunks(STRETCH));
                stretches.for_each(|(cells, data)| clear_bits(cells, data));
            }
        }
    }

    /// Leaves what a cut leaves. Pages are programmed in order: some are whole, one is not, the
    /// others are as they were. For every second seed all of them are torn alike.
    pub(super) fn make_until_cut(&self, cells: &mut [u8], start: usize, page: usize, seed: u64) {
        let page = page.max(1);
        match self {
            Self::Program(data) if hash(seed, PAGES).is_multiple_of(2) => {
                let pages = (start % page + data.len()).div_ceil(page);
                let whole = (hash(seed, WHOLE) % pages.max(1) as u64) as usize;
                let edge = |pages: usize| (pages * page).saturating_sub(start % page);
                let (from, to) = (edge(whole), edge(whole + 1).min(data.len()));
                Self::Program(&data[..from]).make(&mut cells[..from]);
                Self::Program(&data[from..to]).make_partly(&mut cells[from..to], seed);
            }
            _ => self.make_partly(cells, seed),
        }
    }

    /// Leaves each bit the old or the new one, by the seed.
    pub(super) fn make_partly(&self, cells: &mut [u8], seed: u64) {
        let old = cells.to_vec();
        self.make(cells);
        for (index, (cells, old)) in cells.chunks_mut(8).zip(old.chunks(8)).enumerate() {
            let choices = hash(seed, index as u64).to_le_bytes();
            for ((cell, old), is_new) in cells.iter_mut().zip(old).zip(choices) {
                *cell = (old & !is_new) | (*cell & is_new);
            }
        }
    }
}

fn clear_bits(cells: &mut [u8], data: &[u8]) {
    if is_erased(cells) {
        return cells.copy_from_slice(data);
    }
    for (cell, wanted) in cells.iter_mut().zip(data) {
        *cell &= wanted;
    }
}

/// Whether `data` has a 1 where a cell is 0: programming cannot make it one.
pub(super) fn asks_for_a_lost_bit(cells: &[u8], data: &[u8]) -> bool {
    let asks = |(cell, wanted): (&u8, &u8)| wanted & !cell != 0;
    let stretches = cells.chunks(STRETCH).zip(data.chunks(STRETCH));
    stretches
        .filter(|(cells, _)| !is_erased(cells))
        .any(|(cells, data)| cells.iter().zip(data).any(asks))
}
