//! `wz image`: a kernel, our program and a busybox become a card.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use thiserror::Error;
use wz_core::profile::{Catalogue, Soc};
use wz_core::units::Size;

use crate::card;
use crate::cardimage::{self, CardImage, CardImageError, DEFAULT_SIZE};
use crate::donor::{self, DonorError, Machine, SdKernel};
use crate::initramfs::{self, ProgramError};
use crate::package::{self, PackageError};
use crate::voices::{self, VoicesError};

/// Make a card: as a folder, as a zip file and as an image to write to a card.
#[derive(Args, Clone, Debug)]
pub struct ImageArgs {
    /// The SoC family of the camera that the card is for: a folder of profiles/.
    #[arg(long)]
    pub soc: String,
    /// A kernel that boots on that camera from a card (a uImage); ours is put into it.
    #[arg(long, value_name = "FILE")]
    pub kernel: PathBuf,
    /// The program that runs on the camera, built for it.
    #[arg(long, value_name = "FILE")]
    pub init: PathBuf,
    /// A busybox for the camera, linked statically.
    #[arg(long, value_name = "FILE")]
    pub busybox: PathBuf,
    /// What the camera says, made by `wz voices`; without it, it says nothing.
    #[arg(long, value_name = "DIR")]
    pub voices: Option<PathBuf>,
    /// A kernel module for the camera; may be given several times.
    #[arg(long = "module", value_name = "FILE.ko")]
    pub modules: Vec<PathBuf>,
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
    /// One line: what the card is good for.
    pub purpose: String,
}

/// Why no card was made.
#[derive(Debug, Error)]
pub enum ImageError {
    /// There is no profile of the SoC.
    #[error("--soc \"{name}\" is in no profile; there are: {known}")]
    UnknownSoc {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// No firmware of the SoC boots a kernel from a card.
    #[error("the profiles of {name} name no SD kernel that its U-Boots boot")]
    NoSdKernel {
        /// The SoC.
        name: String,
    },
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
    /// The recordings can't be used.
    #[error(transparent)]
    Voices(#[from] VoicesError),
    /// A module has no name.
    #[error("--module \"{}\" is no file", path.display())]
    Module {
        /// What was given.
        path: PathBuf,
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
    let catalogue = Catalogue::builtin();
    let soc = find_soc(&catalogue, &args.soc)?;
    let kernel_name = card::sd_kernel_name(&catalogue, soc).ok_or_else(|| no_sd_kernel(soc))?;
    let init = read_program("--init", &args.init)?;
    let busybox = read_program("--busybox", &args.busybox)?;
    let mut archive = initramfs::archive(&init, &busybox);
    if let Some(folder) = &args.voices {
        archive.voices(&voices::read(folder)?);
    }
    for path in &args.modules {
        let no_file = || ImageError::Module { path: path.clone() };
        let name = path.file_name().ok_or_else(no_file)?.to_string_lossy();
        archive.module(&name, &read(path)?);
    }
    let archive = archive.finish();
    let sd_kernel = donor::attach(&read(&args.kernel)?, &archive, card::boot_limits(soc)).map_err(
        |source| ImageError::Kernel {
            path: args.kernel.clone(),
            source,
        },
    )?;
    let content = card::content(&catalogue, soc, kernel_name, sd_kernel.image.clone());
    let zipped = package::zip(&content)?;

    let name = format!("wz_flash-helper_{}", soc.name);
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
        purpose: purpose(soc, kernel_name, sd_kernel.machine),
        sd_kernel,
    })
}

fn find_soc<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Soc, ImageError> {
    let unknown = || ImageError::UnknownSoc {
        name: name.to_owned(),
        known: catalogue
            .socs()
            .map(|soc| soc.name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    };
    catalogue.soc(name).ok_or_else(unknown)
}

fn no_sd_kernel(soc: &Soc) -> ImageError {
    ImageError::NoSdKernel {
        name: soc.name.clone(),
    }
}

fn purpose(soc: &Soc, kernel_name: &str, machine: Machine) -> String {
    match machine {
        Machine::Emulator => {
            "This card is for the emulated camera only: its kernel is the emulator's, no camera boots it."
                .to_owned()
        }
        Machine::Camera => format!(
            "This card is for cameras with a {} whose U-Boot boots \"{}\" from a card, if the kernel you gave does.",
            soc.name.to_uppercase(),
            kernel_name
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
