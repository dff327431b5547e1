//! Writes the U-Boot environment, so that it is whole or can be made so.
//!
//! ```text
//!  read twice ▶ environment.saved on the card, read back ▶ blocks that differ ▶ read back ▶ removed
//!               old and new content of these blocks    └── fails: the old content again ──┘
//!               '--- power cut: the next power-on, or the next fw_setenv, puts it right ---'
//! ```
//! What else lies in these blocks stays as it is, bit for bit. Of two copies one is whole at any
//! instant all the same ([`crate::image::environment::Place`]).

mod saved;

use std::collections::BTreeSet;

use super::blocks::Goal;
use crate::card::Card;
use crate::event::{Event, Problem, Reporter, Step, in_step};
use crate::flash::{Flash, FlashError, ReadFlash};
use crate::image::environment::{self, Change, Environment, Found, Missing, search_region};
use crate::plan::blocks::{Past, decide};
use crate::units::{Offset, Region, Size};

use saved::{Saved, Verdict};

/// What the blocks are called in messages.
const PARTITION: &str = "env";

/// The environment in flash; `known` is where the layout has it, if the layout is known.
///
/// # Errors
/// [`Problem::EnvironmentBlank`], [`Problem::EnvironmentUnsound`], [`Problem::EnvironmentSeveral`],
/// [`Problem::FlashRead`].
pub fn find(known: Option<Region>, flash: &mut dyn ReadFlash) -> Result<Found, Problem> {
    let bytes = read(search_region(known), flash)?;
    environment::find(known, &bytes).map_err(|missing| match missing {
        Missing::Blank(region) => Problem::EnvironmentBlank { region },
        Missing::Unsound(region) => Problem::EnvironmentUnsound { region },
        Missing::Several(first, second) => Problem::EnvironmentSeveral { first, second },
    })
}

/// Makes `environment` the one that counts. Nothing is touched if it is already.
///
/// # Errors
/// What kept it from being written; the old one is back then, unless it says otherwise
/// ([`Problem::EnvironmentBroken`]). [`Problem::EnvironmentStrange`] if what an interrupted write left
/// on the card is not cleared up.
pub fn write(
    found: &Found,
    environment: &Environment,
    flash: &mut dyn Flash,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    if *environment == found.environment {
        return Ok(());
    }
    if let Some(earlier) = Saved::read(card)? {
        return Err(strange(&earlier));
    }
    let changes = found.changes(environment);
    let region = touched(&changes, flash)?;
    let old = read_twice(region, flash)?;
    let saved = Saved {
        region,
        before: crc_before(region, flash)?,
        new: with(&old, region, &changes),
        old,
    };
    let step = Step::WriteEnvironment {
        region: found.place.span(),
    };
    let written = in_step(reporter, step, |reporter| {
        saved.store(card, reporter)?;
        apply(&saved, &changes, flash).map_err(|problem| go_back(&saved, flash, problem))
    });
    // What is in flash is whole: the copy has done its duty.
    match written {
        Err(problem @ Problem::EnvironmentBroken { .. }) => Err(problem),
        Err(problem) => {
            let _ = Saved::forget(card);
            Err(problem)
        }
        Ok(()) => Saved::forget(card),
    }
}

/// Puts right what an interrupted write has left, if there was one.
///
/// # Errors
/// [`Problem::EnvironmentStrange`] if flash is not as such a write leaves it, and what the chip or the
/// card say. The copy then stays on the card.
pub fn put_back(
    flash: &mut dyn Flash,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let Some(saved) = Saved::read_and_tell(card, reporter)? else {
        return Ok(());
    };
    let unit = flash.geometry().erase_block;
    let chip = flash.geometry().whole();
    if !chip.contains(&saved.region) || !is_whole(saved.region, unit) {
        return Err(strange(&saved));
    }
    if crc_before(saved.region, flash)? != saved.before {
        return Err(strange(&saved));
    }
    let bytes = read(saved.region, flash)?;
    let wanted = match saved.judge(&bytes, unit) {
        Verdict::Undone => &saved.old,
        Verdict::Done => &saved.new,
        Verdict::Strange => return Err(strange(&saved)),
    };
    let region = saved.region;
    in_step(reporter, Step::PutEnvironmentBack { region }, |_| {
        rewrite(&saved, wanted, Past::InFlight, flash)
    })
    .map_err(|problem| Problem::EnvironmentBroken {
        why: problem.what(),
    })?;
    Saved::forget(card)?;
    reporter.report(&Event::Remark(Problem::EnvironmentPutBack { region }));
    Ok(())
}

/// Whether an interrupted write is to be put right, for runs that must not do so.
///
/// # Errors
/// The card's own.
pub fn pending(card: &mut dyn Card) -> Result<Option<Problem>, Problem> {
    let saved = Saved::read(card)?;
    Ok(saved.map(|_| Problem::EnvironmentPending {
        file: Saved::file(),
    }))
}

