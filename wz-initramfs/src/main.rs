//! PID 1 on the camera, and the work that it supervises: two processes from one program.

mod aftermath;
mod basics;
mod boot_sector;
mod command_line;
mod console;
mod flash;
mod gpio;
mod kernel_log;
mod lights;
mod logs;
mod memory;
mod modules;
mod mounts;
mod mtd;
mod panics;
mod power;
mod reporters;
mod results;
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
use std::fs;
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        supervisor::run();
    }
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
        _ => return ExitCode::FAILURE,
    }
    ExitCode::SUCCESS
}

/// Whether PID 1 is this same program. Anywhere else, mounting cards and restarting would be rude.
fn is_supervised() -> bool {
    let program = |process: &str| fs::read_link(format!("/proc/{process}/exe")).ok();
    program("1").is_some() && program("1") == program("self")
}
