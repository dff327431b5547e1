//! `wz image`: a kernel, our program and a busybox become a card.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use thiserror::Error;
use wz_core::units::Size;

use crate::card::{self, Soc};
use crate::cardimage::{self, CardImage, CardImageError, DEFAULT_SIZE};
use crate::donor::{self, DonorError, Machine, SdKernel};
use crate::initramfs::{self, ProgramError};
use crate::package::{self, PackageError};

/// Make a card: as a folder, as a zip file and as an image to write to a card.
#[derive(Args, Clone, Debug)]
pub struct ImageArgs {
    /// The chip of the camera that the card is for.
    #[arg(long, value_enum)]
    pub soc: Soc,
    /// A kernel that boots on that camera from a card (a uImage); ours is put into it.
    #[arg(long, value_name = "FILE")]
    pub kernel: PathBuf,
    /// The program that runs on the camera, built for it.
    #[arg(long, value_name = "FILE")]
    pub init: PathBuf,
    /// A busybox for the camera, linked statically.
    #[arg(long, value_name = "FILE")]
    pub busybox: PathBuf,
    /// The folder to write the card to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The size of the image: a power of two, 128M at least.
    #[arg(long, value_name = "SIZE", default_value_t = DEFAULT_SIZE)]
    pub card_size: Size,
}

/// What was made, and where.
#[derive(Clone, Debug)]
pub struct Made {
    /// The folder whose content goes on a card.
    pub folder: PathBuf,
    /// The same as a zip file.
    pub zip: PathBuf,
    /// The image of a whole card.
    pub image: PathBuf,
    /// The SD kernel on it.
    pub sd_kernel: SdKernel,
}

/// Why no card was made.
#[derive(Debug, Error)]
pub enum ImageError {
    /// A file or folder can't be used.
    #[error("\"{}\" can't be {doing}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `read`, `written`, ...
        doing: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The kernel won't do.
    #[error("--kernel \"{}\": {source}", path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DonorError,
    },
    /// A program can't run on a camera.
    #[error("{option} \"{}\": {source}", path.display())]
    Program {
        /// `--init` or `--busybox`.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: ProgramError,
    },
    /// The folder or the zip file can't be made.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The image can't be made.
    #[error(transparent)]
    CardImage(#[from] CardImageError),
}

/// Makes the card. Nothing is written before all that goes on it was read and checked.
///
/// # Errors
/// See [`ImageError`].
pub fn make(args: &ImageArgs) -> Result<Made, ImageError> {
    cardimage::check_size(args.card_size)?;
    let init = read_program("--init", &args.init)?;
    let busybox = read_program("--busybox", &args.busybox)?;
    let archive = initramfs::archive(&init, &busybox).finish();
    let sd_kernel = donor::attach(&read(&args.kernel)?, &archive, args.soc.boot_limits()).map_err(
        |source| ImageError::Kernel {
            path: args.kernel.clone(),
            source,
        },
    )?;
    let content = card::content(args.soc, sd_kernel.image.clone());
    let zipped = package::zip(&content)?;

    let name = format!("wz_flash-helper_{}", args.soc.name());
    let folder = args.out.join("card");
    let zip = args.out.join(format!("{name}.zip"));
    let image = args.out.join(format!("{name}.img"));
    package::write_folder(&folder, &content)?;
    fs::write(&zip, zipped).map_err(failed("written", &zip))?;
    CardImage::create(&image, args.card_size, &content)?;
    Ok(Made {
        folder,
        zip,
        image,
        sd_kernel,
    })
}

/// One line: what the card is good for.
pub fn purpose(soc: Soc, machine: Machine) -> String {
    match machine {
        Machine::Emulator => {
            "This card is for the emulated camera only: its kernel is the emulator's, no camera boots it."
                .to_owned()
        }
        Machine::Camera => format!(
            "This card is for cameras with a {} whose U-Boot boots \"{}\" from a card, if the kernel you gave does.",
            soc.name().to_uppercase(),
            soc.sd_kernel()
        ),
    }
}

fn read_program(option: &'static str, path: &Path) -> Result<Vec<u8>, ImageError> {
    let program = read(path)?;
    initramfs::check_program(&program).map_err(|source| ImageError::Program {
        option,
        path: path.to_owned(),
        source,
    })?;
    Ok(program)
}

fn read(path: &Path) -> Result<Vec<u8>, ImageError> {
    fs::read(path).map_err(failed("read", path))
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ImageError {
    let path = path.to_owned();
    move |source| ImageError::Io {
        path,
        doing,
        source,
    }
}
