//! A run from the mounted card to the outcome: request, detection, plan, execution, report.
//!
//! The hardware comes in through traits, so that the same steps run on a camera, against simulated
//! chips and cards in tests, and on the owner's computer.

mod afterwards;
mod asked;
mod by_hand;
mod changing;
mod chip;
mod death;
mod edit;
mod ending;
mod environment;
mod finding;
mod kernels;
mod look;
mod notes;
mod prepare;
mod rewriting;
mod scripts;
mod wifi;

use std::time::Duration;

use crate::card::{Card, CardPath};
use crate::config::{self, Mode, NextStart, Order, Request, Volume, WifiSetup};
use crate::detect::{Camera, FlashDevice};
use crate::event::{Event, Operation, Outcome, Phase, Problem, Reporter, Verdict};
use crate::execute::{BackupResult, backup};
use crate::flash::{FileSystems, Flash};
use crate::journal::State;
use crate::profile::{Catalogue, Fittings};
use crate::units::Size;

use afterwards::Afterwards;
use asked::{Ready, Standing, read_request, ready, standing, wants, with_card_profiles};
use ending::{Over, conclude, forget};
use environment::Startable;
use kernels::{InTheEnd, Kernels, Rule, Sources};
use prepare::Prepared;
use rewriting::Left;
use wifi::Provisioned;

pub use by_hand::{is_open, preview, run_by_hand, take_in};
pub use chip::{ChipEvidence, early_fittings};
pub use death::after_death;
pub use environment::{check_environment, set_environment};
pub use kernels::PUT_AWAY;
pub use look::{Sight, look};
pub use scripts::{ScriptCall, ScriptFacts};

/// The flash chip and its kernel device.
pub struct FlashUnit<'a> {
    /// How the kernel names it, and how large it is.
    pub device: FlashDevice,
    /// Access to its bytes.
    pub chip: &'a mut dyn Flash,
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

/// What else a run needs from where it runs.
pub trait Surroundings {
    /// The time since power-on.
    fn since_power_on(&self) -> Duration;

    /// The most memory that the program had resident so far.
    fn peak_memory(&self) -> Option<Size>;

    /// A sign of life for the watchdog, where nothing is reported for a while.
    fn keep_alive(&self);

    /// Called once when all is planned and nothing has been done: the owner may want a shell. What
    /// is mounted of flash would be in its way, and is released before it opens.
    fn before_operations(&mut self, file_systems: &mut dyn FileSystems) -> Visit;

    /// Asks a script of a profile about the camera with this SoC and chip, and returns what it printed.
    /// It may read flash, and change nothing. Where none can be run, that is its answer.
    ///
    /// # Errors
    /// When it is not there, cannot be started, takes too long, or ends with another status than 0.
    fn ask_script(
        &mut self,
        script: &CardPath,
        _camera: (&str, &str),
        _reporter: &mut dyn Reporter,
    ) -> Result<String, Problem> {
        Err(Problem::ProfileScriptFailed {
            script: script.to_string(),
            reason: "no script can be run here".to_owned(),
        })
    }

    /// Runs a custom script to its end.
    ///
    /// # Errors
    /// When it is not there, cannot be started, takes too long, or ends with another status than 0.
    fn run_script(
        &mut self,
        script: &ScriptCall<'_>,
        reporter: &mut dyn Reporter,
    ) -> Result<(), Problem>;

    /// Called once when it is known what the camera is: what may be driven on it from now on, and how
    /// loud it is to speak, if at all. Nothing that the run does depends on it.
    fn fit_out(&mut self, fittings: &Fittings, sound: Option<Volume>) {
        let _ = (fittings, sound);
    }
}

/// Whether somebody was there who may have changed flash and card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Nothing was opened: all is as it was planned for.
    Nobody,
    /// A shell was open.
    Somebody,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// As a whole.
    pub outcome: Outcome,
    /// What the camera is to do next.
    pub next: Next,
}

