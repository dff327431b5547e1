//! Plays boot ROM and U-Boot: looks at flash and card, and decides what the camera boots.

use std::fmt;
use std::path::Path;

use wz_core::units::Size;

use crate::bootloader::{Bootloader, Dead, Rootfs};
use crate::card;
use crate::error::{Doing, Result};
use crate::tool;
use crate::uimage::{self, Refusal};

/// What a camera boots when it is switched on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Booted {
    /// The kernel under this name on the SD card.
    SdKernel {
        /// The name, as U-Boot looks for it.
        name: String,
    },
    /// The firmware in flash.
    Firmware {
        /// Its profile's name.
        name: String,
        /// What is broken in it: the kernel, the root file system. Nothing, if it works.
        damage: Vec<String>,
    },
    /// Nothing.
    Nothing {
        /// What the camera does instead.
        why: Dead,
    },
}

impl Booted {
    /// The firmware `name`, whole.
    pub fn whole_firmware(name: &str) -> Self {
        Self::Firmware {
            name: name.to_owned(),
            damage: Vec::new(),
        }
    }

    /// The kernel `name` on the SD card.
    pub fn sd_kernel(name: &str) -> Self {
        Self::SdKernel {
            name: name.to_owned(),
        }
    }
}

/// A decision of the boot loader.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) booted: Booted,
    /// What U-Boot shows on the serial console on the way.
    pub(crate) said: Vec<String>,
    /// The SD kernel as an ELF file for QEMU, if that is what is booted.
    pub(crate) kernel: Option<Vec<u8>>,
}

/// Switches a camera with this flash content on. `card` is the image of the card in its slot.
pub(crate) fn power_on(flash: &[u8], card: Option<&Path>) -> Result<Decision> {
    let uboot = match Bootloader::in_flash(flash) {
        Ok(uboot) => uboot,
        Err(why) => {
            return Ok(Decision {
                booted: Booted::Nothing { why },
                said: vec![why.to_string()],
                kernel: None,
            });
        }
    };
    let mut said = Vec::new();
    for name in &uboot.sd_kernels {
        match sd_kernel(card, name, uboot.sd_kernel_limit) {
            Ok(kernel) => {
                said.push(format!("mmc 0:1 {name}: booted"));
                return Ok(Decision {
                    booted: Booted::sd_kernel(name),
                    said,
                    kernel: Some(kernel),
                });
            }
            Err(why) => said.push(format!("mmc 0:1 {name}: {why}")),
        }
    }
    Ok(Decision {
        booted: Booted::Firmware {
            damage: damage(flash, &uboot)?,
            name: uboot.firmware,
        },
        said,
        kernel: None,
    })
}

/// Where it reads a kernel from the card to: the lower of the addresses that are known, from which unpacking comes
/// sooner in its own way.
const SD_KERNEL_BUFFER: u32 = 0x8060_0000;

/// Why U-Boot does not boot a kernel from the card.
enum NoSdKernel {
    NoCard,
    Unreadable(String),
    Refused(Refusal),
}

/// `fatload mmc 0:1` and `bootm` of one name.
fn sd_kernel(card: Option<&Path>, name: &str, limit: Size) -> Result<Vec<u8>, NoSdKernel> {
    let image = card.ok_or(NoSdKernel::NoCard)?;
    let bytes = card::read_file(image, name).map_err(|e| NoSdKernel::Unreadable(e.to_string()))?;
    if bytes.len() > limit.as_usize() {
        return Err(NoSdKernel::Refused(Refusal::TooLarge {
            size: bytes.len() as u64,
            limit: limit.get(),
        }));
    }
    uimage::check(&bytes)
        .and_then(|image| image.to_elf(SD_KERNEL_BUFFER))
        .map_err(NoSdKernel::Refused)
}

