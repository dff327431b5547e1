//! A run from the mounted card to the outcome: request, detection, plan, execution, report.
//!
//! The hardware comes in through traits, so that the same steps run on a camera, against simulated
//! chips and cards in tests, and on the owner's computer.

use std::io::ErrorKind;
use std::time::Duration;

use crate::card::{Card, CardError, CardPath, Entry, EntryKind, rename_for_good};
use crate::config::{self, Mode, Request, SecondaryBackup};
use crate::detect::{self, Camera, Detected, FlashDevice, Manual};
use crate::event::{Event, Operation, Outcome, Phase, Problem, Reporter, Step, Verdict, in_step};
use crate::execute::{BackupResult, backup};
use crate::flash::{FileSystems, ReadFlash};
use crate::plan::{BackupPlan, plan_backup, secondary_folder, survey};
use crate::profile::{Catalogue, Chip, ProfileFile, Reading, Soc};
use crate::units::Size;

/// What stands behind the name of an SD kernel that has been put away.
pub const PUT_AWAY: &str = ".wz_flash-helper";

/// The flash chip and its kernel device.
pub struct FlashUnit<'a> {
    /// How the kernel names it, and how large it is.
    pub device: FlashDevice,
    /// Access to its bytes.
    pub chip: &'a mut dyn ReadFlash,
    /// Access to the file systems in it.
    pub file_systems: &'a mut dyn FileSystems,
}

impl std::fmt::Debug for FlashUnit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlashUnit")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

/// What tells the SoC.
#[derive(Clone, Debug)]
pub enum ChipEvidence {
    /// A name on the kernel's command line (`wz.chip=t31x`), for emulators.
    Named(String),
    /// The chip's registers: reads the 32-bit one at a physical address, if that can be read.
    Registers(fn(u32) -> Option<u32>),
}

/// What else a run needs from where it runs.
pub trait Surroundings {
    /// The time since power-on.
    fn since_power_on(&self) -> Duration;

    /// The most memory that the program had resident so far.
    fn peak_memory(&self) -> Option<Size>;

    /// Called once when all is planned and nothing has been done: the owner may want a shell.
    fn before_operations(&mut self);
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As a whole.
    pub outcome: Outcome,
    /// Whether the camera would boot the SD kernel again at the next power-on.
    pub kernel_is_bootable: bool,
}

/// Why a run stops.
enum Stop {
    /// Nothing was begun.
    Refused(Vec<Problem>),
    /// Something was begun.
    Failed(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Refused(vec![problem])
    }
}

impl From<Vec<Problem>> for Stop {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Refused(problems)
    }
}

/// What is asked of the machine, with everything decided.
struct Prepared {
    request: Request,
    backup: Option<BackupPlan>,
}

/// Does what the card asks for and reports everything, the end included.
///
/// `flash` is an error where no usable chip was found: the card still gets told, and its SD kernel
/// put away.
pub fn run(
    card: &mut dyn Card,
    flash: Result<FlashUnit<'_>, Problem>,
    chip: &ChipEvidence,
    surroundings: &mut dyn Surroundings,
    reporter: &mut dyn Reporter,
) -> Ended {
    let config = read_config(card, reporter);
    let catalogue = with_card_profiles(card);
    // S7: no run of this version writes flash, so each puts the SD kernel away before it looks at
    // flash, whatever is wrong: a camera must never start it again and again.
    let put_away = put_kernels_away(card, &kernel_names(catalogue.as_ref().ok()), reporter);
    let kernel_is_bootable = !matches!(put_away, Ok(Kernels::PutAway));
    let result = match put_away {
        Ok(found) => {
            if found == Kernels::NoneFound {
                reporter.report(&Event::Remark(Problem::KernelUnknown {}));
            }
            prepared(config, catalogue)
                .and_then(|ready| steps(card, flash, chip, ready, surroundings, reporter))
        }
        Err(problem) => Err(Stop::from(problem)),
    };
    let outcome = conclude(result, reporter);
    reporter.report(&Event::Finished {
        outcome,
        peak_memory: surroundings.peak_memory(),
    });
    Ended {
        outcome,
        kernel_is_bootable,
    }
}

