//! `KERNEL_TREE=`: a kernel from a vendor's tree, with a stand-in for the tree.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;
use wz_cli::payload;
use wz_core::image::uimage::{Compression, Uimage};
use wz_core::profile::Catalogue;
use wz_core::units::Size;
use wz_testbed::{KernelTree, Linked};

const SWAN: &str = "isvp_swan_defconfig";
const BULL: &str = "isvp_bull_defconfig";

fn tree() -> KernelTree {
    KernelTree::new(&Linked::that_never_boots()).unwrap()
}

fn build(soc: &str, tree: &KernelTree, defconfig: Option<&str>) -> Output {
    let mut command = building(soc, tree);
    command.envs(defconfig.map(|name| ("KERNEL_DEFCONFIG", name)));
    command.output().unwrap()
}

fn building(soc: &str, tree: &KernelTree) -> Command {
    let mut command = tree.command("scripts/kernel-tree.sh");
    command.arg(soc).arg(tree.path()).arg(tree.work());
    command
}

/// The uImage whose path the script printed in its last line.
fn uimage(output: &Output) -> Vec<u8> {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let printed = String::from_utf8_lossy(&output.stdout);
    fs::read(printed.lines().last().unwrap()).unwrap()
}

/// The built-in command line of a kernel that never boots.
fn command_line(uimage: &[u8]) -> String {
    let uimage = Uimage::parse_file(uimage).unwrap().mips_kernel().unwrap();
    assert_eq!(uimage.header.compression, Compression::Lzma);
    let kernel = payload::unpack(uimage.payload, Compression::Lzma, Size::mib(1)).unwrap();
    let mut texts = kernel.split(|&byte| byte == 0);
    let line = texts.nth(1).unwrap();
    String::from_utf8(line.to_vec()).unwrap()
}

#[rstest]
#[case("t20", BULL)]
#[case("t31", SWAN)]
fn a_tree_becomes_a_kernel_with_the_command_line_of_the_profile(
    #[case] soc: &str,
    #[case] defconfig: &str,
) {
    let tree = tree();

    let line = command_line(&uimage(&build(soc, &tree, Some(defconfig))));

    let catalogue = Catalogue::builtin();
    let wanted = catalogue.soc(soc).unwrap().kernel.command_line();
    assert_eq!(line.trim_end(), wanted);
    // "rd_start=0x80600000 rd_size=0x123456" in a kernel without an array
    assert!(line.len() >= wanted.len() + 40, "{line:?}");
    let calls = tree.calls().unwrap();
    assert_eq!(calls, ["mrproper", defconfig, "olddefconfig", "uImage"]);
}

#[test]
fn without_a_named_configuration_the_trees_own_is_taken() {
    let tree = tree();
    let config = "CONFIG_SOC_T31=y\nCONFIG_CMDLINE=\"mem=32M mtdparts=jz_sfc:-(all)\"\n";
    tree.write(".config", config).unwrap();

    let line = command_line(&uimage(&build("t31", &tree, None)));

    assert!(line.starts_with("console=ttyS1"), "{line}");
    assert_eq!(
        tree.calls().unwrap(),
        ["mrproper", "olddefconfig", "uImage"]
    );
}

#[test]
fn a_named_configuration_comes_before_the_trees_own() {
    let tree = tree();
    tree.write(".config", "CONFIG_SOC_T20=y\n").unwrap();
    uimage(&build("t31", &tree, Some(SWAN)));
}

