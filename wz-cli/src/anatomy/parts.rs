//! What stands in flash one behind the other, found by how it begins.
//!
//! ```text
//! 0        n * 32K           m * 32K                    k * 32K
//! | SPL    | 27 05 19 56 ... | hsqs ... ff ff ff ff ... | 85 19 ... | ff ff ff
//! | boot   | kernel          | squashfs    (its rest)   | jffs2     | blank
//! ```

use wz_core::image::environment::{Environment, SIZES};
use wz_core::image::squashfs::{self, Superblock};
use wz_core::image::uimage::{self, CheckedHeader, HEADER_LEN};
use wz_core::units::{Offset, Region, Size};

use super::slice;

/// Where things may start. Newer builds align to 64K.
pub const STEP: Size = Size::kib(32);

const SPL: [u8; 4] = [0x06, 0x05, 0x04, 0x03];
const JFFS2: [u8; 2] = [0x85, 0x19];
const BLANK: u8 = 0xff;

/// What a part is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An SPL, and what it starts.
    BootLoader,
    /// A sound U-Boot environment.
    Environment,
    /// A uImage whose header is sound.
    Uimage(CheckedHeader),
    /// A squashfs.
    Squashfs(Superblock),
    /// A JFFS2.
    Jffs2,
    /// A FAT.
    Vfat,
    /// Erased flash.
    Blank,
    /// Anything else.
    Data,
}

/// A stretch of flash that is one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is, up to the next part.
    pub region: Region,
    /// How much of that it takes.
    pub used: Size,
    /// What it is.
    pub kind: Kind,
}

/// The parts of these bytes, which lie at `base` in flash.
pub fn parts(bytes: &[u8], base: Offset) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut at = Offset::ZERO;
    while at.as_usize() < bytes.len() {
        let rest = &bytes[at.as_usize()..];
        let step = Size::bytes(rest.len() as u64).min(STEP);
        let kind = kind(rest, base + (at - Offset::ZERO));
        match parts.last_mut() {
            Some(last) if continues(&last.kind, &kind) => last.grow(step, &kind),
            _ => {
                let part = Part::new(base + (at - Offset::ZERO), kind, rest, step);
                parts.push(part);
            }
        }
        let end = parts.last().map_or(base, |part| part.region.end());
        at = Offset::ZERO + (end - base);
    }
    parts
}

impl Part {
    fn new(offset: Offset, kind: Kind, rest: &[u8], step: Size) -> Self {
        let available = Size::bytes(rest.len() as u64);
        let used = match &kind {
            Kind::Uimage(header) => header.total(),
            Kind::Squashfs(superblock) => superblock.bytes_used,
            Kind::Vfat => vfat_size(rest).unwrap_or(step),
            Kind::Environment => environment_size(rest).unwrap_or(step),
            Kind::Blank => Size::ZERO,
            Kind::BootLoader | Kind::Jffs2 | Kind::Data => step,
        };
        let taken = used.round_up(STEP).max(step).min(available);
        Self {
            region: Region::new(offset, taken),
            used,
            kind,
        }
    }

    fn grow(&mut self, step: Size, by: &Kind) {
        let end = self.region.end() + step;
        self.region.size = end - self.region.offset;
        if *by != Kind::Blank {
            self.used = self.region.size;
        }
    }
}

/// Whether what begins here belongs to the part before.
fn continues(part: &Kind, next: &Kind) -> bool {
    match part {
        Kind::Blank => *next == Kind::Blank,
        Kind::Data => *next == Kind::Data,
        // Its erase blocks may be longer than a step, and those behind its end are blank.
        Kind::Jffs2 => matches!(next, Kind::Jffs2 | Kind::Data | Kind::Blank),
        Kind::BootLoader => matches!(next, Kind::Data | Kind::Blank),
        // The rest of the last erase block.
        Kind::Uimage(_) | Kind::Squashfs(_) | Kind::Environment | Kind::Vfat => false,
    }
}

fn kind(rest: &[u8], offset: Offset) -> Kind {
    let head = &rest[..rest.len().min(STEP.as_usize())];
    if head.iter().all(|byte| *byte == BLANK) {
        return Kind::Blank;
    }
    if offset == Offset::ZERO && head.starts_with(&SPL) {
        return Kind::BootLoader;
    }
    if head.starts_with(&uimage::MAGIC.to_be_bytes())
        && let Ok(header) = CheckedHeader::parse(&head[..head.len().min(HEADER_LEN)])
    {
        return Kind::Uimage(header);
    }
    if head.starts_with(squashfs::MAGIC)
        && let Ok(superblock) = Superblock::parse(head)
    {
        return Kind::Squashfs(superblock);
    }
    if head.starts_with(&JFFS2) {
        return Kind::Jffs2;
    }
    if vfat_size(head).is_some() {
        return Kind::Vfat;
    }
    match environment_size(rest) {
        Some(_) => Kind::Environment,
        None => Kind::Data,
    }
}

/// The length of a FAT volume, from its boot sector. Source: Microsoft's FAT specification 1.03.
fn vfat_size(head: &[u8]) -> Option<Size> {
    let sector: &[u8; 512] = head.first_chunk()?;
    let is_fat = &sector[54..57] == b"FAT" || &sector[82..85] == b"FAT";
    if !is_fat || sector[510..] != [0x55, 0xaa] {
        return None;
    }
    let half = |at: usize| u32::from(u16::from_le_bytes([sector[at], sector[at + 1]]));
    let whole = |at: usize| half(at) | half(at + 2) << 16;
    let sectors = match half(19) {
        0 => whole(32),
        sectors => sectors,
    };
    Some(Size::bytes(u64::from(sectors) * u64::from(half(11))))
}

