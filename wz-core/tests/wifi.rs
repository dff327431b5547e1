//! Wi-Fi from the card to the firmware: whole runs on simulated cameras.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use std::cell::RefCell;
use std::io::{self, Write};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rstest::rstest;
use wz_core::card::{Card, CardPath, SimCard, SimFault};
use wz_core::detect::FlashDevice;
use wz_core::event::{Event, Outcome, Problem, Reporter};
use wz_core::flash::{Fault, FileSystem, FileSystems, Geometry, SimNor};
use wz_core::image::environment::{Edit, Environment};
use wz_core::report::{Console, Log, Record};
use wz_core::run::{
    ChipEvidence, Ended, FlashUnit, Next, ScriptCall, Surroundings, Visit, run, set_environment,
};
use wz_core::sim::{Cut, Power};
use wz_core::units::{Offset, Region, Size};

const KERNEL: &str = "factory_t31_ZMC6tiIDQN";
const CONF: &str = "wz_flash-helper/thingino.conf";
const UENV: &str = "uenv.txt";
const AWAY: &str = "factory_t31_ZMC6tiIDQN.wz_flash-helper";
const SAVED: &str = "wz_flash-helper/environment.saved";
const JOURNAL: &str = "wz_flash-helper/journal.bin";

const SSID: &str = "My  Net *";
const PASSWORD: &str = "p\"a  $s`w #\\ *";
const MAC: &str = "02:00:5e:10:20:30";
const WIFI: &str = "wifi_ssid=\"My  Net *\"\r\nwifi_password='p\"a  $s`w #\\ *'\r\nmac_address=\"02:00:5E:10:20:30\"\r\ntimezone=\"Europe/Berlin\"\r\n";

const NOTHING: &str = "backup_partitions=\"no\"\n";
const BACKUP: &str = "backup_partitions=\"yes\"\n";

/// Each of them is an empty folder.
struct Empty(tempfile::TempDir);

impl FileSystems for Empty {
    fn mount(&mut self, _: Region, _: FileSystem) -> io::Result<PathBuf> {
        Ok(self.0.path().to_owned())
    }

