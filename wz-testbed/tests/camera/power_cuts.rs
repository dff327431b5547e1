//! Power that goes at every named step, and at random flash operations: the camera always comes to
//! the firmware that was asked for, whole.
//!
//! `make torture N=1000` cuts it more often. A failure tells the seed; `make torture SEED=<seed> N=1`
//! repeats it.
use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::support::job::{Job, SafetyBackup};
use crate::support::writing::{boots_whole, side_by_side, succeeded};
use crate::support::{run, stock};
use wz_core::units::Region;
use wz_testbed::{Booted, Camera, CameraBuilder, Card, ERASE_BLOCK, PowerOff, filler, inputs};

/// How many random cuts there are if nobody asks for more.
const CUTS: u64 = 40;
/// Of so many random cuts, one is in a Switch; the others are in a Restore, which takes less time.
const SWITCHES: u64 = 5;
/// What the flash chip programs in one go.
const SLICE: u64 = 4096;

#[test]
fn without_a_cut_both_jobs_come_to_their_end_in_one_run() {
    side_by_side(
        vec![
            Job::restore(SafetyBackup::TurnedOff),
            Job::switch(SafetyBackup::TurnedOff),
        ],
        |job: Job| {
            let mut camera = job.camera();
            let ended = run(&mut camera);
            succeeded(&camera, &ended, job.name);
            job.comes_to_its_end(&mut camera, job.name);
        },
    );
}

/// The steps are those that an undisturbed run shows, so a new one is cut at, too.
#[test]
fn a_cut_at_any_named_step_is_made_good() {
    let job = Job::restore(SafetyBackup::Made);
    let steps = run(&mut job.camera()).steps();
    assert!(steps.len() >= 6, "{steps:?}");
    side_by_side(steps, |step: String| {
        let mut camera = job.camera();
        camera.cut_power_at(&step).expect(&step);
        job.comes_to_its_end(&mut camera, &step);
    });
}

#[test]
fn a_cut_in_any_flash_operation_is_made_good() {
    let first = number("WZ_SEED").unwrap_or(1);
    let seeds = (first..first + number("WZ_CUTS").unwrap_or(CUTS)).collect();
    let off = SafetyBackup::TurnedOff;
    let (restore, switch) = (Job::restore(off), Job::switch(off));
    let ends = Mutex::new(BTreeMap::new());
    side_by_side(seeds, |seed: u64| {
        let job = if seed.is_multiple_of(SWITCHES) {
            &switch
        } else {
            &restore
        };
        let ended = cut_at_random(job, seed);
        *ends.lock().expect("a lock").entry(ended).or_insert(0) += 1;
    });
    println!("{:?}", ends.lock().expect("a lock"));
}

/// Cuts the power in the middle of a flash operation, every other time once more while the camera
/// makes up for it. Returns where the first cut was.
fn cut_at_random(job: &Job, seed: u64) -> &'static str {
    let mut dice = filler::bytes(seed, 16).into_iter();
    let mut roll = || {
        dice.by_ref()
            .take(8)
            .fold(0, |n, byte| n << 8 | u64::from(byte))
    };
    let (first, second) = (roll() % job.operations, roll() % job.operations);
    let twice = seed.is_multiple_of(2);
    let cut = format!(
        "SEED={seed}: {}, cut after {first} flash operations{}",
        job.name,
        if twice {
            format!(", then after {second}")
        } else {
            String::new()
        }
    );
    println!("{cut}");
    let mut camera = job.camera();
    let why = camera.cut_power_after(first).expect(&cut).why;
    let starts_over = matches!(camera.boots(), Ok(Booted::SdKernel { .. }));
    if twice && starts_over {
        camera.cut_power_after(second).expect(&cut);
    }
    job.comes_to_its_end(&mut camera, &cut);
    match why {
        PowerOff::Cut if starts_over => "in other partitions",
        PowerOff::Cut => "in the boot partition",
        _ => "not at all",
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A camera whose SD kernel runs these commands.
fn camera_with_script(commands: &str) -> CameraBuilder {
    let script = format!(
        "#!/bin/sh\nmount -t devtmpfs dev /dev\nexec </dev/console >/dev/console 2>&1\n{commands}\n"
    );
    let kernel = inputs::sd_kernel_with_script(&script).expect("a kernel");
    let stock = stock();
    Camera::of(&stock).card(Card::new().with(stock.sd_kernel(), kernel))
}

/// Of the test bed itself.
#[test]
fn the_power_goes_in_the_middle_of_the_flash_operation_that_was_asked_for() {
    let para = stock().layout().partition("para").expect("para").region;
    let script = format!(
        "dd if=/dev/zero of=/dev/mtd0 bs=4096 count=16 seek={}\nreboot -f",
        para.offset.get() / SLICE
    );
    let mut camera = camera_with_script(&script).build().expect("a camera");

    let ended = camera.cut_power_after(3).expect("a cut");

    assert_eq!(
        (ended.why, ended.nor),
        (PowerOff::Cut, None),
        "{}",
        ended.transcript
    );
    let flash = camera.flash().expect("flash");
    let zeros = zeros_from_start(&flash, para);
    assert_eq!(zeros, 3 * 4096 + 2048);
    assert_eq!(
        camera.cut_power_after(99).expect("no cut").why,
        PowerOff::Reboot
    );
    let flash = camera.flash().expect("flash");
    assert_eq!(zeros_from_start(&flash, para), 2 * ERASE_BLOCK.as_usize());
}

fn zeros_from_start(flash: &[u8], region: Region) -> usize {
    let bytes = &flash[region.offset.as_usize()..region.end().as_usize()];
    bytes.iter().take_while(|byte| **byte == 0).count()
}

/// Of the test bed itself.
#[test]
fn a_camera_that_boots_its_card_for_ever_does_not_converge() {
    let mut camera = camera_with_script("echo once more\nreboot -f")
        .build()
        .expect("a camera");

    let error = camera.converges().expect_err("a loop").to_string();

    assert!(error.contains("once more"), "{error}");
    camera.remove_card();
    let booted = camera.converges().expect("no loop");
    assert_eq!(booted, [Booted::whole_firmware("stock")]);
    boots_whole(&camera, &stock());
}