/// The length of a sound environment, if one starts here. Only what looks like one is hashed.
fn environment_size(rest: &[u8]) -> Option<Size> {
    let start = rest.get(4..64)?;
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    if !start.first().is_some_and(is_name) || !start.contains(&b'=') {
        return None;
    }
    let is_sound = |size: &Size| {
        let bytes = slice(rest, Region::new(Offset::ZERO, *size));
        bytes.len() == size.as_usize() && Environment::parse(bytes).is_ok()
    };
    SIZES.into_iter().find(is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wz_core::image::empty::EmptyFileSystem;

    const BLOCK: usize = 32 * 1024;

    fn blocks(count: usize, byte: u8) -> Vec<u8> {
        vec![byte; count * BLOCK]
    }

    fn found(bytes: &[u8], base: u64) -> Vec<(u64, u64, u64, &'static str)> {
        let name = |kind: &Kind| match kind {
            Kind::BootLoader => "boot loader",
            Kind::Environment => "environment",
            Kind::Uimage(_) => "uimage",
            Kind::Squashfs(_) => "squashfs",
            Kind::Jffs2 => "jffs2",
            Kind::Vfat => "vfat",
            Kind::Blank => "blank",
            Kind::Data => "data",
        };
        let row = |part: &Part| {
            let Region { offset, size } = part.region;
            (
                offset.get() / 1024,
                size.get() / 1024,
                part.used.get(),
                name(&part.kind),
            )
        };
        parts(bytes, Offset::bytes(base)).iter().map(row).collect()
    }

    fn uimage(payload: usize) -> Vec<u8> {
        let header = uimage::Header {
            time: 0,
            load: 0,
            entry: 0,
            os: uimage::Os::Linux,
            arch: uimage::Arch::Mips,
            kind: uimage::Kind::Kernel,
            compression: uimage::Compression::Lzma,
            name: "Linux".to_owned(),
        };
        uimage::build(&header, &vec![7; payload])
    }

    fn squashfs(bytes_used: u64) -> Vec<u8> {
        let mut bytes = vec![1; bytes_used as usize];
        bytes[..4].copy_from_slice(squashfs::MAGIC);
        bytes[28..30].copy_from_slice(&4u16.to_le_bytes());
        bytes[40..48].copy_from_slice(&bytes_used.to_le_bytes());
        bytes
    }

    fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.resize(bytes.len().next_multiple_of(BLOCK), BLANK);
        bytes
    }

    #[test]
    fn a_chip_is_taken_apart_from_its_boot_loader_to_its_end() {
        let boot = [SPL.to_vec(), vec![1; 3 * BLOCK - 4], blocks(1, BLANK)].concat();
        let data = [&JFFS2[..], &[1; BLOCK * 2 - 2]].concat();
        let chip = [
            boot,
            padded(uimage(40_000)),
            padded(squashfs(70_000)),
            blocks(1, BLANK),
            data,
            blocks(3, BLANK),
        ]
        .concat();
        let expected = [
            (0, 128, 98_304, "boot loader"),
            (128, 64, 40_064, "uimage"),
            (192, 96, 70_000, "squashfs"),
            (288, 32, 0, "blank"),
            (320, 160, 65_536, "jffs2"),
        ];
        assert_eq!(found(&chip, 0), expected);
    }

    #[test]
    fn a_partition_is_taken_apart_where_it_lies() {
        let mut fat = blocks(62, 0);
        EmptyFileSystem::Vfat.fill(Size::kib(1984), STEP, Offset::ZERO, &mut fat);
        assert_eq!(found(&fat, 0x9d_0000), [(10_048, 1984, 2_031_616, "vfat")]);
        let spl_elsewhere = [SPL.to_vec(), vec![0; BLOCK - 4]].concat();
        assert_eq!(found(&spl_elsewhere, 0x4_0000), [(256, 32, 32_768, "data")]);
    }

    #[test]
    fn what_claims_to_reach_beyond_the_end_is_cut_there() {
        let kernel = &uimage(40_000)[..BLOCK];
        assert_eq!(found(kernel, 0), [(0, 32, 40_064, "uimage")]);
    }

    #[test]
    fn an_environment_needs_a_good_crc() {
        let mut bytes = [&[0; 4][..], b"bootcmd=bootm\0a=b\0\0"].concat();
        bytes.resize(BLOCK, BLANK);
        assert_eq!(found(&bytes, 0x4_0000), [(256, 32, 32_768, "data")]);
        let crc = crc32fast::hash(&bytes[4..]).to_le_bytes();
        bytes[..4].copy_from_slice(&crc);
        assert_eq!(found(&bytes, 0x4_0000), [(256, 32, 32_768, "environment")]);
    }

    proptest! {
        #[test]
        fn the_parts_of_anything_cover_all_of_it(
            heads in prop::collection::vec(prop::sample::select(vec![
                SPL.to_vec(), JFFS2.to_vec(), vec![BLANK; 8], vec![0; 8], uimage(100_000), squashfs(500),
                squashfs(96 * 1024), uimage(3),
            ]), 0..6),
            more in 0usize..40_000,
            fill in prop::sample::select(vec![0u8, BLANK]),
        ) {
            let mut bytes: Vec<u8> = heads.into_iter().flat_map(padded).collect();
            bytes.resize(bytes.len() + more, fill);
            let mut end = Offset::bytes(4096);
            for part in parts(&bytes, end) {
                prop_assert_eq!(part.region.offset, end);
                prop_assert!(part.region.size > Size::ZERO);
                end = part.region.end();
            }
            prop_assert_eq!(end - Offset::bytes(4096), Size::bytes(bytes.len() as u64));
        }
    }
}
