//! Faults at random.

use super::{CardFault, FlashFault, Noise};
use crate::units::{Offset, Size};

/// Places on the chip lie in the first part of it: where the small chips of tests have cells.
const CHIP: u64 = 256 * 1024;
/// A card is taken to be written in pieces of about this many bytes.
const PIECE: u64 = 512;

type Draw<F> = fn(&mut Noise, u64) -> F;

const FLASH_FAULTS: [Draw<FlashFault>; 10] = [
    |noise, _| FlashFault::UnreadableAt(place(noise)),
    |noise, _| FlashFault::FlippedBitAt(place(noise)),
    |noise, _| FlashFault::StuckAtZero {
        at: place(noise),
        mask: 1 << noise.below(8),
    },
    |noise, count| FlashFault::FailsErase {
        nth: nth(noise, count),
    },
    |noise, count| FlashFault::FailsProgram {
        nth: nth(noise, count),
    },
    |noise, count| FlashFault::FailsRead {
        nth: nth(noise, count),
    },
    |noise, count| FlashFault::IgnoresErase {
        nth: nth(noise, count),
    },
    |noise, count| FlashFault::IgnoresProgram {
        nth: nth(noise, count),
    },
    |noise, count| FlashFault::LeavesABit {
        nth: nth(noise, count),
    },
    |noise, count| FlashFault::FlipsOnRead {
        nth: nth(noise, count),
    },
];

const CARD_FAULTS: [Draw<CardFault>; 12] = [
    |_, _| CardFault::ReadOnly,
    |_, _| CardFault::Full,
    |noise, count| CardFault::DropsWritesAfter(written(noise, count)),
    |noise, count| CardFault::FlipsABitAfter(written(noise, count)),
    |noise, count| CardFault::PulledAfter(written(noise, count)),
    |_, _| CardFault::LosesNewNames,
    |noise, count| CardFault::FailsRead {
        nth: nth(noise, count),
    },
    |noise, count| CardFault::FlipsOnRead {
        nth: nth(noise, count),
    },
    |noise, count| CardFault::ShortRead {
        nth: nth(noise, count),
    },
    |noise, count| CardFault::FailsWrite {
        nth: nth(noise, count),
    },
    |noise, count| CardFault::IgnoresWrite {
        nth: nth(noise, count),
    },
    |noise, count| CardFault::FlipsOnWrite {
        nth: nth(noise, count),
    },
];

fn place(noise: &mut Noise) -> Offset {
    Offset::bytes(noise.below(CHIP))
}

/// One of `count` operations. Early ones are likelier, because no kind of operation makes up all.
fn nth(noise: &mut Noise, count: u64) -> u64 {
    let early = count >> noise.below(6);
    1 + noise.below(early)
}

fn written(noise: &mut Noise, count: u64) -> Size {
    Size::bytes(noise.below(count.saturating_mul(PIECE)))
}

/// One to three faults of a run that takes about so many operations of each device, all kinds and
/// places being possible. Equal seeds give equal faults. A device without operations gets none.
pub fn seeded_faults(
    seed: u64,
    flash_operations: u64,
    card_operations: u64,
) -> (Vec<FlashFault>, Vec<CardFault>) {
    let flash_kinds = if flash_operations > 0 {
        FLASH_FAULTS.len()
    } else {
        0
    };
    let card_kinds = if card_operations > 0 {
        CARD_FAULTS.len()
    } else {
        0
    };
    let noise = &mut Noise::new(seed);
    let (mut flash, mut card) = (Vec::new(), Vec::new());
    for _ in 0..1 + noise.below(3) {
        let kind = noise.index_below(flash_kinds + card_kinds);
        if kind < flash_kinds {
            flash.push(FLASH_FAULTS[kind](noise, flash_operations));
        } else if card_kinds > 0 {
            card.push(CARD_FAULTS[kind - flash_kinds](noise, card_operations));
        }
    }
    (flash, card)
}

#[cfg(test)]
mod tests {
    use super::super::fault::Transient;
    use super::*;
    use rstest::rstest;
    use std::collections::HashSet;
    use std::mem::discriminant;

    #[test]
    fn seeds_reach_every_kind_of_fault_one_to_three_at_a_time() {
        let (mut flash_kinds, mut card_kinds, mut counts) =
            (HashSet::new(), HashSet::new(), HashSet::new());
        for seed in 0..1000 {
            let (flash, card) = seeded_faults(seed, 300, 300);
            counts.insert(flash.len() + card.len());
            flash_kinds.extend(flash.iter().map(discriminant));
            card_kinds.extend(card.iter().map(discriminant));
        }
        assert_eq!(flash_kinds.len(), FLASH_FAULTS.len());
        assert_eq!(card_kinds.len(), CARD_FAULTS.len());
        assert_eq!(counts, HashSet::from([1, 2, 3]));
    }

    #[test]
    fn every_operation_can_be_struck_and_none_beyond_the_last() {
        let mut struck = HashSet::new();
        for seed in 0..20_000 {
            let (flash, card) = seeded_faults(seed, 20, 20);
            struck.extend(flash.iter().filter_map(FlashFault::nth));
            struck.extend(card.iter().filter_map(CardFault::nth));
        }
        assert_eq!(struck, (1..=20).collect());
    }

    #[rstest]
    #[case::no_chip(0, 10)]
    #[case::no_card(10, 0)]
    #[case::neither(0, 0)]
    fn a_device_that_does_nothing_gets_no_faults(#[case] flash: u64, #[case] card: u64) {
        for seed in 0..100 {
            let (flash_faults, card_faults) = seeded_faults(seed, flash, card);
            assert_eq!(flash_faults.is_empty(), flash == 0);
            assert_eq!(card_faults.is_empty(), card == 0);
            assert_eq!(
                seeded_faults(seed, flash, card),
                (flash_faults, card_faults)
            );
        }
    }
}
