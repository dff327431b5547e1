//! Restore: chosen partitions of the firmware that is in flash, each from an image, or blank.

use super::identity::boot_problems;
use super::rewrite::{Draft, Image, RewritePlan, Source, Target};
use super::shelf::{Shelf, image_at};
use super::switch::Switch;
use crate::card::{Card, CardPath};
use crate::config::{Wanted, Wish};
use crate::detect::{Camera, CameraPartition};
use crate::event::{Operation, Problem};
use crate::image::check::Content;
use crate::units::{Offset, Size};

/// Plans what is to stand in the partitions that `wishes` name. The card is read only to see whose
/// boot loader an image has, and the hash of one that lies on no shelf.
///
/// # Errors
/// Why there is no plan at all.
pub fn plan_restore(
    camera: &Camera,
    target: Switch<'_>,
    wishes: &[Wish],
    shelf: &Shelf,
    card: &mut dyn Card,
) -> Result<Draft, Vec<Problem>> {
    let Some(firmware) = &camera.facts.firmware else {
        return Err(vec![Problem::RewriteUnknownFirmware {}]);
    };
    if camera.partitions.is_empty() {
        let firmware = firmware.clone();
        return Err(vec![Problem::RewriteUnknownLayout { firmware }]);
    }
    let mut problems = camera.obstacles.clone();
    let mut plan = RewritePlan {
        operation: Operation::Restore,
        from: firmware.clone(),
        to: firmware.clone(),
        layout: camera.facts.layout.clone(),
        images: Vec::new(),
        targets: Vec::new(),
        boot_guard: camera.boot_guard,
        remarks: Vec::new(),
    };
    for partition in &camera.partitions {
        let Some(wish) = wishes.iter().find(|wish| wish.partition == partition.name) else {
            continue;
        };
        let image = match &wish.content {
            Wanted::Blank => {
                plan.targets.push(without_image(partition, Source::Blank));
                continue;
            }
            Wanted::EmptyFileSystem => match partition.format.empty() {
                Some(empty) => {
                    let source = Source::Empty(empty);
                    plan.targets.push(without_image(partition, source));
                    continue;
                }
                None => Err(Problem::PartitionWithoutFiles {
                    partition: partition.name.clone(),
                    format: partition.format.name().to_owned(),
                }),
            },
            Wanted::Image => {
                shelf.image(&image_name(firmware, &camera.facts.group, &partition.name))
            }
            Wanted::File(path) => image_at(card, &CardPath::root().join(path)),
        };
        match image {
            Ok(image) => add(&mut plan, partition, image, &mut problems),
            Err(problem) => problems.push(problem),
        }
    }
    if wishes.iter().any(|wish| is_boot(camera, &wish.partition)) {
        problems.extend(camera.secure_boot());
    }
    problems.extend(boot_problems(target, &plan.images, &plan.targets, card));
    Ok(Draft { plan, problems })
}

fn without_image(partition: &CameraPartition, source: Source) -> Target {
    Target {
        name: partition.name.clone(),
        region: partition.region,
        source,
        content: Content::Anything,
    }
}

fn is_boot(camera: &Camera, name: &str) -> bool {
    let mut partitions = camera.partitions.iter();
    partitions.any(|part| part.name == name && part.region.offset == Offset::ZERO)
}

/// `stock_t31x_kernel.bin`.
pub(super) fn image_name(firmware: &str, group: &str, partition: &str) -> String {
    format!("{firmware}_{group}_{partition}.bin")
}

fn add(
    plan: &mut RewritePlan,
    partition: &CameraPartition,
    image: Image,
    problems: &mut Vec<Problem>,
) {
    let room = partition.region.size;
    if image.size > room {
        problems.push(Problem::ImageTooLong {
            file: image.path.to_string(),
            size: image.size,
            partition: partition.name.clone(),
            room,
        });
        return;
    }
    plan.remarks
        .extend(short(&image, &partition.name, partition.region.size));
    plan.targets.push(Target {
        name: partition.name.clone(),
        region: partition.region,
        source: Source::Image {
            image: plan.images.len(),
            from: Offset::ZERO,
            length: image.size,
        },
        content: partition.content,
    });
    plan.images.push(image);
}

/// What is said of an image that does not fill its partition.
pub(super) fn short(image: &Image, partition: &str, room: Size) -> Option<Problem> {
    let rest = (Offset::ZERO + room) - (Offset::ZERO + image.size);
    (rest > Size::ZERO).then(|| Problem::ImageShort {
        file: image.path.to_string(),
        partition: partition.to_owned(),
        rest,
    })
}
