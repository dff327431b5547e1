//! System calls that neither the standard library nor `nix` wraps. The only `unsafe` code.
#![allow(unsafe_code)]

use std::fs::{File, OpenOptions};
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::ptr;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use wz_core::units::{Region, Size};

/// What `MEMGETINFO` tells about an MTD device: `struct mtd_info_user` of `mtd/mtd-abi.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct MtdInfo {
    kind: u8,
    flags: u32,
    size: u32,
    erase_size: u32,
    write_size: u32,
    oob_size: u32,
    padding: u64,
}

/// `MTD_NORFLASH` of `mtd/mtd-abi.h`.
const NOR: u8 = 3;

impl MtdInfo {
    /// Whether it is a NOR flash chip.
    pub fn is_nor(&self) -> bool {
        self.kind == NOR
    }

    /// The whole device.
    pub fn size(&self) -> Size {
        Size::bytes(self.size.into())
    }

    /// What can be erased.
    pub fn erase_block(&self) -> Size {
        Size::bytes(self.erase_size.into())
    }
}

/// A stretch of an MTD device: `struct erase_info_user` of `mtd/mtd-abi.h`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct MtdStretch {
    start: u32,
    length: u32,
}

impl TryFrom<Region> for MtdStretch {
    type Error = io::Error;

    fn try_from(region: Region) -> io::Result<Self> {
        let too_far = |_| io::Error::from(io::ErrorKind::InvalidInput);
        Ok(Self {
            start: region.offset.get().try_into().map_err(too_far)?,
            length: region.size.get().try_into().map_err(too_far)?,
        })
    }
}

/// `struct blkpg_partition` of `linux/blkpg.h`.
#[repr(C)]
struct BlkpgPartition {
    start: i64,
    length: i64,
    number: i32,
    name: [u8; NAME_LENGTH],
    volume: [u8; NAME_LENGTH],
}

/// `struct blkpg_ioctl_arg` of `linux/blkpg.h`.
#[repr(C)]
struct BlkpgArgument {
    operation: i32,
    flags: i32,
    length: i32,
    data: *mut BlkpgPartition,
}

const PAGE: u32 = 4096;
const PAGE_LENGTH: NonZeroUsize = NonZeroUsize::MIN.saturating_add(PAGE as usize - 1);
const NAME_LENGTH: usize = 64;
const BLKPG_ADD_PARTITION: i32 = 1;
const BLKPG_DEL_PARTITION: i32 = 2;
/// `linux/soundcard.h`.
const AFMT_S16_LE: i32 = 0x10;
const MONO: i32 = 1;

// The macros know that MIPS numbers its ioctls differently.
mod ioctl {
    use super::{BlkpgArgument, MtdInfo, MtdStretch};

    nix::ioctl_read!(mem_get_info, b'M', 1, MtdInfo);
    nix::ioctl_write_ptr!(mem_erase, b'M', 2, MtdStretch);
    nix::ioctl_write_ptr!(mem_unlock, b'M', 6, MtdStretch);
    nix::ioctl_write_ptr_bad!(blkpg, nix::request_code_none!(0x12, 105), BlkpgArgument);
    nix::ioctl_none!(flush_buffers, 0x12, 97);
    nix::ioctl_readwrite!(watchdog_set_timeout, b'W', 6, i32);
    nix::ioctl_none!(sound_sync, b'P', 1);
    nix::ioctl_readwrite!(sound_rate, b'P', 2, i32);
    nix::ioctl_readwrite!(sound_format, b'P', 5, i32);
    nix::ioctl_readwrite!(sound_channels, b'P', 6, i32);
}

/// Size and kind of an MTD character device.
///
/// # Errors
/// When `device` is none.
pub fn mtd_info(device: &File) -> io::Result<MtdInfo> {
    let mut info = MtdInfo::default();
    // SAFETY: the kernel fills a `mtd_info_user`, whose layout `MtdInfo` has; it outlives the call.
    unsafe { ioctl::mem_get_info(device.as_raw_fd(), &mut info) }?;
    Ok(info)
}

