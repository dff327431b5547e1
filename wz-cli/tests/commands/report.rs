//! `wz report`

use std::io::{Cursor, Read};

use wz_cli::cardimage::{CardImage, Content, Entry};
use wz_core::units::Size;

use crate::desk::Desk;

const PASSWORD: &str = "hunter22 is long";
const OLD_PASSWORD: &str = "swordfish99";
const NETWORK: &str = "My  Net *";

/// The files of a card on which a Wi-Fi password has left its traces.
fn files() -> Vec<(&'static str, String)> {
    vec![
        ("factory_t31_ZMC6tiIDQN", "kernel".into()),
        (
            "uenv.txt",
            format!("wlan_ssid={NETWORK}\nwlan_pass={PASSWORD}\n"),
        ),
        (
            "wz_flash-helper/general.conf",
            "backup_partitions=\"yes\"\n".into(),
        ),
        (
            "wz_flash-helper/thingino.conf",
            format!(
                "# wifi_password=\"{OLD_PASSWORD}\"\nwifi_ssid=\"{NETWORK}\"\r\nwifi_password='{PASSWORD}'\r\n"
            ),
        ),
        (
            "wz_flash-helper/initramfs.log",
            format!(
                "start\n+ fw_setenv wlanpass {OLD_PASSWORD}\njoined {NETWORK} with {PASSWORD}.\nend\n"
            ),
        ),
        (
            "wz_flash-helper/result.json",
            "{\"outcome\": \"done\"}\n".into(),
        ),
        (
            "wz_flash-helper/scripts/mine.sh",
            format!("wifi_password=\"{PASSWORD}\"\n"),
        ),
        (
            "wz_flash-helper/backup/stock/0001/ID.txt",
            "ID: 0001\n".into(),
        ),
        (
            "wz_flash-helper/backup/stock/0001/stock_t31x_boot.bin",
            format!("image {PASSWORD}"),
        ),
        ("DCIM/film.mp4", "film".into()),
    ]
}

/// Names and contents of what is in the zip file.
fn unzipped(zip: Vec<u8>) -> Vec<(String, String)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut files = Vec::new();
    for at in 0..archive.len() {
        let mut file = archive.by_index(at).unwrap();
        let (name, mut text) = (file.name().unwrap().into_owned(), String::new());
        file.read_to_string(&mut text).unwrap();
        files.push((name, text));
    }
    files
}

fn assert_no_secrets(files: &[(String, String)]) {
    for (name, text) in files {
        for secret in [PASSWORD, OLD_PASSWORD, NETWORK] {
            assert!(
                !text.contains(secret) && !name.contains(secret),
                "{name}: {text}"
            );
        }
    }
}

#[test]
fn a_bug_report_has_what_happened_and_no_secret() {
    let desk = Desk::new();
    for (path, content) in files() {
        desk.put(&format!("card/{path}"), content);
    }
    let ran = desk.wz(&["report", "card", "-o", "report.zip"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let out = ran
        .out
        .replace(&desk.read("report.zip").len().to_string(), "[LENGTH]");
    insta::assert_snapshot!("report", out);
    let files = unzipped(desk.read("report.zip"));
    assert_no_secrets(&files);
    let text = |name: &str| &files.iter().find(|(found, _)| found == name).unwrap().1;
    assert!(text("card/wz_flash-helper/initramfs.log").starts_with("start\n"));
    assert!(text("card/wz_flash-helper/initramfs.log").contains("joined *** with ***."));
    assert!(text("card/wz_flash-helper/general.conf").contains("backup_partitions=\"yes\""));
    insta::assert_snapshot!("report_listing", text("listing.txt"));
    desk.json("wz report", &["report", "card"]);
}

#[test]
fn the_image_of_a_card_does_as_well() {
    let desk = Desk::new();
    let content: Content = files()
        .into_iter()
        .map(|(path, content)| (path.to_owned(), Entry::File(content.into_bytes())))
        .collect();
    CardImage::create(&desk.path("card.img"), Size::mib(128), &content).unwrap();
    assert_eq!(desk.wz(&["report", "card.img"]).code, 0);
    let files = unzipped(desk.read("wz-report.zip"));
    assert_no_secrets(&files);
    assert_eq!(files.len(), 7);
}

#[test]
fn what_is_no_card_is_refused_and_no_file_replaced() {
    let desk = Desk::new();
    desk.put("folder/film.mp4", "");
    desk.put("no.img", "no card");
    desk.put("mine.zip", "mine");
    assert_eq!(
        desk.refusal(&["report", "folder"]),
        (1, "WZ-1250".to_owned())
    );
    assert_eq!(
        desk.refusal(&["report", "no.img"]),
        (1, "WZ-1045".to_owned())
    );
    assert_eq!(
        desk.refusal(&["report", "folder", "-o", "mine.zip"]),
        (1, "WZ-1200".to_owned())
    );
}
