//! Power that goes at every named step, and at random flash operations: the camera always comes to
//! the firmware that was asked for, whole.
//!
//! `make torture N=1000` cuts it more often. A failure tells the seed; `make torture SEED=<seed> N=1`
//! repeats it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;

use support::writing::{
    boot, boots_whole, conf_is, images, kernel_is_away, restore_card, side_by_side, succeeded,
    switch_conf, switched_off,
};
use support::{card, result, run, stock};
use wz_core::units::Region;
use wz_testbed::{
    Booted, Camera, CameraBuilder, Card, Dead, ERASE_BLOCK, Expected, Firmware, Image, Images,
    PowerOff, Recipe, Scope, Work, filler, inputs, slices,
};

/// How many random cuts there are if nobody asks for more.
const CUTS: u64 = 40;
/// Of so many random cuts, one is in a Switch; the others are in a Restore, which takes less time.
const SWITCHES: u64 = 5;
const NO_SAFETY_BACKUP: &str = "safety_backup=\"no\"\n";
/// What the flash chip programs in one go.
const SLICE: u64 = 4096;

/// Something that a camera is asked to do, and what it has to come to.
struct Job {
    name: &'static str,
    from: Firmware,
    to: Firmware,
    card: Card,
    expected: Expected,
    /// Flash operations that it takes, about.
    operations: u64,
    /// The configuration that it leaves.
    conf: Option<String>,
}

impl Job {
    /// Boot and some small partitions of another build.
    fn restore(options: &str) -> Self {
        const PARTITIONS: [&str; 4] = ["boot", "kernel", "cfg", "para"];
        let from = stock();
        let recipe = Recipe::of("t31", "stock").expect("a profile").seed(2);
        let images = images(&recipe.build().expect("a firmware"), &PARTITIONS);
        let contents = images.iter().map(Image::content);
        let by_partition: Images<'_> = PARTITIONS.into_iter().zip(contents).collect();
        let expected = Expected::of_restore(from.image(), from.layout(), &by_partition);
        Self::new(
            "restore",
            &from,
            &from,
            restore_card(&from, &images, options),
            expected.expect("images that fit"),
            None,
        )
    }

    fn switch() -> Self {
        let (from, to) = (stock(), Firmware::of("t31", "thingino").expect("a profile"));
        let conf = switch_conf("thingino", Scope::Base);
        let needed = Scope::Base.needed(to.layout());
        let images = slices(to.image(), to.layout());
        let expected = Expected::of_switch(from.image(), to.layout(), Scope::Base, &images);
        let card = card("t31", &conf).with_partition_images(&to, &needed);
        Self::new(
            "switch_firmware",
            &from,
            &to,
            card.expect("images"),
            expected.expect("images that fit"),
            Some(switched_off(&conf)),
        )
    }

    fn new(
        name: &'static str,
        from: &Firmware,
        to: &Firmware,
        card: Card,
        expected: Expected,
        conf: Option<String>,
    ) -> Self {
        let work = Work::to_rewrite(from.image(), expected.flash(), boot(to));
        Self {
            name,
            from: from.clone(),
            to: to.clone(),
            card,
            expected,
            operations: work.erases + work.programmed / SLICE,
            conf,
        }
    }

    fn camera(&self) -> Camera {
        let camera = Camera::of(&self.from).card(self.card.clone()).build();
        camera.expect("a camera")
    }

    /// Switches the power on until the camera is at rest, and proves that the job is done.
    fn comes_to_its_end(&self, camera: &mut Camera, cut: &str) {
        let mut booted = camera.converges().expect(cut);
        if booted.last() == Some(&Booted::Nothing { why: Dead::UsbBoot }) {
            self.revive_over_usb(camera, cut);
            booted = camera.converges().expect(cut);
        }
        let firmware = Booted::whole_firmware(self.to.name());
        assert_eq!(booted.last(), Some(&firmware), "{cut}: {booted:?}");
        let faults = self.expected.faults(&camera.flash().expect("flash"));
        assert_eq!(faults.expect("tools"), [""; 0], "{cut}");
        kernel_is_away(camera, self.from.sd_kernel(), &[&self.from, &self.to]);
        // With the SD kernel away, all is done but the record of it, which nobody can write any more.
        let outcome = &result(camera)["outcome"];
        let was_done_before = booted.len() == 1 && outcome == "unfinished";
        assert!(outcome == "success" || was_done_before, "{cut}: {outcome}");
        if let Some(conf) = &self.conf {
            conf_is(camera, conf);
        }
    }

    /// While the boot partition is rewritten there is no safe instant; but all else is done by then,
    /// and the boot ROM waits for USB instead of starting half a boot loader.
    fn revive_over_usb(&self, camera: &mut Camera, cut: &str) {
        let boot = boot(&self.to).size.as_usize();
        let old = &self.from.image()[..boot];
        let mut flash = camera.flash().expect("flash");
        flash[..boot].copy_from_slice(&self.expected.flash()[..boot]);
        let faults = self.expected.faults(&flash);
        assert_eq!(
            faults.expect("tools"),
            [""; 0],
            "{cut}: boot was not the last"
        );
        flash[..boot].copy_from_slice(old);
        camera.program_flash(&flash).expect("programmed");
    }
}

#[test]
fn without_a_cut_both_jobs_come_to_their_end_in_one_run() {
    side_by_side(
        vec![Job::restore(NO_SAFETY_BACKUP), Job::switch()],
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
    let job = Job::restore("");
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
    let (restore, switch) = (Job::restore(NO_SAFETY_BACKUP), Job::switch());
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
