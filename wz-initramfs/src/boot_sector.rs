//! What the first sector of a card or of its partition says about it.
//!
//! ```text
//! card       0        boot code        446  entry 1 ... entry 4  510 0x55 0xaa
//!                                           |- 0 active flag (0 or 0x80), 4 type (0: unused)
//! FAT        0 jump  3 name  11 bytes/sector  13 sectors/cluster  14 reserved  16 FATs  21 media
//! ```

/// As much as is looked at.
pub const LENGTH: usize = 512;

/// A first sector.
pub type Sector = [u8; LENGTH];

/// What a card starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardStart {
    /// An MBR whose first entry is in use.
    FirstPartition,
    /// An MBR with other entries only.
    OtherPartitions,
    /// A FAT file system without partitions around it.
    Fat,
    /// Neither.
    Nothing,
}

/// What `sector`, the first one of a card, is.
pub fn card_start(sector: &Sector) -> CardStart {
    let entries: Vec<&[u8]> = sector[446..510].chunks_exact(16).collect();
    let plausible = is_signed(sector) && entries.iter().all(|entry| matches!(entry[0], 0 | 0x80));
    let used = |entry: &&[u8]| entry[4] != 0;
    match () {
        () if plausible && used(&entries[0]) => CardStart::FirstPartition,
        () if plausible && entries.iter().any(used) => CardStart::OtherPartitions,
        () if is_fat(sector) => CardStart::Fat,
        () => CardStart::Nothing,
    }
}

/// Why `sector`, the first one of a partition, does not start a FAT file system; `None` if it does.
pub fn reason_it_is_not_fat(sector: &Sector) -> Option<&'static str> {
    match &sector[3..11] {
        b"EXFAT   " => return Some("it is exFAT"),
        b"NTFS    " => return Some("it is NTFS"),
        _ => {}
    }
    if sector.starts_with(b"EFI PART") {
        return Some("the card has a GPT instead of an MBR partition table");
    }
    match is_fat(sector) {
        true => None,
        false if sector.iter().all(|&byte| byte == 0) => Some("it is not formatted"),
        false => Some("it holds something else"),
    }
}

fn is_signed(sector: &Sector) -> bool {
    sector.ends_with(&[0x55, 0xaa])
}

fn is_fat(sector: &Sector) -> bool {
    let bytes_per_sector = u16::from_le_bytes([sector[11], sector[12]]);
    let reserved = u16::from_le_bytes([sector[14], sector[15]]);
    is_signed(sector)
        && matches!(bytes_per_sector, 512 | 1024 | 2048 | 4096)
        && sector[13].is_power_of_two()
        && reserved != 0
        && matches!(sector[16], 1 | 2)
        && (sector[21] == 0xf0 || sector[21] >= 0xf8)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use rstest::rstest;

    pub fn mbr(types: [u8; 4]) -> Sector {
        let mut sector = [0; LENGTH];
        for (entry, kind) in sector[446..510].chunks_exact_mut(16).zip(types) {
            entry[4] = kind;
        }
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    pub fn fat() -> Sector {
        let mut sector = mbr([0; 4]);
        sector[..11].copy_from_slice(b"\xeb\x58\x90mkfs.fat");
        sector[11..17].copy_from_slice(&[0, 2, 8, 32, 0, 2]);
        sector[21] = 0xf8;
        sector
    }

    fn with_boot_code(mut sector: Sector) -> Sector {
        sector[400..510].fill(b'x');
        sector
    }

    #[rstest]
    #[case::usual(mbr([0x0c, 0, 0, 0]), CardStart::FirstPartition)]
    #[case::gpt(mbr([0xee, 0, 0, 0]), CardStart::FirstPartition)]
    #[case::second_only(mbr([0, 0x0c, 0, 0]), CardStart::OtherPartitions)]
    #[case::empty_table(mbr([0; 4]), CardStart::Nothing)]
    #[case::superfloppy(fat(), CardStart::Fat)]
    #[case::superfloppy_of_windows(with_boot_code(fat()), CardStart::Fat)]
    #[case::blank([0; LENGTH], CardStart::Nothing)]
    #[case::noise([0xa5; LENGTH], CardStart::Nothing)]
    fn the_start_of_a_card_tells_what_it_is(#[case] sector: Sector, #[case] start: CardStart) {
        assert_eq!(card_start(&sector), start);
    }

    fn named(name: &[u8; 8]) -> Sector {
        let mut sector = mbr([0; 4]);
        sector[3..11].copy_from_slice(name);
        sector
    }

    #[rstest]
    #[case(fat(), None)]
    #[case(named(b"EXFAT   "), Some("exFAT"))]
    #[case(named(b"NTFS    "), Some("NTFS"))]
    #[case([0; LENGTH], Some("not formatted"))]
    #[case([0xa5; LENGTH], Some("something else"))]
    fn a_partition_that_is_not_fat_is_named(#[case] sector: Sector, #[case] told: Option<&str>) {
        match (reason_it_is_not_fat(&sector), told) {
            (None, None) => {}
            (Some(reason), Some(told)) => assert!(reason.contains(told), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}
