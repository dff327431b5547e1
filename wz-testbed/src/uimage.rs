//! The legacy uImage as U-Boot of these cameras reads it (`include/image.h`, `common/cmd_sdstart.c`).
//!
//! ```text
//!  0  magic 27 05 19 56      16  load address       28  os, arch, type, compression
//!  4  CRC of the header      20  entry point        32  name, 32 bytes
//!  8  time                   24  CRC of the data    64  data
//! 12  size of the data                              all big-endian
//! ```
//!
//! This is a second reading of the format on purpose: it judges what `wz-core` and `wz` write.

use std::fmt;

use crate::elf;
use crate::unpacking;

pub(crate) const HEADER: usize = 64;
pub(crate) const MAGIC: [u8; 4] = [0x27, 0x05, 0x19, 0x56];

/// A place in memory where the file does not get in the way of what is unpacked.
const FAR_AWAY: u32 = 0x8400_0000;

const OS_LINUX: u8 = 5;
const ARCH_MIPS: u8 = 5;
const TYPE_KERNEL: u8 = 2;

/// Why U-Boot does not boot a file. The words are close to its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Longer than U-Boot loads.
    TooLarge {
        /// The file's size in bytes.
        size: u64,
        /// U-Boot's limit in bytes.
        limit: u64,
    },
    /// Shorter than a header, or no uImage magic.
    NoUimage,
    /// The header's own CRC is wrong.
    HeaderCrc,
    /// Not a MIPS Linux kernel: os, architecture and type as in the header.
    WrongKind {
        /// `ih_os`, `ih_arch`, `ih_type`.
        os_arch_type: [u8; 3],
    },
    /// The file is longer or shorter than its header says.
    WrongSize {
        /// Header and data in bytes, as the header says.
        said: u64,
        /// The bytes that are there.
        is: u64,
    },
    /// The data's CRC is wrong.
    DataCrc,
    /// The payload cannot be unpacked.
    Unpack(String),
}

/// A kernel uImage whose header and checksums are right.
#[derive(Debug)]
pub(crate) struct Uimage<'a> {
    load: u32,
    entry: u32,
    compression: u8,
    data: &'a [u8],
}

/// A kernel uImage at the start of `bytes`, where more may follow, as in a flash partition.
pub(crate) fn at_start_of(bytes: &[u8]) -> Result<Uimage<'_>, Refusal> {
    let said = total_size(bytes)?;
    let Some(image) = bytes.get(..usize::try_from(said).unwrap_or(usize::MAX)) else {
        return Err(Refusal::WrongSize {
            said,
            is: bytes.len() as u64,
        });
    };
    check(image)
}

/// The kernel uImage that `file` is, byte for byte.
pub(crate) fn check(file: &[u8]) -> Result<Uimage<'_>, Refusal> {
    let said = total_size(file)?;
    let os_arch_type = [file[28], file[29], file[30]];
    if os_arch_type != [OS_LINUX, ARCH_MIPS, TYPE_KERNEL] {
        return Err(Refusal::WrongKind { os_arch_type });
    }
    if said != file.len() as u64 {
        return Err(Refusal::WrongSize {
            said,
            is: file.len() as u64,
        });
    }
    let data = &file[HEADER..];
    if crc32fast::hash(data) != be32(file, 24) {
        return Err(Refusal::DataCrc);
    }
    Ok(Uimage {
        load: be32(file, 16),
        entry: be32(file, 20),
        compression: file[31],
        data,
    })
}

/// Header and data in bytes, from a header that is in order.
fn total_size(bytes: &[u8]) -> Result<u64, Refusal> {
    if bytes.len() < HEADER || bytes[..4] != MAGIC {
        return Err(Refusal::NoUimage);
    }
    let mut header = bytes[..HEADER].to_vec();
    header[4..8].fill(0);
    if crc32fast::hash(&header) != be32(bytes, 4) {
        return Err(Refusal::HeaderCrc);
    }
    Ok(HEADER as u64 + u64::from(be32(bytes, 12)))
}

impl Uimage<'_> {
    /// Header and data in bytes.
    pub(crate) fn size(&self) -> usize {
        HEADER + self.data.len()
    }

    /// Where the unpacked kernel goes.
    pub(crate) fn load(&self) -> u32 {
        self.load
    }

    /// Where it starts.
    pub(crate) fn entry(&self) -> u32 {
        self.entry
    }

    /// `bootm` of a file that was read to `buffer`: the unpacked kernel as an ELF file for QEMU.
    pub(crate) fn to_elf(&self, buffer: u32) -> Result<Vec<u8>, Refusal> {
        Ok(elf::wrap(&self.unpack_from(buffer)?, self.load, self.entry))
    }

    /// The kernel as it lies in memory.
    pub(crate) fn unpack(&self) -> Result<Vec<u8>, Refusal> {
        self.unpack_from(FAR_AWAY)
    }

    fn unpack_from(&self, buffer: u32) -> Result<Vec<u8>, Refusal> {
        let from = buffer + HEADER as u32;
        unpacking::unpack(self.data, self.compression, from, self.load).map_err(Refusal::Unpack)
    }
}

