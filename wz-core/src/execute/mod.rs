//! Carries out a plan. Nothing is decided here.

mod backup;
mod overlap;
mod verify;

pub use backup::{BackupResult, backup};
