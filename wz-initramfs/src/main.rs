//! PID 1 on the camera, the work that it supervises, and the commands at its shell: one program under
//! several names.

mod aftermath;
mod basics;
mod boot_sector;
mod cli;
mod command_line;
mod console;
mod file_chip;
mod flash;
mod kernel_log;
mod lock;
mod login;
mod logs;
mod memory;
mod mounts;
mod mtd;
mod panics;
mod power;
mod reporters;
mod results;
mod root;
mod sdcard;
mod soc;
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

fn main() -> ExitCode {
    if std::process::id() == 1 {
        supervisor::run();
    }
    let mut arguments = env::args_os();
    match name_of(arguments.next()).as_deref() {
        Some("wz") => cli::run(arguments),
        _ => init(),
    }
}

/// The name that the program was started by.
fn name_of(program: Option<OsString>) -> Option<String> {
    let name = Path::new(&program?).file_name().map(OsStr::to_owned)?;
    name.into_string().ok()
}

fn init() -> ExitCode {
    if !is_supervised() {
        eprintln!("This is the first program of a camera's SD kernel; it does nothing elsewhere.");
        return ExitCode::FAILURE;
    }
    match env::args().nth(1).as_deref() {
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

/// Whether PID 1 is this same program. Anywhere else, mounting cards and restarting would be rude.
fn is_supervised() -> bool {
    let program = |process: &str| fs::read_link(format!("/proc/{process}/exe")).ok();
    program("1").is_some() && program("1") == program("self")
}
