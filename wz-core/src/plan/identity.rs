//! Whose boot loader images hold: decided from their content, never from their names.
//!
//! The place for whatever else an image can tell: board, sensor, Wi-Fi (`IMAGE_ID` in a squashfs).

use super::evidence::ImagesEvidence;
use super::rewrite::{Image, Source, Target};
use super::switch::Switch;
use crate::card::Card;
use crate::event::Problem;
use crate::image::check::Content;
use crate::profile::{Chip, Evidence, Identified, identify};
use crate::units::Offset;

/// What speaks against the boot loader among `targets`, if there is one: it is not whole, not that of
/// the firmware, or built for another chip.
pub(super) fn boot_problems(
    switch: Switch<'_>,
    images: &[Image],
    targets: &[Target],
    card: &mut dyn Card,
) -> Vec<Problem> {
    let is_boot = |target: &&Target| target.region.offset == Offset::ZERO;
    let Some(boot) = targets.iter().find(is_boot) else {
        return Vec::new();
    };
    let Source::Image { image, length, .. } = boot.source else {
        return Vec::new();
    };
    let file = images.get(image).map(|image| image.path.to_string());
    let file = file.unwrap_or_default();
    let mut problems = Vec::new();
    if boot.content == Content::Spl && length < boot.region.size {
        problems.push(Problem::ImageBootShort {
            file: file.clone(),
            partition: boot.name.clone(),
            size: length,
            room: boot.region.size,
        });
    }
    let mut evidence = ImagesEvidence::new(switch.soc, images, targets, card);
    let verdict = other_firmware(switch, &file, &mut evidence)
        .and_then(|other| Ok([other, other_chip(switch, &file, &mut evidence)?]));
    match verdict {
        Ok(found) => problems.extend(found.into_iter().flatten()),
        Err(problem) => problems.push(problem),
    }
    problems
}

/// Whether the boot loader is that of another firmware than the one that is wanted.
fn other_firmware(
    switch: Switch<'_>,
    file: &str,
    evidence: &mut ImagesEvidence<'_>,
) -> Result<Option<Problem>, Problem> {
    let boot = evidence.boot()?;
    let speaks_of = |name: &str| {
        let mut firmwares = switch.firmwares.iter();
        firmwares.any(|firmware| firmware.name == name && firmware.boot_is_its_own(boot))
    };
    if speaks_of(switch.next) {
        return Ok(None);
    }
    let found = match identify(switch.firmwares, evidence)? {
        Identified::One(firmware) if firmware.name == switch.next => return Ok(None),
        Identified::One(other) => other.name.clone(),
        Identified::Several(some) => {
            let names = some.iter().map(|firmware| firmware.name.as_str());
            names.collect::<Vec<_>>().join(", ")
        }
        Identified::Unknown => "none that is known".to_owned(),
    };
    Ok(Some(Problem::ImageOfAnother {
        file: file.to_owned(),
        wanted: switch.next.to_owned(),
        found,
    }))
}

/// Whether the SPL says that it is built for a chip of another group.
fn other_chip(
    switch: Switch<'_>,
    file: &str,
    evidence: &mut ImagesEvidence<'_>,
) -> Result<Option<Problem>, Problem> {
    let boot = evidence.boot()?;
    let says_so = |chip: &&Chip| chip.is_named_by(boot);
    let built_for = switch.chips.iter().copied().find(says_so);
    let stranger = built_for.filter(|chip| chip.group != switch.group);
    Ok(stranger.map(|chip| Problem::ImageOfOtherChip {
        file: file.to_owned(),
        built_for: chip.name.clone(),
        group: chip.group.clone(),
        wanted: switch.group.to_owned(),
    }))
}
