//! S10: images, chips and profiles whose partitions do not fit together.

use rstest::rstest;
use wz_core::event::Outcome;
use wz_core::flash::{Geometry, SimNor};
use wz_core::units::Size;

use crate::profiles::ALPHA;
use crate::world::{
    BLOCK, Bench, CHIP, Files, RESTORE, TO_ALPHA, TO_BETA, alpha, alpha_over, beta, geometry,
    noise, other_alpha,
};

/// A beta whose kernel starts where it does in none of its layouts.
fn strange_beta() -> Vec<u8> {
    const KERNEL: usize = 80 * 1024;
    let (boot, ota) = (beta().partition("boot"), beta().partition("ota"));
    let mut flash = vec![0xFF; CHIP];
    flash[..boot.len()].copy_from_slice(boot);
    flash[KERNEL..].copy_from_slice(&ota[..CHIP - KERNEL]);
    flash
}

#[test]
fn partition_images_that_fit_no_known_layout_are_refused() {
    let files = Files::new(TO_BETA)
        .with_partitions(beta(), &["boot"])
        .with_image("beta", "ota", &noise(9, 456 * 1024));
    let mut bench = Bench::new(&alpha().flash, &files);
    assert_eq!(bench.run_is_refused(), ["WZ-0510"]);
}

#[rstest]
#[case::for_real("", Outcome::Success, strange_beta())]
#[case::dry_run("dry_run=\"yes\"\n", Outcome::DryRun, alpha().flash.clone())]
fn a_firmware_image_of_unknown_layout_is_written_as_a_whole_and_this_is_said(
    #[case] option: &str,
    #[case] outcome: Outcome,
    #[case] wanted: Vec<u8>,
) {
    let conf = format!("{TO_BETA}{option}");
    let files = Files::new(&conf).with_image("beta", "firmware", &strange_beta());
    let mut bench = Bench::new(&alpha().flash, &files);
    let told = bench.run();
    assert_eq!(told.ended.outcome, outcome, "{}", told.text());
    assert!(told.codes("remarks").contains(&"WZ-0514".to_owned()));
    bench.assert_holds(&wanted);
}

#[test]
fn a_firmware_of_unknown_layout_is_not_restored() {
    let files = Files::new(RESTORE).with_restore(beta(), &["ota"]);
    let mut bench = Bench::new(&strange_beta(), &files);
    assert_eq!(bench.run_is_refused(), ["WZ-0707"]);
}

#[test]
fn a_firmware_of_unknown_layout_can_be_replaced() {
    let files = Files::new(TO_ALPHA).with_partitions(alpha(), &["boot", "kernel", "rootfs"]);
    let mut bench = Bench::new(&strange_beta(), &files);
    let told = bench.run();
    bench.assert_done(&told, &alpha_over(&strange_beta()), "alpha");
    assert!(told.codes("remarks").contains(&"WZ-0454".to_owned()));
}

/// A restore on a chip that erases twice as much at once as the profile says.
fn coarse(partitions: &[&str]) -> Bench {
    let files = Files::new(RESTORE).with_restore(other_alpha(), partitions);
    let mut bench = Bench::new(&alpha().flash, &files);
    let coarse = Geometry {
        erase_block: Size::bytes(2 * BLOCK as u64),
        ..geometry()
    };
    bench.flash = SimNor::holding(coarse, alpha().flash.clone()).powered_by(&bench.power);
    bench
}

#[rstest]
#[case::its_start(&["kernel"], &["WZ-0708"])]
#[case::its_end(&["boot"], &["WZ-0708"])]
#[case::of_several(&["kernel", "cfg"], &["WZ-0708", "WZ-0708"])]
fn a_partition_that_shares_an_erase_block_is_not_written_alone(
    #[case] partitions: &[&str],
    #[case] codes: &[&str],
) {
    assert_eq!(coarse(partitions).run_is_refused(), codes);
}

#[test]
fn partitions_that_share_an_erase_block_are_written_together() {
    let mut bench = coarse(&["boot", "kernel"]);
    let told = bench.run();
    let mut wanted = alpha().flash.clone();
    wanted[..128 * 1024].copy_from_slice(&other_alpha().flash[..128 * 1024]);
    bench.assert_done(&told, &wanted, "alpha");
}

/// The boot partition of beta is longer than that of alpha: the rest of it would be overwritten.
#[test]
fn a_boot_loader_is_not_overwritten_without_its_start() {
    const BOOT: &str = "size = \"40K\"\nformat = \"raw\"\n";
    let left_alone = format!("{BOOT}switch = \"leave\"\n");
    let profile = ALPHA.replacen(BOOT, &left_alone, 1);
    assert!(profile.contains(&left_alone));
    let files = Files::new(TO_ALPHA)
        .with_partitions(alpha(), &["kernel", "rootfs"])
        .with(
            "wz_flash-helper/profiles/tiny/alpha.toml",
            profile.as_bytes(),
        );
    let mut bench = Bench::new(&beta().flash, &files);
    assert_eq!(bench.run_is_refused(), ["WZ-0709"]);
}
