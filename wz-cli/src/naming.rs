//! How a dump is divided, and what its images are called: as the owner says, else as the dump and its
//! name tell.

use std::path::Path;

use clap::Args;
use wz_core::profile::{Catalogue, Chip, Firmware, Layout, Soc};
use wz_core::units::Size;

use crate::anatomy::pieces::{Naming, WHOLE, namings};
use crate::anatomy::recognise::{Recognised, recognise, with_soc};
use crate::problem::CliProblem;

/// What the owner says, where nothing else does.
#[derive(Args, Clone, Debug, Default)]
pub struct NamingArgs {
    /// The chip of the camera, such as t31x, if the dump does not tell it.
    #[arg(long)]
    pub chip: Option<String>,
    /// The firmware that the dump is of, if it does not tell it.
    #[arg(long)]
    pub firmware: Option<String>,
    /// The layout of the firmware, if the dump does not tell it.
    #[arg(long)]
    pub layout: Option<String>,
}

/// Which image of a whole chip has a name like this one: `stock_t31x_all.bin`.
const WHOLE_NAMES: [&str; 2] = [WHOLE, "firmware"];

impl NamingArgs {
    /// How the dump `bytes` in `path` is divided, and what its images are called.
    ///
    /// # Errors
    /// Neither the owner nor the dump tells; the owner names what there is not; it is not the whole of
    /// a chip.
    pub fn of_dump<'a>(
        &self,
        catalogue: &'a Catalogue,
        path: &Path,
        bytes: &[u8],
    ) -> Result<Naming<'a>, CliProblem> {
        let shown = || path.display().to_string();
        let (soc, firmware, found) = self.firmware(catalogue, path, bytes)?;
        let size = Size::bytes(bytes.len() as u64);
        if size != soc.flash.size {
            return Err(CliProblem::NotADump {
                path: shown(),
                size,
                chip: soc.flash.size,
            });
        }
        let layout = self.layout(firmware, found.as_ref(), path)?;
        let chip = self.chip(catalogue)?.map(|(_, chip)| chip);
        let told = chip.or(found.and_then(|found| found.chip));
        let group = told.map(|chip| chip.group.as_str());
        let group = group.or_else(|| named(catalogue, path, soc, firmware));
        let group = group.ok_or_else(|| CliProblem::ChipUntold {
            path: shown(),
            chips: names(soc.chips.iter().map(|chip| chip.name.as_str())),
        })?;
        Ok(Naming {
            soc,
            firmware,
            layout,
            group,
        })
    }

    /// How the dump is divided, where names do not matter.
    ///
    /// # Errors
    /// [`CliProblem::DumpUntold`], [`CliProblem::LayoutUntold`]; the owner names what there is not.
    pub fn layout_of<'a>(
        &self,
        catalogue: &'a Catalogue,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(&'a Soc, &'a Firmware, &'a Layout), CliProblem> {
        let (soc, firmware, found) = self.firmware(catalogue, path, bytes)?;
        Ok((soc, firmware, self.layout(firmware, found.as_ref(), path)?))
    }

    /// Those of `namings` that the owner's words leave.
    ///
    /// # Errors
    /// There is no such chip.
    pub fn left_of<'a>(&self, catalogue: &'a Catalogue) -> Result<Vec<Naming<'a>>, CliProblem> {
        let chip = self.chip(catalogue)?;
        let fits = |naming: &Naming<'_>| {
            chip.is_none_or(|(soc, chip)| naming.soc.name == soc.name && naming.group == chip.group)
                && self
                    .firmware
                    .as_ref()
                    .is_none_or(|name| naming.firmware.name == *name)
                && self
                    .layout
                    .as_ref()
                    .is_none_or(|name| naming.layout.name == *name)
        };
        Ok(namings(catalogue).into_iter().filter(fits).collect())
    }

    fn chip<'a>(
        &self,
        catalogue: &'a Catalogue,
    ) -> Result<Option<(&'a Soc, &'a Chip)>, CliProblem> {
        let Some(name) = &self.chip else {
            return Ok(None);
        };
        let unknown = || CliProblem::ChipUnknown {
            name: name.clone(),
            known: names(catalogue.all_chips().iter().map(|chip| chip.name.as_str())),
        };
        catalogue.chip_by_name(name).ok_or_else(unknown).map(Some)
    }

    /// What the owner names, else what the dump tells.
    fn firmware<'a>(
        &self,
        catalogue: &'a Catalogue,
        path: &Path,
        bytes: &[u8],
    ) -> Result<(&'a Soc, &'a Firmware, Option<Recognised<'a>>), CliProblem> {
        let chip = self.chip(catalogue)?;
        let mut found = match chip {
            Some((soc, _)) => with_soc(catalogue, soc, bytes).into_iter().collect(),
            None => recognise(catalogue, bytes),
        };
        if found.len() > 1 {
            found.retain(|one| named(catalogue, path, one.soc, one.firmware).is_some());
        }
        let told = match found.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let soc = chip.map(|(soc, _)| soc).or(told.map(|one| one.soc));
        let untold = || CliProblem::DumpUntold {
            path: path.display().to_string(),
        };
        let soc = soc.ok_or_else(untold)?;
        let firmware = match &self.firmware {
            None => told.map(|one| one.firmware).ok_or_else(untold)?,
            Some(name) => {
                let unknown = || CliProblem::FirmwareUnknown {
                    soc: soc.name.clone(),
                    name: name.clone(),
                    known: names(
                        catalogue
                            .firmwares(&soc.name)
                            .iter()
                            .map(|f| f.name.as_str()),
                    ),
                };
                catalogue.firmware(&soc.name, name).ok_or_else(unknown)?
            }
        };
        let told = told.filter(|one| one.firmware.name == firmware.name);
        Ok((soc, firmware, told))
    }

    fn layout<'a>(
        &self,
        firmware: &'a Firmware,
        found: Option<&Recognised<'a>>,
        path: &Path,
    ) -> Result<&'a Layout, CliProblem> {
        let known = || names(firmware.layouts.iter().map(|layout| layout.name.as_str()));
        if let Some(name) = &self.layout {
            return firmware
                .layout(name)
                .ok_or_else(|| CliProblem::LayoutUnknown {
                    firmware: firmware.name.clone(),
                    name: name.clone(),
                    known: known(),
                });
        }
        let only = match firmware.layouts.as_slice() {
            [only] => Some(only),
            _ => None,
        };
        let layout = found.and_then(|found| found.layout).or(only);
        layout.ok_or_else(|| CliProblem::LayoutUntold {
            path: path.display().to_string(),
            firmware: firmware.name.clone(),
            known: known(),
        })
    }
}

/// The group in the file's name, if it is that of an image of a whole chip with this firmware.
fn named<'a>(
    catalogue: &'a Catalogue,
    path: &Path,
    soc: &Soc,
    firmware: &Firmware,
) -> Option<&'a str> {
    let file = path.file_name()?.to_str()?;
    let of_this = |naming: &Naming<'_>| {
        naming.soc.name == soc.name
            && naming.firmware.name == firmware.name
            && WHOLE_NAMES.iter().any(|whole| naming.image(whole) == file)
    };
    namings(catalogue)
        .into_iter()
        .find(of_this)
        .map(|naming| naming.group)
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
