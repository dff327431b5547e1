//! Folders of images on the owner's computer: backups, and what is to be restored.

use std::fs;
use std::io;
use std::path::Path;

use wz_core::event::Problem;
use wz_core::image::sha256sum::{Digest, LONGEST_FILE};
use wz_core::plan::shelf;
use wz_core::units::Size;

use crate::anatomy::LONGEST;
use crate::files::{self, Doing};
use crate::problem::{CliProblem, Told};

/// What stands behind the name of an image in that of its hash file.
pub const SUM: &str = ".sha256sum";

/// A file whose content and hash were looked at.
#[derive(Debug)]
pub struct Looked {
    /// Its content, if it could be read.
    pub content: Option<Vec<u8>>,
    /// All that is wrong.
    pub problems: Vec<Told>,
}

/// Names and lengths of the files in a folder, in the order of names.
///
/// # Errors
/// It can't be read.
pub fn list(folder: &Path) -> Result<Vec<(String, Size)>, CliProblem> {
    let failed = |error: io::Error| CliProblem::io(Doing::Read, folder, &error);
    let mut list = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Of what a link leads to.
        let meta = fs::metadata(entry.path()).map_err(failed)?;
        if meta.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            list.push((name, Size::bytes(meta.len())));
        }
    }
    list.sort();
    Ok(list)
}

/// Looks at the image `name`, which is to be `size` long and to have a hash file that is right.
pub fn look(folder: &Path, name: &str, size: Size) -> Looked {
    let path = folder.join(name);
    let shown = path.display().to_string();
    let content = match files::read(&path, LONGEST) {
        Ok(content) => content,
        Err(problem) => {
            let problem = match problem {
                CliProblem::Missing { .. } => CliProblem::PieceMissing {
                    folder: folder.display().to_string(),
                    name: name.to_owned(),
                    size,
                },
                other => other,
            };
            return Looked {
                content: None,
                problems: vec![Told::from(&problem)],
            };
        }
    };
    let found = Size::bytes(content.len() as u64);
    let mut problems = Vec::new();
    if found != size {
        let problem = CliProblem::PieceSize {
            path: shown,
            found,
            expected: size,
        };
        problems.push(Told::from(&problem));
    }
    problems.extend(check_hash(&path, name, &content).err());
    Looked {
        content: Some(content),
        problems,
    }
}

/// Whether the hash file beside it says the hash of this content.
///
/// # Errors
/// It is missing, of another file, or says another.
pub fn check_hash(path: &Path, name: &str, content: &[u8]) -> Result<(), Told> {
    let sum_file = path.with_file_name(format!("{name}{SUM}"));
    let sums = match files::read(&sum_file, Size::bytes(LONGEST_FILE as u64)) {
        Ok(sums) => Some(sums),
        Err(CliProblem::Missing { .. }) => None,
        Err(other) => return Err(Told::from(&other)),
    };
    let shown = path.display().to_string();
    let expected = shelf::digest_of(name, &shown, sums.as_deref());
    let expected = expected.map_err(|problem| Told::from(&problem))?;
    let found = Digest::of(content);
    if found == expected {
        return Ok(());
    }
    Err(Told::from(&Problem::ImageHash {
        file: shown,
        expected: expected.to_string(),
        found: found.to_string(),
    }))
}
