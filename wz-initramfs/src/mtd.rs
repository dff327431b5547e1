//! The flash chip as the kernel's MTD layer shows it.

use std::cmp::Reverse;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use wz_core::event::Problem;
use wz_core::flash::{Flash, FlashError, FlashOperation, Geometry, ReadFlash};
use wz_core::units::{Offset, Region, Size};

use crate::root::Root;
use crate::sys;

/// What one program command takes. All NOR chips on these cameras have 256-byte pages; any range of
/// bytes can be programmed all the same.
pub const PAGE: Size = Size::bytes(256);

/// What the camera's driver transfers at once, and what is asked of it at once: when one of several
/// transfers fails, it tells nothing and gives stale bytes. (`jz_spi_norflash_read` in
/// `drivers/mtd/devices/jz_sfc.c` of the cameras' Linux 3.10: the negative error is added to the count
/// of bytes. Alone it is an impossible count, and `mtdchar.c` makes an error of it.)
const TRANSFER: usize = 4096;

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
    pub fn path(&self, root: &Root) -> PathBuf {
        root.device(&format!("mtd{}", self.number))
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

/// The chip. Until something is to be changed it is open for reading only, so that a run that
/// changes nothing could not.
#[derive(Debug)]
pub struct MtdChip {
    path: PathBuf,
    for_reading: File,
    for_writing: Option<File>,
    geometry: Geometry,
}

impl MtdChip {
    /// Opens `device`.
    ///
    /// # Errors
    /// [`Problem::FlashUnusable`] when it does not open, or is not what sysfs says it is.
    pub fn open(root: &Root, device: &MtdDevice) -> Result<Self, Problem> {
        let path = device.path(root);
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
        Ok(Self {
            path,
            for_reading: file,
            for_writing: None,
            geometry,
        })
    }

    fn within(&self, at: Offset, length: usize) -> io::Result<()> {
        let end = at.checked_add(Size::bytes(length as u64));
        match end.is_some_and(|end| end <= self.geometry.whole().end()) {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn whole_block(&self, block: Offset) -> io::Result<Region> {
        let size = self.geometry.erase_block;
        self.within(block, size.as_usize())?;
        match block.is_aligned_to(size) {
            true => Ok(Region::new(block, size)),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn fill(&self, at: Offset, buffer: &mut [u8]) -> io::Result<()> {
        let places = (at.get()..).step_by(TRANSFER);
        let mut pieces = buffer.chunks_mut(TRANSFER).zip(places);
        pieces.try_for_each(|(piece, place)| self.for_reading.read_exact_at(piece, place))
    }

    fn writable(&mut self) -> io::Result<&File> {
        let file = match self.for_writing.take() {
            Some(file) => file,
            None => OpenOptions::new().write(true).open(&self.path)?,
        };
        Ok(self.for_writing.insert(file))
    }

    fn erase_block(&mut self, block: Offset) -> io::Result<()> {
        let stretch = self.whole_block(block)?.try_into()?;
        let file = self.writable()?;
        unless_unsupported(sys::unlock(file, stretch))?;
        sys::erase(file, stretch)
    }

    // The driver splits at the borders of pages what it gets, so one call does for any length. It may
    // not tell of a page that failed: who programs reads back.
    fn write(&mut self, at: Offset, data: &[u8]) -> io::Result<()> {
        self.within(at, data.len())?;
        self.writable()?.write_all_at(data, at.get())
    }
}

/// A chip whose driver knows no protection is not protected.
fn unless_unsupported(unlocked: io::Result<()>) -> io::Result<()> {
    match unlocked {
        Err(error) if is_unsupported(&error) => Ok(()),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("its write protection stays: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    /// `ENOTSUPP` of `linux/errno.h`: the kernel's own number, which some drivers let out.
    const NOT_SUPPORTED: i32 = 524;
    let unsupported = [
        Errno::EOPNOTSUPP as i32,
        Errno::ENOTTY as i32,
        NOT_SUPPORTED,
    ];
    error
        .raw_os_error()
        .is_some_and(|number| unsupported.contains(&number))
}

impl ReadFlash for MtdChip {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: Offset, buffer: &mut [u8]) -> Result<(), FlashError> {
        let length = buffer.len();
        self.within(at, length)
            .and_then(|()| self.fill(at, buffer))
            .map_err(|source| FlashError::new(FlashOperation::Read, at, length, source))
    }
}

impl Flash for MtdChip {
    fn erase(&mut self, block: Offset) -> Result<(), FlashError> {
        let length = self.geometry.erase_block.as_usize();
        self.erase_block(block)
            .map_err(|source| FlashError::new(FlashOperation::Erase, block, length, source))
    }

    fn program(&mut self, at: Offset, data: &[u8]) -> Result<(), FlashError> {
        self.write(at, data)
            .map_err(|source| FlashError::new(FlashOperation::Program, at, data.len(), source))
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
        assert_eq!(chip.number, number);
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

    /// A file in place of the device, full of zeros.
    fn chip(file: &tempfile::NamedTempFile) -> MtdChip {
        file.as_file().set_len(64 * 1024).unwrap();
        MtdChip {
            path: file.path().to_owned(),
            for_reading: File::open(file.path()).unwrap(),
            for_writing: None,
            geometry: Geometry {
                size: Size::kib(64),
                erase_block: Size::kib(32),
                page: PAGE,
            },
        }
    }

    #[rstest]
    #[case::read_over_the_end(|chip: &mut MtdChip| chip.read(Offset::bytes(0xffff), &mut [0; 2]))]
    #[case::read_far_away(|chip: &mut MtdChip| chip.read(Offset::bytes(u64::MAX), &mut [0; 2]))]
    #[case::program_over_the_end(|chip: &mut MtdChip| chip.program(Offset::bytes(0xffff), &[1; 2]))]
    #[case::program_far_away(|chip: &mut MtdChip| chip.program(Offset::bytes(u64::MAX), &[1; 2]))]
    #[case::erase_behind_the_end(|chip: &mut MtdChip| chip.erase(Offset::bytes(0x1_0000)))]
    #[case::erase_within_a_block(|chip: &mut MtdChip| chip.erase(Offset::bytes(0x4000)))]
    fn what_leaves_the_chip_or_a_block_is_refused_before_the_driver_sees_it(
        #[case] operation: fn(&mut MtdChip) -> Result<(), FlashError>,
    ) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut chip = chip(&file);
        let error = operation(&mut chip).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::InvalidInput);
        assert!(chip.for_writing.is_none());
        assert!(fs::read(file.path()).unwrap() == [0; 64 * 1024]);
    }

    #[test]
    fn programming_changes_the_range_and_nothing_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut chip = chip(&file);
        chip.program(Offset::bytes(0xfe), &[5; 0x202]).unwrap();
        chip.program(Offset::bytes(0xfffe), &[6; 2]).unwrap();
        let mut expected = vec![0; 64 * 1024];
        expected[0xfe..0x300].fill(5);
        expected[0xfffe..].fill(6);
        assert!(fs::read(file.path()).unwrap() == expected);
    }

    #[rstest]
    #[case(0, 64 * 1024)]
    #[case(101, 4096)]
    #[case(4000, 8193)]
    #[case(0xffff, 1)]
    #[case(0x1_0000, 0)]
    fn any_range_reads_as_it_is(#[case] at: usize, #[case] length: usize) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut chip = chip(&file);
        let content: Vec<u8> = (0..64 * 1024_u32).map(|at| (at % 251) as u8).collect();
        chip.program(Offset::ZERO, &content).unwrap();
        let mut read = vec![0; length];
        chip.read(Offset::bytes(at as u64), &mut read).unwrap();
        assert!(read == content[at..at + length]);
    }

    #[test]
    fn a_chip_that_is_only_read_is_not_open_for_writing() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut chip = chip(&file);
        chip.read(Offset::ZERO, &mut [0; 16]).unwrap();
        assert!(chip.for_writing.is_none());
    }

    #[test]
    fn a_driver_that_refuses_to_erase_is_told_with_the_block() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = chip(&file).erase(Offset::bytes(0x8000)).unwrap_err();
        assert_eq!(error.source.raw_os_error(), Some(Errno::ENOTTY as i32));
        assert_eq!(
            error.region,
            Region::new(Offset::bytes(0x8000), Size::kib(32))
        );
    }

    #[rstest]
    #[case::no_such_call(Errno::ENOTTY as i32, true)]
    #[case::no_protection(Errno::EOPNOTSUPP as i32, true)]
    #[case::the_kernels_own_number(524, true)]
    #[case::the_chip_failed(Errno::EIO as i32, false)]
    #[case::other_blocks_are_protected_too(Errno::EINVAL as i32, false)]
    fn only_a_chip_that_may_stay_protected_is_not_erased(
        #[case] errno: i32,
        #[case] goes_on: bool,
    ) {
        let unlocked = unless_unsupported(Err(io::Error::from_raw_os_error(errno)));
        assert_eq!(unlocked.is_ok(), goes_on);
    }
}
