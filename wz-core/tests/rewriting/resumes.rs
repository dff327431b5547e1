//! What was interrupted goes on, and something is not as it was: images, safety backup, journal,
//! camera.

use rstest::rstest;
use wz_core::event::Outcome;
use wz_core::flash::SimNor;
use wz_core::profile::Lamps;
use wz_core::run::Next;

use crate::cases::{Case, alpha_to_beta, beta_to_alpha, cases, restore};
use crate::world::{Bench, Booted, TO_BETA, Told, alpha, geometry, noise, other_alpha};

const JOURNAL: &str = "wz_flash-helper/journal.bin";
const SECTOR: usize = 512;
/// Power fails when so many blocks have been erased: many are left.
const ERASES: usize = 12;

fn backup(case: &Case) -> String {
    let name = case.old.name;
    format!("wz_flash-helper/backup/{name}/0001/{name}_tiny_all.bin")
}

/// The old firmware is whole again, and the run over.
fn assert_rolled_back(case: &Case, bench: &Bench, told: &Told) {
    assert_eq!(told.ended.outcome, Outcome::Failed, "{}", told.text());
    assert_eq!(told.ended.next, Next::Restart);
    let remarks = told.codes("remarks");
    for code in ["WZ-0727", "WZ-0712"] {
        assert!(remarks.contains(&code.to_owned()), "{remarks:?}");
    }
    bench.assert_holds(&case.old.flash);
    assert!(!bench.flash.has_marginal_cells());
    assert_eq!(bench.boots(), Booted::Firmware(case.old.name));
    assert!(bench.file(JOURNAL).is_none());
}

/// Nothing was changed, and the next power-on can go on.
fn assert_waits(bench: &Bench, told: &Told, cells: &[u8], code: &str, kind: &str) {
    assert!(
        told.codes(kind).contains(&code.to_owned()),
        "{}",
        told.text()
    );
    assert_ne!(told.ended.next, Next::Restart);
    assert!(bench.flash.content() == cells, "flash was touched");
    assert_eq!(bench.boots(), Booted::SdKernel);
    assert!(bench.file(JOURNAL).is_some());
}

fn first_image(case: &Case) -> String {
    case.images[0].0.clone()
}

#[rstest]
#[case::missing("WZ-0206", |bench: &mut Bench, image: &str| bench.remove(image))]
#[case::changed("WZ-0506", |bench: &mut Bench, image: &str| bench.rot(image, 3000))]
#[case::shorter("WZ-0206", |bench: &mut Bench, image: &str| bench.put(image, &[1; 100]))]
fn without_its_image_the_old_firmware_comes_back(
    #[case] code: &str,
    #[case] spoil: fn(&mut Bench, &str),
) {
    for case in cases() {
        let mut bench = case.cut_after_erases(ERASES);
        spoil(&mut bench, &first_image(&case));
        let told = bench.run();
        assert_eq!(told.codes("failures"), [code], "{}", told.text());
        assert_rolled_back(&case, &bench, &told);
    }
}

#[test]
fn a_roll_back_that_is_interrupted_goes_on_backwards() {
    let case = alpha_to_beta();
    let image = first_image(&case);
    let mut whole = case.cut_after_erases(ERASES);
    whole.remove(&image);
    let before = whole.power.operations();
    assert_eq!(whole.run().ended.outcome, Outcome::Failed);
    let operations = whole.power.operations() - before;
    for at in 0..operations {
        let mut bench = case.cut_after_erases(ERASES);
        bench.remove(&image);
        bench
            .power
            .fail_after(at, wz_core::sim::Cut::Torn { seed: at });
        bench.run();
        bench.switch_on();
        for _ in 0..2 {
            if bench.boots() == Booted::SdKernel {
                bench.run();
            }
        }
        bench.assert_holds(&case.old.flash);
        assert_eq!(bench.boots(), Booted::Firmware("alpha"), "{at}");
        assert!(!bench.flash.has_marginal_cells(), "{at}");
    }
    assert!(operations > 20, "{operations}");
}

