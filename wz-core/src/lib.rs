//! Everything that decides: profiles, configuration, detection, plans and their execution.

pub mod event;
pub mod image;
pub mod units;
