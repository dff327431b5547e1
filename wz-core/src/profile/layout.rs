//! How a firmware divides the flash chip.

use serde::Deserialize;

use super::detect::{Clue, Evidence, holds_any};
use crate::event::Problem;
use crate::image::check::Content;
use crate::image::empty::EmptyFileSystem;
use crate::units::{Offset, Region, Size};

/// What every firmware calls the partition with its U-Boot environment.
const ENVIRONMENT: &str = "env";

/// One way in which a firmware divides flash. The whole chip is not a partition: it is always there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `factory`, `2024`: unique within its firmware.
    pub name: String,
    /// Any of these selects the layout. Empty if the firmware has no other.
    pub evidence: Vec<Clue>,
    /// Where the firmware takes its Wi-Fi settings from, as far as they can be put there.
    pub wifi: Vec<WifiStore>,
    /// The file names that the U-Boot of this layout boots from a card, where they are not all of
    /// its firmware's.
    pub sd_kernels: Option<Vec<String>>,
    partitions: Vec<Partition>,
    end: Offset,
}

/// A named stretch of flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Stands in the names of images: `stock_t31x_<name>.bin`.
    pub name: String,
    /// Where it is.
    pub region: Region,
    /// What is in it.
    pub format: Format,
    /// Whether it holds files of the owner, which Backup archives as `.tar.gz`.
    pub user_data: bool,
    /// What Switch does with it to make a working camera.
    pub switch: SwitchAction,
    /// What Switch does with it when all partitions are asked for.
    pub switch_all: SwitchAction,
    pub(super) stated_offset: Option<Offset>,
}

/// What a partition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Anything.
    Raw,
    /// A kernel in a legacy uImage.
    Uimage,
    /// A kernel, a root file system and more, one behind the other.
    Bundle,
    /// JFFS2, writable.
    Jffs2,
    /// SquashFS, read-only.
    Squashfs,
    /// FAT.
    Vfat,
}

/// Where a firmware takes its Wi-Fi settings from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WifiStore {
    /// From the U-Boot environment.
    Environment,
    /// From a text file at the top of the card.
    Card,
}

/// What Switch does with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchAction {
    /// Writes its image.
    Write,
    /// Makes it blank.
    Erase,
    /// Makes an empty file system of its format.
    Format,
    /// Keeps what is there.
    Leave,
}

impl Layout {
    pub(super) fn new(source: LayoutSource) -> Self {
        let mut end = Offset::ZERO;
        let mut partitions = Vec::with_capacity(source.partitions.len());
        for source in source.partitions {
            let offset = end + source.gap_before;
            end = offset + source.size;
            partitions.push(Partition::new(source, offset));
        }
        Self {
            name: source.name,
            evidence: source.evidence,
            wifi: source.wifi,
            sd_kernels: source.sd_kernels,
            partitions,
            end: end + source.gap_at_end,
        }
    }

    /// In the order of flash.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The partition of this name.
    pub fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|p| p.name == name)
    }

    /// The partition that the boot ROM starts from: the one at the start of flash.
    pub fn boot(&self) -> Option<&Partition> {
        self.partitions
            .first()
            .filter(|p| p.region.offset == Offset::ZERO)
    }

    /// Where the U-Boot environment is, if the firmware has one.
    pub fn environment(&self) -> Option<Region> {
        self.partition(ENVIRONMENT).map(|env| env.region)
    }

    /// The partitions that Backup archives.
    pub fn user_data(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().filter(|p| p.user_data)
    }

    /// Whether flash shows this layout.
    ///
    /// # Errors
    /// What the evidence could not be read for.
    pub fn shows_in(&self, evidence: &mut dyn Evidence) -> Result<bool, Problem> {
        holds_any(&self.evidence, evidence)
    }

    /// The first offset behind all partitions and declared gaps: the size of the chip.
    pub fn end(&self) -> Offset {
        self.end
    }
}

impl Partition {
    fn new(source: PartitionSource, offset: Offset) -> Self {
        Self {
            name: source.name,
            region: Region::new(offset, source.size),
            format: source.format,
            user_data: source.user_data,
            switch: source.switch,
            switch_all: source.switch_all,
            stated_offset: source.offset,
        }
    }

    /// What an image must be to be written here. FAT partitions are scratch space, which may hold
    /// anything or nothing.
    pub fn content(&self) -> Content {
        if self.region.offset == Offset::ZERO {
            return Content::Spl;
        }
        match self.format {
            Format::Raw | Format::Vfat => Content::Anything,
            Format::Uimage => Content::Uimage,
            Format::Bundle => Content::Bundle,
            Format::Jffs2 => Content::Jffs2,
            Format::Squashfs => Content::Squashfs,
        }
    }
}

