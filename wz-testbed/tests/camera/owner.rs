//! The owner's tool says beforehand what the camera does.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use wz_cli::commands::plan::{Plan, PlanArgs};
use wz_testbed::{Camera, Card, Firmware, Image, Scope};

use crate::support::writing::{restore_card, switch_conf};
use crate::support::{card, result, run, stock};

const DRY_RUN: &str = "dry_run=\"yes\"\n";

/// What the tool says of this card and this camera.
fn planned(card: &Path, flash: &[u8], chip: &str) -> Plan {
    let folder = TempDir::new().expect("a folder");
    let dump = folder.path().join("dump.bin");
    std::fs::write(&dump, flash).expect("written");
    let args = PlanArgs {
        card: card.to_owned(),
        flash: dump,
        chip: Some(chip.to_owned()),
    };
    wz_cli::commands::plan::run(&args).expect("a plan")
}

/// Plan and problems, as the camera's `result.json` has them.
fn essence(report: &Value) -> [&Value; 4] {
    let keys = ["outcome", "plan", "remarks", "refusals"];
    keys.map(|key| &report[key])
}

fn says_the_same(firmware: &Firmware, card: Card) {
    let folder = TempDir::new().expect("a folder");
    let image = folder.path().join("card.img");
    card.write_image(&image).expect("an image");
    let mut camera = Camera::of(firmware).card(card).build().expect("a camera");
    let flash = camera.flash().expect("flash");
    run(&mut camera);
    let on_camera = result(&camera);
    let chip = on_camera["camera"]["chip"].as_str().expect("a chip");
    let plan = planned(&image, &flash, chip);
    let at_home = serde_json::to_value(&plan).expect("JSON");
    assert_eq!(essence(&at_home), essence(&on_camera));
    for key in ["firmware", "layout", "model"] {
        assert_eq!(at_home["camera"][key], on_camera["camera"][key], "{key}");
    }
}

#[test]
fn the_plan_of_a_backup_is_the_cameras() {
    let conf = format!("{DRY_RUN}backup_partitions=\"yes\"\n");
    says_the_same(&stock(), card("t31", conf));
}

#[test]
fn the_plan_of_a_switch_is_the_cameras() {
    let thingino = Firmware::of("t31", "thingino").expect("a profile");
    let conf = format!("{DRY_RUN}{}", switch_conf("thingino", Scope::Base));
    let needed = Scope::Base.needed(thingino.layout());
    let card = card("t31", conf).with_partition_images(&thingino, &needed);
    says_the_same(&stock(), card.expect("images"));
}

#[test]
fn the_plan_of_a_restore_is_the_cameras() {
    let stock = stock();
    let image = Image::of_partition(&stock, "cfg").expect("an image");
    says_the_same(&stock, restore_card(&stock, &[image], DRY_RUN));
}

#[test]
fn the_reasons_why_not_are_the_cameras() {
    let conf = format!("{DRY_RUN}{}", switch_conf("thingino", Scope::Base));
    says_the_same(&stock(), card("t31", conf));
}
