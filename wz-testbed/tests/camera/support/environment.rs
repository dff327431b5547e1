//! The U-Boot environment in a camera's flash, as another program reads it.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use wz_core::units::Region;
use wz_testbed::{Camera, Firmware};

/// Where a firmware has its environment.
pub fn region(firmware: &Firmware) -> Region {
    let layout = firmware.layout();
    layout.environment().expect("an environment")
}

/// What `fw_printenv` of Debian shows of it.
pub fn printed(camera: &Camera, firmware: &Firmware) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let (flash, config) = (folder.path().join("flash"), folder.path().join("config"));
    fs::write(&flash, camera.flash().expect("flash")).expect("written");
    let Region { offset, size } = region(firmware);
    let (path, size) = (flash.display(), size.get());
    fs::write(&config, format!("{path} {offset} {size:#x} {size:#x}\n")).expect("written");
    let shown = Command::new("fw_printenv")
        .arg("-c")
        .arg(&config)
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .output()
        .expect("fw_printenv: is it installed? run: make setup");
    assert!(shown.status.success(), "{shown:?}");
    let shown = String::from_utf8(shown.stdout).expect("text");
    let pair = |line: &str| {
        line.split_once('=')
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
    };
    shown.lines().filter_map(pair).collect()
}
