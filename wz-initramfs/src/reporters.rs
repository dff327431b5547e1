//! Hands each event to everyone who takes note: console, log files, record, watchdog.

use std::io::{self, Stdout};
use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use wz_core::card::CardPath;
use wz_core::event::{Event, Reporter};
use wz_core::report;

use crate::logs::{Earlier, Log};
use crate::watchdog::Watchdog;

/// All of them.
#[derive(Debug)]
pub struct Reporters<'a> {
    console: Option<report::Console<Stdout>>,
    serial_log: Written,
    full_log: Written,
    record: report::Record,
    watchdog: &'a Watchdog,
}

/// A log file and what renders into it.
#[derive(Debug)]
struct Written {
    log: Log,
    renderer: report::Log<Log>,
}

impl Written {
    fn new() -> Self {
        let log = Log::default();
        Self {
            renderer: report::Log::new(log.clone(), since_power_on),
            log,
        }
    }

    fn report(&mut self, event: &Event) {
        self.renderer.report(event);
        self.log.commit();
    }
}

impl<'a> Reporters<'a> {
    /// Everyone.
    pub fn new(watchdog: &'a Watchdog) -> Self {
        Self {
            console: Some(report::Console::new(io::stdout())),
            ..Self::without_console(watchdog)
        }
    }

    /// Everyone but the console, which has been told already.
    pub fn without_console(watchdog: &'a Watchdog) -> Self {
        Self {
            console: None,
            serial_log: Written::new(),
            full_log: Written::new(),
            record: report::Record::new(),
            watchdog,
        }
    }

    /// Starts the log files on the card that is mounted at `card`.
    ///
    /// # Errors
    /// When the card is full, read-only or gone.
    pub fn open_logs(&self, card: &Path, earlier: Earlier) -> io::Result<()> {
        let place = |path: &CardPath| card.join(path.as_str());
        let serial = self
            .serial_log
            .log
            .open(&place(&CardPath::serial_log()), earlier);
        let full = self
            .full_log
            .log
            .open(&place(&CardPath::full_log()), earlier);
        serial.and(full)
    }

    /// Ends the log files.
    pub fn close_logs(&self) {
        self.serial_log.log.close();
        self.full_log.log.close();
    }

    /// What `result.json` is made from.
    pub fn record(&self) -> &report::Record {
        &self.record
    }
}

impl Reporter for Reporters<'_> {
    fn report(&mut self, event: &Event) {
        self.watchdog.feed();
        if let Some(console) = &mut self.console {
            console.report(event);
        }
        self.full_log.report(event);
        if is_shown(event) {
            self.serial_log.report(event);
        }
        self.record.report(event);
    }
}

/// Whether the console shows it.
fn is_shown(event: &Event) -> bool {
    !matches!(event, Event::Note(_) | Event::PhaseEnded { .. })
}

/// The kernel's clock starts with the kernel.
pub fn since_power_on() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}
