//! A card that is mounted somewhere in the file system.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Card, CardError, CardFile, CardOperation, CardPath, Entry, EntryKind, SECTOR, Space};
use crate::units::{Offset, Size};

/// What the standard library cannot do: differs between the camera and the owner's computer.
pub trait Platform {
    /// Whether the card that `path` is on is still there.
    fn is_present(&self, path: &Path) -> bool;

    /// Room on the file system that `path` is on.
    ///
    /// # Errors
    /// What the system says.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Opens `path` so that reading it reads the card and not a cache.
    ///
    /// # Errors
    /// What the system says.
    fn open_uncached(&self, path: &Path) -> io::Result<Box<dyn Read + Send>>;

    /// Replaces a sector of `path` in place, and reads it back from the card.
    ///
    /// # Errors
    /// What the system says; and if the card shows something else.
    fn write_sector(&self, path: &Path, sector: u32, bytes: &[u8; SECTOR]) -> io::Result<()>;

    /// Flushes the file system that `path` is on, names included.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self, path: &Path) -> io::Result<()>;
}

/// The card as a folder.
#[derive(Debug)]
pub struct DirCard<P> {
    root: PathBuf,
    platform: P,
}

impl<P: Platform> DirCard<P> {
    /// The card that is mounted at `root`.
    pub fn new(root: impl Into<PathBuf>, platform: P) -> Self {
        Self {
            root: root.into(),
            platform,
        }
    }

    fn place(&self, path: &CardPath) -> PathBuf {
        path.as_str()
            .split('/')
            .fold(self.root.clone(), |place, part| place.join(part))
    }
}

fn error(operation: CardOperation, path: &CardPath) -> impl FnOnce(io::Error) -> CardError + '_ {
    move |source| CardError::new(operation, path, source)
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(missing) if missing.kind() == ErrorKind::NotFound => Ok(None),
        Err(other) => Err(other),
    }
}

fn list(place: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        let kind = match metadata.is_dir() {
            true => EntryKind::Folder,
            false => EntryKind::File(Size::bytes(metadata.len())),
        };
        entries.push(Entry {
            name: entry.file_name().to_string_lossy().into_owned(),
            kind,
        });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn read_at_most(place: &Path, limit: Size) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(place)?
        .take(limit.get().saturating_add(1))
        .read_to_end(&mut content)?;
    Ok(content)
}

impl<P: Platform> Card for DirCard<P> {
    fn is_present(&mut self) -> bool {
        self.platform.is_present(&self.root)
    }

    fn space(&mut self) -> Result<Space, CardError> {
        let root = CardPath::root();
        self.platform
            .space(&self.root)
            .map_err(error(CardOperation::Space, &root))
    }

    fn entries(&mut self, folder: &CardPath) -> Result<Option<Vec<Entry>>, CardError> {
        unless_missing(list(&self.place(folder))).map_err(error(CardOperation::Read, folder))
    }

    fn read(&mut self, file: &CardPath, limit: Size) -> Result<Option<Vec<u8>>, CardError> {
        unless_missing(read_at_most(&self.place(file), limit))
            .map_err(error(CardOperation::Read, file))
    }

    fn create_folder(&mut self, folder: &CardPath) -> Result<(), CardError> {
        fs::create_dir_all(self.place(folder)).map_err(error(CardOperation::Create, folder))
    }

    fn create(&mut self, file: &CardPath) -> Result<Box<dyn CardFile>, CardError> {
        let open = File::create(self.place(file)).map_err(error(CardOperation::Create, file))?;
        Ok(Box::new(OpenFile(open)))
    }

    fn read_at(&mut self, file: &CardPath, at: Offset, buffer: &mut [u8]) -> Result<(), CardError> {
        let read = |mut open: File, buffer: &mut [u8]| {
            open.seek(SeekFrom::Start(at.get()))?;
            open.read_exact(buffer)
        };
        File::open(self.place(file))
            .and_then(|open| read(open, buffer))
            .map_err(error(CardOperation::Read, file))
    }

    fn write_sector(
        &mut self,
        file: &CardPath,
        sector: u32,
        bytes: &[u8; SECTOR],
    ) -> Result<(), CardError> {
        self.platform
            .write_sector(&self.place(file), sector, bytes)
            .map_err(error(CardOperation::Write, file))
    }

    fn read_back(&mut self, file: &CardPath) -> Result<Box<dyn Read + Send>, CardError> {
        self.platform
            .open_uncached(&self.place(file))
            .map_err(error(CardOperation::Read, file))
    }

    fn rename(&mut self, from: &CardPath, to: &CardPath) -> Result<(), CardError> {
        fs::rename(self.place(from), self.place(to)).map_err(error(CardOperation::Rename, from))
    }

    fn remove_file(&mut self, file: &CardPath) -> Result<(), CardError> {
        fs::remove_file(self.place(file)).map_err(error(CardOperation::Remove, file))
    }

    fn remove_folder(&mut self, folder: &CardPath) -> Result<(), CardError> {
        fs::remove_dir_all(self.place(folder)).map_err(error(CardOperation::Remove, folder))
    }

    fn sync(&mut self) -> Result<(), CardError> {
        self.platform
            .sync(&self.root)
            .map_err(error(CardOperation::Sync, &CardPath::root()))
    }
}

struct OpenFile(File);

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl CardFile for OpenFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        self.0.sync_all()
    }
}