    fn release(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Desk;

impl Surroundings for Desk {
    fn since_power_on(&self) -> Duration {
        Duration::from_millis(500)
    }

    fn peak_memory(&self) -> Option<Size> {
        None
    }

    fn keep_alive(&self) {}

    fn before_operations(&mut self, _: &mut dyn FileSystems) -> Visit {
        Visit::Nobody
    }

    fn run_script(&mut self, _: &ScriptCall<'_>, _: &mut dyn Reporter) -> Result<(), Problem> {
        panic!("no script was asked for")
    }
}

/// What several renderers write into.
#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A thingino of some time, as far as detection and the environment go.
#[derive(Clone, Copy, Debug)]
struct Thingino {
    env: (usize, usize),
    kernel: usize,
}

const OF_2024: Thingino = thingino((0x4_0000, 0x1_0000), 0x5_0000);
const OF_2025: Thingino = thingino((0x4_0000, 0x8000), 0x8_0000);
const OF_2026: Thingino = thingino((0x5_0000, 0x1_0000), 0x7_0000);

const fn thingino(env: (usize, usize), kernel: usize) -> Thingino {
    Thingino { env, kernel }
}

const UIMAGE: [u8; 4] = [0x27, 5, 0x19, 0x56];
const FILE_SYSTEM_AT: usize = 0x4_8000;

impl Thingino {
    fn flash(self) -> Vec<u8> {
        let mut flash: Vec<u8> = (0..16 << 20)
            .map(|at: u32| (at >> 7) as u8 ^ at as u8)
            .collect();
        let name = b"Thingino U-Boot for Ingenic T31X";
        flash[..4].copy_from_slice(&[6, 5, 4, 3]);
        flash[0x1000..0x1000 + name.len()].copy_from_slice(name);
        flash[self.kernel..self.kernel + 4].copy_from_slice(&UIMAGE);
        flash[FILE_SYSTEM_AT..FILE_SYSTEM_AT + 2].copy_from_slice(&[0x85, 0x19]);
        self.put_environment(&mut flash);
        flash
    }

    fn put_environment(self, flash: &mut [u8]) {
        let (at, length) = self.env;
        let mut data = b"bootcmd=sf probe;bootm\0wlan_ssid=old\0osmem=40M\0\0".to_vec();
        data.resize(length - 4, 0);
        flash[at..at + 4].copy_from_slice(&crc32fast::hash(&data).to_le_bytes());
        flash[at + 4..at + length].copy_from_slice(&data);
    }

    /// As it is before U-Boot has started for the first time.
    fn with_blank_environment(self) -> Vec<u8> {
        let mut flash = self.flash();
        flash[self.env.0..self.env.0 + self.env.1].fill(0xff);
        flash
    }

    fn environment(self, flash: &SimNor) -> Environment {
        let (at, length) = self.env;
        Environment::parse(&flash.content()[at..at + length]).expect("a good CRC")
    }
}

struct Bench {
    power: Power,
    card: SimCard,
    flash: SimNor,
}

/// What came of a run.
struct Told {
    ended: Ended,
    /// All that was shown, logged and recorded.
    said: String,
    result: serde_json::Value,
}

impl Told {
    fn codes(&self, kind: &str) -> Vec<&str> {
        let problems = self.result[kind].as_array().expect("an array");
        problems.iter().filter_map(|p| p["code"].as_str()).collect()
    }

    /// Neither on the console, nor in a log, nor in `result.json`, nor in the debug form of an event.
    fn keeps_secrets(&self) {
        assert!(self.said.len() > 500, "{}", self.said);
        for secret in [SSID, PASSWORD, "My  Net", "p\\\"a  $s"] {
            assert!(!self.said.contains(secret), "{}", self.said);
        }
    }
}

fn geometry() -> Geometry {
    Geometry {
        size: Size::mib(16),
        erase_block: Size::kib(32),
        page: Size::bytes(256),
    }
}

fn bench(flash: Vec<u8>, general: &str, wifi: &str) -> Bench {
    let power = Power::new();
    let card = SimCard::new(Size::mib(64))
        .powered_by(&power)
        .with(&CardPath::root().join(KERNEL), b"a kernel")
        .with(&CardPath::general_conf(), general.as_bytes())
        .with(&CardPath::root().join(CONF), wifi.as_bytes());
    Bench {
        card,
        flash: SimNor::holding(geometry(), flash).powered_by(&power),
        power,
    }
}

impl Bench {
    fn run(&mut self) -> Told {
        let unit = FlashUnit {
            device: FlashDevice {
                name: "jz_sfc".into(),
                whole: Region::new(Offset::ZERO, Size::mib(16)),
            },
            chip: &mut self.flash,
            file_systems: &mut Empty(tempfile::tempdir().expect("a folder")),
        };
        let shown = Shared::default();
        let mut console = Console::new(shown.clone());
        let mut log = Log::new(shown.clone(), || Duration::ZERO);
        let mut record = Record::new();
        let mut said = String::new();
        let mut reporter = |event: &Event| {
            console.report(event);
            log.report(event);
            record.report(event);
            said += &format!("{event:?}\n");
        };
        let chip = ChipEvidence::Named("t31x".into());
        let mut card = self.card.clone();
        let ended = run(&mut card, Ok(unit), &chip, &mut Desk, &mut reporter);
        let json = record.to_json().expect("JSON");
        said += &String::from_utf8_lossy(&shown.0.borrow());
        said += &json;
        Told {
            ended,
            said,
            result: serde_json::from_str(&json).expect("JSON"),
        }
    }

    fn file(&self, path: &str) -> Option<String> {
        let files = self.card.files();
        let bytes = files.get(path)?.clone();
        Some(String::from_utf8(bytes).expect("a text"))
    }

    fn put(&mut self, path: &str, content: &str) {
        let path = CardPath::root().join(path);
        self.card = self.card.clone().with(&path, content.as_bytes());
    }

    /// Of the files on the card, backups aside, those that hold the password.
    fn files_with_the_password(&self) -> Vec<String> {
        let holds = |bytes: &Vec<u8>| {
            bytes
                .windows(8)
                .any(|part| part == &PASSWORD.as_bytes()[..8])
        };
        let files = self.card.files().into_iter();
        let files = files.filter(|(path, bytes)| !path.contains("backup/") && holds(bytes));
        files.map(|(path, _)| path).collect()
    }
}

fn assert_set(environment: &Environment) {
    for (name, value) in [
        ("wlan_ssid", SSID),
        ("wlanssid", SSID),
        ("wlan_pass", PASSWORD),
        ("wlanpass", PASSWORD),
        ("wlan_mac", MAC),
        ("wlanmac", MAC),
        ("timezone", "Europe/Berlin"),
        ("bootcmd", "sf probe;bootm"),
        ("osmem", "40M"),
    ] {
        let found = environment.get(name).map(String::from_utf8_lossy);
        assert_eq!(found.as_deref(), Some(value), "{name}");
    }
}

fn uenv() -> String {
    format!(
        "wlan_ssid={SSID}\nwlan_pass={PASSWORD}\nwlanssid={SSID}\nwlanpass={PASSWORD}\nwlan_mac={MAC}\nwlanmac={MAC}\ntimezone=Europe/Berlin\n"
    )
}

#[rstest]
#[case::of_2024(OF_2024, None)]
#[case::of_2025(OF_2025, Some(uenv()))]
fn the_environment_gets_what_older_generations_read_there(
    #[case] thingino: Thingino,
    #[case] on_card: Option<String>,
) {
    for general in [NOTHING, BACKUP] {
        let flash = thingino.flash();
        let mut bench = bench(flash.clone(), general, WIFI);
        let told = bench.run();
        assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.said);
        told.keeps_secrets();
        assert_set(&thingino.environment(&bench.flash));
        let (at, length) = thingino.env;
        let after = bench.flash.content();
        assert!(after[..at] == flash[..at]);
        assert!(after[at + length..] == flash[at + length..]);
        assert_eq!(bench.file(UENV), on_card);
        assert_eq!(bench.file("wz_flash-helper/environment.saved"), None);
        assert_eq!(bench.file(CONF).as_deref(), Some(WIFI));
        let expected = on_card
            .iter()
            .map(|_| UENV.to_owned())
            .chain([CONF.to_owned()]);
        assert_eq!(
            bench.files_with_the_password(),
            expected.collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_second_run_finds_it_all_in_place() {
    let mut bench = bench(OF_2024.flash(), NOTHING, WIFI);
    bench.run();
    let erases = bench.flash.wear().erases;
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.said);
    assert_eq!(bench.flash.wear().erases, erases);
}

#[test]
fn the_current_generation_gets_it_on_the_card_and_its_flash_is_not_touched() {
    let mut bench = bench(OF_2026.flash(), NOTHING, WIFI);
    bench.put(UENV, "# mine\nosmem=64M\r\nwlan_pass=old");
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.said);
    told.keeps_secrets();
    let expected = format!("# mine\nosmem=64M\r\n{}", uenv());
    assert_eq!(bench.file(UENV), Some(expected));
    assert_eq!(
        told.codes("remarks").last(),
        Some(&"WZ-0817"),
        "it has to be deleted"
    );
    assert_eq!(bench.flash.wear().erases, 0);
    assert!(bench.flash.content() == OF_2026.flash());
}

#[test]
fn an_environment_that_u_boot_has_not_made_yet_is_not_made_from_nothing() {
    let blank = OF_2025.with_blank_environment();
    let mut bench = bench(blank.clone(), NOTHING, WIFI);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Incomplete, "{}", told.said);
    assert!(told.codes("remarks").contains(&"WZ-0816"), "{}", told.said);
    told.keeps_secrets();
    assert!(bench.flash.content() == blank);
    // U-Boot starts, and the program runs once more.
    let mut flash = blank;
    OF_2025.put_environment(&mut flash);
    bench.flash = SimNor::holding(geometry(), flash);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.said);
    assert_set(&OF_2025.environment(&bench.flash));
}

