//! S10: what does not belong into this camera is refused by its content, whatever its name is; and a
//! run goes on only in the camera in which it was begun.

use wz_core::event::Outcome;
use wz_core::run::Next;
use wz_core::sim::Cut;

use crate::world::{
    BLOCK, Bench, Booted, Files, MAGIC, RESTORE, TO_BETA, Told, alpha, beta, noise, other_alpha,
    sd_kernel,
};

const CONF: &str = "wz_flash-helper/general.conf";

fn refused(old: &[u8], files: &Files) -> Vec<String> {
    Bench::new(old, files).run_is_refused()
}

fn to_beta() -> Files {
    Files::new(TO_BETA).with_partitions(beta(), &["boot", "ota"])
}

/// 256K copied out of a boot partition of 320K is a known way to lose a camera.
#[test]
fn a_boot_image_that_does_not_fill_its_partition_is_refused() {
    let boot = other_alpha().partition("boot");
    let files = Files::new(RESTORE)
        .with_restore(other_alpha(), &["boot"])
        .with_image("alpha", "boot", &boot[..36 * 1024]);
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0515"]);
    let files = to_beta().with_image("beta", "boot", &beta().flash[..40 * 1024]);
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0515"]);
}

#[test]
fn a_boot_image_of_nobody_or_of_another_firmware_is_not_restored() {
    let mut nobody = noise(3, 40 * 1024);
    nobody[..4].copy_from_slice(&MAGIC);
    for foreign in [&nobody[..], &beta().flash[..40 * 1024]] {
        let files = Files::new(RESTORE)
            .with_restore(other_alpha(), &["boot"])
            .with_image("alpha", "boot", foreign);
        assert_eq!(refused(&alpha().flash, &files), ["WZ-0509"]);
    }
}

#[test]
fn a_boot_loader_that_says_that_it_is_for_another_chip_is_refused() {
    let mut flash = beta().flash.clone();
    flash[300..310].copy_from_slice(b" TINY2 SPL");
    let files = Files::new(TO_BETA).with_image("beta", "firmware", &flash);
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0517"]);
    flash[300..310].copy_from_slice(b" TINY1 SPL");
    let files = Files::new(TO_BETA).with_image("beta", "firmware", &flash);
    let mut bench = Bench::new(&alpha().flash, &files);
    assert_eq!(bench.run().ended.outcome, Outcome::Success);
}

#[test]
fn a_firmware_image_that_ends_before_the_firmware_does_not_erase_the_rest() {
    let files = Files::new(TO_BETA).with_image("beta", "firmware", &beta().flash[..48 * 1024]);
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0516"]);
}

#[test]
fn a_model_given_by_hand_does_not_open_a_locked_boot_rom() {
    let mut locked = alpha().flash.clone();
    locked[200..212].copy_from_slice(b"LOCKED MODEL");
    let with = |manual: &str| {
        let conf = format!("{TO_BETA}{manual}\n");
        to_beta().with(CONF, conf.as_bytes())
    };
    for manual in ["", "manual_model=\"open\"", "manual_model=\"locked\""] {
        assert_eq!(refused(&locked, &with(manual)), ["WZ-0703"], "{manual}");
    }
    let unlocked = with("manual_model=\"locked\"");
    let mut nameless = alpha().flash.clone();
    nameless[64..76].fill(0);
    let unknown = with("manual_current_firmware=\"alpha\"");
    assert_eq!(refused(&nameless, &unknown), ["WZ-0700"]);
    let named = with("manual_current_firmware=\"alpha\"\nmanual_model=\"open\"");
    assert_eq!(
        Bench::new(&nameless, &named).run().ended.outcome,
        Outcome::Success
    );
    // What is found wins: this camera is an open one.
    assert_eq!(
        Bench::new(&alpha().flash, &unlocked).run().ended.outcome,
        Outcome::Success
    );
}

#[test]
fn the_boot_partition_of_a_locked_model_is_not_restored_but_the_others_are() {
    let mut locked = alpha().flash.clone();
    locked[200..212].copy_from_slice(b"LOCKED MODEL");
    let with_boot = Files::new(RESTORE).with_restore(other_alpha(), &["boot", "kernel"]);
    assert_eq!(refused(&locked, &with_boot), ["WZ-0703"]);
    let without = Files::new(RESTORE).with_restore(other_alpha(), &["kernel"]);
    let mut bench = Bench::new(&locked, &without);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    let kernel = 40 * 1024..128 * 1024;
    locked[kernel.clone()].copy_from_slice(&other_alpha().flash[kernel]);
    bench.assert_holds(&locked);
}

