//! Which firmware a dump is of, by the rules of the profiles.

use wz_core::detect;
use wz_core::image::check::{Checker, Content};
use wz_core::profile::{Catalogue, Chip, Firmware, Layout, Partition, Soc};
use wz_core::units::Size;

use super::flash::{DumpedFlash, NotMounted};
use super::slice;

/// A firmware that a dump may be of.
#[derive(Clone, Copy, Debug)]
pub struct Recognised<'a> {
    /// The SoC family.
    pub soc: &'a Soc,
    /// The firmware.
    pub firmware: &'a Firmware,
    /// How it divides flash, if that is sure.
    pub layout: Option<&'a Layout>,
    /// The chip that its boot loader says it is built for, if it says so.
    pub chip: Option<&'a Chip>,
}

/// A partition that an image may be of.
#[derive(Clone, Copy, Debug)]
pub struct PartitionOf<'a> {
    /// The firmware.
    pub firmware: &'a Firmware,
    /// The layout.
    pub layout: &'a Layout,
    /// The partition.
    pub partition: &'a Partition,
}

/// The firmwares that show in these bytes, which are those of a chip from its start on. Families have
/// firmwares that are recognised alike, as a camera knows its SoC: what else there is tells them apart,
/// and there is more than one only if nothing does.
pub fn recognise<'a>(catalogue: &'a Catalogue, bytes: &[u8]) -> Vec<Recognised<'a>> {
    let fits = |soc: &&Soc| bytes.len() <= soc.flash.size.as_usize();
    let mut found: Vec<Recognised<'a>> = catalogue
        .socs()
        .filter(fits)
        .filter_map(|soc| with_soc(catalogue, soc, bytes))
        .collect();
    let doubts: [fn(&Recognised<'_>, &[u8]) -> usize; 3] = [
        |one, _| usize::from(one.chip.is_none()),
        |one, bytes| usize::from(!one.speaks_of_itself(bytes)),
        |one, bytes| one.unsound_partitions(bytes),
    ];
    for doubt in doubts {
        if found.len() < 2 {
            break;
        }
        let rated: Vec<_> = found.iter().map(|one| doubt(one, bytes)).collect();
        let least = rated.iter().min().copied().unwrap_or_default();
        let mut rated = rated.into_iter();
        found.retain(|_| rated.next() == Some(least));
    }
    found
}

impl Recognised<'_> {
    /// Whether the boot loader has a text that only this firmware has.
    fn speaks_of_itself(&self, bytes: &[u8]) -> bool {
        let boot = slice(bytes, self.soc.flash.boot_search_region());
        self.firmware.boot_is_its_own(boot)
    }

    /// How many partitions are not what the layout says.
    fn unsound_partitions(&self, bytes: &[u8]) -> usize {
        let Some(layout) = self.layout else {
            return usize::MAX;
        };
        let is_unsound =
            |part: &&Partition| verdict(part.content(), slice(bytes, part.region)).is_some();
        layout.partitions().iter().filter(is_unsound).count()
    }
}

/// The firmware of this family that shows in these bytes.
pub fn with_soc<'a>(
    catalogue: &'a Catalogue,
    soc: &'a Soc,
    bytes: &[u8],
) -> Option<Recognised<'a>> {
    let mut flash = DumpedFlash::new(bytes, &soc.flash);
    // Reading from memory does not fail.
    let installed = detect::installed(catalogue, soc, &mut flash, &mut NotMounted).ok()?;
    let (firmware, layout) = installed?;
    Some(Recognised {
        soc,
        firmware,
        layout,
        chip: chip_named_in(soc, bytes),
    })
}

/// The chip of this family that the boot loader says it is built for.
pub fn chip_named_in<'a>(soc: &'a Soc, bytes: &[u8]) -> Option<&'a Chip> {
    let boot = slice(bytes, soc.flash.boot_search_region());
    soc.chips.iter().find(|chip| chip.is_named_by(boot))
}

/// The partitions that these bytes may be the image of: of their size, and sound as what it has to
/// hold. Partitions that may hold anything count only if there are no others.
pub fn partitions_of<'a>(catalogue: &'a Catalogue, bytes: &[u8]) -> Vec<PartitionOf<'a>> {
    let size = Size::bytes(bytes.len() as u64);
    let layouts = catalogue
        .socs()
        .flat_map(|soc| catalogue.firmwares(&soc.name))
        .flat_map(|firmware| {
            firmware
                .layouts
                .iter()
                .map(move |layout| (firmware, layout))
        });
    let of_size = layouts.flat_map(|(firmware, layout)| {
        let parts = layout.partitions().iter();
        parts.map(move |partition| PartitionOf {
            firmware,
            layout,
            partition,
        })
    });
    let (anything, judged): (Vec<_>, Vec<_>) = of_size
        .filter(|of| of.partition.region.size == size)
        .partition(|of| of.partition.content() == Content::Anything);
    let sound: Vec<_> = judged
        .into_iter()
        .filter(|of| is_sound(of.partition.content(), bytes) && is_its_own(of, bytes))
        .collect();
    match sound.is_empty() {
        true => anything,
        false => sound,
    }
}

fn is_sound(content: Content, bytes: &[u8]) -> bool {
    verdict(content, bytes).is_none()
}

/// Why these bytes are not what has to be in a partition.
pub fn verdict(content: Content, bytes: &[u8]) -> Option<String> {
    let mut checker = Checker::new(content, Size::bytes(bytes.len() as u64));
    checker.take(bytes);
    checker.finish().err().map(|error| error.to_string())
}

/// Boot loaders look alike, but for what they say.
fn is_its_own(of: &PartitionOf<'_>, bytes: &[u8]) -> bool {
    of.partition.content() != Content::Spl || of.firmware.boot_is_its_own(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const CHIP: usize = 16 << 20;

    /// A chip with a text in its boot loader, a kernel at 0x40000, and a squashfs at `rootfs`.
    fn chip(text: &str, rootfs: usize) -> Vec<u8> {
        let mut chip = vec![0xff; CHIP];
        chip[0x100..0x100 + text.len()].copy_from_slice(text.as_bytes());
        chip[0x4_0000..0x4_0004].copy_from_slice(&[0x27, 5, 0x19, 0x56]);
        let superblock = &mut chip[rootfs..rootfs + 96];
        superblock.fill(0);
        superblock[..4].copy_from_slice(b"hsqs");
        superblock[28] = 4;
        superblock[40] = 96;
        chip
    }

    #[rstest]
    #[case::by_its_text("U-Boot SPL 2013.07 demo_wcv3.bin", 0x100_0000 - 96, &["t31/stock"])]
    #[case::by_its_partitions("U-Boot SPL 2013.07", 0x23_0000, &["t31/stock"])]
    #[case::by_those_of_t20("U-Boot SPL 2013.07", 0x24_0000, &["t20/stock"])]
    #[case::by_its_chip("Ingenic U-Boot Flex T20X SPL", 0x23_0000, &["t20/thingino"])]
    #[case::by_nothing("Ingenic U-Boot Flex SPL", 0x23_0000, &["t20/thingino", "t31/thingino"])]
    #[case::unknown("U-Boot", 0x23_0000, &[])]
    fn families_are_told_apart_as_far_as_anything_does(
        #[case] text: &str,
        #[case] rootfs: usize,
        #[case] expected: &[&str],
    ) {
        let catalogue = Catalogue::builtin();
        let found = recognise(&catalogue, &chip(text, rootfs));
        let names = found
            .iter()
            .map(|one| format!("{}/{}", one.soc.name, one.firmware.name));
        assert_eq!(names.collect::<Vec<_>>(), expected);
    }
}
