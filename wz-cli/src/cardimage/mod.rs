//! The image of a memory card: a partition table (MBR) and one FAT32 partition, in a sparse file.
//!
//! ```text
//!   sector 0        1 ... 2047        2048 ...                         end (a power of two)
//!   | MBR, entry 1 | not used        | FAT32, type 0x0c (LBA)         |
//! ```
//! U-Boot on the cameras reads `mmc 0:1`: the first partition. QEMU's card wants a power of two.

mod table;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use hadris_fat::format::{FatFormatOptions, FatTypeSelection, FatVolumeFormatter};
use hadris_fat::time::{FatDateTime, StaticTimeProvider};
use hadris_fat::{Error as FatError, FatDir, FatVolume, FatVolumeWriteExt};
use thiserror::Error;
use wz_core::units::{Offset, Region, Size};

use crate::files::Doing;
use table::{PARTITION_AT, SECTOR, Window};

pub use table::first_entry as first_partition_of;

/// The smallest card that can be made.
pub const MIN_SIZE: Size = Size::mib(128);
/// The largest: stock U-Boots ignore larger cards.
pub const MAX_SIZE: Size = Size::mib(32 * 1024);
/// What is made if nobody says otherwise.
pub const DEFAULT_SIZE: Size = Size::mib(256);

const VOLUME_ID: u32 = 0x575a_4648;
const VOLUME_LABEL: &str = "WZ_FLASH";

/// Files on the card all carry this time, 2025-01-01 00:00, so that the image depends on its content
/// alone. A date is `years since 1980 << 9 | month << 5 | day`.
static FIXED_TIME: StaticTimeProvider = StaticTimeProvider(FatDateTime {
    date: 45 << 9 | 1 << 5 | 1,
    time: 0,
    time_tenth: 0,
});

type Volume = FatVolume<Window>;
type Folder<'a> = FatDir<'a, Window>;

/// What lies at a path on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A file with this content.
    File(Vec<u8>),
    /// A folder.
    Folder,
}

/// What is to lie on a card: paths with `/` between the names, relative to the card's root. The
/// folders on the way to a file need no entry of their own.
pub type Content = BTreeMap<String, Entry>;

/// A card's image file. Each call opens the file, does its work and closes it, so that an emulator
/// may use the card between calls.
#[derive(Clone, Debug)]
pub struct CardImage {
    path: PathBuf,
    partition: Region,
}

/// What a folder on the card holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name in its folder.
    pub name: String,
    /// Its size, if it is a file.
    pub file_size: Option<Size>,
}

/// Why a card image can't be made, read or changed.
#[derive(Debug, Error)]
pub enum CardImageError {
    /// A size that no card has.
    #[error(
        "a card of {size} can't be made; choose a power of two from {MIN_SIZE} to {MAX_SIZE}, such as 256M"
    )]
    Size {
        /// The size asked for.
        size: Size,
    },
    /// The image file can't be opened, created or written.
    #[error("\"{}\" can't be {doing}: {source}", path.display())]
    Image {
        /// The image file.
        path: PathBuf,
        /// What was to be done with it.
        doing: Doing,
        /// What the system says.
        source: io::Error,
    },
    /// No partition table, or no first partition, or it is not FAT32.
    #[error("\"{}\" is not the image of a card: {what}", path.display())]
    NotACard {
        /// The image file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// Something on the card can't be read or changed.
    #[error("\"{on_card}\" on the card can't be {doing}: {source}")]
    OnCard {
        /// The path on the card.
        on_card: String,
        /// `read`, `written`, ...
        doing: &'static str,
        /// What the file system says.
        source: FatError,
    },
}

