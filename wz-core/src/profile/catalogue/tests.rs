use super::*;
use rstest::rstest;

const GUIDE: &str = include_str!("../../../../docs/adding-a-camera.md");

fn builtin_files() -> Vec<ProfileFile> {
    let file = |(path, text): &(&str, &str)| ProfileFile::new(*path, *text);
    BUILTIN.iter().map(file).collect()
}

fn builtin_text(path: &str) -> String {
    let file = BUILTIN.iter().find(|(name, _)| *name == path);
    file.unwrap().1.to_owned()
}

/// The profiles of the guide: its TOML blocks that start with their path as a comment.
fn profiles_of_the_guide() -> Vec<ProfileFile> {
    GUIDE
        .split("```toml\n# ")
        .skip(1)
        .map(|block| {
            let text = block.split("```").next().unwrap();
            let (path, text) = text.split_once('\n').unwrap();
            ProfileFile::new(path, text)
        })
        .collect()
}

#[test]
fn nothing_is_wrong_with_the_builtin_profiles() {
    let (catalogue, problems) = Catalogue::default().add(&builtin_files());
    assert_eq!(problems, []);
    assert_eq!(catalogue.problems(), []);
    let socs: Vec<_> = catalogue.socs().map(|soc| soc.name.as_str()).collect();
    assert_eq!(socs, ["t20", "t31"]);
    for soc in socs {
        let firmwares = catalogue.firmwares(soc);
        let names: Vec<_> = firmwares.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["stock", "thingino"]);
    }
}

#[rstest]
#[case("t31x", "t31", "t31x")]
#[case("t31zx", "t31", "t31x")]
#[case("t31al", "t31", "t31x")]
#[case("t31zl", "t31", "t31n")]
#[case("t31n", "t31", "t31n")]
#[case("t31a", "t31", "t31a")]
#[case("t20x", "t20", "t20x")]
#[case("t20n", "t20", "t20n")]
#[case("t20l", "t20", "t20l")]
fn chips_that_boot_the_same_build_form_a_group(
    #[case] chip: &str,
    #[case] soc: &str,
    #[case] group: &str,
) {
    let catalogue = Catalogue::builtin();
    let (of, chip) = catalogue.chip_by_name(chip).unwrap();
    assert_eq!((of.name.as_str(), chip.group.as_str()), (soc, group));
}

#[rstest]
#[case("t31x", true)]
#[case("t31al", true)]
#[case("t20x", true)]
#[case("t31zl", false)]
#[case("t20l", false)]
#[case("t31zc", false)]
fn a_chip_is_supported_if_its_memory_is_known_to_suffice(#[case] chip: &str, #[case] yes: bool) {
    let catalogue = Catalogue::builtin();
    let (soc, chip) = catalogue.chip_by_name(chip).unwrap();
    assert_eq!(soc.supports(chip), yes);
}

#[rstest]
#[case(0x1003_1000, 0x2222_0000, Some("t31x"))]
#[case(0x1003_1ABC, 0xCCCC_1234, Some("t31al"))]
#[case(0x1003_1000, 0xEE00_0000, Some("qemu-t31"))]
#[case(0x1200_0000, 0x2222_0000, Some("t20x"))]
#[case(0x1002_0000, 0xEE00_0000, Some("qemu-t20"))]
#[case(0x1002_0000, 0x2222_0000, None)]
#[case(0x1003_1000, 0x0000_0000, None)]
#[case(0x1004_0000, 0x2222_0000, None)]
fn a_chip_is_found_by_what_its_registers_hold(
    #[case] family: u32,
    #[case] type1: u32,
    #[case] name: Option<&str>,
) {
    let catalogue = Catalogue::builtin();
    let found = catalogue.chip_by_registers(|address| match address {
        0x1300_002C => Some(family),
        0x1354_0238 => Some(type1),
        _ => None,
    });
    assert_eq!(found.ok().map(|(_, chip)| chip.name.as_str()), name);
}

