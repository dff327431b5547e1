//! `wz image` as its user sees it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rstest::rstest;
use tempfile::TempDir;
use wz_cli::cardimage::CardImage;
use wz_cli::payload;
use wz_core::image::uimage::{self, Arch, Compression, Header, Kind, Os, Uimage};
use wz_core::units::Size;

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

/// A folder with all that `wz image` needs.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(bench.path("kernel"), kernel(b"")).unwrap();
        fs::write(bench.path("init"), program()).unwrap();
        fs::write(bench.path("busybox"), program()).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wz_image(&self, soc: &str, more: &[&str]) -> assert_cmd::assert::Assert {
        let mut wz = Command::new(assert_cmd::cargo::cargo_bin!("wz"));
        wz.current_dir(self.folder.path())
            .args(["image", "--soc", soc, "--kernel", "kernel"]);
        wz.args(["--init", "init", "--busybox", "busybox", "--out", "dist"])
            .args(more)
            .assert()
    }
}

fn kernel(board: &[u8]) -> Vec<u8> {
    let code = CLEARS_BSS
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let mut line = b"console=ttyS1,115200n8 mem=94M mtdparts=jz_sfc:-(all)".to_vec();
    line.resize(4096, 0);
    let kernel: Vec<u8> = [
        code,
        b"\0rd_start\0Not a gzip file\0".to_vec(),
        board.to_vec(),
        vec![0],
        line,
    ]
    .concat();
    let header = Header {
        time: 0,
        load: LOAD,
        entry: LOAD,
        os: Os::Linux,
        arch: Arch::Mips,
        kind: Kind::Kernel,
        compression: Compression::Lzma,
        name: "Linux-3.10.14".to_owned(),
    };
    uimage::build(&header, &payload::pack(&kernel, Compression::Lzma).unwrap())
}

/// The head of a static program for little-endian MIPS.
fn program() -> Vec<u8> {
    let mut elf = vec![0; 64];
    elf[..6].copy_from_slice(b"\x7fELF\x01\x01");
    elf[18] = 8;
    elf
}

fn card_files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().display().to_string()),
            }
        }
    }
    found.sort();
    found
}

#[rstest]
#[case("t20", "factory_ZMC6tiIDQN")]
#[case("t31", "factory_t31_ZMC6tiIDQN")]
fn the_folder_and_the_image_hold_the_same_bootable_card(
    #[case] soc: &str,
    #[case] sd_kernel: &str,
) {
    let bench = Bench::new();
    bench.wz_image(soc, &["--card-size", "128M"]).success();
    let folder = bench.path("dist/card");
    let image = CardImage::open(&bench.path(&format!("dist/wz_flash-helper_{soc}.img"))).unwrap();
    let files = card_files(&folder);
    assert_eq!(
        files,
        [
            sd_kernel,
            "wz_flash-helper/general.conf",
            "wz_flash-helper/restore/stock.conf",
            "wz_flash-helper/restore/stock/README.txt",
            "wz_flash-helper/restore/thingino.conf",
            "wz_flash-helper/restore/thingino/README.txt",
            "wz_flash-helper/scripts/extract_archive.sh",
            "wz_flash-helper/scripts/setup_wifi.sh",
            "wz_flash-helper/thingino.conf",
        ]
    );
    for file in files {
        assert_eq!(
            image.read(&file).unwrap(),
            fs::read(folder.join(&file)).unwrap(),
            "{file}"
        );
    }

    let sd_kernel = image.read(sd_kernel).unwrap();
    let uimage = Uimage::parse_file(&sd_kernel)
        .unwrap()
        .mips_kernel()
        .unwrap();
    let kernel = payload::unpack(uimage.payload, uimage.header.compression, Size::mib(8)).unwrap();
    let initramfs = payload::unpack(&kernel[0x1_1000..], Compression::Gzip, Size::mib(8)).unwrap();
    assert!(initramfs.starts_with(b"070701"));
    assert!(initramfs == fs::read(bench.path("dist/wz_flash-helper.cpio")).unwrap());
}

#[test]
fn the_same_inputs_give_the_same_files() {
    let outcome = |_| {
        let bench = Bench::new();
        bench.wz_image("t31", &["--card-size", "128M"]).success();
        let read = |name: &str| fs::read(bench.path(name)).unwrap();
        (
            read("dist/wz_flash-helper_t31.zip"),
            read("dist/wz_flash-helper_t31.img"),
        )
    };
    let [one, two] = [(), ()].map(outcome);
    assert!(one == two);
}

#[rstest]
#[case::emulator(b"MIPS Malta", "no camera boots it")]
#[case::camera(b"jz_sfc", "cameras with a T31")]
fn one_line_says_what_the_card_is_good_for(#[case] board: &[u8], #[case] expected: &str) {
    let bench = Bench::new();
    fs::write(bench.path("kernel"), kernel(board)).unwrap();
    let said = bench
        .wz_image("t31", &["--card-size", "128M"])
        .success()
        .get_output()
        .stdout
        .clone();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(
        said.lines().filter(|line| line.contains(expected)).count(),
        1,
        "{said}"
    );
}

#[rstest]
#[case::kernel("kernel", b"MZ".to_vec(), "--kernel \"kernel\": it ends after 2 bytes")]
#[case::init("init", b"#!/bin/sh\n".to_vec(), "--init \"init\": it is not a program")]
#[case::busybox("busybox", b"\x7fELF\x02\x01".repeat(10), "--busybox \"busybox\": it is a program for another computer")]
fn a_wrong_input_is_named_and_nothing_is_written(
    #[case] name: &str,
    #[case] content: Vec<u8>,
    #[case] expected: &str,
) {
    let bench = Bench::new();
    fs::write(bench.path(name), content).unwrap();
    let said = bench
        .wz_image("t31", &[])
        .code(1)
        .get_output()
        .stderr
        .clone();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains(expected), "{said}");
    assert!(!bench.path("dist").exists());
}

#[rstest]
#[case::no_power_of_two("200M", "choose a power of two")]
#[case::no_size("big", "is not a number of bytes")]
fn a_card_size_that_is_none_is_refused_before_anything_is_written(
    #[case] size: &str,
    #[case] expected: &str,
) {
    let bench = Bench::new();
    let said = bench
        .wz_image("t31", &["--card-size", size])
        .failure()
        .get_output()
        .stderr
        .clone();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains(expected), "{said}");
    assert!(!bench.path("dist").exists());
}

#[test]
fn what_was_made_is_told_to_programs() {
    let bench = Bench::new();
    bench.wz_image("t31", &["--card-size", "128M"]).success();
    let said = bench
        .wz_image("t31", &["--card-size", "128M", "--format", "json"])
        .success();
    let json: serde_json::Value = serde_json::from_slice(&said.get_output().stdout).unwrap();
    crate::documents::check("wz image", &json);
    let line = json["command_line"].as_str().unwrap();
    assert!(
        line.starts_with("console=ttyS1,115200n8 mem=94M rd_start="),
        "{line}"
    );
}
