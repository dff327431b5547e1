//! What `wz` does, as a library: making cards for cameras, and the formats
//! and recordings that this takes.

pub mod card;
pub mod cardimage;
pub mod donor;
pub mod image;
pub mod initramfs;
pub mod package;
pub mod payload;
mod resample;
pub mod voices;
