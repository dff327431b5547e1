//! Rewrites the boot loader: the only window in which no instant is safe.
//!
//! ```text
//!  block 0              the other blocks           block 0              block 0
//!  | SPL magic := 0 |   erase, program, as far     program all but      SPL magic
//!  | erase          |   as they differ             the magic
//!  '----------- no valid SPL: the boot ROM waits for USB -------------'  ▲
//!                                          everything read back ─────────┘
//! ```
//! At no instant is there a valid SPL with anything but a whole boot loader behind it. The magic is
//! four bytes; clearing them needs no erase and takes well under a millisecond.
//! Source of the magic and of what the boot ROM does without it: `SPL` in `image::check`.

use std::collections::BTreeSet;

use super::blocks::{Goal, TRIES};
use super::compare::BlockPlan;
use super::rewrite::{Rewrite, Stopped, Tools, goal, wanted};
use crate::event::{Event, Problem, Step};
use crate::flash::{Flash, FlashError};
use crate::plan::blocks::{Action, BLANK, is_blank};

/// The first bytes of an SPL, without which the boot ROM does not start it.
const MAGIC: usize = 4;

/// A block of the boot loader, before and after.
struct Part {
    block: u32,
    action: Action,
    old: Vec<u8>,
    wanted: Vec<u8>,
}

/// Changes the blocks of the boot loader that differ; up to three tries, then the old content is
/// written back.
///
/// # Errors
/// [`Problem::BootRestored`] if the old boot loader is whole again, [`Problem::BootBroken`] if it
/// is not; and what went wrong before anything was changed.
pub fn rewrite_boot(
    work: Rewrite<'_>,
    changing: &[&BlockPlan],
    tools: &mut Tools<'_>,
) -> Result<(), Stopped> {
    if changing.is_empty() {
        return Ok(());
    }
    let parts = prepare(work, changing, tools)?;
    tools.step(
        Step::RewriteBoot {
            blocks: parts.len(),
        },
        |tools| {
            let blocks: BTreeSet<u32> = parts.iter().map(|part| part.block).collect();
            tools.announce(&blocks.union(work.in_flight).copied().collect())?;
            let began = (tools.now)();
            let goals: Vec<(Goal<'_>, Action)> = parts
                .iter()
                .map(|part| (goal(work, part.block, &part.wanted), part.action))
                .collect();
            let outcome = reach(&goals, tools.flash, tools.alive);
            let window = (tools.now)().saturating_sub(began);
            tools.reporter.report(&Event::BootRewritten { window });
            match outcome {
                Ok(()) => Ok(()),
                Err(problem) => Err(go_back(work, &parts, problem, tools).into()),
            }
        },
    )
}

/// Reads everything that is needed into memory, so that the window holds no work but the chip's.
/// Block 0 is always among it: it carries the magic.
fn prepare(
    work: Rewrite<'_>,
    changing: &[&BlockPlan],
    tools: &mut Tools<'_>,
) -> Result<Vec<Part>, Problem> {
    let first = work.map.blocks.iter().find(|block| block.block == 0);
    let Some(first) = first else {
        return Err(Problem::BootSplit {
            region: work.plan.boot_guard,
        });
    };
    let others = changing.iter().copied().filter(|block| block.block != 0);
    let mut parts = Vec::new();
    for block in std::iter::once(first).chain(others) {
        let wanted = wanted(work, block, tools.card)?;
        let goal = goal(work, block.block, &wanted);
        let old = match work.in_flight.contains(&block.block) {
            // It may read differently each time, and is nothing to go back to.
            true => goal.read(tools.flash)?,
            false => steady(goal, block.old, tools.flash)?,
        };
        parts.push(Part {
            block: block.block,
            action: block.action,
            old,
            wanted,
        });
    }
    Ok(parts)
}

/// What the block holds, if it reads as it did when it was compared: it may have to be written back.
fn steady(goal: Goal<'_>, crc: u32, flash: &mut dyn Flash) -> Result<Vec<u8>, Problem> {
    let mut found = 0;
    for _ in 0..TRIES {
        let old = goal.read(flash)?;
        found = crc32fast::hash(&old);
        if found == crc {
            return Ok(old);
        }
    }
    Err(Problem::FlashUnsteady {
        first: format!("{crc:08x}"),
        second: format!("{found:08x}"),
    })
}

/// Tries to make all `goals` hold, the first of which is block 0; erases everything anew after a
/// try that failed.
fn reach(
    goals: &[(Goal<'_>, Action)],
    flash: &mut dyn Flash,
    alive: &dyn Fn(),
) -> Result<(), Problem> {
    let mut tries = 1;
    loop {
        match attempt(goals, tries, flash, alive) {
            Err(_) if tries < TRIES => tries += 1,
            outcome => return outcome,
        }
    }
}

fn attempt(
    goals: &[(Goal<'_>, Action)],
    tries: u32,
    flash: &mut dyn Flash,
    alive: &dyn Fn(),
) -> Result<(), Problem> {
    let Some(((first, _), others)) = goals.split_first() else {
        return Ok(());
    };
    let mut sealed = first.wanted.to_vec();
    let magic = sealed.len().min(MAGIC);
    sealed[..magic].fill(BLANK);
    let without_magic = Goal {
        wanted: &sealed,
        ..*first
    };
    seal(first, magic, flash)?;
    without_magic.apply(Action::Erase, flash)?;
    for (goal, planned) in others {
        let action = match tries {
            1 => *planned,
            _ => goal.anew(),
        };
        goal.apply(action, flash)?;
        alive();
    }
    let page = flash.geometry().page;
    without_magic.program(&vec![BLANK; sealed.len()], page, flash)?;
    without_magic.check(tries, flash)?;
    for (goal, _) in others {
        goal.check(tries, flash)?;
    }
    program(first, &first.wanted[..magic], flash)?;
    first.check(tries, flash)
}

/// Makes the SPL invalid at once. A magic that is not there needs no seal.
fn seal(first: &Goal<'_>, magic: usize, flash: &mut dyn Flash) -> Result<(), Problem> {
    let mut found = vec![0; magic];
    flash
        .read(first.at, &mut found)
        .map_err(FlashError::into_read_problem)?;
    match is_blank(&found) {
        true => Ok(()),
        false => program(first, &vec![0; magic], flash),
    }
}

fn program(first: &Goal<'_>, bytes: &[u8], flash: &mut dyn Flash) -> Result<(), Problem> {
    let goal = Goal {
        wanted: bytes,
        ..*first
    };
    let page = flash.geometry().page;
    goal.program(&vec![BLANK; bytes.len()], page, flash)
}

/// Writes back what was there, from memory. What was in flight when the run began is not known to
/// have been whole, so then there is nothing to go back to.
fn go_back(work: Rewrite<'_>, parts: &[Part], problem: Problem, tools: &mut Tools<'_>) -> Problem {
    let in_doubt = parts
        .iter()
        .any(|part| work.in_flight.contains(&part.block));
    if in_doubt {
        return Problem::BootBroken {
            why: problem.what(),
        };
    }
    let goals: Vec<(Goal<'_>, Action)> = parts
        .iter()
        .map(|part| (goal(work, part.block, &part.old), Action::EraseProgram))
        .collect();
    match reach(&goals, tools.flash, tools.alive) {
        Ok(()) => {
            // What is whole must not be opened again by whoever writes the rest back.
            tools.announced.clear();
            Problem::BootRestored {
                why: problem.what(),
            }
        }
        Err(_) => Problem::BootBroken {
            why: problem.what(),
        },
    }
}
