//! Whole runs on simulated cameras: what the owner asks for, what is on the card afterwards, and
//! what is told.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rstest::rstest;
use wz_core::card::{CardPath, SimCard, SimFault};
use wz_core::config::Volume;
use wz_core::detect::FlashDevice;
use wz_core::event::{Event, Outcome, Problem, Reporter};
use wz_core::flash::{FileSystem, FileSystems, Geometry, SimNor};
use wz_core::profile::{Catalogue, Fittings};
use wz_core::report::Record;
use wz_core::run::{
    ChipEvidence, Ended, FlashUnit, Next, ScriptCall, Surroundings, Visit, early_fittings, run,
};
use wz_core::sim::{Cut, Power};
use wz_core::units::{Offset, Region, Size};

const KERNEL: &str = "factory_t31_ZMC6tiIDQN";
const BACKUP: &str = "backup_partitions=\"yes\"\n";

/// Files that pose as each mounted partition; none poses as a damaged file system.
struct Files(Option<tempfile::TempDir>);

impl Files {
    fn with(product_config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(".product_config"), product_config).expect("a file");
        Self(Some(folder))
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

#[derive(Default)]
struct Desk {
    shells_offered: u32,
    fitted_out: Vec<(Fittings, Option<Volume>)>,
}

impl Surroundings for Desk {
    fn since_power_on(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn peak_memory(&self) -> Option<Size> {
        Some(Size::mib(2))
    }

    fn keep_alive(&self) {}

    fn before_operations(&mut self, _: &mut dyn FileSystems) -> Visit {
        self.shells_offered += 1;
        Visit::Nobody
    }

    fn run_script(&mut self, script: &ScriptCall<'_>, _: &mut dyn Reporter) -> Result<(), Problem> {
        panic!("no test asks for {}", script.name);
    }

    fn fit_out(&mut self, fittings: &Fittings, sound: Option<Volume>) {
        self.fitted_out.push((fittings.clone(), sound));
    }
}

/// A camera with a card in it.
struct Bench {
    card: SimCard,
    flash: SimNor,
    files: Files,
    chip: ChipEvidence,
}

/// What came of a run.
struct Told {
    ended: Ended,
    events: Vec<Event>,
    result: serde_json::Value,
    fitted_out: Vec<(Fittings, Option<Volume>)>,
}

impl Told {
    fn codes(&self, kind: &str) -> Vec<String> {
        let problems = self.result[kind].as_array().expect("an array");
        problems
            .iter()
            .filter_map(|p| p["code"].as_str())
            .map(str::to_owned)
            .collect()
    }

    fn refusals(&self) -> Vec<&Problem> {
        let mut refused = Vec::new();
        for event in &self.events {
            if let Event::Refused(problem) = event {
                refused.push(problem);
            }
        }
        refused
    }
}

/// A T31 with the stock firmware's U-Boot strings and kernel magic.
fn stock_flash(size: Size) -> SimNor {
    let mut content: Vec<u8> = (0..size.get())
        .map(|at| (at >> 7) as u8 ^ at as u8)
        .collect();
    content[..4].copy_from_slice(&[6, 5, 4, 3]);
    content[0x1000..0x100D].copy_from_slice(b"demo_wcv3.bin");
    content[0x4_0000..0x4_0004].copy_from_slice(&[0x27, 5, 0x19, 0x56]);
    let geometry = Geometry {
        size,
        erase_block: Size::kib(32),
        page: Size::bytes(256),
    };
    SimNor::holding(geometry, content)
}

fn bench(conf: &str) -> Bench {
    Bench {
        card: SimCard::new(Size::mib(128))
            .with(&CardPath::root().join(KERNEL), b"a kernel")
            .with(&CardPath::general_conf(), conf.as_bytes()),
        flash: stock_flash(Size::mib(16)),
        files: Files::with("PRODUCT_MODEL=WYZE_CAKP2JFUS\n"),
        chip: ChipEvidence::Named("t31x".into()),
    }
}

impl Bench {
    fn run(&mut self) -> Told {
        let mut record = Record::new();
        let mut events = Vec::new();
        let whole = Region::new(Offset::ZERO, Size::bytes(self.flash.content().len() as u64));
        let unit = FlashUnit {
            device: FlashDevice {
                name: "jz_sfc".into(),
                whole,
            },
            chip: &mut self.flash,
            file_systems: &mut self.files,
        };
        let mut reporter = |event: &Event| {
            record.report(event);
            events.push(event.clone());
        };
        let (mut card, mut desk) = (self.card.clone(), Desk::default());
        let ended = run(&mut card, Ok(unit), &self.chip, &mut desk, &mut reporter);
        let json = record.to_json().expect("JSON");
        let result = serde_json::from_str(&json).expect("JSON");
        Told {
            ended,
            events,
            result,
            fitted_out: desk.fitted_out,
        }
    }

