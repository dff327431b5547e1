//! What is in the partitions of a synthetic firmware.

use wz_core::profile::{EnvironmentClue, FileRule, Format, Layout, Partition, VariableRule};
use wz_core::units::{Offset, Size};

use crate::bootloader::{Bootloader, Rootfs};
use crate::error::{Error, Result};
use crate::filesystem;
use crate::filler;
use crate::firmware::Recipe;
use crate::tree::Tree;
use crate::uimage;

/// The Wi-Fi name in every synthetic firmware: it must never show up in a log.
pub const WIFI_NAME: &str = "Testbed  Net*";
/// The Wi-Fi password in every synthetic firmware: it must never show up in a log.
pub const WIFI_PASSWORD: &str = "Testbed$ecret";

/// The most that these U-Boots load from a card: T20's reads 0x990040 bytes behind the header, and
/// thingino's sdstart takes 10 MB.
const SD_KERNEL_LIMIT: Size = Size::bytes(10_027_072);

/// Room for the root file system where there is one partition for everything: a third of it is files,
/// which take half of that. A real one is 4 to 8 MB long.
const BUNDLED_SYSTEM: Size = Size::mib(24);

/// The blocks to which thingino's build aligns what follows the kernel.
const ALIGNMENT: usize = 64 * 1024;

/// Makes the partitions of one recipe.
pub(crate) struct Contents<'a> {
    recipe: &'a Recipe,
    kernel: &'a Partition,
}

impl<'a> Contents<'a> {
    /// # Errors
    /// The layout has no partition where the kernel could be.
    pub(crate) fn of(recipe: &'a Recipe) -> Result<Self> {
        let layout = &recipe.layout;
        let kernel = layout
            .partition("kernel")
            .or_else(|| layout.partition("ota"));
        let missing = || {
            Error::Fixture(format!(
                "{}, layout {}: neither \"kernel\" nor \"ota\" is there to hold a kernel",
                recipe.profile.file(),
                layout.name
            ))
        };
        let kernel = kernel.ok_or_else(missing)?;
        Ok(Self { recipe, kernel })
    }

    /// What is in a partition; what is missing behind it is blank.
    pub(crate) fn of_partition(&self, partition: &Partition) -> Result<Vec<u8>> {
        let size = partition.region.size;
        if partition.region.offset == Offset::ZERO {
            return Ok(self.boot(size));
        }
        if partition == self.kernel {
            return self.kernel();
        }
        if let Some(size) = self.environment_size(partition) {
            return Ok(self.environment(size));
        }
        match (partition.format, self.files(partition)) {
            (Format::Squashfs, Some(files)) => filesystem::squashfs(&files),
            (Format::Jffs2, Some(files)) => filesystem::jffs2(&files, size),
            (Format::Vfat, Some(files)) => filesystem::vfat(&files, size),
            _ => Ok(filler::bytes(self.seed(partition), size.as_usize() / 2)),
        }
    }

    /// The files in a partition that has a file system.
    pub(crate) fn files(&self, partition: &Partition) -> Option<Tree> {
        let (seed, size) = (self.seed(partition), partition.region.size);
        match partition.format {
            Format::Raw | Format::Uimage | Format::Bundle => None,
            Format::Squashfs => Some(self.system_files(seed, size)),
            Format::Jffs2 | Format::Vfat if !partition.user_data => {
                Some(Tree::default().file("data.bin", filler::bytes(seed, size.as_usize() / 4)))
            }
            Format::Jffs2 | Format::Vfat => Some(self.user_files(partition)),
        }
    }

    fn boot(&self, size: Size) -> Vec<u8> {
        let uboot = Bootloader {
            firmware: self.recipe.profile.name.clone(),
            size,
            sd_kernels: self.recipe.sd_kernels.clone(),
            sd_kernel_limit: SD_KERNEL_LIMIT,
            kernel: self.kernel.region.offset,
            rootfs: self.rootfs(),
        };
        uboot.to_bytes(&self.recipe.boot_strings, self.recipe.seed)
    }

    fn rootfs(&self) -> Rootfs {
        let mut partitions = self.recipe.layout.partitions().iter();
        let rootfs = partitions.find(|p| p.format == Format::Squashfs);
        rootfs.map_or(Rootfs::BehindKernel, |p| Rootfs::At(p.region.offset))
    }

