use super::table::mbr;
use super::*;
use rstest::rstest;
use std::process::Command;

fn content() -> Content {
    Content::from([
        (
            "factory_t31_ZMC6tiIDQN".to_owned(),
            Entry::File(vec![0x27; 70_000]),
        ),
        (
            "wz_flash-helper/general.conf".to_owned(),
            Entry::File(b"dry_run=\"no\"\n".to_vec()),
        ),
        ("wz_flash-helper/restore/stock".to_owned(), Entry::Folder),
    ])
}

fn card(folder: &Path) -> CardImage {
    CardImage::create(&folder.join("card.img"), MIN_SIZE, &content()).unwrap()
}

/// fsck.fat's verdict on the partition: (clean, what it printed).
fn fsck(card: &CardImage) -> (bool, String) {
    let image = std::fs::read(card.path()).unwrap();
    let partition = card.path().with_extension("fat");
    std::fs::write(&partition, &image[PARTITION_AT.as_usize()..]).unwrap();
    let fsck = Command::new("/usr/sbin/fsck.fat")
        .arg("-n")
        .arg(&partition)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&fsck.stdout).into_owned();
    (fsck.status.success(), printed)
}

#[test]
fn a_new_card_holds_its_content_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path());
    let names = |path| {
        card.list(path)
            .unwrap()
            .into_iter()
            .map(|e| e.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["factory_t31_ZMC6tiIDQN", "wz_flash-helper"]);
    assert_eq!(names("wz_flash-helper"), ["general.conf", "restore"]);
    assert_eq!(names("wz_flash-helper/restore"), ["stock"]);
    assert_eq!(
        card.read("factory_t31_ZMC6tiIDQN").unwrap(),
        vec![0x27; 70_000]
    );
}

#[test]
fn a_new_card_is_clean_for_fsck() {
    let folder = tempfile::tempdir().unwrap();
    let (clean, printed) = fsck(&card(folder.path()));
    assert!(clean, "{printed}");
}

#[test]
fn a_card_that_was_worked_on_is_clean_for_fsck() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path());
    card.write("wz_flash-helper/backup/stock/0001/ID.txt", b"0001")
        .unwrap();
    card.write("factory_t31_ZMC6tiIDQN", b"short").unwrap();
    card.rename("wz_flash-helper/general.conf", "general.old")
        .unwrap();
    card.remove("wz_flash-helper/restore/stock").unwrap();
    let (clean, printed) = fsck(&card);
    assert!(clean, "{printed}");
    assert_eq!(card.read("factory_t31_ZMC6tiIDQN").unwrap(), b"short");
    assert_eq!(card.read("general.old").unwrap(), b"dry_run=\"no\"\n");
    assert!(!card.exists("wz_flash-helper/general.conf").unwrap());
    assert!(!card.exists("wz_flash-helper/restore/stock").unwrap());
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bytes = |folder: &Path| std::fs::read(card(folder).path()).unwrap();
    assert!(bytes(one.path()) == bytes(two.path()));
}

/// The formatter stamps the label with the clock's time, which two cards made at once may share.
#[test]
fn no_time_of_the_clock_is_on_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let image = std::fs::read(card(folder.path()).path()).unwrap();
    let label = memchr::memmem::rfind(&image, b"WZ_FLASH   \x08").unwrap();
    let (time, date) = ([0, 0], [0x21, 0x5a]);
    assert_eq!(image[label + 14..label + 20], [time, date, date].concat());
    assert_eq!(image[label + 22..label + 26], [time, date].concat());
}

#[test]
fn the_partition_table_is_what_the_cameras_expect() {
    let folder = tempfile::tempdir().unwrap();
    let image = std::fs::read(card(folder.path()).path()).unwrap();
    assert_eq!(image.len() as u64, MIN_SIZE.get());
    assert_eq!(image[446 + 4], 0x0c);
    assert_eq!(image[446 + 8..446 + 12], 2048u32.to_le_bytes());
    assert_eq!(
        image[446 + 12..446 + 16],
        (128 * 2048 - 2048u32).to_le_bytes()
    );
    assert_eq!(image[446 + 16..510], [0; 48]);
    assert_eq!(image[510..512], [0x55, 0xaa]);
    assert_eq!(&image[2048 * 512 + 0x52..][..8], b"FAT32   ");
    assert_eq!(image[2048 * 512 + 0x1c..][..4], 2048u32.to_le_bytes());
}

#[test]
fn an_opened_card_is_the_one_that_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let opened = CardImage::open(card(folder.path()).path()).unwrap();
    assert_eq!(
        opened.read("wz_flash-helper/general.conf").unwrap(),
        b"dry_run=\"no\"\n"
    );
}

#[rstest]
#[case(Size::mib(64))]
#[case(Size::mib(200))]
#[case(Size::mib(65_536))]
#[case(Size::ZERO)]
fn a_size_that_no_card_has_is_refused(#[case] size: Size) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.img");
    let refused = CardImage::create(&path, size, &content());
    assert!(
        matches!(refused, Err(CardImageError::Size { .. })),
        "{refused:?}"
    );
    assert!(!path.exists());
}

#[rstest]
#[case::empty(vec![])]
#[case::blank(vec![0; 4096])]
#[case::file_system_without_table([&[0; 510][..], &[0x55, 0xaa], &[0; 4096]].concat())]
#[case::table_beyond_the_end(mbr(Region::new(PARTITION_AT, Size::mib(1)), 0).to_vec())]
fn a_file_that_is_no_card_is_refused(#[case] bytes: Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card.img");
    std::fs::write(&path, bytes).unwrap();
    let refused = CardImage::open(&path);
    assert!(
        matches!(refused, Err(CardImageError::NotACard { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_content_that_does_not_fit_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let too_much = Content::from([("big.bin".to_owned(), Entry::File(vec![1; 130 << 20]))]);
    let refused = CardImage::create(&folder.path().join("card.img"), MIN_SIZE, &too_much);
    assert!(refused.unwrap_err().to_string().contains("big.bin"));
}

#[test]
fn what_is_not_on_the_card_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = card(folder.path())
        .read("wz_flash-helper/result.json")
        .unwrap_err();
    assert!(
        missing.to_string().contains("wz_flash-helper/result.json"),
        "{missing}"
    );
}
