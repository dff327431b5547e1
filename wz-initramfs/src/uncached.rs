//! Reads files from the card itself instead of the page cache, and what else `DirCard` asks of Linux.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, PosixFadviseAdvice, posix_fadvise};
use nix::sys::statvfs::statvfs;
use nix::unistd::syncfs;
use wz_core::card::{Platform, SECTOR, Space};
use wz_core::units::Size;

use crate::root::Root;
use crate::sdcard::Slot;

/// The kernel wants buffers for `O_DIRECT` at multiples of the device's block; pages always do.
const ALIGNMENT: usize = 4096;
const CHUNK: usize = 64 * 1024;

/// Linux, for a card that is mounted.
#[derive(Clone, Debug)]
pub struct LinuxPlatform {
    root: Root,
}

impl LinuxPlatform {
    /// The one that `root` shows.
    pub fn of(root: &Root) -> Self {
        Self { root: root.clone() }
    }

    /// Makes the kernel forget what it knows of all cards: also the tables of the file system, which
    /// `O_DIRECT` alone would take from memory. A kernel that cannot do this has only that.
    fn forget(&self) {
        let _ = fs::write(self.root.join("/proc/sys/vm/drop_caches"), "3");
    }
}

impl Platform for LinuxPlatform {
    fn is_present(&self, _: &Path) -> bool {
        Slot::of(&self.root).answers()
    }

    // These numbers have 32 or 64 bits, by platform.
    #[allow(clippy::useless_conversion)]
    fn space(&self, path: &Path) -> io::Result<Space> {
        let status = statvfs(path)?;
        let cluster = Size::bytes(u64::from(status.fragment_size()));
        let free = u64::from(status.blocks_available()).saturating_mul(cluster.get());
        Ok(Space {
            free: Size::bytes(free),
            cluster,
        })
    }

    fn open_uncached(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        File::open(path)?.sync_all()?;
        self.forget();
        Ok(Box::new(DirectReader::new(open_direct(path)?)?))
    }

    fn write_sector(&self, path: &Path, sector: u32, bytes: &[u8; SECTOR]) -> io::Result<()> {
        replace_sector(&open_for_sectors(path)?, sector, bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        syncfs(File::open(path)?)?;
        self.forget();
        Slot::of(&self.root).forget();
        Ok(())
    }
}

/// Opens `path` for reading from the device; where the kernel cannot do that, with an empty cache.
/// Reads want an [`AlignedBuffer`] and start at multiples of 512.
///
/// # Errors
/// What the system says.
pub fn open_direct(path: &Path) -> io::Result<File> {
    let direct = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_DIRECT.bits())
        .open(path);
    match direct {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {
            let file = File::open(path)?;
            posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
            Ok(file)
        }
        other => other,
    }
}

/// Replaces a sector within the length of `file`, and compares it with what the card then shows.
///
/// ```text
/// O_DIRECT   write: pages of the sector are flushed and dropped, then the device is written
///            read:  the device is read
/// without    write: page cache; fdatasync hands it to the device; DONTNEED drops the page
///            read:  the device is read
/// ```
///
/// vfat takes direct writes within the length of a file and leaves others to the page cache
/// (Linux, `fat_direct_IO` in `fs/fat/inode.c`, 3.10 as 6.1). Buffered reads before and after are
/// safe: none finds a page from before the write. The kernel notes the time of the change in the
/// file's folder, but not at once.
fn replace_sector(file: &File, sector: u32, bytes: &[u8; SECTOR]) -> io::Result<()> {
    let place = u64::from(sector) * SECTOR as u64;
    if place + SECTOR as u64 > file.metadata()?.len() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let mut buffer = AlignedBuffer::new(SECTOR);
    buffer.bytes_mut().copy_from_slice(bytes);
    file.write_all_at(buffer.bytes(), place)?;
    file.sync_data()?;
    posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    buffer.bytes_mut().fill(0);
    file.read_exact_at(buffer.bytes_mut(), place)?;
    match buffer.bytes() == bytes {
        true => Ok(()),
        false => Err(io::Error::other("the card shows something else")),
    }
}

