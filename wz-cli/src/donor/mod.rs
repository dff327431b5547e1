//! Attaching our initramfs to a kernel that already boots on the camera (the donor).
//!
//! ```text
//!   load            end of donor   .bss start .. end      initrd
//!   | kernel ...    |  zeros ...                | 0 ...   | cpio.gz |
//!   '-------------- new payload, packed as the donor was -----------'
//! ```
//! The kernel learns of it through `rd_start=` and `rd_size=` in its built-in command line. U-Boot
//! unpacks the whole payload to `load` in one go, so nothing needs to know but the kernel.

mod cmdline;
mod entry;
mod overtaking;

use thiserror::Error;
use wz_core::image::uimage::{self, Header, Uimage, UimageError};
use wz_core::units::Size;

pub use cmdline::CommandLineError;
pub use entry::Bss;

use crate::payload::{self, PayloadError};
use cmdline::CommandLine;
use overtaking::Overtaken;

/// The name in the header of an SD kernel begins with this when our program is in it.
const NAME: &str = "wz_flash-helper";
/// The largest page that a MIPS kernel can be built for; it takes no initrd that starts within one.
const LARGEST_PAGE: u32 = 64 * 1024;
/// Memory that the kernel sees without page tables, cached: where MIPS kernels run.
const KSEG0: std::ops::Range<u32> = 0x8000_0000..0xa000_0000;
/// No camera of these families has more memory than this.
const MEMORY: Size = Size::mib(128);
/// Stands in every kernel with support for an initrd: the name of the parameter.
const INITRD_SUPPORT: &[u8] = b"rd_start\0";
/// A message of the kernel's gzip unpacker (`lib/decompress_inflate.c`).
const GZIP_SUPPORT: &[u8] = b"Not a gzip file";
/// The name of the board in QEMU, as its kernel prints it.
const MALTA: &[u8] = b"MIPS Malta";

/// What the boot loader that is to boot the result can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootLimits {
    /// The longest file it reads from the card.
    pub file: Size,
    /// The addresses of which it reads the file to one, before it unpacks the payload to the load address.
    pub buffers: Vec<u32>,
}

/// The kind of machine that a kernel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// A camera, as far as can be seen.
    Camera,
    /// QEMU's Malta board; no camera boots it.
    Emulator,
}

/// An SD kernel with our initramfs in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SdKernel {
    /// The uImage.
    pub image: Vec<u8>,
    /// What the donor is for.
    pub machine: Machine,
    /// The new built-in command line.
    pub command_line: String,
    /// The address of the initramfs.
    pub initrd_at: u32,
    /// Its length as attached.
    pub initrd_size: Size,
}

/// Why the initramfs can't be attached to a donor.
#[derive(Debug, Error)]
pub enum DonorError {
    /// Not a bootable kernel.
    #[error(transparent)]
    Uimage(#[from] UimageError),
    /// Can't be unpacked.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The command line can't be rewritten.
    #[error(transparent)]
    CommandLine(#[from] CommandLineError),
    /// No code that clears `.bss`.
    #[error(
        "the code at the entry {entry:#010x} does not clear memory as a MIPS Linux kernel does, so the end of the kernel in memory is unknown; take another kernel"
    )]
    NoBss {
        /// The entry point in the header.
        entry: u32,
    },
    /// The addresses in the kernel contradict each other.
    #[error("the kernel's addresses make no sense: loaded at {load:#010x}, {} bytes long, memory cleared from {:#010x} to {:#010x}; take another kernel", length.get(), bss.start, bss.end)]
    Addresses {
        /// The load address in the header.
        load: u32,
        /// The unpacked length.
        length: Size,
        /// What the entry code clears.
        bss: Bss,
    },
    /// Something is attached already.
    #[error(
        "something is attached behind the kernel already ({} bytes beyond its end at {end:#010x}); take the original kernel, not one that went through this program before", surplus.get()
    )]
    Attached {
        /// How many bytes.
        surplus: Size,
        /// The end of the kernel's memory.
        end: u32,
    },
    /// The kernel can't use an initrd.
    #[error(
        "the kernel has no support for an initrd (CONFIG_BLK_DEV_INITRD): the parameter rd_start does not occur in it; take another kernel"
    )]
    NoInitrdSupport,
    /// The kernel does not use the memory that the initrd would lie in.
    #[error(
        "the initramfs would end at {end:#010x}, but the kernel's command line leaves it no memory beyond {memory:#010x} (mem=); take a smaller kernel"
    )]
    BeyondMemory {
        /// The first address behind it.
        end: u64,
        /// The first address behind the kernel's memory.
        memory: u64,
    },
    /// Too long for the boot loader.
    #[error(
        "the SD kernel would be {} bytes long; the camera's boot loader reads {} at most; take a smaller kernel", length.get(), limit.get()
    )]
    FileTooLarge {
        /// The length of the uImage.
        length: Size,
        /// The limit.
        limit: Size,
    },
    /// The boot loader would overwrite the packed kernel while it unpacks it.
    #[error(
        "a boot loader that reads the SD kernel to {buffer:#010x} would overwrite it while unpacking it: it writes to {reached:#010x} while it still has to read from {reading:#010x} on. Take a smaller kernel"
    )]
    Overtakes {
        /// The address that it read the file to.
        buffer: u32,
        /// The address written to.
        reached: u64,
        /// The address still to be read.
        reading: u64,
    },
}

