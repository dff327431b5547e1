//! A card whose SD kernel was built from a vendor's tree: `make image KERNEL_TREE=`.

use std::process::Output;

use wz_core::profile::Catalogue;
use wz_testbed::{Camera, Card, Firmware, KernelTree, Linked};

use crate::support::{BACKUP, CONF, result};

/// `make image`, without make.
fn image(soc: &str, tree: &KernelTree, defconfig: &str) -> Output {
    let mut command = tree.command("scripts/image.sh");
    command.args([soc, ""]).arg(tree.work());
    let output = command.env("KERNEL_DEFCONFIG", defconfig).output();
    output.expect("a shell")
}

// Builds for one SoC share a folder, so each test has its own SoC.

#[test]
fn a_card_from_a_kernel_tree_makes_a_backup() {
    let (soc, defconfig) = ("t31", "isvp_swan_defconfig");
    let tree = KernelTree::new(&Linked::for_the_emulator().unwrap()).unwrap();
    let made = image(soc, &tree, defconfig);
    assert!(made.status.success(), "{made:?}");
    let card = Card::new().with_folder(&tree.work().join("card")).unwrap();
    let stock = Firmware::of(soc, "stock").unwrap();
    let mut camera = Camera::of(&stock)
        .card(card.with(CONF, BACKUP))
        .build()
        .unwrap();

    let ended = camera.power_on().unwrap().wait_until_off().unwrap();

    let catalogue = Catalogue::builtin();
    let line = catalogue.soc(soc).unwrap().kernel.command_line();
    let told = format!("Kernel command line: {line} ");
    assert!(ended.serial.contains(&told), "{}", ended.transcript);
    assert_eq!(result(&camera)["outcome"], "success");
}

#[test]
fn a_tree_whose_kernel_cannot_carry_the_program_makes_no_card() {
    let tree = KernelTree::new(&Linked::that_never_boots()).unwrap();
    let made = image("t20", &tree, "isvp_bull_defconfig");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(!made.status.success(), "{said}");
    assert!(said.contains("take another kernel"), "{said}");
    assert!(!tree.work().exists());
}
