//! A chip in pieces: one for each partition, and one for each gap that the layout leaves.
//!
//! ```text
//! | boot | kernel | ... |  gap  | data |      stock_t31x_boot.bin, stock_t31x_kernel.bin, ...
//! ```

use wz_core::profile::{Catalogue, Firmware, Layout, Soc};
use wz_core::units::{Offset, Region, Size};

/// The image of the whole chip.
pub const WHOLE: &str = "all";

/// A stretch of flash that gets a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The partition; `gap_0x50000` for what is none.
    pub name: String,
    /// Where it is.
    pub region: Region,
}

/// The pieces of a layout, in the order of flash: together, the whole chip.
pub fn pieces(layout: &Layout) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut end = Offset::ZERO;
    for partition in layout.partitions() {
        pieces.extend(gap(end, partition.region.offset));
        pieces.push(Piece {
            name: partition.name.clone(),
            region: partition.region,
        });
        end = partition.region.end();
    }
    pieces.extend(gap(end, layout.end()));
    pieces
}

fn gap(start: Offset, end: Offset) -> Option<Piece> {
    (start < end).then(|| Piece {
        name: format!("gap_{start}"),
        region: Region::new(start, end - start),
    })
}

/// The name of an image, as the camera has it.
pub fn image_name(firmware: &str, group: &str, piece: &str) -> String {
    format!("{firmware}_{group}_{piece}.bin")
}

/// How a set of images may be named and divided.
#[derive(Clone, Copy, Debug)]
pub struct Naming<'a> {
    /// The SoC family.
    pub soc: &'a Soc,
    /// The firmware.
    pub firmware: &'a Firmware,
    /// The layout.
    pub layout: &'a Layout,
    /// The group of chips.
    pub group: &'a str,
}

impl Naming<'_> {
    /// The name of the image of a piece.
    pub fn image(&self, piece: &str) -> String {
        image_name(&self.firmware.name, self.group, piece)
    }
}

/// Every way in which images may be named and divided, in the order of the catalogue.
pub fn namings(catalogue: &Catalogue) -> Vec<Naming<'_>> {
    let mut namings = Vec::new();
    for soc in catalogue.socs() {
        let mut groups: Vec<&str> = soc.chips.iter().map(|chip| chip.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        for firmware in catalogue.firmwares(&soc.name) {
            for layout in &firmware.layouts {
                namings.extend(groups.iter().map(|group| Naming {
                    soc,
                    firmware,
                    layout,
                    group,
                }));
            }
        }
    }
    namings
}

/// The naming that these images, by name and size, follow best: the one with most images of the right
/// size, then with most of the right name. None, if not one image is named so.
pub fn naming_of<'a>(namings: &[Naming<'a>], images: &[(String, Size)]) -> Option<Naming<'a>> {
    let score = |naming: &Naming<'a>| {
        let (mut named, mut sized, mut missing) = (0u32, 0u32, 0u32);
        for piece in pieces(naming.layout) {
            let name = naming.image(&piece.name);
            match images.iter().find(|(image, _)| *image == name) {
                None => missing += 1,
                Some((_, size)) => {
                    named += 1;
                    sized += u32::from(*size == piece.region.size);
                }
            }
        }
        (sized, named, std::cmp::Reverse(missing))
    };
    let scored = namings.iter().map(|naming| (score(naming), naming));
    let named = scored.filter(|((_, named, _), _)| *named > 0);
    // Of equal ones, the first.
    let best = named.rev().max_by_key(|(score, _)| *score);
    best.map(|(_, naming)| *naming)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use wz_core::profile::ProfileFile;

    fn images(firmware: &str, group: &str, parts: &[(&str, u64)]) -> Vec<(String, Size)> {
        let image =
            |(part, kib): &(&str, u64)| (image_name(firmware, group, part), Size::kib(*kib));
        parts.iter().map(image).collect()
    }

    #[rstest]
    #[case::by_size("thingino", "t31x", &[("boot", 256), ("env", 64), ("ota", 16064)], Some(("t31", "2024")))]
    #[case::another_size("thingino", "t31x", &[("boot", 320), ("env", 64), ("ota", 16000)], Some(("t31", "2026-06")))]
    #[case::by_group("thingino", "t20x", &[("boot", 256), ("env", 64), ("ota", 16064)], Some(("t20", "2024")))]
    #[case::not_all("stock", "t31x", &[("boot", 256), ("kernel", 1)], Some(("t31", "factory")))]
    #[case::most_are_right("thingino", "t31x", &[("boot", 320), ("env", 64), ("backup", 64), ("ota", 9)], Some(("t31", "2026-08")))]
    #[case::none("stock", "t99", &[("boot", 256)], None)]
    #[case::nothing("stock", "t31x", &[("all", 16384)], None)]
    fn names_and_sizes_tell_how_images_are_divided(
        #[case] firmware: &str,
        #[case] group: &str,
        #[case] parts: &[(&str, u64)],
        #[case] expected: Option<(&str, &str)>,
    ) {
        let catalogue = Catalogue::builtin();
        let naming = naming_of(&namings(&catalogue), &images(firmware, group, parts));
        let found = naming.map(|n| (n.soc.name.as_str(), n.layout.name.as_str()));
        assert_eq!(found, expected);
    }

    #[test]
    fn what_no_partition_has_is_a_piece_too() {
        let text = r#"
            [firmware]
            name = "odd"
            sd_kernels = ["odd_kernel"]
            [[detect.firmware]]
            boot_contains = ["odd boot loader"]
            [[layout]]
            name = "gaps"
            gap_at_end = "64K"
            [[layout.partition]]
            name = "boot"
            size = "256K"
            format = "raw"
            [[layout.partition]]
            name = "rest"
            gap_before = "128K"
            size = "15936K"
            format = "raw"
        "#;
        let files = [ProfileFile::new("t31/odd.toml", text)];
        let catalogue = Catalogue::builtin().with_card_profiles(&files).unwrap();
        let layout = &catalogue.firmware("t31", "odd").unwrap().layouts[0];
        let names: Vec<_> = pieces(layout).into_iter().map(|piece| piece.name).collect();
        assert_eq!(names, ["boot", "gap_0x40000", "rest", "gap_0xff0000"]);
    }

    /// So that, whatever a chip holds, its pieces one behind the other are all of it.
    #[test]
    fn the_pieces_of_every_layout_cover_the_chip_without_gap_or_overlap() {
        let catalogue = Catalogue::builtin();
        for naming in namings(&catalogue) {
            let mut end = Offset::ZERO;
            for piece in pieces(naming.layout) {
                assert_eq!(piece.region.offset, end, "{}", naming.image(&piece.name));
                end = piece.region.end();
            }
            assert_eq!(end - Offset::ZERO, naming.soc.flash.size);
        }
    }
}
