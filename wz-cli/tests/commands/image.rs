//! `wz image` as its user sees it.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use rstest::rstest;
use tempfile::TempDir;
use wz_cli::cardimage::CardImage;
use wz_cli::payload;
use wz_core::image::uimage::{Compression, Uimage};
use wz_core::units::Size;

use crate::world;

/// A folder with all that `wz image` needs.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::write(bench.path("kernel"), world::donor(b"")).unwrap();
        fs::write(bench.path("init"), world::program()).unwrap();
        fs::write(bench.path("busybox"), world::program()).unwrap();
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
    let initramfs = payload::unpack(&kernel[0x2_0000..], Compression::Gzip, Size::mib(8)).unwrap();
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
    fs::write(bench.path("kernel"), world::donor(board)).unwrap();
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

/// The SD kernel of a card that was made before.
fn attached_before() -> Vec<u8> {
    let bench = Bench::new();
    bench.wz_image("t31", &["--card-size", "128M"]).success();
    fs::read(bench.path("dist/card/factory_t31_ZMC6tiIDQN")).unwrap()
}

fn damaged(at: usize) -> Vec<u8> {
    let mut kernel = world::donor(b"");
    kernel[at] ^= 1;
    kernel
}

#[rstest]
#[case::no_kernel(world::program(), "it is not a uImage")]
#[case::damaged_header(damaged(20), "the header of the uImage is damaged")]
#[case::damaged_payload(damaged(100), "the payload of the uImage is damaged")]
#[case::unknown_compression(
    world::donor_with(b"\0rd_start\0", Compression::Lzo),
    "the payload's compression is LZO"
)]
#[case::no_initrd(world::donor_with(b"", Compression::Lzma), "no support for an initrd")]
#[case::attached_before(attached_before(), "take the original kernel")]
fn a_donor_that_will_not_do_is_refused_and_nothing_is_written(
    #[values("t20", "t31")] soc: &str,
    #[case] donor: Vec<u8>,
    #[case] why: &str,
) {
    let bench = Bench::new();
    fs::write(bench.path("kernel"), donor).unwrap();
    is_refused(&bench, soc, why);
}

/// What comes of the donor counts. This one gets the archive as it is, and the busybox in it is long.
#[rstest]
fn an_sd_kernel_that_no_boot_loader_boots_is_refused_and_nothing_is_written(
    #[values("t20", "t31")] soc: &str,
) {
    let donor = world::donor_with(b"\0rd_start\0", Compression::Lzma);
    let longer = |bytes: Vec<u8>| [world::program(), bytes].concat();
    let cases = [
        (
            longer(world::noise(1, 12_000_000)),
            "reads 10027072 at most",
        ),
        // Unpacked from 0x80600000 to 0x80010000: out before what is behind them is read.
        (
            longer([vec![0; 7_000_000], world::noise(1, 100_000)].concat()),
            "would overwrite it while unpacking it",
        ),
    ];
    for (busybox, why) in cases {
        let bench = Bench::new();
        fs::write(bench.path("busybox"), busybox).unwrap();
        fs::write(bench.path("kernel"), &donor).unwrap();
        is_refused(&bench, soc, why);
    }
}

fn is_refused(bench: &Bench, soc: &str, why: &str) {
    let said = bench.wz_image(soc, &[]).code(1).get_output().stderr.clone();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("WZ-1040") && said.contains(why), "{said}");
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
