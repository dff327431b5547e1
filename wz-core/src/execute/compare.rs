//! One pass over images and flash: every image verified, every erase block compared.
//!
//! ```text
//!  thread 1   flash, block by block ─────────▶┐
//!  thread 2   images: hash, content checks ──▶ compare ──▶ what becomes of each block
//! ```
//! Nothing is changed here. A dry run ends behind it.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::compose::{ImageBytes, compose, region_of};
use super::overlap::overlap;
use crate::card::Card;
use crate::event::{Event, Problem, Reporter, Step, in_step};
use crate::flash::ReadFlash;
use crate::image::check::Checker;
use crate::image::sha256sum::Digest;
use crate::plan::RewritePlan;
use crate::plan::blocks::{Action, Past, Reason, Work, decide};
use crate::plan::rewrite::{Image, Source};
use crate::units::{Offset, Size};

/// What becomes of every erase block that the plan touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockMap {
    /// What the chip erases at once.
    pub erase_block: Size,
    /// In the order of flash.
    pub blocks: Vec<BlockPlan>,
    /// All work together.
    pub work: Work,
    /// The work in each target, in the plan's order. A block that two targets share counts in the
    /// first.
    pub by_target: Vec<Work>,
}

/// What becomes of one erase block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockPlan {
    /// Its number.
    pub block: u32,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// CRC-32 of what it holds.
    pub old: u32,
    /// CRC-32 of what it is to hold.
    pub new: u32,
    /// SHA-256 of what it is to hold, as it was verified.
    pub wanted: Digest,
}

impl BlockMap {
    /// The blocks that change.
    pub fn changing(&self) -> impl Iterator<Item = &BlockPlan> {
        self.blocks
            .iter()
            .filter(|block| block.action != Action::Keep)
    }
}

/// Verifies every image of `plan`, and compares what is wanted with what is in flash. `in_flight`
/// are the blocks that may hold marginal cells.
///
/// # Errors
/// Everything that is wrong with the images; or that flash cannot be read.
pub fn compare(
    plan: &RewritePlan,
    in_flight: &BTreeSet<u32>,
    flash: &mut dyn ReadFlash,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<BlockMap, Vec<Problem>> {
    let geometry = flash.geometry();
    let blocks = plan.blocks(geometry.erase_block)?;
    let step = Step::Compare {
        images: plan.images.len(),
        size: Size::bytes(blocks.len() as u64 * geometry.erase_block.get()),
    };
    in_step(reporter, step, |reporter| {
        let mut pass = Pass {
            plan,
            in_flight,
            page: geometry.page,
            images: Verifying::new(plan, card),
            map: BlockMap {
                erase_block: geometry.erase_block,
                blocks: Vec::with_capacity(blocks.len()),
                work: Work::default(),
                by_target: vec![Work::default(); plan.targets.len()],
            },
            total: blocks.len(),
        };
        let mut waiting = blocks.iter();
        let next = || match waiting.next() {
            None => Ok(None),
            Some(&block) => read_block(flash, block, geometry.erase_block).map(Some),
        };
        let take = |(block, old): (u32, Vec<u8>)| pass.take(block, &old, reporter);
        overlap(next, take, |error| Problem::SystemFailed {
            doing: "start a thread".into(),
            reason: error.to_string(),
        })
        .map_err(|problem| vec![problem])?;
        let problems = pass.images.finish(reporter);
        match problems.is_empty() {
            true => Ok(pass.map),
            false => Err(problems),
        }
    })
}

fn read_block(
    flash: &mut dyn ReadFlash,
    block: u32,
    erase_block: Size,
) -> Result<(u32, Vec<u8>), Problem> {
    let region = region_of(block, erase_block);
    let mut old = vec![0; erase_block.as_usize()];
    flash
        .read(region.offset, &mut old)
        .map_err(crate::flash::FlashError::into_read_problem)?;
    Ok((block, old))
}

struct Pass<'a> {
    plan: &'a RewritePlan,
    in_flight: &'a BTreeSet<u32>,
    page: Size,
    images: Verifying<'a>,
    map: BlockMap,
    total: usize,
}

