//! A simulated NOR chip for tests on the host: counts its work, breaks on request.

mod change;
mod marginal;

use std::io;
use std::ops::Range;

use super::{Fault, Flash, FlashError, FlashOperation, Geometry, ReadFlash};
use crate::sim::{Cut, Did, Faults, Noise, Power, Trace, hash, power_is_off};
use crate::units::{Offset, Region, Size};
use change::Change;
use marginal::{Marginal, pages_of};

/// The work that a chip has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wear {
    /// Erase blocks erased.
    pub erases: u64,
    /// Bytes that programming was asked for.
    pub bytes_programmed: u64,
    /// Bytes read.
    pub bytes_read: u64,
    /// Program calls that asked for a 1 where the cell held a 0.
    pub bits_not_set: u64,
}

/// A NOR chip in memory. Erased bytes are `0xFF`; programming can only clear bits.
///
/// A clone has cells of its own. It hangs on the same power supply, and notes in the same trace.
#[derive(Clone, Debug)]
pub struct SimNor {
    geometry: Geometry,
    cells: Vec<u8>,
    wear: Wear,
    faults: Faults<Fault>,
    power: Power,
    marginal: Vec<Marginal>,
    trace: Option<Trace>,
}

impl SimNor {
    /// An erased chip with a power supply of its own.
    pub fn blank(geometry: Geometry) -> Self {
        Self::holding(geometry, Vec::new())
    }

    /// A chip that holds `content`, the rest erased; content beyond the chip's end is dropped.
    pub fn holding(geometry: Geometry, mut content: Vec<u8>) -> Self {
        content.resize(geometry.size.as_usize(), 0xFF);
        Self {
            geometry,
            cells: content,
            wear: Wear::default(),
            faults: Faults::default(),
            power: Power::new(),
            marginal: Vec::new(),
            trace: None,
        }
    }

    /// Hangs it on `power`.
    #[must_use]
    pub fn powered_by(mut self, power: &Power) -> Self {
        self.power = power.clone();
        self
    }

    /// Notes in `trace` what is done with it.
    #[must_use]
    pub fn traced_by(mut self, trace: &Trace) -> Self {
        self.trace = Some(trace.clone());
        self
    }

    /// The power supply that it hangs on.
    pub fn power(&self) -> Power {
        self.power.clone()
    }

    /// What the cells hold.
    pub fn content(&self) -> &[u8] {
        &self.cells
    }

    /// The work done so far.
    pub fn wear(&self) -> Wear {
        self.wear
    }

    /// Whether a power cut has left cells that will not be read alike for ever. Erasing their block
    /// to the end is all that heals them.
    pub fn has_marginal_cells(&self) -> bool {
        !self.marginal.is_empty()
    }

    /// Breaks it, besides what is broken already.
    pub fn break_it(&mut self, fault: Fault) {
        self.faults.add(fault);
        self.hold_stuck_bits();
    }

    /// Changes the cells in `range` as far as power lasts and faults let it.
    fn change(&mut self, range: Range<usize>, change: Change<'_>) -> io::Result<()> {
        let cut = self.power.begin_change()?;
        self.wear.add(&change, &self.cells[range.clone()]);
        let result = match cut {
            None => self.change_under_power(range, change),
            Some(cut) => {
                self.change_until(cut, range, change);
                Err(power_is_off())
            }
        };
        self.hold_stuck_bits();
        result
    }

    fn change_under_power(&mut self, range: Range<usize>, change: Change<'_>) -> io::Result<()> {
        let noise = &mut Noise::new(hash(range.start as u64, self.power.operations()));
        let cells = &mut self.cells[range.clone()];
        match self.faults.strike(|fault| change.is_struck_by(fault)) {
            Some(Fault::FailsErase { .. } | Fault::FailsProgram { .. }) => {
                if noise.below(2) == 0 {
                    change.make_partly(cells, noise.draw());
                }
                return Err(io::Error::other("simulated failure"));
            }
            Some(Fault::IgnoresErase { .. } | Fault::IgnoresProgram { .. }) => return Ok(()),
            Some(Fault::LeavesABit { .. }) => {
                change.make(cells);
                noise.flip_a_bit(cells);
            }
            _ => change.make(cells),
        }
        self.heal(&range, &change);
        Ok(())
    }

