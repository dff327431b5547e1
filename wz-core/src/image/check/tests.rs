use super::*;
use crate::image::squashfs::SquashfsError;
use crate::image::uimage::{self, Arch, Compression, Header, Kind, Os, UimageError};
use crate::units::Offset;
use proptest::prelude::*;
use rstest::rstest;

const STEP: usize = 32 * 1024;
/// Where the parts of [`bundle`] are.
const KERNEL_AT: usize = 2 * STEP;
const PAYLOAD: usize = 70_000;
const KERNEL_END: usize = KERNEL_AT + uimage::HEADER_LEN + PAYLOAD;
const ROOTFS_AT: usize = 5 * STEP;
const ROOTFS_END: usize = ROOTFS_AT + 40_000;

const ALL: [Content; 6] = [
    Content::Spl,
    Content::Uimage,
    Content::Squashfs,
    Content::Jffs2,
    Content::Bundle,
    Content::Anything,
];

fn verdict(content: Content, bytes: &[u8]) -> Result<(), ContentError> {
    let mut checker = Checker::new(content, Size::bytes(bytes.len() as u64));
    checker.take(bytes);
    checker.finish()
}

fn filler(length: usize) -> Vec<u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let states = std::iter::successors(Some(1), next);
    states.map(|n| n.to_be_bytes()[0]).take(length).collect()
}

/// `what` at `at`, behind as much blank flash as that takes.
fn put(bytes: &mut Vec<u8>, at: usize, what: &[u8]) {
    bytes.resize(bytes.len().max(at + what.len()), 0xff);
    bytes[at..at + what.len()].copy_from_slice(what);
}

/// As U-Boot 2013.07 has it: SPL, then U-Boot from 26K on.
fn boot() -> Vec<u8> {
    let mut boot = vec![0xff; 256 * 1024];
    put(&mut boot, 0, &[6, 5, 4, 3, 2, 0x55, 0xaa, 0x55, 0xaa]);
    put(&mut boot, 0x800, &filler(12_000));
    put(&mut boot, 26 * 1024, &filler(150_000));
    boot
}

fn boot_without(region: std::ops::Range<usize>, blank: u8) -> Vec<u8> {
    let mut boot = boot();
    boot[region].fill(blank);
    boot
}

fn kernel_for(arch: Arch, kind: Kind) -> Vec<u8> {
    let header = Header {
        time: 0,
        load: 0x8001_0000,
        entry: 0x8040_9660,
        os: Os::Linux,
        arch,
        kind,
        compression: Compression::Lzma,
        name: "Linux-3.10.14".to_owned(),
    };
    uimage::build(&header, &filler(PAYLOAD))
}

fn kernel() -> Vec<u8> {
    kernel_for(Arch::Mips, Kind::Kernel)
}

fn rootfs() -> Vec<u8> {
    let mut rootfs = filler(ROOTFS_END - ROOTFS_AT);
    rootfs[..4].copy_from_slice(squashfs::MAGIC);
    rootfs[28..30].copy_from_slice(&4u16.to_le_bytes());
    let length = rootfs.len() as u64;
    rootfs[40..48].copy_from_slice(&length.to_le_bytes());
    rootfs
}

/// A configuration, a kernel, a root file system, data.
fn bundle() -> Vec<u8> {
    let mut bundle = filler(STEP);
    put(&mut bundle, KERNEL_AT, &kernel());
    put(&mut bundle, ROOTFS_AT, &rootfs());
    put(&mut bundle, 7 * STEP, &JFFS2_MAGIC);
    bundle
}

fn bundle_with(at: usize, what: &[u8]) -> Vec<u8> {
    let mut bundle = bundle();
    put(&mut bundle, at, what);
    bundle
}

fn good(content: Content) -> Vec<u8> {
    match content {
        Content::Spl => boot(),
        Content::Uimage => [kernel(), vec![0xff; 1000]].concat(),
        Content::Squashfs => [rootfs(), vec![0xff; 1000]].concat(),
        Content::Jffs2 => [&JFFS2_MAGIC[..], &[1, 0xe0]].concat(),
        Content::Bundle => bundle(),
        Content::Anything => vec![1],
    }
}

