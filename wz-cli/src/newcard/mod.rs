//! What is to lie on a card, and how it gets there: nothing of somebody else's is written over.
//!
//! ```text
//!  wish ──▶ pieces: path, content ──▶ compared with the card ──▶ written, images first, kernel last
//! ```

mod conf;
mod images;
mod options;

use std::io::Write;

use serde::Serialize;
use wz_core::card::{Card, CardError, CardOperation, CardPath, EntryKind, write_small};
use wz_core::profile::{Catalogue, Soc};
use wz_core::run::PUT_AWAY;
use wz_core::units::Size;

use crate::cardimage::{Content, Entry};
use crate::media::Media;
use crate::problem::{CliProblem, Failure};
use crate::{card, dump};

use options::{chosen, is_configuration};

pub use images::{Source, images};

/// What the camera is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Write partitions of the installed firmware.
    Restore {
        /// Which firmware that is.
        firmware: String,
        /// Which partitions.
        partitions: Vec<String>,
    },
    /// Replace the firmware.
    Switch {
        /// By which.
        next: String,
        /// Whether all of its partitions are written.
        all_partitions: bool,
    },
}

/// What a card is to be.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Whether the camera is to make a backup.
    pub backup: bool,
    /// What it is to write.
    pub rewrite: Option<Rewrite>,
    /// Whether it is only to say what it would do.
    pub dry_run: bool,
    /// The SD kernel with the program in it; without it, the one that is on the card stays.
    pub kernel: Option<Vec<u8>>,
    /// The names under which U-Boots look for it.
    pub kernel_names: Vec<String>,
    /// Images and their hash files, by their paths on the card.
    pub images: Vec<(CardPath, Vec<u8>)>,
    /// Whether what is somebody else's is written over.
    pub force: bool,
}

/// What became of a file on the card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileRow {
    /// Its path on the card.
    pub file: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was not there.
    Written,
    /// It had another content.
    Changed,
    /// It was right already, or is the owner's to change.
    Kept,
    /// A kernel that had been put away has its name back.
    Renamed,
}

/// A file as it is to be on the card.
#[derive(Clone, Debug)]
struct Piece {
    path: CardPath,
    content: Vec<u8>,
    outcome: Outcome,
}

impl Wish {
    /// The kernel under each of its names.
    fn kernels(&self) -> impl Iterator<Item = (&String, &Vec<u8>)> {
        let kernel = self.kernel.iter();
        kernel.flat_map(|kernel| self.kernel_names.iter().map(move |name| (name, kernel)))
    }
}

/// Everything that is to be done to a card.
#[derive(Debug)]
pub struct Work {
    folders: Vec<CardPath>,
    pieces: Vec<Piece>,
    /// Kernels that have been put away, and their names.
    kernels_back: Vec<(CardPath, CardPath)>,
}

/// The whole content of a new card.
///
/// # Errors
/// See [`plan`].
pub fn content(wish: &Wish, catalogue: &Catalogue, soc: &Soc) -> Result<Content, Failure> {
    let mut content = Content::new();
    for (path, entry) in card::folder(catalogue, soc) {
        let entry = match entry {
            Entry::Folder => Entry::Folder,
            Entry::File(bytes) => Entry::File(chosen(wish, &path, bytes)?),
        };
        content.insert(path, entry);
    }
    for (path, bytes) in &wish.images {
        content.insert(path.to_string(), Entry::File(bytes.clone()));
    }
    for (name, kernel) in wish.kernels() {
        content.insert(name.clone(), Entry::File(kernel.clone()));
    }
    Ok(content)
}

