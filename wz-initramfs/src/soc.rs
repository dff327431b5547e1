//! What tells the chip apart.

use wz_core::run::ChipEvidence;

use crate::{command_line, sys};

/// The kernel's command line (an emulator has no such registers), else the chip's registers; the
/// profiles know which. They are only read.
pub fn evidence() -> ChipEvidence {
    match command_line::value("wz.chip") {
        Some(name) => ChipEvidence::Named(name),
        None => ChipEvidence::Registers(|address| sys::read_register(address).ok()),
    }
}
