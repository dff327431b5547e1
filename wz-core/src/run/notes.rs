//! What only a bug report needs to know of the camera.

use super::FlashUnit;
use super::chip::ChipEvidence;
use crate::detect::Camera;
use crate::event::Event;
use crate::flash::ReadFlash;
use crate::profile::{Reading, Soc};

/// How the chip was told, how flash is divided, and into which partitions.
pub(super) fn about(
    camera: &Camera,
    soc: &Soc,
    evidence: &ChipEvidence,
    flash: &FlashUnit<'_>,
) -> Event {
    let chip: &dyn ReadFlash = flash.chip;
    let geometry = chip.geometry();
    let mut text = format!(
        "chip {} by {}\nflash {} in erase blocks of {}\npartitions:",
        camera.facts.chip,
        told_by(soc, evidence),
        geometry.size,
        geometry.erase_block
    );
    for partition in &camera.partitions {
        let (region, format) = (partition.region, partition.format.name());
        text.push_str(&format!("\n  {} {region} {format}", partition.name));
    }
    if camera.partitions.is_empty() {
        text.push_str(" none known");
    }
    Event::Note(text)
}

/// The chip's serial number is nobody's business.
fn told_by(soc: &Soc, evidence: &ChipEvidence) -> String {
    match evidence {
        ChipEvidence::Named(name) => format!("the name {name} on the kernel's command line"),
        ChipEvidence::Registers(read) => {
            let readings = [soc.registers.family, soc.registers.type1].map(|address| Reading {
                address,
                value: read(address),
            });
            format!("its registers {}, {}", readings[0], readings[1])
        }
    }
}
