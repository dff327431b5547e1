//! A run that changes flash: from its beginning, and from where it was interrupted.

use super::afterwards::{self, Afterwards, Outlook};
use super::asked::{Earlier, Ready, ready};
use super::chip::{find_chip, is_this_camera, serial_of};
use super::ending::Over;
use super::rewriting::{self, KernelNames, Left};
use super::{PlanAnew, Scene, Start, Stop, kernels};
use crate::card::CardPath;
use crate::config::{self, Request};
use crate::event::{Event, Operation, Outcome, Phase, Problem, Verdict};
use crate::journal::{Begun, Journal, MOST_ATTEMPTS, Record, RunId, Stage, State};
use crate::profile::Catalogue;

/// What has become of flash, and what was planned to follow.
struct Changed {
    operation: Operation,
    left: Left,
    /// The layout that was to be written.
    layout: Option<String>,
    afterwards: Afterwards,
}

impl Scene<'_, '_> {
    /// A run that is to change flash, from its beginning: the SD kernel stays bootable, and the
    /// journal counts how often it is tried.
    pub(super) fn begin(
        &mut self,
        earlier: Earlier,
        config: Result<Request, Stop>,
        catalogue: Result<Catalogue, Stop>,
    ) -> Result<Over, PlanAnew> {
        let attempt = self.attempt_after(earlier.attempts);
        if attempt > MOST_ATTEMPTS {
            return Ok(self.give_up(None, Stage::Preparing.about_to()));
        }
        let now = self.surroundings.since_power_on().as_nanos().to_le_bytes();
        let before = earlier.run.map(RunId::to_bytes).unwrap_or_default();
        let run = RunId::of(&[&now, &before, &attempt.to_le_bytes()]);
        let mut journal = match Journal::begin(self.card, run, &Record::Started { attempt }) {
            Ok(journal) => journal,
            Err(problem) => return self.end_untouched(Stop::from(problem), None, &[]),
        };
        let mut copies = Vec::new();
        let kept = (earlier.kernel_copies.into_iter()).try_for_each(|name| {
            let record = Record::KernelCopies(vec![name.clone()]);
            copies.push(name);
            journal.append(self.card, &record)
        });
        let changed = kept
            .map_err(Stop::from)
            .and_then(|()| ready(config, catalogue))
            .and_then(|ready| self.change_flash(&ready, &mut journal, &mut copies));
        match changed {
            Ok(Changed {
                operation,
                left: Left::Whole(outcome),
                layout,
                afterwards,
            }) => {
                let whole = (Some(operation), outcome, layout.as_deref());
                let over = self.finish(whole, journal, &copies);
                Ok(over.followed_by(Some(afterwards)))
            }
            Ok(Changed { left, .. }) => Ok(self.stay(left)),
            Err(stop) => self.end_untouched(stop, Some(journal), &copies),
        }
    }

    /// The files that this program may have been started from.
    pub(super) fn program(&mut self) -> Result<Vec<CardPath>, Problem> {
        let names = kernels::present(self.card, &self.rule.names)?;
        let mut files: Vec<CardPath> = names
            .iter()
            .map(|name| CardPath::root().join(name))
            .collect();
        if self.start == Start::Shell {
            let away = kernels::away(self.card, &self.rule.names)?;
            files.extend(away.iter().map(|name| kernels::put_away_path(name)));
        }
        Ok(files)
    }

    fn change_flash(
        &mut self,
        ready: &Ready,
        journal: &mut Journal,
        copies: &mut Vec<String>,
    ) -> Result<Changed, Stop> {
        let program = self.program()?;
        let (camera, prepared) = self.prepare(ready, &program)?;
        self.pause()?;
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
        Ok(Changed {
            operation,
            left,
            layout: rewrite.plan.layout.clone(),
            afterwards: prepared.afterwards,
        })
    }

