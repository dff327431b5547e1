//! The hardware watchdog: restarts a camera whose program hangs.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use crate::{command_line, sys};

const DEVICE: &str = "/dev/watchdog";

/// Longer than the longest step without an event: the slowest erase of a block takes 3 s.
const TIMEOUT_SECONDS: i32 = 60;

/// How often a sign of life is given at most; events can come by the thousand.
const PAUSE: Duration = Duration::from_secs(1);

/// The watchdog, if the camera has one. It is never stopped, not even by the end of the program: it
/// restarts the camera too if the restart itself hangs.
#[derive(Debug)]
pub struct Watchdog(RefCell<Option<Running>>);

#[derive(Debug)]
struct Running {
    device: File,
    fed: Instant,
}

impl Watchdog {
    /// Starts it.
    pub fn start() -> Self {
        let running = OpenOptions::new()
            .write(true)
            .open(DEVICE)
            .ok()
            .map(|device| {
                // A watchdog with a fixed time keeps that.
                let _ = sys::set_watchdog_timeout(&device, timeout_seconds());
                Running {
                    device,
                    fed: Instant::now(),
                }
            });
        Self(RefCell::new(running))
    }

    /// None: another program has it, or it is a test.
    pub fn none() -> Self {
        Self(RefCell::new(None))
    }

    /// Whether there is one.
    pub fn is_running(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Gives a sign of life.
    pub fn feed(&self) {
        if let Some(running) = self.0.borrow_mut().as_mut()
            && running.fed.elapsed() >= PAUSE
        {
            // Any byte but 'V', which means "stop". If it fails, nothing better can be done.
            let _ = running.device.write_all(b".");
            running.fed = Instant::now();
        }
    }
}

/// Tests have no minute to wait for a watchdog to bite.
fn timeout_seconds() -> i32 {
    let asked = command_line::value("wz.watchdog").and_then(|word| word.parse().ok());
    asked.unwrap_or(TIMEOUT_SECONDS)
}
