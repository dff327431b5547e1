//! The names of the options in `general.conf`.

use std::fmt;

macro_rules! keys {
    ($( $(#[doc = $doc:literal])+ $key:ident = $name:literal; )*) => {
        /// An option in `general.conf`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Key { $( $(#[doc = $doc])+ $key, )* }

        impl Key {
            /// All of them.
            pub const ALL: &[Self] = &[ $( Self::$key, )* ];

            /// As it is written in the file.
            pub const fn name(self) -> &'static str {
                match self { $( Self::$key => $name, )* }
            }
        }
    };
}

keys! {
    /// Speak.
    EnableAudio = "enable_audio";
    /// How loud.
    AudioVolume = "audio_volume";
    /// Show the plan, do nothing.
    DryRun = "dry_run";
    /// Save everything on the card.
    BackupPartitions = "backup_partitions";
    /// Make the second copy of a backup, in the folder that the stock firmware's users know.
    SecondaryBackup = "secondary_backup";
    /// Write chosen partitions of the installed firmware.
    RestorePartitions = "restore_partitions";
    /// Write the boot partition too.
    RestoreBoot = "hidden_option_restore_boot";
    /// Replace the firmware.
    SwitchFirmware = "switch_firmware";
    /// By which.
    NextFirmware = "next_firmware";
    /// With all its partitions.
    SwitchWithAllPartitions = "switch_firmware_with_all_partitions";
    /// Save the whole chip before the first erase.
    SafetyBackup = "safety_backup";
    /// Write the old firmware back if a run cannot be finished.
    RollBack = "roll_back";
    /// Run scripts afterwards.
    EnableCustomScripts = "enable_custom_scripts";
    /// Which.
    CustomScripts = "custom_scripts";
    /// How long each may take.
    CustomScriptsTimeout = "custom_scripts_timeout_seconds";
    /// Put another SD kernel in place for the next boot.
    CopyNewSdcardKernel = "copy_new_sdcard_kernel";
    /// Which.
    NewSdcardKernel = "new_sdcard_kernel";
    /// Run once more after the reboot.
    ReRun = "re_run";
    /// What firmware is installed, where it cannot be detected.
    ManualCurrentFirmware = "manual_current_firmware";
    /// What model the camera is, where it cannot be detected.
    ManualModel = "manual_model";
    /// Leave the SD kernel its name.
    SkipRenameSdcardKernel = "skip_rename_prog_sdcard_kernel";
}

impl Key {
    /// The option of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// Whether an empty value is a usual way to say "none".
    pub fn may_be_empty(self) -> bool {
        matches!(
            self,
            Self::NextFirmware
                | Self::CustomScripts
                | Self::NewSdcardKernel
                | Self::ManualCurrentFirmware
                | Self::ManualModel
        )
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Options of the original program before its version 0.9.0, with their later names.
const BEFORE_0_9: &[(&str, Key)] = &[
    ("switch_profile", Key::SwitchFirmware),
    ("next_profile", Key::NextFirmware),
    (
        "switch_profile_with_all_partitions",
        Key::SwitchWithAllPartitions,
    ),
    ("manual_current_profile", Key::ManualCurrentFirmware),
    ("enable_custom_script", Key::EnableCustomScripts),
    ("custom_script", Key::CustomScripts),
    ("copy_new_sdcard_kernelimg", Key::CopyNewSdcardKernel),
    ("new_sdcard_kernelimg", Key::NewSdcardKernel),
];

/// What a name from before version 0.9.0 is now.
pub fn renamed(name: &str) -> Option<Key> {
    let (_, key) = BEFORE_0_9.iter().find(|(old, _)| *old == name)?;
    Some(*key)
}
