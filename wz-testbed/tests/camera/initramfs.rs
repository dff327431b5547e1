//! What the SD kernel carries.
use std::collections::BTreeSet;

use rstest::rstest;
use wz_cli::{initramfs, payload};
use wz_core::image::uimage::Compression;
use wz_core::units::Size;
use wz_testbed::inputs::{self, Voices};

/// Packed as the SD kernels of cameras are.
#[rstest]
#[case(Voices::LeftOut, Size::bytes(1_200_000))]
#[case(Voices::Included, Size::bytes(1_600_000))]
fn the_initramfs_is_small(#[case] voices: Voices, #[case] most: Size) {
    let archive = inputs::initramfs(voices).expect("an initramfs").finish();
    let packed = payload::pack(&archive, Compression::Lzma).expect("packed");
    let size = Size::bytes(packed.len() as u64);
    assert!(size <= most, "{voices:?}: {} bytes", packed.len());
}

/// Busybox has the names of its applets in a table, one behind the other, each with a zero byte.
#[test]
fn busybox_has_every_applet_that_is_linked_to_it() {
    let busybox = std::fs::read(inputs::busybox().expect("a busybox")).expect("it is read");
    let names: BTreeSet<&[u8]> = busybox
        .split(|byte| *byte == 0)
        .map(|text| {
            let is_other = |byte: &u8| !byte.is_ascii_lowercase() && !byte.is_ascii_digit();
            &text[text.iter().rposition(is_other).map_or(0, |at| at + 1)..]
        })
        .collect();
    let applets = initramfs::APPLETS.iter();
    let missing: Vec<_> = applets
        .filter(|applet| !names.contains(applet.as_bytes()))
        .collect();
    assert_eq!(missing, [&""; 0]);
}
