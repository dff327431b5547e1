//! `restore/<firmware>.conf`: which partitions to restore.

use crate::event::Problem;
use crate::profile::{Firmware, Layout};

use super::doubt::{Doubt, Stakes};
use super::findings::Findings;
use super::general::is_on;
use super::keys::Key;
use super::line::Entry;
use super::nearest::nearest;
use super::reader::read;
use super::value::{YesNo, yes_no};
use super::{Given, Reading};

/// What stands in `restore/<firmware>.conf`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreConf {
    /// The name of the boot partition; none if the layout has no partition at the start of flash.
    pub boot: Option<String>,
    /// The partitions to restore, in the order of the flash; never the boot partition.
    pub partitions: Vec<String>,
    /// The hidden option for the boot partition.
    pub restore_boot: Option<Given<YesNo>>,
}

/// What is to be restored, from both files; never nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreChoice {
    /// In the order of the flash; the boot partition, if it was asked for, is the last.
    pub partitions: Vec<String>,
}

/// Reads the content of `restore/<firmware>.conf` for a camera that has `firmware` in `layout`. As
/// flash would be written, all doubts are errors.
///
/// # Errors
/// Everything that keeps the file from being understood, at most 20 problems and the number of
/// those left out.
pub fn read_restore(
    file: &str,
    bytes: &[u8],
    firmware: &Firmware,
    layout: &Layout,
) -> Result<Reading<RestoreConf>, Vec<Problem>> {
    let names = Names { firmware, layout };
    let mut text = read(file, bytes, &|name| names.is_known(name));
    let mut restore_boot = None;
    let mut wanted = Vec::new();
    for entry in std::mem::take(&mut text.entries) {
        let outcome = match names.meaning(&entry.key) {
            Meaning::Partition(name) => yes_no(&entry)
                .map(|given| wanted.extend((given.value == YesNo::Yes).then_some(name))),
            Meaning::HiddenBoot => yes_no(&entry).map(|given| restore_boot = Some(given)),
            Meaning::PlainBoot => plain_boot(&entry),
            Meaning::OtherLayout => names.other_layout(&entry),
            Meaning::OtherFirmware(meant) => {
                names.other_firmware(&entry, meant, &mut text.warnings)
            }
            Meaning::Unknown(nearest) => {
                text.doubts.push(Doubt::unknown(&entry, nearest.as_deref()));
                Ok(())
            }
        };
        text.note(entry.key_at.line, outcome);
    }
    let in_order = names.plain().filter(|name| wanted.contains(name));
    let conf = RestoreConf {
        boot: names.boot().map(str::to_owned),
        partitions: in_order.map(str::to_owned).collect(),
        restore_boot,
    };
    text.conclude(file, conf, Stakes::Writing)
}

/// What is to be restored. The hidden option for the boot partition counts in either file: `general`
/// is what `general.conf` says of it.
///
/// # Errors
/// When nothing is chosen, or the two files disagree about the boot partition.
pub fn choose(
    file: &str,
    general: &Option<Given<YesNo>>,
    restore: &RestoreConf,
) -> Result<RestoreChoice, Problem> {
    let with_boot = match (&restore.restore_boot, general) {
        (Some(here), Some(there)) if here.value != there.value => {
            return Err(Problem::RestoreBootContradiction {
                at: here.at.clone(),
                general: there.at.file.to_string(),
                line: there.at.line,
            });
        }
        (here, there) => is_on(here) || is_on(there),
    };
    let boot = restore.boot.iter().filter(|_| with_boot);
    let partitions: Vec<String> = restore.partitions.iter().chain(boot).cloned().collect();
    if partitions.is_empty() {
        return Err(Problem::RestoreNothingChosen {
            file: file.to_owned(),
        });
    }
    Ok(RestoreChoice { partitions })
}

enum Meaning<'a> {
    Partition(&'a str),
    HiddenBoot,
    PlainBoot,
    /// A partition that the firmware has in another layout.
    OtherLayout,
    /// With the name that was probably meant.
    OtherFirmware(Option<String>),
    /// With the nearest known name.
    Unknown(Option<String>),
}

