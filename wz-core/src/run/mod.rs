//! A run from the mounted card to the outcome: request, detection, plan, execution, report.
//!
//! The hardware comes in through traits, so that the same steps run on a camera, against simulated
//! chips and cards in tests, and on the owner's computer.

mod asked;
mod chip;
mod kernels;
mod prepare;
mod rewriting;

use std::time::Duration;

use crate::card::{Card, CardPath, remove_for_good};
use crate::config::{Mode, Request, Volume};
use crate::detect::{self, Camera, Detected, FlashDevice, Manual};
use crate::event::{Event, Operation, Outcome, Phase, Problem, Reporter, Verdict};
use crate::execute::{BackupResult, backup};
use crate::flash::{FileSystems, Flash};
use crate::journal::{self, Journal, MOST_ATTEMPTS, Record, RunId, Stage, State};
use crate::profile::{Catalogue, Chip, Fittings, Soc};
use crate::units::Size;

use asked::{Earlier, Ready, Standing, read_config, ready, standing, wants, with_card_profiles};
use chip::{find_chip, is_this_camera, serial_of};
use kernels::Kernels;
use prepare::Prepared;
use rewriting::{KernelNames, Left};

pub use chip::{ChipEvidence, early_fittings};
pub use kernels::PUT_AWAY;

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

    /// Called once when all is planned and nothing has been done: the owner may want a shell.
    fn before_operations(&mut self);

    /// Called once when it is known what the camera is: what may be driven on it from now on, and how
    /// loud it is to speak, if at all. Nothing that the run does depends on it.
    fn fit_out(&mut self, fittings: &Fittings, sound: Option<Volume>) {
        let _ = (fittings, sound);
    }
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

impl Ended {
    fn after(outcome: Outcome, kernels: Kernels) -> Self {
        let next = match kernels {
            Kernels::PutAway => Next::Restart,
            Kernels::NoneFound => Next::WaitForCardOut,
        };
        Self { outcome, next }
    }
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

/// The machine, as far as it is there, and who is told.
struct Scene<'a, 'b> {
    card: &'a mut dyn Card,
    flash: Result<FlashUnit<'b>, Problem>,
    chip: &'a ChipEvidence,
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
    let config = read_config(card, reporter);
    let catalogue = with_card_profiles(card);
    let standing = standing(card, config.as_ref().ok());
    let mut scene = Scene {
        card,
        flash,
        chip,
        surroundings,
        reporter,
    };
    let ended = match standing {
        Ok(Standing::ReadsOnly(leftover)) => scene.only_read(leftover, config, catalogue),
        Ok(Standing::Begins(earlier)) => scene.begin(earlier, config, catalogue),
        Ok(Standing::Interrupted(_)) if wants(&config, Mode::DryRun) => {
            scene.refuse_and_wait(Problem::DryRunOfOpenRun {})
        }
        Ok(Standing::Interrupted(state)) => scene.resume(*state, catalogue),
        // Whether the camera still starts without the card is not known.
        Err(problem) => scene.refuse_and_wait(problem),
    };
    scene.reporter.report(&Event::Finished {
        outcome: ended.outcome,
        peak_memory: scene.surroundings.peak_memory(),
    });
    ended
}

impl Scene<'_, '_> {
    /// S7: a run that does not change flash puts the SD kernel away before it looks at flash,
    /// whatever is wrong, so that the camera never starts it again and again.
    fn only_read(
        &mut self,
        leftover: Option<Box<State>>,
        config: Result<Request, Stop>,
        catalogue: Result<Catalogue, Stop>,
    ) -> Ended {
        if let Some(Err(problem)) = leftover.map(|state| forget(&state, self.card)) {
            self.reporter.report(&Event::Remark(problem));
        }
        let names = kernels::names(catalogue.as_ref().ok());
        let put_away = kernels::put_away(self.card, &names, self.reporter);
        let kernels = *put_away.as_ref().unwrap_or(&Kernels::NoneFound);
        let result = match put_away {
            Ok(found) => {
                if found == Kernels::NoneFound {
                    self.reporter
                        .report(&Event::Remark(Problem::KernelUnknown {}));
                }
                ready(config, catalogue).and_then(|ready| self.read_flash(&ready))
            }
            Err(problem) => Err(Stop::from(problem)),
        };
        Ended::after(conclude(result, self.reporter), kernels)
    }

