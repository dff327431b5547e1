//! The state of a simulated card: what it holds, and what is wrong with it.

use std::borrow::Cow;
use std::io::{self, ErrorKind};

use super::super::{SECTOR, SimFault};
use super::disk::{Disk, Fate, torn_sector};
use super::names::Node;
use crate::sim::{Cut, Did, Faults, Noise, Power, Trace, power_is_off};
use crate::units::Size;

/// What files take room in.
pub(super) const CLUSTER: Size = Size::kib(4);

#[derive(Debug)]
pub(super) struct State {
    pub(super) disk: Disk,
    pub(super) capacity: Size,
    pub(super) faults: Faults<SimFault>,
    /// Bytes written so far.
    written: u64,
    pub(super) power: Power,
    /// How many of the supply's cuts this card has felt.
    pub(super) cuts_felt: usize,
    pub(super) trace: Option<Trace>,
}

impl State {
    pub(super) fn new(capacity: Size) -> Self {
        Self {
            disk: Disk::default(),
            capacity,
            faults: Faults::default(),
            written: 0,
            power: Power::new(),
            cuts_felt: 0,
            trace: None,
        }
    }

    /// Loses what the power cuts since the last call took.
    pub(super) fn feel_cuts(&mut self) {
        for cut in self.power.cuts_since(self.cuts_felt) {
            self.disk.lose_power(cut);
            self.cuts_felt += 1;
        }
    }

    pub(super) fn has(&self, fault: SimFault) -> bool {
        self.faults.lasting().any(|other| other == fault)
    }

    /// Refuses everything once power is off or the card was pulled out.
    pub(super) fn check(&self) -> io::Result<()> {
        self.power.check()?;
        let is_pulled = self.faults.lasting().any(
            |fault| matches!(fault, SimFault::PulledAfter(limit) if self.written >= limit.get()),
        );
        match is_pulled {
            true => Err(io::Error::new(ErrorKind::NotConnected, "the card is gone")),
            false => Ok(()),
        }
    }

    pub(super) fn record(&self, did: impl FnOnce() -> Did) {
        if let Some(trace) = &self.trace {
            trace.add(did());
        }
    }

    /// Makes a change as far as power and faults let it.
    pub(super) fn change<T>(
        &mut self,
        did: impl FnOnce() -> Did,
        apply: impl FnOnce(&mut Self, Fate) -> io::Result<T>,
    ) -> io::Result<T> {
        self.check()?;
        if self.has(SimFault::ReadOnly) {
            let refused = "the card is read-only";
            return Err(io::Error::new(ErrorKind::ReadOnlyFilesystem, refused));
        }
        let fate = match self.power.begin_change()? {
            None => {
                let fate = self.fate_under_power()?;
                let done = apply(self, fate)?;
                self.record(did);
                return Ok(done);
            }
            Some(Cut::NotStarted) => None,
            Some(Cut::Torn { seed }) => Some(Fate::Torn { seed }),
            Some(Cut::DoneUnacknowledged) => Some(Fate::Done),
        };
        if let Some(fate) = fate {
            // Nobody is there to hear whether it went well.
            let _ = apply(self, fate);
        }
        self.feel_cuts();
        Err(power_is_off())
    }

    fn fate_under_power(&mut self) -> io::Result<Fate> {
        let struck = self.faults.strike(|fault| {
            matches!(
                fault,
                SimFault::FailsWrite { .. } | SimFault::IgnoresWrite { .. }
            )
        });
        match struck {
            Some(SimFault::FailsWrite { .. }) => Err(io::Error::other("simulated write error")),
            Some(SimFault::IgnoresWrite { .. }) => Ok(Fate::Lost),
            _ => Ok(Fate::Done),
        }
    }

    /// Begins a read; tells what will be wrong with what it returns.
    pub(super) fn begin_read(&mut self) -> io::Result<Option<Flaw>> {
        self.check()?;
        let struck = self.faults.strike(|fault| {
            matches!(
                fault,
                SimFault::FailsRead { .. }
                    | SimFault::FlipsOnRead { .. }
                    | SimFault::ShortRead { .. }
            )
        });
        match struck {
            Some(SimFault::FailsRead { .. }) => Err(io::Error::other("simulated read error")),
            Some(SimFault::FlipsOnRead { .. }) => Ok(Some(Flaw::WrongBit)),
            Some(SimFault::ShortRead { .. }) => Ok(Some(Flaw::Short)),
            _ => Ok(None),
        }
    }

