//! Pure decisions: from what the owner asks, what the camera is and what lies on the card, to a
//! plan, or to every reason why not.

mod backup;
mod survey;

pub use backup::{
    ArchiveFile, BackupId, BackupPlan, ImageFile, PARTIAL, plan_backup, secondary_folder,
};
pub use survey::{CardSurvey, survey};
