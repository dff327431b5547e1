//! What flash images and the files beside them are made of: formats, read from byte slices; what an
//! image must be; how an empty file system looks.

pub mod check;
pub mod empty;
pub mod environment;
pub mod sha256sum;
pub mod squashfs;
pub mod strings;
pub mod uimage;

/// The big-endian word at `at`, if the bytes reach that far.
fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*word))
}

/// The little-endian word at `at`, if the bytes reach that far.
fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

/// The little-endian half-word at `at`, if the bytes reach that far.
fn le16(bytes: &[u8], at: usize) -> Option<u16> {
    let half = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*half))
}

/// The little-endian double word at `at`, if the bytes reach that far.
fn le64(bytes: &[u8], at: usize) -> Option<u64> {
    let double = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*double))
}
