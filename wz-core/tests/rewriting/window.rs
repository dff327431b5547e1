//! S4: the only window without a safe instant. How long it is, what is done in it, and what a cut
//! leaves.

use std::collections::BTreeSet;

use wz_core::sim::{Cut, Did};

use crate::cases::{Case, cases, is_change};
use crate::parallel;
use crate::world::{BLOCK, Booted, MAGIC, PAGE};

/// Where a change of the boot guard is, if this is one.
fn guard_change(case: &Case, did: &Did) -> Option<usize> {
    let at = match did {
        Did::Erased(at) | Did::Programmed { at, .. } => at.as_usize(),
        _ => return None,
    };
    (at < case.guard).then_some(at)
}

/// From the first change of the boot guard to the last.
fn window(case: &Case, trace: &[Did]) -> std::ops::RangeInclusive<usize> {
    let is_guarded = |did: &Did| guard_change(case, did).is_some();
    let first = trace.iter().position(is_guarded).expect("a window");
    let last = trace.iter().rposition(is_guarded).expect("a window");
    first..=last
}

/// Stretches of pages that differ, each of which is programmed in one go.
fn stretches(old: &[u8], new: &[u8]) -> usize {
    let differs: Vec<bool> = old
        .chunks(PAGE)
        .zip(new.chunks(PAGE))
        .map(|(old, new)| old != new)
        .collect();
    let starts = |index: usize| differs[index] && (index == 0 || !differs[index - 1]);
    (0..differs.len()).filter(|index| starts(*index)).count()
}

/// What the window costs for these contents of the boot guard: seal, erases, programs, magic.
fn operations(old: &[u8], new: &[u8]) -> usize {
    let mut count = 2;
    for (index, (old, new)) in old.chunks(BLOCK).zip(new.chunks(BLOCK)).enumerate() {
        let blank = [0xFF; BLOCK];
        let sets_bits = old.iter().zip(new).any(|(old, new)| new & !old != 0);
        count += match index {
            0 => {
                1 + stretches(
                    &blank,
                    &[&[0xFF; MAGIC.len()], &new[MAGIC.len()..]].concat(),
                )
            }
            _ if old == new => 0,
            _ if sets_bits => 1 + stretches(&blank, new),
            _ => stretches(old, new),
        };
    }
    count
}

#[test]
fn the_window_has_no_more_operations_than_the_blocks_that_differ_need() {
    for case in cases() {
        let trace = case.whole_run();
        let window = &trace[window(&case, &trace)];
        let changes = window.iter().filter(|did| is_change(did)).count();
        let (old, new) = (&case.old.flash[..case.guard], &case.wanted[..case.guard]);
        assert_eq!(changes, operations(old, new), "{}", case.name);
        let blocks = |at: usize| old[at..][..BLOCK] != new[at..][..BLOCK];
        let differ: BTreeSet<usize> = (0..case.guard)
            .step_by(BLOCK)
            .filter(|at| blocks(*at))
            .collect();
        let touched: BTreeSet<usize> = window
            .iter()
            .filter_map(|did| guard_change(&case, did))
            .map(|at| at / BLOCK * BLOCK)
            .collect();
        assert_eq!(touched, &differ | &[0].into(), "{}", case.name);
    }
}

#[test]
fn in_the_window_nothing_is_done_with_the_card_and_nothing_elsewhere_in_flash() {
    for case in cases() {
        let trace = case.whole_run();
        for did in &trace[window(&case, &trace)] {
            let end = match did {
                Did::Erased(at) => at.as_usize() + BLOCK,
                Did::Programmed { at, length } => at.as_usize() + length.as_usize(),
                Did::ReadFlash(region) => region.end().as_usize(),
                other => panic!("{}: {other:?}", case.name),
            };
            assert!(end <= case.guard, "{}: {did:?}", case.name);
        }
    }
}

#[test]
fn the_window_opens_with_the_seal_and_closes_with_the_magic() {
    for case in cases() {
        let trace = case.whole_run();
        let window = &trace[window(&case, &trace)];
        let magic = |did: &Did| matches!(did, Did::Programmed { at, length } if at.get() == 0 && length.as_usize() == MAGIC.len());
        assert!(magic(&window[0]) && magic(&window[window.len() - 1]));
        let magics = window.iter().filter(|did| magic(did)).count();
        assert_eq!(magics, 2, "{}", case.name);
    }
}

/// Each change of the whole run as the number that power counts it by, and whether it is one of the
/// boot guard.
fn numbered(case: &Case, trace: &[Did]) -> Vec<(u64, bool)> {
    let changes = trace.iter().filter(|did| is_change(did));
    let numbered = (0..).zip(changes);
    numbered
        .map(|(number, did)| (number, guard_change(case, did).is_some()))
        .collect()
}

fn try_cut(case: &Case, at: u64, is_guarded: bool, cut: Cut) {
    let bench = case.cut_at(at, cut);
    let flash = bench.flash.content();
    let what = format!("{}, cut {at}, {cut:?}", case.name);
    match bench.boots() {
        Booted::Bricked | Booted::OtherKernel(_) => panic!("{what}"),
        Booted::Usb => assert!(is_guarded && !flash.starts_with(&MAGIC), "{what}"),
        Booted::SdKernel => {
            let (old, new) = (&case.old.flash[..case.guard], &case.wanted[..case.guard]);
            let boot = &flash[..case.guard];
            assert!(boot == old || boot == new || !is_guarded, "{what}");
        }
        Booted::Firmware(_) | Booted::Halted(_) => {
            assert!(*flash == case.wanted, "{what}");
        }
    }
}

#[test]
fn a_cut_in_the_window_leaves_a_whole_boot_loader_or_no_valid_spl() {
    for case in cases() {
        let changes = numbered(&case, &case.whole_run());
        parallel::each(&changes, |&(at, is_guarded)| {
            let torn = if is_guarded { 60 } else { 2 };
            let seeds = (0..torn).map(|seed| Cut::Torn {
                seed: seed * 7919 + at,
            });
            for cut in seeds.chain([Cut::NotStarted, Cut::DoneUnacknowledged]) {
                try_cut(&case, at, is_guarded, cut);
            }
        });
    }
}