struct Names<'a> {
    firmware: &'a Firmware,
    layout: &'a Layout,
}

impl<'a> Names<'a> {
    fn key(&self, partition: &str) -> String {
        format!("restore_{}_{partition}", self.firmware.name)
    }

    fn boot(&self) -> Option<&'a str> {
        self.layout.boot().map(|boot| boot.name.as_str())
    }

    /// The partitions that need no hidden option, in the order of flash.
    fn plain(&self) -> impl Iterator<Item = &'a str> {
        let boot = self.boot();
        let all = self.layout.partitions().iter();
        all.map(|partition| partition.name.as_str())
            .filter(move |&name| Some(name) != boot)
    }

    fn meaning(&self, key: &str) -> Meaning<'a> {
        if key == Key::RestoreBoot.name() {
            return Meaning::HiddenBoot;
        }
        if self.boot().is_some_and(|boot| self.key(boot) == key) {
            return Meaning::PlainBoot;
        }
        if let Some(partition) = self.plain().find(|name| self.key(name) == key) {
            return Meaning::Partition(partition);
        }
        if self.is_in_another_layout(key) {
            return Meaning::OtherLayout;
        }
        let near = nearest(key, self.known().iter().map(String::as_str)).map(str::to_owned);
        match self.partition_of_other(key) {
            Some(partition) if self.plain().any(|name| name == partition) => {
                Meaning::OtherFirmware(Some(self.key(partition)))
            }
            Some(_) => Meaning::OtherFirmware(near),
            None => Meaning::Unknown(near),
        }
    }

    fn is_in_another_layout(&self, key: &str) -> bool {
        let layouts = self.firmware.layouts.iter();
        layouts
            .flat_map(Layout::partitions)
            .any(|partition| self.key(&partition.name) == key)
    }

    /// `env` in `restore_stock_env`, where the firmware is not `stock`.
    fn partition_of_other<'k>(&self, key: &'k str) -> Option<&'k str> {
        let (firmware, partition) = key.strip_prefix("restore_")?.split_once('_')?;
        (firmware != self.firmware.name).then_some(partition)
    }

    fn known(&self) -> Vec<String> {
        let keys = self.plain().map(|name| self.key(name));
        keys.chain([Key::RestoreBoot.name().to_owned()]).collect()
    }

    fn is_known(&self, key: &str) -> bool {
        !matches!(self.meaning(key), Meaning::Unknown(None))
    }

    /// A new card has lines for the partitions of all layouts: "no" is what they say.
    fn other_layout(&self, entry: &Entry) -> Result<(), Problem> {
        match yes_no(entry)?.value {
            YesNo::No => Ok(()),
            YesNo::Yes => Err(Problem::RestoreOtherLayout {
                at: entry.key_at.clone(),
                key: entry.shown_key.clone(),
                firmware: self.firmware.name.clone(),
                layout: self.layout.name.clone(),
                partitions: self.plain().collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// "no" for another firmware is what the original's own file says: no harm. "yes" would be a
    /// partition that the owner believes to be restored.
    fn other_firmware(
        &self,
        entry: &Entry,
        meant: Option<String>,
        warnings: &mut Findings,
    ) -> Result<(), Problem> {
        let at = entry.key_at.clone();
        let key = entry.shown_key.clone();
        let firmware = self.firmware.name.clone();
        let suggestion = meant.map_or_else(
            || "Delete the line".to_owned(),
            |name| format!("If \"{name}\" was meant, correct the name; else delete the line"),
        );
        match yes_no(entry)?.value {
            YesNo::Yes => Err(Problem::RestoreOtherFirmware {
                at,
                key,
                firmware,
                suggestion,
            }),
            YesNo::No => {
                warnings.push(
                    at.line,
                    Problem::RestoreOtherFirmwareNotWanted {
                        at,
                        key,
                        firmware,
                        suggestion,
                    },
                );
                Ok(())
            }
        }
    }
}

/// The boot partition's plain name is not enough to have it written.
fn plain_boot(entry: &Entry) -> Result<(), Problem> {
    match yes_no(entry)?.value {
        YesNo::No => Ok(()),
        YesNo::Yes => Err(Problem::RestoreBootNotConfirmed {
            at: entry.key_at.clone(),
            key: entry.key.clone(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_general;
    use crate::profile::{Catalogue, ProfileFile};
    use proptest::prelude::*;
    use rstest::rstest;

    const FILE: &str = "restore/thingino.conf";

    /// As a T31 camera with the layout of 2024 (boot, env, ota) reads it.
    fn thingino(text: &str) -> Result<Reading<RestoreConf>, Vec<Problem>> {
        thingino_in("2024", text.as_bytes())
    }

    fn thingino_in(layout: &str, bytes: &[u8]) -> Result<Reading<RestoreConf>, Vec<Problem>> {
        let catalogue = Catalogue::builtin();
        let firmware = catalogue.firmware("t31", "thingino").expect("a firmware");
        let layout = firmware.layout(layout).expect("a layout");
        read_restore(FILE, bytes, firmware, layout)
    }

    fn codes(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(|p| p.code().to_string()).collect()
    }

    #[test]
    fn chosen_partitions_come_in_the_order_of_the_flash() {
        let text = "restore_thingino_ota=\"yes\"\r\nrestore_thingino_env = true\r\n";
        let reading = thingino(text).expect("it is in order");
        assert_eq!(reading.value.partitions, ["env", "ota"]);
        assert_eq!(reading.warnings, []);
    }

    #[rstest]
    #[case("restore_stock_env=\"yes\"", "WZ-0170")]
    #[case("restore_thingno_env=\"yes\"", "WZ-0170")]
    #[case("restore_stock_app=\"yes\"", "WZ-0170")]
    #[case("restore_thingino_boot=\"yes\"", "WZ-0172")]
    #[case("restore_thingino_app=\"yes\"", "WZ-0141")]
    #[case("colour=\"blue\"", "WZ-0141")]
    #[case("restore_thingino_env=\"Yes\"", "WZ-0130")]
    #[case("restore_thingino_env=\"\"", "WZ-0130")]
    #[case("restore_thingino_env=\"no\"\nrestore_thingino_env=\"yes\"", "WZ-0144")]
    #[case("exit 0", "WZ-0112")]
    #[case("restore_thingino_config=\"yes\"", "WZ-0175")]
    #[case("restore_thingino_config=\"maybe\"", "WZ-0130")]
    fn what_would_not_be_restored_is_refused(#[case] text: &str, #[case] code: &str) {
        assert_eq!(codes(&thingino(text).expect_err(text)), [code]);
    }

    #[test]
    fn the_original_thingino_conf_is_never_a_success_with_nothing_done() {
        let problems = thingino("restore_stock_env=\"no\"\nrestore_stock_ota=\"yes\"\n")
            .expect_err("ota would not be restored");
        assert_eq!(codes(&problems), ["WZ-0170"]);
        assert!(problems[0].next_step().contains("\"restore_thingino_ota\""));

        let reading = thingino("restore_stock_env=\"no\"\nrestore_stock_ota=\"no\"\n")
            .expect("nothing was asked for");
        assert_eq!(codes(&reading.warnings), ["WZ-0171", "WZ-0171"]);
        let outcome = choose(FILE, &None, &reading.value);
        assert_eq!(
            outcome,
            Err(Problem::RestoreNothingChosen {
                file: FILE.to_owned()
            })
        );
    }

    /// A new card has lines for all layouts of a firmware.
    #[rstest]
    #[case("2024", &["env", "ota"])]
    #[case("2025", &["env", "config", "ota"])]
    #[case("2026-06", &["env", "ota"])]
    #[case("2026-08", &["env", "backup", "ota"])]
    fn partitions_of_other_layouts_do_no_harm_while_they_are_not_wanted(
        #[case] layout: &str,
        #[case] partitions: &[&str],
    ) {
        let line = |name: &&str| {
            let word = if partitions.contains(name) {
                "yes"
            } else {
                "no"
            };
            format!("restore_thingino_{name}=\"{word}\"\n")
        };
        let all = ["env", "ota", "config", "backup"];
        let text: String = all.iter().map(line).collect();
        let reading = thingino_in(layout, text.as_bytes()).expect(layout);
        assert_eq!(reading.warnings, []);
        assert_eq!(reading.value.partitions, partitions);
    }

    #[test]
    fn a_partition_that_another_layout_has_is_answered_with_those_that_are_there() {
        let problems = thingino("restore_thingino_config=yes").expect_err("it is not there");
        let said = problems[0].what();
        assert!(
            said.contains("layout 2024") && said.ends_with("env, ota"),
            "{said}"
        );
    }

    #[test]
    fn the_boot_partition_needs_its_hidden_option_whatever_its_name_is() {
        let catalogue = Catalogue::builtin();
        let profile = include_str!("../../../profiles/t31/thingino.toml")
            .replace("name = \"boot\"", "name = \"uboot\"");
        let file = ProfileFile::new("t31/thingino.toml", profile);
        let catalogue = catalogue.with_card_profiles(&[file]).expect("in order");
        let firmware = catalogue.firmware("t31", "thingino").expect("a firmware");
        let layout = firmware.layout("2024").expect("a layout");
        let read = |text: &str| read_restore(FILE, text.as_bytes(), firmware, layout);

        let problems = read("restore_thingino_uboot=yes").expect_err("it needs more");
        assert_eq!(codes(&problems), ["WZ-0172"]);
        let conf = read("hidden_option_restore_boot=yes")
            .expect("in order")
            .value;
        let choice = choose(FILE, &None, &conf).expect("it is chosen");
        assert_eq!(choice.partitions, ["uboot"]);
    }

    #[rstest]
    #[case::in_the_restore_file("", "hidden_option_restore_boot=\"yes\"", &["env", "boot"])]
    #[case::in_general_conf("hidden_option_restore_boot=\"yes\"", "", &["env", "boot"])]
    #[case::in_none("", "", &["env"])]
    #[case::off("hidden_option_restore_boot=\"no\"", "restore_thingino_boot=\"no\"", &["env"])]
    fn the_boot_partition_is_restored_last_and_only_by_its_hidden_option(
        #[case] general: &str,
        #[case] restore: &str,
        #[case] expected: &[&str],
    ) {
        let general = read_general("general.conf", general.as_bytes()).expect("in order");
        let restore = thingino(&format!("{restore}\nrestore_thingino_env=yes")).expect("in order");
        let choice =
            choose(FILE, &general.value.restore_boot, &restore.value).expect("something is chosen");
        assert_eq!(choice.partitions, expected);
    }

    #[test]
    fn two_files_that_disagree_about_the_boot_partition_are_refused() {
        let general = read_general("general.conf", b"hidden_option_restore_boot=\"no\"");
        let restore = thingino("hidden_option_restore_boot=\"yes\"").expect("in order");
        let outcome = choose(
            FILE,
            &general.expect("in order").value.restore_boot,
            &restore.value,
        );
        assert_eq!(codes(&[outcome.expect_err("they disagree")]), ["WZ-0174"]);
    }

    #[test]
    fn a_secret_is_in_no_message() {
        let problems = thingino("home=\"hunter2\"\nwifi_psk=hunter2\n").expect_err("unknown");
        assert!(!format!("{problems:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn only_partitions_that_are_asked_for_are_chosen(bytes: Vec<u8>, text in "(restore_(thingino|stock)_(boot|env|ota)=(yes|no)?\n){0,5}") {
            let _ = thingino_in("2024", &bytes);
            if let Ok(reading) = thingino(&text) {
                for partition in &reading.value.partitions {
                    let line = format!("restore_thingino_{partition}=yes");
                    prop_assert!(partition != "boot" && text.contains(&line));
                }
            }
        }
    }
}
