//! The SD card: waited for, told apart when something is wrong with it, mounted.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use wz_core::event::Problem;

use crate::boot_sector::{self, CardStart, Sector};
use crate::root::Root;
use crate::sys;
use crate::uncached::{AlignedBuffer, open_direct};

/// Where the card is mounted; scripts of the original program know it under this name.
pub const MOUNT_POINT: &str = "/sdcard";

/// How long a card may take to show up.
pub const CARD_WAIT: Duration = Duration::from_secs(10);

const CARD: &str = "mmcblk0";
const PARTITION: &str = "mmcblk0p1";

/// The slot, as sysfs and `/dev` show it.
#[derive(Debug)]
pub struct Slot {
    root: Root,
}

/// Something on the card that can be mounted.
#[derive(Debug, PartialEq, Eq)]
pub enum Volume {
    /// The first partition, as it should be.
    Partition(PathBuf),
    /// A FAT file system without a partition table: good for leaving the reason there.
    WholeCard(PathBuf, Problem),
}

impl Slot {
    /// The one that `root` shows.
    pub fn of(root: &Root) -> Self {
        Self { root: root.clone() }
    }

    /// Waits for the card as long as `may_wait` says so, which also lets some time pass.
    ///
    /// # Errors
    /// What is wrong with the card: not there ([`Problem::CardMissing`] with `seconds`), no
    /// partition table, no first partition, not readable.
    pub fn wait(
        &self,
        seconds: u64,
        may_wait: &mut dyn FnMut() -> bool,
    ) -> Result<Volume, Problem> {
        loop {
            if let Some(volume) = self.look()? {
                return Ok(volume);
            }
            if !may_wait() {
                return Err(self.what_is_missing(seconds));
            }
        }
    }

    /// What is there now; `None` if that may still change by itself.
    fn look(&self) -> Result<Option<Volume>, Problem> {
        let partition = self.root.device(PARTITION);
        if self.shows(PARTITION) && partition.exists() {
            return Ok(Some(Volume::Partition(partition)));
        }
        let card = self.root.device(CARD);
        if !self.shows(CARD) || !card.exists() {
            return Ok(None);
        }
        match first_sector(&card).map(|sector| boot_sector::card_start(&sector)) {
            Ok(CardStart::FirstPartition) => Ok(None),
            Ok(CardStart::OtherPartitions) => Err(without_partition(&card)),
            Ok(CardStart::Fat) => Ok(Some(Volume::WholeCard(card.clone(), without_table(&card)))),
            Ok(CardStart::Nothing) => Err(without_table(&card)),
            // Taken out again, or not ready.
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(failed("read", &card, &error)),
        }
    }

    fn what_is_missing(&self, seconds: u64) -> Problem {
        match self.shows(CARD) {
            true => without_partition(&self.root.device(CARD)),
            false => Problem::CardMissing { seconds },
        }
    }

    fn sysfs(&self, device: &str) -> PathBuf {
        self.root.sysfs().join("class/block").join(device)
    }

    fn shows(&self, device: &str) -> bool {
        self.sysfs(device).exists()
    }

    fn is_write_protected(&self) -> bool {
        let says_so = |device| {
            let file = self.sysfs(device).join("ro");
            fs::read_to_string(file).is_ok_and(|text| text.trim() == "1")
        };
        says_so(CARD) || says_so(PARTITION)
    }

    /// Whether the card gives its first sector. One that was just pulled out does not, though the
    /// kernel may still show it.
    pub fn answers(&self) -> bool {
        self.shows(CARD) && first_sector(&self.root.device(CARD)).is_ok()
    }

    /// Makes the kernel forget what it holds of the card. A kernel that does not has read it anew
    /// already, or has no card.
    pub fn forget(&self) {
        for device in [CARD, PARTITION] {
            if let Ok(device) = fs::File::open(self.root.device(device)) {
                let _ = sys::flush_buffers(&device);
            }
        }
    }

    /// Whether there is no card any more. Asks the card itself, since not every camera notices by
    /// itself that it was taken out.
    pub fn is_empty(&self) -> bool {
        !self.shows(CARD)
            || matches!(first_sector(&self.root.device(CARD)), Err(error) if is_gone(&error))
    }

