//! Switching an option off in the owner's configuration on the card.

use crate::card::{Card, CardPath, write_small};
use crate::config::{self, Key};
use crate::event::{Problem, Reporter, Step, in_step};
use crate::execute::{Expected, check};

/// Sets an option in `general.conf` to "no"; every other byte stays. When this returns, the card shows
/// it.
///
/// # Errors
/// [`Problem::ConfigNotEdited`]; the card's own, a card that loses data among them.
pub(super) fn switch_off(
    key: Key,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let path = CardPath::general_conf();
    let step = Step::EditConfig { key: key.name() };
    in_step(reporter, step, |reporter| {
        let bytes = card
            .read(&path, config::LIMIT)
            .map_err(|error| error.into_problem(card))?;
        let edited = match config::set_no(&bytes.unwrap_or_default(), key) {
            // An interrupted run has done it already.
            Err(config::NotEdited::NotOn) => return Ok(()),
            edited => edited.map_err(|why| why.into_problem(path.as_str(), key))?,
        };
        write_small(card, &path, &edited).map_err(|error| error.into_problem(card))?;
        check(card, &path, &Expected::of(&edited), reporter)
    })
}
