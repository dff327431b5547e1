//! What the owner asks for, and what becomes of flash.

use rstest::rstest;
use wz_core::event::{Event, Outcome, Step};
use wz_core::image::sha256sum::Digest;
use wz_core::run::Next;
use wz_core::units::Size;

use crate::world::{
    ALL, ALPHA_PARTITIONS, BLOCK, Bench, Booted, Files, Firmware, PAGE, RESTORE, TO_ALPHA, TO_BETA,
    alpha, alpha_over, beta, beta_over, image_path, noise, other_alpha, other_kernel, sd_kernel,
};

/// Blocks in which a bit has to go from 0 to 1, and bytes of pages that are programmed.
fn work(old: &[u8], new: &[u8]) -> (u64, u64) {
    let (mut erases, mut bytes) = (0, 0);
    for (old, new) in old.chunks(BLOCK).zip(new.chunks(BLOCK)) {
        let erases_it = old.iter().zip(new).any(|(old, new)| new & !old != 0);
        erases += u64::from(erases_it);
        for (old, new) in old.chunks(PAGE).zip(new.chunks(PAGE)) {
            let before = if erases_it { &[0xFF; PAGE][..] } else { old };
            bytes += if before == new { 0 } else { PAGE as u64 };
        }
    }
    (erases, bytes)
}

/// The seal and the magic of the boot loader are programmed apart from their page.
const SEAL: u64 = 8;

#[test]
fn a_restore_writes_the_chosen_partitions_and_no_others() {
    let files = Files::new(RESTORE).with_restore(other_alpha(), &["kernel", "rootfs", "para"]);
    let mut bench = Bench::new(&alpha().flash, &files);
    let mut wanted = alpha().flash.clone();
    for range in [40 * 1024..320 * 1024, 488 * 1024..512 * 1024] {
        wanted[range.clone()].copy_from_slice(&other_alpha().flash[range]);
    }
    let told = bench.run();
    bench.assert_done(&told, &wanted, "alpha");
    let (erases, bytes) = work(&alpha().flash, &wanted);
    let wear = bench.flash.wear();
    assert_eq!((wear.erases, wear.bytes_programmed), (erases, bytes));
    assert_eq!(wear.bits_not_set, 0);
    assert!(bytes > 0 && erases > 0);
}

#[test]
fn a_restore_of_everything_includes_the_boot_partition_by_its_hidden_option() {
    let all = ["boot", "kernel", "rootfs", "kback", "aback", "cfg", "para"];
    let files = Files::new(RESTORE).with_restore(other_alpha(), &all);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &other_alpha().flash, "alpha");
    let (erases, bytes) = work(&alpha().flash, &other_alpha().flash);
    let wear = bench.flash.wear();
    assert_eq!((wear.erases, wear.bytes_programmed), (erases, bytes + SEAL));
}

#[test]
fn a_block_of_the_boot_partition_that_only_loses_bits_is_not_erased() {
    let mut other = Firmware::build("alpha", 1, ALPHA_PARTITIONS);
    other.flash[100] ^= 0xFF;
    other.flash[40 * 1024 - BLOCK..40 * 1024]
        .iter_mut()
        .for_each(|byte| *byte &= 0x7F);
    let files = Files::new(RESTORE).with_restore(&other, &["boot"]);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    bench.assert_holds(&other.flash);
    let (erases, bytes) = work(&alpha().flash, &other.flash);
    let wear = bench.flash.wear();
    assert_eq!((wear.erases, wear.bytes_programmed), (erases, bytes + SEAL));
    assert_eq!(erases, 1);
}

#[test]
fn restoring_what_is_there_already_changes_nothing_and_needs_no_safety_backup() {
    let files = Files::new(RESTORE).with_restore(alpha(), &["boot", "kernel", "rootfs"]);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &alpha().flash, "alpha");
    let wear = bench.flash.wear();
    assert_eq!((wear.erases, wear.bytes_programmed), (0, 0));
    assert!(
        !bench
            .card
            .files()
            .keys()
            .any(|path| path.contains("backup"))
    );
}

