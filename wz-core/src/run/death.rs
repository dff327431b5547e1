//! What is left to do on the card when a run died before its end.

use super::asked::with_card_profiles;
use super::kernels::{self, Kernels, PUT_AWAY};
use crate::card::Card;
use crate::event::{Event, Problem, Reporter};
use crate::journal::{self, MOST_ATTEMPTS, Record, State};

/// Every SD kernel that any known U-Boot boots is put away, whatever the configuration says, unless flash
/// was being changed. Then the next power-on goes on, and this one counts as one that did not.
///
/// # Errors
/// [`Problem::KernelNotPutAway`], [`Problem::KernelUnknown`], and the card's own.
pub fn after_death(card: &mut dyn Card, reporter: &mut dyn Reporter) -> Result<(), Problem> {
    let open = journal::read(card)?.map(State::of);
    let Some(mut state) = open.filter(|state| state.stage.is_open()) else {
        return put_away(card, reporter);
    };
    state.note_death(card)?;
    if state.attempts < MOST_ATTEMPTS {
        return Ok(());
    }
    reporter.report(&Event::Refused(Problem::TooManyAttempts {
        attempts: state.attempts,
        last: state.stage.about_to().to_owned(),
    }));
    put_away(card, reporter)?;
    // The run can go on once the owner gives the kernel its name back.
    let anew = Record::Started { attempt: 0 };
    state.journal.append(card, &anew)
}

fn put_away(card: &mut dyn Card, reporter: &mut dyn Reporter) -> Result<(), Problem> {
    let catalogue = with_card_profiles(card).ok();
    let names = kernels::names(catalogue.as_ref());
    if kernels::put_away(card, &names, reporter)? != Kernels::NoneFound {
        return Ok(());
    }
    let was_put_away = |name: &String| name.to_ascii_lowercase().ends_with(PUT_AWAY);
    match kernels::names_at_the_top(card)?.iter().any(was_put_away) {
        true => Ok(()),
        false => Err(Problem::KernelUnknown {}),
    }
}
