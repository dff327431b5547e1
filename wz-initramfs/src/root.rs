//! Where the system's own folders are: `/` on the camera; another folder for tests on a computer.

use std::fs;
use std::path::{Path, PathBuf};

/// The folder that stands for `/`.
///
/// ```text
/// <root>/sys  /dev  /proc  /tmp     what the kernel shows
///       /sdcard                     the card, mounted
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// The camera's own.
    pub fn of_the_camera() -> Self {
        Self::at("/")
    }

    /// A folder that looks like one.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Whether it is the running system's, whose registers and file systems can be reached too.
    pub fn is_the_system(&self) -> bool {
        self.0 == Path::new("/")
    }

    /// The folder or file that the system knows as `path`, which is absolute.
    pub fn join(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// What sysfs shows of the hardware.
    pub fn sysfs(&self) -> PathBuf {
        self.join("/sys")
    }

    /// The device of this name.
    pub fn device(&self, name: &str) -> PathBuf {
        self.join("/dev").join(name)
    }

    /// The content of a file in `/proc`; nothing if it cannot be read.
    pub fn proc(&self, file: &str) -> String {
        fs::read_to_string(self.join("/proc").join(file)).unwrap_or_default()
    }
}
