//! What lies on a card of ours when it is new, and what boots it. Names come from the profiles.

use std::collections::BTreeSet;
use std::path::Path;

use wz_core::plan::takes_wifi;
use wz_core::profile::{Catalogue, Firmware, Layout, Soc};

use crate::cardimage::{Content, Entry};
use crate::donor::{self, BootLimits, SdKernel};
use crate::problem::CliProblem;

/// The folder on the card that is ours.
const FOLDER: &str = "wz_flash-helper";
const GENERAL: &str = include_str!("../card/general.conf");
/// Examples, to be filled in.
const SCRIPTS: [(&str, &str); 2] = [
    (
        "extract_archive.sh",
        include_str!("../card/scripts/extract_archive.sh"),
    ),
    (
        "setup_wifi.sh",
        include_str!("../card/scripts/setup_wifi.sh"),
    ),
];
const WIFI: &str = include_str!("../card/thingino.conf");
/// The firmware that cameras are sold with; most cards are made for it.
const FACTORY: &str = "stock";

/// The name under which the U-Boot that cameras of this family are sold with looks for a kernel on
/// the card; none if no firmware of the family boots one.
pub fn sd_kernel_name<'a>(catalogue: &'a Catalogue, soc: &Soc) -> Option<&'a str> {
    let firmwares = catalogue.firmwares(&soc.name);
    let factory = firmwares.iter().find(|firmware| firmware.name == FACTORY);
    let names = &factory.or(firmwares.first())?.sd_kernels;
    names.first().map(String::as_str)
}

