//! What lies on the card, as far as a plan needs to know.

use super::backup::{BackupId, PARTIAL};
use crate::card::{Card, CardError, CardPath, Entry, EntryKind, Space};
use crate::units::Size;

/// What lies on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardSurvey {
    /// Room.
    pub space: Space,
    /// The highest number of a backup in any of the folders, finished or not.
    pub highest_id: Option<BackupId>,
    /// What interrupted backups left.
    pub leftovers: Vec<CardPath>,
    /// What removing them gives back.
    pub leftover_size: Size,
    /// Files that stand where folders are needed.
    pub files_in_the_way: Vec<String>,
}

/// Looks at the card. `parents` are the folders that the folders of backups are in.
///
/// # Errors
/// When the card does not answer.
pub fn survey(card: &mut dyn Card, parents: &[CardPath]) -> Result<CardSurvey, CardError> {
    let mut survey = CardSurvey {
        space: card.space()?,
        highest_id: None,
        leftovers: Vec::new(),
        leftover_size: Size::ZERO,
        files_in_the_way: Vec::new(),
    };
    for parent in parents {
        match file_in_the_way(card, parent)? {
            Some(file) => survey.files_in_the_way.push(file.to_string()),
            None => add_backups(card, parent, &mut survey)?,
        }
    }
    survey.files_in_the_way.dedup();
    Ok(survey)
}

/// The first part of `folder`, from the top, that is a file.
fn file_in_the_way(card: &mut dyn Card, folder: &CardPath) -> Result<Option<CardPath>, CardError> {
    let mut above = CardPath::root();
    for part in folder.as_str().split('/') {
        let here = above.join(part);
        let is_it = |entry: &&Entry| entry.name.eq_ignore_ascii_case(part);
        let entries = card.entries(&above)?.unwrap_or_default();
        match entries.iter().find(is_it).map(|entry| entry.kind) {
            Some(EntryKind::File(_)) => return Ok(Some(here)),
            Some(EntryKind::Folder) => above = here,
            None => break,
        }
    }
    Ok(None)
}

fn add_backups(
    card: &mut dyn Card,
    parent: &CardPath,
    survey: &mut CardSurvey,
) -> Result<(), CardError> {
    for entry in card.entries(parent)?.unwrap_or_default() {
        let Some(id) = BackupId::of_folder(&entry.name) else {
            continue;
        };
        survey.highest_id = survey.highest_id.max(Some(id));
        if entry.kind == EntryKind::Folder && entry.name.ends_with(PARTIAL) {
            let folder = parent.join(&entry.name);
            let size = size_of(card, &folder, survey.space.cluster)?;
            survey.leftover_size = Size::bytes(survey.leftover_size.get() + size.get());
            survey.leftovers.push(folder);
        }
    }
    Ok(())
}

/// What the files in `folder` take. An unfinished backup has no folders in it.
fn size_of(card: &mut dyn Card, folder: &CardPath, cluster: Size) -> Result<Size, CardError> {
    let size = |entry: Entry| match entry.kind {
        EntryKind::File(size) => size.round_up(cluster).get(),
        EntryKind::Folder => 0,
    };
    Ok(Size::bytes(
        card.entries(folder)?
            .unwrap_or_default()
            .into_iter()
            .map(size)
            .sum(),
    ))
}
