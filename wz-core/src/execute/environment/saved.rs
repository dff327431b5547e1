//! The copy on the card of what is being rewritten.
//!
//! ```text
//!  wz_flash-helper/environment.saved
//!
//!  0      4              36       44       52       56
//!  | WZE2 | SHA-256      | offset | length | before | old content | new content |
//!           of all behind it                        '-- `length` bytes each ----'
//! ```
//! Numbers are little-endian. `before` is the CRC-32 of all that is in flash in front of it, which is the
//! boot loader: under another one an environment may name places where nothing is.

use crate::card::{Card, CardPath, remove_for_good, write_small};
use crate::event::{Event, Problem, Reporter};
use crate::execute::{Expected, check};
use crate::image::environment::{self, Environment, search_region};
use crate::image::sha256sum::Digest;
use crate::units::{Offset, Region, Size};

const MAGIC: &[u8; 4] = b"WZE2";
const HASH_AT: usize = 4;
const OFFSET_AT: usize = 36;
const LENGTH_AT: usize = 44;
const BEFORE_AT: usize = 52;
const CONTENT_AT: usize = 56;

/// Two environments of 64K in the largest erase blocks, twice.
const LIMIT: Size = Size::mib(1);

/// So many bits of an erase block may read wrong because their cells were in flight.
const STRAY_BITS: u32 = 4;

/// What erase blocks held before they were changed, and what they are to hold.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) region: Region,
    /// Of what is in front of it in flash.
    pub(super) before: u32,
    pub(super) old: Vec<u8>,
    pub(super) new: Vec<u8>,
}

/// What an interrupted write has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It did not come to its end.
    Undone,
    /// It did, and only the copy is left.
    Done,
    /// No interrupted write leaves flash like that.
    Strange,
}

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Old,
    New,
    Between,
    SomethingElse,
}

impl Saved {
    /// For messages.
    pub(super) fn file() -> String {
        CardPath::saved_environment().to_string()
    }

    /// Puts it on the card, and makes sure that it is there.
    pub(super) fn store(
        &self,
        card: &mut dyn Card,
        reporter: &mut dyn Reporter,
    ) -> Result<(), Problem> {
        let bytes = self.to_bytes();
        let path = CardPath::saved_environment();
        card.create_folder(&CardPath::program())
            .and_then(|()| write_small(card, &path, &bytes))
            .map_err(|error| error.into_problem(card))?;
        check(card, &path, &Expected::of(&bytes), reporter)
    }

    /// The copy on the card; none if there is none or it is damaged.
    pub(super) fn read(card: &mut dyn Card) -> Result<Option<Self>, Problem> {
        Self::read_and_tell(card, &mut |_: &Event| {})
    }

    /// The same; a damaged one is told. Flash was not touched before one was whole.
    pub(super) fn read_and_tell(
        card: &mut dyn Card,
        reporter: &mut dyn Reporter,
    ) -> Result<Option<Self>, Problem> {
        let bytes = card
            .read(&CardPath::saved_environment(), LIMIT)
            .map_err(|error| error.into_problem(card))?;
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let saved = Self::from_bytes(&bytes);
        if saved.is_none() {
            reporter.report(&Event::Remark(Problem::EnvironmentSavedBad {
                file: Self::file(),
            }));
        }
        Ok(saved)
    }

