//! The commands of `wz` as their users see them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod card_check;
mod card_new;
mod desk;
mod documents;
mod env;
mod hash;
mod help;
mod image;
mod plan;
mod profile;
mod shell;
mod world;
