//! `wz hash`

use std::fs;

use rstest::rstest;
use wz_core::image::sha256sum::{self, Digest};

use crate::desk::Desk;

const SUM_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

#[rstest]
#[case::plain("stock_t31x_cfg.bin")]
#[case::blank("my image.bin")]
#[case::not_ascii("Kücheé 相机.bin")]
fn the_hash_file_is_as_the_camera_and_sha256sum_want_it(#[case] name: &str) {
    let desk = Desk::new();
    desk.put(name, "abc");
    let ran = desk.wz(&["hash", name]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let written = desk.read(&format!("{name}.sha256sum"));
    assert_eq!(written, format!("{SUM_OF_ABC}  {name}\n").as_bytes());
}

#[test]
fn of_a_folder_images_and_archives_are_hashed_and_nothing_else() {
    let desk = Desk::new();
    for name in ["b.bin", "A.BIN", "cfg.tar.gz", "README.txt", "._b.bin"] {
        desk.put(&format!("stock/{name}"), name);
    }
    fs::create_dir(desk.path("stock/x.bin")).unwrap();
    let json = desk.json("wz hash", &["hash", "stock"]);
    let hashed = json["files"].as_array().unwrap();
    let names: Vec<_> = hashed
        .iter()
        .map(|file| file["file"].as_str().unwrap())
        .collect();
    let separated = |name: &str| format!("stock{}{name}", std::path::MAIN_SEPARATOR);
    assert_eq!(names, ["A.BIN", "b.bin", "cfg.tar.gz"].map(separated));
    assert_eq!(desk.all().len(), 5 + 3);
    assert_eq!(hashed[1]["sha256"], Digest::of(b"b.bin").to_string());
    assert_eq!(hashed[1]["outcome"], "written");
}

#[test]
fn a_hash_file_that_is_right_is_left_as_it_is() {
    let desk = Desk::new();
    desk.put("a.bin", "abc");
    let as_windows_has_it = format!("{} *a.bin\r\n", SUM_OF_ABC.to_uppercase());
    desk.put("a.bin.sha256sum", &as_windows_has_it);
    let json = desk.json("wz hash", &["hash", "a.bin"]);
    assert_eq!(json["files"][0]["outcome"], "kept");
    assert_eq!(desk.read("a.bin.sha256sum"), as_windows_has_it.as_bytes());
}

#[rstest]
#[case::other_content(format!("{}  a.bin\n", Digest::of(b"xyz")))]
#[case::other_name(format!("{SUM_OF_ABC}  b.bin\n"))]
#[case::no_hash_file("my notes".to_owned())]
#[case::far_too_long("x".repeat(sha256sum::LONGEST_FILE + 1))]
fn a_hash_file_of_something_else_is_only_replaced_by_force(#[case] old: String) {
    let desk = Desk::new();
    desk.put("a.bin", "abc");
    desk.put("b.bin", "b");
    desk.put("a.bin.sha256sum", &old);
    let refused = desk.refusal(&["hash", "b.bin", "a.bin"]);
    assert_eq!(refused, (1, "WZ-1011".to_owned()));
    let json = desk.json("wz hash", &["hash", "--force", "a.bin"]);
    assert_eq!(json["files"][0]["outcome"], "replaced");
    let expected = format!("{SUM_OF_ABC}  a.bin\n");
    assert_eq!(desk.read("a.bin.sha256sum"), expected.as_bytes());
}

#[test]
fn all_hash_files_that_differ_are_told() {
    let desk = Desk::new();
    for name in ["a.bin", "b.bin"] {
        desk.put(name, name);
        desk.put(&format!("{name}.sha256sum"), "");
    }
    let ran = desk.wz(&["hash", "a.bin", "b.bin"]);
    assert_eq!(ran.err.matches("error[WZ-1011]").count(), 2, "{}", ran.err);
}

#[rstest]
#[case::missing("none.bin", 3, "WZ-1002")]
#[case::empty_folder("empty", 1, "WZ-1010")]
fn what_cannot_be_hashed_is_told(#[case] name: &str, #[case] exit: i32, #[case] code: &str) {
    let desk = Desk::new();
    fs::create_dir(desk.path("empty")).unwrap();
    desk.put("a.bin", "abc");
    assert_eq!(
        desk.refusal(&["hash", "a.bin", name]),
        (exit, code.to_owned())
    );
}

#[cfg(unix)]
#[rstest]
#[case::file_without_rights("a.bin", 0o000)]
#[case::folder_that_is_read_only(".", 0o555)]
fn missing_rights_are_told_and_nothing_is_changed(#[case] without: &str, #[case] mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.put("images/a.bin", "abc");
    let place = desk.path("images").join(without);
    fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
    let ran = desk.wz_of_nobody(&["hash", "images/a.bin"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("error[WZ-1003]"), "{}", ran.err);
    assert_eq!(desk.all().len(), 1);
}
