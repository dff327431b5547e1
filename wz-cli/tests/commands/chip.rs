//! Small firmwares for 16 MiB chips, made of what `wz` looks at.

use wz_cli::payload;
use wz_core::image::empty::EmptyFileSystem;
use wz_core::image::uimage::{self, Arch, Compression, Header, Kind, Os};
use wz_core::profile::{Catalogue, Layout};
use wz_core::units::{Offset, Size};

pub const PASSWORD: &str = "hunter22 hunter22";
const ROOTFS: &[u8] = include_bytes!("../../src/anatomy/fixtures/os-release.xz.squashfs");
const APP: &[u8] = include_bytes!("../../src/anatomy/fixtures/os-release.gzip.squashfs");
const BLOCK: Size = Size::kib(32);

pub const SIZE: usize = 16 << 20;

/// A chip on which `parts` stand.
fn chip(parts: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut chip = vec![0xff; SIZE];
    for (at, part) in parts {
        chip[*at..at + part.len()].copy_from_slice(part);
    }
    chip
}

/// `length` bytes that look like a program, with texts in them.
fn boot(length: usize, texts: &[&str]) -> Vec<u8> {
    let mut boot: Vec<u8> = (0..length).map(|at| (at % 241) as u8 | 0x80).collect();
    boot[..4].copy_from_slice(&[6, 5, 4, 3]);
    for (number, text) in texts.iter().enumerate() {
        let at = 0x200 + number * 0x8000;
        boot[at - 1] = 0;
        boot[at..at + text.len()].copy_from_slice(text.as_bytes());
        boot[at + text.len()] = 0;
    }
    boot
}

pub fn kernel(name: &str) -> Vec<u8> {
    let plain = [
        vec![0x55; 300_000],
        b"\0Linux version 3.10.14 (user@host) #1 PREEMPT Mon Feb 17 2020\n\0".to_vec(),
        (0..200_000u32)
            .map(|n| (n.wrapping_mul(n) >> 7) as u8)
            .collect(),
    ]
    .concat();
    let header = Header {
        time: 0,
        load: 0x8001_0000,
        entry: 0x8040_0000,
        os: Os::Linux,
        arch: Arch::Mips,
        kind: Kind::Kernel,
        compression: Compression::Lzma,
        name: name.to_owned(),
    };
    uimage::build(&header, &payload::pack(&plain, Compression::Lzma).unwrap())
}

pub fn empty(of: EmptyFileSystem, size: Size) -> Vec<u8> {
    let mut bytes = vec![0; size.as_usize()];
    of.fill(size, BLOCK, Offset::ZERO, &mut bytes);
    bytes
}

pub fn environment(size: usize) -> Vec<u8> {
    let text = format!("bootcmd=sf probe;bootm\0wlan_ssid=My net\0wlan_pass={PASSWORD}\0\0");
    let mut data = text.into_bytes();
    data.resize(size - 4, 0xff);
    [crc32fast::hash(&data).to_le_bytes().to_vec(), data].concat()
}

/// Stock firmware of a T31, which does not tell its chip.
pub fn stock() -> Vec<u8> {
    let texts = [
        "U-Boot SPL 2013.07 (Feb 17 2020 - 15:40:27)",
        "U-Boot 2013.07 (Feb 17 2020 - 15:40:27)",
        "demo_wcv3.bin",
    ];
    chip(&[
        (0, boot(0x3_0000, &texts)),
        (0x4_0000, kernel("Linux-3.10.14__isvp_swan_1.0__")),
        (0x23_0000, ROOTFS.to_vec()),
        (0x60_0000, APP.to_vec()),
        (0x9d_0000, empty(EmptyFileSystem::Vfat, Size::kib(1984))),
        (0xf9_0000, empty(EmptyFileSystem::Jffs2, Size::kib(384))),
        (0xff_0000, b"para".to_vec()),
    ])
}

/// Thingino of 2025 for a t31x.
pub fn thingino() -> Vec<u8> {
    let texts = ["Thingino U-Boot for Ingenic T31X SPL 2013.07 (Mar 01 2025)"];
    let mut chip = chip(&[
        (0, boot(0x3_0000, &texts)),
        (0x4_0000, environment(0x8000)),
        (0x4_8000, empty(EmptyFileSystem::Jffs2, Size::kib(224))),
        (0x8_0000, kernel("Linux-3.10.14-thingino")),
    ]);
    let rootfs = 0x8_0000
        + kernel("Linux-3.10.14-thingino")
            .len()
            .next_multiple_of(0x8000);
    chip[rootfs..rootfs + ROOTFS.len()].copy_from_slice(ROOTFS);
    chip
}

/// Bytes of no meaning that differ everywhere.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next)
        .take(length / 8 + 1)
        .flatten()
        .collect();
    bytes.truncate(length);
    bytes
}

/// Every layout of every firmware, with its SoC and a chip that has it.
pub fn layouts() -> Vec<(String, String, Layout)> {
    let catalogue = Catalogue::builtin();
    let mut layouts = Vec::new();
    for soc in catalogue.socs() {
        for firmware in catalogue.firmwares(&soc.name) {
            for layout in &firmware.layouts {
                layouts.push((
                    soc.chips[0].name.clone(),
                    firmware.name.clone(),
                    layout.clone(),
                ));
            }
        }
    }
    layouts
}
