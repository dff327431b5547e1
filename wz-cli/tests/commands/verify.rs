//! `wz verify`

use std::fs;

use rstest::rstest;
use wz_core::image::sha256sum::{self, Digest};

use crate::chip;
use crate::desk::Desk;

const FOLDER: &str = "backup/stock/0001";
const ID: &str =
    "ID: 0001\nFirmware: stock\nLayout: factory\nSoC: t31zx\nModel: v3\nFlash: jz_sfc 16M\n";

/// A backup as the camera makes it.
fn backup() -> Desk {
    let desk = Desk::new();
    desk.put("stock_t31x_all.bin", chip::stock());
    assert_eq!(desk.wz(&["split", "stock_t31x_all.bin", FOLDER]).code, 0);
    put(&desk, "stock_t31x_all.bin", &chip::stock());
    put(&desk, "stock_t31x_cfg.tar.gz", &archive());
    desk.put(&format!("{FOLDER}/ID.txt"), ID);
    desk
}

fn archive() -> Vec<u8> {
    let mut archive = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut archive, &[0; 10_240]).unwrap();
    archive.finish().unwrap()
}

/// A file of the backup, and its hash file.
fn put(desk: &Desk, name: &str, content: &[u8]) {
    desk.put(&format!("{FOLDER}/{name}"), content);
    let line = sha256sum::format(&Digest::of(content), name);
    desk.put(&format!("{FOLDER}/{name}.sha256sum"), line);
}

fn codes(desk: &Desk, folder: &str) -> (Vec<String>, Vec<String>) {
    let json = desk.json("wz verify", &["verify", folder]);
    let codes = |field: &str| {
        let problems = json[field].as_array().unwrap().iter();
        problems
            .map(|problem| problem["code"].as_str().unwrap().to_owned())
            .collect()
    };
    (codes("problems"), codes("remarks"))
}

#[test]
fn a_backup_that_is_in_order_is_told_so() {
    let desk = backup();
    let ran = desk.wz(&["verify", FOLDER]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!("verify_in_order", ran.out);
    assert_eq!(codes(&desk, FOLDER), (vec![], vec![]));
}

#[test]
fn everything_that_is_wrong_is_told() {
    let desk = backup();
    let mut kernel = desk.read(&format!("{FOLDER}/stock_t31x_kernel.bin"));
    kernel[0x1000] ^= 1;
    put(&desk, "stock_t31x_kernel.bin", &kernel);
    desk.put(&format!("{FOLDER}/stock_t31x_cfg.tar.gz"), &archive()[..20]);
    fs::remove_file(desk.path(&format!("{FOLDER}/stock_t31x_app.bin.sha256sum"))).unwrap();
    desk.put(&format!("{FOLDER}/ID.txt"), ID.replace("0001", "0002"));
    desk.put(&format!("{FOLDER}/film.mp4"), "");
    let ran = desk.wz(&["verify", FOLDER]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!("verify_not_in_order", ran.out);
    let (problems, remarks) = codes(&desk, FOLDER);
    assert_eq!(
        problems,
        [
            "WZ-1234", "WZ-1233", "WZ-0503", "WZ-0506", "WZ-1236", "WZ-1238"
        ]
    );
    assert_eq!(remarks, ["WZ-1239"]);
}

#[rstest]
#[case::no_whole(&["stock_t31x_all.bin"], &[], &["WZ-1231"])]
#[case::partition_only_in_the_whole(&["stock_t31x_para.bin"], &[], &["WZ-1232"])]
#[case::neither(&["stock_t31x_all.bin", "stock_t31x_para.bin"], &["WZ-1211"], &["WZ-1231"])]
#[case::no_id(&["ID.txt"], &[], &["WZ-1237"])]
fn what_is_missing_is_wrong_only_if_nothing_else_has_it(
    #[case] missing: &[&str],
    #[case] problems: &[&str],
    #[case] remarks: &[&str],
) {
    let desk = backup();
    for name in missing {
        fs::remove_file(desk.path(&format!("{FOLDER}/{name}"))).unwrap();
    }
    let found = codes(&desk, FOLDER);
    let own = |codes: &[&str]| {
        codes
            .iter()
            .map(|code| (*code).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(found, (own(problems), own(remarks)));
}

#[test]
fn a_safety_backup_is_the_whole_chip_alone() {
    let desk = Desk::new();
    let mut dump = chip::stock();
    put(&desk, "stock_t31x_all.bin", &dump);
    desk.put(&format!("{FOLDER}/ID.txt"), ID);
    assert_eq!(codes(&desk, FOLDER), (vec![], vec![]));
    dump[0x4_1000] ^= 1;
    put(&desk, "stock_t31x_all.bin", &dump);
    assert_eq!(codes(&desk, FOLDER).0, ["WZ-1234"]);
}

#[test]
fn another_firmware_under_this_name_is_told() {
    let desk = Desk::new();
    put(&desk, "stock_t31x_all.bin", &chip::thingino());
    let (problems, _) = codes(&desk, FOLDER);
    assert!(problems.contains(&"WZ-1235".to_owned()), "{problems:?}");
}

#[test]
fn a_backup_that_was_not_finished_is_told() {
    let desk = backup();
    fs::rename(desk.path(FOLDER), desk.path("0001.partial")).unwrap();
    assert_eq!(codes(&desk, "0001.partial").0, ["WZ-1230"]);
}

#[test]
fn a_folder_without_images_is_refused() {
    let desk = Desk::new();
    desk.put("folder/notes", "");
    assert_eq!(
        desk.refusal(&["verify", "folder"]),
        (1, "WZ-1210".to_owned())
    );
}

/// Its images have the same names; whatever its `ID.txt` says, nothing in that contradicts them.
#[test]
fn a_backup_of_the_original_program_is_checked_as_well() {
    let desk = backup();
    desk.put(
        &format!("{FOLDER}/ID.txt"),
        "Backup ID: 0001\nMade by wz_flash-helper\n",
    );
    for name in ["stock_t31x_cfg.tar.gz", "stock_t31x_cfg.tar.gz.sha256sum"] {
        fs::remove_file(desk.path(&format!("{FOLDER}/{name}"))).unwrap();
    }
    assert_eq!(codes(&desk, FOLDER), (vec![], vec![]));
    assert_eq!(desk.wz(&["verify", FOLDER]).code, 0);
}
