//! The commands of `wz`, a file each: its arguments, a function from them to a [`Report`], and how
//! that report reads.
//!
//! A new one is a module, a line in [`Command`] and a line in `Command::run`.
//!
//! [`Report`]: crate::screen::Report

pub mod card;
pub mod completions;
pub mod diff;
pub mod env;
pub mod hash;
pub mod image;
pub mod inspect;
pub mod join;
pub mod man;
pub mod plan;
pub mod profile;
pub mod report;
pub mod split;
pub mod verify;
pub mod voices;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use wz_core::profile::{Catalogue, Soc};

use crate::problem::{CliProblem, Exit, Failure};
use crate::screen::{Format, Report, Screen};

/// For owners of Ingenic cameras: prepares cards for `wz_flash-helper`, and looks into what comes back.
#[derive(Debug, Parser)]
#[command(
    name = "wz",
    version = wz_core::VERSION,
    after_help = "Exit codes:
  0  done, and all is in order
  1  something is not in order, or was refused
  2  the arguments make no sense
  3  a file can't be read or written

Every error has a code, such as WZ-1002, that docs/wz-codes.md or docs/codes.md explains."
)]
pub struct Wz {
    /// How results are shown: text, or json for programs.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(subcommand)]
    Card(card::CardCommand),
    Completions(completions::CompletionsArgs),
    Diff(diff::DiffArgs),
    #[command(subcommand)]
    Env(env::EnvCommand),
    Hash(hash::HashArgs),
    Image(image::ImageArgs),
    Inspect(inspect::InspectArgs),
    Join(join::JoinArgs),
    Man(man::ManArgs),
    Plan(plan::PlanArgs),
    #[command(subcommand)]
    Profile(profile::ProfileCommand),
    Report(report::ReportArgs),
    Split(split::SplitArgs),
    Verify(verify::VerifyArgs),
    Voices(voices::VoicesArgs),
}

impl Command {
    fn run(&self, screen: Screen) -> Exit {
        match self {
            Self::Card(command) => card::run(command, screen),
            Self::Completions(args) => screen.show(completions::run(args)),
            Self::Diff(args) => screen.show(diff::run(args)),
            Self::Env(command) => env::run(command, screen),
            Self::Hash(args) => screen.show(hash::run(args, screen)),
            Self::Image(args) => screen.show(image::run(args)),
            Self::Inspect(args) => screen.show(inspect::run(args)),
            Self::Join(args) => screen.show(join::run(args)),
            Self::Man(args) => screen.show(man::run(args)),
            Self::Plan(args) => screen.show(plan::run(args)),
            Self::Profile(command) => profile::run(command, screen),
            Self::Report(args) => screen.show(report::run(args)),
            Self::Split(args) => screen.show(split::run(args)),
            Self::Verify(args) => screen.show(verify::run(args)),
            Self::Voices(args) => screen.show(voices::run(args)),
        }
    }
}

/// The program: arguments in, exit code out.
pub fn main() -> ExitCode {
    let exit = match Wz::try_parse() {
        Ok(wz) => wz.command.run(Screen::new(wz.format)),
        Err(error) if is_mistake(&error) && asks_for_json() => refuse_arguments(&error),
        Err(error) => error.exit(),
    };
    ExitCode::from(exit as u8)
}

fn is_mistake(error: &clap::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    )
}

/// Arguments that can't be read are told in JSON all the same, if they ask for that.
fn asks_for_json() -> bool {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let pair = |pair: &[std::ffi::OsString]| pair[0] == "--format" && pair[1] == "json";
    arguments.windows(2).any(pair) || arguments.iter().any(|one| one == "--format=json")
}

fn refuse_arguments(error: &clap::Error) -> Exit {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let why = text.split("\n\n").next().unwrap_or(text);
    let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
    let failure = Failure::from(CliProblem::Usage { why });
    Screen::new(Format::Json).show::<Nothing>(Err(failure))
}

/// The report of a command that does not report.
#[derive(serde::Serialize)]
enum Nothing {}

impl Report for Nothing {
    fn render(&self, _: &mut crate::screen::Sink<'_>) -> std::io::Result<()> {
        match *self {}
    }
}

/// The SoC family of this name.
fn soc_named<'a>(catalogue: &'a Catalogue, name: &str) -> Result<&'a Soc, CliProblem> {
    let unknown = || CliProblem::SocUnknown {
        name: name.to_owned(),
        known: catalogue
            .socs()
            .map(|soc| soc.name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    };
    catalogue.soc(name).ok_or_else(unknown)
}
