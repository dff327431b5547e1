//! Cards that lie, fail, are write-protected or pulled out.

mod support;

use support::{BACKUP, CONF, card, codes, result, run, stock};
use wz_testbed::{Booted, Camera, Card, Faults, PowerOff, inputs};

/// Folders of backups that have a final name.
fn finished(camera: &Camera) -> Vec<String> {
    let all = camera
        .card()
        .expect("a card")
        .all()
        .expect("a listing")
        .into_iter();
    all.filter(|path| {
        path.contains("backup/")
            && path.rsplit('/').next().is_some_and(|name| {
                name.len() == 4 && name.bytes().all(|byte| byte.is_ascii_digit())
            })
    })
    .collect()
}

#[test]
fn a_card_that_drops_writes_is_caught_by_reading_back() {
    let firmware = stock();
    // The first writes carry the SD kernel's new name and the logs; then the card forgets.
    let faults = Faults {
        drops_writes_from: Some(400),
        ..Faults::default()
    };
    let camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .card_faults(faults);
    let mut camera = camera.build().expect("a camera");
    let ended = run(&mut camera);
    assert!(
        ended.serial.contains("WZ-0209") || ended.serial.contains("WZ-0210"),
        "{}",
        ended.transcript
    );
    assert!(
        !ended.serial.contains("Result: success"),
        "{}",
        ended.transcript
    );
    assert_eq!(finished(&camera), [""; 0]);
    assert!(camera.flash().expect("flash") == firmware.image());
    assert_eq!(
        camera.boots().expect("a boot"),
        Booted::whole_firmware("stock")
    );
}

#[test]
fn a_card_that_is_pulled_out_is_named_and_the_camera_restarts() {
    let firmware = stock();
    let mut camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .build()
        .expect("a camera");
    let mut power_on = camera.power_on().expect("power");
    power_on
        .wait_for("Read flash")
        .expect("a backup in progress");
    power_on.pull_card().expect("pulled");
    let ended = power_on.wait_until_off().expect("an end");
    assert_eq!(ended.why, PowerOff::Reboot);
    assert!(ended.serial.contains("WZ-0207"), "{}", ended.transcript);
    assert!(
        ended.serial.contains("Result: failed"),
        "{}",
        ended.transcript
    );
    assert_eq!(finished(&camera), [""; 0]);
    assert!(camera.flash().expect("flash") == firmware.image());
}

#[test]
fn write_errors_of_the_card_fail_the_backup_and_leave_no_finished_folder() {
    let firmware = stock();
    let faults = Faults {
        fails_writes_from: Some(400),
        ..Faults::default()
    };
    let camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .card_faults(faults);
    let mut camera = camera.build().expect("a camera");
    let ended = run(&mut camera);
    assert!(
        !ended.serial.contains("Result: success"),
        "{}",
        ended.transcript
    );
    assert_eq!(finished(&camera), [""; 0]);
    assert_eq!(
        camera.boots().expect("a boot"),
        Booted::whole_firmware("stock")
    );
}

/// QEMU takes no write-protected card, so the first program of the camera protects it.
#[test]
fn a_write_protected_card_is_not_booted_in_a_loop_but_waited_for() {
    const PREINIT: &str = "#!/bin/sh\nmount -t devtmpfs dev /dev\nmount -t sysfs sys /sys\n\
        while [ ! -e /sys/block/mmcblk0/force_ro ]; do :; done\n\
        echo 1 > /sys/block/mmcblk0/force_ro\numount /sys\nexec /init\n";
    let firmware = stock();
    let kernel = inputs::sd_kernel_with_program("preinit", PREINIT).expect("a kernel");
    let card = Card::new()
        .with(firmware.sd_kernel(), kernel)
        .with(CONF, BACKUP);
    let camera = Camera::of(&firmware)
        .card(card)
        .kernel_argument("rdinit=/preinit");
    let mut camera = camera.build().expect("a camera");
    let before = camera.card().expect("a card").bytes().expect("bytes");
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("WZ-0204").expect("a refusal");
    power_on.pull_card().expect("pulled");
    let ended = power_on.wait_until_off().expect("an end");
    assert_eq!(ended.why, PowerOff::Reboot);
    assert!(camera.card().expect("a card").bytes().expect("bytes") == before);
    assert!(camera.flash().expect("flash") == firmware.image());
}

#[test]
fn an_io_error_while_reading_back_fails_the_backup() {
    let firmware = stock();
    let mut camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .card_faults(Faults::default())
        .build()
        .expect("a camera");
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("Verify file").expect("reading back");
    power_on
        .change_card_faults(|faults| faults.fails_writes_from = Some(0))
        .expect("a change");
    let ended = power_on.wait_until_off().expect("an end");
    assert!(
        !ended.serial.contains("Result: success"),
        "{}",
        ended.transcript
    );
    assert_eq!(finished(&camera), [""; 0]);
    let _ = (codes, result);
}
