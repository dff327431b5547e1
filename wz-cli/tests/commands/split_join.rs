//! `wz split` and `wz join`

use std::fs;

use rstest::rstest;
use wz_core::image::sha256sum::{self, Digest};

use crate::chip;
use crate::desk::Desk;

#[test]
fn a_dump_is_divided_as_the_camera_wants_it() {
    let desk = Desk::new();
    let dump = chip::stock();
    desk.put("stock_t31x_all.bin", &dump);
    let ran = desk.wz(&["split", "stock_t31x_all.bin"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!("split", ran.out);
    let kernel = desk.read("stock_t31x_all_parts/stock_t31x_kernel.bin");
    assert!(kernel == dump[0x4_0000..0x23_0000]);
    let sums = desk.read("stock_t31x_all_parts/stock_t31x_kernel.bin.sha256sum");
    let line = sha256sum::format(&Digest::of(&kernel), "stock_t31x_kernel.bin");
    assert_eq!(sums, line.as_bytes());
    desk.json("wz split", &["split", "stock_t31x_all.bin", "again"]);
}

/// For any content: `wz` does not look at it, if it is told the layout.
#[test]
fn joined_pieces_of_every_layout_are_the_dump_again() {
    for (number, (chip_name, firmware, layout)) in chip::layouts().into_iter().enumerate() {
        let desk = Desk::new();
        let dump = chip::noise(number as u64 + 1, chip::SIZE);
        desk.put("dump", &dump);
        let how = [
            "--chip",
            &chip_name,
            "--firmware",
            &firmware,
            "--layout",
            &layout.name,
        ];
        let split = desk.wz(&[&["split", "dump", "parts"], &how[..]].concat());
        assert_eq!(split.code, 0, "{}", split.err);
        let json = desk.json("wz join", &["join", "parts", "again.bin"]);
        assert!(desk.read("again.bin") == dump, "{firmware} {}", layout.name);
        assert_eq!(json["layout"], layout.name);
        assert_eq!(json["sha256"], Digest::of(&dump).to_string());
    }
}

#[test]
fn the_layout_is_found_in_the_dump_and_in_the_names() {
    let desk = Desk::new();
    desk.put("dump", chip::thingino());
    let json = desk.json("wz split", &["split", "dump", "parts"]);
    assert_eq!(
        (&json["layout"], &json["soc"]),
        (&"2025".into(), &"t31".into())
    );
    let ran = desk.wz(&["join", "parts"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    insta::assert_snapshot!("join", ran.out.replace('\\', "/"));
    assert!(desk.read("parts/thingino_t31x_all.bin") == chip::thingino());
}

#[rstest]
#[case::chip_untold(chip::stock(), &["split", "dump"], "WZ-1206")]
#[case::no_such_chip(chip::stock(), &["split", "dump", "--chip", "t99"], "WZ-1201")]
#[case::no_such_firmware(chip::stock(), &["split", "dump", "--firmware", "x"], "WZ-1021")]
#[case::no_such_layout(chip::stock(), &["split", "dump", "--layout", "x"], "WZ-1202")]
#[case::nothing_known(chip::noise(9, chip::SIZE), &["split", "dump"], "WZ-1204")]
#[case::layout_untold(chip::noise(9, chip::SIZE), &["split", "dump", "--chip", "t31x", "--firmware", "thingino"], "WZ-1205")]
#[case::cut_off(chip::stock()[..0xf0_0000].to_vec(), &["split", "dump", "--chip", "t31x"], "WZ-1203")]
#[case::empty(Vec::new(), &["split", "dump"], "WZ-1204")]
fn what_can_not_be_divided_surely_is_refused(
    #[case] dump: Vec<u8>,
    #[case] args: &[&str],
    #[case] code: &str,
) {
    let desk = Desk::new();
    desk.put("dump", dump);
    assert_eq!(desk.refusal(args), (1, code.to_owned()));
}

/// A desk with the parts of a stock dump.
fn parts() -> Desk {
    let desk = Desk::new();
    desk.put("dump", chip::stock());
    assert_eq!(
        desk.wz(&["split", "dump", "parts", "--chip", "t31x"]).code,
        0
    );
    desk
}

#[test]
fn all_that_keeps_images_from_being_joined_is_told_at_once() {
    let desk = parts();
    fs::remove_file(desk.path("parts/stock_t31x_boot.bin")).unwrap();
    fs::remove_file(desk.path("parts/stock_t31x_app.bin.sha256sum")).unwrap();
    desk.put("parts/stock_t31x_rootfs.bin", "short");
    let mut kernel = desk.read("parts/stock_t31x_kernel.bin");
    kernel[9] ^= 1;
    desk.put("parts/stock_t31x_kernel.bin", kernel);
    desk.put("parts/stock_t31x_cfg.bin.sha256sum", "no sums");
    let (code, _) = desk.refusal(&["join", "parts"]);
    assert_eq!(code, 1);
    let ran = desk.wz(&["join", "parts"]);
    let codes: Vec<_> = ran
        .err
        .lines()
        .filter_map(|line| line.strip_prefix("error[")?.get(..7))
        .collect();
    assert_eq!(
        codes,
        [
            "WZ-1211", "WZ-0506", "WZ-1212", "WZ-0506", "WZ-0503", "WZ-0504"
        ]
    );
}

#[test]
fn what_is_there_is_not_replaced() {
    let desk = parts();
    desk.put("mine.bin", "mine");
    assert_eq!(
        desk.refusal(&["join", "parts", "mine.bin"]),
        (1, "WZ-1200".to_owned())
    );
    let again = ["split", "dump", "parts", "--chip", "t31x"];
    assert_eq!(desk.refusal(&again), (1, "WZ-1200".to_owned()));
}

#[test]
fn a_folder_without_images_is_refused() {
    let desk = Desk::new();
    desk.put("folder/notes.txt", "none");
    assert_eq!(desk.refusal(&["join", "folder"]), (1, "WZ-1210".to_owned()));
}