/// What would keep the firmware in flash from working.
fn damage(flash: &[u8], uboot: &Bootloader) -> Result<Vec<String>> {
    let mut damage = Vec::new();
    let from = uboot.kernel.as_usize().min(flash.len());
    let behind = match uimage::at_start_of(&flash[from..]) {
        Ok(kernel) => from + kernel.size(),
        Err(why) => {
            damage.push(format!("kernel at {}: {why}", uboot.kernel));
            from
        }
    };
    let rootfs = match uboot.rootfs {
        Rootfs::At(offset) => Some(offset.as_usize()),
        Rootfs::BehindKernel => squashfs_behind(flash, behind),
    };
    match rootfs.and_then(|at| flash.get(at..)) {
        Some(bytes) => damage.extend(squashfs_damage(bytes)?),
        None => damage.push("rootfs: no squashfs behind the kernel".to_owned()),
    }
    Ok(damage)
}

/// The first multiple of 32 KiB behind `from` at which a squashfs starts.
fn squashfs_behind(flash: &[u8], from: usize) -> Option<usize> {
    const STEP: usize = 32 * 1024;
    (from.next_multiple_of(STEP)..flash.len())
        .step_by(STEP)
        .find(|at| flash[*at..].starts_with(b"hsqs"))
}

/// What is wrong with the squashfs at the start of `bytes`: unpacks it.
fn squashfs_damage(bytes: &[u8]) -> Result<Option<String>> {
    let unpacking = || "unpack a root file system".to_owned();
    let size = bytes
        .get(40..48)
        .and_then(|b| b.try_into().ok())
        .map(u64::from_le_bytes);
    let image = match size.and_then(|size| bytes.get(..usize::try_from(size).ok()?)) {
        Some(image) if image.starts_with(b"hsqs") => image,
        _ => return Ok(Some("rootfs: no whole squashfs".to_owned())),
    };
    let dir = tempfile::tempdir().doing(unpacking)?;
    let file = dir.path().join("rootfs");
    std::fs::write(&file, image).doing(unpacking)?;
    let to = dir.path().join("files");
    let args = [
        "-quiet",
        "-no-progress",
        "-no-xattrs",
        "-strict-errors",
        "-d",
    ];
    let paths = [to.as_os_str(), file.as_os_str()];
    let findings = tool::findings(
        "unsquashfs",
        args.map(AsRef::as_ref).into_iter().chain(paths),
    )?;
    Ok(findings.first().map(|first| format!("rootfs: {first}")))
}

impl fmt::Display for NoSdKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCard => f.write_str("no card"),
            Self::Unreadable(why) => f.write_str(why),
            Self::Refused(why) => why.fmt(f),
        }
    }
}

impl fmt::Display for Dead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UsbBoot => "boot ROM: no SPL in flash, waiting for USB",
            Self::BadBootloader => "boot ROM: jumped into a damaged boot loader: bricked",
        })
    }
}

