//! The SD card: what the program does with it, and what it does to the program.
//!
//! Cards lie: a counterfeit one reports success and loses the data. So nothing counts as written
//! before it has been synced and read back from the card itself ([`Card::read_back`]).

mod dir;
mod path;
mod sim;

use std::fmt;
use std::io::{self, Read, Write};

use crate::event::Problem;
use crate::units::{Offset, Size};

pub use crate::sim::CardFault as SimFault;
pub use dir::{DirCard, Platform};
pub use path::CardPath;
pub use sim::SimCard;

/// What a card writes at once, in bytes.
pub const SECTOR: usize = 512;

/// The files on a mounted card.
///
/// A power cut may lose everything since the last [`Card::sync`], in part or in whole and in any
/// order; what was synced before stays.
pub trait Card {
    /// Whether the card is still in its slot, as far as the system can tell.
    fn is_present(&mut self) -> bool;

    /// Room on the card.
    ///
    /// # Errors
    /// When the card does not answer.
    fn space(&mut self) -> Result<Space, CardError>;

    /// What is in `folder`, sorted by name; `None` if there is no such folder.
    ///
    /// # Errors
    /// When the card does not answer or `folder` is a file.
    fn entries(&mut self, folder: &CardPath) -> Result<Option<Vec<Entry>>, CardError>;

    /// The content of a small file; `None` if there is no such file. At most `limit` bytes are
    /// read: one byte more than that means "longer".
    ///
    /// # Errors
    /// When the card does not answer or `file` is a folder.
    fn read(&mut self, file: &CardPath, limit: Size) -> Result<Option<Vec<u8>>, CardError>;

    /// Makes `folder` and those above it, as far as they are missing.
    ///
    /// # Errors
    /// When one of them is a file, or the card is full, read-only or gone.
    fn create_folder(&mut self, folder: &CardPath) -> Result<(), CardError>;

    /// Makes a new, empty file, replacing one of the same name.
    ///
    /// # Errors
    /// When the card is full, read-only or gone.
    fn create(&mut self, file: &CardPath) -> Result<Box<dyn CardFile>, CardError>;

    /// Fills `buffer` with what stands in `file` from `at` on.
    ///
    /// # Errors
    /// When there is no such file, it is too short, or the card does not answer; `buffer` then holds
    /// nothing of use.
    fn read_at(&mut self, file: &CardPath, at: Offset, buffer: &mut [u8]) -> Result<(), CardError>;

    /// Replaces one sector in the middle of an existing file, which keeps its length. Returns when
    /// the card itself, asked past every cache, shows the new content. A power cut leaves the old
    /// sector, the new one, or a mix; never anything else of the card.
    ///
    /// # Errors
    /// When the file has no such sector, or the card is read-only, gone, or shows something else.
    fn write_sector(
        &mut self,
        file: &CardPath,
        sector: u32,
        bytes: &[u8; SECTOR],
    ) -> Result<(), CardError>;

    /// Opens a file for reading from the card itself, past every cache.
    ///
    /// # Errors
    /// When there is no such file or the card does not answer.
    fn read_back(&mut self, file: &CardPath) -> Result<Box<dyn Read + Send>, CardError>;

    /// Gives a file or folder another name; replaces a file that has that name.
    ///
    /// # Errors
    /// When the card is full, read-only or gone.
    fn rename(&mut self, from: &CardPath, to: &CardPath) -> Result<(), CardError>;

    /// Removes a file.
    ///
    /// # Errors
    /// When there is no such file, or the card is read-only or gone.
    fn remove_file(&mut self, file: &CardPath) -> Result<(), CardError>;

    /// Removes a folder and all that is in it.
    ///
    /// # Errors
    /// When the card is read-only or gone.
    fn remove_folder(&mut self, folder: &CardPath) -> Result<(), CardError>;

    /// Returns when everything so far, names included, has been handed to the card. From then on,
    /// [`Card::entries`] tells what the card holds, as far as the system can be made to forget.
    ///
    /// # Errors
    /// When the card did not take it.
    fn sync(&mut self) -> Result<(), CardError>;
}

