//! How a run ends: what is told, what becomes of journal and SD kernels, what the camera does next.

use super::afterwards::Afterwards;
use super::environment::Startable;
use super::kernels::{self, Kernels};
use super::rewriting::{self, Left};
use super::wifi::Provisioned;
use super::{Ended, Next, PlanAnew, Scene, Start, Stop, by_hand};
use crate::card::{Card, CardPath, remove_for_good};
use crate::event::{Event, Operation, Outcome, Problem, Reporter};
use crate::journal::{Journal, MOST_ATTEMPTS, Record, State};

/// How the operations ended, and what may follow them.
pub(super) struct Over {
    pub(super) ended: Ended,
    pub(super) kernels: Kernels,
    /// What was planned to follow. None if it never came to a plan.
    pub(super) afterwards: Option<Afterwards>,
    /// What came of the owner's Wi-Fi settings.
    pub(super) wifi: Provisioned,
}

impl Over {
    pub(super) fn new(outcome: Outcome, kernels: Kernels) -> Self {
        let next = match kernels {
            Kernels::PutAway(_) => Next::Restart,
            Kernels::NoneFound | Kernels::Kept => Next::WaitForCardOut,
        };
        Self {
            ended: Ended { outcome, next },
            kernels,
            afterwards: None,
            wifi: Provisioned::NotAsked,
        }
    }

    pub(super) fn with_wifi(self, wifi: Provisioned) -> Self {
        Self { wifi, ..self }
    }

    pub(super) fn followed_by(self, afterwards: Option<Afterwards>) -> Self {
        Self { afterwards, ..self }
    }
}

/// A camera that is not to restart.
impl From<Ended> for Over {
    fn from(ended: Ended) -> Self {
        Self {
            ended,
            kernels: Kernels::NoneFound,
            afterwards: None,
            wifi: Provisioned::NotAsked,
        }
    }
}

impl Scene<'_, '_> {
    /// Ends a run whose flash was not left whole.
    pub(super) fn stay(&mut self, left: Left) -> Over {
        let ended = match left {
            Left::Whole(outcome) | Left::Partial(outcome) => Ended {
                outcome,
                next: Next::StayOn,
            },
            Left::Strange => Ended {
                outcome: Outcome::Refused,
                next: Next::WaitForCardOut,
            },
        };
        Over::from(ended)
    }

    /// Sets up Wi-Fi and puts the card in order after flash was left whole. `layout` is the one that was
    /// written, if one was and it has a name.
    pub(super) fn finish(
        &mut self,
        (operation, outcome, layout): (Option<Operation>, Outcome, Option<&str>),
        mut journal: Journal,
        copies: &[String],
    ) -> Over {
        let startable = Startable::Still(&mut journal);
        let (outcome, wifi) = self.set_up_wifi(outcome, layout, startable);
        if wifi == Provisioned::Broken {
            return self.stay(Left::Partial(outcome)).with_wifi(wifi);
        }
        let (outcome, kernels) = rewriting::finish(
            operation,
            outcome,
            &self.rule,
            journal,
            copies,
            self.card,
            self.reporter,
        );
        self.forget_given_images();
        let kernels = self.or_away(kernels, copies);
        Over::new(outcome, kernels).with_wifi(wifi)
    }

    /// Ends a run that has changed nothing in flash. One that is to be planned anew leaves its journal,
    /// or the one that the shell has begun.
    pub(super) fn end_untouched(
        &mut self,
        stop: Stop,
        journal: Option<Journal>,
        copies: &[String],
    ) -> Result<Over, PlanAnew> {
        let outcome = conclude(Err(stop), self.reporter)?;
        Ok(match journal {
            Some(journal) => self.finish((None, outcome, None), journal, copies),
            None => Over::new(outcome, self.put_away()),
        })
    }

    /// What was found to put away; or else the kernels that were put away before, where the program may
    /// have been started from a copy of them, or from a shell.
    pub(super) fn or_away(&mut self, found: Kernels, copies: &[String]) -> Kernels {
        let may_be_away = self.start == Start::Shell || !copies.is_empty();
        if found != Kernels::NoneFound || !may_be_away {
            return found;
        }
        match kernels::away(self.card, &self.rule.names) {
            Ok(away) if !away.is_empty() => Kernels::PutAway(away),
            _ => found,
        }
    }

    /// No run is open: nobody needs them any more.
    pub(super) fn forget_given_images(&mut self) {
        if let Err(problem) = by_hand::forget_given_images(self.card) {
            self.reporter.report(&Event::Remark(problem));
        }
    }

    fn put_away(&mut self) -> Kernels {
        let put_away = kernels::put_away(self.card, &self.rule.names, self.reporter);
        put_away.unwrap_or_else(|problem| {
            self.reporter.report(&Event::Failed(problem));
            Kernels::NoneFound
        })
    }

    /// S7: the run never gets to its end, so the camera stops trying. The count begins anew only
    /// when the kernel is put away for sure.
    pub(super) fn give_up(&mut self, open: Option<&mut State>, about_to: &str) -> Over {
        self.reporter
            .report(&Event::Refused(Problem::TooManyAttempts {
                attempts: MOST_ATTEMPTS,
                last: about_to.to_owned(),
            }));
        let copies = open.as_ref().map(|state| state.kernel_copies.clone());
        let copies = copies.unwrap_or_default();
        let removed = kernels::remove_copies(&copies, self.card);
        let found = self.put_away();
        let kernels = self.or_away(found, &copies);
        let counted_anew = match (&kernels, open) {
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
        Over::new(Outcome::Refused, kernels)
    }

    /// Leaves the SD kernel bootable, since the camera may have nothing else to boot.
    pub(super) fn refuse_and_wait(&mut self, problem: Problem) -> Over {
        self.reporter.report(&Event::Refused(problem));
        Over::from(Ended {
            outcome: Outcome::Refused,
            next: Next::WaitForCardOut,
        })
    }
}

/// Removes what a run has left that is over, or never got to write.
pub(super) fn forget(state: &State, card: &mut dyn Card) -> Result<(), Problem> {
    kernels::remove_copies(&state.kernel_copies, card)?;
    remove_journal(card)
}

fn remove_journal(card: &mut dyn Card) -> Result<(), Problem> {
    remove_for_good(card, &CardPath::journal()).map_err(|error| error.into_problem(card))
}

pub(super) fn conclude(
    result: Result<Outcome, Stop>,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, PlanAnew> {
    match result {
        Ok(outcome) => Ok(outcome),
        Err(Stop::PlanAnew(anew)) => Err(anew),
        Err(Stop::Refused(problems)) => {
            problems
                .into_iter()
                .for_each(|problem| reporter.report(&Event::Refused(problem)));
            Ok(Outcome::Refused)
        }
        Err(Stop::Failed(problem)) => {
            reporter.report(&Event::Failed(problem));
            Ok(Outcome::Failed)
        }
    }
}
