//! What is in a dump of a flash chip, or in a part of one: decided from its content by the code that
//! runs on the camera.
//!
//! ```text
//! bytes -- recognise    which firmware, with which layout, for which chips
//!     |--- parts        what stands one behind the other: boot loader, kernel, file systems
//!     |--- versions     what boot loaders and kernels call themselves
//!     \--- release      what a root file system says about itself
//! ```

pub mod facts;
pub mod flash;
pub mod parts;
pub mod pieces;
pub mod recognise;
pub mod release;
pub mod versions;

use wz_core::units::{Region, Size};

/// No flash chip of these cameras is larger.
pub const LONGEST: Size = Size::mib(256);

/// The bytes of `region`, as far as there are that many.
pub fn slice(bytes: &[u8], region: Region) -> &[u8] {
    let end = region.end().as_usize().min(bytes.len());
    let start = region.offset.as_usize().min(end);
    bytes.get(start..end).unwrap_or_default()
}
