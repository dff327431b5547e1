//! A card to be read: a folder, or an image of all of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wz_core::units::Size;

use crate::cardimage::CardImage;
use crate::files::{self, Doing};
use crate::problem::CliProblem;

/// Where the program's files are.
pub const PROGRAM: &str = "wz_flash-helper/";

/// Deeper folders are not looked into.
const DEEPEST: usize = 12;

/// A card.
#[derive(Debug)]
pub enum Card {
    /// As the system shows it.
    Folder(PathBuf),
    /// An image of all of it.
    Image(CardImage),
}

impl Card {
    pub fn open(path: &Path) -> Result<Self, CliProblem> {
        let meta = fs::metadata(path).map_err(|e| CliProblem::io(Doing::Opened, path, &e))?;
        match meta.is_dir() {
            true => Ok(Self::Folder(path.to_owned())),
            false => Ok(Self::Image(CardImage::open(path)?)),
        }
    }

    /// Paths, with `/` between names, and lengths of all files, in the order of paths.
    pub fn list(&self) -> Result<Vec<(String, Size)>, CliProblem> {
        let mut list = Vec::new();
        self.list_into("", 0, &mut list)?;
        list.sort();
        Ok(list)
    }

    fn list_into(
        &self,
        folder: &str,
        depth: usize,
        list: &mut Vec<(String, Size)>,
    ) -> Result<(), CliProblem> {
        for (name, size) in self.entries(folder)? {
            let path = format!("{folder}{name}");
            match size {
                Some(size) => list.push((path, size)),
                None if depth < DEEPEST => self.list_into(&format!("{path}/"), depth + 1, list)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Names in a folder, and lengths of those that are files. Links are not followed.
    fn entries(&self, folder: &str) -> Result<Vec<(String, Option<Size>)>, CliProblem> {
        match self {
            Self::Image(image) => {
                let listed = image.list(folder.trim_end_matches('/'))?;
                Ok(listed
                    .into_iter()
                    .map(|one| (one.name, one.file_size))
                    .collect())
            }
            Self::Folder(root) => {
                let path = root.join(folder);
                let failed = |error: io::Error| CliProblem::io(Doing::Read, &path, &error);
                let mut entries = Vec::new();
                for entry in fs::read_dir(&path).map_err(failed)? {
                    let entry = entry.map_err(failed)?;
                    let meta = entry.metadata().map_err(failed)?;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    if meta.is_file() {
                        entries.push((name, Some(Size::bytes(meta.len()))));
                    } else if meta.is_dir() {
                        entries.push((name, None));
                    }
                }
                Ok(entries)
            }
        }
    }

    pub fn read(&self, path: &str) -> Result<Vec<u8>, CliProblem> {
        match self {
            Self::Image(image) => Ok(image.read(path)?),
            Self::Folder(root) => files::read(&root.join(path), Size::mib(256)),
        }
    }

    /// A text, or the end of a long one.
    pub fn text(&self, path: &str, longest: usize) -> Result<String, CliProblem> {
        let bytes = self.read(path)?;
        let end = &bytes[bytes.len().saturating_sub(longest)..];
        Ok(String::from_utf8_lossy(end).into_owned())
    }
}
