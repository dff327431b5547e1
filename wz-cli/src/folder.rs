//! A folder of files that is there whole, or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::files::Doing;
use crate::problem::CliProblem;

/// A folder that is being filled under another name.
#[derive(Debug)]
pub struct NewFolder {
    partial: PathBuf,
    target: PathBuf,
}

impl NewFolder {
    /// Begins a folder that becomes `target`.
    ///
    /// # Errors
    /// `target` is there and not empty, or nothing can be made beside it.
    pub fn create(target: &Path) -> Result<Self, CliProblem> {
        refuse_filled(target)?;
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".partial");
        let partial = target.with_file_name(name);
        let failed = |error: io::Error| CliProblem::io(Doing::Made, target, &error);
        if let Some(parent) = partial
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        fs::create_dir(&partial).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CliProblem::AlreadyThere {
                path: partial.display().to_string(),
            },
            _ => failed(error),
        })?;
        Ok(Self {
            partial,
            target: target.to_owned(),
        })
    }

    /// Writes a file into it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<(), CliProblem> {
        fs::write(self.partial.join(name), content)
            .map_err(|error| CliProblem::io(Doing::Written, &self.target.join(name), &error))
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// Somebody else has made one of that name.
    pub fn finish(self) -> Result<(), CliProblem> {
        refuse_filled(&self.target)?;
        let failed = |error: io::Error| CliProblem::io(Doing::Made, &self.target, &error);
        // An empty folder can't be replaced everywhere.
        match fs::remove_dir(&self.target) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        fs::rename(&self.partial, &self.target).map_err(failed)
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        // It is not there any more, once it has its name.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

fn refuse_filled(target: &Path) -> Result<(), CliProblem> {
    match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(CliProblem::AlreadyThere {
            path: target.display().to_string(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(CliProblem::AlreadyThere {
                path: target.display().to_string(),
            })
        }
        Err(error) => Err(CliProblem::io(Doing::Read, target, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_there_whole_or_not_at_all() {
        let place = tempfile::tempdir().unwrap();
        let target = place.path().join("a/b c/żółć");
        let new = NewFolder::create(&target).unwrap();
        new.write("one", b"1").unwrap();
        assert!(!target.exists());
        drop(new);
        assert_eq!(fs::read_dir(place.path().join("a/b c")).unwrap().count(), 0);

        fs::create_dir(&target).unwrap();
        let new = NewFolder::create(&target).unwrap();
        new.write("one", b"1").unwrap();
        new.finish().unwrap();
        assert_eq!(fs::read(target.join("one")).unwrap(), b"1");
        assert_eq!(fs::read_dir(place.path().join("a/b c")).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_is_not_touched() {
        let place = tempfile::tempdir().unwrap();
        let (folder, file) = (place.path().join("folder"), place.path().join("file"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("mine"), b"mine").unwrap();
        fs::write(&file, b"mine").unwrap();
        for target in [&folder, &file] {
            let refused = NewFolder::create(target).map(drop);
            assert!(matches!(refused, Err(CliProblem::AlreadyThere { .. })));
        }
        assert_eq!(fs::read(folder.join("mine")).unwrap(), b"mine");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
    }
}