#[test]
fn a_thingino_of_an_unknown_layout_gets_it_where_it_does_no_harm_and_is_no_success() {
    let mut flash = OF_2026.with_blank_environment();
    flash[OF_2026.kernel..OF_2026.kernel + 4].fill(0);
    let mut bench = bench(flash.clone(), NOTHING, WIFI);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Incomplete, "{}", told.said);
    assert_eq!(
        told.codes("remarks").last(),
        Some(&"WZ-0819"),
        "{}",
        told.said
    );
    assert_eq!(bench.file(UENV), Some(uenv()));
    assert!(bench.flash.content() == flash);
}

#[rstest]
#[case::nobody_knows_it("")]
#[case::the_owner_tells("manual_current_firmware=\"thingino\"\n")]
fn a_firmware_that_flash_does_not_tell_gets_none_and_that_is_told(#[case] named: &str) {
    let mut flash = OF_2025.flash();
    flash[0x1000..0x1040].fill(0);
    let mut bench = bench(flash.clone(), &format!("{NOTHING}{named}"), WIFI);
    let told = bench.run();
    assert_ne!(told.ended.outcome, Outcome::Success, "{}", told.said);
    assert!(told.codes("remarks").contains(&"WZ-0821"), "{}", told.said);
    assert!(bench.flash.content() == flash);
    assert_eq!(bench.file(UENV), None);
}

