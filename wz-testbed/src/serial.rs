//! The serial console: what the camera shows, line by line with the time since power-on, and waiting
//! for it.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::WaitEnded;

/// What the camera has shown since power-on, shared with the thread that reads it.
#[derive(Clone, Debug)]
pub(crate) struct Serial {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    shown: Mutex<Shown>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Shown {
    /// Plain text: no colours, and a line break where the camera went back to the line's start.
    text: String,
    /// Where lines start in `text`, and when they began.
    lines: Vec<(usize, Duration)>,
    ended: bool,
}

impl Serial {
    /// Starts to read. `log` gets every line with its time, too.
    pub(crate) fn read_from(
        mut from: impl Read + Send + 'static,
        mut log: impl Write + Send + 'static,
        power_on: Instant,
    ) -> Self {
        let serial = Self {
            shared: Arc::new(Shared {
                shown: Mutex::default(),
                changed: Condvar::new(),
            }),
        };
        let reader = serial.clone();
        thread::spawn(move || {
            let mut filter = Filter::default();
            let mut chunk = [0; 4096];
            let mut logged = 0;
            while let Ok(n @ 1..) = from.read(&mut chunk) {
                let plain = filter.plain(&chunk[..n]);
                let mut shown = reader.lock();
                shown.append(&plain, power_on.elapsed());
                let complete = shown.complete_lines();
                // The log is for people; a full disk must not stop the camera.
                let _ = log.write_all(shown.dated(logged, complete).as_bytes());
                logged = complete;
                reader.shared.changed.notify_all();
            }
            let mut shown = reader.lock();
            let _ = log.write_all(shown.dated(logged, shown.text.len()).as_bytes());
            shown.ended = true;
            reader.shared.changed.notify_all();
        });
        serial
    }

    /// Waits until `text` is shown behind the byte `from`; returns where it ends.
    pub(crate) fn wait_for(
        &self,
        text: &str,
        from: usize,
        within: Duration,
    ) -> Result<usize, WaitEnded> {
        let deadline = Instant::now() + within;
        let mut shown = self.lock();
        loop {
            if let Some(at) = shown.text[from..].find(text) {
                return Ok(from + at + text.len());
            }
            if shown.ended {
                return Err(WaitEnded::PowerOff);
            }
            shown = self.wait(shown, deadline, within)?;
        }
    }

    /// Waits until nothing can come any more because QEMU has ended.
    pub(crate) fn wait_for_end(&self, within: Duration) -> Result<(), WaitEnded> {
        let deadline = Instant::now() + within;
        let mut shown = self.lock();
        while !shown.ended {
            shown = self.wait(shown, deadline, within)?;
        }
        Ok(())
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// When the line began in which `text` was shown first.
    pub(crate) fn time_of(&self, text: &str) -> Option<Duration> {
        let shown = self.lock();
        let at = shown.text.find(text)?;
        let line = shown.lines.partition_point(|(start, _)| *start <= at);
        shown.lines.get(line.checked_sub(1)?).map(|(_, time)| *time)
    }

    /// Everything so far, each line with the seconds since power-on.
    pub(crate) fn transcript(&self) -> String {
        let shown = self.lock();
        shown.dated(0, shown.text.len())
    }

    fn wait<'a>(
        &self,
        shown: MutexGuard<'a, Shown>,
        deadline: Instant,
        within: Duration,
    ) -> Result<MutexGuard<'a, Shown>, WaitEnded> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(WaitEnded::Deadline(within));
        }
        let waited = self.shared.changed.wait_timeout(shown, left);
        Ok(waited.unwrap_or_else(|e| e.into_inner()).0)
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.shared.shown.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Shown {
    fn append(&mut self, plain: &str, now: Duration) {
        for part in plain.split_inclusive('\n') {
            if self.text.is_empty() || self.text.ends_with('\n') {
                self.lines.push((self.text.len(), now));
            }
            self.text.push_str(part);
        }
    }

    /// Where the last complete line ends.
    fn complete_lines(&self) -> usize {
        self.text.rfind('\n').map_or(0, |at| at + 1)
    }

    /// The lines that start in `from .. to`, with their times.
    fn dated(&self, from: usize, to: usize) -> String {
        let first = self.lines.partition_point(|(start, _)| *start < from);
        let mut dated = String::new();
        for (i, (start, time)) in self.lines.iter().enumerate().skip(first) {
            if *start >= to {
                break;
            }
            let end = self
                .lines
                .get(i + 1)
                .map_or(self.text.len(), |(next, _)| *next);
            let line = self.text[*start..end].trim_end_matches('\n');
            let _ = writeln!(dated, "[{:8.3}] {line}", time.as_secs_f64());
        }
        dated
    }
}

/// Makes plain text of what a terminal would get: drops escape sequences, and turns the `\r` of a
/// progress display into a line break. Keeps its state between chunks.
#[derive(Debug, Default)]
struct Filter {
    state: State,
    undecoded: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Text,
    CarriageReturn,
    Escape,
    Sequence,
}

impl Filter {
    fn plain(&mut self, chunk: &[u8]) -> String {
        for &byte in chunk {
            self.take(byte);
        }
        let whole = self.decodable();
        let rest = self.undecoded.split_off(whole);
        let text = String::from_utf8_lossy(&self.undecoded).into_owned();
        self.undecoded = rest;
        text
    }

