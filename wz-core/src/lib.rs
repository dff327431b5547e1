//! Everything that decides: profiles, configuration, detection, plans and their execution.

pub mod event;
pub mod profile;
pub mod units;