    fn change_until(&mut self, cut: Cut, range: Range<usize>, change: Change<'_>) {
        let cells = &mut self.cells[range.clone()];
        let seed = match cut {
            Cut::NotStarted => return,
            Cut::Torn { seed } => {
                change.make_partly(cells, seed);
                seed
            }
            Cut::DoneUnacknowledged => {
                change.make(cells);
                self.power.operations()
            }
        };
        self.leave_marginal(range, &change, seed);
    }

    fn record(&self, did: Did) {
        if let Some(trace) = &self.trace {
            trace.add(did);
        }
    }

    fn hold_stuck_bits(&mut self) {
        for fault in self.faults.lasting() {
            if let Fault::StuckAtZero { at, mask } = fault
                && let Some(cell) = self.cells.get_mut(at.as_usize())
            {
                *cell &= !mask;
            }
        }
    }

    fn heal(&mut self, range: &Range<usize>, change: &Change<'_>) {
        if let Change::Erase = change {
            self.marginal.retain(|cells| !cells.is_inside(range));
        }
    }

    fn leave_marginal(&mut self, range: Range<usize>, change: &Change<'_>, seed: u64) {
        let page = self.geometry.page.as_usize();
        let block = self.geometry.erase_block.as_usize();
        match change {
            Change::Erase => self.marginal.push(Marginal::new(range, seed)),
            Change::Program(_) => self
                .marginal
                .extend(pages_of(&range, page, block).map(|cells| Marginal::new(cells, seed))),
        }
    }

    fn range(
        &self,
        operation: FlashOperation,
        at: Offset,
        length: usize,
    ) -> Result<Range<usize>, FlashError> {
        let wanted = Region::new(at, Size::bytes(length as u64));
        if !self.geometry.whole().contains(&wanted) {
            let outside = io::Error::new(io::ErrorKind::InvalidInput, "outside the chip");
            return Err(FlashError::new(operation, at, length, outside));
        }
        Ok(at.as_usize()..at.as_usize() + length)
    }
}

impl Wear {
    /// Counts a change of `cells` that is about to be made.
    fn add(&mut self, change: &Change<'_>, cells: &[u8]) {
        match change {
            Change::Erase => self.erases += 1,
            Change::Program(data) => {
                self.bytes_programmed += data.len() as u64;
                self.bits_not_set += u64::from(change::asks_for_a_lost_bit(cells, data));
            }
        }
    }
}

impl ReadFlash for SimNor {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: Offset, buffer: &mut [u8]) -> Result<(), FlashError> {
        let length = buffer.len();
        let fail = |source| FlashError::new(FlashOperation::Read, at, length, source);
        let range = self.range(FlashOperation::Read, at, length)?;
        self.power.check().map_err(fail)?;
        let struck = self.faults.strike(is_read_fault);
        if let Some(Fault::FailsRead { .. }) = struck {
            return Err(fail(broken()));
        }
        buffer.copy_from_slice(&self.cells[range.clone()]);
        self.wear.bytes_read += length as u64;
        for cells in &mut self.marginal {
            cells.disturb(&range, buffer);
        }
        if let Some(Fault::FlipsOnRead { .. }) = struck {
            Noise::new(self.wear.bytes_read).flip_a_bit(buffer);
        }
        for fault in self.faults.lasting() {
            match fault {
                Fault::UnreadableAt(bad) if range.contains(&bad.as_usize()) => {
                    return Err(FlashError::new(FlashOperation::Read, bad, 1, broken()));
                }
                Fault::FlippedBitAt(bad) if range.contains(&bad.as_usize()) => {
                    buffer[bad.as_usize() - range.start] ^= 0x10;
                }
                _ => {}
            }
        }
        let region = Region::new(at, Size::bytes(length as u64));
        self.record(Did::ReadFlash(region));
        Ok(())
    }
}

fn is_read_fault(fault: &Fault) -> bool {
    matches!(fault, Fault::FailsRead { .. } | Fault::FlipsOnRead { .. })
}

