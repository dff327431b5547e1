//! The emulated camera.

mod card;
mod card_contents;
mod elf;
mod error;
mod tool;
mod uimage;

pub use card::{Card, CardLayout};
pub use card_contents::CardContents;
pub use error::{Error, Result, WaitEnded};
pub use uimage::Refusal;
