//! The file systems inside the flash chip, as the kernel shows them.

use std::io;
use std::path::PathBuf;

use crate::units::Region;

/// A file system that the kernel can mount from flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSystem {
    /// Journalling flash file system, version 2.
    Jffs2,
    /// Compressed, read-only.
    Squashfs,
    /// FAT with long names.
    Vfat,
}

impl FileSystem {
    /// The name under which `mount` knows it.
    pub fn kernel_name(self) -> &'static str {
        match self {
            Self::Jffs2 => "jffs2",
            Self::Squashfs => "squashfs",
            Self::Vfat => "vfat",
        }
    }
}

/// Makes the files in a region of flash visible, read-only.
///
/// One region at a time: a 3.10 kernel refuses two registered partitions that touch. The last one
/// stays mounted, since mounting JFFS2 reads through all of it, and flash is to be read once.
pub trait FileSystems {
    /// The folder that shows the files in `region`; quick if it is the one that is mounted. It is
    /// valid until the next call.
    ///
    /// # Errors
    /// What the kernel says when there is no such file system in the region.
    fn mount(&mut self, region: Region, kind: FileSystem) -> io::Result<PathBuf>;

    /// Unmounts what is mounted.
    ///
    /// # Errors
    /// What the kernel says.
    fn release(&mut self) -> io::Result<()>;
}
