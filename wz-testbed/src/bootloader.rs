//! The boot partition of a synthetic firmware: what programs look for in a real one, and a record
//! that tells the test bed how this U-Boot behaves.
//!
//! ```text
//! 0x0000  06 05 04 03 02 55 aa 55 aa    SPL header, as the boot ROM wants it
//! 0x0100  the record, text up to a NUL
//! 0x1000  strings, each ended by a NUL
//! 0x2000  filler, to three quarters of the partition
//!         ff ff ff ...
//! ```
//!
//! The record carries a CRC over the whole partition. So a boot partition of which a part was not
//! written is told from a good one, which no real boot ROM does: there, the camera is just dead.

use wz_core::units::{Offset, Size};

use crate::filler;

/// What the boot ROM of these SoCs looks for in NOR flash.
const SPL: [u8; 9] = [0x06, 0x05, 0x04, 0x03, 0x02, 0x55, 0xaa, 0x55, 0xaa];
const RECORD_AT: usize = 0x100;
const STRINGS_AT: usize = 0x1000;
const FILLER_AT: usize = 0x2000;
const TITLE: &str = "wz-testbed boot loader";
const NO_CRC: &str = "crc=00000000";

/// How a U-Boot behaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bootloader {
    /// The firmware that it belongs to.
    pub(crate) firmware: String,
    /// The size of its partition.
    pub(crate) size: Size,
    /// The names under which it looks for a kernel on the SD card, in its order.
    pub(crate) sd_kernels: Vec<String>,
    /// The largest SD kernel that it loads, header included.
    pub(crate) sd_kernel_limit: Size,
    /// Where the firmware's kernel lies in flash.
    pub(crate) kernel: Offset,
    /// Where the firmware's root file system lies.
    pub(crate) rootfs: Rootfs,
}

/// How a U-Boot finds the root file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rootfs {
    /// At a fixed place.
    At(Offset),
    /// At the first squashfs behind the kernel (thingino's `sq probe`).
    BehindKernel,
}

/// Why the camera gets no further than its boot ROM or SPL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// No SPL header: the boot ROM falls back to USB boot, so the camera can be recovered without
    /// opening the case.
    UsbBoot,
    /// An SPL header, but not a whole boot loader behind it: bricked.
    BadBootloader,
}

impl Bootloader {
    /// The boot partition, which also holds `strings`. The seed tells two builds apart.
    pub(crate) fn to_bytes(&self, strings: &[String], seed: u64) -> Vec<u8> {
        let mut bytes = vec![0; FILLER_AT];
        bytes[..SPL.len()].copy_from_slice(&SPL);
        put(&mut bytes, RECORD_AT, self.record().as_bytes());
        let strings = strings.iter().chain(&self.sd_kernels);
        let text: String = strings.flat_map(|s| [s.as_str(), "\0"]).collect();
        put(&mut bytes, STRINGS_AT, text.as_bytes());
        let filled = self.size.as_usize() / 4 * 3;
        bytes.extend(filler::bytes(seed, filled - FILLER_AT));
        bytes.resize(self.size.as_usize(), 0xff);
        let crc = format!("crc={:08x}", crc32fast::hash(&bytes));
        let at = RECORD_AT + self.record().find(NO_CRC).unwrap_or_default();
        put(&mut bytes, at, crc.as_bytes());
        bytes
    }

    /// What the boot ROM finds in flash.
    pub(crate) fn in_flash(flash: &[u8]) -> Result<Self, Dead> {
        if !flash.starts_with(&SPL[..4]) {
            return Err(Dead::UsbBoot);
        }
        Self::read(flash).ok_or(Dead::BadBootloader)
    }

    fn read(flash: &[u8]) -> Option<Self> {
        let record = flash
            .get(RECORD_AT..STRINGS_AT)?
            .split(|b| *b == 0)
            .next()?;
        let record = str::from_utf8(record).ok()?;
        if record.lines().next()? != TITLE {
            return None;
        }
        let all = |key: &str| {
            let key = format!("{key}=");
            record
                .lines()
                .filter_map(move |l| l.strip_prefix(&key).map(str::to_owned))
        };
        let one = |key: &str| all(key).next();
        let number = |key: &str| one(key)?.parse::<u64>().ok();
        let this = Self {
            firmware: one("firmware")?,
            size: Size::bytes(number("size")?),
            sd_kernels: all("sd_kernel").collect(),
            sd_kernel_limit: Size::bytes(number("sd_kernel_limit")?),
            kernel: Offset::bytes(number("kernel")?),
            rootfs: match one("rootfs")?.as_str() {
                "behind-kernel" => Rootfs::BehindKernel,
                at => Rootfs::At(Offset::bytes(at.parse().ok()?)),
            },
        };
        let crc = u32::from_str_radix(&one("crc")?, 16).ok()?;
        let mut bytes = flash.get(..this.size.as_usize())?.to_vec();
        put(
            &mut bytes,
            RECORD_AT + record.find("crc=")?,
            NO_CRC.as_bytes(),
        );
        (crc32fast::hash(&bytes) == crc).then_some(this)
    }

    fn record(&self) -> String {
        let sd_kernels: String = self
            .sd_kernels
            .iter()
            .map(|name| format!("sd_kernel={name}\n"))
            .collect();
        let rootfs = match self.rootfs {
            Rootfs::At(offset) => offset.get().to_string(),
            Rootfs::BehindKernel => "behind-kernel".to_owned(),
        };
        format!(
            "{TITLE}\nfirmware={}\nsize={}\n{sd_kernels}sd_kernel_limit={}\nkernel={}\n\
             rootfs={rootfs}\n{NO_CRC}\n",
            self.firmware,
            self.size.get(),
            self.sd_kernel_limit.get(),
            self.kernel.get(),
        )
    }
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    bytes[at..at + what.len()].copy_from_slice(what);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn bootloader() -> Bootloader {
        Bootloader {
            firmware: "stock".to_owned(),
            size: Size::kib(256),
            sd_kernels: vec!["factory_a".to_owned(), "factory_b".to_owned()],
            sd_kernel_limit: Size::mib(10),
            kernel: Offset::bytes(0x4_0000),
            rootfs: Rootfs::BehindKernel,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let bytes = bootloader().to_bytes(&["U-Boot SPL".to_owned()], 1);

        assert_eq!(bytes.len(), 256 * 1024);
        assert_eq!(Bootloader::in_flash(&bytes), Ok(bootloader()));
        assert!(bytes.windows(11).any(|w| w == b"U-Boot SPL\0"));
    }

    #[rstest]
    #[case::first_byte(0, Dead::UsbBoot)]
    #[case::record(0x108, Dead::BadBootloader)]
    #[case::strings(0x1000, Dead::BadBootloader)]
    #[case::filler(0x2_0000, Dead::BadBootloader)]
    #[case::last_byte(0x3_ffff, Dead::BadBootloader)]
    fn a_wrong_bit_is_noticed(#[case] at: usize, #[case] dead: Dead) {
        let mut bytes = bootloader().to_bytes(&[], 1);
        bytes[at] ^= 1;

        assert_eq!(Bootloader::in_flash(&bytes), Err(dead));
    }

    #[test]
    fn foreign_bytes_behind_an_spl_header_are_a_brick() {
        let mut bytes = filler::bytes(1, 0x4_0000);
        bytes[..4].copy_from_slice(&SPL[..4]);

        assert_eq!(Bootloader::in_flash(&bytes), Err(Dead::BadBootloader));
    }
}
