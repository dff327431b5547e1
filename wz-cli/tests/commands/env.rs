//! `wz env`

use rstest::rstest;
use wz_core::image::environment::{Environment, Place, find};
use wz_core::units::{Offset, Region, Size};

use crate::desk::Desk;

const VARIABLES: &[u8] =
    b"baudrate=115200\0wlan_ssid=Home sweet home\0wlan_pass=hunter2\0gpio_led=52\0\0";

/// The image of an env partition of 64K.
fn partition(variables: &[u8]) -> Vec<u8> {
    copy(variables, Size::kib(64), None)
}

fn copy(variables: &[u8], size: Size, flag: Option<u8>) -> Vec<u8> {
    let mut data = variables.to_vec();
    data.resize(size.as_usize() - 4 - flag.iter().len(), 0xff);
    [
        &crc32fast::hash(&data).to_le_bytes(),
        flag.as_slice(),
        &data,
    ]
    .concat()
}

/// 16 MiB with an environment at 0x50000.
fn dump() -> Vec<u8> {
    let mut dump: Vec<u8> = (0..16 << 20_u32).map(|at: u32| (at % 251) as u8).collect();
    dump[0x5_0000..0x6_0000].copy_from_slice(&partition(VARIABLES));
    dump
}

#[rstest]
#[case::partition("env.bin", partition(VARIABLES), 0)]
#[case::dump("all.bin", dump(), 0x5_0000)]
fn variables_are_shown_without_secrets(
    #[case] name: &str,
    #[case] content: Vec<u8>,
    #[case] at: u64,
) {
    let desk = Desk::new();
    desk.put(name, content);
    let ran = desk.wz(&["env", "print", name]);
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!("variables_without_secrets", ran.out);
    let json = desk.json("wz env print", &["env", "print", name]);
    assert_eq!((&json["offset"], &json["copies"]), (&at.into(), &1.into()));
    assert_eq!(json["variables"][2]["hidden"], true);
    assert!(!json.to_string().contains("hunter2"));
}

#[test]
fn secrets_are_shown_to_those_who_ask() {
    let desk = Desk::new();
    desk.put("env.bin", partition(VARIABLES));
    let ran = desk.wz(&["env", "print", "env.bin", "wlan_pass", "--show-secrets"]);
    assert_eq!((ran.out.as_str(), ran.code), ("wlan_pass=hunter2\n", 0));
}

#[test]
fn a_variable_that_is_not_there_has_its_exit_code() {
    let desk = Desk::new();
    desk.put("env.bin", partition(VARIABLES));
    let ran = desk.wz(&["env", "print", "env.bin", "gpio_led", "nothing"]);
    assert_eq!(
        (ran.out.as_str(), ran.code),
        ("gpio_led=52\n# nothing is not set\n", 1)
    );
    let json = desk.json("wz env print", &["env", "print", "env.bin", "nothing"]);
    assert_eq!(json["missing"][0], "nothing");
}

#[test]
fn a_change_leaves_everything_else_in_a_dump_as_it_was() {
    let desk = Desk::new();
    let before = dump();
    desk.put("all.bin", &before);
    let args = [
        "env",
        "set",
        "all.bin",
        "wlan_pass=two words=2",
        "gpio_led=",
        "new=1",
    ];
    let ran = desk.wz(&args);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    insta::assert_snapshot!("a_change", ran.out);
    let after = desk.read("all.bin");
    let env = 0x5_0000..0x6_0000;
    assert!(after[..env.start] == before[..env.start] && after[env.end..] == before[env.end..]);
    let environment = Environment::parse(&after[env]).unwrap();
    assert_eq!(
        environment.get("wlan_pass"),
        Some(b"two words=2".as_slice())
    );
    assert_eq!(environment.get("gpio_led"), None);
    assert_eq!(environment.get("new"), Some(b"1".as_slice()));
    assert!(desk.read("all.bin.bak") == before);
    assert_eq!(desk.all().len(), 2, "nothing else is left behind");
}