impl CardImage {
    /// Makes the image of a card of `size` that holds `content`, replacing `path`. The same arguments
    /// always give the same bytes.
    ///
    /// # Errors
    /// [`CardImageError::Size`]; the content does not fit; the file can't be written.
    pub fn create(path: &Path, size: Size, content: &Content) -> Result<Self, CardImageError> {
        check_size(size)?;
        let partition = Region::new(PARTITION_AT, Offset::bytes(size.get()) - PARTITION_AT);
        let card = Self {
            path: path.to_owned(),
            partition,
        };
        card.lay_out(size)
            .map_err(|source| card.unusable(Doing::Made, source))?;
        card.format()?;
        card.on_volume(|volume| {
            for (on_card, entry) in content {
                let put = match entry {
                    Entry::File(content) => put_file(volume, on_card, content),
                    Entry::Folder => put_folder(volume, on_card).map(drop),
                };
                put.map_err(|source| failed(on_card, "written", source))?;
            }
            Ok(())
        })?;
        Ok(card)
    }

    /// Opens the image of a card that has a partition table whose first partition is FAT32.
    ///
    /// # Errors
    /// [`CardImageError::Image`], [`CardImageError::NotACard`].
    pub fn open(path: &Path) -> Result<Self, CardImageError> {
        let not_a_card = |what| CardImageError::NotACard {
            path: path.to_owned(),
            what,
        };
        let unreadable = |source| CardImageError::Image {
            path: path.to_owned(),
            doing: Doing::Opened,
            source,
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let end = Offset::bytes(file.metadata().map_err(unreadable)?.len());
        let mut mbr = [0; SECTOR as usize];
        file.read_exact(&mut mbr)
            .map_err(|_| not_a_card("it is shorter than a sector"))?;
        let partition = table::first_partition(&mbr)
            .ok_or_else(|| not_a_card("it has no partition table with a FAT32 partition first"))?;
        if partition.size == Size::ZERO || partition.end() > end {
            return Err(not_a_card(
                "its first partition is empty or reaches beyond the end",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            partition,
        })
    }

    /// The image of a card whose file system is known to be in `partition`.
    pub fn at(path: &Path, partition: Region) -> Self {
        Self {
            path: path.to_owned(),
            partition,
        }
    }

    /// The image file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The content of a file.
    ///
    /// # Errors
    /// It isn't there, or can't be read.
    pub fn read(&self, on_card: &str) -> Result<Vec<u8>, CardImageError> {
        self.look(on_card, "read", |volume| {
            volume.open_file_path(on_card)?.read_to_vec()
        })
    }

    /// The first `most` bytes of a file, or all that it has.
    ///
    /// # Errors
    /// It isn't there, or can't be read.
    pub fn read_start(&self, on_card: &str, most: usize) -> Result<Vec<u8>, CardImageError> {
        self.look(on_card, "read", |volume| {
            let mut reader = volume.open_file_path(on_card)?;
            let mut bytes = vec![0; most.min(reader.size())];
            let mut filled = 0;
            while filled < bytes.len() {
                match reader.read(&mut bytes[filled..])? {
                    0 => break,
                    length => filled += length,
                }
            }
            bytes.truncate(filled);
            Ok(bytes)
        })
    }

    /// Writes a file, in place of one that may be there, and the folders on the way to it.
    ///
    /// # Errors
    /// The card is full, or can't be written.
    pub fn write(&self, on_card: &str, content: &[u8]) -> Result<(), CardImageError> {
        self.work(on_card, "written", |volume| {
            put_file(volume, on_card, content)
        })
    }

    /// Makes a folder, and those on the way to it.
    ///
    /// # Errors
    /// The card is full, can't be written, or a file is in the way.
    pub fn create_folder(&self, on_card: &str) -> Result<(), CardImageError> {
        self.work(on_card, "created", |volume| {
            put_folder(volume, on_card).map(drop)
        })
    }

    /// Removes a file or an empty folder.
    ///
    /// # Errors
    /// It isn't there, or is a folder that holds something.
    pub fn remove(&self, on_card: &str) -> Result<(), CardImageError> {
        self.work(on_card, "removed", |volume| {
            volume.delete(&volume.open_path(on_card)?)
        })
    }

    /// Gives a file or folder another path, whose folder must be there.
    ///
    /// # Errors
    /// It isn't there, or something is at `to`.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), CardImageError> {
        self.work(from, "renamed", |volume| {
            let (folder, name) = split(to);
            volume
                .rename(
                    &volume.open_path(from)?,
                    &open_folder(volume, folder)?,
                    name,
                )
                .map(drop)
        })
    }

    /// What a folder holds, by name; the root is `""`.
    ///
    /// # Errors
    /// It isn't there, or is a file.
    pub fn list(&self, on_card: &str) -> Result<Vec<Listed>, CardImageError> {
        self.look(on_card, "listed", |volume| {
            listed(&open_folder(volume, on_card)?)
        })
    }

    /// Whether there is a file or folder at this path.
    ///
    /// # Errors
    /// The card can't be read.
    pub fn exists(&self, on_card: &str) -> Result<bool, CardImageError> {
        self.look(on_card, "read", |volume| match volume.open_path(on_card) {
            Ok(_) => Ok(true),
            Err(FatError::EntryNotFound) => Ok(false),
            Err(other) => Err(other),
        })
    }

    fn lay_out(&self, size: Size) -> io::Result<()> {
        let mut file = File::create(&self.path)?;
        file.set_len(size.get())?;
        file.write_all(&table::mbr(self.partition, VOLUME_ID))
    }

    fn format(&self) -> Result<(), CardImageError> {
        let options = FatFormatOptions::new(self.partition.size.get())
            .fat_type(FatTypeSelection::Fat32)
            .hidden_sectors(table::sectors(self.partition.offset.get()))
            .volume_id(VOLUME_ID)
            .volume_label(VOLUME_LABEL);
        let unformatted = |source| failed("/", "formatted", source);
        let layout = FatVolumeFormatter::calculate_params(&options).map_err(unformatted)?;
        FatVolumeFormatter::format(self.window(&for_changes())?, options).map_err(unformatted)?;
        let root = layout.data_start_sector as u64 * layout.sector_size as u64;
        self.fix_label_time(root)
            .map_err(|source| self.unusable(Doing::Written, source))
    }

    /// The formatter takes the time of the label, the first entry of the root folder, from the clock.
    fn fix_label_time(&self, root: u64) -> io::Result<()> {
        const CREATED_AND_ACCESSED_AT: u64 = 14;
        const WRITTEN_AT: u64 = 22;
        let FatDateTime { date, time, .. } = FIXED_TIME.0;
        let label = self.partition.offset.get() + root;
        let mut file = OpenOptions::new().write(true).open(&self.path)?;
        file.seek(SeekFrom::Start(label + CREATED_AND_ACCESSED_AT))?;
        file.write_all(&[time, date, date].map(u16::to_le_bytes).concat())?;
        file.seek(SeekFrom::Start(label + WRITTEN_AT))?;
        file.write_all(&[time, date].map(u16::to_le_bytes).concat())
    }

    fn window(&self, options: &OpenOptions) -> Result<Window, CardImageError> {
        let file = options.open(&self.path);
        let file = file.map_err(|source| self.unusable(Doing::Opened, source))?;
        Ok(Window::new(file, self.partition))
    }

    fn unusable(&self, doing: Doing, source: io::Error) -> CardImageError {
        CardImageError::Image {
            path: self.path.clone(),
            doing,
            source,
        }
    }

    /// Runs `work`, whose failure is about one path.
    fn work<T>(
        &self,
        on_card: &str,
        doing: &'static str,
        work: impl FnOnce(&Volume) -> Result<T, FatError>,
    ) -> Result<T, CardImageError> {
        self.on_volume(|volume| work(volume).map_err(|source| failed(on_card, doing, source)))
    }

    /// Runs `look`, which changes nothing and whose failure is about one path.
    fn look<T>(
        &self,
        on_card: &str,
        doing: &'static str,
        look: impl FnOnce(&Volume) -> Result<T, FatError>,
    ) -> Result<T, CardImageError> {
        let volume = self.volume(OpenOptions::new().read(true))?;
        look(&volume).map_err(|source| failed(on_card, doing, source))
    }

    /// Runs `work` on the file system, and brings everything into the image file.
    fn on_volume<T>(
        &self,
        work: impl FnOnce(&Volume) -> Result<T, CardImageError>,
    ) -> Result<T, CardImageError> {
        let volume = self.volume(&for_changes())?;
        let outcome = work(&volume)?;
        volume
            .sync()
            .map_err(|source| failed("/", "written", source))?;
        Ok(outcome)
    }

    fn volume(&self, options: &OpenOptions) -> Result<Volume, CardImageError> {
        let volume = FatVolume::builder(self.window(options)?)
            .time_provider(&FIXED_TIME)
            .open();
        volume.map_err(|_| CardImageError::NotACard {
            path: self.path.clone(),
            what: "its first partition holds no FAT file system",
        })
    }
}

fn for_changes() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    options
}

