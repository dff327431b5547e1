//! PID 1: starts the work, waits for it, and restarts the camera however it ended.
//!
//! ```text
//! PID 1   basics -> console -> start "work" ........... reap -> unmount -> restart
//! "work"                        hardware, card, run -> exit
//! "aftermath"                                  only if "work" died: tells it on the card
//! ```
//!
//! It does so little because the kernel stops for good when PID 1 ends.
//!
//! It waits for nobody who waits for hardware: when "work" has ended but for a thread that hangs in the
//! kernel, the camera restarts all the same. The watchdog is still "work's" then, and bites a minute later.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use wz_core::event::Problem;

use crate::{aftermath, basics, command_line, console, panics, power, sdcard};

/// Every child, also those that lost their parent.
const ALL: Pid = Pid::from_raw(-1);

/// How often it is looked whether the child has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long a thread may still take after the child's main thread has ended.
const GRACE: Duration = Duration::from_secs(3);

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
        Ok(child) => wait_for(Pid::from_raw(child.id().cast_signed()), ALL),
        Err(error) => Ending::NeverStarted(Errno::from_raw(error.raw_os_error().unwrap_or(0))),
    }
}

/// Waits for `child`, and takes note of the end of all `others`.
fn wait_for(child: Pid, others: Pid) -> Ending {
    let mut left_behind = None;
    loop {
        match waitpid(others, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => {}
            Ok(status) => match ending(child, status) {
                Some(ending) => return ending,
                None => continue,
            },
            Err(Errno::ECHILD) => return Ending::OddExit(-1),
            Err(_) => {}
        }
        if let Some(status) = status_of_main_thread(child) {
            let since: Instant = *left_behind.get_or_insert_with(Instant::now);
            if since.elapsed() >= GRACE {
                return ending(child, status).unwrap_or(Ending::OddExit(-1));
            }
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn ending(child: Pid, status: WaitStatus) -> Option<Ending> {
    match status {
        WaitStatus::Exited(pid, 0) if pid == child => Some(Ending::Exit),
        WaitStatus::Exited(pid, status) if pid == child => Some(Ending::OddExit(status)),
        WaitStatus::Signaled(pid, signal, _) if pid == child => Some(Ending::Signal(signal)),
        _ => None,
    }
}

/// How `child`'s main thread has ended, if it has: `waitpid` is silent about it as long as another thread
/// is there, be it one that no signal reaches because it waits for a device.
fn status_of_main_thread(child: Pid) -> Option<WaitStatus> {
    let stat = fs::read_to_string(format!("/proc/{child}/stat")).ok()?;
    WaitStatus::from_raw(child, exit_code(&stat)?).ok()
}

/// `12 (name) Z ...`, with the exit code in field 52, the last one that Linux 3.10 has.
fn exit_code(stat: &str) -> Option<i32> {
    const BEHIND_NAME: usize = 52 - 3;
    let (_, behind_name) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    match fields.first()? {
        &"Z" | &"X" => fields.get(BEHIND_NAME)?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::kill;
    use rstest::rstest;

    use crate::sys::tests::end_but_for_a_thread;

    #[rstest]
    #[case::well(0, Ending::Exit)]
    #[case::badly(3, Ending::OddExit(3))]
    fn a_worker_that_has_ended_but_for_a_thread_is_not_waited_for(
        #[case] status: i32,
        #[case] expected: Ending,
    ) {
        let worker = end_but_for_a_thread(status);
        let ending = wait_for(worker, worker);
        kill(worker, Signal::SIGKILL).unwrap();
        assert_eq!(ending, expected);
        waitpid(worker, None).unwrap();
    }

    #[test]
    fn a_worker_that_runs_is_waited_for() {
        let mut worker = Command::new("/bin/sh");
        let mut worker = worker.args(["-c", "sleep 0.2; exit 7"]).spawn().unwrap();
        let pid = Pid::from_raw(worker.id().cast_signed());
        assert_eq!(wait_for(pid, pid), Ending::OddExit(7));
        assert!(worker.wait().is_err(), "it was waited for already");
    }

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
