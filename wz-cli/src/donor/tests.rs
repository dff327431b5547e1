use super::entry::tests::clearing_code;
use super::*;
use rstest::rstest;
use wz_core::image::uimage::{Arch, Compression, Kind, Os};

const LOAD: u32 = 0x8001_0000;
const BSS: Bss = Bss {
    start: 0x8010_0000,
    end: 0x8012_3450,
};
const LINE: &str = "console=ttyS1,115200n8 mem=94M mtdparts=jz_sfc:256K(boot),-(rest)";
/// What stock T31 and thingino 2013 do, as far as is known.
fn t31() -> BootLimits {
    BootLimits {
        file: Size::bytes(0x99_0040),
        buffers: vec![0x8060_0000, 0x8400_0000],
    }
}

/// The parts of a donor that the tests vary.
struct Donor {
    header: Header,
    line: &'static str,
    strings: Vec<u8>,
    filler: usize,
    tail: Vec<u8>,
}

impl Default for Donor {
    fn default() -> Self {
        let header = Header {
            time: 1_600_000_000,
            load: LOAD,
            entry: LOAD,
            os: Os::Linux,
            arch: Arch::Mips,
            kind: Kind::Kernel,
            compression: Compression::Lzma,
            name: "Linux-3.10.14".to_owned(),
        };
        let strings = [INITRD_SUPPORT, GZIP_SUPPORT, b"\0"].concat();
        Self {
            header,
            line: LINE,
            strings,
            filler: 100_000,
            tail: vec![],
        }
    }
}

impl Donor {
    fn kernel(&self) -> Vec<u8> {
        let mut line = self.line.as_bytes().to_vec();
        line.resize(4096, 0);
        [
            clearing_code(BSS),
            self.strings.clone(),
            line,
            noise(self.filler),
            self.tail.clone(),
        ]
        .concat()
    }

    fn image(&self) -> Vec<u8> {
        let packed = payload::pack(&self.kernel(), self.header.compression);
        uimage::build(&self.header, &packed.unwrap_or_else(|_| self.kernel()))
    }

    fn with_header(change: impl FnOnce(&mut Header)) -> Self {
        let mut donor = Self::default();
        change(&mut donor.header);
        donor
    }

    fn with_strings(strings: &[u8]) -> Self {
        Self {
            strings: strings.to_vec(),
            ..Self::default()
        }
    }

    fn with_line(line: &'static str) -> Self {
        Self {
            line,
            ..Self::default()
        }
    }

    fn with_tail(length: usize) -> Self {
        Self {
            tail: vec![1; length],
            ..Self::default()
        }
    }
}

/// Bytes without zeros that can't be compressed, from a linear congruential generator.
fn noise(length: usize) -> Vec<u8> {
    let next = |state: &u32| Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    std::iter::successors(Some(1u32), next)
        .map(|state| (state >> 24) as u8 | 1)
        .take(length)
        .collect()
}

fn unpacked(image: &[u8]) -> Vec<u8> {
    let uimage = Uimage::parse_file(image).unwrap();
    payload::unpack(uimage.payload, uimage.header.compression, MEMORY).unwrap()
}

#[rstest]
fn the_initramfs_lies_behind_the_bss_and_the_kernel_is_told(
    #[values(Compression::None, Compression::Gzip, Compression::Lzma)] compression: Compression,
) {
    let donor = Donor::with_header(|header| header.compression = compression);
    let attached = attach(&donor.image(), b"the archive", &t31()).unwrap();
    let kernel = unpacked(&attached.image);

    assert_eq!(attached.initrd_at, 0x8013_0000);
    let initrd = &kernel[(attached.initrd_at - LOAD) as usize..];
    assert_eq!(initrd.len() as u64, attached.initrd_size.get());
    assert_eq!(
        payload::unpack(initrd, Compression::Gzip, MEMORY).unwrap(),
        b"the archive"
    );

    let told = format!("mem=94M rd_start=0x80130000 rd_size={:#x}", initrd.len());
    assert!(
        attached.command_line.ends_with(&told),
        "{}",
        attached.command_line
    );
    assert!(contains(
        &kernel,
        format!("{}\0", attached.command_line).as_bytes()
    ));
    assert!(!contains(&kernel, b"mtdparts="));
}

#[test]
fn the_kernel_around_its_command_line_stays_as_it_was() {
    let donor = Donor::default();
    let (before, after) = (
        donor.kernel(),
        unpacked(&attach(&donor.image(), b"x", &t31()).unwrap().image),
    );
    let line_at = clearing_code(BSS).len() + donor.strings.len();
    assert_eq!(after[..line_at], before[..line_at]);
    assert_eq!(
        after[line_at + 4096..before.len()],
        before[line_at + 4096..]
    );
    let bss_end = (BSS.end - LOAD) as usize;
    assert!(after[before.len()..bss_end].iter().all(|&byte| byte == 0));
}

