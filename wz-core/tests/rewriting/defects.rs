//! S2, S6 and S11: one thing is wrong with chip or card while a run goes on, and what is made of it.

use std::collections::BTreeSet;

use rstest::rstest;
use wz_core::card::{Card, CardPath, SimCard, SimFault};
use wz_core::event::{Outcome, Problem};
use wz_core::flash::Fault;
use wz_core::run::Next;
use wz_core::sim::{Cut, Did};
use wz_core::units::{Offset, Size};

use crate::cases::{Case, alpha_to_beta, beta_to_alpha, is_change, restore};
use crate::world::{
    ALL, BLOCK, Bench, Booted, Files, RESTORE, TO_BETA, Told, alpha, beta, other_alpha,
};

/// A bit from `from` on that is 0 in the old firmware and is to become 1: stuck, it hurts nobody
/// until it is to be written.
fn sticking(case: &Case, from: usize) -> (Offset, Fault) {
    let (old, new) = (&case.old.flash, &case.wanted);
    let at = (from..).find(|at| new[*at] & !old[*at] != 0).unwrap();
    let bit = new[at] & !old[at];
    let mask = 1 << bit.trailing_zeros();
    let at = Offset::bytes(at as u64);
    (at, Fault::StuckAtZero { at, mask })
}

fn assert_old_firmware_is_back(case: &Case, bench: &Bench, told: &Told) {
    assert_eq!(told.ended.outcome, Outcome::Failed, "{}", told.text());
    assert_eq!(told.ended.next, Next::Restart);
    assert!(told.codes("remarks").contains(&"WZ-0712".to_owned()));
    bench.assert_holds(&case.old.flash);
    assert_eq!(bench.boots(), Booted::Firmware(case.old.name));
    assert!(bench.file("wz_flash-helper/journal.bin").is_none());
}

#[rstest]
#[case::restore(restore(), "rootfs", 200 * 1024)]
#[case::to_beta(alpha_to_beta(), "ota", 100 * 1024)]
#[case::to_alpha(beta_to_alpha(), "kernel", 90 * 1024)]
fn a_stuck_bit_is_told_with_its_place_and_the_old_firmware_written_back(
    #[case] case: Case,
    #[case] name: &str,
    #[case] from: usize,
) {
    let (place, fault) = sticking(&case, from);
    let mut bench = case.bench();
    bench.flash.break_it(fault);
    let told = bench.run();
    let wanted = case.wanted[place.as_usize()];
    let Fault::StuckAtZero { mask, .. } = fault else {
        unreachable!()
    };
    let expected = Problem::FlashDiffers {
        partition: name.to_owned(),
        block: Offset::bytes((place.as_usize() / BLOCK * BLOCK) as u64),
        at: place,
        expected: format!("{wanted:#04x}"),
        found: format!("{:#04x}", wanted & !mask),
        tries: 3,
    };
    assert_eq!(*told.failure("WZ-0711"), expected);
    assert_old_firmware_is_back(&case, &bench, &told);
}

#[test]
fn a_stuck_bit_in_the_boot_loader_brings_the_old_one_back_at_once_and_then_the_rest() {
    let case = alpha_to_beta();
    let (place, fault) = sticking(&case, 3 * BLOCK);
    assert!(place.as_usize() < case.guard);
    let mut bench = case.bench();
    bench.flash.break_it(fault);
    let trace = bench.traced();
    let told = bench.run();
    let problem = told.failure("WZ-0715");
    assert!(problem.what().contains(&place.to_string()), "{problem}");
    assert_old_firmware_is_back(&case, &bench, &told);
    // Three tries of the new one, one of the old one; it is not rewritten for the rest.
    let erases: Vec<usize> = trace
        .entries()
        .iter()
        .filter_map(|did| match did {
            Did::Erased(at) => Some(at.as_usize() / BLOCK),
            _ => None,
        })
        .collect();
    assert_eq!(erases.iter().filter(|block| **block == 0).count(), 4);
    assert!(*erases.last().unwrap() > case.guard / BLOCK);
}

