//! Switch on the emulated camera: there and back, from every kind of images, every byte of flash.
use crate::support::writing::{
    boot, boots_whole, conf_is, kernel_is_away, run_writes_exactly, side_by_side, switch_conf,
    switched_off,
};
use crate::support::{CONF, card, codes, files, result, run};
use wz_core::units::Size;
use wz_testbed::{Camera, Card, Expected, Firmware, Scope, slices};

/// Where the new firmware comes from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// An image for each partition that is needed.
    Partitions,
    /// One image of the whole firmware.
    Firmware,
    /// The same without the blank end.
    ShortFirmware,
}

/// A way there and back.
#[derive(Clone, Copy, Debug)]
struct Journey {
    soc: &'static str,
    source: Source,
    scope: Scope,
}

const JOURNEYS: [Journey; 6] = [
    Journey {
        soc: "t31",
        source: Source::Partitions,
        scope: Scope::Base,
    },
    Journey {
        soc: "t31",
        source: Source::Partitions,
        scope: Scope::All,
    },
    Journey {
        soc: "t31",
        source: Source::Firmware,
        scope: Scope::Base,
    },
    Journey {
        soc: "t31",
        source: Source::Firmware,
        scope: Scope::All,
    },
    Journey {
        soc: "t20",
        source: Source::Partitions,
        scope: Scope::All,
    },
    Journey {
        soc: "t20",
        source: Source::ShortFirmware,
        scope: Scope::Base,
    },
];

#[test]
fn every_firmware_becomes_the_other_and_back_bit_for_bit() {
    side_by_side(JOURNEYS.to_vec(), there_and_back);
}

fn there_and_back(journey: Journey) {
    let stock = Firmware::of(journey.soc, "stock").expect("a profile");
    let thingino = Firmware::of(journey.soc, "thingino").expect("a profile");
    let conf = switch_conf("thingino", journey.scope);
    let card = [&stock, &thingino]
        .iter()
        .fold(card(journey.soc, &conf), |card, firmware| {
            with_images(card, firmware, journey)
        });
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    switches(&mut camera, journey, &stock, &thingino, &conf);

    let conf = switch_conf("stock", journey.scope);
    let card = camera.card().expect("a card");
    card.write(CONF, &conf).expect("written");
    let away = format!("{}.wz_flash-helper", stock.sd_kernel());
    card.rename(&away, thingino.sd_kernel()).expect("a rename");
    switches(&mut camera, journey, &thingino, &stock, &conf);
}

fn with_images(card: Card, firmware: &Firmware, journey: Journey) -> Card {
    match journey.source {
        Source::Partitions => {
            let needed = journey.scope.needed(firmware.layout());
            card.with_partition_images(firmware, &needed)
                .expect("images")
        }
        Source::Firmware | Source::ShortFirmware => {
            card.with_firmware_image(firmware, length(firmware, journey.source))
        }
    }
}

fn length(firmware: &Firmware, source: Source) -> Size {
    let image = firmware.image();
    let end = match source {
        Source::ShortFirmware => image
            .iter()
            .rposition(|b| *b != 0xff)
            .map_or(0, |at| at + 1),
        Source::Partitions | Source::Firmware => image.len(),
    };
    Size::bytes(end as u64)
}

/// Runs the Switch that the card asks for, and proves all that comes of it.
fn switches(camera: &mut Camera, journey: Journey, from: &Firmware, to: &Firmware, conf: &str) {
    println!("{journey:?}, {} -> {}", from.name(), to.name());
    let before = camera.flash().expect("flash");
    let images = slices(to.image(), to.layout());
    let expected = Expected::of_switch(&before, to.layout(), journey.scope, &images);
    run_writes_exactly(
        camera,
        "switch_firmware",
        &expected.expect("images"),
        boot(to),
    );
    kernel_is_away(camera, from.sd_kernel(), &[from, to]);
    conf_is(camera, &switched_off(conf));
    boots_whole(camera, to);
    assert_eq!(
        camera.card().expect("a card").fsck().expect("fsck"),
        [""; 0]
    );
}

/// The original needs to know the model, which such a camera has not been told yet.
#[test]
fn a_thingino_that_has_never_run_becomes_stock_again() {
    let stock = Firmware::of("t31", "stock").expect("a profile");
    let thingino = Firmware::of("t31", "thingino").expect("a profile");
    let thingino = thingino.with_blank("env").expect("env");
    let journey = Journey {
        soc: "t31",
        source: Source::Partitions,
        scope: Scope::Base,
    };
    let conf = switch_conf("stock", journey.scope);
    let card = with_images(card("t31", &conf), &stock, journey);
    let camera = Camera::of(&thingino).card(card).build();
    let mut camera = camera.expect("a camera");
    switches(&mut camera, journey, &thingino, &stock, &conf);
    let remarks = codes(&result(&camera), "remarks");
    assert!(remarks.contains(&"WZ-0455".to_owned()), "{remarks:?}");
}

#[test]
fn partition_images_are_preferred_to_the_firmware_image() {
    let stock = Firmware::of("t31", "stock").expect("a profile");
    let thingino = Firmware::of("t31", "thingino").expect("a profile");
    let recipe = wz_testbed::Recipe::of("t31", "thingino").expect("a profile");
    let other = recipe.seed(2).build().expect("a firmware");
    let conf = switch_conf("thingino", Scope::Base);
    let needed = Scope::Base.needed(thingino.layout());
    let card = card("t31", &conf)
        .with_partition_images(&thingino, &needed)
        .expect("images")
        .with_firmware_image(&other, Size::mib(16));
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let images = slices(thingino.image(), thingino.layout());
    let expected = Expected::of_switch(stock.image(), thingino.layout(), Scope::Base, &images);
    run_writes_exactly(
        &mut camera,
        "switch_firmware",
        &expected.expect("images"),
        boot(&thingino),
    );
}

#[test]
fn the_old_firmware_is_saved_first_unless_that_is_turned_off() {
    let stock = Firmware::of("t31", "stock").expect("a profile");
    let thingino = Firmware::of("t31", "thingino").expect("a profile");
    let conf = switch_conf("thingino", Scope::All).replace("safety_backup=\"no\"\n", "");
    let card = card("t31", &conf).with_firmware_image(&thingino, Size::mib(16));
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let images = slices(thingino.image(), thingino.layout());
    let expected = Expected::of_switch(stock.image(), thingino.layout(), Scope::All, &images);
    run_writes_exactly(
        &mut camera,
        "switch_firmware",
        &expected.expect("images"),
        boot(&thingino),
    );
    let card = camera.card().expect("a card");
    let saved = card.read("wz_flash-helper/backup/stock/0001/stock_t31x_all.bin");
    assert!(saved.expect("a backup") == stock.image());
    boots_whole(&camera, &thingino);
}

#[test]
fn a_dry_run_changes_neither_flash_nor_configuration() {
    let stock = Firmware::of("t31", "stock").expect("a profile");
    let thingino = Firmware::of("t31", "thingino").expect("a profile");
    let conf = format!("dry_run=\"yes\"\n{}", switch_conf("thingino", Scope::All));
    let card = card("t31", &conf).with_firmware_image(&thingino, Size::mib(16));
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let paths: Vec<_> = files(&camera).into_keys().collect();
    run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "dry_run", "{result:#}");
    assert!(camera.flash().expect("flash") == stock.image());
    conf_is(&camera, &conf);
    assert_eq!(files(&camera).len(), paths.len());
    kernel_is_away(&camera, stock.sd_kernel(), &[&stock, &thingino]);
    boots_whole(&camera, &stock);
}
