//! Which chip this is: what the command line or the chip itself says, as plain data.

use std::fs;

use crate::sys;

/// SoC id, and the places where T1x..T3x and T4x keep their type. Never written.
/// (thingino, `package/thingino-system/files/soc`.)
const REGISTERS: [u32; 3] = [0x1300_002c, 0x1354_0238, 0x1354_0250];

/// What tells the chip apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// `wz.chip=<name>` on the kernel's command line: the emulator has no such registers.
    Named(String),
    /// The registers' content.
    Registers {
        /// `0x1300002c`
        id: u32,
        /// `0x13540238`
        type1: u32,
        /// `0x13540250`
        type2: u32,
    },
    /// Neither, and why.
    Nothing(String),
}

/// Looks at the command line, then at the chip.
pub fn evidence() -> Evidence {
    let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    match named_chip(&command_line) {
        Some(name) => Evidence::Named(name.to_owned()),
        None => from_registers(),
    }
}

fn from_registers() -> Evidence {
    match sys::read_registers(REGISTERS) {
        Ok([id, type1, type2]) => Evidence::Registers { id, type1, type2 },
        Err(error) => Evidence::Nothing(format!("the chip's registers cannot be read: {error}")),
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