#[test]
fn two_different_kernels_under_names_that_u_boot_looks_for_are_refused() {
    let mut other = sd_kernel().to_vec();
    let last = other.len() - 1;
    other[last] ^= 1;
    let crc = crc32fast::hash(&other[64..]);
    other[24..28].copy_from_slice(&crc.to_be_bytes());
    other[4..8].fill(0);
    let crc = crc32fast::hash(&other[..64]);
    other[4..8].copy_from_slice(&crc.to_be_bytes());
    let files = to_beta().with("beta_kernel", &other);
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0733"]);
}

#[test]
fn without_a_kernel_that_could_start_the_camera_again_the_boot_loader_is_not_touched() {
    let mut cut_off = sd_kernel().to_vec();
    cut_off.pop();
    let files = to_beta().with("alpha_kernel", &cut_off);
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0734"]);
    let told = Bench::new(&alpha().flash, &to_beta().without("alpha_kernel")).run();
    assert_eq!(told.ended.outcome, Outcome::Refused, "{}", told.text());
    assert_eq!(told.codes("refusals"), ["WZ-0731"]);
}

/// The original refuses everything then.
#[test]
fn a_camera_whose_model_is_not_known_gets_its_partitions_restored() {
    let mut nameless = alpha().flash.clone();
    nameless[64..76].fill(0);
    let conf = format!("{RESTORE}manual_current_firmware=\"alpha\"\n");
    let files = Files::new(&conf).with_restore(other_alpha(), &["kernel"]);
    let mut bench = Bench::new(&nameless, &files);
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert!(told.codes("remarks").contains(&"WZ-0455".to_owned()));
    let with_boot = |conf: &str| Files::new(conf).with_restore(other_alpha(), &["kernel", "boot"]);
    assert_eq!(refused(&nameless, &with_boot(&conf)), ["WZ-0700"]);
    let named = format!("{conf}manual_model=\"open\"\n");
    let told = Bench::new(&nameless, &with_boot(&named)).run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(told.result["camera"]["model"], "open");
}

/// What of several things is wrong is told in one go.
#[test]
fn a_missing_image_does_not_hide_that_another_is_damaged() {
    let path = crate::world::image_path("beta", "ota");
    let bad = format!("{}  beta_tiny_ota.bin", "0".repeat(64));
    let files = to_beta()
        .without(&crate::world::image_path("beta", "boot"))
        .with(&format!("{path}.sha256sum"), bad.as_bytes());
    assert_eq!(refused(&alpha().flash, &files), ["WZ-0501", "WZ-0506"]);
}

const SERIAL: u32 = 0x1354_0200;

fn registers(address: u32, serial: u32) -> Option<u32> {
    match address {
        0x1300_002C => Some(0x0077_7000),
        0x1354_0238 => Some(0x1111_0000),
        SERIAL => Some(serial),
        _ => None,
    }
}

/// A camera whose run was cut in the middle of writing.
fn interrupted() -> Bench {
    let mut bench = Bench::new(&alpha().flash, &to_beta());
    bench.registers = Some(|address| registers(address, 7));
    let operations = {
        let mut whole = bench.fork();
        whole.run();
        whole.power.operations()
    };
    bench.power.fail_after(operations / 2, Cut::NotStarted);
    bench.run();
    assert!(bench.power.is_off() && bench.flash.wear().erases > 3);
    bench.switch_on();
    bench
}

fn run_with(bench: &mut Bench, read: fn(u32) -> Option<u32>) -> Told {
    bench.registers = Some(read);
    bench.run()
}

#[test]
fn a_run_does_not_go_on_in_another_camera_of_the_same_kind() {
    let mut bench = interrupted();
    let before = bench.flash.content().to_vec();
    let told = run_with(&mut bench, |address| registers(address, 8));
    assert_eq!(told.codes("refusals"), ["WZ-0724"]);
    assert_eq!(told.ended.next, Next::WaitForCardOut);
    assert!(bench.flash.content() == before);
    assert_eq!(bench.boots(), Booted::SdKernel);
}

