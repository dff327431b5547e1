//! What is known about cameras: SoCs, their firmwares, how flash is divided, how to recognise them.
//!
//! All of it is data: TOML under `profiles/`, built in, and `wz_flash-helper/profiles/` on the card.
//! [`Catalogue`] holds it; `docs/adding-a-camera.md` explains the files.
//!
//! ```text
//! Catalogue -- Soc -- Chip            t31: t31x, t31zx, ...
//!                |--- Board           the LEDs and the speaker of some models
//!                \--- Firmware        stock, thingino
//!                        \-- Layout   one or more, told apart by evidence in flash
//!                              \-- Partition
//! ```

mod board;
mod catalogue;
mod check;
mod detect;
mod firmware;
mod layout;
mod parse;
mod soc;

pub use board::{
    AnyModel, Audio, Board, Colour, Fittings, Gpio, Lamps, Led, Level, Module, Switch,
};
pub use catalogue::{Catalogue, ProfileFile};
pub use detect::{BytesClue, Clue, EnvironmentClue, Evidence, Identified, Variables, identify};
pub use firmware::{
    FileRule, Firmware, Model, ModelRule, PendingUpgrade, ProfileScripts, VariableRule,
};
pub use layout::{Format, Layout, Partition, SwitchAction, WifiStore};
pub use soc::{Chip, FlashChip, KernelFacts, Reading, Registers, SdBoot, Soc};
