//! What a record of the journal says. JSON, so that a person with a hex viewer can read it.

use serde::{Deserialize, Serialize};

use crate::card::CardPath;
use crate::event::{Operation, Problem};
use crate::image::check::Content;
use crate::image::empty::EmptyFileSystem;
use crate::image::sha256sum::Digest;
use crate::plan::RewritePlan;
use crate::plan::rewrite::{Image, Source, Target};
use crate::units::{Offset, Region, Size};

/// A step that is done, or that is about to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Record {
    /// The camera was switched on for this run.
    Started {
        /// For the first time, the second, ...
        attempt: u32,
    },
    /// The program died in this power-on, which counts, whether or not it was counted before.
    Died,
    /// What is to be done; the parts of it follow.
    Begun(Begun),
    /// A stretch of flash and what is to stand there.
    Target(TargetRecord),
    /// What some of the blocks hold, and what they are to hold.
    Fingerprint(Fingerprint),
    /// The old content of flash is on the card.
    SafetyCopy(SafetyCopy),
    /// Copies of the SD kernel that were made under other names.
    KernelCopies(Vec<String>),
    /// Everything before is complete: from now on flash may change.
    Committed,
    /// These blocks are about to be changed: pairs of the first and how many. Those of the record
    /// before are done.
    InFlight(Vec<(u32, u32)>),
    /// The old content is written back from the safety copy instead.
    RollingBack,
    /// Flash holds everything, compared; what is left concerns the card alone.
    Written,
    /// All of flash is whole but the U-Boot environment, which may be changed from now on.
    Environment,
    /// The run is over.
    Closed,
}

impl Record {
    /// Whether it means the same whatever is lost of the records before it.
    pub(super) fn stands_alone(&self) -> bool {
        matches!(
            self,
            Self::Started { .. }
                | Self::Died
                | Self::RollingBack
                | Self::Written
                | Self::Environment
                | Self::Closed
        )
    }
}

/// What a run is about to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begun {
    /// Restore or Switch.
    pub operation: OperationRecord,
    /// The firmware before.
    pub from: String,
    /// The firmware afterwards.
    pub to: String,
    /// The layout of that firmware, if it is a known one.
    pub layout: Option<String>,
    /// The camera's model, if it is a known one: it may not be told by the new firmware.
    pub model: Option<String>,
    /// The camera's SoC and chip group.
    pub soc: String,
    /// Images fit cameras of one group.
    pub group: String,
    /// What tells the chip from all others, if it says so.
    pub serial: Option<String>,
    /// The flash chip's size in bytes.
    pub chip_size: u64,
    /// What it erases at once, in bytes.
    pub erase_block: u32,
    /// The end of the boot guard, in bytes from the start of flash.
    pub boot_guard: u64,
    /// How many target records follow.
    pub targets: u32,
    /// Whether the old firmware is written back if the run cannot be finished.
    pub roll_back: bool,
}

/// Serializable [`Operation`] of a run that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationRecord {
    /// Restore.
    Restore,
    /// Switch.
    SwitchFirmware,
}

/// A [`Target`] on the card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetRecord {
    name: String,
    at: u64,
    size: u64,
    source: SourceRecord,
}

/// A [`Source`] on the card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SourceRecord {
    /// An image file: its whole size and hash, and the part of it.
    Image {
        /// Path on the card.
        path: String,
        /// Bytes in the file.
        size: u64,
        /// SHA-256 of the file.
        sha256: String,
        /// Where the part starts.
        from: u64,
        /// How long it is.
        length: u64,
        /// What it has to hold.
        content: Content,
    },
    /// Nothing.
    Blank,
    /// An empty JFFS2.
    Jffs2,
    /// An empty FAT.
    Vfat,
}

/// CRC-32 of some blocks, in eight hex digits each: before, then afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Index of the first of them among all blocks that the run touches.
    pub first: u32,
    /// `oooooooonnnnnnnn` for each.
    pub crcs: String,
}

/// CRC-32 of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crc {
    /// Of what it held.
    pub old: u32,
    /// Of what it is to hold.
    pub new: u32,
}

const CRC_DIGITS: usize = 16;

impl Fingerprint {
    /// How many blocks one record takes.
    pub const MOST: usize = 27;

    /// The fingerprint of `blocks`, the first of which has index `first`.
    pub fn new(first: u32, blocks: &[Crc]) -> Self {
        let crcs = blocks
            .iter()
            .map(|crc| format!("{:08x}{:08x}", crc.old, crc.new));
        Self {
            first,
            crcs: crcs.collect(),
        }
    }

