//! Where the environment is: where the layout has it, or where a good CRC proves it.
//!
//! ```text
//!  0x40000      0x48000      0x50000                  0x60000
//!  |<------- 64K: until 2025-02-18 ------>|
//!  |<-- 32K: until 2026-05 -->| config ...
//!                                         |<------- 64K: since ------>|
//! ```
//! With two copies, one stands behind the other. The newer flag counts; one that is not sound never
//! does. They are changed so that one of them is whole at any instant:
//!
//! ```text
//!  active  | crc | n | ...          active  | crc | n | ...         old  | crc | 0 | ...
//!  spare   | ??? | ? | ...   ---▶   new     | crc | 1 | ...  ---▶   new  | crc | 1 | ...
//!                          erased,                          bits only
//!                          programmed, read back            become 0
//! ```
//! Source of the flags: U-Boot `env/sf.c` (1 is active, 0 is obsolete) and `env/common.c` (counted
//! up, where a device is written like that).

use super::{BLANK, Environment, SIZES};
use crate::units::{Offset, Region, Size};

/// Where thingino has had its environment: see the picture. Source: its Makefile and `fw_env.config`.
const OFFSETS: [Offset; 2] = [Offset::bytes(0x4_0000), Offset::bytes(0x5_0000)];

const ACTIVE: u8 = 1;
const OBSOLETE: u8 = 0;
/// Behind the CRC.
const FLAG_AT: Size = Size::bytes(4);

/// Where an environment may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// One copy.
    One(Region),
    /// Two, one behind the other.
    Two([Region; 2]),
}

/// An environment that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub place: Place,
    /// What it says.
    pub environment: Environment,
    /// The copy that counts.
    active: Region,
    /// The copy that does not.
    spare: Option<Region>,
}

/// Why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Erased: U-Boot has not made it yet.
    Blank(Region),
    /// Nothing has a good CRC in here.
    Unsound(Region),
    /// More than one place has one, so none is sure.
    Several(Region, Region),
}

/// Bytes that are to stand in flash.
#[derive(Clone, PartialEq, Eq)]
pub struct Change {
    /// Where they start.
    pub at: Offset,
    /// They may be secrets.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Change")
            .field("at", &self.at)
            .field("length", &self.bytes.len())
            .finish()
    }
}

/// The part of flash that has to be looked at; `known` is where the layout has it, if it says so.
pub fn search_region(known: Option<Region>) -> Region {
    let [first, last] = OFFSETS;
    let [longest, _] = SIZES;
    // Of two copies in the last place, the second reaches further.
    let end = last + longest + longest;
    known.unwrap_or(Region::new(first, end - first))
}

/// Finds it in `bytes`, which are those of [`search_region`]. Where the layout says where it is,
/// nothing else is believed.
///
/// # Errors
/// See [`Missing`].
pub fn find(known: Option<Region>, bytes: &[u8]) -> Result<Found, Missing> {
    let searched = search_region(known);
    let part = |region: Region| {
        let start = (region.offset - searched.offset).as_usize();
        bytes.get(start..start + region.size.as_usize())
    };
    let mut found = places(known)
        .into_iter()
        .filter_map(|place| judge(place, known, part(place.span())?));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => Err(Missing::Several(one.place.span(), other.place.span())),
        (None, _) => {
            let shortest = |at: &Offset| Region::new(*at, SIZES[1]);
            let starts = match known {
                Some(known) => vec![known],
                None => OFFSETS.iter().map(shortest).collect(),
            };
            let blank = |region: &Region| part(*region).is_some_and(is_blank);
            Err(match starts.into_iter().find(blank) {
                Some(region) => Missing::Blank(region),
                None => Missing::Unsound(searched),
            })
        }
    }
}

fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == BLANK)
}

/// All places that come into question.
fn places(known: Option<Region>) -> Vec<Place> {
    let searched = search_region(known);
    let offsets = match known {
        Some(known) => vec![known.offset],
        None => OFFSETS.to_vec(),
    };
    let pairs = offsets
        .into_iter()
        .flat_map(|at| SIZES.map(|size| Region::new(at, size)));
    let both = pairs.flat_map(|first| {
        let second = Region::new(first.end(), first.size);
        [Place::One(first), Place::Two([first, second])]
    });
    both.filter(|place| searched.contains(&place.span()))
        .collect()
}