/// What the camera does after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It restarts, and boots its firmware.
    Restart,
    /// It would boot the SD kernel again, and has a firmware: it waits until the card is taken out.
    WaitForCardOut,
    /// Its firmware is not whole. It stays on; when it is switched on again with the card, the run
    /// goes on.
    StayOn,
}

/// Why a run stops.
enum Stop {
    /// Nothing was begun.
    Refused(Vec<Problem>),
    /// Something was begun.
    Failed(Problem),
    /// Nothing was begun, and it starts again.
    PlanAnew(PlanAnew),
}

impl Stop {
    fn into_problems(self) -> Vec<Problem> {
        match self {
            Self::Refused(problems) => problems,
            Self::Failed(problem) => vec![problem],
            Self::PlanAnew(_) => Vec::new(),
        }
    }
}

/// Somebody had a shell: whatever was read before may have changed.
struct PlanAnew;

impl From<PlanAnew> for Stop {
    fn from(anew: PlanAnew) -> Self {
        Self::PlanAnew(anew)
    }
}

/// Where a run starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// U-Boot has just booted the SD kernel.
    PowerOn,
    /// A shell is or was open: the SD kernel may have been put away, this power-on has been counted,
    /// and nobody is asked again.
    Shell,
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

impl Start {
    /// Where copies of the SD kernel may come from, whose names are these.
    fn kernel_sources(self, names: &[String]) -> Sources<'_> {
        match self {
            Self::PowerOn => Sources::Bootable,
            Self::Shell => Sources::PutAway(names),
        }
    }
}

/// The machine, as far as it is there, and who is told.
struct Scene<'a, 'b> {
    start: Start,
    card: &'a mut dyn Card,
    flash: Result<FlashUnit<'b>, Problem>,
    chip: &'a ChipEvidence,
    /// What becomes of the SD kernels.
    rule: Rule,
    /// Whether the firmware gets Wi-Fi settings, if the card has any.
    sets_up_wifi: bool,
    surroundings: &'a mut dyn Surroundings,
    reporter: &'a mut dyn Reporter,
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
    Scene::new(Start::PowerOn, card, flash, chip, surroundings, reporter).whole(None)
}

fn rule(catalogue: Option<&Catalogue>, wanted: Option<&config::Afterwards>) -> Rule {
    Rule {
        names: kernels::names(catalogue),
        in_the_end: in_the_end(wanted),
    }
}

fn in_the_end(wanted: Option<&config::Afterwards>) -> InTheEnd {
    match wanted.map(|wanted| &wanted.next_start) {
        Some(NextStart::ProgramKept) => InTheEnd::Keep,
        _ => InTheEnd::PutAway,
    }
}

impl<'a, 'b> Scene<'a, 'b> {
    fn new(
        start: Start,
        card: &'a mut dyn Card,
        flash: Result<FlashUnit<'b>, Problem>,
        chip: &'a ChipEvidence,
        surroundings: &'a mut dyn Surroundings,
        reporter: &'a mut dyn Reporter,
    ) -> Self {
        Self {
            start,
            card,
            flash,
            chip,
            rule: rule(None, None),
            sets_up_wifi: false,
            surroundings,
            reporter,
        }
    }
}

impl Scene<'_, '_> {
    /// A run to its end, for `order` or else for what `general.conf` asks for.
    fn whole(&mut self, order: Option<&Order>) -> Ended {
        let ended = loop {
            match self.attempt(order) {
                Ok(ended) => break ended,
                Err(PlanAnew) => {
                    self.start = Start::Shell;
                    let told = Problem::PlannedAnew {};
                    self.reporter.report(&Event::Remark(told));
                }
            }
        };
        self.reporter.report(&Event::Finished {
            outcome: ended.outcome,
            peak_memory: self.surroundings.peak_memory(),
        });
        ended
    }

