//! Switch: another firmware, from images of its partitions or from one firmware image.
//!
//! ```text
//!  images of partitions there? ── yes ──▶ the layout that they show ─┐
//!         │ no                                                       ├─▶ each partition: write,
//!         ▼                                                          │   erase, format or leave
//!  firmware image ─── layout known ──────▶ its slices ───────────────┘
//!         └────────── layout unknown ────▶ all of flash as the image says
//! ```

use super::identity::boot_problems;
use super::restore::{image_name, short};
use super::rewrite::{Draft, Image, RewritePlan, Source, Target};
use super::shelf::Shelf;
use crate::card::Card;
use crate::config::SwitchScope;
use crate::detect::Camera;
use crate::event::{Operation, Problem};
use crate::image::check::Content;
use crate::image::empty::EmptyFileSystem;
use crate::plan::evidence::ImagesEvidence;
use crate::profile::{Chip, Firmware, Format, Layout, Partition, Soc, SwitchAction};
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
    /// The camera's chip group.
    pub group: &'a str,
    /// All chips of all SoCs.
    pub chips: &'a [&'a Chip],
}

/// Plans a switch. The card is read only to see what layout the images have, and whose they are.
///
/// # Errors
/// Why there is no plan at all.
pub fn plan_switch(
    camera: &Camera,
    switch: Switch<'_>,
    shelf: &Shelf,
    card: &mut dyn Card,
) -> Result<Draft, Vec<Problem>> {
    let mut problems = camera.obstacles.clone();
    problems.extend(camera.secure_boot());
    let parts = next_firmware(camera, switch)
        .map_err(|problem| vec![problem])
        .and_then(|next| {
            let has_images = next.layouts.iter().any(|layout| {
                written(layout, switch.scope).any(|partition| {
                    shelf.has(&image_name(&next.name, switch.group, &partition.name))
                })
            });
            let parts = match has_images {
                true => from_partitions(next, switch, shelf, card),
                false => from_firmware_image(next, camera, switch, shelf, card),
            };
            Ok((parts?, next))
        });
    match parts {
        Ok((parts, next)) => {
            problems.extend(parts.problems.clone());
            problems.extend(boot_problems(switch, &parts.images, &parts.targets, card));
            let plan = parts.into_plan(camera, next);
            Ok(Draft { plan, problems })
        }
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
struct Parts {
    layout: Option<String>,
    images: Vec<Image>,
    targets: Vec<Target>,
    boot: Region,
    remarks: Vec<Problem>,
    problems: Vec<Problem>,
}

impl Parts {
    fn into_plan(self, camera: &Camera, next: &Firmware) -> RewritePlan {
        let end = self.boot.end().max(camera.boot_guard.end());
        let mut remarks = self.remarks;
        remarks.extend(no_way_back(next, self.layout.as_deref()));
        RewritePlan {
            operation: Operation::SwitchFirmware,
            from: camera.firmware_name().to_owned(),
            to: next.name.clone(),
            layout: self.layout,
            images: self.images,
            targets: self.targets,
            boot_guard: Region::new(Offset::ZERO, end - Offset::ZERO),
            remarks,
        }
    }
}

/// What is told of a firmware whose U-Boot boots nothing from the card.
fn no_way_back(next: &Firmware, layout: Option<&str>) -> Option<Problem> {
    let is_none = next.sd_kernels_of(layout).is_empty();
    is_none.then(|| Problem::NoWayBackByCard {
        firmware: next.name.clone(),
        layout: layout.unwrap_or_default().to_owned(),
    })
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
    switch: Switch<'_>,
    shelf: &Shelf,
    card: &mut dyn Card,
) -> Result<Parts, Vec<Problem>> {
    let mut tried: Vec<Parts> = Vec::new();
    for layout in &next.layouts {
        let parts = collect(next, layout, switch, shelf);
        if parts.problems.is_empty()
            && fits(next, layout, &parts, switch, card).map_err(|problem| vec![problem])?
        {
            return Ok(parts);
        }
        tried.push(parts);
    }
    // The layout that came nearest tells what is missing.
    let nearest = tried.into_iter().min_by_key(|parts| parts.problems.len());
    match nearest {
        Some(parts) if !parts.problems.is_empty() => Ok(parts),
        _ => Err(vec![Problem::ImageLayout {
            firmware: next.name.clone(),
            layouts: names(next.layouts.iter().map(|layout| layout.name.as_str())),
        }]),
    }
}

/// What the shelf has for a layout, and what it lacks.
fn collect(next: &Firmware, layout: &Layout, switch: Switch<'_>, shelf: &Shelf) -> Parts {
    let mut parts = Parts {
        layout: Some(layout.name.clone()),
        images: Vec::new(),
        targets: Vec::new(),
        boot: boot_region(layout),
        remarks: Vec::new(),
        problems: Vec::new(),
    };
    for partition in layout.partitions() {
        let action = action(partition, switch.scope);
        if action != SwitchAction::Write {
            parts.targets.extend(without_image(partition, action));
            continue;
        }
        let room = partition.region.size;
        match shelf.image(&image_name(&next.name, switch.group, &partition.name)) {
            Ok(image) if image.size > room => parts.problems.push(Problem::ImageTooLong {
                file: image.path.to_string(),
                size: image.size,
                partition: partition.name.clone(),
                room,
            }),
            Ok(image) => {
                parts.remarks.extend(short(&image, &partition.name, room));
                let source = Source::Image {
                    image: parts.images.len(),
                    from: Offset::ZERO,
                    length: image.size,
                };
                parts.targets.push(target(partition, source));
                parts.images.push(image);
            }
            Err(problem) => parts.problems.push(problem),
        }
    }
    parts
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
    parts: &Parts,
    switch: Switch<'_>,
    card: &mut dyn Card,
) -> Result<bool, Problem> {
    if next.layouts.len() == 1 && layout.evidence.is_empty() {
        return Ok(true);
    }
    layout.shows_in(&mut ImagesEvidence::new(
        switch.soc,
        &parts.images,
        &parts.targets,
        card,
    ))
}

fn from_firmware_image(
    next: &Firmware,
    camera: &Camera,
    switch: Switch<'_>,
    shelf: &Shelf,
    card: &mut dyn Card,
) -> Result<Parts, Vec<Problem>> {
    let group = switch.group;
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
fn whole(image: &Image, camera: &Camera, next: &Firmware) -> Parts {
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
    let targets = vec![
        part("boot", boot, Content::Spl),
        part("all the rest", rest, Content::Bundle),
    ];
    Parts {
        layout: None,
        problems: missing(image, &targets),
        images: vec![image.clone()],
        targets,
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

/// The targets that the image ends before, though a firmware does not work without them.
fn missing(image: &Image, targets: &[Target]) -> Vec<Problem> {
    let is_missing = |target: &&Target| {
        target.source == Source::Blank
            && !matches!(target.content, Content::Anything | Content::Jffs2)
    };
    let problem = |target: &Target| Problem::ImageEnds {
        file: image.path.to_string(),
        partition: target.name.clone(),
    };
    targets.iter().filter(is_missing).map(problem).collect()
}

fn sliced(image: Image, layout: &Layout, scope: SwitchScope) -> Parts {
    let mut targets = Vec::new();
    let mut written = Vec::new();
    for partition in layout.partitions() {
        match action(partition, scope) {
            SwitchAction::Write => {
                let target = target(partition, slice(&image, partition.region));
                written.push(target.clone());
                targets.push(target);
            }
            other => targets.extend(without_image(partition, other)),
        }
    }
    Parts {
        layout: Some(layout.name.clone()),
        problems: missing(&image, &written),
        remarks: short(&image, "the flash chip", layout.end() - Offset::ZERO)
            .into_iter()
            .collect(),
        images: vec![image],
        targets,
        boot: boot_region(layout),
    }
}