fn judge(place: Place, known: Option<Region>, bytes: &[u8]) -> Option<Found> {
    match place {
        Place::One(region) => Some(Found {
            place,
            environment: Environment::parse(bytes).ok()?,
            active: region,
            spare: None,
        }),
        Place::Two([first, second]) => {
            let halves = bytes.split_at_checked(first.size.as_usize())?;
            let one = Environment::parse_one_of_two(halves.0).ok();
            let other = Environment::parse_one_of_two(halves.1).ok();
            // What is neither sound nor blank may be something else than a second copy.
            let is_copy = |half: &[u8], read: &Option<Environment>| {
                read.is_some() || is_blank(half) || known == Some(place.span())
            };
            if !is_copy(halves.0, &one) || !is_copy(halves.1, &other) {
                return None;
            }
            let (environment, active, spare) = match (one, other) {
                (Some(one), Some(other)) if is_newer(&other, &one) => (other, second, first),
                (Some(one), _) => (one, first, second),
                (None, Some(other)) => (other, second, first),
                (None, None) => return None,
            };
            Some(Found {
                place,
                environment,
                active,
                spare: Some(spare),
            })
        }
    }
}

/// Flags are counted up, and begin anew behind 255.
fn is_newer(a: &Environment, b: &Environment) -> bool {
    match (a.flag, b.flag) {
        (Some(0), Some(0xff)) => true,
        (Some(0xff), Some(0)) => false,
        (a, b) => a > b,
    }
}

impl Place {
    /// All of it.
    pub fn span(&self) -> Region {
        match self {
            Self::One(region) => *region,
            Self::Two([first, second]) => Region::new(first.offset, second.end() - first.offset),
        }
    }
}

