//! Files of the owner's computer: read with a limit, written whole or not at all.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use wz_core::units::Size;

use crate::problem::CliProblem;

/// What was to be done with a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It was to be found there.
    Opened,
    /// Its content was wanted.
    Read,
    /// It was to be made.
    Made,
    /// It was to be changed.
    Written,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Opened => "opened",
            Self::Read => "read",
            Self::Made => "made",
            Self::Written => "written",
        })
    }
}

/// An open file, and how long it is.
///
/// # Errors
/// It is not there, is a folder, or can't be opened.
pub fn open(path: &Path) -> Result<(File, Size), CliProblem> {
    let failed = |error: &io::Error| CliProblem::io(Doing::Opened, path, error);
    let meta = fs::metadata(path).map_err(|error| failed(&error))?;
    if !meta.is_file() {
        return Err(CliProblem::NotAFile {
            path: path.display().to_string(),
        });
    }
    let file = File::open(path).map_err(|error| failed(&error))?;
    Ok((file, Size::bytes(meta.len())))
}

/// The content of a file that is not longer than `longest`.
///
/// # Errors
/// As [`open`]; it is longer, or can't be read.
pub fn read(path: &Path, longest: Size) -> Result<Vec<u8>, CliProblem> {
    let (file, size) = open(path)?;
    let too_long = |size| CliProblem::TooLong {
        path: path.display().to_string(),
        size,
        longest,
    };
    if size > longest {
        return Err(too_long(size));
    }
    let mut bytes = Vec::with_capacity(size.as_usize());
    file.take(longest.get() + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| CliProblem::io(Doing::Read, path, &error))?;
    match Size::bytes(bytes.len() as u64) {
        read if read > longest => Err(too_long(read)),
        _ => Ok(bytes),
    }
}

/// Whether a file may be written, as far as its own rights say.
///
/// # Errors
/// It is read-only.
pub fn check_writable(path: &Path) -> Result<(), CliProblem> {
    let is_read_only = fs::metadata(path).is_ok_and(|meta| meta.permissions().readonly());
    match is_read_only {
        true => Err(CliProblem::Forbidden {
            path: path.display().to_string(),
            doing: Doing::Written,
        }),
        false => Ok(()),
    }
}

/// Writes a file so that, whatever happens, it has its old content or all of the new one.
///
/// # Errors
/// The new content can't be stored beside it, or can't take its place.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<(), CliProblem> {
    check_writable(path)?;
    let partial = partial(path);
    let written = store(&partial, path, content).and_then(|()| fs::rename(&partial, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&partial);
        CliProblem::io(Doing::Written, path, &error)
    })
}

/// New files have the rights that the old one has.
fn store(partial: &Path, old: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).open(partial)?;
    file.write_all(content)?;
    if let Ok(meta) = fs::metadata(old) {
        file.set_permissions(meta.permissions())?;
    }
    file.sync_all()
}

/// A name in the same folder that nobody else uses.
fn partial(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    path.with_file_name(name)
}