/// Attaches the (unpacked) cpio archive `initramfs` to the uImage `donor`. A donor for the emulator is
/// not held to `limits`, which are those of a camera.
///
/// # Errors
/// See [`DonorError`]; each says what to do.
pub fn attach(donor: &[u8], initramfs: &[u8], limits: &BootLimits) -> Result<SdKernel, DonorError> {
    let donor = Uimage::parse_file(donor)?.mips_kernel()?;
    let mut kernel = payload::unpack(donor.payload, donor.header.compression, MEMORY)?;
    let machine = machine(&kernel);
    let command_line = CommandLine::find(&kernel)?;
    let initrd_at = place_for_initrd(&kernel, &donor.header)?;
    let initrd = packed_for(&kernel, initramfs)?;

    let words = [
        format!("rd_start={initrd_at:#x}"),
        format!("rd_size={:#x}", initrd.len()),
    ];
    let command_line = command_line.rewrite(&mut kernel, &words)?;
    check_memory(&command_line, initrd_at, initrd.len())?;
    kernel.resize((initrd_at - donor.header.load) as usize, 0);
    kernel.extend_from_slice(&initrd);

    let image = pack(&kernel, &donor.header)?;
    if machine == Machine::Camera {
        check_limits(&image, limits)?;
    }
    let initrd_size = Size::bytes(initrd.len() as u64);
    Ok(SdKernel {
        image,
        machine,
        command_line,
        initrd_at,
        initrd_size,
    })
}

/// The kind of machine that an unpacked kernel is for.
pub fn machine(kernel: &[u8]) -> Machine {
    match contains(kernel, MALTA) {
        true => Machine::Emulator,
        false => Machine::Camera,
    }
}

/// Whether our program is in the SD kernel with this header.
pub fn carries_program(header: &Header) -> bool {
    header.name.starts_with(NAME)
}

/// The first page behind the kernel's `.bss`, whatever pages it has.
fn place_for_initrd(kernel: &[u8], header: &Header) -> Result<u32, DonorError> {
    let bss = entry::find_bss(kernel, header.load, header.entry).ok_or(DonorError::NoBss {
        entry: header.entry,
    })?;
    if !supports_initrd(kernel) {
        return Err(DonorError::NoInitrdSupport);
    }
    let length = Size::bytes(kernel.len() as u64);
    let nonsense = DonorError::Addresses {
        load: header.load,
        length,
        bss,
    };
    let at = bss
        .end
        .checked_next_multiple_of(LARGEST_PAGE)
        .unwrap_or(u32::MAX);
    let in_order = header.load < bss.start
        && bss.start < bss.end
        && u64::from(at) < u64::from(header.load) + MEMORY.get();
    if !in_order || !KSEG0.contains(&header.load) || !KSEG0.contains(&at) {
        return Err(nonsense);
    }
    let end = u64::from(bss.end - header.load);
    match length.get().checked_sub(end) {
        Some(surplus) if surplus > 0 => Err(DonorError::Attached {
            surplus: Size::bytes(surplus),
            end: bss.end,
        }),
        _ => Ok(at),
    }
}

/// The initramfs as this kernel can unpack it. Uncompressed always works, and the payload around it is
/// packed anyway.
fn packed_for(kernel: &[u8], initramfs: &[u8]) -> Result<Vec<u8>, PayloadError> {
    match contains(kernel, GZIP_SUPPORT) {
        true => payload::pack(initramfs, uimage::Compression::Gzip),
        false => Ok(initramfs.to_vec()),
    }
}

fn pack(kernel: &[u8], donor: &Header) -> Result<Vec<u8>, PayloadError> {
    let packed = payload::pack(kernel, donor.compression)?;
    let name = format!("{NAME} {}", donor.name);
    Ok(uimage::build(
        &Header {
            name,
            ..donor.clone()
        },
        &packed,
    ))
}

/// Checks that the kernel manages the memory that the initrd lies in; else it would not look at it.
fn check_memory(command_line: &str, at: u32, length: usize) -> Result<(), DonorError> {
    let end = u64::from(at) + length as u64;
    match cmdline::memory_end(command_line) {
        Some(memory) if u64::from(KSEG0.start) + memory < end => Err(DonorError::BeyondMemory {
            end,
            memory: u64::from(KSEG0.start) + memory,
        }),
        _ => Ok(()),
    }
}

/// Checks that a boot loader can load and unpack `image`.
fn check_limits(image: &[u8], limits: &BootLimits) -> Result<(), DonorError> {
    let length = Size::bytes(image.len() as u64);
    if length > limits.file {
        return Err(DonorError::FileTooLarge {
            length,
            limit: limits.file,
        });
    }
    let overtaken = overtaking::overtaken(&Uimage::parse_file(image)?, &limits.buffers, MEMORY)?;
    match overtaken {
        Some(Overtaken {
            buffer,
            reached,
            reading,
        }) => Err(DonorError::Overtakes {
            buffer,
            reached,
            reading,
        }),
        None => Ok(()),
    }
}

/// Whether the kernel knows the parameter `rd_start`. Another name, that of a variable, ends in the same letters.
fn supports_initrd(kernel: &[u8]) -> bool {
    let mut places = memchr::memmem::find_iter(kernel, INITRD_SUPPORT);
    places.any(|at| !kernel[..at].ends_with(b"init"))
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(haystack, needle).is_some()
}

#[cfg(test)]
mod tests;
