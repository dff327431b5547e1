//! `general.conf`: what the owner wants done.

use crate::event::{OptionState, Problem};

use super::doubt::{Doubt, Stakes};
use super::keys::{Key, renamed};
use super::line::Entry;
use super::nearest::nearest;
use super::reader::read;
use super::value::{FileName, Name, Volume, YesNo, file_name, file_names, name, volume, yes_no};
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
    pub enable_custom_scripts: Option<Given<YesNo>>,
    pub custom_scripts: Option<Given<Vec<FileName>>>,
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
            (Some(key), _) => text.note(entry.key_at.line, conf.set(key, &entry)),
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

fn is_known(name: &str) -> bool {
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

impl GeneralConf {
    fn set(&mut self, key: Key, entry: &Entry) -> Result<(), Problem> {
        match key {
            Key::EnableAudio => self.enable_audio = Some(yes_no(entry)?),
            Key::AudioVolume => self.audio_volume = Some(volume(entry)?),
            Key::DryRun => self.dry_run = Some(yes_no(entry)?),
            Key::BackupPartitions => self.backup_partitions = Some(yes_no(entry)?),
            Key::SecondaryBackup => self.secondary_backup = Some(yes_no(entry)?),
            Key::RestorePartitions => self.restore_partitions = Some(yes_no(entry)?),
            Key::RestoreBoot => self.restore_boot = Some(yes_no(entry)?),
            Key::SwitchFirmware => self.switch_firmware = Some(yes_no(entry)?),
            Key::NextFirmware => self.next_firmware = name(entry)?,
            Key::SwitchWithAllPartitions => self.switch_with_all_partitions = Some(yes_no(entry)?),
            Key::EnableCustomScripts => self.enable_custom_scripts = Some(yes_no(entry)?),
            Key::CustomScripts => self.custom_scripts = file_names(entry)?,
            Key::CopyNewSdcardKernel => self.copy_new_sdcard_kernel = Some(yes_no(entry)?),
            Key::NewSdcardKernel => self.new_sdcard_kernel = file_name(entry)?,
            Key::ReRun => self.re_run = Some(yes_no(entry)?),
            Key::ManualCurrentFirmware => self.manual_current_firmware = name(entry)?,
            Key::ManualModel => self.manual_model = name(entry)?,
            Key::SkipRenameSdcardKernel => self.skip_rename_sdcard_kernel = Some(yes_no(entry)?),
        }
        Ok(())
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
        let second_copy = !matches!(&self.secondary_backup, Some(g) if g.value == YesNo::No);
        vec![
            state(Key::DryRun, is_on(&self.dry_run)),
            state(Key::BackupPartitions, is_on(&self.backup_partitions)),
            state(Key::SecondaryBackup, second_copy),
            state(Key::RestorePartitions, is_on(&self.restore_partitions)),
            state(Key::SwitchFirmware, is_on(&self.switch_firmware)),
            state(Key::EnableCustomScripts, is_on(&self.enable_custom_scripts)),
            state(
                Key::CopyNewSdcardKernel,
                is_on(&self.copy_new_sdcard_kernel),
            ),
            state(Key::ReRun, is_on(&self.re_run)),
        ]
    }
}