#[rstest]
#[case::of_another_family(|_| Some(0x1234_5678), &["0x1300002c: 0x12345678", "0x13540238: 0x12345678"])]
#[case::unreadable(|_| None, &["0x1300002c: unreadable", "0x13540238: unreadable"])]
fn an_unknown_chip_is_told_with_what_each_register_holds(
    #[case] read: fn(u32) -> Option<u32>,
    #[case] told: &[&str],
) {
    let catalogue = Catalogue::builtin();
    let readings = catalogue.chip_by_registers(read).unwrap_err();
    let readings: Vec<String> = readings.iter().map(ToString::to_string).collect();
    assert_eq!(readings, told);
}

/// The built-in T31 at other addresses.
fn profile_with_other_registers() -> ProfileFile {
    let moved = builtin_text("t31/soc.toml")
        .replace("0x1300002C", "0x20000000")
        .replace("0x13540238", "0x20000004");
    assert!(moved.contains("0x20000000") && moved.contains("0x20000004"));
    ProfileFile::new("t31/soc.toml", moved)
}

#[test]
fn registers_that_a_profile_on_the_card_names_are_read() {
    let catalogue = Catalogue::builtin();
    let profiles = [profile_with_other_registers()];
    let catalogue = catalogue.with_card_profiles(&profiles).unwrap();
    let (soc, chip) = catalogue
        .chip_by_registers(|address| match address {
            0x2000_0000 => Some(0x1003_1000),
            0x2000_0004 => Some(0x2222_0000),
            _ => None,
        })
        .unwrap();
    assert_eq!((soc.name.as_str(), chip.name.as_str()), ("t31", "t31x"));
}

#[test]
fn a_known_chip_is_read_once_and_nothing_else() {
    let profiles = [profile_with_other_registers()];
    let catalogue = Catalogue::builtin().with_card_profiles(&profiles).unwrap();
    let asked = std::cell::RefCell::new(Vec::new());
    let found = catalogue.chip_by_registers(|address| {
        asked.borrow_mut().push(address);
        match address {
            0x1300_002C => Some(0x1200_0000),
            0x1354_0238 => Some(0x2222_0000),
            _ => None,
        }
    });
    assert_eq!(found.unwrap().1.name, "t20x");
    assert_eq!(asked.into_inner(), [0x1300_002C, 0x1354_0238]);
}

#[test]
fn a_chip_is_found_by_its_ids() {
    let catalogue = Catalogue::builtin();
    let name = |family, type1| {
        catalogue
            .chip_by_ids(family, type1)
            .map(|(_, chip)| chip.name.as_str())
    };
    assert_eq!(name(0x0031, 0x6666), Some("t31zx"));
    assert_eq!(name(0x2000, 0x2222), Some("t20x"));
    assert_eq!(name(0x2000, 0x9999), None);
}

#[test]
fn each_t20_firmware_boots_kernels_for_a_t20() {
    let catalogue = Catalogue::builtin();
    for firmware in catalogue.firmwares("t20") {
        assert!(firmware.sd_kernels.iter().all(|name| !name.contains("t31")));
        assert!(
            firmware
                .sd_kernels
                .iter()
                .any(|name| name == "factory_ZMC6tiIDQN")
        );
    }
}

/// U-Boot 2026.x has no command for it.
#[rstest]
fn a_layout_of_2026_boots_no_sd_kernel(#[values("t20", "t31")] soc: &str) {
    let catalogue = Catalogue::builtin();
    let thingino = catalogue.firmware(soc, "thingino").unwrap();
    let boots_none = |layout: &str| thingino.sd_kernels_of(Some(layout)).is_empty();
    assert!(boots_none("2026-06") && boots_none("2026-08"));
    assert!(!boots_none("2024") && !boots_none("2025"));
    assert_eq!(thingino.sd_kernels_of(None), thingino.sd_kernels);
}

#[test]
fn all_sd_kernels_are_known_even_if_the_soc_is_not() {
    let catalogue = Catalogue::builtin();
    let of_t31 = catalogue.sd_kernels(Some("t31"));
    assert!(of_t31.contains("factory_t31_ZMC6tiIDQN"));
    assert!(of_t31.contains("thingino_t31_kernel"));
    assert!(!of_t31.contains("thingino_t20_kernel"));
    let all = catalogue.sd_kernels(None);
    assert!(all.is_superset(&of_t31));
    assert!(all.is_superset(&catalogue.sd_kernels(Some("t20"))));
}

