//! `wz inspect`

use rstest::rstest;
use wz_core::image::empty::EmptyFileSystem;
use wz_core::units::Size;

use crate::chip;
use crate::desk::Desk;

#[rstest]
#[case("stock_t31x_all.bin", chip::stock())]
#[case("thingino.bin", chip::thingino())]
fn a_dump_tells_what_it_is(#[case] name: &str, #[case] dump: Vec<u8>) {
    let desk = Desk::new();
    desk.put(name, dump);
    let ran = desk.wz(&["inspect", name]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!(
        format!("inspect_{}", name.split('.').next().unwrap()),
        ran.out
    );
    assert!(!ran.out.contains(chip::PASSWORD));
    let json = desk.json("wz inspect", &["inspect", name]);
    assert_eq!(json["kind"], "dump");
    assert!(!json.to_string().contains(chip::PASSWORD));
}

#[test]
fn firmware_layout_chip_and_contents_are_recognised() {
    let desk = Desk::new();
    desk.put("dump", chip::thingino());
    let json = desk.json("wz inspect", &["inspect", "dump"]);
    let expected = serde_json::json!([{
        "soc": "t31", "firmware": "thingino", "layout": "2025", "chip": "t31x", "chip_group": "t31x",
    }]);
    assert_eq!(json["firmwares"], expected);
    let ota = json["partitions"][3]["parts"].as_array().unwrap();
    let kinds: Vec<_> = ota
        .iter()
        .map(|part| part["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["uimage", "squashfs", "blank"]);
    assert_eq!(
        ota[0]["linux"],
        "Linux version 3.10.14 (user@host) #1 PREEMPT Mon Feb 17 2020"
    );
    assert_eq!(json["os_releases"][0]["variables"][0]["value"], "Thingino");
    assert_eq!(json["environment"]["offset"], 0x4_0000);
}

#[test]
fn secrets_are_shown_to_those_who_ask() {
    let desk = Desk::new();
    desk.put("env.bin", chip::environment(0x1_0000));
    let shown = desk.wz(&["inspect", "env.bin", "--show-secrets"]);
    assert!(shown.out.contains(chip::PASSWORD), "{}", shown.out);
    let hidden = desk.wz(&["inspect", "env.bin"]);
    assert!(hidden.out.contains("wlan_pass=***"), "{}", hidden.out);
}

#[rstest]
#[case::kernel(chip::kernel("Linux"), "uimage")]
#[case::boot(chip::stock()[..0x4_0000].to_vec(), "boot_loader")]
#[case::firmware_without_its_end(chip::thingino()[..0x40_0000].to_vec(), "firmware")]
#[case::bundle(chip::thingino()[0x8_0000..].to_vec(), "bundle")]
#[case::squashfs(chip::stock()[0x23_0000..0x60_0000].to_vec(), "squashfs")]
#[case::jffs2(chip::empty(EmptyFileSystem::Jffs2, Size::kib(384)), "jffs2")]
#[case::vfat(chip::empty(EmptyFileSystem::Vfat, Size::kib(1984)), "vfat")]
#[case::archive(b"\x1f\x8b\x08\0".to_vec(), "archive")]
#[case::blank(vec![0xff; 0x1_0000], "blank")]
#[case::empty(Vec::new(), "empty")]
#[case::random(chip::noise(1, 100_003), "unknown")]
#[case::random_dump(chip::noise(1, chip::SIZE), "dump")]
fn every_file_is_told_by_its_content(#[case] content: Vec<u8>, #[case] kind: &str) {
    let desk = Desk::new();
    desk.put("żółć 相机", content);
    let json = desk.json("wz inspect", &["inspect", "żółć 相机"]);
    assert_eq!(json["kind"], kind);
    assert_eq!(desk.wz(&["inspect", "żółć 相机"]).code, 0);
}

#[rstest]
#[case("x", 0x4_0000, 0x23_0000, &["stock/kernel"])]
#[case("x", 0, 0x4_0000, &["stock/boot"])]
#[case("x", 0x23_0000, 0x60_0000, &["stock/rootfs", "stock/app"])]
#[case("stock_t31x_app.bin", 0x23_0000, 0x60_0000, &["stock/app"])]
#[case("stock_t31x_para.bin", 0xff_0000, 0x100_0000, &["stock/para"])]
fn an_image_tells_its_partition_or_its_name_does(
    #[case] name: &str,
    #[case] from: usize,
    #[case] to: usize,
    #[case] expected: &[&str],
) {
    let desk = Desk::new();
    desk.put(name, &chip::stock()[from..to]);
    let json = desk.json("wz inspect", &["inspect", name]);
    let found: Vec<_> = json["partition_of"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            format!(
                "{}/{}",
                of["firmware"].as_str().unwrap(),
                of["partition"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn damage_and_an_unfinished_upgrade_are_told() {
    let desk = Desk::new();
    let mut dump = chip::stock();
    dump[0x4_1000] ^= 1;
    dump[0x23_0000..0x23_0004].copy_from_slice(b"oops");
    dump[0xff_0000..0xff_0014].copy_from_slice(b"FWGRADEUP=kernel+app");
    desk.put("dump", dump);
    let ran = desk.wz(&["inspect", "dump"]);
    let wrong: Vec<&str> = ran
        .out
        .lines()
        .filter(|line| line.starts_with("wrong"))
        .collect();
    assert_eq!(wrong.len(), 3, "{}", ran.out);
    assert!(wrong[0].contains("kernel: the payload of the uImage is damaged"));
    assert!(wrong[1].contains("rootfs: it is not a squashfs"));
    assert!(wrong[2].contains("FWGRADEUP=kernel+app"));
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let desk = Desk::new();
    desk.put("kernel", chip::kernel("a\x1b[2Jb"));
    assert!(!desk.wz(&["inspect", "kernel"]).out.contains('\x1b'));
}

#[test]
fn partitions_and_unpacked_kernels_are_extracted_into_a_new_folder() {
    let desk = Desk::new();
    let dump = chip::thingino();
    desk.put("dump", &dump);
    let json = desk.json("wz inspect", &["inspect", "dump", "--extract", "new/parts"]);
    assert!(desk.read("new/parts/env.bin") == dump[0x4_0000..0x4_8000]);
    assert!(desk.read("new/parts/ota.bin") == dump[0x8_0000..]);
    let unpacked = desk.read("new/parts/ota_0x080000_uimage.unpacked");
    assert!(unpacked.starts_with(&[0x55; 300_000]));
    let count = json["extracted"]["files"].as_array().unwrap().len();
    assert_eq!(desk.all().len(), count + 1);
    let refused = desk.refusal(&["inspect", "dump", "--extract", "new/parts"]);
    assert_eq!(refused, (1, "WZ-1200".to_owned()));
}
