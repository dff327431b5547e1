//! What the simulated chip and the simulated card have in common: one power supply.

mod noise;
mod power;

pub(crate) use noise::{Noise, hash};
pub(crate) use power::power_is_off;
pub use power::{Cut, Power};