/// What the blocks held is in the journal, and told from another camera's flash by it. A read that
/// was wrong when that was written down would keep an interrupted run from ever going on.
#[test]
fn after_a_read_that_was_wrong_once_an_interrupted_run_comes_to_its_end() {
    for case in [restore(), alpha_to_beta(), beta_to_alpha()] {
        let trace = case.whole_run();
        let first = trace
            .iter()
            .position(|did| matches!(did, Did::Erased(_)))
            .unwrap();
        let reads = trace[..first]
            .iter()
            .filter(|did| matches!(did, Did::ReadFlash(_)))
            .count();
        let changes = trace[..first].iter().filter(|did| is_change(did)).count();
        assert!(reads > 50, "{reads}");
        for nth in 1..=reads as u64 {
            let mut bench = case.bench();
            bench.flash.break_it(Fault::FlipsOnRead { nth });
            bench.power.fail_after(changes as u64 + 8, Cut::NotStarted);
            bench.run();
            bench.switch_on();
            bench.run();
            let flash = bench.flash.content();
            let what = format!("{}, read {nth}", case.name);
            assert!(*flash == case.old.flash || *flash == case.wanted, "{what}");
            assert!(matches!(bench.boots(), Booted::Firmware(_)), "{what}");
        }
    }
}

#[test]
fn an_image_that_changes_behind_its_verification_is_noticed_before_its_block_is_erased() {
    let case = restore();
    let mut bench = case.bench();
    // The fourth block of the kernel's image.
    bench.meanwhile = |card| {
        let path = CardPath::root().join(&crate::world::image_path("alpha", "kernel"));
        let mut content = card.read(&path, Size::mib(1)).unwrap().unwrap();
        content[3 * BLOCK + 5] ^= 0x40;
        *card = card.clone().with(&path, &content);
    };
    let trace = bench.traced();
    let told = bench.run();
    let Problem::ImageChanged { at, .. } = told.failure("WZ-0512") else {
        unreachable!()
    };
    assert_eq!(at.as_usize(), 40 * 1024 + 3 * BLOCK);
    assert_old_firmware_is_back(&case, &bench, &told);
    let trace = trace.entries();
    let is_back = |did: &Did| matches!(did, Did::WroteSector { bytes, .. } if bytes.windows(12).any(|text| text == b"rolling_back"));
    let back = trace.iter().position(is_back).unwrap();
    assert!(!trace[..back].contains(&Did::Erased(*at)));
}

#[test]
fn a_card_without_room_for_the_safety_backup_is_refused() {
    let case = alpha_to_beta();
    let mut bench = case.bench();
    bench.card = case.files.on_a_card_of(Size::kib(1000), &bench.power);
    let told = bench.run();
    assert_eq!(told.codes("refusals"), ["WZ-0205"], "{}", told.text());
    assert_untouched(&case, &bench, &told);
}

#[rstest]
#[case::full(|card: &mut SimCard| card.break_it(SimFault::Full))]
#[case::loses_data(|card: &mut SimCard| card.break_it(SimFault::DropsWritesAfter(Size::kib(300))))]
#[case::wrong_bit(|card: &mut SimCard| card.break_it(SimFault::FlipsOnWrite { nth: 6 }))]
fn a_card_that_does_not_take_the_safety_backup_ends_the_run_before_flash_is_changed(
    #[case] meanwhile: fn(&mut SimCard),
) {
    let case = alpha_to_beta();
    let mut bench = case.bench();
    bench.meanwhile = meanwhile;
    let told = bench.run();
    let outcome = told.ended.outcome;
    assert!(
        matches!(outcome, Outcome::Failed | Outcome::Refused),
        "{}",
        told.text()
    );
    assert_untouched(&case, &bench, &told);
}

