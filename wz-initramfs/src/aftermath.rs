//! What is left to do when the work died: tell it on the card, and put the SD kernel away.

use std::path::Path;
use std::time::Duration;

use wz_core::card::DirCard;
use wz_core::event::{Event, Outcome, Problem, Reporter};

use crate::console::Console;
use crate::logs::Earlier;
use crate::reporters::{Reporters, since_power_on};
use crate::sdcard::{self, MOUNT_POINT, Slot};
use crate::uncached::LinuxPlatform;
use crate::watchdog::Watchdog;
use crate::{kernel_log, results};

const CARD_WAIT: Duration = Duration::from_secs(10);

/// `problem` is how the work ended; the console knows it.
pub fn run(problem: Problem) {
    let watchdog = Watchdog::start();
    let mut console = Console::open();
    let slot = Slot::new();
    let mut pass_time = || {
        console.pause(Duration::from_millis(100));
        watchdog.feed();
    };
    match make_sure_it_is_mounted(&slot, &mut pass_time) {
        Ok(()) if tell(problem, &watchdog) => {}
        Ok(()) | Err(_) => slot.wait_until_empty(&mut pass_time),
    }
}

fn make_sure_it_is_mounted(slot: &Slot, pass_time: &mut dyn FnMut()) -> Result<(), Problem> {
    if sdcard::is_mounted() {
        return Ok(());
    }
    let deadline = since_power_on() + CARD_WAIT;
    let volume = slot.wait(CARD_WAIT.as_secs(), &mut || {
        pass_time();
        since_power_on() < deadline
    })?;
    slot.mount(&volume)
}
