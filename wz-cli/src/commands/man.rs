//! `wz man`: man pages.

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use serde::Serialize;

use super::Wz;
use crate::files::Doing;
use crate::problem::CliProblem;
use crate::screen::{Report, Sink};

/// Write man pages, one for each command.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  wz man ~/.local/share/man/man1")]
pub struct ManArgs {
    /// The folder to write them to.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct Pages {
    /// The folder with the pages: `wz.1`, `wz-hash.1`, ...
    pub folder: PathBuf,
}

impl Report for Pages {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        writeln!(to, "man pages in {}", self.folder.display())
    }
}

/// Writes the pages.
///
/// # Errors
/// The folder can't be made, or a page not be written.
pub fn run(args: &ManArgs) -> Result<Pages, CliProblem> {
    let folder = &args.folder;
    fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Wz::command(), folder))
        .map_err(|error| CliProblem::io(Doing::Made, folder, &error))?;
    Ok(Pages {
        folder: folder.clone(),
    })
}
