//! Which chip the camera has, and whether it is the one that a journal was begun on.

use crate::event::Problem;
use crate::image::sha256sum::Digest;
use crate::journal::Begun;
use crate::profile::{Catalogue, Chip, Fittings, Reading, Soc};

/// What tells the SoC.
#[derive(Clone, Debug)]
pub enum ChipEvidence {
    /// A name on the kernel's command line (`wz.chip=t31x`), for emulators.
    Named(String),
    /// The chip's registers: reads the 32-bit one at a physical address, if that can be read.
    Registers(fn(u32) -> Option<u32>),
}

/// The chip that the evidence shows.
///
/// # Errors
/// [`Problem::ChipNameUnknown`], [`Problem::ChipUnknown`].
pub(super) fn find_chip<'a>(
    catalogue: &'a Catalogue,
    evidence: &ChipEvidence,
) -> Result<(&'a Soc, &'a Chip), Problem> {
    match evidence {
        ChipEvidence::Named(name) => {
            let unknown = || Problem::ChipNameUnknown {
                name: name.clone(),
                known: chips(catalogue),
            };
            catalogue.chip_by_name(name).ok_or_else(unknown)
        }
        ChipEvidence::Registers(read) => {
            catalogue
                .chip_by_registers(read)
                .map_err(|readings| Problem::ChipUnknown {
                    ids: ids(&readings),
                })
        }
    }
}

/// What may be driven on a camera of which nothing is known but its chip: what the program was built
/// with says so, for there may be no card.
pub fn early_fittings(evidence: &ChipEvidence) -> Fittings {
    let catalogue = Catalogue::builtin();
    find_chip(&catalogue, evidence).map_or_else(|_| Fittings::none(), |(soc, _)| soc.fittings(None))
}

fn chips(catalogue: &Catalogue) -> String {
    let names = catalogue
        .socs()
        .flat_map(|soc| soc.chips.iter().map(|chip| chip.name.as_str()));
    names.collect::<Vec<_>>().join(", ")
}

fn ids(readings: &[Reading]) -> String {
    let shown = readings.iter().map(ToString::to_string);
    shown.collect::<Vec<_>>().join(", ")
}

/// What tells this chip from all others, if it has such registers: a digest, for it is nobody's
/// business.
pub(super) fn serial_of(soc: &Soc, chip: &ChipEvidence) -> Option<String> {
    let ChipEvidence::Registers(read) = chip else {
        return None;
    };
    let values: Option<Vec<u32>> = soc.registers.serial.iter().map(|at| read(*at)).collect();
    let values = values.filter(|values| values.iter().any(|value| *value != 0))?;
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let digest = Digest::of(&bytes).to_string();
    digest.get(..16).map(str::to_owned)
}

/// Whether a journal was begun in this camera, as far as its chip tells.
///
/// # Errors
/// [`Problem::OtherCamera`].
pub(super) fn is_this_camera(
    begun: &Begun,
    (soc, chip): (&Soc, &Chip),
    serial: Option<&str>,
) -> Result<(), Problem> {
    let other = |what: &str, journal: &str, found: &str| Problem::OtherCamera {
        what: what.to_owned(),
        journal: journal.to_owned(),
        found: found.to_owned(),
    };
    if begun.soc != soc.name || begun.group != chip.group {
        return Err(other("chip group", &begun.group, &chip.group));
    }
    match (&begun.serial, serial) {
        (Some(journal), Some(found)) if journal != found => {
            Err(other("chip's serial number (digest)", journal, found))
        }
        _ => Ok(()),
    }
}
