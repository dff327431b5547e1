//! The serial console: colours, and progress in place.

use std::io::Write;

use super::text::{Line, Tone, lines};
use crate::event::{Event, Reporter, Verdict};
use crate::units::Size;

/// Renders events for a terminal.
///
/// A console that cannot be written to is no reason to stop: its errors are ignored.
#[derive(Debug)]
pub struct Console<W> {
    out: W,
    step: Option<OpenStep>,
}

/// A step whose line is not finished.
#[derive(Debug)]
struct OpenStep {
    text: String,
    percent: Option<u64>,
}

impl<W: Write> Console<W> {
    /// A console on `out`.
    pub fn new(out: W) -> Self {
        Self { out, step: None }
    }

    /// Gives back what it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn put(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes());
        let _ = self.out.flush();
    }

    fn print(&mut self, line: &Line) {
        if self.step.take().is_some() {
            self.put("\r\n");
        }
        let text = format!("{}{}{}\r\n", colour(line.tone), line.text, reset(line.tone));
        self.put(&text);
    }

    fn begin_step(&mut self, text: String) {
        if self.step.is_some() {
            self.put("\r\n");
        }
        self.put(&format!("{text} ..."));
        self.step = Some(OpenStep {
            text,
            percent: None,
        });
    }

    fn progress(&mut self, done: Size, total: Size) {
        let now = percent(done, total);
        let Some(step) = &mut self.step else { return };
        if step.percent.replace(now) != Some(now) {
            let text = format!("\r{} ... {now}%", step.text);
            self.put(&text);
        }
    }

    fn end_step(&mut self, verdict: Verdict) {
        let word = match verdict {
            Verdict::Done => "\x1b[32mok\x1b[0m",
            Verdict::Failed => "\x1b[31mfailed\x1b[0m",
        };
        // The blanks wipe the percentage.
        let text = match self.step.take() {
            Some(step) => format!("\r{} ... {word}  \r\n", step.text),
            None => format!("   {word}\r\n"),
        };
        self.put(&text);
    }
}

impl<W: Write> Reporter for Console<W> {
    fn report(&mut self, event: &Event) {
        match event {
            Event::Progress { done, total } => self.progress(*done, *total),
            Event::StepEnded(verdict) => self.end_step(*verdict),
            Event::StepStarted(_) => {
                lines(event)
                    .into_iter()
                    .for_each(|line| self.begin_step(line.text));
            }
            _ => lines(event).iter().for_each(|line| self.print(line)),
        }
    }
}

/// How many hundredths of `total` are done.
pub(super) fn percent(done: Size, total: Size) -> u64 {
    done.get()
        .saturating_mul(100)
        .checked_div(total.get())
        .unwrap_or(100)
        .min(100)
}

fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Plain => "",
        Tone::Heading => "\x1b[1;36m",
        Tone::Good => "\x1b[32m",
        Tone::Warning => "\x1b[33m",
        Tone::Bad => "\x1b[31m",
    }
}

fn reset(tone: Tone) -> &'static str {
    if tone == Tone::Plain { "" } else { "\x1b[0m" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Step;

    fn shown(events: &[Event]) -> String {
        let mut console = Console::new(Vec::new());
        events.iter().for_each(|event| console.report(event));
        String::from_utf8(console.into_inner()).unwrap()
    }

    #[test]
    fn a_step_shows_each_percentage_once_and_ends_on_its_line() {
        let half = Event::Progress {
            done: Size::kib(1),
            total: Size::kib(2),
        };
        let text = shown(&[
            Event::StepStarted(Step::Verify {
                file: "a.bin".into(),
            }),
            half.clone(),
            half,
            Event::StepEnded(Verdict::Done),
        ]);
        assert_eq!(text.matches("50%").count(), 1);
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.contains("ok"));
    }

    #[test]
    fn a_failed_step_says_failed() {
        let text = shown(&[
            Event::StepStarted(Step::Verify {
                file: "a.bin".into(),
            }),
            Event::StepEnded(Verdict::Failed),
        ]);
        assert!(text.contains("failed"), "{text}");
    }
}