/// A file that is being written.
pub trait CardFile: Write + Send {
    /// Hands all of it to the card and closes it.
    ///
    /// # Errors
    /// When the card did not take it.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Room on a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What is free.
    pub free: Size,
    /// What files are made of: each takes whole clusters.
    pub cluster: Size,
}

/// A file or folder on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the folder.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file of this size.
    File(Size),
    /// A folder.
    Folder,
}

/// What was being done on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardOperation {
    /// Asking for the room that is left.
    Space,
    /// Reading a file or a folder.
    Read,
    /// Writing a file.
    Write,
    /// Making a file or a folder.
    Create,
    /// Renaming.
    Rename,
    /// Removing.
    Remove,
    /// Flushing.
    Sync,
}

impl fmt::Display for CardOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Space => "ask for the free space of",
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Sync => "flush",
        })
    }
}

/// An operation on the card that failed, and on what.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} \"{path}\" on the card: {source}")]
pub struct CardError {
    /// What was being done.
    pub operation: CardOperation,
    /// With what.
    pub path: CardPath,
    /// What the system said.
    pub source: io::Error,
}

impl CardError {
    /// Wraps what the system said.
    pub fn new(operation: CardOperation, path: &CardPath, source: io::Error) -> Self {
        Self {
            operation,
            path: path.clone(),
            source,
        }
    }
}

impl CardError {
    /// The words for the owner. A card that went away is told from one that fails.
    pub fn into_problem(self, card: &mut dyn Card) -> Problem {
        let (doing, path) = (self.operation.to_string(), self.path.to_string());
        if !card.is_present() {
            return Problem::CardGone { doing, path };
        }
        match self.source.kind() {
            io::ErrorKind::NotADirectory => Problem::NotAFolder { path },
            _ => Problem::CardFailed {
                doing,
                path,
                reason: self.source.to_string(),
            },
        }
    }
}

/// Writes a small file so that a power cut leaves the old content or the new one.
///
/// # Errors
/// When the card is full, read-only or gone.
pub fn write_small(card: &mut dyn Card, path: &CardPath, content: &[u8]) -> Result<(), CardError> {
    let partial = path.with_suffix(".partial");
    let mut file = card.create(&partial)?;
    file.write_all(content)
        .and_then(|()| file.finish())
        .map_err(|source| CardError::new(CardOperation::Write, &partial, source))?;
    // The new name must not be on the card before what it stands for.
    card.sync()?;
    card.rename(&partial, path)?;
    card.sync()
}

/// Renames, and looks whether the card has kept the new name: what makes a backup whole and ends a
/// boot loop must not be believed.
///
/// # Errors
/// When the card is full, read-only or gone, or has lost the new name.
pub fn rename_for_good(
    card: &mut dyn Card,
    from: &CardPath,
    to: &CardPath,
) -> Result<(), CardError> {
    card.rename(from, to)?;
    card.sync()?;
    let entries = card.entries(&to.parent())?.unwrap_or_default();
    // FAT knows no case, and keeps the spelling of a file that is replaced.
    let has = |name: &str| {
        entries
            .iter()
            .any(|entry| entry.name.eq_ignore_ascii_case(name))
    };
    if has(to.name()) && !has(from.name()) {
        return Ok(());
    }
    let lost = io::Error::other("the card has lost the new name");
    Err(CardError::new(CardOperation::Rename, from, lost))
}

/// Removes a file, and looks whether the card has done so.
///
/// # Errors
/// When there is no such file, or the card is read-only or gone, or still has the file.
pub fn remove_for_good(card: &mut dyn Card, file: &CardPath) -> Result<(), CardError> {
    card.remove_file(file)?;
    card.sync()?;
    let entries = card.entries(&file.parent())?.unwrap_or_default();
    let is_it = |entry: &Entry| entry.name.eq_ignore_ascii_case(file.name());
    match entries.iter().any(is_it) {
        false => Ok(()),
        true => {
            let kept = io::Error::other("the card has kept the file");
            Err(CardError::new(CardOperation::Remove, file, kept))
        }
    }
}
