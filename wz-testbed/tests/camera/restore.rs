//! Restore on the emulated camera: what is chosen is written, bit for bit, and nothing else.
use crate::support::writing::{
    boot, boots_whole, holds, images, kernel_is_away, restore_card, run_writes_exactly, succeeded,
};
use crate::support::{codes, differences, files, result, run, stock, with_kernel_away};
use wz_core::units::Size;
use wz_testbed::{Camera, ERASE_BLOCK, Expected, Firmware, Image, Images, Recipe};

const NO_SAFETY_BACKUP: &str = "safety_backup=\"no\"\n";

/// Another build of the same firmware: it differs in every partition.
fn other(soc: &str, name: &str) -> Firmware {
    let recipe = Recipe::of(soc, name).expect("a profile").seed(2);
    recipe.build().expect("a firmware")
}

/// The images by partition, as [`Expected`] takes them.
fn by_partition<'a>(partitions: &[&'a str], images: &'a [Image]) -> Images<'a> {
    let contents = images.iter().map(Image::content);
    partitions.iter().copied().zip(contents).collect()
}

fn expected(installed: &Firmware, partitions: &[&str], images: &[Image]) -> Expected {
    let images = by_partition(partitions, images);
    Expected::of_restore(installed.image(), installed.layout(), &images).expect("images that fit")
}

/// Restores these partitions of `wanted` to a camera that has `installed`, and proves every byte.
fn restores(installed: &Firmware, wanted: &Firmware, partitions: &[&str]) {
    let images = images(wanted, partitions);
    let expected = expected(installed, partitions, &images);
    let card = restore_card(installed, &images, NO_SAFETY_BACKUP);
    let camera = Camera::of(installed).card(card).build();
    let mut camera = camera.expect("a camera");
    run_writes_exactly(&mut camera, "restore", &expected, boot(installed));
    kernel_is_away(&camera, installed.sd_kernel(), &[installed]);
    boots_whole(&camera, installed);
}

#[test]
fn chosen_partitions_are_restored_and_the_others_left_alone() {
    restores(
        &stock(),
        &other("t31", "stock"),
        &["kernel", "kback", "cfg"],
    );
}

#[test]
fn the_hidden_option_restores_the_boot_partition_too() {
    restores(&stock(), &other("t31", "stock"), &["boot", "para"]);
}

#[test]
fn every_partition_of_a_t20_is_restored() {
    let stock = Firmware::of("t20", "stock").expect("a profile");
    let names: Vec<_> = stock.layout().partitions().iter().collect();
    let names: Vec<_> = names.iter().map(|p| p.name.as_str()).collect();
    restores(&stock, &other("t20", "stock"), &names);
}

#[test]
fn thingino_is_restored_like_any_firmware() {
    let installed = Firmware::of("t31", "thingino").expect("a profile");
    restores(&installed, &other("t31", "thingino"), &["env", "ota"]);
}

/// The original needs to know the model whatever is asked for.
#[test]
fn a_camera_whose_model_is_lost_is_restored_all_the_same() {
    let installed = stock().with_blank("cfg").expect("cfg");
    let partitions = ["kernel", "cfg"];
    let images = images(&other("t31", "stock"), &partitions);
    let expected = expected(&installed, &partitions, &images);
    let card = restore_card(&installed, &images, NO_SAFETY_BACKUP);
    let camera = Camera::of(&installed).card(card).build();
    let mut camera = camera.expect("a camera");
    run_writes_exactly(&mut camera, "restore", &expected, boot(&installed));
    let remarks = codes(&result(&camera), "remarks");
    assert!(remarks.contains(&"WZ-0455".to_owned()), "{remarks:?}");
    boots_whole(&camera, &installed);
}

#[test]
fn a_partition_that_holds_it_already_costs_no_erase_no_program_and_no_backup() {
    let stock = stock();
    let partitions = ["boot", "kernel", "cfg"];
    let images = images(&stock, &partitions);
    let card = restore_card(&stock, &images, "");
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let expected = expected(&stock, &partitions, &images);
    run_writes_exactly(&mut camera, "restore", &expected, boot(&stock));
    let backup = camera.card().expect("a card").has("wz_flash-helper/backup");
    assert!(!backup.expect("a listing"));
}

