//! SD cards to put into a camera: ordinary ones, and the ones that people really have.
//!
//! They are made and read with dosfstools and mtools, so that `wz` and the camera have to get along
//! with the work of others.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use wz_core::units::Size;

use crate::error::{Doing, Error, Result};
use crate::tool;

const SECTOR: u64 = 512;
/// Where every maker of cards puts the first partition.
const PARTITION_AT: u64 = 2048 * SECTOR;

/// How the card is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CardLayout {
    /// An MBR with one FAT32 partition from sector 2048 on: what the instructions ask for.
    Fat32,
    /// An MBR with one FAT16 partition.
    Fat16,
    /// FAT32 from the first sector on, without a partition table.
    NoPartitionTable,
    /// An MBR with a partition that looks like exFAT, as cards of 64 GB and more are sold.
    Exfat,
    /// Nothing but zeros.
    Blank,
}

/// What an SD card holds when it goes into the camera.
#[derive(Clone, Debug)]
pub struct Card {
    size: Size,
    layout: CardLayout,
    image: Option<PathBuf>,
    files: Vec<(String, Vec<u8>)>,
    room_left: Option<Size>,
}

impl Default for Card {
    fn default() -> Self {
        Self::new()
    }
}

impl Card {
    /// An empty card of 128 MiB with an MBR and one FAT32 partition.
    pub fn new() -> Self {
        Self {
            size: Size::mib(128),
            layout: CardLayout::Fat32,
            image: None,
            files: Vec::new(),
            room_left: None,
        }
    }

    /// A card that the image file `path` was written to, such as the `.img` of `wz image`.
    pub fn of_image(path: &Path) -> Self {
        Self {
            image: Some(path.to_owned()),
            ..Self::new()
        }
    }

    /// Another size. QEMU takes powers of two only; FAT32 needs 64 MiB.
    #[must_use]
    pub fn size(mut self, size: Size) -> Self {
        self.size = size;
        self
    }

    /// Another layout.
    #[must_use]
    pub fn layout(mut self, layout: CardLayout) -> Self {
        self.layout = layout;
        self
    }

    /// With the file `path` (`wz_flash-helper/general.conf`); its folders are made. On a card that
    /// was made of an image an existing file is replaced.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files
            .push((path.to_owned(), content.as_ref().to_vec()));
        self
    }

    /// With a copy of all that is in a folder of this computer, such as `dist/t31/card`.
    pub fn with_folder(mut self, folder: &Path) -> Result<Self> {
        self.add_folder(folder, "")?;
        Ok(self)
    }

    /// With a file that takes all room but this much.
    #[must_use]
    pub fn room_left(mut self, room: Size) -> Self {
        self.room_left = Some(room);
        self
    }

    /// Writes the card's image to `to`, a sparse file of the card's size.
    pub fn write_image(&self, to: &Path) -> Result<()> {
        self.write_empty(to)?;
        copy_in(to, &self.files)?;
        match self.room_left {
            Some(room) => fill_up(to, room),
            None => Ok(()),
        }
    }

    fn write_empty(&self, to: &Path) -> Result<()> {
        let writing = || format!("write the card image {}", to.display());
        if let Some(image) = &self.image {
            fs::copy(image, to).doing(|| format!("copy the card image {}", image.display()))?;
            return Ok(());
        }
        let mut file = File::create_new(to).doing(writing)?;
        file.set_len(self.size.get()).doing(writing)?;
        match self.layout {
            CardLayout::Fat32 => {
                write_mbr(&mut file, 0x0c, self.size).doing(writing)?;
                format(to, "32", PARTITION_AT)
            }
            CardLayout::Fat16 => {
                write_mbr(&mut file, 0x06, self.size).doing(writing)?;
                format(to, "16", PARTITION_AT)
            }
            CardLayout::NoPartitionTable => format(to, "32", 0),
            CardLayout::Exfat => {
                write_mbr(&mut file, 0x07, self.size).doing(writing)?;
                file.seek(SeekFrom::Start(PARTITION_AT)).doing(writing)?;
                file.write_all(b"\xeb\x76\x90EXFAT   ").doing(writing)
            }
            CardLayout::Blank => Ok(()),
        }
    }

    fn add_folder(&mut self, folder: &Path, below: &str) -> Result<()> {
        let reading = || format!("read the folder {}", folder.display());
        for entry in fs::read_dir(folder).doing(reading)? {
            let entry = entry.doing(reading)?;
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.file_type().doing(reading)?.is_dir() {
                self.add_folder(&entry.path(), &format!("{path}/"))?;
            } else {
                self.files
                    .push((path, fs::read(entry.path()).doing(reading)?));
            }
        }
        Ok(())
    }
}

