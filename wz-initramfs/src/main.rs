//! PID 1 on the camera, the work that it supervises, and the commands at its shell: one program under
//! several names.

mod aftermath;
mod apart;
mod basics;
mod boot_sector;
mod cli;
mod command_line;
mod console;
mod descendants;
mod file_chip;
mod flash;
mod fw_env;
mod gpio;
mod kernel_log;
mod lights;
mod lock;
mod login;
mod logs;
mod memory;
mod modules;
mod mounts;
mod mtd;
mod panics;
mod power;
mod reporters;
mod results;
mod root;
mod scripts;
mod sdcard;
mod signals;
mod soc;
mod speaker;
mod supervisor;
mod sys;
mod uncached;
mod watchdog;
mod work;

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use wz_core::fw_env::Program;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        supervisor::run();
    }
    let mut arguments = env::args_os();
    let name = name_of(arguments.next()).unwrap_or_default();
    let program = Program::named(&name);
    if (name == "wz" || program.is_some()) && is_supervised() {
        apart::step_forward();
    }
    match (name.as_str(), program) {
        (_, Some(program)) => fw_env::run(program, arguments),
        ("wz", None) => cli::run(arguments),
        _ => init(),
    }
}

fn init() -> ExitCode {
    if !is_supervised() {
        eprintln!("This is the first program of a camera's SD kernel; it does nothing elsewhere.");
        return ExitCode::FAILURE;
    }
    match env::args().nth(1).as_deref() {
        Some(apart::ARGUMENT) => {
            eprintln!("{}", apart::become_shell(env::args_os().skip(2)));
            return ExitCode::FAILURE;
        }
        Some("work") => work::run(),
        Some("aftermath") => aftermath::run(env::args().nth(2).unwrap_or_default()),
        Some(console::SHELL_ARGUMENT) => {
            console::print(&format!("There is no shell: {}", console::become_shell()));
        }
        _ => {
            eprintln!("{}", login::BY_HAND);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// The name that the program was started by.
fn name_of(program: Option<OsString>) -> Option<String> {
    let name = Path::new(&program?).file_name().map(OsStr::to_owned)?;
    name.into_string().ok()
}

/// Whether PID 1 is this same program. Anywhere else, mounting cards and restarting would be rude.
fn is_supervised() -> bool {
    let program = |process: &str| fs::read_link(format!("/proc/{process}/exe")).ok();
    program("1").is_some() && program("1") == program("self")
}
