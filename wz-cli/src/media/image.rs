//! The card in an image file.

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wz_core::card::{
    Card, CardError, CardFile, CardOperation, CardPath, Entry, EntryKind, SECTOR, Space,
};
use wz_core::units::{Offset, Region, Size};

use crate::cardimage::{CardImage, CardImageError, is_missing};
use crate::dump;
use crate::files::Doing;
use crate::problem::CliProblem;

/// A card in a file. The content of the file that was read last is kept: a plan reads images piece by
/// piece.
#[derive(Debug)]
pub struct ImageCard {
    image: CardImage,
    space: Space,
    last: Option<(CardPath, Arc<[u8]>)>,
}

impl ImageCard {
    /// The card whose file system is in `partition` of the file at `path`.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn open(path: &Path, partition: Region) -> Result<Self, CliProblem> {
        let space = space(path, partition).map_err(|e| CliProblem::io(Doing::Read, path, &e))?;
        Ok(Self {
            image: CardImage::at(path, partition),
            space,
            last: None,
        })
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.image.path().to_owned()
    }

    /// All of a file. What is longer than any dump is not read into memory.
    fn content(&mut self, file: &CardPath) -> Result<Arc<[u8]>, CardError> {
        if let Some((path, content)) = &self.last
            && path == file
        {
            return Ok(content.clone());
        }
        let most = dump::LONGEST.as_usize() + 1;
        let content = self.start(file, most)?;
        if content.len() == most {
            let source = io::Error::from(io::ErrorKind::FileTooLarge);
            return Err(CardError::new(CardOperation::Read, file, source));
        }
        let content: Arc<[u8]> = content.into();
        self.last = Some((file.clone(), content.clone()));
        Ok(content)
    }

    fn start(&self, file: &CardPath, most: usize) -> Result<Vec<u8>, CardError> {
        let read = self.image.read_start(file.as_str(), most);
        read.map_err(error(CardOperation::Read, file))
    }
}

fn error(
    operation: CardOperation,
    path: &CardPath,
) -> impl FnOnce(CardImageError) -> CardError + '_ {
    move |error| {
        let kind = match is_missing(&error) {
            true => io::ErrorKind::NotFound,
            false => io::ErrorKind::Other,
        };
        CardError::new(operation, path, io::Error::new(kind, error.to_string()))
    }
}

fn unsupported<T>(operation: CardOperation, path: &CardPath) -> Result<T, CardError> {
    let source = io::Error::from(io::ErrorKind::Unsupported);
    Err(CardError::new(operation, path, source))
}

impl Card for ImageCard {
    fn is_present(&mut self) -> bool {
        self.image.path().exists()
    }

    fn space(&mut self) -> Result<Space, CardError> {
        Ok(self.space)
    }

    fn entries(&mut self, folder: &CardPath) -> Result<Option<Vec<Entry>>, CardError> {
        let path = folder.as_str();
        // The root has no entry of its own.
        let is_there = path.is_empty()
            || self
                .image
                .exists(path)
                .map_err(error(CardOperation::Read, folder))?;
        if !is_there {
            return Ok(None);
        }
        let listed = self
            .image
            .list(path)
            .map_err(error(CardOperation::Read, folder))?;
        let entry = |listed: crate::cardimage::Listed| Entry {
            name: listed.name,
            kind: listed.file_size.map_or(EntryKind::Folder, EntryKind::File),
        };
        Ok(Some(listed.into_iter().map(entry).collect()))
    }

    fn read(&mut self, file: &CardPath, limit: Size) -> Result<Option<Vec<u8>>, CardError> {
        let entries = self.entries(&file.parent())?.unwrap_or_default();
        let found = entries
            .into_iter()
            .find(|entry| entry.name.eq_ignore_ascii_case(file.name()));
        match found.map(|entry| entry.kind) {
            None => Ok(None),
            Some(EntryKind::Folder) => {
                let source = io::Error::from(io::ErrorKind::IsADirectory);
                Err(CardError::new(CardOperation::Read, file, source))
            }
            Some(EntryKind::File(_)) => {
                let most = limit.as_usize().saturating_add(1);
                Ok(Some(self.start(file, most)?))
            }
        }
    }