    /// Removes it from the card, if it is there.
    pub(super) fn forget(card: &mut dyn Card) -> Result<(), Problem> {
        let path = CardPath::saved_environment();
        let found = card.read(&path, Size::ZERO);
        match found.map_err(|error| error.into_problem(card))? {
            Some(_) => remove_for_good(card, &path).map_err(|error| error.into_problem(card)),
            None => Ok(()),
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let offset = self.region.offset.get().to_le_bytes();
        let length = self.region.size.get().to_le_bytes();
        let before = self.before.to_le_bytes();
        let body = [&offset, &length, &before[..], &self.old, &self.new].concat();
        [MAGIC, Digest::of(&body).as_bytes().as_slice(), &body].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let body = bytes.get(OFFSET_AT..)?;
        let hash = bytes.get(HASH_AT..OFFSET_AT)?;
        if !bytes.starts_with(MAGIC) || hash != Digest::of(body).as_bytes() {
            return None;
        }
        let number = |at: usize| {
            let bytes = bytes.get(at..)?.first_chunk()?;
            Some(u64::from_le_bytes(*bytes))
        };
        let (offset, length) = (number(OFFSET_AT)?, number(LENGTH_AT)?);
        let before = u32::from_le_bytes(*bytes.get(BEFORE_AT..)?.first_chunk()?);
        let content = bytes.get(CONTENT_AT..)?;
        let size = Size::bytes(length);
        if content.is_empty() || content.len() as u64 != length.checked_mul(2)? {
            return None;
        }
        let (old, new) = content.split_at_checked(size.as_usize())?;
        Some(Self {
            region: Region::new(Offset::bytes(offset), size),
            before,
            old: old.to_vec(),
            new: new.to_vec(),
        })
    }

    /// What flash, which holds `bytes` there, shows. A block is erased and then programmed, so at any
    /// instant it has all bits of the old content or all bits of the new.
    pub(super) fn judge(&self, bytes: &[u8], unit: Size) -> Verdict {
        let unit = unit.as_usize().max(1);
        let contents = self.old.chunks(unit).zip(self.new.chunks(unit));
        let blocks = bytes.chunks(unit).zip(contents);
        let held: Vec<Holds> = blocks
            .filter(|(_, (old, new))| old != new)
            .map(|(found, (old, new))| holds(found, old, new))
            .collect();
        if held.contains(&Holds::SomethingElse) || self.is_another_sound_one(bytes) {
            return Verdict::Strange;
        }
        match held.contains(&Holds::Old) || held.contains(&Holds::Between) {
            true => Verdict::Undone,
            false => Verdict::Done,
        }
    }

    /// Whether there is a sound environment that is neither the old nor the new one: the firmware has
    /// made it, or it is another camera's.
    fn is_another_sound_one(&self, bytes: &[u8]) -> bool {
        let sound = |bytes| sound_in(self.region, bytes);
        match sound(bytes) {
            None => false,
            found => found != sound(&self.old) && found != sound(&self.new),
        }
    }
}

fn sound_in(region: Region, bytes: &[u8]) -> Option<Environment> {
    let searched = search_region(None);
    let mut window = vec![0xff; searched.size.as_usize()];
    let part = region.overlap(&searched)?;
    let from = (part.offset - region.offset).as_usize();
    let to = (part.offset - searched.offset).as_usize();
    let length = part.size.as_usize();
    window
        .get_mut(to..to + length)?
        .copy_from_slice(bytes.get(from..from + length)?);
    let found = environment::find(None, &window).ok()?;
    Some(found.environment)
}

fn holds(found: &[u8], old: &[u8], new: &[u8]) -> Holds {
    let differs = |wanted: &[u8]| count(found, wanted, |found, wanted| found ^ wanted);
    let lacks = |wanted: &[u8]| count(found, wanted, |found, wanted| wanted & !found);
    if differs(new) <= STRAY_BITS {
        Holds::New
    } else if differs(old) <= STRAY_BITS {
        Holds::Old
    } else if lacks(old).min(lacks(new)) <= STRAY_BITS {
        Holds::Between
    } else {
        Holds::SomethingElse
    }
}

fn count(a: &[u8], b: &[u8], bits: impl Fn(u8, u8) -> u8) -> u32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| bits(*a, *b).count_ones())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn saved() -> Saved {
        Saved {
            region: Region::new(Offset::bytes(0x4_0000), Size::bytes(16)),
            before: 0x1234_5678,
            old: (0..16).collect(),
            new: (100..116).collect(),
        }
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let saved = saved();
        assert!(Saved::from_bytes(&saved.to_bytes()).is_some_and(|read| read == saved));
    }

    proptest! {
        #[test]
        fn a_damaged_one_is_none(at in 0usize..88, bit in 0u8..8, cut in 0usize..88) {
            let mut bytes = saved().to_bytes();
            prop_assert_eq!(bytes.len(), 88);
            prop_assert!(Saved::from_bytes(&bytes[..cut]).is_none());
            bytes[at] ^= 1 << bit;
            prop_assert!(Saved::from_bytes(&bytes).is_none());
        }

        #[test]
        fn any_bytes_are_one_or_none(bytes: Vec<u8>) {
            let _ = Saved::from_bytes(&bytes);
        }
    }
}
