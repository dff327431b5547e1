//! From the request to plans for all that was asked for, or every reason why not.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use super::afterwards::{self, Afterwards, Outlook};
use super::asked::note_config;
use super::kernels::{Copies, Sources};
use super::rewriting::{KernelNames, Ready};
use super::{FlashUnit, Stop, wifi};
use crate::card::{Card, CardError, CardPath, EntryKind};
use crate::config::{
    self, Mode, Request, Rewrite, SafetyBackup, SecondaryBackup, SwitchScope, Wanted, WifiSetup,
    Wish,
};
use crate::detect::Camera;
use crate::event::{Event, Operation, Problem, Reporter};
use crate::execute::{BlockMap, compare};
use crate::flash::ReadFlash;
use crate::plan::blocks::Work;
use crate::plan::{
    BackupPlan, CardSurvey, Draft, RewritePlan, Switch, plan_backup, plan_restore,
    plan_safety_backup, plan_switch, primary_folder, secondary_folder, shelf, survey, takes_wifi,
};
use crate::profile::{Catalogue, Soc};
use crate::units::{Offset, Size};

/// What is asked of the machine, with everything decided.
pub(super) struct Prepared {
    pub(super) request: Request,
    pub(super) backup: Option<BackupPlan>,
    pub(super) rewrite: Option<Ready>,
    /// Whether Wi-Fi is to be set up when all else is done.
    pub(super) sets_up_wifi: bool,
    pub(super) afterwards: Afterwards,
}

/// What everything is decided from.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) request: &'a Request,
    pub(super) catalogue: &'a Catalogue,
    pub(super) soc: &'a Soc,
    pub(super) camera: &'a Camera,
    pub(super) kernel_sources: Sources<'a>,
    /// The files that this program may have been started from.
    pub(super) program: &'a [CardPath],
}

/// Plans everything. Flash and card are only read.
///
/// # Errors
/// Every reason why not.
pub(super) fn prepare(
    context: Context<'_>,
    flash: &mut FlashUnit<'_>,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Prepared, Stop> {
    let Context {
        request, camera, ..
    } = context;
    let secondary = request.secondary_backup == SecondaryBackup::Make;
    let parents =
        backup_parents(camera, secondary, card).map_err(|error| error.into_problem(card))?;
    let survey = survey(card, &parents).map_err(|error| error.into_problem(card))?;
    let (mut lines, mut problems) = (Vec::new(), Vec::new());
    let mut backup = None;
    if request.operations.contains(&Operation::Backup) {
        match plan_backup(camera, &survey, secondary) {
            Ok(plan) => {
                lines.extend(plan.to_string().lines().map(str::to_owned));
                backup = Some(plan);
            }
            Err(more) => problems.extend(more),
        }
    }
    let mut ready = None;
    if let Some(rewrite) = &request.rewrite {
        let planned = plan_rewrite(context, rewrite, flash, card, reporter, &mut problems);
        if let Some((plan, map)) = planned {
            let page = flash.chip.geometry().page;
            lines.extend(described(&plan, &map, page));
            match finish_rewrite(context, plan, map, card) {
                Ok(rewrite) => ready = Some(rewrite),
                Err(problem) => problems.push(problem),
            }
        }
    }
    let wifi = plan_wifi(context, card, reporter, &mut problems);
    let outlook = Outlook::planned(context, ready.as_ref().map(|ready| &ready.plan));
    let afterwards = match afterwards::plan(&request.afterwards, &outlook, card) {
        Ok(afterwards) if problems.is_empty() => afterwards,
        Ok(_) => return Err(Stop::Refused(problems)),
        Err(more) => {
            problems.extend(more);
            return Err(Stop::Refused(problems));
        }
    };
    let extra = extra(context, &survey, backup.as_ref(), ready.as_ref())?;
    let cluster = survey.space.cluster;
    check_room(&survey, backup.as_ref(), &extra, afterwards.needed(cluster))?;
    lines.extend(extra.lines);
    lines.extend(wifi.clone());
    lines.extend(afterwards.lines());
    reporter.report(&Event::Plan(lines));
    Ok(Prepared {
        request: request.clone(),
        backup,
        rewrite: ready,
        sets_up_wifi: wifi.is_some(),
        afterwards,
    })
}

/// Whether Wi-Fi will be set up, as a line for the owner. What is wrong with its file is told before
/// anything is done.
fn plan_wifi(
    context: Context<'_>,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    if context.request.wifi == WifiSetup::LeftAlone {
        return None;
    }
    let next = match &context.request.rewrite {
        Some(Rewrite::Switch { next, .. }) => next.as_str(),
        Some(Rewrite::Restore | Rewrite::Partitions(_)) | None => context.camera.firmware_name(),
    };
    let firmware = context.catalogue.firmware(&context.soc.name, next)?;
    if !takes_wifi(firmware) {
        return None;
    }
    match wifi::wanted(card) {
        Ok(reading) => {
            for remark in reading.warnings {
                reporter.report(&Event::Remark(remark));
            }
            reading.value.map(|_| {
                format!(
                    "Set up Wi-Fi of {next}, as {} says, when all else is done",
                    CardPath::wifi_conf()
                )
            })
        }
        Err(more) => {
            problems.extend(more);
            None
        }
    }
}

