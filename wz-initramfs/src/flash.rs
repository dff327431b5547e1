//! The camera's flash chip, with everything that a run wants of it.

use std::path::Path;

use wz_core::detect::FlashDevice;
use wz_core::event::Problem;
use wz_core::flash::ReadFlash;
use wz_core::run::FlashUnit;

use crate::mounts::FlashMounts;
use crate::mtd::{self, MtdChip};

/// The chip and the file systems in it.
#[derive(Debug)]
pub struct Flash {
    device: FlashDevice,
    chip: MtdChip,
    mounts: FlashMounts,
}

impl Flash {
    /// The camera's.
    ///
    /// # Errors
    /// When the kernel shows no such chip, or it does not open.
    pub fn find() -> Result<Self, Problem> {
        let devices = mtd::devices(Path::new("/sys"));
        let device = mtd::find_chip(&devices)?;
        let chip = MtdChip::open(device)?;
        let mounts = FlashMounts::new(device).map_err(|error| Problem::FlashUnusable {
            device: device.path().display().to_string(),
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
            chip: &mut self.chip,
            file_systems: &mut self.mounts,
        }
    }
}
