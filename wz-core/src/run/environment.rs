//! Changes the U-Boot environment when all else in flash is whole. While it is neither the old one nor the
//! new one, the next power-on starts this program, which puts the old one back.
//!
//! ```text
//!  journal: environment ▶ SD kernel bootable ▶ environment.saved ▶ blocks, read back ▶ environment.saved
//!                                                                removed ▶ SD kernel away ▶ journal closed
//! ```

use super::chip::{find_chip, is_this_camera, serial_of};
use super::rewriting::Left;
use super::{Scene, asked, by_hand, kernels};
use crate::card::{Card, CardPath, rename_for_good};
use crate::event::{Event, Outcome, Problem, Reporter, Step, in_step};
use crate::execute::environment::{find, pending, put_back, write};
use crate::flash::Flash;
use crate::image::environment::{Edit, Environment, Found};
use crate::journal::{self, Journal, MOST_ATTEMPTS, Record, RunId, State};
use crate::profile::Catalogue;

/// Why the next power-on starts this program while the environment is changed.
pub(super) enum Startable<'a> {
    /// The run is not over: its SD kernel still has its name, and this is its journal.
    Still(&'a mut Journal),
    /// SD kernels that were put away get these names back meanwhile.
    PutAway(Vec<String>),
}

impl Startable<'_> {
    /// Does `work`, which changes the environment. If it leaves it broken, all stays as it is for the
    /// next power-on.
    ///
    /// # Errors
    /// Those of `work`; what kept the SD kernel from getting its name, or from being put away again.
    pub(super) fn during(
        &mut self,
        card: &mut dyn Card,
        reporter: &mut dyn Reporter,
        work: impl FnOnce(&mut dyn Card, &mut dyn Reporter) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        match self {
            Self::Still(journal) => {
                journal.append(card, &Record::Environment)?;
                work(card, reporter)
            }
            Self::PutAway(names) => while_given_back(names, card, reporter, work),
        }
    }
}

fn while_given_back(
    names: &[String],
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
    work: impl FnOnce(&mut dyn Card, &mut dyn Reporter) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let earlier = journal::read(card)?.map(State::of);
    let before = earlier.as_ref().map(|state| state.journal.run().to_bytes());
    let run = RunId::of(&[b"environment", &before.unwrap_or_default()]);
    let copies = earlier.map(|state| state.kernel_copies).unwrap_or_default();
    let mut journal = Journal::begin(card, run, &Record::Environment)?;
    let done = note_copies(&copies, &mut journal, card)
        .and_then(|()| give_back(names, card, reporter))
        .and_then(|()| work(card, reporter));
    if matches!(done, Err(Problem::EnvironmentBroken { .. })) {
        return done;
    }
    let in_order = kernels::remove_copies(&copies, card)
        .and_then(|()| kernels::put_away(card, names, reporter))
        .and_then(|_| journal::discard(journal, card));
    done.and(in_order)
}

/// An earlier run may have left copies of the SD kernel, which still are to be removed.
fn note_copies(
    copies: &[String],
    journal: &mut Journal,
    card: &mut dyn Card,
) -> Result<(), Problem> {
    copies.iter().try_for_each(|name| {
        let record = Record::KernelCopies(vec![name.clone()]);
        journal.append(card, &record)
    })
}

fn give_back(
    names: &[String],
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    for name in names {
        let (from, to) = (kernels::put_away_path(name), CardPath::root().join(name));
        let step = Step::GiveKernelBack {
            name: from.to_string(),
            to: to.to_string(),
        };
        in_step(reporter, step, |_| {
            rename_for_good(card, &from, &to).map_err(|error| error.into_problem(card))
        })?;
    }
    Ok(())
}

/// Sets variables in the environment in flash, all of them or none, from a shell or a script. What an
/// interrupted write has left is put right first.
///
/// # Errors
/// [`Problem::EnvironmentDuringRun`], [`Problem::EnvironmentEdit`], what is wrong with the environment in
/// flash, and what chip and card say.
pub fn set_environment(
    edits: &[Edit],
    flash: &mut dyn Flash,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    // What a run is writing must not change behind its back.
    if by_hand::is_open(card)? {
        return Err(Problem::EnvironmentDuringRun {});
    }
    let mut startable = Startable::PutAway(those_put_away(card)?);
    if pending(card)?.is_some() {
        startable.during(card, reporter, |card, reporter| {
            put_back(flash, card, reporter)
        })?;
    }
    let (found, new) = edited(edits, flash)?;
    if new == found.environment {
        return Ok(());
    }
    startable.during(card, reporter, |card, reporter| {
        write(&found, &new, flash, card, reporter)
    })
}

/// Whether [`set_environment`] could set these variables. Nothing is changed.
///
/// # Errors
/// What keeps it from being done.
pub fn check_environment(
    edits: &[Edit],
    flash: &mut dyn Flash,
    card: &mut dyn Card,
) -> Result<(), Problem> {
    match by_hand::is_open(card)? {
        true => Err(Problem::EnvironmentDuringRun {}),
        false => edited(edits, flash).map(|_| ()),
    }
}

/// What is in flash, and what it is to become.
fn edited(edits: &[Edit], flash: &mut dyn Flash) -> Result<(Found, Environment), Problem> {
    let found = find(None, flash)?;
    let mut new = found.environment.clone();
    for Edit { name, value } in edits {
        let set = new.set(name, value);
        set.map_err(|error| Problem::EnvironmentEdit {
            why: error.to_string(),
        })?;
    }
    Ok((found, new))
}

/// The names of the SD kernels that have been put away; none if one is bootable as it is.
fn those_put_away(card: &mut dyn Card) -> Result<Vec<String>, Problem> {
    let catalogue = asked::with_card_profiles(card).ok();
    let names = kernels::names(catalogue.as_ref());
    match kernels::present(card, &names)?.is_empty() {
        true => kernels::away(card, &names),
        false => Ok(Vec::new()),
    }
}

impl Scene<'_, '_> {
    /// Goes on with a run that was interrupted when all of flash was whole but the environment.
    pub(super) fn put_environment_back(
        &mut self,
        state: &State,
        attempt: u32,
        catalogue: &Catalogue,
    ) -> Result<Left, Problem> {
        let (soc, chip) = find_chip(catalogue, self.chip)?;
        if let Some(begun) = &state.begun {
            let serial = serial_of(soc, self.chip);
            is_this_camera(begun, (soc, chip), serial.as_deref())?;
        }
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        match put_back(flash.chip, self.card, self.reporter) {
            Ok(()) => {}
            Err(problem @ Problem::EnvironmentBroken { .. }) => {
                self.reporter.report(&Event::Failed(problem));
                return Ok(Left::Partial(Outcome::Failed));
            }
            Err(problem) => return Err(problem),
        }
        // S7: the last attempt is for what has to be whole, not for what is still to be set.
        if attempt == MOST_ATTEMPTS && self.sets_up_wifi {
            self.sets_up_wifi = false;
            self.reporter
                .report(&Event::Failed(Problem::TooManyAttempts {
                    attempts: attempt,
                    last: state.stage.about_to().to_owned(),
                }));
            return Ok(Left::Whole(Outcome::Incomplete));
        }
        Ok(Left::Whole(match state.begun {
            Some(_) => Outcome::Success,
            None => Outcome::NothingToDo,
        }))
    }
}
