//! Plays boot ROM and U-Boot: looks at flash and card, and decides what the camera boots.

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
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

/// Why U-Boot does not boot a kernel from the card.
enum NoSdKernel {
    NoCard,
    Unreadable(String),
    Refused(Refusal),
}

/// `fatload mmc 0:1` and `bootm` of one name.
fn sd_kernel(card: Option<&Path>, name: &str, limit: Size) -> Result<Vec<u8>, NoSdKernel> {
    let unreadable = |e: &dyn fmt::Display| NoSdKernel::Unreadable(e.to_string());
    let volume = card::open_volume(card.ok_or(NoSdKernel::NoCard)?).map_err(|e| unreadable(&e))?;
    let mut file = volume
        .root_dir()
        .open_file(name)
        .map_err(|e| unreadable(&e))?;
    let size = file.seek(SeekFrom::End(0)).map_err(|e| unreadable(&e))?;
    if size > limit.get() {
        return Err(NoSdKernel::Refused(Refusal::TooLarge {
            size,
            limit: limit.get(),
        }));
    }
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .and_then(|_| file.read_to_end(&mut bytes))
        .map_err(|e| unreadable(&e))?;
    uimage::check(&bytes)
        .and_then(|image| image.to_elf())
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