    /// What it says; nothing if it is garbled.
    pub fn crcs(&self) -> Vec<Crc> {
        let digits = self.crcs.as_bytes().chunks_exact(CRC_DIGITS);
        let half = |digits: &[u8]| {
            let text = std::str::from_utf8(digits).ok()?;
            u32::from_str_radix(text, 16).ok()
        };
        digits
            .map_while(|pair| {
                let (old, new) = pair.split_at(CRC_DIGITS / 2);
                Some(Crc {
                    old: half(old)?,
                    new: half(new)?,
                })
            })
            .collect()
    }
}

/// Where the old content of the whole chip is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetyCopy {
    /// Path on the card.
    pub path: String,
    /// SHA-256 of it.
    pub sha256: String,
}

impl From<OperationRecord> for Operation {
    fn from(record: OperationRecord) -> Self {
        match record {
            OperationRecord::Restore => Self::Restore,
            OperationRecord::SwitchFirmware => Self::SwitchFirmware,
        }
    }
}

impl From<Operation> for OperationRecord {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::SwitchFirmware => Self::SwitchFirmware,
            Operation::Backup | Operation::Restore => Self::Restore,
        }
    }
}

/// The records for the targets of a plan.
pub fn target_records(plan: &RewritePlan) -> Vec<TargetRecord> {
    plan.targets
        .iter()
        .map(|target| TargetRecord {
            name: target.name.clone(),
            at: target.region.offset.get(),
            size: target.region.size.get(),
            source: source_record(plan, target),
        })
        .collect()
}

fn source_record(plan: &RewritePlan, target: &Target) -> SourceRecord {
    match &target.source {
        Source::Blank => SourceRecord::Blank,
        Source::Empty(EmptyFileSystem::Jffs2) => SourceRecord::Jffs2,
        Source::Empty(EmptyFileSystem::Vfat) => SourceRecord::Vfat,
        Source::Image {
            image,
            from,
            length,
        } => match plan.images.get(*image) {
            None => SourceRecord::Blank,
            Some(image) => SourceRecord::Image {
                path: image.path.to_string(),
                size: image.size.get(),
                sha256: image.digest.to_string(),
                from: from.get(),
                length: length.get(),
                content: target.content,
            },
        },
    }
}

/// The plan that a journal tells of.
///
/// # Errors
/// [`Problem::JournalUnreadable`] for a record that no run writes.
pub fn plan_of(begun: &Begun, targets: &[TargetRecord]) -> Result<RewritePlan, Problem> {
    let mut plan = RewritePlan {
        operation: begun.operation.into(),
        from: begun.from.clone(),
        to: begun.to.clone(),
        layout: begun.layout.clone(),
        images: Vec::new(),
        targets: Vec::new(),
        boot_guard: Region::new(Offset::ZERO, Size::bytes(begun.boot_guard)),
        remarks: Vec::new(),
    };
    for record in targets {
        let (source, content) = source_of(record, &mut plan.images)?;
        plan.targets.push(Target {
            name: record.name.clone(),
            region: Region::new(Offset::bytes(record.at), Size::bytes(record.size)),
            source,
            content,
        });
    }
    Ok(plan)
}

fn source_of(record: &TargetRecord, images: &mut Vec<Image>) -> Result<(Source, Content), Problem> {
    let anything = |source| Ok((source, Content::Anything));
    match &record.source {
        SourceRecord::Blank => anything(Source::Blank),
        SourceRecord::Jffs2 => anything(Source::Empty(EmptyFileSystem::Jffs2)),
        SourceRecord::Vfat => anything(Source::Empty(EmptyFileSystem::Vfat)),
        SourceRecord::Image {
            path,
            size,
            sha256,
            from,
            length,
            content,
        } => {
            let digest: Digest = sha256.parse().map_err(|_| Problem::JournalUnreadable {
                why: format!("\"{sha256}\" is no SHA-256"),
            })?;
            let image = Image {
                path: CardPath::root().join(path),
                size: Size::bytes(*size),
                digest,
            };
            let known = images.iter().position(|other| *other == image);
            let index = known.unwrap_or_else(|| {
                images.push(image);
                images.len() - 1
            });
            let source = Source::Image {
                image: index,
                from: Offset::bytes(*from),
                length: Size::bytes(*length),
            };
            Ok((source, *content))
        }
    }
}
