//! What flash has to hold after a Restore or a Switch, worked out from the profile alone.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use wz_core::profile::{Format, Layout, Partition, SwitchAction};
use wz_core::units::Region;

use crate::error::{Doing, Error, Result};
use crate::tool;
use crate::work::ERASE_BLOCK;

/// The mark of an erased block: magic, `CLEANMARKER`, its length 12, the CRC of these (kernel,
/// `include/uapi/linux/jffs2.h`).
const JFFS2_CLEAN_MARKER: [u8; 12] = *b"\x85\x19\x03\x20\x0c\0\0\0\xb1\xb0\x1e\xe4";

/// Images by the name of their partition.
pub type Images<'a> = BTreeMap<&'a str, &'a [u8]>;

/// Which partitions of the new firmware a Switch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those that a working camera needs.
    Base,
    /// All of them.
    All,
}

/// What flash has to hold. The bytes of an empty FAT are up to whoever makes it.
#[derive(Clone, Debug)]
pub struct Expected {
    flash: Vec<u8>,
    layout: Layout,
    empty_vfats: Vec<Region>,
}

impl Scope {
    /// What a Switch does with this partition.
    pub fn action(self, partition: &Partition) -> SwitchAction {
        match self {
            Self::Base => partition.switch,
            Self::All => partition.switch_all,
        }
    }

    /// The partitions whose images a Switch needs.
    pub fn needed(self, layout: &Layout) -> Vec<&str> {
        let partitions = layout.partitions().iter();
        partitions
            .filter(|partition| self.action(partition) == SwitchAction::Write)
            .map(|partition| partition.name.as_str())
            .collect()
    }

    /// The value of `switch_firmware_with_all_partitions`.
    pub fn as_option(self) -> &'static str {
        match self {
            Self::Base => "no",
            Self::All => "yes",
        }
    }
}

impl Expected {
    /// After a Restore of `images` over `flash`.
    ///
    /// # Errors
    /// An image is of no partition, or does not fit into it.
    pub fn of_restore(flash: &[u8], layout: &Layout, images: &Images<'_>) -> Result<Self> {
        let unknown = |name: &&&str| layout.partition(name).is_none();
        if let Some(name) = images.keys().find(unknown) {
            return Err(no_image_for(name, "there is no such partition"));
        }
        let mut this = Self::unchanged(flash, layout);
        for partition in layout.partitions() {
            if let Some(image) = images.get(partition.name.as_str()) {
                this.write(partition, image)?;
            }
        }
        Ok(this)
    }

    /// After a Switch from what `flash` holds to a firmware with this layout.
    ///
    /// # Errors
    /// An image is missing or does not fit.
    pub fn of_switch(
        flash: &[u8],
        layout: &Layout,
        scope: Scope,
        images: &Images<'_>,
    ) -> Result<Self> {
        let mut this = Self::unchanged(flash, layout);
        for partition in layout.partitions() {
            match scope.action(partition) {
                SwitchAction::Write => {
                    let name = partition.name.as_str();
                    let image = images.get(name);
                    let image = image.ok_or_else(|| no_image_for(name, "it is needed"))?;
                    this.write(partition, image)?;
                }
                SwitchAction::Erase => this.region(partition.region).fill(0xff),
                SwitchAction::Format => this.format(partition)?,
                SwitchAction::Leave => {}
            }
        }
        Ok(this)
    }

    /// The bytes; of an empty FAT, those that were there before.
    pub fn flash(&self) -> &[u8] {
        &self.flash
    }

    /// What is wrong with `found`, a line for each partition; nothing if it is as expected.
    ///
    /// # Errors
    /// A tool that judges file systems does not work.
    pub fn faults(&self, found: &[u8]) -> Result<Vec<String>> {
        if found.len() != self.flash.len() {
            return Ok(vec![format!("{} bytes of flash", found.len())]);
        }
        let mut faults = Vec::new();
        let mut expected = self.flash.clone();
        for region in &self.empty_vfats {
            let found = &found[range(*region)];
            let fault = empty_vfat_fault(found)?;
            faults.extend(
                fault.map(|fault| format!("{}: {fault}", self.name_at(region.offset.as_usize()))),
            );
            expected[range(*region)].copy_from_slice(found);
        }
        faults.extend(self.differences(&expected, found));
        Ok(faults)
    }

