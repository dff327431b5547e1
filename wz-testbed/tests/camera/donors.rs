//! SD kernels as they are found in the field, with our initramfs put into them, on the emulated camera.
use crate::support::{BACKUP, CONF, result, run};
use rstest::rstest;
use wz_cli::commands::image::{self, ImageArgs, Made};
use wz_cli::donor::{self, BootLimits};
use wz_cli::initramfs;
use wz_core::units::Size;
use wz_testbed::{
    Booted, Camera, Card, DONOR_INIT_SAYS, Firmware, Packing, PowerOff, field_donor, inputs,
};

/// What the kernel says when it obeys `mtdparts=`.
const PARTITIONED: &str = "MTD partitions on \"jz_sfc\"";
const START: &str = "#!/bin/sh\nmount -t devtmpfs dev /dev\nmount -t proc proc /proc\n\
    exec </dev/console >/dev/console 2>&1\n";

fn stock(soc: &str) -> Firmware {
    Firmware::of(soc, "stock").expect("a profile")
}

/// What `wz image` makes of a donor.
fn made_of(donor: &[u8], soc: &str, folder: &std::path::Path) -> Made {
    let kernel = folder.join("donor");
    std::fs::write(&kernel, donor).expect("written");
    let args = ImageArgs {
        soc: soc.to_owned(),
        kernel,
        init: inputs::init().expect("a program"),
        busybox: inputs::busybox().expect("a busybox"),
        voices: None,
        modules: vec![],
        out: folder.join("out"),
        card_size: Size::mib(128),
    };
    image::run(&args).expect("a card")
}

/// Without this, the tests below would prove nothing: the donor is another system, with partitions in flash.
#[test]
fn a_donor_as_it_is_starts_its_own_program_and_divides_flash() {
    let firmware = stock("t31");
    let donor = field_donor(&firmware, Packing::BuildOfKernel).expect("a donor");
    let card = Card::new().with(firmware.sd_kernel(), donor);
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    let ended = run(&mut camera);
    assert_eq!(ended.why, PowerOff::Shutdown, "{}", ended.transcript);
    for said in [DONOR_INIT_SAYS, PARTITIONED, "mem=94M"] {
        assert!(ended.serial.contains(said), "{said}: {}", ended.transcript);
    }
}

#[rstest]
#[case("t31", Packing::BuildOfKernel)]
#[case("t20", Packing::SizeInHead)]
fn a_card_made_from_a_donor_saves_the_whole_chip(#[case] soc: &str, #[case] packing: Packing) {
    let firmware = stock(soc);
    let folder = tempfile::tempdir().expect("a folder");
    let donor = field_donor(&firmware, packing).expect("a donor");
    let made = made_of(&donor, soc, folder.path());
    assert!(made.purpose.contains("cameras with a"), "{}", made.purpose);
    let words: Vec<_> = made.command_line.split(' ').collect();
    let has = |start: &str| words.iter().any(|word| word.starts_with(start));
    for (start, expected) in [
        ("rd_start=0x80", true),
        ("rd_size=0x", true),
        ("mem=94M", true),
        ("rmem=", true),
        ("mtdparts=", false),
        ("rdinit=", false),
    ] {
        assert_eq!(has(start), expected, "{start} {}", made.command_line);
    }

    let card = Card::new().with_folder(&made.folder).expect("a folder");
    let card = card.with(CONF, BACKUP);
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    let power_on = camera.power_on().expect("power");
    let booted = Booted::sd_kernel(firmware.sd_kernel());
    assert_eq!(power_on.booted(), &booted, "{:?}", power_on.uboot_said());
    let ended = power_on.wait_until_off().expect("an end");

    assert!(
        !ended.serial.contains(DONOR_INIT_SAYS),
        "{}",
        ended.transcript
    );
    assert!(!ended.serial.contains(PARTITIONED), "{}", ended.transcript);
    let result = result(&camera);
    assert_eq!(
        result["outcome"], "success",
        "{result:#}\n{}",
        ended.transcript
    );
    let group = firmware.chip_group();
    let path = format!("wz_flash-helper/backup/stock/0001/stock_{group}_all.bin");
    let saved = camera
        .card()
        .expect("a card")
        .read(&path)
        .expect("an image");
    assert!(
        saved == firmware.image(),
        "the image of the chip is another"
    );
}

/// Ours is unpacked over the donor's: what it has under our names is gone, the rest is there.
#[test]
fn what_a_donor_has_under_our_names_is_replaced() {
    let firmware = stock("t31");
    let script = format!(
        "{START}for folder in bin etc lib lib/modules sdcard tmp; do\n\
         [ -d /$folder ] && ! [ -L /$folder ] && echo \"a folder: $folder\"\ndone\n\
         [ -e /usr/lib/modules/of_the_donor.ko ] && echo \"of the donor: a module\"\n\
         cat /proc/mtd\necho 'the end'\nreboot -f\n"
    );
    let busybox = std::fs::read(inputs::busybox().expect("a busybox")).expect("it is read");
    let archive = initramfs::archive(script.as_bytes(), &busybox).finish();
    let limits = BootLimits {
        file: Size::mib(9),
        buffers: vec![0x8060_0000, 0x8400_0000],
    };
    let donor = field_donor(&firmware, Packing::SizeInHead).expect("a donor");
    let attached = donor::attach(&donor, &archive, &limits).expect("attached");
    let card = Card::new().with(firmware.sd_kernel(), attached.image);
    let mut camera = Camera::of(&firmware).card(card).build().expect("a camera");
    let ended = run(&mut camera);

    let lines: Vec<_> = ended.serial.lines().map(str::trim_end).collect();
    for line in [
        "a folder: bin",
        "a folder: etc",
        "a folder: lib",
        "a folder: lib/modules",
        "a folder: sdcard",
        "a folder: tmp",
        "of the donor: a module",
        "mtd0: 01000000 00008000 \"jz_sfc\"",
        "the end",
    ] {
        assert!(lines.contains(&line), "{line}: {}", ended.transcript);
    }
    assert!(!ended.serial.contains("mtd1:"), "{}", ended.transcript);
}