/// All that can be told of every file: kind, mode, times, content.
fn state(folder: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut paths = vec![folder.to_owned()];
    while let Some(path) = paths.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let mut content = Vec::new();
        if meta.is_dir() {
            paths.extend(fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else {
            content = fs::read(&path).unwrap();
        }
        let times = (meta.mtime(), meta.mtime_nsec());
        found.insert(path, (meta.mode(), times.0, times.1, content));
    }
    found
}

#[test]
fn the_owners_tree_stays_as_it_is() {
    let tree = tree();
    tree.write(".config", "CONFIG_SOC_T31=y\n").unwrap();
    let before = state(&tree.path());

    uimage(&build("t31", &tree, None));
    uimage(&build("t31", &tree, Some(SWAN)));
    assert!(!build("t20", &tree, Some(SWAN)).status.success());

    assert!(state(&tree.path()) == before);
}

#[test]
fn the_same_tree_makes_the_same_kernel() {
    let (one, other) = (tree(), tree());
    let first = uimage(&build("t31", &one, Some(SWAN)));
    let mut again = building("t31", &other);
    again
        .env("KERNEL_DEFCONFIG", SWAN)
        .env("KBUILD_BUILD_USER", "somebody")
        .env("MAKEFLAGS", "-k -- ARCH=arm O=/nowhere");
    assert!(uimage(&again.output().unwrap()) == first);
}

#[rstest]
#[case::no_tree(remove("Makefile"), Some(SWAN), &["is no kernel tree for MIPS: it has no Makefile"])]
#[case::another_architecture(remove("arch/mips"), Some(SWAN), &["it has no arch/mips/configs"])]
#[case::unknown_configuration(keep, Some("isvp_t31_defconfig"),
    &["has no arch/mips/configs/isvp_t31_defconfig", "Those for the T31: isvp_swan_defconfig"])]
#[case::no_configuration(keep, None, &["KERNEL_DEFCONFIG=", "Those for the T31: isvp_swan_defconfig"])]
#[case::for_another_soc(keep, Some(BULL),
    &["isvp_bull_defconfig is not for the T31", "Those for the T31: isvp_swan_defconfig"])]
#[case::options_that_it_has_not(edit("Kconfig", "config DEVTMPFS\n", ""), Some(SWAN),
    &["did not take these lines", "CONFIG_DEVTMPFS=y"])]
#[case::it_does_not_compile(edit("Makefile", "$(CROSS_COMPILE)gcc --version", "echo undefined reference; false"),
    Some(SWAN), &["undefined reference", "'make uImage' failed"])]
#[case::it_makes_no_image(edit("Makefile", "ln -sf uImage.lzma", "true"), Some(SWAN), &["made no arch/mips/boot/uImage"])]
fn what_is_wrong_with_a_tree_is_said(
    #[case] spoil: impl FnOnce(&KernelTree),
    #[case] defconfig: Option<&str>,
    #[case] said: &[&str],
) {
    let tree = tree();
    spoil(&tree);
    refused(&build("t31", &tree, defconfig), said);
}

#[test]
fn a_compiler_that_is_not_there_is_named() {
    let tree = tree();
    let mut command = building("t31", &tree);
    command
        .env("KERNEL_DEFCONFIG", SWAN)
        .env("CROSS_COMPILE", "nobodys-mips-");
    refused(
        &command.output().unwrap(),
        &["no compiler 'nobodys-mips-gcc'", "CROSS_COMPILE="],
    );
}

#[test]
fn a_soc_without_a_kernel_configuration_is_refused() {
    refused(
        &build("t99", &tree(), Some(SWAN)),
        &["no kernel/t99.config"],
    );
}

#[test]
fn a_kernel_and_a_tree_exclude_each_other() {
    let tree = tree();
    let mut command = tree.command("scripts/image.sh");
    let output = command
        .args(["t31", "some/uImage"])
        .arg(tree.work())
        .output();
    refused(
        &output.unwrap(),
        &["KERNEL= and KERNEL_TREE= exclude each other"],
    );
    assert!(!tree.work().exists());
}

fn refused(output: &Output, said: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{stderr}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for text in said {
        assert!(stderr.contains(text), "no {text:?} in:\n{stderr}");
    }
}

fn keep(_: &KernelTree) {}

fn remove(name: &'static str) -> impl FnOnce(&KernelTree) {
    move |tree| {
        let path = tree.path().join(name);
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }
}

fn edit(
    name: &'static str,
    what: &'static str,
    replacement: &'static str,
) -> impl FnOnce(&KernelTree) {
    move |tree| {
        let text = fs::read_to_string(tree.path().join(name)).unwrap();
        assert!(text.contains(what), "{text}");
        tree.write(name, text.replace(what, replacement)).unwrap();
    }
}
