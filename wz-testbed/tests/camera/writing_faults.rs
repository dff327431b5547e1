//! Card or chip fail while flash is being written: the old firmware comes back, or the run goes on
//! once they are well again; what happened is told.
use crate::support::job::{Job, SafetyBackup};
use crate::support::writing::{boot, place_on_card};
use crate::support::{codes, result, run};
use rstest::rstest;
use wz_core::event::Problem;
use wz_core::units::Offset;
use wz_testbed::{Booted, Camera, CameraBuilder, Dead, ERASE_BLOCK, Ended, Faults, PowerOff, Run};

/// What the console shows when the first block has been written.
const WRITING: &str = "and read it back ... ";
/// What the camera says when it does not restart because its firmware is not whole.
const STAYS_ON: &str = "The firmware is not whole";
const WAITS: &str = "Waiting until the card is taken out";

/// QEMU's card hides the error and gives other bytes, as worn-out cards do.
#[rstest]
#[case::restore(Job::restore(SafetyBackup::Made), "kernel")]
#[case::switch(Job::switch(SafetyBackup::Made), "ota")]
fn an_image_that_can_be_read_only_once_brings_the_old_firmware_back(
    #[case] job: Job,
    #[case] partition: &str,
) {
    let mut camera = job.camera();
    let image = job.source.partition(partition).expect("a partition");
    let worn = place_on_card(&camera, &image[0x8_0000..0x8_1000]);
    let faults = Faults {
        fails_rereads_in: vec![worn],
        ..Faults::default()
    };
    camera.spoil_card(faults).expect("spoilt");
    let ended = run(&mut camera);
    job.is_undone(&camera, &ended, &["WZ-0512"]);
    let what = &result(&camera)["failures"][0]["what"];
    let name = format!("_{partition}.bin");
    assert!(what.as_str().expect("a text").contains(&name), "{what}");
}

/// A camera whose chip takes so long to erase that there is time to do something meanwhile.
fn slow_camera(job: &Job, milliseconds_per_block: u64) -> CameraBuilder {
    let erase_us = milliseconds_per_block * 1000;
    let word = format!("block2mtd.erase_us={erase_us}");
    job.camera_parts().kernel_argument(&word)
}