    fn create_folder(&mut self, folder: &CardPath) -> Result<(), CardError> {
        self.image
            .create_folder(folder.as_str())
            .map_err(error(CardOperation::Create, folder))
    }

    fn create(&mut self, file: &CardPath) -> Result<Box<dyn CardFile>, CardError> {
        self.last = None;
        Ok(Box::new(NewFile {
            image: self.image.clone(),
            path: file.clone(),
            content: Vec::new(),
        }))
    }

    fn read_at(&mut self, file: &CardPath, at: Offset, buffer: &mut [u8]) -> Result<(), CardError> {
        let content = self.content(file)?;
        let start = at.as_usize();
        let end = start.saturating_add(buffer.len());
        match content.get(start..end) {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None => {
                let source = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(CardError::new(CardOperation::Read, file, source));
            }
        }
        Ok(())
    }

    fn write_sector(&mut self, file: &CardPath, _: u32, _: &[u8; SECTOR]) -> Result<(), CardError> {
        unsupported(CardOperation::Write, file)
    }

    fn read_back(&mut self, file: &CardPath) -> Result<Box<dyn Read + Send>, CardError> {
        self.last = None;
        Ok(Box::new(Cursor::new(self.content(file)?)))
    }

    fn rename(&mut self, from: &CardPath, to: &CardPath) -> Result<(), CardError> {
        self.last = None;
        self.image
            .rename(from.as_str(), to.as_str())
            .map_err(error(CardOperation::Rename, from))
    }

    fn remove_file(&mut self, file: &CardPath) -> Result<(), CardError> {
        self.last = None;
        self.image
            .remove(file.as_str())
            .map_err(error(CardOperation::Remove, file))
    }

    fn remove_folder(&mut self, folder: &CardPath) -> Result<(), CardError> {
        unsupported(CardOperation::Remove, folder)
    }

    /// Every call has brought what it did into the image file.
    fn sync(&mut self) -> Result<(), CardError> {
        Ok(())
    }
}

struct NewFile {
    image: CardImage,
    path: CardPath,
    content: Vec<u8>,
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.content.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CardFile for NewFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        let written = self.image.write(self.path.as_str(), &self.content);
        written.map_err(|error| io::Error::other(error.to_string()))
    }
}

/// Room in the FAT32 file system in `partition`: its clusters whose entry in the first FAT is 0.
///
/// ```text
/// 11 bytes/sector  13 sectors/cluster  14 reserved sectors  16 FATs  32 sectors in all  36 sectors/FAT
/// ```
/// Source: Microsoft, "FAT32 File System Specification", 1.03.
fn space(path: &Path, partition: Region) -> io::Result<Space> {
    use std::io::{Seek, SeekFrom};
    let mut file = File::open(path)?;
    let mut start = [0; SECTOR];
    file.seek(SeekFrom::Start(partition.offset.get()))?;
    file.read_exact(&mut start)?;
    let half = |at: usize| u64::from(u16::from_le_bytes([start[at], start[at + 1]]));
    let word = |at: usize| half(at) | half(at + 2) << 16;
    let (sector, reserved) = (half(11), half(14));
    let cluster = (u64::from(start[13]) * sector).max(1);
    let overhead = (reserved + u64::from(start[16]) * word(36)).saturating_mul(sector);
    let sectors = word(32).min(partition.size.get() / sector.max(1));
    let clusters = (sectors * sector).saturating_sub(overhead) / cluster;
    file.seek(SeekFrom::Start(partition.offset.get() + reserved * sector))?;
    let mut table = io::BufReader::with_capacity(1 << 16, file).take(word(36) * sector);
    let mut entry = [0; 4];
    io::copy(&mut (&mut table).take(8), &mut io::sink())?;
    let mut free = 0;
    for _ in 0..clusters {
        match table.read_exact(&mut entry) {
            Ok(()) => free += u64::from(u32::from_le_bytes(entry) & 0x0fff_ffff == 0),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Space {
        free: Size::bytes(free * cluster),
        cluster: Size::bytes(cluster),
    })
}
