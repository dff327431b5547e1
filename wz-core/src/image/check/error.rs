use thiserror::Error;

use crate::image::squashfs::SquashfsError;
use crate::image::uimage::UimageError;
use crate::units::{Offset, Size};

/// Why an image is not what its stretch of flash must hold. Offsets count from the start of the image.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ContentError {
    /// Less or more than was announced.
    #[error(
        "{} bytes were announced, {} came; copy the file again", announced.get(), found.get()
    )]
    Length {
        /// The length that the image was to have.
        announced: Size,
        /// How much there is.
        found: Size,
    },
    /// No bytes, or nothing but erased flash.
    #[error("it is blank: none of its {} bytes differs from 0xff", size.get())]
    Blank {
        /// How much there is.
        size: Size,
    },
    /// Does not start as the boot ROM wants it.
    #[error(
        "it is not a boot loader for this camera: it starts with {found:02x?} instead of [06, 05, 04, 03]"
    )]
    NoSpl {
        /// What it starts with.
        found: Vec<u8>,
    },
    /// A boot loader of another maker's chips.
    #[error(
        "it is for a camera with a SigmaStar chip: \"IPL_\" stands at offset 0x4; this camera has an Ingenic chip"
    )]
    SigmaStar,
    /// An SPL header with nearly nothing behind it.
    #[error(
        "its SPL is empty: {} of the first 26K are neither 0x00 nor 0xff; such a camera never starts", filled.get()
    )]
    EmptySpl {
        /// How many bytes there differ from both.
        filled: Size,
    },
    /// An SPL that has nothing to start.
    #[error(
        "there is no U-Boot behind its SPL: {} bytes behind offset 0x8000 are neither 0x00 nor 0xff", filled.get()
    )]
    NoUboot {
        /// How many bytes there differ from both.
        filled: Size,
    },
    /// Not the kernel that it has to be.
    #[error(transparent)]
    Uimage(UimageError),
    /// Not the squashfs that it has to be.
    #[error(transparent)]
    Squashfs(SquashfsError),
    /// Not a JFFS2.
    #[error("it is not a JFFS2: it starts with {found:02x?} instead of [85, 19]")]
    NoJffs2 {
        /// What it starts with.
        found: Vec<u8>,
    },
    /// A bundle without a kernel.
    #[error("there is no kernel in it: no multiple of 32K starts with 27 05 19 56")]
    NoKernel,
    /// A bundle whose kernel is damaged or for something else.
    #[error("the kernel at offset {at}: {error}")]
    Kernel {
        /// Where its header is. Offsets in `error` count from there.
        at: Offset,
        /// What is wrong with it.
        error: UimageError,
    },
    /// A bundle without a root file system.
    #[error(
        "there is no root file system in it: no multiple of 32K from {behind}, the end of the kernel, on starts with \"hsqs\""
    )]
    NoRootfs {
        /// The end of the kernel.
        behind: Offset,
    },
    /// A bundle whose root file system is cut off or of a version that cameras do not read.
    #[error("the root file system at offset {at}: {error}")]
    Rootfs {
        /// Where it starts. Offsets in `error` count from there.
        at: Offset,
        /// What is wrong with it.
        error: SquashfsError,
    },
}
