//! Restore and Switch on a simulated camera whose flash is small enough to try everything: every
//! wish, every power cut, many faults.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod afterwards;
mod boot_loader;
mod by_hand;
mod cases;
mod chance;
mod chip_errors;
mod defects;
mod double_cuts;
mod effort;
mod environment;
mod faults;
mod identity;
mod layouts;
mod oracle;
mod order;
mod parallel;
mod power_cuts;
mod profiles;
mod resumes;
mod window;
mod wishes;
mod world;
