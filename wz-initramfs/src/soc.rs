//! What tells the chip apart.

use wz_core::run::ChipEvidence;

use crate::root::Root;
use crate::{command_line, sys};

/// The kernel's command line (an emulator has no such registers), else the chip's registers; the
/// profiles know which. They are only read.
pub fn evidence(root: &Root) -> ChipEvidence {
    match command_line::value_in(root, "wz.chip") {
        Some(name) => ChipEvidence::Named(name),
        None if root.is_the_system() => {
            ChipEvidence::Registers(|address| sys::read_register(address).ok())
        }
        None => ChipEvidence::Registers(|_| None),
    }
}