#[test]
fn with_roll_back_off_it_waits_for_the_image() {
    let mut case = restore();
    let conf = "restore_partitions=\"yes\"\nroll_back=\"no\"\n";
    case.files = case
        .files
        .with("wz_flash-helper/general.conf", conf.as_bytes());
    let mut bench = case.cut_after_erases(ERASES);
    let image = first_image(&case);
    let content = bench.file(&image).unwrap();
    bench.remove(&image);
    let cells = bench.flash.content().to_vec();
    let told = bench.run();
    assert_eq!(told.codes("failures"), ["WZ-0206", "WZ-0714"]);
    assert_waits(&bench, &told, &cells, "WZ-0714", "failures");
    bench.put(&image, &content);
    case.converges(&mut bench, 1, "the image is back");
}

#[test]
fn with_image_and_safety_backup_bad_it_waits_until_one_is_back() {
    for case in cases() {
        let mut bench = case.cut_after_erases(ERASES);
        let image = first_image(&case);
        bench.rot(&image, 3000);
        bench.rot(&backup(&case), 77);
        let cells = bench.flash.content().to_vec();
        let told = bench.run();
        assert_eq!(told.ended.outcome, Outcome::Failed);
        assert_waits(&bench, &told, &cells, "WZ-0713", "failures");
        let mut other = bench.fork();
        bench.rot(&image, 3000);
        case.converges(&mut bench, 1, "the image is back");
        other.rot(&backup(&case), 77);
        let told = other.run();
        assert_rolled_back(&case, &other, &told);
    }
}

#[test]
fn a_camera_of_another_chip_group_is_not_touched() {
    for case in cases() {
        let mut bench = case.cut_after_erases(ERASES);
        bench.chip = "tiny2";
        let cells = bench.flash.content().to_vec();
        let told = bench.run();
        assert_eq!(told.ended.outcome, Outcome::Refused);
        assert_waits(&bench, &told, &cells, "WZ-0724", "refusals");
        bench.chip = "tiny1";
        case.converges(&mut bench, 2, "back in its own camera");
    }
}

#[rstest]
#[case::other_build(other_alpha().flash.clone())]
#[case::something_else(noise(4711, 512 * 1024))]
#[case::one_other_byte({ let mut flash = alpha().flash.clone(); flash[300 * 1024] ^= 1; flash })]
fn a_camera_of_the_same_model_with_other_flash_is_not_touched(#[case] flash: Vec<u8>) {
    let case = beta_to_alpha();
    let mut bench = case.cut_after_erases(ERASES);
    let own = bench.flash.clone();
    bench.flash = SimNor::holding(geometry(), flash.clone()).powered_by(&bench.power);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused, "{}", told.text());
    assert_ne!(told.ended.next, Next::Restart);
    assert_eq!(told.codes("refusals"), ["WZ-0725"]);
    assert!(bench.flash.content() == flash);
    bench.flash = own;
    case.converges(&mut bench, 2, "back in its own camera");
}

/// The numbers of the records of this kind.
fn sectors(journal: &[u8], kind: &str) -> Vec<usize> {
    let has = |sector: &[u8]| {
        sector
            .windows(kind.len())
            .any(|part| part == kind.as_bytes())
    };
    (0..)
        .zip(journal.chunks(SECTOR))
        .filter(|(_, sector)| has(sector))
        .map(|(n, _)| n)
        .collect()
}

#[test]
fn behind_a_damaged_record_everything_is_written_anew() {
    for case in cases() {
        let mut bench = case.cut_after_erases(ERASES + 8);
        let journal = bench.file(JOURNAL).unwrap();
        let announced = sectors(&journal, "in_flight");
        assert!(announced.len() > 1, "{announced:?}");
        bench.rot(JOURNAL, announced[0] * SECTOR + 30);
        let erases = bench.flash.wear().erases;
        case.converges(&mut bench, 1, case.name);
        let touched = match case.name {
            "restore" => 320 / 8 + 24 / 8,
            "alpha to beta" => 64,
            _ => 64 - 56 / 8,
        };
        assert_eq!(bench.flash.wear().erases - erases, touched, "{}", case.name);
    }
}

