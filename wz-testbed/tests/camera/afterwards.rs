//! What follows the operations on the emulated camera, as its U-Boot sees it.
use std::time::Duration;

use crate::support::writing::{boots_whole, conf_is, holds, kernel_is_away, succeeded};
use crate::support::{BACKUP, CONF, card, codes, files, result, run, stock};
use rstest::rstest;
use wz_core::units::Size;
use wz_testbed::{
    Booted, Camera, Card, Expected, Firmware, PowerOff, Recipe, Scope, inputs, slices,
};

/// What the other kernel says before it switches the camera off.
const HELLO: &str = "this is another kernel";

/// A kernel of the owner's.
fn new_kernel() -> Vec<u8> {
    let script = format!("#!/bin/sh\necho {HELLO}\nreboot -f\n");
    inputs::sd_kernel_with_script(&script).expect("a kernel")
}

/// A camera with time for a backup and a switch in one power-on, on a busy computer too.
fn camera(firmware: &Firmware, card: Card) -> Camera {
    let patience = Duration::from_secs(300);
    let camera = Camera::of(firmware).card(card).patience(patience);
    camera.build().expect("a camera")
}

/// A card that replaces stock by `next`.
fn switch_card(next: &Firmware, options: &str) -> Card {
    let conf = format!("switch_firmware=\"yes\"\nnext_firmware=\"thingino\"\n{options}");
    card(&next.profile().soc, conf)
        .size(Size::mib(256))
        .with_firmware_image(next, Size::mib(16))
}

/// The way that most owners want to go: thingino, and once more under it.
#[rstest]
fn after_a_switch_the_new_u_boot_runs_the_program_once_more_and_then_its_firmware(
    #[values("t31", "t20")] soc: &str,
) {
    let stock = Firmware::of(soc, "stock").expect("a profile");
    let thingino = Firmware::of(soc, "thingino").expect("a profile");
    let options = "safety_backup=\"no\"\nenable_custom_scripts=\"yes\"\n\
        custom_scripts=\"note.sh\"\r\n  re_run = \"yes\"  # once\r\n";
    let note = "echo \"$current_firmware, $next_firmware, $switch_firmware\" >> /sdcard/runs.txt\n";
    let card = switch_card(&thingino, options).with("wz_flash-helper/scripts/note.sh", note);
    let mut camera = camera(&stock, card);
    let conf = camera
        .card()
        .expect("a card")
        .read_text(CONF)
        .expect("text");

    let ended = run(&mut camera);
    succeeded(&camera, &ended, "switch_firmware");
    let images = slices(thingino.image(), thingino.layout());
    let expected = Expected::of_switch(stock.image(), thingino.layout(), Scope::Base, &images);
    let expected = expected.expect("images");
    holds(&camera, &expected, &ended);
    let now = conf
        .replace("switch_firmware=\"yes\"", "switch_firmware=\"no\"")
        .replace("re_run = \"yes\"", "re_run = \"no\"");
    conf_is(&camera, &now);

    let power_on = camera.power_on().expect("power");
    let name = match power_on.booted() {
        Booted::SdKernel { name } => name.clone(),
        other => panic!("{other}: {:?}", power_on.uboot_said()),
    };
    assert!(thingino.profile().sd_kernels.contains(&name), "{name}");
    let ended = power_on.wait_until_off().expect("an end");
    assert_eq!(
        result(&camera)["outcome"],
        "success",
        "{}",
        ended.transcript
    );
    holds(&camera, &expected, &ended);
    let on_card = camera.card().expect("a card");
    let runs = on_card
        .read_text("runs.txt")
        .expect("what the script noted");
    assert_eq!(runs, "stock, thingino, yes\nthingino, , no\n");
    conf_is(&camera, &now);
    kernel_is_away(&camera, stock.sd_kernel(), &[&stock, &thingino]);
    boots_whole(&camera, &thingino);
    assert_eq!(on_card.fsck().expect("fsck"), [""; 0]);
}

/// Whatever names a build of thingino's U-Boot looks for, it finds the program.
#[rstest]
#[case::until_2024(&["factory_t31_kernel"])]
#[case::since_2024(&["thingino_t31_kernel_1", "thingino_t31_kernel_2"])]
fn every_build_of_a_u_boot_finds_the_program_again(#[case] names: &[&str]) {
    let recipe = Recipe::of("t31", "thingino").expect("a profile");
    let thingino = recipe.sd_kernels(names).build().expect("a firmware");
    let card = switch_card(&thingino, "safety_backup=\"no\"\nre_run=\"yes\"\n");
    let mut camera = camera(&stock(), card);
    run(&mut camera);
    assert_eq!(camera.boots().expect("a boot"), Booted::sd_kernel(names[0]));
    run(&mut camera);
    kernel_is_away(&camera, stock().sd_kernel(), &[&stock(), &thingino]);
    boots_whole(&camera, &thingino);
}