    fn attempt(&mut self, order: Option<&Order>) -> Result<Ended, PlanAnew> {
        let config = read_request(self.card, order, self.reporter);
        let catalogue = with_card_profiles(self.card);
        let request = config.as_ref().ok();
        let standing = standing(self.card, request);
        let is_dry = wants(&config, Mode::DryRun);
        let leaves_wifi = request.is_some_and(|request| request.wifi == WifiSetup::LeftAlone);
        let wanted = request.map(|request| request.afterwards.clone());
        self.rule = rule(catalogue.as_ref().ok(), wanted.as_ref());
        self.sets_up_wifi = !is_dry && !leaves_wifi;
        let over = match standing {
            Ok(Standing::ReadsOnly(leftover)) => self.only_read(leftover, config, catalogue)?,
            Ok(Standing::Begins(earlier)) => self.begin(earlier, config, catalogue)?,
            Ok(Standing::Interrupted(_)) if order.is_some() => {
                self.refuse_and_wait(Problem::RunOpen {})
            }
            Ok(Standing::Interrupted(_)) if is_dry => {
                self.refuse_and_wait(Problem::DryRunOfOpenRun {})
            }
            Ok(Standing::Interrupted(state)) => self.resume(*state, request, catalogue)?,
            // Whether the camera still starts without the card is not known.
            Err(problem) => self.refuse_and_wait(problem),
        };
        let wifi = over.wifi;
        let mut ended = self.follow(over, wanted.as_ref());
        if wifi == Provisioned::Later && is_well(ended.outcome) {
            ended.outcome = Outcome::Incomplete;
        }
        Ok(ended)
    }

    /// Lets the owner have a shell, once per power-on.
    fn pause(&mut self) -> Result<(), PlanAnew> {
        match (self.start, &mut self.flash) {
            (Start::PowerOn, Ok(flash)) => {
                match self.surroundings.before_operations(flash.file_systems) {
                    Visit::Nobody => Ok(()),
                    Visit::Somebody => Err(PlanAnew),
                }
            }
            _ => Ok(()),
        }
    }

    /// Which power-on of its run this is, after `earlier` ones.
    fn attempt_after(&self, earlier: u32) -> u32 {
        match self.start {
            Start::PowerOn => earlier + 1,
            Start::Shell => earlier.max(1),
        }
    }

    /// S7: a run that does not change flash puts the SD kernel away before it looks at flash,
    /// whatever is wrong, so that the camera never starts it again and again.
    fn only_read(
        &mut self,
        leftover: Option<Box<State>>,
        config: Result<Request, Stop>,
        catalogue: Result<Catalogue, Stop>,
    ) -> Result<Over, PlanAnew> {
        let copies = leftover.as_ref().map(|state| state.kernel_copies.clone());
        if let Some(Err(problem)) = leftover.map(|state| forget(&state, self.card)) {
            self.reporter.report(&Event::Remark(problem));
        }
        let kernels = match kernels::end(&self.rule, self.card, self.reporter) {
            Ok(kernels) => self.or_away(kernels, &copies.unwrap_or_default()),
            Err(problem) => {
                let outcome = conclude(Err(Stop::from(problem)), self.reporter)?;
                return Ok(Over::new(outcome, Kernels::NoneFound));
            }
        };
        if kernels == Kernels::NoneFound {
            self.reporter
                .report(&Event::Remark(Problem::KernelUnknown {}));
        }
        let result = ready(config, catalogue).and_then(|ready| self.read_flash(&ready, &kernels));
        let (result, afterwards) = match result {
            Ok((outcome, afterwards)) => (Ok(outcome), Some(afterwards)),
            Err(stop) => (Err(stop), None),
        };
        let outcome = conclude(result, self.reporter)?;
        self.forget_given_images();
        let away = match &kernels {
            Kernels::PutAway(names) => names.clone(),
            Kernels::NoneFound | Kernels::Kept => Vec::new(),
        };
        let (outcome, wifi) = self.set_up_wifi(outcome, None, Startable::PutAway(away));
        let over = match wifi {
            Provisioned::Broken => self.stay(Left::Partial(outcome)),
            _ => Over::new(outcome, kernels),
        };
        Ok(over.with_wifi(wifi).followed_by(afterwards))
    }