#[rstest]
#[case("t20", "stock", "factory", "flag", 0xFF_0000, 64)]
#[case("t20", "stock", "factory", "para", 0xFB_0000, 256)]
#[case("t20", "stock", "factory", "config", 0xF7_0000, 256)]
#[case("t20", "stock", "factory", "backupa", 0xD7_0000, 2048)]
#[case("t20", "stock", "factory", "backupd", 0xCD_0000, 640)]
#[case("t20", "stock", "factory", "backupk", 0xAD_0000, 2048)]
#[case("t20", "stock", "factory", "appfs", 0x63_0000, 4736)]
#[case("t20", "stock", "factory", "driver", 0x59_0000, 640)]
#[case("t20", "stock", "factory", "root", 0x24_0000, 3392)]
#[case("t20", "stock", "factory", "kernel", 0x4_0000, 2048)]
#[case("t31", "stock", "factory", "kernel", 0x4_0000, 1984)]
#[case("t31", "stock", "factory", "rootfs", 0x23_0000, 3904)]
#[case("t31", "stock", "factory", "app", 0x60_0000, 3904)]
#[case("t31", "stock", "factory", "kback", 0x9D_0000, 1984)]
#[case("t31", "stock", "factory", "aback", 0xBC_0000, 3904)]
#[case("t31", "stock", "factory", "cfg", 0xF9_0000, 384)]
#[case("t31", "stock", "factory", "para", 0xFF_0000, 64)]
#[case("t31", "thingino", "2024", "ota", 0x5_0000, 16064)]
#[case("t20", "thingino", "2025", "config", 0x4_8000, 224)]
#[case("t20", "thingino", "2026-06", "ota", 0x6_0000, 16000)]
#[case("t31", "thingino", "2026-08", "backup", 0x6_0000, 64)]
fn a_partition_is_where_its_sources_say(
    #[case] soc: &str,
    #[case] firmware: &str,
    #[case] layout: &str,
    #[case] partition: &str,
    #[case] offset: u64,
    #[case] kib: u64,
) {
    let catalogue = Catalogue::builtin();
    let layout = catalogue.firmware(soc, firmware).unwrap().layout(layout);
    let region = layout.unwrap().partition(partition).unwrap().region;
    assert_eq!((region.offset.get(), region.size), (offset, Size::kib(kib)));
}

#[rstest]
#[case("t31", &["cfg"])]
#[case("t20", &["config", "para"])]
fn the_owners_data_of_a_stock_camera_is_archived(#[case] soc: &str, #[case] names: &[&str]) {
    let catalogue = Catalogue::builtin();
    let layout = catalogue
        .firmware(soc, "stock")
        .unwrap()
        .layout("factory")
        .unwrap();
    let archived: Vec<_> = layout.user_data().map(|p| p.name.as_str()).collect();
    assert_eq!(archived, names);
}

#[test]
fn a_profile_on_the_card_replaces_the_one_of_its_name() {
    let text = builtin_text("t31/stock.toml").replace("factory_t31_ZMC6tiIDQN", "my_kernel");
    let card = [ProfileFile::new("t31/stock.toml", text)];
    let catalogue = Catalogue::builtin().with_card_profiles(&card).unwrap();
    let firmwares = catalogue.firmwares("t31");
    assert_eq!(firmwares.len(), 2);
    assert_eq!(
        catalogue.firmware("t31", "stock").unwrap().sd_kernels,
        ["my_kernel"]
    );
}

#[test]
fn the_profiles_of_the_guide_can_be_put_on_a_card() {
    let card = profiles_of_the_guide();
    let paths: Vec<_> = card.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(paths, ["t23/soc.toml", "t23/acme.toml"]);
    let catalogue = Catalogue::builtin().with_card_profiles(&card).unwrap();
    let (soc, chip) = catalogue.chip_by_name("t23n").unwrap();
    assert!(soc.supports(chip));
    let layout = catalogue
        .firmware("t23", "acme")
        .unwrap()
        .layout("2023")
        .unwrap();
    assert_eq!(layout.user_data().count(), 1);
}