fn broken() -> io::Error {
    io::Error::other("simulated read error")
}

impl Flash for SimNor {
    fn erase(&mut self, block: Offset) -> Result<(), FlashError> {
        let length = self.geometry.erase_block.as_usize();
        let fail = |source| FlashError::new(FlashOperation::Erase, block, length, source);
        if !block.is_aligned_to(self.geometry.erase_block) {
            let crooked = io::Error::new(io::ErrorKind::InvalidInput, "not the start of a block");
            return Err(fail(crooked));
        }
        let range = self.range(FlashOperation::Erase, block, length)?;
        self.change(range, Change::Erase).map_err(fail)?;
        self.record(Did::Erased(block));
        Ok(())
    }

    fn program(&mut self, at: Offset, data: &[u8]) -> Result<(), FlashError> {
        let fail = |source| FlashError::new(FlashOperation::Program, at, data.len(), source);
        let range = self.range(FlashOperation::Program, at, data.len())?;
        self.change(range, Change::Program(data)).map_err(fail)?;
        let length = Size::bytes(data.len() as u64);
        self.record(Did::Programmed { at, length });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn chip() -> SimNor {
        let geometry = Geometry {
            size: Size::kib(16),
            erase_block: Size::kib(4),
            page: Size::bytes(256),
        };
        SimNor::holding(geometry, vec![0xA5; 16 * 1024])
    }

    #[test]
    fn programming_only_clears_bits_and_counts_the_attempt_to_set_one() {
        let mut nor = chip();
        nor.program(Offset::bytes(16), &[0xFF, 0x0F]).unwrap();
        assert_eq!(nor.content()[16..18], [0xA5, 0x05]);
        assert_eq!(nor.wear().bits_not_set, 1);
        assert_eq!(nor.wear().bytes_programmed, 2);
    }

    #[test]
    fn erasing_sets_one_block_and_nothing_else() {
        let mut nor = chip();
        nor.erase(Offset::bytes(4096)).unwrap();
        assert!(nor.content()[4096..8192].iter().all(|byte| *byte == 0xFF));
        assert!(nor.content()[..4096].iter().all(|byte| *byte == 0xA5));
        assert!(nor.content()[8192..].iter().all(|byte| *byte == 0xA5));
        assert_eq!(nor.wear().erases, 1);
    }

    #[test]
    fn an_erase_that_does_not_start_at_a_block_is_refused() {
        let mut nor = chip();
        assert!(nor.erase(Offset::bytes(256)).is_err());
        assert!(nor.content().iter().all(|byte| *byte == 0xA5));
    }

    #[rstest]
    #[case::read(|nor: &mut SimNor| nor.read(Offset::bytes(16 * 1024 - 1), &mut [0; 2]))]
    #[case::program(|nor: &mut SimNor| nor.program(Offset::bytes(16 * 1024), &[0]))]
    #[case::erase(|nor: &mut SimNor| nor.erase(Offset::bytes(16 * 1024)))]
    fn nothing_reaches_beyond_the_chip(
        #[case] operation: fn(&mut SimNor) -> Result<(), FlashError>,
    ) {
        assert!(operation(&mut chip()).is_err());
    }

    #[rstest]
    #[case(Cut::NotStarted, |byte| byte == 0xA5)]
    #[case(Cut::DoneUnacknowledged, |byte| byte == 0xFF)]
    #[case(Cut::Torn { seed: 7 }, |byte| byte & 0xA5 == 0xA5)]
    fn a_cut_erase_leaves_old_or_set_bits_and_the_chip_without_power(
        #[case] cut: Cut,
        #[case] may_hold: fn(u8) -> bool,
    ) {
        let mut nor = chip();
        nor.power().fail_after(1, cut);
        nor.erase(Offset::ZERO).unwrap();
        assert!(nor.erase(Offset::bytes(4096)).is_err());
        assert!(nor.content()[4096..8192].iter().all(|byte| may_hold(*byte)));
        assert!(nor.read(Offset::ZERO, &mut [0]).is_err());
        nor.power().turn_on();
        assert!(nor.read(Offset::ZERO, &mut [0]).is_ok());
    }

    #[test]
    fn a_torn_erase_leaves_a_mix() {
        let mut nor = chip();
        nor.power().fail_after(0, Cut::Torn { seed: 1 });
        assert!(nor.erase(Offset::ZERO).is_err());
        let block = &nor.content()[..4096];
        assert!(block.iter().any(|byte| *byte != 0xA5) && block.iter().any(|byte| *byte != 0xFF));
    }

    #[test]
    fn faults_show_where_they_are_and_nowhere_else() {
        let mut nor = chip();
        nor.break_it(Fault::UnreadableAt(Offset::bytes(100)));
        nor.break_it(Fault::FlippedBitAt(Offset::bytes(300)));
        assert!(nor.read(Offset::bytes(96), &mut [0; 8]).is_err());
        let mut two = [0; 2];
        nor.read(Offset::bytes(299), &mut two).unwrap();
        assert_eq!(two, [0xA5, 0xB5]);
    }

    fn read(nor: &mut SimNor, at: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0; length];
        nor.read(Offset::bytes(at), &mut buffer).unwrap();
        buffer
    }