    /// The card's files, without the backups.
    fn others(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.card.files();
        files.retain(|path, _| !path.contains("backup"));
        files
    }

    /// Nothing but the SD kernel's name has changed, and flash has not been asked to change.
    fn assert_untouched(&self, before: &BTreeMap<String, Vec<u8>>) {
        let mut expected = before.clone();
        if let Some(kernel) = expected.remove(KERNEL) {
            expected.insert(format!("{KERNEL}.wz_flash-helper"), kernel);
        }
        assert_eq!(self.card.files(), expected);
        assert_eq!(
            (self.flash.wear().erases, self.flash.wear().bytes_programmed),
            (0, 0)
        );
    }
}

#[test]
fn a_backup_run_ends_in_success_with_the_kernel_put_away_and_flash_read_about_once() {
    let mut bench = bench(BACKUP);
    let told = bench.run();
    assert_eq!(
        told.ended,
        Ended {
            outcome: Outcome::Success,
            next: Next::Restart
        }
    );
    assert_eq!(told.result["outcome"], "success");
    assert_eq!(told.result["camera"]["model"], "v3");
    assert_eq!(told.result["operations"][0]["done"], true);
    let saved = &bench.card.files()["wz_flash-helper/backup/stock/0001/stock_t31x_all.bin"];
    assert!(saved == bench.flash.content(), "the whole chip");
    assert!(
        bench
            .others()
            .contains_key(&format!("{KERNEL}.wz_flash-helper"))
    );
    assert!(!bench.others().contains_key(KERNEL));
    assert!(bench.flash.wear().bytes_read <= Size::mib(16).get() * 105 / 100);
    assert_eq!(
        (
            bench.flash.wear().erases,
            bench.flash.wear().bytes_programmed
        ),
        (0, 0)
    );
}

/// The pins of the Pan v2's LEDs mean other colours and levels on a v3, and some of its other pins
/// switch the card's power there.
#[rstest]
#[case::v3("PRODUCT_MODEL=WYZE_CAKP2JFUS\n", Some("v3"))]
#[case::pan_v2("PRODUCT_MODEL=HL_PAN2\n", Some("pan_v2"))]
#[case::unknown("PRODUCT_MODEL=?\n", None)]
fn what_may_be_driven_follows_from_the_model_that_was_found(
    #[case] product: &str,
    #[case] model: Option<&str>,
) {
    let mut bench = bench(&format!("{BACKUP}enable_audio=yes\naudio_volume=70\n"));
    bench.files = Files::with(product);
    let told = bench.run();
    let catalogue = Catalogue::builtin();
    let fittings = catalogue.soc("t31").expect("a profile").fittings(model);
    let [(fitted, Some(volume))] = &told.fitted_out[..] else {
        panic!("{:?}", told.fitted_out);
    };
    assert_eq!((fitted, volume.percent()), (&fittings, 70));
    let is_remarked = told.codes("remarks").contains(&"WZ-0881".to_owned());
    assert_eq!(is_remarked, model.is_none(), "a v3 has a speaker");
    assert_eq!(told.ended.outcome, Outcome::Success);
}

#[rstest]
#[case::by_name(ChipEvidence::Named("t31x".into()), 2)]
#[case::unknown(ChipEvidence::Named("t99".into()), 0)]
#[case::unreadable(ChipEvidence::Registers(|_| None), 0)]
fn before_the_card_is_there_the_chip_alone_tells_what_may_be_driven(
    #[case] chip: ChipEvidence,
    #[case] lamps: usize,
) {
    let fittings = early_fittings(&chip);
    assert_eq!(fittings.lamps.pins().len(), lamps);
    assert_eq!(fittings.power, []);
    assert_eq!(fittings.audio, None);
}

#[test]
fn a_second_run_makes_a_second_backup() {
    let mut bench = bench(BACKUP);
    bench.run();
    bench.card = bench
        .card
        .clone()
        .with(&CardPath::root().join(KERNEL), b"a kernel");
    assert_eq!(
        bench.run().ended.outcome,
        Outcome::Refused,
        "128M have no room for two"
    );
    let again = SimCard::new(Size::mib(256));
    bench.card = bench
        .card
        .files()
        .iter()
        .fold(again, |card, (path, content)| {
            card.with(&CardPath::root().join(path), content)
        });
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
    assert!(
        bench
            .card
            .folders()
            .contains(&"wz_flash-helper/backup/stock/0002".into())
    );
}

#[rstest]
#[case::key_that_does_not_exist("bakup_partitions=\"yes\"\n")]
#[case::nothing_asked_for("backup_partitions=\"no\"\n")]
fn a_run_that_has_nothing_to_do_says_so_and_changes_nothing(#[case] conf: &str) {
    let mut bench = bench(conf);
    let before = bench.card.files();
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::NothingToDo);
    assert!(!told.codes("remarks").is_empty());
    bench.assert_untouched(&before);
}

#[rstest]
#[case::wrong_value("backup_partitions=\"Yes\"\n")]
#[case::restore("restore_partitions=\"yes\"\n")]
#[case::switch("switch_firmware=\"yes\"\nnext_firmware=\"thingino\"\n")]
#[case::backup_and_switch("backup_partitions=\"yes\"\nswitch_firmware=\"yes\"\n")]
#[case::scripts("enable_custom_scripts=\"yes\"\ncustom_scripts=\"a.sh\"\n")]
#[case::command("audio_volume=\"50\"; touch /sdcard/pwned\n")]
#[case::unknown_firmware_named("backup_partitions=\"yes\"\nmanual_current_firmware=\"openipc\"\n")]
fn a_configuration_that_cannot_be_done_is_refused_and_changes_nothing(#[case] conf: &str) {
    let mut bench = bench(conf);
    let before = bench.card.files();
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused, "{:?}", told.result);
    assert_eq!(told.ended.next, Next::Restart);
    assert!(!told.codes("refusals").is_empty());
    bench.assert_untouched(&before);
}