/// One entry of the partition table, which reaches to the end of the card.
fn write_mbr(file: &mut File, kind: u8, size: Size) -> std::io::Result<()> {
    let sectors = |bytes: u64| {
        u32::try_from(bytes / SECTOR)
            .unwrap_or(u32::MAX)
            .to_le_bytes()
    };
    let mut mbr = [0; SECTOR as usize];
    mbr[440..444].copy_from_slice(b"wztb"); // disk signature
    let entry = &mut mbr[446..462];
    entry[1..4].copy_from_slice(&[0xfe, 0xff, 0xff]); // CHS: beyond what it can say
    entry[4] = kind;
    entry[5..8].copy_from_slice(&[0xfe, 0xff, 0xff]);
    entry[8..12].copy_from_slice(&sectors(PARTITION_AT));
    entry[12..16].copy_from_slice(&sectors(size.get() - PARTITION_AT));
    mbr[510..].copy_from_slice(&[0x55, 0xaa]);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&mbr)
}

fn format(image: &Path, fat_bits: &str, at: u64) -> Result<()> {
    let sectors = (at / SECTOR).to_string();
    let kib = fs::metadata(image)
        .map(|card| (card.len() - at) / 1024)
        .doing(|| format!("look at {}", image.display()))?
        .to_string();
    let options = [
        "--invariant",
        "-n",
        "WZTESTBED",
        "-F",
        fat_bits,
        "--offset",
        &sectors,
    ];
    let files = [image.as_os_str(), OsStr::new(&kib)];
    tool::run("mkfs.vfat", options.iter().map(OsStr::new).chain(files)).map(drop)
}

/// The bytes `from .. to` of the card that its first volume takes: the first partition, or the whole
/// card where there is no partition table.
pub(crate) fn first_volume(file: &mut File) -> std::io::Result<(u64, u64)> {
    let size = file.metadata()?.len();
    let mut sector = [0; SECTOR as usize];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut sector)?;
    let starts_with_volume = &sector[82..87] == b"FAT32" || &sector[54..57] == b"FAT";
    let le32 = |at: usize| {
        u64::from(u32::from_le_bytes([
            sector[at],
            sector[at + 1],
            sector[at + 2],
            sector[at + 3],
        ]))
    };
    let from = le32(454) * SECTOR;
    if starts_with_volume || from == 0 {
        return Ok((0, size));
    }
    Ok((from, (from + le32(458) * SECTOR).min(size)))
}

/// Copies files to the card, over those that are there, and makes the folders that they lie in.
pub(crate) fn copy_in(image: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let staging = || "collect the files of a card".to_owned();
    let stage = tempfile::tempdir().doing(staging)?;
    for (path, content) in files {
        let path = stage.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(stage.path())).doing(staging)?;
        fs::write(path, content).doing(staging)?;
    }
    let mut args = vec![OsString::from("-s"), OsString::from("-o")];
    for entry in fs::read_dir(stage.path()).doing(staging)? {
        args.push(entry.doing(staging)?.path().into());
    }
    args.push("::/".into());
    mtools("mcopy", image, args).map(drop)
}

/// Copies a file or a folder with all that is in it from the card.
pub(crate) fn copy_out(image: &Path, from: &str, to: &Path) -> Result<()> {
    let from = format!("::/{from}");
    let args = ["-s", "-n", &from].map(OsString::from);
    mtools("mcopy", image, args.into_iter().chain([to.into()])).map(drop)
}

/// The content of a file.
pub(crate) fn read_file(image: &Path, path: &str) -> Result<Vec<u8>> {
    let reading = || format!("read {path} from the card");
    let dir = tempfile::tempdir().doing(reading)?;
    let file = dir.path().join("file");
    copy_out(image, path, &file)?;
    fs::read(file).doing(reading)
}

/// Runs one of the mtools on what U-Boot calls `mmc 0:1`, which they call `::`.
pub(crate) fn mtools<A: Into<OsString>>(
    name: &str,
    image: &Path,
    args: impl IntoIterator<Item = A>,
) -> Result<String> {
    let (from, _) = File::open(image)
        .and_then(|mut file| first_volume(&mut file))
        .doing(|| format!("open the card image {}", image.display()))?;
    let mut drive = image.as_os_str().to_owned();
    drive.push(format!("@@{from}"));
    let drive = [OsString::from("-i"), drive];
    tool::run(
        name,
        drive.into_iter().chain(args.into_iter().map(Into::into)),
    )
}

fn fill_up(image: &Path, room_left: Size) -> Result<()> {
    let filling = || "fill the card".to_owned();
    let free = room(image)?.get().saturating_sub(room_left.get());
    let mut zeros = tempfile::NamedTempFile::new().doing(filling)?;
    zeros.as_file_mut().set_len(free).doing(filling)?;
    let files = [zeros.path().as_os_str(), OsStr::new("::/filler.bin")];
    mtools("mcopy", image, files).map(drop)
}

/// The bytes in free clusters.
pub(crate) fn room(image: &Path) -> Result<Size> {
    let listing = mtools("mdir", image, ["::/"])?;
    let line = listing
        .lines()
        .find_map(|line| line.strip_suffix(" bytes free"));
    let digits: String = line.unwrap_or_default().split_whitespace().collect();
    let unclear = |_| Error::Card(format!("mdir does not tell the free bytes:\n{listing}"));
    digits.parse().map(Size::bytes).map_err(unclear)
}
