//! The legacy uImage: what U-Boot's `bootm` boots, on the card and in the kernel partition.
//!
//! ```text
//!   0     4     8     12    16    20    24    28 29 30 31 32              64
//!   | magic | hcrc | time | size | load | entry | dcrc |os|ar|ty|co| name (32) | payload ...
//! ```
//! All words are big-endian. `hcrc` is the CRC-32 of the header with `hcrc` itself as zero, `dcrc`
//! that of the payload. Source: U-Boot `include/image.h`.

use thiserror::Error;

use super::be32;
use crate::units::{Offset, Size};

/// The length of the header in bytes.
pub const HEADER_LEN: usize = 64;
/// The first word of every header.
pub const MAGIC: u32 = 0x2705_1956;

const NAME_AT: usize = 32;
const NAME_LEN: usize = HEADER_LEN - NAME_AT;

/// A byte of the header whose known values have names.
macro_rules! header_byte {
    ($(#[doc = $doc:literal])+ $name:ident { $($variant:ident = $value:literal $word:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $( #[doc = $word] $variant, )+
            /// A value that this program has no name for.
            Other(u8),
        }

        impl From<u8> for $name {
            fn from(byte: u8) -> Self {
                match byte { $( $value => Self::$variant, )+ other => Self::Other(other) }
            }
        }

        impl From<$name> for u8 {
            fn from(value: $name) -> u8 {
                match value { $( $name::$variant => $value, )+ $name::Other(other) => other }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $( Self::$variant => f.write_str($word), )+
                    Self::Other(other) => write!(f, "number {other}"),
                }
            }
        }
    };
}

header_byte! {
    /// The operating system that the payload is.
    Os { Linux = 5 "Linux", UBoot = 17 "U-Boot", }
}

header_byte! {
    /// The processor family that the payload runs on.
    Arch { Arm = 2 "ARM", X86 = 3 "x86", Mips = 5 "MIPS", Mips64 = 6 "MIPS64", Arm64 = 22 "ARM64", }
}

header_byte! {
    /// What the payload is for.
    Kind {
        Standalone = 1 "standalone program",
        Kernel = 2 "kernel",
        Ramdisk = 3 "RAM disk",
        Multi = 4 "multi-file",
        Firmware = 5 "firmware",
        Script = 6 "script",
        FileSystem = 7 "file system",
        DeviceTree = 8 "device tree",
    }
}

header_byte! {
    /// How the payload is compressed.
    Compression {
        None = 0 "none",
        Gzip = 1 "gzip",
        Bzip2 = 2 "bzip2",
        Lzma = 3 "LZMA",
        Lzo = 4 "LZO",
        Lz4 = 5 "LZ4",
        Zstd = 6 "zstd",
    }
}

/// The header without its magic and its checks, which follow from the rest and the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// When it was made, in seconds since 1970.
    pub time: u32,
    /// Where the unpacked payload goes in memory.
    pub load: u32,
    /// Where execution starts.
    pub entry: u32,
    /// The operating system.
    pub os: Os,
    /// The processor family.
    pub arch: Arch,
    /// What it is for.
    pub kind: Kind,
    /// How the payload is compressed.
    pub compression: Compression,
    /// A name for people; at most 32 bytes are kept.
    pub name: String,
}

/// A header as it was read, its own CRC verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedHeader {
    /// The fields.
    pub header: Header,
    /// The length of the payload behind the header.
    pub payload: Size,
    /// The CRC-32 that the payload must have.
    pub payload_crc: u32,
}

/// A uImage whose header and payload were both verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uimage<'a> {
    /// The fields of the header.
    pub header: Header,
    /// The payload as it is stored, compressed.
    pub payload: &'a [u8],
}

/// Why bytes are not the uImage that is wanted. Offsets count from the start of the header.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UimageError {
    /// Too short for a header.
    #[error(
        "it ends after {} bytes, inside the 64-byte header of a uImage; copy the file again", found.get()
    )]
    HeaderCut {
        /// How much there is.
        found: Size,
    },
    /// Not a uImage.
    #[error(
        "it is not a uImage: it starts with {found:#010x} instead of 0x27051956; this has to be a kernel file as U-Boot boots it"
    )]
    BadMagic {
        /// The word at offset 0.
        found: u32,
    },
    /// The header is damaged.
    #[error(
        "the header of the uImage is damaged: its CRC at offset 0x4 says {stored:#010x}, its bytes give {computed:#010x}; copy the file again"
    )]
    HeaderCrc {
        /// The CRC in the header.
        stored: u32,
        /// The CRC of the header's bytes.
        computed: u32,
    },
    /// The payload is cut off.
    #[error(
        "the uImage is cut off: its header announces {} bytes of payload, {} are there; copy the file again", announced.get(), found.get()
    )]
    PayloadCut {
        /// The size in the header.
        announced: Size,
        /// How much there is behind the header.
        found: Size,
    },
    /// There is more in the file than the uImage.
    #[error(
        "{} bytes follow the end of the uImage at {end}; U-Boot boots a file from the card only if it ends there", surplus.get()
    )]
    Surplus {
        /// How many bytes.
        surplus: Size,
        /// Where the uImage ends.
        end: Offset,
    },
    /// The payload is damaged.
    #[error(
        "the payload of the uImage is damaged: the CRC at offset 0x18 says {stored:#010x}, its bytes give {computed:#010x}; copy the file again"
    )]
    PayloadCrc {
        /// The CRC in the header.
        stored: u32,
        /// The CRC of the payload.
        computed: u32,
    },
    /// For another processor.
    #[error("the uImage is for {found} (offset 0x1d); Ingenic cameras need MIPS")]
    WrongArch {
        /// What it is for.
        found: Arch,
    },
    /// No kernel.
    #[error(
        "the uImage is of type {found} (offset 0x1e), not a kernel; recovery files such as demo.bin are not bootable kernels"
    )]
    WrongKind {
        /// What it is.
        found: Kind,
    },
}