#[test]
fn without_a_configuration_the_kernel_is_put_away_all_the_same() {
    let mut bench = bench(BACKUP);
    bench.card = SimCard::new(Size::mib(64)).with(&CardPath::root().join(KERNEL), b"a kernel");
    let before = bench.card.files();
    let told = bench.run();
    assert!(matches!(
        told.refusals()[..],
        [Problem::ConfigMissing { .. }]
    ));
    bench.assert_untouched(&before);
}

#[rstest]
#[case::unknown_name(ChipEvidence::Named("t99".into()))]
#[case::unknown_ids(ChipEvidence::Registers(|_| Some(0x1234_5678)))]
#[case::unreadable(ChipEvidence::Registers(|_| None))]
fn an_unknown_chip_is_refused_with_what_it_says_of_itself(#[case] chip: ChipEvidence) {
    let mut bench = bench(BACKUP);
    bench.chip = chip;
    let before = bench.card.files();
    let told = bench.run();
    assert!(
        matches!(
            told.refusals()[..],
            [Problem::ChipUnknown { .. } | Problem::ChipNameUnknown { .. }]
        ),
        "{:?}",
        told.refusals()
    );
    bench.assert_untouched(&before);
}

#[test]
fn a_chip_is_known_by_its_registers() {
    let mut bench = bench("backup_partitions=\"yes\"\ndry_run=\"yes\"\n");
    bench.chip = ChipEvidence::Registers(|address| match address {
        0x1300_002C => Some(0x1003_1000),
        0x1354_0238 => Some(0x2222_0000),
        _ => None,
    });
    assert_eq!(bench.run().result["camera"]["chip"], "t31x");
}

