//! The work: hardware, card, run, in this order. What it cannot do is told and ends the run.

use std::fs;
use std::path::Path;
use std::time::Duration;

use wz_core::card::{CardPath, DirCard};
use wz_core::config::Volume;
use wz_core::event::{Event, Outcome, Phase, Problem, Reporter};
use wz_core::flash::FileSystems;
use wz_core::profile::Fittings;
use wz_core::run::{ChipEvidence, Ended, Next, ScriptCall, Surroundings, Visit, early_fittings};
use wz_core::units::Size;

use crate::console::Console;
use crate::descendants::Oversight;
use crate::flash::Flash;
use crate::lock::Lock;
use crate::logs::Earlier;
use crate::reporters::{Reporters, SharedLogs, since_power_on};
use crate::root::Root;
use crate::sdcard::{self, CARD_WAIT, MOUNT_POINT, Slot};
use crate::signals::Players;
use crate::uncached::LinuxPlatform;
use crate::watchdog::Watchdog;
use crate::{command_line, console, kernel_log, login, memory, panics, results, scripts, soc};

/// How often it is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Everything, up to the moment when the camera may be restarted.
pub fn run() {
    panics::leave_message_on_panic();
    let began = since_power_on();
    let root = Root::of_the_camera();
    let watchdog = Watchdog::start();
    let players = Players::start(Path::new("/"));
    let chip = soc::evidence(&root);
    players.fit_out(&early_fittings(&chip), None);
    let mut reporters = Reporters::new(&watchdog, &players);
    let mut desk = Desk {
        console: Console::open(),
        watchdog: &watchdog,
        lock: Lock::take(&root).ok(),
        logs: reporters.shared_logs(),
        players: &players,
        root,
    };
    let slot = Slot::of(&desk.root);

    reporters.report(&Event::Started {
        version: wz_core::VERSION,
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

/// For bug reports: versions.
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
    let mut card = DirCard::new(MOUNT_POINT, LinuxPlatform::of(&desk.root));
    reporters.open_logs(Path::new(MOUNT_POINT), Earlier::Replace);
    reporters.report(&Event::Note(kernel_log::about_flash_and_card()));
    results::start(&mut card, reporters);
    command_line::panic_if_asked("work");
    let mut found = Flash::find(&desk.root);
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
    root: Root,
    console: Console,
    watchdog: &'a Watchdog,
    /// Kept from all but those who are let in.
    lock: Option<Lock>,
    logs: SharedLogs,
    players: &'a Players,
}

impl Desk<'_> {
    fn open_shell_if_asked(&mut self) {
        if self.console.key_was_pressed(self.watchdog) {
            self.open_shell(login::AFTER);
        }
    }

    fn open_shell(&mut self, welcome: &str) {
        self.step_aside(|desk| {
            console::print(welcome);
            if let Err(error) = desk.console.run_shell(desk.watchdog) {
                console::print(&format!("There is no shell: {error}"));
            }
        });
    }

    /// Lets other programs work on flash and card, and write to the logs.
    fn step_aside<T>(&mut self, meanwhile: impl FnOnce(&mut Self) -> T) -> T {
        self.logs.hand_over();
        drop(self.lock.take());
        let came_of_it = meanwhile(self);
        self.take_the_lock();
        self.logs.take_over();
        came_of_it
    }

    /// A command that was left behind in the background works on flash to its end first.
    fn take_the_lock(&mut self) {
        let mut is_told = false;
        let (console, watchdog) = (&mut self.console, self.watchdog);
        self.lock = Lock::patiently(&self.root, || {
            if !is_told {
                console::print("A command still works on flash; it is waited for.");
                is_told = true;
            }
            console.pause(LOOK_AGAIN);
            watchdog.feed();
        });
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

    /// While nothing is left to do. A key opens a shell.
    fn pass_time(&mut self) {
        self.console.pause(Duration::from_millis(500));
        self.watchdog.feed();
        self.open_shell_if_asked();
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

    fn before_operations(&mut self, file_systems: &mut dyn FileSystems) -> Visit {
        if !self.console.key_was_pressed(self.watchdog) {
            return Visit::Nobody;
        }
        // What stays mounted is in the way of the shell's own commands, and they say so.
        let _ = file_systems.release();
        self.open_shell(login::BEFORE);
        Visit::Somebody
    }

    fn ask_script(
        &mut self,
        script: &CardPath,
        camera: (&str, &str),
        reporter: &mut dyn Reporter,
    ) -> Result<String, Problem> {
        let _oversight = Oversight::begin();
        scripts::ask(
            &self.root,
            script,
            camera,
            &|| self.watchdog.feed(),
            reporter,
        )
    }

    fn run_script(
        &mut self,
        script: &ScriptCall<'_>,
        reporter: &mut dyn Reporter,
    ) -> Result<(), Problem> {
        // For the commands in it; what they say comes to the logs by way of the script.
        drop(self.lock.take());
        let oversight = Oversight::begin();
        let ended = scripts::run_call(&self.root, script, &|| self.watchdog.feed(), reporter);
        drop(oversight);
        self.take_the_lock();
        ended
    }

    fn fit_out(&mut self, fittings: &Fittings, sound: Option<Volume>) {
        self.players.fit_out(fittings, sound);
    }
}
