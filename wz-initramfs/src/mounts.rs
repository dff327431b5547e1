//! Shows the file systems that are in flash, and makes partitions devices of their own.
//!
//! ```text
//!   /dev/mtd0  |<------------- whole chip ------------->|
//!                        |<- region ->|                    BLKPG: a second MTD device, "wz@0xf90000"
//!                           mount -> /tmp/flash            as long as it is needed
//! ```

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use wz_core::event::Problem;
use wz_core::flash::{FileSystem, FileSystems};
use wz_core::units::Region;

use crate::mtd::{self, MtdDevice};
use crate::root::Root;
use crate::sys;

const MOUNT_POINT: &str = "/tmp/flash";

/// What the names of regions start with that were made devices.
const MARK: &str = "wz@";

/// The regions of one chip: mounted one at a time, or made devices for other programs.
#[derive(Debug)]
pub struct FlashMounts {
    root: Root,
    chip: File,
    shown: Option<Shown>,
}

/// What this program has mounted.
#[derive(Debug)]
struct Shown {
    region: Region,
    kind: FileSystem,
    access: Access,
    number: u32,
    registered: Registered,
    is_mounted: bool,
}

/// What may be done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Whose device a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registered {
    /// This program's, for as long as it is mounted.
    Here,
    /// It was one before, and stays one.
    Before,
}

impl FlashMounts {
    /// File systems on `chip`.
    ///
    /// # Errors
    /// When the chip's device does not open.
    pub fn new(root: &Root, chip: &MtdDevice) -> io::Result<Self> {
        Ok(Self {
            root: root.clone(),
            chip: File::open(chip.path(root))?,
            shown: None,
        })
    }

    /// The folder that shows the files in `region`, to be changed there. [`FlashMounts::unmount`]
    /// brings them to flash.
    ///
    /// # Errors
    /// What the kernel says when there is no such file system in the region.
    pub fn mount_for_writing(&mut self, region: Region, kind: FileSystem) -> io::Result<PathBuf> {
        self.mount_as(region, kind, Access::Write)
    }

