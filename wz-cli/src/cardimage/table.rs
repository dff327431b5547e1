//! The partition table (MBR) of a card, and the window through which its partition is seen.
//!
//! Source of the layout: UEFI Specification, 5.2.1 "Legacy Master Boot Record".

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use wz_core::units::{Offset, Region, Size};

/// Bytes per sector.
pub const SECTOR: u64 = 512;
/// Where the partition of a new card starts.
pub const PARTITION_AT: Offset = Offset::bytes(2048 * SECTOR);

const ENTRY_AT: usize = 446;
const ENTRY: usize = 16;
const DISK_ID_AT: usize = 440;
const SIGNATURE_AT: usize = 510;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
const TYPE_FAT32: u8 = 0x0b;
const TYPE_FAT32_LBA: u8 = 0x0c;
/// Cylinder, head and sector "beyond what these can say": go by the sector numbers.
const BEYOND_CHS: [u8; 3] = [0xfe, 0xff, 0xff];

/// The first sector of a card.
pub type Mbr = [u8; SECTOR as usize];

/// A table with one FAT32 partition.
pub fn mbr(partition: Region, disk_id: u32) -> Mbr {
    let mut mbr = [0; SECTOR as usize];
    mbr[DISK_ID_AT..][..4].copy_from_slice(&disk_id.to_le_bytes());
    let entry = &mut mbr[ENTRY_AT..][..ENTRY];
    entry[1..4].copy_from_slice(&BEYOND_CHS);
    entry[4] = TYPE_FAT32_LBA;
    entry[5..8].copy_from_slice(&BEYOND_CHS);
    entry[8..12].copy_from_slice(&sectors(partition.offset.get()).to_le_bytes());
    entry[12..16].copy_from_slice(&sectors(partition.size.get()).to_le_bytes());
    mbr[SIGNATURE_AT..].copy_from_slice(&SIGNATURE);
    mbr
}

/// The first partition, if there is a table and its first entry is a FAT32 partition.
pub fn first_partition(mbr: &Mbr) -> Option<Region> {
    let (kind, region) = first_entry(mbr);
    let is_fat32 = matches!(kind, TYPE_FAT32 | TYPE_FAT32_LBA);
    (is_fat32 && mbr[SIGNATURE_AT..] == SIGNATURE).then_some(region)
}

/// Type and place of the first partition, whatever they are.
pub fn first_entry(mbr: &Mbr) -> (u8, Region) {
    let entry = &mbr[ENTRY_AT..][..ENTRY];
    let bytes = |at: usize| {
        let sectors = u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]]);
        u64::from(sectors) * SECTOR
    };
    let region = Region::new(Offset::bytes(bytes(8)), Size::bytes(bytes(12)));
    (entry[4], region)
}

/// A number of bytes in sectors.
pub fn sectors(bytes: u64) -> u32 {
    u32::try_from(bytes / SECTOR).unwrap_or(u32::MAX)
}

/// A region of a file that looks like a file of its own.
#[derive(Debug)]
pub struct Window {
    file: File,
    region: Region,
    at: u64,
}

impl Window {
    /// The `region` of `file`.
    pub fn new(file: File, region: Region) -> Self {
        Self {
            file,
            region,
            at: 0,
        }
    }

    /// Moves the file to the window's position, and cuts `wanted` off at the window's end.
    fn reach(&mut self, wanted: usize) -> io::Result<usize> {
        self.file
            .seek(SeekFrom::Start(self.region.offset.get() + self.at))?;
        let left = Size::bytes(self.region.size.get().saturating_sub(self.at));
        Ok(wanted.min(left.as_usize()))
    }
}

impl Read for Window {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.reach(into.len())?;
        let read = self.file.read(&mut into[..length])?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Write for Window {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.reach(bytes.len())?;
        let written = self.file.write(&bytes[..length])?;
        self.at += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.region.size.get().checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