    /// Whether what stands there ever reads back other than it is.
    fn wavers(nor: &mut SimNor, at: u64, length: usize) -> bool {
        let there = nor.content()[at as usize..][..length].to_vec();
        (0..8).any(|_| read(nor, at, length) != there)
    }

    const ERASE: fn(&mut SimNor) -> Result<(), FlashError> = |nor| nor.erase(Offset::bytes(4096));
    const PROGRAM: fn(&mut SimNor) -> Result<(), FlashError> =
        |nor| nor.program(Offset::bytes(4096 + 250), &[0; 10]);

    #[rstest]
    #[case::torn_erase(ERASE, Cut::Torn { seed: 1 }, 4096..8192)]
    #[case::torn_program(PROGRAM, Cut::Torn { seed: 1 }, 4096..4608)]
    #[case::erased_but_unheard(ERASE, Cut::DoneUnacknowledged, 4096..8192)]
    #[case::programmed_but_unheard(PROGRAM, Cut::DoneUnacknowledged, 4096..4608)]
    #[case::no_erase(ERASE, Cut::NotStarted, 0..0)]
    #[case::no_program(PROGRAM, Cut::NotStarted, 0..0)]
    fn a_cut_leaves_the_cells_in_flight_marginal(
        #[case] operation: fn(&mut SimNor) -> Result<(), FlashError>,
        #[case] cut: Cut,
        #[case] marginal: Range<u64>,
    ) {
        let mut nor = chip();
        nor.power().fail_after(0, cut);
        operation(&mut nor).unwrap_err();
        nor.power().turn_on();
        assert_eq!(nor.has_marginal_cells(), !marginal.is_empty());
        for page in (0..16 * 1024).step_by(256) {
            assert_eq!(
                wavers(&mut nor, page, 256),
                marginal.contains(&page),
                "{page}"
            );
        }
    }

    #[test]
    fn nothing_but_erasing_the_block_to_the_end_heals_marginal_cells() {
        let mut nor = chip();
        nor.power().fail_after(0, Cut::DoneUnacknowledged);
        ERASE(&mut nor).unwrap_err();
        nor.power().turn_on();
        PROGRAM(&mut nor).unwrap();
        nor.erase(Offset::ZERO).unwrap();
        assert!(
            wavers(&mut nor, 4096, 4096),
            "programming, or erasing elsewhere"
        );
        nor.power().fail_after(0, Cut::Torn { seed: 2 });
        ERASE(&mut nor).unwrap_err();
        nor.power().turn_on();
        assert!(wavers(&mut nor, 4096, 4096), "an erase that is cut");
        ERASE(&mut nor).unwrap();
        assert!(!nor.has_marginal_cells() && !wavers(&mut nor, 4096, 4096));
    }

    const BLOCK: Range<usize> = 4096..8192;

