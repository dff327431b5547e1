//! `wz card new`

use std::fs;

use rstest::rstest;
use wz_cli::cardimage::CardImage;
use wz_cli::{initramfs, payload};
use wz_core::image::uimage::{Compression, Uimage};
use wz_core::units::Size;

use crate::desk::{Desk, Ran};
use crate::world::{self, SD_KERNEL};

const CARD: &str = "my Kärtchen";
const GENERAL: &str = "wz_flash-helper/general.conf";

/// A kernel, an image of thingino, and a backup of the camera.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("kernel.bin", world::sd_kernel());
    desk.put("new/thingino-wyze_cam3_t31x_gc2053.bin", world::thingino());
    let flash = world::stock();
    for partition in [
        "boot", "kernel", "rootfs", "app", "kback", "aback", "cfg", "para",
    ] {
        let image = world::part(&flash, partition);
        for (path, content) in
            world::with_hash(&format!("backup/stock_t31x_{partition}.bin"), &image)
        {
            desk.put(&path, content);
        }
    }
    desk.put("backup/stock_t31x_all.bin", flash);
    desk.put("backup/ID.txt", "SoC: t31x\n");
    desk
}

fn new(desk: &Desk, card: &str, more: &[&str]) -> Ran {
    desk.wz(&[&["card", "new", card, "--soc", "t31"], more].concat())
}

const BACKUP: &[&str] = &["--kernel", "kernel.bin", "--backup"];
const SWITCH: &[&str] = &[
    "--kernel",
    "kernel.bin",
    "--switch-to",
    "thingino",
    "--image",
    "new/thingino-wyze_cam3_t31x_gc2053.bin",
];
const RESTORE: &[&str] = &[
    "--kernel",
    "kernel.bin",
    "--restore",
    "kernel",
    "cfg",
    "--image",
    "backup",
];
const BACK_TO_STOCK: &[&str] = &[
    "--kernel",
    "kernel.bin",
    "--firmware",
    "thingino",
    "--switch-to",
    "stock",
    "--image",
    "backup",
];

/// The lines that are set in a configuration of the card.
fn options(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    let set =
        |line: &&str| line.contains('=') && !line.starts_with('#') && line.ends_with("\"yes\"");
    text.lines().filter(set).map(str::to_owned).collect()
}

#[rstest]
#[case::backup(BACKUP, &["backup_partitions=\"yes\""])]
#[case::switch(SWITCH, &["switch_firmware=\"yes\""])]
#[case::restore(RESTORE, &["restore_partitions=\"yes\""])]
#[case::nothing(&["--kernel", "kernel.bin"], &[])]
#[case::all(&[SWITCH, &["--all-partitions", "--backup", "--dry-run"]].concat(), &[
    "dry_run=\"yes\"", "backup_partitions=\"yes\"", "switch_firmware=\"yes\"",
    "switch_firmware_with_all_partitions=\"yes\"",
])]
fn only_what_is_asked_for_is_switched_on(#[case] args: &[&str], #[case] expected: &[&str]) {
    const ON_BY_THEMSELVES: [&str; 3] = ["secondary_backup=", "safety_backup=", "roll_back="];
    let desk = desk();
    let ran = new(&desk, CARD, args);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let mut on = options(&desk.read(&format!("{CARD}/{GENERAL}")));
    on.retain(|line| !ON_BY_THEMSELVES.iter().any(|key| line.starts_with(key)));
    assert_eq!(on, expected);
    assert!(desk.read(&format!("{CARD}/{SD_KERNEL}")) == world::sd_kernel());
}