#[rstest]
#[case::partition_images(Files::new(TO_BETA).with_partitions(beta(), &["boot", "ota"]))]
#[case::firmware_image(Files::new(TO_BETA).with_image("beta", "firmware", &beta().flash))]
fn a_switch_writes_what_the_new_firmware_needs(#[case] files: Files) {
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &beta_over(), "beta");
    let (erases, bytes) = work(&alpha().flash, &beta_over());
    let wear = bench.flash.wear();
    assert_eq!((wear.erases, wear.bytes_programmed), (erases, bytes + SEAL));
    assert_eq!(
        bench.file("wz_flash-helper/general.conf").unwrap(),
        TO_BETA
            .replace("switch_firmware=\"yes\"", "switch_firmware=\"no\"")
            .as_bytes()
    );
    let backup = bench.file("wz_flash-helper/backup/alpha/0001/alpha_tiny_all.bin");
    assert!(backup.expect("a safety backup") == alpha().flash);
}

#[test]
fn a_switch_back_formats_erases_and_leaves_as_the_profile_says() {
    let files = Files::new(TO_ALPHA).with_partitions(alpha(), &["boot", "kernel", "rootfs"]);
    let mut bench = Bench::new(&beta().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &alpha_over(&beta().flash), "alpha");
}

#[test]
fn a_switch_with_all_partitions_writes_all_of_them() {
    let conf = format!("{TO_ALPHA}switch_firmware_with_all_partitions=\"yes\"\n");
    let all = ["boot", "kernel", "rootfs", "kback", "aback", "cfg", "para"];
    let files = Files::new(&conf).with_partitions(alpha(), &all);
    let mut bench = Bench::new(&beta().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &alpha().flash, "alpha");
}

#[test]
fn a_firmware_image_shorter_than_the_chip_leaves_the_rest_blank() {
    let used = beta().flash.iter().rposition(|byte| *byte != 0xFF).unwrap() + 1;
    let files = Files::new(TO_BETA).with_image("beta", "firmware", &beta().flash[..used]);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &beta_over(), "beta");
    assert!(told.codes("remarks").contains(&"WZ-0511".to_owned()));
}

#[test]
fn an_image_shorter_than_its_partition_leaves_the_rest_blank_and_this_is_said() {
    let kernel = other_alpha().partition("kernel");
    let used = kernel.iter().rposition(|byte| *byte != 0xFF).unwrap() + 1;
    let files = Files::new(RESTORE)
        .with_restore(other_alpha(), &["kernel"])
        .with_image("alpha", "kernel", &kernel[..used]);
    let mut wanted = alpha().flash.clone();
    wanted[40 * 1024..128 * 1024].copy_from_slice(kernel);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &wanted, "alpha");
    assert!(told.codes("remarks").contains(&"WZ-0511".to_owned()));
}

#[test]
fn a_backup_that_is_asked_for_too_serves_as_the_safety_backup() {
    let conf = format!("backup_partitions=\"yes\"\n{TO_BETA}");
    let files = Files::new(&conf).with_partitions(beta(), &["boot", "ota"]);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    let folders = bench.card.folders();
    let backups: Vec<&String> = folders
        .iter()
        .filter(|f| f.contains("backup/alpha/"))
        .collect();
    assert_eq!(
        backups,
        ["wz_flash-helper/backup/alpha/0001"],
        "{}",
        told.text()
    );
    bench.assert_holds(&beta_over());
}

