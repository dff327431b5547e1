//! GPIO lines through sysfs: cameras' kernels have no other way.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use wz_core::profile::{Gpio, Level};

/// A line that we drive. It keeps its level when this is dropped.
#[derive(Debug)]
pub struct Line {
    value: File,
}

impl Line {
    /// Makes a line an output with this level from the first instant; `root` is where `/sys` is.
    ///
    /// # Errors
    /// When there is no such line, or the kernel uses it itself.
    pub fn drive(root: &Path, gpio: Gpio, level: Level) -> io::Result<Self> {
        let folder = root.join("sys/class/gpio");
        let line = folder.join(format!("gpio{gpio}"));
        if !line.exists() {
            fs::write(folder.join("export"), gpio.to_string())?;
        }
        let direction = match level {
            Level::Low => "low",
            Level::High => "high",
        };
        fs::write(line.join("direction"), direction)?;
        let value = OpenOptions::new().write(true).open(line.join("value"))?;
        Ok(Self { value })
    }

    /// Sets its level.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn set(&mut self, level: Level) -> io::Result<()> {
        self.value.write_all(match level {
            Level::Low => b"0",
            Level::High => b"1",
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use rstest::rstest;
    use tempfile::TempDir;

    /// A folder that looks like a kernel with these lines, exported already. Files keep all that is
    /// written to a value, one behind the other.
    pub fn kernel_with(lines: &[u16]) -> TempDir {
        let root = tempfile::tempdir().unwrap();
        let gpio = root.path().join("sys/class/gpio");
        fs::create_dir_all(&gpio).unwrap();
        for line in lines {
            let folder = gpio.join(format!("gpio{line}"));
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join("direction"), "in").unwrap();
            fs::write(folder.join("value"), "").unwrap();
        }
        root
    }

    /// What was written to a file of a line.
    pub fn written(root: &Path, line: u16, file: &str) -> String {
        fs::read_to_string(root.join(format!("sys/class/gpio/gpio{line}/{file}"))).unwrap()
    }

    #[rstest]
    #[case(Level::Low, "low")]
    #[case(Level::High, "high")]
    fn a_line_has_its_level_as_soon_as_it_is_an_output(
        #[case] level: Level,
        #[case] direction: &str,
    ) {
        let root = kernel_with(&[38]);
        let mut line = Line::drive(root.path(), Gpio(38), level).unwrap();
        assert_eq!(written(root.path(), 38, "direction"), direction);
        assert_eq!(written(root.path(), 38, "value"), "");
        line.set(level.opposite()).unwrap();
        line.set(level).unwrap();
        assert_eq!(written(root.path(), 38, "value").len(), 2);
    }

    #[test]
    fn a_line_that_is_not_exported_is_asked_for() {
        let root = kernel_with(&[]);
        let result = Line::drive(root.path(), Gpio(39), Level::Low);
        assert!(result.is_err(), "this kernel exports nothing");
        let asked = fs::read_to_string(root.path().join("sys/class/gpio/export"));
        assert_eq!(asked.unwrap(), "39");
    }
}