/// What the camera would do with such a card, by the folder and by the image.
#[rstest]
#[case::backup(BACKUP, "dry_run")]
#[case::switch(SWITCH, "dry_run")]
#[case::restore(RESTORE, "dry_run")]
#[case::nothing(&["--kernel", "kernel.bin"], "nothing_to_do")]
fn the_camera_takes_the_card(#[case] args: &[&str], #[case] outcome: &str) {
    let desk = desk();
    let plans = [CARD, "card.img"].map(|card| {
        let ran = new(&desk, card, args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
        let plan = desk.json("wz plan", &["plan", card, "--flash", "backup"]);
        assert_eq!(plan["outcome"], outcome, "{plan}");
        assert_eq!(plan["refusals"], serde_json::json!([]));
        plan["plan"].clone()
    });
    let is_backup = args == BACKUP;
    assert!(is_backup || plans[0] == plans[1], "{plans:?}");
}

/// The initramfs in the SD kernel of a card.
fn program_on(desk: &Desk, card: &str) -> Vec<u8> {
    let kernel = desk.read(&format!("{card}/{SD_KERNEL}"));
    let kernel = Uimage::parse_file(&kernel).unwrap();
    assert!(kernel.header.name.starts_with("wz_flash-helper "));
    let longest = Size::mib(4);
    let kernel = payload::unpack(kernel.payload, Compression::Lzma, longest).unwrap();
    payload::unpack(&kernel[0x2_0000..], Compression::Gzip, longest).unwrap()
}

fn program() -> Vec<u8> {
    initramfs::archive(&world::program(), b"busybox").finish()
}

const DONOR: &[&str] = &["--kernel", "donor", "--program", "p.cpio", "--backup"];

#[test]
fn the_program_is_put_into_a_kernel_that_has_it_not() {
    let desk = desk();
    desk.put("donor", world::donor(b""));
    desk.put("p.cpio", program());
    let ran = new(&desk, CARD, DONOR);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(program_on(&desk, CARD) == program());
    // A second time, also with what the first has made.
    let made = desk.read(&format!("{CARD}/{SD_KERNEL}"));
    desk.put("made", &made);
    for args in [DONOR, &["--kernel", "made", "--backup"]] {
        let ran = new(&desk, CARD, args);
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
        assert!(desk.read(&format!("{CARD}/{SD_KERNEL}")) == made);
    }
    let ran = new(&desk, CARD, &["--kernel", "made", "--program", "p.cpio"]);
    assert!(ran.err.contains("WZ-1092"), "{}", ran.err);
}

/// Its U-Boots look for different names, which its build tells and nothing else.
#[test]
fn a_card_for_thingino_has_the_kernel_under_a_name_for_each_of_its_u_boots() {
    let desk = desk();
    let ran = new(&desk, CARD, BACK_TO_STOCK);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    for name in [SD_KERNEL, "thingino_t31_kernel"] {
        assert!(desk.read(&format!("{CARD}/{name}")) == world::sd_kernel());
    }
    // After a run all of them are put away.
    let away = |name: &str| {
        let file = desk.path(&format!("{CARD}/{name}"));
        fs::rename(&file, format!("{}.wz_flash-helper", file.display())).unwrap();
    };
    away(SD_KERNEL);
    away("thingino_t31_kernel");
    let ran = new(&desk, CARD, &["--firmware", "thingino", "--backup"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    for name in [SD_KERNEL, "thingino_t31_kernel"] {
        assert!(desk.path(&format!("{CARD}/{name}")).exists());
    }
}

#[test]
fn a_name_that_some_u_boot_looks_for_alone_is_missed() {
    let desk = desk();
    new(&desk, CARD, BACKUP);
    let ran = new(&desk, CARD, &["--firmware", "thingino", "--backup"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("WZ-1071"), "{}", ran.out);
}

#[test]
fn a_restore_without_any_image_is_not_ready_and_one_with_images_has_no_remarks() {
    let desk = desk();
    let bare = ["--kernel", "kernel.bin", "--restore", "kernel"];
    let ran = new(&desk, CARD, &bare);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(ran.out.contains("WZ-1088"), "{}", ran.out);
    let json = desk.json(
        "wz card new",
        &[&["card", "new", CARD, "--soc", "t31"], RESTORE].concat(),
    );
    assert_eq!(json["remarks"], serde_json::json!([]));
}

#[test]
fn a_kernel_of_the_emulator_is_told_as_one() {
    let desk = desk();
    desk.put("donor", world::donor(b"MIPS Malta"));
    desk.put("p.cpio", program());
    let ran = new(&desk, CARD, DONOR);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("WZ-1093"), "{}", ran.out);
}

#[test]
fn a_kernel_that_is_called_like_one_of_another_family_is_refused() {
    let desk = desk();
    desk.put(SD_KERNEL, world::sd_kernel());
    let before = desk.all();
    let ran = desk.wz(&["card", "new", CARD, "--soc", "t20", "--kernel", SD_KERNEL]);
    assert!(ran.err.contains("WZ-1094"), "{}", ran.err);
    assert!(before == desk.all());
}

#[test]
fn the_program_is_looked_for_beside_the_tool() {
    let desk = desk();
    desk.put("donor", world::donor(b""));
    let args = ["card", "new", CARD, "--soc", "t31", "--kernel", "donor"];
    let ran = desk.wz_of_a_download(program(), &args);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    assert!(program_on(&desk, CARD) == program());
}

#[rstest]
#[case::none_beside_the_tool(None, &["--kernel", "donor"], "WZ-1090")]
#[case::none_of_that_name(None, DONOR, "WZ-1002")]
#[case::another_file(Some(b"070701 and so on".to_vec()), DONOR, "WZ-1091")]
#[case::cut_short(Some(program()[..3000].to_vec()), DONOR, "WZ-1091")]
#[case::nothing_to_start(Some(initramfs::Archive::default().finish()), DONOR, "WZ-1091")]
#[case::for_another_computer(Some(initramfs::archive(b"\x7fELF", b"").finish()), DONOR, "WZ-1091")]
fn a_kernel_without_the_program_is_refused_if_the_program_is_not_there(
    #[case] program: Option<Vec<u8>>,
    #[case] args: &[&str],
    #[case] code: &str,
) {
    let desk = desk();
    desk.put("donor", world::donor(b""));
    if let Some(program) = program {
        desk.put("p.cpio", program);
    }
    let before = desk.all();
    let ran = new(&desk, CARD, args);
    assert!(ran.err.contains(code), "{}", ran.err);
    assert!(before == desk.all());
}

#[test]
fn what_was_done_and_what_comes_next_is_told() {
    let desk = desk();
    insta::assert_snapshot!("made", new(&desk, "card.img", SWITCH).out);
    let json = desk.json(
        "wz card new",
        &[&["card", "new", "card.img", "--soc", "t31"], RESTORE].concat(),
    );
    assert_eq!(json["is_new"], false);
}

#[test]
fn a_switch_back_takes_the_images_of_a_backup_but_not_the_whole_chip() {
    let desk = desk();
    let ran = new(&desk, CARD, BACK_TO_STOCK);
    assert_eq!(ran.code, 0, "{ran:?}");
    let restored = desk.path(CARD).join("wz_flash-helper/restore/stock");
    assert!(restored.join("stock_t31x_boot.bin.sha256sum").exists());
    assert!(!restored.join("stock_t31x_all.bin").exists());
}

#[test]
fn a_second_time_nothing_has_to_be_done() {
    for card in [CARD, "card.img"] {
        let desk = desk();
        new(&desk, card, SWITCH);
        let before = desk.all();
        let json = desk.json(
            "wz card new",
            &[&["card", "new", card, "--soc", "t31"], SWITCH].concat(),
        );
        assert!(before == desk.all());
        let files = json["files"].as_array().unwrap().iter();
        assert!(
            files.clone().all(|file| file["outcome"] == "kept"),
            "{json}"
        );
        assert!(files.count() > 8);
    }
}

#[test]
fn what_the_owner_has_entered_stays() {
    let desk = desk();
    new(&desk, CARD, BACKUP);
    let general = format!("{CARD}/{GENERAL}");
    let text = String::from_utf8(desk.read(&general)).unwrap();
    desk.put(
        &general,
        text.replace("enable_audio=\"no\"", "enable_audio=\"yes\""),
    );
    let wifi = format!("{CARD}/wz_flash-helper/thingino.conf");
    desk.put(&wifi, "wifi_ssid=\"home\"\nwifi_password=\"12345678\"\n");
    let ran = new(&desk, CARD, SWITCH);
    assert_eq!(ran.code, 0, "{ran:?}");
    let on = options(&desk.read(&general));
    assert!(on.contains(&"enable_audio=\"yes\"".to_owned()), "{on:?}");
    assert!(
        !on.contains(&"backup_partitions=\"yes\"".to_owned()),
        "{on:?}"
    );
    assert!(desk.read(&wifi).starts_with(b"wifi_ssid=\"home\""));
}

#[test]
fn a_kernel_that_has_been_put_away_gets_its_name_back() {
    for card in [CARD, "card.img"] {
        let desk = desk();
        new(&desk, card, BACKUP);
        let away = format!("{SD_KERNEL}.wz_flash-helper");
        match card {
            CARD => {
                fs::rename(desk.path(CARD).join(SD_KERNEL), desk.path(CARD).join(away)).unwrap()
            }
            _ => CardImage::open(&desk.path(card))
                .unwrap()
                .rename(SD_KERNEL, &away)
                .unwrap(),
        }
        assert_eq!(desk.wz(&["card", "check", card]).code, 1);
        let ran = new(&desk, card, &["--backup"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(
            ran.out.contains(&format!("renamed  {SD_KERNEL}")),
            "{}",
            ran.out
        );
        assert_eq!(desk.wz(&["card", "check", card]).code, 0);
    }
}

#[test]
fn a_card_without_a_kernel_is_made_and_not_called_ready() {
    let desk = desk();
    let ran = new(&desk, CARD, &["--backup"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("error[WZ-0731]"), "{}", ran.out);
    assert!(
        ran.out.contains("The card is not ready yet."),
        "{}",
        ran.out
    );
    assert!(desk.path(CARD).join(GENERAL).exists());
}

/// A file of somebody else's on the card.
#[rstest]
#[case::kernel(SD_KERNEL, "WZ-1080")]
#[case::image(
    "wz_flash-helper/restore/thingino/thingino_t31x_firmware.bin",
    "WZ-1080"
)]
#[case::hash(
    "wz_flash-helper/restore/thingino/thingino_t31x_firmware.bin.sha256sum",
    "WZ-1080"
)]
#[case::configuration(GENERAL, "WZ-1081")]
fn nothing_of_somebody_elses_is_written_over_without_force(#[case] path: &str, #[case] code: &str) {
    let desk = desk();
    desk.put(&format!("{CARD}/{path}"), "mine");
    let args = [&["card", "new", CARD, "--soc", "t31"], SWITCH].concat();
    assert_eq!(desk.refusal(&args), (1, code.to_owned()));
    let ran = desk.wz(&[&args[..], &["--force"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(desk.read(&format!("{CARD}/{path}")) != b"mine");
}

#[test]
fn other_files_on_the_card_stay() {
    let desk = desk();
    desk.put(&format!("{CARD}/holiday.jpg"), "sea");
    desk.put(
        &format!("{CARD}/wz_flash-helper/backup/stock/0001/ID.txt"),
        "ID",
    );
    assert_eq!(new(&desk, CARD, SWITCH).code, 0);
    assert_eq!(desk.read(&format!("{CARD}/holiday.jpg")), b"sea");
    assert_eq!(
        desk.read(&format!("{CARD}/wz_flash-helper/backup/stock/0001/ID.txt")),
        b"ID"
    );
}

#[test]
fn images_that_would_be_used_too_are_in_the_way() {
    let desk = desk();
    desk.put(
        &format!("{CARD}/wz_flash-helper/restore/thingino/thingino_t31x_boot.bin"),
        "old",
    );
    let args = [&["card", "new", CARD, "--soc", "t31"], SWITCH].concat();
    assert_eq!(desk.refusal(&args), (1, "WZ-1082".to_owned()));
}

#[rstest]
#[case::no_group("thingino.bin", &[], Err("WZ-1086"))]
#[case::group_given("thingino.bin", &["--group", "t31a"], Ok("thingino_t31a_firmware.bin"))]
#[case::group_of_another_family("thingino.bin", &["--group", "t20x"], Err("WZ-1085"))]
#[case::name_of_another_family("thingino_t20x_firmware.bin", &[], Err("WZ-1086"))]
#[case::as_the_camera_wants_it("thingino_t31a_firmware.bin", &[], Ok("thingino_t31a_firmware.bin"))]
#[case::blanks("my new firmware T31X.bin", &[], Ok("thingino_t31x_firmware.bin"))]
fn an_image_gets_the_name_that_the_camera_looks_for(
    #[case] name: &str,
    #[case] more: &[&str],
    #[case] expected: Result<&str, &str>,
) {
    let desk = desk();
    desk.put(name, world::thingino());
    let args = [
        "card",
        "new",
        CARD,
        "--soc",
        "t31",
        "--kernel",
        "kernel.bin",
        "--switch-to",
        "thingino",
        "--image",
        name,
    ];
    let args = [&args, more].concat();
    match expected {
        Err(code) => assert_eq!(desk.refusal(&args), (1, code.to_owned())),
        Ok(expected) => {
            assert_eq!(desk.wz(&args).code, 0);
            let place = desk.path(CARD).join("wz_flash-helper/restore/thingino");
            assert!(place.join(expected).exists());
            assert!(place.join(format!("{expected}.sha256sum")).exists());
        }
    }
}

#[rstest]
#[case::digest_of_another(&format!("{}  thingino.bin\n", "0".repeat(64)), "WZ-0506")]
#[case::no_hash_file("see the web page", "WZ-0504")]
fn an_image_that_is_not_what_its_hash_file_says_is_refused(#[case] sum: &str, #[case] code: &str) {
    let desk = desk();
    desk.put("new/thingino-wyze_cam3_t31x_gc2053.bin.sha256sum", sum);
    let args = [&["card", "new", CARD, "--soc", "t31"], SWITCH].concat();
    assert_eq!(desk.refusal(&args), (1, code.to_owned()));
}

#[rstest]
#[case::soc(&["--soc", "t99"], 1, "WZ-1020")]
#[case::firmware(&["--soc", "t31", "--switch-to", "openwrt"], 1, "WZ-1021")]
#[case::partition(&["--soc", "t31", "--restore", "kernal"], 1, "WZ-1084")]
#[case::boot(&["--soc", "t31", "--restore", "boot"], 1, "WZ-1084")]
#[case::no_kernel(&["--soc", "t31", "--kernel", "none"], 3, "WZ-1002")]
#[case::kernel(&["--soc", "t31", "--kernel", "backup/ID.txt"], 1, "WZ-1065")]
#[case::no_image(&["--soc", "t31", "--restore", "kernel", "--image", "none"], 3, "WZ-1002")]
#[case::no_images(&["--soc", "t31", "--restore", "kernel", "--image", "new"], 1, "WZ-1088")]
#[case::image_of_what(&["--soc", "t31", "--restore", "kernel", "cfg", "--image", "kernel.bin"], 1, "WZ-1087")]
#[case::image_for_nothing(&["--soc", "t31", "--backup", "--image", "kernel.bin"], 2, "WZ-1089")]
fn what_cannot_be_done_is_told(#[case] args: &[&str], #[case] exit: i32, #[case] code: &str) {
    for card in [CARD, "card.img"] {
        let desk = desk();
        let args = [&["card", "new", card], args].concat();
        assert_eq!(desk.refusal(&args), (exit, code.to_owned()));
    }
}

#[rstest]
#[case::no_card(vec![0; 1 << 20], "WZ-0202")]
#[case::a_letter(b"Dear Sir".to_vec(), "WZ-0202")]
fn a_file_that_is_no_card_is_only_replaced_by_force(#[case] content: Vec<u8>, #[case] code: &str) {
    let desk = desk();
    desk.put("card.img", content);
    let args = [&["card", "new", "card.img", "--soc", "t31"], BACKUP].concat();
    assert_eq!(desk.refusal(&args), (1, code.to_owned()));
    assert_eq!(desk.wz(&[&args[..], &["--force"]].concat()).code, 0);
    assert_eq!(desk.wz(&["card", "check", "card.img"]).code, 0);
}

#[test]
fn a_card_without_room_is_left_alone() {
    let desk = desk();
    new(
        &desk,
        "card.img",
        &["--kernel", "kernel.bin", "--card-size", "128M"],
    );
    let card = CardImage::open(&desk.path("card.img")).unwrap();
    card.write("holiday.mov", &vec![1; 125 << 20]).unwrap();
    let args = [&["card", "new", "card.img", "--soc", "t31"], BACK_TO_STOCK].concat();
    assert_eq!(desk.refusal(&args), (1, "WZ-1083".to_owned()));
}

#[cfg(unix)]
#[test]
fn a_card_that_cannot_be_written_is_told_and_left_alone() {
    use std::os::unix::fs::PermissionsExt;
    let desk = desk();
    fs::create_dir(desk.path(CARD)).unwrap();
    let read_only = fs::Permissions::from_mode(0o555);
    fs::set_permissions(desk.path(CARD), read_only).unwrap();
    let before = desk.all();
    let ran = desk.wz_of_nobody(&[&["card", "new", CARD, "--soc", "t31"], BACKUP].concat());
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.err.contains("error[WZ-0206]"), "{}", ran.err);
    assert!(before == desk.all());
}

#[test]
fn a_file_where_our_folder_is_to_be_is_told_and_left_alone() {
    let desk = desk();
    desk.put(&format!("{CARD}/wz_flash-helper"), "mine");
    let args = [&["card", "new", CARD, "--soc", "t31"], BACKUP].concat();
    assert_eq!(desk.refusal(&args).0, 1);
}