fn conclude(result: Result<Outcome, Stop>, reporter: &mut dyn Reporter) -> Outcome {
    match result {
        Ok(outcome) => outcome,
        Err(Stop::Refused(problems)) => {
            problems
                .into_iter()
                .for_each(|problem| reporter.report(&Event::Refused(problem)));
            Outcome::Refused
        }
        Err(Stop::Failed(problem)) => {
            reporter.report(&Event::Failed(problem));
            Outcome::Failed
        }
    }
}

/// What the card alone decides.
struct Ready {
    request: Request,
    catalogue: Catalogue,
}

/// The configuration's problems come first: the owner has written that file.
fn prepared(
    config: Result<Request, Stop>,
    catalogue: Result<Catalogue, Stop>,
) -> Result<Ready, Stop> {
    Ok(Ready {
        request: config?,
        catalogue: catalogue?,
    })
}

fn steps(
    card: &mut dyn Card,
    flash: Result<FlashUnit<'_>, Problem>,
    chip: &ChipEvidence,
    Ready { request, catalogue }: Ready,
    surroundings: &mut dyn Surroundings,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Stop> {
    let (soc, chip) = find_chip(&catalogue, chip)?;
    let mut flash = flash?;
    detect::check_size(&flash.device, soc)?;

    let began = surroundings.since_power_on();
    let camera = find_camera(&catalogue, (soc, chip), &mut flash, &request, reporter)?;
    end_phase(Phase::Detect, began, surroundings, reporter);

    let began = surroundings.since_power_on();
    let prepared = prepare(request, &camera, card, reporter)?;
    end_phase(Phase::Plan, began, surroundings, reporter);

    surroundings.before_operations();
    let began = surroundings.since_power_on();
    let outcome = carry_out(&prepared, &mut flash, card, reporter)?;
    end_phase(Phase::Execute, began, surroundings, reporter);
    Ok(outcome)
}

fn end_phase(
    phase: Phase,
    began: Duration,
    surroundings: &dyn Surroundings,
    reporter: &mut dyn Reporter,
) {
    let duration = surroundings.since_power_on().saturating_sub(began);
    reporter.report(&Event::PhaseEnded { phase, duration });
}

/// Reads `general.conf`. Reported here: the options; remarks are about the file and come first.
fn read_config(card: &mut dyn Card, reporter: &mut dyn Reporter) -> Result<Request, Stop> {
    let path = CardPath::general_conf();
    let bytes = card
        .read(&path, config::LIMIT)
        .map_err(|error| error.into_problem(card))?;
    let missing = || Problem::ConfigMissing {
        file: path.to_string(),
    };
    let bytes = bytes.ok_or_else(missing)?;
    let conf = config::read_general(path.as_str(), &bytes)?;
    reporter.report(&Event::Options(conf.value.options()));
    let request = config::request(path.as_str(), &conf.value);
    let remarks = conf.warnings.into_iter();
    remarks.for_each(|remark| reporter.report(&Event::Remark(remark)));
    let request = request?;
    request
        .warnings
        .into_iter()
        .for_each(|remark| reporter.report(&Event::Remark(remark)));
    Ok(request.value)
}

/// Whether a kernel was there to be put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernels {
    PutAway,
    NoneFound,
}