    fn read_flash(&mut self, ready: &Ready) -> Result<Outcome, Stop> {
        let (_, prepared) = self.prepare(ready)?;
        self.surroundings.before_operations();
        let began = self.surroundings.since_power_on();
        let is_dry = prepared.request.mode == Mode::DryRun;
        let outcome = match is_dry && !prepared.request.operations.is_empty() {
            true => Outcome::DryRun,
            false => self.make_backup(&prepared)?,
        };
        self.end_phase(Phase::Execute, began);
        Ok(outcome)
    }

    /// A run that is to change flash, from its beginning: the SD kernel stays bootable, and the
    /// journal counts how often it is tried.
    fn begin(
        &mut self,
        earlier: Earlier,
        config: Result<Request, Stop>,
        catalogue: Result<Catalogue, Stop>,
    ) -> Ended {
        let names = kernels::names(catalogue.as_ref().ok());
        let attempt = earlier.attempts + 1;
        if attempt > MOST_ATTEMPTS {
            return self.give_up(None, Stage::Preparing.about_to(), &names);
        }
        let now = self.surroundings.since_power_on().as_nanos().to_le_bytes();
        let before = earlier.run.map(RunId::to_bytes).unwrap_or_default();
        let run = RunId::of(&[&now, &before, &attempt.to_le_bytes()]);
        let mut journal = match Journal::begin(self.card, run, &Record::Started { attempt }) {
            Ok(journal) => journal,
            Err(problem) => return self.end_untouched(Stop::from(problem), None, &[], &names),
        };
        let mut copies = Vec::new();
        let kept = (earlier.kernel_copies.into_iter()).try_for_each(|name| {
            let record = Record::KernelCopies(vec![name.clone()]);
            copies.push(name);
            journal.append(self.card, &record)
        });
        let left = kept
            .map_err(Stop::from)
            .and_then(|()| ready(config, catalogue))
            .and_then(|ready| self.change_flash(&ready, &mut journal, &mut copies));
        match left {
            Ok((operation, Left::Whole(outcome))) => {
                self.finish(Some(operation), outcome, &names, journal, &copies)
            }
            Ok((_, left)) => self.stay(left),
            Err(stop) => self.end_untouched(stop, Some(journal), &copies, &names),
        }
    }

    fn change_flash(
        &mut self,
        ready: &Ready,
        journal: &mut Journal,
        copies: &mut Vec<String>,
    ) -> Result<(Operation, Left), Stop> {
        let (camera, prepared) = self.prepare(ready)?;
        self.surroundings.before_operations();
        let began = self.surroundings.since_power_on();
        let saved = self.make_backup(&prepared)?;
        let Some(rewrite) = &prepared.rewrite else {
            return Err(Stop::from(Problem::RewriteUnknownFirmware {}));
        };
        let operation = rewrite.plan.operation;
        self.reporter.report(&Event::OperationStarted(operation));
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        let serial = ready.catalogue.soc(&camera.facts.soc);
        let mut desk = rewriting::Desk {
            flash,
            card: self.card,
            journal,
            kernel_copies: copies,
            serial: serial.and_then(|soc| serial_of(soc, self.chip)),
            surroundings: self.surroundings,
            reporter: self.reporter,
        };
        let left = rewriting::carry_out(rewrite, &camera, &mut desk);
        self.end_operation(operation, left.as_ref().ok());
        self.end_phase(Phase::Execute, began);
        let left = left?;
        // An archive that could not be made does not keep flash from being written.
        let left = match (left, saved) {
            (Left::Whole(Outcome::Success), Outcome::Incomplete) => {
                Left::Whole(Outcome::Incomplete)
            }
            (left, _) => left,
        };
        Ok((operation, left))
    }

    /// Goes on where an earlier power-on stopped, whatever the configuration says now.
    fn resume(&mut self, mut state: State, catalogue: Result<Catalogue, Stop>) -> Ended {
        let builtin = || Catalogue::builtin();
        let catalogue = catalogue.unwrap_or_else(|_| builtin());
        let names = kernels::names(Some(&catalogue));
        let attempt = state.attempts + 1;
        if attempt > MOST_ATTEMPTS {
            let about_to = state.stage.about_to();
            return self.give_up(Some(&mut state), about_to, &names);
        }
        self.reporter
            .report(&Event::Remark(Problem::Resumed { attempt }));
        if let Err(problem) = state
            .journal
            .append(self.card, &Record::Started { attempt })
        {
            return self.refuse_and_wait(problem);
        }
        let operation = state.begun.as_ref().map(|begun| begun.operation.into());
        let mut copies = state.kernel_copies.clone();
        let left = self.go_on(&mut state, &mut copies, operation, &catalogue);
        match left {
            Ok(Left::Whole(outcome)) => {
                self.finish(operation, outcome, &names, state.journal, &copies)
            }
            Ok(left) => self.stay(left),
            Err(problem) => self.refuse_and_wait(problem),
        }
    }