impl fmt::Display for Booted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SdKernel { name } => write!(f, "the SD kernel {name}"),
            Self::Firmware { name, damage } if damage.is_empty() => {
                write!(f, "the firmware {name}")
            }
            Self::Firmware { name, damage } => {
                write!(f, "the damaged firmware {name} ({})", damage.join("; "))
            }
            Self::Nothing { why } => write!(f, "nothing ({why})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{Card, CardLayout};
    use crate::firmware::Firmware;
    use rstest::rstest;
    use wz_core::units::Offset;

    const NAME: &str = "factory_t31_ZMC6tiIDQN";

    fn stock() -> Firmware {
        Firmware::of("t31", "stock").unwrap()
    }

    fn kernel() -> Vec<u8> {
        uimage::build("SD", 0x8001_0000, 0x8001_0400, b"kernel")
    }

    fn boot(firmware: &Firmware, card: Option<Card>) -> Decision {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("card.img");
        if let Some(card) = &card {
            card.write_image(&image).unwrap();
        }
        power_on(firmware.image(), card.map(|_| image.as_path())).unwrap()
    }

    #[rstest]
    #[case::as_instructed(CardLayout::Fat32)]
    #[case::fat16(CardLayout::Fat16)]
    #[case::no_partition_table(CardLayout::NoPartitionTable)]
    fn a_good_kernel_under_the_right_name_is_booted(#[case] layout: CardLayout) {
        let decision = boot(
            &stock(),
            Some(Card::new().layout(layout).with(NAME, kernel())),
        );

        assert_eq!(decision.booted, Booted::sd_kernel(NAME));
        assert!(decision.kernel.unwrap().ends_with(b"kernel"));
    }

    #[rstest]
    #[case::no_card(None, "no card")]
    #[case::empty_card(Some(Card::new()), "not found")]
    #[case::wrong_name(Some(Card::new().with("factory_t31", kernel())), "not found")]
    #[case::renamed(
        Some(Card::new().with("factory_t31_ZMC6tiIDQN.wz_flash-helper", kernel())),
        "not found"
    )]
    #[case::exfat(Some(Card::new().layout(CardLayout::Exfat)), "non DOS media")]
    #[case::no_uimage(Some(Card::new().with(NAME, "text")), "Bad Magic Number")]
    #[case::flipped_bit(Some(Card::new().with(NAME, flipped(kernel()))), "Bad Data CRC")]
    #[case::cut_off(Some(Card::new().with(NAME, &kernel()[..66])), "66 bytes, but the header")]
    #[case::too_large(Some(Card::new().with(NAME, vec![0; 10_027_073])), "but at most 10027072")]
    fn else_the_installed_firmware_is_booted(#[case] card: Option<Card>, #[case] why: &str) {
        let decision = boot(&stock(), card);

        assert_eq!(decision.booted, Booted::whole_firmware("stock"));
        assert!(decision.said[0].contains(why), "{:?}", decision.said);
        assert!(decision.kernel.is_none());
    }

    #[test]
    fn names_are_tried_in_the_order_of_the_boot_loader() {
        let thingino = Firmware::of("t31", "thingino").unwrap();
        let names = &thingino.profile().sd_kernels;
        let card = Card::new()
            .with(&names[1], flipped(kernel()))
            .with(&names[2], kernel())
            .with(&names[3], kernel());

        assert_eq!(
            boot(&thingino, Some(card)).booted,
            Booted::sd_kernel(&names[2])
        );
    }

    #[rstest]
    #[case::kernel("kernel", "kernel at 0x40000: Bad Magic Number")]
    #[case::rootfs("rootfs", "rootfs: no whole squashfs")]
    fn a_blank_partition_is_damage(#[case] partition: &str, #[case] damage: &str) {
        let decision = boot(&stock().with_blank(partition).unwrap(), None);

        let Booted::Firmware { damage: found, .. } = decision.booted else {
            panic!("{}", decision.booted);
        };
        assert_eq!(found, [damage]);
    }

    #[rstest]
    #[case::kernel(0x4_0000 + 0x10_0000, "kernel at 0x40000: Bad Data CRC")]
    #[case::rootfs(0x23_0000 + 0x60, "rootfs: ")]
    fn a_half_written_partition_is_damage(#[case] at: u64, #[case] damage: &str) {
        let decision = boot(&stock().with_bytes(Offset::bytes(at), &[0xff; 4096]), None);

        let Booted::Firmware { damage: found, .. } = decision.booted else {
            panic!("{}", decision.booted);
        };
        assert!(
            found.len() == 1 && found[0].starts_with(damage),
            "{found:?}"
        );
    }

    #[rstest]
    #[case::blank_spl(0, Dead::UsbBoot)]
    #[case::blank_block(0x8000, Dead::BadBootloader)]
    fn without_a_boot_loader_nothing_is_booted(#[case] at: u64, #[case] why: Dead) {
        let flash = stock().with_bytes(Offset::bytes(at), &[0xff; 0x8000]);

        let decision = boot(&flash, Some(Card::new().with(NAME, kernel())));

        assert_eq!(decision.booted, Booted::Nothing { why });
    }

    fn flipped(mut image: Vec<u8>) -> Vec<u8> {
        if let Some(last) = image.last_mut() {
            *last ^= 1;
        }
        image
    }
}
