//! The test bed itself: power, console, flash and card of the emulated camera, with a shell
//! script in place of our program.
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

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

#[test]
fn a_card_that_drops_writes_has_forgotten_them_when_it_is_read() {
    const LAST_MIB: Region = Region::new(Offset::bytes(63 << 20), Size::mib(1));
    let commands = "card() { dd if=/dev/mmcblk0 bs=512 count=1 skip=$1 2>&- | md5sum; }\n\
        for at in 126000 130000; do\n\
            before=$(card $at)\n\
            dd if=/dev/urandom of=/dev/mmcblk0 bs=512 count=1 seek=$at conv=fsync || echo error\n\
            echo 3 > /proc/sys/vm/drop_caches\n\
            [ \"$(card $at)\" = \"$before\" ] && echo $at forgotten || echo $at kept\n\
        done\n\
        reboot -f";
    let faults = Faults {
        drops_writes_in: vec![LAST_MIB],
        ..Faults::default()
    };
    let mut camera = camera(commands).card_faults(faults).build().unwrap();

    let ended = camera.power_on().unwrap().wait_until_off().unwrap();

    assert!(ended.serial.contains("126000 kept"), "{}", ended.transcript);
    assert!(
        ended.serial.contains("130000 forgotten"),
        "{}",
        ended.transcript
    );
    assert!(!ended.serial.contains("error\n"), "{}", ended.transcript);
    assert!(camera.card_traffic().unwrap().writes >= 2);
}

#[test]
fn killing_the_test_bed_kills_the_emulator() {
    let dir = tempfile::tempdir().unwrap();
    let (flash, image) = (dir.path().join("flash.bin"), dir.path().join("card.img"));
    let stock = Firmware::of("t31", "stock").unwrap();
    let script = format!("{START}echo running; read key");
    let kernel = inputs::sd_kernel_with_script(&script).unwrap();
    std::fs::write(&flash, stock.image()).unwrap();
    Card::new()
        .with(stock.sd_kernel(), kernel)
        .write_image(&image)
        .unwrap();
    let mut bench = Command::new(env!("CARGO_BIN_EXE_wz-testbed"))
        .arg("run")
        .env("TMPDIR", dir.path()) // a killed process leaves its files
        .args([Path::new("--flash"), &flash, Path::new("--card"), &image])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut console = BufReader::new(bench.stdout.take().unwrap()).lines();
    assert!(console.any(|line| line.unwrap().contains("running")));

    bench.kill().unwrap();

    // The console ends only when the last process that has it open ends: QEMU.
    assert!(console.all(|line| line.is_ok()));
    bench.wait().unwrap();
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
