//! S2, S4 and S11: the chip takes neither the new boot loader nor the old one.

use wz_core::event::Outcome;
use wz_core::flash::{Fault, SimNor};
use wz_core::run::Next;
use wz_core::sim::{Cut, Did};
use wz_core::units::Offset;

use crate::cases::{Case, alpha_to_beta, cases, is_change};
use crate::world::{BLOCK, Bench, Booted, Told, geometry};

/// A boot loader is tried so often, and then the old one as often.
const TRIES: u64 = 3;

/// How many blocks are erased before the boot loader is.
fn erases_before(case: &Case) -> u64 {
    let trace = case.whole_run();
    let erased = trace.iter().filter_map(|did| match did {
        Did::Erased(at) => Some(at.as_usize()),
        _ => None,
    });
    erased.take_while(|at| *at >= case.guard).count() as u64
}

/// From the boot loader on, so many erases in a row fail.
fn with_failing_erases(case: &Case, count: u64) -> Bench {
    let mut bench = case.bench();
    let before = erases_before(case);
    for nth in before + 1..=before + count {
        bench.flash.break_it(Fault::FailsErase { nth });
    }
    bench
}

fn assert_old_firmware_is_back(case: &Case, bench: &Bench, told: &Told) {
    assert_eq!(told.ended.outcome, Outcome::Failed, "{}", told.text());
    assert_eq!(told.ended.next, Next::Restart);
    assert!(told.codes("remarks").contains(&"WZ-0712".to_owned()));
    bench.assert_holds(&case.old.flash);
    assert_eq!(bench.boots(), Booted::Firmware(case.old.name));
    assert!(bench.file("wz_flash-helper/journal.bin").is_none());
}

#[test]
fn a_boot_partition_that_takes_neither_boot_loader_is_told_and_the_old_one_tried_again() {
    for case in cases() {
        let mut bench = with_failing_erases(&case, 2 * TRIES);
        let told = bench.run();
        assert_eq!(told.codes("failures"), ["WZ-0716"], "{}", told.text());
        let problem = told.failure("WZ-0716");
        assert!(problem.what().contains("\"boot\""), "{problem}");
        assert_old_firmware_is_back(&case, &bench, &told);
    }
}

#[test]
fn a_boot_partition_that_cannot_be_erased_any_more_is_left_without_spl_and_this_is_told() {
    for case in cases() {
        let mut bench = with_failing_erases(&case, 10_000);
        let told = bench.run();
        assert_eq!(told.codes("failures"), ["WZ-0716", "WZ-0713"]);
        assert_eq!(told.ended.outcome, Outcome::Failed, "{}", told.text());
        assert_eq!(told.ended.next, Next::StayOn);
        assert_eq!(bench.boots(), Booted::Usb);

        // With another chip that was given the old boot loader, the card brings the rest back.
        let cells = bench.flash.content().to_vec();
        bench.flash = SimNor::holding(geometry(), cells).powered_by(&bench.power);
        bench.recover_over_usb(&case.old.flash);
        let told = bench.run();
        assert_old_firmware_is_back(&case, &bench, &told);
    }
}

/// Nobody knows whether what a cut has left of the boot loader was whole.
#[test]
fn after_a_cut_in_the_window_there_is_no_old_boot_loader_but_that_of_the_safety_backup() {
    let case = alpha_to_beta();
    let changes: Vec<Did> = case.whole_run().into_iter().filter(is_change).collect();
    let first = changes
        .iter()
        .position(|did| matches!(did, Did::Erased(at) if at.as_usize() < case.guard))
        .unwrap();
    let mut bench = case.cut_at(first as u64 + 1, Cut::Torn { seed: 1 });
    assert_eq!(bench.boots(), Booted::Usb);
    bench.recover_over_usb(&case.old.flash);
    let (old, new) = (&case.old.flash, &case.wanted);
    let at = (2 * BLOCK..).find(|at| new[*at] & !old[*at] != 0).unwrap();
    assert!(at < case.guard);
    bench.flash.break_it(Fault::StuckAtZero {
        at: Offset::bytes(at as u64),
        mask: new[at] & !old[at],
    });
    let told = bench.run();
    assert_eq!(told.codes("failures"), ["WZ-0716"], "{}", told.text());
    assert_old_firmware_is_back(&case, &bench, &told);
}
