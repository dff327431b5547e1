//! `wz` on the camera: what a person at the shell, or a script, can ask for.
//!
//! ```text
//! arguments ── args ──▶ Command ─┬─ info, partition list ... ──▶ lines on stdout
//!                                ├─ partition device, archive, extract ──▶ the kernel's file systems
//!                                └─ run, backup, write ... ──▶ wz_core::run, journal and all
//! ```
//!
//! Exit status: 0 done, 1 not done (the reason is on stderr), 2 not understood.

mod args;
mod device;
mod engine;
mod extract;
mod files;
mod info;
mod pack;
mod session;

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use wz_core::event::Problem;

use crate::is_supervised;
use args::{Arguments, Command, PartitionCommand};
use session::Session;

const DONE: u8 = 0;
const NOT_DONE: u8 = 1;
const NOT_UNDERSTOOD: u8 = 2;

/// What comes of a command.
type Done = Result<(), NotDone>;

/// Why a command ends without having done what it is for.
enum NotDone {
    /// For these reasons, which are still to be told.
    Because(Vec<Problem>),
    /// It is told already.
    Told,
}

impl From<Problem> for NotDone {
    fn from(problem: Problem) -> Self {
        Self::Because(vec![problem])
    }
}

impl From<Vec<Problem>> for NotDone {
    fn from(problems: Vec<Problem>) -> Self {
        Self::Because(problems)
    }
}

/// Carries out what the arguments, without the program's name, say.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let status = match args::parse(arguments) {
        Ok(Arguments {
            command: Command::Help,
            ..
        }) => {
            print!("{}", args::HELP);
            DONE
        }
        Ok(arguments) if arguments.root.is_the_system() && !is_supervised() => {
            eprintln!("This computer is no camera that was started by the SD kernel.");
            NOT_DONE
        }
        Ok(arguments) => status(carry_out(arguments)),
        Err(why) => {
            eprintln!("{why}\nAll commands: wz help");
            NOT_UNDERSTOOD
        }
    };
    ExitCode::from(status)
}

fn status(done: Done) -> u8 {
    match done {
        Ok(()) => DONE,
        Err(NotDone::Told) => NOT_DONE,
        Err(NotDone::Because(problems)) => {
            for problem in problems {
                eprintln!("{problem}\n  What to do: {}", problem.next_step());
            }
            NOT_DONE
        }
    }
}

fn carry_out(Arguments { root, command }: Arguments) -> Done {
    if let Command::Environment(program, arguments) = command {
        return become_program(program, &arguments);
    }
    let mut session = Session::open(root)?;
    let session = &mut session;
    match command {
        Command::Help | Command::Environment(..) => Ok(()),
        Command::Plan => engine::plan(session),
        Command::Run => engine::run(session, None),
        Command::Order(order) => engine::run(session, Some(&order)),
        Command::Info(key) => info::info(session, key),
        Command::ProfileList => info::profiles(session),
        Command::ProfileShow(firmware) => info::profile(session, firmware.as_deref()),
        Command::Partition(command) => partition(session, command),
    }
}

fn partition(session: &mut Session, command: PartitionCommand) -> Done {
    match command {
        PartitionCommand::List(which) => info::partitions(session, which),
        PartitionCommand::Device(name) => device::show(session, &name),
        PartitionCommand::Release => device::release(session),
        PartitionCommand::Write { name, file } => engine::write(session, name, &file),
        PartitionCommand::Archive { name, file } => pack::pack(session, &name, &file),
        PartitionCommand::Extract { file, name } => extract::extract(session, &file, &name),
    }
}

/// `wz env` is short for these programs, which are this one under other names.
fn become_program(name: &str, arguments: &[OsString]) -> Done {
    let mut program = std::process::Command::new("/proc/self/exe");
    let error = program.arg0(name).args(arguments).exec();
    Err(NotDone::from(Problem::SystemFailed {
        doing: format!("start {name}"),
        reason: error.to_string(),
    }))
}

#[cfg(test)]
mod tests;
