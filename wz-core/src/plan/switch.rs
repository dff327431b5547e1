//! Switch: another firmware, from images of its partitions or from one firmware image.
//!
//! ```text
//!  images of partitions there? ── yes ──▶ the layout that they show ─┐
//!         │ no                                                       ├─▶ each partition: write,
//!         ▼                                                          │   erase, format or leave
//!  firmware image ─── layout known ──────▶ its slices ───────────────┘
//!         └────────── layout unknown ────▶ all of flash as the image says
//! ```

use super::restore::{image_name, short};
use super::rewrite::{Image, RewritePlan, Source, Target};
use super::shelf::Shelf;
use crate::card::Card;
use crate::config::SwitchScope;
use crate::detect::Camera;
use crate::event::{Operation, Problem};
use crate::image::check::Content;
use crate::image::empty::EmptyFileSystem;
use crate::plan::evidence::ImagesEvidence;
use crate::profile::{
    Firmware, Format, Identified, Layout, Partition, Soc, SwitchAction, identify,
};
use crate::units::{Offset, Region, Size};

/// The two firmwares of a switch and where they run.
#[derive(Clone, Copy, Debug)]
pub struct Switch<'a> {
    /// The camera's SoC.
    pub soc: &'a Soc,
    /// All its firmwares.
    pub firmwares: &'a [Firmware],
    /// The name of the one that is wanted.
    pub next: &'a str,
    /// How much of it.
    pub scope: SwitchScope,
}

/// Plans a switch. The card is read only to see what layout the images have.
///
/// # Errors
/// Every reason why not.
pub fn plan_switch(
    camera: &Camera,
    switch: Switch<'_>,
    shelf: &Shelf,
    card: &mut dyn Card,
) -> Result<RewritePlan, Vec<Problem>> {
    let mut problems = camera.obstacles.clone();
    problems.extend(camera.secure_boot());
    let next = match next_firmware(camera, switch) {
        Ok(next) => next,
        Err(problem) => {
            problems.push(problem);
            return Err(problems);
        }
    };
    let group = &camera.facts.group;
    let has_images = next.layouts.iter().any(|layout| {
        written(layout, switch.scope)
            .any(|partition| shelf.has(&image_name(&next.name, group, &partition.name)))
    });
    let draft = match has_images {
        true => from_partitions(next, group, switch, shelf, card),
        false => from_firmware_image(next, group, camera, switch, shelf, card),
    };
    match draft {
        Ok(draft) if problems.is_empty() => Ok(draft.into_plan(camera, next)),
        Ok(_) => Err(problems),
        Err(more) => {
            problems.extend(more);
            Err(problems)
        }
    }
}

fn next_firmware<'a>(camera: &Camera, switch: Switch<'a>) -> Result<&'a Firmware, Problem> {
    let Some(current) = &camera.facts.firmware else {
        return Err(Problem::RewriteUnknownFirmware {});
    };
    if current == switch.next {
        return Err(Problem::SwitchToSame {
            firmware: current.clone(),
        });
    }
    let mut firmwares = switch.firmwares.iter();
    firmwares
        .find(|firmware| firmware.name == switch.next)
        .ok_or_else(|| Problem::SwitchUnknown {
            name: switch.next.to_owned(),
            known: names(switch.firmwares.iter().map(|f| f.name.as_str())),
        })
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn action(partition: &Partition, scope: SwitchScope) -> SwitchAction {
    match scope {
        SwitchScope::Working => partition.switch,
        SwitchScope::AllPartitions => partition.switch_all,
    }
}

/// The partitions that are written.
fn written(layout: &Layout, scope: SwitchScope) -> impl Iterator<Item = &Partition> {
    let is_written = move |partition: &&Partition| action(partition, scope) == SwitchAction::Write;
    layout.partitions().iter().filter(is_written)
}

/// What will stand where, without the old firmware's part in it.
struct Draft {
    images: Vec<Image>,
    targets: Vec<Target>,
    boot: Region,
    remarks: Vec<Problem>,
}

impl Draft {
    fn into_plan(self, camera: &Camera, next: &Firmware) -> RewritePlan {
        let end = self.boot.end().max(camera.boot_guard.end());
        RewritePlan {
            operation: Operation::SwitchFirmware,
            from: camera.firmware_name().to_owned(),
            to: next.name.clone(),
            images: self.images,
            targets: self.targets,
            boot_guard: Region::new(Offset::ZERO, end - Offset::ZERO),
            remarks: self.remarks,
        }
    }
}