/// A MIPS Linux kernel uImage around `data`, which is stored as it is.
pub(crate) fn build(name: &str, load: u32, entry: u32, data: &[u8]) -> Vec<u8> {
    let mut image = Vec::with_capacity(HEADER + data.len());
    image.extend_from_slice(&MAGIC);
    for field in [
        0,
        0,
        u32::try_from(data.len()).unwrap_or(u32::MAX),
        load,
        entry,
    ] {
        image.extend_from_slice(&field.to_be_bytes());
    }
    image.extend_from_slice(&crc32fast::hash(data).to_be_bytes());
    image.extend_from_slice(&[OS_LINUX, ARCH_MIPS, TYPE_KERNEL, 0]);
    image.extend(name.bytes().take(32));
    image.resize(HEADER, 0);
    let crc = crc32fast::hash(&image);
    image[4..8].copy_from_slice(&crc.to_be_bytes());
    image.extend_from_slice(data);
    image
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, limit } => {
                write!(f, "{size} bytes, but at most {limit} are loaded")
            }
            Self::NoUimage => f.write_str("Bad Magic Number"),
            Self::HeaderCrc => f.write_str("Bad Header Checksum"),
            Self::WrongKind { os_arch_type } => {
                write!(
                    f,
                    "no MIPS Linux kernel: os, arch, type are {os_arch_type:?}"
                )
            }
            Self::WrongSize { said, is } => write!(f, "{is} bytes, but the header says {said}"),
            Self::DataCrc => f.write_str("Bad Data CRC"),
            Self::Unpack(why) => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lzma_rust2::{LzmaOptions, LzmaWriter};
    use rstest::rstest;
    use std::io::Write;

    fn image() -> Vec<u8> {
        build("test", 0x8001_0000, 0x8001_0400, b"kernel")
    }

    fn with_new_header_crc(mut image: Vec<u8>) -> Vec<u8> {
        image[4..8].fill(0);
        let crc = crc32fast::hash(&image[..HEADER]);
        image[4..8].copy_from_slice(&crc.to_be_bytes());
        image
    }

    #[test]
    fn what_build_makes_is_accepted() {
        assert_eq!(check(&image()).unwrap().size(), HEADER + 6);
    }

    #[rstest]
    #[case::magic(0, Refusal::NoUimage)]
    #[case::header(9, Refusal::HeaderCrc)]
    #[case::data(HEADER, Refusal::DataCrc)]
    fn one_wrong_bit_is_refused(#[case] at: usize, #[case] why: Refusal) {
        let mut image = image();
        image[at] ^= 1;

        assert_eq!(check(&image).unwrap_err(), why);
    }

    #[rstest]
    #[case::os(28)]
    #[case::arch(29)]
    #[case::kind(30)]
    fn another_kind_of_image_is_refused(#[case] at: usize) {
        let mut image = image();
        image[at] ^= 8;

        let why = check(&with_new_header_crc(image)).unwrap_err();

        assert!(matches!(why, Refusal::WrongKind { .. }), "{why}");
    }

    #[test]
    fn a_file_that_is_longer_than_its_header_says_is_refused() {
        let mut image = image();
        image.push(0);

        assert_eq!(
            check(&image).unwrap_err(),
            Refusal::WrongSize { said: 70, is: 71 }
        );
        assert!(at_start_of(&image).is_ok());
    }

    #[test]
    fn a_cut_off_file_is_refused() {
        let image = image();

        let why = at_start_of(&image[..image.len() - 1]).unwrap_err();

        assert_eq!(why, Refusal::WrongSize { said: 70, is: 69 });
    }

    #[test]
    fn gzip_is_unpacked() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"kernel").unwrap();
        let mut image = build("test", 0x8001_0000, 0, &gz.finish().unwrap());
        image[31] = 1;

        let image = with_new_header_crc(image);

        assert_eq!(check(&image).unwrap().unpack().unwrap(), b"kernel");
    }

    #[test]
    fn lzma_is_unpacked() {
        let options = LzmaOptions::with_preset(1);
        let mut lzma = LzmaWriter::new_use_header(Vec::new(), &options, Some(6)).unwrap();
        lzma.write_all(b"kernel").unwrap();
        let mut image = build("test", 0x8001_0000, 0, &lzma.finish().unwrap());
        image[31] = 3;

        let image = with_new_header_crc(image);

        assert_eq!(check(&image).unwrap().unpack().unwrap(), b"kernel");
    }
}