    /// Unmounts what this program has mounted.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn unmount(&mut self) -> io::Result<()> {
        if let Some(shown) = &mut self.shown {
            if shown.is_mounted {
                umount2(&self.root.join(MOUNT_POINT), MntFlags::empty())?;
                shown.is_mounted = false;
            }
            if shown.registered == Registered::Here {
                sys::remove_partition(&self.chip, shown.number)?;
            }
            self.shown = None;
        }
        Ok(())
    }

    /// Makes `region` a device of its own, which it stays. Returns its block device.
    ///
    /// # Errors
    /// What the kernel says. One of 3.10 refuses a region that touches another one.
    pub fn register(&mut self, region: Region) -> io::Result<PathBuf> {
        self.unmount()?;
        let (number, _) = self.make_device(region)?;
        let name = format!("mtdblock{number}");
        let node = self.root.device(&name);
        if !node.exists() {
            self.make_node(&name, &node)?;
        }
        Ok(node)
    }

    /// Takes back every region that is a device.
    ///
    /// # Errors
    /// [`Problem::PartitionInUse`] for the first that is in use; the others are taken back.
    pub fn take_back_all(&mut self) -> Result<(), Problem> {
        let in_use = |device: String, error: io::Error| Problem::PartitionInUse {
            device,
            reason: error.to_string(),
        };
        let mut result = self
            .unmount()
            .map_err(|error| in_use(MOUNT_POINT.to_owned(), error));
        for device in self.registered() {
            let node = format!("/dev/mtdblock{}", device.number);
            let taken_back = self.take_back(&device);
            result = result.and(taken_back.map_err(|error| in_use(node, error)));
        }
        result
    }

    /// Some kernels refuse to take back what is in use; others do it once nobody uses it any more, and
    /// tell nothing.
    fn take_back(&self, device: &MtdDevice) -> io::Result<()> {
        if let Some(folder) = self.mounted_at(device.number) {
            let message = format!("it is mounted at {folder}");
            return Err(io::Error::new(ErrorKind::ResourceBusy, message));
        }
        sys::remove_partition(&self.chip, device.number)?;
        match self.registered().contains(device) {
            true => {
                let message = "a program has it open";
                Err(io::Error::new(ErrorKind::ResourceBusy, message))
            }
            false => Ok(()),
        }
    }

    fn mounted_at(&self, number: u32) -> Option<String> {
        let (device, block) = (format!("mtd{number}"), format!("mtdblock{number}"));
        let mounts = self.root.proc("self/mounts");
        mounts.lines().find_map(|line| {
            let mut fields = line.split(' ');
            let source = fields.next()?.rsplit('/').next()?;
            let folder = fields.next()?.to_owned();
            (source == device || source == block).then_some(folder)
        })
    }

    fn registered(&self) -> Vec<MtdDevice> {
        let mut devices = mtd::devices(&self.root.sysfs());
        devices.retain(|device| device.name.starts_with(MARK));
        devices
    }

    /// The number of the device that `region` is, and since when.
    fn make_device(&self, region: Region) -> io::Result<(u32, Registered)> {
        if let Some(number) = self.number_of(region) {
            return Ok((number, Registered::Before));
        }
        sys::add_partition(&self.chip, region, &name_of(region))?;
        let number = self.number_of(region).ok_or_else(|| {
            let message = format!("the kernel registered {region} and does not show it");
            io::Error::new(ErrorKind::NotFound, message)
        })?;
        Ok((number, Registered::Here))
    }

    /// Kernels before 4.1 do not show the offset of a device, so the name carries it.
    fn number_of(&self, region: Region) -> Option<u32> {
        let devices = self.registered().into_iter();
        let mut ours =
            devices.filter(|device| device.name == name_of(region) && device.size == region.size);
        ours.next().map(|device| device.number)
    }

    /// Where the kernel does not make the nodes in `/dev` itself.
    fn make_node(&self, name: &str, node: &std::path::Path) -> io::Result<()> {
        let attribute = self.root.sysfs().join("class/block").join(name).join("dev");
        let numbers = fs::read_to_string(attribute)?;
        let pair = numbers
            .trim()
            .split_once(':')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let (major, minor) = pair.ok_or(ErrorKind::InvalidData)?;
        let mode = Mode::from_bits_truncate(0o600);
        mknod(node, SFlag::S_IFBLK, mode, makedev(major, minor))?;
        Ok(())
    }

    fn mount_as(
        &mut self,
        region: Region,
        kind: FileSystem,
        access: Access,
    ) -> io::Result<PathBuf> {
        let folder = self.root.join(MOUNT_POINT);
        let is_it = |shown: &Shown| {
            shown.is_mounted && (shown.region, shown.kind, shown.access) == (region, kind, access)
        };
        if self.shown.as_ref().is_some_and(is_it) {
            return Ok(folder);
        }
        self.unmount()?;
        let (number, registered) = self.make_device(region)?;
        let shown = self.shown.insert(Shown {
            region,
            kind,
            access,
            number,
            registered,
            is_mounted: false,
        });
        match mount_device(&self.root, number, kind, access) {
            Ok(()) => {
                shown.is_mounted = true;
                Ok(folder)
            }
            Err(error) => {
                // Tried again before the next region; why this one does not mount matters more.
                let _ = self.unmount();
                Err(error)
            }
        }
    }
}

impl FileSystems for FlashMounts {
    fn mount(&mut self, region: Region, kind: FileSystem) -> io::Result<PathBuf> {
        self.mount_as(region, kind, Access::Read)
    }

    /// What others have made devices of goes, too: it must not be in use when flash changes.
    fn release(&mut self) -> io::Result<()> {
        self.take_back_all()
            .map_err(|problem| io::Error::other(problem.what()))
    }
}

