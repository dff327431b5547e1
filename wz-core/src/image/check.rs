//! Whether bytes that pass by are what a stretch of flash must hold. Nothing is kept of them but their
//! first bytes and a CRC, so an image of any size can be judged while it is copied or hashed.

mod bundle;
mod error;
mod head;
mod kernel;
mod spl;

use serde::{Deserialize, Serialize};

use bundle::Bundle;
use head::Head;
use kernel::Kernel;
use spl::Spl;

use super::squashfs;
use crate::units::Size;

pub use error::ContentError;

/// How every JFFS2 node starts on a little-endian camera: 0x1985 (kernel, `include/uapi/linux/jffs2.h`).
const JFFS2_MAGIC: [u8; 2] = [0x85, 0x19];

/// What has to be in a stretch of flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// A boot loader: an SPL that the boot ROM starts, and the U-Boot that the SPL starts.
    Spl,
    /// A kernel for MIPS in a legacy uImage whose CRCs are right. What follows it is not judged.
    Uimage,
    /// A whole squashfs. What follows it is not judged.
    Squashfs,
    /// A JFFS2, or nothing: a firmware makes one in a blank partition.
    Jffs2,
    /// A kernel and, behind it, a squashfs, both at multiples of 32K. What stands before, between and
    /// behind them is not judged.
    Bundle,
    /// Whatever it is, also nothing.
    Anything,
}

/// Judges one image, or one slice of an image.
#[derive(Debug)]
pub struct Checker {
    length: Size,
    taken: Size,
    blank: bool,
    judge: Judge,
}

#[derive(Debug)]
enum Judge {
    Spl(Spl),
    Uimage(Kernel),
    Squashfs(Head<{ squashfs::SUPERBLOCK }>),
    Jffs2(Head<2>),
    Bundle(Bundle),
    Anything,
}

impl Checker {
    /// For an image of `length` bytes.
    pub fn new(content: Content, length: Size) -> Self {
        let judge = match content {
            Content::Spl => Judge::Spl(Spl::default()),
            Content::Uimage => Judge::Uimage(Kernel::new(length)),
            Content::Squashfs => Judge::Squashfs(Head::default()),
            Content::Jffs2 => Judge::Jffs2(Head::default()),
            Content::Bundle => Judge::Bundle(Bundle::new(length)),
            Content::Anything => Judge::Anything,
        };
        Self {
            length,
            taken: Size::ZERO,
            blank: true,
            judge,
        }
    }

    /// The next bytes of the image.
    pub fn take(&mut self, bytes: &[u8]) {
        let taken = self.taken.get().saturating_add(bytes.len() as u64);
        self.taken = Size::bytes(taken);
        self.blank = self.blank && bytes.iter().all(|byte| *byte == 0xff);
        match &mut self.judge {
            Judge::Spl(spl) => spl.take(bytes),
            Judge::Uimage(kernel) => kernel.take(bytes),
            Judge::Squashfs(head) => _ = head.take(bytes),
            Judge::Jffs2(head) => _ = head.take(bytes),
            Judge::Bundle(bundle) => bundle.take(bytes),
            Judge::Anything => {}
        }
    }

    /// The verdict, once the whole image has been taken.
    ///
    /// # Errors
    /// What is wrong first. Images that are empty, blank or not as long as announced are told as such.
    pub fn finish(self) -> Result<(), ContentError> {
        if matches!(self.judge, Judge::Anything) {
            return Ok(());
        }
        if self.length != self.taken {
            return Err(ContentError::Length {
                announced: self.length,
                found: self.taken,
            });
        }
        if self.blank {
            // What a camera has never written to is a sound backup of it.
            if matches!(self.judge, Judge::Jffs2(_)) && self.length > Size::ZERO {
                return Ok(());
            }
            return Err(ContentError::Blank { size: self.taken });
        }
        match self.judge {
            Judge::Spl(spl) => spl.finish(),
            Judge::Uimage(kernel) => kernel.finish().map(drop).map_err(ContentError::Uimage),
            Judge::Squashfs(head) => squashfs::Superblock::parse(head.bytes())
                .and_then(|superblock| superblock.whole_in(self.length))
                .map(drop)
                .map_err(ContentError::Squashfs),
            Judge::Jffs2(head) => jffs2(head.bytes()),
            Judge::Bundle(bundle) => bundle.finish(),
            Judge::Anything => Ok(()),
        }
    }
}

fn jffs2(head: &[u8]) -> Result<(), ContentError> {
    match head == JFFS2_MAGIC {
        true => Ok(()),
        false => Err(ContentError::NoJffs2 {
            found: head.to_vec(),
        }),
    }
}

#[cfg(test)]
mod tests;
