use super::*;
use crate::profile::{Catalogue, ProfileFile};
use rstest::rstest;

const T31_SOC: &str = include_str!("../../../../profiles/t31/soc.toml");
const T31_STOCK: &str = include_str!("../../../../profiles/t31/stock.toml");
const T31_THINGINO: &str = include_str!("../../../../profiles/t31/thingino.toml");

/// What is wrong once `old` reads `new` in a built-in profile.
fn codes(path: &str, old: &str, new: &str) -> BTreeSet<String> {
    let text = match path {
        "t31/soc.toml" => T31_SOC,
        "t31/stock.toml" => T31_STOCK,
        _ => T31_THINGINO,
    };
    assert!(text.contains(old), "{old} is not in {path}");
    let card = [ProfileFile::new(path, text.replacen(old, new, 1))];
    match Catalogue::builtin().with_card_profiles(&card) {
        Ok(_) => BTreeSet::new(),
        Err(problems) => problems.iter().map(|p| p.code().to_string()).collect(),
    }
}

#[rstest]
#[case::upper_case_group("group = \"t31x\"", "group = \"T31X\"", &["WZ-0410"])]
#[case::chip_of_a_name_twice("name = \"t31zx\"", "name = \"t31x\"", &["WZ-0413"])]
#[case::chip_of_an_id_twice("type = 0x6666", "type = 0x2222", &["WZ-0413"])]
#[case::chip_of_another_family("name = \"t31zx\"", "name = \"t20x\"", &["WZ-0413"])]
#[case::page_that_does_not_divide("page = 256", "page = 300", &["WZ-0414"])]
#[case::page_of_nothing("page = 256", "page = 0", &["WZ-0414"])]
#[case::search_beyond_the_chip("boot_search = \"256K\"", "boot_search = \"17M\"", &["WZ-0420"])]
fn a_mistake_in_a_soc_is_found(#[case] old: &str, #[case] new: &str, #[case] wanted: &[&str]) {
    let wanted = wanted.iter().map(ToString::to_string).collect();
    assert_eq!(codes("t31/soc.toml", old, new), wanted);
}

#[rstest]
#[case::script_in_another_folder("[pending_upgrade]", "[scripts]\npost_switch = \"../a.sh\"\n[pending_upgrade]", &["WZ-0411"])]
#[case::script_for_something_else("[pending_upgrade]", "[scripts]\npre_switch = \"a.sh\"\n[pending_upgrade]", &["WZ-0401"])]
#[case::a_script("[pending_upgrade]", "[scripts]\npost_switch = \"a.sh\"\n[pending_upgrade]", &[])]
fn a_mistake_with_scripts_is_found(#[case] old: &str, #[case] new: &str, #[case] wanted: &[&str]) {
    let wanted = wanted.iter().map(ToString::to_string).collect();
    assert_eq!(codes("t31/stock.toml", old, new), wanted);
}

#[rstest]
#[case::model_with_two_boards("models = [\"v3c\"]", "models = [\"v3\"]", &["WZ-0412"])]
#[case::board_of_nothing("models = [\"v3c\"]", "models = []", &["WZ-0426"])]
#[case::line_for_two_things("gpio = 39\nactive = \"low\"", "gpio = 38\nactive = \"low\"", &["WZ-0426"])]
#[case::early_pin_that_is_no_led_everywhere("led_pins = [38, 39]", "led_pins = [38, 48]", &["WZ-0426"])]
#[case::early_pin_that_switches_power(
    "models = [\"v3c\"]",
    "models = [\"v3c\"]\n[[board.power]]\ngpio = 39\nactive = \"low\"",
    &["WZ-0426"]
)]
#[case::module_in_a_folder("name = \"audio\"", "name = \"../audio\"", &["WZ-0426"])]
#[case::parameters_of_two_lines("\"spk_gpio=7\"", "\"spk_gpio=7\\nx\"", &["WZ-0426"])]
#[case::colour_that_does_not_exist("colour = \"red\"", "colour = \"pink\"", &["WZ-0401"])]
#[case::level_that_does_not_exist("active = \"low\"", "active = \"on\"", &["WZ-0401"])]
#[case::unknown_field("models = [\"v3c\"]", "models = [\"v3c\"]\nlamp = 3", &["WZ-0401"])]
fn a_mistake_in_a_board_is_found(#[case] old: &str, #[case] new: &str, #[case] wanted: &[&str]) {
    let wanted = wanted.iter().map(ToString::to_string).collect();
    assert_eq!(codes("t31/soc.toml", old, new), wanted);
}