fn target(partition: &Partition, source: Source) -> Target {
    Target {
        name: partition.name.clone(),
        region: partition.region,
        source,
        content: partition.content(),
    }
}

/// What is done with a partition that no image is needed for; none if it is left alone.
fn without_image(partition: &Partition, action: SwitchAction) -> Option<Target> {
    let empty = match (action, partition.format) {
        (SwitchAction::Leave, _) => return None,
        (SwitchAction::Format, Format::Jffs2) => Source::Empty(EmptyFileSystem::Jffs2),
        (SwitchAction::Format, Format::Vfat) => Source::Empty(EmptyFileSystem::Vfat),
        _ => Source::Blank,
    };
    Some(target(partition, empty))
}

fn from_partitions(
    next: &Firmware,
    group: &str,
    switch: Switch<'_>,
    shelf: &Shelf,
    card: &mut dyn Card,
) -> Result<Draft, Vec<Problem>> {
    let mut tried: Vec<(&Layout, Collected)> = Vec::new();
    for layout in &next.layouts {
        let collected = collect(next, layout, group, switch.scope, shelf);
        let fits = collected.problems.is_empty()
            && fits(next, layout, &collected.draft, switch, card).map_err(|p| vec![p])?;
        if fits {
            let mut draft = collected.draft;
            confirm(next, &draft, switch, card)?;
            draft.remarks.dedup();
            return Ok(draft);
        }
        tried.push((layout, collected));
    }
    // The layout that came nearest tells what is missing.
    let nearest = tried
        .into_iter()
        .min_by_key(|(_, collected)| collected.problems.len());
    match nearest {
        Some((_, collected)) if !collected.problems.is_empty() => Err(collected.problems),
        _ => Err(vec![Problem::ImageLayout {
            firmware: next.name.clone(),
            layouts: names(next.layouts.iter().map(|layout| layout.name.as_str())),
        }]),
    }
}

/// What the shelf has for a layout, and what it lacks.
struct Collected {
    draft: Draft,
    problems: Vec<Problem>,
}

fn collect(
    next: &Firmware,
    layout: &Layout,
    group: &str,
    scope: SwitchScope,
    shelf: &Shelf,
) -> Collected {
    let mut draft = Draft {
        images: Vec::new(),
        targets: Vec::new(),
        boot: boot_region(layout),
        remarks: Vec::new(),
    };
    let mut problems = Vec::new();
    for partition in layout.partitions() {
        let action = action(partition, scope);
        if action != SwitchAction::Write {
            draft.targets.extend(without_image(partition, action));
            continue;
        }
        let room = partition.region.size;
        match shelf.image(&image_name(&next.name, group, &partition.name)) {
            Ok(image) if image.size > room => problems.push(Problem::ImageTooLong {
                file: image.path.to_string(),
                size: image.size,
                partition: partition.name.clone(),
                room,
            }),
            Ok(image) => {
                draft.remarks.extend(short(&image, &partition.name, room));
                let source = Source::Image {
                    image: draft.images.len(),
                    from: Offset::ZERO,
                    length: image.size,
                };
                draft.targets.push(target(partition, source));
                draft.images.push(image);
            }
            Err(problem) => problems.push(problem),
        }
    }
    Collected { draft, problems }
}

fn boot_region(layout: &Layout) -> Region {
    layout
        .boot()
        .map_or(Region::new(Offset::ZERO, Size::ZERO), |boot| boot.region)
}

/// Whether the images show this layout. A firmware's only layout needs no evidence.
fn fits(
    next: &Firmware,
    layout: &Layout,
    draft: &Draft,
    switch: Switch<'_>,
    card: &mut dyn Card,
) -> Result<bool, Problem> {
    if next.layouts.len() == 1 && layout.evidence.is_empty() {
        return Ok(true);
    }
    layout.shows_in(&mut ImagesEvidence::new(
        switch.soc,
        &draft.images,
        &draft.targets,
        card,
    ))
}

