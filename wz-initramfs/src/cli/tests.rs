//! Commands on a camera that is a folder: its flash chip is a file, its card another folder.

use std::fs;
use std::path::PathBuf;

use rstest::rstest;
use tempfile::TempDir;
use wz_core::image::uimage::{self, Arch, Compression, Header, Kind, Os};
use wz_core::units::Size;

use super::*;
use crate::lock::Lock;
use crate::mtd::tests::add_device;
use crate::root::Root;

const AWAY: &str = "sdcard/factory_t31_ZMC6tiIDQN.wz_flash-helper";
const PARA: std::ops::Range<usize> = 0xff_0000..0x100_0000;

/// A T31 with the stock firmware, after a run: its SD kernel has been put away.
struct Camera(TempDir);

impl Camera {
    fn new(conf: &str) -> Self {
        let camera = Self(tempfile::tempdir().unwrap());
        let root = camera.root();
        add_device(&root.sysfs(), 0, "jz_sfc", "nor", Size::mib(16));
        camera.put("proc/cmdline", b"console=ttyS0 wz.chip=t31x\n");
        camera.put("proc/self/mounts", b"/dev/mmcblk0p1 /sdcard vfat rw 0 0\n");
        camera.put("sys/class/block/mmcblk0/ro", b"0\n");
        camera.put("dev/mmcblk0", &[0; 4096]);
        camera.put("dev/mtd0", &stock_flash());
        camera.put("sdcard/wz_flash-helper/general.conf", conf.as_bytes());
        camera.put(AWAY, &kernel());
        camera
    }

    fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, content: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn get(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap()
    }

    /// Types a command; `@` stands for the camera's `/`. Returns the exit status.
    fn types(&self, line: &str) -> u8 {
        let here = self.0.path().display().to_string();
        let words = line.split(' ').map(|word| word.replace('@', &here));
        let words = ["--root".to_owned(), here.clone()].into_iter().chain(words);
        let arguments = args::parse(words.map(OsString::from)).unwrap();
        status(carry_out(arguments))
    }

    /// Nothing has changed but what runs leave: logs and backups.
    fn assert_flash(&self, wanted: &[u8]) {
        assert!(self.get("dev/mtd0") == wanted, "flash differs");
        assert_eq!(self.get(AWAY), kernel());
        let top = fs::read_dir(self.path("sdcard")).unwrap();
        let kernels = top.filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().contains("t31")
        });
        assert_eq!(kernels.count(), 1);
        assert!(!self.path("sdcard/wz_flash-helper/journal.bin").exists());
        assert!(!self.path("sdcard/wz_flash-helper/given").exists());
    }
}

/// A boot loader's strings and a kernel's magic, in what is nearly noise.
fn stock_flash() -> Vec<u8> {
    let mut flash: Vec<u8> = (0..16 * 1024 * 1024_u32)
        .map(|at| (at >> 7) as u8 ^ at as u8)
        .collect();
    flash[..4].copy_from_slice(&[6, 5, 4, 3]);
    flash[0x1000..0x100d].copy_from_slice(b"demo_wcv3.bin");
    flash[0x4_0000..0x4_0004].copy_from_slice(&[0x27, 5, 0x19, 0x56]);
    flash
}

fn kernel() -> Vec<u8> {
    let header = Header {
        time: 0,
        load: 0x8001_0000,
        entry: 0x8001_0400,
        os: Os::Linux,
        arch: Arch::Mips,
        kind: Kind::Kernel,
        compression: Compression::None,
        name: "Linux".into(),
    };
    uimage::build(&header, &[7; 5000])
}

#[test]
fn an_image_from_elsewhere_is_written_and_the_card_left_as_after_a_run() {
    let camera = Camera::new("safety_backup=\"no\"\n");
    camera.put("tmp/new.bin", &[0x5a; 1000]);
    assert_eq!(camera.types("partition write para @/tmp/new.bin"), DONE);
    let mut wanted = stock_flash();
    wanted[PARA].fill(0xff);
    wanted[PARA][..1000].fill(0x5a);
    camera.assert_flash(&wanted);
    let log = camera.get("sdcard/wz_flash-helper/initramfs.log");
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains("Result: success"), "{log}");
}

