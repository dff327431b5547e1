//! The work: hardware, card, run, in this order. What it cannot do is told and ends the run.

use std::fs;
use std::path::Path;
use std::time::Duration;

use wz_core::card::DirCard;
use wz_core::config::Volume;
use wz_core::event::{Event, Outcome, Phase, Problem, Reporter};
use wz_core::profile::Fittings;
use wz_core::run::{ChipEvidence, Ended, Next, Surroundings, early_fittings};
use wz_core::units::Size;

use crate::console::Console;
use crate::flash::Flash;
use crate::logs::Earlier;
use crate::reporters::{Reporters, since_power_on};
use crate::sdcard::{self, CARD_WAIT, MOUNT_POINT, Slot};
use crate::signals::Players;
use crate::uncached::LinuxPlatform;
use crate::watchdog::Watchdog;
use crate::{command_line, console, kernel_log, memory, panics, results, soc};

/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Everything, up to the moment when the camera may be restarted.
pub fn run() {
    panics::leave_message_on_panic();
    let began = since_power_on();
    let watchdog = Watchdog::start();
    let players = Players::start(Path::new("/"));
    let chip = soc::evidence();
    players.fit_out(&early_fittings(&chip), None);
    let mut desk = Desk {
        console: Console::open(),
        watchdog: &watchdog,
        players: &players,
    };
    let mut reporters = Reporters::new(&watchdog, &players);
    let slot = Slot::new();

    reporters.report(&Event::Started {
        version: env!("CARGO_PKG_VERSION"),
    });
    reporters.report(&Event::Note(surroundings_note(&watchdog)));
    end_phase(Phase::Kernel, Duration::ZERO, &mut reporters);
    let ended = match mounted_card(&slot, &mut desk) {
        Ok(volume) => run_with_card(volume, &chip, began, &mut desk, &mut reporters),
        Err(problem) => end_without_card(problem, &mut reporters),
    };
    reporters.close_logs();
    desk.open_shell_if_asked();
    match ended.next {
        Next::Restart => desk.let_it_be_understood(&mut reporters),
        Next::WaitForCardOut => {
            reporters.signals().wait_for_card_out();
            console::print("Waiting until the card is taken out.");
            slot.wait_until_empty(&mut || desk.pass_time());
        }
        Next::StayOn => desk.stay_on(),
    }
}

/// For bug reports.
fn surroundings_note(watchdog: &Watchdog) -> String {
    let kernel = fs::read_to_string("/proc/version").unwrap_or_default();
    let watchdog = if watchdog.is_running() {
        "runs"
    } else {
        "is not there"
    };
    format!("{}\nwatchdog {watchdog}", kernel.trim())
}

fn end_phase(phase: Phase, began: Duration, reporters: &mut Reporters<'_>) {
    let duration = since_power_on().saturating_sub(began);
    reporters.report(&Event::PhaseEnded { phase, duration });
}

fn mounted_card(slot: &Slot, desk: &mut Desk<'_>) -> Result<sdcard::Volume, Problem> {
    let deadline = since_power_on() + CARD_WAIT;
    let volume = slot.wait(CARD_WAIT.as_secs(), &mut || {
        desk.console.pause(LOOK_AGAIN);
        desk.watchdog.feed();
        since_power_on() < deadline
    })?;
    slot.mount(&volume)?;
    Ok(volume)
}

fn run_with_card(
    volume: sdcard::Volume,
    chip: &ChipEvidence,
    began: Duration,
    desk: &mut Desk<'_>,
    reporters: &mut Reporters<'_>,
) -> Ended {
    let mut card = DirCard::new(MOUNT_POINT, LinuxPlatform::camera());
    reporters.open_logs(Path::new(MOUNT_POINT), Earlier::Replace);
    results::start(&mut card, reporters);
    command_line::panic_if_asked("work");
    let mut found = Flash::find();
    let flash = match (volume, &mut found) {
        (sdcard::Volume::WholeCard(_, problem), _) => Err(problem),
        (sdcard::Volume::Partition(_), Ok(flash)) => Ok(flash.unit()),
        (sdcard::Volume::Partition(_), Err(problem)) => Err(problem.clone()),
    };
    end_phase(Phase::StartUp, began, reporters);

    let ended = wz_core::run::run(&mut card, flash, chip, desk, reporters);
    if !matches!(ended.outcome, Outcome::Success | Outcome::DryRun) {
        reporters.report(&Event::Note(kernel_log::read()));
    }
    results::store(&mut card, reporters);
    ended
}

/// A card that cannot be written keeps its SD kernel: the camera would start it again and again.
fn end_without_card(problem: Problem, reporters: &mut Reporters<'_>) -> Ended {
    let card_is_there = !matches!(problem, Problem::CardMissing { .. });
    let outcome = Outcome::Refused;
    reporters.report(&Event::Refused(problem));
    reporters.report(&Event::Finished {
        outcome,
        peak_memory: memory::peak(),
    });
    let next = match card_is_there {
        true => Next::WaitForCardOut,
        false => Next::Restart,
    };
    Ended { outcome, next }
}

/// Where the owner may sit.
struct Desk<'a> {
    console: Console,
    watchdog: &'a Watchdog,
    players: &'a Players,
}

impl Desk<'_> {
    fn open_shell_if_asked(&mut self) {
        if self.console.key_was_pressed(self.watchdog) {
            console::print(
                "A key was pressed: here is a shell. The card is in /sdcard. Leave it with \"exit\".",
            );
            if let Err(error) = self.console.run_shell(self.watchdog) {
                console::print(&format!("There is no shell: {error}"));
            }
        }
    }

    /// Who has no serial cable learns from lights and voice alone how it went.
    fn let_it_be_understood(&mut self, reporters: &mut Reporters<'_>) {
        while !reporters.signals().are_understood() {
            self.console.pause(LOOK_AGAIN);
            self.watchdog.feed();
        }
    }

    /// The firmware in flash is not whole: a restart without somebody looking at it helps nobody.
    fn stay_on(&mut self) -> ! {
        console::print(
            "The firmware is not whole. Leave the card in; to go on, unplug the camera and plug it in again.",
        );
        loop {
            self.pass_time();
        }
    }

    fn pass_time(&mut self) {
        self.console.pause(Duration::from_millis(500));
        self.watchdog.feed();
    }
}

impl Surroundings for Desk<'_> {
    fn since_power_on(&self) -> Duration {
        since_power_on()
    }

    fn peak_memory(&self) -> Option<Size> {
        memory::peak()
    }

    fn keep_alive(&self) {
        self.watchdog.feed();
    }

    fn before_operations(&mut self) {
        self.open_shell_if_asked();
    }

    fn fit_out(&mut self, fittings: &Fittings, sound: Option<Volume>) {
        self.players.fit_out(fittings, sound);
    }
}