/// The initramfs in the kernel `donor`, which was read from `path`, for cameras of a family.
///
/// # Errors
/// [`CliProblem::KernelUnfit`].
pub fn sd_kernel(
    path: &Path,
    donor: &[u8],
    initramfs: &[u8],
    soc: &Soc,
) -> Result<SdKernel, CliProblem> {
    donor::attach(donor, initramfs, &boot_limits(soc)).map_err(|error| CliProblem::KernelUnfit {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

/// What the U-Boots of a family can load.
pub fn boot_limits(soc: &Soc) -> BootLimits {
    BootLimits {
        file: soc.sd_boot.longest_file,
        buffers: soc.sd_boot.buffers.clone(),
    }
}

/// A new card: the SD kernel under `kernel_name`, and our folder with nothing switched on.
pub fn content(catalogue: &Catalogue, soc: &Soc, kernel_name: &str, sd_kernel: Vec<u8>) -> Content {
    let mut content = folder(catalogue, soc);
    content.insert(kernel_name.to_owned(), Entry::File(sd_kernel));
    content
}

/// Our folder, with nothing switched on.
pub fn folder(catalogue: &Catalogue, soc: &Soc) -> Content {
    let ours = |path: &str| format!("{FOLDER}/{path}");
    let mut content = Content::from([
        (ours("general.conf"), Entry::File(GENERAL.into())),
        (ours("backup"), Entry::Folder),
    ]);
    for (name, script) in SCRIPTS {
        let path = ours(&format!("scripts/{name}"));
        content.insert(path, Entry::File(script.into()));
    }
    if catalogue.firmwares(&soc.name).iter().any(takes_wifi) {
        content.insert(ours("thingino.conf"), Entry::File(WIFI.into()));
    }
    for firmware in catalogue.firmwares(&soc.name) {
        let folder = ours(&format!("restore/{}", firmware.name));
        let conf = format!("{folder}.conf");
        let readme = format!("{folder}/README.txt");
        content.insert(conf, Entry::File(restore_conf(firmware).into_bytes()));
        content.insert(readme, Entry::File(image_names(soc, firmware).into_bytes()));
    }
    content
}

/// `restore/<firmware>.conf` with a line for each partition of each layout, but for boot partitions:
/// those are only restored with a hidden option.
fn restore_conf(firmware: &Firmware) -> String {
    let name = &firmware.name;
    let lines = partitions(firmware)
        .into_iter()
        .filter(|partition| !is_boot(firmware, partition))
        .map(|partition| format!("restore_{name}_{partition}=\"no\"\n"));
    let head = format!(
        "# Which partitions of the {name} firmware to restore, if restore_partitions is \"yes\" in general.conf:\n\
         # change \"no\" to \"yes\". Their images belong in the folder restore/{name}, whose README.txt says what\n\
         # they are called.\n\n"
    );
    head + &lines.collect::<String>()
}

/// `restore/<firmware>/README.txt`: what the images in that folder are called.
fn image_names(soc: &Soc, firmware: &Firmware) -> String {
    let name = &firmware.name;
    let groups: BTreeSet<&str> = soc.chips.iter().map(|chip| chip.group.as_str()).collect();
    let groups = groups.into_iter().collect::<Vec<_>>().join(", ");
    let images = partitions(firmware)
        .into_iter()
        .map(|partition| format!("  {name}_<group>_{partition}.bin\n"));
    let images = images.collect::<String>();
    format!(
        "This folder is for images of the {name} firmware, to restore or to switch to: one for each\n\
         partition,\n\n\
         {images}\n\
         or, to switch, one for the whole firmware:\n\n  \
         {name}_<group>_firmware.bin\n\n\
         Beside each image belongs a file with its hash: the same name with .sha256sum behind it.\n\n\
         <group> is the kind of chip: {groups}.\n\
         The files of a backup have these names already: copy them from backup/{name}/<number>.\n"
    )
}

/// The partitions that a firmware has in any layout, in their order.
fn partitions(firmware: &Firmware) -> Vec<&str> {
    let mut names = Vec::new();
    for partition in firmware.layouts.iter().flat_map(Layout::partitions) {
        if !names.contains(&partition.name.as_str()) {
            names.push(partition.name.as_str());
        }
    }
    names
}

fn is_boot(firmware: &Firmware, partition: &str) -> bool {
    let mut boots = firmware.layouts.iter().filter_map(Layout::boot);
    boots.any(|boot| boot.name == partition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use wz_core::config::{GeneralConf, read_general, read_restore, read_wifi, request};

    /// A text in our folder of a new card.
    fn text(soc: &str, path: &str) -> String {
        let catalogue = Catalogue::builtin();
        let soc = catalogue.soc(soc).unwrap();
        let mut content = content(&catalogue, soc, "kernel", vec![]);
        let Some(Entry::File(text)) = content.remove(&format!("{FOLDER}/{path}")) else {
            panic!("no {path}");
        };
        String::from_utf8(text).unwrap()
    }

    /// The settings in a configuration of the card.
    fn settings(soc: &str, path: &str) -> Vec<(String, String)> {
        let text = text(soc, path);
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let setting = |line: &str| {
            let (key, value) = line.split_once('=').unwrap();
            (key.to_owned(), value.trim_matches('"').to_owned())
        };
        lines.map(setting).collect()
    }

    /// What is on by itself, and changes nothing by itself.
    const ON: [&str; 4] = [
        "audio_volume",
        "secondary_backup",
        "safety_backup",
        "roll_back",
    ];

    #[test]
    fn a_new_card_switches_nothing_on() {
        for (key, value) in settings("t31", "general.conf") {
            assert!(
                matches!(value.as_str(), "no" | "") || ON.contains(&key.as_str()),
                "{key}={value}"
            );
        }
    }

    #[test]
    fn a_new_card_has_all_options_that_are_not_hidden() {
        let mut keys: Vec<_> = settings("t31", "general.conf")
            .into_iter()
            .map(|s| s.0)
            .collect();
        keys.sort();
        let expected = [
            "audio_volume",
            "backup_partitions",
            "copy_new_sdcard_kernel",
            "custom_scripts",
            "dry_run",
            "enable_audio",
            "enable_custom_scripts",
            "manual_current_firmware",
            "manual_model",
            "new_sdcard_kernel",
            "next_firmware",
            "re_run",
            "restore_partitions",
            "roll_back",
            "safety_backup",
            "secondary_backup",
            "switch_firmware",
            "switch_firmware_with_all_partitions",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn a_new_card_asks_for_nothing_and_means_what_it_would_without_its_lines() {
        let text = text("t31", "general.conf");
        let conf = read_general("general.conf", text.as_bytes()).unwrap();
        assert_eq!(conf.warnings, []);
        let asked = request("general.conf", &conf.value).unwrap().value;
        let silent = request("general.conf", &GeneralConf::default()).unwrap();
        assert_eq!(asked, silent.value);
    }

    #[rstest]
    #[case("t20")]
    #[case("t31")]
    fn a_new_card_sets_up_no_wifi_until_it_is_filled_in(#[case] soc: &str) {
        let text = text(soc, "thingino.conf");
        let reading = read_wifi("thingino.conf", text.as_bytes()).unwrap();
        assert_eq!((reading.value, reading.warnings), (None, vec![]));
        let filled = text
            .replace("wifi_ssid=\"\"", "wifi_ssid=\"home\"")
            .replace("wifi_password=\"\"", "wifi_password=\"12345678\"")
            .replace("mac_address=\"\"", "mac_address=\"02:00:5e:10:20:30\"")
            .replace("timezone=\"\"", "timezone=\"Europe/Berlin\"");
        let wifi = read_wifi("thingino.conf", filled.as_bytes())
            .unwrap()
            .value
            .unwrap();
        assert_eq!(wifi.ssid.reveal(), "home");
        assert_eq!(wifi.time_zone.as_deref(), Some("Europe/Berlin"));
    }

    #[rstest]
    #[case("t20", "stock", &["kernel", "root", "driver", "appfs", "backupk", "backupd", "backupa", "config", "para", "flag"])]
    #[case("t31", "stock", &["kernel", "rootfs", "app", "kback", "aback", "cfg", "para"])]
    #[case("t20", "thingino", &["env", "ota", "config", "backup"])]
    #[case("t31", "thingino", &["env", "ota", "config", "backup"])]
    fn a_new_card_restores_nothing_and_names_the_partitions_of_the_profile(
        #[case] soc: &str,
        #[case] firmware: &str,
        #[case] partitions: &[&str],
    ) {
        let settings = settings(soc, &format!("restore/{firmware}.conf"));
        let expected: Vec<_> = partitions
            .iter()
            .map(|partition| (format!("restore_{firmware}_{partition}"), "no".to_owned()))
            .collect();
        assert_eq!(settings, expected);
    }

    /// Whatever layout the camera has: with one line changed, that is what is restored.
    #[rstest]
    fn every_line_of_a_new_card_can_be_switched_on(
        #[values("t20", "t31")] soc: &str,
        #[values("stock", "thingino")] firmware: &str,
    ) {
        let text = text(soc, &format!("restore/{firmware}.conf"));
        let catalogue = Catalogue::builtin();
        let firmware = catalogue.firmware(soc, firmware).unwrap();
        for layout in &firmware.layouts {
            for partition in layout.partitions().iter().skip(1) {
                let key = format!("restore_{}_{}=", firmware.name, partition.name);
                let text = text.replace(&format!("{key}\"no\""), &format!("{key}\"yes\""));
                let reading = read_restore("a.conf", text.as_bytes(), firmware, layout).unwrap();
                assert_eq!(reading.warnings, []);
                assert_eq!(reading.value.partitions, [partition.name.as_str()]);
            }
        }
    }

    #[rstest]
    #[case("t31", "stock", &["stock_<group>_boot.bin", "stock_<group>_kback.bin", "stock_<group>_firmware.bin"])]
    #[case("t20", "stock", &["stock_<group>_flag.bin", "t20l, t20n, t20x"])]
    #[case("t31", "thingino", &["thingino_<group>_ota.bin", "t31a", "t31x", "backup/thingino/"])]
    fn a_new_card_says_what_images_are_called(
        #[case] soc: &str,
        #[case] firmware: &str,
        #[case] words: &[&str],
    ) {
        let text = text(soc, &format!("restore/{firmware}/README.txt"));
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
    }

    #[rstest]
    fn a_new_card_has_scripts_that_the_camera_takes(
        #[values("extract_archive.sh", "setup_wifi.sh")] name: &str,
    ) {
        let script = text("t31", &format!("scripts/{name}"));
        assert_eq!(
            wz_core::script::check_script(name, script.as_bytes()),
            Ok(())
        );
    }

    #[rstest]
    #[case("t20", "factory_ZMC6tiIDQN")]
    #[case("t31", "factory_t31_ZMC6tiIDQN")]
    fn the_sd_kernel_has_the_name_that_cameras_on_sale_look_for(
        #[case] soc: &str,
        #[case] name: &str,
    ) {
        let catalogue = Catalogue::builtin();
        let soc = catalogue.soc(soc).unwrap();
        assert_eq!(sd_kernel_name(&catalogue, soc), Some(name));
    }
}