/// Compares what is wanted with what is on the card.
///
/// # Errors
/// What is in the way, all of it; no room; the card can't be read.
pub fn plan(
    wish: &Wish,
    catalogue: &Catalogue,
    soc: &Soc,
    card: &mut dyn Card,
) -> Result<Work, Failure> {
    let mut work = Work {
        folders: Vec::new(),
        pieces: Vec::new(),
        kernels_back: Vec::new(),
    };
    let mut in_the_way = Vec::new();
    images::other_kinds(wish, card, &mut in_the_way)?;
    for (path, bytes) in &wish.images {
        work.take(path, bytes, wish, card, &mut in_the_way)?;
    }
    for (path, entry) in card::folder(catalogue, soc) {
        let path = CardPath::root().join(&path);
        match entry {
            Entry::Folder => work.folders.push(path),
            Entry::File(bytes) => work.take_text(&path, bytes, wish, card, &mut in_the_way)?,
        }
    }
    for (name, kernel) in wish.kernels() {
        let path = CardPath::root().join(name);
        work.take(&path, kernel, wish, card, &mut in_the_way)?;
    }
    if wish.kernel.is_none() {
        work.kernels_back = kernels_back(&wish.kernel_names, catalogue, soc, card)?;
    }
    if !in_the_way.is_empty() {
        return Err(in_the_way.into());
    }
    work.check_room(card)?;
    Ok(work)
}

impl Work {
    /// An image or a kernel: what is there already has to be the same.
    fn take(
        &mut self,
        path: &CardPath,
        content: &[u8],
        wish: &Wish,
        card: &mut dyn Card,
        in_the_way: &mut Vec<CliProblem>,
    ) -> Result<(), Failure> {
        let outcome = match existing(card, path, content.len())? {
            None => Outcome::Written,
            Some(there) if there == content => Outcome::Kept,
            Some(_) if wish.force => Outcome::Changed,
            Some(_) => {
                in_the_way.push(CliProblem::Occupied {
                    path: path.to_string(),
                });
                return Ok(());
            }
        };
        self.push(path, content.to_vec(), outcome);
        Ok(())
    }

    /// A file of the template. Configurations that are made from it get what is wanted, and keep what else
    /// the owner has entered; all else that is there is the owner's.
    fn take_text(
        &mut self,
        path: &CardPath,
        template: Vec<u8>,
        wish: &Wish,
        card: &mut dyn Card,
        in_the_way: &mut Vec<CliProblem>,
    ) -> Result<(), Failure> {
        let longest = wz_core::config::LIMIT.as_usize();
        let Some(there) = existing(card, path, longest)? else {
            let content = chosen(wish, path.as_str(), template)?;
            self.push(path, content, Outcome::Written);
            return Ok(());
        };
        if !is_configuration(wish, path.as_str()) {
            self.push(path, there, Outcome::Kept);
            return Ok(());
        }
        let is_ours = |there: &[u8]| {
            let texts = (std::str::from_utf8(&template), std::str::from_utf8(there));
            matches!(texts, (Ok(template), Ok(there)) if conf::is_made_from(template, there))
        };
        let base = match (is_ours(&there), wish.force) {
            (true, _) => there.clone(),
            (false, true) => template,
            (false, false) => {
                in_the_way.push(CliProblem::ConfigurationNotOurs {
                    path: path.to_string(),
                });
                return Ok(());
            }
        };
        let content = chosen(wish, path.as_str(), base)?;
        let outcome = match content == there {
            true => Outcome::Kept,
            false => Outcome::Changed,
        };
        self.push(path, content, outcome);
        Ok(())
    }

    fn push(&mut self, path: &CardPath, content: Vec<u8>, outcome: Outcome) {
        self.pieces.push(Piece {
            path: path.clone(),
            content,
            outcome,
        });
    }

    fn check_room(&self, card: &mut dyn Card) -> Result<(), Failure> {
        let space = card.space().map_err(|error| error.into_problem(card))?;
        let needed = self.to_write().map(|piece| {
            let size = Size::bytes(piece.content.len() as u64);
            size.round_up(space.cluster).get() + space.cluster.get()
        });
        let needed = Size::bytes(needed.sum());
        match needed > space.free {
            true => Err(CliProblem::NoRoomOnCard {
                needed,
                free: space.free,
            }
            .into()),
            false => Ok(()),
        }
    }