impl Drop for FlashMounts {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.unmount();
    }
}

fn name_of(region: Region) -> String {
    format!("{MARK}{}", region.offset)
}

fn mount_device(root: &Root, number: u32, kind: FileSystem, access: Access) -> io::Result<()> {
    // JFFS2 sits on MTD itself, the others on its block device.
    let device = match kind {
        FileSystem::Jffs2 => PathBuf::from(format!("mtd{number}")),
        FileSystem::Squashfs | FileSystem::Vfat => root.device(&format!("mtdblock{number}")),
    };
    let folder = root.join(MOUNT_POINT);
    fs::create_dir_all(&folder)?;
    let harmless = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let flags = match access {
        Access::Read => harmless | MsFlags::MS_RDONLY,
        Access::Write => harmless | MsFlags::MS_NOATIME,
    };
    mount(
        Some(&device),
        &folder,
        Some(kind.kernel_name()),
        flags,
        None::<&str>,
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mtd::tests::add_device;
    use wz_core::units::{Offset, Size};

    fn trees() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        add_device(&root.sysfs(), 0, "jz_sfc", "nor", Size::mib(16));
        fs::create_dir(root.join("/dev")).unwrap();
        fs::write(root.device("mtd0"), "").unwrap();
        (folder, root)
    }

    fn mounts(root: &Root) -> FlashMounts {
        FlashMounts::new(root, &mtd::devices(&root.sysfs())[0]).unwrap()
    }

    fn cfg(kib: u64) -> Region {
        Region::new(Offset::bytes(0xf9_0000), Size::kib(kib))
    }

    #[test]
    fn a_registered_region_is_found_by_name_and_size() {
        let (_folder, root) = trees();
        add_device(&root.sysfs(), 4, "wz@0xf90000", "nor", Size::kib(384));
        assert_eq!(mounts(&root).number_of(cfg(384)), Some(4));
        assert_eq!(mounts(&root).number_of(cfg(64)), None);
    }

    #[test]
    fn a_region_that_is_a_device_already_keeps_its_number_and_node() {
        let (_folder, root) = trees();
        add_device(&root.sysfs(), 4, "wz@0xf90000", "nor", Size::kib(384));
        fs::write(root.device("mtdblock4"), "").unwrap();
        let node = mounts(&root).register(cfg(384)).unwrap();
        assert_eq!(node, root.device("mtdblock4"));
    }

    #[test]
    fn a_kernel_that_makes_no_device_is_told() {
        let (_folder, root) = trees();
        assert!(mounts(&root).register(cfg(384)).is_err());
    }

    #[rstest::rstest]
    #[case("mtd4 /mnt/a jffs2 rw 0 0", Some("/mnt/a"))]
    #[case("/dev/mtdblock4 /mnt/a vfat ro 0 0", Some("/mnt/a"))]
    #[case("/dev/mtdblock14 /mnt/a vfat ro 0 0", None)]
    #[case("/dev/mmcblk0p1 /sdcard vfat rw 0 0", None)]
    fn what_is_mounted_is_found(#[case] line: &str, #[case] folder: Option<&str>) {
        let (_folder, root) = trees();
        fs::create_dir_all(root.join("/proc/self")).unwrap();
        let lines = format!("none / rootfs rw 0 0\n{line}\n");
        fs::write(root.join("/proc/self/mounts"), lines).unwrap();
        assert_eq!(mounts(&root).mounted_at(4).as_deref(), folder);
    }

    #[test]
    fn a_region_that_cannot_be_taken_back_is_told_by_its_device() {
        let (_folder, root) = trees();
        add_device(&root.sysfs(), 4, "wz@0xf90000", "nor", Size::kib(384));
        match mounts(&root).take_back_all() {
            Err(Problem::PartitionInUse { device, .. }) => assert_eq!(device, "/dev/mtdblock4"),
            other => panic!("{other:?}"),
        }
        assert!(mounts(&root).release().is_err());
    }
}
