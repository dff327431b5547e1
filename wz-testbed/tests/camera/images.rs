//! Images that must not be written: all of them are told at once, flash stays as it is, and the camera
//! boots its old firmware.
use crate::support::card;
use crate::support::writing::{
    boot, boots_whole, images, place_on_card, restore_card, run_is_refused, run_writes_exactly,
    side_by_side, switch_conf,
};
use rstest::rstest;
use wz_core::units::Size;
use wz_testbed::{
    Camera, Card, Expected, Faults, Firmware, HashFile, Image, Recipe, Scope, filler, slices,
};

fn stock() -> Firmware {
    Firmware::of("t31", "stock").expect("a profile")
}

fn thingino() -> Firmware {
    Firmware::of("t31", "thingino").expect("a profile")
}

/// A build that differs from what is installed in every partition.
fn new_stock() -> Firmware {
    let recipe = Recipe::of("t31", "stock").expect("a profile").seed(2);
    recipe.build().expect("a firmware")
}

fn partition(name: &str) -> Image {
    Image::of_partition(&new_stock(), name).expect("a partition")
}

/// A card and the images on it that are bad.
struct Bad {
    what: &'static str,
    card: Card,
    images: Vec<String>,
}

/// A Restore of good images and this bad one, which is the third.
fn restore(what: &'static str, bad: Image) -> Bad {
    let good = images(&new_stock(), &["kernel", "rootfs"]);
    let all: Vec<_> = good.into_iter().chain([bad.clone()]).collect();
    Bad {
        what,
        card: restore_card(&stock(), &all, ""),
        images: vec![bad.name().to_owned()],
    }
}

/// A Switch to thingino with one image of the whole firmware.
fn switch_to(what: &'static str, image: Image) -> Bad {
    let conf = switch_conf("thingino", Scope::Base);
    Bad {
        what,
        card: card("t31", conf).with_image(&image),
        images: vec![image.name().to_owned()],
    }
}

