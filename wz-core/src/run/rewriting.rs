//! A run that changes flash: begun, interrupted, resumed, ended.
//!
//! ```text
//!             ┌──────────── Preparing ───────────┐ ┌─ Writing ─┐ ┌── Written ──┐
//!  journal ──▶ verify ▶ compare ▶ safety copy ▶    blocks ▶ boot ▶ config, kernels ▶ closed
//!             └ power cut: from the start again ┘ └ from the journal: the rest ─┘
//!                                                  └ cannot go on ▶ Rolling back ▶ closed
//! ```

use std::collections::BTreeSet;

use super::edit::switch_off;
use super::kernels::{self, Copies, Kernels, Rule, Sources};
use super::{FlashUnit, Stop, Surroundings};
use crate::card::{Card, CardPath};
use crate::config::{Key, SafetyBackup, WhenImagesFail};
use crate::detect::Camera;
use crate::event::{Event, Operation, Outcome, Phase, Problem, Reporter};
use crate::execute::safety::safety_copy;
use crate::execute::{BlockMap, BlockPlan, Rewrite, Stopped, Tools, compare, rewrite};
use crate::flash::Flash;
use crate::image::check::Content;
use crate::journal::{
    self, Begun, Crc, Fingerprint, Journal, Record, SafetyCopy, Stage, State, plan_of,
    target_records,
};
use crate::plan::rewrite::{Image, Source, Target};
use crate::plan::{RewritePlan, plan_safety_backup, primary_folder, survey, whole_chip_image};
use crate::profile::{Catalogue, Firmware};
use crate::units::{Offset, Size};

/// How the flash of a run that was to change it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// A whole firmware, the old or the new one. The SD kernel is not needed any more.
    Whole(Outcome),
    /// Neither. The next power-on goes on, so the SD kernel has to stay.
    Partial(Outcome),
    /// It is not the flash that the journal is about, or nobody can tell. Nothing was changed.
    Strange,
}

/// A plan with everything that has to be known before flash is changed.
pub(super) struct Ready {
    pub(super) plan: RewritePlan,
    pub(super) map: BlockMap,
    pub(super) copies: Copies,
    pub(super) safety_backup: SafetyBackup,
    pub(super) when_images_fail: WhenImagesFail,
}

/// What a run works with.
pub(super) struct Desk<'a, 'b> {
    pub(super) flash: &'a mut FlashUnit<'b>,
    pub(super) card: &'a mut dyn Card,
    pub(super) journal: &'a mut Journal,
    /// Copies of the SD kernel that were made for this run.
    pub(super) kernel_copies: &'a mut Vec<String>,
    /// What tells the camera's chip from all others, if it says so.
    pub(super) serial: Option<String>,
    pub(super) surroundings: &'a mut dyn Surroundings,
    pub(super) reporter: &'a mut dyn Reporter,
}

/// Carries out a plan that has just been made.
///
/// # Errors
/// What went wrong before flash was changed.
pub(super) fn carry_out(
    ready: &Ready,
    camera: &Camera,
    desk: &mut Desk<'_, '_>,
) -> Result<Left, Stop> {
    if ready.map.work.is_none() {
        return Ok(Left::Whole(Outcome::Success));
    }
    let safety = match ready.safety_backup {
        SafetyBackup::Make => Some(make_safety_copy(&ready.map, camera, desk)?),
        SafetyBackup::Skip => None,
    };
    copy_kernels(&ready.copies, desk)
        .and_then(|()| commit(ready, camera, safety.as_ref(), desk))
        .map_err(Stop::Failed)?;
    let job = Job {
        plan: &ready.plan,
        safety: safety.as_ref(),
        roll_back: ready.when_images_fail,
        crcs: &[],
    };
    Ok(write(job, &ready.map, &BTreeSet::new(), desk))
}

/// Makes sure that every U-Boot that may be in flash finds an SD kernel. A copy is in the journal
/// before it is on the card, so that it will be removed.
fn copy_kernels(copies: &Copies, desk: &mut Desk<'_, '_>) -> Result<(), Problem> {
    for name in &copies.to {
        let record = Record::KernelCopies(vec![name.clone()]);
        desk.journal.append(desk.card, &record)?;
        desk.kernel_copies.push(name.clone());
        kernels::copy(copies, name, desk.card, desk.reporter)?;
    }
    Ok(())
}