/// Whether the boot loader among the images is that of the firmware that is wanted.
fn confirm(
    next: &Firmware,
    draft: &Draft,
    switch: Switch<'_>,
    card: &mut dyn Card,
) -> Result<(), Vec<Problem>> {
    let mut evidence = ImagesEvidence::new(switch.soc, &draft.images, &draft.targets, card);
    let found = identify(switch.firmwares, &mut evidence).map_err(|problem| vec![problem])?;
    match &found {
        Identified::One(firmware) if firmware.name == next.name => Ok(()),
        _ => Err(vec![Problem::ImageOfAnother {
            file: draft
                .images
                .first()
                .map(|image| image.path.to_string())
                .unwrap_or_default(),
            wanted: next.name.clone(),
            found: match found {
                Identified::One(other) => other.name.clone(),
                Identified::Several(some) => names(some.iter().map(|f| f.name.as_str())),
                Identified::Unknown => "none that is known".to_owned(),
            },
        }]),
    }
}

fn from_firmware_image(
    next: &Firmware,
    group: &str,
    camera: &Camera,
    switch: Switch<'_>,
    shelf: &Shelf,
    card: &mut dyn Card,
) -> Result<Draft, Vec<Problem>> {
    let name = image_name(&next.name, group, "firmware");
    if !shelf.has(&name) {
        return Err(vec![Problem::ImagesMissing {
            folder: shelf.folder().to_owned(),
            firmware_image: name,
            partitions: partition_images(next, group, switch.scope),
        }]);
    }
    let image = shelf.image(&name).map_err(|problem| vec![problem])?;
    if image.size > camera.chip.size {
        return Err(vec![Problem::ImageTooLong {
            file: image.path.to_string(),
            size: image.size,
            partition: "the flash chip".to_owned(),
            room: camera.chip.size,
        }]);
    }
    let whole = whole(&image, camera, next);
    confirm(next, &whole, switch, card)?;
    let mut evidence = ImagesEvidence::new(switch.soc, &whole.images, &whole.targets, card);
    let layout = next
        .layout_in(&mut evidence)
        .map_err(|problem| vec![problem])?;
    match layout.one() {
        Some(layout) => Ok(sliced(image, layout, switch.scope)),
        None => Ok(whole),
    }
}

fn partition_images(next: &Firmware, group: &str, scope: SwitchScope) -> String {
    let mut images: Vec<String> = Vec::new();
    for partition in next
        .layouts
        .iter()
        .flat_map(|layout| written(layout, scope))
    {
        let name = image_name(&next.name, group, &partition.name);
        if !images.contains(&name) {
            images.push(name);
        }
    }
    images.join(", ")
}

/// All of flash as the image says.
fn whole(image: &Image, camera: &Camera, next: &Firmware) -> Draft {
    let ends = next.layouts.iter().map(|layout| boot_region(layout).end());
    let boot_end = ends.max().unwrap_or(Offset::ZERO);
    let boot = Region::new(Offset::ZERO, boot_end - Offset::ZERO);
    let rest = Region::new(boot_end, camera.chip.end() - boot_end);
    let part = |name: &str, region, content| Target {
        name: name.to_owned(),
        region,
        source: slice(image, region),
        content,
    };
    Draft {
        images: vec![image.clone()],
        targets: vec![
            part("boot", boot, Content::Spl),
            part("all the rest", rest, Content::Bundle),
        ],
        boot,
        remarks: vec![Problem::ImageWhole {
            file: image.path.to_string(),
        }],
    }
}

/// The part of a firmware image that belongs into `region`.
fn slice(image: &Image, region: Region) -> Source {
    let there = Region::new(Offset::ZERO, image.size);
    match there.overlap(&region) {
        Some(part) => Source::Image {
            image: 0,
            from: part.offset,
            length: part.size,
        },
        None => Source::Blank,
    }
}

fn sliced(image: Image, layout: &Layout, scope: SwitchScope) -> Draft {
    let mut targets = Vec::new();
    for partition in layout.partitions() {
        match action(partition, scope) {
            SwitchAction::Write => targets.push(target(partition, slice(&image, partition.region))),
            other => targets.extend(without_image(partition, other)),
        }
    }
    Draft {
        remarks: short(&image, "the flash chip", layout.end() - Offset::ZERO)
            .into_iter()
            .collect(),
        images: vec![image],
        targets,
        boot: boot_region(layout),
    }
}