#[test]
fn of_two_copies_the_new_one_counts() {
    let desk = Desk::new();
    let half = Size::kib(64);
    let two = [
        copy(VARIABLES, half, Some(1)),
        copy(b"old=1\0\0", half, Some(0)),
    ]
    .concat();
    desk.put("env.bin", &two);
    let json = desk.json("wz env set", &["env", "set", "env.bin", "a=b"]);
    assert_eq!(json["changed"], serde_json::json!(["a"]));
    let whole = Region::new(Offset::ZERO, Size::kib(128));
    let image = desk.read("env.bin");
    let found = find(Some(whole), &image).unwrap();
    assert!(matches!(found.place, Place::Two(_)));
    assert_eq!(found.environment.get("a"), Some(b"b".as_slice()));
    assert_eq!(
        found.environment.get("baudrate"),
        Some(b"115200".as_slice())
    );
}

#[test]
fn what_is_so_already_is_not_written_again() {
    let desk = Desk::new();
    desk.put("env.bin", partition(VARIABLES));
    let json = desk.json(
        "wz env set",
        &["env", "set", "env.bin", "gpio_led=52", "none="],
    );
    assert_eq!(json["backup"], serde_json::Value::Null);
    assert_eq!(desk.all().len(), 1);
}

#[test]
fn a_hash_file_that_is_not_right_any_more_is_told() {
    let desk = Desk::new();
    desk.put("env.bin", partition(VARIABLES));
    desk.put("env.bin.sha256sum", "");
    let ran = desk.wz(&["env", "set", "env.bin", "a=b"]);
    assert!(
        ran.out
            .contains("env.bin.sha256sum is not right any more: wz hash --force \"env.bin\""),
        "{}",
        ran.out
    );
}

#[rstest]
#[case::no_assignment("wlan_ssid", 2, "WZ-1030")]
#[case::no_name("=home", 1, "WZ-0803")]
#[case::no_room(&format!("a={}", "x".repeat(70_000)), 1, "WZ-0803")]
fn a_variable_that_cannot_be_set_is_told(#[case] set: &str, #[case] exit: i32, #[case] code: &str) {
    let desk = Desk::new();
    desk.put("env.bin", partition(VARIABLES));
    let refused = desk.refusal(&["env", "set", "env.bin", "a=b", set]);
    assert_eq!(refused, (exit, code.to_owned()));
}

#[rstest]
#[case::missing(None, 3, "WZ-1002")]
#[case::empty(Some(vec![]), 1, "WZ-1031")]
#[case::too_short(Some(vec![0; 1000]), 1, "WZ-1031")]
#[case::blank(Some(vec![0xff; 0x1_0000]), 1, "WZ-0800")]
#[case::zeros(Some(vec![0; 0x1_0000]), 1, "WZ-0801")]
#[case::half_a_partition(Some(partition(VARIABLES)[..0x9000].to_vec()), 1, "WZ-0801")]
#[case::dump_without(Some(vec![0x55; 16 << 20]), 1, "WZ-0801")]
#[case::kernel(Some(vec![0x55; 0x4_0001]), 1, "WZ-1031")]
fn a_file_without_an_environment_is_told(
    #[case] content: Option<Vec<u8>>,
    #[case] exit: i32,
    #[case] code: &str,
) {
    let desk = Desk::new();
    if let Some(content) = content {
        desk.put("file.bin", content);
    }
    assert_eq!(
        desk.refusal(&["env", "print", "file.bin"]),
        (exit, code.to_owned())
    );
    assert_eq!(
        desk.refusal(&["env", "set", "file.bin", "a=b"]),
        (exit, code.to_owned())
    );
}

#[test]
fn a_file_far_too_long_is_not_even_read() {
    let desk = Desk::new();
    let file = std::fs::File::create(desk.path("huge.bin")).unwrap();
    file.set_len(4 << 30).unwrap();
    let ran = desk.wz(&["env", "print", "huge.bin"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.err
            .contains("error[WZ-1007]: \"huge.bin\" is 4096M long"),
        "{}",
        ran.err
    );
}

#[cfg(unix)]
#[test]
fn a_file_that_is_read_only_is_not_changed() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new();
    let path = desk.put("env.bin", partition(VARIABLES));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    let before = desk.all();
    let ran = desk.wz(&["env", "set", "env.bin", "a=b"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("error[WZ-1003]"), "{}", ran.err);
    assert!(before == desk.all());
}
