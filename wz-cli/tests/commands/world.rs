//! A camera of the family T31 as a dump, images to put into it, and cards.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use wz_cli::cardimage::{Content, Entry};
use wz_cli::payload;
use wz_core::image::sha256sum::{self, Digest};
use wz_core::image::uimage::{self, Arch, Compression, Header, Kind, Os};
use wz_core::profile::{Catalogue, Format};

pub const SD_KERNEL: &str = "factory_t31_ZMC6tiIDQN";
const LOAD: u32 = 0x8001_0000;
/// `.bss` is 0x80020000 .. 0x80021000 for this code, which clears it as a kernel's entry does.
const CLEARS_BSS: [u32; 8] = [
    0x3c08_8002, // lui   t0, 0x8002
    0x2508_0000, // addiu t0, t0, 0
    0xad00_0000, // sw    zero, 0(t0)
    0x3c09_8002, // lui   t1, 0x8002
    0x2529_0ffc, // addiu t1, t1, 0xffc
    0x2508_0004, // addiu t0, t0, 4
    0x1509_fffe, // bne   t0, t1, -2
    0xad00_0000, // sw    zero, 0(t0)
];

/// What a Wyze Cam v3 with the stock firmware holds.
pub fn stock() -> Vec<u8> {
    static FLASH: OnceLock<Vec<u8>> = OnceLock::new();
    FLASH.get_or_init(|| build(1)).clone()
}

/// Another build of it, which differs in every partition.
pub fn other_stock() -> Vec<u8> {
    build(2)
}

fn build(build: u8) -> Vec<u8> {
    let catalogue = Catalogue::builtin();
    let firmware = catalogue.firmware("t31", "stock").unwrap();
    let mut flash = vec![0xff; 16 << 20];
    for (index, partition) in firmware.layouts[0].partitions().iter().enumerate() {
        let start = partition.region.offset.as_usize();
        let size = partition.region.size.as_usize();
        let seed = index as u64 * 7 + u64::from(build) * 131;
        let content = match (partition.name.as_str(), partition.format) {
            ("boot", _) => boot("demo_wcv3.bin", build, size),
            (_, Format::Uimage) => kernel(seed, size / 2),
            (_, Format::Squashfs) => squashfs(seed, size / 2),
            (_, Format::Jffs2) => config(),
            _ => noise(seed, size / 8),
        };
        flash[start..start + content.len()].copy_from_slice(&content);
    }
    flash
}

/// A partition of it.
pub fn part(flash: &[u8], partition: &str) -> Vec<u8> {
    let catalogue = Catalogue::builtin();
    let layout = &catalogue.firmware("t31", "stock").unwrap().layouts[0];
    let region = layout.partition(partition).unwrap().region;
    flash[region.offset.as_usize()..region.end().as_usize()].to_vec()
}

/// One image of thingino, as its releases of 2024 are.
pub fn thingino() -> Vec<u8> {
    let mut image = boot(
        "U-Boot Flex SPL, Thingino U-Boot for Ingenic T31 T31X SPL",
        1,
        256 << 10,
    );
    image.resize(320 << 10, 0xff);
    image.extend(kernel(5, 1500 << 10));
    image.resize(image.len().next_multiple_of(32 << 10), 0xff);
    image.extend(squashfs(6, 2000 << 10));
    image
}

/// An SD kernel with the program in it, as far as its header tells.
pub fn sd_kernel() -> Vec<u8> {
    kernel_named("wz_flash-helper Linux-3.10.14", 99, 9000)
}

/// Another one.
pub fn other_sd_kernel() -> Vec<u8> {
    kernel_named("wz_flash-helper Linux-3.10.14", 98, 9000)
}

/// A kernel that the program can be put into, with the name of a board in it.
pub fn donor(board: &[u8]) -> Vec<u8> {
    let content = [b"\0rd_start\0Not a gzip file\0", board].concat();
    donor_with(&content, Compression::Lzma)
}

