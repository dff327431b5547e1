//! `general.conf`: what the owner wants done.

use crate::event::{OptionState, Problem};

use super::doubt::{Doubt, Stakes};
use super::keys::{Key, renamed};
use super::line::Entry;
use super::nearest::nearest;
use super::reader::read;
use super::value::{
    FileName, Name, Seconds, Volume, YesNo, file_name, file_names, name, seconds, volume, yes_no,
};
use super::{Given, Reading};

/// What stands in `general.conf`; `None` where an option is not given, or given as empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // they are described in `Key` and in docs/config.md
pub struct GeneralConf {
    pub enable_audio: Option<Given<YesNo>>,
    pub audio_volume: Option<Given<Volume>>,
    pub dry_run: Option<Given<YesNo>>,
    pub backup_partitions: Option<Given<YesNo>>,
    pub secondary_backup: Option<Given<YesNo>>,
    pub restore_partitions: Option<Given<YesNo>>,
    pub restore_boot: Option<Given<YesNo>>,
    pub switch_firmware: Option<Given<YesNo>>,
    pub next_firmware: Option<Given<Name>>,
    pub switch_with_all_partitions: Option<Given<YesNo>>,
    pub safety_backup: Option<Given<YesNo>>,
    pub roll_back: Option<Given<YesNo>>,
    pub enable_custom_scripts: Option<Given<YesNo>>,
    pub custom_scripts: Option<Given<Vec<FileName>>>,
    pub custom_scripts_timeout: Option<Given<Seconds>>,
    pub copy_new_sdcard_kernel: Option<Given<YesNo>>,
    pub new_sdcard_kernel: Option<Given<FileName>>,
    pub re_run: Option<Given<YesNo>>,
    pub manual_current_firmware: Option<Given<Name>>,
    pub manual_model: Option<Given<Name>>,
    pub skip_rename_sdcard_kernel: Option<Given<YesNo>>,
}

/// Whether an option is given as "yes".
pub fn is_on(option: &Option<Given<YesNo>>) -> bool {
    matches!(option, Some(given) if given.value == YesNo::Yes)
}

/// Whether an option is given as "no".
pub fn is_off(option: &Option<Given<YesNo>>) -> bool {
    matches!(option, Some(given) if given.value == YesNo::No)
}

/// Reads `general.conf`. `bytes` is its content, or any part of it that is longer than
/// [`LIMIT`](super::LIMIT).
///
/// # Errors
/// Everything that keeps the file from being understood, at most 20 problems and the number of
/// those left out.
pub fn read_general(file: &str, bytes: &[u8]) -> Result<Reading<GeneralConf>, Vec<Problem>> {
    let mut text = read(file, bytes, &is_known);
    let mut conf = GeneralConf::default();
    let mut renames = Vec::new();
    for entry in std::mem::take(&mut text.entries) {
        match (Key::named(&entry.key), renamed(&entry.key)) {
            (Some(key), _) if entry.value.is_empty() => text.doubts.extend(left_empty(key, &entry)),
            (Some(key), _) => text.note(entry.key_at.line, conf.slot(key).set(&entry)),
            (None, Some(key)) => renames.push((entry, key)),
            (None, None) => {
                let doubt = Doubt::unknown(&entry, nearest_key(&entry.key));
                text.doubts.push(doubt);
            }
        }
    }
    let first_rename = renames.first().map_or(0, |(entry, _)| entry.key_at.line);
    text.note(first_rename, old_version(&renames));
    let stakes = conf.stakes();
    text.conclude(file, conf, stakes)
}

fn nearest_key(name: &str) -> Option<&'static str> {
    nearest(name, Key::ALL.iter().map(|key| key.name()))
}

pub fn is_known(name: &str) -> bool {
    renamed(name).is_some() || nearest_key(name).is_some()
}

fn left_empty(key: Key, entry: &Entry) -> Option<Doubt> {
    (!key.may_be_empty()).then(|| Doubt::Empty {
        at: entry.key_at.clone(),
        key: entry.key.clone(),
    })
}

fn old_version(renames: &[(Entry, Key)]) -> Result<(), Problem> {
    let Some((first, _)) = renames.first() else {
        return Ok(());
    };
    let changes: Vec<String> = renames
        .iter()
        .map(|(entry, key)| format!("{} is now {key}", entry.key))
        .collect();
    Err(Problem::ConfigOldVersion {
        at: first.key_at.clone(),
        changes: changes.join(", "),
    })
}