    /// Waits until the card is taken out; `pass_time` lets some time pass.
    pub fn wait_until_empty(&self, pass_time: &mut dyn FnMut()) {
        while !self.is_empty() {
            pass_time();
        }
    }

    /// Mounts `volume`, for reading and writing, at [`MOUNT_POINT`].
    ///
    /// # Errors
    /// Not FAT, not writable, or not answering.
    pub fn mount(&self, volume: &Volume) -> Result<(), Problem> {
        let (Volume::Partition(device) | Volume::WholeCard(device, _)) = volume;
        let read_only = || Problem::CardReadOnly {
            device: device.display().to_string(),
        };
        if self.is_write_protected() {
            return Err(read_only());
        }
        let folder = self.root.join(MOUNT_POINT);
        match mount_fat(device, &folder) {
            Ok(()) => {}
            Err(Errno::EROFS | Errno::EACCES) => return Err(read_only()),
            Err(errno) => return Err(why_not_mounted(device, errno)),
        }
        // A damaged file system may have been mounted read-only without an error.
        let flags = statvfs(&folder).map(|status| status.flags());
        if flags.is_ok_and(|flags| flags.contains(FsFlags::ST_RDONLY)) {
            let _ = umount2(&folder, MntFlags::empty());
            return Err(read_only());
        }
        Ok(())
    }
}

/// Whether a card is mounted at [`MOUNT_POINT`].
pub fn is_mounted(root: &Root) -> bool {
    root.proc("self/mounts")
        .lines()
        .any(|line| line.split(' ').nth(1) == Some(MOUNT_POINT))
}

fn mount_fat(device: &Path, folder: &Path) -> Result<(), Errno> {
    fs::create_dir_all(folder).map_err(|error| errno_of(&error))?;
    // Folders are written at once and in order: a power cut while one grows must not leave it with a
    // cluster that the FAT knows nothing about, or nothing in it could be read any more.
    let flags = MsFlags::MS_DIRSYNC | MsFlags::MS_NOATIME | MsFlags::MS_NODEV | MsFlags::MS_NOSUID;
    // Without `flush`: that costs 100 ms each time a file is closed, and all that counts is synced
    // explicitly.
    let options = "errors=remount-ro";
    mount(Some(device), folder, Some("vfat"), flags, Some(options))
}

