//! The camera's flash chip, with everything that a run wants of it.

use std::fmt;
use std::fs;
use std::os::unix::fs::FileTypeExt;

use wz_core::detect::FlashDevice;
use wz_core::event::Problem;
use wz_core::flash::Flash as Chip;
use wz_core::run::FlashUnit;

use crate::file_chip::FileChip;
use crate::mounts::FlashMounts;
use crate::mtd::{self, MtdChip, MtdDevice};
use crate::root::Root;

/// The chip and the file systems in it.
pub struct Flash {
    device: FlashDevice,
    chip: Box<dyn Chip>,
    mounts: FlashMounts,
}

impl fmt::Debug for Flash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flash")
            .field("device", &self.device)
            .finish_non_exhaustive()
    }
}

impl Flash {
    /// The one that `root` shows.
    ///
    /// # Errors
    /// When the kernel shows no such chip, or it does not open.
    pub fn find(root: &Root) -> Result<Self, Problem> {
        let devices = mtd::devices(&root.sysfs());
        let device = mtd::find_chip(&devices)?;
        let chip = open(root, device)?;
        let mounts = FlashMounts::new(root, device).map_err(|error| Problem::FlashUnusable {
            device: device.path(root).display().to_string(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            device: FlashDevice {
                name: device.name.clone(),
                whole: chip.geometry().whole(),
            },
            chip,
            mounts,
        })
    }

    /// As a run takes it.
    pub fn unit(&mut self) -> FlashUnit<'_> {
        FlashUnit {
            device: self.device.clone(),
            chip: &mut *self.chip,
            file_systems: &mut self.mounts,
        }
    }

    /// The file systems in it.
    pub fn mounts(&mut self) -> &mut FlashMounts {
        &mut self.mounts
    }
}

/// A kernel's device, or a plain file.
fn open(root: &Root, device: &MtdDevice) -> Result<Box<dyn Chip>, Problem> {
    let kind = fs::metadata(device.path(root)).map(|metadata| metadata.file_type());
    match kind.is_ok_and(|kind| !kind.is_char_device() && kind.is_file()) {
        true => Ok(Box::new(FileChip::open(root, device)?)),
        false => Ok(Box::new(MtdChip::open(root, device)?)),
    }
}
