use super::*;
use crate::card::{CardPath, SimCard, SimFault};
use crate::flash::{Fault, Geometry, SimNor};
use crate::sim::{Cut, Power};
use rstest::rstest;

const CHIP: usize = 0x8_0000;
const ENV: usize = 0x4_0000;

/// How the environment lies in flash.
#[derive(Clone, Copy, Debug)]
struct Case {
    copies: usize,
    kib: usize,
    block_kib: u64,
}

const THINGINO_2025: Case = case(1, 32, 32);
/// Half of the erase block is the firmware's settings.
const SHARED_BLOCK: Case = case(1, 32, 64);
const THINGINO_2024: Case = case(1, 64, 32);
const TWO_COPIES: Case = case(2, 32, 32);
const TWO_COPIES_IN_ONE_BLOCK: Case = case(2, 32, 64);

const CASES: [Case; 5] = [
    THINGINO_2025,
    SHARED_BLOCK,
    THINGINO_2024,
    TWO_COPIES,
    TWO_COPIES_IN_ONE_BLOCK,
];

const fn case(copies: usize, kib: usize, block_kib: u64) -> Case {
    Case {
        copies,
        kib,
        block_kib,
    }
}

const OLD: &str = "bootcmd=sf probe;bootm\0baudrate=115200\0wlan_ssid=old";

impl Case {
    fn geometry(self) -> Geometry {
        Geometry {
            size: Size::bytes(CHIP as u64),
            erase_block: Size::kib(self.block_kib),
            page: Size::bytes(256),
        }
    }

    fn region(self) -> Region {
        let size = Size::kib((self.copies * self.kib) as u64);
        Region::new(Offset::bytes(ENV as u64), size)
    }

    /// Flash with an environment that says `text`, and other things all around.
    fn flash(self, text: &str) -> Vec<u8> {
        let mut flash: Vec<u8> = (0..CHIP).map(|at| (at * 7 % 253) as u8).collect();
        let mut copy = |number: usize| {
            let length = self.kib * 1024;
            let mut data = [text.as_bytes(), &[0, 0]].concat();
            data.resize(length - 4 - (self.copies - 1), 0);
            let crc = crc32fast::hash(&data).to_le_bytes();
            let flag = [1 - number as u8];
            let bytes = [&crc, &flag[..self.copies - 1], &data].concat();
            flash[ENV + number * length..][..length].copy_from_slice(&bytes);
        };
        (0..self.copies).for_each(&mut copy);
        flash
    }
}

/// A camera with a card in it.
struct Bench {
    power: Power,
    flash: SimNor,
    card: SimCard,
    known: Region,
}

fn silent(_: &Event) {}

impl Bench {
    fn new(case: Case) -> Self {
        let power = Power::new();
        Self {
            flash: SimNor::holding(case.geometry(), case.flash(OLD)).powered_by(&power),
            card: SimCard::new(Size::mib(4)).powered_by(&power),
            known: case.region(),
            power,
        }
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let found = find(Some(self.known), &mut self.flash)?;
        let mut environment = found.environment.clone();
        environment.set(name, value).unwrap();
        write(
            &found,
            &environment,
            &mut self.flash,
            &mut self.card,
            &mut silent,
        )
    }

    fn put_back(&mut self) -> Result<(), Problem> {
        put_back(&mut self.flash, &mut self.card, &mut silent)
    }

