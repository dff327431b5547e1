//! The safety backup: before the first erase, the old content of the whole chip is on the card.

use sha2::{Digest as _, Sha256};

use super::backup::backup;
use super::compare::BlockMap;
use super::compose::region_of;
use super::verify::{Expected, check};
use crate::card::{Card, CardError, CardPath, EntryKind};
use crate::event::{Event, Problem, Reporter, SavedFolder, Step, in_step};
use crate::flash::{FileSystems, FlashError, ReadFlash};
use crate::image::sha256sum::{self, Digest, LONGEST_FILE};
use crate::journal::SafetyCopy;
use crate::plan::BackupPlan;
use crate::units::{Offset, Region, Size};

/// Finds a backup of what is in flash now, and verifies it, or makes one. `folder` is where the
/// backups of this firmware are, `name` that of the image of the whole chip. `compared` is what was
/// decided from an earlier read.
///
/// # Errors
/// When the card fails, or flash does not read the same twice.
pub fn safety_copy(
    plan: &BackupPlan,
    (folder, name): (&CardPath, &str),
    compared: &BlockMap,
    flash: &mut dyn ReadFlash,
    file_systems: &mut dyn FileSystems,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<SafetyCopy, Problem> {
    let (digest, found) = in_step(reporter, Step::FindBackup, |reporter| {
        let digest = digest_of(flash, compared, reporter)?;
        let found = find(folder, name, digest, flash.geometry().size, card, reporter)?;
        Ok::<_, Problem>((digest, found))
    })?;
    let path = match found {
        Some(path) => path,
        None => {
            let made = backup(plan, flash, file_systems, card, reporter)?;
            image_in(&made.folders, name, digest)?
        }
    };
    Ok(SafetyCopy {
        path: path.to_string(),
        sha256: digest.to_string(),
    })
}

/// The image of the whole chip among what was saved, if it is what flash held when it was read
/// before.
fn image_in(folders: &[SavedFolder], name: &str, digest: Digest) -> Result<CardPath, Problem> {
    let saved = folders.first();
    let file = saved.and_then(|saved| saved.files.iter().find(|file| file.name == name));
    match (saved, file) {
        (Some(saved), Some(file)) if file.sha256 == digest.to_string() => {
            Ok(CardPath::root().join(&saved.folder).join(name))
        }
        (_, file) => {
            let second = file.map(|file| file.sha256.as_str()).unwrap_or_default();
            Err(Problem::FlashUnsteady {
                first: format!("SHA-256 {digest}"),
                second: format!("SHA-256 {second}"),
            })
        }
    }
}

/// The hash of the whole chip; every block has to read as it did when it was compared.
fn digest_of(
    flash: &mut dyn ReadFlash,
    compared: &BlockMap,
    reporter: &mut dyn Reporter,
) -> Result<Digest, Problem> {
    let chip = flash.geometry().whole();
    let mut hash = Sha256::new();
    let mut at = Offset::ZERO;
    let mut buffer = vec![0; compared.erase_block.as_usize()];
    let mut known = compared.blocks.iter().peekable();
    while let Some(part) = Region::new(at, compared.erase_block).overlap(&chip) {
        let bytes = &mut buffer[..part.size.as_usize()];
        flash
            .read(at, bytes)
            .map_err(FlashError::into_read_problem)?;
        hash.update(&*bytes);
        let place = |block: u32| region_of(block, compared.erase_block).offset;
        if let Some(block) = known.next_if(|block| place(block.block) == at) {
            reads_as_before(at, block.old, crc32fast::hash(bytes))?;
        }
        at = part.end();
        reporter.report(&Event::Progress {
            done: at - Offset::ZERO,
            total: chip.size,
        });
    }
    Ok(Digest::new(hash.finalize().into()))
}

fn reads_as_before(at: Offset, first: u32, second: u32) -> Result<(), Problem> {
    match first == second {
        true => Ok(()),
        false => Err(Problem::FlashUnsteady {
            first: format!("CRC-32 {first:08x} in the block at {at}"),
            second: format!("{second:08x}"),
        }),
    }
}

/// A finished backup whose hash says that it is what is in flash, and which the card really holds.
fn find(
    folder: &CardPath,
    name: &str,
    digest: Digest,
    size: Size,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Option<CardPath>, Problem> {
    let expected = Expected {
        size,
        sha256: digest.to_string(),
    };
    let candidates =
        candidates(folder, name, digest, card).map_err(|error| error.into_problem(card))?;
    for candidate in candidates {
        if check(card, &candidate, &expected, reporter).is_ok() {
            return Ok(Some(candidate));
        }
    }
    Ok(None)
}

fn candidates(
    folder: &CardPath,
    name: &str,
    digest: Digest,
    card: &mut dyn Card,
) -> Result<Vec<CardPath>, CardError> {
    let mut found = Vec::new();
    let entries = card.entries(folder)?.unwrap_or_default();
    let is_whole = |name: &str| name.bytes().all(|byte| byte.is_ascii_digit());
    for entry in entries {
        if entry.kind != EntryKind::Folder || !is_whole(&entry.name) {
            continue;
        }
        let image = folder.join(&entry.name).join(name);
        let limit = Size::bytes(LONGEST_FILE as u64);
        let sums = card.read(&image.with_suffix(".sha256sum"), limit)?;
        let lines = sums.and_then(|sums| sha256sum::parse(&sums).ok());
        let says_so = |line: &sha256sum::Line| line.name == name && line.digest == digest;
        if lines.is_some_and(|lines| lines.iter().any(says_so)) {
            found.push(image);
        }
    }
    Ok(found)
}
