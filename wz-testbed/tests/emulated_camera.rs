//! The test bed itself: power, console, flash, card and watchdog of the emulated camera, with a shell
//! script in place of our program.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use wz_core::units::{Offset, Region, Size};
use wz_testbed::{Camera, CameraBuilder, Card, Faults, Firmware, PowerOff, inputs};

const START: &str = "#!/bin/sh\nmount -t devtmpfs dev /dev\nmount -t proc proc /proc\n\
    mount -t sysfs sys /sys\nexec </dev/console >/dev/console 2>&1\n";

/// A camera whose SD kernel runs these commands, and mounts the card for them at `/sdcard`.
fn camera(commands: &str) -> CameraBuilder {
    let stock = Firmware::of("t31", "stock").unwrap();
    let script = format!(
        "{START}until mount -t vfat -o sync /dev/mmcblk0p1 /sdcard; do :; done 2>/dev/null\n\
         {commands}\n"
    );
    let kernel = inputs::sd_kernel_with_script(&script).unwrap();
    let card = Card::new()
        .size(Size::mib(64))
        .with(stock.sd_kernel(), kernel);
    Camera::of(&stock).card(card)
}

#[test]
fn a_shell_answers_and_flash_and_card_are_those_of_a_camera() {
    let mut camera = camera("export PS1='ready: '\nsetsid -c sh")
        .build()
        .unwrap();
    let mut run = camera.power_on().unwrap();
    run.wait_for("ready: ").unwrap();

    run.type_line("cat /proc/mtd").unwrap();
    run.wait_for("mtd0: 01000000 00008000 \"jz_sfc\"").unwrap();
    run.type_line("cat /proc/cmdline").unwrap();
    run.wait_for("wz.chip=t31x").unwrap();
    run.type_line("echo from the camera > /sdcard/note; umount /sdcard")
        .unwrap();
    run.type_line("head -c 32768 /dev/mtd0 | md5sum; reboot -f")
        .unwrap();
    let ended = run.wait_until_off().unwrap();

    let nor = ended.nor.unwrap();
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    assert_eq!(
        (nor.read, nor.erases, nor.programmed),
        (32768, 0, 0),
        "{}",
        ended.transcript
    );
    assert_eq!(
        camera.card().unwrap().read_text("note").unwrap(),
        "from the camera\n"
    );
}

#[test]
fn a_power_cut_keeps_what_was_written_and_nothing_runs_on() {
    let commands = "echo kept > /sdcard/note; echo written; read key; echo late > /sdcard/late";
    let mut camera = camera(commands).build().unwrap();
    let mut run = camera.power_on().unwrap();
    run.wait_for("written").unwrap();

    let ended = run.cut_power().unwrap();

    assert_eq!((ended.why, ended.nor), (PowerOff::Cut, None));
    assert_eq!(camera.card().unwrap().read_text("note").unwrap(), "kept\n");
    assert!(!camera.card().unwrap().has("late").unwrap());
}

#[test]
fn a_card_that_is_pulled_is_gone() {
    let commands = "echo mounted; read key; while [ -e /sys/block/mmcblk0 ]; do :; done\n\
        echo gone; reboot -f";
    let mut camera = camera(commands).build().unwrap();
    let mut run = camera.power_on().unwrap();
    run.wait_for("mounted").unwrap();

    run.pull_card().unwrap();
    run.type_line("").unwrap();
    run.wait_for("gone").unwrap();

    assert_eq!(run.wait_until_off().unwrap().why, PowerOff::Reboot);
}

/// QEMU's card hides errors of its medium from the guest, so only lost writes can be shown to it.
#[test]
fn a_lying_card_takes_a_write_and_loses_it() {
    const LAST_MIB: Region = Region::new(Offset::bytes(63 << 20), Size::mib(1));
    let commands = "look() { dd if=/dev/mmcblk0 bs=1M skip=$1 count=1 2>/dev/null | head -c 5; }\n\
        for at in 62 63; do echo there | dd of=/dev/mmcblk0 bs=1M seek=$at conv=fsync && echo taken\n\
        echo 3 >/proc/sys/vm/drop_caches; [ \"$(look $at)\" = there ] && echo $at kept || echo $at lost\n\
        done; reboot -f";
    let faults = Faults {
        drops_writes_in: vec![LAST_MIB],
        ..Faults::default()
    };
    let mut camera = camera(commands).card_faults(faults).build().unwrap();

    let ended = camera.power_on().unwrap().wait_until_off().unwrap();

    assert_eq!(
        ended.serial.matches("taken").count(),
        2,
        "{}",
        ended.transcript
    );
    assert!(ended.serial.contains("62 kept"), "{}", ended.transcript);
    assert!(ended.serial.contains("63 lost"), "{}", ended.transcript);
    assert!(camera.card_traffic().unwrap().bytes_written > 0);
}

#[test]
fn a_watchdog_that_nobody_feeds_restarts_the_camera() {
    let commands = "exec 3>/dev/watchdog; echo armed; while :; do read key; done";
    let mut camera = camera(commands)
        .kernel_argument("i6300esb.heartbeat=2")
        .watchdog()
        .build()
        .unwrap();
    let mut run = camera.power_on().unwrap();
    run.wait_for("armed").unwrap();

    assert_eq!(run.wait_until_off().unwrap().why, PowerOff::Watchdog);
}

#[test]
fn a_failed_wait_shows_the_transcript_and_where_it_is_kept() {
    let mut camera = camera("echo the last words; reboot -f").build().unwrap();
    let mut run = camera.power_on().unwrap();

    let error = run.wait_for("what never comes").unwrap_err().to_string();

    assert!(error.contains("the camera went off before"), "{error}");
    assert!(error.contains("] the last words"), "{error}");
    let kept = error
        .lines()
        .find_map(|line| line.strip_prefix("kept in "))
        .unwrap();
    let command = std::fs::read_to_string(format!("{kept}/1-qemu.txt")).unwrap();
    let serial = std::fs::read_to_string(format!("{kept}/1-serial.log")).unwrap();
    assert!(command.contains("qemu-system-mipsel"), "{command}");
    assert!(serial.contains("] the last words"), "{serial}");
}
