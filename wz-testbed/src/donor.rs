//! SD kernels as they are found in the field, made from the emulator's kernel.
//!
//! ```text
//!   emulator's kernel, with an initramfs of its own     what becomes of it
//!   load 0x80100000                                     load 0x80010000, where cameras' kernels lie: padding in front
//!   gzip                                                LZMA
//!   console=ttyS0 ...                                   console=ttyS0 ... mem=.. rmem=.. rdinit=.. mtdparts=..
//!   MIPS Malta                                          another name: held to a camera's limits
//! ```
//! The entry point stays. Sources of the traits: `factory_t31_ZMC6tiIDQN` of wz_mini_hacks, the shell program's patches.

use std::fs;
use std::path::Path;

use wz_cli::payload;
use wz_core::image::uimage::Compression;
use wz_core::profile::Catalogue;

use crate::error::{Doing, Error, Result};
use crate::firmware::Firmware;
use crate::inputs;
use crate::tool;
use crate::uimage;

/// Where the kernels of these cameras lie.
const LOAD: u32 = 0x8001_0000;
/// The name of the board in the emulator's kernel, and another that is as long.
const MALTA: &[u8] = b"MIPS Malta";
const CAMERA: &[u8] = b"isvp_board";
/// The built-in command line starts with this.
const COMMAND_LINE: &[u8] = b"console=ttyS0,115200n8 panic=1 ";
/// What the first program in a donor's own initramfs says (`qemu/donor/init.S`).
pub const DONOR_INIT_SAYS: &str = "donor: its own /init was started";

/// How a donor's payload is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// By `lzma`, as the build of a kernel does it: the size is not in the head, but behind the data.
    BuildOfKernel,
    /// With the size in the head.
    SizeInHead,
}

/// An SD kernel for cameras of the firmware's SoC, with an initramfs of its own and a command line with `mtdparts=`.
///
/// # Errors
/// The emulator's kernel is missing, or a tool.
pub fn field_donor(firmware: &Firmware, packing: Packing) -> Result<Vec<u8>> {
    let path = inputs::donor_kernel()?;
    let made = fs::read(&path).doing(|| format!("read {}", path.display()))?;
    let unfit = |why: &dyn std::fmt::Display| Error::Fixture(format!("{}: {why}", path.display()));
    let made = uimage::check(&made).map_err(|why| unfit(&why))?;
    let mut kernel = made.unpack().map_err(|why| unfit(&why))?;
    for place in places(&kernel, MALTA) {
        kernel[place..place + CAMERA.len()].copy_from_slice(CAMERA);
    }
    let words = words(firmware)?;
    for place in places(&kernel, COMMAND_LINE) {
        add_words(&mut kernel, place, &words)?;
    }
    let mut moved = vec![0; made.load().saturating_sub(LOAD) as usize];
    moved.extend(kernel);
    pack(&moved, made.entry(), packing)
}

/// What the kernels of vendors and projects are told.
fn words(firmware: &Firmware) -> Result<String> {
    let soc = &firmware.profile().soc;
    let catalogue = Catalogue::builtin();
    let soc = catalogue
        .soc(soc)
        .ok_or_else(|| Error::Fixture(format!("there is no SoC {soc}")))?;
    let partitions = firmware.layout().partitions().iter();
    let partitions: Vec<_> = partitions
        .map(|partition| {
            format!(
                "{}K({})",
                partition.region.size.get() / 1024,
                partition.name
            )
        })
        .collect();
    Ok(format!(
        " {} init=/linuxrc rdinit=/init root=/dev/ram0 rw mtdparts=jz_sfc:{}",
        soc.kernel.memory,
        partitions.join(",")
    ))
}

/// Puts words behind those at `place`, where blanks are.
fn add_words(kernel: &mut [u8], place: usize, words: &str) -> Result<()> {
    let line = &mut kernel[place..];
    let end = line.iter().position(|byte| *byte == 0).unwrap_or_default();
    let used = line[..end].trim_ascii_end().len();
    if used + words.len() > end {
        return Err(Error::Fixture(format!(
            "{} bytes of command line, there is room for {end}",
            used + words.len()
        )));
    }
    line[used..used + words.len()].copy_from_slice(words.as_bytes());
    Ok(())
}

fn pack(kernel: &[u8], entry: u32, packing: Packing) -> Result<Vec<u8>> {
    let packing_it = || "pack a donor".to_owned();
    let dir = tempfile::tempdir().doing(packing_it)?;
    let [plain, packed, image] =
        ["vmlinux.bin", "vmlinux.bin.lzma", "uImage"].map(|n| dir.path().join(n));
    let bytes = match packing {
        Packing::SizeInHead => {
            payload::pack(kernel, Compression::Lzma).map_err(|e| Error::Fixture(e.to_string()))?
        }
        Packing::BuildOfKernel => {
            fs::write(&plain, kernel).doing(packing_it)?;
            tool::run("lzma", ["-9", "-k", &plain.display().to_string()])?;
            let mut bytes = fs::read(&packed).doing(packing_it)?;
            bytes.extend((kernel.len() as u32).to_le_bytes());
            bytes
        }
    };
    fs::write(&packed, bytes).doing(packing_it)?;
    mkimage(&packed, entry, &image)?;
    fs::read(&image).doing(packing_it)
}

fn mkimage(packed: &Path, entry: u32, image: &Path) -> Result<()> {
    let (load, entry) = (format!("{LOAD:#x}"), format!("{entry:#x}"));
    let (packed, image) = (packed.display().to_string(), image.display().to_string());
    let kind = ["-A", "mips", "-O", "linux", "-T", "kernel", "-C", "lzma"];
    let name = ["-n", "Linux-3.10.14__isvp_swan_1.0__"];
    let place = ["-a", &load, "-e", &entry, "-d", &packed, &image];
    tool::run("mkimage", kind.into_iter().chain(name).chain(place))?;
    Ok(())
}

fn places(kernel: &[u8], text: &[u8]) -> Vec<usize> {
    let windows = kernel.windows(text.len()).enumerate();
    windows
        .filter(|(_, window)| *window == text)
        .map(|(at, _)| at)
        .collect()
}