fn make_safety_copy(
    compared: &BlockMap,
    camera: &Camera,
    desk: &mut Desk<'_, '_>,
) -> Result<SafetyCopy, Stop> {
    let survey = survey(desk.card, &[primary_folder(camera)])
        .map_err(|error| Stop::Failed(error.into_problem(desk.card)))?;
    let plan = plan_safety_backup(camera, &survey)?;
    let copy = safety_copy(
        &plan,
        (&primary_folder(camera), &whole_chip_image(camera)),
        compared,
        desk.flash.chip,
        desk.flash.file_systems,
        desk.card,
        desk.reporter,
    )
    .map_err(Stop::Failed)?;
    desk.journal
        .append(desk.card, &Record::SafetyCopy(copy.clone()))
        .map_err(Stop::Failed)?;
    Ok(copy)
}

/// Writes down all that the next power-on needs to know. From here on flash may change.
fn commit(
    ready: &Ready,
    camera: &Camera,
    safety: Option<&SafetyCopy>,
    desk: &mut Desk<'_, '_>,
) -> Result<(), Problem> {
    // A partition that is mounted must not change under its file system.
    desk.flash
        .file_systems
        .release()
        .map_err(|error| Problem::SystemFailed {
            doing: "unmount the partitions".to_owned(),
            reason: error.to_string(),
        })?;
    let targets = target_records(&ready.plan);
    let begun = Begun {
        serial: desk.serial.clone(),
        operation: ready.plan.operation.into(),
        from: ready.plan.from.clone(),
        to: ready.plan.to.clone(),
        layout: ready.plan.layout.clone(),
        model: camera.facts.model.clone(),
        soc: camera.facts.soc.clone(),
        group: camera.facts.group.clone(),
        chip_size: camera.chip.size.get(),
        erase_block: u32::try_from(ready.map.erase_block.get()).unwrap_or(u32::MAX),
        boot_guard: (ready.plan.boot_guard.end() - Offset::ZERO).get(),
        targets: u32::try_from(targets.len()).unwrap_or(u32::MAX),
        roll_back: ready.when_images_fail == WhenImagesFail::RollBack && safety.is_some(),
    };
    let mut records = vec![Record::Begun(begun)];
    records.extend(targets.into_iter().map(Record::Target));
    records.extend(fingerprints(&ready.map));
    records.push(Record::Committed);
    records
        .iter()
        .try_for_each(|record| desk.journal.append(desk.card, record))
}

fn fingerprints(map: &BlockMap) -> Vec<Record> {
    let crcs: Vec<Crc> = map
        .blocks
        .iter()
        .map(|block| Crc {
            old: block.old,
            new: block.new,
        })
        .collect();
    let chunks = crcs.chunks(Fingerprint::MOST).enumerate();
    let record = |(index, part): (usize, &[Crc])| {
        let first = u32::try_from(index * Fingerprint::MOST).unwrap_or(u32::MAX);
        Record::Fingerprint(Fingerprint::new(first, part))
    };
    chunks.map(record).collect()
}

/// What is being done, and what there is to go back to.
#[derive(Clone, Copy)]
struct Job<'a> {
    plan: &'a RewritePlan,
    safety: Option<&'a SafetyCopy>,
    roll_back: WhenImagesFail,
    /// What each block held and was to hold, where it is in doubt that this is the flash.
    crcs: &'a [Crc],
}

/// Changes flash; if that fails, goes back.
fn write(job: Job<'_>, map: &BlockMap, in_flight: &BTreeSet<u32>, desk: &mut Desk<'_, '_>) -> Left {
    let work = Rewrite {
        plan: job.plan,
        map,
        in_flight,
    };
    let (outcome, announced) = timed(work, desk);
    match outcome {
        Ok(()) => match desk.journal.append(desk.card, &Record::Written) {
            Ok(()) => Left::Whole(Outcome::Success),
            // Flash is whole all the same: there is nothing to go back from.
            Err(problem) => {
                desk.reporter.report(&Event::Failed(problem));
                Left::Whole(Outcome::Incomplete)
            }
        },
        Err(Stopped::Card(problem)) => {
            desk.reporter.report(&Event::Failed(problem));
            Left::Partial(Outcome::Failed)
        }
        Err(Stopped::Work(problem)) => {
            desk.reporter.report(&Event::Failed(problem));
            let in_doubt = in_flight.union(&announced).copied().collect();
            go_back(job, &in_doubt, desk)
        }
    }
}