/// Opens `path` for reading and writing single sectors of the device.
fn open_for_sectors(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    match options
        .clone()
        .custom_flags(OFlag::O_DIRECT.bits())
        .open(path)
    {
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => options.open(path),
        other => other,
    }
}

/// A buffer that starts at a page.
#[derive(Debug)]
pub struct AlignedBuffer {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl AlignedBuffer {
    /// `length` zeros.
    pub fn new(length: usize) -> Self {
        let memory = vec![0; length + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Self {
            memory,
            start,
            length,
        }
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.length]
    }

    /// To be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }
}

/// A file opened with `O_DIRECT`, to be read in pieces of any length.
///
/// ```text
/// file     |<-- chunk -->|<-- chunk -->|<- rest ->|
/// buffer                 |<given>|<- unread ->|
/// ```
struct DirectReader {
    file: File,
    length: u64,
    fetched: u64,
    buffer: AlignedBuffer,
    filled: usize,
    given: usize,
}

impl DirectReader {
    fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            length: file.metadata()?.len(),
            file,
            fetched: 0,
            buffer: AlignedBuffer::new(CHUNK),
            filled: 0,
            given: 0,
        })
    }

    /// Always from an aligned place: only the last read of a file may be shorter than a chunk.
    fn fetch(&mut self) -> io::Result<()> {
        let expected = (self.length - self.fetched).min(CHUNK as u64);
        self.given = 0;
        self.filled = 0;
        if expected > 0 {
            self.filled = self.file.read(self.buffer.bytes_mut())?;
            self.fetched += self.filled as u64;
            if (self.filled as u64) != expected {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

impl Read for DirectReader {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.given == self.filled {
            self.fetch()?;
        }
        let unread = &self.buffer.bytes()[self.given..self.filled];
        let count = unread.len().min(to.len());
        to[..count].copy_from_slice(&unread[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// The caches of the computer that runs the tests are left alone.
    fn platform() -> LinuxPlatform {
        LinuxPlatform::of(&Root::at("/nowhere"))
    }

    #[rstest]
    #[case(0)]
    #[case(1)]
    #[case(4096)]
    #[case(65536)]
    #[case(65537)]
    #[case(200_000)]
    fn a_file_of_any_length_reads_back_as_written(#[case] length: usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
        fs::write(&path, &content).unwrap();
        let mut read = Vec::new();
        let mut reader = platform().open_uncached(&path).unwrap();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == content);
    }

    #[rstest]
    #[case::direct(open_for_sectors)]
    #[case::where_there_is_only_the_cache(|path: &Path| File::options().read(true).write(true).open(path))]
    fn a_sector_is_replaced_and_nothing_else(#[case] open: fn(&Path) -> io::Result<File>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, vec![7; 3 * SECTOR + 1]).unwrap();
        let file = open(&path).unwrap();
        for byte in [9, 10] {
            replace_sector(&file, 1, &[byte; SECTOR]).unwrap();
            let expected = [&[7; SECTOR][..], &[byte; SECTOR], &[7; SECTOR + 1]].concat();
            assert!(fs::read(&path).unwrap() == expected);
            assert!(replace_sector(&file, 3, &[8; SECTOR]).is_err());
            assert!(replace_sector(&file, u32::MAX, &[8; SECTOR]).is_err());
            assert!(fs::read(&path).unwrap() == expected);
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(platform().write_sector(&path, 0, &[8; SECTOR]).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(5000).unwrap();
        let mut reader = DirectReader::new(file.try_clone().unwrap()).unwrap();
        file.set_len(100).unwrap();
        let error = reader.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_buffer_starts_at_a_page() {
        assert_eq!(AlignedBuffer::new(512).bytes().as_ptr() as usize % 4096, 0);
        assert_eq!(AlignedBuffer::new(512).bytes().len(), 512);
    }

    #[test]
    fn there_is_room_on_the_file_system_of_the_tests() {
        let space = platform().space(Path::new("/")).unwrap();
        assert!(space.cluster > Size::ZERO);
    }
}
