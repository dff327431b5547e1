//! What no command of those that look into dumps can use: a clear error each, and nothing changed.

use std::fs::{self, File};

use rstest::rstest;

use crate::chip;
use crate::desk::Desk;

const COMMANDS: [&[&str]; 3] = [
    &["inspect", "x"],
    &["split", "x", "parts"],
    &["diff", "x", "x"],
];

#[test]
fn a_file_that_is_far_too_long_is_not_read() {
    for command in COMMANDS {
        let desk = Desk::new();
        File::create(desk.path("x"))
            .unwrap()
            .set_len(4 << 30)
            .unwrap();
        let ran = desk.wz(command);
        assert_eq!(ran.code, 1, "{command:?}");
        assert!(ran.err.contains("error[WZ-1007]"), "{}", ran.err);
        assert_eq!(fs::read_dir(desk.path("")).unwrap().count(), 1);
    }
}

#[rstest]
#[case("WZ-1002")]
fn a_file_that_is_not_there_is_told(#[case] code: &str) {
    for command in COMMANDS {
        assert_eq!(
            Desk::new().refusal(command),
            (3, code.to_owned()),
            "{command:?}"
        );
    }
    for command in [&["join", "x"][..], &["verify", "x"], &["report", "x"]] {
        assert_eq!(
            Desk::new().refusal(command),
            (3, code.to_owned()),
            "{command:?}"
        );
    }
}

#[test]
fn a_folder_is_no_dump() {
    for command in &COMMANDS[..2] {
        let desk = Desk::new();
        desk.put("x/file", "");
        assert_eq!(
            desk.refusal(command),
            (3, "WZ-1006".to_owned()),
            "{command:?}"
        );
    }
}

#[test]
fn a_file_is_no_folder_of_images() {
    for command in [["join", "x"], ["verify", "x"]] {
        let desk = Desk::new();
        desk.put("x", "");
        let (code, _) = desk.refusal(&command);
        assert_eq!(code, 3, "{command:?}");
    }
}

#[cfg(unix)]
#[test]
fn without_the_right_to_read_nothing_is_done() {
    use std::os::unix::fs::PermissionsExt;
    for command in COMMANDS {
        let desk = Desk::new();
        let path = desk.put("x", chip::stock());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        let ran = desk.wz_of_nobody(command);
        assert_eq!(ran.code, 3, "{command:?}");
        assert!(ran.err.contains("error[WZ-1003]"), "{}", ran.err);
    }
}

#[cfg(unix)]
#[rstest]
#[case::split(&["split", "x", "new/parts", "--chip", "t31x"])]
#[case::extract(&["inspect", "x", "--extract", "new/parts"])]
#[case::join(&["join", "parts", "new/x.bin"])]
#[case::report(&["report", "card", "-o", "new/x.zip"])]
fn into_a_folder_that_is_read_only_nothing_is_written(#[case] command: &[&str]) {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    desk.put("x", chip::stock());
    desk.put("card/wz_flash-helper/general.conf", "");
    assert_eq!(desk.wz(&["split", "x", "parts", "--chip", "t31x"]).code, 0);
    fs::create_dir(desk.path("new")).unwrap();
    fs::set_permissions(desk.path("new"), fs::Permissions::from_mode(0o555)).unwrap();
    let ran = desk.wz_of_nobody(command);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("error[WZ-1003]"), "{}", ran.err);
    assert_eq!(fs::read_dir(desk.path("new")).unwrap().count(), 0);
}
