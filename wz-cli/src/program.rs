//! The camera's program as downloads have it: an initramfs, in a file beside `wz`.

use std::env;
use std::path::{Path, PathBuf};

use wz_core::units::Size;

use crate::files;
use crate::initramfs::check_archive;
use crate::problem::CliProblem;

/// What the file is called. `wz image` makes it.
pub const FILE_NAME: &str = "wz_flash-helper.cpio";

/// No initramfs for a camera is longer.
const LONGEST: Size = Size::mib(64);

/// The initramfs in the file that is `named`, or else in the one beside this tool.
///
/// # Errors
/// There is none; it can't be read; it is damaged.
pub fn read(named: Option<&Path>) -> Result<Vec<u8>, CliProblem> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => beside_tool().ok_or_else(|| CliProblem::ProgramMissing {
            file: FILE_NAME.to_owned(),
        })?,
    };
    let archive = files::read(&path, LONGEST)?;
    check_archive(&archive).map_err(|error| CliProblem::ProgramDamaged {
        path: path.display().to_string(),
        why: error.to_string(),
    })?;
    Ok(archive)
}

fn beside_tool() -> Option<PathBuf> {
    let path = env::current_exe().ok()?.with_file_name(FILE_NAME);
    path.exists().then_some(path)
}
