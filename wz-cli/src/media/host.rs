//! What the operating system of the owner's computer says about a mounted card.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use wz_core::card::{Platform, SECTOR, Space};
use wz_core::units::Size;

use super::not_fat;
use crate::problem::Failure;

/// The owner's computer. Cards are looked at and filled here; only a camera edits a file in place.
#[derive(Clone, Copy, Debug)]
pub struct HostPlatform;

impl Platform for HostPlatform {
    fn is_present(&self, path: &Path) -> bool {
        path.exists()
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        Ok(Space {
            free: Size::bytes(fs4::available_space(path)?),
            cluster: Size::bytes(fs4::allocation_granularity(path)?),
        })
    }

    fn open_uncached(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(path)?))
    }

    fn write_sector(&self, _: &Path, _: u32, _: &[u8; SECTOR]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Each file is flushed when it is finished; names are when the owner ejects the card.
    fn sync(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses a mounted card whose file system cameras do not read. Where the system does not tell, and for
/// folders on a disk, nothing is refused.
///
/// # Errors
/// [`wz_core::event::Problem::CardNotFat`]
pub fn check_file_system(folder: &Path) -> Result<(), Failure> {
    match file_system(folder).as_deref() {
        Some("exfat") => Err(not_fat(folder, "it is exFAT")),
        Some("ntfs" | "ntfs3" | "fuseblk") => Err(not_fat(folder, "it is NTFS")),
        _ => Ok(()),
    }
}

#[cfg(target_os = "linux")]
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    file_system_in(&std::fs::read_to_string("/proc/mounts").ok()?, &folder)
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> Option<String> {
    None
}

/// The type of the file system that `folder` is on: that of the longest mount point above it, and of
/// several the last. Blanks in mount points are written as `\040`.
#[cfg(any(target_os = "linux", test))]
fn file_system_in(mounts: &str, folder: &Path) -> Option<String> {
    let mut best = None;
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (words.next(), words.next()) else {
            continue;
        };
        let point = point.replace("\\040", " ");
        let longest = best.as_ref().map_or(0, |(length, _)| *length);
        if folder.starts_with(&point) && point.len() >= longest {
            best = Some((point.len(), kind.to_owned()));
        }
    }
    best.map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const MOUNTS: &str = "/dev/sda2 / ext4 rw 0 0\n\
        /dev/sdb1 /media/me/MY\\040CARD exfat rw 0 0\n\
        /dev/sdc1 /media/me/CARD ext4 rw 0 0\n\
        /dev/sdc1 /media/me/CARD vfat rw 0 0\n";

    #[rstest]
    #[case("/home/me", "ext4")]
    #[case("/media/me/MY CARD", "exfat")]
    #[case("/media/me/MY CARD/wz_flash-helper", "exfat")]
    #[case("/media/me/CARD", "vfat")]
    #[case("/media/me/CARDS", "ext4")]
    fn a_folder_is_on_the_nearest_file_system_above_it(#[case] folder: &str, #[case] kind: &str) {
        let found = file_system_in(MOUNTS, Path::new(folder));
        assert_eq!(found.as_deref(), Some(kind));
    }
}