fn errno_of(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

fn why_not_mounted(device: &Path, errno: Errno) -> Problem {
    let not_fat = |reason: String| Problem::CardNotFat {
        device: device.display().to_string(),
        reason,
    };
    match first_sector(device) {
        Err(error) => failed("read", device, &error),
        Ok(sector) => match (boot_sector::reason_it_is_not_fat(&sector), errno) {
            (Some(reason), _) => not_fat(reason.to_owned()),
            (None, Errno::EINVAL) => not_fat("it is damaged".to_owned()),
            (None, other) => failed("mount", device, &other.into()),
        },
    }
}

fn without_table(card: &Path) -> Problem {
    Problem::CardWithoutPartitionTable {
        device: card.display().to_string(),
    }
}

fn without_partition(card: &Path) -> Problem {
    Problem::CardWithoutFirstPartition {
        device: card.display().to_string(),
    }
}

fn failed(doing: &str, device: &Path, error: &io::Error) -> Problem {
    Problem::CardFailed {
        doing: doing.to_owned(),
        path: device.display().to_string(),
        reason: error.to_string(),
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(
        errno_of(error),
        Errno::ENOENT | Errno::ENXIO | Errno::ENODEV | Errno::ENOMEDIUM
    )
}

/// Reads past the page cache, which would still know the first sector of a card that is gone.
fn first_sector(device: &Path) -> io::Result<Sector> {
    let mut buffer = AlignedBuffer::new(boot_sector::LENGTH);
    let mut file = open_direct(device)?;
    file.read_exact(buffer.bytes_mut())?;
    let mut sector = [0; boot_sector::LENGTH];
    sector.copy_from_slice(buffer.bytes());
    Ok(sector)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_sector::tests::{fat, mbr};
    use rstest::rstest;
    use tempfile::TempDir;

    struct Trees {
        folder: TempDir,
        slot: Slot,
    }

    impl Trees {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let slot = Slot::of(&Root::at(folder.path()));
            fs::create_dir(folder.path().join("dev")).unwrap();
            Self { folder, slot }
        }

        fn plug(&self, device: &str, content: &[u8]) {
            let sysfs = self.folder.path().join("sys/class/block").join(device);
            fs::create_dir_all(&sysfs).unwrap();
            fs::write(sysfs.join("ro"), "0\n").unwrap();
            // O_DIRECT reads whole blocks of the file system that the test runs on.
            let mut sectors = content.to_vec();
            sectors.resize(4096, 0);
            fs::write(self.folder.path().join("dev").join(device), sectors).unwrap();
        }

        fn wait(&self) -> Result<Volume, Problem> {
            self.slot.wait(10, &mut || false)
        }
    }

    #[test]
    fn an_empty_slot_is_told_when_the_time_is_up() {
        let mut tries = 0;
        let problem = Trees::new().slot.wait(10, &mut || {
            tries += 1;
            tries < 5
        });
        assert_eq!(problem, Err(Problem::CardMissing { seconds: 10 }));
        assert_eq!(tries, 5);
    }

    #[test]
    fn a_card_that_shows_up_late_is_waited_for() {
        let trees = Trees::new();
        let mut steps = [(CARD, mbr([0x0c, 0, 0, 0])), (PARTITION, fat())].into_iter();
        let volume = trees.slot.wait(10, &mut || {
            let step = steps.next();
            step.map(|(device, content)| trees.plug(device, &content))
                .is_some()
        });
        let partition = trees.folder.path().join("dev").join(PARTITION);
        assert_eq!(volume, Ok(Volume::Partition(partition)));
    }

    #[rstest]
    #[case::blank([0; 512], "WZ-0202")]
    #[case::no_first(mbr([0, 0x0c, 0, 0]), "WZ-0212")]
    #[case::partition_never_comes(mbr([0x0c, 0, 0, 0]), "WZ-0212")]
    fn a_card_without_a_usable_partition_is_refused(#[case] start: Sector, #[case] code: &str) {
        let trees = Trees::new();
        trees.plug(CARD, &start);
        assert_eq!(trees.wait().unwrap_err().code().to_string(), code);
    }

    #[test]
    fn a_file_system_without_partition_table_is_only_for_the_logs() {
        let trees = Trees::new();
        trees.plug(CARD, &fat());
        match trees.wait() {
            Ok(Volume::WholeCard(_, problem)) => {
                assert_eq!(problem.code().to_string(), "WZ-0202");
            }
            other => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case(CARD)]
    #[case(PARTITION)]
    fn a_write_protected_card_is_refused_and_not_mounted(#[case] protected: &str) {
        let trees = Trees::new();
        trees.plug(CARD, &mbr([0x0c, 0, 0, 0]));
        trees.plug(PARTITION, &fat());
        let attribute = format!("sys/class/block/{protected}/ro");
        fs::write(trees.folder.path().join(attribute), "1\n").unwrap();
        let volume = trees.wait().unwrap();
        let problem = trees.slot.mount(&volume).unwrap_err();
        assert_eq!(problem.code().to_string(), "WZ-0204");
    }

    #[test]
    fn a_partition_that_is_not_fat_is_told_with_the_reason() {
        let trees = Trees::new();
        let mut ntfs = mbr([0; 4]);
        ntfs[3..11].copy_from_slice(b"NTFS    ");
        trees.plug(PARTITION, &ntfs);
        let device = trees.folder.path().join("dev").join(PARTITION);
        let problem = why_not_mounted(&device, Errno::EINVAL);
        assert_eq!(problem.code().to_string(), "WZ-0203");
        assert!(problem.what().contains("NTFS"), "{problem}");
    }

    #[test]
    fn a_slot_is_empty_once_the_card_is_taken_out() {
        let trees = Trees::new();
        trees.plug(CARD, &mbr([0x0c, 0, 0, 0]));
        assert!(!trees.slot.is_empty());
        fs::remove_file(trees.folder.path().join("dev").join(CARD)).unwrap();
        assert!(trees.slot.is_empty());
    }
}
