//! Whatever becomes of the program, the camera restarts, its own firmware comes next, and the card
//! tells what happened.
use std::time::Duration;

use crate::support::{BACKUP, CONF, card, codes, result, run, stock};
use wz_testbed::{Booted, Camera, CameraBuilder, Card, Ended, PowerOff, inputs};

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

/// How long the watchdog of these tests waits for a sign of life.
const PATIENCE_SECONDS: u64 = 5;

/// A camera with a watchdog that bites: the kernel's own, since QEMU's never does on Malta.
fn with_watchdog(conf: &str) -> CameraBuilder {
    const PREINIT: &str = "#!/bin/sh\ninsmod /softdog.ko\nexec /init\n";
    let module = inputs::kernel_module("softdog").expect("a module");
    let files = [("preinit", PREINIT.as_bytes()), ("softdog.ko", &module)];
    let kernel = inputs::sd_kernel_with_files(&files).expect("a kernel");
    let card = Card::new()
        .with(stock().sd_kernel(), kernel)
        .with(CONF, conf);
    Camera::of(&stock())
        .card(card)
        .kernel_argument("rdinit=/preinit")
        .kernel_argument(&format!("wz.watchdog={PATIENCE_SECONDS}"))
}

#[test]
fn a_run_that_takes_longer_than_the_watchdog_waits_goes_on_to_its_end() {
    let one_copy = format!("{BACKUP}secondary_backup=\"no\"\n");
    let mut camera = with_watchdog(&one_copy)
        .kernel_argument("block2mtd.read_us=700")
        .patience(Duration::from_secs(240))
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{}", ended.transcript);
    let phases = result["phases"].as_array().expect("phases");
    let took = phases
        .iter()
        .filter_map(|phase| phase["milliseconds"].as_u64())
        .sum::<u64>();
    assert!(took > 2 * PATIENCE_SECONDS * 1000, "{took} ms");
    let log = camera
        .card()
        .expect("a card")
        .read_text("wz_flash-helper/initramfs.log");
    assert!(log.expect("a log").contains("watchdog runs"));
}

#[test]
fn a_run_that_hangs_is_restarted_by_the_watchdog() {
    let mut camera = with_watchdog(DRY_RUN).build().expect("a camera");
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("wz_flash-helper").expect("the program");
    power_on.press_key().expect("a key");
    power_on.wait_for("here is a shell").expect("a shell");
    power_on.type_line("kill -STOP $PPID").expect("typed");
    let ended = power_on.wait_until_off().expect("an end");
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    assert!(
        !ended.serial.contains("Restarting the camera"),
        "{}",
        ended.transcript
    );
    assert!(camera.flash().expect("flash") == stock().image());
    assert_eq!(
        camera.boots().expect("a boot"),
        Booted::whole_firmware("stock")
    );
}