#[test]
fn a_firmware_that_takes_no_wifi_settings_gets_none() {
    let mut flash = OF_2025.flash();
    flash[0x1000..0x1040].fill(0);
    flash[0x1000..0x100D].copy_from_slice(b"demo_wcv3.bin");
    flash[0x4_0000..0x4_0004].copy_from_slice(&UIMAGE);
    let mut bench = bench(
        flash.clone(),
        NOTHING,
        "wifi_ssid=x\nthis is not even a file for us\n",
    );
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::NothingToDo, "{}", told.said);
    assert!(bench.flash.content() == flash);
    assert_eq!(bench.file(UENV), None);
}

#[rstest]
#[case::no_file("")]
#[case::a_new_one("wifi_ssid=\"\"\nwifi_password=\"\"\nmac_address=\"\"\ntimezone=\"\"\n")]
fn without_a_network_nothing_is_set_up(#[case] wifi: &str) {
    let mut bench = bench(OF_2025.flash(), NOTHING, wifi);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::NothingToDo, "{}", told.said);
    assert!(bench.flash.content() == OF_2025.flash());
}

#[rstest]
#[case::of_2024(OF_2024)]
#[case::of_2025(OF_2025)]
#[case::of_2026(OF_2026)]
fn a_dry_run_says_that_it_would_be_done_and_does_nothing(#[case] thingino: Thingino) {
    let mut bench = bench(thingino.flash(), "dry_run=\"yes\"\n", WIFI);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::DryRun, "{}", told.said);
    assert!(
        told.said.contains("Set up Wi-Fi of thingino"),
        "{}",
        told.said
    );
    told.keeps_secrets();
    assert!(bench.flash.content() == thingino.flash());
    assert_eq!(bench.file(UENV), None);
    assert_eq!(bench.files_with_the_password(), [CONF]);
}

#[test]
fn what_is_wrong_with_it_is_told_before_anything_is_done() {
    let wifi =
        format!("{WIFI}mac_addres=1\ntimezone=\"a b\"\n{PASSWORD}\nwifi_password=\"{PASSWORD}\n");
    let mut bench = bench(OF_2025.flash(), BACKUP, &wifi);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused, "{}", told.said);
    assert!(told.codes("refusals").len() >= 3, "{}", told.said);
    told.keeps_secrets();
    assert!(
        !bench
            .card
            .files()
            .keys()
            .any(|path| path.contains("backup/"))
    );
    assert!(bench.flash.content() == OF_2025.flash());
}

#[test]
fn a_card_that_loses_what_is_written_is_no_success() {
    let mut bench = bench(OF_2026.flash(), NOTHING, WIFI);
    bench.card.break_it(SimFault::FlipsOnWrite { nth: 1 });
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Incomplete, "{}", told.said);
    told.keeps_secrets();
}

/// How a camera gets its Wi-Fi, or any other change of its environment.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// By a run, as the card asks for it.
    Run,
    /// By `fw_setenv` in a script or at the shell, when the SD kernel is away.
    Command,
}

impl Way {
    fn bench(self) -> Bench {
        let mut bench = bench(OF_2025.flash(), NOTHING, WIFI);
        if matches!(self, Self::Command) {
            bench.put(CONF, "");
            bench.rename(KERNEL, AWAY);
        }
        bench
    }

    fn go(self, bench: &mut Bench) {
        match self {
            Self::Run => drop(bench.run()),
            Self::Command => drop(bench.set("wlan_ssid", SSID)),
        }
    }

    /// Whether the environment is one that was there before, or the one that is wanted; whether it is
    /// the latter.
    fn is_set(self, bench: &Bench, what: &str) -> bool {
        let (at, length) = OF_2025.env;
        let content = &bench.flash.content()[at..at + length];
        let environment = Environment::parse(content);
        let environment = environment.unwrap_or_else(|_| panic!("{what}: no environment"));
        let value = environment.get("wlan_ssid").map(String::from_utf8_lossy);
        match value.as_deref() {
            Some("old") => {
                assert!(bench.flash.content() == OF_2025.flash(), "{what}");
                false
            }
            value => {
                assert_eq!(value, Some(SSID), "{what}");
                true
            }
        }
    }
}