    fn read_flash(
        &mut self,
        ready: &Ready,
        kernels: &Kernels,
    ) -> Result<(Outcome, Afterwards), Stop> {
        let (_, prepared) = self.prepare(ready, &kernels.files())?;
        self.pause()?;
        let began = self.surroundings.since_power_on();
        let is_dry = prepared.request.mode == Mode::DryRun;
        let has_work = !prepared.request.is_empty() || prepared.sets_up_wifi;
        let outcome = match is_dry && has_work {
            true => Outcome::DryRun,
            false => self.make_backup(&prepared)?,
        };
        self.end_phase(Phase::Execute, began);
        Ok((outcome, prepared.afterwards))
    }

    /// What follows the operations follows only those that have ended well.
    fn follow(&mut self, over: Over, wanted: Option<&config::Afterwards>) -> Ended {
        let wanted = wanted.filter(|wanted| !wanted.is_empty());
        let outcome = match (over.ended.outcome, over.afterwards) {
            (Outcome::DryRun, _) => Outcome::DryRun,
            (Outcome::Success | Outcome::NothingToDo, Some(afterwards))
                if wanted.is_some() || afterwards.has_scripts() =>
            {
                // A script that asks for a partition that stays mounted here is told.
                if let Ok(flash) = &mut self.flash {
                    let _ = flash.file_systems.release();
                }
                let mut tools = afterwards::Tools {
                    card: self.card,
                    surroundings: self.surroundings,
                    reporter: self.reporter,
                };
                afterwards.carry_out(&over.kernels, &mut tools)
            }
            (outcome, _) => {
                let why = format!("the run before it ended as \"{outcome}\"");
                if let Some(wanted) = wanted {
                    afterwards::skip_all(wanted, &why, self.reporter);
                }
                outcome
            }
        };
        // What a script has begun to write, the next power-on goes on with.
        let next = match is_well(over.ended.outcome) && outcome == Outcome::Failed {
            true => Next::StayOn,
            false => over.ended.next,
        };
        Ended { outcome, next }
    }

    fn prepare(&mut self, ready: &Ready, program: &[CardPath]) -> Result<(Camera, Prepared), Stop> {
        let (catalogue, request) = (&ready.catalogue, &ready.request);
        let (soc, camera) = self.find_camera(catalogue, request)?;
        let began = self.surroundings.since_power_on();
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        let context = prepare::Context {
            request,
            catalogue,
            soc,
            camera: &camera,
            program,
            kernel_sources: self.start.kernel_sources(&self.rule.names),
        };
        let prepared = prepare::prepare(context, flash, self.card, self.reporter)?;
        self.end_phase(Phase::Plan, began);
        Ok((camera, prepared))
    }

    /// Makes the backup, if one is planned.
    fn make_backup(&mut self, prepared: &Prepared) -> Result<Outcome, Stop> {
        let Some(plan) = &prepared.backup else {
            return Ok(Outcome::NothingToDo);
        };
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        self.reporter
            .report(&Event::OperationStarted(Operation::Backup));
        let result = backup(
            plan,
            flash.chip,
            flash.file_systems,
            self.card,
            self.reporter,
        );
        let verdict = match &result {
            Ok(BackupResult {
                archives_failed, ..
            }) if archives_failed.is_empty() => Verdict::Done,
            _ => Verdict::Failed,
        };
        self.reporter
            .report(&Event::OperationEnded(Operation::Backup, verdict));
        let archives_failed = result.map_err(Stop::Failed)?.archives_failed;
        let outcome = match archives_failed.is_empty() {
            true => Outcome::Success,
            false => Outcome::Incomplete,
        };
        for problem in archives_failed {
            self.reporter.report(&Event::Failed(problem));
        }
        Ok(outcome)
    }

    fn end_phase(&mut self, phase: Phase, began: Duration) {
        let duration = self.surroundings.since_power_on().saturating_sub(began);
        self.reporter.report(&Event::PhaseEnded { phase, duration });
    }
}

fn is_well(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Success | Outcome::NothingToDo)
}