    fn go_on(
        &mut self,
        state: &mut State,
        copies: &mut Vec<String>,
        operation: Option<Operation>,
        catalogue: &Catalogue,
    ) -> Result<Left, Problem> {
        let (soc, chip) = find_chip(catalogue, self.chip)?;
        let serial = serial_of(soc, self.chip);
        if let Some(begun) = &state.begun {
            is_this_camera(begun, (soc, chip), serial.as_deref())?;
        }
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        let mut journal = state.journal.clone();
        self.surroundings.before_operations();
        let began = self.surroundings.since_power_on();
        let told = operation.map(Event::OperationStarted);
        told.iter().for_each(|event| self.reporter.report(event));
        let names = KernelNames {
            firmwares: catalogue.firmwares(&soc.name),
        };
        let mut desk = rewriting::Desk {
            flash,
            card: self.card,
            journal: &mut journal,
            kernel_copies: copies,
            serial,
            surroundings: self.surroundings,
            reporter: self.reporter,
        };
        let left = rewriting::resume(state, &names, &mut desk);
        state.journal = journal;
        if let Some(operation) = operation {
            self.end_operation(operation, Some(&left));
        }
        self.end_phase(Phase::Execute, began);
        Ok(left)
    }

    fn prepare(&mut self, ready: &Ready) -> Result<(Camera, Prepared), Stop> {
        let (soc, chip) = find_chip(&ready.catalogue, self.chip)?;
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        detect::check_size(&flash.device, soc)?;
        let began = self.surroundings.since_power_on();
        let (catalogue, request) = (&ready.catalogue, &ready.request);
        let detected = find_camera(catalogue, (soc, chip), flash, request)?;
        let camera = self.introduce(soc, detected, request.sound);
        self.end_phase(Phase::Detect, began);
        let began = self.surroundings.since_power_on();
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        let context = prepare::Context {
            request,
            catalogue,
            soc,
            camera: &camera,
        };
        let prepared = prepare::prepare(context, flash, self.card, self.reporter)?;
        self.end_phase(Phase::Plan, began);
        Ok((camera, prepared))
    }

