//! What the simulated card does to programs.

use super::super::{remove_for_good, rename_for_good};
use super::*;
use crate::flash::{Flash, Geometry, ReadFlash, SimNor};
use crate::sim::Cut;
use crate::units::Region;
use rstest::rstest;
use std::collections::BTreeSet;

fn write(card: &mut SimCard, path: &CardPath, bytes: &[u8]) -> io::Result<()> {
    let mut file = card.create(path).map_err(|error| error.source)?;
    file.write_all(bytes)?;
    file.finish()
}

fn read_back(card: &mut SimCard, path: &CardPath) -> Vec<u8> {
    let mut bytes = Vec::new();
    card.read_back(path)
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    bytes
}

#[test]
fn a_lying_card_shows_its_loss_only_on_read_back() {
    let mut card = SimCard::new(Size::mib(1));
    card.break_it(SimFault::DropsWritesAfter(Size::bytes(2)));
    let path = CardPath::root().join("f");
    write(&mut card, &path, &[1, 2, 3, 4]).unwrap();
    assert_eq!(
        card.read(&path, Size::kib(1)).unwrap(),
        Some(vec![1, 2, 3, 4])
    );
    assert_eq!(read_back(&mut card, &path), [1, 2, 0, 0]);
}

#[test]
fn a_cut_loses_what_was_not_synced() {
    let mut card = SimCard::new(Size::mib(1));
    let (kept, lost) = (CardPath::root().join("kept"), CardPath::root().join("lost"));
    write(&mut card, &kept, &[1]).unwrap();
    card.sync().unwrap();
    card.power().fail_after(1, Cut::NotStarted);
    assert!(write(&mut card, &lost, &[2]).is_err());
    assert!(card.sync().is_err());
    card.power().turn_on();
    assert_eq!(card.files().into_keys().collect::<Vec<_>>(), ["kept"]);
}

