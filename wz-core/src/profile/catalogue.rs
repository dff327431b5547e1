//! All profiles: the built-in ones, and those on the card.

use std::collections::BTreeSet;

use super::check;
use super::firmware::Firmware;
use super::parse::{Profile, parse};
use super::soc::{Chip, Reading, Registers, Soc};
use crate::event::Problem;
use crate::units::Size;

/// Path and content of every file under `profiles/`, in the order of their paths.
const BUILTIN: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/profiles.rs"));

/// All that is known about cameras.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    families: Vec<Family>,
}

#[derive(Clone, Debug)]
struct Family {
    soc: Soc,
    firmwares: Vec<Firmware>,
}

/// A file with a profile, not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileFile {
    /// Below the folder of profiles, with `/`: `t31/stock.toml`.
    pub path: String,
    /// As it lies on the card.
    pub content: Vec<u8>,
}

impl Catalogue {
    /// The profiles that the program was built with. A test proves that nothing is wrong with them.
    pub fn builtin() -> Self {
        let files: Vec<ProfileFile> = BUILTIN
            .iter()
            .map(|(path, text)| ProfileFile::new(*path, *text))
            .collect();
        let (catalogue, _) = Self::default().add(&files);
        catalogue
    }

    /// These profiles too. One of a name that is there already replaces it.
    ///
    /// # Errors
    /// Everything that is wrong with any of them. None is used then: who puts a profile on the card
    /// does not want the built-in one.
    pub fn with_card_profiles(self, files: &[ProfileFile]) -> Result<Self, Vec<Problem>> {
        let (catalogue, mut problems) = self.add(files);
        problems.extend(catalogue.problems());
        if problems.is_empty() {
            Ok(catalogue)
        } else {
            Err(problems)
        }
    }

    /// All SoC families, in the order of their names.
    pub fn socs(&self) -> impl Iterator<Item = &Soc> {
        self.families.iter().map(|family| &family.soc)
    }

    /// The SoC family of this name: `t31`.
    pub fn soc(&self, name: &str) -> Option<&Soc> {
        self.family(name).map(|family| &family.soc)
    }

    /// The firmwares of a SoC, in the order of their names.
    pub fn firmwares(&self, soc: &str) -> &[Firmware] {
        self.family(soc)
            .map_or(&[], |family| family.firmwares.as_slice())
    }

    /// One firmware of a SoC.
    pub fn firmware(&self, soc: &str, name: &str) -> Option<&Firmware> {
        self.firmwares(soc).iter().find(|f| f.name == name)
    }

    /// The chips of all SoCs.
    pub fn all_chips(&self) -> Vec<&Chip> {
        self.chips().map(|(_, chip)| chip).collect()
    }

    /// The chip of this name, as the kernel command line word `wz.chip=` has it: `t31x`.
    pub fn chip_by_name(&self, name: &str) -> Option<(&Soc, &Chip)> {
        self.chips().find(|(_, chip)| chip.name == name)
    }

    /// The chip that answers these ids.
    pub fn chip_by_ids(&self, family: u16, type1: u16) -> Option<(&Soc, &Chip)> {
        self.socs()
            .find_map(|soc| soc.chip(family, type1).map(|chip| (soc, chip)))
    }

    /// The chip whose registers answer. `read` reads a 32-bit register at a physical address, if it
    /// can; each is read once at most, and where a chip keeps its type only if its family fits.
    ///
    /// # Errors
    /// What the registers of all profiles hold, if no chip answers so.
    pub fn chip_by_registers(
        &self,
        read: impl Fn(u32) -> Option<u32>,
    ) -> Result<(&Soc, &Chip), Vec<Reading>> {
        let mut readings = Readings::new(read);
        for soc in self.socs() {
            let family = Registers::family_of(readings.value(soc.registers.family));
            if !soc.chips.iter().any(|chip| soc.ids(chip).0 == family) {
                continue;
            }
            let type1 = Registers::type_of(readings.value(soc.registers.type1));
            if let Some(chip) = soc.chip(family, type1) {
                return Ok((soc, chip));
            }
        }
        for soc in self.socs() {
            readings.value(soc.registers.type1);
        }
        Err(readings.taken)
    }