#[test]
fn what_has_to_be_there_is_accepted() {
    for content in ALL {
        assert_eq!(verdict(content, &good(content)), Ok(()), "{content:?}");
    }
}

#[test]
fn only_anything_may_be_nothing_or_blank() {
    for content in ALL {
        for size in [0, 1, 4096, 300_000] {
            let blank = ContentError::Blank {
                size: Size::bytes(size as u64),
            };
            let wanted = match content {
                Content::Anything => Ok(()),
                _ => Err(blank),
            };
            assert_eq!(verdict(content, &vec![0xff; size]), wanted, "{content:?}");
        }
    }
}

#[test]
fn an_image_that_ends_early_or_late_is_refused() {
    for content in ALL.into_iter().filter(|c| *c != Content::Anything) {
        let bytes = good(content);
        let found = Size::bytes(bytes.len() as u64);
        for announced in [found.get() - 1, found.get() + 1] {
            let announced = Size::bytes(announced);
            let mut checker = Checker::new(content, announced);
            checker.take(&bytes);
            let wanted = ContentError::Length { announced, found };
            assert_eq!(checker.finish(), Err(wanted), "{content:?}");
        }
    }
}

#[test]
fn a_checker_takes_less_than_a_page() {
    assert!(size_of::<Checker>() <= 1024);
}

#[rstest]
#[case::foreign(vec![0x7f, b'E', b'L', b'F', 0, 0], ContentError::NoSpl { found: b"\x7fELF".to_vec() })]
#[case::cut_in_the_magic(vec![6, 5], ContentError::NoSpl { found: vec![6, 5] })]
#[case::sigmastar([&b"\0\0\0\0IPL_"[..], &filler(100_000)].concat(), ContentError::SigmaStar)]
#[case::header_alone(boot()[..9].to_vec(), ContentError::EmptySpl { filled: Size::bytes(9) })]
#[case::empty_spl_of_zeros(
    boot_without(0x800..26 * 1024, 0),
    ContentError::EmptySpl { filled: Size::bytes(9) }
)]
#[case::empty_spl_of_blanks(
    boot_without(9..26 * 1024, 0xff),
    ContentError::EmptySpl { filled: Size::bytes(9) }
)]
#[case::spl_alone(
    boot()[..26 * 1024].to_vec(),
    ContentError::NoUboot { filled: Size::ZERO }
)]
#[case::no_uboot(
    boot_without(STEP..256 * 1024, 0xff),
    ContentError::NoUboot { filled: Size::ZERO }
)]
#[case::rest_of_a_uboot(
    [&boot()[..STEP], &[0x5a; 500], &[0; 100_000]].concat(),
    ContentError::NoUboot { filled: Size::bytes(500) }
)]
fn what_does_not_start_a_camera_is_no_boot_loader(
    #[case] bytes: Vec<u8>,
    #[case] wanted: ContentError,
) {
    assert_eq!(verdict(Content::Spl, &bytes), Err(wanted));
}

#[test]
fn a_boot_loader_whose_spl_comes_second_is_accepted() {
    let mut boot = vec![0xff; 320 * 1024];
    put(&mut boot, 0, &[6, 5, 4, 3, 2, 0x55, 0xaa, 0x55, 0xaa]);
    put(&mut boot, 0x800, &filler(9_000));
    put(&mut boot, 0x8000, &filler(20_000));
    put(&mut boot, 0x1_8000, &filler(150_000));
    assert_eq!(verdict(Content::Spl, &boot), Ok(()));
}

