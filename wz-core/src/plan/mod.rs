//! Pure decisions: from what the owner asks, what the camera is and what lies on the card, to a
//! plan, or to every reason why not.

mod backup;
pub mod blocks;
mod evidence;
mod identity;
mod restore;
pub mod rewrite;
pub mod shelf;
mod survey;
mod switch;
mod wifi;

pub use backup::{
    ArchiveFile, BackupId, BackupPlan, ImageFile, PARTIAL, plan_backup, plan_safety_backup,
    primary_folder, secondary_folder, whole_chip_image,
};
pub use restore::plan_restore;
pub use rewrite::{Draft, RewritePlan};
pub use survey::{CardSurvey, survey};
pub use switch::{Switch, plan_switch};
pub use wifi::{takes_wifi, wifi_stores, wifi_variables, with_variables};
