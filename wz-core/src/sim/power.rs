//! The power supply of a simulated camera: it fails during one chosen change of the chip or the card.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How far the change got during which power fails. The card's unsynced changes fare alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The device never saw the command. The card has lost all that was not synced.
    NotStarted,
    /// A part of it happened. Of what was not synced, the card has kept some names, and of the
    /// files a part.
    Torn {
        /// Selects the parts.
        seed: u64,
    },
    /// All done, but nobody was told. The card has kept all that was not synced.
    DoneUnacknowledged,
}

/// A power supply that chip and card may share. Clones are the same supply.
#[derive(Clone, Debug, Default)]
pub struct Power(Arc<Mutex<Supply>>);

#[derive(Debug, Default)]
struct Supply {
    operations: u64,
    failure: Option<Failure>,
    is_off: bool,
    /// All cuts so far: a device looks here for those that it has not felt yet.
    cuts: Vec<Cut>,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    during: u64,
    cut: Cut,
}

impl Power {
    /// A supply that is on and stays on.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets power fail during the change after `operations` more changes.
    pub fn fail_after(&self, operations: u64, cut: Cut) {
        let mut supply = self.supply();
        let during = supply.operations.saturating_add(operations);
        supply.failure = Some(Failure { during, cut });
    }

    /// How many changes of all devices were begun so far, the one that power failed in included.
    pub fn operations(&self) -> u64 {
        self.supply().operations
    }

    /// Whether power has failed.
    pub fn is_off(&self) -> bool {
        self.supply().is_off
    }

    /// Turns power on again; it stays on until the next [`Power::fail_after`].
    pub fn turn_on(&self) {
        let mut supply = self.supply();
        supply.is_off = false;
        supply.failure = None;
    }

    /// Counts a change that begins; tells how power fails during it, if it does.
    ///
    /// # Errors
    /// When power is off.
    pub(crate) fn begin_change(&self) -> io::Result<Option<Cut>> {
        let mut supply = self.supply();
        if supply.is_off {
            return Err(power_is_off());
        }
        let number = supply.operations;
        supply.operations += 1;
        let cut = supply
            .failure
            .and_then(|failure| (failure.during == number).then_some(failure.cut));
        supply.is_off = cut.is_some();
        supply.cuts.extend(cut);
        Ok(cut)
    }

    /// Nothing, while power is on.
    ///
    /// # Errors
    /// When power is off.
    pub(crate) fn check(&self) -> io::Result<()> {
        match self.is_off() {
            true => Err(power_is_off()),
            false => Ok(()),
        }
    }

    /// The cuts behind the first `felt` ones.
    pub(crate) fn cuts_since(&self, felt: usize) -> Vec<Cut> {
        let supply = self.supply();
        supply
            .cuts
            .get(felt..)
            .map(<[Cut]>::to_vec)
            .unwrap_or_default()
    }

    fn supply(&self) -> MutexGuard<'_, Supply> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every call says while power is off.
pub(crate) fn power_is_off() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "power is off")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_fails_in_the_chosen_change_and_stays_off_until_it_is_turned_on() {
        let power = Power::new();
        power.begin_change().unwrap();
        power.fail_after(1, Cut::DoneUnacknowledged);
        assert_eq!(power.begin_change().unwrap(), None);
        assert_eq!(power.begin_change().unwrap(), Some(Cut::DoneUnacknowledged));
        assert!(power.is_off());
        let refused = power.begin_change().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::NotConnected);
        assert_eq!(power.operations(), 3, "the refused one did not begin");
        power.turn_on();
        assert_eq!(power.begin_change().unwrap(), None);
    }

    #[test]
    fn clones_are_the_same_supply() {
        let power = Power::new();
        power.clone().fail_after(0, Cut::NotStarted);
        power.begin_change().unwrap();
        assert!(power.clone().is_off());
        assert_eq!(power.cuts_since(0), [Cut::NotStarted]);
        assert_eq!(power.cuts_since(1), []);
    }
}