#[rstest]
#[case::squashfs(rootfs(), UimageError::BadMagic { found: 0x6873_7173 })]
#[case::half_a_header(kernel()[..63].to_vec(), UimageError::HeaderCut { found: Size::bytes(63) })]
#[case::cut_off(
    kernel()[..1064].to_vec(),
    UimageError::PayloadCut { announced: Size::bytes(70_000), found: Size::bytes(1000) }
)]
#[case::other_arch(kernel_for(Arch::Arm, Kind::Kernel), UimageError::WrongArch { found: Arch::Arm })]
#[case::recovery_file(
    kernel_for(Arch::Mips, Kind::Firmware),
    UimageError::WrongKind { found: Kind::Firmware }
)]
fn what_is_no_kernel_is_refused(#[case] bytes: Vec<u8>, #[case] wanted: UimageError) {
    assert_eq!(
        verdict(Content::Uimage, &bytes),
        Err(ContentError::Uimage(wanted))
    );
}

#[test]
fn a_damaged_payload_is_refused_with_both_crcs() {
    let mut bytes = kernel();
    bytes[60_000] ^= 4;
    let error = verdict(Content::Uimage, &bytes).unwrap_err();
    let stored = crc32fast::hash(&filler(PAYLOAD));
    let computed = crc32fast::hash(&bytes[uimage::HEADER_LEN..]);
    let wanted = UimageError::PayloadCrc { stored, computed };
    assert_eq!(error, ContentError::Uimage(wanted));
}

#[rstest]
#[case::kernel(kernel(), SquashfsError::BadMagic { found: [0x27, 5, 0x19, 0x56] })]
#[case::half_a_head(rootfs()[..95].to_vec(), SquashfsError::Cut { found: Size::bytes(95) })]
#[case::cut_off(
    rootfs()[..39_999].to_vec(),
    SquashfsError::Truncated { announced: Size::bytes(40_000), found: Size::bytes(39_999) }
)]
fn what_is_no_whole_squashfs_is_refused(#[case] bytes: Vec<u8>, #[case] wanted: SquashfsError) {
    assert_eq!(
        verdict(Content::Squashfs, &bytes),
        Err(ContentError::Squashfs(wanted))
    );
}

#[rstest]
#[case::big_endian(&[0x19, 0x85, 0x20, 0x03])]
#[case::one_byte(&[0x85])]
#[case::squashfs(b"hsqs")]
fn what_is_no_jffs2_is_refused(#[case] bytes: &[u8]) {
    let found = bytes.iter().copied().take(2).collect();
    let wanted = ContentError::NoJffs2 { found };
    assert_eq!(verdict(Content::Jffs2, bytes), Err(wanted));
}

#[rstest]
#[case::first_of_all(bundle()[KERNEL_AT..].to_vec())]
#[case::behind_what_looks_like_a_kernel_but_is_not_at_a_step(bundle_with(100, &kernel()[..64]))]
#[case::with_what_looks_like_a_squashfs_before_it(bundle_with(STEP, &rootfs()[..96]))]
#[case::with_bytes_between_it_and_the_root(bundle_with(KERNEL_END, &filler(3000)))]
#[case::with_what_looks_like_a_kernel_behind_it(bundle_with(6 * STEP + 10_000, &[0x27, 5, 0x19, 0x56]))]
fn a_bundle_holds_a_kernel_somewhere(#[case] bytes: Vec<u8>) {
    assert_eq!(verdict(Content::Bundle, &bytes), Ok(()));
}

#[test]
fn a_root_may_follow_at_the_very_end_of_the_kernel() {
    let payload = filler(STEP - uimage::HEADER_LEN);
    let header = uimage::Uimage::parse(&kernel()).unwrap().header;
    let mut bytes = uimage::build(&header, &payload);
    assert_eq!(bytes.len(), STEP);
    bytes.extend(rootfs());
    assert_eq!(verdict(Content::Bundle, &bytes), Ok(()));
}

#[test]
fn a_squashfs_inside_the_kernel_is_not_its_root() {
    let mut payload = filler(PAYLOAD);
    let inside = 2 * STEP - uimage::HEADER_LEN;
    payload[inside..inside + 96].copy_from_slice(&rootfs()[..96]);
    let header = uimage::Uimage::parse(&kernel()).unwrap().header;
    let bytes = uimage::build(&header, &payload);
    let behind = Offset::bytes(bytes.len() as u64);
    let wanted = ContentError::NoRootfs { behind };
    assert_eq!(verdict(Content::Bundle, &bytes), Err(wanted));
}