/// The plan and what becomes of each block; none if anything speaks against it, all of which is
/// added to `problems`.
fn plan_rewrite(
    context: Context<'_>,
    rewrite: &Rewrite,
    flash: &mut FlashUnit<'_>,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
    problems: &mut Vec<Problem>,
) -> Option<(RewritePlan, BlockMap)> {
    let Draft {
        plan,
        problems: found,
    } = match draft(context, rewrite, card, reporter) {
        Ok(draft) => draft,
        Err(more) => {
            problems.extend(more);
            return None;
        }
    };
    problems.extend(found);
    for remark in &plan.remarks {
        reporter.report(&Event::Remark(remark.clone()));
    }
    let chip: &mut dyn ReadFlash = flash.chip;
    match compare(&plan, &BTreeSet::new(), chip, card, reporter) {
        Ok(map) if problems.is_empty() => Some((plan, map)),
        Ok(_) => None,
        Err(more) => {
            problems.extend(more);
            None
        }
    }
}

fn draft(
    context: Context<'_>,
    rewrite: &Rewrite,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Draft, Vec<Problem>> {
    let Context { camera, .. } = context;
    let chips = context.catalogue.all_chips();
    let (next, scope) = match rewrite {
        Rewrite::Restore | Rewrite::Partitions(_) => (camera.firmware_name(), SwitchScope::Working),
        Rewrite::Switch { next, scope } => (next.as_str(), *scope),
    };
    let target = Switch {
        soc: context.soc,
        firmwares: context.catalogue.firmwares(&context.soc.name),
        next,
        scope,
        group: &camera.facts.group,
        chips: &chips,
    };
    let shelf = shelf::shelf(card, &CardPath::restore().join(next));
    let shelf = shelf.map_err(|error| vec![error.into_problem(card)])?;
    match rewrite {
        Rewrite::Restore => {
            let wishes = chosen_partitions(context, card, reporter)?;
            plan_restore(camera, target, &wishes, &shelf, card)
        }
        Rewrite::Partitions(wishes) => {
            check_names(camera, wishes)?;
            plan_restore(camera, target, wishes, &shelf, card)
        }
        Rewrite::Switch { .. } => plan_switch(camera, target, &shelf, card),
    }
}

/// Whether a command may write these partitions alone.
fn check_names(camera: &Camera, wishes: &[Wish]) -> Result<(), Vec<Problem>> {
    let known = camera.partitions.iter().map(|partition| &*partition.name);
    let known = known.collect::<Vec<_>>().join(", ");
    let problem = |wish: &Wish| {
        let name = wish.partition.clone();
        match camera.partition(&name) {
            Some(found) if found.region.overlaps(&camera.boot_guard) => {
                Some(Problem::BootByHand { partition: name })
            }
            Some(_) => None,
            None => Some(Problem::PartitionUnknown {
                name,
                known: known.clone(),
            }),
        }
    };
    // A camera without known partitions has a problem of its own.
    let problems: Vec<Problem> = match known.is_empty() {
        true => Vec::new(),
        false => wishes.iter().filter_map(problem).collect(),
    };
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems),
    }
}

/// What `restore/<firmware>.conf` says.
fn chosen_partitions(
    context: Context<'_>,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Vec<Wish>, Vec<Problem>> {
    let one = |problem| vec![problem];
    let facts = &context.camera.facts;
    let Some(name) = &facts.firmware else {
        return Err(one(Problem::RewriteUnknownFirmware {}));
    };
    let firmware = context.catalogue.firmware(&context.soc.name, name);
    let layout = facts
        .layout
        .as_ref()
        .and_then(|layout| firmware?.layout(layout));
    let (Some(firmware), Some(layout)) = (firmware, layout) else {
        return Err(one(Problem::RewriteUnknownLayout {
            firmware: name.clone(),
        }));
    };
    let path = CardPath::restore().join(&format!("{name}.conf"));
    let bytes = card
        .read(&path, config::LIMIT)
        .map_err(|error| one(error.into_problem(card)))?;
    let bytes = bytes.ok_or_else(|| {
        one(Problem::ConfigMissing {
            file: path.to_string(),
        })
    })?;
    note_config(&path, &bytes, reporter);
    let conf = config::read_restore(path.as_str(), &bytes, firmware, layout)?;
    let choice = config::choose(path.as_str(), &context.request.restore_boot, &conf.value);
    let partitions = choice.map_err(one)?.partitions.into_iter();
    let wish = |partition| Wish {
        partition,
        content: Wanted::Image,
    };
    Ok(partitions.map(wish).collect())
}