#[test]
fn the_next_power_on_boots_the_kernel_that_was_to_be_copied() {
    let firmware = stock();
    let options = "copy_new_sdcard_kernel=\"yes\"\nnew_sdcard_kernel=\"new_kernel.bin\"\n";
    let card = card("t31", options).with("new_kernel.bin", new_kernel());
    let mut camera = camera(&firmware, card);
    run(&mut camera);
    assert_eq!(result(&camera)["outcome"], "success");
    let name = firmware.sd_kernel();
    let on_card = camera.card().expect("a card");
    assert!(on_card.read(name).expect("a kernel") == new_kernel());
    assert!(
        on_card
            .has(&format!("{name}.wz_flash-helper"))
            .expect("a listing")
    );
    conf_is(&camera, options);
    let power_on = camera.power_on().expect("power");
    assert_eq!(power_on.booted(), &Booted::sd_kernel(name));
    let ended = power_on.wait_until_off().expect("an end");
    assert!(ended.serial.contains(HELLO), "{}", ended.transcript);
}

#[test]
fn a_kernel_that_keeps_its_name_is_not_booted_in_a_loop_but_waited_for() {
    let firmware = stock();
    let card = card("t31", "skip_rename_prog_sdcard_kernel=\"yes\"\n");
    let mut camera = camera(&firmware, card);
    let mut power_on = camera.power_on().expect("power");
    power_on.wait_for("WZ-0871").expect("a remark");
    power_on
        .wait_for("Waiting until the card is taken out")
        .expect("waiting");
    power_on.pull_card().expect("pulled");
    let ended = power_on.wait_until_off().expect("an end");
    assert_eq!(ended.why, PowerOff::Reboot, "{}", ended.transcript);
    assert_eq!(result(&camera)["outcome"], "nothing_to_do");
    let name = firmware.sd_kernel();
    assert_eq!(camera.boots().expect("a boot"), Booted::sd_kernel(name));
    camera.remove_card();
    boots_whole(&camera, &firmware);
}

#[test]
fn a_dry_run_tells_what_would_follow_and_does_none_of_it() {
    let firmware = stock();
    let options = "dry_run=\"yes\"\nre_run=\"yes\"\nenable_custom_scripts=\"yes\"\n\
        custom_scripts=\"mine.sh\"\n";
    let conf = format!("{BACKUP}{options}");
    let card = card("t31", &conf).with("wz_flash-helper/scripts/mine.sh", "touch /sdcard/ran\n");
    let mut camera = camera(&firmware, card);
    let before = crate::support::with_kernel_away(files(&camera), firmware.sd_kernel());
    run(&mut camera);
    let result = result(&camera);
    assert_eq!(result["outcome"], "dry_run", "{result:#}");
    let plan = result["plan"].to_string();
    assert!(plan.contains("run the script mine.sh"), "{plan}");
    assert!(plan.contains("run once more"), "{plan}");
    assert_eq!(
        crate::support::differences(&files(&camera), &before),
        [""; 0]
    );
    boots_whole(&camera, &firmware);
}

/// Thingino of 2026: its U-Boot starts nothing from a card.
#[test]
fn a_u_boot_without_sd_kernels_is_told_before_the_switch_and_refused_with_one_more_run() {
    let recipe = Recipe::of("t31", "thingino").expect("a profile");
    let modern = recipe.layout("2026-08").expect("a layout").build();
    let modern = modern.expect("a firmware");
    let card = switch_card(&modern, "re_run=\"yes\"\n");
    let mut camera = camera(&stock(), card);
    run(&mut camera);
    let said = result(&camera);
    assert_eq!(codes(&said, "refusals"), ["WZ-0866"], "{said:#}");
    assert!(camera.flash().expect("flash") == stock().image());
    boots_whole(&camera, &stock());

    camera
        .insert_card(&switch_card(&modern, "safety_backup=\"no\"\n"))
        .expect("a card");
    let ended = run(&mut camera);
    succeeded(&camera, &ended, "switch_firmware");
    assert!(codes(&result(&camera), "remarks").contains(&"WZ-0867".to_owned()));
    boots_whole(&camera, &modern);
}

/// A camera of which nobody can tell what it is, and its owner can.
#[test]
fn a_firmware_and_a_model_named_by_hand_are_enough_to_switch() {
    let recipe = Recipe::of("t31", "stock").expect("a profile");
    let nobody = recipe.boot_strings::<&str>([]).model(None).expect("none");
    let nobody = nobody.build().expect("a firmware");
    let thingino = Firmware::of("t31", "thingino").expect("a profile");
    let by_hand = "safety_backup=\"no\"\nmanual_current_firmware=\"stock\"\n";
    let cases = [
        ("safety_backup=\"no\"\n".to_owned(), Some("WZ-0706")),
        (by_hand.to_owned(), Some("WZ-0700")),
        (format!("{by_hand}manual_model=\"v3\"\n"), None),
    ];
    for (options, refusal) in cases {
        let card = switch_card(&thingino, &options);
        let mut camera = camera(&nobody, card);
        let ended = run(&mut camera);
        match refusal {
            Some(code) => {
                let said = result(&camera);
                assert!(
                    codes(&said, "refusals").contains(&code.to_owned()),
                    "{said:#}"
                );
                assert!(camera.flash().expect("flash") == nobody.image());
            }
            None => {
                succeeded(&camera, &ended, "switch_firmware");
                boots_whole(&camera, &thingino);
            }
        }
    }
}