/// A kernel with these bytes in it, and what stands at its entry in a kernel.
pub fn donor_with(content: &[u8], compression: Compression) -> Vec<u8> {
    let code = CLEARS_BSS
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut line = b"console=ttyS1,115200n8 mem=94M mtdparts=jz_sfc:-(all)".to_vec();
    line.resize(4096, 0);
    let kernel: Vec<u8> = [code, content.to_vec(), vec![0], line].concat();
    let header = Header {
        time: 0,
        load: LOAD,
        entry: LOAD,
        os: Os::Linux,
        arch: Arch::Mips,
        kind: Kind::Kernel,
        compression,
        name: "Linux-3.10.14".to_owned(),
    };
    let packed = payload::pack(&kernel, compression).unwrap_or(kernel);
    uimage::build(&header, &packed)
}

/// The head of a static program for little-endian MIPS.
pub fn program() -> Vec<u8> {
    let mut elf = vec![0; 64];
    elf[..6].copy_from_slice(b"\x7fELF\x01\x01");
    elf[18] = 8;
    elf
}

/// An image, and the hash file beside it.
pub fn with_hash(path: &str, image: &[u8]) -> [(String, Vec<u8>); 2] {
    let name = path.rsplit('/').next().unwrap();
    let sum = sha256sum::format(&Digest::of(image), name);
    [
        (path.to_owned(), image.to_vec()),
        (format!("{path}.sha256sum"), sum.into_bytes()),
    ]
}

/// What lies on a card that asks for this, with an SD kernel.
pub fn card(general_conf: &str) -> Content {
    Content::from([
        (SD_KERNEL.to_owned(), Entry::File(sd_kernel())),
        (
            "wz_flash-helper/general.conf".to_owned(),
            Entry::File(general_conf.into()),
        ),
    ])
}

fn boot(text: &str, build: u8, size: usize) -> Vec<u8> {
    let mut bytes = noise(1, size);
    bytes[..4].copy_from_slice(&[6, 5, 4, 3]);
    bytes[64..64 + text.len()].copy_from_slice(text.as_bytes());
    bytes[1000] = build;
    bytes
}

/// A kernel for a camera.
pub fn kernel(seed: u64, size: usize) -> Vec<u8> {
    kernel_named("Linux-3.10.14", seed, size)
}

fn kernel_named(name: &str, seed: u64, size: usize) -> Vec<u8> {
    let header = Header {
        time: 0,
        load: 0x8001_0000,
        entry: 0x8001_0400,
        os: Os::Linux,
        arch: Arch::Mips,
        kind: Kind::Kernel,
        compression: Compression::None,
        name: name.into(),
    };
    uimage::build(&header, &noise(seed, size))
}

fn squashfs(seed: u64, used: usize) -> Vec<u8> {
    let mut bytes = noise(seed, used);
    bytes[..96].fill(0);
    bytes[..4].copy_from_slice(b"hsqs");
    bytes[12..16].copy_from_slice(&131_072_u32.to_le_bytes());
    bytes[20..22].copy_from_slice(&4_u16.to_le_bytes());
    bytes[28..30].copy_from_slice(&4_u16.to_le_bytes());
    bytes[40..48].copy_from_slice(&(used as u64).to_le_bytes());
    bytes
}

/// A JFFS2 with the file that tells the model, made by mkfs.jffs2.
fn config() -> Vec<u8> {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let product = "PRODUCT_MODEL=WYZE_CAKP2JFUS\n".repeat(20);
        fs::write(root.join(".product_config"), product).unwrap();
        let image = folder.path().join("image");
        let made = Command::new("/usr/sbin/mkfs.jffs2")
            .args(["--little-endian", "--eraseblock=32", "-d"])
            .arg(&root)
            .arg("-o")
            .arg(&image)
            .status();
        assert!(made.unwrap().success());
        fs::read(image).unwrap()
    };
    IMAGE.get_or_init(make).clone()
}

/// Bytes that can't be packed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| byte()).collect()
}
