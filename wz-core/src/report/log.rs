//! The log files: one line per event, flushed, with the time; progress in quarters.

use std::io::Write;
use std::time::Duration;

use super::console::percent;
use super::text::{Tone, lines};
use crate::event::{Event, Reporter, Verdict};

/// Renders events as lines of text.
///
/// Each line is handed over in one piece, so that a sink can make it durable before it returns. A
/// log that cannot be written is no reason to stop: its errors are ignored.
pub struct Log<W> {
    out: W,
    clock: fn() -> Duration,
    quarter: u64,
}

impl<W> std::fmt::Debug for Log<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("quarter", &self.quarter)
            .finish_non_exhaustive()
    }
}

impl<W: Write> Log<W> {
    /// A log into `out`; `clock` tells the time since power-on.
    pub fn new(out: W, clock: fn() -> Duration) -> Self {
        Self {
            out,
            clock,
            quarter: 0,
        }
    }

    /// Gives back what it writes to.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn put(&mut self, text: &str) {
        let time = (self.clock)();
        let line = format!(
            "[{:>5}.{:03}] {text}\n",
            time.as_secs(),
            time.subsec_millis()
        );
        let _ = self.out.write_all(line.as_bytes());
        let _ = self.out.flush();
    }
}

impl<W: Write> Reporter for Log<W> {
    fn report(&mut self, event: &Event) {
        match event {
            Event::StepStarted(_) => self.quarter = 0,
            Event::Progress { done, total } => {
                let quarter = percent(*done, *total) / 25;
                if quarter > self.quarter && quarter < 4 {
                    self.put(&format!("   {}%", quarter * 25));
                }
                self.quarter = quarter;
            }
            Event::StepEnded(Verdict::Done) => self.put("   ok"),
            Event::StepEnded(Verdict::Failed) => self.put("   failed"),
            Event::PhaseEnded { phase, duration } => {
                self.put(&format!("phase {phase}: {} ms", duration.as_millis()));
            }
            Event::Note(text) => text.lines().for_each(|line| self.put(line)),
            _ => {}
        }
        for line in lines(event) {
            match line.tone {
                Tone::Bad => self.put(&format!("! {}", line.text)),
                _ => self.put(&line.text),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CameraFacts, Operation, OptionState, Outcome, Phase, Problem, Step};
    use crate::units::Size;

    #[test]
    fn a_run_reads_like_this() {
        let mut log = Log::new(Vec::new(), || Duration::from_millis(61_002));
        let name = |text: &str| Some(text.to_owned());
        for event in [
            Event::Started { version: "9.9.9" },
            Event::Note("Linux version 3.10.14\nwatchdog runs".into()),
            Event::Options(vec![OptionState {
                name: "backup_partitions",
                on: true,
            }]),
            Event::Remark(Problem::ModelUnknown {
                why: "no cfg".into(),
            }),
            Event::Camera(CameraFacts {
                soc: "t31".into(),
                chip: "t31x".into(),
                group: "t31x".into(),
                flash: "jz_sfc 16M".into(),
                firmware: name("stock"),
                layout: name("factory"),
                model: None,
            }),
            Event::Plan(vec!["Create folder \"0001\"".into()]),
            Event::OperationStarted(Operation::Backup),
            Event::StepStarted(Step::Verify {
                file: "a.bin".into(),
            }),
            Event::Progress {
                done: Size::kib(1),
                total: Size::kib(2),
            },
            Event::StepEnded(Verdict::Failed),
            Event::OperationEnded(Operation::Backup, Verdict::Failed),
            Event::Failed(Problem::SystemFailed {
                doing: "read".into(),
                reason: "no reason".into(),
            }),
            Event::PhaseEnded {
                phase: Phase::Execute,
                duration: Duration::from_millis(1234),
            },
            Event::Finished {
                outcome: Outcome::Failed,
                peak_memory: None,
            },
        ] {
            log.report(&event);
        }
        let text = String::from_utf8(log.into_inner()).unwrap();
        assert_eq!(text, include_str!("log.golden"));
    }

    #[test]
    fn progress_is_logged_in_quarters_and_every_line_has_a_time() {
        let mut log = Log::new(Vec::new(), || Duration::from_millis(12_345));
        log.report(&Event::StepStarted(Step::Verify {
            file: "a.bin".into(),
        }));
        for done in 0..=100 {
            log.report(&Event::Progress {
                done: Size::bytes(done),
                total: Size::bytes(100),
            });
        }
        log.report(&Event::StepEnded(Verdict::Done));
        let text = String::from_utf8(log.into_inner()).unwrap();
        let said: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once("] "))
            .map(|(_, said)| said)
            .collect();
        assert_eq!(
            said,
            [
                "-> Verify file: a.bin",
                "   25%",
                "   50%",
                "   75%",
                "   ok"
            ]
        );
        assert!(text.lines().all(|line| line.starts_with("[   12.345] ")));
    }
}
