//! Cards that lie, fail, are write-protected or pulled out.
use crate::support::{BACKUP, CONF, card, run, stock};
use rstest::rstest;
use wz_core::units::{Offset, Region, Size};
use wz_testbed::{Booted, Camera, Card, Ended, Faults, PowerOff, inputs};

/// No folder of a backup got its final name: the program said of none that it is whole, and none is
/// there, where the card's file system can still be listed.
fn assert_none_finished(camera: &Camera, ended: &Ended) {
    let said = ended.serial.contains("files, all read back");
    assert!(!said, "{}", ended.transcript);
    let all = camera.card().expect("a card").all().unwrap_or_default();
    let is_finished = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or_default();
        path.contains("backup/") && name.len() == 4 && name.bytes().all(|b| b.is_ascii_digit())
    };
    let finished: Vec<&String> = all.iter().filter(is_finished).collect();
    assert!(finished.is_empty(), "{finished:?}");
}

/// Beyond the file system's tables: where a counterfeit card has no memory.
fn far_in() -> Vec<Region> {
    let start = Offset::bytes(Size::mib(40).get());
    vec![Region::new(start, Size::mib(88))]
}

/// The backup fails with one of `codes`, no folder gets its final name, and flash is as it was.
#[rstest]
#[case::a_counterfeit_card(
    Faults { drops_writes_in: far_in(), ..Faults::default() },
    &["WZ-0209"]
)]
// Without its tables the card does not even show the files any more.
#[case::a_card_that_forgets_everything(
    Faults { drops_writes_from: Some(400), ..Faults::default() },
    &["WZ-0206", "WZ-0209", "WZ-0210"]
)]
// QEMU's card hides its medium's errors: what cannot be read comes back as something else.
#[case::a_card_that_cannot_be_read(
    Faults { fails_reads_in: far_in(), ..Faults::default() },
    &["WZ-0206", "WZ-0209"]
)]
#[case::a_card_that_fails_to_write(
    Faults { fails_writes_from: Some(400), ..Faults::default() },
    &["WZ-0206", "WZ-0209", "WZ-0210"]
)]
fn a_failing_card_is_caught_and_never_called_a_success(
    #[case] faults: Faults,
    #[case] codes: &[&str],
) {
    let firmware = stock();
    let mut camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .card_faults(faults)
        .build()
        .expect("a camera");
    let ended = run(&mut camera);
    let told = codes.iter().any(|code| ended.serial.contains(code));
    assert!(told, "{codes:?}\n{}", ended.transcript);
    assert!(
        ended.serial.contains("Result: failed"),
        "{}",
        ended.transcript
    );
    assert_none_finished(&camera, &ended);
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
    assert_none_finished(&camera, &ended);
    assert!(camera.flash().expect("flash") == firmware.image());
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
fn a_card_that_stops_taking_writes_while_it_is_read_back_is_no_success() {
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
    assert_none_finished(&camera, &ended);
}
