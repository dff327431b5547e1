//! What `wz` says of every firmware that the emulated camera runs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use wz_cli::anatomy::facts::{Facts, FileKind, Secrets};
use wz_cli::anatomy::pieces::pieces;
use wz_cli::anatomy::slice;
use wz_core::profile::Catalogue;
use wz_testbed::{Firmware, Recipe};

fn firmwares() -> Vec<Firmware> {
    let recipes = Recipe::all().unwrap().into_iter();
    recipes.map(|recipe| recipe.build().unwrap()).collect()
}

fn facts(firmware: &Firmware) -> Facts {
    Facts::of(
        &Catalogue::builtin(),
        "dump",
        firmware.image(),
        Secrets::Hidden,
    )
}

#[test]
fn every_firmware_is_recognised_and_sound() {
    for firmware in firmwares() {
        let (soc, name) = (&firmware.profile().soc, firmware.name());
        let facts = facts(&firmware);
        assert_eq!(facts.kind, FileKind::Dump);
        let mut found = facts.firmwares.iter();
        let layout = &firmware.layout().name;
        let is_it = found.any(|found| {
            found.soc == *soc && found.firmware == name && found.layout.as_ref() == Some(layout)
        });
        assert!(is_it, "{soc} {name} {layout}: {:?}", facts.firmwares);
        let problems: Vec<_> = facts
            .partitions
            .iter()
            .filter_map(|p| p.problem.as_ref())
            .collect();
        assert!(problems.is_empty(), "{soc} {name} {layout}: {problems:?}");
    }
}

#[test]
fn every_root_file_system_says_what_it_is() {
    for firmware in firmwares() {
        let image = format!("wyze_testbed_{}_sensor_wifi", firmware.chip());
        let facts = facts(&firmware);
        let mut variables = facts
            .os_releases
            .iter()
            .flat_map(|release| &release.variables);
        assert!(
            variables.any(|variable| variable.name == "IMAGE_ID" && variable.value == image),
            "{}: {:?}",
            firmware.name(),
            facts.os_releases
        );
    }
}

#[test]
fn the_pieces_of_every_firmware_are_the_firmware() {
    for firmware in firmwares() {
        let pieces = pieces(firmware.layout());
        let parts: Vec<&[u8]> = pieces
            .iter()
            .map(|p| slice(firmware.image(), p.region))
            .collect();
        assert!(parts.concat() == firmware.image());
    }
}