/// The next run removes it.
#[test]
fn what_an_interrupted_backup_has_left_does_not_serve_as_the_safety_backup() {
    let name = ALL.rsplit('/').next().unwrap();
    let left = format!("wz_flash-helper/backup/alpha/0001.partial/{name}");
    let sum = format!("{}  {name}\n", Digest::of(&alpha().flash));
    let files = Files::new(TO_BETA).with_partitions(beta(), &["boot", "ota"]);
    let files = files.with(&left, &alpha().flash);
    let files = files.with(&format!("{left}.sha256sum"), sum.as_bytes());
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    bench.assert_done(&told, &beta_over(), "beta");
    let files = bench.card.files();
    let saved = files.iter().filter(|(path, _)| path.ends_with("_all.bin"));
    let saved: Vec<_> = saved.collect();
    assert_eq!(saved.len(), 1, "{}", told.text());
    assert_ne!(*saved[0].0, left);
    assert!(*saved[0].1 == alpha().flash);
}

/// What the camera does with the SD kernel, and the room that it takes, included.
#[rstest]
#[case::the_boot_partition_too(TO_BETA, &["boot", "ota"])]
#[case::with_a_backup(&[TO_BETA, "backup_partitions=\"yes\"\n"].concat(), &["boot", "ota"])]
fn a_dry_run_plans_what_the_run_after_it_does(#[case] wish: &str, #[case] images: &[&str]) {
    let planned = ["yes", "no"].map(|mode| {
        let conf = format!("{wish}dry_run=\"{mode}\"\n");
        let files = Files::new(&conf).with_partitions(beta(), images);
        Bench::new(&alpha().flash, &files).run().result["plan"].clone()
    });
    assert!(
        planned[0]
            .to_string()
            .contains("Copy the SD kernel to beta_kernel"),
        "{planned:#?}"
    );
    assert_eq!(planned[0], planned[1]);
}

/// The steps that say how far they are, with the size of each and all that was told of it.
fn progress(events: &[Event]) -> Vec<(Size, Vec<(Size, Size)>)> {
    let mut steps = Vec::new();
    let mut is_open = false;
    for event in events {
        match event {
            Event::StepStarted(Step::Compare { size, .. } | Step::WriteFlash { size }) => {
                steps.push((*size, Vec::new()));
                is_open = true;
            }
            Event::StepStarted(_) => is_open = false,
            Event::Progress { done, total } if is_open => {
                steps.last_mut().unwrap().1.push((*done, *total));
            }
            _ => {}
        }
    }
    steps
}

#[test]
fn a_step_says_how_far_it_is_block_by_block_until_all_is_done() {
    let files = Files::new(TO_BETA).with_partitions(beta(), &["boot", "ota"]);
    let told = Bench::new(&alpha().flash, &files).run();
    let steps = progress(&told.events);
    assert!(steps.len() >= 2, "{steps:?}");
    for (size, told) in steps {
        let blocks = size.get() / BLOCK as u64;
        let expected = (1..=blocks).map(|done| (Size::bytes(done * BLOCK as u64), size));
        assert_eq!(told, expected.collect::<Vec<_>>());
    }
}

#[test]
fn kernels_that_were_put_away_earlier_are_no_reason_against_a_dry_run() {
    let conf = format!("{TO_BETA}dry_run=\"yes\"\n");
    let files = Files::new(&conf).with_partitions(beta(), &["boot", "ota"]);
    let files = files.with("beta_kernel.wz_flash-helper", &other_kernel());
    let told = Bench::new(&alpha().flash, &files).run();
    assert_eq!(told.ended.outcome, Outcome::DryRun, "{}", told.text());
}

/// The new U-Boot would stop at it, and a run that is interrupted behind its first block never go on.
#[test]
fn a_file_that_keeps_the_new_u_boot_from_the_kernel_is_refused() {
    let files = Files::new(TO_BETA).with_partitions(beta(), &["boot", "ota"]);
    let files = files.with("beta_kernel", &sd_kernel()[..1000]);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused, "{}", told.text());
    assert!(told.text().contains("WZ-0734"), "{}", told.text());
    bench.assert_holds(&alpha().flash);
}