    fn unchanged(flash: &[u8], layout: &Layout) -> Self {
        Self {
            flash: flash.to_vec(),
            layout: layout.clone(),
            empty_vfats: Vec::new(),
        }
    }

    /// What is behind the image's end is blank.
    fn write(&mut self, partition: &Partition, image: &[u8]) -> Result<()> {
        let region = self.region(partition.region);
        if image.len() > region.len() {
            return Err(no_image_for(&partition.name, "it is too long"));
        }
        region.fill(0xff);
        region[..image.len()].copy_from_slice(image);
        Ok(())
    }

    fn format(&mut self, partition: &Partition) -> Result<()> {
        match partition.format {
            Format::Jffs2 => {
                let region = self.region(partition.region);
                region.fill(0xff);
                for block in region.chunks_mut(ERASE_BLOCK.as_usize()) {
                    block[..JFFS2_CLEAN_MARKER.len()].copy_from_slice(&JFFS2_CLEAN_MARKER);
                }
            }
            Format::Vfat => self.empty_vfats.push(partition.region),
            _ => {
                let why = format!("{}: nothing empty can be made of it", partition.name);
                return Err(Error::Fixture(why));
            }
        }
        Ok(())
    }

    fn region(&mut self, region: Region) -> &mut [u8] {
        &mut self.flash[range(region)]
    }

    fn differences(&self, expected: &[u8], found: &[u8]) -> Vec<String> {
        let block = ERASE_BLOCK.as_usize();
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        let blocks = expected.chunks(block).zip(found.chunks(block)).enumerate();
        for (number, (expected, found)) in blocks.filter(|(_, (a, b))| a != b) {
            let first = expected.iter().zip(found).position(|(a, b)| a != b);
            let at = number * block + first.unwrap_or_default();
            by_name.entry(self.name_at(at)).or_default().push(at);
        }
        let fault = |(name, places): (String, Vec<usize>)| {
            let (at, blocks) = (places.first().copied().unwrap_or_default(), places.len());
            format!("{name}: {blocks} blocks differ, the first byte at {at:#x}")
        };
        by_name.into_iter().map(fault).collect()
    }

    fn name_at(&self, at: usize) -> String {
        let mut partitions = self.layout.partitions().iter();
        partitions
            .find(|partition| range(partition.region).contains(&at))
            .map_or_else(|| "outside of partitions".to_owned(), |p| p.name.clone())
    }
}

/// The slices of a firmware image that belong to the partitions of `layout`; one behind its end is
/// empty.
pub fn slices<'a>(image: &'a [u8], layout: &'a Layout) -> Images<'a> {
    let slice = |partition: &'a Partition| {
        let range = range(partition.region);
        let (start, end) = (range.start.min(image.len()), range.end.min(image.len()));
        (partition.name.as_str(), &image[start..end])
    };
    layout.partitions().iter().map(slice).collect()
}

/// Why this is not an empty FAT volume whose clusters are blank.
fn empty_vfat_fault(volume: &[u8]) -> Result<Option<String>> {
    if volume.get(510..512) != Some(&[0x55, 0xaa]) {
        return Ok(Some("no FAT boot sector".to_owned()));
    }
    let writing = || "write a volume to look at".to_owned();
    let dir = tempfile::tempdir().doing(writing)?;
    let file = dir.path().join("volume");
    fs::write(&file, volume).doing(writing)?;
    if let Some(finding) = tool::findings("fsck.fat", [Path::new("-n"), &file])?.first() {
        return Ok(Some(format!("fsck.fat: {finding}")));
    }
    let file = file.display().to_string();
    let files = tool::run("mdir", ["-i", &file, "-b", "-a", "::/"])?;
    if !files.trim().is_empty() {
        return Ok(Some(format!("not empty: {}", files.trim())));
    }
    let clusters = volume.get(clusters_at(volume)..).unwrap_or_default();
    let is_blank = !clusters.is_empty() && clusters.iter().all(|byte| *byte == 0xff);
    Ok((!is_blank).then(|| "its free clusters are not blank".to_owned()))
}