#[test]
fn a_full_card_refuses_and_says_so() {
    let mut card = SimCard::new(Size::kib(8));
    let path = CardPath::root().join("f");
    let error = write(&mut card, &path, &[0; 9000]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
}

#[test]
fn a_new_name_that_the_card_loses_is_an_error() {
    let (old, new) = (CardPath::root().join("old"), CardPath::root().join("new"));
    let mut card = SimCard::new(Size::mib(1)).with(&old, &[7]);
    card.break_it(SimFault::LosesNewNames);
    assert!(rename_for_good(&mut card, &old, &new).is_err());
    let mut good = SimCard::new(Size::mib(1)).with(&old, &[7]);
    rename_for_good(&mut good, &old, &new).unwrap();
    assert_eq!(good.files().into_keys().collect::<Vec<_>>(), ["new"]);
}

#[test]
fn a_file_that_the_card_keeps_though_it_was_removed_is_an_error() {
    let path = CardPath::root().join("f");
    let mut card = SimCard::new(Size::mib(1)).with(&path, &[7]);
    card.break_it(SimFault::IgnoresWrite { nth: 1 });
    assert!(remove_for_good(&mut card, &path).is_err());
    remove_for_good(&mut card, &path).unwrap();
    assert!(card.files().is_empty());
}

#[test]
fn renaming_a_folder_takes_its_files_along() {
    let from = CardPath::root().join("a");
    let mut card = SimCard::new(Size::mib(1)).with(&from.join("x"), &[7]);
    card.rename(&from, &CardPath::root().join("b")).unwrap();
    assert_eq!(card.files(), BTreeMap::from([("b/x".to_owned(), vec![7])]));
}

fn file(name: &str) -> CardPath {
    CardPath::root().join(name)
}

/// A card with a synced file `old`, and with changes of every kind that are not synced.
fn card_with_unsynced_changes(power: &Power) -> SimCard {
    let mut card = SimCard::new(Size::mib(1))
        .with(&file("old"), b"old")
        .with(&file("gone"), b"gone")
        .with(&file("journal"), &[0; 2 * SECTOR])
        .powered_by(power);
    card.create_folder(&file("folder")).unwrap();
    write(&mut card, &file("folder/new"), b"new").unwrap();
    write(&mut card, &file("partial"), b"newer").unwrap();
    card.rename(&file("partial"), &file("old")).unwrap();
    card.remove_file(&file("gone")).unwrap();
    card
}

fn names(card: &SimCard) -> Vec<String> {
    card.files().into_keys().collect()
}

fn chip() -> SimNor {
    SimNor::blank(Geometry {
        size: Size::kib(16),
        erase_block: Size::kib(4),
        page: Size::bytes(256),
    })
}

const SYNCED: [&str; 3] = ["gone", "journal", "old"];
const UNSYNCED: [&str; 3] = ["folder/new", "journal", "old"];

type Change = fn(&mut SimCard, &mut SimNor) -> bool;

const ERASE: Change = |_, chip| chip.erase(Offset::ZERO).is_ok();
const PROGRAM: Change = |_, chip| chip.program(Offset::ZERO, &[0]).is_ok();
const FLUSH: Change = |card, _| card.sync().is_ok();
const SECTOR_9: Change = |card, _| card.write_sector(&file("journal"), 1, &[9; SECTOR]).is_ok();

#[rstest]
#[case::lost(Cut::NotStarted, &SYNCED, b"old")]
#[case::kept(Cut::DoneUnacknowledged, &UNSYNCED, b"newer")]
fn a_cut_in_any_change_of_either_device_loses_or_keeps_all_that_was_not_synced(
    #[values(ERASE, PROGRAM, FLUSH, SECTOR_9)] change: Change,
    #[case] cut: Cut,
    #[case] left: &[&str],
    #[case] content: &[u8],
) {
    let power = Power::new();
    let mut card = card_with_unsynced_changes(&power);
    let mut chip = chip().powered_by(&power);
    power.fail_after(0, cut);
    assert!(!change(&mut card, &mut chip));
    power.turn_on();
    assert_eq!(names(&card), left);
    let old = card.read(&file("old"), Size::kib(1)).unwrap();
    assert_eq!(old.as_deref(), Some(content));
}

#[rstest]
#[case::lost(Cut::NotStarted, "j")]
#[case::kept(Cut::DoneUnacknowledged, "k")]
fn the_change_in_flight_fares_like_those_before(#[case] cut: Cut, #[case] name: &str) {
    let mut card = card_with_two_sectors();
    card.power().fail_after(0, cut);
    RENAME(&mut card).unwrap_err();
    card.power().turn_on();
    assert_eq!(names(&card), [name]);
}

#[test]
fn a_torn_cut_leaves_parts_and_what_was_synced_and_every_part_is_seen_with_some_seed() {
    let mut seen = BTreeSet::new();
    for seed in 0..500 {
        let power = Power::new();
        let card = card_with_unsynced_changes(&power);
        let mut chip = chip().powered_by(&power);
        power.fail_after(0, Cut::Torn { seed });
        assert!(chip.erase(Offset::ZERO).is_err());
        power.turn_on();
        let files = card.files();
        assert_eq!(files["journal"], [0; 2 * SECTOR]);
        seen.insert(names(&card));
        let old = &files["old"];
        let is_part = old == b"old" || b"newer".starts_with(old);
        assert!(is_part || old.len() == 5, "{old:?}");
    }
    for names in [
        &SYNCED[..],
        &UNSYNCED,
        &["gone", "journal", "old", "partial"],
        &["folder/new", "gone", "journal", "old", "partial"],
        &["folder/new", "gone", "journal", "old"],
    ] {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert!(seen.contains(&names), "{names:?}");
    }
}

#[test]
fn what_is_not_synced_is_truncated_lost_or_overwritten_at_its_end_only() {
    let mut lengths = BTreeSet::new();
    let mut with_garbage = 0;
    for seed in 0..200 {
        let mut card = SimCard::new(Size::mib(1));
        let mut log = card.create(&file("log")).unwrap();
        log.write_all(&[1; 100]).unwrap();
        card.sync().unwrap();
        log.write_all(&[2; 100]).unwrap();
        card.power().fail_after(0, Cut::Torn { seed });
        assert!(log.finish().is_err());
        card.power().turn_on();
        let log = &card.files()["log"];
        assert_eq!(log[..100], [1; 100], "synced");
        let garbage = log[100..].iter().filter(|byte| **byte != 2).count();
        assert!(garbage == 0 || log.len() == 200);
        with_garbage += u32::from(garbage > 0);
        lengths.insert(log.len());
    }
    assert!(lengths.len() > 50 && with_garbage > 20);
}

#[rstest]
#[case(Cut::NotStarted, |sector: &[u8]| sector == [0; SECTOR])]
#[case(Cut::DoneUnacknowledged, |sector: &[u8]| sector == [9; SECTOR])]
#[case(Cut::Torn { seed: 1 }, |sector: &[u8]| {
    let new = sector.iter().take_while(|byte| **byte == 9).count();
    (1..SECTOR).contains(&new) && sector[new..].iter().all(|byte| *byte == 0)
})]
fn a_sector_in_flight_is_old_or_new_or_both_and_its_neighbour_is_untouched(
    #[case] cut: Cut,
    #[case] may_hold: fn(&[u8]) -> bool,
) {
    let mut card = SimCard::new(Size::mib(1)).with(&file("journal"), &[0; 2 * SECTOR]);
    card.power().fail_after(0, cut);
    assert!(
        card.write_sector(&file("journal"), 1, &[9; SECTOR])
            .is_err()
    );
    card.power().turn_on();
    let journal = &card.files()["journal"];
    assert_eq!(journal[..SECTOR], [0; SECTOR]);
    assert!(may_hold(&journal[SECTOR..]), "{journal:?}");
}

