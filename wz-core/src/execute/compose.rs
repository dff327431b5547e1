//! What an erase block is to hold, put together from everything that lies in it.

use crate::event::Problem;
use crate::plan::RewritePlan;
use crate::plan::blocks::BLANK;
use crate::plan::rewrite::Source;
use crate::units::{Offset, Region, Size};

/// Gives the bytes of image files.
pub trait ImageBytes {
    /// Fills `buffer` with what stands in the image of this number from `from` on, for the target
    /// of that number.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(
        &mut self,
        image: usize,
        target: usize,
        from: Offset,
        buffer: &mut [u8],
    ) -> Result<(), Problem>;
}

/// Fills `wanted` with what the erase block of this number is to hold.
///
/// # Errors
/// Those of `images`.
pub fn compose(
    plan: &RewritePlan,
    block: u32,
    images: &mut dyn ImageBytes,
    wanted: &mut [u8],
) -> Result<(), Problem> {
    let erase_block = Size::bytes(wanted.len() as u64);
    let whole = region_of(block, erase_block);
    wanted.fill(BLANK);
    for (index, target) in plan.targets.iter().enumerate() {
        let Some(part) = target.region.overlap(&whole) else {
            continue;
        };
        let inside = part.offset - target.region.offset;
        let place = |part: Region| {
            let start = (part.offset - whole.offset).as_usize();
            start..start + part.size.as_usize()
        };
        match &target.source {
            Source::Blank => {}
            Source::Empty(file_system) => file_system.fill(
                target.region.size,
                erase_block,
                Offset::ZERO + inside,
                &mut wanted[place(part)],
            ),
            Source::Image {
                image,
                from,
                length,
            } => {
                let filled = Region::new(target.region.offset, *length);
                if let Some(part) = filled.overlap(&part) {
                    images.read(*image, index, *from + inside, &mut wanted[place(part)])?;
                }
            }
        }
    }
    Ok(())
}

/// The place of the erase block of this number.
pub fn region_of(block: u32, erase_block: Size) -> Region {
    let at = u64::from(block) * erase_block.get();
    Region::new(Offset::bytes(at), erase_block)
}
