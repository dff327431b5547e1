//! `wz inspect`: what is this file?

mod extract;
mod text;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wz_core::profile::Catalogue;

use crate::anatomy::LONGEST;
use crate::anatomy::facts::{Facts, Secrets};
use crate::files;
use crate::problem::Failure;

/// Tell what a dump, or the image of a partition, is and what is in it.
///
/// It is recognised by its content, with the code that runs on the camera: firmware and layout, boot
/// loader, kernels, file systems, the U-Boot environment, and what the root file system says about
/// itself. Values of names that look like Wi-Fi names, passwords or keys are shown as *** unless
/// --show-secrets is given.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz inspect stock_t31x_all.bin
  wz inspect thingino_t31x_firmware.bin --format json
  wz inspect stock_t31x_all.bin --extract parts")]
pub struct InspectArgs {
    /// A dump of the whole chip, the image of a partition, or an SD kernel.
    pub file: PathBuf,
    /// Show Wi-Fi names and passwords, too.
    #[arg(long)]
    pub show_secrets: bool,
    /// Write what is in the file into this new folder: partitions, and kernels unpacked.
    #[arg(long, value_name = "DIR")]
    pub extract: Option<PathBuf>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Inspected {
    /// The file.
    pub file: PathBuf,
    /// All that it tells.
    #[serde(flatten)]
    pub facts: Facts,
    /// What was written; none if it was not asked for.
    pub extracted: Option<Extracted>,
}

/// A folder with what is in the file.
#[derive(Clone, Debug, Serialize)]
pub struct Extracted {
    /// The folder.
    pub folder: PathBuf,
    /// The names of the files in it.
    pub files: Vec<String>,
}

/// # Errors
/// The file can't be read; the folder can't be made, or holds something.
pub fn run(args: &InspectArgs) -> Result<Inspected, Failure> {
    let bytes = files::read(&args.file, LONGEST)?;
    let secrets = match args.show_secrets {
        true => Secrets::Shown,
        false => Secrets::Hidden,
    };
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let facts = Facts::of(&Catalogue::builtin(), &name, &bytes, secrets);
    let extracted = match &args.extract {
        Some(folder) => Some(Extracted {
            folder: folder.clone(),
            files: extract::extract(&facts, &bytes, folder)?,
        }),
        None => None,
    };
    Ok(Inspected {
        file: args.file.clone(),
        facts,
        extracted,
    })
}
