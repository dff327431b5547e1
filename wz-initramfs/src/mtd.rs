//! The flash chip as the kernel's MTD layer shows it.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wz_core::event::Problem;
use wz_core::flash::{FlashError, FlashOperation, Geometry, ReadFlash};
use wz_core::units::{Offset, Size};

use crate::sys;

/// What one program command takes. All NOR chips on these cameras have 256-byte pages; the kernel
/// shows them as writable bytewise.
const PAGE: Size = Size::bytes(256);

/// A directory of `/sys/class/mtd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtdDevice {
    /// 0 for `/dev/mtd0`. Never the same for long: numbers change with what is registered.
    pub number: u32,
    /// The driver's name for it: `jz_sfc`.
    pub name: String,
    /// The kernel's word for its kind: `nor`.
    pub kind: String,
    /// The whole device.
    pub size: Size,
}

impl MtdDevice {
    /// Its character device.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/dev/mtd{}", self.number))
    }

    fn description(&self) -> String {
        let Self {
            number, name, kind, ..
        } = self;
        format!("mtd{number} \"{name}\" ({kind}, {})", self.size)
    }
}

/// All MTD devices in `sysfs` (`/sys`), by number. Those that vanish meanwhile are left out.
pub fn devices(sysfs: &Path) -> Vec<MtdDevice> {
    let Ok(entries) = fs::read_dir(sysfs.join("class/mtd")) else {
        return Vec::new();
    };
    let mut devices: Vec<MtdDevice> = entries
        .filter_map(|entry| device(&entry.ok()?.path()))
        .collect();
    devices.sort_by_key(|device| device.number);
    devices
}

fn device(folder: &Path) -> Option<MtdDevice> {
    let attribute = |name| {
        Some(
            fs::read_to_string(folder.join(name))
                .ok()?
                .trim()
                .to_owned(),
        )
    };
    // Beside `mtd0` there is `mtd0ro`.
    let number = folder.file_name()?.to_str()?.strip_prefix("mtd")?;
    Some(MtdDevice {
        number: number.parse().ok()?,
        name: attribute("name")?,
        kind: attribute("type")?,
        size: attribute("size")?.parse().ok()?,
    })
}

/// The NOR chip: the largest device of that kind, since partitions of it may be there too.
///
/// # Errors
/// [`Problem::FlashMissing`] when there is none.
pub fn find_chip(devices: &[MtdDevice]) -> Result<&MtdDevice, Problem> {
    devices
        .iter()
        .filter(|device| device.kind == "nor")
        .max_by_key(|device| (device.size, Reverse(device.number)))
        .ok_or_else(|| Problem::FlashMissing {
            found: list(devices),
        })
}

fn list(devices: &[MtdDevice]) -> String {
    match devices {
        [] => "no flash device at all".to_owned(),
        some => {
            let descriptions: Vec<String> = some.iter().map(MtdDevice::description).collect();
            descriptions.join(", ")
        }
    }
}

/// A chip opened for reading; it cannot be changed through this.
#[derive(Debug)]
pub struct MtdChip {
    file: File,
    geometry: Geometry,
}

impl MtdChip {
    /// Opens `device`.
    ///
    /// # Errors
    /// [`Problem::FlashUnusable`] when it does not open, or is not what sysfs says it is.
    pub fn open(device: &MtdDevice) -> Result<Self, Problem> {
        let path = device.path();
        let unusable = |reason: String| Problem::FlashUnusable {
            device: path.display().to_string(),
            reason,
        };
        let file = File::open(&path).map_err(|error| unusable(error.to_string()))?;
        let info = sys::mtd_info(&file).map_err(|error| unusable(error.to_string()))?;
        if !info.is_nor() || info.size() != device.size {
            return Err(unusable(format!("it is not the {}", device.description())));
        }
        let geometry = Geometry {
            size: info.size(),
            erase_block: info.erase_block(),
            page: PAGE,
        };
        Ok(Self { file, geometry })
    }
}

impl ReadFlash for MtdChip {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: Offset, buffer: &mut [u8]) -> Result<(), FlashError> {
        let failed = |source| FlashError::new(FlashOperation::Read, at, buffer.len(), source);
        let end = at.checked_add(Size::bytes(buffer.len() as u64));
        if end.is_none_or(|end| end > self.geometry.whole().end()) {
            return Err(failed(io::ErrorKind::InvalidInput.into()));
        }
        let length = buffer.len();
        self.file
            .read_exact_at(buffer, at.get())
            .map_err(|source| FlashError::new(FlashOperation::Read, at, length, source))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use rstest::rstest;

    /// Adds a directory of `/sys/class/mtd` to a sysfs tree.
    pub fn add_device(sysfs: &Path, number: u32, name: &str, kind: &str, size: Size) {
        let folder = sysfs.join(format!("class/mtd/mtd{number}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("name"), format!("{name}\n")).unwrap();
        fs::write(folder.join("type"), format!("{kind}\n")).unwrap();
        fs::write(folder.join("size"), format!("{}\n", size.get())).unwrap();
    }

    fn tree(found: &[(&str, &str, u64)]) -> tempfile::TempDir {
        let sysfs = tempfile::tempdir().unwrap();
        for (number, (name, kind, mib)) in (0..).zip(found) {
            add_device(sysfs.path(), number, name, kind, Size::mib(*mib));
            fs::create_dir(sysfs.path().join(format!("class/mtd/mtd{number}ro"))).unwrap();
        }
        sysfs
    }

    #[rstest]
    #[case::alone(&[("jz_sfc", "nor", 16)], 0)]
    #[case::behind_ram(&[("ram", "ram", 32), ("jz_sfc", "nor", 16)], 1)]
    #[case::behind_its_partitions(&[("boot", "nor", 1), ("all", "nor", 16)], 1)]
    #[case::with_a_partition_over_all(&[("jz_sfc", "nor", 16), ("all", "nor", 16)], 0)]
    #[case::unknown_chip(&[("jz_sfc", "nor", 8)], 0)]
    fn the_whole_chip_is_found_by_type_and_size(
        #[case] found: &[(&str, &str, u64)],
        #[case] number: u32,
    ) {
        let devices = devices(tree(found).path());
        let chip = find_chip(&devices).unwrap();
        assert_eq!(chip.path(), Path::new(&format!("/dev/mtd{number}")));
    }

    #[rstest]
    #[case::nothing(&[], "no flash device at all")]
    #[case::nand(&[("sfc_nand", "nand", 128)], "mtd0 \"sfc_nand\" (nand, 128M)")]
    fn a_camera_without_the_chip_tells_what_is_there(
        #[case] found: &[(&str, &str, u64)],
        #[case] told: &str,
    ) {
        let problem = find_chip(&devices(tree(found).path())).unwrap_err();
        assert_eq!(problem.code().to_string(), "WZ-0301");
        assert!(problem.what().contains(told), "{problem}");
    }

    #[test]
    fn reading_past_the_end_is_refused_before_the_driver_sees_it() {
        let mut chip = MtdChip {
            file: tempfile::tempfile().unwrap(),
            geometry: Geometry {
                size: Size::kib(64),
                erase_block: Size::kib(32),
                page: PAGE,
            },
        };
        let error = chip.read(Offset::bytes(0xffff), &mut [0; 2]).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::InvalidInput);
    }
}
