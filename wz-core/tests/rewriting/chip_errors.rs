//! S11: the chip reports errors, or does not read the same twice.

use rstest::rstest;
use wz_core::event::{Outcome, Problem};
use wz_core::flash::Fault;
use wz_core::run::Next;
use wz_core::sim::Did;
use wz_core::units::{Offset, Region, Size};

use crate::cases::{cases, restore};
use crate::world::{BLOCK, Booted};

/// A block is tried so often.
const TRIES: u64 = 3;

/// Which erase of a run, and where.
fn an_erase(trace: &[Did]) -> (u64, Region) {
    let erased = trace.iter().filter_map(|did| match did {
        Did::Erased(at) => Some(Region::new(*at, Size::bytes(BLOCK as u64))),
        _ => None,
    });
    (1..).zip(erased).nth(1).unwrap()
}

/// The first program of a block: the one that is tried again when the block is.
fn a_program(trace: &[Did]) -> (u64, Region) {
    let programmed = trace.iter().filter_map(|did| match did {
        Did::Programmed { at, length } => Some(Region::new(*at, *length)),
        _ => None,
    });
    let is_first = |(_, region): &(u64, Region)| region.offset.get().is_multiple_of(BLOCK as u64);
    (1..).zip(programmed).filter(is_first).nth(3).unwrap()
}

#[rstest]
#[case::erase("erase", an_erase, |nth| Fault::FailsErase { nth })]
#[case::program("program", a_program, |nth| Fault::FailsProgram { nth })]
fn an_error_of_the_chip_is_told_with_its_place_and_the_old_firmware_written_back(
    #[case] operation: &str,
    #[case] place: fn(&[Did]) -> (u64, Region),
    #[case] fault: fn(u64) -> Fault,
) {
    let case = restore();
    let (first, region) = place(&case.whole_run());
    let mut bench = case.bench();
    for nth in first..first + TRIES {
        bench.flash.break_it(fault(nth));
    }
    let told = bench.run();
    let expected = Problem::FlashWrite {
        partition: "kernel".into(),
        operation: operation.into(),
        region,
        reason: "simulated failure".into(),
    };
    assert_eq!(*told.failure("WZ-0710"), expected);
    assert_eq!(told.codes("failures"), ["WZ-0710"]);
    assert!(told.codes("remarks").contains(&"WZ-0712".to_owned()));
    assert_eq!(told.ended.outcome, Outcome::Failed);
    bench.assert_holds(&case.old.flash);
    assert_eq!(bench.boots(), Booted::Firmware(case.old.name));
}

#[test]
fn an_error_that_passes_costs_another_try_and_nothing_else() {
    let case = restore();
    let (nth, _) = an_erase(&case.whole_run());
    let mut bench = case.bench();
    bench.flash.break_it(Fault::FailsErase { nth });
    let told = bench.run();
    bench.assert_done(&told, &case.wanted, case.boots);
}

/// Each read before the first erase is wrong once.
#[test]
fn flash_that_does_not_read_the_same_twice_is_not_written() {
    for case in cases() {
        let trace = case.whole_run();
        let is_read = |did: &&Did| matches!(did, Did::ReadFlash(_));
        let before = trace
            .iter()
            .take_while(|did| !matches!(did, Did::Erased(_)));
        let mut unsteady = 0;
        for nth in 1..=before.filter(is_read).count() as u64 {
            let mut bench = case.bench();
            bench.flash.break_it(Fault::FlipsOnRead { nth });
            let told = bench.run();
            if told.codes("failures") == ["WZ-0717"] {
                unsteady += 1;
                assert_eq!(told.ended.outcome, Outcome::Failed);
                assert_eq!(told.ended.next, Next::Restart);
                let wear = bench.flash.wear();
                assert_eq!((wear.erases, wear.bytes_programmed), (0, 0));
                assert_eq!(bench.boots(), Booted::Firmware(case.old.name));
            }
            if told.ended.outcome == Outcome::Success {
                let files = bench.card.files();
                let saved: Vec<_> = files
                    .iter()
                    .filter(|(path, _)| path.ends_with("_all.bin"))
                    .collect();
                assert_eq!(saved.len(), 1, "{} {nth}", case.name);
                assert!(
                    *saved[0].1 == case.old.flash,
                    "{} {nth}: saved otherwise",
                    case.name
                );
            }
        }
        let blocks = case.old.flash.len() / BLOCK;
        assert!(unsteady >= blocks, "{}: {unsteady}", case.name);
    }
}

/// What has to be written back if the new boot loader fails must be what was saved.
#[test]
fn a_boot_loader_that_reads_differently_when_it_is_needed_is_not_touched() {
    let case = restore();
    let trace = case.whole_run();
    let last_of_rest = trace
        .iter()
        .rposition(|did| matches!(did, Did::Programmed { at, .. } if at.as_usize() >= case.guard))
        .unwrap();
    let is_old_boot = |did: &Did| {
        let block = Region::new(Offset::ZERO, Size::bytes(BLOCK as u64));
        *did == Did::ReadFlash(block)
    };
    let read = last_of_rest + trace[last_of_rest..].iter().position(is_old_boot).unwrap();
    let is_read = |did: &&Did| matches!(did, Did::ReadFlash(_));
    let nth = trace[..=read].iter().filter(is_read).count() as u64;
    let mut bench = case.bench();
    for nth in nth..nth + TRIES {
        bench.flash.break_it(Fault::FlipsOnRead { nth });
    }
    let told = bench.run();
    assert_eq!(told.codes("failures"), ["WZ-0717"], "{}", told.text());
    assert!(told.codes("remarks").contains(&"WZ-0712".to_owned()));
    bench.assert_holds(&case.old.flash);
    assert_eq!(bench.boots(), Booted::Firmware(case.old.name));
}
