//! `wz`: the tool for the computer of the camera's owner.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wz_cli::image::{self, ImageArgs, ImageError};

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
}

fn main() -> ExitCode {
    let Command::Image(args) = Wz::parse().command;
    match make_image(&args) {
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
