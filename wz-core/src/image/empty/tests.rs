use super::*;
use hadris_fat::{FatType, FatVolume, FatVolumeWriteExt};
use proptest::prelude::*;
use rstest::rstest;
use std::io::Cursor;

const BLOCK: Size = Size::kib(32);
const BOTH: [EmptyFileSystem; 2] = [EmptyFileSystem::Jffs2, EmptyFileSystem::Vfat];

/// What a kernel writes at the start of an erased block (as `mkfs.jffs2` and `flash_erase -j` do).
const CLEAN_MARKER: [u8; 12] = [
    0x85, 0x19, 0x03, 0x20, 0x0c, 0x00, 0x00, 0x00, 0xb1, 0xb0, 0x1e, 0xe4,
];

fn whole(made: EmptyFileSystem, size: Size) -> Vec<u8> {
    let mut bytes = vec![0; size.as_usize()];
    made.fill(size, BLOCK, Offset::ZERO, &mut bytes);
    bytes
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[test]
fn each_block_of_a_jffs2_has_a_clean_marker_and_nothing_else() {
    for block in whole(EmptyFileSystem::Jffs2, Size::kib(384)).chunks(BLOCK.as_usize()) {
        assert_eq!(block[..12], CLEAN_MARKER);
        assert!(block[12..].iter().all(|byte| *byte == 0xff));
    }
}

#[test]
fn a_jffs2_marks_blocks_of_the_size_of_the_chip() {
    let mut bytes = vec![0; 1 << 20];
    EmptyFileSystem::Jffs2.fill(Size::mib(1), Size::kib(64), Offset::ZERO, &mut bytes);
    let marked = |at: &usize| bytes[*at..].starts_with(&CLEAN_MARKER);
    let places: Vec<_> = (0..1 << 20).step_by(4096).filter(marked).collect();
    let wanted: Vec<_> = (0..1 << 20).step_by(64 * 1024).collect();
    assert_eq!(places, wanted);
}

/// Sectors per cluster, reserved sectors, sectors in all, sectors of a FAT: as `mkfs.fat` 4.2 chooses
/// them (`mkfs.fat -v -C file <KiB>`).
#[rstest]
#[case::kback_of_t31(1984, "FAT12", [4, 1, 3968, 3])]
#[case::backupk_of_t20(2048, "FAT12", [4, 1, 4096, 3])]
#[case::small(256, "FAT12", [4, 1, 512, 1])]
#[case::the_largest_unaligned(4096, "FAT12", [4, 1, 8192, 6])]
#[case::the_smallest_aligned(4128, "FAT12", [4, 4, 8256, 8])]
#[case::fat16(16384, "FAT16", [4, 4, 32768, 32])]
fn a_volume_is_divided_as_mkfs_does(
    #[case] kib: u64,
    #[case] kind: &str,
    #[case] wanted: [u16; 4],
) {
    let bytes = whole(EmptyFileSystem::Vfat, Size::kib(kib));
    let divided = [
        u16::from(bytes[13]),
        word(&bytes, 14),
        word(&bytes, 19),
        word(&bytes, 22),
    ];
    assert_eq!(divided, wanted);
    assert_eq!(bytes[54..59], *kind.as_bytes());
}

#[test]
fn a_volume_of_32_mib_counts_its_sectors_in_32_bits() {
    let bytes = whole(EmptyFileSystem::Vfat, Size::mib(32));
    assert_eq!(word(&bytes, 19), 0);
    assert_eq!(bytes[32..36], 65536u32.to_le_bytes());
}

#[rstest]
#[case(32)]
#[case(1984)]
#[case(2048)]
#[case(8192)]
#[case(8224)]
#[case(16384)]
#[case(131_072)]
#[case(262_144)]
fn another_program_finds_the_volume_empty_and_writes_a_file(#[case] kib: u64) {
    let bytes = whole(EmptyFileSystem::Vfat, Size::kib(kib));
    let volume = FatVolume::open(Cursor::new(bytes)).unwrap();
    assert_eq!(volume.root_dir().entries().count(), 0);

    let content: Vec<u8> = (0..10_000).map(|n: u32| n.to_le_bytes()[0]).collect();
    let entry = volume
        .create_file(&volume.root_dir(), "upgrade.bin")
        .unwrap();
    let mut writer = volume.write_file(&entry).unwrap();
    let mut rest = &content[..];
    while !rest.is_empty() {
        rest = &rest[writer.write(rest).unwrap()..];
    }
    writer.finish().unwrap();
    let mut file = volume.open_file_path("upgrade.bin").unwrap();
    assert_eq!(file.read_to_vec().unwrap(), content);
}

/// A reader takes the width of the entries from the number of clusters alone.
#[test]
fn the_number_of_clusters_is_right_for_the_width_of_the_entries() {
    for blocks in 1..2048 {
        let size = Size::kib(32 * blocks);
        let mut sector = [0; 512];
        EmptyFileSystem::Vfat.fill(size, BLOCK, Offset::ZERO, &mut sector);
        let total = match word(&sector, 19) {
            0 => u32::from_le_bytes(*sector[32..].first_chunk().unwrap()),
            total => total.into(),
        };
        let (reserved, fat) = (word(&sector, 14), u32::from(word(&sector, 22)));
        let clusters = (total - u32::from(reserved) - 2 * fat - 32) / u32::from(sector[13]);
        let (bits, name) = match clusters {
            0..4085 => (12, b"FAT12   "),
            _ => (16, b"FAT16   "),
        };
        assert_eq!(sector[54..62], *name, "{size}: {clusters}");
        assert!(fat * 512 * 8 >= (clusters + 2) * bits, "{size}: {clusters}");
        assert!(u64::from(total) * 512 <= size.get(), "{size}");
        assert!(size.get() - u64::from(total) * 512 < 64 * 1024, "{size}");
    }
}

#[test]
fn the_tables_tell_that_nothing_is_used_and_the_rest_is_blank() {
    let bytes = whole(EmptyFileSystem::Vfat, Size::kib(1984));
    let (fat, root, clusters) = (512, 7 * 512, 39 * 512);
    for start in [fat, fat + 3 * 512] {
        assert_eq!(bytes[start..start + 3], [0xf8, 0xff, 0xff]);
        assert!(bytes[start + 3..start + 3 * 512].iter().all(|b| *b == 0));
    }
    assert!(bytes[root..clusters].iter().all(|b| *b == 0));
    assert!(bytes[clusters..].iter().all(|b| *b == 0xff));
}

#[test]
fn fat_type_is_what_another_program_takes_it_for() {
    let open = |kib| {
        let bytes = whole(EmptyFileSystem::Vfat, Size::kib(kib));
        FatVolume::open(Cursor::new(bytes)).unwrap().fat_type()
    };
    assert_eq!(open(1984), FatType::Fat12);
    assert_eq!(open(16384), FatType::Fat16);
}

#[rstest]
#[case(EmptyFileSystem::Jffs2, 160)]
#[case(EmptyFileSystem::Vfat, 32)]
fn what_is_too_small_stays_blank(#[case] made: EmptyFileSystem, #[case] kib: u64) {
    assert_eq!(made.smallest(BLOCK), Size::kib(kib));
    assert_ne!(whole(made, Size::kib(kib))[..2], [0xff, 0xff]);
    let smaller = whole(made, Size::bytes(kib * 1024 - 1));
    assert!(smaller.iter().all(|byte| *byte == 0xff));
}

proptest! {
    #[test]
    fn a_part_is_what_the_whole_has_there(
        made in prop::sample::select(BOTH.to_vec()),
        blocks in 1u64..40,
        at in 0usize..1_400_000,
        length in 0usize..70_000,
    ) {
        let size = Size::kib(32 * blocks);
        let mut whole = whole(made, size);
        whole.resize(1_500_000, 0xff);
        let mut part = vec![0; length];
        made.fill(size, BLOCK, Offset::bytes(at as u64), &mut part);
        prop_assert!(part == whole[at..at + length]);
    }

    #[test]
    fn no_numbers_are_a_panic(
        made in prop::sample::select(BOTH.to_vec()),
        size: u64,
        block: u64,
        at: u64,
        length in 0usize..1000,
    ) {
        let mut part = vec![0; length];
        made.fill(Size::bytes(size), Size::bytes(block), Offset::bytes(at), &mut part);
    }
}
