//! The two ways that most owners go, from the card that they prepare to the firmware that starts without it.
use std::time::Duration;

use crate::support::environment::{printed, region};
use crate::support::writing::{boots_whole, conf_is, kernel_is_away};
use crate::support::{CONF, card, codes, result, run, stock};
use rstest::rstest;
use wz_core::units::Size;
use wz_testbed::{Booted, Camera, Card, Firmware, Image, inputs};

/// Some runs here back up, save and switch, on a busy computer too.
const PATIENCE: Duration = Duration::from_secs(300);

fn camera(firmware: &Firmware, card: Card) -> Camera {
    let camera = Camera::of(firmware).card(card.size(Size::mib(256)));
    camera.patience(PATIENCE).build().expect("a camera")
}

/// What thingino's U-Boot does at its first start, where its environment was blank.
fn u_boot_saves_its_environment(camera: &mut Camera, firmware: &Firmware) {
    let env = region(firmware);
    let (start, end) = (env.offset.as_usize(), env.end().as_usize());
    let mut flash = camera.flash().expect("flash");
    assert!(flash[start..end].iter().all(|&byte| byte == 0xff));
    flash[start..end].copy_from_slice(&firmware.image()[start..end]);
    camera.program_flash(&flash).expect("flash");
}

/// The first run switches, the second one finds an environment and sets up Wi-Fi.
#[rstest]
fn from_stock_to_thingino_with_wifi(#[values("t31", "t20")] soc: &str) {
    let stock = Firmware::of(soc, "stock").expect("a profile");
    let thingino = Firmware::of(soc, "thingino").expect("a profile");
    let conf = "backup_partitions=\"yes\"\nswitch_firmware=\"yes\"\nnext_firmware=\"thingino\"\n\
        switch_firmware_with_all_partitions=\"no\"\nre_run=\"yes\"\n\
        enable_custom_scripts=\"yes\"\ncustom_scripts=\"note.sh\"\n";
    let note = "echo \"$current_firmware\" >> $prog_dir/runs.txt\n\
        custom_script_current_firmware_check thingino || return 0\n\
        fw_printenv -n wlan_ssid >> $prog_dir/runs.txt\n";
    let wifi = "wifi_ssid=\"My  Net *\"\nwifi_password=\"two  blanks *\"\n";
    let card = card(soc, conf)
        .with("wz_flash-helper/thingino.conf", wifi)
        .with("wz_flash-helper/scripts/note.sh", note)
        .with_firmware_image(&thingino, Size::mib(16));
    let mut camera = camera(&stock, card);

    let ended = run(&mut camera);
    let told = result(&camera);
    // Wi-Fi has to wait for U-Boot's environment.
    assert_eq!(told["outcome"], "incomplete", "{}", ended.transcript);
    assert_eq!(codes(&told, "failures"), [""; 0], "{}", ended.transcript);
    assert!(codes(&told, "remarks").contains(&"WZ-0816".to_owned()));
    let done = conf
        .replace("switch_firmware=\"yes\"", "switch_firmware=\"no\"")
        .replace("re_run=\"yes\"", "re_run=\"no\"");
    conf_is(&camera, &done);

    u_boot_saves_its_environment(&mut camera, &thingino);
    let power_on = camera.power_on().expect("power");
    assert!(matches!(power_on.booted(), Booted::SdKernel { .. }));
    let ended = power_on.wait_until_off().expect("an end");
    let outcome = result(&camera)["outcome"].clone();
    assert_eq!(outcome, "success", "{}", ended.transcript);
    let environment = printed(&camera, &thingino);
    assert_eq!(environment["wlan_ssid"], "My  Net *");
    assert_eq!(environment["wlan_pass"], "two  blanks *");
    let on_card = camera.card().expect("a card");
    let runs = on_card.read_text("wz_flash-helper/runs.txt").expect("runs");
    assert_eq!(runs, "stock\nthingino\nMy  Net *\n");
    for firmware in ["stock", "thingino"] {
        let backups = format!("wz_flash-helper/backup/{firmware}");
        assert_eq!(on_card.list(&backups).expect("a listing").len(), 1);
    }
    conf_is(&camera, &done);
    kernel_is_away(&camera, stock.sd_kernel(), &[&stock, &thingino]);
    boots_whole(&camera, &thingino);
    assert_eq!(on_card.fsck().expect("fsck"), [""; 0]);
}

/// With every option of the original's `general.conf` in the file.
#[test]
fn from_thingino_back_to_stock_and_on_to_another_kernel() {
    const HELLO: &str = "this is another kernel";
    let thingino = Firmware::of("t31", "thingino").expect("a profile");
    let stock = stock();
    let conf = "enable_audio=\"yes\"\naudio_volume=\"50\"\ndry_run=\"no\"\nbackup_partitions=\"yes\"\n\
        restore_partitions=\"no\"\nhidden_option_restore_boot=\"no\"\nswitch_firmware=\"yes\"\n\
        next_firmware=\"stock\"\nswitch_firmware_with_all_partitions=\"no\"\n\
        enable_custom_scripts=\"yes\"\ncustom_scripts=\"first.sh second.sh\"\n\
        copy_new_sdcard_kernel=\"yes\"\nnew_sdcard_kernel=\"mini.bin\"\nre_run=\"no\"\n\
        manual_current_firmware=\"thingino\"\nmanual_model=\"v3\"\nskip_rename_prog_sdcard_kernel=\"no\"\n";
    let kernel = format!("#!/bin/sh\necho {HELLO}\nreboot -f\n");
    let kernel = inputs::sd_kernel_with_script(&kernel).expect("a kernel");
    let needed = ["boot", "kernel", "rootfs", "app", "cfg"];
    let images = needed.map(|name| Image::of_partition(&stock, name).expect("a partition"));
    let card = images
        .into_iter()
        .fold(card("t31", conf), |card, image| card.with_image(&image))
        .with(
            "wz_flash-helper/scripts/first.sh",
            "msg \"from $current_firmware\"\r\n",
        )
        .with(
            "wz_flash-helper/scripts/second.sh",
            "msg \"to $next_firmware\"\r\n",
        )
        .with("mini.bin", kernel);
    let mut camera = camera(&thingino, card);

    let ended = run(&mut camera);
    let told = result(&camera);
    assert_eq!(told["outcome"], "success", "{told:#}\n{}", ended.transcript);
    let (from, to) = (
        ended.serial.find("from thingino"),
        ended.serial.find("to stock"),
    );
    assert!(from.is_some() && from < to, "{}", ended.transcript);
    let peak = told["peak_memory_bytes"].as_u64().expect("the peak");
    assert!(peak <= Size::mib(8).get(), "{peak}");
    conf_is(
        &camera,
        &conf.replace("switch_firmware=\"yes\"", "switch_firmware=\"no\""),
    );
    let text = camera
        .card()
        .expect("a card")
        .read_text(CONF)
        .expect("text");
    assert!(text.contains("new_sdcard_kernel=\"mini.bin\""));

    let power_on = camera.power_on().expect("power");
    assert_eq!(power_on.booted(), &Booted::sd_kernel(stock.sd_kernel()));
    let ended = power_on.wait_until_off().expect("an end");
    assert!(ended.serial.contains(HELLO), "{}", ended.transcript);
    camera.remove_card();
    boots_whole(&camera, &stock);
}