#[test]
fn the_header_keeps_all_but_the_name() {
    let attached = attach(&Donor::default().image(), b"x", &t31()).unwrap();
    let header = Uimage::parse_file(&attached.image).unwrap().header;
    let name = "wz_flash-helper Linux-3.10.14".to_owned();
    assert_eq!(
        header,
        Header {
            name,
            ..Donor::default().header
        }
    );
}

#[test]
fn the_same_donor_and_archive_give_the_same_bytes() {
    let attach = || attach(&Donor::default().image(), b"the archive", &t31()).unwrap();
    assert_eq!(attach(), attach());
}

/// What stands in front of the name in a kernel is whatever its linker put there.
#[test]
fn the_parameter_is_found_whatever_is_in_front_of_it() {
    let donor = Donor::with_strings(&[b"\0A", INITRD_SUPPORT].concat());
    assert!(attach(&donor.image(), b"x", &t31()).is_ok());
}

/// As the build of a kernel packs it.
#[test]
fn a_donor_whose_lzma_payload_does_not_tell_its_size_is_taken() {
    let plain = Donor::default().kernel();
    let options = lzma_rust2::LzmaOptions::with_preset(9);
    let mut packer = lzma_rust2::LzmaWriter::new_use_header(vec![], &options, None).unwrap();
    std::io::Write::write_all(&mut packer, &plain).unwrap();
    let packed = packer.finish().unwrap();
    let packed = [&packed[..], &(plain.len() as u32).to_le_bytes()].concat();
    let donor = uimage::build(&Donor::default().header, &packed);

    let attached = attach(&donor, b"the archive", &t31()).unwrap();
    assert_eq!(
        attached,
        attach(&Donor::default().image(), b"the archive", &t31()).unwrap()
    );
}

/// The measures of `factory_t31_ZMC6tiIDQN` of wz_mini_hacks: 5,642,308 bytes that pack to about two million, its entry
/// far behind its start, an initramfs within. Our own initramfs packs to about 1.2 million bytes.
#[test]
fn a_donor_as_large_as_those_of_the_field_fits() {
    const ENTRY: u32 = 0x8040_9660;
    const BSS: Bss = Bss {
        start: 0x8057_1850,
        end: 0x805c_2a30,
    };
    let mut kernel = vec![0; 5_642_308];
    let mut put = |at: usize, bytes: &[u8]| kernel[at..at + bytes.len()].copy_from_slice(bytes);
    put(0x400, &noise(1_950_000));
    put((ENTRY - LOAD) as usize, &clearing_code(BSS));
    put(0x50_0000, LINE.as_bytes());
    put(0x52_0000, &Donor::default().strings);
    let header = Header {
        entry: ENTRY,
        ..Donor::default().header
    };
    let packed = payload::pack(&kernel, Compression::Lzma).unwrap();
    let attached = attach(&uimage::build(&header, &packed), &noise(1_200_000), &t31()).unwrap();
    assert_eq!(attached.initrd_at, 0x805d_0000);
    // It reaches into the lower buffer, behind what is read there.
    assert!(attached.initrd_at + attached.initrd_size.get() as u32 > 0x8060_0000);
}

