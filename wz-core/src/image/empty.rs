//! Empty file systems as they lie in NOR flash, made block by block: nobody needs all of one in memory.

mod jffs2;
mod vfat;

use crate::units::{Offset, Region, Size};

/// What erased flash reads as.
const BLANK: u8 = 0xff;

/// A file system without files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EmptyFileSystem {
    /// JFFS2: each erase block blank but for the mark that it was erased to its end.
    Jffs2,
    /// FAT12, or FAT16 from about 8 MiB on, as `mkfs.fat` makes them. What belongs to no file stays
    /// blank, so that programming it costs nothing.
    Vfat,
}

impl std::fmt::Display for EmptyFileSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Jffs2 => "JFFS2",
            Self::Vfat => "FAT",
        })
    }
}

impl EmptyFileSystem {
    /// The smallest partition that can hold it: the kernel mounts no JFFS2 of less than five erase
    /// blocks (`fs/jffs2/fs.c`); a FAT needs room for its tables and some clusters.
    pub fn smallest(self, erase_block: Size) -> Size {
        match self {
            Self::Jffs2 => Size::bytes(erase_block.get().saturating_mul(5)),
            Self::Vfat => vfat::SMALLEST,
        }
    }

    /// Fills `buffer`, which is the part from `at` on of a partition of `size` on a chip with this
    /// erase block. A part that reaches beyond the partition is blank there, and so is all of a
    /// partition that is smaller than [`Self::smallest`].
    pub fn fill(self, size: Size, erase_block: Size, at: Offset, buffer: &mut [u8]) {
        buffer.fill(BLANK);
        if size < self.smallest(erase_block) {
            return;
        }
        let mut window = Window { at, bytes: buffer };
        match self {
            Self::Jffs2 => jffs2::fill(size, erase_block, &mut window),
            Self::Vfat => vfat::fill(size, &mut window),
        }
    }
}

/// The part of a partition that is made now.
struct Window<'a> {
    at: Offset,
    bytes: &'a mut [u8],
}

impl Window<'_> {
    fn region(&self) -> Region {
        Region::new(self.at, Size::bytes(self.bytes.len() as u64))
    }

    /// The bytes of `region` that the window shows, and where in `region` they start.
    fn part(&mut self, region: Region) -> Option<(usize, &mut [u8])> {
        let both = self.region().overlap(&region)?;
        let start = (both.offset - self.at).as_usize();
        let bytes = self.bytes.get_mut(start..start + both.size.as_usize())?;
        Some(((both.offset - region.offset).as_usize(), bytes))
    }

    /// Puts `bytes` at `place` of the partition.
    fn put(&mut self, place: Offset, bytes: &[u8]) {
        let region = Region::new(place, Size::bytes(bytes.len() as u64));
        if let Some((from, part)) = self.part(region) {
            part.copy_from_slice(&bytes[from..from + part.len()]);
        }
    }

    /// Makes a region of the partition zero.
    fn zero(&mut self, region: Region) {
        if let Some((_, part)) = self.part(region) {
            part.fill(0);
        }
    }
}

#[cfg(test)]
mod tests;
