//! What a backup will consist of, and whether the card can take it.
//!
//! ```text
//! wz_flash-helper/backup/<firmware>/<ID>/     and, where the profile has one,
//! <secondary>/<ID>/                           the same files once more
//!   <firmware>_<group>_all.bin                the whole chip
//!   <firmware>_<group>_<partition>.bin        each partition
//!   <firmware>_<group>_<partition>.tar.gz     the files of each user-data partition
//!   ....sha256sum                             beside each of them
//!   ID.txt
//! ```

use std::fmt;

use super::CardSurvey;
use crate::card::CardPath;
use crate::detect::{Camera, CameraPartition};
use crate::event::Problem;
use crate::flash::FileSystem;
use crate::units::{Region, Size};

/// The number of a backup: four digits; the newest backup has the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupId(u16);

impl BackupId {
    const LAST: u16 = 9999;

    /// The number that follows the highest one in use.
    pub fn after(highest: Option<Self>) -> Option<Self> {
        match highest {
            None => Some(Self(1)),
            Some(Self(n)) if n < Self::LAST => Some(Self(n + 1)),
            Some(_) => None,
        }
    }

    /// The number that a folder's name stands for, with or without `.partial`.
    pub fn of_folder(name: &str) -> Option<Self> {
        let digits = name.strip_suffix(PARTIAL).unwrap_or(name);
        let is_id = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_id.then(|| digits.parse().ok()).flatten().map(Self)
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}", self.0)
    }
}

/// What stands behind the name of a folder that is not whole.
pub const PARTIAL: &str = ".partial";

/// A backup, ready to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupPlan {
    /// Its number.
    pub id: BackupId,
    /// Folders with the final names; all get the same files.
    pub folders: Vec<CardPath>,
    /// Regions of flash, each into a file of its own. They may overlap.
    pub images: Vec<ImageFile>,
    /// Partitions whose files are packed.
    pub archives: Vec<ArchiveFile>,
    /// What `ID.txt` says.
    pub id_text: String,
    /// What interrupted backups left; removed first.
    pub leftovers: Vec<CardPath>,
    /// The most that all this takes on the card.
    pub needed: Size,
}

/// A file with what a region of flash holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFile {
    /// The partition, or `all`.
    pub partition: String,
    /// The file's name.
    pub name: String,
    /// The stretch of flash.
    pub region: Region,
}

/// An archive of the files in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveFile {
    /// The partition.
    pub partition: String,
    /// The archive's name.
    pub name: String,
    /// Where the partition is.
    pub region: Region,
    /// What it is formatted as.
    pub file_system: FileSystem,
}

/// Room for `.sha256sum` files, `ID.txt`, logs and `result.json`, and for what FAT needs itself.
const RESERVE: Size = Size::mib(1);