#[rstest]
#[case::not_whole_blocks("size = \"384K\"", "size = \"380K\"", &["WZ-0421", "WZ-0423"])]
#[case::not_at_a_block("size = \"384K\"", "gap_before = \"4K\"\nsize = \"380K\"", &["WZ-0421"])]
#[case::not_up_to_a_block("size = \"64K\"\nformat", "size = \"60K\"\nformat", &["WZ-0421", "WZ-0423"])]
#[case::larger_than_the_chip("size = \"384K\"", "size = \"448K\"", &["WZ-0420", "WZ-0423"])]
#[case::beyond_64_bits("size = \"384K\"", "size = \"0xffffffffffff8000\"", &["WZ-0420", "WZ-0421", "WZ-0423"])]
#[case::empty_partition("size = \"384K\"", "gap_before = \"384K\"\nsize = 0", &["WZ-0420"])]
#[case::overlap("size = \"384K\"", "size = \"384K\"\noffset = \"0xF80000\"", &["WZ-0422"])]
#[case::gap_not_declared("size = \"384K\"", "size = \"320K\"\noffset = \"0xFA0000\"", &["WZ-0422", "WZ-0423"])]
#[case::chip_not_filled("size = \"64K\"\nformat", "size = \"32K\"\nformat", &["WZ-0423"])]
#[case::partition_twice("name = \"aback\"", "name = \"app\"", &["WZ-0412"])]
#[case::upper_case_partition("name = \"aback\"", "name = \"Aback\"", &["WZ-0410"])]
#[case::partition_named_like_the_whole_chip("name = \"aback\"", "name = \"all\"", &["WZ-0410"])]
#[case::path_as_partition("name = \"aback\"", "name = \"../boot\"", &["WZ-0410"])]
#[case::archive_of_no_file_system("format = \"jffs2\"\nuser", "format = \"raw\"\nuser", &["WZ-0426"])]
#[case::format_without_file_system("format = \"vfat\"", "format = \"raw\"", &["WZ-0426"])]
#[case::format_of_a_kernel("format = \"vfat\"", "format = \"uimage\"", &["WZ-0426"])]
#[case::format_of_too_few_blocks(
    "name = \"para\"\nsize = \"64K\"\nformat = \"raw\"\nswitch = \"erase\"",
    "name = \"para\"\nsize = \"64K\"\nformat = \"jffs2\"\nswitch = \"format\"",
    &["WZ-0426"]
)]
#[case::archive_of_a_kernel("format = \"jffs2\"\nuser", "format = \"uimage\"\nuser", &["WZ-0426"])]
#[case::nothing_at_the_start("name = \"boot\"\nsize = \"256K\"", "name = \"boot\"\ngap_before = \"32K\"\nsize = \"224K\"", &["WZ-0426"])]
#[case::boot_not_first(
    "name = \"boot\"\nsize = \"256K\"",
    "name = \"first\"\nsize = \"32K\"\nformat = \"raw\"\n[[layout.partition]]\nname = \"boot\"\nsize = \"224K\"",
    &["WZ-0426"]
)]
#[case::boot_that_is_a_kernel("size = \"256K\"\nformat = \"raw\"", "size = \"256K\"\nformat = \"uimage\"", &["WZ-0426"])]
#[case::boot_that_is_erased("size = \"256K\"\nformat = \"raw\"", "size = \"256K\"\nformat = \"raw\"\nswitch_all = \"erase\"", &["WZ-0426"])]
#[case::kernel_name_with_a_folder("[\"factory_t31_ZMC6tiIDQN\"]", "[\"../kernel\"]", &["WZ-0411"])]
#[case::kernel_name_with_a_colon("[\"factory_t31_ZMC6tiIDQN\"]", "[\"a:b\"]", &["WZ-0411"])]
#[case::kernel_names_in_two_cases("[\"factory_t31_ZMC6tiIDQN\"]", "[\"Kernel\", \"kernel\"]", &["WZ-0412"])]
#[case::new_card_with_another_name("sd_kernels = [\"factory_t31_ZMC6tiIDQN\"]", "sd_kernels = [\"factory_t31_ZMC6tiIDQN\"]\nnew_card_kernels = [\"other\"]", &["WZ-0426"])]
#[case::new_card_without_a_kernel("sd_kernels = [\"factory_t31_ZMC6tiIDQN\"]", "sd_kernels = [\"factory_t31_ZMC6tiIDQN\"]\nnew_card_kernels = []", &["WZ-0426"])]
#[case::no_kernel_name("[\"factory_t31_ZMC6tiIDQN\"]", "[]", &["WZ-0426"])]
#[case::copy_into_our_folder("Wyze_factory_backup", "WZ_flash-helper", &["WZ-0411"])]
#[case::clue_of_nothing("kernel_at = \"0x40000\"", "[[detect.firmware]]", &["WZ-0426"])]
#[case::empty_text("\"demo_wcv3.bin\"", "\"\"", &["WZ-0425", "WZ-0426"])]
#[case::kernel_beyond_the_chip("kernel_at = \"0x40000\"", "kernel_at = \"16M\"", &["WZ-0420"])]
#[case::mark_beyond_the_chip("offset = \"0xFF0000\"", "offset = \"0xFF8000\"", &["WZ-0420"])]
#[case::sign_of_the_other_firmware("\"demo_wcv3.bin\"", "\"Thingino U-Boot for Ingenic T31\"", &["WZ-0425"])]
#[case::model_of_two_signs("name = \"Wyze Cam v3\"", "boot_contains = \"x\"", &["WZ-0426"])]
#[case::model_without_code("code = \"v3\"", "", &["WZ-0426"])]
#[case::model_in_no_partition("{ partition = \"cfg\"", "{ partition = \"cfgs\"", &["WZ-0426"])]
#[case::model_out_of_its_partition("\".product_config\"", "\"../etc/passwd\"", &["WZ-0426"])]
fn a_mistake_in_a_firmware_is_found(#[case] old: &str, #[case] new: &str, #[case] wanted: &[&str]) {
    let wanted = wanted.iter().map(ToString::to_string).collect();
    assert_eq!(codes("t31/stock.toml", old, new), wanted);
}

