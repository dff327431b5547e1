//! What `wz` does, as a library: its commands, making cards for cameras, and the formats and
//! recordings that this takes.

pub mod anatomy;
pub mod card;
pub mod cardimage;
pub mod checking;
pub mod commands;
pub mod donor;
pub mod dump;
pub mod files;
pub mod folder;
pub mod images;
pub mod initramfs;
pub mod jffs2;
pub mod media;
pub mod naming;
pub mod newcard;
pub mod package;
pub mod payload;
pub mod problem;
pub mod program;
mod resample;
pub mod screen;
mod table;
pub mod voices;
