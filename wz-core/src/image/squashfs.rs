//! The superblock of a squashfs: whether a file system is there, and how long it is.
//!
//! ```text
//!   0      4        12           20      28        40
//!   | hsqs | ...    | block size | comp  | major.. | bytes used |
//! ```
//! Little-endian. Source: the kernel's `fs/squashfs/squashfs_fs.h`.

use thiserror::Error;

use super::{le16, le32, le64};
use crate::units::Size;

/// The first bytes.
pub const MAGIC: &[u8; 4] = b"hsqs";

/// The length of the superblock in bytes.
pub const SUPERBLOCK: usize = 96;
const BLOCK_SIZE_AT: usize = 12;
const COMPRESSION_AT: usize = 20;
const MAJOR_AT: usize = 28;
const BYTES_USED_AT: usize = 40;
const MAJOR: u16 = 4;

/// How a squashfs is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compression {
    Gzip,
    Lzma,
    Lzo,
    Xz,
    Lz4,
    Zstd,
    /// A value without a name.
    Other(u16),
}

/// What the superblock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// The length of the file system.
    pub bytes_used: Size,
    /// How it is compressed.
    pub compression: Compression,
    /// The size of its data blocks.
    pub block_size: Size,
}

/// Why bytes are not a whole squashfs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SquashfsError {
    /// Too short for a superblock.
    #[error(
        "it ends after {} bytes, inside the 96-byte head of a squashfs; copy the file again", found.get()
    )]
    Cut {
        /// How much there is.
        found: Size,
    },
    /// Not a squashfs.
    #[error("it is not a squashfs: it starts with {found:02x?} instead of \"hsqs\"")]
    BadMagic {
        /// What it starts with.
        found: [u8; 4],
    },
    /// An old or future format.
    #[error("it is a squashfs of version {found}; cameras use version 4")]
    Version {
        /// The version at offset 28.
        found: u16,
    },
    /// The file or partition is shorter than the file system.
    #[error(
        "the squashfs is cut off: it has {} bytes (offset 40), only {} are there; copy the file again", announced.get(), found.get()
    )]
    Truncated {
        /// What the superblock says.
        announced: Size,
        /// How much there is.
        found: Size,
    },
    /// The length is shorter than the superblock itself.
    #[error(
        "the squashfs claims to be {} bytes long (offset 40), less than its own head; the image is damaged", announced.get()
    )]
    Nonsense {
        /// What the superblock says.
        announced: Size,
    },
}

impl Superblock {
    /// Reads the superblock at the start of `bytes`, which may end behind it.
    ///
    /// # Errors
    /// Everything but [`SquashfsError::Truncated`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SquashfsError> {
        let cut = SquashfsError::Cut {
            found: Size::bytes(bytes.len() as u64),
        };
        let head: &[u8; SUPERBLOCK] = bytes.first_chunk().ok_or(cut)?;
        let [a, b, c, d, ..] = *head;
        if [a, b, c, d] != *MAGIC {
            return Err(SquashfsError::BadMagic {
                found: [a, b, c, d],
            });
        }
        let major = le16(head, MAJOR_AT).unwrap_or_default();
        if major != MAJOR {
            return Err(SquashfsError::Version { found: major });
        }
        let announced = Size::bytes(le64(head, BYTES_USED_AT).unwrap_or_default());
        if announced < Size::bytes(SUPERBLOCK as u64) {
            return Err(SquashfsError::Nonsense { announced });
        }
        Ok(Self {
            bytes_used: announced,
            compression: le16(head, COMPRESSION_AT).unwrap_or_default().into(),
            block_size: Size::bytes(u64::from(le32(head, BLOCK_SIZE_AT).unwrap_or_default())),
        })
    }

    /// Itself, if the whole file system lies within `available` bytes.
    ///
    /// # Errors
    /// [`SquashfsError::Truncated`].
    pub fn whole_in(self, available: Size) -> Result<Self, SquashfsError> {
        let announced = self.bytes_used;
        match announced <= available {
            true => Ok(self),
            false => Err(SquashfsError::Truncated {
                announced,
                found: available,
            }),
        }
    }
}

impl From<u16> for Compression {
    fn from(number: u16) -> Self {
        match number {
            1 => Self::Gzip,
            2 => Self::Lzma,
            3 => Self::Lzo,
            4 => Self::Xz,
            5 => Self::Lz4,
            6 => Self::Zstd,
            other => Self::Other(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// The head of what `mksquashfs -comp xz -b 256K` makes of a small folder.
    fn head(bytes_used: u64) -> Vec<u8> {
        let mut head = vec![0; SUPERBLOCK];
        head[..4].copy_from_slice(MAGIC);
        head[12..16].copy_from_slice(&0x4_0000u32.to_le_bytes());
        head[20..22].copy_from_slice(&4u16.to_le_bytes());
        head[28..30].copy_from_slice(&4u16.to_le_bytes());
        head[40..48].copy_from_slice(&bytes_used.to_le_bytes());
        head
    }

    fn with(at: usize, byte: u8) -> Vec<u8> {
        let mut head = head(1000);
        head[at] = byte;
        head
    }

    #[test]
    fn the_head_tells_length_compression_and_block_size() {
        let expected = Superblock {
            bytes_used: Size::bytes(0x35_4321),
            compression: Compression::Xz,
            block_size: Size::kib(256),
        };
        assert_eq!(Superblock::parse(&head(0x35_4321)), Ok(expected));
    }

    #[rstest]
    #[case::nothing(vec![], SquashfsError::Cut { found: Size::ZERO })]
    #[case::half_a_head(head(1000)[..95].to_vec(), SquashfsError::Cut { found: Size::bytes(95) })]
    #[case::big_endian(with(0, b's'), SquashfsError::BadMagic { found: *b"ssqs" })]
    #[case::version(with(28, 3), SquashfsError::Version { found: 3 })]
    #[case::no_length(head(95), SquashfsError::Nonsense { announced: Size::bytes(95) })]
    fn what_is_no_squashfs_is_refused(#[case] bytes: Vec<u8>, #[case] expected: SquashfsError) {
        assert_eq!(Superblock::parse(&bytes), Err(expected));
    }

    #[test]
    fn a_squashfs_longer_than_its_file_is_refused() {
        let superblock = Superblock::parse(&head(1000)).unwrap();
        assert_eq!(superblock.whole_in(Size::bytes(1000)), Ok(superblock));
        let refused = superblock.whole_in(Size::bytes(999));
        assert!(
            matches!(refused, Err(SquashfsError::Truncated { .. })),
            "{refused:?}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_superblock_or_an_error(bytes: Vec<u8>) {
            let _ = Superblock::parse(&bytes);
        }

        #[test]
        fn any_bytes_behind_the_magic_are_a_superblock_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 96..120)) {
            bytes[..4].copy_from_slice(MAGIC);
            bytes[28..30].copy_from_slice(&4u16.to_le_bytes());
            let _ = Superblock::parse(&bytes);
        }
    }
}