/// Each write before the first erase is stored wrong: of a backup, of the journal, of a kernel's copy.
#[test]
fn a_wrong_bit_in_any_write_before_the_first_erase_leaves_flash_alone_or_costs_nothing() {
    let case = alpha_to_beta();
    let trace = case.whole_run();
    let before = trace
        .iter()
        .take_while(|did| !matches!(did, Did::Erased(_)));
    let is_write = |did: &&Did| matches!(did, Did::Appended(_) | Did::WroteSector { .. });
    let mut codes = BTreeSet::new();
    for nth in 1..=before.filter(is_write).count() as u64 {
        let mut bench = case.bench();
        bench.card.break_it(SimFault::FlipsOnWrite { nth });
        let told = bench.run();
        if told.ended.outcome == Outcome::Success {
            bench.assert_done(&told, &case.wanted, case.boots);
            continue;
        }
        bench.assert_holds(&case.old.flash);
        let wear = bench.flash.wear();
        assert_eq!((wear.erases, wear.bytes_programmed), (0, 0), "{nth}");
        codes.extend([told.codes("refusals"), told.codes("failures")].concat());
    }
    let told = ["WZ-0209", "WZ-0721", "WZ-0732"].map(str::to_owned);
    assert_eq!(codes, told.into());
}

fn assert_untouched(case: &Case, bench: &Bench, told: &Told) {
    assert_eq!(told.ended.next, Next::Restart);
    let wear = bench.flash.wear();
    assert_eq!((wear.erases, wear.bytes_programmed), (0, 0));
    assert_eq!(bench.boots(), Booted::Firmware(case.old.name));
    let folders = bench.card.folders();
    assert!(!folders.iter().any(|folder| folder.ends_with("/0001")));
}

#[test]
fn without_a_safety_backup_none_is_made_and_this_is_said() {
    let conf = format!("{TO_BETA}safety_backup=\"no\"\n");
    let files = Files::new(&conf).with_image("beta", "firmware", &beta().flash);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &alpha_to_beta().wanted, "beta");
    assert!(told.codes("remarks").contains(&"WZ-0163".to_owned()));
    assert!(bench.file(ALL).is_none());
}

#[test]
fn without_a_safety_backup_there_is_no_way_back_and_this_is_said_too() {
    let conf = format!("{RESTORE}safety_backup=\"no\"\n");
    let mut case = restore();
    case.files = case
        .files
        .with("wz_flash-helper/general.conf", conf.as_bytes());
    let (_, fault) = sticking(&case, 200 * 1024);
    let mut bench = case.bench();
    bench.flash.break_it(fault);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Failed);
    assert_eq!(told.codes("failures"), ["WZ-0711", "WZ-0714"]);
    assert_ne!(told.ended.next, Next::Restart);
    assert_eq!(bench.boots(), Booted::SdKernel);
}

/// A camera with a backup of its flash on the card, and a wish to restore.
fn backed_up() -> Bench {
    let files = Files::new("backup_partitions=\"yes\"\n").with_restore(other_alpha(), &["rootfs"]);
    let mut bench = Bench::new(&alpha().flash, &files);
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
    assert!(bench.file(ALL).unwrap() == alpha().flash);
    bench.rename("alpha_kernel.wz_flash-helper", "alpha_kernel");
    bench.put("wz_flash-helper/general.conf", RESTORE.as_bytes());
    bench
}

fn backups(bench: &Bench) -> Vec<String> {
    let folders = bench.card.folders().into_iter();
    folders
        .filter_map(|f| {
            f.strip_prefix("wz_flash-helper/backup/alpha/")
                .map(str::to_owned)
        })
        .collect()
}

#[test]
fn a_matching_backup_serves_and_none_is_made() {
    let mut bench = backed_up();
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
    assert_eq!(backups(&bench), ["0001"]);
}

#[test]
fn a_matching_backup_that_is_not_whole_is_not_trusted() {
    let mut bench = backed_up();
    bench.rot(ALL, 400 * 1024);
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
    assert_eq!(backups(&bench), ["0001", "0002"]);
    let made = bench.file(&ALL.replace("0001", "0002")).unwrap();
    assert!(made == alpha().flash);
}

#[test]
fn a_backup_of_something_else_does_not_serve() {
    let mut bench = backed_up();
    bench.flash.break_it(Fault::StuckAtZero {
        at: Offset::bytes(400 * 1024),
        mask: alpha().flash[400 * 1024] & alpha().flash[400 * 1024].wrapping_neg(),
    });
    let old = bench.flash.content().to_vec();
    assert!(old != alpha().flash);
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
    assert!(bench.file(&ALL.replace("0001", "0002")).unwrap() == old);
}