/// Erases `stretch` of an MTD character device that is open for writing. Returns when it is done.
///
/// # Errors
/// When it does not consist of erase blocks, or the chip fails.
pub fn erase(device: &File, stretch: MtdStretch) -> io::Result<()> {
    // SAFETY: the kernel reads an `erase_info_user`, whose layout `MtdStretch` has; it outlives the call.
    unsafe { ioctl::mem_erase(device.as_raw_fd(), &stretch) }?;
    Ok(())
}

/// Lifts the write protection of `stretch`; some chips come protected.
///
/// # Errors
/// When the driver cannot do that, or the chip fails.
pub fn unlock(device: &File, stretch: MtdStretch) -> io::Result<()> {
    // SAFETY: as for `erase`.
    unsafe { ioctl::mem_unlock(device.as_raw_fd(), &stretch) }?;
    Ok(())
}

/// Registers `region` of the whole-chip MTD character device `chip` as an MTD device `name`.
///
/// # Errors
/// When the kernel refuses it: the region is taken, or leaves the chip.
pub fn add_partition(chip: &File, region: Region, name: &str) -> io::Result<()> {
    let too_far = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut partition = BlkpgPartition {
        start: region.offset.get().try_into().map_err(too_far)?,
        length: region.size.get().try_into().map_err(too_far)?,
        number: 0,
        name: [0; NAME_LENGTH],
        volume: [0; NAME_LENGTH],
    };
    let last = NAME_LENGTH - 1;
    for (to, from) in partition.name[..last].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    blkpg(chip, BLKPG_ADD_PARTITION, &mut partition)
}

/// Takes back the MTD device `number` that [`add_partition`] made.
///
/// # Errors
/// When it is in use, or none of `chip`'s.
pub fn remove_partition(chip: &File, number: u32) -> io::Result<()> {
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let mut partition = BlkpgPartition {
        start: 0,
        length: 0,
        number: number.try_into().map_err(too_large)?,
        name: [0; NAME_LENGTH],
        volume: [0; NAME_LENGTH],
    };
    blkpg(chip, BLKPG_DEL_PARTITION, &mut partition)
}

fn blkpg(chip: &File, operation: i32, partition: &mut BlkpgPartition) -> io::Result<()> {
    let argument = BlkpgArgument {
        operation,
        flags: 0,
        length: size_of::<BlkpgPartition>() as i32,
        data: partition,
    };
    // SAFETY: the kernel reads both structures, laid out as in `linux/blkpg.h`, during the call,
    // and both outlive it.
    unsafe { ioctl::blkpg(chip.as_raw_fd(), &argument) }?;
    Ok(())
}

/// Makes the kernel forget what it holds of a block device (`BLKFLSBUF`, `block/ioctl.c`), also the
/// blocks that it used last, which `drop_caches` leaves on one processor.
///
/// # Errors
/// What the kernel says; it wants an opened block device.
pub fn flush_buffers(device: &File) -> io::Result<()> {
    // SAFETY: the call takes no argument but the open file.
    unsafe { ioctl::flush_buffers(device.as_raw_fd()) }?;
    Ok(())
}

/// Sets after how many seconds without a sign of life the watchdog restarts the camera; returns
/// what the watchdog made of it.
///
/// # Errors
/// When this watchdog's time cannot be set.
pub fn set_watchdog_timeout(watchdog: &File, seconds: i32) -> io::Result<i32> {
    let mut seconds = seconds;
    // SAFETY: the kernel reads and writes one int, which outlives the call.
    unsafe { ioctl::watchdog_set_timeout(watchdog.as_raw_fd(), &mut seconds) }?;
    Ok(seconds)
}

/// When this thread is served, and what it starts from now on, as `nice` counts: -20 first, 19 last.
///
/// # Errors
/// When this is not allowed.
pub fn set_priority(nice: i32) -> io::Result<()> {
    // SAFETY: the call takes and returns numbers.
    let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) };
    Ok(Errno::result(result).map(drop)?)
}

