//! Bad input of every kind: a code of its own, and flash and card stay as they were.
use crate::support::{
    BACKUP, CONF, blank_card, card, codes, differences, files, result, run, stock, with_kernel_away,
};
use rstest::rstest;
use wz_core::units::Size;
use wz_testbed::{Booted, Camera, Card, CardLayout, Firmware};

/// Switches the camera on, and proves that nothing but the SD kernel's name and the logs changed and
/// that the camera boots its firmware again. Returns the result.
fn run_without_a_trace(camera: &mut Camera, firmware: &Firmware) -> serde_json::Value {
    let before = with_kernel_away(files(camera), firmware.sd_kernel());
    let flash = camera.flash().expect("flash");
    run(camera);
    let after = files(camera);
    assert_eq!(differences(&before, &after), [""; 0]);
    assert!(camera.flash().expect("flash") == flash, "flash has changed");
    assert!(matches!(
        camera.boots().expect("a boot"),
        Booted::Firmware { .. }
    ));
    result(camera)
}

/// A plausible file of 50 MB.
fn huge() -> Vec<u8> {
    BACKUP.as_bytes().repeat(50_000_000 / BACKUP.len())
}

#[rstest]
#[case::unknown_key_that_asks_for_a_switch(
    "WZ-0141",
    b"switch_firmwares=\"yes\"\nswitch_firmware=\"yes\"\nnext_firmware=\"thingino\"\n"
)]
#[case::wrong_value("WZ-0130", b"backup_partitions=\"Yes\"\n")]
#[case::garbage("WZ-0104", &[0, 159, 146, 150, 255, 254, 10, 1, 2, 3])]
#[case::too_long("WZ-0102", &huge())]
#[case::older_than_0_9("WZ-0145", b"switch_profile=\"yes\"\nnext_profile=\"thingino\"\n")]
#[case::a_command("WZ-0114", b"audio_volume=\"50\"; touch /sdcard/pwned\n")]
#[case::restore_of_nothing("WZ-0173", b"restore_partitions=\"yes\"\n")]
fn a_bad_configuration_has_its_own_code(#[case] code: &str, #[case] conf: &[u8]) {
    let firmware = stock();
    let mut camera = Camera::of(&firmware)
        .card(card("t31", conf))
        .build()
        .expect("a camera");
    let result = run_without_a_trace(&mut camera, &firmware);
    assert_eq!(result["outcome"], "refused");
    assert!(
        codes(&result, "refusals").contains(&code.to_owned()),
        "{result:#}"
    );
}

#[test]
fn no_configuration_has_its_own_code() {
    let firmware = stock();
    let mut camera = Camera::of(&firmware)
        .card(blank_card("t31"))
        .build()
        .expect("a camera");
    camera
        .card()
        .expect("a card")
        .remove(CONF)
        .expect("removed");
    let result = run_without_a_trace(&mut camera, &firmware);
    assert_eq!(codes(&result, "refusals"), ["WZ-0101"]);
}

