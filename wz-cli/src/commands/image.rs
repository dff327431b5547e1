//! `wz image`: a kernel, our program and a busybox become a card.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use wz_core::profile::{Catalogue, Soc};
use wz_core::units::Size;

use super::soc_named;
use crate::card;
use crate::cardimage::{self, CardImage, DEFAULT_SIZE};
use crate::donor::{self, Machine};
use crate::files;
use crate::initramfs;
use crate::package;
use crate::problem::CliProblem;
use crate::screen::{Report, Sink};
use crate::voices;

/// No kernel, program or module for a camera is longer.
const LONGEST_INPUT: Size = Size::mib(64);

/// Make a card from its parts: as a folder, as a zip file and as an image to write to a card.
///
/// This is for those who build the program; `wz card new` prepares a card with what they made.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  wz image --soc t31 --kernel factory_t31_ZMC6tiIDQN --init wz-initramfs --busybox busybox --out dist")]
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
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// The folder whose content goes on a card.
    pub folder: PathBuf,
    /// The same as a zip file.
    pub zip: PathBuf,
    /// The image of a whole card.
    pub image: PathBuf,
    /// The program for the camera with all that it needs, as `wz card new` puts it into a kernel.
    pub initramfs: PathBuf,
    /// The length of the SD kernel on it.
    pub kernel_bytes: u64,
    /// The command line that is built into the SD kernel.
    pub command_line: String,
    /// One line: what the card is good for.
    pub purpose: String,
}

impl Report for Made {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        writeln!(to, "folder  {}", self.folder.display())?;
        writeln!(to, "zip     {}", self.zip.display())?;
        writeln!(to, "image   {}", self.image.display())?;
        writeln!(to, "program {}", self.initramfs.display())?;
        writeln!(
            to,
            "kernel  {} bytes, \"{}\"",
            self.kernel_bytes, self.command_line
        )?;
        writeln!(to, "{}", self.purpose)
    }
}

/// Makes the card. Nothing is written before all that goes on it was read and checked.
///
/// # Errors
/// An input can't be read or won't do; the card can't be written.
pub fn run(args: &ImageArgs) -> Result<Made, CliProblem> {
    cardimage::check_size(args.card_size)?;
    let catalogue = Catalogue::builtin();
    let soc = soc_named(&catalogue, &args.soc)?;
    let kernel_name =
        card::sd_kernel_name(&catalogue, soc).ok_or_else(|| CliProblem::SocWithoutSdKernel {
            soc: soc.name.clone(),
        })?;
    let init = program("--init", &args.init)?;
    let busybox = program("--busybox", &args.busybox)?;
    let mut archive = initramfs::archive(&init, &busybox);
    if let Some(folder) = &args.voices {
        archive.voices(&voices::read(folder)?);
    }
    for path in &args.modules {
        let no_file = || CliProblem::ModuleUnnamed {
            path: path.display().to_string(),
        };
        let name = path.file_name().ok_or_else(no_file)?.to_string_lossy();
        archive.module(&name, &files::read(path, LONGEST_INPUT)?);
    }
    let archive = archive.finish();
    let sd_kernel = donor::attach(
        &files::read(&args.kernel, LONGEST_INPUT)?,
        &archive,
        card::boot_limits(soc),
    )
    .map_err(|error| CliProblem::KernelUnfit {
        path: args.kernel.display().to_string(),
        reason: error.to_string(),
    })?;
    let content = card::content(&catalogue, soc, kernel_name, sd_kernel.image.clone());
    let zipped = package::zip(&content)?;

    let name = format!("wz_flash-helper_{}", soc.name);
    let folder = args.out.join("card");
    let zip = args.out.join(format!("{name}.zip"));
    let image = args.out.join(format!("{name}.img"));
    let initramfs = args.out.join("wz_flash-helper.cpio");
    package::write_folder(&folder, &content)?;
    files::write_whole(&zip, &zipped)?;
    files::write_whole(&initramfs, &archive)?;
    CardImage::create(&image, args.card_size, &content)?;
    Ok(Made {
        folder,
        zip,
        image,
        initramfs,
        purpose: purpose(soc, kernel_name, sd_kernel.machine),
        kernel_bytes: sd_kernel.image.len() as u64,
        command_line: sd_kernel.command_line,
    })
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

fn program(option: &str, path: &Path) -> Result<Vec<u8>, CliProblem> {
    let program = files::read(path, LONGEST_INPUT)?;
    initramfs::check_program(&program).map_err(|error| CliProblem::ProgramUnfit {
        option: option.to_owned(),
        path: path.display().to_string(),
        reason: error.to_string(),
    })?;
    Ok(program)
}
