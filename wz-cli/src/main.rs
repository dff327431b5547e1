//! `wz`: the tool for the computer of the camera's owner.

use std::error::Error;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wz_cli::image::{self, ImageArgs, ImageError};
use wz_cli::voices::{self, VoicesArgs};

/// Cards for wz_flash-helper, the firmware tool for Ingenic cameras.
#[derive(Debug, Parser)]
#[command(name = "wz", version)]
struct Wz {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Image(ImageArgs),
    Voices(VoicesArgs),
}

fn main() -> ExitCode {
    let done: Result<(), Box<dyn Error>> = match Wz::parse().command {
        Command::Image(args) => make_image(&args).map_err(Into::into),
        Command::Voices(args) => voices::make(&args).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn make_image(args: &ImageArgs) -> Result<(), ImageError> {
    let made = image::make(args)?;
    println!("folder  {}", made.folder.display());
    println!("zip     {}", made.zip.display());
    println!("image   {}", made.image.display());
    println!(
        "kernel  {} bytes, \"{}\"",
        made.sd_kernel.image.len(),
        made.sd_kernel.command_line
    );
    println!("{}", made.purpose);
    Ok(())
}