#[test]
fn a_sector_that_was_written_needs_no_sync() {
    let mut card = SimCard::new(Size::mib(1)).with(&file("journal"), &[0; 2 * SECTOR]);
    card.write_sector(&file("journal"), 1, &[9; SECTOR])
        .unwrap();
    card.power().fail_after(0, Cut::NotStarted);
    assert!(card.sync().is_err());
    card.power().turn_on();
    let mut sector = [0; SECTOR];
    card.read_at(&file("journal"), Offset::bytes(SECTOR as u64), &mut sector)
        .unwrap();
    assert_eq!(sector, [9; SECTOR]);
    assert!(
        card.write_sector(&file("journal"), 2, &[9; SECTOR])
            .is_err(),
        "no such sector"
    );
}

#[test]
fn nothing_works_without_power() {
    let power = Power::new();
    let mut card = card_with_unsynced_changes(&power);
    let mut chip = chip().powered_by(&power);
    let mut open = card.create(&file("open")).unwrap();
    let mut reader = card.read_back(&file("old")).unwrap();
    power.fail_after(0, Cut::DoneUnacknowledged);
    assert!(chip.erase(Offset::ZERO).is_err());
    let counted = power.operations();
    let root = CardPath::root();
    let refused = [
        card.space().map(drop),
        card.entries(&root).map(drop),
        card.read(&file("old"), Size::kib(1)).map(drop),
        card.read_at(&file("old"), Offset::ZERO, &mut [0]),
        card.read_back(&file("old")).map(drop),
        card.create(&file("x")).map(drop),
        card.create_folder(&file("x")),
        card.write_sector(&file("journal"), 0, &[0; SECTOR]),
        card.rename(&file("old"), &file("x")),
        card.remove_file(&file("old")),
        card.remove_folder(&file("folder")),
        card.sync(),
    ];
    let kinds = refused.map(|result| result.unwrap_err().source.kind());
    assert!(
        kinds.iter().all(|kind| *kind == ErrorKind::NotConnected),
        "{kinds:?}"
    );
    assert!(!card.is_present());
    assert!(reader.read(&mut [0]).is_err());
    assert!(open.write(&[0]).is_err() && open.flush().is_err() && open.finish().is_err());
    assert_eq!(power.operations(), counted);
}

