//! Shows the file systems that are in flash.
//!
//! ```text
//!   /dev/mtd0  |<------------- whole chip ------------->|
//!                        |<- region ->|                    BLKPG: a second MTD device
//!                           mount -> /tmp/flash            as long as it is needed
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use wz_core::flash::{FileSystem, FileSystems};
use wz_core::units::Region;

use crate::mtd::{self, MtdDevice};
use crate::sys;

const SYSFS: &str = "/sys";
const MOUNT_POINT: &str = "/tmp/flash";

/// The regions of one chip, mounted one at a time.
#[derive(Debug)]
pub struct FlashMounts {
    chip: File,
    shown: Option<Shown>,
}

#[derive(Debug)]
struct Shown {
    region: Region,
    kind: FileSystem,
    number: u32,
    is_mounted: bool,
}

impl FlashMounts {
    /// File systems on `chip`.
    ///
    /// # Errors
    /// When the chip's device does not open.
    pub fn new(chip: &MtdDevice) -> io::Result<Self> {
        Ok(Self {
            chip: File::open(chip.path())?,
            shown: None,
        })
    }
}

impl FileSystems for FlashMounts {
    fn mount(&mut self, region: Region, kind: FileSystem) -> io::Result<PathBuf> {
        let shown =
            |shown: &Shown| shown.is_mounted && shown.region == region && shown.kind == kind;
        if !self.shown.as_ref().is_some_and(shown) {
            self.release()?;
            let number = register(&self.chip, region)?;
            self.shown = Some(Shown {
                region,
                kind,
                number,
                is_mounted: false,
            });
            if let Err(error) = mount_device(number, kind) {
                // Tried again before the next region; why this one does not mount matters more.
                let _ = self.release();
                return Err(error);
            }
            self.shown
                .iter_mut()
                .for_each(|shown| shown.is_mounted = true);
        }
        Ok(PathBuf::from(MOUNT_POINT))
    }

    fn release(&mut self) -> io::Result<()> {
        if let Some(shown) = &mut self.shown {
            if shown.is_mounted {
                umount2(MOUNT_POINT, MntFlags::empty())?;
                shown.is_mounted = false;
            }
            sys::remove_partition(&self.chip, shown.number)?;
            self.shown = None;
        }
        Ok(())
    }
}

/// Makes an MTD device of `region` and returns its number.
fn register(chip: &File, region: Region) -> io::Result<u32> {
    let name = format!("wz@{}", region.offset);
    sys::add_partition(chip, region, &name)?;
    number_of(Path::new(SYSFS), &name, region).ok_or_else(|| {
        let message = format!("the kernel registered {region} and does not show it");
        io::Error::new(ErrorKind::NotFound, message)
    })
}

/// The number of the device that was registered as `name`. Kernels before 4.1 do not show the
/// offset, so the name carries it.
fn number_of(sysfs: &Path, name: &str, region: Region) -> Option<u32> {
    mtd::devices(sysfs)
        .iter()
        .find(|device| device.name == name && device.size == region.size)
        .map(|device| device.number)
}

fn mount_device(number: u32, kind: FileSystem) -> io::Result<()> {
    // JFFS2 sits on MTD itself, the others on its block device.
    let device = match kind {
        FileSystem::Jffs2 => format!("mtd{number}"),
        FileSystem::Squashfs | FileSystem::Vfat => format!("/dev/mtdblock{number}"),
    };
    fs::create_dir_all(MOUNT_POINT)?;
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    mount(
        Some(device.as_str()),
        MOUNT_POINT,
        Some(kind.kernel_name()),
        flags,
        None::<&str>,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mtd::tests::add_device;
    use wz_core::units::{Offset, Size};

    #[test]
    fn a_registered_region_is_found_by_name_and_size() {
        let sysfs = tempfile::tempdir().unwrap();
        add_device(sysfs.path(), 0, "jz_sfc", "nor", Size::mib(16));
        add_device(sysfs.path(), 4, "wz@0xf90000", "nor", Size::kib(384));
        let region = |kib| Region::new(Offset::bytes(0xf9_0000), Size::kib(kib));
        let find = |kib| number_of(sysfs.path(), "wz@0xf90000", region(kib));
        assert_eq!(find(384), Some(4));
        assert_eq!(find(64), None);
    }
}