fn strange(saved: &Saved) -> Problem {
    Problem::EnvironmentStrange {
        file: Saved::file(),
        region: saved.region,
    }
}

/// The erase blocks that the changes lie in, and all between them.
fn touched(changes: &[Change], flash: &mut dyn Flash) -> Result<Region, Problem> {
    let unit = flash.geometry().erase_block.get().max(1);
    let start = changes.iter().map(|change| change.at.get()).min();
    let end = changes
        .iter()
        .map(|change| change.at.get() + change.bytes.len() as u64);
    let (start, end) = (start.unwrap_or_default(), end.max().unwrap_or_default());
    let start = start / unit * unit;
    let region = Region::new(
        Offset::bytes(start),
        Size::bytes(end.next_multiple_of(unit) - start),
    );
    match flash.geometry().whole().contains(&region) {
        true => Ok(region),
        false => Err(Problem::EnvironmentUnsound { region }),
    }
}

fn is_whole(region: Region, unit: Size) -> bool {
    region.offset.is_aligned_to(unit) && region.end().is_aligned_to(unit)
}

fn read(region: Region, flash: &mut dyn ReadFlash) -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; region.size.as_usize()];
    flash
        .read(region.offset, &mut bytes)
        .map_err(FlashError::into_read_problem)?;
    Ok(bytes)
}

/// Of the boot loader: all that is in front of the environment's blocks.
fn crc_before(region: Region, flash: &mut dyn ReadFlash) -> Result<u32, Problem> {
    let size = Size::bytes(region.offset.get());
    let bytes = read(Region::new(Offset::ZERO, size), flash)?;
    Ok(crc32fast::hash(&bytes))
}

/// A bit that reads wrong once would be written for good.
fn read_twice(region: Region, flash: &mut dyn ReadFlash) -> Result<Vec<u8>, Problem> {
    let (first, second) = (read(region, flash)?, read(region, flash)?);
    match first == second {
        true => Ok(first),
        false => {
            let crc = |bytes: &[u8]| format!("CRC-32 {:08x}", crc32fast::hash(bytes));
            Err(Problem::FlashUnsteady {
                first: crc(&first),
                second: crc(&second),
            })
        }
    }
}

fn with(old: &[u8], region: Region, changes: &[Change]) -> Vec<u8> {
    let mut bytes = old.to_vec();
    for change in changes {
        let start = (change.at - region.offset).as_usize();
        if let Some(part) = bytes.get_mut(start..start + change.bytes.len()) {
            part.copy_from_slice(&change.bytes);
        }
    }
    bytes
}

/// Makes the changes one after the other, block by block.
fn apply(saved: &Saved, changes: &[Change], flash: &mut dyn Flash) -> Result<(), Problem> {
    let unit = flash.geometry().erase_block;
    let mut before = saved.old.clone();
    for change in changes {
        let after = with(&before, saved.region, std::slice::from_ref(change));
        for (at, old, wanted) in blocks(saved.region, &before, &after, unit) {
            let (action, _) = decide(old, wanted, Past::Settled);
            goal(at, wanted).reach(action, flash)?;
        }
        before = after;
    }
    Ok(())
}

/// Writes `wanted` into the blocks that a write of this copy touches.
fn rewrite(saved: &Saved, wanted: &[u8], past: Past, flash: &mut dyn Flash) -> Result<(), Problem> {
    let unit = flash.geometry().erase_block;
    let touched: BTreeSet<Offset> = blocks(saved.region, &saved.old, &saved.new, unit)
        .filter(|(_, old, new)| old != new)
        .map(|(at, ..)| at)
        .collect();
    let held = read(saved.region, flash)?;
    for (at, held, wanted) in blocks(saved.region, &held, wanted, unit) {
        if touched.contains(&at) {
            let (action, _) = decide(held, wanted, past);
            goal(at, wanted).reach(action, flash)?;
        }
    }
    Ok(())
}

fn go_back(saved: &Saved, flash: &mut dyn Flash, problem: Problem) -> Problem {
    let why = problem.what();
    match rewrite(saved, &saved.old, Past::Settled, flash) {
        Ok(()) => Problem::EnvironmentRestored { why },
        Err(_) => Problem::EnvironmentBroken { why },
    }
}

fn goal(at: Offset, wanted: &[u8]) -> Goal<'_> {
    Goal {
        at,
        wanted,
        partition: PARTITION,
    }
}

/// The erase blocks of `region`, each with its part of two contents.
fn blocks<'a>(
    region: Region,
    one: &'a [u8],
    other: &'a [u8],
    unit: Size,
) -> impl Iterator<Item = (Offset, &'a [u8], &'a [u8])> {
    let places = (region.offset.get()..).step_by(unit.as_usize().max(1));
    let parts = one
        .chunks(unit.as_usize().max(1))
        .zip(other.chunks(unit.as_usize().max(1)));
    parts
        .zip(places)
        .map(|((one, other), at)| (Offset::bytes(at), one, other))
}

#[cfg(test)]
mod tests;
