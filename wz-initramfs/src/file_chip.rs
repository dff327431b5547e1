//! A plain file in place of the flash chip's device, as dumps and tests have it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use wz_core::event::Problem;
use wz_core::flash::{Flash, FlashError, FlashOperation, Geometry, ReadFlash};
use wz_core::units::{Offset, Region, Size};

use crate::mtd::{MtdDevice, PAGE};
use crate::root::Root;

/// What most cameras erase at once.
const ERASE_BLOCK: Size = Size::kib(32);

/// The bytes of the file; erasing and programming change them as they would change a NOR chip's.
#[derive(Debug)]
pub struct FileChip {
    path: PathBuf,
    file: File,
    geometry: Geometry,
}

impl FileChip {
    /// Opens the file that stands for `device`.
    ///
    /// # Errors
    /// [`Problem::FlashUnusable`] when it does not open, or has another length than sysfs says.
    pub fn open(root: &Root, device: &MtdDevice) -> Result<Self, Problem> {
        let path = device.path(root);
        let unusable = |reason: String| Problem::FlashUnusable {
            device: path.display().to_string(),
            reason,
        };
        let file = File::open(&path).map_err(|error| unusable(error.to_string()))?;
        let length = file.metadata().map(|metadata| metadata.len());
        if length.ok() != Some(device.size.get()) {
            return Err(unusable(format!("it has not {}", device.size)));
        }
        let geometry = Geometry {
            size: device.size,
            erase_block: erase_block(&root.sysfs(), device).unwrap_or(ERASE_BLOCK),
            page: PAGE,
        };
        Ok(Self {
            path,
            file,
            geometry,
        })
    }

    fn check(&self, at: Offset, length: usize) -> io::Result<()> {
        let end = at.checked_add(Size::bytes(length as u64));
        match end.is_some_and(|end| end <= self.geometry.whole().end()) {
            true => Ok(()),
            false => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn change(&self, at: Offset, bytes: &[u8]) -> io::Result<()> {
        self.check(at, bytes.len())?;
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.write_all_at(bytes, at.get())
    }

    fn clear_bits(&self, at: Offset, data: &[u8]) -> io::Result<()> {
        self.check(at, data.len())?;
        let mut bytes = vec![0; data.len()];
        self.file.read_exact_at(&mut bytes, at.get())?;
        for (byte, wanted) in bytes.iter_mut().zip(data) {
            *byte &= wanted;
        }
        self.change(at, &bytes)
    }
}

fn erase_block(sysfs: &Path, device: &MtdDevice) -> Option<Size> {
    let file = sysfs.join(format!("class/mtd/mtd{}/erasesize", device.number));
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

impl ReadFlash for FileChip {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: Offset, buffer: &mut [u8]) -> Result<(), FlashError> {
        let length = buffer.len();
        self.check(at, length)
            .and_then(|()| self.file.read_exact_at(buffer, at.get()))
            .map_err(|source| FlashError::new(FlashOperation::Read, at, length, source))
    }
}

impl Flash for FileChip {
    fn erase(&mut self, block: Offset) -> Result<(), FlashError> {
        let unit = self.geometry.erase_block;
        let blank = vec![0xff; unit.as_usize()];
        let erased = match block.is_aligned_to(unit) {
            true => self.change(block, &blank),
            false => Err(io::ErrorKind::InvalidInput.into()),
        };
        erased.map_err(|source| FlashError {
            operation: FlashOperation::Erase,
            region: Region::new(block, unit),
            source,
        })
    }

    fn program(&mut self, at: Offset, data: &[u8]) -> Result<(), FlashError> {
        self.clear_bits(at, data)
            .map_err(|source| FlashError::new(FlashOperation::Program, at, data.len(), source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mtd::devices;
    use crate::mtd::tests::add_device;

    #[test]
    fn a_file_behaves_like_a_nor_chip() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        add_device(&root.sysfs(), 0, "jz_sfc", "nor", Size::kib(64));
        let sysfs = root.sysfs().join("class/mtd/mtd0/erasesize");
        fs::write(sysfs, "16384\n").unwrap();
        fs::create_dir(root.join("/dev")).unwrap();
        fs::write(root.device("mtd0"), vec![0b1010; 64 * 1024]).unwrap();
        let device = devices(&root.sysfs()).remove(0);
        let mut chip = FileChip::open(&root, &device).unwrap();
        assert_eq!(chip.geometry().erase_block, Size::kib(16));
        chip.program(Offset::bytes(1), &[0b0110]).unwrap();
        chip.erase(Offset::bytes(16 * 1024)).unwrap();
        assert!(chip.erase(Offset::bytes(1024)).is_err());
        assert!(chip.program(Offset::bytes(64 * 1024 - 1), &[0; 2]).is_err());
        let bytes = fs::read(root.device("mtd0")).unwrap();
        assert_eq!(bytes[..3], [0b1010, 0b0010, 0b1010]);
        let erased = &bytes[16 * 1024..32 * 1024];
        assert!(erased.iter().all(|byte| *byte == 0xff));
        assert!(bytes[32 * 1024..].iter().all(|byte| *byte == 0b1010));
    }

    #[test]
    fn a_file_of_another_length_is_no_chip() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        add_device(&root.sysfs(), 0, "jz_sfc", "nor", Size::kib(64));
        fs::create_dir(root.join("/dev")).unwrap();
        fs::write(root.device("mtd0"), vec![0; 1024]).unwrap();
        let device = devices(&root.sysfs()).remove(0);
        let problem = FileChip::open(&root, &device).unwrap_err();
        assert_eq!(problem.code().to_string(), "WZ-0303");
    }
}