/// Where the value of an option is kept, by the kind of value that it takes.
#[derive(Debug)]
pub(super) enum Slot<'a> {
    YesNo(&'a mut Option<Given<YesNo>>),
    Volume(&'a mut Option<Given<Volume>>),
    Seconds(&'a mut Option<Given<Seconds>>),
    Name(&'a mut Option<Given<Name>>),
    FileName(&'a mut Option<Given<FileName>>),
    FileNames(&'a mut Option<Given<Vec<FileName>>>),
}

impl Slot<'_> {
    fn set(self, entry: &Entry) -> Result<(), Problem> {
        match self {
            Self::YesNo(option) => *option = Some(yes_no(entry)?),
            Self::Volume(option) => *option = Some(volume(entry)?),
            Self::Seconds(option) => *option = Some(seconds(entry)?),
            Self::Name(option) => *option = name(entry)?,
            Self::FileName(option) => *option = file_name(entry)?,
            Self::FileNames(option) => *option = file_names(entry)?,
        }
        Ok(())
    }
}

impl GeneralConf {
    /// Where the value of `key` is kept.
    pub(super) fn slot(&mut self, key: Key) -> Slot<'_> {
        match key {
            Key::EnableAudio => Slot::YesNo(&mut self.enable_audio),
            Key::AudioVolume => Slot::Volume(&mut self.audio_volume),
            Key::DryRun => Slot::YesNo(&mut self.dry_run),
            Key::BackupPartitions => Slot::YesNo(&mut self.backup_partitions),
            Key::SecondaryBackup => Slot::YesNo(&mut self.secondary_backup),
            Key::RestorePartitions => Slot::YesNo(&mut self.restore_partitions),
            Key::RestoreBoot => Slot::YesNo(&mut self.restore_boot),
            Key::SwitchFirmware => Slot::YesNo(&mut self.switch_firmware),
            Key::NextFirmware => Slot::Name(&mut self.next_firmware),
            Key::SwitchWithAllPartitions => Slot::YesNo(&mut self.switch_with_all_partitions),
            Key::SafetyBackup => Slot::YesNo(&mut self.safety_backup),
            Key::RollBack => Slot::YesNo(&mut self.roll_back),
            Key::EnableCustomScripts => Slot::YesNo(&mut self.enable_custom_scripts),
            Key::CustomScripts => Slot::FileNames(&mut self.custom_scripts),
            Key::CustomScriptsTimeout => Slot::Seconds(&mut self.custom_scripts_timeout),
            Key::CopyNewSdcardKernel => Slot::YesNo(&mut self.copy_new_sdcard_kernel),
            Key::NewSdcardKernel => Slot::FileName(&mut self.new_sdcard_kernel),
            Key::ReRun => Slot::YesNo(&mut self.re_run),
            Key::ManualCurrentFirmware => Slot::Name(&mut self.manual_current_firmware),
            Key::ManualModel => Slot::Name(&mut self.manual_model),
            Key::SkipRenameSdcardKernel => Slot::YesNo(&mut self.skip_rename_sdcard_kernel),
        }
    }

    /// A dry run counts like the real run that it shows.
    fn stakes(&self) -> Stakes {
        let writing = [
            &self.restore_partitions,
            &self.switch_firmware,
            &self.enable_custom_scripts,
            &self.copy_new_sdcard_kernel,
        ];
        if writing.into_iter().any(is_on) {
            Stakes::Writing
        } else {
            Stakes::ReadOnly
        }
    }

    /// The options that the owner sees as tick boxes, in that order.
    pub fn options(&self) -> Vec<OptionState> {
        let state = |key: Key, on| OptionState {
            name: key.name(),
            on,
        };
        vec![
            state(Key::DryRun, is_on(&self.dry_run)),
            state(Key::BackupPartitions, is_on(&self.backup_partitions)),
            state(Key::SecondaryBackup, !is_off(&self.secondary_backup)),
            state(Key::RestorePartitions, is_on(&self.restore_partitions)),
            state(Key::SwitchFirmware, is_on(&self.switch_firmware)),
            state(
                Key::SwitchWithAllPartitions,
                is_on(&self.switch_with_all_partitions),
            ),
            state(Key::SafetyBackup, !is_off(&self.safety_backup)),
            state(Key::RollBack, !is_off(&self.roll_back)),
            state(Key::EnableCustomScripts, is_on(&self.enable_custom_scripts)),
            state(
                Key::CopyNewSdcardKernel,
                is_on(&self.copy_new_sdcard_kernel),
            ),
            state(Key::ReRun, is_on(&self.re_run)),
        ]
    }
}
