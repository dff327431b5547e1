//! `wz card check`

use std::fs;

use rstest::rstest;
use wz_cli::cardimage::{CardImage, Content, Entry};
use wz_cli::package;
use wz_core::units::Size;

use crate::desk::Desk;
use crate::world::{self, SD_KERNEL};

const SWITCH: &str = "switch_firmware=\"yes\"\nnext_firmware=\"thingino\"\n";
const IMAGE: &str = "wz_flash-helper/restore/thingino/thingino_t31x_firmware.bin";

/// A card that switches to thingino.
fn good() -> Content {
    let mut card = world::card(SWITCH);
    for (path, content) in world::with_hash(IMAGE, &world::thingino()) {
        card.insert(path, Entry::File(content));
    }
    card
}

/// The card as a folder and as an image, and a backup of the camera.
fn desk(card: &Content) -> Desk {
    let desk = Desk::new();
    package::write_folder(&desk.path("my Kärtchen"), card).unwrap();
    CardImage::create(&desk.path("card.img"), Size::mib(128), card).unwrap();
    desk.put("backup/stock_t31x_all.bin", world::stock());
    desk
}

const CARDS: [&str; 2] = ["my Kärtchen", "card.img"];

/// The codes of all refusals, by folder and by image, without a dump and with one.
fn codes(card: &Content) -> [Vec<String>; 2] {
    let desk = desk(card);
    let before = desk.all();
    let found = [&["--soc", "t31"][..], &["--backup", "backup"]].map(|more| {
        let [folder, image] = CARDS.map(|card| {
            let args = [&["card", "check", card], more].concat();
            let json = desk.json("wz card check", &args);
            let refusals = json["refusals"].as_array().unwrap().iter();
            let codes: Vec<_> = refusals
                .map(|told| told["code"].as_str().unwrap().to_owned())
                .collect();
            let exit = if codes.is_empty() { 0 } else { 1 };
            assert_eq!(desk.wz(&args).code, exit);
            codes
        });
        assert_eq!(folder, image);
        folder
    });
    assert!(before == desk.all(), "something was changed");
    found
}

#[test]
fn a_good_card_is_in_order() {
    assert_eq!(codes(&good()), [[""; 0], [""; 0]]);
}

#[test]
fn what_was_checked_is_told() {
    let desk = desk(&good());
    insta::assert_snapshot!("alone", desk.wz(&["card", "check", "card.img"]).out);
    let ran = desk.wz(&[
        "card",
        "check",
        "card.img",
        "--flash",
        "backup/stock_t31x_all.bin",
    ]);
    insta::assert_snapshot!("with_a_dump", ran.out);
}

#[test]
fn the_plan_is_the_one_that_wz_plan_shows() {
    let desk = desk(&good());
    let check = desk.json(
        "wz card check",
        &["card", "check", "card.img", "--backup", "backup"],
    );
    let plan = desk.json("wz plan", &["plan", "card.img", "--flash", "backup"]);
    assert_eq!(check["plan"], plan);
}

fn without(path: &str) -> Content {
    let mut card = good();
    card.remove(path).unwrap();
    card
}

fn with(path: &str, content: impl Into<Vec<u8>>) -> Content {
    let mut card = good();
    card.insert(path.to_owned(), Entry::File(content.into()));
    card
}

fn damaged(mut content: Vec<u8>, at: usize) -> Vec<u8> {
    content[at] ^= 1;
    content
}

