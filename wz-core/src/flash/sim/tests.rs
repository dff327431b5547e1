//! What the simulated chip does to programs.

use super::*;
use rstest::rstest;
use std::collections::BTreeSet;

fn chip() -> SimNor {
    let geometry = Geometry {
        size: Size::kib(16),
        erase_block: Size::kib(4),
        page: Size::bytes(256),
    };
    SimNor::holding(geometry, vec![0xA5; 16 * 1024])
}

#[test]
fn programming_only_clears_bits_and_counts_the_attempt_to_set_one() {
    let mut nor = chip();
    nor.program(Offset::bytes(16), &[0xFF, 0x0F]).unwrap();
    assert_eq!(nor.content()[16..18], [0xA5, 0x05]);
    assert_eq!(nor.wear().bits_not_set, 1);
    assert_eq!(nor.wear().bytes_programmed, 2);
}

#[test]
fn erasing_sets_one_block_and_nothing_else() {
    let mut nor = chip();
    nor.erase(Offset::bytes(4096)).unwrap();
    assert!(nor.content()[4096..8192].iter().all(|byte| *byte == 0xFF));
    assert!(nor.content()[..4096].iter().all(|byte| *byte == 0xA5));
    assert!(nor.content()[8192..].iter().all(|byte| *byte == 0xA5));
    assert_eq!(nor.wear().erases, 1);
}

#[test]
fn an_erase_that_does_not_start_at_a_block_is_refused() {
    let mut nor = chip();
    assert!(nor.erase(Offset::bytes(256)).is_err());
    assert!(nor.content().iter().all(|byte| *byte == 0xA5));
}

#[rstest]
#[case::read(|nor: &mut SimNor| nor.read(Offset::bytes(16 * 1024 - 1), &mut [0; 2]))]
#[case::program(|nor: &mut SimNor| nor.program(Offset::bytes(16 * 1024), &[0]))]
#[case::erase(|nor: &mut SimNor| nor.erase(Offset::bytes(16 * 1024)))]
fn nothing_reaches_beyond_the_chip(#[case] operation: fn(&mut SimNor) -> Result<(), FlashError>) {
    assert!(operation(&mut chip()).is_err());
}

#[rstest]
#[case(Cut::NotStarted, |byte| byte == 0xA5)]
#[case(Cut::DoneUnacknowledged, |byte| byte == 0xFF)]
#[case(Cut::Torn { seed: 7 }, |byte| byte & 0xA5 == 0xA5)]
fn a_cut_erase_leaves_old_or_set_bits_and_the_chip_without_power(
    #[case] cut: Cut,
    #[case] may_hold: fn(u8) -> bool,
) {
    let mut nor = chip();
    nor.power().fail_after(1, cut);
    nor.erase(Offset::ZERO).unwrap();
    assert!(nor.erase(Offset::bytes(4096)).is_err());
    assert!(nor.content()[4096..8192].iter().all(|byte| may_hold(*byte)));
    assert!(nor.read(Offset::ZERO, &mut [0]).is_err());
    nor.power().turn_on();
    assert!(nor.read(Offset::ZERO, &mut [0]).is_ok());
}

#[test]
fn a_torn_erase_leaves_a_mix() {
    let mut nor = chip();
    nor.power().fail_after(0, Cut::Torn { seed: 1 });
    assert!(nor.erase(Offset::ZERO).is_err());
    let block = &nor.content()[..4096];
    assert!(block.iter().any(|byte| *byte != 0xA5) && block.iter().any(|byte| *byte != 0xFF));
}

#[test]
fn faults_show_where_they_are_and_nowhere_else() {
    let mut nor = chip();
    nor.break_it(Fault::UnreadableAt(Offset::bytes(100)));
    nor.break_it(Fault::FlippedBitAt(Offset::bytes(300)));
    assert!(nor.read(Offset::bytes(96), &mut [0; 8]).is_err());
    let mut two = [0; 2];
    nor.read(Offset::bytes(299), &mut two).unwrap();
    assert_eq!(two, [0xA5, 0xB5]);
}

