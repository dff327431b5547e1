//! The image of a memory card: a partition table (MBR) and one FAT32 partition, in a sparse file.
//!
//! ```text
//!   sector 0        1 ... 2047        2048 ...                         end (a power of two)
//!   | MBR, entry 1 | not used        | FAT32, type 0x0c (LBA)         |
//! ```
//! U-Boot on the cameras reads `mmc 0:1`: the first partition. QEMU's card wants a power of two.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fatfs::{
    Date, DateTime, Dir, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider,
};
use fscommon::{BufStream, StreamSlice};
use thiserror::Error;
use wz_core::units::{Offset, Region, Size};

/// The smallest card that can be made.
pub const MIN_SIZE: Size = Size::mib(128);
/// The largest: stock U-Boots ignore larger cards.
pub const MAX_SIZE: Size = Size::mib(32 * 1024);
/// What is made if nobody says otherwise.
pub const DEFAULT_SIZE: Size = Size::mib(256);

const SECTOR: u64 = 512;
const PARTITION_AT: Offset = Offset::bytes(2048 * SECTOR);
const TABLE_AT: u64 = 446;
const TABLE_ENTRY: usize = 16;
const TYPE_FAT32_LBA: u8 = 0x0c;
const BOOT_SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// In the boot sector: how many sectors lie before the partition. Windows goes by it.
const HIDDEN_SECTORS_AT: u64 = 0x1c;
const BACKUP_BOOT_SECTOR: u64 = 6;
const VOLUME_ID: u32 = 0x575a_4648;
const VOLUME_LABEL: [u8; 11] = *b"WZ_FLASH   ";

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
        /// `opened`, `created`, ...
        doing: &'static str,
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
        source: io::Error,
    },
}