/// Tells an OSS sound device (`linux/soundcard.h`) that it gets samples of 16 bits, little-endian, mono,
/// and about `rate` of them a second; returns which rate it made of that.
///
/// # Errors
/// When it is no sound device, or does not take such samples.
pub fn set_sound_format(device: &File, rate: u32) -> io::Result<u32> {
    let device = device.as_raw_fd();
    let unfit = || io::Error::from(io::ErrorKind::Unsupported);
    let (mut format, mut channels) = (AFMT_S16_LE, MONO);
    let mut rate = i32::try_from(rate).map_err(|_| unfit())?;
    // SAFETY: each of these calls reads and writes one int, which outlives the call.
    unsafe {
        ioctl::sound_format(device, &mut format)?;
        ioctl::sound_channels(device, &mut channels)?;
        ioctl::sound_rate(device, &mut rate)?;
    }
    match (format, channels) {
        (AFMT_S16_LE, MONO) => u32::try_from(rate).map_err(|_| unfit()),
        _ => Err(unfit()),
    }
}

/// Waits until a sound device has played what it was given.
///
/// # Errors
/// When it is no sound device.
pub fn play_out(device: &File) -> io::Result<()> {
    // SAFETY: the call takes no argument but the open file.
    unsafe { ioctl::sound_sync(device.as_raw_fd()) }?;
    Ok(())
}

/// Reads the 32-bit hardware register at a physical address.
///
/// # Errors
/// When there is no `/dev/mem`, it does not show that address, or no register can be there.
pub fn read_register(address: u32) -> io::Result<u32> {
    if !address.is_multiple_of(size_of::<u32>() as u32) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let memory = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_SYNC.bits())
        .open("/dev/mem")?;
    let in_page = address % PAGE;
    let page = i64::from(address - address % PAGE);
    // SAFETY: a new mapping at an address that the kernel picks touches no memory of ours.
    let mapping = unsafe {
        mmap(
            None,
            PAGE_LENGTH,
            ProtFlags::PROT_READ,
            MapFlags::MAP_SHARED,
            &memory,
            page,
        )
    }?;
    let register = mapping.as_ptr().cast::<u8>().wrapping_add(in_page as usize);
    // SAFETY: `in_page` is a multiple of 4 below the length, so the register lies aligned in the mapping.
    let value = unsafe { ptr::read_volatile(register.cast::<u32>()) };
    // SAFETY: the mapping is ours, and nothing refers to it any more.
    unsafe { munmap(mapping, PAGE_LENGTH.get()) }?;
    Ok(value)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use nix::unistd::{ForkResult, Pid, fork, pause};
    use std::thread;

    /// Starts a process whose main thread ends with this status while another one stays.
    pub fn end_but_for_a_thread(status: i32) -> Pid {
        // SAFETY: the child uses nothing that another thread of the parent may have held at the fork
        // but the allocator, which glibc puts in order.
        match unsafe { fork() }.unwrap() {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                thread::spawn(|| {
                    loop {
                        pause();
                    }
                });
                // SAFETY: it ends this thread, and nothing is borrowed from its stack.
                unsafe { libc::syscall(libc::SYS_exit, status) };
                unreachable!()
            }
        }
    }

    #[test]
    fn structures_have_the_kernels_sizes() {
        assert_eq!(size_of::<MtdInfo>(), 32);
        assert_eq!(size_of::<MtdStretch>(), 8);
        assert_eq!(size_of::<BlkpgPartition>(), 8 + 8 + 4 + 64 + 64 + 4);
    }

    #[test]
    fn a_register_between_registers_is_not_read() {
        let error = read_register(0x1300_002e).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_file_that_is_no_mtd_device_is_refused() {
        let file = tempfile::tempfile().unwrap();
        let stretch = MtdStretch {
            start: 0,
            length: 4096,
        };
        assert!(mtd_info(&file).is_err());
        assert!(erase(&file, stretch).is_err());
        assert!(unlock(&file, stretch).is_err());
        assert!(remove_partition(&file, 0).is_err());
        assert!(set_sound_format(&file, 8000).is_err());
    }
}