/// Whether it is about something on the card that is not there.
pub fn is_missing(error: &CardImageError) -> bool {
    matches!(
        error,
        CardImageError::OnCard {
            source: FatError::EntryNotFound,
            ..
        }
    )
}

/// Whether a card of this size can be made.
///
/// # Errors
/// [`CardImageError::Size`].
pub fn check_size(size: Size) -> Result<(), CardImageError> {
    match size.get().is_power_of_two() && (MIN_SIZE..=MAX_SIZE).contains(&size) {
        true => Ok(()),
        false => Err(CardImageError::Size { size }),
    }
}

fn failed(on_card: &str, doing: &'static str, source: FatError) -> CardImageError {
    CardImageError::OnCard {
        on_card: on_card.to_owned(),
        doing,
        source,
    }
}

/// A path's folder and its last name.
fn split(on_card: &str) -> (&str, &str) {
    on_card.rsplit_once('/').unwrap_or(("", on_card))
}

fn open_folder<'a>(volume: &'a Volume, on_card: &str) -> Result<Folder<'a>, FatError> {
    match on_card.trim_matches('/') {
        "" => Ok(volume.root_dir()),
        path => volume.open_dir_path(path),
    }
}

fn put_folder<'a>(volume: &'a Volume, on_card: &str) -> Result<Folder<'a>, FatError> {
    let mut folder = volume.root_dir();
    for name in on_card.split('/').filter(|name| !name.is_empty()) {
        folder = match folder.find(name)? {
            Some(entry) => folder.open_entry(&entry)?,
            None => volume.create_dir(&folder, name)?,
        };
    }
    Ok(folder)
}

fn put_file(volume: &Volume, on_card: &str, content: &[u8]) -> Result<(), FatError> {
    let (folder, name) = split(on_card);
    let folder = put_folder(volume, folder)?;
    let entry = match folder.find(name)? {
        Some(entry) => entry,
        None => volume.create_file(&folder, name)?,
    };
    let mut writer = volume.write_file(&entry)?;
    let mut rest = content;
    while !rest.is_empty() {
        match writer.write(rest)? {
            0 => return Err(FatError::NoFreeSpace),
            written => rest = &rest[written..],
        }
    }
    writer.finish()
}

fn listed(folder: &Folder<'_>) -> Result<Vec<Listed>, FatError> {
    let mut listed = Vec::new();
    let mut entries = folder.entries();
    while let Some(entry) = entries.next_entry() {
        let entry = entry?;
        let Some(entry) = entry.as_entry() else {
            continue;
        };
        let name = entry.name().into_owned();
        if name != "." && name != ".." {
            let file_size = entry.is_file().then_some(Size::bytes(entry.len()));
            listed.push(Listed { name, file_size });
        }
    }
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(listed)
}

#[cfg(test)]
mod tests;
