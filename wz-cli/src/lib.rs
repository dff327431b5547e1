//! What `wz` does, as a library: making cards for cameras, and the formats that this takes.

pub mod cardimage;
pub mod donor;
pub mod initramfs;
pub mod payload;