#[rstest]
#[case::nothing_of_use(filler(200_000), ContentError::NoKernel)]
#[case::kernel_not_at_a_step([vec![0; 100], bundle()].concat(), ContentError::NoKernel)]
#[case::no_root(
    bundle()[..ROOTFS_AT].to_vec(),
    ContentError::NoRootfs { behind: Offset::bytes(KERNEL_END as u64) }
)]
#[case::root_not_at_a_step(
    bundle_with(ROOTFS_AT, &[&[0xff], &rootfs()[..]].concat()),
    ContentError::NoRootfs { behind: Offset::bytes(KERNEL_END as u64) }
)]
#[case::old_root(
    bundle_with(ROOTFS_AT + 28, &[3]),
    ContentError::Rootfs {
        at: Offset::bytes(ROOTFS_AT as u64),
        error: SquashfsError::Version { found: 3 },
    }
)]
#[case::a_bad_kernel_before_the_good_one(
    bundle_with(0, &kernel_for(Arch::Arm, Kind::Kernel)[..1000]),
    ContentError::Kernel {
        at: Offset::ZERO,
        error: UimageError::WrongArch { found: Arch::Arm },
    }
)]
#[case::kernel_cut_off(
    bundle()[..KERNEL_AT + 1064].to_vec(),
    ContentError::Kernel {
        at: Offset::bytes(KERNEL_AT as u64),
        error: UimageError::PayloadCut {
            announced: Size::bytes(70_000),
            found: Size::bytes(1000),
        },
    }
)]
fn a_bundle_that_does_not_boot_is_refused(#[case] bytes: Vec<u8>, #[case] wanted: ContentError) {
    assert_eq!(verdict(Content::Bundle, &bytes), Err(wanted));
}

#[test]
fn the_owner_reads_what_is_wrong_with_which_value_where() {
    let bytes = &bundle()[..ROOTFS_END - 1];
    assert_eq!(
        verdict(Content::Bundle, bytes).unwrap_err().to_string(),
        "the root file system at offset 0x28000: the squashfs is cut off: it has 40000 bytes \
         (offset 40), only 39999 are there; copy the file again"
    );
}

/// Good images, some of them damaged in a place, and any bytes.
fn images() -> impl Strategy<Value = Vec<u8>> {
    let samples = prop::sample::select(ALL.to_vec()).prop_map(good);
    let damage = (any::<prop::sample::Index>(), any::<u8>());
    let damaged = (samples, damage).prop_map(|(mut bytes, (at, byte))| {
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes
    });
    prop_oneof![damaged, any::<Vec<u8>>()]
}

proptest! {
    #[test]
    fn the_verdict_does_not_depend_on_how_the_image_comes(
        image in images(),
        content in prop::sample::select(ALL.to_vec()),
        splits in prop::collection::vec(prop_oneof![1usize..100, 1usize..70_000], 1..8),
    ) {
        let mut checker = Checker::new(content, Size::bytes(image.len() as u64));
        let mut rest = &image[..];
        for length in splits.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at(length.min(rest.len()));
            checker.take(now);
            rest = later;
        }
        prop_assert_eq!(checker.finish(), verdict(content, &image));
    }

    #[test]
    fn a_verdict_on_the_wrong_length_is_no_panic(
        image in images(),
        content in prop::sample::select(ALL.to_vec()),
        length: u64,
    ) {
        let mut checker = Checker::new(content, Size::bytes(length));
        checker.take(&image);
        let _ = checker.finish();
    }

    #[test]
    fn a_flipped_bit_in_the_kernel_of_a_bundle_is_noticed(
        at in KERNEL_AT..KERNEL_END,
        bit in 0u8..8,
    ) {
        let mut bytes = bundle();
        bytes[at] ^= 1 << bit;
        prop_assert!(verdict(Content::Bundle, &bytes).is_err());
    }

    #[test]
    fn a_bundle_that_is_cut_before_the_end_of_its_root_is_refused(length in 0..ROOTFS_END) {
        prop_assert!(verdict(Content::Bundle, &bundle()[..length]).is_err());
    }
}