#[test]
fn a_block_in_which_bits_only_become_0_is_not_erased() {
    let stock = stock();
    let para = stock.layout().partition("para").expect("para").region;
    // The image clears a byte of a page that is otherwise the same.
    let mut content = stock.partition("para").expect("para").to_vec();
    content[ERASE_BLOCK.as_usize() + 700] = 0;
    let image = Image::of_partition(&stock, "para")
        .expect("para")
        .holding(content);
    let images = [image];
    let card = restore_card(&stock, &images, NO_SAFETY_BACKUP);
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let ended = run(&mut camera);
    succeeded(&camera, &ended, "restore");
    holds(&camera, &expected(&stock, &["para"], &images), &ended);
    let nor = ended.nor.expect("the kernel's counters");
    assert_eq!(
        (nor.erases, nor.programmed, nor.set_bits),
        (0, 256, 0),
        "{para:?}"
    );
}

#[test]
fn what_is_behind_the_end_of_a_shorter_image_is_blank_afterwards() {
    let stock = stock();
    let image = Image::of_partition(&other("t31", "stock"), "cfg").expect("cfg");
    let images = [image.cut_to(Size::bytes(100_001))];
    let expected = expected(&stock, &["cfg"], &images);
    let card = restore_card(&stock, &images, NO_SAFETY_BACKUP);
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    run_writes_exactly(&mut camera, "restore", &expected, boot(&stock));
}

#[test]
fn an_image_that_is_not_chosen_is_not_even_looked_at() {
    let (stock, other) = (stock(), other("t31", "stock"));
    let chosen = images(&other, &["cfg"]);
    let unchosen = Image::of_partition(&other, "boot").expect("boot");
    let card = restore_card(&stock, &chosen, NO_SAFETY_BACKUP);
    let card = card.with_image(&unchosen.holding(*b"no boot loader at all"));
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let expected = expected(&stock, &["cfg"], &chosen);
    run_writes_exactly(&mut camera, "restore", &expected, boot(&stock));
}

#[test]
fn the_whole_chip_is_saved_once_before_the_first_erase() {
    const ALL: &str = "stock_t31x_all.bin";
    let (stock, other) = (stock(), other("t31", "stock"));
    let cfg = images(&other, &["cfg"]);
    let card = restore_card(&stock, &cfg, "");
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let expected = expected(&stock, &["cfg"], &cfg);
    run_writes_exactly(&mut camera, "restore", &expected, boot(&stock));
    let folder = "wz_flash-helper/backup/stock";
    let card = camera.card().expect("a card");
    assert_eq!(card.list(folder).expect("a listing"), ["0001/"]);
    let saved = card.read(&format!("{folder}/0001/{ALL}"));
    assert!(saved.expect("a backup") == stock.image());
    let whole = card.check_sha256sums(&format!("{folder}/0001"));
    assert_eq!(whole.expect("coreutils agree"), [ALL]);

    // The same content again, with a backup of it on the card.
    camera.program_flash(stock.image()).expect("programmed");
    let away = format!("{}.wz_flash-helper", stock.sd_kernel());
    card.rename(&away, stock.sd_kernel()).expect("a rename");
    run_writes_exactly(&mut camera, "restore", &expected, boot(&stock));
    let card = camera.card().expect("a card");
    assert_eq!(card.list(folder).expect("a listing"), ["0001/"]);
}

#[test]
fn a_dry_run_tells_the_work_and_changes_nothing() {
    let (stock, other) = (stock(), other("t31", "stock"));
    let card = restore_card(
        &stock,
        &images(&other, &["boot", "cfg"]),
        "dry_run=\"yes\"\n",
    );
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let before = with_kernel_away(files(&camera), stock.sd_kernel());
    let ended = run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "dry_run", "{result:#}");
    let plan = result["plan"].as_array().expect("a plan");
    let told = |word: &str| {
        plan.iter()
            .any(|line| line.as_str().unwrap_or("").contains(word))
    };
    for word in ["cfg", "boot", "erase", "program"] {
        assert!(told(word), "{word}: {result:#}");
    }
    let nor = ended.nor.expect("the kernel's counters");
    assert_eq!((nor.erases, nor.programmed), (0, 0));
    assert!(camera.flash().expect("flash") == stock.image());
    assert_eq!(differences(&before, &files(&camera)), [""; 0]);
    boots_whole(&camera, &stock);
}

#[test]
fn nothing_on_the_card_changes_but_what_is_told() {
    let (stock, other) = (stock(), other("t31", "stock"));
    let card = restore_card(&stock, &images(&other, &["cfg"]), NO_SAFETY_BACKUP);
    let mut camera = Camera::of(&stock).card(card).build().expect("a camera");
    let before = with_kernel_away(files(&camera), stock.sd_kernel());
    let ended = run(&mut camera);
    succeeded(&camera, &ended, "restore");
    assert_eq!(differences(&before, &files(&camera)), [""; 0]);
    assert_eq!(
        camera.card().expect("a card").fsck().expect("fsck"),
        [""; 0]
    );
}
