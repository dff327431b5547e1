//! What is believed of a journal whose sectors were torn, lost, exchanged or never written.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::card::SimCard;
use crate::sim::{CardFault, Cut};

fn run(number: u8) -> RunId {
    RunId::of(&[&[number]])
}

/// The record that stands in this sector in these tests.
fn record(number: u32) -> Record {
    match number {
        0 => Record::Started { attempt: 1 },
        1 => Record::Committed,
        _ => Record::InFlight(vec![(number, 1)]),
    }
}

/// A journal with so many records, as a run writes it.
fn journal(count: u32) -> Vec<u8> {
    let mut content = vec![0; SECTORS as usize * SECTOR];
    for number in 0..count {
        put(
            &mut content,
            number,
            &encode(run(1), number, &record(number)).unwrap(),
        );
    }
    content
}

fn put(content: &mut [u8], number: u32, sector: &[u8]) {
    let at = number as usize * SECTOR;
    content[at..at + sector.len()].copy_from_slice(sector);
}

fn sector_of(content: &[u8], number: u32) -> Vec<u8> {
    content[number as usize * SECTOR..][..SECTOR].to_vec()
}

fn records(count: u32) -> Vec<Record> {
    (0..count).map(record).collect()
}

#[test]
fn what_was_written_is_read_and_the_next_record_follows_it() {
    let history = decode(&journal(5)).unwrap();
    assert_eq!(history.records, records(5));
    assert!(!history.is_damaged);
    assert_eq!(
        history.journal,
        Journal {
            run: run(1),
            next: 5
        }
    );
}

#[test]
fn a_record_that_was_torn_when_it_was_written_was_not_written() {
    let whole = sector_of(&journal(6), 5);
    for new_up_to in 0..SECTOR - 1 {
        let mut content = journal(5);
        put(&mut content, 5, &whole[..new_up_to]);
        if sector_of(&content, 5) == whole {
            break;
        }
        let history = decode(&content).unwrap();
        assert_eq!(history.records, records(5), "{new_up_to}");
        assert_eq!(history.journal.next, 5, "it is written over");
        assert!(!history.is_damaged);
    }
}

/// What each of these leaves in sector 3 of a journal of five records.
#[rstest]
#[case::garbage(|_: &[u8]| vec![0xA5; SECTOR])]
#[case::zeros(|_: &[u8]| vec![0; SECTOR])]
#[case::one_wrong_bit(|content: &[u8]| { let mut s = sector_of(content, 3); s[30] ^= 1; s })]
#[case::a_wrong_bit_behind_the_text(|content: &[u8]| { let mut s = sector_of(content, 3); s[511] ^= 1; s })]
#[case::another_run(|_: &[u8]| encode(run(2), 3, &record(3)).unwrap().to_vec())]
#[case::a_duplicate_of_the_one_before(|content: &[u8]| sector_of(content, 2))]
#[case::a_duplicate_of_the_next(|content: &[u8]| sector_of(content, 4))]
#[case::another_number(|_: &[u8]| encode(run(1), 4, &record(3)).unwrap().to_vec())]
fn what_is_no_record_in_the_middle_ends_what_is_believed(#[case] left: fn(&[u8]) -> Vec<u8>) {
    let mut content = journal(5);
    let sector = left(&content);
    put(&mut content, 3, &sector);
    let history = decode(&content).unwrap();
    assert_eq!(history.records, records(3));
    assert!(
        history.is_damaged,
        "a record behind it shows that it is lost"
    );
    assert_eq!(history.journal.next, 5, "nothing is written between others");
}

#[test]
fn power_ons_behind_a_lost_record_are_counted_all_the_same() {
    let mut content = journal(5);
    for (number, attempt) in [(5, 2), (6, 3)] {
        let started = Record::Started { attempt };
        put(
            &mut content,
            number,
            &encode(run(1), number, &started).unwrap(),
        );
    }
    content[3 * SECTOR + 30] ^= 1;
    let state = State::of(decode(&content).unwrap());
    assert_eq!((state.attempts, state.stage), (3, Stage::Writing));
    assert!(state.all_in_flight && state.in_flight == [2].into());
}

#[rstest]
#[case::first_damaged(|content: &mut Vec<u8>| content[40] ^= 1)]
#[case::all_zero(|content: &mut Vec<u8>| content.fill(0))]
#[case::empty(|content: &mut Vec<u8>| content.clear())]
#[case::a_part_of_a_sector(|content: &mut Vec<u8>| content.truncate(SECTOR - 1))]
#[case::something_else(|content: &mut Vec<u8>| content.fill(b'x'))]
fn without_a_first_record_nothing_is_believed(#[case] spoil: fn(&mut Vec<u8>)) {
    let mut content = journal(5);
    spoil(&mut content);
    let problem = decode(&content).unwrap_err();
    assert_eq!(problem.code().to_string(), "WZ-0722");
}