#[rstest]
#[case::no_kernel(without(SD_KERNEL), "WZ-0731")]
#[case::kernel_header(with(SD_KERNEL, damaged(world::sd_kernel(), 20)), "WZ-1065")]
#[case::kernel_payload(with(SD_KERNEL, damaged(world::sd_kernel(), 5000)), "WZ-1065")]
#[case::kernel_of_something_else(with(SD_KERNEL, "MZ"), "WZ-1065")]
#[case::kernel_without_the_program(with(SD_KERNEL, world::kernel(99, 9000)), "WZ-1069")]
#[case::kernel_too_long(with(SD_KERNEL, vec![0; 11 << 20]), "WZ-1066")]
#[case::no_configuration(without("wz_flash-helper/general.conf"), "WZ-0101")]
#[case::configuration(with("wz_flash-helper/general.conf", "dry_run=\"maybe\"\n"), "WZ-0130")]
#[case::wifi(
    with(
        "wz_flash-helper/thingino.conf",
        "wifi_ssid=\"home\"\nwifi_password=\"short\"\n"
    ),
    "WZ-0811"
)]
#[case::script(with("wz_flash-helper/general.conf", format!("{SWITCH}enable_custom_scripts=\"yes\"\ncustom_scripts=\"a.sh\"\n")), "WZ-0861")]
#[case::no_image(without(IMAGE), "WZ-0513")]
#[case::no_hash(without(&format!("{IMAGE}.sha256sum")), "WZ-0503")]
#[case::other_hash(with(&format!("{IMAGE}.sha256sum"), "x"), "WZ-0504")]
#[case::damaged_image(with(IMAGE, damaged(world::thingino(), 400_000)), "WZ-0506")]
#[case::empty_image(with(IMAGE, ""), "WZ-0502")]
#[case::profile(with("wz_flash-helper/profiles/t31/stock.toml", "x"), "WZ-0401")]
fn a_card_that_the_camera_would_refuse_is_told_with_and_without_a_dump(
    #[case] card: Content,
    #[case] code: &str,
) {
    for codes in codes(&card) {
        assert!(codes.iter().any(|found| found == code), "{codes:?}");
    }
}

#[test]
fn a_kernel_that_has_been_put_away_is_told() {
    let mut card = without(SD_KERNEL);
    card.insert(
        format!("{SD_KERNEL}.wz_flash-helper"),
        Entry::File(world::sd_kernel()),
    );
    assert_eq!(codes(&card), [["WZ-1067"], ["WZ-1067"]]);
}

#[test]
fn different_kernels_are_told_where_a_u_boot_may_look_for_either() {
    let card = with("thingino_t31_kernel", world::other_sd_kernel());
    let desk = desk(&card);
    let json = desk.json(
        "wz card check",
        &["card", "check", "card.img", "--soc", "t31"],
    );
    assert_eq!(json["refusals"][0]["code"], "WZ-0733");
}

#[test]
fn an_image_that_is_not_needed_is_no_reason_to_refuse_the_card() {
    let card = with(
        "wz_flash-helper/restore/stock/stock_t31x_kernel.bin",
        "no kernel",
    );
    let desk = desk(&card);
    let json = desk.json("wz card check", &["card", "check", "card.img"]);
    assert_eq!(json["refusals"], serde_json::json!([]));
    assert_eq!(json["remarks"][0]["code"], "WZ-0503");
}

#[rstest]
#[case::content("stock_t31x_kernel.bin", vec![0x55; 1000], "WZ-0508")]
#[case::too_long("stock_t31x_para.bin", vec![0x55; 65_537], "WZ-0507")]
#[case::name("kernel.bin", vec![0x55; 1000], "WZ-1068")]
#[case::group("stock_t99_kernel.bin", vec![0x55; 1000], "WZ-1068")]
#[case::partition("stock_t31x_kernal.bin", vec![0x55; 1000], "WZ-1068")]
fn images_to_restore_are_judged_by_name_and_content(
    #[case] name: &str,
    #[case] image: Vec<u8>,
    #[case] code: &str,
) {
    let mut card = world::card("restore_partitions=\"yes\"\n");
    let conf = "wz_flash-helper/restore/stock.conf";
    card.insert(
        conf.to_owned(),
        Entry::File(b"restore_stock_kernel=\"yes\"\n".to_vec()),
    );
    for (path, content) in
        world::with_hash(&format!("wz_flash-helper/restore/stock/{name}"), &image)
    {
        card.insert(path, Entry::File(content));
    }
    let [alone, _] = codes(&card);
    assert_eq!(alone, [code]);
}

#[test]
fn a_restore_that_chooses_nothing_is_told_by_the_plan() {
    let mut card = world::card("restore_partitions=\"yes\"\n");
    let conf = "wz_flash-helper/restore/stock.conf";
    card.insert(
        conf.to_owned(),
        Entry::File(b"restore_stock_kernel=\"no\"\n".to_vec()),
    );
    let [_, with_dump] = codes(&card);
    assert_eq!(with_dump, ["WZ-0173"]);
}

/// An image file of 128M whose first sectors are these.
fn image(desk: &Desk, sectors: &[(u64, Vec<u8>)]) {
    use std::io::{Seek, SeekFrom, Write};
    let mut file = fs::File::create(desk.path("card.img")).unwrap();
    file.set_len(128 << 20).unwrap();
    for (sector, content) in sectors {
        file.seek(SeekFrom::Start(sector * 512)).unwrap();
        file.write_all(content).unwrap();
    }
}