/// Puts away every SD kernel that any known U-Boot boots: for a run that died before its end, and
/// may have done so already.
///
/// # Errors
/// [`Problem::KernelNotPutAway`], [`Problem::KernelUnknown`], and the card's own.
pub fn put_all_kernels_away(
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let catalogue = with_card_profiles(card).ok();
    if put_kernels_away(card, &kernel_names(catalogue.as_ref()), reporter)? == Kernels::PutAway {
        return Ok(());
    }
    let was_put_away = |name: &String| name.to_ascii_lowercase().ends_with(PUT_AWAY);
    match names_at_the_top(card)?.iter().any(was_put_away) {
        true => Ok(()),
        false => Err(Problem::KernelUnknown {}),
    }
}

/// All names under which some U-Boot of the catalogue, or of the built-in one, looks for a kernel.
fn kernel_names(catalogue: Option<&Catalogue>) -> Vec<String> {
    let owned = |catalogue: &Catalogue| -> Vec<String> {
        let names = catalogue.sd_kernels(None).into_iter();
        names.map(str::to_owned).collect()
    };
    catalogue.map_or_else(|| owned(&Catalogue::builtin()), owned)
}

fn names_at_the_top(card: &mut dyn Card) -> Result<Vec<String>, Problem> {
    let entries = card
        .entries(&CardPath::root())
        .map_err(|error| error.into_problem(card))?;
    let entries = entries.unwrap_or_default().into_iter();
    Ok(entries.map(|entry| entry.name).collect())
}

/// Renames every file of these names, and makes sure that it lasts.
fn put_kernels_away(
    card: &mut dyn Card,
    names: &[String],
    reporter: &mut dyn Reporter,
) -> Result<Kernels, Problem> {
    let is_kernel = |entry: &String| names.iter().any(|name| name.eq_ignore_ascii_case(entry));
    let mut found = Kernels::NoneFound;
    for name in names_at_the_top(card)?.into_iter().filter(is_kernel) {
        let to = format!("{name}{PUT_AWAY}");
        let step = Step::PutKernelAway {
            name: name.clone(),
            to: to.clone(),
        };
        in_step(reporter, step, |_| {
            let root = CardPath::root();
            rename_for_good(card, &root.join(&name), &root.join(&to)).map_err(|error| {
                Problem::KernelNotPutAway {
                    name: name.clone(),
                    reason: error.source.to_string(),
                }
            })
        })?;
        found = Kernels::PutAway;
    }
    Ok(found)
}

/// The built-in profiles with those in `wz_flash-helper/profiles/<soc>/` on the card on top.
fn with_card_profiles(card: &mut dyn Card) -> Result<Catalogue, Stop> {
    let files = card_profiles(card).map_err(|error| error.into_problem(card))?;
    Ok(Catalogue::builtin().with_card_profiles(&files)?)
}

fn card_profiles(card: &mut dyn Card) -> Result<Vec<ProfileFile>, CardError> {
    let folder = CardPath::profiles();
    let mut files = Vec::new();
    for soc in card.entries(&folder)?.unwrap_or_default() {
        if soc.kind != EntryKind::Folder {
            continue;
        }
        let place = folder.join(&soc.name);
        let profiles = card.entries(&place)?.unwrap_or_default();
        for file in profiles.into_iter().filter(is_profile).take(MOST_PROFILES) {
            let path = format!("{}/{}", soc.name, file.name);
            if let Some(content) = card.read(&place.join(&file.name), ProfileFile::LARGEST)? {
                files.push(ProfileFile::new(path, content));
            }
        }
    }
    Ok(files)
}

/// More than any SoC has; a folder full of something else must not fill the memory.
const MOST_PROFILES: usize = 16;

fn is_profile(entry: &Entry) -> bool {
    let is_toml = entry.name.to_ascii_lowercase().ends_with(".toml");
    entry.kind != EntryKind::Folder && is_toml
}

fn find_chip<'a>(
    catalogue: &'a Catalogue,
    evidence: &ChipEvidence,
) -> Result<(&'a Soc, &'a Chip), Problem> {
    match evidence {
        ChipEvidence::Named(name) => {
            let unknown = || Problem::ChipNameUnknown {
                name: name.clone(),
                known: chips(catalogue),
            };
            catalogue.chip_by_name(name).ok_or_else(unknown)
        }
        ChipEvidence::Registers(read) => {
            catalogue
                .chip_by_registers(read)
                .map_err(|readings| Problem::ChipUnknown {
                    ids: ids(&readings),
                })
        }
    }
}

