//! Whatever becomes of the program, the camera restarts, its own firmware comes next, and the card
//! tells what happened.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod support;

use support::{BACKUP, card, codes, result, run, stock};
use wz_testbed::{Booted, Camera, Ended, PowerOff};

const DRY_RUN: &str = "backup_partitions=\"yes\"\ndry_run=\"yes\"\n";

/// Asserts that the work died of `code`, and that all is well all the same.
fn died_well(camera: &Camera, ended: &Ended, code: &str) {
    let result = result(camera);
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    assert!(ended.serial.contains(code), "{}", ended.transcript);
    assert_eq!(result["outcome"], "failed");
    assert_eq!(codes(&result, "failures"), [code]);
    let log = camera
        .card()
        .expect("a card")
        .read_text("wz_flash-helper/initramfs.log");
    assert!(log.expect("a log").contains(code));
    assert!(camera.flash().expect("flash") == stock().image());
    assert_eq!(
        camera.boots().expect("a boot"),
        Booted::whole_firmware("stock")
    );
}

#[test]
fn a_panic_is_told_and_ends_like_any_failure() {
    let mut camera = Camera::of(&stock())
        .card(card("t31", BACKUP))
        .kernel_argument("wz.panic=work")
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    died_well(&camera, &ended, "WZ-0901");
    assert!(
        ended.serial.contains("wz.panic=work"),
        "{}",
        ended.transcript
    );
}

#[test]
fn a_program_that_is_killed_is_told_and_ends_like_any_failure() {
    let mut camera = Camera::of(&stock())
        .card(card("t31", DRY_RUN))
        .build()
        .expect("a camera");
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("wz_flash-helper").expect("the program");
    power_on.press_key().expect("a key");
    power_on.wait_for("here is a shell").expect("a shell");
    power_on.type_line("kill -9 $PPID").expect("typed");
    let ended = power_on.wait_until_off().expect("an end");
    died_well(&camera, &ended, "WZ-0902");
}

#[test]
fn a_panic_of_pid_1_restarts_the_camera() {
    let mut camera = Camera::of(&stock())
        .card(card("t31", BACKUP))
        .kernel_argument("wz.panic=supervisor")
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    assert!(ended.serial.contains("WZ-0901"), "{}", ended.transcript);
    assert!(
        !ended.serial.contains("Kernel panic"),
        "{}",
        ended.transcript
    );
}

#[test]
fn a_watchdog_is_started_and_does_not_bite() {
    let mut camera = Camera::of(&stock())
        .card(card("t31", DRY_RUN))
        .watchdog()
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    assert_eq!(result(&camera)["outcome"], "dry_run");
    let log = camera
        .card()
        .expect("a card")
        .read_text("wz_flash-helper/initramfs.log");
    assert!(log.expect("a log").contains("watchdog runs"));
}