    fn says(&mut self) -> Option<String> {
        let found = find(Some(self.known), &mut self.flash).ok()?;
        let value = found.environment.get("wlan_ssid")?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn has_copy(&self) -> bool {
        let copy = CardPath::saved_environment();
        self.card.files().contains_key(copy.as_str())
    }
}

fn code(result: Result<(), Problem>) -> String {
    result.expect_err("a problem").code().to_string()
}

#[test]
fn a_variable_is_set_and_nothing_else_changes() {
    for case in CASES {
        let mut bench = Bench::new(case);
        let before = bench.flash.content().to_vec();
        bench.set("wlan_ssid", "My  Net *").unwrap();
        assert_eq!(bench.says().as_deref(), Some("My  Net *"), "{case:?}");
        let after = bench.flash.content();
        let end = ENV + case.region().size.as_usize();
        assert!(after[..ENV] == before[..ENV], "{case:?}");
        assert!(after[end..] == before[end..], "{case:?}");
        assert!(!bench.has_copy());
        assert_eq!(bench.flash.wear().bits_not_set, 0);
    }
}

#[test]
fn what_is_there_already_costs_no_work() {
    let mut bench = Bench::new(THINGINO_2025);
    let operations = bench.power.operations();
    bench.set("wlan_ssid", "old").unwrap();
    assert_eq!(bench.power.operations(), operations);
}

#[test]
fn only_blocks_that_differ_are_erased_and_a_flag_is_cleared_without() {
    let mut bench = Bench::new(THINGINO_2024);
    bench.set("wlan_ssid", "first").unwrap();
    let erases = bench.flash.wear().erases;
    bench.set("wlan_ssid", "second").unwrap();
    assert_eq!(bench.flash.wear().erases - erases, 1, "of two blocks");
    let mut bench = Bench::new(TWO_COPIES);
    bench.set("wlan_ssid", "first").unwrap();
    assert_eq!(bench.flash.wear().erases, 1, "the copy that did not count");
}

#[rstest]
#[case::blank(vec![0xff; 0x8000], "WZ-0800")]
#[case::unsound(vec![0; 0x8000], "WZ-0801")]
fn without_an_environment_none_is_made(#[case] content: Vec<u8>, #[case] expected: &str) {
    let mut bench = Bench::new(THINGINO_2025);
    let mut flash = bench.flash.content().to_vec();
    flash[ENV..ENV + 0x8000].copy_from_slice(&content);
    bench.flash = SimNor::holding(THINGINO_2025.geometry(), flash.clone());
    assert_eq!(code(bench.set("a", "b")), expected);
    assert!(bench.flash.content() == flash);
}

/// Not started, done but not acknowledged, and torn in several ways.
fn cuts(seed: u64) -> Vec<Cut> {
    let torn = (0..4).map(|n| Cut::Torn {
        seed: seed * 31 + n,
    });
    let mut cuts = vec![Cut::NotStarted, Cut::DoneUnacknowledged];
    cuts.extend(torn);
    cuts
}

/// How many changes of chip and card a write takes.
fn operations(case: Case) -> u64 {
    let mut bench = Bench::new(case);
    bench.set("wlan_ssid", "new").unwrap();
    bench.power.operations()
}

#[test]
fn after_a_power_cut_at_any_change_all_of_it_is_old_or_new() {
    for case in CASES {
        let (old, mut new) = (case.flash(OLD), Bench::new(case));
        new.set("wlan_ssid", "new").unwrap();
        let mut ends = BTreeSet::new();
        for at in 0..operations(case) {
            for cut in cuts(at) {
                let what = format!("{case:?}, cut {at}, {cut:?}");
                let mut bench = Bench::new(case);
                bench.power.fail_after(at, cut);
                let written = bench.set("wlan_ssid", "new");
                assert!(bench.power.is_off(), "{what}: {written:?}");
                bench.power.turn_on();
                bench
                    .put_back()
                    .unwrap_or_else(|problem| panic!("{what}: {problem}"));
                let flash = bench.flash.content();
                assert!(flash == old || flash == new.flash.content(), "{what}");
                assert!(!bench.flash.has_marginal_cells(), "{what}");
                assert!(!bench.has_copy(), "{what}");
                ends.extend(bench.says());
            }
        }
        let both = ["new", "old"].map(str::to_owned);
        assert_eq!(ends, BTreeSet::from(both), "{case:?}");
    }
}

#[test]
fn after_a_second_cut_while_it_is_put_back_too() {
    let case = SHARED_BLOCK;
    let (old, mut new) = (case.flash(OLD), Bench::new(case));
    new.set("wlan_ssid", "new").unwrap();
    let mut seconds = 0;
    for at in 0..operations(case) {
        for cut in cuts(at) {
            for second in 0.. {
                let what = format!("cut {at}, {cut:?}, then {second}");
                let mut bench = Bench::new(case);
                bench.power.fail_after(at, cut);
                assert!(bench.set("wlan_ssid", "new").is_err());
                bench.power.turn_on();
                let seed = at * 100 + second;
                bench.power.fail_after(second, Cut::Torn { seed });
                let put_back = bench.put_back();
                if !bench.power.is_off() {
                    put_back.unwrap_or_else(|problem| panic!("{what}: {problem}"));
                    break;
                }
                seconds += 1;
                bench.power.turn_on();
                bench
                    .put_back()
                    .unwrap_or_else(|problem| panic!("{what}: {problem}"));
                let flash = bench.flash.content();
                assert!(flash == old || flash == new.flash.content(), "{what}");
                assert!(!bench.flash.has_marginal_cells(), "{what}");
            }
        }
    }
    assert!(seconds > 50, "{seconds}");
}

#[test]
fn of_two_copies_one_counts_at_any_instant_though_the_card_is_gone() {
    let case = TWO_COPIES;
    for at in 0..operations(case) {
        for cut in cuts(at) {
            let mut bench = Bench::new(case);
            bench.power.fail_after(at, cut);
            assert!(bench.set("wlan_ssid", "new").is_err());
            let mut flash = SimNor::holding(case.geometry(), bench.flash.content().to_vec());
            let found = find(Some(case.region()), &mut flash).expect("one copy");
            let says = found.environment.get("wlan_ssid");
            let either = [b"old".as_slice(), b"new"];
            assert!(
                says.is_some_and(|says| either.contains(&says)),
                "{at} {cut:?}"
            );
        }
    }
}

#[test]
fn a_bit_that_sticks_brings_the_old_one_back_and_is_told() {
    let case = SHARED_BLOCK;
    let mut new = Bench::new(case);
    new.set("wlan_ssid", "new").unwrap();
    let old = case.flash(OLD);
    // A bit that was 0 and has to become 1.
    let wanted = new.flash.content().iter().zip(&old);
    let (at, mask) = wanted
        .enumerate()
        .find_map(|(at, (new, old))| {
            let rises = new & !old;
            (rises != 0).then_some((at, rises & rises.wrapping_neg()))
        })
        .unwrap();
    let mut bench = Bench::new(case);
    let at = Offset::bytes(at as u64);
    bench.flash.break_it(Fault::StuckAtZero { at, mask });
    let problem = bench.set("wlan_ssid", "new").unwrap_err();
    assert_eq!(problem.code().to_string(), "WZ-0804");
    assert!(problem.what().contains(&at.to_string()), "{problem}");
    assert!(bench.flash.content() == old);
    assert!(!bench.has_copy());
}

#[test]
fn a_chip_that_takes_neither_is_told_and_made_right_later() {
    let mut bench = Bench::new(THINGINO_2025);
    for nth in 1..=40 {
        bench.flash.break_it(Fault::FailsProgram { nth });
    }
    assert_eq!(code(bench.set("wlan_ssid", "new")), "WZ-0805");
    assert!(bench.has_copy());
    let mut bench = Bench {
        flash: SimNor::holding(THINGINO_2025.geometry(), bench.flash.content().to_vec()),
        ..bench
    };
    bench.put_back().unwrap();
    assert!(bench.flash.content() == THINGINO_2025.flash(OLD));
    assert!(!bench.has_copy());
}

#[rstest]
#[case::erase(Fault::FailsErase { nth: 1 })]
#[case::program(Fault::FailsProgram { nth: 1 })]
#[case::erase_that_does_nothing(Fault::IgnoresErase { nth: 1 })]
#[case::program_that_does_nothing(Fault::IgnoresProgram { nth: 1 })]
fn what_fails_once_is_tried_again(#[case] fault: Fault) {
    let mut bench = Bench::new(THINGINO_2025);
    bench.flash.break_it(fault);
    bench.set("wlan_ssid", "new").unwrap();
    assert_eq!(bench.says().as_deref(), Some("new"));
}

#[rstest]
#[case::full(SimFault::Full)]
#[case::read_only(SimFault::ReadOnly)]
#[case::lying(SimFault::DropsWritesAfter(Size::bytes(100)))]
#[case::flipping(SimFault::FlipsABitAfter(Size::bytes(100)))]
#[case::forgetting_names(SimFault::LosesNewNames)]
fn without_a_copy_on_the_card_flash_is_not_touched(#[case] fault: SimFault) {
    let mut bench = Bench::new(THINGINO_2025);
    bench.card.break_it(fault);
    assert!(bench.set("wlan_ssid", "new").is_err());
    assert_eq!(bench.flash.wear().erases, 0);
    assert!(bench.flash.content() == THINGINO_2025.flash(OLD));
}

#[test]
fn flash_that_reads_differently_is_not_written() {
    let mut bench = Bench::new(THINGINO_2025);
    bench.flash.break_it(Fault::FlipsOnRead { nth: 2 });
    assert_eq!(code(bench.set("wlan_ssid", "new")), "WZ-0717");
    assert!(bench.flash.content() == THINGINO_2025.flash(OLD));
}

/// The card of a camera whose power failed in the middle of a write.
fn interrupted(case: Case) -> Bench {
    let mut bench = Bench::new(case);
    let last_but = operations(case) - 5;
    bench.power.fail_after(last_but, Cut::Torn { seed: 7 });
    assert!(bench.set("wlan_ssid", "new").is_err());
    bench.power.turn_on();
    assert!(bench.has_copy());
    bench
}

#[rstest]
#[case::another_camera("bootcmd=x\0wlan_ssid=other")]
#[case::a_camera_of_the_same_kind("bootcmd=sf probe;bootm\0baudrate=115200\0wlan_ssid=odd")]
fn a_copy_of_another_camera_is_not_put_back(#[case] text: &str) {
    let case = THINGINO_2025;
    let mut bench = interrupted(case);
    let other = case.flash(text);
    bench.flash = SimNor::holding(case.geometry(), other.clone());
    assert_eq!(code(bench.put_back()), "WZ-0807");
    assert!(bench.flash.content() == other);
    assert!(bench.has_copy(), "it is still needed by its own camera");
    assert_eq!(code(bench.set("wlan_ssid", "new")), "WZ-0807");
    assert!(bench.flash.content() == other);
}

/// A firmware that was written since, before it has made its environment.
#[test]
fn a_copy_is_not_put_back_behind_another_boot_loader_though_the_environment_is_blank() {
    let case = THINGINO_2025;
    let mut bench = interrupted(case);
    let mut other = case.flash("a=b\0");
    other[0x1000] ^= 1;
    other[ENV..ENV + 0x8000].fill(0xff);
    bench.flash = SimNor::holding(case.geometry(), other.clone());
    assert_eq!(code(bench.put_back()), "WZ-0807");
    assert!(bench.flash.content() == other);
}

#[test]
fn a_copy_that_went_bad_is_told_and_not_put_back() {
    let mut bench = interrupted(THINGINO_2025);
    let path = CardPath::saved_environment();
    let mut bytes = bench.card.files()[path.as_str()].clone();
    bytes[100] ^= 1;
    bench.card = bench.card.clone().with(&path, &bytes);
    let before = bench.flash.content().to_vec();
    let mut told = Vec::new();
    let mut reporter = |event: &Event| told.push(event.clone());
    put_back(&mut bench.flash, &mut bench.card, &mut reporter).unwrap();
    assert!(bench.flash.content() == before);
    let file = path.to_string();
    let bad = Event::Remark(Problem::EnvironmentSavedBad { file });
    assert_eq!(told, [bad]);
}

#[test]
fn a_run_that_must_not_change_flash_tells_what_is_open() {
    let mut bench = interrupted(THINGINO_2025);
    let told = pending(&mut bench.card).unwrap();
    assert!(matches!(told, Some(Problem::EnvironmentPending { .. })));
    bench.put_back().unwrap();
    assert_eq!(pending(&mut bench.card).unwrap(), None);
}