#[rstest]
#[case("t23/soc.toml", "")]
#[case("t23/soc.toml", "[registers]")]
#[case("t23/soc.toml", "[flash]")]
#[case("t23/soc.toml", "[kernel]")]
#[case("t23/soc.toml", "[sd_boot]")]
#[case("t23/soc.toml", "[[chip]]")]
#[case("t23/soc.toml", "[any_model]")]
#[case("t23/soc.toml", "[[board]]")]
#[case("t23/soc.toml", "[[board.led]]")]
#[case("t23/soc.toml", "[[board.power]]")]
#[case("t23/soc.toml", "[[board.module]]")]
#[case("t23/soc.toml", "[board.audio]")]
#[case("t23/soc.toml", "[[board.audio.module]]")]
#[case("t23/acme.toml", "")]
#[case("t23/acme.toml", "[firmware]")]
#[case("t23/acme.toml", "[[detect.firmware]]")]
#[case("t23/acme.toml", "[[detect.model]]")]
#[case("t23/acme.toml", "[pending_upgrade]")]
#[case("t23/acme.toml", "[[layout]]")]
#[case("t23/acme.toml", "[[layout.evidence]]")]
#[case("t23/acme.toml", "[[layout.partition]]")]
fn the_guide_names_every_field(#[case] path: &str, #[case] table: &str) {
    let card = profiles_of_the_guide();
    let text = card
        .into_iter()
        .find(|file| file.path == path)
        .unwrap()
        .content;
    let text = String::from_utf8(text).unwrap();
    let unknown = format!("{table}\nno_such_field = 1\n");
    let text = if table.is_empty() {
        format!("{unknown}{text}")
    } else {
        text.replacen(&format!("{table}\n"), &unknown, 1)
    };
    let problem = parse(&ProfileFile::new(path, text)).unwrap_err().what();
    let (_, fields) = problem.split_once("expected").unwrap();
    let fields: Vec<_> = fields.split('`').skip(1).step_by(2).collect();
    assert!(!fields.is_empty(), "{problem}");
    for field in fields {
        assert!(GUIDE.contains(&format!("`{field}`")), "{table} {field}");
    }
}

#[test]
fn a_family_of_which_no_buffer_is_known_is_refused() {
    let known = builtin_text("t31/soc.toml");
    let text = known.replace("buffers = [0x80600000, 0x84000000]", "buffers = []");
    assert_ne!(text, known);
    let problem = parse(&ProfileFile::new("t31/soc.toml", text)).unwrap_err();
    assert!(
        problem.what().contains("at least one address"),
        "{problem:?}"
    );
}

#[test]
fn a_firmware_for_a_soc_that_nobody_knows_is_refused() {
    let card = [ProfileFile::new(
        "t99/stock.toml",
        builtin_text("t31/stock.toml"),
    )];
    let problems = Catalogue::builtin().with_card_profiles(&card).unwrap_err();
    assert!(matches!(&problems[..], [Problem::ProfileWithoutSoc { soc, .. }] if soc == "t99"));
}

#[rstest]
#[case(".DS_Store")]
#[case("t31/._stock.toml")]
#[case("t31/Thumbs.db")]
#[case("desktop.ini")]
fn what_a_desktop_leaves_behind_is_passed_over(#[case] path: &str) {
    let card = [ProfileFile::new(path, b"\0\xff".as_slice())];
    assert!(Catalogue::builtin().with_card_profiles(&card).is_ok());
}

#[test]
fn all_that_is_wrong_with_a_card_is_told_at_once() {
    let misfit = builtin_text("t31/stock.toml").replace("\"1984K\"", "\"1985K\"");
    let card = [
        ProfileFile::new("t31/stock.toml", misfit),
        ProfileFile::new("t31/other.toml", "[firmware]\n"),
        ProfileFile::new("readme.txt", "hello"),
    ];
    let problems = Catalogue::builtin().with_card_profiles(&card).unwrap_err();
    let codes: BTreeSet<String> = problems.iter().map(|p| p.code().to_string()).collect();
    let wanted = ["WZ-0401", "WZ-0403", "WZ-0420", "WZ-0421", "WZ-0423"];
    assert_eq!(codes, wanted.map(String::from).into());
}
