//! What the simulated chip and the simulated card have in common: the power supply that fails,
//! their faults, and a trace of what was done.

mod fault;
mod faults;
mod noise;
mod power;
mod seeded;
mod trace;

pub use fault::{CardFault, FlashFault};
pub(crate) use faults::Faults;
pub(crate) use noise::{Noise, hash};
pub(crate) use power::power_is_off;
pub use power::{Cut, Power};
pub use seeded::seeded_faults;
pub use trace::{Did, Trace};
