//! The commands of `wz` as their users see them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod bad_input;
mod card_check;
mod card_new;
mod chip;
mod desk;
mod diff;
mod documents;
mod env;
mod hash;
mod help;
mod image;
mod inspect;
mod plan;
mod profile;
mod report;
mod shell;
mod split_join;
mod verify;
mod world;