#[test]
fn every_change_counts_once() {
    let power = Power::new();
    let mut card = SimCard::new(Size::mib(1))
        .with(&file("j"), &[0; SECTOR])
        .powered_by(&power);
    card.create_folder(&file("a")).unwrap();
    write(&mut card, &file("a/b"), b"created, appended, finished").unwrap();
    card.rename(&file("a/b"), &file("c")).unwrap();
    card.write_sector(&file("j"), 0, &[1; SECTOR]).unwrap();
    card.remove_file(&file("c")).unwrap();
    card.remove_folder(&file("a")).unwrap();
    card.sync().unwrap();
    assert_eq!(power.operations(), 9);
    card.read(&file("j"), Size::kib(1)).unwrap();
    card.entries(&CardPath::root()).unwrap();
    assert_eq!(power.operations(), 9, "looking is no change");
}

#[test]
fn a_duplicate_is_a_card_of_its_own() {
    let card = SimCard::new(Size::mib(1)).with(&file("a"), &[1; SECTOR]);
    let mut other = card.duplicate();
    other.write_sector(&file("a"), 0, &[2; SECTOR]).unwrap();
    other.remove_file(&file("a")).unwrap();
    assert_eq!(
        card.files(),
        BTreeMap::from([("a".to_owned(), vec![1; SECTOR])])
    );
    assert_eq!(card.power().operations(), 0);
}

fn card_with_two_sectors() -> SimCard {
    SimCard::new(Size::mib(1)).with(&file("j"), &[7; 2 * SECTOR])
}

type Reading = fn(&mut SimCard) -> io::Result<Vec<u8>>;

const READ: Reading = |card| {
    let bytes = card
        .read(&file("j"), Size::kib(9))
        .map_err(|error| error.source);
    Ok(bytes?.unwrap())
};
const READ_AT: Reading = |card| {
    let mut bytes = vec![0; 2 * SECTOR];
    let done = card.read_at(&file("j"), Offset::ZERO, &mut bytes);
    done.map_err(|error| error.source).map(|()| bytes)
};
const READ_BACK: Reading = |card| {
    let mut bytes = Vec::new();
    let mut open = card.read_back(&file("j")).map_err(|error| error.source)?;
    open.read_to_end(&mut bytes).map(|_| bytes)
};