#[test]
fn a_chip_that_shows_half_its_size_is_refused() {
    let mut bench = bench(BACKUP);
    bench.flash = stock_flash(Size::mib(8));
    let before = bench.card.files();
    let told = bench.run();
    assert!(
        matches!(told.refusals()[..], [Problem::FlashSize { found, .. }]
        if *found == Size::mib(8))
    );
    bench.assert_untouched(&before);
}

#[test]
fn an_unknown_firmware_still_gets_its_whole_chip_saved() {
    let mut bench = bench(BACKUP);
    let geometry = Geometry {
        size: Size::mib(16),
        erase_block: Size::kib(32),
        page: Size::bytes(256),
    };
    bench.flash = SimNor::holding(geometry, vec![0x5A; 16 << 20]);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success);
    let files = bench.card.files();
    let names: Vec<&String> = files
        .keys()
        .filter(|path| path.contains("/backup/"))
        .collect();
    assert_eq!(
        names,
        [
            "wz_flash-helper/backup/unknown/0001/ID.txt",
            "wz_flash-helper/backup/unknown/0001/unknown_t31x_all.bin",
            "wz_flash-helper/backup/unknown/0001/unknown_t31x_all.bin.sha256sum",
        ]
    );
    assert_eq!(told.result["camera"]["firmware"], serde_json::Value::Null);
    assert!(told.codes("remarks").contains(&"WZ-0453".to_owned()));
}

#[rstest]
#[case::no_such_text(Files::with("something else"), Outcome::Success)]
#[case::damaged_file_system(Files(None), Outcome::Incomplete)]
fn an_unknown_model_is_a_remark(#[case] files: Files, #[case] outcome: Outcome) {
    let mut bench = bench(BACKUP);
    bench.files = files;
    let told = bench.run();
    assert_eq!(told.ended.outcome, outcome);
    assert!(told.codes("remarks").contains(&"WZ-0455".to_owned()));
    assert!(
        bench
            .card
            .folders()
            .contains(&"wz_flash-helper/backup/stock/0001".into())
    );
}

#[test]
fn an_upgrade_in_progress_is_remarked_on() {
    let mut bench = bench("backup_partitions=\"yes\"\ndry_run=\"yes\"\n");
    let mut content = bench.flash.content().to_vec();
    content[0xFF_0000..0xFF_0014].copy_from_slice(b"FWGRADEUP=kernel+app");
    let geometry = Geometry {
        size: Size::mib(16),
        erase_block: Size::kib(32),
        page: Size::bytes(256),
    };
    bench.flash = SimNor::holding(geometry, content);
    assert!(bench.run().codes("remarks").contains(&"WZ-0456".to_owned()));
}

#[test]
fn a_dry_run_prints_the_plan_and_changes_only_the_kernels_name() {
    let mut bench = bench("backup_partitions=\"yes\"\ndry_run=\"yes\"\n");
    let before = bench.card.files();
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::DryRun);
    let plan = told.result["plan"].as_array().expect("a plan");
    assert!(plan.iter().any(|line| {
        line.as_str()
            .is_some_and(|l| l.contains("stock_t31x_all.bin"))
    }));
    bench.assert_untouched(&before);
}

#[test]
fn the_second_copy_can_be_turned_off() {
    let mut bench = bench("backup_partitions=\"yes\"\nsecondary_backup=\"no\"\n");
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
    assert!(
        !bench
            .card
            .folders()
            .iter()
            .any(|folder| folder.contains("Wyze_factory_backup"))
    );
}

#[test]
fn a_read_only_card_is_refused_and_the_kernel_known_to_be_bootable() {
    let mut bench = bench(BACKUP);
    bench.card.break_it(SimFault::ReadOnly);
    let before = bench.card.files();
    let told = bench.run();
    assert_eq!(
        told.ended,
        Ended {
            outcome: Outcome::Refused,
            next: Next::WaitForCardOut
        }
    );
    assert_eq!(bench.card.files(), before);
}

