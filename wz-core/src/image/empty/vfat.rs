//! ```text
//!   | boot sector | reserved | FAT | FAT | root directory, 512 entries | clusters of 2K ...
//!   '------------------------- zero but for some bytes ----------------'------ blank ------
//! ```
//! Sectors have 512 bytes. Source: Microsoft's FAT specification 1.03; the parameters are those that
//! `mkfs.fat` 4.2 chooses for partitions of these sizes.

use super::Window;
use crate::units::{Offset, Region, Size};

/// Room for one sector of each table, the root directory and some clusters: a 32K erase block.
pub(super) const SMALLEST: Size = Size::kib(32);

const SECTOR: u32 = 512;
const FATS: u32 = 2;
const ROOT_ENTRIES: u16 = 512;
const ROOT_SECTORS: u32 = 32;
/// A hard disk: the first byte of each FAT says so, too.
const MEDIA: u8 = 0xf8;
/// The same for every camera, so that the same partition always gets the same bytes.
const SERIAL: u32 = 0x575a_0001;

/// A volume of more clusters is not FAT12; that follows from their number alone.
const MOST_CLUSTERS_FAT12: u32 = 4084;
const MOST_CLUSTERS_FAT16: u32 = 65_524;

/// In sectors: 2K and 64K.
const SMALLEST_CLUSTER: u32 = 4;
const LARGEST_CLUSTER: u32 = 128;

/// Up to here (4 MiB), nothing is aligned to clusters.
const SMALL_VOLUME: u32 = 8192;

/// How a volume is divided; all in sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Volume {
    kind: Kind,
    total: u32,
    cluster: u32,
    reserved: u32,
    fat: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fat12,
    Fat16,
}

pub(super) fn fill(size: Size, window: &mut Window<'_>) {
    let volume = Volume::of(size);
    window.zero(Region::new(Offset::ZERO, sectors(volume.before_clusters())));
    window.put(Offset::ZERO, &volume.boot_sector());
    for fat in 0..FATS {
        let at = Offset::ZERO + sectors(volume.reserved + fat * volume.fat);
        window.put(at, volume.kind.first_entries());
    }
}

fn sectors(count: u32) -> Size {
    Size::bytes(u64::from(count) * u64::from(SECTOR))
}

impl Volume {
    /// The largest that fits: clusters of 2K as long as FAT16 can count them, then larger ones.
    fn of(size: Size) -> Self {
        let total = u32::try_from(size.get() / u64::from(SECTOR)).unwrap_or(u32::MAX);
        let total = total.min(MOST_CLUSTERS_FAT16 * LARGEST_CLUSTER);
        let mut cluster = SMALLEST_CLUSTER;
        while total / cluster > MOST_CLUSTERS_FAT16 {
            cluster *= 2;
        }
        let fat12 = Self::divided(Kind::Fat12, total, cluster);
        if fat12.clusters() <= MOST_CLUSTERS_FAT12 {
            return fat12;
        }
        let fat16 = Self::divided(Kind::Fat16, total, cluster);
        if fat16.clusters() > MOST_CLUSTERS_FAT12 {
            return fat16;
        }
        // The longer tables of FAT16 leave too few clusters for a FAT16.
        Self {
            total: fat12.before_clusters() + MOST_CLUSTERS_FAT12 * cluster,
            ..fat12
        }
    }

    fn divided(kind: Kind, total: u32, cluster: u32) -> Self {
        let unit = if total > SMALL_VOLUME { cluster } else { 1 };
        let entries = total.saturating_sub(unit + ROOT_SECTORS) / cluster + 2;
        let table = entries.saturating_mul(kind.bits()).div_ceil(8 * SECTOR);
        Self {
            kind,
            total,
            cluster,
            reserved: unit,
            fat: table.next_multiple_of(unit),
        }
    }

    fn before_clusters(&self) -> u32 {
        self.reserved + FATS * self.fat + ROOT_SECTORS
    }

    fn clusters(&self) -> u32 {
        self.total.saturating_sub(self.before_clusters()) / self.cluster
    }

    fn boot_sector(&self) -> [u8; SECTOR as usize] {
        let (total_16, total_32) = match u16::try_from(self.total) {
            Ok(total) => (total, 0),
            Err(_) => (0, self.total),
        };
        let mut sector = [0; SECTOR as usize];
        let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &[0xeb, 0x3c, 0x90]);
        put(3, b"wz_flash");
        put(11, &low(SECTOR));
        put(13, &self.cluster.to_le_bytes()[..1]);
        put(14, &low(self.reserved));
        put(16, &FATS.to_le_bytes()[..1]);
        put(17, &ROOT_ENTRIES.to_le_bytes());
        put(19, &total_16.to_le_bytes());
        put(21, &[MEDIA]);
        put(22, &low(self.fat));
        // Sectors per track and heads: flash has none, but zero is refused by some.
        put(24, &low(16));
        put(26, &low(2));
        put(32, &total_32.to_le_bytes());
        put(36, &[0x80, 0, 0x29]);
        put(39, &SERIAL.to_le_bytes());
        put(43, b"NO NAME    ");
        put(54, self.kind.name());
        put(510, &[0x55, 0xaa]);
        sector
    }
}

/// A value that is known to fit 16 bits, as they are stored.
fn low(value: u32) -> [u8; 2] {
    let [a, b, ..] = value.to_le_bytes();
    [a, b]
}

impl Kind {
    const fn bits(self) -> u32 {
        match self {
            Self::Fat12 => 12,
            Self::Fat16 => 16,
        }
    }

    const fn name(self) -> &'static [u8; 8] {
        match self {
            Self::Fat12 => b"FAT12   ",
            Self::Fat16 => b"FAT16   ",
        }
    }

    /// Entries 0 and 1, which belong to no cluster.
    const fn first_entries(self) -> &'static [u8] {
        match self {
            Self::Fat12 => &[MEDIA, 0xff, 0xff],
            Self::Fat16 => &[MEDIA, 0xff, 0xff, 0xff],
        }
    }
}