    /// Every name that some firmware's U-Boot boots from a card, sorted: all of a SoC, or all there
    /// are when the SoC is unknown. Where the firmware is unknown, each of them has to be renamed to
    /// end a boot loop.
    pub fn sd_kernels(&self, soc: Option<&str>) -> BTreeSet<&str> {
        self.families
            .iter()
            .filter(|family| soc.is_none_or(|name| family.soc.name == name))
            .flat_map(|family| &family.firmwares)
            .flat_map(|firmware| &firmware.sd_kernels)
            .map(String::as_str)
            .collect()
    }

    /// Everything that is wrong with the profiles.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = check::chips(self.socs());
        for family in &self.families {
            problems.extend(check::soc(&family.soc));
            for firmware in &family.firmwares {
                problems.extend(check::firmware(firmware, &family.soc));
            }
            problems.extend(check::told_apart(&family.firmwares));
        }
        problems
    }

    fn chips(&self) -> impl Iterator<Item = (&Soc, &Chip)> {
        self.socs()
            .flat_map(|soc| soc.chips.iter().map(move |chip| (soc, chip)))
    }

    fn family(&self, soc: &str) -> Option<&Family> {
        self.families.iter().find(|f| f.soc.name == soc)
    }

    /// Takes in what can be read, SoCs first, and tells what cannot.
    fn add(mut self, files: &[ProfileFile]) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let mut firmwares = Vec::new();
        for file in files.iter().filter(|file| !file.is_litter()) {
            match parse(file) {
                Ok(Profile::Soc(soc)) => self.put_soc(soc),
                Ok(Profile::Firmware(firmware)) => firmwares.push(firmware),
                Err(problem) => problems.push(problem),
            }
        }
        for firmware in firmwares {
            problems.extend(self.put_firmware(firmware).err());
        }
        (self, problems)
    }

    fn put_soc(&mut self, soc: Soc) {
        let place = self
            .families
            .binary_search_by(|family| family.soc.name.cmp(&soc.name));
        match place {
            Ok(at) => self.families[at].soc = soc,
            Err(at) => self.families.insert(at, Family::new(soc)),
        }
    }

    fn put_firmware(&mut self, firmware: Firmware) -> Result<(), Problem> {
        let of_its_soc = |family: &&mut Family| family.soc.name == firmware.soc;
        let Some(family) = self.families.iter_mut().find(of_its_soc) else {
            return Err(Problem::ProfileWithoutSoc {
                file: firmware.file(),
                soc: firmware.soc,
            });
        };
        let firmwares = &mut family.firmwares;
        match firmwares.binary_search_by(|other| other.name.cmp(&firmware.name)) {
            Ok(at) => firmwares[at] = firmware,
            Err(at) => firmwares.insert(at, firmware),
        }
        Ok(())
    }
}

impl Family {
    fn new(soc: Soc) -> Self {
        Self {
            soc,
            firmwares: Vec::new(),
        }
    }
}

/// Registers that have been read.
struct Readings<R> {
    read: R,
    taken: Vec<Reading>,
}

impl<R: Fn(u32) -> Option<u32>> Readings<R> {
    fn new(read: R) -> Self {
        Self {
            read,
            taken: Vec::new(),
        }
    }

    /// What the register holds. No chip answers 0, so one that cannot be read is that of none.
    fn value(&mut self, address: u32) -> u32 {
        let taken = self.taken.iter().find(|taken| taken.address == address);
        let reading = match taken {
            Some(taken) => *taken,
            None => {
                let value = (self.read)(address);
                let reading = Reading { address, value };
                self.taken.push(reading);
                reading
            }
        };
        reading.value.unwrap_or(0)
    }
}

impl ProfileFile {
    /// No profile is longer; what is, is not read.
    pub const LARGEST: Size = Size::kib(64);

    /// Whether it is what a desktop leaves in every folder that it shows.
    fn is_litter(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        let of_windows = ["thumbs.db", "desktop.ini"];
        name.starts_with('.')
            || of_windows
                .iter()
                .any(|litter| name.eq_ignore_ascii_case(litter))
    }

    /// A file with this path below the folder of profiles.
    pub fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
        }
    }
}

#[cfg(test)]
mod tests;