/// Where the clusters start, by the boot sector (Microsoft's FAT specification, 3.5).
fn clusters_at(volume: &[u8]) -> usize {
    let le16 = |at: usize| usize::from(u16::from_le_bytes([volume[at], volume[at + 1]]));
    let (sector, reserved, root_entries, fat) = (le16(11), le16(14), le16(17), le16(22));
    let fats = usize::from(volume[16]);
    (reserved + fats * fat) * sector + (root_entries * 32).next_multiple_of(sector.max(1))
}

fn no_image_for(name: &str, why: &str) -> Error {
    Error::Fixture(format!("image of {name}: {why}"))
}

fn range(region: Region) -> Range<usize> {
    region.offset.as_usize()..region.end().as_usize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filesystem;
    use crate::filler;
    use crate::firmware::Firmware;
    use crate::tree::Tree;
    use rstest::rstest;
    use wz_core::units::Size;

    fn stock() -> Firmware {
        Firmware::of("t31", "stock").unwrap()
    }

    fn part<'a>(expected: &'a Expected, name: &str) -> &'a [u8] {
        &expected.flash[range(expected.layout.partition(name).unwrap().region)]
    }

    #[test]
    fn a_restore_writes_its_images_and_blanks_behind_them() {
        let (stock, old) = (stock(), filler::bytes(9, 16 << 20));
        let images = Images::from([("cfg", &b"short"[..])]);

        let expected = Expected::of_restore(&old, stock.layout(), &images).unwrap();

        let cfg = part(&expected, "cfg");
        assert!(cfg.starts_with(b"short") && cfg[5..].iter().all(|byte| *byte == 0xff));
        assert!(expected.flash[..0xf9_0000] == old[..0xf9_0000]);
        assert!(expected.flash[0xff_0000..] == old[0xff_0000..]);
    }

    #[rstest]
    #[case::too_long("para", vec![0; (64 << 10) + 1])]
    #[case::unknown("nowhere", vec![])]
    fn an_image_that_fits_nowhere_is_a_mistake_of_the_test(
        #[case] name: &str,
        #[case] image: Vec<u8>,
    ) {
        let stock = stock();
        let images = Images::from([(name, image.as_slice())]);

        assert!(Expected::of_restore(stock.image(), stock.layout(), &images).is_err());
    }

    #[test]
    fn a_switch_to_stock_writes_formats_leaves_and_erases_as_the_profile_says() {
        let (stock, old) = (stock(), filler::bytes(9, 16 << 20));
        let images = slices(stock.image(), stock.layout());

        let expected = Expected::of_switch(&old, stock.layout(), Scope::Base, &images).unwrap();

        for name in ["boot", "kernel", "rootfs", "app", "cfg"] {
            assert!(
                part(&expected, name) == stock.partition(name).unwrap(),
                "{name}"
            );
        }
        let aback = range(stock.layout().partition("aback").unwrap().region);
        assert!(part(&expected, "aback") == &old[aback]);
        assert!(part(&expected, "para").iter().all(|byte| *byte == 0xff));
        assert_eq!(expected.empty_vfats.len(), 1);
    }

    #[test]
    fn a_switch_with_all_partitions_gives_the_whole_firmware() {
        let (stock, old) = (stock(), filler::bytes(9, 16 << 20));
        let images = slices(stock.image(), stock.layout());

        let expected = Expected::of_switch(&old, stock.layout(), Scope::All, &images).unwrap();

        assert_eq!(expected.faults(stock.image()).unwrap(), [""; 0]);
    }

    #[test]
    fn an_empty_jffs2_has_a_mark_in_every_block() {
        let t20 = Firmware::of("t20", "stock").unwrap();
        let images = slices(t20.image(), t20.layout());

        let expected = Expected::of_switch(t20.image(), t20.layout(), Scope::Base, &images);

        let expected = expected.unwrap();
        let blocks = part(&expected, "backupa").chunks(32 << 10);
        assert_eq!(blocks.len(), 64);
        for block in blocks {
            assert_eq!(block[..12], JFFS2_CLEAN_MARKER);
            assert!(block[12..].iter().all(|byte| *byte == 0xff));
        }
    }

    #[test]
    fn the_clean_marker_is_what_the_tools_write() {
        let image = filesystem::jffs2(&Tree::default().file("a", "b"), Size::kib(256)).unwrap();

        assert_eq!(image[32 << 10..][..12], JFFS2_CLEAN_MARKER);
    }

    #[test]
    fn a_needed_image_that_is_missing_is_a_mistake_of_the_test() {
        let stock = stock();
        let needed = Scope::Base.needed(stock.layout());

        assert_eq!(needed, ["boot", "kernel", "rootfs", "app", "cfg"]);
        let flash = stock.image();
        let expected = Expected::of_switch(flash, stock.layout(), Scope::Base, &Images::new());
        assert!(expected.is_err());
    }

    #[test]
    fn what_is_behind_the_end_of_a_firmware_image_is_blank() {
        let stock = stock();
        let image = &stock.image()[..0xfa_0000];
        let images = slices(image, stock.layout());

        let expected = Expected::of_switch(stock.image(), stock.layout(), Scope::All, &images);

        let expected = expected.unwrap();
        assert!(expected.flash.starts_with(image));
        assert!(
            expected.flash[image.len()..]
                .iter()
                .all(|byte| *byte == 0xff)
        );
    }

    #[test]
    fn every_wrong_partition_is_told_with_the_first_place() {
        let stock = stock();
        let expected = Expected::of_restore(stock.image(), stock.layout(), &Images::new()).unwrap();
        let mut found = stock.image().to_vec();
        found[0x4_0010] ^= 1;
        found[0x5_0000] ^= 1;
        found[0xff_ffff] ^= 1;

        assert_eq!(
            expected.faults(&found).unwrap(),
            [
                "kernel: 2 blocks differ, the first byte at 0x40010",
                "para: 1 blocks differ, the first byte at 0xffffff"
            ]
        );
    }

    /// A FAT volume as it has to be made in flash: clusters without files are blank.
    fn vfat(tree: &Tree) -> Vec<u8> {
        let mut volume = filesystem::vfat(tree, Size::kib(1984)).unwrap();
        let clusters = clusters_at(&volume);
        for cluster in volume[clusters..].chunks_mut(512) {
            if cluster.iter().all(|byte| *byte == 0) {
                cluster.fill(0xff);
            }
        }
        volume
    }

    #[test]
    fn an_empty_vfat_with_blank_clusters_is_right() {
        assert_eq!(empty_vfat_fault(&vfat(&Tree::default())).unwrap(), None);
    }

    #[rstest]
    #[case::files(vfat(&Tree::default().file("a", "b")), "not empty")]
    #[case::clusters_with_zeros(
        filesystem::vfat(&Tree::default(), Size::kib(1984)).unwrap(),
        "not blank"
    )]
    #[case::damaged({
        let mut volume = vfat(&Tree::default());
        volume[512 + 100] = 0x77;
        volume
    }, "fsck.fat")]
    #[case::blank(vec![0xff; 1984 << 10], "no FAT boot sector")]
    fn anything_else_is_not(#[case] volume: Vec<u8>, #[case] fault: &str) {
        let found = empty_vfat_fault(&volume).unwrap().unwrap();

        assert!(found.contains(fault), "{found}");
    }
}
