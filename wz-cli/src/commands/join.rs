//! `wz join`: the images of partitions become the dump of a chip.

use std::io;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wz_core::image::sha256sum::{self, Digest};
use wz_core::profile::Catalogue;
use wz_core::units::Size;

use crate::anatomy::pieces::{Naming, WHOLE, naming_of, pieces};
use crate::files;
use crate::images::{self, SUM};
use crate::naming::NamingArgs;
use crate::problem::{CliProblem, Exit, Failure, Told};
use crate::screen::{Report, Sink};

/// Make the dump of a whole chip of the images of its partitions.
///
/// Every image has to be there, of the right size, and with a hash file that is right. The names and
/// sizes of the images tell how flash is divided.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz join stock_t31x_all_parts
  wz join E:\\wz_flash-helper\\backup\\stock\\0001 whole.bin")]
pub struct JoinArgs {
    /// The folder with the images.
    pub dir: PathBuf,
    /// The dump to make; without it, ..._all.bin in that folder.
    pub file: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "see there")]
    pub naming: NamingArgs,
}

/// The dump.
#[derive(Clone, Debug, Serialize)]
pub struct Joined {
    /// The file; its hash file lies beside it.
    pub file: PathBuf,
    /// How long it is.
    pub size_bytes: u64,
    /// Its SHA-256 in hex digits.
    pub sha256: String,
    /// The SoC family.
    pub soc: String,
    /// The firmware.
    pub firmware: String,
    /// How it divides flash.
    pub layout: String,
}

/// # Errors
/// All that is wrong with the images; the dump is there already, or can't be written.
pub fn run(args: &JoinArgs) -> Result<Joined, Failure> {
    let catalogue = Catalogue::builtin();
    let left = args.naming.left_of(&catalogue)?;
    let listed = images::list(&args.dir)?;
    let naming = naming_of(&left, &listed).ok_or_else(|| CliProblem::NoImageHere {
        folder: args.dir.display().to_string(),
    })?;
    let whole = naming.image(WHOLE);
    let file = args.file.clone().unwrap_or_else(|| args.dir.join(whole));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let sum_file = file.with_file_name(format!("{name}{SUM}"));
    let taken = [&file, &sum_file].into_iter().filter(|path| path.exists());
    let taken: Vec<CliProblem> = taken
        .map(|path| CliProblem::AlreadyThere {
            path: path.display().to_string(),
        })
        .collect();
    if !taken.is_empty() {
        return Err(taken.into());
    }
    let bytes = joined(args, naming)?;
    let digest = Digest::of(&bytes);
    files::write_whole(&file, &bytes)?;
    files::write_whole(&sum_file, sha256sum::format(&digest, &name).as_bytes())?;
    Ok(Joined {
        size_bytes: bytes.len() as u64,
        sha256: digest.to_string(),
        soc: naming.soc.name.clone(),
        firmware: naming.firmware.name.clone(),
        layout: naming.layout.name.clone(),
        file,
    })
}

/// All pieces one behind the other.
fn joined(args: &JoinArgs, naming: Naming<'_>) -> Result<Vec<u8>, Failure> {
    let (mut bytes, mut problems) = (Vec::new(), Vec::<Told>::new());
    for piece in pieces(naming.layout) {
        let looked = images::look(&args.dir, &naming.image(&piece.name), piece.region.size);
        bytes.extend(looked.content.unwrap_or_default());
        problems.extend(looked.problems);
    }
    match problems.is_empty() {
        true => Ok(bytes),
        false => Err(Failure {
            failures: problems,
            exit: Exit::Refused,
        }),
    }
}

impl Report for Joined {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let Self {
            soc,
            firmware,
            layout,
            sha256,
            ..
        } = self;
        let (file, size) = (self.file.display(), Size::bytes(self.size_bytes));
        writeln!(to, "{file}: {size}, {soc} {firmware}, layout {layout}")?;
        writeln!(to, "SHA-256    {sha256}")
    }
}