#[test]
fn a_card_that_forgets_new_names_is_refused_and_the_kernel_known_to_be_bootable() {
    let mut bench = bench(BACKUP);
    bench.card.break_it(SimFault::LosesNewNames);
    let told = bench.run();
    assert_eq!(
        told.ended,
        Ended {
            outcome: Outcome::Refused,
            next: Next::WaitForCardOut
        }
    );
    assert!(matches!(
        told.refusals()[..],
        [Problem::KernelNotPutAway { .. }]
    ));
}

/// The stock profile of the T31 under another name, with another kernel and a sign of its own.
const ACME: &str = "[firmware]\nname = \"acme\"\nsd_kernels = [\"acme_kernel.bin\"]\n\
    [[detect.firmware]]\nboot_contains = [\"ACME U-Boot\"]\n\
    [[layout]]\nname = \"only\"\n\
    [[layout.partition]]\nname = \"boot\"\nsize = \"256K\"\nformat = \"raw\"\n\
    [[layout.partition]]\nname = \"rest\"\nsize = \"16128K\"\nformat = \"raw\"\n";

#[test]
fn a_kernel_that_only_a_profile_on_the_card_names_is_put_away() {
    let mut bench = bench(BACKUP);
    let profile = CardPath::profiles().join("t31").join("acme.toml");
    bench.card = SimCard::new(Size::mib(128))
        .with(&CardPath::root().join("acme_kernel.bin"), b"a kernel")
        .with(&CardPath::general_conf(), BACKUP.as_bytes())
        .with(&profile, ACME.as_bytes());
    let told = bench.run();
    assert_eq!(told.refusals(), [&Problem::KernelUnknown {}; 0]);
    assert_eq!(told.ended.next, Next::Restart);
    let files = bench.card.files();
    assert!(files.contains_key("acme_kernel.bin.wz_flash-helper"));
}

#[test]
fn a_kernel_under_a_name_that_nobody_knows_is_taken_to_be_bootable() {
    let mut bench = bench(BACKUP);
    bench.card = SimCard::new(Size::mib(128))
        .with(&CardPath::root().join("mystery.bin"), b"a kernel")
        .with(&CardPath::general_conf(), BACKUP.as_bytes());
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success);
    assert_eq!(told.ended.next, Next::WaitForCardOut);
    assert!(told.codes("remarks").contains(&"WZ-0213".to_owned()));
}

#[test]
fn what_else_lies_among_the_profiles_is_no_problem() {
    let mut bench = bench("backup_partitions=\"yes\"\ndry_run=\"yes\"\n");
    let profiles = CardPath::profiles();
    bench.card = bench
        .card
        .clone()
        .with(&profiles.join(".DS_Store"), b"a desktop")
        .with(&profiles.join("t31").join("notes.txt"), b"name =")
        .with(&profiles.join("t31").join("old.toml").join("x"), b"name =");
    assert_eq!(bench.run().ended.outcome, Outcome::DryRun);
}

#[test]
fn a_firmware_named_by_hand_is_not_believed_against_the_evidence() {
    let mut bench = bench("backup_partitions=\"yes\"\nmanual_current_firmware=\"thingino\"\n");
    let before = bench.card.files();
    let told = bench.run();
    assert!(matches!(
        told.refusals()[..],
        [Problem::ManualFirmwareContradicted { .. }]
    ));
    bench.assert_untouched(&before);
}

#[test]
fn what_a_backup_of_another_firmware_left_is_removed_and_its_number_counts() {
    let mut bench = bench("backup_partitions=\"yes\"\nsecondary_backup=\"no\"\n");
    let left = [
        CardPath::backups().join("unknown").join("0003.partial"),
        CardPath::root()
            .join("Wyze_factory_backup")
            .join("0004.partial"),
    ];
    for folder in &left {
        bench.card = bench.card.clone().with(&folder.join("x.bin"), b"half");
    }
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
    let folders = bench.card.folders();
    assert!(
        folders.contains(&"wz_flash-helper/backup/stock/0005".into()),
        "{folders:?}"
    );
    assert!(!folders.iter().any(|folder| folder.ends_with(".partial")));
}

