//! `wz-testbed`: the emulated camera by hand.

mod bench;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use wz_testbed::{Camera, Card, Firmware, Result};

/// The emulated camera, for trying things out.
#[derive(Debug, Parser)]
#[command(name = "wz-testbed", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(RunArguments),
    /// Measure what operations cost, print a table, and write it as JSON and as a chart; run by
    /// `make bench`. Fails if anything cost more than it had to.
    Bench {
        /// Where the JSON goes: docs/performance.md tells its fields.
        #[arg(long, value_name = "FILE", default_value = "target/bench/bench.json")]
        out: PathBuf,
        /// Where the chart goes, an SVG image.
        #[arg(long, value_name = "FILE", default_value = "docs/performance.svg")]
        chart: PathBuf,
        /// Only the operations whose name has this in it.
        #[arg(long, value_name = "TEXT", default_value = "")]
        only: String,
    },
}

/// Boot a card, with the camera's serial console in this terminal.
///
/// The files named here are only read: the camera works on copies. Ends when the camera restarts or
/// is switched off; Ctrl-A and then X switches it off.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  \
    make image && cargo run -p wz-testbed -- run --conf my-general.conf --out /tmp/after")]
struct RunArguments {
    /// The camera's SoC, a folder of profiles/.
    #[arg(long, default_value = "t31")]
    soc: String,
    /// The firmware in its flash: a profile of that SoC.
    #[arg(long, default_value = "stock")]
    firmware: String,
    /// The card's image; the one of `make image` if not given.
    #[arg(long, value_name = "IMG")]
    card: Option<PathBuf>,
    /// The flash chip's content instead of a synthetic firmware.
    #[arg(long, value_name = "FILE")]
    flash: Option<PathBuf>,
    /// Put this file on the card as wz_flash-helper/general.conf.
    #[arg(long, value_name = "FILE")]
    conf: Option<PathBuf>,
    /// Copy the card's files and the flash chip's content (flash.bin) there afterwards.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => run(&arguments),
        Command::Bench { out, chart, only } => bench::run(&only, &out, &chart),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &RunArguments) -> Result<()> {
    let camera = camera(arguments)?;
    let booted = camera.run_in_terminal()?;
    eprintln!("booted: {booted:?}; next time: {:?}", camera.boots()?);
    match &arguments.out {
        Some(out) => keep(&camera, out),
        None => Ok(()),
    }
}

fn camera(arguments: &RunArguments) -> Result<Camera> {
    let firmware = Firmware::of(&arguments.soc, &arguments.firmware)?;
    let made = format!("dist/{0}/wz_flash-helper_{0}.img", arguments.soc);
    let image = arguments.card.clone().unwrap_or_else(|| made.into());
    let mut card = Card::of_image(&image);
    if let Some(conf) = &arguments.conf {
        card = card.with("wz_flash-helper/general.conf", read(conf)?);
    }
    let builder = match &arguments.flash {
        Some(flash) => Camera::with_flash(firmware.chip(), read(flash)?),
        None => Camera::of(&firmware),
    };
    builder.card(card).build()
}

fn keep(camera: &Camera, out: &Path) -> Result<()> {
    camera.card()?.extract("", out)?;
    let flash = out.join("flash.bin");
    fs::write(&flash, camera.flash()?).map_err(|error| failed("write", &flash, error))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| failed("read", path, error))
}

fn failed(doing: &str, path: &Path, source: std::io::Error) -> wz_testbed::Error {
    wz_testbed::Error::Io {
        doing: format!("{doing} {}", path.display()),
        source,
    }
}