/// Rewrites, and tells how long it took. Also: the blocks that were announced last.
fn timed(work: Rewrite<'_>, desk: &mut Desk<'_, '_>) -> (Result<(), Stopped>, BTreeSet<u32>) {
    let began = desk.surroundings.since_power_on();
    let surroundings = &*desk.surroundings;
    let now = || surroundings.since_power_on();
    let alive = || surroundings.keep_alive();
    let mut tools = Tools {
        flash: desk.flash.chip,
        card: desk.card,
        journal: desk.journal,
        reporter: desk.reporter,
        now: &now,
        alive: &alive,
        announced: BTreeSet::new(),
    };
    let outcome = rewrite(work, &mut tools);
    let announced = tools.announced;
    let duration = now().saturating_sub(began);
    let phase = Phase::Write;
    desk.reporter.report(&Event::PhaseEnded { phase, duration });
    (outcome, announced)
}

/// Writes the old content back from the safety copy, if there is one and the owner wants it.
fn go_back(job: Job<'_>, in_flight: &BTreeSet<u32>, desk: &mut Desk<'_, '_>) -> Left {
    let firmware = job.plan.from.clone();
    let safety = match (job.safety, job.roll_back) {
        (Some(safety), WhenImagesFail::RollBack) => safety,
        _ => {
            let problem = Problem::NoWayBack { firmware };
            desk.reporter.report(&Event::Failed(problem));
            return Left::Partial(Outcome::Failed);
        }
    };
    let told = Problem::RollingBack {
        firmware: firmware.clone(),
    };
    desk.reporter.report(&Event::Remark(told));
    match write_back(job, safety, in_flight, desk) {
        Ok(()) => {
            let problem = Problem::RolledBack { firmware };
            desk.reporter.report(&Event::Remark(problem));
            Left::Whole(Outcome::Failed)
        }
        Err(problems) => {
            for problem in problems {
                let why = problem.to_string();
                let problem = Problem::RollBackFailed { why };
                desk.reporter.report(&Event::Failed(problem));
            }
            Left::Partial(Outcome::Failed)
        }
    }
}

fn write_back(
    job: Job<'_>,
    safety: &SafetyCopy,
    in_flight: &BTreeSet<u32>,
    desk: &mut Desk<'_, '_>,
) -> Result<(), Vec<Problem>> {
    let one = |problem| vec![problem];
    let back = back_plan(job.plan, safety, desk.flash.device.whole.size)?;
    let chip: &mut dyn Flash = desk.flash.chip;
    let map = compare(&back, in_flight, chip, desk.card, desk.reporter)?;
    let strangers = strangers(&map, job.crcs, in_flight);
    if !strangers.is_empty() && desk.serial.is_none() {
        return Err(one(other_flash(&back, &strangers, map.erase_block)));
    }
    desk.journal
        .append(desk.card, &Record::RollingBack)
        .map_err(one)?;
    let work = Rewrite {
        plan: &back,
        map: &map,
        in_flight,
    };
    timed(work, desk).0.map_err(|stopped| vec![stopped.into()])
}

/// The old content of everything that `plan` touches.
fn back_plan(
    plan: &RewritePlan,
    safety: &SafetyCopy,
    chip: Size,
) -> Result<RewritePlan, Vec<Problem>> {
    let digest = safety.sha256.parse().map_err(|_| {
        vec![Problem::JournalUnreadable {
            why: format!("\"{}\" is no SHA-256", safety.sha256),
        }]
    })?;
    let old = |target: &Target| Target {
        source: Source::Image {
            image: 0,
            from: target.region.offset,
            length: target.region.size,
        },
        content: Content::Anything,
        ..target.clone()
    };
    Ok(RewritePlan {
        to: plan.from.clone(),
        layout: None,
        images: vec![Image {
            path: CardPath::root().join(&safety.path),
            size: chip,
            digest,
        }],
        targets: plan.targets.iter().map(old).collect(),
        remarks: Vec::new(),
        ..plan.clone()
    })
}

/// The blocks that hold neither what was there before nor what was to be written, and were not in
/// flight: another camera's do.
fn strangers(map: &BlockMap, crcs: &[Crc], in_flight: &BTreeSet<u32>) -> BTreeSet<u32> {
    let is_strange = |(block, crc): &(&BlockPlan, &Crc)| {
        !in_flight.contains(&block.block) && block.old != crc.old && block.old != crc.new
    };
    let pairs = map.blocks.iter().zip(crcs);
    pairs
        .filter(is_strange)
        .map(|(block, _)| block.block)
        .collect()
}

fn other_flash(plan: &RewritePlan, blocks: &BTreeSet<u32>, erase_block: Size) -> Problem {
    let first = blocks.first().copied().unwrap_or_default();
    let at = Offset::bytes(u64::from(first) * erase_block.get());
    Problem::OtherFlash {
        partition: plan.partition_at(at).to_owned(),
        at,
    }
}