/// Meddles with the card when the first block has been written, and waits until nothing more happens.
fn stops_half_way(job: &Job, camera: &mut Camera, meddle: fn(&mut Run<'_>)) -> Ended {
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for(WRITING).expect("blocks are written");
    meddle(&mut power_on);
    power_on.wait_for(STAYS_ON).expect("an end");
    let ended = power_on.cut_power().expect("power");
    job.is_open(camera, &ended);
    ended
}

#[rstest]
#[case::restore(Job::restore(SafetyBackup::Made), 40)]
#[case::switch(Job::switch(SafetyBackup::TurnedOff), 10)]
fn a_card_that_is_pulled_out_while_flash_is_written_goes_on_when_it_is_back(
    #[case] job: Job,
    #[case] milliseconds_per_block: u64,
) {
    let camera = slow_camera(&job, milliseconds_per_block).build();
    let mut camera = camera.expect("a camera");
    let ended = stops_half_way(&job, &mut camera, |power_on| {
        power_on.pull_card().expect("pulled");
    });
    assert!(ended.serial.contains("WZ-0207"), "{}", ended.transcript);
    job.comes_to_its_end(&mut camera, "pulled out");
}

#[rstest]
#[case::restore(Job::restore(SafetyBackup::TurnedOff), 40)]
#[case::switch(Job::switch(SafetyBackup::TurnedOff), 10)]
fn a_card_that_takes_no_more_writes_while_flash_is_written_goes_on_when_it_does(
    #[case] job: Job,
    #[case] milliseconds_per_block: u64,
) {
    let camera = slow_camera(&job, milliseconds_per_block).card_faults(Faults::default());
    let mut camera = camera.build().expect("a camera");
    let ended = stops_half_way(&job, &mut camera, |power_on| {
        power_on
            .change_card_faults(|faults| faults.fails_writes_from = Some(0))
            .expect("a change");
    });
    assert!(ended.serial.contains("WZ-0206"), "{}", ended.transcript);

    // As long as the card is like that, nothing is changed.
    let before = camera.flash().expect("flash");
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for(WAITS).expect("an end");
    let ended = power_on.cut_power().expect("power");
    assert!(
        ended.serial.contains("Result: refused"),
        "{}",
        ended.transcript
    );
    assert!(camera.flash().expect("flash") == before);

    camera.spoil_card(Faults::default()).expect("mended");
    job.comes_to_its_end(&mut camera, "no writes");
}

/// A byte of the partition that becomes another one; and what is said if it does not.
fn changing_byte(job: &Job, partition: &str) -> (Offset, Problem) {
    let layout = job.to.layout();
    let region = layout.partition(partition).expect("a partition").region;
    let (old, new) = (job.from.image(), job.expected.flash());
    let mut places = region.offset.as_usize()..region.end().as_usize();
    let at = places.find(|at| old[*at] != new[*at]).expect("a change");
    let block = at / ERASE_BLOCK.as_usize() * ERASE_BLOCK.as_usize();
    let at = Offset::bytes(at as u64);
    let problem = Problem::FlashDiffers {
        partition: partition.to_owned(),
        block: Offset::bytes(block as u64),
        at,
        expected: format!("{:#04x}", new[at.as_usize()]),
        found: format!("{:#04x}", old[at.as_usize()]),
        tries: 3,
    };
    (at, problem)
}

/// A camera whose flash chip has this fault at a byte.
fn camera_with(job: &Job, fault: &str, at: Offset) -> Camera {
    let word = format!("block2mtd.{fault}={}", at.get());
    let camera = job.camera_parts().kernel_argument(&word).build();
    camera.expect("a camera")
}

#[test]
fn a_stuck_byte_is_told_with_its_place_and_the_old_firmware_comes_back() {
    let job = Job::restore(SafetyBackup::Made);
    let (at, problem) = changing_byte(&job, "kernel");
    let mut camera = camera_with(&job, "stuck_byte", at);
    let ended = run(&mut camera);
    job.is_undone(&camera, &ended, &["WZ-0711"]);
    assert_eq!(result(&camera)["failures"][0]["what"], problem.what());
}

#[test]
fn a_stuck_byte_in_the_new_boot_loader_is_told_with_its_place_and_the_old_firmware_comes_back() {
    let job = Job::switch(SafetyBackup::Made);
    let (at, problem) = changing_byte(&job, "boot");
    let mut camera = camera_with(&job, "stuck_byte", at);
    let ended = run(&mut camera);
    job.is_undone(&camera, &ended, &["WZ-0715"]);
    let told = Problem::BootRestored {
        why: problem.what(),
    };
    assert_eq!(result(&camera)["failures"][0]["what"], told.what());
}

/// Half a boot loader would be started; without an SPL the boot ROM waits for USB.
#[test]
fn a_boot_partition_that_cannot_be_erased_is_told_and_left_without_spl() {
    let job = Job::restore(SafetyBackup::Made);
    let (at, _) = changing_byte(&job, "boot");
    let mut camera = camera_with(&job, "fail_erase", at);
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for(STAYS_ON).expect("an end");
    let ended = power_on.cut_power().expect("power");
    assert_eq!(ended.why, PowerOff::Cut);

    let result = result(&camera);
    assert_eq!(result["outcome"], "failed", "{result:#}");
    assert_eq!(codes(&result, "failures"), ["WZ-0716", "WZ-0713"]);
    let why = Dead::UsbBoot;
    assert_eq!(camera.boots().expect("a boot"), Booted::Nothing { why });
    let rest = boot(&job.from).size.as_usize();
    let flash = camera.flash().expect("flash");
    assert!(flash[rest..] == job.from.image()[rest..], "{result:#}");
}