fn read(nor: &mut SimNor, at: u64, length: usize) -> Vec<u8> {
    let mut buffer = vec![0; length];
    nor.read(Offset::bytes(at), &mut buffer).unwrap();
    buffer
}

/// Whether what stands there ever reads back other than it is.
fn wavers(nor: &mut SimNor, at: u64, length: usize) -> bool {
    let there = nor.content()[at as usize..][..length].to_vec();
    (0..8).any(|_| read(nor, at, length) != there)
}

const ERASE: fn(&mut SimNor) -> Result<(), FlashError> = |nor| nor.erase(Offset::bytes(4096));
const PROGRAM: fn(&mut SimNor) -> Result<(), FlashError> =
    |nor| nor.program(Offset::bytes(4096 + 250), &[0; 10]);

#[rstest]
#[case::torn_erase(ERASE, Cut::Torn { seed: 1 }, 4096..8192)]
#[case::torn_program(PROGRAM, Cut::Torn { seed: 1 }, 4096..4608)]
#[case::erased_but_unheard(ERASE, Cut::DoneUnacknowledged, 4096..8192)]
#[case::programmed_but_unheard(PROGRAM, Cut::DoneUnacknowledged, 4096..4608)]
#[case::no_erase(ERASE, Cut::NotStarted, 0..0)]
#[case::no_program(PROGRAM, Cut::NotStarted, 0..0)]
fn a_cut_leaves_the_cells_in_flight_marginal(
    #[case] operation: fn(&mut SimNor) -> Result<(), FlashError>,
    #[case] cut: Cut,
    #[case] marginal: Range<u64>,
) {
    let mut nor = chip();
    nor.power().fail_after(0, cut);
    operation(&mut nor).unwrap_err();
    nor.power().turn_on();
    assert_eq!(nor.has_marginal_cells(), !marginal.is_empty());
    for page in (0..16 * 1024).step_by(256) {
        assert_eq!(
            wavers(&mut nor, page, 256),
            marginal.contains(&page),
            "{page}"
        );
    }
}

#[test]
fn nothing_but_erasing_the_block_to_the_end_heals_marginal_cells() {
    let mut nor = chip();
    nor.power().fail_after(0, Cut::DoneUnacknowledged);
    ERASE(&mut nor).unwrap_err();
    nor.power().turn_on();
    nor.program(Offset::bytes(4096), &[0; 4096]).unwrap();
    nor.erase(Offset::ZERO).unwrap();
    assert!(
        wavers(&mut nor, 4096, 4096),
        "programming, or erasing elsewhere"
    );
    nor.power().fail_after(0, Cut::Torn { seed: 2 });
    ERASE(&mut nor).unwrap_err();
    nor.power().turn_on();
    assert!(wavers(&mut nor, 4096, 4096), "an erase that is cut");
    ERASE(&mut nor).unwrap();
    assert!(!nor.has_marginal_cells() && !wavers(&mut nor, 4096, 4096));
}

const BLOCK: Range<usize> = 4096..8192;

#[rstest]
#[case::erase(Fault::FailsErase { nth: 2 }, ERASE)]
#[case::program(Fault::FailsProgram { nth: 2 }, PROGRAM)]
#[case::read(Fault::FailsRead { nth: 2 }, |nor: &mut SimNor| nor.read(Offset::ZERO, &mut [0]))]
fn the_nth_operation_fails_and_no_other(
    #[case] fault: Fault,
    #[case] operation: fn(&mut SimNor) -> Result<(), FlashError>,
) {
    let mut nor = chip();
    nor.break_it(fault);
    let went_well = [(); 4].map(|()| operation(&mut nor).is_ok());
    assert_eq!(went_well, [true, false, true, true]);
}

#[test]
fn a_failing_change_has_done_nothing_or_a_part_and_nothing_elsewhere() {
    let (mut nothing, mut parts) = (0, 0);
    for earlier in 0..16 {
        let mut nor = chip();
        (0..earlier).for_each(|_| nor.program(Offset::ZERO, &[0xFF]).unwrap());
        nor.break_it(Fault::FailsErase { nth: 1 });
        ERASE(&mut nor).unwrap_err();
        let block = &nor.content()[BLOCK];
        let changed = block.iter().filter(|cell| **cell != 0xA5).count();
        match changed {
            0 => nothing += 1,
            _ => parts += 1,
        }
        assert!(changed < 4096 && block.iter().all(|cell| cell & 0xA5 == 0xA5));
        assert!(nor.content()[..4096].iter().all(|cell| *cell == 0xA5));
        assert!(nor.content()[8192..].iter().all(|cell| *cell == 0xA5));
    }
    assert!(nothing > 0 && parts > 0, "{nothing} {parts}");
}

