//! A SoC family: its chips, its flash, and what its kernel has to be told.

use std::fmt;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::board::{AnyModel, Board};
use crate::units::{Offset, Region, Size};

/// A family of chips that share a boot ROM, a kernel and a set of firmwares: T20, T31.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soc {
    /// Lower case, the name of the profile's folder: `t31`.
    pub name: String,
    /// Bits 12 to 27 of the register [`Registers::family`].
    pub family: u16,
    /// Where chips tell what they are.
    pub registers: Registers,
    /// The flash chip that all cameras of this family have.
    pub flash: FlashChip,
    /// What a kernel for this family has to be told.
    pub kernel: KernelFacts,
    /// What its U-Boots can boot from a card.
    pub sd_boot: SdBoot,
    /// The members of the family.
    #[serde(rename = "chip")]
    pub chips: Vec<Chip>,
    /// What all cameras with it have.
    #[serde(default)]
    pub any_model: AnyModel,
    /// What models have.
    #[serde(default, rename = "board")]
    pub boards: Vec<Board>,
}

/// A member of a family.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chip {
    /// Lower case: `t31zx`. The kernel command line word `wz.chip=` takes it.
    pub name: String,
    /// What it answers instead of [`Soc::family`]; emulators do.
    pub family: Option<u16>,
    /// Bits 16 to 31 of the register [`Registers::type1`].
    #[serde(rename = "type")]
    pub type1: u16,
    /// The U-Boot build that it boots: `t31x`. Images of one group fit all its chips; the group
    /// stands in their names.
    pub group: String,
    /// How much memory it has, where a source tells.
    pub ram: Option<Size>,
}

/// Physical addresses of 32-bit registers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registers {
    /// Holds the family.
    pub family: u32,
    /// Holds the type of the chip within its family.
    #[serde(rename = "type")]
    pub type1: u32,
    /// Hold what tells a chip from all others of its kind.
    #[serde(default)]
    pub serial: Vec<u32>,
}

/// What was found in a 32-bit register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The register's physical address.
    pub address: u32,
    /// What it holds; none if it could not be read.
    pub value: Option<u32>,
}

/// Shown as `0x1300002c: 0x10031000`.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            Some(value) => write!(f, "{:#010x}: {value:#010x}", self.address),
            None => write!(f, "{:#010x}: unreadable", self.address),
        }
    }
}

/// A SPI NOR chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlashChip {
    /// How large it is; a chip of another size is refused.
    pub size: Size,
    /// What the camera's driver erases at once with nearly every chip. The chip at hand may differ:
    /// ask it.
    pub erase_block: Size,
    /// What is programmed at once.
    pub page: Size,
    /// How much of the start is searched for the strings of a boot partition.
    pub boot_search: Size,
}

/// What a kernel for this family has to be told on its command line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KernelFacts {
    /// The memory that [`KernelFacts::memory`] is written for; a chip with less cannot run it.
    pub ram: Size,
    /// `mem=...` and `rmem=...`.
    pub memory: String,
    /// The serial console and its speed.
    pub console: String,
}

/// What U-Boots of a family can boot from a card.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SdBoot {
    /// The longest file that they read.
    pub longest_file: Size,
    /// The addresses that they read it to, each to one of them, before they unpack the payload to its load address.
    #[serde(deserialize_with = "at_least_one")]
    pub buffers: Vec<u32>,
}

fn at_least_one<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u32>, D::Error> {
    let all = Vec::deserialize(from)?;
    match all.is_empty() {
        true => Err(D::Error::invalid_length(0, &"at least one address")),
        false => Ok(all),
    }
}

impl Soc {
    /// Its file below the folder of profiles.
    pub fn file(&self) -> String {
        format!("{}/soc.toml", self.name)
    }

    /// The chip that answers these two ids.
    pub fn chip(&self, family: u16, type1: u16) -> Option<&Chip> {
        self.chips
            .iter()
            .find(|chip| self.ids(chip) == (family, type1))
    }

    /// What a chip answers: family and type.
    pub fn ids(&self, chip: &Chip) -> (u16, u16) {
        (chip.family.unwrap_or(self.family), chip.type1)
    }

    /// Whether our kernel and the firmwares of this family are made for the chip. One that is not
    /// (too little memory, or nobody knows how much) is still backed up.
    pub fn supports(&self, chip: &Chip) -> bool {
        chip.ram.is_some_and(|ram| ram >= self.kernel.ram)
    }
}

impl Chip {
    /// Whether a boot loader says that it is built for this chip. `<CHIP> SPL` stands in those of thingino's
    /// U-Boot 2013.07 since 2024-08-24 (u-boot-ingenic 8c9e6a74); others say nothing.
    pub fn is_named_by(&self, boot: &[u8]) -> bool {
        let text = format!(" {} SPL", self.name.to_ascii_uppercase());
        memchr::memmem::find(boot, text.as_bytes()).is_some()
    }
}

impl Registers {
    /// The family in what [`Registers::family`] holds.
    pub const fn family_of(value: u32) -> u16 {
        (value >> 12) as u16
    }

    /// The type in what [`Registers::type1`] holds.
    pub const fn type_of(value: u32) -> u16 {
        (value >> 16) as u16
    }
}

impl FlashChip {
    /// The whole chip.
    pub const fn whole(&self) -> Region {
        Region::new(Offset::ZERO, self.size)
    }

    /// The start that is searched for the strings of a boot partition.
    pub const fn boot_search_region(&self) -> Region {
        Region::new(Offset::ZERO, self.boot_search)
    }
}

impl KernelFacts {
    /// All words for a kernel that is built for this family.
    pub fn command_line(&self) -> String {
        format!("console={} {}", self.console, self.memory)
    }
}
