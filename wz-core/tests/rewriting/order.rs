//! S1, S2, S3 and S6 by the order of what is done: every run, and every recovery from every cut.

use rstest::rstest;
use wz_core::event::Outcome;
use wz_core::sim::Did;
use wz_core::units::{Offset, Size};

use crate::cases::{Case, cases, cuts, restore};
use crate::oracle::{Expectation, judge};
use crate::parallel;
use crate::world::{Booted, Files, RESTORE, alpha, other_alpha};

fn expectation(case: &Case) -> Expectation<'_> {
    Expectation {
        images: &case.images,
        makes_safety_backup: true,
        guard: case.guard,
        changes_boot: true,
        succeeds: true,
    }
}

#[test]
fn a_whole_run_is_in_order() {
    for case in cases() {
        let faults = judge(&case.whole_run(), &expectation(&case));
        assert!(faults.is_empty(), "{}: {faults:#?}", case.name);
    }
}

#[test]
fn a_boot_loader_that_does_not_differ_is_not_touched() {
    let files = Files::new(RESTORE).with_restore(other_alpha(), &["kernel", "rootfs"]);
    let mut case = restore();
    let images = ["kernel", "rootfs"].map(|part| crate::world::image_path("alpha", part));
    case.images.retain(|(file, _)| images.contains(file));
    case.files = files;
    let mut wanted = alpha().flash.clone();
    wanted[40 * 1024..320 * 1024].copy_from_slice(&other_alpha().flash[40 * 1024..320 * 1024]);
    case.wanted = wanted;
    let expected = Expectation {
        changes_boot: false,
        ..expectation(&case)
    };
    let faults = judge(&case.whole_run(), &expected);
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The power-ons behind a cut, each by itself.
fn judge_recovery(case: &Case, at: u64, cut: wz_core::sim::Cut) {
    let what = format!("{}, cut {at}, {cut:?}", case.name);
    let mut bench = case.cut_at(at, cut);
    for _ in 0..3 {
        match bench.boots() {
            Booted::SdKernel => {}
            Booted::Usb => bench.recover_over_usb(&case.wanted),
            _ => return,
        }
        let backup = bench
            .card
            .folders()
            .into_iter()
            .any(|folder| folder.ends_with("/0001"));
        let trace = bench.traced();
        let told = bench.run();
        let expected = Expectation {
            makes_safety_backup: !backup,
            succeeds: told.ended.outcome == Outcome::Success,
            ..expectation(case)
        };
        let faults = judge(&trace.entries(), &expected);
        assert!(faults.is_empty(), "{what}: {faults:#?}");
    }
    panic!("{what}: no end");
}

#[test]
fn every_recovery_from_every_cut_is_in_order() {
    for case in cases() {
        let all: Vec<u64> = (0..case.operations()).collect();
        parallel::each(&all, |&at| {
            for cut in cuts(at * 6151 + 11) {
                judge_recovery(&case, at, cut);
            }
        });
    }
}

fn change(trace: &[Did], nth: usize) -> usize {
    let erases = (0..trace.len()).filter(|at| matches!(trace[*at], Did::Erased(_)));
    erases.into_iter().nth(nth).unwrap()
}

fn is_sector(did: &Did) -> bool {
    matches!(did, Did::WroteSector { .. })
}

fn sector_before(trace: &[Did], at: usize) -> usize {
    trace[..at].iter().rposition(is_sector).unwrap()
}

fn take(trace: &mut Vec<Did>, what: impl Fn(&Did) -> bool) -> Did {
    let at = trace.iter().position(what).unwrap();
    trace.remove(at)
}

fn is_last_part(did: &Did, image: &str) -> bool {
    matches!(did, Did::ReadCardAt { file, .. } if file.ends_with(image))
}

fn guard_start(trace: &[Did]) -> usize {
    let seal = |did: &Did| matches!(did, Did::Programmed { at, .. } if at.get() == 0);
    trace.iter().position(seal).unwrap()
}

/// The oracle bites: each of these is a whole run of a restore with one thing wrong.
#[rstest]
#[case::an_image_is_not_read_to_its_end("rootfs.bin was read", |trace: &mut Vec<Did>| {
    let first = change(trace, 0);
    let at = trace[..first].iter().rposition(|did| is_last_part(did, "rootfs.bin")).unwrap();
    trace.remove(at);
})]
#[case::an_image_is_read_late("para.bin was read", |trace: &mut Vec<Did>| {
    let read = take(trace, |did| is_last_part(did, "para.bin"));
    trace.push(read);
})]
#[case::the_backup_is_not_read_back("safety backup", |trace: &mut Vec<Did>| {
    trace.retain(|did| !matches!(did, Did::ReadBack(file) if file.ends_with("_all.bin")));
})]
#[case::the_backup_is_not_synced("safety backup", |trace: &mut Vec<Did>| {
    let read = trace.iter().position(|did| matches!(did, Did::ReadBack(file) if file.ends_with("_all.bin"))).unwrap();
    let mut at = 0;
    trace.retain(|did| { at += 1; at > read || *did != Did::Synced });
})]
#[case::a_block_is_not_announced("not announced", |trace: &mut Vec<Did>| {
    let announcement = sector_before(trace, change(trace, 3));
    trace.remove(announcement);
})]
#[case::a_block_is_announced_late("not announced", |trace: &mut Vec<Did>| {
    let at = change(trace, 0);
    let announcement = sector_before(trace, at);
    trace.swap(announcement, at);
})]
#[case::a_block_is_not_read_back("not read back", |trace: &mut Vec<Did>| {
    let Did::Erased(block) = trace[change(trace, 5)] else { unreachable!() };
    trace.retain(|did| !matches!(did, Did::ReadFlash(region) if region.offset == block));
})]
#[case::a_block_is_changed_again_behind_its_reading("not read back", |trace: &mut Vec<Did>| {
    let at = change(trace, 5);
    let again = trace[at].clone();
    let written = trace.iter().rposition(|did| matches!(did, Did::Erased(_))).unwrap();
    trace.insert(written + 1, again);
})]
#[case::the_boot_loader_is_not_the_last("behind the boot loader", |trace: &mut Vec<Did>| {
    let at = change(trace, 5);
    let moved = trace[at].clone();
    let seal = guard_start(trace);
    trace.insert(seal + 3, moved);
})]
#[case::the_journal_is_closed_early("before the last change", |trace: &mut Vec<Did>| {
    let at = trace.iter().rposition(is_sector).unwrap();
    let closed = trace.remove(at);
    let seal = guard_start(trace);
    trace.insert(seal, closed);
})]
#[case::the_kernel_is_put_away_early("before the last change", |trace: &mut Vec<Did>| {
    let kernel = take(trace, |did| matches!(did, Did::Renamed { to, .. } if to.ends_with("_kernel.wz_flash-helper")));
    let at = change(trace, 4);
    trace.insert(at, kernel);
})]
#[case::the_journal_is_removed_and_then_closed(" before Closed", |trace: &mut Vec<Did>| {
    let removed = take(trace, |did| matches!(did, Did::Removed(file) if file.ends_with("journal.bin")));
    let at = trace.iter().rposition(is_sector).unwrap();
    trace.insert(at, removed);
})]
#[case::success_is_not_recorded("without a record", |trace: &mut Vec<Did>| {
    let closed = trace.iter().rposition(is_sector).unwrap();
    let written = sector_before(trace, closed);
    trace.remove(written);
})]
fn a_run_with_one_thing_out_of_order_is_found(
    #[case] fault: &str,
    #[case] spoil: fn(&mut Vec<Did>),
) {
    let case = restore();
    let mut trace = case.whole_run();
    spoil(&mut trace);
    let faults = judge(&trace, &expectation(&case));
    assert!(
        faults.iter().any(|found| found.contains(fault)),
        "{faults:#?}"
    );
}

#[test]
fn a_boot_loader_that_is_touched_without_need_is_found() {
    let case = restore();
    let touched = Did::Programmed {
        at: Offset::bytes(case.guard as u64 - 4),
        length: Size::bytes(4),
    };
    let expected = Expectation {
        changes_boot: false,
        succeeds: false,
        makes_safety_backup: false,
        ..expectation(&case)
    };
    let faults = judge(&[touched], &expected);
    assert!(faults.iter().any(|fault| fault.contains("does not differ")));
}
