//! What lies on a card of ours when it is new, and what boots it. Names come from the profiles.

use wz_core::profile::{Catalogue, Firmware, Soc};

use crate::cardimage::{Content, Entry};
use crate::donor::BootLimits;

/// The folder on the card that is ours.
const FOLDER: &str = "wz_flash-helper";
const GENERAL: &str = include_str!("../card/general.conf");
/// The firmware that cameras are sold with; most cards are made for it.
const FACTORY: &str = "stock";
/// The partition that is only restored with a hidden option.
const BOOT: &str = "boot";

/// The name under which the U-Boot that cameras of this family are sold with looks for a kernel on
/// the card; none if no firmware of the family boots one.
pub fn sd_kernel_name<'a>(catalogue: &'a Catalogue, soc: &Soc) -> Option<&'a str> {
    let firmwares = catalogue.firmwares(&soc.name);
    let factory = firmwares.iter().find(|firmware| firmware.name == FACTORY);
    let names = &factory.or(firmwares.first())?.sd_kernels;
    names.first().map(String::as_str)
}

/// What the U-Boots of a family can load.
pub fn boot_limits(soc: &Soc) -> BootLimits {
    BootLimits {
        file: soc.sd_boot.longest_file,
        buffer: soc.sd_boot.buffer,
    }
}

/// A new card: the SD kernel under `kernel_name`, and our folder with nothing switched on.
pub fn content(catalogue: &Catalogue, soc: &Soc, kernel_name: &str, sd_kernel: Vec<u8>) -> Content {
    let ours = |path: &str| format!("{FOLDER}/{path}");
    let mut content = Content::from([
        (kernel_name.to_owned(), Entry::File(sd_kernel)),
        (ours("general.conf"), Entry::File(GENERAL.into())),
        (ours("backup"), Entry::Folder),
        (ours("scripts"), Entry::Folder),
    ]);
    for firmware in catalogue.firmwares(&soc.name) {
        let folder = ours(&format!("restore/{}", firmware.name));
        let conf = format!("{folder}.conf");
        content.insert(folder, Entry::Folder);
        content.insert(conf, Entry::File(restore_conf(firmware).into_bytes()));
    }
    content
}

/// `restore/<firmware>.conf` with a line for each partition of each layout, in their order.
fn restore_conf(firmware: &Firmware) -> String {
    let name = &firmware.name;
    let mut partitions = Vec::new();
    for layout in &firmware.layouts {
        for partition in layout.partitions() {
            let known = partitions.contains(&partition.name.as_str());
            if partition.name != BOOT && !known {
                partitions.push(partition.name.as_str());
            }
        }
    }
    let lines = partitions
        .iter()
        .map(|part| format!("restore_{name}_{part}=\"no\"\n"));
    let head = format!(
        "# Which partitions of the {name} firmware to restore, if restore_partitions is \"yes\" in general.conf.\n\
         # Their files, {name}_<chip group>_<partition>.bin and .sha256sum, belong in the folder restore/{name}.\n\n"
    );
    head + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The settings in a configuration of the card.
    fn settings(soc: &str, path: &str) -> Vec<(String, String)> {
        let catalogue = Catalogue::builtin();
        let soc = catalogue.soc(soc).unwrap();
        let mut content = content(&catalogue, soc, "kernel", vec![]);
        let Some(Entry::File(text)) = content.remove(&format!("{FOLDER}/{path}")) else {
            panic!("no {path}");
        };
        let text = String::from_utf8(text).unwrap();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let setting = |line: &str| {
            let (key, value) = line.split_once('=').unwrap();
            (key.to_owned(), value.trim_matches('"').to_owned())
        };
        lines.map(setting).collect()
    }

    #[test]
    fn a_new_card_switches_nothing_on() {
        for (key, value) in settings("t31", "general.conf") {
            assert!(
                matches!(value.as_str(), "no" | "")
                    || key == "audio_volume"
                    || key == "secondary_backup",
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
            "secondary_backup",
            "switch_firmware",
            "switch_firmware_with_all_partitions",
        ];
        assert_eq!(keys, expected);
    }

    #[rstest]
    #[case("t20", "stock", "flag")]
    #[case("t31", "stock", "kback")]
    #[case("t31", "thingino", "ota")]
    fn a_new_card_restores_nothing_and_names_the_partitions_of_the_profile(
        #[case] soc: &str,
        #[case] firmware: &str,
        #[case] partition: &str,
    ) {
        let settings = settings(soc, &format!("restore/{firmware}.conf"));
        let key = format!("restore_{firmware}_{partition}");
        assert!(
            settings.iter().any(|(found, _)| *found == key),
            "{settings:?}"
        );
        assert!(settings.iter().all(|(_, value)| value == "no"));
        assert!(!settings.iter().any(|(key, _)| key.ends_with("_boot")));
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