impl Format {
    /// Its name, as profiles have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Uimage => "uimage",
            Self::Bundle => "bundle",
            Self::Jffs2 => "jffs2",
            Self::Squashfs => "squashfs",
            Self::Vfat => "vfat",
        }
    }

    /// The name that the kernel mounts it by, if it can be mounted.
    pub const fn file_system(self) -> Option<&'static str> {
        match self {
            Self::Raw | Self::Uimage | Self::Bundle => None,
            Self::Jffs2 => Some("jffs2"),
            Self::Squashfs => Some("squashfs"),
            Self::Vfat => Some("vfat"),
        }
    }

    /// How an empty one looks, if one can be made in place.
    pub const fn empty(self) -> Option<EmptyFileSystem> {
        match self {
            Self::Raw | Self::Uimage | Self::Bundle | Self::Squashfs => None,
            Self::Jffs2 => Some(EmptyFileSystem::Jffs2),
            Self::Vfat => Some(EmptyFileSystem::Vfat),
        }
    }
}

/// A `[[layout]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayoutSource {
    name: String,
    #[serde(default)]
    evidence: Vec<Clue>,
    sd_kernels: Option<Vec<String>>,
    #[serde(default)]
    wifi: Vec<WifiStore>,
    #[serde(default)]
    gap_at_end: Size,
    #[serde(rename = "partition")]
    partitions: Vec<PartitionSource>,
}

/// A `[[layout.partition]]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartitionSource {
    name: String,
    offset: Option<Offset>,
    #[serde(default)]
    gap_before: Size,
    size: Size,
    format: Format,
    #[serde(default)]
    user_data: bool,
    #[serde(default = "write")]
    switch: SwitchAction,
    #[serde(default = "write")]
    switch_all: SwitchAction,
}

const fn write() -> SwitchAction {
    SwitchAction::Write
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Catalogue;
    use proptest::prelude::*;
    use rstest::rstest;

    fn layout(gaps_and_sizes: &[(u64, u64)]) -> Layout {
        let partition = |(number, (gap, size)): (usize, &(u64, u64))| PartitionSource {
            name: format!("p{number}"),
            offset: None,
            gap_before: Size::bytes(*gap),
            size: Size::bytes(*size),
            format: Format::Raw,
            user_data: false,
            switch: SwitchAction::Write,
            switch_all: SwitchAction::Write,
        };
        Layout::new(LayoutSource {
            sd_kernels: None,
            name: "test".to_owned(),
            evidence: Vec::new(),
            wifi: Vec::new(),
            gap_at_end: Size::ZERO,
            partitions: gaps_and_sizes.iter().enumerate().map(partition).collect(),
        })
    }

    #[rstest]
    #[case("t31", "stock", "factory", "boot", Content::Spl)]
    #[case("t31", "stock", "factory", "kernel", Content::Uimage)]
    #[case("t31", "stock", "factory", "app", Content::Squashfs)]
    #[case("t31", "stock", "factory", "kback", Content::Anything)]
    #[case("t31", "stock", "factory", "aback", Content::Anything)]
    #[case("t31", "stock", "factory", "cfg", Content::Jffs2)]
    #[case("t31", "stock", "factory", "para", Content::Anything)]
    #[case("t20", "stock", "factory", "kernel", Content::Uimage)]
    #[case("t20", "stock", "factory", "driver", Content::Squashfs)]
    #[case("t20", "stock", "factory", "appfs", Content::Anything)]
    #[case("t20", "stock", "factory", "backupk", Content::Anything)]
    #[case("t31", "thingino", "2024", "env", Content::Anything)]
    #[case("t31", "thingino", "2024", "ota", Content::Bundle)]
    #[case("t20", "thingino", "2025", "config", Content::Jffs2)]
    #[case("t20", "thingino", "2026-08", "boot", Content::Spl)]
    #[case("t20", "thingino", "2026-08", "ota", Content::Bundle)]
    fn a_partition_takes_what_its_firmware_needs_there(
        #[case] soc: &str,
        #[case] firmware: &str,
        #[case] layout: &str,
        #[case] partition: &str,
        #[case] content: Content,
    ) {
        let catalogue = Catalogue::builtin();
        let firmware = catalogue.firmware(soc, firmware).unwrap();
        let layout = firmware.layout(layout).unwrap();

        assert_eq!(layout.partition(partition).unwrap().content(), content);
    }

    proptest! {
        #[test]
        fn offsets_are_the_sum_of_what_stands_before(
            parts in prop::collection::vec((0u64..1 << 30, 0u64..1 << 30), 0..20)
        ) {
            let layout = layout(&parts);
            let mut end = 0;
            for (partition, (gap, size)) in layout.partitions().iter().zip(&parts) {
                prop_assert_eq!(partition.region.offset, Offset::bytes(end + gap));
                end += gap + size;
                prop_assert_eq!(partition.region.end(), Offset::bytes(end));
            }
            prop_assert_eq!(layout.end(), Offset::bytes(end));
        }

        #[test]
        fn no_sizes_make_partitions_wrap_around(
            parts in prop::collection::vec((any::<u64>(), any::<u64>()), 0..20)
        ) {
            let layout = layout(&parts);
            let offsets: Vec<Offset> = layout.partitions().iter().map(|p| p.region.offset).collect();
            prop_assert!(offsets.is_sorted());
            prop_assert!(layout.partitions().iter().all(|p| p.region.end() <= layout.end()));
        }
    }
}
