//! Where a run stands, from the records of its journal: pure.

use std::collections::BTreeSet;

use super::record::{Begun, Crc, Record, SafetyCopy, TargetRecord};
use super::{History, Journal};
use crate::card::Card;
use crate::event::Problem;

/// After so many power-ons a run gives up.
pub const MOST_ATTEMPTS: u32 = 5;

/// How far a run has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Flash is as it was.
    Preparing,
    /// Flash is being changed.
    Writing,
    /// The old content is being written back.
    RollingBack,
    /// Flash is complete; the card has to be put in order.
    Written,
    /// Flash is complete, but the U-Boot environment may be between its old content and a new one.
    Environment,
    /// Over.
    Closed,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Goes on with the journal.
    pub journal: Journal,
    /// How far it has got.
    pub stage: Stage,
    /// How often the camera was switched on for it.
    pub attempts: u32,
    /// Whether the last of them has no death on record.
    is_alive: bool,
    /// What is to be done.
    pub begun: Option<Begun>,
    /// The parts of that.
    pub targets: Vec<TargetRecord>,
    /// What each block held and is to hold, in the order of flash.
    pub crcs: Vec<Crc>,
    /// Where the old content is.
    pub safety_copy: Option<SafetyCopy>,
    /// Copies of the SD kernel under other names.
    pub kernel_copies: Vec<String>,
    /// Blocks that were being changed when power went.
    pub in_flight: BTreeSet<u32>,
    /// Nobody knows what was in flight: a record is lost.
    pub all_in_flight: bool,
}

impl State {
    /// From a journal as it was read.
    pub fn of(history: History) -> Self {
        let mut state = Self {
            journal: history.journal,
            stage: Stage::Preparing,
            attempts: 0,
            is_alive: false,
            begun: None,
            targets: Vec::new(),
            crcs: Vec::new(),
            safety_copy: None,
            kernel_copies: Vec::new(),
            in_flight: BTreeSet::new(),
            all_in_flight: false,
        };
        for record in history.records {
            state.apply(record);
        }
        // What is lost may be that flash was changed at all.
        if history.is_damaged && state.stage < Stage::Written {
            state.all_in_flight = true;
            state.stage = state.stage.max(Stage::Writing);
        }
        state
    }

    /// The program died in this power-on. It counts once: if it died before it was counted, it does now.
    /// Only behind a power-on that was cut off can the two not be told apart, and it goes uncounted.
    ///
    /// # Errors
    /// Those of [`Journal::append`].
    pub fn note_death(&mut self, card: &mut dyn Card) -> Result<(), Problem> {
        self.journal.append(card, &Record::Died)?;
        self.bury();
        Ok(())
    }

    fn bury(&mut self) {
        if !self.is_alive {
            self.attempts = self.attempts.saturating_add(1);
        }
        self.is_alive = false;
    }

    fn apply(&mut self, record: Record) {
        match record {
            Record::Started { attempt } => {
                self.attempts = attempt;
                self.is_alive = true;
            }
            Record::Died => self.bury(),
            Record::Begun(begun) => self.begun = Some(begun),
            Record::Target(target) => self.targets.push(target),
            Record::Fingerprint(part) => self.crcs.extend(part.crcs()),
            Record::SafetyCopy(copy) => self.safety_copy = Some(copy),
            Record::KernelCopies(mut names) => self.kernel_copies.append(&mut names),
            Record::Committed => self.stage = Stage::Writing,
            Record::InFlight(runs) => {
                let blocks = runs
                    .into_iter()
                    .flat_map(|(first, count)| first..first.saturating_add(count));
                self.in_flight = blocks.collect();
            }
            Record::RollingBack => self.stage = Stage::RollingBack,
            Record::Written => {
                self.stage = Stage::Written;
                self.in_flight.clear();
            }
            Record::Environment => self.stage = Stage::Environment,
            Record::Closed => self.stage = Stage::Closed,
        }
    }
}

impl Stage {
    /// Whether the next power-on has to go on with the run: flash or card are not in order.
    pub fn is_open(self) -> bool {
        (Self::Writing..=Self::Environment).contains(&self)
    }

    /// What the run is about to do, for messages.
    pub fn about_to(self) -> &'static str {
        match self {
            Self::Preparing => "verify the images and save the old firmware",
            Self::Writing => "write flash",
            Self::RollingBack => "write the old firmware back",
            Self::Written => "put the card in order",
            Self::Environment => "change the U-Boot environment",
            Self::Closed => "end",
        }
    }
}

/// Blocks as pairs of the first and how many, as a record has them.
pub fn runs(blocks: &BTreeSet<u32>) -> Vec<(u32, u32)> {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &block in blocks {
        match runs.last_mut() {
            Some((first, count)) if *first + *count == block => *count += 1,
            _ => runs.push((block, 1)),
        }
    }
    runs
}