impl Header {
    /// Whether it is that of a kernel for MIPS.
    ///
    /// # Errors
    /// [`UimageError::WrongArch`], [`UimageError::WrongKind`].
    pub fn mips_kernel(&self) -> Result<(), UimageError> {
        match (self.arch, self.kind) {
            (Arch::Mips, Kind::Kernel) => Ok(()),
            (Arch::Mips, found) => Err(UimageError::WrongKind { found }),
            (found, _) => Err(UimageError::WrongArch { found }),
        }
    }
}

impl CheckedHeader {
    /// Reads the header at the start of `bytes` and verifies its magic and its own CRC, for callers
    /// that stream the payload past [`crc32fast`] themselves.
    ///
    /// # Errors
    /// [`UimageError::HeaderCut`], [`UimageError::BadMagic`], [`UimageError::HeaderCrc`].
    pub fn parse(bytes: &[u8]) -> Result<Self, UimageError> {
        let cut = UimageError::HeaderCut {
            found: Size::bytes(bytes.len() as u64),
        };
        let raw: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(cut)?;
        let word = |at| be32(raw, at).unwrap_or_default();
        if word(0) != MAGIC {
            return Err(UimageError::BadMagic { found: word(0) });
        }
        let (stored, computed) = (word(4), header_crc(raw));
        if stored != computed {
            return Err(UimageError::HeaderCrc { stored, computed });
        }
        let name = raw[NAME_AT..].split(|&b| b == 0).next().unwrap_or_default();
        let header = Header {
            time: word(8),
            load: word(16),
            entry: word(20),
            os: raw[28].into(),
            arch: raw[29].into(),
            kind: raw[30].into(),
            compression: raw[31].into(),
            name: String::from_utf8_lossy(name).into_owned(),
        };
        Ok(Self {
            header,
            payload: Size::bytes(u64::from(word(12))),
            payload_crc: word(24),
        })
    }

    /// The length of header and payload together.
    pub fn total(&self) -> Size {
        Size::bytes(self.payload.get() + HEADER_LEN as u64)
    }
}

impl<'a> Uimage<'a> {
    /// Reads and verifies the uImage at the start of `bytes`. What follows it is ignored, as in a
    /// kernel partition, where the rest is blank.
    ///
    /// # Errors
    /// Whatever is wrong first: the header, the length, the payload's CRC.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, UimageError> {
        let checked = CheckedHeader::parse(bytes)?;
        let behind = &bytes[HEADER_LEN..];
        let payload = behind
            .get(..checked.payload.as_usize())
            .ok_or(UimageError::PayloadCut {
                announced: checked.payload,
                found: Size::bytes(behind.len() as u64),
            })?;
        let (stored, computed) = (checked.payload_crc, crc32fast::hash(payload));
        if stored != computed {
            return Err(UimageError::PayloadCrc { stored, computed });
        }
        Ok(Self {
            header: checked.header,
            payload,
        })
    }

    /// Reads and verifies a file that is a uImage and nothing else, as U-Boot demands of an SD kernel.
    ///
    /// # Errors
    /// As [`Uimage::parse`], and [`UimageError::Surplus`].
    pub fn parse_file(bytes: &'a [u8]) -> Result<Self, UimageError> {
        let uimage = Self::parse(bytes)?;
        let end = HEADER_LEN + uimage.payload.len();
        if bytes.len() > end {
            return Err(UimageError::Surplus {
                surplus: Size::bytes((bytes.len() - end) as u64),
                end: Offset::bytes(end as u64),
            });
        }
        Ok(uimage)
    }

    /// Itself, if it is a kernel for MIPS.
    ///
    /// # Errors
    /// [`UimageError::WrongArch`], [`UimageError::WrongKind`].
    pub fn mips_kernel(self) -> Result<Self, UimageError> {
        self.header.mips_kernel()?;
        Ok(self)
    }
}

