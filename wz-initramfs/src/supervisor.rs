//! PID 1: starts the work, waits for it, and restarts the camera however it ended.
//!
//! ```text
//! PID 1   basics -> console -> start "work" ........... reap -> unmount -> restart
//! "work"                        hardware, card, run -> exit
//! "aftermath"                                  only if "work" died: tells it on the card
//! ```
//!
//! It does so little because the kernel stops for good when PID 1 ends.

use std::fmt;
use std::fs;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;
use wz_core::event::Problem;

use crate::{aftermath, basics, command_line, console, panics, power, sdcard};

/// How a child of PID 1 ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself. It has told everything, whatever the outcome.
    Exit,
    /// By itself, with a status that it never has.
    OddExit(i32),
    /// By a signal: a bug, or lack of memory.
    Signal(Signal),
    /// It could not even be started.
    NeverStarted(Errno),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit => f.write_str("ended"),
            Self::OddExit(status) => write!(f, "status {status}"),
            Self::Signal(Signal::SIGKILL) => {
                f.write_str("SIGKILL, which the kernel sends when memory runs out")
            }
            Self::Signal(signal) => write!(f, "{signal}"),
            Self::NeverStarted(errno) => write!(f, "it could not be started: {errno}"),
        }
    }
}

/// The whole life of PID 1.
pub fn run() -> ! {
    panics::restart_on_panic();
    let basics = basics::mount_all();
    let console = console::adopt();
    console::silence_kernel();
    if let Err((mount_point, error)) = &basics {
        tell(&system_failed(&format!("mount {mount_point}"), error));
    }
    if let Err(error) = &console {
        tell(&system_failed("open the console", error));
    }

    command_line::panic_if_asked("supervisor");
    let ending = run_child("work", &[]);
    if ending != Ending::Exit {
        let message = fs::read_to_string(panics::MESSAGE_FILE).ok();
        tell(&aftermath::problem(ending.to_string(), message));
        run_child("aftermath", &[&ending.to_string()]);
    }

    power::end_other_programs();
    power::unmount(&[sdcard::MOUNT_POINT]);
    console::print("Restarting the camera");
    power::restart()
}

fn system_failed(doing: &str, error: &std::io::Error) -> Problem {
    Problem::SystemFailed {
        doing: doing.to_owned(),
        reason: error.to_string(),
    }
}

fn tell(problem: &Problem) {
    console::print(&format!("{problem}\n{}", problem.next_step()));
}

/// Runs this program as another process, and reaps whatever ends meanwhile.
fn run_child(argument: &str, more: &[&str]) -> Ending {
    let program = match fs::exists("/proc/self/exe") {
        Ok(true) => "/proc/self/exe",
        _ => "/init",
    };
    match Command::new(program).arg(argument).args(more).spawn() {
        Ok(child) => wait_for(Pid::from_raw(child.id().cast_signed())),
        Err(error) => Ending::NeverStarted(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    }
}

fn wait_for(child: Pid) -> Ending {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, 0)) if pid == child => return Ending::Exit,
            Ok(WaitStatus::Exited(pid, status)) if pid == child => return Ending::OddExit(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                return Ending::Signal(signal);
            }
            Err(Errno::ECHILD) => return Ending::OddExit(-1),
            Ok(_) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_was_killed_is_told_apart_from_one_that_panicked() {
        let killed = Ending::Signal(Signal::SIGKILL);
        let problem = aftermath::problem(killed.to_string(), None);
        assert_eq!(problem.code().to_string(), "WZ-0902");
        assert!(problem.what().contains("SIGKILL"), "{problem}");

        let problem = aftermath::problem(
            Ending::Signal(Signal::SIGABRT).to_string(),
            Some("a bug".to_owned()),
        );
        assert_eq!(problem.code().to_string(), "WZ-0901");
        assert!(problem.what().contains("a bug"), "{problem}");
    }
}
