//! What a command shows: text for people, JSON for programs. Nothing else in `wz` prints.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use wz_core::units::Size;

use crate::problem::{CliProblem, Exit, Failure, Told};

/// Headings.
pub const BOLD: Style = Style::new().bold();
/// Good news.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// To be aware of.
pub const WARNING: Style = AnsiColor::Yellow.on_default();
/// Bad news.
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// Where text goes. Colours that are not wanted there (no terminal, `NO_COLOR`) are taken out on the
/// way.
pub type Sink<'a> = dyn Write + 'a;

/// How results are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one JSON value, whose fields docs/wz.md names.
    Json,
}

/// What a command found out or did: its fields as JSON, its words as text.
pub trait Report: Serialize {
    /// Writes it for people.
    ///
    /// # Errors
    /// Those of `to`.
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()>;

    /// Whether all is in order.
    fn exit(&self) -> Exit {
        Exit::Done
    }
}

/// Shows results, and how far a long job has got.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    format: Format,
}

impl Screen {
    /// A screen of this format.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Shows what became of a command: a report on the standard output; a failure as text on the
    /// standard error, as JSON on the standard output.
    pub fn show<R: Report>(self, outcome: Result<R, impl Into<Failure>>) -> Exit {
        let (shown, exit) = match outcome.map_err(Into::into) {
            Ok(report) => (self.report(&report), report.exit()),
            Err(failure) => (self.failure(&failure), failure.exit),
        };
        match shown {
            Ok(()) => exit,
            // Whoever closes a pipe has read enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit,
            Err(error) => {
                let reason = error.to_string();
                let problem = Told::from(&CliProblem::Output { reason });
                let _ = told(&mut anstream::stderr(), "error", BAD, &problem);
                Exit::InputOutput
            }
        }
    }

    /// A bar for `total` bytes of work. It appears when the work takes more than a second, on a
    /// terminal only.
    pub fn progress(self, what: impl Into<String>, total: Size) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total.get()), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} [{bar:30}] {percent}% {eta}");
        bar.set_style(
            style
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        bar.set_message(what.into());
        Progress {
            bar,
            begun: Instant::now(),
            is_wanted: self.format == Format::Text,
        }
    }

    fn report(self, report: &impl Report) -> io::Result<()> {
        let mut out = anstream::stdout().lock();
        match self.format {
            Format::Text => report.render(&mut out)?,
            Format::Json => json(&mut out, report)?,
        }
        out.flush()
    }

    fn failure(self, failure: &Failure) -> io::Result<()> {
        match self.format {
            Format::Json => json(&mut anstream::stdout().lock(), failure),
            Format::Text => {
                let mut out = anstream::stderr().lock();
                let mut problems = failure.failures.iter();
                problems.try_for_each(|problem| told(&mut out, "error", BAD, problem))
            }
        }
    }
}

fn json(to: &mut Sink<'_>, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *to, value)?;
    writeln!(to)
}

/// Writes a problem with its code and the next step: `error[WZ-1002]: There is no "a.bin"`.
///
/// # Errors
/// Those of `to`.
pub fn told(to: &mut Sink<'_>, kind: &str, style: Style, problem: &Told) -> io::Result<()> {
    let Told {
        code,
        what,
        next_step,
    } = problem;
    writeln!(to, "{style}{kind}[{code}]{style:#}: {what}")?;
    writeln!(to, "  {BOLD}help{BOLD:#}: {next_step}")
}

/// How far a long job has got.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    is_wanted: bool,
}

impl Progress {
    const PATIENCE: Duration = Duration::from_secs(1);

    /// So many bytes more are done.
    pub fn advance(&mut self, bytes: usize) {
        self.bar.inc(bytes as u64);
        if self.is_wanted && self.begun.elapsed() > Self::PATIENCE {
            // Shows nothing where the standard error is no terminal.
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
            self.is_wanted = false;
        }
    }

    /// Passes on what is read from `source`, and counts it.
    pub fn reading<R: io::Read>(&mut self, source: R) -> Reading<'_, R> {
        Reading {
            source,
            progress: self,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// See [`Progress::reading`].
#[derive(Debug)]
pub struct Reading<'a, R> {
    source: R,
    progress: &'a mut Progress,
}

impl<R: io::Read> io::Read for Reading<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(into)?;
        self.progress.advance(length);
        Ok(length)
    }
}
