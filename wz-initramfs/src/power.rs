//! The end of every run: everything on the card, the card unmounted, the camera restarted.

use std::convert::Infallible;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::mount::{MntFlags, umount2};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, sync};

/// Everyone but PID 1.
const ALL: Pid = Pid::from_raw(-1);

/// Ends every other program, and sees it gone as far as that is quick: what a shell left running may
/// hold files of the card. A program that waits for a card that does not answer never goes.
pub fn end_other_programs() {
    const PATIENCE: Duration = Duration::from_secs(3);
    const LOOK_AGAIN: Duration = Duration::from_millis(10);
    // There may be none.
    let _ = kill(ALL, Signal::SIGKILL);
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        match waitpid(ALL, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => thread::sleep(LOOK_AGAIN),
            Ok(_) => {}
            Err(_) => break,
        }
    }
}

/// Flushes and unmounts what is mounted at `mount_points`, as far as that can be done.
pub fn unmount(mount_points: &[&str]) {
    sync();
    for mount_point in mount_points {
        // A program that still holds a file of it keeps it mounted: then at least not visibly.
        let _ = umount2(*mount_point, MntFlags::empty())
            .or_else(|_| umount2(*mount_point, MntFlags::MNT_DETACH));
    }
    sync();
}

/// Restarts the camera. Falls back on the kernel's emergency restart, then on the watchdog.
pub fn restart() -> ! {
    let _: Result<Infallible, _> = reboot(RebootMode::RB_AUTOBOOT);
    let _ = fs::write("/proc/sysrq-trigger", "b");
    loop {
        thread::park();
    }
}
