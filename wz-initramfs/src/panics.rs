//! What happens at a panic, before the process aborts.

use std::fs;
use std::panic::{PanicHookInfo, set_hook};

use wz_core::event::Problem;

use crate::{console, power};

/// Where a panic of the work leaves its message for what comes after it.
pub const MESSAGE_FILE: &str = "/tmp/panic";

/// In PID 1: tells it and restarts the camera, since the kernel would stop for good.
pub fn restart_on_panic() {
    set_hook(Box::new(|info| {
        tell(&message(info));
        power::restart();
    }));
}

/// In the work: tells it and leaves the message behind.
pub fn leave_message_on_panic() {
    set_hook(Box::new(|info| {
        // PID 1 tells it.
        let _ = fs::write(MESSAGE_FILE, message(info));
    }));
}

fn tell(message: &str) {
    let problem = Problem::Panic {
        message: message.to_owned(),
    };
    console::print(&problem.to_string());
}

fn message(info: &PanicHookInfo<'_>) -> String {
    let text = info.payload_as_str().unwrap_or("no message");
    match info.location() {
        Some(place) => format!("{text} ({}:{})", place.file(), place.line()),
        None => text.to_owned(),
    }
}