#[test]
fn an_image_on_the_card_is_written_from_where_it_is() {
    let camera = Camera::new("safety_backup=\"no\"\n");
    camera.put("sdcard/mine/new.bin", &[0x5a; 1000]);
    assert_eq!(
        camera.types("partition write para @/sdcard/mine/new.bin"),
        DONE
    );
    assert_eq!(camera.get("dev/mtd0")[PARA][..1000], [0x5a; 1000]);
    assert_eq!(camera.get("sdcard/mine/new.bin"), [0x5a; 1000]);
}

#[test]
fn an_image_whose_hash_is_another_one_is_refused() {
    let camera = Camera::new("");
    camera.put("tmp/new.bin", &[0x5a; 1000]);
    let sum = format!("{}  new.bin\n", "0".repeat(64));
    camera.put("tmp/new.bin.sha256sum", sum.as_bytes());
    assert_eq!(camera.types("partition write para @/tmp/new.bin"), NOT_DONE);
    camera.assert_flash(&stock_flash());
}

#[test]
fn a_partition_is_erased() {
    let camera = Camera::new("safety_backup=\"no\"\n");
    assert_eq!(camera.types("partition erase para"), DONE);
    let mut wanted = stock_flash();
    wanted[PARA].fill(0xff);
    camera.assert_flash(&wanted);
}

#[rstest]
#[case::boot("partition write boot @/tmp/new.bin")]
#[case::unknown("partition erase nvram")]
#[case::no_file("partition write para @/tmp/other.bin")]
#[case::no_image("restore para")]
#[case::no_firmware("switch thingino")]
#[case::raw("partition archive para @/tmp/para.tar.gz")]
#[case::read_only("partition extract @/tmp/new.bin rootfs")]
#[case::no_archive("partition extract @/tmp/new.bin cfg")]
#[case::no_kernel_here("partition device cfg")]
#[case::unknown_profile("profile show openipc")]
fn what_cannot_be_done_is_not_done(#[case] line: &str) {
    let camera = Camera::new("");
    camera.put("tmp/new.bin", &[0x5a; 1000]);
    assert_eq!(camera.types(line), NOT_DONE);
    camera.assert_flash(&stock_flash());
}

#[test]
fn in_a_dry_run_nothing_is_unpacked() {
    let camera = Camera::new("dry_run=\"yes\"\n");
    let archive = camera.path("tmp/new.tar.gz");
    camera.put("tmp/new/file", b"new");
    let packed = std::process::Command::new("tar")
        .args(["-czf", "new.tar.gz", "-C", "new", "."])
        .current_dir(archive.parent().unwrap())
        .status();
    assert!(packed.unwrap().success());
    // Nothing can be mounted here.
    assert_eq!(camera.types("partition extract @/tmp/new.tar.gz cfg"), DONE);
    camera.assert_flash(&stock_flash());
}

#[rstest]
#[case("plan")]
#[case("info")]
#[case("info model")]
#[case("partition list")]
#[case("partition release")]
#[case("profile list")]
#[case("profile show")]
#[case("profile show thingino")]
fn questions_are_answered_and_change_nothing(#[case] line: &str) {
    let camera = Camera::new("backup_partitions=\"yes\"\nnext_firmware=\"thingino\"\n");
    let before = fs::read_dir(camera.path("sdcard/wz_flash-helper"))
        .unwrap()
        .count();
    assert_eq!(camera.types(line), DONE);
    camera.assert_flash(&stock_flash());
    let after = fs::read_dir(camera.path("sdcard/wz_flash-helper"))
        .unwrap()
        .count();
    assert_eq!(after, before);
}

#[test]
fn what_general_conf_asks_for_can_be_run() {
    let camera = Camera::new("backup_partitions=\"yes\"\n");
    // The files of cfg cannot be packed here: this is told, and all images are saved.
    assert_eq!(camera.types("run"), NOT_DONE);
    let saved = camera.get("sdcard/wz_flash-helper/backup/stock/0001/stock_t31x_all.bin");
    assert!(saved == stock_flash());
    camera.assert_flash(&stock_flash());
}

#[test]
fn while_another_program_works_on_flash_nothing_is_begun() {
    let camera = Camera::new("");
    let held = Lock::take(&camera.root()).unwrap();
    assert_eq!(camera.types("partition erase para"), NOT_DONE);
    drop(held);
    assert_eq!(camera.types("partition list"), DONE);
}

#[test]
fn without_a_card_nothing_is_begun() {
    let camera = Camera::new("");
    camera.put("proc/self/mounts", b"none / rootfs rw 0 0\n");
    assert_eq!(camera.types("backup"), NOT_DONE);
}
