//! Backup on the emulated camera, for every profile there is.
use std::sync::Mutex;

use crate::support::{BACKUP, card, result, run, stock};
use wz_core::profile::Format;
use wz_core::units::Size;
use wz_testbed::{Booted, Camera, Firmware, PowerOff, Recipe, Tree};

/// How many cameras run side by side.
const BENCHES: usize = 2;

#[test]
fn every_firmware_is_saved_byte_for_byte_and_boots_again() {
    let recipes = Recipe::all().expect("profiles");
    assert!(recipes.len() >= 4, "T20 and T31, stock and thingino");
    let waiting = Mutex::new(recipes.into_iter());
    let next = || waiting.lock().expect("a lock").next();
    std::thread::scope(|scope| {
        for _ in 0..BENCHES {
            scope.spawn(|| {
                while let Some(recipe) = next() {
                    let firmware = recipe.build().expect("a firmware");
                    is_saved_byte_for_byte_and_boots_again(&firmware);
                }
            });
        }
    });
}

fn is_saved_byte_for_byte_and_boots_again(firmware: &Firmware) {
    let profile = firmware.profile();
    let name = format!(
        "{} {} {}",
        profile.soc,
        profile.name,
        firmware.layout().name
    );
    let card = card(&profile.soc, BACKUP);
    let mut camera = Camera::of(firmware).card(card).build().expect(&name);
    let power_on = camera.power_on().expect(&name);
    let kernel = match power_on.booted() {
        Booted::SdKernel { name } => name.clone(),
        other => panic!("{name}: {other:?} {:?}", power_on.uboot_said()),
    };
    let ended = power_on.wait_until_off().expect(&name);

    let result = result(&camera);
    assert_eq!(
        result["outcome"], "success",
        "{name}: {result:#}\n{}",
        ended.transcript
    );
    assert_eq!(ended.why, PowerOff::Reboot, "{name}");
    assert_camera_is_known(firmware, &result);
    assert_flash_was_only_read_and_about_once(&camera, &ended, firmware);
    assert_memory_was_small(&result);
    for folder in folders(firmware) {
        assert_backup_is_whole(&camera, firmware, &folder);
    }
    let on_card = camera.card().expect("a card");
    assert!(!on_card.has(&kernel).expect("a listing"), "{name}");
    assert!(
        on_card
            .has(&format!("{kernel}.wz_flash-helper"))
            .expect("a listing"),
        "{name}"
    );
    assert_eq!(on_card.fsck().expect("fsck"), [""; 0], "{name}");
    assert_eq!(
        camera.boots().expect("a boot"),
        Booted::whole_firmware(&profile.name),
        "{name}"
    );
}

fn folders(firmware: &Firmware) -> Vec<String> {
    let profile = firmware.profile();
    let primary = format!("wz_flash-helper/backup/{}/0001", profile.name);
    let secondary = profile
        .secondary_backup
        .iter()
        .map(|folder| format!("{folder}/0001"));
    std::iter::once(primary).chain(secondary).collect()
}

fn assert_camera_is_known(firmware: &Firmware, result: &serde_json::Value) {
    let camera = &result["camera"];
    assert_eq!(camera["chip"], firmware.chip());
    assert_eq!(camera["firmware"], firmware.profile().name);
    assert_eq!(camera["layout"], firmware.layout().name);
    // A recipe is for the profile's first model; an environment says "v3" where the profile does not.
    let model = firmware.profile().models.first();
    let code = model.map(|model| model.code.as_deref().unwrap_or("v3"));
    assert_eq!(camera["model"].as_str(), code);
}

fn assert_flash_was_only_read_and_about_once(
    camera: &Camera,
    ended: &wz_testbed::Ended,
    firmware: &Firmware,
) {
    let nor = ended.nor.expect("the kernel's counters");
    assert!(
        camera.flash().expect("flash") == firmware.image(),
        "flash has changed"
    );
    assert_eq!((nor.erases, nor.programmed, nor.set_bits), (0, 0, 0));
    let limit = firmware.image().len() as u64 * 105 / 100;
    assert!(
        nor.read <= limit,
        "{} bytes read, {limit} allowed",
        nor.read
    );
}