/// A Switch to thingino with images of partitions.
fn switch_to_partitions(what: &'static str, images: &[Image], bad: &[&str]) -> Bad {
    let conf = switch_conf("thingino", Scope::Base);
    let card = images.iter().fold(card("t31", conf), Card::with_image);
    Bad {
        what,
        card,
        images: bad.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn bad_hash_files() -> Vec<Bad> {
    let app = |hash_file| partition("app").with_hash_file(hash_file);
    vec![
        restore("wrong hash of the third image", app(HashFile::Wrong)),
        restore("no hash file", app(HashFile::Missing)),
        restore("empty hash file", app(HashFile::Empty)),
        restore("hash of another file", app(HashFile::OfAnotherFile)),
    ]
}

fn bad_contents() -> Vec<Bad> {
    let too_long = [new_stock().partition("app").expect("app"), &[0]].concat();
    let whole = Image::of_firmware(&thingino(), Size::mib(16));
    // In the middle of the root file system.
    let cut = Size::bytes(5 * 1024 * 1024 + 777);
    vec![
        restore("too long by a byte", partition("app").holding(too_long)),
        restore("empty", partition("app").holding([])),
        restore("cut short", partition("app").cut_to(Size::kib(500))),
        switch_to("a firmware image cut short", whole.clone().cut_to(cut)),
        switch_to(
            "random bytes",
            whole.clone().holding(filler::bytes(7, 100 * 1024)),
        ),
        switch_to(
            "a stock image under thingino's name",
            whole.holding(stock().image()),
        ),
    ]
}

fn bad_boot_images() -> Vec<Bad> {
    let (boot, ota) = ("boot", "ota");
    let image = |name| Image::of_partition(&thingino(), name).expect("a partition");
    let mut no_spl = image(boot).content().to_vec();
    no_spl[0] ^= 0x10;
    vec![
        switch_to_partitions(
            "a boot image without SPL magic",
            &[image(boot).holding(no_spl), image(ota)],
            &["thingino_t31x_boot.bin"],
        ),
        switch_to_partitions(
            "one of two images is missing",
            &[image(boot)],
            &["thingino_t31x_ota.bin"],
        ),
    ]
}

#[test]
fn every_bad_image_is_refused_by_its_name_and_flash_stays_as_it_is() {
    let all = [bad_hash_files(), bad_contents(), bad_boot_images()];
    side_by_side(all.into_iter().flatten().collect(), |bad: Bad| {
        println!("{}", bad.what);
        let firmware = stock();
        let mut camera = Camera::of(&firmware)
            .card(bad.card)
            .build()
            .expect("a camera");
        let said = run_is_refused(&mut camera, firmware.sd_kernel(), &firmware);
        for image in bad.images {
            let is_told = said.iter().any(|line| line.contains(&image));
            assert!(is_told, "{}: {image}: {said:#?}", bad.what);
        }
    });
}

#[test]
fn all_bad_images_are_told_at_once() {
    let firmware = stock();
    let all = [
        partition("kernel").with_hash_file(HashFile::Wrong),
        partition("rootfs"),
        partition("app").with_hash_file(HashFile::Missing),
        partition("cfg").holding(vec![0; 512 * 1024]),
    ];
    let card = restore_card(&firmware, &all, "");
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    let said = run_is_refused(&mut camera, firmware.sd_kernel(), &firmware);
    let told = |image: &Image| said.iter().any(|line| line.contains(image.name()));
    let told: Vec<_> = all.iter().map(told).collect();
    assert_eq!(told, [true, false, true, true], "{said:#?}");
}

#[test]
fn a_hash_file_with_the_line_end_of_windows_is_as_good_as_any() {
    let firmware = stock();
    let image = partition("cfg").with_hash_file(HashFile::WindowsLineEnd);
    let images = wz_testbed::Images::from([("cfg", image.content())]);
    let expected = Expected::of_restore(firmware.image(), firmware.layout(), &images);
    let card = restore_card(
        &firmware,
        std::slice::from_ref(&image),
        "safety_backup=\"no\"\n",
    );
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    run_writes_exactly(
        &mut camera,
        "restore",
        &expected.expect("fits"),
        boot(&firmware),
    );
}

/// One partition image is there, so the firmware image beside it is not used in its place.
#[test]
fn a_missing_partition_image_is_not_made_up_for_by_a_firmware_image() {
    let (firmware, new) = (stock(), thingino());
    let conf = switch_conf("thingino", Scope::Base);
    let card = card("t31", conf)
        .with_partition_images(&new, &["boot"])
        .expect("an image")
        .with_firmware_image(&new, Size::mib(16));
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    let said = run_is_refused(&mut camera, firmware.sd_kernel(), &firmware);
    let is_told = said
        .iter()
        .any(|line| line.contains("thingino_t31x_ota.bin"));
    assert!(is_told, "{said:#?}");
}

/// QEMU's card hides the error and gives other bytes, as worn-out cards do.
#[rstest]
#[case::restore(restore_of, partition("app"))]
#[case::switch(switch_with, Image::of_firmware(&thingino(), Size::mib(16)))]
fn an_image_that_cannot_be_read_in_its_middle_is_refused(
    #[case] card: fn(&Image) -> Card,
    #[case] image: Image,
) {
    let firmware = stock();
    let camera = Camera::of(&firmware).card(card(&image)).build();
    let mut camera = camera.expect("a camera");
    let bad = place_on_card(&camera, &image.content()[0x8_0000..0x8_1000]);
    let faults = Faults {
        fails_reads_in: vec![bad],
        ..Faults::default()
    };
    camera.spoil_card(faults).expect("spoilt");
    let said = run_is_refused(&mut camera, firmware.sd_kernel(), &firmware);
    let is_told = said.iter().any(|line| line.contains(image.name()));
    assert!(is_told, "{said:#?}");
}

fn restore_of(image: &Image) -> Card {
    restore_card(&stock(), std::slice::from_ref(image), "")
}

fn switch_with(image: &Image) -> Card {
    let conf = switch_conf("thingino", Scope::All);
    card("t31", conf).with_image(image)
}

/// What made it bad is away: the same card works.
#[test]
fn the_card_works_once_its_image_is_replaced() {
    let (firmware, new) = (stock(), thingino());
    let conf = switch_conf("thingino", Scope::Base);
    let image = Image::of_firmware(&new, Size::mib(16));
    let bad = card("t31", &conf).with_image(&image.clone().with_hash_file(HashFile::Wrong));
    let mut camera = Camera::of(&firmware).card(bad).build().expect("a camera");
    run_is_refused(&mut camera, firmware.sd_kernel(), &firmware);

    let good = card("t31", &conf).with_image(&image);
    camera.insert_card(&good).expect("inserted");
    let images = slices(new.image(), new.layout());
    let expected = Expected::of_switch(firmware.image(), new.layout(), Scope::Base, &images);
    run_writes_exactly(
        &mut camera,
        "switch_firmware",
        &expected.expect("fits"),
        boot(&new),
    );
    boots_whole(&camera, &new);
}