/// A partition table with one entry of this type, from sector 2048 on.
fn mbr(kind: u8) -> (u64, Vec<u8>) {
    let mut sector = vec![0; 512];
    sector[450] = kind;
    sector[454..458].copy_from_slice(&2048_u32.to_le_bytes());
    sector[458..462].copy_from_slice(&200_000_u32.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    (0, sector)
}

fn named(at: u64, name: &[u8; 8]) -> (u64, Vec<u8>) {
    let mut sector = vec![0; 512];
    sector[3..11].copy_from_slice(name);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    (at, sector)
}

fn fat(at: u64, sectors_per_fat_16: u16) -> (u64, Vec<u8>) {
    let (at, mut sector) = named(at, b"mkfs.fat");
    sector[11..17].copy_from_slice(&[0, 2, 8, 32, 0, 2]);
    sector[21] = 0xf8;
    sector[22..24].copy_from_slice(&sectors_per_fat_16.to_le_bytes());
    (at, sector)
}

#[rstest]
#[case::nothing(vec![], "WZ-0202", "no partition table")]
#[case::gpt(vec![mbr(0xee), (1, b"EFI PART".to_vec())], "WZ-0203", "GPT")]
#[case::exfat(vec![mbr(7), named(2048, b"EXFAT   ")], "WZ-0203", "exFAT")]
#[case::exfat_without_table(vec![named(0, b"EXFAT   ")], "WZ-0203", "exFAT")]
#[case::ntfs(vec![mbr(7), named(2048, b"NTFS    ")], "WZ-0203", "NTFS")]
#[case::not_formatted(vec![mbr(0x0c)], "WZ-0203", "not formatted")]
#[case::fat16(vec![mbr(6), fat(2048, 200)], "WZ-1060", "FAT16")]
#[case::fat16_called_fat32(vec![mbr(0x0c), fat(2048, 200)], "WZ-1060", "FAT16")]
#[case::fat32_called_linux(vec![mbr(0x83), fat(2048, 0)], "WZ-1061", "0x83")]
#[case::fat_without_table(vec![fat(0, 0)], "WZ-0202", "no partition table")]
#[case::noise(vec![(0, vec![0xa5; 512])], "WZ-0202", "no partition table")]
fn a_card_that_no_camera_reads_is_refused(
    #[case] sectors: Vec<(u64, Vec<u8>)>,
    #[case] code: &str,
    #[case] told: &str,
) {
    let desk = Desk::new();
    image(&desk, &sectors);
    let refused = desk.refusal(&["card", "check", "card.img"]);
    assert_eq!(refused, (1, code.to_owned()));
    let ran = desk.wz(&["card", "check", "card.img"]);
    assert!(ran.err.contains(told), "{}", ran.err);
}

#[test]
fn the_first_partition_has_to_be_used() {
    let desk = Desk::new();
    let (_, mut table) = mbr(0);
    table[466] = 0x0c;
    image(&desk, &[(0, table)]);
    assert_eq!(desk.refusal(&["card", "check", "card.img"]).1, "WZ-0212");
}

#[test]
fn a_card_larger_than_u_boots_read_is_refused() {
    let desk = desk(&good());
    let file = fs::OpenOptions::new()
        .write(true)
        .open(desk.path("card.img"));
    file.unwrap().set_len(64 << 30).unwrap();
    let ran = desk.wz(&["card", "check", "card.img"]);
    assert!(ran.err.contains("error[WZ-1062]"), "{ran:?}");
}

#[test]
fn a_cut_image_is_refused() {
    let desk = desk(&good());
    let file = fs::OpenOptions::new()
        .write(true)
        .open(desk.path("card.img"));
    file.unwrap().set_len(100 << 20).unwrap();
    assert_eq!(desk.refusal(&["card", "check", "card.img"]).1, "WZ-0212");
}

#[test]
fn an_image_without_rights_to_write_is_checked_all_the_same() {
    let desk = desk(&good());
    let mut rights = fs::metadata(desk.path("card.img")).unwrap().permissions();
    rights.set_readonly(true);
    fs::set_permissions(desk.path("card.img"), rights).unwrap();
    assert_eq!(desk.wz(&["card", "check", "card.img"]).code, 0);
}
