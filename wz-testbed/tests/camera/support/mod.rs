//! What the tests on the emulated camera share: the product's cards, and reading what came of a run.

pub mod environment;
pub mod job;
pub mod writing;

use std::collections::BTreeMap;

use serde_json::Value;
use wz_testbed::{Camera, Card, Ended, Firmware, inputs};

pub const BACKUP: &str = "backup_partitions=\"yes\"\n";
pub const CONF: &str = "wz_flash-helper/general.conf";
pub const LOGS: [&str; 3] = [
    "wz_flash-helper/initramfs.log",
    "wz_flash-helper/initramfs_serial.log",
    "wz_flash-helper/result.json",
];

/// The card that `make image` makes for a SoC, with this configuration.
pub fn card(soc: &str, conf: impl AsRef<[u8]>) -> Card {
    blank_card(soc).with(CONF, conf)
}

/// The card that `make image` makes for a SoC, as it is.
pub fn blank_card(soc: &str) -> Card {
    let folder = inputs::card_folder(soc).expect("make image has run");
    Card::new().with_folder(&folder).expect("a folder")
}

/// The firmware that most tests run on.
pub fn stock() -> Firmware {
    Firmware::of("t31", "stock").expect("a profile")
}

/// Switches the camera on and waits until it is done.
pub fn run(camera: &mut Camera) -> Ended {
    camera
        .power_on()
        .expect("power")
        .wait_until_off()
        .expect("an end")
}

/// What the run said for programs.
pub fn result(camera: &Camera) -> Value {
    let text = camera
        .card()
        .expect("a card")
        .read_text("wz_flash-helper/result.json");
    serde_json::from_str(&text.expect("result.json")).expect("JSON")
}

/// The codes of the problems under `kind`: remarks, refusals or failures.
pub fn codes(result: &Value, kind: &str) -> Vec<String> {
    let problems = result[kind].as_array().expect("an array").iter();
    problems
        .filter_map(|problem| problem["code"].as_str())
        .map(str::to_owned)
        .collect()
}

/// Every file on the card but the logs, by path.
pub fn files(camera: &Camera) -> BTreeMap<String, Vec<u8>> {
    let card = camera.card().expect("a card");
    let paths = card.all().expect("a listing").into_iter();
    let paths = paths.filter(|path| !LOGS.contains(&path.as_str()));
    paths
        .filter_map(|path| card.read(&path).ok().map(|content| (path, content)))
        .collect()
}

/// The same files once the SD kernel has been put away.
pub fn with_kernel_away(
    mut files: BTreeMap<String, Vec<u8>>,
    kernel: &str,
) -> BTreeMap<String, Vec<u8>> {
    let content = files.remove(kernel).expect("an SD kernel");
    files.insert(format!("{kernel}.wz_flash-helper"), content);
    files
}

/// The names of two sets of files that differ, for messages.
pub fn differences(a: &BTreeMap<String, Vec<u8>>, b: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let all = a.keys().chain(b.keys());
    let mut names: Vec<String> = all
        .filter(|name| a.get(*name) != b.get(*name))
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}
