//! What tells the chip apart, as plain data.

use wz_core::run::{ChipEvidence, Register};

use crate::{command_line, sys};

/// The SoC id, and where T1x to T3x and T4x keep their type. They are only read.
/// (thingino, `package/thingino-system/files/soc`.)
const REGISTERS: [u32; 3] = [0x1300_002c, 0x1354_0238, 0x1354_0250];

/// Looks at the kernel's command line (an emulator has no such registers), then at the chip.
pub fn evidence() -> ChipEvidence {
    match command_line::value("wz.chip") {
        Some(name) => ChipEvidence::Named(name),
        None => ChipEvidence::Registers(REGISTERS.map(register).to_vec()),
    }
}

fn register(address: u32) -> Register {
    Register {
        address,
        value: sys::read_register(address).ok(),
    }
}