/// Eight million zeros are out before the initramfs behind them is read.
#[test]
fn a_kernel_that_is_unpacked_too_fast_is_refused_where_one_boot_loader_overtakes_itself() {
    let donor = Donor {
        filler: 0,
        ..Donor::default()
    };
    let bss = Bss {
        start: LOAD + 0x80_0000,
        end: LOAD + 0x81_0000,
    };
    let mut kernel = donor.kernel();
    kernel[..clearing_code(bss).len()].copy_from_slice(&clearing_code(bss));
    let packed = payload::pack(&kernel, Compression::Lzma).unwrap();
    let image = uimage::build(&donor.header, &packed);
    let limits = |buffers: &[u32]| BootLimits {
        buffers: buffers.to_vec(),
        ..t31()
    };
    assert!(attach(&image, &noise(50_000), &limits(&[0x8400_0000])).is_ok());
    for buffers in [[0x8060_0000, 0x8400_0000], [0x8400_0000, 0x8060_0000]] {
        let refused = attach(&image, &noise(50_000), &limits(&buffers));
        assert!(
            matches!(
                refused,
                Err(DonorError::Overtakes {
                    buffer: 0x8060_0000,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
}

#[test]
fn a_kernel_without_gzip_gets_the_archive_uncompressed() {
    let donor = Donor::with_strings(INITRD_SUPPORT);
    let kernel = unpacked(
        &attach(&donor.image(), b"the archive", &t31())
            .unwrap()
            .image,
    );
    assert!(kernel.ends_with(b"\0the archive"));
}

/// With this bit flipped.
fn flipped(mut image: Vec<u8>, at: usize) -> Vec<u8> {
    image[at] ^= 1;
    image
}

#[rstest]
#[case::no_uimage(b"hsqs".repeat(30), "not a uImage")]
#[case::header_crc(flipped(Donor::default().image(), 9), "the header of the uImage is damaged")]
#[case::payload_crc(flipped(Donor::default().image(), 5000), "the payload of the uImage is damaged")]
#[case::cut_off(Donor::default().image()[..5000].to_vec(), "is cut off")]
#[case::more_behind_it([Donor::default().image(), vec![0xff]].concat(), "follow the end")]
#[case::other_arch(Donor::with_header(|h| h.arch = Arch::Arm).image(), "for ARM")]
#[case::recovery_file(Donor::with_header(|h| h.kind = Kind::Firmware).image(), "not a kernel")]
#[case::unknown_compression(Donor::with_header(|h| h.compression = Compression::Lzo).image(), "LZO")]
#[case::too_large(uimage::build(&Donor::default().header, &[7; 100]), "unpacks to more than 128M")]
#[case::damaged(
    uimage::build(&Donor::with_header(|h| h.compression = Compression::Gzip).header, &[7; 100]),
    "gzip payload is damaged"
)]
#[case::entry_elsewhere(Donor::with_header(|h| h.entry = LOAD + 0x1000).image(), "0x80011000")]
#[case::no_initrd_support(Donor::with_strings(GZIP_SUPPORT).image(), "CONFIG_BLK_DEV_INITRD")]
#[case::name_of_a_variable(Donor::with_strings(b"\0initrd_start\0").image(), "CONFIG_BLK_DEV_INITRD")]
#[case::no_command_line(Donor::with_line("").image(), "no built-in command line")]
#[case::no_memory_there(Donor::with_line("console=ttyS1 mem=1M").image(), "no memory beyond 0x80100000 (mem=)")]
#[case::second_command_line(
    Donor::with_strings(b"\0rd_start\0console=ttyS0 mem=64M\0").image(),
    "several texts"
)]
#[case::not_in_kseg0(Donor::with_header(|h| (h.load, h.entry) = (0x1_0000, 0x1_0000)).image(), "make no sense")]
#[case::attached_already(
    attach(&Donor::default().image(), b"the archive", &t31()).unwrap().image,
    "original kernel"
)]
fn a_donor_that_can_not_carry_the_initramfs_is_refused(#[case] donor: Vec<u8>, #[case] why: &str) {
    let refused = attach(&donor, b"the archive", &t31())
        .unwrap_err()
        .to_string();
    assert!(refused.contains(why), "{refused}");
}

#[test]
fn a_kernel_that_ends_inside_its_bss_is_not_taken_for_one_with_an_attachment() {
    let to_the_end = (BSS.end - LOAD) as usize - Donor::default().kernel().len();
    assert!(attach(&Donor::with_tail(to_the_end).image(), b"x", &t31()).is_ok());
    let refused = attach(&Donor::with_tail(to_the_end + 1).image(), b"x", &t31());
    assert!(
        matches!(refused, Err(DonorError::Attached { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_file_longer_than_the_boot_loader_reads_is_refused() {
    let donor = Donor::default().image();
    let length = attach(&donor, b"x", &t31()).unwrap().image.len() as u64;
    let fits = BootLimits {
        file: Size::bytes(length),
        ..t31()
    };
    assert!(attach(&donor, b"x", &fits).is_ok());
    let tight = BootLimits {
        file: Size::bytes(length - 1),
        ..t31()
    };
    let refused = attach(&donor, b"x", &tight);
    assert!(
        matches!(refused, Err(DonorError::FileTooLarge { .. })),
        "{refused:?}"
    );
}

/// The kernel unpacks to 0x80010000 .. 0x80130000 and a bit. Its packed noise is read until the very
/// end, so a buffer in between is overwritten before it is read; one that ends behind all is not.
#[rstest]
#[case::far_above(0x8060_0000, true)]
#[case::below(0x8000_0000 - 0x100_0000, true)]
#[case::at_the_load_address(LOAD, false)]
#[case::just_above_the_load_address(LOAD + 8192, false)]
fn a_boot_loader_that_would_overwrite_what_it_reads_is_refused(
    #[case] buffer: u32,
    #[case] boots: bool,
) {
    let attached = attach(
        &Donor::default().image(),
        &noise(50_000),
        &BootLimits {
            buffers: vec![0x8400_0000, buffer],
            ..t31()
        },
    );
    match boots {
        true => assert!(attached.is_ok(), "{attached:?}"),
        false => assert!(
            matches!(attached, Err(DonorError::Overtakes { .. })),
            "{attached:?}"
        ),
    }
}

#[test]
fn the_emulators_kernel_is_recognised_and_held_to_no_limits() {
    let donor = Donor::with_strings(&[INITRD_SUPPORT, MALTA, b"\0"].concat());
    let none = BootLimits {
        file: Size::ZERO,
        buffers: vec![LOAD],
    };
    assert_eq!(
        attach(&donor.image(), b"x", &none).unwrap().machine,
        Machine::Emulator
    );
    assert_eq!(
        attach(&Donor::default().image(), b"x", &t31())
            .unwrap()
            .machine,
        Machine::Camera
    );
}