#[test]
fn without_its_first_record_a_journal_is_refused_and_nothing_is_touched() {
    let case = alpha_to_beta();
    let mut bench = case.cut_after_erases(ERASES);
    bench.rot(JOURNAL, 40);
    let cells = bench.flash.content().to_vec();
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused);
    assert_waits(&bench, &told, &cells, "WZ-0722", "refusals");
}

#[test]
fn records_of_an_older_run_in_the_same_clusters_change_nothing() {
    let case = restore();
    let mut older = case.bench();
    older.ticks = 1000;
    older
        .power
        .fail_after(case.operations() - 12, wz_core::sim::Cut::NotStarted);
    older.run();
    older.switch_on();
    let older = older.file(JOURNAL).unwrap();
    let mut bench = case.cut_after_erases(3);
    let mut journal = bench.file(JOURNAL).unwrap();
    let last = *sectors(&journal, "WZJ1").last().unwrap();
    let stale = sectors(&older, "WZJ1")
        .into_iter()
        .filter(|n| *n > last)
        .count();
    assert!(stale > 0);
    journal[(last + 1) * SECTOR..].copy_from_slice(&older[(last + 1) * SECTOR..]);
    bench.put(JOURNAL, &journal);
    let erases = bench.flash.wear().erases;
    case.converges(&mut bench, 1, "stale records");
    let all = (320 + 24) / 8;
    assert!(
        bench.flash.wear().erases - erases < all,
        "everything was written anew"
    );
}

#[rstest]
#[case::refused("switch_firmware=\"yes\"\nnext_firmware=$(reboot)\n")]
#[case::binary("\0\0")]
fn a_configuration_that_cannot_be_edited_is_told(#[case] conf: &str) {
    let case = alpha_to_beta();
    let mut bench = case.cut_after_erases(ERASES);
    bench.put("wz_flash-helper/general.conf", conf.as_bytes());
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Incomplete, "{}", told.text());
    assert_eq!(told.codes("failures"), ["WZ-0164"]);
    case.assert_end(&bench, "all but the configuration");
    assert_eq!(
        bench.file("wz_flash-helper/general.conf").unwrap(),
        conf.as_bytes()
    );
}

#[test]
fn what_the_configuration_says_meanwhile_does_not_count() {
    let case = alpha_to_beta();
    let mut bench = case.cut_after_erases(ERASES);
    bench.put(
        "wz_flash-helper/general.conf",
        b"backup_partitions=\"yes\"\n",
    );
    case.converges(&mut bench, 1, "another wish");
}

/// Else its count of power-ons would be that of a later run.
#[test]
fn a_run_that_never_got_to_write_is_forgotten_when_something_else_is_asked_for() {
    let case = alpha_to_beta();
    let mut bench = case.bench();
    bench.power.fail_after(20, wz_core::sim::Cut::NotStarted);
    bench.run();
    bench.switch_on();
    assert!(bench.file(JOURNAL).is_some());
    bench.put(
        "wz_flash-helper/general.conf",
        b"backup_partitions=\"no\"\n",
    );
    assert_eq!(bench.run().ended.outcome, Outcome::NothingToDo);
    assert!(bench.file(JOURNAL).is_none());
    bench.assert_holds(&case.old.flash);
    assert_eq!(bench.boots(), Booted::Firmware("alpha"));
}

#[test]
fn what_goes_on_is_shown_and_said_as_it_was_before_the_cut() {
    let sound = "enable_audio=\"yes\"\n";
    let mut case = alpha_to_beta();
    let conf = format!("{TO_BETA}{sound}");
    case.files = case
        .files
        .with("wz_flash-helper/general.conf", conf.as_bytes());
    let before = case.bench().run().fitted_out;
    assert!(
        matches!(&before[..], [(Lamps::Leds(leds), true)] if leds.len() == 1),
        "{before:?}"
    );
    let mut bench = case.cut_after_erases(ERASES);
    assert_eq!(bench.run().fitted_out, before);
}
