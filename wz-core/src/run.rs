//! A run from the mounted card to the outcome: request, detection, plan, execution, report.
//!
//! The hardware comes in through traits, so that the same steps run on a camera, against simulated
//! chips and cards in tests, and on the owner's computer.

use std::time::Duration;

use crate::card::{Card, CardPath};
use crate::config::{self, Mode, Request, SecondaryBackup};
use crate::detect::{self, Camera, FlashDevice, Manual};
use crate::event::{Event, Operation, Outcome, Phase, Problem, Reporter, Step, Verdict, in_step};
use crate::execute::{BackupResult, backup};
use crate::flash::{FileSystems, ReadFlash};
use crate::plan::{BackupPlan, plan_backup, secondary_folder, survey};
use crate::profile::{Catalogue, Chip, ProfileFile, Soc};
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
        f.debug_struct("FlashUnit").field("device", &self.device).finish_non_exhaustive()
    }
}

/// What tells the SoC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChipEvidence {
    /// A name on the kernel's command line (`wz.chip=t31x`), for emulators.
    Named(String),
    /// What the chip's registers hold.
    Registers(Vec<Register>),
}

/// A 32-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Register {
    /// Its physical address.
    pub address: u32,
    /// What it holds; none if it could not be read.
    pub value: Option<u32>,
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
    let builtin = Catalogue::builtin();
    // S7: no run of this version writes flash, so each puts the SD kernel away before all else,
    // whatever the configuration says: a camera must never start it again and again.
    let soc = find_chip(&builtin, chip).ok().map(|(soc, _)| soc.name.clone());
    let names = builtin.sd_kernels(soc.as_deref()).into_iter().map(str::to_owned);
    let put_away = put_kernels_away(card, names.collect(), reporter);
    let kernel_is_bootable = put_away.is_err();
    let outcome = put_away
        .map_err(Stop::from)
        .and_then(|()| config)
        .and_then(|request| steps(card, flash, chip, builtin, request, surroundings, reporter));
    let outcome = conclude(outcome, reporter);
    reporter.report(&Event::Finished { outcome, peak_memory: surroundings.peak_memory() });
    Ended { outcome, kernel_is_bootable }
}

fn conclude(result: Result<Outcome, Stop>, reporter: &mut dyn Reporter) -> Outcome {
    match result {
        Ok(outcome) => outcome,
        Err(Stop::Refused(problems)) => {
            problems.into_iter().for_each(|problem| reporter.report(&Event::Refused(problem)));
            Outcome::Refused
        }
        Err(Stop::Failed(problem)) => {
            reporter.report(&Event::Failed(problem));
            Outcome::Failed
        }
    }
}

fn steps(
    card: &mut dyn Card,
    flash: Result<FlashUnit<'_>, Problem>,
    chip: &ChipEvidence,
    builtin: Catalogue,
    request: Request,
    surroundings: &mut dyn Surroundings,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, Stop> {
    let catalogue = add_card_profiles(builtin, card)?;
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
