//! What the SD kernel carries.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

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

/// Busybox knows an applet by its name: they stand in it one behind the other, each with a zero byte.
#[test]
fn busybox_has_every_applet_that_is_linked_to_it() {
    let busybox = std::fs::read(inputs::busybox().expect("a busybox")).expect("it is read");
    let missing: Vec<_> = (initramfs::APPLETS.iter())
        .filter(|applet| {
            let name = format!("\0{applet}\0");
            !busybox
                .windows(name.len())
                .any(|bytes| bytes == name.as_bytes())
        })
        .collect();
    assert_eq!(missing, [&""; 0]);
}