    /// The kernel; where there is one partition for everything, the rest of it, too.
    fn kernel(&self) -> Result<Vec<u8>> {
        let seed = self.seed(self.kernel);
        let room = self.kernel.region.size.as_usize();
        let data = filler::bytes(seed, (room / 4 * 3).min(1_400_000));
        let mut bytes = uimage::build("Linux-3.10.14", 0x8001_0000, 0x8040_0000, &data);
        if self.rootfs() == Rootfs::BehindKernel {
            pad(&mut bytes);
            let system = self.system_files(seed, BUNDLED_SYSTEM);
            bytes.extend(filesystem::squashfs(&system)?);
            pad(&mut bytes);
            let data = Tree::default().file("overlay.bin", filler::bytes(seed, 100_000));
            let rest = Size::bytes((room - bytes.len()) as u64);
            bytes.extend(filesystem::jffs2(&data, rest)?);
        }
        Ok(bytes)
    }

    /// Nothing in here may be so random that squashfs stores it as it is, without a checksum: damage
    /// anywhere has to be found.
    fn system_files(&self, seed: u64, size: Size) -> Tree {
        let release = format!(
            "NAME=Testbed\nIMAGE_ID=wyze_testbed_{}_sensor_wifi\n",
            self.recipe.chip
        );
        let words: String = (0..20_000).map(|n| format!("{seed:x} {n}\n")).collect();
        Tree::default()
            .file("usr/lib/os-release", release)
            .link("etc/os-release", "../usr/lib/os-release")
            .file("usr/share/words", words)
            .program("bin/app", filler::digits(seed, size.as_usize() / 3))
            .folder("dev")
            .folder("proc")
    }

    /// What an archive has to bring back: odd names, a program, links, an empty file and folder.
    fn user_files(&self, partition: &Partition) -> Tree {
        let wifi = format!("network={{\n  ssid=\"{WIFI_NAME}\"\n  psk=\"{WIFI_PASSWORD}\"\n}}\n");
        let seed = self.seed(partition);
        let tree = Tree::default()
            .file("wpa_supplicant.conf", wifi)
            .file("a name with  blanks & 'quotes'", "odd\n")
            .file("zażółć.txt", "not ASCII\n")
            .file("-rf", "looks like an option\n")
            .file("deep/er/and/deeper/file", format!("{seed:x}\n"))
            .file("empty", "")
            .file("blob.bin", filler::bytes(seed, 20_000))
            .program("bin/boot.sh", "#!/bin/sh\necho booted\n")
            .link("latest", "deep/er/and/deeper/file")
            .link("dangling", "/nowhere/at all")
            .folder("empty folder");
        match self.model_file(partition) {
            None => tree,
            Some(rule) => {
                let model = match rule.contains.contains('=') {
                    true => rule.contains.clone(),
                    false => format!("PRODUCT_MODEL={}", rule.contains),
                };
                tree.file(
                    &rule.path,
                    format!("CONFIG_INFO=20\n{model}\nDEVICE_TYPE=Camera\n"),
                )
            }
        }
    }

    fn model_file(&self, partition: &Partition) -> Option<&FileRule> {
        let rule = self.recipe.model.as_ref()?.file.as_ref()?;
        (rule.partition == partition.name).then_some(rule)
    }

    /// How long the environment at the start of a partition is, if there is one.
    fn environment_size(&self, partition: &Partition) -> Option<Size> {
        let clue = environment_clue(&self.recipe.layout)
            .filter(|clue| clue.offset == partition.region.offset);
        match clue {
            Some(clue) => Some(clue.size),
            None => (partition.name == "env").then_some(partition.region.size),
        }
    }

    /// ```text
    /// CRC-32 of the rest, little-endian | name=value NUL name=value NUL NUL | zeros
    /// ```
    fn environment(&self, size: Size) -> Vec<u8> {
        let mut variables = vec![
            "bootcmd=sdstart;sf probe;bootm".to_owned(),
            format!("build={}", self.recipe.seed),
            format!("wlan_ssid={WIFI_NAME}"),
            format!("wlan_pass={WIFI_PASSWORD}"),
        ];
        let clue = environment_clue(&self.recipe.layout);
        if let Some(mtdparts) = clue.and_then(|clue| clue.mtdparts.as_ref()) {
            variables.push(format!("mtdparts={mtdparts}"));
        }
        if let Some(rule) = self.model_variable() {
            let model = self
                .recipe
                .model
                .as_ref()
                .and_then(|model| model.code.as_deref());
            let value = rule.equals.as_deref().or(model).unwrap_or("v3");
            variables.push(format!("{}={value}", rule.name));
        }
        let mut data: Vec<u8> = variables.join("\0").into_bytes();
        data.resize(size.as_usize() - 4, 0);
        [crc32fast::hash(&data).to_le_bytes().to_vec(), data].concat()
    }