    fn take(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (State::Escape, b'[') => State::Sequence,
            (State::Escape, _) | (State::Sequence, 0x40..=0x7e) => State::Text,
            (State::Sequence, _) => State::Sequence,
            (_, 0x1b) => State::Escape,
            (_, b'\r') => State::CarriageReturn,
            (State::CarriageReturn, other) => {
                if other != b'\n' && self.undecoded.last() != Some(&b'\n') {
                    self.undecoded.push(b'\n');
                }
                self.undecoded.push(other);
                State::Text
            }
            (State::Text, other) => {
                self.undecoded.push(other);
                State::Text
            }
        };
    }

    /// How many bytes make whole characters; the last one may still be on its way.
    fn decodable(&self) -> usize {
        match std::str::from_utf8(&self.undecoded) {
            Err(e) if e.error_len().is_none() => e.valid_up_to(),
            _ => self.undecoded.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::io::pipe;

    const SOON: Duration = Duration::from_secs(10);

    #[rstest]
    #[case::colour("a \x1b[1;32mok\x1b[0m\r\n", "a ok\n")]
    #[case::progress("10 %\r20 %\r\n", "10 %\n20 %\n")]
    #[case::line_starting_with_return("\rx\n", "\nx\n")]
    #[case::umlaut("ü\n", "ü\n")]
    fn what_a_terminal_gets_becomes_plain_text(#[case] raw: &str, #[case] plain: &str) {
        let mut at_once = Filter::default();
        assert_eq!(at_once.plain(raw.as_bytes()), plain);

        let mut in_bytes = Filter::default();
        let parts: String = raw.bytes().map(|b| in_bytes.plain(&[b])).collect();
        assert_eq!(parts, plain);
    }

    #[test]
    fn waiting_ends_when_the_text_is_there() {
        let (from, mut to) = pipe().unwrap();
        let serial = Serial::read_from(from, Vec::new(), Instant::now());

        to.write_all(b"one two ").unwrap();
        let after_one = serial.wait_for("one", 0, SOON).unwrap();
        to.write_all(b"one").unwrap();

        assert_eq!(serial.wait_for("one", after_one, SOON), Ok(11));
        assert_eq!(serial.text(), "one two one");
    }

    #[test]
    fn waiting_ends_when_the_power_goes() {
        let (from, mut to) = pipe().unwrap();
        let serial = Serial::read_from(from, Vec::new(), Instant::now());
        to.write_all(b"half a li").unwrap();
        drop(to);

        assert_eq!(serial.wait_for("line", 0, SOON), Err(WaitEnded::PowerOff));
        assert_eq!(serial.wait_for_end(SOON), Ok(()));
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let (from, _to) = pipe().unwrap();
        let serial = Serial::read_from(from, Vec::new(), Instant::now());
        let within = Duration::from_millis(1);

        assert_eq!(
            serial.wait_for("line", 0, within),
            Err(WaitEnded::Deadline(within))
        );
    }

    #[test]
    fn the_transcript_tells_when_each_line_began() {
        let mut shown = Shown::default();
        shown.append("first\nsec", Duration::from_millis(1500));
        shown.append("ond\nthird\n", Duration::from_secs(12));

        assert_eq!(
            shown.dated(0, shown.text.len()),
            "[   1.500] first\n[   1.500] second\n[  12.000] third\n"
        );
    }
}
