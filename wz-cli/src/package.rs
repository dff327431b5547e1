//! A card's content as a folder and as a zip file.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::cardimage::{Content, Entry};
use crate::files::Doing;

/// Why a card's content can't be put into a folder or a zip file.
#[derive(Debug, Error)]
pub enum PackageError {
    /// The system refuses.
    #[error("\"{}\" can't be {doing}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was to be done with it.
        doing: Doing,
        /// What the system says.
        source: io::Error,
    },
    /// The folder holds files of somebody else, or of another card.
    #[error("\"{}\" is in the folder that is to become the card, and does not belong there; move it away, or choose another --out", path.display())]
    Foreign {
        /// The file or folder.
        path: PathBuf,
    },
    /// The zip file can't be made.
    #[error("the zip file can't be made: {0}")]
    Zip(#[from] zip::result::ZipError),
}

/// Writes the content into `folder`. Files of an earlier run are replaced; whatever else is in there is
/// a refusal, as it would end up on somebody's card.
///
/// # Errors
/// See [`PackageError`].
pub fn write_folder(folder: &Path, content: &Content) -> Result<(), PackageError> {
    let known = with_parents(content);
    refuse_foreign(folder, "", &known)?;
    for (path, entry) in content {
        let path = folder.join(path);
        match entry {
            Entry::Folder => fs::create_dir_all(&path),
            Entry::File(bytes) => path
                .parent()
                .map_or(Ok(()), fs::create_dir_all)
                .and_then(|()| fs::write(&path, bytes)),
        }
        .map_err(|source| PackageError::Io {
            path,
            doing: Doing::Written,
            source,
        })?;
    }
    Ok(())
}

/// The content as a zip file. The same content always gives the same bytes.
///
/// # Errors
/// [`PackageError::Zip`].
pub fn zip(content: &Content) -> Result<Vec<u8>, PackageError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::from_date_and_time(2025, 1, 1, 0, 0, 0).unwrap_or_default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, entry) in content {
        match entry {
            Entry::Folder => zip.add_directory(path, options.unix_permissions(0o755))?,
            Entry::File(bytes) => {
                zip.start_file(path, options)?;
                zip.write_all(bytes).map_err(zip::result::ZipError::from)?;
            }
        }
    }
    Ok(zip.finish()?.into_inner())
}

/// All paths of the content, and the folders on the way to them.
fn with_parents(content: &Content) -> BTreeSet<&str> {
    let mut paths = BTreeSet::new();
    for path in content.keys() {
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([path.len()]);
        paths.extend(ends.map(|end| &path[..end]));
    }
    paths
}

fn refuse_foreign(folder: &Path, inside: &str, known: &BTreeSet<&str>) -> Result<(), PackageError> {
    let unreadable = |source| PackageError::Io {
        path: folder.to_owned(),
        doing: Doing::Read,
        source,
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(unreadable)?,
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let path = format!("{inside}{}", entry.file_name().to_string_lossy());
        if !known.contains(path.as_str()) {
            return Err(PackageError::Foreign { path: entry.path() });
        }
        if entry.file_type().map_err(unreadable)?.is_dir() {
            refuse_foreign(&entry.path(), &format!("{path}/"), known)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn content() -> Content {
        Content::from([
            (
                "factory_ZMC6tiIDQN".to_owned(),
                Entry::File(vec![0x27; 5000]),
            ),
            (
                "wz_flash-helper/general.conf".to_owned(),
                Entry::File(b"dry_run=\"no\"\n".to_vec()),
            ),
            ("wz_flash-helper/scripts".to_owned(), Entry::Folder),
        ])
    }

    #[test]
    fn the_folder_holds_the_content_also_the_second_time() {
        let folder = tempfile::tempdir().unwrap();
        write_folder(folder.path(), &content()).unwrap();
        write_folder(folder.path(), &content()).unwrap();
        let conf = folder.path().join("wz_flash-helper/general.conf");
        assert_eq!(fs::read(conf).unwrap(), b"dry_run=\"no\"\n");
        assert!(folder.path().join("wz_flash-helper/scripts").is_dir());
    }

    #[test]
    fn a_foreign_file_in_the_folder_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = folder.path().join("wz_flash-helper").join("holiday.jpg");
        fs::create_dir(folder.path().join("wz_flash-helper")).unwrap();
        fs::write(&foreign, b"sea").unwrap();
        let refused = write_folder(folder.path(), &content()).unwrap_err();
        assert!(refused.to_string().contains("holiday.jpg"), "{refused}");
        assert_eq!(fs::read(&foreign).unwrap(), b"sea");
        assert!(!folder.path().join("factory_ZMC6tiIDQN").exists());
    }

    #[test]
    fn the_zip_holds_the_content() {
        let mut zip = zip::ZipArchive::new(Cursor::new(zip(&content()).unwrap())).unwrap();
        let names: Vec<_> = zip
            .file_names()
            .map(|name| name.unwrap().into_owned())
            .collect();
        assert_eq!(
            names,
            [
                "factory_ZMC6tiIDQN",
                "wz_flash-helper/general.conf",
                "wz_flash-helper/scripts/"
            ]
        );
        let mut conf = String::new();
        zip.by_name("wz_flash-helper/general.conf")
            .unwrap()
            .read_to_string(&mut conf)
            .unwrap();
        assert_eq!(conf, "dry_run=\"no\"\n");
    }

    #[test]
    fn the_same_content_gives_the_same_zip() {
        assert_eq!(zip(&content()).unwrap(), zip(&content()).unwrap());
    }
}