impl Bench {
    /// U-Boot starts the SD kernel as long as one has its name, then the firmware. How often the program
    /// was started.
    fn power_on_until_the_firmware_starts(&mut self, what: &str) -> u32 {
        let mut runs = 0;
        while self.file(KERNEL).is_some() {
            self.run();
            runs += 1;
            assert!(runs <= 2, "{what}: it starts again and again");
        }
        runs
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let edit = Edit {
            name: name.into(),
            value: value.into(),
        };
        let mut card = self.card.clone();
        set_environment(&[edit], &mut self.flash, &mut card, &mut |_: &Event| {})
    }

    fn rename(&mut self, from: &str, to: &str) {
        let root = CardPath::root();
        let renamed = self.card.rename(&root.join(from), &root.join(to));
        renamed.and_then(|()| self.card.sync()).expect("a card");
    }
}

fn cuts(at: u64) -> [Cut; 5] {
    [
        Cut::NotStarted,
        Cut::Torn { seed: at },
        Cut::Torn { seed: at + 1000 },
        Cut::Torn { seed: at + 2000 },
        Cut::DoneUnacknowledged,
    ]
}

/// S3: whenever power fails, the program is started again as long as the environment is not whole.
#[rstest]
#[case::run(Way::Run)]
#[case::command(Way::Command)]
fn after_a_power_cut_at_any_change_the_firmware_starts_with_a_whole_environment(#[case] way: Way) {
    let operations = operations(way);
    let mut ends = std::collections::BTreeSet::new();
    for at in 0..operations {
        for cut in cuts(at) {
            let what = format!("{way:?}, cut {at} of {operations}, {cut:?}");
            let mut bench = way.bench();
            bench.power.fail_after(at, cut);
            way.go(&mut bench);
            assert!(bench.power.is_off(), "{what}");
            bench.power.turn_on();
            bench.power_on_until_the_firmware_starts(&what);
            ends.insert(way.is_set(&bench, &what));
            assert_tidy(&bench, &what);
            // Whatever is left does not keep the owner from having it done.
            bench.rename(AWAY, KERNEL);
            bench.put(CONF, WIFI);
            bench.run();
            assert_set(&OF_2025.environment(&bench.flash));
            assert_eq!(bench.file(JOURNAL), None, "{what}");
        }
    }
    assert_eq!(ends.len(), 2, "old and new");
}

/// And when it fails again while the old environment is put back.
#[rstest]
#[case::run(Way::Run)]
#[case::command(Way::Command)]
fn after_two_power_cuts_anywhere_it_does_so_too(#[case] way: Way) {
    let mut pairs = 0;
    for at in 0..operations(way) {
        let cut = cuts(at)[at as usize % 5];
        for second in 0.. {
            let what = format!("{way:?}, cut {at} {cut:?}, then {second}");
            let mut bench = way.bench();
            bench.power.fail_after(at, cut);
            way.go(&mut bench);
            bench.power.turn_on();
            if bench.file(KERNEL).is_none() {
                break;
            }
            let cut = cuts(second)[(at + second) as usize % 5];
            bench.power.fail_after(second, cut);
            bench.run();
            if !bench.power.is_off() {
                break;
            }
            pairs += 1;
            bench.power.turn_on();
            bench.power_on_until_the_firmware_starts(&what);
            way.is_set(&bench, &what);
            assert_tidy(&bench, &what);
        }
    }
    assert!(pairs > 100, "{pairs}");
}

fn operations(way: Way) -> u64 {
    let mut bench = way.bench();
    let before = bench.power.operations();
    way.go(&mut bench);
    assert!(way.is_set(&bench, "without a cut"));
    assert_tidy(&bench, "without a cut");
    bench.power.operations() - before
}

/// The SD kernel is away, and nothing that holds secrets is left.
fn assert_tidy(bench: &Bench, what: &str) {
    assert!(!bench.flash.has_marginal_cells(), "{what}");
    assert_eq!(bench.file(AWAY).as_deref(), Some("a kernel"), "{what}");
    assert_eq!(bench.file(SAVED), None, "{what}");
}