/// The bytes of a uImage: `header` with its CRCs, then `payload`, whose length must fit 32 bits.
pub fn build(header: &Header, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut raw = [0; HEADER_LEN];
    let words = [
        MAGIC,
        0,
        header.time,
        size,
        header.load,
        header.entry,
        crc32fast::hash(payload),
    ];
    for (at, word) in words.into_iter().enumerate() {
        raw[at * 4..][..4].copy_from_slice(&word.to_be_bytes());
    }
    raw[28] = header.os.into();
    raw[29] = header.arch.into();
    raw[30] = header.kind.into();
    raw[31] = header.compression.into();
    let name = header.name.as_bytes();
    let kept = name.len().min(NAME_LEN);
    raw[NAME_AT..][..kept].copy_from_slice(&name[..kept]);
    let crc = header_crc(&raw);
    raw[4..8].copy_from_slice(&crc.to_be_bytes());
    [&raw[..], payload].concat()
}

fn header_crc(raw: &[u8; HEADER_LEN]) -> u32 {
    let mut without_crc = *raw;
    without_crc[4..8].fill(0);
    crc32fast::hash(&without_crc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn kernel() -> Header {
        Header {
            time: 0x5e4b_0a00,
            load: 0x8001_0000,
            entry: 0x8040_9660,
            os: Os::Linux,
            arch: Arch::Mips,
            kind: Kind::Kernel,
            compression: Compression::Lzma,
            name: "Linux-3.10.14".to_owned(),
        }
    }

    /// Changes a byte of the header and makes its CRC right again.
    fn with_header_byte(mut image: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
        image[at] = byte;
        let crc = header_crc(image.first_chunk().unwrap());
        image[4..8].copy_from_slice(&crc.to_be_bytes());
        image
    }

    #[test]
    fn what_is_built_reads_back_as_it_was() {
        let image = build(&kernel(), b"payload");
        let read = Uimage::parse_file(&image).unwrap().mips_kernel().unwrap();
        assert_eq!((read.header, read.payload), (kernel(), &b"payload"[..]));
    }

    /// The fields in the places that U-Boot reads them from; the CRC-32 of
    /// "123456789" is the well-known 0xcbf43926.
    #[test]
    fn the_header_is_laid_out_as_u_boot_reads_it() {
        let header = Header {
            time: 0,
            load: 0x8001_0000,
            entry: 0x8001_0400,
            compression: Compression::None,
            name: "demo".to_owned(),
            ..kernel()
        };
        let image = build(&header, b"123456789");
        assert_eq!(image[..4], [0x27, 0x05, 0x19, 0x56]);
        assert_eq!(image[12..16], [0, 0, 0, 9]);
        assert_eq!(image[16..24], [0x80, 1, 0, 0, 0x80, 1, 4, 0]);
        assert_eq!(image[24..28], [0xcb, 0xf4, 0x39, 0x26]);
        assert_eq!(image[28..32], [5, 5, 2, 0]);
        assert_eq!(&image[32..37], b"demo\0");
    }

    #[rstest]
    #[case::empty(vec![], UimageError::HeaderCut { found: Size::ZERO })]
    #[case::half_a_header(build(&kernel(), b"")[..63].to_vec(), UimageError::HeaderCut { found: Size::bytes(63) })]
    #[case::squashfs([&b"hsqs"[..], &[0; 96]].concat(), UimageError::BadMagic { found: 0x6873_7173 })]
    #[case::other_arch(
        with_header_byte(build(&kernel(), b"x"), 29, 2),
        UimageError::WrongArch { found: Arch::Arm }
    )]
    #[case::recovery_file(
        with_header_byte(build(&kernel(), b"x"), 30, 5),
        UimageError::WrongKind { found: Kind::Firmware }
    )]
    #[case::cut_off(
        build(&kernel(), b"payload")[..HEADER_LEN + 3].to_vec(),
        UimageError::PayloadCut { announced: Size::bytes(7), found: Size::bytes(3) }
    )]
    #[case::tail(
        [&build(&kernel(), b"payload")[..], b"!"].concat(),
        UimageError::Surplus { surplus: Size::bytes(1), end: Offset::bytes(71) }
    )]
    fn a_file_that_u_boot_would_not_boot_is_refused(
        #[case] bytes: Vec<u8>,
        #[case] expected: UimageError,
    ) {
        assert_eq!(
            Uimage::parse_file(&bytes).and_then(Uimage::mips_kernel),
            Err(expected)
        );
    }

    #[test]
    fn a_partition_may_hold_more_than_the_uimage() {
        let image = [&build(&kernel(), b"payload")[..], &[0xff; 100]].concat();
        assert_eq!(Uimage::parse(&image).unwrap().payload, b"payload");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_uimage_or_an_error(bytes: Vec<u8>) {
            let _ = Uimage::parse_file(&bytes);
        }

        #[test]
        fn any_bytes_behind_the_magic_are_a_uimage_or_an_error(mut bytes in prop::collection::vec(any::<u8>(), 64..200)) {
            bytes[..4].copy_from_slice(&MAGIC.to_be_bytes());
            let crc = header_crc(bytes.first_chunk().unwrap());
            bytes[4..8].copy_from_slice(&crc.to_be_bytes());
            let _ = Uimage::parse_file(&bytes);
        }

        #[test]
        fn a_flipped_bit_anywhere_is_noticed(at in 0usize..71, bit in 0u8..8) {
            let mut image = build(&kernel(), b"payload");
            image[at] ^= 1 << bit;
            prop_assert!(Uimage::parse_file(&image).is_err());
        }
    }
}
