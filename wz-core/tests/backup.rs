//! A backup on a simulated camera: whole or not there, whatever the card and the power do.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use rstest::rstest;
use sha2::{Digest, Sha256};
use wz_core::card::{Card, CardPath, SimCard, SimFault};
use wz_core::detect::{BootRom, Camera, CameraPartition};
use wz_core::event::{CameraFacts, Event, Problem};
use wz_core::execute::{BackupResult, backup};
use wz_core::flash::{Fault, FileSystem, FileSystems, Geometry, SimNor};
use wz_core::image::check::Content;
use wz_core::plan::{BackupPlan, plan_backup, secondary_folder, survey};
use wz_core::profile::Format;
use wz_core::sim::Cut;
use wz_core::units::{Offset, Region, Size};

const CHIP: Size = Size::kib(192);

/// A folder of files that poses as every mounted partition; none poses as a damaged one.
struct Files(Option<tempfile::TempDir>);

impl Files {
    fn some() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(".product_config"), "WYZE").unwrap();
        std::fs::create_dir(folder.path().join("a folder")).unwrap();
        std::fs::write(folder.path().join("a folder/wpa.conf"), "x".repeat(5000)).unwrap();
        Self(Some(folder))
    }

    fn damaged() -> Self {
        Self(None)
    }
}

impl FileSystems for Files {
    fn mount(&mut self, _: Region, _: FileSystem) -> io::Result<PathBuf> {
        let folder = self
            .0
            .as_ref()
            .ok_or_else(|| io::Error::other("bad superblock"))?;
        Ok(folder.path().to_owned())
    }