    fn model_variable(&self) -> Option<&VariableRule> {
        self.recipe.model.as_ref()?.variable.as_ref()
    }

    /// Differs for every partition, and for every build.
    fn seed(&self, partition: &Partition) -> u64 {
        self.recipe.seed << 32 | partition.region.offset.get()
    }
}

fn environment_clue(layout: &Layout) -> Option<&EnvironmentClue> {
    layout
        .evidence
        .iter()
        .find_map(|clue| clue.environment.as_ref())
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0xff);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firmware::Firmware;
    use crate::tool;
    use crate::uboot::{Booted, power_on};
    use wz_core::image::check::Checker;

    fn every_firmware() -> Vec<Firmware> {
        Recipe::all()
            .unwrap()
            .into_iter()
            .map(|r| r.build().unwrap())
            .collect()
    }

    #[test]
    fn every_firmware_boots_and_is_whole() {
        for firmware in every_firmware() {
            let decision = power_on(firmware.image(), None).unwrap();

            assert_eq!(decision.booted, Booted::whole_firmware(firmware.name()));
        }
    }

    #[test]
    fn every_firmware_fills_its_chip_and_holds_its_evidence() {
        for firmware in every_firmware() {
            let strings = firmware.partition("boot").unwrap();
            let clues = &firmware.profile().clues;
            let wanted = clues
                .iter()
                .find_map(|clue| clue.boot_contains.first())
                .unwrap();

            assert_eq!(firmware.image().len(), 16 << 20);
            assert!(
                strings
                    .windows(wanted.len())
                    .any(|w| w == wanted.as_bytes())
            );
        }
    }

    #[test]
    fn file_systems_are_where_the_layout_has_them() {
        for firmware in every_firmware() {
            for partition in firmware.layout().partitions() {
                let bytes = firmware.partition(&partition.name).unwrap();
                match partition.format {
                    Format::Squashfs => assert_eq!(bytes[..4], *b"hsqs"),
                    Format::Jffs2 => assert_eq!(bytes[..2], [0x85, 0x19]),
                    Format::Vfat => assert_eq!(bytes[510..512], [0x55, 0xaa]),
                    Format::Uimage | Format::Bundle => {
                        assert_eq!(bytes[..4], [0x27, 0x05, 0x19, 0x56]);
                    }
                    Format::Raw => {}
                }
            }
        }
    }

    #[test]
    fn every_partition_holds_what_its_profile_asks_for() {
        for firmware in every_firmware() {
            for partition in firmware.layout().partitions() {
                let bytes = firmware.partition(&partition.name).unwrap();
                let mut checker = Checker::new(partition.content(), partition.region.size);
                bytes
                    .chunks(32 * 1024)
                    .for_each(|block| checker.take(block));
                assert_eq!(checker.finish(), Ok(()), "{}", partition.name);
            }
        }
    }

    #[test]
    fn two_builds_differ_in_every_partition() {
        let one = Firmware::of("t31", "stock").unwrap();
        let other = Recipe::of("t31", "stock").unwrap().seed(2).build().unwrap();

        for partition in one.layout().partitions() {
            let name = &partition.name;
            assert!(
                one.partition(name).unwrap() != other.partition(name).unwrap(),
                "{name}"
            );
        }
    }

    #[test]
    fn the_same_recipe_makes_the_same_firmware() {
        let recipe = Recipe::of("t31", "thingino").unwrap();

        assert!(recipe.make().unwrap() == recipe.make().unwrap());
    }

    #[test]
    fn the_product_config_names_the_model() {
        let recipe = Recipe::of("t31", "stock")
            .unwrap()
            .model(Some("pan_v2"))
            .unwrap();
        let firmware = recipe.build().unwrap();
        let dir = tempfile::tempdir().unwrap();

        firmware.files("cfg").unwrap().write_to(dir.path()).unwrap();
        let said = tool::run_in(dir.path(), "cat", [".product_config"]).unwrap();

        assert!(said.contains("\nPRODUCT_MODEL=HL_PAN2\n"), "{said}");
    }
}
