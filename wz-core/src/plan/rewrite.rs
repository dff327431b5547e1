//! What is to stand where in flash: the plan of Restore and of Switch.
//!
//! ```text
//!  image files ──┐
//!  blank ────────┼──▶ targets: region, content ──▶ erase blocks ──▶ settled first, boot guard last
//!  empty fs ─────┘
//! ```

use std::fmt;

use crate::card::CardPath;
use crate::event::{Operation, Problem};
use crate::image::check::Content;
use crate::image::empty::EmptyFileSystem;
use crate::image::sha256sum::Digest;
use crate::units::{Offset, Region, Size};

/// What a run is to make of flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RewritePlan {
    /// Restore or Switch.
    pub operation: Operation,
    /// The firmware that is in flash before.
    pub from: String,
    /// The firmware that is in flash afterwards; the same for Restore.
    pub to: String,
    /// The layout of that firmware, if it is a known one.
    pub layout: Option<String>,
    /// The files that are needed, each once.
    pub images: Vec<Image>,
    /// In the order of flash, none overlapping another.
    pub targets: Vec<Target>,
    /// The start of flash that only a whole boot loader may be seen in: the boot partitions of the
    /// old and of the new firmware.
    pub boot_guard: Region,
    /// What the owner should know though it is in order.
    pub remarks: Vec<Problem>,
}

/// A plan as far as it could be made, and everything that speaks against it: what there is of it can
/// be compared all the same, so that all problems are told at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What could be planned.
    pub plan: RewritePlan,
    /// Why it must not be carried out.
    pub problems: Vec<Problem>,
}

/// An image file, and what it has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it is.
    pub path: CardPath,
    /// How long it is.
    pub size: Size,
    /// Its hash as the file beside it says.
    pub digest: Digest,
}

/// A stretch of flash and what is to stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The partition's name.
    pub name: String,
    /// Its place.
    pub region: Region,
    /// What is to stand there.
    pub source: Source,
    /// What an image must hold to be written there.
    pub content: Content,
}

/// Where a target's bytes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// From a file; what it is too short for becomes blank.
    Image {
        /// Index into [`RewritePlan::images`].
        image: usize,
        /// Where in the file it starts.
        from: Offset,
        /// How much of the file it is.
        length: Size,
    },
    /// Nothing: it is erased.
    Blank,
    /// An empty file system.
    Empty(EmptyFileSystem),
}

impl RewritePlan {
    /// The erase blocks that are touched, in the order of flash.
    ///
    /// # Errors
    /// [`Problem::PartitionEdge`] for each place where a stretch of targets does not start or end
    /// at an erase block of this chip.
    pub fn blocks(&self, erase_block: Size) -> Result<Vec<u32>, Vec<Problem>> {
        let mut blocks: Vec<u32> = Vec::new();
        let mut problems = Vec::new();
        let mut end = None;
        for (index, target) in self.targets.iter().enumerate() {
            let joins = end == Some(target.region.offset);
            let is_last = self.targets.get(index + 1).map(|next| next.region.offset)
                != Some(target.region.end());
            let starts_badly = !joins && !target.region.offset.is_aligned_to(erase_block);
            let ends_badly = is_last && !target.region.end().is_aligned_to(erase_block);
            if starts_badly || ends_badly {
                problems.push(Problem::PartitionEdge {
                    partition: target.name.clone(),
                    region: target.region,
                    block: erase_block,
                });
            }
            end = Some(target.region.end());
            let unit = erase_block.get().max(1);
            let first = target.region.offset.get() / unit;
            let behind = target.region.end().get().div_ceil(unit);
            blocks.extend((first..behind).filter_map(|block| u32::try_from(block).ok()));
        }
        blocks.dedup();
        match problems.is_empty() {
            true => Ok(blocks),
            false => Err(problems),
        }
    }

    /// The target that `at` lies in.
    pub fn target_at(&self, at: Offset) -> Option<&Target> {
        self.targets
            .iter()
            .find(|target| target.region.contains(&Region::new(at, Size::bytes(1))))
    }

    /// The name of the partition that `at` lies in, for messages.
    pub fn partition_at(&self, at: Offset) -> &str {
        self.target_at(at).map_or("flash", |target| &target.name)
    }
}

/// A line for the owner per target.
impl fmt::Display for RewritePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.from == self.to {
            true => writeln!(f, "Restore partitions of {}", self.from)?,
            false => writeln!(f, "Replace {} by {}", self.from, self.to)?,
        }
        for target in &self.targets {
            let Target { name, region, .. } = target;
            match &target.source {
                Source::Image { image, length, .. } => {
                    let file = self.images.get(*image).map(|image| image.path.name());
                    let file = file.unwrap_or_default();
                    write!(f, "Write {name} ({region}) from {file}")?;
                    match *length < region.size {
                        true => writeln!(f, ", {length} of it; the rest becomes blank")?,
                        false => writeln!(f)?,
                    }
                }
                Source::Blank => writeln!(f, "Erase {name} ({region})")?,
                Source::Empty(kind) => {
                    writeln!(f, "Format {name} ({region}) as an empty {kind}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn plan(regions: &[(u64, u64)]) -> RewritePlan {
        let target = |(kib, size): &(u64, u64)| Target {
            name: format!("p{kib}"),
            region: Region::new(Offset::bytes(kib * 1024), Size::kib(*size)),
            source: Source::Blank,
            content: Content::Anything,
        };
        RewritePlan {
            operation: Operation::Restore,
            from: "stock".into(),
            to: "stock".into(),
            layout: None,
            images: Vec::new(),
            targets: regions.iter().map(target).collect(),
            boot_guard: Region::new(Offset::ZERO, Size::ZERO),
            remarks: Vec::new(),
        }
    }

    #[rstest]
    #[case::whole_blocks(&[(0, 64), (128, 32)], 32, &[0, 1, 4])]
    #[case::two_share_a_block(&[(256, 32), (288, 224)], 64, &[4, 5, 6, 7])]
    #[case::three_share_a_block(&[(0, 16), (16, 16), (32, 32)], 64, &[0])]
    fn targets_that_join_may_share_blocks(
        #[case] regions: &[(u64, u64)],
        #[case] block: u64,
        #[case] blocks: &[u32],
    ) {
        assert_eq!(plan(regions).blocks(Size::kib(block)).unwrap(), blocks);
    }

    #[rstest]
    #[case::start(&[(32, 96)], 64, 1)]
    #[case::end(&[(0, 32)], 64, 1)]
    #[case::both(&[(0, 32), (96, 32), (160, 32)], 64, 3)]
    fn an_edge_inside_an_erase_block_is_refused(
        #[case] regions: &[(u64, u64)],
        #[case] block: u64,
        #[case] problems: usize,
    ) {
        let found = plan(regions).blocks(Size::kib(block)).unwrap_err();
        assert_eq!(found.len(), problems, "{found:?}");
    }
}
