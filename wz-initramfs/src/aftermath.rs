//! What is left to do when the work died: tell it on the card, and put the SD kernel away.

use std::fs;
use std::path::Path;
use std::time::Duration;

use wz_core::card::DirCard;
use wz_core::event::{Event, Outcome, Problem, Reporter};
use wz_core::run::{after_death, early_fittings};

use crate::console::Console;
use crate::lock::Lock;
use crate::logs::Earlier;
use crate::reporters::{Reporters, since_power_on};
use crate::root::Root;
use crate::sdcard::{CARD_WAIT, MOUNT_POINT, Slot};
use crate::signals::Players;
use crate::uncached::LinuxPlatform;
use crate::watchdog::Watchdog;
use crate::{kernel_log, panics, results, sdcard, soc};

/// `how` is how the work ended; the console knows it.
pub fn run(how: String) {
    let problem = problem(how, fs::read_to_string(panics::MESSAGE_FILE).ok());
    let watchdog = Watchdog::start();
    let mut console = Console::open();
    let root = Root::of_the_camera();
    let slot = Slot::of(&root);
    let players = Players::start(Path::new("/"));
    players.fit_out(&early_fittings(&soc::evidence(&root)), None);
    let mut reporters = Reporters::without_console(&watchdog, &players);
    let mut pass_time = || {
        console.pause(Duration::from_millis(100));
        watchdog.feed();
    };
    // A command that the work has started may still be writing flash.
    let _lock = Lock::patiently(&root, &mut pass_time);
    match make_sure_it_is_mounted(&slot, &mut pass_time) {
        Ok(()) if tell(problem, &mut reporters) => {
            while !reporters.signals().are_understood() {
                pass_time();
            }
        }
        Ok(()) | Err(_) => {
            reporters.signals().wait_for_card_out();
            slot.wait_until_empty(&mut pass_time);
        }
    }
}

fn make_sure_it_is_mounted(slot: &Slot, pass_time: &mut dyn FnMut()) -> Result<(), Problem> {
    if sdcard::is_mounted(&Root::of_the_camera()) {
        return Ok(());
    }
    let deadline = since_power_on() + CARD_WAIT;
    let volume = slot.wait(CARD_WAIT.as_secs(), &mut || {
        pass_time();
        since_power_on() < deadline
    })?;
    slot.mount(&volume)
}

/// Tells the logs and `result.json`; whether the camera boots its own firmware next.
fn tell(problem: Problem, reporters: &mut Reporters<'_>) -> bool {
    let mut card = DirCard::new(MOUNT_POINT, LinuxPlatform::of(&Root::of_the_camera()));
    // A card that takes no logs may still take the kernel's new name.
    reporters.open_logs(Path::new(MOUNT_POINT), Earlier::Keep);
    reporters.report(&Event::Started {
        version: wz_core::VERSION,
    });
    reporters.report(&Event::Failed(problem));
    reporters.report(&Event::Note(kernel_log::read()));
    let put_away = after_death(&mut card, reporters);
    if let Err(problem) = &put_away {
        reporters.report(&Event::Failed(problem.clone()));
    }
    reporters.report(&Event::Finished {
        outcome: Outcome::Failed,
        peak_memory: None,
    });
    results::store(&mut card, reporters);
    reporters.close_logs();
    put_away.is_ok()
}

/// What the end of the work means. A panic leaves its message behind.
pub fn problem(how: String, panic: Option<String>) -> Problem {
    match panic {
        Some(message) => Problem::Panic { message },
        None => Problem::Died { how },
    }
}
