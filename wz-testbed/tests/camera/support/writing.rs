//! Runs that write flash: their cards, and what has to be true of a camera afterwards.

use std::sync::Mutex;

use serde_json::Value;
use wz_core::units::{Region, Size};
use wz_testbed::{Booted, Camera, Card, Ended, Expected, Firmware, Image, PowerOff, Scope, Work};

use super::{CONF, card, codes, result, run};

/// How many cameras run side by side.
const BENCHES: usize = 2;

/// What more may be programmed where the boot partition is rewritten: its first bytes are cleared
/// first and programmed last.
const SEAL: Size = Size::bytes(512);

/// Does all of `work`, on so many cameras at once as there are benches.
pub fn side_by_side<T: Send>(work: Vec<T>, done: impl Fn(T) + Sync) {
    let waiting = Mutex::new(work.into_iter());
    let next = || waiting.lock().expect("a lock").next();
    std::thread::scope(|scope| {
        for _ in 0..BENCHES {
            scope.spawn(|| {
                while let Some(one) = next() {
                    done(one);
                }
            });
        }
    });
}

/// A configuration that asks for a Switch and turns the safety backup off, with all that an edit of
/// it has to leave as it is.
pub fn switch_conf(next: &str, scope: Scope) -> String {
    let all = scope.as_option();
    format!(
        "# my camera, żółw\r\n  switch_firmware = \"yes\"   # for now\r\nnext_firmware=\"{next}\"\r\n\
         switch_firmware_with_all_partitions=\"{all}\"\nsafety_backup=\"no\"\n\n# end without line end"
    )
}

/// What a successful Switch makes of a configuration.
pub fn switched_off(conf: &str) -> String {
    conf.replacen("switch_firmware = \"yes\"", "switch_firmware = \"no\"", 1)
}

/// A card that restores these partitions from these images.
pub fn restore_card(firmware: &Firmware, images: &[Image], options: &str) -> Card {
    let (soc, name) = (&firmware.profile().soc, firmware.name());
    let prefix = format!("{name}_{}_", firmware.chip_group());
    let chosen = images.iter().filter_map(|image| {
        let partition = image.name().strip_prefix(&prefix)?.strip_suffix(".bin")?;
        Some(match partition {
            "boot" => "hidden_option_restore_boot=\"yes\"\n".to_owned(),
            _ => format!("restore_{name}_{partition}=\"yes\"\n"),
        })
    });
    let conf = format!("restore_partitions=\"yes\"\n{options}");
    let choice = format!("wz_flash-helper/restore/{name}.conf");
    let card = card(soc, conf).with(&choice, chosen.collect::<String>());
    images.iter().fold(card, Card::with_image)
}

/// The images of these partitions.
pub fn images(firmware: &Firmware, partitions: &[&str]) -> Vec<Image> {
    partitions
        .iter()
        .map(|partition| Image::of_partition(firmware, partition).expect("a partition"))
        .collect()
}

/// Where on the camera's card a part of an image lies.
pub fn place_on_card(camera: &Camera, part: &[u8]) -> Region {
    let found = camera.card().expect("a card").find(part);
    let size = Size::bytes(part.len() as u64);
    Region::new(found.expect("a card").expect("the image"), size)
}

/// Where the boot partition is.
pub fn boot(firmware: &Firmware) -> Region {
    firmware.layout().boot().expect("a boot partition").region
}

/// Switches the camera on, and proves that it says what it did and that flash holds what it has to,
/// with no more work than that takes.
pub fn run_writes_exactly(camera: &mut Camera, operation: &str, expected: &Expected, boot: Region) {
    let before = camera.flash().expect("flash");
    let ended = run(camera);
    succeeded(camera, &ended, operation);
    holds(camera, expected, &ended);
    let after = camera.flash().expect("flash");
    let work = Work::to_rewrite(&before, &after, boot);
    let seal = match before[..boot.size.as_usize()] == after[..boot.size.as_usize()] {
        true => Size::ZERO,
        false => SEAL,
    };
    let nor = ended.nor.expect("the kernel's counters");
    let wrong = work.not_matched_by(&nor, seal);
    assert_eq!(wrong, [""; 0], "{}", ended.transcript);
}

/// The run says that it did the operation, and was modest about memory.
pub fn succeeded(camera: &Camera, ended: &Ended, operation: &str) {
    let result = result(camera);
    let said = format!("{result:#}\n{}", ended.transcript);
    assert_eq!(ended.why, PowerOff::Reboot, "{said}");
    assert_eq!(result["outcome"], "success", "{said}");
    let is_done = |one: &Value| one["name"] == operation && one["done"] == true;
    let operations = result["operations"].as_array().expect("operations");
    assert!(operations.iter().any(is_done), "{said}");
    // The boot partition's copy comes on top.
    let most = Size::mib(8).get() + Size::kib(320).get();
    let peak = result["peak_memory_bytes"].as_u64().expect("a measurement");
    assert!(peak <= most, "{peak} bytes resident");
}

pub fn holds(camera: &Camera, expected: &Expected, ended: &Ended) {
    let faults = expected.faults(&camera.flash().expect("flash"));
    assert_eq!(faults.expect("tools"), [""; 0], "{}", ended.transcript);
}

/// Nothing on the card is booted any more, by either firmware, and the SD kernel is there under its
/// new name, once.
pub fn kernel_is_away(camera: &Camera, original: &str, firmwares: &[&Firmware]) {
    let all = camera.card().expect("a card").list("").expect("a listing");
    let names = firmwares.iter().flat_map(|f| &f.profile().sd_kernels);
    let left: Vec<_> = names.filter(|name| all.contains(name)).collect();
    assert!(left.is_empty(), "{left:?}");
    let away: Vec<_> = all
        .iter()
        .filter(|n| n.ends_with(".wz_flash-helper"))
        .collect();
    assert_eq!(away, [&format!("{original}.wz_flash-helper")]);
}

pub fn boots_whole(camera: &Camera, firmware: &Firmware) {
    let booted = camera.boots().expect("a boot");
    assert_eq!(booted, Booted::whole_firmware(firmware.name()));
}

pub fn conf_is(camera: &Camera, conf: &str) {
    let on_card = camera.card().expect("a card").read_text(CONF);
    assert_eq!(on_card.expect("a configuration"), conf);
}

/// Switches the camera on, and proves that it refused and left flash and firmware alone. Returns all
/// that it said against it, with the codes.
pub fn run_is_refused(camera: &mut Camera, original: &str, firmware: &Firmware) -> Vec<String> {
    let before = camera.flash().expect("flash");
    let ended = run(camera);
    let result = result(camera);
    let said = format!("{result:#}\n{}", ended.transcript);
    assert_eq!(result["outcome"], "refused", "{said}");
    assert!(!codes(&result, "refusals").is_empty(), "{said}");
    let nor = ended.nor.expect("the kernel's counters");
    assert_eq!((nor.erases, nor.programmed), (0, 0), "{said}");
    assert!(
        camera.flash().expect("flash") == before,
        "flash has changed: {said}"
    );
    kernel_is_away(camera, original, &[firmware]);
    boots_whole(camera, firmware);
    let refusals = result["refusals"].as_array().expect("an array").iter();
    let words = |problem: &Value| {
        let word = |field: &str| problem[field].as_str().expect("a text").to_owned();
        format!("{} {}", word("code"), word("what"))
    };
    refusals.map(words).collect()
}
