//! What `make qemu-test` builds for the tests, named by environment variables.

use std::path::PathBuf;

use crate::error::{Error, Result};

/// The emulator's kernel, a uImage: `uImage` in the folder that `WZ_KERNEL_DIR` names.
pub fn kernel() -> Result<PathBuf> {
    file("WZ_KERNEL_DIR", Some("uImage"))
}

/// The static busybox for the camera's processor that `WZ_BUSYBOX` names.
pub fn busybox() -> Result<PathBuf> {
    file("WZ_BUSYBOX", None)
}

/// The program that becomes `/init` on the camera, named by `WZ_INIT`.
pub fn init() -> Result<PathBuf> {
    file("WZ_INIT", None)
}

fn file(variable: &'static str, below: Option<&str>) -> Result<PathBuf> {
    let missing = |why| Error::MissingInput { variable, why };
    let value = std::env::var_os(variable).ok_or_else(|| missing("not set".to_owned()))?;
    let mut path = PathBuf::from(value);
    path.extend(below);
    if path.is_file() {
        Ok(path)
    } else {
        Err(missing(format!("{} is no file", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_input_tells_what_to_run() {
        let error = file("WZ_TESTBED_NO_SUCH_VARIABLE", None).unwrap_err();

        assert_eq!(
            error.to_string(),
            "WZ_TESTBED_NO_SUCH_VARIABLE: not set; run: make qemu-test"
        );
    }
}
