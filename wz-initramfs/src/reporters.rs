//! Hands each event to everyone who takes note: console, log files, record, lights and voice, watchdog.

use std::io::{self, IsTerminal, Stderr, Stdout, Write};
use std::mem;
use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use wz_core::card::CardPath;
use wz_core::event::{Event, Problem, Reporter};
use wz_core::report;

use crate::logs::{Earlier, Log};
use crate::signals::{Players, Signals};
use crate::watchdog::Watchdog;

/// All of them.
#[derive(Debug)]
pub struct Reporters<'a> {
    console: Option<Screen>,
    serial_log: Written,
    full_log: Written,
    record: report::Record,
    signals: Signals<'a>,
    players: &'a Players,
    watchdog: &'a Watchdog,
    log_failure: LogFailure,
}

/// The log files of one run, for whoever lets other programs write to them in between.
#[derive(Clone, Debug)]
pub struct SharedLogs([Log; 2]);

impl SharedLogs {
    /// Hands all that was said to the card.
    pub fn hand_over(&self) {
        for log in &self.0 {
            // It is tried again, and told, with the next event.
            let _ = log.commit();
        }
    }

    /// Goes on behind what others have written.
    pub fn take_over(&self) {
        self.0.iter().for_each(Log::catch_up);
    }
}

/// Whoever sees what the program says: problems on stderr, all else on stdout.
#[derive(Debug)]
struct Screen {
    out: Shown<Stdout>,
    problems: Shown<Stderr>,
}

/// A person at a terminal, or a file or script that takes lines.
#[derive(Debug)]
enum Shown<W> {
    Terminal(report::Console<W>),
    Lines(report::Log<W>),
}

impl<W: Write + IsTerminal> Shown<W> {
    fn to(out: W) -> Self {
        match out.is_terminal() {
            true => Self::Terminal(report::Console::new(out)),
            false => Self::Lines(report::Log::new(out, since_power_on)),
        }
    }

    fn report(&mut self, event: &Event) {
        match self {
            Self::Terminal(console) => console.report(event),
            Self::Lines(log) if is_shown(event) => log.report(event),
            Self::Lines(_) => {}
        }
    }
}

impl Screen {
    fn new() -> Self {
        Self {
            out: Shown::to(io::stdout()),
            problems: Shown::to(io::stderr()),
        }
    }

    fn report(&mut self, event: &Event) {
        match event {
            Event::Refused(_) | Event::Failed(_) => self.problems.report(event),
            _ => self.out.report(event),
        }
    }
}

/// Whether it was told that the logs on the card are not whole; once is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogFailure {
    Untold,
    Told,
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

    fn report(&mut self, event: &Event) -> io::Result<()> {
        self.renderer.report(event);
        self.log.commit()
    }
}

impl<'a> Reporters<'a> {
    /// Everyone.
    pub fn new(watchdog: &'a Watchdog, players: &'a Players) -> Self {
        Self {
            console: Some(Screen::new()),
            ..Self::without_console(watchdog, players)
        }
    }

    /// Everyone but the console, which has been told already.
    pub fn without_console(watchdog: &'a Watchdog, players: &'a Players) -> Self {
        Self {
            console: None,
            serial_log: Written::new(),
            full_log: Written::new(),
            record: report::Record::new(),
            signals: Signals::new(players),
            players,
            watchdog,
            log_failure: LogFailure::Untold,
        }
    }

    /// Starts the log files on the card that is mounted at `card`, as far as it takes any.
    pub fn open_logs(&mut self, card: &Path, earlier: Earlier) {
        let place = |path: &CardPath| card.join(path.as_str());
        let serial = self
            .serial_log
            .log
            .open(&place(&CardPath::serial_log()), earlier);
        let full = self
            .full_log
            .log
            .open(&place(&CardPath::full_log()), earlier);
        self.tell_failure(serial.and(full));
    }

    /// The log files, for whoever lets other programs write to them.
    pub fn shared_logs(&self) -> SharedLogs {
        SharedLogs([self.serial_log.log.clone(), self.full_log.log.clone()])
    }

    /// Ends the log files.
    pub fn close_logs(&mut self) {
        self.tell_notes();
        let serial = self.serial_log.log.close();
        let full = self.full_log.log.close();
        self.tell_failure(serial.and(full));
    }

    fn write_logs(&mut self, event: &Event) -> io::Result<()> {
        let full = self.full_log.report(event);
        let serial = match is_shown(event) {
            true => self.serial_log.report(event),
            false => Ok(()),
        };
        full.and(serial)
    }

    fn tell_failure(&mut self, written: io::Result<()>) {
        if let Err(error) = written
            && mem::replace(&mut self.log_failure, LogFailure::Told) == LogFailure::Untold
        {
            self.report(&Event::Remark(Problem::CardFailed {
                doing: "write".to_owned(),
                path: CardPath::full_log().to_string(),
                reason: error.to_string(),
            }));
        }
    }

    /// What is shown and said.
    pub fn signals(&mut self) -> &mut Signals<'a> {
        &mut self.signals
    }

    /// What lights and voice could not do.
    fn tell_notes(&mut self) {
        for note in self.players.notes() {
            self.tell_all(&note);
        }
    }

    fn tell_all(&mut self, event: &Event) {
        if let Some(console) = &mut self.console {
            console.report(event);
        }
        let written = self.write_logs(event);
        self.record.report(event);
        self.tell_failure(written);
    }

    /// What `result.json` is made from.
    pub fn record(&self) -> &report::Record {
        &self.record
    }
}

impl Reporter for Reporters<'_> {
    fn report(&mut self, event: &Event) {
        self.watchdog.feed();
        self.signals.follow(event);
        self.tell_notes();
        self.tell_all(event);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn logs_that_a_full_card_does_not_take_are_told_once() {
        let card = tempfile::tempdir().unwrap();
        fs::create_dir(card.path().join("wz_flash-helper")).unwrap();
        for log in [CardPath::full_log(), CardPath::serial_log()] {
            symlink("/dev/full", card.path().join(log.as_str())).unwrap();
        }
        let watchdog = Watchdog::none();
        let players = Players::start(card.path());
        let mut reporters = Reporters::without_console(&watchdog, &players);
        reporters.open_logs(card.path(), Earlier::Replace);
        for version in ["1", "2", "3", "4"] {
            reporters.report(&Event::Started { version });
        }
        reporters.close_logs();
        let result = reporters.record().to_json().unwrap();
        assert_eq!(result.matches("WZ-02").count(), 1, "{result}");
        assert!(result.contains("wz_flash-helper/initramfs.log"), "{result}");
    }
}
