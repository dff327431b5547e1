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
        let page = self.geometry.page.as_usize();
        let cells = &mut self.cells[range.clone()];
        let seed = match cut {
            Cut::NotStarted => return,
            Cut::Torn { seed } => {
                change.make_until_cut(cells, range.start, page, seed);
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
mod tests;