/// Plans a backup.
///
/// # Errors
/// Every reason why the card cannot take it.
pub fn plan_backup(
    camera: &Camera,
    card: &CardSurvey,
    secondary: bool,
) -> Result<BackupPlan, Vec<Problem>> {
    let mut problems: Vec<Problem> = card
        .files_in_the_way
        .iter()
        .map(|path| Problem::NotAFolder { path: path.clone() })
        .collect();
    let primary = primary_folder(camera);
    let id = BackupId::after(card.highest_id).unwrap_or_else(|| {
        problems.push(Problem::BackupNumbersUsedUp {
            folder: primary.to_string(),
        });
        BackupId(BackupId::LAST)
    });
    let mut folders = vec![primary.join(&id.to_string())];
    folders.extend(secondary_folder(camera, secondary).map(|folder| folder.join(&id.to_string())));
    let images = images(camera);
    let archives = archives(camera);
    let needed = needed(&images, &archives, folders.len() as u64, card.space.cluster);
    let free = Size::bytes(
        card.space
            .free
            .get()
            .saturating_add(card.leftover_size.get()),
    );
    if needed > free {
        problems.push(Problem::CardTooSmall {
            needed,
            free,
            cluster: card.space.cluster,
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let leftovers = card.leftovers.clone();
    Ok(BackupPlan {
        id,
        folders,
        images,
        archives,
        id_text: id_text(id, camera),
        leftovers,
        needed,
    })
}

/// Plans a copy of the whole chip and nothing else, before the chip is changed.
///
/// # Errors
/// Every reason why the card cannot take it.
pub fn plan_safety_backup(camera: &Camera, card: &CardSurvey) -> Result<BackupPlan, Vec<Problem>> {
    let whole_chip = Camera {
        partitions: Vec::new(),
        ..camera.clone()
    };
    plan_backup(&whole_chip, card, false)
}

/// The folder that backups of this camera are in.
pub fn primary_folder(camera: &Camera) -> CardPath {
    CardPath::backups().join(camera.firmware_name())
}

/// The name of the image of the whole chip.
pub fn whole_chip_image(camera: &Camera) -> String {
    file_name(camera, "all", "bin")
}

/// The second folder, where the firmware's profile names one and the owner wants it.
pub fn secondary_folder(camera: &Camera, wanted: bool) -> Option<CardPath> {
    camera
        .secondary_backup
        .as_deref()
        .filter(|_| wanted)
        .map(|name| CardPath::root().join(name))
}

fn file_name(camera: &Camera, partition: &str, extension: &str) -> String {
    format!(
        "{}_{}_{partition}.{extension}",
        camera.firmware_name(),
        camera.facts.group
    )
}

fn images(camera: &Camera) -> Vec<ImageFile> {
    let image = |partition: &str, region| ImageFile {
        partition: partition.to_owned(),
        name: file_name(camera, partition, "bin"),
        region,
    };
    let parts = camera
        .partitions
        .iter()
        .map(|part| image(&part.name, part.region));
    std::iter::once(image("all", camera.chip))
        .chain(parts)
        .collect()
}

fn archives(camera: &Camera) -> Vec<ArchiveFile> {
    let archive = |part: &CameraPartition| {
        part.user_files.map(|file_system| ArchiveFile {
            partition: part.name.clone(),
            name: file_name(camera, &part.name, "tar.gz"),
            region: part.region,
            file_system,
        })
    };
    camera.partitions.iter().filter_map(archive).collect()
}

/// An archive is taken to be no larger than its partition and a header per file: JFFS2 compresses
/// with the same algorithm. One that is larger all the same fails without harm to the images.
fn needed(images: &[ImageFile], archives: &[ArchiveFile], copies: u64, cluster: Size) -> Size {
    let files = images.iter().map(|image| image.region.size);
    let files = files.chain(archives.iter().map(|archive| archive.region.size));
    let one: u64 = files
        .map(|size| size.round_up(cluster).get() + 2 * cluster.get())
        .sum();
    Size::bytes(one * copies + RESERVE.get())
}

fn id_text(id: BackupId, camera: &Camera) -> String {
    let unknown = || "unknown".to_owned();
    format!(
        "ID: {id}\nFirmware: {}\nLayout: {}\nSoC: {}\nModel: {}\nFlash: {}\n",
        camera.firmware_name(),
        camera.facts.layout.clone().unwrap_or_else(unknown),
        camera.facts.chip,
        camera.facts.model.clone().unwrap_or_else(unknown),
        camera.facts.flash,
    )
}

/// A line for the owner per thing that will be done.
impl fmt::Display for BackupPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Backup {} takes at most {} on the card",
            self.id, self.needed
        )?;
        for leftover in &self.leftovers {
            writeln!(f, "Remove the unfinished backup \"{leftover}\"")?;
        }
        for folder in &self.folders {
            writeln!(f, "Create folder \"{folder}\"")?;
        }
        for image in &self.images {
            writeln!(
                f,
                "Save {} ({}) as {}",
                image.partition, image.region, image.name
            )?;
        }
        for archive in &self.archives {
            let kind = archive.file_system.kernel_name();
            writeln!(
                f,
                "Pack the files of {} ({kind}) as {}",
                archive.partition, archive.name
            )?;
        }
        writeln!(
            f,
            "Read every file back from the card and compare it with flash"
        )
    }
}
