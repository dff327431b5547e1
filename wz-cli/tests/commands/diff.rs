//! `wz diff`

use std::fs;

use crate::chip;
use crate::desk::Desk;

/// The stock firmware, with changes in three partitions: a bit cleared, a bit set, a block erased.
fn changed() -> Vec<u8> {
    let mut dump = chip::stock();
    dump[0x23_0000 + 0x8000] = 0x0f;
    dump[0x4_0010] = 0xff;
    dump[0..0x8000].fill(0xff);
    dump
}

#[test]
fn what_differs_and_what_writing_it_takes_is_told() {
    let desk = Desk::new();
    desk.put("a.bin", chip::stock());
    desk.put("b.bin", changed());
    let ran = desk.wz(&["diff", "a.bin", "b.bin"]);
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    insta::assert_snapshot!("diff", ran.out);
    let json = desk.json("wz diff", &["diff", "a.bin", "b.bin"]);
    assert_eq!(json["partitions"][0]["first_difference"], 0);
    assert_eq!(json["partitions"][1]["first_difference"], 0x4_0010);
    let work = &json["work"];
    let counts = ["kept_blocks", "programmed_blocks", "erased_blocks"]
        .map(|name| work[name].as_u64().unwrap());
    assert_eq!(counts, [509, 1, 2]);
}

#[test]
fn the_same_is_told_with_its_exit_code() {
    let desk = Desk::new();
    desk.put("a.bin", chip::stock());
    let ran = desk.wz(&["diff", "a.bin", "a.bin"]);
    assert_eq!(ran.code, 0);
    assert!(ran.out.ends_with("The same\n"), "{}", ran.out);
}

#[test]
fn a_folder_is_compared_as_far_as_it_goes() {
    let desk = Desk::new();
    desk.put("stock_t31x_all.bin", chip::stock());
    desk.wz(&["split", "stock_t31x_all.bin", "parts"]);
    assert_eq!(desk.wz(&["diff", "stock_t31x_all.bin", "parts"]).code, 0);
    fs::remove_file(desk.path("parts/stock_t31x_boot.bin")).unwrap();
    desk.put("parts/stock_t31x_cfg.bin", "short");
    let json = desk.json("wz diff", &["diff", "stock_t31x_all.bin", "parts"]);
    let row = |at: usize| {
        (
            json["partitions"][at]["compared"].clone(),
            json["partitions"][at]["same"].clone(),
        )
    };
    assert_eq!(row(0), (false.into(), true.into()));
    assert_eq!(row(6), (true.into(), false.into()));
    assert_eq!(json["same"], false);
}

#[test]
fn dumps_of_unknown_firmwares_are_compared_as_a_whole() {
    let desk = Desk::new();
    desk.put("a", chip::noise(1, chip::SIZE));
    desk.put("b", chip::noise(2, chip::SIZE));
    let json = desk.json("wz diff", &["diff", "a", "b"]);
    assert_eq!(json["layout"], serde_json::Value::Null);
    assert_eq!(json["partitions"][0]["name"], "all");
    assert_eq!(json["work"]["erased_blocks"], 512);
}

#[test]
fn what_can_not_be_compared_is_refused() {
    let desk = Desk::new();
    desk.put("a", chip::stock());
    desk.put("short", &chip::stock()[1..]);
    desk.put("folder/notes", "");
    desk.put("long/stock_t31x_para.bin", vec![0; 0x1_0001]);
    let code = |second: &str| desk.refusal(&["diff", "a", second]);
    assert_eq!(code("short"), (1, "WZ-1203".to_owned()));
    assert_eq!(code("folder"), (1, "WZ-1210".to_owned()));
    assert_eq!(code("long"), (1, "WZ-1212".to_owned()));
}