/// Clusters that an older journal lay in are used again.
#[test]
fn records_of_an_older_run_in_the_same_clusters_are_not_believed() {
    let mut content = journal(3);
    for number in 3..40 {
        put(
            &mut content,
            number,
            &encode(run(2), number, &record(number)).unwrap(),
        );
    }
    let history = decode(&content).unwrap();
    assert_eq!(history.records, records(3));
    assert!(!history.is_damaged);
    assert_eq!(history.journal.next, 3);
}

#[test]
fn two_exchanged_records_are_none() {
    let mut content = journal(5);
    let (third, fourth) = (sector_of(&content, 3), sector_of(&content, 4));
    put(&mut content, 3, &fourth);
    put(&mut content, 4, &third);
    let history = decode(&content).unwrap();
    assert_eq!(history.records, records(3));
    assert!(!history.is_damaged, "as if they had never been written");
}

#[test]
fn a_journal_that_was_cut_short_or_grew_is_read_as_far_as_it_is_one() {
    let mut content = journal(5);
    content.truncate(4 * SECTOR + 100);
    assert_eq!(decode(&content).unwrap().records, records(4));
    let mut content = journal(5);
    content.extend([7; 3 * SECTOR]);
    assert_eq!(decode(&content).unwrap().records, records(5));
}

fn card() -> SimCard {
    SimCard::new(Size::mib(4))
}

#[test]
fn a_journal_has_its_whole_size_on_the_card_from_the_beginning() {
    let mut card = card();
    Journal::begin(&mut card, run(1), &record(0)).expect("a journal");
    let folder = card.entries(&CardPath::program()).expect("entries");
    let files: Vec<_> = folder.unwrap_or_default().into_iter().collect();
    let sizes: Vec<_> = files.iter().map(|entry| entry.kind).collect();
    assert_eq!(sizes, [crate::card::EntryKind::File(Size::kib(128))]);
    assert_eq!(SIZE, Size::kib(128));
}

/// A record of many blocks has to fit into a sector.
#[test]
fn neighbouring_blocks_are_one_run() {
    let runs = runs(&[1, 2, 3, 5, 8, 9].into());
    assert_eq!(runs, [(1, 3), (5, 1), (8, 2)]);
}

#[test]
fn each_stage_tells_what_it_was_about_to_do() {
    let stages = [
        Stage::Preparing,
        Stage::Writing,
        Stage::RollingBack,
        Stage::Written,
        Stage::Environment,
        Stage::Closed,
    ];
    let words = stages.map(Stage::about_to);
    let different: BTreeSet<&str> = words.into_iter().collect();
    assert_eq!(different.len(), stages.len(), "{words:?}");
    assert!(words.iter().all(|words| words.len() > 2), "{words:?}");
}

#[test]
fn a_full_journal_takes_no_more_and_says_so() {
    let mut card = card();
    let mut journal = Journal::begin(&mut card, run(1), &record(0)).unwrap();
    for number in 1..SECTORS {
        journal.append(&mut card, &record(number)).unwrap();
    }
    let problem = journal.append(&mut card, &Record::Closed).unwrap_err();
    assert_eq!(problem.code().to_string(), "WZ-0721");
    let history = read(&mut card).unwrap().unwrap();
    assert_eq!(history.records, records(SECTORS));
}

#[test]
fn a_record_that_is_too_long_is_refused_and_the_next_one_takes_its_place() {
    let mut card = card();
    let mut journal = Journal::begin(&mut card, run(1), &record(0)).unwrap();
    let long = Record::KernelCopies(vec!["x".repeat(SECTOR)]);
    let problem = journal.append(&mut card, &long).unwrap_err();
    assert_eq!(problem.code().to_string(), "WZ-0721");
    journal.append(&mut card, &record(1)).unwrap();
    assert_eq!(read(&mut card).unwrap().unwrap().records, records(2));
}

#[rstest]
#[case::once(1, None)]
#[case::twice(2, None)]
#[case::at_each_try(3, Some("WZ-0206"))]
fn a_card_that_fails_a_write_is_asked_again_and_not_for_ever(
    #[case] failures: u64,
    #[case] refused: Option<&str>,
) {
    let mut card = card();
    let mut journal = Journal::begin(&mut card, run(1), &record(0)).unwrap();
    for nth in 1..=failures {
        card.break_it(CardFault::FailsWrite { nth });
    }

    let appended = journal.append(&mut card, &record(1));

    let code = appended.err().map(|problem| problem.code().to_string());
    assert_eq!(code.as_deref(), refused);
    let kept = read(&mut card).unwrap().unwrap().records;
    let expected = if refused.is_some() { 1 } else { 2 };
    assert_eq!(kept, records(expected));
}