    /// Refuses what needs room when there is none for `bytes` more.
    pub(super) fn check_room(&self, bytes: usize) -> io::Result<()> {
        let has_room = self.used() + bytes as u64 <= self.capacity.get();
        match has_room && !self.has(SimFault::Full) {
            true => Ok(()),
            false => Err(io::Error::new(
                ErrorKind::StorageFull,
                "no space left on the card",
            )),
        }
    }

    pub(super) fn free(&self) -> Size {
        match self.has(SimFault::Full) {
            true => Size::ZERO,
            false => Size::bytes(self.capacity.get().saturating_sub(self.used())),
        }
    }

    fn used(&self) -> u64 {
        let clusters = |node| match node {
            Node::Folder => CLUSTER.get(),
            Node::File(number) => {
                let file = self.disk.numbered(number);
                let length = file.map_or(0, |file| file.cached.len());
                Size::bytes(length as u64).round_up(CLUSTER).get()
            }
        };
        let names = self.disk.names().iter();
        names.map(|(_, node)| clusters(node)).sum()
    }

    pub(super) fn append(&mut self, number: usize, bytes: &[u8], fate: Fate) -> io::Result<()> {
        self.check_room(bytes.len())?;
        let nothing = vec![0; bytes.len()];
        let stored = self.as_stored(bytes, &nothing, fate);
        self.disk.append(number, bytes, &stored);
        Ok(())
    }

    /// What the card makes of `bytes` where it held `old`.
    fn as_stored<'a>(&mut self, bytes: &'a [u8], old: &'a [u8], fate: Fate) -> Cow<'a, [u8]> {
        let start = self.written;
        self.written += bytes.len() as u64;
        if fate == Fate::Lost {
            return Cow::Borrowed(old);
        }
        let mut stored = Cow::Borrowed(bytes);
        for fault in self.faults.lasting() {
            match fault {
                SimFault::DropsWritesAfter(limit) => {
                    let kept = limit.get().saturating_sub(start).min(bytes.len() as u64) as usize;
                    stored.to_mut()[kept..].copy_from_slice(&old[kept..]);
                }
                SimFault::FlipsABitAfter(place) if place.get() >= start => {
                    let at = Size::bytes(place.get() - start).as_usize();
                    if let Some(byte) = stored.to_mut().get_mut(at) {
                        *byte ^= 0x04;
                    }
                }
                _ => {}
            }
        }
        let struck = self
            .faults
            .strike(|fault| matches!(fault, SimFault::FlipsOnWrite { .. }));
        if struck.is_some() {
            Noise::new(start).flip_a_bit(stored.to_mut());
        }
        stored
    }

    pub(super) fn replace_sector(
        &mut self,
        path: &str,
        sector: u32,
        bytes: &[u8; SECTOR],
        fate: Fate,
    ) -> io::Result<()> {
        let file = self.disk.file(path).ok_or(ErrorKind::NotFound)?;
        let from = sector as usize * SECTOR;
        let old = file.stored.get(from..from + SECTOR);
        let old = old.ok_or(ErrorKind::UnexpectedEof)?.to_vec();
        let stored = match fate {
            Fate::Torn { seed } => Cow::Owned(torn_sector(&old, bytes, seed)),
            Fate::Done | Fate::Lost => self.as_stored(bytes, &old, fate),
        };
        self.disk.overwrite(path, from, &stored);
        match *stored == *bytes {
            true => Ok(()),
            false => Err(io::Error::other("the card shows something else")),
        }
    }
}

/// What is wrong with what a read returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    WrongBit,
    Short,
}

impl Flaw {
    /// Applies it to what was read whole or not at all.
    pub(super) fn spoil(self, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::WrongBit => {
                Noise::new(bytes.len() as u64).flip_a_bit(bytes);
                Ok(())
            }
            Self::Short => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}
