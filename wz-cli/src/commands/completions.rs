//! `wz completions`: what a shell needs to complete the arguments of `wz`.

use std::io;

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde::Serialize;

use super::Wz;
use crate::problem::Failure;
use crate::screen::{Report, Sink};

/// Print a script with which a shell completes the arguments of wz.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz completions bash > ~/.local/share/bash-completion/completions/wz
  wz completions powershell >> $PROFILE")]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: Shell,
}

/// The script.
#[derive(Clone, Debug, Serialize)]
pub struct Completions {
    /// Its text.
    pub script: String,
}

impl Report for Completions {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        write!(to, "{}", self.script)
    }
}

/// Makes the script.
///
/// # Errors
/// None.
pub fn run(args: &CompletionsArgs) -> Result<Completions, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Wz::command(), "wz", &mut script);
    Ok(Completions {
        script: String::from_utf8_lossy(&script).into_owned(),
    })
}