    /// Tells what the camera is, to those first who show and speak on it.
    fn introduce(&mut self, soc: &Soc, detected: Detected, sound: Option<Volume>) -> Camera {
        let Detected {
            camera,
            mut remarks,
        } = detected;
        let fittings = soc.fittings(camera.facts.model.as_deref());
        if sound.is_some() && fittings.audio.is_none() {
            remarks.push(no_speaker(&camera));
        }
        self.surroundings.fit_out(&fittings, sound);
        self.reporter.report(&Event::Camera(camera.facts.clone()));
        remarks
            .into_iter()
            .for_each(|remark| self.reporter.report(&Event::Remark(remark)));
        camera
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

    /// Ends a run whose flash was not left whole.
    fn stay(&mut self, left: Left) -> Ended {
        match left {
            Left::Whole(outcome) | Left::Partial(outcome) => Ended {
                outcome,
                next: Next::StayOn,
            },
            Left::Strange => Ended {
                outcome: Outcome::Refused,
                next: Next::WaitForCardOut,
            },
        }
    }

    /// Puts the card in order after flash was left whole.
    fn finish(
        &mut self,
        operation: Option<Operation>,
        outcome: Outcome,
        names: &[String],
        journal: Journal,
        copies: &[String],
    ) -> Ended {
        let (outcome, kernels) = rewriting::finish(
            operation,
            outcome,
            names,
            journal,
            copies,
            self.card,
            self.reporter,
        );
        Ended::after(outcome, kernels)
    }

    /// Ends a run that has changed nothing in flash.
    fn end_untouched(
        &mut self,
        stop: Stop,
        journal: Option<Journal>,
        copies: &[String],
        names: &[String],
    ) -> Ended {
        let outcome = conclude(Err(stop), self.reporter);
        match journal {
            Some(journal) => self.finish(None, outcome, names, journal, copies),
            None => Ended::after(outcome, self.put_away(names)),
        }
    }

    fn put_away(&mut self, names: &[String]) -> Kernels {
        let put_away = kernels::put_away(self.card, names, self.reporter);
        put_away.unwrap_or_else(|problem| {
            self.reporter.report(&Event::Failed(problem));
            Kernels::NoneFound
        })
    }

    /// S7: the run never gets to its end, so the camera stops trying. The count begins anew only
    /// when the kernel is put away for sure.
    fn give_up(&mut self, open: Option<&mut State>, about_to: &str, names: &[String]) -> Ended {
        self.reporter
            .report(&Event::Refused(Problem::TooManyAttempts {
                attempts: MOST_ATTEMPTS,
                last: about_to.to_owned(),
            }));
        let copies = open.as_ref().map(|state| state.kernel_copies.clone());
        let removed = kernels::remove_copies(&copies.unwrap_or_default(), self.card);
        let kernels = self.put_away(names);
        let counted_anew = match (kernels, open) {
            (Kernels::NoneFound, _) => Ok(()),
            // An interrupted run can go on once the owner gives the kernel its name back.
            (_, Some(state)) => {
                let anew = Record::Started { attempt: 0 };
                state.journal.append(self.card, &anew)
            }
            (_, None) => remove_journal(self.card),
        };
        for problem in [removed.err(), counted_anew.err()].into_iter().flatten() {
            self.reporter.report(&Event::Failed(problem));
        }
        Ended::after(Outcome::Refused, kernels)
    }

    /// Leaves the SD kernel bootable, since the camera may have nothing else to boot.
    fn refuse_and_wait(&mut self, problem: Problem) -> Ended {
        self.reporter.report(&Event::Refused(problem));
        Ended {
            outcome: Outcome::Refused,
            next: Next::WaitForCardOut,
        }
    }

    fn end_operation(&mut self, operation: Operation, left: Option<&Left>) {
        let verdict = match left {
            Some(Left::Whole(Outcome::Success)) => Verdict::Done,
            _ => Verdict::Failed,
        };
        self.reporter
            .report(&Event::OperationEnded(operation, verdict));
    }

    fn end_phase(&mut self, phase: Phase, began: Duration) {
        let duration = self.surroundings.since_power_on().saturating_sub(began);
        self.reporter.report(&Event::PhaseEnded { phase, duration });
    }
}

fn no_speaker(camera: &Camera) -> Problem {
    let why = match &camera.facts.model {
        Some(model) => format!("no profile tells of a speaker of the model {model}"),
        None => "the model of this camera is not known".to_owned(),
    };
    Problem::NoSound { why }
}

/// Removes what a run has left that is over, or never got to write.
fn forget(state: &State, card: &mut dyn Card) -> Result<(), Problem> {
    kernels::remove_copies(&state.kernel_copies, card)?;
    remove_journal(card)
}

fn remove_journal(card: &mut dyn Card) -> Result<(), Problem> {
    remove_for_good(card, &CardPath::journal()).map_err(|error| error.into_problem(card))
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

/// What is left to do on the card when a run died before its end: every SD kernel that any known
/// U-Boot boots is put away, unless flash was being changed. Then the next power-on goes on, and this
/// one counts as one that did not.
///
/// # Errors
/// [`Problem::KernelNotPutAway`], [`Problem::KernelUnknown`], and the card's own.
pub fn after_death(card: &mut dyn Card, reporter: &mut dyn Reporter) -> Result<(), Problem> {
    let open = journal::read(card)?.map(State::of);
    let open = open.filter(|state| (Stage::Writing..=Stage::Written).contains(&state.stage));
    if let Some(mut state) = open {
        let attempt = state.attempts + 1;
        state.journal.append(card, &Record::Started { attempt })?;
        if attempt < MOST_ATTEMPTS {
            return Ok(());
        }
        reporter.report(&Event::Refused(Problem::TooManyAttempts {
            attempts: attempt,
            last: state.stage.about_to().to_owned(),
        }));
    }
    let catalogue = with_card_profiles(card).ok();
    let names = kernels::names(catalogue.as_ref());
    if kernels::put_away(card, &names, reporter)? == Kernels::PutAway {
        return Ok(());
    }
    let was_put_away = |name: &String| name.to_ascii_lowercase().ends_with(PUT_AWAY);
    match kernels::names_at_the_top(card)?.iter().any(was_put_away) {
        true => Ok(()),
        false => Err(Problem::KernelUnknown {}),
    }
}

fn find_camera(
    catalogue: &Catalogue,
    (soc, chip): (&Soc, &Chip),
    flash: &mut FlashUnit<'_>,
    request: &Request,
) -> Result<Detected, Problem> {
    let manual = Manual {
        firmware: request.manual_firmware.as_ref().map(ToString::to_string),
        model: request.manual_model.as_ref().map(ToString::to_string),
    };
    detect::detect(
        catalogue,
        (soc, chip),
        &flash.device,
        &manual,
        flash.chip,
        flash.file_systems,
    )
}
