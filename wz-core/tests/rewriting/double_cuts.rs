//! S3 and S7: power fails again while an interrupted run goes on, and a third time.

use wz_core::event::Outcome;
use wz_core::run::Next;
use wz_core::sim::Cut;

use crate::cases::{Case, alpha_to_beta, cases, cuts};
use crate::chance::Chance;
use crate::effort;
use crate::parallel;
use crate::world::{Bench, Booted, sd_kernel};

/// After the last cut, and at most so many power-ons, all is done. With two cuts that makes five,
/// which is what S7 allows.
const POWER_ONS: usize = 3;

/// A point in a run, and a form in which power fails there.
struct First {
    at: u64,
    cut: Cut,
    /// How many second cuts are tried after it.
    seconds: u64,
}

/// Every change of the whole run, in every form.
fn firsts(operations: u64, seconds: u64) -> Vec<First> {
    (0..operations)
        .flat_map(|at| cuts(at * 104_729 + 3).map(|cut| First { at, cut, seconds }))
        .collect()
}

/// How many changes are made until the camera boots its firmware.
fn recovery(case: &Case, interrupted: &Bench, what: &str) -> u64 {
    let mut bench = interrupted.fork();
    case.converges(&mut bench, POWER_ONS, what);
    bench.power.operations()
}

/// The places of `count` cuts, one in each of as many equal stretches.
fn spread(operations: u64, count: u64, chance: &mut Chance) -> Vec<u64> {
    let place = |part: u64| {
        let (start, end) = (part * operations / count, (part + 1) * operations / count);
        start + chance.below(end - start)
    };
    let mut places: Vec<u64> = (0..count).map(place).collect();
    places.dedup();
    places
}

/// Goes on until power fails in the change number `at` from now on.
fn cut_again(case: &Case, bench: &mut Bench, at: u64, cut: Cut, what: &str) {
    bench.power.fail_after(at, cut);
    while !bench.power.is_off() {
        assert!(case.power_on(bench, what), "{what}: it ended before");
    }
    bench.switch_on();
}

/// Tries a first cut with its second ones, and every `third`-th pair with a third one. How many pairs.
fn try_pairs(case: &Case, first: &First, third: u64) -> u64 {
    let chance = &mut Chance::new(first.at * 31 + 7);
    let what = format!("{}, cut {} {:?}", case.name, first.at, first.cut);
    let interrupted = case.cut_at(first.at, first.cut);
    let operations = recovery(case, &interrupted, &what);
    if operations == 0 {
        return 0;
    }
    let places = spread(operations, first.seconds, chance);
    for &at in &places {
        let cut = chance.cut();
        let what = format!("{what}, then {at} of {operations} {cut:?}");
        let mut bench = interrupted.fork();
        cut_again(case, &mut bench, at, cut, &what);
        if chance.below(third) == 0 {
            let left = recovery(case, &bench, &what);
            let (at, cut) = (chance.below(left), chance.cut());
            let what = format!("{what}, then {at} of {left} {cut:?}");
            if left > 0 {
                cut_again(case, &mut bench, at, cut, &what);
                case.converges(&mut bench, POWER_ONS - 1, &what);
            }
        } else {
            case.converges(&mut bench, POWER_ONS, &what);
        }
    }
    places.len() as u64
}

#[test]
fn after_two_or_three_power_cuts_anywhere_the_run_is_finished_by_itself() {
    let pairs = std::sync::atomic::AtomicU64::new(0);
    for case in cases() {
        let firsts = firsts(case.operations(), effort::factor());
        parallel::each(&firsts, |first| {
            let tried = try_pairs(&case, first, 10);
            pairs.fetch_add(tried, std::sync::atomic::Ordering::Relaxed);
        });
    }
    let pairs = pairs.into_inner();
    println!("{pairs} pairs of power cuts");
    assert!(pairs >= 1000 * effort::factor(), "only {pairs} pairs");
}

/// Power fails at each of the power-ons, a little later in flash each time.
fn cut_at_every_power_on(case: &Case) -> Bench {
    let mut bench = case.bench();
    for power_on in 0..5 {
        let before = bench.flash.wear().erases;
        assert_eq!(bench.boots(), Booted::SdKernel, "power-on {power_on}");
        // Until a block has been erased by this power-on, none is given up.
        bench
            .power
            .fail_after(if power_on == 0 { 75 } else { 12 }, Cut::NotStarted);
        bench.run();
        assert!(bench.power.is_off(), "power-on {power_on}");
        bench.switch_on();
        assert!(bench.flash.wear().erases > before, "power-on {power_on}");
    }
    bench
}

#[test]
fn a_run_that_is_cut_at_every_power_on_is_given_up_and_goes_on_when_it_is_allowed_to() {
    let case = alpha_to_beta();
    let mut bench = cut_at_every_power_on(&case);
    let (cells, wear) = (bench.flash.content().to_vec(), bench.flash.wear());
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused);
    assert_eq!(told.ended.next, Next::Restart);
    assert_eq!(told.codes("refusals"), ["WZ-0723"], "{}", told.text());
    assert!(bench.flash.content() == cells, "flash was touched");
    assert_eq!(bench.flash.wear().erases, wear.erases);
    assert_eq!(bench.flash.wear().bytes_programmed, wear.bytes_programmed);
    assert_ne!(bench.boots(), Booted::SdKernel);
    // The owner does what the message says.
    let put_away = bench.file("alpha_kernel.wz_flash-helper").unwrap();
    assert!(put_away == sd_kernel());
    bench.rename("alpha_kernel.wz_flash-helper", "alpha_kernel");
    case.converges(&mut bench, 1, "given back");
    assert!(bench.file("wz_flash-helper/journal.bin").is_none());
}

#[test]
fn a_run_that_never_gets_to_writing_is_given_up_too_and_the_old_firmware_is_whole() {
    let case = alpha_to_beta();
    let mut bench = case.bench();
    for _ in 0..5 {
        bench.power.fail_after(20, Cut::NotStarted);
        bench.run();
        assert!(bench.power.is_off());
        bench.switch_on();
    }
    let told = bench.run();
    assert_eq!(told.codes("refusals"), ["WZ-0723"], "{}", told.text());
    assert!(bench.flash.content() == case.old.flash);
    assert_eq!(bench.boots(), Booted::Firmware("alpha"));
}