    #[rstest]
    #[case::erase(Fault::FailsErase { nth: 2 }, ERASE)]
    #[case::program(Fault::FailsProgram { nth: 2 }, PROGRAM)]
    #[case::read(Fault::FailsRead { nth: 2 }, |nor: &mut SimNor| nor.read(Offset::ZERO, &mut [0]))]
    fn the_nth_operation_fails_and_no_other(
        #[case] fault: Fault,
        #[case] operation: fn(&mut SimNor) -> Result<(), FlashError>,
    ) {
        let mut nor = chip();
        nor.break_it(fault);
        let went_well = [(); 4].map(|()| operation(&mut nor).is_ok());
        assert_eq!(went_well, [true, false, true, true]);
    }

    #[test]
    fn a_failing_change_has_done_nothing_or_a_part_and_nothing_elsewhere() {
        let (mut nothing, mut parts) = (0, 0);
        for earlier in 0..16 {
            let mut nor = chip();
            (0..earlier).for_each(|_| nor.program(Offset::ZERO, &[0xFF]).unwrap());
            nor.break_it(Fault::FailsErase { nth: 1 });
            ERASE(&mut nor).unwrap_err();
            let block = &nor.content()[BLOCK];
            let changed = block.iter().filter(|cell| **cell != 0xA5).count();
            match changed {
                0 => nothing += 1,
                _ => parts += 1,
            }
            assert!(changed < 4096 && block.iter().all(|cell| cell & 0xA5 == 0xA5));
            assert!(nor.content()[..4096].iter().all(|cell| *cell == 0xA5));
            assert!(nor.content()[8192..].iter().all(|cell| *cell == 0xA5));
        }
        assert!(nothing > 0 && parts > 0, "{nothing} {parts}");
    }

    #[rstest]
    #[case::erase(Fault::IgnoresErase { nth: 1 }, ERASE)]
    #[case::program(Fault::IgnoresProgram { nth: 1 }, PROGRAM)]
    fn a_lying_chip_says_that_it_did_what_it_did_not(
        #[case] fault: Fault,
        #[case] operation: fn(&mut SimNor) -> Result<(), FlashError>,
    ) {
        let mut nor = chip();
        nor.break_it(fault);
        operation(&mut nor).unwrap();
        assert!(nor.content() == chip().content());
        operation(&mut nor).unwrap();
        assert!(nor.content() != chip().content());
    }

    #[test]
    fn an_ignored_erase_heals_nothing() {
        let mut nor = chip();
        nor.power().fail_after(0, Cut::DoneUnacknowledged);
        ERASE(&mut nor).unwrap_err();
        nor.power().turn_on();
        nor.break_it(Fault::IgnoresErase { nth: 1 });
        ERASE(&mut nor).unwrap();
        assert!(nor.has_marginal_cells());
    }

    #[test]
    fn an_erase_may_leave_one_bit_until_the_next_erase() {
        let mut nor = chip();
        nor.break_it(Fault::LeavesABit { nth: 1 });
        ERASE(&mut nor).unwrap();
        let zeros: u32 = nor.content()[BLOCK]
            .iter()
            .map(|byte| byte.count_zeros())
            .sum();
        assert_eq!(zeros, 1);
        ERASE(&mut nor).unwrap();
        assert!(nor.content()[BLOCK].iter().all(|byte| *byte == 0xFF));
    }

    #[test]
    fn one_read_flips_one_bit_and_the_next_is_right() {
        let mut nor = chip();
        nor.break_it(Fault::FlipsOnRead { nth: 2 });
        let wrong = [(); 3].map(|()| {
            let bytes = read(&mut nor, 0, 64);
            bytes
                .iter()
                .map(|byte| (byte ^ 0xA5).count_ones())
                .sum::<u32>()
        });
        assert_eq!(wrong, [0, 1, 0]);
    }

    #[test]
    fn stuck_bits_are_0_whatever_is_done_to_them() {
        let mut nor = chip();
        nor.break_it(Fault::StuckAtZero {
            at: Offset::bytes(4100),
            mask: 0x21,
        });
        assert_eq!(nor.content()[4100], 0x84);
        ERASE(&mut nor).unwrap();
        assert_eq!(read(&mut nor, 4099, 3), [0xFF, 0xDE, 0xFF]);
        nor.power().fail_after(0, Cut::DoneUnacknowledged);
        ERASE(&mut nor).unwrap_err();
        assert_eq!(nor.content()[4100], 0xDE);
    }
}