#[test]
fn an_unknown_key_beside_a_backup_is_a_remark() {
    let conf = "backup_partitions=\"yes\"\ndry_run=\"yes\"\nblink_partitions=\"yes\"\n";
    let firmware = stock();
    let mut camera = Camera::of(&firmware)
        .card(card("t31", conf))
        .build()
        .expect("a camera");
    let result = run_without_a_trace(&mut camera, &firmware);
    assert_eq!(result["outcome"], "dry_run");
    assert!(
        codes(&result, "remarks").contains(&"WZ-0140".to_owned()),
        "{result:#}"
    );
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_taken_and_a_dry_run_leaves_no_trace() {
    let conf = "\u{FEFF}backup_partitions=\"yes\"\r\ndry_run =\"yes\"\r\n";
    let firmware = stock();
    let mut camera = Camera::of(&firmware)
        .card(card("t31", conf))
        .build()
        .expect("a camera");
    let result = run_without_a_trace(&mut camera, &firmware);
    assert_eq!(result["outcome"], "dry_run");
    assert!(!result["plan"].as_array().expect("a plan").is_empty());
}

#[test]
fn an_unknown_chip_has_its_own_code() {
    let firmware = stock();
    let camera = Camera::of(&firmware).chip("t99q").card(card("t31", BACKUP));
    let result = run_without_a_trace(&mut camera.build().expect("a camera"), &firmware);
    assert_eq!(codes(&result, "refusals"), ["WZ-0452"]);
}

#[test]
fn a_chip_that_shows_8_mib_has_its_own_code() {
    let firmware = stock();
    let half = &firmware.image()[..8 << 20];
    let camera = Camera::with_flash("t31x", half).card(card("t31", BACKUP));
    let result = run_without_a_trace(&mut camera.build().expect("a camera"), &firmware);
    assert_eq!(codes(&result, "refusals"), ["WZ-0302"]);
}

#[test]
fn a_boot_partition_without_known_strings_is_saved_as_a_whole() {
    let recipe = wz_testbed::Recipe::of("t31", "stock").expect("a profile");
    let firmware = recipe.boot_strings([""; 0]).build().expect("a firmware");
    let mut camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .build()
        .expect("a camera");
    run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{result:#}");
    assert!(
        codes(&result, "remarks").contains(&"WZ-0453".to_owned()),
        "{result:#}"
    );
    let saved = camera
        .card()
        .expect("a card")
        .read("wz_flash-helper/backup/unknown/0001/unknown_t31x_all.bin");
    assert!(saved.expect("a backup") == firmware.image());
}

#[test]
fn a_camera_without_its_product_config_is_saved_with_a_remark() {
    let recipe = wz_testbed::Recipe::of("t31", "stock").expect("a profile");
    let firmware = recipe
        .model(None)
        .expect("no model")
        .build()
        .expect("a firmware");
    let mut camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .build()
        .expect("a camera");
    run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "success", "{result:#}");
    assert_eq!(codes(&result, "remarks"), ["WZ-0455"]);
}

#[test]
fn a_damaged_file_system_costs_its_archive_and_not_the_images() {
    let cfg = stock()
        .layout()
        .partition("cfg")
        .expect("a partition")
        .region
        .offset;
    let garbage: Vec<u8> = (0..384 * 1024_u32)
        .map(|at| (at.wrapping_mul(40_503) >> 7) as u8)
        .collect();
    let firmware = stock().with_bytes(cfg, &garbage);
    let mut camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .build()
        .expect("a camera");
    run(&mut camera);
    let result = result(&camera);
    let saved = camera
        .card()
        .expect("a card")
        .read("wz_flash-helper/backup/stock/0001/stock_t31x_all.bin");
    assert!(saved.expect("a backup") == firmware.image());
    assert_eq!(result["outcome"], "incomplete", "{result:#}");
    assert_eq!(codes(&result, "failures"), ["WZ-0602"]);
}

#[test]
fn a_card_without_room_has_its_own_code() {
    let firmware = stock();
    let card = card("t31", BACKUP).room_left(Size::mib(20));
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    let result = run_without_a_trace(&mut camera, &firmware);
    assert_eq!(codes(&result, "refusals"), ["WZ-0205"]);
}

#[test]
fn a_card_without_partition_table_has_its_own_code() {
    let firmware = stock();
    let card = card("t31", BACKUP).layout(CardLayout::NoPartitionTable);
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    let result = run_without_a_trace(&mut camera, &firmware);
    assert_eq!(codes(&result, "refusals"), ["WZ-0202"]);
}

#[test]
fn a_file_where_the_backups_belong_has_its_own_code() {
    let firmware = stock();
    let card: Card = card("t31", BACKUP).with("wz_flash-helper/backup", "not a folder");
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    let result = run_without_a_trace(&mut camera, &firmware);
    assert_eq!(codes(&result, "refusals"), ["WZ-0208"]);
}