#[test]
fn a_kernel_in_another_spelling_is_put_away_too() {
    let mut bench = bench(BACKUP);
    let name = KERNEL.to_uppercase();
    bench.card = SimCard::new(Size::mib(128)).with(&CardPath::root().join(&name), b"a kernel");
    bench.run();
    assert_eq!(
        bench.card.files().into_keys().next(),
        Some(format!("{name}.wz_flash-helper"))
    );
}

#[test]
fn other_files_on_the_card_stay_as_they_are() {
    let mut bench = bench(BACKUP);
    let photo = CardPath::root().join("DCIM").join("factory_t31_ZMC6tiIDQN");
    bench.card = bench.card.clone().with(&photo, b"a photo");
    bench.run();
    assert_eq!(bench.card.files()[photo.as_str()], b"a photo");
}

#[test]
fn a_broken_profile_on_the_card_is_refused_by_name() {
    let mut bench = bench(BACKUP);
    let path = CardPath::profiles().join("t31").join("mine.toml");
    bench.card = bench.card.clone().with(&path, b"name = ");
    let before = bench.card.files();
    let told = bench.run();
    assert!(!told.codes("refusals").is_empty());
    assert!(
        told.refusals()[0].what().contains("mine.toml"),
        "{}",
        told.refusals()[0]
    );
    bench.assert_untouched(&before);
}

const AWAY: &str = "factory_t31_ZMC6tiIDQN.wz_flash-helper";

fn with_put_away(mut bench: Bench, files: &[(&str, &str)]) -> Bench {
    for (suffix, content) in files {
        let path = CardPath::root().join(&format!("{AWAY}{suffix}"));
        bench.card = bench.card.with(&path, content.as_bytes());
    }
    bench
}

fn put_away(bench: &Bench) -> Vec<(String, String)> {
    let files = bench.card.files().into_iter();
    let files = files.filter(|(path, _)| path.starts_with(KERNEL));
    files
        .map(|(path, content)| (path, String::from_utf8(content).expect("a text")))
        .collect()
}

#[rstest]
#[case::the_same(&[("", "a kernel")], &[("", "a kernel")])]
#[case::another(&[("", "mine")], &[("", "a kernel"), ("-2", "mine")])]
#[case::one_as_long(&[("", "b kernel")], &[("", "a kernel"), ("-2", "b kernel")])]
#[case::a_third(
    &[("", "mine"), ("-2", "older")],
    &[("", "a kernel"), ("-2", "older"), ("-3", "mine")],
)]
fn a_kernel_that_was_put_away_before_is_not_lost(
    #[case] before: &[(&str, &str)],
    #[case] after: &[(&str, &str)],
) {
    let mut bench = with_put_away(bench("backup_partitions=\"no\"\n"), before);
    let told = bench.run();
    assert_eq!(told.ended.next, Next::Restart);
    let expected = after
        .iter()
        .map(|(suffix, content)| (format!("{AWAY}{suffix}"), (*content).to_owned()));
    assert_eq!(put_away(&bench), expected.collect::<Vec<_>>());
}

#[rstest]
#[case::the_same("a kernel")]
#[case::another("mine")]
fn nor_is_it_when_power_fails_while_it_makes_way(#[case] earlier: &str) {
    for at in 0..8 {
        for cut in [
            Cut::NotStarted,
            Cut::Torn { seed: at },
            Cut::DoneUnacknowledged,
        ] {
            let power = Power::new();
            let mut bench = with_put_away(bench("backup_partitions=\"no\"\n"), &[("", earlier)]);
            bench.card = bench.card.powered_by(&power);
            power.fail_after(at, cut);
            bench.run();
            power.turn_on();
            let kernels = put_away(&bench);
            for kernel in [earlier, "a kernel"] {
                let is_there = kernels.iter().any(|(_, content)| content == kernel);
                assert!(is_there, "{at} {cut:?}: {kernels:?}");
            }
        }
    }
}
