//! Pure decisions: from what the owner asks, what the camera is and what lies on the card, to a
//! plan, or to every reason why not.

mod backup;
mod survey;

use crate::event::CameraFacts;
use crate::flash::FileSystem;
use crate::units::Region;

pub use backup::{
    ArchiveFile, BackupId, BackupPlan, ImageFile, PARTIAL, plan_backup, secondary_folder,
};
pub use survey::{CardSurvey, survey};

/// What a backup has to know of a camera.
#[derive(Clone, Copy, Debug)]
pub struct BackupCamera<'a> {
    /// What the owner sees.
    pub facts: &'a CameraFacts,
    /// The whole chip.
    pub chip: Region,
    /// The chip group, which is part of file names.
    pub group: &'a str,
    /// The partitions of the layout that was found; none if there is no known one.
    pub partitions: &'a [BackupPartition],
    /// The folder at the top of the card that gets a second copy, if the firmware has one.
    pub secondary_backup: Option<&'a str>,
}

/// A partition, as far as a backup needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupPartition {
    /// Its name.
    pub name: String,
    /// Its place in flash.
    pub region: Region,
    /// What it is formatted as, if its files are the owner's and get packed.
    pub user_files: Option<FileSystem>,
}

impl BackupCamera<'_> {
    /// The firmware's name in paths.
    pub fn firmware_name(&self) -> &str {
        self.facts.firmware.as_deref().unwrap_or("unknown")
    }
}
