//! The log files on the card. What an event says is on the card before the next thing happens; what
//! the card is not there for, or does not take, is kept and written when it does.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What is kept at most until it is written; then the oldest lines go.
const KEPT: usize = 64 * 1024;

/// A log file that may not be there yet. Clones write to the same file.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    pending: Pending,
    file: Option<Box<dyn Store>>,
    /// How much of the file is known to be on the card.
    stored: u64,
    patience: Patience,
}

/// What happens to the log of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It is replaced.
    Replace,
    /// The new lines come behind it.
    Keep,
}

/// A file that may fail.
trait Store: Debug + Send {
    /// Makes `text` the end of the file, from `at` on, and hands it to the card.
    fn store(&mut self, at: u64, text: &[u8]) -> io::Result<()>;

    /// How long it is.
    fn length(&self) -> io::Result<u64>;
}

impl Store for File {
    fn store(&mut self, at: u64, text: &[u8]) -> io::Result<()> {
        // What a failed attempt left behind may be longer than this one.
        if self.metadata()?.len() > at {
            self.set_len(at)?;
        }
        self.write_all_at(text, at)?;
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl Log {
    /// From now on, and with what was kept, to the file at `path`.
    ///
    /// # Errors
    /// When the card is full, read-only or gone.
    pub fn open(&self, path: &Path, earlier: Earlier) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(earlier == Earlier::Replace)
            .open(path)?;
        let length = file.metadata()?.len();
        self.start(Box::new(file), length)
    }

    fn start(&self, file: Box<dyn Store>, length: u64) -> io::Result<()> {
        self.with(|state| {
            state.file = Some(file);
            state.stored = length;
            state.write_pending()
        })
    }

    /// Hands what was said to the card, if it is there. In one piece: on a slow card each one costs
    /// tens of milliseconds. After a failure not every call tries again.
    ///
    /// # Errors
    /// When it was tried and the card did not take it. Nothing is lost yet.
    pub fn commit(&self) -> io::Result<()> {
        self.with(|state| match state.patience.is_over() {
            true => state.write_pending(),
            false => Ok(()),
        })
    }

    /// Others have written behind what this one has: the next lines come behind theirs.
    pub fn catch_up(&self) {
        self.with(|state| {
            if let Some(length) = state.file.as_ref().and_then(|file| file.length().ok()) {
                state.stored = state.stored.max(length);
            }
        });
    }

    /// Closes the file, so that the card can be unmounted.
    ///
    /// # Errors
    /// When the card did not take the rest.
    pub fn close(&self) -> io::Result<()> {
        self.with(|state| {
            let written = state.write_pending();
            state.file = None;
            written
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn write_pending(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if self.pending.text.is_empty() {
            return Ok(());
        }
        let text = self.pending.with_note();
        let stored = file.store(self.stored, &text);
        match stored {
            Ok(()) => {
                self.stored += text.len() as u64;
                self.pending = Pending::default();
                self.patience = Patience::default();
            }
            Err(_) => self.patience.lose(),
        }
        stored
    }
}

/// What is not on the card yet.
#[derive(Debug, Default)]
struct Pending {
    text: Vec<u8>,
    lines_dropped: usize,
}

impl Pending {
    fn add(&mut self, bytes: &[u8]) {
        self.text.extend_from_slice(bytes);
        let excess = self.text.len().saturating_sub(KEPT);
        if excess > 0 {
            let rest_of_line = self.text[excess..].iter().position(|byte| *byte == b'\n');
            let cut = rest_of_line.map_or(excess, |length| excess + length + 1);
            let dropped = self.text.drain(..cut);
            self.lines_dropped += dropped.filter(|byte| *byte == b'\n').count();
        }
    }

    fn with_note(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if self.lines_dropped > 0 {
            let lines = self.lines_dropped;
            text = format!("[{lines} lines are missing here: the card did not take them]\n").into();
        }
        text.extend_from_slice(&self.text);
        text
    }
}

/// A card that fails may take seconds for it. It is asked again with the second event from then on,
/// the fourth, the eighth: the log must not hold up what it tells about.
#[derive(Debug, Default)]
struct Patience {
    failures: u32,
    events_left: u32,
}

impl Patience {
    fn lose(&mut self) {
        self.failures += 1;
        self.events_left = 1_u32.checked_shl(self.failures).unwrap_or(u32::MAX) - 1;
    }

    fn is_over(&mut self) -> bool {
        let is_over = self.events_left == 0;
        self.events_left = self.events_left.saturating_sub(1);
        is_over
    }
}

/// Never fails: a log that cannot be written must not stop what it tells about.
impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|state| state.pending.add(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_before_the_card_is_there_is_written_once_it_is() {
        let card = tempfile::tempdir().unwrap();
        let path = card.path().join("wz_flash-helper/initramfs.log");
        let mut log = Log::default();
        writeln!(log, "first").unwrap();
        log.commit().unwrap();
        log.open(&path, Earlier::Replace).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
        writeln!(log, "second").unwrap();
        log.commit().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    }

    #[test]
    fn the_log_of_an_earlier_run_is_replaced_or_kept() {
        let card = tempfile::tempdir().unwrap();
        let path = card.path().join("log");
        for (earlier, content) in [
            (Earlier::Replace, "x\n"),
            (Earlier::Keep, "x\nx\n"),
            (Earlier::Replace, "x\n"),
        ] {
            let mut log = Log::default();
            log.open(&path, earlier).unwrap();
            writeln!(log, "x").unwrap();
            log.commit().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn what_another_program_adds_stays_between_what_was_said_before_and_after() {
        let card = tempfile::tempdir().unwrap();
        let path = card.path().join("log");
        let log = Log::default();
        log.open(&path, Earlier::Replace).unwrap();
        assert!(say(&log, "before"));
        let other = Log::default();
        other.open(&path, Earlier::Keep).unwrap();
        assert!(say(&other, "meanwhile"));
        log.catch_up();
        assert!(say(&log, "after"));
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "before\nmeanwhile\nafter\n"
        );
    }

    #[test]
    fn of_what_is_kept_without_a_card_the_oldest_lines_are_dropped_and_counted() {
        let card = tempfile::tempdir().unwrap();
        let path = card.path().join("log");
        let mut log = Log::default();
        for line in 0..20_000 {
            writeln!(log, "line {line:05}").unwrap();
        }
        assert!(log.with(|state| state.pending.text.len()) <= KEPT);
        log.open(&path, Earlier::Replace).unwrap();
        let content = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = content.lines().collect();
        let kept = lines.len() - 1;
        assert_eq!(kept, KEPT / "line 00000\n".len());
        let note = format!("[{} lines are missing here", 20_000 - kept);
        assert!(lines[0].starts_with(&note), "{}", lines[0]);
        assert_eq!(lines[1], format!("line {:05}", 20_000 - kept));
        assert_eq!(lines[kept], "line 19999");
    }

    /// A file of which a failing write leaves half behind, as cards do.
    #[derive(Clone, Debug, Default)]
    struct Fragile(Arc<Mutex<Inner>>);

    #[derive(Debug, Default)]
    struct Inner {
        content: Vec<u8>,
        is_broken: bool,
        attempts: usize,
    }

    impl Fragile {
        fn set_broken(&self, is_broken: bool) {
            self.0.lock().unwrap().is_broken = is_broken;
        }

        fn attempts(&self) -> usize {
            self.0.lock().unwrap().attempts
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().content.clone()).unwrap()
        }
    }

    impl Store for Fragile {
        fn store(&mut self, at: u64, text: &[u8]) -> io::Result<()> {
            let mut inner = self.0.lock().unwrap();
            inner.attempts += 1;
            inner.content.truncate(at.try_into().unwrap());
            let taken = if inner.is_broken {
                text.len() / 2
            } else {
                text.len()
            };
            inner.content.extend_from_slice(&text[..taken]);
            match inner.is_broken {
                true => Err(io::ErrorKind::Other.into()),
                false => Ok(()),
            }
        }

        fn length(&self) -> io::Result<u64> {
            Ok(self.0.lock().unwrap().content.len() as u64)
        }
    }

    fn fragile_log() -> (Log, Fragile) {
        let (log, file) = (Log::default(), Fragile::default());
        log.start(Box::new(file.clone()), 0).unwrap();
        (log, file)
    }

    /// Returns whether the card took what it was given, or was given nothing.
    fn say(log: &Log, line: &str) -> bool {
        writeln!(log.clone(), "{line}").unwrap();
        log.commit().is_ok()
    }

    #[test]
    fn what_the_card_does_not_take_is_written_once_it_does() {
        let (log, file) = fragile_log();
        assert!(say(&log, "first"));
        file.set_broken(true);
        assert!(!say(&log, "second"));
        file.set_broken(false);
        assert!(say(&log, "third"));
        assert!(say(&log, "fourth"));
        assert_eq!(file.text(), "first\nsecond\nthird\nfourth\n");
        assert!(say(&log, "fifth"));
        assert_eq!(file.text(), "first\nsecond\nthird\nfourth\nfifth\n");
    }

    #[test]
    fn a_card_that_keeps_failing_is_asked_more_and_more_seldom() {
        let (log, file) = fragile_log();
        file.set_broken(true);
        for _ in 0..1000 {
            say(&log, "a line");
        }
        assert_eq!(file.attempts(), 9);
    }

    #[test]
    fn the_end_of_the_log_is_tried_in_any_case() {
        let (log, file) = fragile_log();
        file.set_broken(true);
        for line in 0..100 {
            say(&log, &format!("line {line}"));
        }
        file.set_broken(false);
        log.close().unwrap();
        assert_eq!(file.text().lines().count(), 100);
        assert!(file.text().ends_with("line 99\n"));
    }

    #[test]
    fn a_full_card_is_told_by_each_attempt_and_stops_nothing() {
        let log = Log::default();
        log.open(Path::new("/dev/full"), Earlier::Keep).unwrap();
        assert!(!say(&log, "a line"));
        assert!(log.close().is_err());
    }

    #[test]
    fn a_file_loses_what_a_failed_attempt_left_in_it() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"kept, and half of someth").unwrap();
        file.as_file_mut().store(4, b".\n").unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "kept.\n");
    }
}
