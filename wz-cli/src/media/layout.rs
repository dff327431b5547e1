//! Whether a file is the image of a card that cameras read: an MBR, and FAT32 in its first partition.
//!
//! The judgement of first sectors is the camera's own.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use wz_core::event::Problem;
use wz_core::units::{Offset, Region, Size};

use super::{named, not_fat};
use crate::cardimage::{MAX_SIZE, first_partition_of};
use crate::files::{self, Doing};
use crate::problem::{CliProblem, Failure};
use boot_sector::{CardStart, LENGTH, Sector, card_start, reason_it_is_not_fat};

#[path = "../../../wz-initramfs/src/boot_sector.rs"]
mod boot_sector;

/// The first partition of the card in the file at `path`.
///
/// # Errors
/// The file can't be read; it is no card, or none that cameras read.
pub fn first_partition(path: &Path) -> Result<Region, Failure> {
    let (mut file, size) = files::open(path)?;
    let unreadable = |error| CliProblem::io(Doing::Read, path, &error);
    let mut read = |at: Offset| -> Result<Option<Sector>, CliProblem> {
        sector(&mut file, at).map_err(unreadable)
    };
    let device = || named(path);
    let Some(first) = read(Offset::ZERO)? else {
        return Err(Problem::CardWithoutPartitionTable { device: device() }.into());
    };
    match card_start(&first) {
        CardStart::FirstPartition => {}
        CardStart::OtherPartitions => {
            return Err(Problem::CardWithoutFirstPartition { device: device() }.into());
        }
        // The kernel of a camera reads it, its U-Boot does not.
        CardStart::Fat | CardStart::Nothing => {
            return Err(match reason_it_is_not_fat(&first) {
                Some(reason @ ("it is exFAT" | "it is NTFS")) => not_fat(path, reason),
                _ => Problem::CardWithoutPartitionTable { device: device() }.into(),
            });
        }
    }
    let (kind, region) = first_partition_of(&first);
    if kind == GPT {
        return Err(not_fat(
            path,
            "the card has a GPT instead of an MBR partition table",
        ));
    }
    let is_inside = region.size > Size::ZERO && region.end() <= Offset::ZERO + size;
    let start = match is_inside {
        true => read(region.offset)?,
        false => None,
    };
    let Some(start) = start else {
        return Err(Problem::CardWithoutFirstPartition { device: device() }.into());
    };
    if let Some(reason) = reason_it_is_not_fat(&start) {
        return Err(not_fat(path, reason));
    }
    if !is_fat32(&start) {
        return Err(CliProblem::NotFat32 { path: device() }.into());
    }
    if !FAT32.contains(&kind) {
        return Err(CliProblem::PartitionType {
            path: device(),
            kind: format!("{kind:#04x}"),
        }
        .into());
    }
    match size > MAX_SIZE {
        true => Err(CliProblem::CardTooLarge {
            path: device(),
            size,
            largest: MAX_SIZE,
        }
        .into()),
        false => Ok(region),
    }
}

/// The type that the one partition has in the MBR before a GPT.
const GPT: u8 = 0xee;
/// Those of FAT32.
const FAT32: [u8; 2] = [0x0b, 0x0c];

/// FAT12 and FAT16 have the length of a FAT in 16 bits; FAT32 has a zero there.
fn is_fat32(start: &Sector) -> bool {
    start[22..24] == [0, 0]
}

/// None where the file ends before the end of the sector.
fn sector(file: &mut File, at: Offset) -> std::io::Result<Option<Sector>> {
    let mut sector = [0; LENGTH];
    file.seek(SeekFrom::Start(at.get()))?;
    match file.read_exact(&mut sector) {
        Ok(()) => Ok(Some(sector)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