#[rstest]
fn a_read_fault_strikes_the_nth_read_and_no_other(
    #[values(READ, READ_AT, READ_BACK)] read: Reading,
    #[values(
        SimFault::FailsRead { nth: 2 },
        SimFault::FlipsOnRead { nth: 2 },
        SimFault::ShortRead { nth: 2 },
    )]
    fault: SimFault,
) {
    let mut card = card_with_two_sectors();
    card.break_it(fault);
    let right = vec![7; 2 * SECTOR];
    assert_eq!(read(&mut card).unwrap(), right);
    match (fault, read(&mut card)) {
        (SimFault::FlipsOnRead { .. }, Ok(bytes)) => {
            let wrong = bytes.iter().map(|byte| (byte ^ 7).count_ones());
            assert_eq!((bytes.len(), wrong.sum::<u32>()), (2 * SECTOR, 1));
        }
        (SimFault::ShortRead { .. }, Ok(bytes)) => assert_eq!(bytes, [7; SECTOR]),
        (SimFault::ShortRead { .. }, Err(error)) => {
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
        (_, result) => drop(result.unwrap_err()),
    }
    assert_eq!(read(&mut card).unwrap(), right);
}

type Writing = fn(&mut SimCard) -> io::Result<()>;

const CREATE: Writing = |card| {
    card.create(&file("x"))
        .map(drop)
        .map_err(|error| error.source)
};
const APPEND: Writing = |card| write(card, &file("new"), b"content");
const FOLDER: Writing = |card| card.create_folder(&file("f")).map_err(|error| error.source);
const RENAME: Writing = |card| {
    card.rename(&file("j"), &file("k"))
        .map_err(|error| error.source)
};
const REMOVE: Writing = |card| card.remove_file(&file("j")).map_err(|error| error.source);
const REPLACE: Writing = |card| {
    card.write_sector(&file("j"), 0, &[8; SECTOR])
        .map_err(|error| error.source)
};
const SYNC: Writing = |card| card.sync().map_err(|error| error.source);

#[rstest]
fn a_write_that_fails_changes_nothing(
    #[values(CREATE, FOLDER, RENAME, REMOVE, REPLACE, SYNC)] write: Writing,
) {
    let mut card = card_with_two_sectors();
    card.break_it(SimFault::FailsWrite { nth: 1 });
    assert!(write(&mut card).is_err());
    assert_eq!(card.files(), card_with_two_sectors().files());
    assert!(card.folders().is_empty());
    write(&mut card).unwrap();
}

#[rstest]
fn an_ignored_name_is_seen_until_the_next_sync(
    #[values(CREATE, FOLDER, RENAME, REMOVE)] write: Writing,
) {
    let root = CardPath::root();
    let mut card = card_with_two_sectors();
    let before = card.entries(&root).unwrap();
    card.break_it(SimFault::IgnoresWrite { nth: 1 });
    write(&mut card).unwrap();
    assert_ne!(card.entries(&root).unwrap(), before);
    assert_eq!(
        card.files(),
        card_with_two_sectors().files(),
        "not on the card"
    );
    card.sync().unwrap();
    assert_eq!(card.entries(&root).unwrap(), before);
}

#[test]
fn an_ignored_append_shows_on_read_back() {
    let mut card = card_with_two_sectors();
    card.break_it(SimFault::IgnoresWrite { nth: 2 });
    APPEND(&mut card).unwrap();
    let seen = card.read(&file("new"), Size::kib(1)).unwrap();
    assert_eq!(seen.as_deref(), Some(b"content".as_slice()));
    assert_eq!(read_back(&mut card, &file("new")), [0; 7]);
}

#[test]
fn an_ignored_sync_leaves_everything_at_risk() {
    let mut card = card_with_two_sectors();
    card.break_it(SimFault::IgnoresWrite { nth: 4 });
    APPEND(&mut card).unwrap();
    SYNC(&mut card).unwrap();
    card.power().fail_after(0, Cut::NotStarted);
    SYNC(&mut card).unwrap_err();
    card.power().turn_on();
    assert_eq!(names(&card), ["j"]);
}

#[rstest]
#[case::ignored(SimFault::IgnoresWrite { nth: 1 }, 7 ^ 8)]
#[case::dropped(SimFault::DropsWritesAfter(Size::ZERO), 7 ^ 8)]
#[case::flipped(SimFault::FlipsOnWrite { nth: 1 }, 0)]
fn a_sector_that_the_card_does_not_keep_is_an_error(
    #[case] fault: SimFault,
    #[case] wrong_in_most_bytes: u8,
) {
    let mut card = card_with_two_sectors();
    card.break_it(fault);
    assert!(REPLACE(&mut card).is_err());
    let stored = &card.files()["j"];
    let like = |byte: &&u8| **byte ^ 8 == wrong_in_most_bytes;
    assert!(stored[..SECTOR].iter().filter(like).count() >= SECTOR - 1);
    assert_ne!(stored[..SECTOR], [8; SECTOR]);
    assert_eq!(stored[SECTOR..], [7; SECTOR]);
}

#[test]
fn a_flipped_bit_shows_on_read_back_only() {
    let mut card = card_with_two_sectors();
    card.break_it(SimFault::FlipsOnWrite { nth: 1 });
    APPEND(&mut card).unwrap();
    let seen = card.read(&file("new"), Size::kib(1)).unwrap();
    assert_eq!(seen.as_deref(), Some(b"content".as_slice()));
    let stored = read_back(&mut card, &file("new"));
    let wrong = stored
        .iter()
        .zip(b"content")
        .map(|(a, b)| (a ^ b).count_ones());
    assert_eq!(wrong.sum::<u32>(), 1);
}

#[rstest]
#[case::create(CREATE, false)]
#[case::append(APPEND, false)]
#[case::folder(FOLDER, false)]
#[case::rename(RENAME, true)]
#[case::replace(REPLACE, true)]
#[case::sync(SYNC, true)]
#[case::remove(REMOVE, true)]
fn a_full_card_takes_what_needs_no_room(#[case] write: Writing, #[case] is_taken: bool) {
    let mut card = card_with_two_sectors();
    card.break_it(SimFault::Full);
    assert_eq!(card.space().unwrap().free, Size::ZERO);
    match write(&mut card) {
        Ok(()) => assert!(is_taken),
        Err(error) => assert!(!is_taken && error.kind() == ErrorKind::StorageFull),
    }
}

#[test]
fn a_card_can_be_broken_in_several_ways() {
    let mut card = card_with_two_sectors();
    card.break_it(SimFault::LosesNewNames);
    card.break_it(SimFault::FailsWrite { nth: 2 });
    RENAME(&mut card).unwrap();
    SYNC(&mut card).unwrap_err();
    SYNC(&mut card).unwrap();
    assert_eq!(names(&card), ["j"]);
}

#[test]
fn a_trace_has_what_was_done_with_chip_and_card_in_order() {
    let trace = Trace::new();
    let mut card = card_with_two_sectors().traced_by(&trace);
    let mut chip = chip().traced_by(&trace);
    card.create_folder(&file("d")).unwrap();
    write(&mut card, &file("d/a"), b"a").unwrap();
    chip.erase(Offset::bytes(4096)).unwrap();
    card.write_sector(&file("j"), 1, &[3; SECTOR]).unwrap();
    chip.program(Offset::bytes(4096), &[0; 3]).unwrap();
    chip.read(Offset::bytes(8), &mut [0; 2]).unwrap();
    card.rename(&file("d/a"), &file("b")).unwrap();
    card.sync().unwrap();
    card.read(&file("b"), Size::kib(1)).unwrap();
    card.read_at(&file("b"), Offset::ZERO, &mut [0]).unwrap();
    read_back(&mut card, &file("b"));
    card.remove_file(&file("b")).unwrap();
    card.remove_folder(&file("d")).unwrap();
    let done = [
        Did::Created("d".into()),
        Did::Created("d/a".into()),
        Did::Appended("d/a".into()),
        Did::Finished("d/a".into()),
        Did::Erased(Offset::bytes(4096)),
        Did::WroteSector {
            file: "j".into(),
            sector: 1,
            bytes: vec![3; SECTOR],
        },
        Did::Programmed {
            at: Offset::bytes(4096),
            length: Size::bytes(3),
        },
        Did::ReadFlash(Region::new(Offset::bytes(8), Size::bytes(2))),
        Did::Renamed {
            from: "d/a".into(),
            to: "b".into(),
        },
        Did::Synced,
        Did::ReadCard("b".into()),
        Did::ReadCardAt {
            file: "b".into(),
            at: Offset::ZERO,
            length: Size::bytes(1),
        },
        Did::ReadBack("b".into()),
        Did::Removed("b".into()),
        Did::Removed("d".into()),
    ];
    assert_eq!(trace.entries(), done);
}

#[test]
fn a_trace_has_nothing_that_failed() {
    let (trace, power) = (Trace::new(), Power::new());
    let mut card = card_with_two_sectors().traced_by(&trace).powered_by(&power);
    let mut chip = chip().traced_by(&trace).powered_by(&power);
    assert!(card.remove_file(&file("nothing")).is_err());
    assert!(card.read_back(&file("nothing")).is_err());
    assert_eq!(card.read(&file("nothing"), Size::kib(1)).unwrap(), None);
    assert!(card.write_sector(&file("j"), 9, &[3; SECTOR]).is_err());
    assert!(chip.erase(Offset::bytes(1)).is_err());
    power.fail_after(0, Cut::DoneUnacknowledged);
    assert!(chip.program(Offset::ZERO, &[0]).is_err());
    power.turn_on();
    power.fail_after(0, Cut::DoneUnacknowledged);
    assert!(card.sync().is_err());
    assert!(chip.read(Offset::ZERO, &mut [0]).is_err());
    assert_eq!(trace.entries(), []);
}
