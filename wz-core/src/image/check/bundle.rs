//! A kernel, a root file system and more in one partition, as thingino's `ota` has them.
//!
//! ```text
//! 0          n * 32K                    m * 32K
//! | config?  | 27 05 19 56 kernel ... ff| hsqs root file system ... | data ...
//! ```
//! The first place that looks like a kernel is the kernel, and the first behind it that looks like a
//! squashfs is the root file system. U-Boots of 2024 and 2025 look for them like that (u-boot-ingenic,
//! `common/cmd_sq.c`), so a better one further on would not be booted.

use super::error::ContentError;
use super::head::Head;
use super::kernel::Kernel;
use crate::image::squashfs::{self, Superblock};
use crate::image::uimage;
use crate::units::{Offset, Size};

/// Where things may start. Newer builds align to 64K.
const STEP: Size = Size::kib(32);

#[derive(Debug)]
pub(super) struct Bundle {
    length: Size,
    position: Offset,
    /// What stands at the multiple of `STEP` that was passed last, until it is known.
    magic: Option<Head<4>>,
    found: Found,
}

/// What was found so far.
#[derive(Debug)]
enum Found {
    Nothing,
    Kernel {
        at: Offset,
        kernel: Kernel,
    },
    WholeKernel {
        end: Offset,
    },
    Rootfs {
        at: Offset,
        head: Head<{ squashfs::SUPERBLOCK }>,
    },
}

impl Bundle {
    pub(super) fn new(length: Size) -> Self {
        Self {
            length,
            position: Offset::ZERO,
            magic: None,
            found: Found::Nothing,
        }
    }

    pub(super) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.position.is_aligned_to(STEP) {
                self.magic = Some(Head::default());
            }
            let to_next = STEP.get() - self.position.get() % STEP.get();
            let (now, later) = bytes.split_at(Size::bytes(to_next).as_usize().min(bytes.len()));
            self.take_within_step(now);
            self.position = self.position + Size::bytes(now.len() as u64);
            bytes = later;
        }
    }

    fn take_within_step(&mut self, bytes: &[u8]) {
        match &mut self.found {
            Found::Nothing | Found::WholeKernel { .. } => self.look(bytes),
            Found::Kernel { at, kernel } => {
                kernel.take(bytes);
                if let Some(size) = kernel.whole() {
                    self.found = Found::WholeKernel { end: *at + size };
                    self.magic = None;
                }
            }
            Found::Rootfs { head, .. } => _ = head.take(bytes),
        }
    }

    /// Whether what is wanted next starts here.
    fn look(&mut self, bytes: &[u8]) {
        let Some(magic) = &mut self.magic else {
            return;
        };
        let behind = magic.take(bytes);
        let Some(magic) = magic.whole().copied() else {
            return;
        };
        self.magic = None;
        let at = self.step();
        match self.found {
            Found::Nothing if magic == uimage::MAGIC.to_be_bytes() => {
                let kernel = Kernel::new(from(at, self.length));
                self.found = Found::Kernel { at, kernel };
            }
            Found::WholeKernel { .. } if magic == *squashfs::MAGIC => {
                let head = Head::default();
                self.found = Found::Rootfs { at, head };
            }
            _ => return,
        }
        self.take_within_step(&magic);
        self.take_within_step(behind);
    }

    /// The multiple of `STEP` that was passed last.
    fn step(&self) -> Offset {
        Offset::bytes(self.position.get() / STEP.get() * STEP.get())
    }

    pub(super) fn finish(self) -> Result<(), ContentError> {
        match self.found {
            Found::Nothing => Err(ContentError::NoKernel),
            Found::Kernel { at, kernel } => match kernel.finish() {
                Ok(size) => Err(ContentError::NoRootfs { behind: at + size }),
                Err(error) => Err(ContentError::Kernel { at, error }),
            },
            Found::WholeKernel { end } => Err(ContentError::NoRootfs { behind: end }),
            Found::Rootfs { at, head } => Superblock::parse(head.bytes())
                .and_then(|superblock| superblock.whole_in(from(at, self.length)))
                .map(drop)
                .map_err(|error| ContentError::Rootfs { at, error }),
        }
    }
}

/// How much of `length` lies behind `at`.
fn from(at: Offset, length: Size) -> Size {
    Offset::ZERO + length - at
}