/// The firmware in it may have run meanwhile, and changed its settings.
#[test]
fn a_run_goes_on_in_the_camera_that_it_was_begun_in_though_flash_has_changed() {
    let mut bench = interrupted();
    let last = wz_core::units::Offset::bytes((63 * BLOCK) as u64);
    wz_core::flash::Flash::erase(&mut bench.flash, last).unwrap();
    wz_core::flash::Flash::program(&mut bench.flash, last, b"settings").unwrap();
    let told = run_with(&mut bench, |address| registers(address, 7));
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    bench.assert_holds(&crate::world::beta_over());
}

#[test]
fn an_open_run_goes_on_and_this_is_said() {
    let mut bench = interrupted();
    let told = run_with(&mut bench, |address| registers(address, 7));
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert!(told.codes("remarks").contains(&"WZ-0726".to_owned()));
}

#[test]
fn an_open_run_waits_while_a_dry_run_is_asked_for() {
    let mut bench = interrupted();
    let before = bench.flash.content().to_vec();
    bench.put(CONF, format!("{TO_BETA}dry_run=\"yes\"\n").as_bytes());
    let told = run_with(&mut bench, |address| registers(address, 7));
    assert_eq!(told.ended.outcome, Outcome::Refused);
    assert_eq!(told.codes("refusals"), ["WZ-0728"]);
    assert_eq!(told.ended.next, Next::WaitForCardOut);
    assert!(bench.flash.content() == before);
    assert_eq!(bench.boots(), Booted::SdKernel);
    bench.put(CONF, TO_BETA.as_bytes());
    let told = run_with(&mut bench, |address| registers(address, 7));
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    bench.assert_holds(&crate::world::beta_over());
}

fn dies(bench: &mut Bench) {
    let mut reporter = |_: &wz_core::event::Event| {};
    wz_core::run::after_death(&mut bench.card, &mut reporter).unwrap();
}

/// The program dies before it has even counted, again and again: each time counts.
#[test]
fn a_program_that_dies_while_it_writes_leaves_its_kernel_until_it_has_died_too_often() {
    let mut bench = interrupted();
    let before = bench.flash.content().to_vec();
    let mut deaths = 0;
    while bench.boots() == Booted::SdKernel {
        dies(&mut bench);
        deaths += 1;
        assert!(deaths <= 6, "for ever");
    }
    assert_eq!(deaths, 5);
    assert!(bench.flash.content() == before);
    assert!(bench.file("wz_flash-helper/journal.bin").is_some());
}

/// It dies when it has counted: the power-on still counts once. Five of them, the first of which was
/// cut off. Then the owner mends what is wrong, and has five again.
#[test]
fn a_power_on_in_which_the_program_dies_counts_once_and_not_behind_the_end() {
    let mut bench = interrupted();
    for allowed in [4, 5] {
        let mut power_ons = 0;
        while bench.boots() == Booted::SdKernel {
            bench.power.fail_after(6, Cut::NotStarted);
            bench.run();
            assert!(bench.power.is_off());
            bench.switch_on();
            dies(&mut bench);
            power_ons += 1;
            assert!(power_ons <= 6, "for ever");
        }
        assert_eq!(power_ons, allowed);
        bench.rename("alpha_kernel.wz_flash-helper", "alpha_kernel");
    }
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
}

/// The owner may have given the kernel the name of a copy: then that is the only one there is.
#[test]
fn the_last_kernel_on_the_card_is_not_removed_as_a_copy() {
    let mut bench = interrupted();
    assert!(bench.file("beta_kernel").is_some(), "a copy");
    bench.remove("alpha_kernel");
    let told = bench.run();
    assert_eq!(told.ended.outcome, Outcome::Success, "{}", told.text());
    assert_eq!(told.ended.next, Next::Restart);
    let files = bench.card.files();
    let kernels = files
        .iter()
        .filter(|(path, _)| path.ends_with("_kernel.wz_flash-helper"));
    assert!(kernels.clone().all(|(_, content)| content == sd_kernel()));
    assert_eq!(kernels.count(), 1);
}
