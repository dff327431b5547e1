//! Every operation on the emulated camera, from the image of a card to what its owner finds.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod afterwards;
mod backup;
mod card_faults;
mod commands;
mod console;
mod donors;
mod emulated_camera;
mod images;
mod initramfs;
mod kernel_tree;
mod owner;
mod power_cuts;
mod quick_start;
mod refusals;
mod restore;
mod scripts;
mod signals;
mod supervision;
mod support;
mod switch;
mod wifi;
mod workflows;
mod writing_faults;