/// Goes on with a run that was interrupted when flash was being changed.
pub(super) fn resume(state: &State, names: &KernelNames<'_>, desk: &mut Desk<'_, '_>) -> Left {
    let prepared = planned(state, desk).and_then(|plan| {
        let copies = names.missing(&plan, desk.card)?;
        copy_kernels(&copies, desk)?;
        Ok(plan)
    });
    let plan = match prepared {
        Ok(plan) => plan,
        Err(problem) => {
            desk.reporter.report(&Event::Refused(problem));
            return Left::Strange;
        }
    };
    let unit = Size::bytes(desk.flash.chip.geometry().erase_block.get());
    let in_flight = match state.all_in_flight {
        true => plan.blocks(unit).unwrap_or_default().into_iter().collect(),
        false => state.in_flight.clone(),
    };
    let roll_back = match state.begun.as_ref().is_some_and(|begun| begun.roll_back) {
        true => WhenImagesFail::RollBack,
        false => WhenImagesFail::Stop,
    };
    let job = Job {
        plan: &plan,
        safety: state.safety_copy.as_ref(),
        roll_back,
        crcs: &state.crcs,
    };
    match state.stage {
        Stage::RollingBack => return go_back(job, &in_flight, desk),
        Stage::Written | Stage::Environment => return is_done(&plan, &state.crcs, desk),
        Stage::Preparing | Stage::Writing | Stage::Closed => {}
    }
    let chip: &mut dyn Flash = desk.flash.chip;
    let compared = compare(&plan, &in_flight, chip, desk.card, desk.reporter);
    match compared {
        Ok(map) => match strangers(&map, &state.crcs, &in_flight) {
            blocks if blocks.is_empty() => write(job, &map, &in_flight, desk),
            // It is this camera, and its firmware has run meanwhile.
            blocks if desk.serial.is_some() => {
                let in_doubt: BTreeSet<u32> = in_flight.union(&blocks).copied().collect();
                write(job, &map, &in_doubt, desk)
            }
            blocks => {
                let problem = other_flash(&plan, &blocks, map.erase_block);
                desk.reporter.report(&Event::Refused(problem));
                Left::Strange
            }
        },
        Err(problems) => {
            for problem in problems {
                desk.reporter.report(&Event::Failed(problem));
            }
            go_back(job, &in_flight, desk)
        }
    }
}

/// Whether flash holds all that was written: the card may be in another camera by now.
fn is_done(plan: &RewritePlan, crcs: &[Crc], desk: &mut Desk<'_, '_>) -> Left {
    let chip: &mut dyn Flash = desk.flash.chip;
    match holds(plan, crcs, chip) {
        Ok(()) => Left::Whole(Outcome::Success),
        Err(problems) => {
            for problem in problems {
                desk.reporter.report(&Event::Refused(problem));
            }
            Left::Strange
        }
    }
}

fn holds(plan: &RewritePlan, crcs: &[Crc], flash: &mut dyn Flash) -> Result<(), Vec<Problem>> {
    let erase_block = flash.geometry().erase_block;
    let mut bytes = vec![0; erase_block.as_usize()];
    for (block, crc) in plan.blocks(erase_block)?.into_iter().zip(crcs) {
        let at = Offset::bytes(u64::from(block) * erase_block.get());
        flash
            .read(at, &mut bytes)
            .map_err(|error| vec![error.into_read_problem()])?;
        if crc32fast::hash(&bytes) != crc.new {
            let partition = plan.partition_at(at).to_owned();
            return Err(vec![Problem::OtherFlash { partition, at }]);
        }
    }
    Ok(())
}

/// The plan in the journal, if it is for this camera.
fn planned(state: &State, desk: &mut Desk<'_, '_>) -> Result<RewritePlan, Problem> {
    let Some(begun) = &state.begun else {
        return Err(Problem::JournalUnreadable {
            why: "what was begun is lost".to_owned(),
        });
    };
    if begun.targets as usize != state.targets.len() {
        return Err(Problem::JournalUnreadable {
            why: format!(
                "of {} parts of the plan, {} are left",
                begun.targets,
                state.targets.len()
            ),
        });
    }
    let geometry = desk.flash.chip.geometry();
    let facts = [
        (
            "flash chip",
            Size::bytes(begun.chip_size).to_string(),
            geometry.size.to_string(),
        ),
        (
            "erase block",
            Size::bytes(begun.erase_block.into()).to_string(),
            geometry.erase_block.to_string(),
        ),
    ];
    for (what, journal, found) in facts {
        if journal != found {
            return Err(Problem::OtherCamera {
                what: what.to_owned(),
                journal,
                found,
            });
        }
    }
    plan_of(begun, &state.targets)
}

