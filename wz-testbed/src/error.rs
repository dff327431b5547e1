//! Why the test bed could not do what a test asked for.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What went wrong, with everything that one needs to find out why.
#[derive(thiserror::Error)]
pub enum Error {
    /// Something that `make qemu-test` builds and names in the environment is not there.
    #[error("{variable}: {why}; run: make qemu-test")]
    MissingInput {
        /// The environment variable.
        variable: &'static str,
        /// What is the matter with it.
        why: String,
    },

    /// A file, a socket or a process failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// What the system said.
        source: io::Error,
    },

    /// A tool that makes or checks fixtures failed.
    #[error("{command}: {why}")]
    Tool {
        /// Its command line.
        command: String,
        /// How it ended and what it wrote to stderr.
        why: String,
    },

    /// A fixture cannot be made as it was asked for.
    #[error("{0}")]
    Fixture(String),

    /// The card image cannot be read or written.
    #[error("SD card: {0}")]
    Card(String),

    /// QEMU could not be started, or died.
    #[error("QEMU: {why}\n  {command}\n{stderr}")]
    Qemu {
        /// How it ended.
        why: String,
        /// Its command line.
        command: String,
        /// What it wrote to stderr.
        stderr: String,
    },

    /// QEMU's monitor refused a command.
    #[error("QMP: {0}")]
    Qmp(String),

    /// The test talks to a camera that booted no SD kernel.
    #[error("nothing runs that could be talked to: the camera booted {0}")]
    NotRunning(String),

    /// The serial console did not show what the test waits for.
    #[error("waited for {wanted}: {why}\n{transcript}kept in {}", kept_in.display())]
    NotSeen {
        /// What the test waits for.
        wanted: String,
        /// Why the wait is over.
        why: WaitEnded,
        /// All that the serial console showed, with the seconds since power-on.
        transcript: String,
        /// The folder that holds the transcript and QEMU's command line.
        kept_in: PathBuf,
    },
}

/// Why a wait ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnded {
    /// It took longer than this.
    Deadline(Duration),
    /// The camera rebooted or was switched off.
    PowerOff,
}

/// What the test bed's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A test that ends with `?` prints its error with `Debug`: the words are worth more there than the
/// names of the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for WaitEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deadline(after) => write!(f, "not seen within {} s", after.as_secs()),
            Self::PowerOff => f.write_str("the camera went off before"),
        }
    }
}

/// Says what was being done when the system refused.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io {
            doing: what(),
            source,
        })
    }
}