fn chips(catalogue: &Catalogue) -> String {
    let names = catalogue
        .socs()
        .flat_map(|soc| soc.chips.iter().map(|chip| chip.name.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

fn ids(readings: &[Reading]) -> String {
    let shown = readings.iter().map(ToString::to_string);
    shown.collect::<Vec<_>>().join(", ")
}

fn find_camera(
    catalogue: &Catalogue,
    (soc, chip): (&Soc, &Chip),
    flash: &mut FlashUnit<'_>,
    request: &Request,
    reporter: &mut dyn Reporter,
) -> Result<Camera, Problem> {
    let manual = Manual {
        firmware: request.manual_firmware.as_ref().map(ToString::to_string),
        model: request.manual_model.as_ref().map(ToString::to_string),
    };
    let Detected { camera, remarks } = detect::detect(
        catalogue,
        (soc, chip),
        &flash.device,
        &manual,
        flash.chip,
        flash.file_systems,
    )?;
    reporter.report(&Event::Camera(camera.facts.clone()));
    remarks
        .into_iter()
        .for_each(|remark| reporter.report(&Event::Remark(remark)));
    Ok(camera)
}

fn prepare(
    request: Request,
    camera: &Camera,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Prepared, Stop> {
    let mut prepared = Prepared {
        request,
        backup: None,
    };
    if prepared.request.operations.contains(&Operation::Backup) {
        let plan = prepare_backup(&prepared.request, camera, card)?;
        reporter.report(&Event::Plan(
            plan.to_string().lines().map(str::to_owned).collect(),
        ));
        prepared.backup = Some(plan);
    }
    Ok(prepared)
}

fn prepare_backup(
    request: &Request,
    camera: &Camera,
    card: &mut dyn Card,
) -> Result<BackupPlan, Stop> {
    let secondary = request.secondary_backup == SecondaryBackup::Make;
    let parents =
        backup_parents(camera, secondary, card).map_err(|error| error.into_problem(card))?;
    let survey = survey(card, &parents).map_err(|error| error.into_problem(card))?;
    Ok(plan_backup(camera, &survey, secondary)?)
}

/// Every folder that backups are or will be in, of other firmwares and of earlier options too: their
/// numbers count, and what they left unfinished is removed.
fn backup_parents(
    camera: &Camera,
    secondary: bool,
    card: &mut dyn Card,
) -> Result<Vec<CardPath>, CardError> {
    let mut parents = vec![CardPath::backups().join(camera.firmware_name())];
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

fn carry_out(
    prepared: &Prepared,
    flash: &mut FlashUnit<'_>,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Stop> {
    let Some(plan) = &prepared.backup else {
        return Ok(Outcome::NothingToDo);
    };
    if prepared.request.mode == Mode::DryRun {
        return Ok(Outcome::DryRun);
    }
    reporter.report(&Event::OperationStarted(Operation::Backup));
    let result = backup(plan, flash.chip, flash.file_systems, card, reporter);
    let verdict = match &result {
        Ok(BackupResult {
            archives_failed, ..
        }) if archives_failed.is_empty() => Verdict::Done,
        _ => Verdict::Failed,
    };
    reporter.report(&Event::OperationEnded(Operation::Backup, verdict));
    let archives_failed = result.map_err(Stop::Failed)?.archives_failed;
    let outcome = if archives_failed.is_empty() {
        Outcome::Success
    } else {
        Outcome::Incomplete
    };
    archives_failed
        .into_iter()
        .for_each(|problem| reporter.report(&Event::Failed(problem)));
    Ok(outcome)
}
