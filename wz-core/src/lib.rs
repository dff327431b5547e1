//! Everything that decides: profiles, configuration, detection, plans and their execution.
//!
//! Data flows one way: card and flash, detection, request, plan, execution, report. A module knows
//! only those that stand above it here.

pub mod units;

pub mod sim;

pub mod event;

pub mod image;

pub mod profile;

pub mod config;

pub mod card;

pub mod script;

pub mod flash;

pub mod detect;

pub mod plan;

pub mod journal;

pub mod execute;

pub mod fw_env;

pub mod report;

pub mod run;

/// The version of this program: that of the workspace; with the commit, if `scripts/release.sh` built it.
pub const VERSION: &str = match option_env!("WZ_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};