/// S7: a camera whose power fails whenever the environment is erased starts its firmware in the end.
#[test]
fn an_environment_that_never_gets_whole_is_given_up_and_goes_on_when_it_is_allowed_to() {
    let mut bench = Way::Command.bench();
    bench.with_a_cut_in_erase(1, |bench| drop(bench.set("wlan_ssid", SSID)));
    let power_ons = bench.power_on_with_cuts_in_erase(1);
    assert_eq!(power_ons, 6, "five that are cut, and one that gives up");
    assert!(bench.card.files().contains_key(SAVED));
    // The owner does what the message says.
    bench.rename(AWAY, KERNEL);
    bench.run();
    assert!(!Way::Command.is_set(&bench, "given back"));
    assert_tidy(&bench, "given back");
}

/// The old one is put back each time, and power fails while the new one is written.
#[test]
fn settings_that_never_get_written_are_given_up_and_the_old_environment_is_whole() {
    let mut bench = Way::Run.bench();
    bench.with_a_cut_in_erase(1, |bench| drop(bench.run()));
    let power_ons = bench.power_on_with_cuts_in_erase(2);
    assert_eq!(power_ons, 5);
    assert!(!Way::Run.is_set(&bench, "given up"));
    assert_tidy(&bench, "given up");
}

/// What chip and card say of it, as after a chip that takes neither.
#[test]
fn an_environment_that_is_broken_keeps_the_kernel_until_it_is_whole() {
    let mut bench = bench(OF_2025.flash(), NOTHING, WIFI);
    for nth in 1..=400 {
        bench.flash.break_it(Fault::FailsProgram { nth });
    }
    let told = bench.run();
    assert!(told.codes("failures").contains(&"WZ-0805"), "{}", told.said);
    assert_eq!(told.ended.outcome, Outcome::Incomplete);
    assert_eq!(told.ended.next, Next::StayOn);
    assert!(bench.file(KERNEL).is_some());
    bench.flash = SimNor::holding(geometry(), bench.flash.content().to_vec());
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.said);
    assert_eq!(told.ended.next, Next::Restart);
    assert_set(&OF_2025.environment(&bench.flash));
    assert_tidy(&bench, "whole again");
}

#[test]
fn an_interrupted_write_is_put_right_by_any_run_and_told_by_a_dry_one() {
    let (_, mut open) = interrupted();
    let told = open.run();
    assert!(told.codes("remarks").contains(&"WZ-0806"), "{}", told.said);

    let (before, mut open) = interrupted();
    open.put("wz_flash-helper/general.conf", "dry_run=\"yes\"\n");
    let told = open.run();
    assert_eq!(told.ended.next, Next::WaitForCardOut);
    assert!(open.flash.content() == before);
    assert!(open.file(KERNEL).is_some(), "it is still needed");
}

/// A camera whose power failed while the block with the environment was erased.
fn interrupted() -> (Vec<u8>, Bench) {
    let mut whole = bench(OF_2024.flash(), NOTHING, WIFI);
    whole.run();
    for at in 0..whole.power.operations() {
        let mut bench = bench(OF_2024.flash(), NOTHING, WIFI);
        bench.power.fail_after(at, Cut::Torn { seed: 3 });
        bench.run();
        bench.power.turn_on();
        if bench.flash.wear().erases == 1 {
            let flash = bench.flash.content().to_vec();
            return (flash, bench);
        }
    }
    panic!("nothing was erased")
}

impl Bench {
    /// Power fails in the erase of `work` that has this number, if there is one.
    fn with_a_cut_in_erase(&mut self, number: u64, work: impl Fn(&mut Self)) {
        let (flash, card) = (self.flash.content().to_vec(), self.card.duplicate());
        for at in 0..200 {
            let power = Power::new();
            self.flash = SimNor::holding(geometry(), flash.clone()).powered_by(&power);
            self.card = card.duplicate().powered_by(&power);
            self.power = power;
            self.power.fail_after(at, Cut::Torn { seed: 3 });
            work(self);
            let has_ended = !self.power.is_off();
            self.power.turn_on();
            self.power.fail_after(u64::MAX, Cut::NotStarted);
            if has_ended || self.flash.wear().erases == number {
                return;
            }
        }
        panic!("it never ends")
    }

    fn power_on_with_cuts_in_erase(&mut self, number: u64) -> u32 {
        let mut power_ons = 0;
        while self.file(KERNEL).is_some() {
            self.with_a_cut_in_erase(number, |bench| drop(bench.run()));
            power_ons += 1;
            assert!(power_ons < 10, "for ever");
        }
        power_ons
    }
}