impl Found {
    /// What has to stand in flash, one after the other, so that `environment` counts.
    pub fn changes(&self, environment: &Environment) -> Vec<Change> {
        match self.spare {
            None => vec![Change {
                at: self.active.offset,
                bytes: environment.to_bytes(),
            }],
            Some(spare) => vec![
                Change {
                    at: spare.offset,
                    bytes: environment.with_flag(ACTIVE).to_bytes(),
                },
                Change {
                    at: self.active.offset + FLAG_AT,
                    bytes: vec![OBSOLETE],
                },
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const START: usize = 0x4_0000;

    fn environment(size: Size, value: &str) -> Environment {
        let empty = Environment {
            size,
            flag: None,
            texts: Vec::new(),
        };
        let mut environment = empty;
        environment.set("value", value).unwrap();
        environment
    }

    /// Flash that holds something else around `parts`.
    fn flash(parts: &[(usize, Vec<u8>)]) -> Vec<u8> {
        let mut flash: Vec<u8> = (0..0x8_0000_u32).map(|at| (at % 251) as u8).collect();
        for (at, bytes) in parts {
            flash[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        flash
    }

    fn found_in(flash: &[u8], known: Option<Region>) -> Result<Found, Missing> {
        let searched = search_region(known);
        find(
            known,
            &flash[searched.offset.as_usize()..searched.end().as_usize()],
        )
    }

    fn region(at: usize, kib: u64) -> Region {
        Region::new(Offset::bytes(at as u64), Size::kib(kib))
    }

    #[rstest]
    #[case(0x4_0000, 64)]
    #[case(0x4_0000, 32)]
    #[case(0x5_0000, 64)]
    #[case(0x5_0000, 32)]
    fn a_good_crc_proves_it(#[case] at: usize, #[case] kib: u64) {
        let wanted = environment(Size::kib(kib), "1");
        let flash = flash(&[(at, wanted.to_bytes())]);
        for known in [None, Some(region(at, kib))] {
            let found = found_in(&flash, known).unwrap();
            assert_eq!(found.place, Place::One(region(at, kib)));
            assert_eq!(found.environment, wanted);
        }
    }

    #[rstest]
    #[case::first_is_newer(2, 1, "first")]
    #[case::second_is_newer(1, 2, "second")]
    #[case::wrapped(0xff, 0, "second")]
    #[case::wrapped_the_other_way(0, 0xff, "first")]
    #[case::active_and_obsolete(0, 1, "second")]
    #[case::alike(1, 1, "first")]
    fn of_two_copies_the_newer_counts(#[case] first: u8, #[case] second: u8, #[case] value: &str) {
        for kib in [32, 64] {
            let copy = |flag, value| {
                environment(Size::kib(kib), value)
                    .with_flag(flag)
                    .to_bytes()
            };
            let parts = [copy(first, "first"), copy(second, "second")].concat();
            let flash = flash(&[(START, parts)]);
            for known in [None, Some(region(START, 2 * kib))] {
                let found = found_in(&flash, known).unwrap();
                assert_eq!(found.environment.get("value"), Some(value.as_bytes()));
                assert_eq!(found.place.span(), region(START, 2 * kib));
            }
        }
    }

    #[test]
    fn beside_one_sound_copy_only_the_layout_makes_rubbish_a_copy() {
        let copy = environment(Size::kib(32), "1").with_flag(1).to_bytes();
        let spoilt = flash(&[(START, copy.clone())]);
        let known = region(START, 64);
        assert!(found_in(&spoilt, Some(known)).is_ok());
        assert_eq!(
            found_in(&spoilt, None),
            Err(Missing::Unsound(search_region(None)))
        );
        let blank = flash(&[(START, copy), (START + 0x8000, vec![0xff; 0x8000])]);
        assert!(found_in(&blank, None).is_ok());
    }

    #[test]
    fn what_is_not_there_is_told_apart() {
        let here = region(START, 32);
        let blank = flash(&[(START, vec![0xff; 0x8000])]);
        assert_eq!(found_in(&blank, None), Err(Missing::Blank(here)));
        assert_eq!(found_in(&blank, Some(here)), Err(Missing::Blank(here)));
        let nothing = flash(&[]);
        assert_eq!(found_in(&nothing, Some(here)), Err(Missing::Unsound(here)));
        let two = environment(Size::kib(64), "1").to_bytes();
        let two = flash(&[(START, two.clone()), (0x5_0000, two)]);
        let several = Missing::Several(region(START, 64), region(0x5_0000, 64));
        assert_eq!(found_in(&two, None), Err(several));
        assert!(found_in(&two, Some(region(0x5_0000, 64))).is_ok());
    }

    #[test]
    fn another_place_is_not_believed_against_the_layout() {
        let flash = flash(&[(0x5_0000, environment(Size::kib(64), "1").to_bytes())]);
        assert!(found_in(&flash, Some(region(START, 64))).is_err());
    }

    /// Flash with the first `count` changes made.
    fn changed(flash: &[u8], changes: &[Change], count: usize) -> Vec<u8> {
        let mut flash = flash.to_vec();
        for change in &changes[..count] {
            let at = change.at.as_usize();
            flash[at..at + change.bytes.len()].copy_from_slice(&change.bytes);
        }
        flash
    }

    proptest! {
        #[test]
        fn one_of_two_copies_counts_behind_every_change(first: u8, second: u8, times in 1usize..4) {
            let copy = |flag, value| environment(Size::kib(32), value).with_flag(flag).to_bytes();
            let mut flash = flash(&[(START, [copy(first, "1"), copy(second, "1")].concat())]);
            for round in 0..times {
                let found = found_in(&flash, None).unwrap();
                let old = found.environment.get("value").map(<[u8]>::to_vec);
                let mut new = found.environment.clone();
                let value = format!("round {round}");
                new.set("value", &value).unwrap();
                let changes = found.changes(&new);
                prop_assert_eq!(changes.len(), 2);
                // The flag is cleared without an erase.
                let flag_at = changes[1].at.as_usize();
                prop_assert_eq!(changes[1].bytes[0] & flash[flag_at], changes[1].bytes[0]);
                let between = found_in(&changed(&flash, &changes, 1), None).unwrap();
                let says = between.environment.get("value").map(<[u8]>::to_vec);
                prop_assert!(says == old || says.as_deref() == Some(value.as_bytes()));
                flash = changed(&flash, &changes, 2);
                let after = found_in(&flash, None).unwrap();
                prop_assert_eq!(after.environment.get("value"), Some(value.as_bytes()));
            }
        }
    }
}
