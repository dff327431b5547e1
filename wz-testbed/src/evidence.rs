//! Keeps what the serial console showed, and how QEMU was started, for whoever has to find out why
//! a test failed: `target/testbed/<test>/`.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::{Doing, Result};

/// How many cameras each test of this process has had.
static CAMERAS: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

/// The folder of one camera. It stays until the test runs again, and a test that panics tells where
/// it is.
#[derive(Debug)]
pub(crate) struct Evidence {
    dir: PathBuf,
    boots: u32,
}

/// What is kept of one power-on.
#[derive(Debug)]
pub(crate) struct BootEvidence {
    dir: PathBuf,
    number: u32,
}

impl Evidence {
    /// A folder named after the test that runs in this thread.
    pub(crate) fn of_this_test() -> Result<Self> {
        let test = std::thread::current()
            .name()
            .unwrap_or("main")
            .replace("::", ".");
        let dir = target_dir().join("testbed").join(numbered(&test));
        if dir.exists() {
            fs::remove_dir_all(&dir).doing(|| format!("clear {}", dir.display()))?;
        }
        fs::create_dir_all(&dir).doing(|| format!("make {}", dir.display()))?;
        Ok(Self { dir, boots: 0 })
    }

    /// A file that is kept of the last power-on.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn next_boot(&mut self) -> BootEvidence {
        self.boots += 1;
        BootEvidence {
            dir: self.dir.clone(),
            number: self.boots,
        }
    }
}

impl BootEvidence {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that takes what the serial console shows.
    pub(crate) fn serial_log(&self) -> Result<File> {
        let path = self.dir.join(format!("{}-serial.log", self.number));
        File::create(&path).doing(|| format!("write {}", path.display()))
    }

    pub(crate) fn keep_command(&self, command: &str) -> Result<()> {
        let path = self.dir.join(format!("{}-qemu.txt", self.number));
        File::create(&path)
            .and_then(|mut file| writeln!(file, "{command}"))
            .doing(|| format!("write {}", path.display()))
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "serial console and QEMU command line: {}",
                self.dir.display()
            );
        }
    }
}

fn numbered(test: &str) -> String {
    let mut cameras = CAMERAS.lock().unwrap_or_else(|e| e.into_inner());
    let number = cameras
        .get_or_insert_default()
        .entry(test.to_owned())
        .or_insert(0);
    *number += 1;
    match *number {
        1 => test.to_owned(),
        n => format!("{test}.{n}"),
    }
}

/// Cargo's target folder.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    )
}