#[rstest]
#[case::erase(Fault::IgnoresErase { nth: 1 }, ERASE)]
#[case::program(Fault::IgnoresProgram { nth: 1 }, PROGRAM)]
fn a_lying_chip_says_that_it_did_what_it_did_not(
    #[case] fault: Fault,
    #[case] operation: fn(&mut SimNor) -> Result<(), FlashError>,
) {
    let mut nor = chip();
    nor.break_it(fault);
    operation(&mut nor).unwrap();
    assert!(nor.content() == chip().content());
    operation(&mut nor).unwrap();
    assert!(nor.content() != chip().content());
}

#[test]
fn an_ignored_erase_heals_nothing() {
    let mut nor = chip();
    nor.power().fail_after(0, Cut::DoneUnacknowledged);
    ERASE(&mut nor).unwrap_err();
    nor.power().turn_on();
    nor.break_it(Fault::IgnoresErase { nth: 1 });
    ERASE(&mut nor).unwrap();
    assert!(nor.has_marginal_cells());
}

#[test]
fn an_erase_may_leave_one_bit_until_the_next_erase() {
    let mut nor = chip();
    nor.break_it(Fault::LeavesABit { nth: 1 });
    ERASE(&mut nor).unwrap();
    let zeros: u32 = nor.content()[BLOCK]
        .iter()
        .map(|byte| byte.count_zeros())
        .sum();
    assert_eq!(zeros, 1);
    ERASE(&mut nor).unwrap();
    assert!(nor.content()[BLOCK].iter().all(|byte| *byte == 0xFF));
}

#[test]
fn one_read_flips_one_bit_and_the_next_is_right() {
    let mut nor = chip();
    nor.break_it(Fault::FlipsOnRead { nth: 2 });
    let wrong = [(); 3].map(|()| {
        let bytes = read(&mut nor, 0, 64);
        bytes
            .iter()
            .map(|byte| (byte ^ 0xA5).count_ones())
            .sum::<u32>()
    });
    assert_eq!(wrong, [0, 1, 0]);
}

#[test]
fn stuck_bits_are_0_whatever_is_done_to_them() {
    let mut nor = chip();
    nor.break_it(Fault::StuckAtZero {
        at: Offset::bytes(4100),
        mask: 0x21,
    });
    assert_eq!(nor.content()[4100], 0x84);
    ERASE(&mut nor).unwrap();
    assert_eq!(read(&mut nor, 4099, 3), [0xFF, 0xDE, 0xFF]);
    nor.power().fail_after(0, Cut::DoneUnacknowledged);
    ERASE(&mut nor).unwrap_err();
    assert_eq!(nor.content()[4100], 0xDE);
}

#[test]
fn a_cut_while_pages_are_programmed_may_leave_some_whole_and_others_untouched() {
    let mut whole_before = BTreeSet::new();
    for seed in 0..200 {
        let mut nor = SimNor::blank(chip().geometry());
        nor.power().fail_after(0, Cut::Torn { seed });
        assert!(nor.program(Offset::bytes(100), &[0; 1000]).is_err());
        let cells = &nor.content()[100..1100];
        let pages = [0..156, 156..412, 412..668, 668..924, 924..1000];
        let is = |value: u8| {
            move |page: &&Range<usize>| cells[(*page).clone()].iter().all(|b| *b == value)
        };
        let whole = pages.iter().take_while(is(0)).count();
        let untouched = pages.iter().rev().take_while(is(0xFF)).count();
        if whole + untouched > 0 {
            assert_eq!(whole + untouched + 1, pages.len(), "{seed}");
            whole_before.insert(whole);
        }
    }
    assert_eq!(whole_before, (0..5).collect());
}
