//! What lies on a card of ours when it is new, and what boots it.

use clap::ValueEnum;
use wz_core::units::Size;

use crate::cardimage::{Content, Entry};
use crate::donor::BootLimits;

/// The folder on the card that is ours.
const FOLDER: &str = "wz_flash-helper";
const GENERAL: &str = include_str!("../card/general.conf");
const RESTORE_THINGINO: &str = include_str!("../card/restore/thingino.conf");
const RESTORE_STOCK_T20: &str = include_str!("../card/restore/t20/stock.conf");
const RESTORE_STOCK_T31: &str = include_str!("../card/restore/t31/stock.conf");
/// Where the owner puts files; empty at first.
const EMPTY_FOLDERS: &[&str] = &["backup", "restore/stock", "restore/thingino", "scripts"];

/// The longest SD kernel that stock and thingino's U-Boots read: what they `fatload` at most. Source:
/// the U-Boot of the Wyze Cam v2 disassembled; thingino's `cmd_sdstart.c`.
const LONGEST_SD_KERNEL: Size = Size::bytes(0x99_0040);

/// A family of chips that cards are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Soc {
    /// Wyze Cam v2, Cam Pan.
    T20,
    /// Wyze Cam v3, Cam Pan v2, Cam Floodlight, ATOM Cam 2.
    T31,
}

impl Soc {
    /// As it is written in names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::T20 => "t20",
            Self::T31 => "t31",
        }
    }

    /// The name under which the U-Boot of the stock firmware looks for a kernel on the card.
    pub fn sd_kernel(self) -> &'static str {
        match self {
            Self::T20 => "factory_ZMC6tiIDQN",
            Self::T31 => "factory_t31_ZMC6tiIDQN",
        }
    }

    /// What the U-Boots that look for that name can load. They read it to where the T20's stock U-Boot
    /// and thingino's do; for the T31's stock U-Boot the lower of the two addresses is assumed.
    pub fn boot_limits(self) -> BootLimits {
        let buffer = match self {
            Self::T20 => 0x8400_0000,
            Self::T31 => 0x8060_0000,
        };
        BootLimits {
            file: LONGEST_SD_KERNEL,
            buffer,
        }
    }

    fn restore_stock(self) -> &'static str {
        match self {
            Self::T20 => RESTORE_STOCK_T20,
            Self::T31 => RESTORE_STOCK_T31,
        }
    }
}

/// A new card: the SD kernel, and our folder with nothing switched on.
pub fn content(soc: Soc, sd_kernel: Vec<u8>) -> Content {
    let ours = |path: &str| format!("{FOLDER}/{path}");
    let text = |text: &str| Entry::File(text.as_bytes().to_vec());
    let mut content = Content::from([
        (soc.sd_kernel().to_owned(), Entry::File(sd_kernel)),
        (ours("general.conf"), text(GENERAL)),
        (ours("restore/stock.conf"), text(soc.restore_stock())),
        (ours("restore/thingino.conf"), text(RESTORE_THINGINO)),
    ]);
    content.extend(EMPTY_FOLDERS.iter().map(|path| (ours(path), Entry::Folder)));
    content
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The settings in a configuration of the card.
    fn settings(soc: Soc, path: &str) -> Vec<(String, String)> {
        let Some(Entry::File(text)) = content(soc, vec![]).remove(&format!("{FOLDER}/{path}"))
        else {
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
        for (key, value) in settings(Soc::T31, "general.conf") {
            assert!(
                matches!(value.as_str(), "no" | "") || key == "audio_volume",
                "{key}={value}"
            );
        }
    }

    #[test]
    fn a_new_card_has_all_options_that_are_not_hidden() {
        let mut keys: Vec<_> = settings(Soc::T31, "general.conf")
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
    #[case(Soc::T20, "restore/stock.conf", "restore_stock_")]
    #[case(Soc::T31, "restore/stock.conf", "restore_stock_")]
    #[case(Soc::T31, "restore/thingino.conf", "restore_thingino_")]
    fn a_new_card_restores_nothing_and_names_its_own_firmware(
        #[case] soc: Soc,
        #[case] path: &str,
        #[case] prefix: &str,
    ) {
        let settings = settings(soc, path);
        assert!(!settings.is_empty());
        assert!(
            settings
                .iter()
                .all(|(key, value)| key.starts_with(prefix) && value == "no")
        );
    }
}
