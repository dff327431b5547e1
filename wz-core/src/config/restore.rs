//! `restore/<firmware>.conf`: which partitions to restore.

use crate::event::Problem;

use super::doubt::{Doubt, Stakes};
use super::findings::Findings;
use super::general::is_on;
use super::keys::Key;
use super::line::Entry;
use super::nearest::nearest;
use super::reader::read;
use super::value::{Name, YesNo, yes_no};
use super::{GeneralConf, Given, Reading};

const BOOT: &str = "boot";

/// What stands in `restore/<firmware>.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreConf {
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

/// Reads the content of `restore/<firmware>.conf`. `partitions` are the names of the firmware's
/// partitions in the order of the flash. As flash would be written, all doubts are errors.
///
/// # Errors
/// Everything that keeps the file from being understood, at most 20 problems and the number of
/// those left out.
pub fn read_restore(
    file: &str,
    bytes: &[u8],
    firmware: &Name,
    partitions: &[&str],
) -> Result<Reading<RestoreConf>, Vec<Problem>> {
    let mut text = read(file, bytes);
    let mut warnings = Findings::default();
    let mut conf = RestoreConf::default();
    let names = Names {
        firmware,
        partitions,
    };
    let mut wanted = Vec::new();
    for entry in &text.entries {
        let outcome = match names.meaning(&entry.key) {
            Meaning::Partition(name) => yes_no(entry)
                .map(|given| wanted.extend((given.value == YesNo::Yes).then_some(name))),
            Meaning::HiddenBoot => yes_no(entry).map(|given| conf.restore_boot = Some(given)),
            Meaning::PlainBoot => plain_boot(entry),
            Meaning::OtherFirmware(meant) => other_firmware(entry, meant, firmware, &mut warnings),
            Meaning::Unknown(nearest) => {
                text.doubts.push(Doubt::unknown(entry, nearest.as_deref()));
                Ok(())
            }
        };
        if let Err(problem) = outcome {
            text.errors.push(problem);
        }
    }
    for doubt in text.doubts {
        doubt.judge(Stakes::Writing, &mut warnings, &mut text.errors);
    }
    let in_order = partitions.iter().filter(|name| wanted.contains(name));
    conf.partitions = in_order.map(|&name| name.to_owned()).collect();
    if text.errors.is_empty() {
        let warnings = warnings.into_list(file);
        Ok(Reading {
            value: conf,
            warnings,
        })
    } else {
        Err(text.errors.into_list(file))
    }
}

/// What is to be restored; the hidden option counts in either file, and the restore file's word
/// goes before that of `general.conf`.
///
/// # Errors
/// When nothing is chosen.
pub fn choose(
    file: &str,
    general: &GeneralConf,
    restore: &RestoreConf,
) -> Result<RestoreChoice, Problem> {
    let boot = restore
        .restore_boot
        .as_ref()
        .or(general.restore_boot.as_ref());
    let mut partitions = restore.partitions.clone();
    partitions.extend(is_on(&boot.cloned()).then(|| BOOT.to_owned()));
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
    /// With the name that was probably meant.
    OtherFirmware(Option<String>),
    /// With the nearest known name.
    Unknown(Option<String>),
}

struct Names<'a> {
    firmware: &'a Name,
    partitions: &'a [&'a str],
}

impl<'a> Names<'a> {
    fn key(&self, partition: &str) -> String {
        format!("restore_{}_{partition}", self.firmware)
    }

    fn meaning(&self, key: &str) -> Meaning<'a> {
        if key == Key::RestoreBoot.name() {
            return Meaning::HiddenBoot;
        }
        if key == self.key(BOOT) {
            return Meaning::PlainBoot;
        }
        if let Some(partition) = self.partitions.iter().find(|name| self.key(name) == key) {
            return Meaning::Partition(partition);
        }
        let own = format!("restore_{}_", self.firmware);
        let known: Vec<String> = self
            .partitions
            .iter()
            .filter(|&&name| name != BOOT)
            .map(|name| self.key(name))
            .chain([Key::RestoreBoot.name().to_owned()])
            .collect();
        let near = nearest(key, known.iter().map(String::as_str)).map(str::to_owned);
        match key.strip_prefix("restore_") {
            Some(rest) if !key.starts_with(&own) && rest.contains('_') => {
                let partition = rest.split_once('_').map_or("", |(_, partition)| partition);
                let same_partition = known.into_iter().find(|name| *name == self.key(partition));
                Meaning::OtherFirmware(same_partition.or(near))
            }
            _ => Meaning::Unknown(near),
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

/// "no" for another firmware is what the original's own file says: no harm. "yes" would be a
/// partition that the owner believes to be restored.
fn other_firmware(
    entry: &Entry,
    meant: Option<String>,
    firmware: &Name,
    warnings: &mut Findings,
) -> Result<(), Problem> {
    let at = entry.key_at.clone();
    let key = super::shown::shown(&entry.key);
    let firmware = firmware.to_string();
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
            warnings.push(Problem::RestoreOtherFirmwareNotWanted {
                at,
                key,
                firmware,
                suggestion,
            });
            Ok(())
        }
    }
}