    /// Goes on where an earlier power-on stopped, whatever the configuration says now. What follows,
    /// and whether there is sound, the configuration says as it is now.
    pub(super) fn resume(
        &mut self,
        mut state: State,
        request: Option<&Request>,
        catalogue: Result<Catalogue, Stop>,
    ) -> Result<Over, PlanAnew> {
        let builtin = || Catalogue::builtin();
        let catalogue = catalogue.unwrap_or_else(|_| builtin());
        let attempt = self.attempt_after(state.attempts);
        if attempt > MOST_ATTEMPTS {
            let about_to = state.stage.about_to();
            return Ok(self.give_up(Some(&mut state), about_to));
        }
        self.reporter
            .report(&Event::Remark(Problem::Resumed { attempt }));
        if let Err(problem) = state
            .journal
            .append(self.card, &Record::Started { attempt })
        {
            return Ok(self.refuse_and_wait(problem));
        }
        self.pause()?;
        self.introduce_again(&state, request, &catalogue);
        let operation = state.begun.as_ref().map(|begun| begun.operation.into());
        let mut copies = state.kernel_copies.clone();
        let left = match state.stage {
            Stage::Environment => self.put_environment_back(&state, attempt, &catalogue),
            _ => self.go_on(&mut state, &mut copies, operation, &catalogue),
        };
        Ok(match left {
            Ok(Left::Whole(outcome)) => {
                let layout = state.begun.as_ref().and_then(|begun| begun.layout.clone());
                let whole = (operation, outcome, layout.as_deref());
                let over = self.finish(whole, state.journal, &copies);
                let wanted = request.map(|request| &request.afterwards);
                self.plan_what_follows(over, state.begun.as_ref(), wanted, &catalogue)
            }
            Ok(left) => self.stay(left),
            Err(problem) => self.refuse_and_wait(problem),
        })
    }

    /// Flash does not tell the model of a camera while it is being written; the journal does.
    fn introduce_again(&mut self, state: &State, request: Option<&Request>, catalogue: &Catalogue) {
        let (Some(begun), Ok((soc, chip))) = (&state.begun, find_chip(catalogue, self.chip)) else {
            return;
        };
        let serial = serial_of(soc, self.chip);
        if is_this_camera(begun, (soc, chip), serial.as_deref()).is_ok() {
            let fittings = soc.fittings(begun.model.as_deref());
            let sound = request.and_then(|request| request.sound);
            self.surroundings.fit_out(&fittings, sound);
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
        let began = self.surroundings.since_power_on();
        let told = operation.map(Event::OperationStarted);
        told.iter().for_each(|event| self.reporter.report(event));
        let names = KernelNames {
            firmwares: catalogue.firmwares(&soc.name),
            sources: self.start.kernel_sources(&self.rule.names),
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

    /// For a run that was planned at an earlier power-on.
    fn plan_what_follows(
        &mut self,
        mut over: Over,
        begun: Option<&Begun>,
        wanted: Option<&config::Afterwards>,
        catalogue: &Catalogue,
    ) -> Over {
        let is_new = matches!(over.ended.outcome, Outcome::Success | Outcome::Incomplete);
        let wanted = match wanted {
            Some(wanted) if over.ended.outcome == Outcome::Success => wanted,
            None if is_new => {
                let remark = Event::Remark(Problem::AfterwardsUnknown {});
                self.reporter.report(&remark);
                return over;
            }
            _ => return over,
        };
        let (Some(begun), Ok(chip)) = (begun, find_chip(catalogue, self.chip)) else {
            return over;
        };
        let outlook = Outlook::resumed(begun, catalogue, chip, &over.kernels);
        match afterwards::plan(wanted, &outlook, self.card) {
            Ok(afterwards) => over.followed_by(Some(afterwards)),
            Err(problems) => {
                let told = problems.into_iter().map(Event::Failed);
                told.for_each(|event| self.reporter.report(&event));
                over.ended.outcome = Outcome::Incomplete;
                over
            }
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
}