    fn to_write(&self) -> impl Iterator<Item = &Piece> {
        let pieces = self.pieces.iter();
        pieces.filter(|piece| piece.outcome != Outcome::Kept)
    }

    /// Does it, in the order of the pieces.
    ///
    /// # Errors
    /// The card can't be written.
    pub fn carry_out(&self, media: &mut Media) -> Result<Vec<FileRow>, Failure> {
        let failed = |error: CardError, media: &mut Media| -> Failure {
            error.into_problem(media.card()).into()
        };
        for folder in &self.folders {
            let made = media.card().create_folder(folder);
            made.map_err(|error| failed(error, media))?;
        }
        for piece in self.to_write() {
            put(media, piece).map_err(|error| failed(error, media))?;
        }
        let rows = self.pieces.iter().map(|piece| FileRow {
            file: piece.path.to_string(),
            outcome: piece.outcome,
        });
        let mut rows: Vec<FileRow> = rows.collect();
        for (from, to) in &self.kernels_back {
            let renamed = media.card().rename(from, to);
            renamed.map_err(|error| failed(error, media))?;
            rows.push(FileRow {
                file: to.to_string(),
                outcome: Outcome::Renamed,
            });
        }
        Ok(rows)
    }
}

/// In a folder, a file has its old content or the new one, whatever happens.
fn put(media: &mut Media, piece: &Piece) -> Result<(), CardError> {
    let Piece { path, content, .. } = piece;
    media.card().create_folder(&path.parent())?;
    match media {
        Media::Folder(card) => write_small(card, path, content),
        Media::Image(card) => {
            let mut file = card.create(path)?;
            let written = file.write_all(content).and_then(|()| file.finish());
            written.map_err(|source| CardError::new(CardOperation::Write, path, source))
        }
    }
}

/// The content of a file on the card, as far as it takes to compare it with one of `length`.
fn existing(
    card: &mut dyn Card,
    path: &CardPath,
    length: usize,
) -> Result<Option<Vec<u8>>, Failure> {
    let content = card.read(path, Size::bytes(length as u64));
    Ok(content.map_err(|error| error.into_problem(card))?)
}

/// The kernels that have been put away, where none of the family has its name: those of the names that are
/// wanted, or else the only one that there is.
fn kernels_back(
    wanted: &[String],
    catalogue: &Catalogue,
    soc: &Soc,
    card: &mut dyn Card,
) -> Result<Vec<(CardPath, CardPath)>, Failure> {
    let entries = card
        .entries(&CardPath::root())
        .map_err(|error| error.into_problem(card))?;
    let entries = entries.unwrap_or_default();
    let file = |name: &str| {
        let mut files = entries
            .iter()
            .filter(|entry| entry.kind != EntryKind::Folder);
        files.find(|entry| entry.name.eq_ignore_ascii_case(name))
    };
    let names = catalogue.sd_kernels(Some(&soc.name));
    if names.iter().any(|name| file(name).is_some()) {
        return Ok(Vec::new());
    }
    let back = |name: &str| {
        let away = file(&format!("{name}{PUT_AWAY}"))?;
        let root = CardPath::root();
        Some((root.join(&away.name), root.join(name)))
    };
    let of_wanted: Vec<_> = wanted.iter().filter_map(|name| back(name)).collect();
    if !of_wanted.is_empty() {
        return Ok(of_wanted);
    }
    let all: Vec<_> = names.iter().filter_map(|name| back(name)).collect();
    // Which of several is the program's, only the owner knows.
    Ok(match all.len() {
        1 => all,
        _ => Vec::new(),
    })
}

/// The chip groups of a family.
fn groups(soc: &Soc) -> Vec<&str> {
    let mut groups: Vec<&str> = soc.chips.iter().map(|chip| chip.group.as_str()).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// No image is longer than a dump.
const LONGEST_IMAGE: Size = dump::LONGEST;
