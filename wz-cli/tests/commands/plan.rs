//! `wz plan`

use rstest::rstest;
use wz_cli::cardimage::{CardImage, Content, Entry};
use wz_cli::package;
use wz_core::units::Size;

use crate::desk::Desk;
use crate::world;

const SWITCH: &str = "switch_firmware=\"yes\"\nnext_firmware=\"thingino\"\n";
const BACKUP: &str = "backup_partitions=\"yes\"\n";

/// A card that switches to thingino.
fn switching() -> Content {
    let mut card = world::card(SWITCH);
    let path = "wz_flash-helper/restore/thingino/thingino_t31x_firmware.bin";
    for (path, content) in world::with_hash(path, &world::thingino()) {
        card.insert(path, Entry::File(content));
    }
    card
}

fn desk(card: &Content) -> Desk {
    let desk = Desk::new();
    package::write_folder(&desk.path("my card"), card).unwrap();
    CardImage::create(&desk.path("card.img"), Size::mib(128), card).unwrap();
    desk.put("backup/0001/stock_t31x_all.bin", world::stock());
    desk.put("backup/0001/ID.txt", "ID: 0001\nSoC: t31x\nModel: v3\n");
    desk
}

#[test]
fn a_switch_is_planned_step_for_step() {
    let desk = desk(&switching());
    let ran = desk.wz(&["plan", "my card", "--flash", "backup/0001"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    insta::assert_snapshot!("switch", ran.out);
}

#[test]
fn a_folder_and_an_image_of_the_same_card_have_the_same_plan() {
    let desk = desk(&switching());
    let [folder, image] = ["my card", "card.img"].map(|card| {
        let json = desk.json("wz plan", &["plan", card, "--flash", "backup/0001"]);
        assert_eq!(json["outcome"], "dry_run");
        assert_eq!(json["camera"]["model"], "v3");
        json
    });
    assert_eq!(folder, image);
}

#[test]
fn nothing_is_changed_by_a_plan() {
    let desk = desk(&switching());
    let before = desk.all();
    desk.wz(&["plan", "my card", "--flash", "backup/0001"]);
    desk.wz(&["plan", "card.img", "--flash", "backup/0001"]);
    assert!(before == desk.all());
}

#[test]
fn a_backup_is_planned() {
    let desk = desk(&world::card(BACKUP));
    let ran = desk.wz(&[
        "plan",
        "card.img",
        "--flash",
        "backup/0001/stock_t31x_all.bin",
    ]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("backup", ran.out);
}

#[test]
fn a_restore_is_planned_with_the_blocks_that_differ() {
    let mut card = world::card("restore_partitions=\"yes\"\n");
    let conf = "restore_stock_kernel=\"yes\"\nrestore_stock_cfg=\"yes\"\n";
    let place = "wz_flash-helper/restore/stock";
    card.insert(format!("{place}.conf"), Entry::File(conf.into()));
    for partition in ["kernel", "cfg"] {
        let image = world::part(&world::other_stock(), partition);
        let path = format!("{place}/stock_t31x_{partition}.bin");
        for (path, content) in world::with_hash(&path, &image) {
            card.insert(path, Entry::File(content));
        }
    }
    let desk = desk(&card);
    let ran = desk.wz(&["plan", "card.img", "--flash", "backup/0001"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    insta::assert_snapshot!("restore", ran.out);
}

#[test]
fn every_reason_why_not_is_told_in_the_words_of_the_camera() {
    let mut card = switching();
    let image = "wz_flash-helper/restore/thingino/thingino_t31x_firmware.bin";
    let mut damaged = world::thingino();
    damaged[400_000] ^= 1;
    card.insert(image.to_owned(), Entry::File(damaged));
    let desk = desk(&card);
    let ran = desk.wz(&["plan", "my card", "--flash", "backup/0001"]);
    assert_eq!(ran.code, 1);
    insta::assert_snapshot!("refused", ran.out);
    let json = desk.json("wz plan", &["plan", "my card", "--flash", "backup/0001"]);
    assert_eq!(json["outcome"], "refused");
    assert!(!json["refusals"].as_array().unwrap().is_empty());
}

#[test]
fn a_card_that_asks_for_nothing_has_its_exit_code() {
    let desk = desk(&world::card("dry_run=\"no\"\n"));
    let json = desk.json("wz plan", &["plan", "my card", "--flash", "backup/0001"]);
    assert_eq!(json["outcome"], "nothing_to_do");
    assert_eq!(
        desk.wz(&["plan", "my card", "--flash", "backup/0001"]).code,
        1
    );
}

#[rstest]
#[case::given(&["--chip", "t31x"], Ok("t31x"))]
#[case::unknown(&["--chip", "t99"], Ok("refused"))]
#[case::nothing(&[], Err("WZ-1064"))]
fn a_dump_without_a_telling_name_needs_its_chip(
    #[case] more: &[&str],
    #[case] expected: Result<&str, &str>,
) {
    let desk = desk(&world::card(BACKUP));
    desk.put("other/dump.bin", world::stock());
    let args = [&["plan", "my card", "--flash", "other/dump.bin"], more].concat();
    match expected {
        Ok("refused") => assert_eq!(desk.json("wz plan", &args)["outcome"], "refused"),
        Ok(chip) => assert_eq!(desk.json("wz plan", &args)["camera"]["chip"], chip),
        Err(code) => assert_eq!(desk.refusal(&args), (1, code.to_owned())),
    }
}

#[rstest]
#[case::half(world::stock()[..8 << 20].to_vec(), "WZ-0302")]
#[case::empty(vec![], "WZ-0302")]
fn a_dump_of_another_length_is_refused(#[case] dump: Vec<u8>, #[case] code: &str) {
    let desk = desk(&world::card(BACKUP));
    desk.put("stock_t31x_all.bin", dump);
    let json = desk.json(
        "wz plan",
        &["plan", "my card", "--flash", "stock_t31x_all.bin"],
    );
    assert_eq!(json["refusals"][0]["code"], code);
}

#[rstest]
#[case::no_card(&["plan", "no card", "--flash", "backup/0001"], 3, "WZ-1002")]
#[case::no_dump(&["plan", "my card", "--flash", "no dump"], 3, "WZ-1002")]
#[case::no_backup(&["plan", "my card", "--flash", "my card"], 1, "WZ-1063")]
fn what_is_not_there_is_told(#[case] args: &[&str], #[case] exit: i32, #[case] code: &str) {
    let desk = desk(&world::card(BACKUP));
    assert_eq!(desk.refusal(args), (exit, code.to_owned()));
}

#[test]
fn a_dump_far_too_long_is_not_even_read() {
    let desk = desk(&world::card(BACKUP));
    let file = std::fs::File::create(desk.path("stock_t31x_all.bin")).unwrap();
    file.set_len(4 << 30).unwrap();
    let ran = desk.wz(&["plan", "my card", "--flash", "stock_t31x_all.bin"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("error[WZ-1007]"), "{}", ran.err);
}
