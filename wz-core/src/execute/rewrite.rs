//! Makes flash hold what a plan wants: block by block, announced in the journal, the boot loader
//! last.
//!
//! ```text
//!  blocks in flight ──▶ the others, in windows ──▶ boot guard
//!  journal: "these blocks" ▶ erase, program, read back each ▶ journal: "these blocks" ▶ ...
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use super::blocks::{Goal, TRIES};
use super::boot_guard::rewrite_boot;
use super::compare::{BlockMap, BlockPlan};
use super::compose::{ImageBytes, compose, region_of};
use crate::card::Card;
use crate::event::{Event, Problem, Reporter, Step, Verdict};
use crate::flash::Flash;
use crate::image::sha256sum::Digest;
use crate::journal::{Journal, Record, runs};
use crate::plan::RewritePlan;
use crate::plan::rewrite::{Image, Source};
use crate::units::{Offset, Size};

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Rewrite<'a> {
    /// What is wanted.
    pub plan: &'a RewritePlan,
    /// What becomes of each block.
    pub map: &'a BlockMap,
    /// Blocks with cells that may be marginal.
    pub in_flight: &'a BTreeSet<u32>,
}

/// What it is done with.
pub struct Tools<'a> {
    /// The chip.
    pub flash: &'a mut dyn Flash,
    /// The card with the images.
    pub card: &'a mut dyn Card,
    /// What the next power-on will know.
    pub journal: &'a mut Journal,
    /// Who is told.
    pub reporter: &'a mut dyn Reporter,
    /// The time since power-on.
    pub now: &'a dyn Fn() -> Duration,
    /// Tells the watchdog that all is well, where nothing is reported.
    pub alive: &'a dyn Fn(),
    /// The blocks that were announced last, and may hold anything.
    pub announced: BTreeSet<u32>,
}

impl std::fmt::Debug for Tools<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

/// Why a rewrite stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The card does not keep the journal. The next power-on may find it better.
    Card(Problem),
    /// An image or the chip: there may be something to go back to.
    Work(Problem),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Work(problem)
    }
}

impl From<Stopped> for Problem {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Card(problem) | Stopped::Work(problem) => problem,
        }
    }
}

impl Tools<'_> {
    /// Runs `work` as a step, with its beginning and end reported.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn step<T>(
        &mut self,
        step: Step,
        work: impl FnOnce(&mut Self) -> Result<T, Stopped>,
    ) -> Result<T, Stopped> {
        self.reporter.report(&Event::StepStarted(step));
        let result = work(self);
        let verdict = match &result {
            Ok(_) => Verdict::Done,
            Err(_) => Verdict::Failed,
        };
        self.reporter.report(&Event::StepEnded(verdict));
        result
    }

    /// Announces in the journal that these blocks are about to be changed.
    ///
    /// # Errors
    /// Those of [`Journal::append`].
    pub fn announce(&mut self, blocks: &BTreeSet<u32>) -> Result<(), Stopped> {
        self.announced.clone_from(blocks);
        self.journal
            .append(self.card, &Record::InFlight(runs(blocks)))
            .map_err(Stopped::Card)
    }
}

/// How many windows all that is touched is divided into at most; each costs a record, and so does
/// each power-on.
const WINDOWS: usize = 32;

/// The least blocks in a window.
const WINDOW: usize = 8;

/// Changes flash as the map says, and compares it.
///
/// # Errors
/// What went wrong first. What was done until then is in the journal.
pub fn rewrite(work: Rewrite<'_>, tools: &mut Tools<'_>) -> Result<(), Stopped> {
    let guard = work.plan.boot_guard;
    let is_guarded = |block: &BlockPlan| {
        let region = region_of(block.block, work.map.erase_block);
        guard.overlaps(&region)
    };
    let (guarded, mut others): (Vec<&BlockPlan>, Vec<&BlockPlan>) =
        work.map.changing().partition(|block| is_guarded(block));
    others.sort_by_key(|block| (!work.in_flight.contains(&block.block), block.block));
    rewrite_others(work, &others, tools)?;
    rewrite_boot(work, &guarded, tools)
}

fn rewrite_others(
    work: Rewrite<'_>,
    blocks: &[&BlockPlan],
    tools: &mut Tools<'_>,
) -> Result<(), Stopped> {
    if blocks.is_empty() {
        return Ok(());
    }
    let unit = work.map.erase_block.get();
    let total = Size::bytes(blocks.len() as u64 * unit);
    tools.step(Step::WriteFlash { size: total }, |tools| {
        let mut pending = work.in_flight.clone();
        let mut done = Size::ZERO;
        for window in blocks.chunks(WINDOW.max(work.map.blocks.len().div_ceil(WINDOWS))) {
            // What is still in flight from before stays announced until it is written anew.
            pending.extend(window.iter().map(|block| block.block));
            tools.announce(&pending)?;
            for block in window {
                let wanted = wanted(work, block, tools.card)?;
                goal(work, block.block, &wanted).reach(block.action, tools.flash)?;
                done = Size::bytes(done.get() + unit);
                tools.reporter.report(&Event::Progress { done, total });
            }
            for block in window {
                pending.remove(&block.block);
            }
        }
        Ok(())
    })
}

/// A block and what it is to hold.
pub fn goal<'a>(work: Rewrite<'a>, block: u32, wanted: &'a [u8]) -> Goal<'a> {
    let region = region_of(block, work.map.erase_block);
    Goal {
        at: region.offset,
        wanted,
        partition: work.plan.partition_at(region.offset),
    }
}

/// What a block is to hold, read from the card anew, and still what was verified.
///
/// # Errors
/// [`Problem::ImageChanged`], and the card's own.
pub fn wanted(
    work: Rewrite<'_>,
    block: &BlockPlan,
    card: &mut dyn Card,
) -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; work.map.erase_block.as_usize()];
    let mut tries = 1;
    loop {
        let mut images = Direct {
            images: &work.plan.images,
            card: &mut *card,
        };
        let composed = compose(work.plan, block.block, &mut images, &mut bytes);
        let verdict = composed.and_then(|()| match Digest::of(&bytes) == block.wanted {
            true => Ok(()),
            false => Err(changed(work, block)),
        });
        match verdict {
            Ok(()) => return Ok(bytes),
            Err(problem) if tries == TRIES => return Err(problem),
            Err(_) => tries += 1,
        }
    }
}

fn changed(work: Rewrite<'_>, block: &BlockPlan) -> Problem {
    let at = region_of(block.block, work.map.erase_block).offset;
    let target = work.plan.target_at(at);
    let file = target.and_then(|target| match target.source {
        Source::Image { image, .. } => work.plan.images.get(image),
        Source::Blank | Source::Empty(_) => None,
    });
    Problem::ImageChanged {
        file: file.map(|image| image.path.to_string()).unwrap_or_default(),
        at,
    }
}

/// Reads images as they are wanted.
struct Direct<'a> {
    images: &'a [Image],
    card: &'a mut dyn Card,
}

impl ImageBytes for Direct<'_> {
    fn read(
        &mut self,
        image: usize,
        _: usize,
        from: Offset,
        buffer: &mut [u8],
    ) -> Result<(), Problem> {
        let Some(image) = self.images.get(image) else {
            return Ok(());
        };
        self.card
            .read_at(&image.path, from, buffer)
            .map_err(|error| error.into_problem(self.card))
    }
}