#[test]
fn a_dry_run_prints_the_plan_of_blocks_and_changes_nothing() {
    let conf = format!("{TO_BETA}dry_run=\"yes\"\n");
    let files = Files::new(&conf).with_partitions(beta(), &["boot", "ota"]);
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::DryRun, "{}", told.text());
    let plan: Vec<&str> = told.result["plan"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|l| l.as_str())
        .collect();
    let blocks = work(&alpha().flash, &beta_over()).0;
    assert!(
        plan.iter()
            .any(|line| line.contains(&format!("{blocks} erased"))),
        "{plan:#?}"
    );
    let numbers = |line: &str| {
        let words = line.split(' ').filter_map(|word| word.parse::<u64>().ok());
        words.take(3).collect::<Vec<_>>()
    };
    let of_blocks = plan.iter().filter(|line| line.contains(" blocks kept, "));
    let (altogether, targets): (Vec<&str>, Vec<&str>) =
        of_blocks.partition(|line| line.starts_with("Altogether: "));
    let sum = targets.iter().map(|line| numbers(line)).reduce(|a, b| {
        let pairs = a.iter().zip(&b);
        pairs.map(|(a, b)| a + b).collect()
    });
    assert_eq!(sum, Some(numbers(altogether[0])), "{plan:#?}");
    assert_eq!(bench.flash.wear().erases, 0);
    assert_eq!(bench.boots(), Booted::Firmware("alpha"));
    assert!(
        !bench
            .card
            .files()
            .keys()
            .any(|path| path.contains("backup"))
    );
}

/// Everything that is wrong is told at once, and nothing was touched.
fn refused(old: &[u8], files: &Files) -> Vec<String> {
    let mut bench = Bench::new(old, files);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Refused, "{}", told.text());
    assert!(bench.flash.content() == old, "flash has changed");
    assert_eq!(bench.flash.wear().erases, 0);
    let mut found: Vec<String> = bench.card.files().into_keys().collect();
    let mut before: Vec<String> = files.paths().into_iter().cloned().collect();
    for name in before.iter_mut().filter(|name| name.ends_with("_kernel")) {
        name.push_str(".wz_flash-helper");
    }
    before.sort();
    found.sort();
    assert_eq!(
        found, before,
        "the card is as it was but for the kernel's name"
    );
    assert_eq!(told.ended.next, Next::Restart);
    told.codes("refusals")
}

fn to_beta() -> Files {
    Files::new(TO_BETA).with_partitions(beta(), &["boot", "ota"])
}

#[rstest]
#[case::to_the_same(Files::new("switch_firmware=\"yes\"\nnext_firmware=\"alpha\"\n"), &["WZ-0701"])]
#[case::to_an_unknown_one(Files::new("switch_firmware=\"yes\"\nnext_firmware=\"gamma\"\n"), &["WZ-0702"])]
#[case::to_nothing(Files::new("switch_firmware=\"yes\"\nnext_firmware=\"\"\n"), &["WZ-0151"])]
#[case::with_a_restore(Files::new(&format!("{RESTORE}{TO_BETA}")), &["WZ-0150"])]
#[case::without_images(Files::new(TO_BETA), &["WZ-0513"])]
#[case::one_image_missing(to_beta().without(&image_path("beta", "ota")), &["WZ-0501"])]
#[case::all_hashes_missing(
    to_beta()
        .without(&format!("{}.sha256sum", image_path("beta", "ota")))
        .without(&format!("{}.sha256sum", image_path("beta", "boot"))),
    &["WZ-0503", "WZ-0503"]
)]
#[case::hash_file_without_hashes(
    to_beta().with(&format!("{}.sha256sum", image_path("beta", "ota")), b"see the web page"),
    &["WZ-0504"]
)]
#[case::wrong_content(to_beta().with(&image_path("beta", "ota"), &beta().flash[56 * 1024..]).with(&format!("{}.sha256sum", image_path("beta", "ota")), format!("{}  beta_tiny_ota.bin", "0".repeat(64)).as_bytes()), &["WZ-0506"])]
#[case::too_long(to_beta().with_image("beta", "boot", &noise(1, 48 * 1024 + 1)), &["WZ-0507"])]
#[case::empty(to_beta().with_image("beta", "boot", b""), &["WZ-0502"])]
#[case::stock_under_another_name(
    Files::new(TO_BETA).with_image("beta", "firmware", &other_alpha().flash), &["WZ-0509", "WZ-0508"]
)]
#[case::random(Files::new(TO_BETA).with_image("beta", "firmware", &noise(5, 100 * 1024)), &["WZ-0509", "WZ-0508", "WZ-0508"])]
#[case::cut_short(
    Files::new(TO_BETA).with_image("beta", "firmware", &beta().flash[..160 * 1024 + 777]), &["WZ-0508"]
)]
#[case::firmware_image_too_long(
    Files::new(TO_BETA).with_image("beta", "firmware", &[&beta().flash[..], &[0]].concat()), &["WZ-0507"]
)]
fn what_cannot_be_switched_to_is_refused(#[case] files: Files, #[case] codes: &[&str]) {
    assert_eq!(refused(&alpha().flash, &files), codes);
}