    fn release(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn flash() -> SimNor {
    let geometry = Geometry {
        size: CHIP,
        erase_block: Size::kib(32),
        page: Size::bytes(256),
    };
    let byte = |at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8;
    SimNor::holding(geometry, (0..192 * 1024).map(byte).collect())
}

fn facts() -> CameraFacts {
    CameraFacts {
        soc: "t31".into(),
        chip: "t31x".into(),
        group: "t31x".into(),
        flash: "jz_sfc 192K".into(),
        firmware: Some("stock".into()),
        layout: Some("stock".into()),
        model: None,
    }
}

/// Partitions that do not follow the chunks in which flash is read.
fn partitions() -> Vec<CameraPartition> {
    let part = |name: &str, offset, size, user_files| CameraPartition {
        name: name.into(),
        region: Region::new(Offset::bytes(offset), Size::bytes(size)),
        format: Format::Raw,
        user_files,
        content: Content::Anything,
    };
    vec![
        part("boot", 0, 32 * 1024, None),
        part("cfg", 32 * 1024, 100_000, Some(FileSystem::Jffs2)),
        part(
            "odd",
            32 * 1024 + 100_000,
            192 * 1024 - 32 * 1024 - 100_000,
            None,
        ),
    ]
}

fn plan(card: &SimCard) -> Result<BackupPlan, Vec<Problem>> {
    let camera = Camera {
        facts: facts(),
        chip: Region::new(Offset::ZERO, CHIP),
        partitions: partitions(),
        secondary_backup: Some("Wyze_factory_backup".into()),
        boot_guard: Region::new(Offset::ZERO, Size::kib(32)),
        obstacles: Vec::new(),
        boot_rom: BootRom::Any,
    };
    let mut parents = vec![CardPath::backups().join("stock")];
    parents.extend(secondary_folder(&camera, true));
    let survey = survey(&mut card.clone(), &parents).expect("the card answers");
    plan_backup(&camera, &survey, true)
}

fn run(card: &SimCard, flash: &mut SimNor, files: &mut Files) -> Result<BackupResult, Problem> {
    let plan = plan(card).expect("the card can take it");
    backup(&plan, flash, files, &mut card.clone(), &mut |_: &Event| {})
}

fn card() -> SimCard {
    SimCard::new(Size::mib(8)).with(&CardPath::general_conf(), b"backup_partitions=\"yes\"\n")
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The files of each folder of backups that has a final name, by folder.
fn finished_backups(card: &SimCard) -> BTreeMap<String, BTreeMap<String, Vec<u8>>> {
    let mut backups = BTreeMap::<_, BTreeMap<_, _>>::new();
    for folder in card
        .folders()
        .iter()
        .filter(|folder| folder.ends_with(char::is_numeric))
    {
        backups.insert(folder.clone(), BTreeMap::new());
    }
    for (path, content) in card.files() {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if let Some(files) = backups.get_mut(folder) {
            files.insert(name.to_owned(), content);
        }
    }
    backups
}

/// Every image equals its region of flash, and every `.sha256sum` is right.
fn assert_whole(files: &BTreeMap<String, Vec<u8>>, flash: &SimNor) {
    let content = flash.content();
    assert!(files["stock_t31x_all.bin"] == content, "the whole chip");
    for part in partitions() {
        let range = part.region.offset.as_usize()..part.region.end().as_usize();
        assert_eq!(
            files[&format!("stock_t31x_{}.bin", part.name)],
            content[range]
        );
    }
    let data: Vec<&String> = files
        .keys()
        .filter(|name| !name.ends_with(".sha256sum") && *name != "ID.txt")
        .collect();
    assert!(data.len() >= 4);
    for name in data {
        let sum = format!("{}  {name}\n", hex(&files[name]));
        assert!(
            files[&format!("{name}.sha256sum")] == sum.as_bytes(),
            "{name}"
        );
    }
    assert!(files.contains_key("ID.txt"));
}

#[test]
fn a_backup_holds_the_chip_every_partition_and_their_hashes_in_both_folders() {
    let (card, mut flash) = (card(), flash());
    let result = run(&card, &mut flash, &mut Files::some()).unwrap();
    let backups = finished_backups(&card);
    let folders: Vec<&String> = backups.keys().collect();
    assert_eq!(
        folders,
        [
            "Wyze_factory_backup/0001",
            "wz_flash-helper/backup/stock/0001"
        ]
    );
    backups
        .values()
        .for_each(|files| assert_whole(files, &flash));
    assert_eq!(result.folders.len(), 2);
    assert_eq!(result.archives_failed, []);
}

#[test]
fn flash_is_read_exactly_once_however_many_files_want_a_byte() {
    let mut flash = flash();
    run(&card(), &mut flash, &mut Files::some()).unwrap();
    assert_eq!(flash.wear().bytes_read, CHIP.get());
}

#[test]
fn the_archive_holds_the_files_that_were_in_the_partition() {
    let card = card();
    run(&card, &mut flash(), &mut Files::some()).unwrap();
    let files = card.files();
    let packed = &files["wz_flash-helper/backup/stock/0001/stock_t31x_cfg.tar.gz"];
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
    let folder = tempfile::tempdir().unwrap();
    archive.unpack(folder.path()).unwrap();
    let read = |name| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read(".product_config"), "WYZE");
    assert_eq!(read("a folder/wpa.conf"), "x".repeat(5000));
}

/// A program that ran in the camera leaves its sockets behind.
#[cfg(unix)]
#[test]
fn a_socket_in_the_partition_is_left_out_of_the_archive() {
    let (card, mut files) = (card(), Files::some());
    let socket = files.0.as_ref().unwrap().path().join("control");
    let _listening = std::os::unix::net::UnixListener::bind(socket).unwrap();
    let result = run(&card, &mut flash(), &mut files).unwrap();
    assert_eq!(result.archives_failed, []);
    let saved = card.files();
    let packed = &saved["wz_flash-helper/backup/stock/0001/stock_t31x_cfg.tar.gz"];
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
    let names: Vec<String> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(
        names,
        [".product_config", "a folder", "a folder/wpa.conf"],
        "in the order of the names, without the folder itself"
    );
}

#[test]
fn a_damaged_file_system_costs_its_archive_and_nothing_else() {
    let (card, mut flash) = (card(), flash());
    let result = run(&card, &mut flash, &mut Files::damaged()).unwrap();
    assert!(matches!(&result.archives_failed[..],
        [Problem::ArchiveFailed { partition, .. }] if partition == "cfg"));
    let backups = finished_backups(&card);
    assert_eq!(backups.len(), 2);
    for files in backups.values() {
        assert_whole(files, &flash);
        assert!(!files.keys().any(|name| name.contains("tar.gz")));
    }
}

#[test]
fn an_archive_that_does_not_fit_costs_itself_and_nothing_else() {
    let roomy = card();
    let needed = plan(&roomy).unwrap().needed;
    let tight = SimCard::new(Size::bytes(needed.get() + 64 * 1024));
    let mut files = Files::some();
    let digest = |at: u32| Sha256::digest(at.to_le_bytes());
    let large: Vec<u8> = (0..128 * 1024).flat_map(digest).collect();
    let folder = files.0.as_ref().unwrap().path();
    std::fs::write(folder.join("recording"), large).unwrap();
    let mut flash = flash();
    let result = run(&tight, &mut flash, &mut files).unwrap();
    assert!(matches!(
        &result.archives_failed[..],
        [Problem::ArchiveFailed { .. }]
    ));
    let backups = finished_backups(&tight);
    assert_eq!(backups.len(), 2);
    for files in backups.values() {
        assert!(files["stock_t31x_all.bin"] == flash.content());
        assert!(!files.keys().any(|name| name.contains("tar.gz")));
    }
}

#[test]
fn numbers_go_up_over_both_folders_and_unfinished_backups_count() {
    let partial = CardPath::backups()
        .join("stock")
        .join("0007.partial")
        .join("x.bin");
    let second = CardPath::root()
        .join("Wyze_factory_backup")
        .join("0041")
        .join("x.bin");
    let card = card().with(&partial, b"half").with(&second, b"whole");
    run(&card, &mut flash(), &mut Files::some()).unwrap();
    assert!(finished_backups(&card).contains_key("wz_flash-helper/backup/stock/0042"));
    assert!(
        !card
            .folders()
            .iter()
            .any(|folder| folder.ends_with(".partial"))
    );
}

/// The bytes that a backup writes.
fn bytes_written() -> u64 {
    let card = card();
    run(&card, &mut flash(), &mut Files::some()).unwrap();
    finished_backups(&card)
        .values()
        .flat_map(BTreeMap::values)
        .map(|file| file.len() as u64)
        .sum()
}

#[rstest]
#[case::from_the_start(1000)]
#[case::in_the_last_image(3)]
#[case::in_the_last_small_file(0)]
fn a_card_that_drops_writes_is_caught_and_leaves_no_finished_folder(#[case] thousandths: u64) {
    let card = card();
    let total = bytes_written();
    card.break_it(SimFault::DropsWritesAfter(Size::bytes(
        total - 9 - total / 1001 * thousandths,
    )));
    let result = run(&card, &mut flash(), &mut Files::some());
    assert!(
        matches!(result, Err(Problem::ReadBackDiffers { .. })),
        "{result:?}"
    );
    assert!(finished_backups(&card).is_empty());
}

#[test]
fn one_flipped_bit_anywhere_is_caught() {
    let total = bytes_written();
    for step in 0..64 {
        let place = Size::bytes(step * total / 64);
        let card = card();
        card.break_it(SimFault::FlipsABitAfter(place));
        let result = run(&card, &mut flash(), &mut Files::some());
        assert!(
            matches!(result, Err(Problem::ReadBackDiffers { .. })),
            "{place}: {result:?}"
        );
        assert!(finished_backups(&card).is_empty());
    }
}

#[test]
fn a_card_that_is_pulled_out_is_named_as_such() {
    let card = card();
    card.break_it(SimFault::PulledAfter(Size::kib(100)));
    let result = run(&card, &mut flash(), &mut Files::some());
    assert!(
        matches!(result, Err(Problem::CardGone { .. })),
        "{result:?}"
    );
    assert!(finished_backups(&card).is_empty());
}

#[test]
fn a_byte_of_flash_that_cannot_be_read_fails_the_backup_and_says_where() {
    let (card, mut flash) = (card(), flash());
    flash.break_it(Fault::UnreadableAt(Offset::bytes(100_000)));
    let result = run(&card, &mut flash, &mut Files::some());
    match result {
        Err(Problem::FlashRead { region, .. }) => {
            assert_eq!(region.offset, Offset::bytes(100_000));
        }
        other => panic!("{other:?}"),
    }
    assert!(finished_backups(&card).is_empty());
    assert!(
        !card.files().keys().any(|path| path.ends_with(".bin")),
        "nothing half-written"
    );
}

#[test]
fn a_card_without_room_is_refused_with_the_figures_before_anything_is_written() {
    let card = SimCard::new(Size::mib(1));
    let problems = plan(&card).unwrap_err();
    assert!(matches!(problems[..], [Problem::CardTooSmall { needed, free, .. }] if needed > free));
    assert_eq!(card.power().operations(), 0);
}

#[test]
fn what_is_planned_is_enough_room() {
    let roomy = card();
    let needed = plan(&roomy).unwrap().needed;
    let tight = SimCard::new(Size::bytes(needed.get() + 64 * 1024));
    run(&tight, &mut flash(), &mut Files::some()).unwrap();
    assert_eq!(finished_backups(&tight).len(), 2);
}

#[test]
fn room_that_an_unfinished_backup_takes_counts_as_free() {
    let leftover = CardPath::backups()
        .join("stock")
        .join("0001.partial")
        .join("all.bin");
    let needed = plan(&card()).unwrap().needed;
    let card =
        SimCard::new(Size::bytes(needed.get() + 64 * 1024)).with(&leftover, &vec![0; 192 * 1024]);
    run(&card, &mut flash(), &mut Files::some()).unwrap();
}

#[rstest]
#[case(CardPath::program())]
#[case(CardPath::backups())]
#[case(CardPath::backups().join("stock"))]
#[case(CardPath::root().join("Wyze_factory_backup"))]
fn a_file_where_a_folder_is_needed_is_refused_by_name(#[case] path: CardPath) {
    let card = SimCard::new(Size::mib(8)).with(&path, b"a file");
    let problems = plan(&card).unwrap_err();
    assert_eq!(
        problems,
        [Problem::NotAFolder {
            path: path.to_string()
        }]
    );
    assert_eq!(card.power().operations(), 0);
}

#[test]
fn the_highest_number_is_the_last() {
    let last = CardPath::backups()
        .join("stock")
        .join("9999")
        .join("ID.txt");
    let card = card().with(&last, b"ID: 9999\n");
    assert!(matches!(
        &plan(&card).unwrap_err()[..],
        [Problem::BackupNumbersUsedUp { .. }]
    ));
}

/// S5: power fails during each single change of the card, in three ways; then a second run.
#[test]
fn after_a_power_cut_at_any_change_no_folder_with_a_final_name_is_less_than_whole() {
    let counted = card();
    run(&counted, &mut flash(), &mut Files::some()).unwrap();
    let changes = counted.power().operations();
    assert!(changes > 50, "{changes}");
    for at in 0..changes {
        let cuts = [
            Cut::NotStarted,
            Cut::DoneUnacknowledged,
            Cut::Torn { seed: at * 7919 },
        ];
        for cut in cuts {
            let (card, mut flash) = (card(), flash());
            card.power().fail_after(at, cut);
            assert!(
                run(&card, &mut flash, &mut Files::some()).is_err(),
                "{at} {cut:?}"
            );
            assert!(card.power().is_off());
            card.power().turn_on();
            finished_backups(&card)
                .values()
                .for_each(|files| assert_whole(files, &flash));
            run(&card, &mut flash, &mut Files::some()).unwrap();
            let backups = finished_backups(&card);
            backups
                .values()
                .for_each(|files| assert_whole(files, &flash));
            assert!(
                !card
                    .folders()
                    .iter()
                    .any(|folder| folder.ends_with(".partial"))
            );
        }
    }
}

#[test]
fn a_failed_backup_leaves_the_rest_of_the_card_as_it_was() {
    let mut card = card();
    card.break_it(SimFault::DropsWritesAfter(Size::kib(50)));
    run(&card, &mut flash(), &mut Files::some()).unwrap_err();
    let conf = card.read(&CardPath::general_conf(), Size::kib(1)).unwrap();
    assert_eq!(
        conf.as_deref(),
        Some(b"backup_partitions=\"yes\"\n".as_slice())
    );
    assert_eq!(card.files().len(), 1);
}