/// The names that U-Boots look for a kernel under.
pub(super) struct KernelNames<'a> {
    pub(super) firmwares: &'a [Firmware],
    pub(super) sources: Sources<'a>,
}

impl KernelNames<'_> {
    /// What has to be copied before the plan's targets are written.
    ///
    /// # Errors
    /// Those of [`kernels::missing`].
    pub(super) fn missing(
        &self,
        plan: &RewritePlan,
        card: &mut dyn Card,
    ) -> Result<Copies, Problem> {
        let is_guarded = |target: &Target| target.region.overlaps(&plan.boot_guard);
        match plan.targets.iter().any(is_guarded) {
            true => self.missing_for_both(plan, card),
            false => self.missing_for_now(plan, card),
        }
    }

    /// What has to be copied so that the old and the new firmware's U-Boot find a kernel.
    ///
    /// # Errors
    /// Those of [`kernels::missing`].
    pub(super) fn missing_for_both(
        &self,
        plan: &RewritePlan,
        card: &mut dyn Card,
    ) -> Result<Copies, Problem> {
        kernels::missing(card, &self.of_both(plan), self.sources)
    }

    /// What a run will copy that starts from this card when its kernel has its name back.
    ///
    /// # Errors
    /// Those of [`kernels::foreseen`].
    pub(super) fn foreseen_for_both(
        &self,
        plan: &RewritePlan,
        catalogue: &Catalogue,
        card: &mut dyn Card,
    ) -> Result<Copies, Problem> {
        kernels::foreseen(card, &self.of_both(plan), &kernels::names(Some(catalogue)))
    }

    /// Makes sure that nothing on the card keeps the old or the new firmware's U-Boot from a kernel.
    ///
    /// # Errors
    /// Those of [`kernels::refuse_unbootable`].
    pub(super) fn refuse_unbootable(
        &self,
        plan: &RewritePlan,
        card: &mut dyn Card,
    ) -> Result<(), Problem> {
        kernels::refuse_unbootable(card, &self.of_both(plan))
    }

    fn of_both(&self, plan: &RewritePlan) -> Vec<String> {
        let mut names = self.of(&plan.from);
        names.extend(self.of(&plan.to));
        names
    }

    /// What has to be copied so that the U-Boot that is in flash finds a kernel: nothing, unless it
    /// was put away.
    ///
    /// # Errors
    /// Those of [`kernels::missing`].
    pub(super) fn missing_for_now(
        &self,
        plan: &RewritePlan,
        card: &mut dyn Card,
    ) -> Result<Copies, Problem> {
        if self.sources == Sources::Bootable {
            return Ok(Copies::none());
        }
        let copies = kernels::missing(card, &self.of(&plan.from), self.sources)?;
        match copies.are_of_a_bootable_one() {
            true => Ok(Copies::none()),
            false => Ok(copies),
        }
    }

    fn of(&self, firmware: &str) -> Vec<String> {
        let mut firmwares = self.firmwares.iter();
        let found = firmwares.find(|other| other.name == firmware);
        found
            .map(|found| found.sd_kernels.clone())
            .unwrap_or_default()
    }
}

/// Puts the card in order when flash is whole: the configuration, then the journal, then the
/// kernels. What has become of those.
pub(super) fn finish(
    operation: Option<Operation>,
    outcome: Outcome,
    rule: &Rule,
    journal: Journal,
    kernel_copies: &[String],
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> (Outcome, Kernels) {
    let mut problems = Vec::new();
    let is_new = matches!(outcome, Outcome::Success | Outcome::Incomplete);
    if operation == Some(Operation::SwitchFirmware) && is_new {
        problems.extend(switch_off(Key::SwitchFirmware, card, reporter).err());
    }
    problems.extend(journal::discard(journal, card).err());
    problems.extend(kernels::remove_copies(kernel_copies, card).err());
    let left = kernels::end(rule, card, reporter).unwrap_or_else(|problem| {
        problems.push(problem);
        Kernels::NoneFound
    });
    let all_done = problems.is_empty();
    for problem in problems {
        reporter.report(&Event::Failed(problem));
    }
    match outcome {
        Outcome::Success if !all_done => (Outcome::Incomplete, left),
        outcome => (outcome, left),
    }
}
