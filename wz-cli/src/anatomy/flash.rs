//! A dump in the place of the flash chip that it was read from.

use std::io;
use std::path::PathBuf;

use wz_core::flash::{FileSystem, FileSystems, FlashError, Geometry, ReadFlash};
use wz_core::profile::FlashChip;
use wz_core::units::{Offset, Region};

use super::slice;

/// What erased flash reads as.
const BLANK: u8 = 0xff;

/// A chip that holds a dump. Where the dump is shorter than the chip, the rest is blank.
#[derive(Clone, Copy, Debug)]
pub struct DumpedFlash<'a> {
    bytes: &'a [u8],
    geometry: Geometry,
}

impl<'a> DumpedFlash<'a> {
    /// The chip of a SoC family, with `bytes` from its start on.
    pub fn new(bytes: &'a [u8], chip: &FlashChip) -> Self {
        let geometry = Geometry {
            size: chip.size,
            erase_block: chip.erase_block,
            page: chip.page,
        };
        Self { bytes, geometry }
    }
}

impl ReadFlash for DumpedFlash<'_> {
    fn geometry(&self) -> Geometry {
        self.geometry
    }

    fn read(&mut self, at: Offset, buffer: &mut [u8]) -> Result<(), FlashError> {
        let wanted = Region::new(at, wz_core::units::Size::bytes(buffer.len() as u64));
        if !self.geometry.whole().contains(&wanted) {
            let error = io::ErrorKind::InvalidInput.into();
            let operation = wz_core::flash::FlashOperation::Read;
            return Err(FlashError::new(operation, at, buffer.len(), error));
        }
        let there = slice(self.bytes, wanted);
        let (held, missing) = buffer.split_at_mut(there.len());
        held.copy_from_slice(there);
        missing.fill(BLANK);
        Ok(())
    }
}

/// The file systems in a dump: nothing mounts them.
#[derive(Clone, Copy, Debug)]
pub struct NotMounted;

impl FileSystems for NotMounted {
    fn mount(&mut self, _: Region, _: FileSystem) -> io::Result<PathBuf> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn release(&mut self) -> io::Result<()> {
        Ok(())
    }
}
