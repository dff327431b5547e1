//! `wz profile`

use std::fs;
use std::path::Path;

use rstest::rstest;

use crate::desk::Desk;

const STOCK: &str = include_str!("../../../profiles/t31/stock.toml");

#[test]
fn all_cameras_are_listed() {
    let desk = Desk::new();
    insta::assert_snapshot!("list", desk.wz(&["profile", "list"]).out);
    let json = desk.json("wz profile list", &["profile", "list"]);
    assert_eq!(json["socs"][1]["name"], "t31");
    assert_eq!(
        json["socs"][1]["firmwares"][0]["sd_kernels"][0],
        "factory_t31_ZMC6tiIDQN"
    );
    assert_eq!(
        json["socs"][1]["command_line"],
        "console=ttyS1,115200n8 mem=94M rmem=34M@0x5E00000"
    );
}

#[rstest]
#[case("t31", "stock")]
#[case("t20", "stock")]
#[case("t31", "thingino")]
fn the_map_of_a_firmware_is_as_reviewed(#[case] soc: &str, #[case] firmware: &str) {
    let ran = Desk::new().wz(&["profile", "show", soc, firmware]);
    insta::assert_snapshot!(format!("{soc}_{firmware}"), ran.out);
}

#[test]
fn without_a_firmware_all_of_them_are_shown() {
    let json = Desk::new().json("wz profile show", &["profile", "show", "t31"]);
    let layouts = json["layouts"].as_array().unwrap();
    let names: Vec<_> = layouts
        .iter()
        .map(|layout| layout["firmware"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["stock", "thingino", "thingino", "thingino", "thingino"]
    );
    let boot = &layouts[0]["partitions"][0];
    assert_eq!(boot["mtdpart"], "256K@0(boot)");
    assert_eq!(layouts[0]["partitions"][1]["offset"], 0x4_0000);
}

#[rstest]
#[case::soc(&["profile", "show", "t99"], "WZ-1020")]
#[case::firmware(&["profile", "show", "t31", "openwrt"], "WZ-1021")]
fn a_camera_that_is_not_known_is_told_with_those_that_are(
    #[case] args: &[&str],
    #[case] code: &str,
) {
    assert_eq!(Desk::new().refusal(args), (1, code.to_owned()));
}

#[test]
fn the_profiles_of_the_repository_are_in_order() {
    let desk = Desk::new();
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../profiles");
    let profiles = profiles.to_str().unwrap();
    let json = desk.json("wz profile check", &["profile", "check", profiles]);
    assert_eq!(json["files"].as_array().unwrap().len(), 6);
    assert_eq!(
        desk.json("wz profile check", &["profile", "check"])["firmwares"],
        4
    );
}

#[test]
fn a_profile_of_ones_own_is_shown() {
    let desk = Desk::new();
    desk.put(
        "my profiles/t31/stock.toml",
        STOCK.replace("\"kback\"", "\"spare\""),
    );
    let ran = desk.wz(&[
        "profile",
        "show",
        "t31",
        "stock",
        "--profiles",
        "my profiles",
    ]);
    assert!(
        ran.out.contains("(spare)") && !ran.out.contains("(kback)"),
        "{}",
        ran.out
    );
}

#[test]
fn one_file_is_checked_by_the_place_that_it_has() {
    let desk = Desk::new();
    desk.put("t31/stock.toml", STOCK);
    desk.put("t31/mine.toml", STOCK);
    assert_eq!(desk.wz(&["profile", "check", "t31/stock.toml"]).code, 0);
    assert_eq!(desk.refusal(&["profile", "check", "t31/mine.toml"]).0, 1);
}

#[test]
fn everything_that_is_wrong_with_a_profile_is_told_in_the_words_of_the_camera() {
    let desk = Desk::new();
    let wrong = STOCK
        .replacen("name = \"kernel\"", "name = \"Kernel\"", 1)
        .replacen("size = \"384K\"", "size = \"383K\"", 1);
    desk.put("profiles/t31/stock.toml", wrong);
    let ran = desk.wz(&["profile", "check", "profiles"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!("problems", ran.err);
}

#[test]
fn a_folder_without_profiles_is_told() {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    assert_eq!(
        desk.refusal(&["profile", "check", "empty"]),
        (1, "WZ-1022".to_owned())
    );
}
