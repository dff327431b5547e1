//! Carries out a plan. Nothing is decided here.

mod backup;
pub mod blocks;
mod boot_guard;
pub mod compare;
mod compose;
pub mod environment;
mod overlap;
mod rewrite;
pub mod safety;
mod verify;

pub use backup::{BackupResult, backup, pack};
pub use compare::{BlockMap, BlockPlan, compare};
pub use rewrite::{Rewrite, Stopped, Tools, rewrite};
pub use verify::{Expected, check, hex};