#[test]
fn a_journal_whose_last_word_cannot_be_written_does_not_stay_open() {
    let mut card = card();
    let journal = Journal::begin(&mut card, run(1), &record(0)).unwrap();
    for nth in 1..=u64::from(TRIES) {
        card.break_it(CardFault::FailsWrite { nth });
    }

    discard(journal, &mut card).unwrap();

    assert!(read(&mut card).unwrap().is_none());
}

/// The longest records that a run writes fit.
#[test]
fn a_fingerprint_of_as_many_blocks_as_it_may_have_fits_into_a_sector() {
    let crc = Crc {
        old: u32::MAX,
        new: u32::MAX,
    };
    let fingerprint = Fingerprint::new(u32::MAX, &[crc; Fingerprint::MOST]);
    encode(run(1), 1, &Record::Fingerprint(fingerprint)).unwrap();
}

#[test]
fn power_cuts_while_a_journal_is_begun_leave_the_earlier_one_none_or_the_new_one() {
    for at in 0.. {
        let mut outcomes = Vec::new();
        for cut in [
            Cut::NotStarted,
            Cut::Torn { seed: at },
            Cut::DoneUnacknowledged,
        ] {
            let mut card = card();
            let mut old = Journal::begin(&mut card, run(1), &record(0)).unwrap();
            old.append(&mut card, &record(1)).unwrap();
            card.power().fail_after(at, cut);
            let begun = Journal::begin(&mut card, run(2), &record(0)).is_ok();
            card.power().turn_on();
            let Some(history) = read(&mut card).unwrap() else {
                assert!(!begun, "{at} {cut:?}");
                outcomes.push(begun);
                continue;
            };
            let is_old = history.records == records(2) && history.journal.run == run(1);
            let is_new = history.records == records(1) && history.journal.run == run(2);
            assert!(is_new || (is_old && !begun), "{at} {cut:?}: {history:?}");
            outcomes.push(begun);
        }
        if outcomes == [true; 3] {
            return assert!(at > 4, "{at}");
        }
    }
}

/// What a card may show in a sector: nothing, noise, or a record of any run with any number.
fn any_sector() -> impl Strategy<Value = Vec<u8>> {
    let foreign = (0..4u8, 0..20u32, 0..20u32);
    prop_oneof![
        Just(vec![0; SECTOR]),
        prop::collection::vec(any::<u8>(), SECTOR),
        foreign.prop_map(|(id, number, says)| {
            encode(run(id), number, &record(says)).unwrap().to_vec()
        }),
        (0..20u32, 0..SECTOR, any::<u8>()).prop_map(|(number, at, byte)| {
            let mut sector = encode(run(1), number, &record(number)).unwrap().to_vec();
            sector[at] = byte;
            sector
        }),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(content in prop::collection::vec(any::<u8>(), 0..3000)) {
        let _ = decode(&content);
    }

    #[test]
    fn no_sectors_yield_a_record_that_this_run_has_not_written(
        sectors in prop::collection::vec(any_sector(), 0..24),
    ) {
        let mut content = sectors.concat();
        // The one record that says which run it is.
        content.splice(0..0, encode(run(1), 0, &record(0)).unwrap());
        let history = decode(&content).unwrap();
        prop_assert_eq!(history.journal.run, run(1));
        let sectors = (content.len() / SECTOR) as u32;
        let mut numbers = 0..sectors;
        for (expected, found) in (0..).zip(&history.records) {
            let is_there = |number: &u32| {
                sector_of(&content, *number) == encode(run(1), *number, found).unwrap()
            };
            let number = numbers.find(is_there);
            prop_assert!(number.is_some(), "{found:?} was not written, or not in this order");
            prop_assert!(number == Some(expected) || found.stands_alone());
        }
    }

    #[test]
    fn a_damaged_sector_leaves_exactly_the_records_before_it(
        count in 1..40u32,
        damaged in 0..40u32,
        at in 0..SECTOR,
        flip in 1..=255u8,
    ) {
        let damaged = damaged % count;
        let mut content = journal(count);
        content[damaged as usize * SECTOR + at] ^= flip;
        match decode(&content) {
            Err(problem) => {
                prop_assert_eq!(damaged, 0);
                prop_assert_eq!(problem.code().to_string(), "WZ-0722");
            }
            Ok(history) => {
                prop_assert!(damaged > 0);
                prop_assert_eq!(history.records, records(damaged));
                prop_assert_eq!(history.is_damaged, damaged + 1 < count);
            }
        }
    }

    #[test]
    fn every_prefix_of_what_was_written_is_a_journal(count in 1..SECTORS, tail in any::<u8>()) {
        let mut content = journal(count);
        content[count as usize * SECTOR..].fill(tail);
        let history = decode(&content).unwrap();
        prop_assert_eq!(history.records, records(count));
        prop_assert!(!history.is_damaged);
    }
}