impl CardImage {
    /// Makes the image of a card of `size` that holds `content`, replacing `path`. The same arguments
    /// always give the same bytes.
    ///
    /// # Errors
    /// [`CardImageError::Size`]; the content does not fit; the file can't be written.
    pub fn create(path: &Path, size: Size, content: &Content) -> Result<Self, CardImageError> {
        if !size.get().is_power_of_two() || size < MIN_SIZE || size > MAX_SIZE {
            return Err(CardImageError::Size { size });
        }
        let partition = Region::new(PARTITION_AT, Offset::bytes(size.get()) - PARTITION_AT);
        let card = Self {
            path: path.to_owned(),
            partition,
        };
        card.lay_out(size).map_err(|source| CardImageError::Image {
            path: path.to_owned(),
            doing: "created",
            source,
        })?;
        card.with_root("/", "written", |root| {
            content
                .iter()
                .try_for_each(|(on_card, entry)| put(root, on_card, entry))
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
            doing: "read",
            source,
        };
        let mut mbr = [0; SECTOR as usize];
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        file.read_exact(&mut mbr)
            .map_err(|_| not_a_card("it is shorter than a sector"))?;
        let partition =
            first_partition(&mbr).ok_or_else(|| not_a_card("it has no partition table"))?;
        if partition.size == Size::ZERO || partition.end() > Offset::bytes(length) {
            return Err(not_a_card(
                "its first partition is empty or reaches beyond the end",
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            partition,
        })
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
        self.with_root(on_card, "read", |root| {
            let mut content = Vec::new();
            root.open_file(on_card)?.read_to_end(&mut content)?;
            Ok(content)
        })
    }

    /// Writes a file, in place of one that may be there, and the folders on the way to it.
    ///
    /// # Errors
    /// The card is full, or can't be written.
    pub fn write(&self, on_card: &str, content: &[u8]) -> Result<(), CardImageError> {
        self.with_root(on_card, "written", |root| put_file(root, on_card, content))
    }

    /// Makes a folder, and those on the way to it.
    ///
    /// # Errors
    /// The card is full, can't be written, or a file is in the way.
    pub fn create_folder(&self, on_card: &str) -> Result<(), CardImageError> {
        self.with_root(on_card, "created", |root| put_folder(root, on_card))
    }

    /// Removes a file or an empty folder.
    ///
    /// # Errors
    /// It isn't there, or is a folder that holds something.
    pub fn remove(&self, on_card: &str) -> Result<(), CardImageError> {
        self.with_root(on_card, "removed", |root| root.remove(on_card))
    }

    /// Gives a file or folder another path.
    ///
    /// # Errors
    /// It isn't there, or something is at `to`.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), CardImageError> {
        self.with_root(from, "renamed", |root| root.rename(from, root, to))
    }

    /// What a folder holds, by name; the root is `""`.
    ///
    /// # Errors
    /// It isn't there, or is a file.
    pub fn list(&self, on_card: &str) -> Result<Vec<Listed>, CardImageError> {
        self.with_root(on_card, "listed", |root| {
            let folder = match on_card.trim_matches('/') {
                "" => root.clone(),
                path => root.open_dir(path)?,
            };
            let mut listed = Vec::new();
            for entry in folder.iter() {
                let entry = entry?;
                let (name, size) = (entry.file_name(), Size::bytes(entry.len()));
                if name != "." && name != ".." {
                    listed.push(Listed {
                        name,
                        file_size: entry.is_file().then_some(size),
                    });
                }
            }
            listed.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(listed)
        })
    }

    /// Whether there is a file or folder at this path.
    ///
    /// # Errors
    /// The card can't be read.
    pub fn exists(&self, on_card: &str) -> Result<bool, CardImageError> {
        let (folder, name) = on_card.rsplit_once('/').unwrap_or(("", on_card));
        match self.list(folder) {
            Ok(listed) => Ok(listed
                .iter()
                .any(|entry| entry.name.eq_ignore_ascii_case(name))),
            Err(CardImageError::OnCard { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(false)
            }
            Err(other) => Err(other),
        }
    }

    /// How much room is left.
    ///
    /// # Errors
    /// The card can't be read.
    pub fn free(&self) -> Result<Size, CardImageError> {
        let stats = self
            .volume()?
            .stats()
            .map_err(|source| self.unusable("read", source))?;
        let clusters = u64::from(stats.free_clusters());
        Ok(Size::bytes(clusters * u64::from(stats.cluster_size())))
    }

    fn lay_out(&self, size: Size) -> io::Result<()> {
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .clone();
        let mut file = options.open(&self.path)?;
        file.set_len(size.get())?;
        file.write_all(&mbr(self.partition))?;
        let volume = FormatVolumeOptions::new()
            .fat_type(FatType::Fat32)
            .volume_id(VOLUME_ID)
            .volume_label(VOLUME_LABEL);
        fatfs::format_volume(self.window(file.try_clone()?)?, volume)?;
        for sector in [0, BACKUP_BOOT_SECTOR] {
            let at = self.partition.offset.get() + sector * SECTOR + HIDDEN_SECTORS_AT;
            file.seek(SeekFrom::Start(at))?;
            file.write_all(&sectors(self.partition.offset.get()).to_le_bytes())?;
        }
        Ok(())
    }

    fn window(&self, file: File) -> io::Result<Window> {
        let (start, end) = (self.partition.offset.get(), self.partition.end().get());
        Ok(BufStream::new(StreamSlice::new(file, start, end)?))
    }

    fn volume(&self) -> Result<Volume, CardImageError> {
        let options = OpenOptions::new().read(true).write(true).clone();
        let file = options
            .open(&self.path)
            .map_err(|source| self.unusable("opened", source))?;
        let window = self
            .window(file)
            .map_err(|source| self.unusable("opened", source))?;
        let options = FsOptions::new().time_provider(&FIXED_TIME);
        FileSystem::new(window, options).map_err(|_| CardImageError::NotACard {
            path: self.path.clone(),
            what: "its first partition holds no FAT file system",
        })
    }

    fn unusable(&self, doing: &'static str, source: io::Error) -> CardImageError {
        CardImageError::Image {
            path: self.path.clone(),
            doing,
            source,
        }
    }

    /// Runs `work` on the mounted card, and unmounts it so that everything is in the file.
    fn with_root<T>(
        &self,
        on_card: &str,
        doing: &'static str,
        work: impl FnOnce(&Dir<'_, Window>) -> io::Result<T>,
    ) -> Result<T, CardImageError> {
        let volume = self.volume()?;
        let outcome = work(&volume.root_dir()).and_then(|value| {
            volume.stats()?;
            Ok(value)
        });
        volume
            .unmount()
            .map_err(|source| self.unusable("written", source))?;
        outcome.map_err(|source| CardImageError::OnCard {
            on_card: on_card.to_owned(),
            doing,
            source,
        })
    }
}

type Window = BufStream<StreamSlice<File>>;
type Volume = FileSystem<Window>;

/// Files on the card all carry this time, so that the image depends on its content alone.
#[derive(Debug)]
struct FixedTime;

static FIXED_TIME: FixedTime = FixedTime;

impl TimeProvider for FixedTime {
    fn get_current_date(&self) -> Date {
        Date {
            year: 2025,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime {
            date: self.get_current_date(),
            time: Time {
                hour: 0,
                min: 0,
                sec: 0,
                millis: 0,
            },
        }
    }
}

fn put(root: &Dir<'_, Window>, on_card: &str, entry: &Entry) -> io::Result<()> {
    match entry {
        Entry::File(content) => put_file(root, on_card, content),
        Entry::Folder => put_folder(root, on_card),
    }
    .map_err(|source| io::Error::new(source.kind(), format!("{on_card}: {source}")))
}

fn put_file(root: &Dir<'_, Window>, on_card: &str, content: &[u8]) -> io::Result<()> {
    if let Some((folder, _)) = on_card.rsplit_once('/') {
        put_folder(root, folder)?;
    }
    let mut file = root.create_file(on_card)?;
    file.truncate()?;
    file.write_all(content)?;
    file.flush()
}

fn put_folder(root: &Dir<'_, Window>, on_card: &str) -> io::Result<()> {
    let mut folder = root.clone();
    for name in on_card.split('/').filter(|name| !name.is_empty()) {
        folder = folder.create_dir(name)?;
    }
    Ok(())
}

fn mbr(partition: Region) -> [u8; SECTOR as usize] {
    /// Cylinder, head and sector "beyond what these can say": go by the sector numbers.
    const BEYOND_CHS: [u8; 3] = [0xfe, 0xff, 0xff];
    let mut mbr = [0; SECTOR as usize];
    let entry = &mut mbr[TABLE_AT as usize..][..TABLE_ENTRY];
    entry[1..4].copy_from_slice(&BEYOND_CHS);
    entry[4] = TYPE_FAT32_LBA;
    entry[5..8].copy_from_slice(&BEYOND_CHS);
    entry[8..12].copy_from_slice(&sectors(partition.offset.get()).to_le_bytes());
    entry[12..16].copy_from_slice(&sectors(partition.size.get()).to_le_bytes());
    mbr[440..444].copy_from_slice(&VOLUME_ID.to_le_bytes());
    mbr[510..].copy_from_slice(&BOOT_SIGNATURE);
    mbr
}

fn first_partition(mbr: &[u8; SECTOR as usize]) -> Option<Region> {
    let entry: &[u8; TABLE_ENTRY] = mbr[TABLE_AT as usize..].first_chunk()?;
    let bytes = |at: usize| {
        let sectors = u32::from_le_bytes(*entry[at..].first_chunk()?);
        Some(u64::from(sectors) * SECTOR)
    };
    let looks_right = mbr[510..] == BOOT_SIGNATURE && matches!(entry[4], 0x0b | TYPE_FAT32_LBA);
    let region = Region::new(Offset::bytes(bytes(8)?), Size::bytes(bytes(12)?));
    looks_right.then_some(region)
}

fn sectors(bytes: u64) -> u32 {
    u32::try_from(bytes / SECTOR).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::process::Command;

    fn content() -> Content {
        Content::from([
            (
                "factory_t31_ZMC6tiIDQN".to_owned(),
                Entry::File(vec![0x27; 70_000]),
            ),
            (
                "wz_flash-helper/general.conf".to_owned(),
                Entry::File(b"dry_run=\"no\"\n".to_vec()),
            ),
            ("wz_flash-helper/restore/stock".to_owned(), Entry::Folder),
        ])
    }

    fn card(folder: &Path) -> CardImage {
        CardImage::create(&folder.join("card.img"), MIN_SIZE, &content()).unwrap()
    }

    /// fsck.fat's verdict on the partition: (clean, what it printed).
    fn fsck(card: &CardImage) -> (bool, String) {
        let image = std::fs::read(card.path()).unwrap();
        let partition = card.path().with_extension("fat");
        std::fs::write(&partition, &image[PARTITION_AT.as_usize()..]).unwrap();
        let fsck = Command::new("/usr/sbin/fsck.fat")
            .arg("-n")
            .arg(&partition)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&fsck.stdout).into_owned();
        (fsck.status.success(), printed)
    }

    #[test]
    fn a_new_card_holds_its_content_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let card = card(folder.path());
        let names = |path| {
            card.list(path)
                .unwrap()
                .into_iter()
                .map(|e| e.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(""), ["factory_t31_ZMC6tiIDQN", "wz_flash-helper"]);
        assert_eq!(names("wz_flash-helper"), ["general.conf", "restore"]);
        assert_eq!(names("wz_flash-helper/restore"), ["stock"]);
        assert_eq!(
            card.read("factory_t31_ZMC6tiIDQN").unwrap(),
            vec![0x27; 70_000]
        );
    }

    #[test]
    fn a_new_card_is_clean_for_fsck() {
        let folder = tempfile::tempdir().unwrap();
        let (clean, printed) = fsck(&card(folder.path()));
        assert!(clean, "{printed}");
    }

    #[test]
    fn a_card_that_was_worked_on_is_clean_for_fsck() {
        let folder = tempfile::tempdir().unwrap();
        let card = card(folder.path());
        card.write("wz_flash-helper/backup/stock/0001/ID.txt", b"0001")
            .unwrap();
        card.write("factory_t31_ZMC6tiIDQN", b"short").unwrap();
        card.rename("wz_flash-helper/general.conf", "general.old")
            .unwrap();
        card.remove("wz_flash-helper/restore/stock").unwrap();
        let (clean, printed) = fsck(&card);
        assert!(clean, "{printed}");
        assert_eq!(card.read("factory_t31_ZMC6tiIDQN").unwrap(), b"short");
        assert_eq!(card.read("general.old").unwrap(), b"dry_run=\"no\"\n");
        assert!(!card.exists("wz_flash-helper/general.conf").unwrap());
        assert!(!card.exists("wz_flash-helper/restore/stock").unwrap());
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let bytes = |folder: &Path| std::fs::read(card(folder).path()).unwrap();
        assert!(bytes(one.path()) == bytes(two.path()));
    }

    #[test]
    fn the_partition_table_is_what_the_cameras_expect() {
        let folder = tempfile::tempdir().unwrap();
        let image = std::fs::read(card(folder.path()).path()).unwrap();
        assert_eq!(image.len() as u64, MIN_SIZE.get());
        assert_eq!(image[446 + 4], 0x0c);
        assert_eq!(image[446 + 8..446 + 12], 2048u32.to_le_bytes());
        assert_eq!(
            image[446 + 12..446 + 16],
            (128 * 2048 - 2048u32).to_le_bytes()
        );
        assert_eq!(image[446 + 16..510], [0; 48]);
        assert_eq!(image[510..512], [0x55, 0xaa]);
        assert_eq!(&image[2048 * 512 + 0x52..][..8], b"FAT32   ");
        assert_eq!(image[2048 * 512 + 0x1c..][..4], 2048u32.to_le_bytes());
    }

    #[test]
    fn an_opened_card_is_the_one_that_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let opened = CardImage::open(card(folder.path()).path()).unwrap();
        assert_eq!(
            opened.read("wz_flash-helper/general.conf").unwrap(),
            b"dry_run=\"no\"\n"
        );
        assert!(opened.free().unwrap() > Size::mib(120));
    }

    #[rstest]
    #[case(Size::mib(64))]
    #[case(Size::mib(200))]
    #[case(Size::mib(65_536))]
    #[case(Size::ZERO)]
    fn a_size_that_no_card_has_is_refused(#[case] size: Size) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.img");
        let refused = CardImage::create(&path, size, &content());
        assert!(
            matches!(refused, Err(CardImageError::Size { .. })),
            "{refused:?}"
        );
        assert!(!path.exists());
    }

    #[rstest]
    #[case::empty(vec![])]
    #[case::blank(vec![0; 4096])]
    #[case::file_system_without_table([&[0; 510][..], &BOOT_SIGNATURE, &[0; 4096]].concat())]
    #[case::table_beyond_the_end(mbr(Region::new(PARTITION_AT, Size::mib(1))).to_vec())]
    fn a_file_that_is_no_card_is_refused(#[case] bytes: Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("card.img");
        std::fs::write(&path, bytes).unwrap();
        let refused = CardImage::open(&path);
        assert!(
            matches!(refused, Err(CardImageError::NotACard { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_content_that_does_not_fit_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let too_much = Content::from([("big.bin".to_owned(), Entry::File(vec![1; 130 << 20]))]);
        let refused = CardImage::create(&folder.path().join("card.img"), MIN_SIZE, &too_much);
        assert!(refused.unwrap_err().to_string().contains("big.bin"));
    }

    #[test]
    fn what_is_not_on_the_card_is_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let missing = card(folder.path())
            .read("wz_flash-helper/result.json")
            .unwrap_err();
        assert!(
            missing.to_string().contains("wz_flash-helper/result.json"),
            "{missing}"
        );
    }
}
