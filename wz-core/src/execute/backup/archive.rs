//! The archives: the files of a user-data partition, packed as they are seen when it is mounted.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::MadeFile;
use crate::card::{Card, CardError, CardFile, CardOperation, CardPath};
use crate::event::{Event, Problem, Reporter, Step, in_step};
use crate::execute::verify::{Expected, hex};
use crate::flash::FileSystems;
use crate::plan::ArchiveFile;
use crate::units::Size;

/// Why there is no archive.
pub(super) enum Failure {
    /// The partition's files could not be read. The rest of the backup does not suffer.
    Archive(Problem),
    /// The card failed. Nothing more can be done.
    Card(Problem),
}

/// Writes the archive into each of `folders`.
pub(super) fn save(
    archive: &ArchiveFile,
    folders: &[CardPath],
    file_systems: &mut dyn FileSystems,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<MadeFile, Failure> {
    let step = Step::Archive {
        partition: archive.partition.clone(),
        file: archive.name.clone(),
    };
    in_step(reporter, step, |reporter| {
        let root = file_systems
            .mount(archive.region, archive.file_system)
            .map_err(|error| not_archived(archive, &error))?;
        let copies = open(archive, folders, card)
            .map_err(|error| Failure::Card(error.into_problem(card)))?;
        let mut sink = Copies {
            files: copies,
            hash: Sha256::new(),
            size: 0,
            expected: archive.region.size,
            reporter,
            failed: None,
        };
        let packed = pack(&root, &mut sink);
        match (sink.failed.take(), packed) {
            // An archive larger than planned is no reason to lose the images.
            (Some(full), _) if full.source.kind() == io::ErrorKind::StorageFull => {
                drop(sink);
                Err(discard(archive, folders, card, &full.source))
            }
            (Some(error), _) => Err(Failure::Card(error.into_problem(card))),
            (None, Err(error)) => {
                drop(sink);
                Err(discard(archive, folders, card, &error))
            }
            (None, Ok(())) => sink
                .finish()
                .map_err(|error| Failure::Card(error.into_problem(card)))
                .map(|expected| MadeFile {
                    name: archive.name.clone(),
                    expected,
                }),
        }
    })
}

fn open(
    archive: &ArchiveFile,
    folders: &[CardPath],
    card: &mut dyn Card,
) -> Result<Vec<Copy>, CardError> {
    let create = |folder: &CardPath| {
        let path = folder.join(&archive.name);
        card.create(&path).map(|file| Copy { path, file })
    };
    folders.iter().map(create).collect()
}

/// Packs the files in `root` as a `.tar.gz`, in the order of their names.
///
/// # Errors
/// When a file cannot be read, and the sink's own.
pub fn pack(root: &Path, sink: impl Write) -> io::Result<()> {
    let mut builder = tar::Builder::new(GzEncoder::new(sink, Compression::default()));
    builder.follow_symlinks(false);
    add_folder(&mut builder, root, Path::new("."))?;
    builder.into_inner()?.finish()?;
    Ok(())
}

/// Adds what is in `folder`, below `name`, in the order of the names.
fn add_folder<W: Write>(
    builder: &mut tar::Builder<W>,
    folder: &Path,
    name: &Path,
) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (place, name) = (entry.path(), name.join(entry.file_name()));
        match entry.file_type()? {
            kind if kind.is_dir() => {
                builder.append_dir(&name, &place)?;
                add_folder(builder, &place, &name)?;
            }
            // A socket is not data: a program that runs makes it anew.
            kind if is_socket(kind) => {}
            _ => builder.append_path_with_name(&place, &name)?,
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_socket(kind: fs::FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&kind)
}

#[cfg(not(unix))]
fn is_socket(_: fs::FileType) -> bool {
    false
}

/// Takes the unfinished archive off the card; the reason stays.
fn discard(
    archive: &ArchiveFile,
    folders: &[CardPath],
    card: &mut dyn Card,
    error: &io::Error,
) -> Failure {
    for folder in folders {
        if let Err(error) = card.remove_file(&folder.join(&archive.name)) {
            return Failure::Card(error.into_problem(card));
        }
    }
    not_archived(archive, error)
}

fn not_archived(archive: &ArchiveFile, error: &io::Error) -> Failure {
    let partition = archive.partition.clone();
    Failure::Archive(Problem::ArchiveFailed {
        partition,
        reason: error.to_string(),
    })
}

/// One of the files.
struct Copy {
    path: CardPath,
    file: Box<dyn CardFile>,
}

/// The same bytes into several files, counted and hashed once.
struct Copies<'a> {
    files: Vec<Copy>,
    hash: Sha256,
    size: u64,
    /// The partition's size: what the archive is taken to be at most.
    expected: Size,
    reporter: &'a mut dyn Reporter,
    /// Tells the card's failure from that of the files being packed.
    failed: Option<CardError>,
}

impl Copies<'_> {
    fn finish(self) -> Result<Expected, CardError> {
        for Copy { path, file } in self.files {
            file.finish()
                .map_err(|source| CardError::new(CardOperation::Sync, &path, source))?;
        }
        Ok(Expected {
            size: Size::bytes(self.size),
            sha256: hex(self.hash.finalize()),
        })
    }
}

impl Write for Copies<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for Copy { path, file } in &mut self.files {
            if let Err(source) = file.write_all(bytes) {
                let again = io::Error::from(source.kind());
                self.failed = Some(CardError::new(CardOperation::Write, path, source));
                return Err(again);
            }
        }
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.reporter.report(&Event::Progress {
            done: Size::bytes(self.size),
            total: self.expected,
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