fn assert_memory_was_small(result: &serde_json::Value) {
    let peak = result["peak_memory_bytes"].as_u64().expect("a measurement");
    assert!(peak <= Size::mib(8).get(), "{peak} bytes resident");
}

fn assert_backup_is_whole(camera: &Camera, firmware: &Firmware, folder: &str) {
    let card = camera.card().expect("a card");
    let group = result(camera)["camera"]["chip_group"]
        .as_str()
        .expect("a group")
        .to_owned();
    let file = |part: &str, end: &str| format!("{}_{group}_{part}.{end}", firmware.profile().name);
    let read = |name: &str| card.read(&format!("{folder}/{name}")).expect("a file");
    let mut data = vec![file("all", "bin")];
    assert!(
        read(&data[0]) == firmware.image(),
        "{folder}: the whole chip"
    );
    for partition in firmware.layout().partitions() {
        let name = file(&partition.name, "bin");
        let wanted = firmware.partition(&partition.name).expect("a partition");
        assert!(read(&name) == wanted, "{folder}: {name}");
        data.push(name);
        if partition.user_data && partition.format != Format::Raw {
            let name = file(&partition.name, "tar.gz");
            let packed = Tree::of_tar_gz(&read(&name)).expect("an archive");
            assert_eq!(
                packed,
                firmware.files(&partition.name).expect("files"),
                "{name}"
            );
            data.push(name);
        }
    }
    let mut verified = card.check_sha256sums(folder).expect("coreutils agree");
    verified.sort();
    data.sort();
    assert_eq!(verified, data, "{folder}: each file has its .sha256sum");
    assert!(card.has(&format!("{folder}/ID.txt")).expect("a listing"));
}

#[test]
fn a_second_backup_gets_the_next_number_and_the_first_stays() {
    let firmware = stock();
    let card = card(
        "t31",
        "backup_partitions=\"yes\"\nsecondary_backup=\"no\"\n",
    );
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    for id in ["0001", "0002"] {
        run(&mut camera);
        let folder = format!("wz_flash-helper/backup/stock/{id}");
        assert_backup_is_whole(&camera, &firmware, &folder);
        let kernel = firmware.sd_kernel();
        let card = camera.card().expect("a card");
        card.rename(&format!("{kernel}.wz_flash-helper"), kernel)
            .expect("a rename");
    }
    assert!(
        !camera
            .card()
            .expect("a card")
            .has("Wyze_factory_backup")
            .expect("a listing")
    );
    assert_backup_is_whole(&camera, &firmware, "wz_flash-helper/backup/stock/0001");
}

#[test]
fn what_a_power_cut_leaves_is_removed_by_the_next_run() {
    let firmware = stock();
    let mut camera = Camera::of(&firmware)
        .card(card("t31", BACKUP))
        .build()
        .expect("a camera");
    let mut power_on = camera.power_on().expect("power");
    power_on
        .wait_for("Verify file")
        .expect("a backup in progress");
    power_on.cut_power().expect("a cut");

    assert_eq!(
        camera.boots().expect("a boot"),
        Booted::whole_firmware("stock")
    );
    assert!(camera.flash().expect("flash") == firmware.image());
    let kernel = firmware.sd_kernel();
    let on_card = camera.card().expect("a card");
    let left = on_card
        .list("wz_flash-helper/backup/stock")
        .expect("a listing");
    assert_eq!(left, ["0001.partial/"]);
    on_card
        .rename(&format!("{kernel}.wz_flash-helper"), kernel)
        .expect("a rename");

    run(&mut camera);
    let on_card = camera.card().expect("a card");
    let left = on_card
        .list("wz_flash-helper/backup/stock")
        .expect("a listing");
    assert_eq!(left, ["0002/"]);
    assert_backup_is_whole(&camera, &firmware, "wz_flash-helper/backup/stock/0002");
}
