//! The owner's configuration: `general.conf`, `restore/<firmware>.conf` and `thingino.conf`.
//!
//! ```text
//! bytes --reader--> entries --general, restore, wifi--> typed options --request--> what is to be done
//!                   (key, value, place)                                or every reason why not
//! ```
//!
//! A file is data and never run. It may be written as TOML (`dry_run = true`) or as the shell
//! file that it was for the original program (`export dry_run="yes"`); `parse` says exactly what
//! is accepted. Wherever something is wrong, all of it is told, up to a bound.

mod doubt;
mod edit;
mod findings;
mod general;
mod keys;
mod line;
mod listing;
mod nearest;
mod order;
mod parse;
mod reader;
mod request;
mod restore;
mod shown;
mod value;
mod wifi;

#[cfg(test)]
mod tests;

use crate::event::{Problem, Spot};
use crate::units::Size;

pub use edit::{NotEdited, set_no};
pub use general::{GeneralConf, is_on, read_general};
pub use keys::Key;
pub use listing::listing;
pub use order::{Order, ordered};
pub use request::{
    Afterwards, Mode, NextStart, Request, Rewrite, SafetyBackup, SecondaryBackup, SwitchScope,
    Wanted, WhenImagesFail, WifiSetup, Wish, request,
};
pub use restore::{RestoreChoice, RestoreConf, choose, read_restore};
pub use shown::{HIDDEN, is_invisible, looks_secret, shown};
pub use value::{FileName, Name, Seconds, Volume, YesNo};
pub use wifi::{Secret, Wifi, read_wifi};

/// The longest configuration file that is read. Ask the card for at most this much
/// (`Card::read(file, LIMIT)`): what comes back longer is refused.
pub const LIMIT: Size = Size::kib(64);

/// What a file says, and what is unusual about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading<T> {
    /// What it says.
    pub value: T,
    /// What the owner is told, though it keeps nothing from being done.
    pub warnings: Vec<Problem>,
}

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub at: Spot,
}
