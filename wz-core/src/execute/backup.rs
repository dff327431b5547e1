//! Makes a backup: one pass over flash, everything read back, names only for what is whole.

mod archive;
mod images;

use std::io::Write;

pub use archive::pack;

use super::verify::{Expected, check, verify};
use crate::card::{Card, CardError, CardOperation, CardPath, rename_for_good};
use crate::event::{Event, Problem, Reporter, SavedFile, SavedFolder, Step, in_step};
use crate::flash::{FileSystems, ReadFlash};
use crate::plan::{BackupPlan, PARTIAL};

/// What became of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupResult {
    /// The folders, all with the same files.
    pub folders: Vec<SavedFolder>,
    /// Archives that could not be made. The images are whole all the same.
    pub archives_failed: Vec<Problem>,
}

/// A file of the backup and what it must be when it is read back.
struct MadeFile {
    name: String,
    expected: Expected,
}

/// Makes the backup that `plan` describes.
///
/// A folder has its final name only when each file in it was read back from the card and compared.
/// When the backup fails, what there is of it is removed as far as the card allows; what stays has
/// a name that ends in `.partial`.
///
/// # Errors
/// What went wrong first, with the file or the place in flash.
pub fn backup(
    plan: &BackupPlan,
    flash: &mut dyn ReadFlash,
    file_systems: &mut dyn FileSystems,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<BackupResult, Problem> {
    remove_leftovers(plan, card, reporter)?;
    let result = make(plan, flash, file_systems, card, reporter);
    if result.is_err() {
        for folder in plan.folders.iter().map(partial) {
            // The failure itself is what the owner must hear of; the next run cleans up again.
            let _ = card.remove_folder(&folder);
        }
        let _ = card.sync();
    }
    result
}

fn make(
    plan: &BackupPlan,
    flash: &mut dyn ReadFlash,
    file_systems: &mut dyn FileSystems,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<BackupResult, Problem> {
    let partials: Vec<CardPath> = plan.folders.iter().map(partial).collect();
    for folder in &partials {
        card.create_folder(folder)
            .map_err(|error| error.into_problem(card))?;
    }
    let mut files = images::save(plan, &partials, flash, card, reporter)?;
    let mut archives_failed = Vec::new();
    for archive in &plan.archives {
        match archive::save(archive, &partials, file_systems, card, reporter) {
            Ok(file) => files.push(file),
            Err(archive::Failure::Archive(problem)) => archives_failed.push(problem),
            Err(archive::Failure::Card(problem)) => return Err(problem),
        }
    }
    let texts = texts(plan, &files);
    for folder in &partials {
        write_texts(card, folder, &texts).map_err(|error| error.into_problem(card))?;
    }
    card.sync().map_err(|error| error.into_problem(card))?;
    for folder in &partials {
        verify_folder(folder, &files, &texts, card, reporter)?;
    }
    let folders = publish(plan, &files, card, reporter)?;
    Ok(BackupResult {
        folders,
        archives_failed,
    })
}

fn partial(folder: &CardPath) -> CardPath {
    folder.with_suffix(PARTIAL)
}

fn remove_leftovers(
    plan: &BackupPlan,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    for leftover in &plan.leftovers {
        in_step(
            reporter,
            Step::RemoveLeftover {
                folder: leftover.to_string(),
            },
            |_| {
                card.remove_folder(leftover)
                    .map_err(|error| error.into_problem(card))
            },
        )?;
    }
    Ok(())
}

/// The small files: a `.sha256sum` beside each file, and `ID.txt`.
fn texts(plan: &BackupPlan, files: &[MadeFile]) -> Vec<(String, String)> {
    let sum = |file: &MadeFile| {
        let line = format!("{}  {}\n", file.expected.sha256, file.name);
        (format!("{}.sha256sum", file.name), line)
    };
    let id = ("ID.txt".to_owned(), plan.id_text.clone());
    files.iter().map(sum).chain([id]).collect()
}

fn write_texts(
    card: &mut dyn Card,
    folder: &CardPath,
    texts: &[(String, String)],
) -> Result<(), CardError> {
    for (name, text) in texts {
        let path = folder.join(name);
        let mut file = card.create(&path)?;
        let written = file.write_all(text.as_bytes()).and_then(|()| file.finish());
        written.map_err(|source| CardError::new(CardOperation::Write, &path, source))?;
    }
    Ok(())
}

/// Reads back all that is in a folder.
fn verify_folder(
    folder: &CardPath,
    files: &[MadeFile],
    texts: &[(String, String)],
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    for file in files {
        verify(card, &folder.join(&file.name), &file.expected, reporter)?;
    }
    let step = Step::Verify {
        file: format!("{folder}/*.sha256sum, ID.txt"),
    };
    in_step(reporter, step, |reporter| {
        texts.iter().try_for_each(|(name, text)| {
            let expected = Expected::of(text.as_bytes());
            check(card, &folder.join(name), &expected, reporter)
        })
    })
}

/// Gives the folders their final names: the contents have been synced and compared before.
fn publish(
    plan: &BackupPlan,
    files: &[MadeFile],
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Vec<SavedFolder>, Problem> {
    let mut saved = Vec::new();
    for folder in &plan.folders {
        in_step(
            reporter,
            Step::Publish {
                folder: folder.to_string(),
            },
            |_| {
                rename_for_good(card, &partial(folder), folder)
                    .map_err(|error| error.into_problem(card))
            },
        )?;
        let files = files.iter().map(|file| SavedFile {
            name: file.name.clone(),
            size: file.expected.size,
            sha256: file.expected.sha256.clone(),
        });
        saved.push(SavedFolder {
            folder: folder.to_string(),
            files: files.collect(),
        });
        if let Some(last) = saved.last() {
            reporter.report(&Event::Saved(last.clone()));
        }
    }
    Ok(saved)
}