fn finish_rewrite(
    context: Context<'_>,
    plan: RewritePlan,
    map: BlockMap,
    card: &mut dyn Card,
) -> Result<Ready, Problem> {
    let guarded = |at: u64| Offset::bytes(at * map.erase_block.get()) < plan.boot_guard.end();
    let changes_boot = map.changing().any(|block| guarded(block.block.into()));
    let has_start = map.blocks.first().is_some_and(|block| block.block == 0);
    if changes_boot && !has_start {
        return Err(Problem::BootSplit {
            region: plan.boot_guard,
        });
    }
    let names = KernelNames {
        firmwares: context.catalogue.firmwares(&context.soc.name),
        sources: context.kernel_sources,
    };
    if changes_boot {
        names.refuse_unbootable(&plan, card)?;
    }
    let copies = match (context.request.mode, changes_boot) {
        (Mode::DryRun, true) => names.foreseen_for_both(&plan, context.catalogue, card)?,
        (Mode::DryRun, false) => Copies::none(),
        (Mode::Real, true) => names.missing_for_both(&plan, card)?,
        (Mode::Real, false) => names.missing_for_now(&plan, card)?,
    };
    Ok(Ready {
        plan,
        map,
        copies,
        safety_backup: context.request.safety_backup,
        when_images_fail: context.request.when_images_fail,
    })
}

/// What a rewrite makes on the card besides a backup that is asked for.
#[derive(Default)]
struct Extra {
    lines: Vec<String>,
    /// Bytes that stay.
    stays: u64,
    /// Bytes that are gone when all is done.
    goes: u64,
}

fn extra(
    context: Context<'_>,
    survey: &CardSurvey,
    backup: Option<&BackupPlan>,
    rewrite: Option<&Ready>,
) -> Result<Extra, Stop> {
    let mut extra = Extra::default();
    let Some(rewrite) = rewrite else {
        return Ok(extra);
    };
    if rewrite.map.work.is_none() {
        extra.lines = vec!["Flash holds all of this already".to_owned()];
        return Ok(extra);
    }
    for name in &rewrite.copies.to {
        let line = format!("Copy the SD kernel to {name} until all is done");
        extra.lines.push(line);
    }
    extra.goes = rewrite.copies.needed(survey.space.cluster).get();
    if rewrite.safety_backup == SafetyBackup::Make && backup.is_none() {
        let plan = plan_safety_backup(context.camera, survey)?;
        extra.stays = plan.needed.get();
        extra.lines.push(format!(
            "First save the whole chip as backup {}, unless it is on the card already",
            plan.id
        ));
    }
    Ok(extra)
}

/// Whether the card has room for everything together. What follows comes when the copies of the SD
/// kernel are gone.
fn check_room(
    survey: &CardSurvey,
    backup: Option<&BackupPlan>,
    extra: &Extra,
    afterwards: Size,
) -> Result<(), Problem> {
    let backup = backup.map_or(0, |backup| backup.needed.get());
    let needed = backup + extra.stays + extra.goes.max(afterwards.get());
    let free = survey.space.free.get() + survey.leftover_size.get();
    match needed > free {
        true => Err(Problem::CardTooSmall {
            needed: Size::bytes(needed),
            free: Size::bytes(free),
            cluster: survey.space.cluster,
        }),
        false => Ok(()),
    }
}

/// A line for the owner per target, and what becomes of its blocks.
fn described(plan: &RewritePlan, map: &BlockMap, page: Size) -> Vec<String> {
    let mut lines: Vec<String> = plan.to_string().lines().map(str::to_owned).collect();
    for (target, work) in plan.targets.iter().zip(&map.by_target) {
        lines.push(format!("{}: {}", target.name, blocks(work)));
    }
    lines.push(format!(
        "Altogether: {}, {} to program, about {} s",
        blocks(&map.work),
        Size::bytes(map.work.bytes),
        map.work.estimated_seconds(page)
    ));
    lines
}

fn blocks(work: &Work) -> String {
    format!(
        "{} blocks kept, {} programmed, {} erased",
        work.kept, work.programmed, work.erased
    )
}

/// Every folder that backups are or will be in, of other firmwares and of earlier options too: their
/// numbers count, and what they left unfinished is removed.
fn backup_parents(
    camera: &Camera,
    secondary: bool,
    card: &mut dyn Card,
) -> Result<Vec<CardPath>, CardError> {
    let mut parents = vec![primary_folder(camera)];
    parents.extend(secondary_folder(camera, secondary));
    let earlier = folders_in(card, &CardPath::backups())?.into_iter();
    let earlier = earlier.chain(folders_in(card, &CardPath::root())?.into_iter().filter(
        |folder| secondary_folder(camera, true).is_some_and(|secondary| secondary == *folder),
    ));
    for folder in earlier {
        if !parents.contains(&folder) {
            parents.push(folder);
        }
    }
    Ok(parents)
}

/// The folders in a folder; none if it is not there or is a file, which the survey will tell.
fn folders_in(card: &mut dyn Card, folder: &CardPath) -> Result<Vec<CardPath>, CardError> {
    let entries = match card.entries(folder) {
        Err(error) if error.source.kind() == ErrorKind::NotADirectory => None,
        other => other?,
    };
    let folders = entries.unwrap_or_default().into_iter();
    let folders = folders.filter(|entry| entry.kind == EntryKind::Folder);
    Ok(folders.map(|entry| folder.join(&entry.name)).collect())
}
