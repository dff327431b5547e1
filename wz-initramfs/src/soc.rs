//! Which chip this is: what the command line or the chip itself says, as plain data.

use std::fs;

use wz_core::run::{ChipEvidence, Register};

use crate::sys;

/// The SoC id, and where T1x to T3x and T4x keep their type. They are only read.
/// (thingino, `package/thingino-system/files/soc`.)
const REGISTERS: [u32; 3] = [0x1300_002c, 0x1354_0238, 0x1354_0250];

/// Looks at the kernel's command line (an emulator has no such registers), then at the chip.
pub fn evidence() -> ChipEvidence {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    match named_chip(&command_line) {
        Some(name) => ChipEvidence::Named(name.to_owned()),
        None => ChipEvidence::Registers(REGISTERS.map(register).to_vec()),
    }
}

fn register(address: u32) -> Register {
    Register {
        address,
        value: sys::read_register(address).ok(),
    }
}

/// The last one wins, as with the kernel's own words: the boot loader's come behind the built-in.
fn named_chip(command_line: &str) -> Option<&str> {
    command_line
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("wz.chip="))
        .rfind(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("console=ttyS0 wz.chip=t31x panic=5\n", Some("t31x"))]
    #[case("wz.chip=t20 wz.chip=t31x", Some("t31x"))]
    #[case("wz.chip=", None)]
    #[case("xwz.chip=t31x", None)]
    #[case("", None)]
    fn the_command_line_can_name_the_chip(#[case] line: &str, #[case] name: Option<&str>) {
        assert_eq!(named_chip(line), name);
    }
}