/// The original falls back to the firmware image then, and writes more than was prepared.
#[test]
fn partition_images_that_are_not_in_order_are_no_reason_to_write_the_firmware_image() {
    let bad = format!("{}  beta_tiny_ota.bin", "0".repeat(64));
    let files = to_beta()
        .with_image("beta", "firmware", &beta().flash)
        .with(
            &format!("{}.sha256sum", image_path("beta", "ota")),
            bad.as_bytes(),
        );
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0506"]);
}

#[test]
fn every_image_of_a_restore_is_verified_before_anything_is_written() {
    let bad = |part: &str| format!("{}  alpha_tiny_{part}.bin", "0".repeat(64));
    let files = Files::new(RESTORE)
        .with_restore(other_alpha(), &["kernel", "rootfs", "cfg"])
        .with(
            &format!("{}.sha256sum", image_path("alpha", "rootfs")),
            bad("rootfs").as_bytes(),
        )
        .with(
            &format!("{}.sha256sum", image_path("alpha", "cfg")),
            bad("cfg").as_bytes(),
        );
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0506", "WZ-0506"]);
}

#[test]
fn a_hash_of_another_file_is_no_hash() {
    let files = Files::new(RESTORE)
        .with_restore(other_alpha(), &["kernel"])
        .with(
            &format!("{}.sha256sum", image_path("alpha", "kernel")),
            format!("{}  /version", "0".repeat(64)).as_bytes(),
        );
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0505"]);
}

#[test]
fn a_pending_upgrade_a_locked_boot_rom_and_a_poor_chip_are_refused() {
    let mut pending = alpha().flash.clone();
    pending[0x7A000..0x7A014].copy_from_slice(b"FWGRADEUP=kernel+app");
    assert_eq!(refused(&pending, &to_beta()), ["WZ-0704"]);
    let mut locked = alpha().flash.clone();
    locked[200..212].copy_from_slice(b"LOCKED MODEL");
    assert_eq!(refused(&locked, &to_beta()), ["WZ-0703"]);
    let mut bench = Bench::new(&alpha().flash, &to_beta());
    bench.chip = "poor";
    assert_eq!(bench.run().codes("refusals"), ["WZ-0705"]);
    assert!(bench.flash.content() == alpha().flash);
}

#[test]
fn images_of_another_chip_group_are_not_taken() {
    let mut bench = Bench::new(&alpha().flash, &to_beta());
    bench.chip = "tiny2";
    assert_eq!(bench.run().codes("refusals"), ["WZ-0513"]);
    assert!(bench.flash.content() == alpha().flash);
}

#[test]
fn an_unknown_firmware_is_not_written_over() {
    let flash = noise(77, 512 * 1024);
    assert_eq!(refused(&flash, &to_beta()), ["WZ-0706"]);
    assert_eq!(refused(&flash, &Files::new(RESTORE)), ["WZ-0706"]);
}
