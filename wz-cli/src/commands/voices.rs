//! `wz voices`: the recordings that a camera plays.

use std::io;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::problem::CliProblem;
use crate::screen::{Report, Sink};
use crate::voices;

/// Make the recordings that a camera plays, with the program espeak-ng.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  wz voices --text voices/en.toml --out dist/voices")]
pub struct VoicesArgs {
    /// What to say: a file such as voices/en.toml.
    #[arg(long, value_name = "FILE")]
    pub text: PathBuf,
    /// The folder to write the recordings to.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// What was made, and where.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// The folder with the recordings.
    pub folder: PathBuf,
    /// How many there are.
    pub recordings: usize,
}

impl Report for Recorded {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let Self { folder, recordings } = self;
        writeln!(to, "{recordings} recordings in {}", folder.display())
    }
}

/// Makes a recording of every prompt.
///
/// # Errors
/// The texts can't be used, espeak-ng does not speak, or a file can't be written.
pub fn run(args: &VoicesArgs) -> Result<Recorded, CliProblem> {
    let recordings = voices::make(&args.text, &args.out)?;
    Ok(Recorded {
        folder: args.out.clone(),
        recordings,
    })
}