impl Pass<'_> {
    fn take(&mut self, block: u32, old: &[u8], reporter: &mut dyn Reporter) -> Result<(), Problem> {
        let mut wanted = vec![0; old.len()];
        compose(self.plan, block, &mut self.images, &mut wanted)?;
        let past = match self.in_flight.contains(&block) {
            true => Past::InFlight,
            false => Past::Settled,
        };
        let (action, reason) = decide(old, &wanted, past);
        self.map.work.add(action, old, &wanted, self.page);
        self.count_for_target(block, action, old, &wanted);
        self.map.blocks.push(BlockPlan {
            block,
            action,
            reason,
            old: crc32fast::hash(old),
            new: crc32fast::hash(&wanted),
            wanted: Digest::of(&wanted),
        });
        let unit = self.map.erase_block.get();
        reporter.report(&Event::Progress {
            done: Size::bytes(self.map.blocks.len() as u64 * unit),
            total: Size::bytes(self.total as u64 * unit),
        });
        Ok(())
    }

    fn count_for_target(&mut self, block: u32, action: Action, old: &[u8], wanted: &[u8]) {
        let region = region_of(block, self.map.erase_block);
        let mut targets = self.plan.targets.iter();
        let target = targets.position(|target| target.region.overlaps(&region));
        if let Some(work) = target.and_then(|index| self.map.by_target.get_mut(index)) {
            work.add(action, old, wanted, self.page);
        }
    }
}

/// Reads images from their starts to their ends, hashing all of it, also what no target wants.
struct Verifying<'a> {
    card: &'a mut dyn Card,
    images: Vec<Stream<'a>>,
    checkers: Vec<Option<Checker>>,
    plan: &'a RewritePlan,
}

struct Stream<'a> {
    image: &'a Image,
    position: Offset,
    hash: Sha256,
    failed: Option<Problem>,
}

/// How much is read at a time of what no target wants.
const CHUNK: Size = Size::kib(64);

impl<'a> Verifying<'a> {
    fn new(plan: &'a RewritePlan, card: &'a mut dyn Card) -> Self {
        let stream = |image| Stream {
            image,
            position: Offset::ZERO,
            hash: Sha256::new(),
            failed: None,
        };
        let checker = |target: &crate::plan::rewrite::Target| match target.source {
            Source::Image { length, .. } => Some(Checker::new(target.content, length)),
            Source::Blank | Source::Empty(_) => None,
        };
        Self {
            images: plan.images.iter().map(stream).collect(),
            checkers: plan.targets.iter().map(checker).collect(),
            plan,
            card,
        }
    }

    /// Reads what is left of each image; everything that is wrong with them.
    fn finish(mut self, reporter: &mut dyn Reporter) -> Vec<Problem> {
        let mut problems = Vec::new();
        for stream in &mut self.images {
            let end = Offset::ZERO + stream.image.size;
            stream.skip_to(end, self.card, reporter);
            problems.extend(stream.verdict());
        }
        for (target, checker) in self.plan.targets.iter().zip(self.checkers) {
            let Source::Image { image, .. } = target.source else {
                continue;
            };
            let Some(stream) = self.images.get(image).filter(|s| s.failed.is_none()) else {
                continue;
            };
            if let Some(Err(why)) = checker.map(Checker::finish) {
                problems.push(Problem::ImageContent {
                    file: stream.image.path.to_string(),
                    partition: target.name.clone(),
                    why: why.to_string(),
                });
            }
        }
        problems
    }
}

impl Stream<'_> {
    fn read(&mut self, buffer: &mut [u8], card: &mut dyn Card) {
        if self.failed.is_some() {
            return;
        }
        match card.read_at(&self.image.path, self.position, buffer) {
            Ok(()) => {
                self.hash.update(&*buffer);
                self.position = self.position + Size::bytes(buffer.len() as u64);
            }
            Err(error) => self.failed = Some(error.into_problem(card)),
        }
    }

    fn skip_to(&mut self, at: Offset, card: &mut dyn Card, reporter: &mut dyn Reporter) {
        let mut buffer = vec![0; CHUNK.as_usize()];
        while self.position < at && self.failed.is_none() {
            let length = CHUNK.as_usize().min((at - self.position).as_usize());
            self.read(&mut buffer[..length], card);
            reporter.report(&Event::Progress {
                done: self.position - Offset::ZERO,
                total: self.image.size,
            });
        }
    }

    fn verdict(&mut self) -> Option<Problem> {
        if let Some(problem) = &self.failed {
            return Some(problem.clone());
        }
        let found = Digest::new(self.hash.clone().finalize().into());
        if found == self.image.digest {
            return None;
        }
        let problem = Problem::ImageHash {
            file: self.image.path.to_string(),
            expected: self.image.digest.to_string(),
            found: found.to_string(),
        };
        self.failed = Some(problem.clone());
        Some(problem)
    }
}

impl ImageBytes for Verifying<'_> {
    fn read(
        &mut self,
        image: usize,
        target: usize,
        from: Offset,
        buffer: &mut [u8],
    ) -> Result<(), Problem> {
        let Some(stream) = self.images.get_mut(image) else {
            return Ok(());
        };
        stream.skip_to(from, self.card, &mut |_: &Event| {});
        stream.read(buffer, self.card);
        if let Some(Some(checker)) = self.checkers.get_mut(target) {
            checker.take(buffer);
        }
        Ok(())
    }
}
