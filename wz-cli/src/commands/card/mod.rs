//! `wz card`: cards for the camera.

pub mod check;
pub mod new;

use clap::Subcommand;

use crate::problem::Exit;
use crate::screen::Screen;

/// Make a card for the camera, or check one before it goes in.
#[derive(Clone, Debug, Subcommand)]
#[expect(missing_docs, reason = "the help of each is that of its arguments")]
pub enum CardCommand {
    Check(check::CheckArgs),
    New(new::NewArgs),
}

/// Does what the command says.
pub fn run(command: &CardCommand, screen: Screen) -> Exit {
    match command {
        CardCommand::Check(args) => screen.show(check::run(args)),
        CardCommand::New(args) => screen.show(new::run(args)),
    }
}