#[rstest]
#[case::layout_twice("name = \"2025\"", "name = \"2024\"", &["WZ-0412"])]
#[case::same_evidence("size = \"32K\" }", "size = \"64K\" }", &["WZ-0424"])]
#[case::evidence_that_contains_the_other("kernel_at = \"0x80000\"", "kernel_at = \"0x50000\"", &["WZ-0424"])]
#[case::kernel_of_a_layout_only("sd_kernels = []", "sd_kernels = [\"other_kernel\"]", &["WZ-0426"])]
#[case::variable_in_no_partition("{ partition = \"env\"", "{ partition = \"environment\"", &["WZ-0426"])]
fn a_mistake_among_layouts_is_found(#[case] old: &str, #[case] new: &str, #[case] wanted: &[&str]) {
    let wanted = wanted.iter().map(ToString::to_string).collect();
    assert_eq!(codes("t31/thingino.toml", old, new), wanted);
}

#[rstest]
#[case::before_a_partition(
    "name = \"cfg\"\nsize = \"384K\"",
    "name = \"cfg\"\ngap_before = \"64K\"\nsize = \"320K\""
)]
#[case::offset_that_is_right("size = \"384K\"", "offset = \"0xF90000\"\nsize = \"384K\"")]
fn a_gap_that_is_declared_is_fine(#[case] old: &str, #[case] new: &str) {
    assert_eq!(codes("t31/stock.toml", old, new), BTreeSet::new());
}

#[test]
fn a_gap_at_the_end_is_part_of_the_layout() {
    let shorter = T31_STOCK.replace(
        "name = \"para\"\nsize = \"64K\"",
        "name = \"para\"\nsize = \"32K\"",
    );
    let declared = shorter.replace("[[layout]]", "[[layout]]\ngap_at_end = \"32K\"");
    let with = |text: &str| {
        Catalogue::builtin().with_card_profiles(&[ProfileFile::new("t31/stock.toml", text)])
    };
    assert!(with(&shorter).is_err());
    assert!(with(&declared).is_ok());
}

#[test]
fn layouts_of_one_firmware_need_evidence() {
    let old = "[[layout.evidence]]\nenvironment = { offset = \"0x40000\", size = \"64K\" }\n";
    assert_eq!(codes("t31/thingino.toml", old, ""), BTreeSet::new());
    let old = "[[layout.evidence]]\nkernel_at = \"0x60000\"\nenvironment = { offset = \"0x50000\", size = \"64K\" }\n";
    assert_eq!(
        codes("t31/thingino.toml", old, ""),
        ["WZ-0426".to_owned()].into()
    );
}
