//! The log files on the card. What an event says is on the card before the next thing happens; what
//! is said before the card is there is kept and written then.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What is kept at most until it is written.
const KEPT: usize = 64 * 1024;

/// A log file that may not be there yet. Clones write to the same file.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Not on the card yet.
    pending: Vec<u8>,
    file: Option<File>,
    /// The card failed; nothing more can be logged.
    lost: bool,
}

/// What happens to the log of an earlier run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earlier {
    /// It is replaced.
    Replace,
    /// The new lines come behind it.
    Keep,
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
        let mut options = OpenOptions::new();
        match earlier {
            Earlier::Replace => options.write(true).truncate(true),
            Earlier::Keep => options.append(true),
        };
        let file = options.create(true).open(path)?;
        self.with(|state| {
            state.file = Some(file);
            state.write_pending()
        })
    }

    /// Hands what was said to the card, if it is there. In one piece: on a slow card each one costs
    /// tens of milliseconds.
    pub fn commit(&self) {
        self.with(|state| {
            if state.write_pending().is_err() {
                state.lost = true;
                state.file = None;
                state.pending = Vec::new();
            }
        });
    }

    /// Closes the file, so that the card can be unmounted.
    pub fn close(&self) {
        self.commit();
        self.with(|state| state.file = None);
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn add(&mut self, bytes: &[u8]) {
        if self.lost {
            return;
        }
        let room = KEPT.saturating_sub(self.pending.len());
        self.pending
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn write_pending(&mut self) -> io::Result<()> {
        if let Some(file) = &mut self.file
            && !self.pending.is_empty()
        {
            file.write_all(&self.pending)?;
            file.sync_data()?;
            self.pending.clear();
        }
        Ok(())
    }
}

/// Never fails: a log that cannot be written must not stop what it tells about.
impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|state| state.add(bytes));
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
        log.commit();
        log.open(&path, Earlier::Replace).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\n");
        writeln!(log, "second").unwrap();
        log.commit();
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
            log.commit();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }

    #[test]
    fn what_is_kept_without_a_card_is_bounded() {
        let mut log = Log::default();
        for _ in 0..KEPT {
            writeln!(log, "a line").unwrap();
        }
        assert_eq!(log.with(|state| state.pending.len()), KEPT);
    }

    #[test]
    fn a_card_that_fails_stops_the_log_and_nothing_else() {
        let log = Log::default();
        log.open(Path::new("/dev/full"), Earlier::Keep).unwrap();
        for _ in 0..3 {
            writeln!(log.clone(), "a line").unwrap();
            log.commit();
        }
        assert!(log.with(|state| state.lost && state.pending.is_empty()));
    }
}
