//! Whether an operation cost as little as it can. Counts are exact. Where the card limits the time, the
//! slow one is judged, whose speed is known.

use std::time::Duration;

use wz_core::units::Size;

use super::measured::Measured;
use super::model;
use super::scenario::{Kind, Scenario};
use super::{Row, SLOW_CARD};

/// Where boot is rewritten: its first bytes are cleared before all else and programmed last.
const SEAL: Size = Size::bytes(512);

/// Writing may take so much longer than chip and comparing take, in percent.
const WRITING: u32 = 115;
/// Finding nothing to do may take so much longer than reading flash and images once.
const NOTHING: u32 = 150;
/// A backup may take so much longer than the slower of chip and card.
const BACKUP: u32 = 125;

/// What cost too much, a line each.
pub(super) fn complaints(row: &Row) -> Vec<String> {
    let (scenario, slow) = (&row.scenario, &row.slow);
    let mut all = Vec::new();
    for (card, measured) in [("fast card", &row.fast), ("slow card", slow)] {
        let mut told = counts(measured);
        if scenario.kind == Kind::Writes {
            let images = measured.traffic.map(|_| scenario.images);
            told.extend(writing(scenario, measured, images.unwrap_or_default()));
        }
        all.extend(told.into_iter().map(|told| format!("{told} ({card})")));
    }
    all.extend(match scenario.kind {
        Kind::Backup => backup(slow),
        Kind::NothingToWrite => nothing(scenario, slow),
        Kind::Writes => None,
    });
    all.iter()
        .map(|complaint| format!("{}: {complaint}", scenario.name))
        .collect()
}

fn counts(measured: &Measured) -> Vec<String> {
    let seal = match measured.boot_differs {
        true => SEAL,
        false => Size::ZERO,
    };
    measured.due.not_matched_by(&measured.nor, seal)
}

/// The least time in which the row could be done with the slow card: what the chip takes for all
/// that it did, or what the card takes, whichever is longer.
pub(super) fn floor(measured: &Measured) -> Duration {
    let card = measured.traffic.unwrap_or_default();
    let card = model::card(card.bytes_read + card.bytes_written, SLOW_CARD);
    model::flash(&measured.nor).max(card)
}

fn backup(measured: &Measured) -> Option<String> {
    too_slow("the backup", measured.operation, floor(measured), BACKUP)
}

fn nothing(scenario: &Scenario, measured: &Measured) -> Option<String> {
    let least = model::reading(scenario.touched) + model::card(scenario.images, SLOW_CARD);
    too_slow("finding nothing", measured.operation, least, NOTHING)
}

/// The chip's work, one read of what is compared, and one of what was written; and, since QEMU's
/// processor waits for its card, one of so many bytes of images from the slow card.
fn writing(scenario: &Scenario, measured: &Measured, images: u64) -> Option<String> {
    let Some(writing) = measured.writing else {
        return Some("no time of writing is told".to_owned());
    };
    let due = measured.due;
    let least = model::erasing(due.erases)
        + model::programming(due.programmed)
        + model::reading(scenario.touched)
        + model::reading(measured.rewritten)
        + model::card(images, SLOW_CARD);
    too_slow("writing", writing, least, WRITING)
}

fn too_slow(what: &str, took: Duration, least: Duration, percent: u32) -> Option<String> {
    let most = least * percent / 100;
    (took > most).then(|| {
        format!(
            "{what} took {:.1} s, but {:.1} s would do, and {percent} % of that are allowed",
            took.as_secs_f64(),
            least.as_secs_f64()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wz_core::units::{Offset, Region};
    use wz_testbed::{Card, CardTraffic, NorCounters, Work};

    const SECOND: Duration = Duration::from_secs(1);

    fn row(kind: Kind, measured: &Measured) -> Row {
        Row {
            scenario: Scenario {
                name: "test",
                kind,
                chip: String::new(),
                flash: Vec::new(),
                card: Card::new(),
                touched: 1 << 20,
                images: 2_000_000,
                boot: Region::new(Offset::ZERO, Size::kib(256)),
                original: None,
            },
            fast: Measured {
                traffic: None,
                ..measured.clone()
            },
            slow: measured.clone(),
        }
    }

    /// 10 blocks, all bytes of them: 1.2 s of erasing, 0.64 s of programming.
    fn ten_blocks(writing: Duration) -> Measured {
        let bytes = 10 * 32 * 1024;
        Measured {
            operation: writing + SECOND,
            writing: Some(writing),
            nor: NorCounters {
                erases: 10,
                programmed: bytes,
                read: 1 << 20,
                set_bits: 0,
            },
            due: Work {
                erases: 10,
                programmed: bytes,
            },
            rewritten: bytes,
            boot_differs: false,
            traffic: Some(CardTraffic {
                bytes_read: 2_000_000,
                ..CardTraffic::default()
            }),
            peak_memory: 0,
        }
    }

    #[test]
    fn writing_in_the_time_that_the_chip_takes_is_right() {
        // 1.2 s, 0.64 s, 0.154 s for comparing and 0.048 s for reading back: 2.042 s.
        let told = |ms| complaints(&row(Kind::Writes, &ten_blocks(Duration::from_millis(ms))));

        assert_eq!(told(2340), [""; 0]);
        assert_eq!(told(2360).len(), 1);
        // The slow card's images take a second more.
        assert_eq!(told(3520).len(), 2);
    }

    #[test]
    fn an_erase_too_many_is_told_for_both_cards() {
        let mut measured = ten_blocks(SECOND);
        measured.nor.erases += 1;

        let told = complaints(&row(Kind::Writes, &measured));

        assert_eq!(
            told,
            [
                "test: 11 erases, not 10 (fast card)",
                "test: 11 erases, not 10 (slow card)"
            ]
        );
    }

    #[test]
    fn the_seal_is_allowed_where_boot_differs_only() {
        let mut measured = ten_blocks(SECOND);
        measured.nor.programmed += 260;
        assert_eq!(complaints(&row(Kind::Writes, &measured)).len(), 2);

        measured.boot_differs = true;
        assert_eq!(complaints(&row(Kind::Writes, &measured)), [""; 0]);
    }

    #[test]
    fn a_time_of_writing_that_is_not_told_is_a_complaint() {
        let mut measured = ten_blocks(SECOND);
        measured.writing = None;

        assert_eq!(complaints(&row(Kind::Writes, &measured)).len(), 2);
    }

    #[test]
    fn a_backup_is_as_fast_as_the_slower_of_chip_and_card() {
        let mut measured = ten_blocks(SECOND);
        (measured.nor, measured.due) = (NorCounters::default(), Work::default());
        let told = |ms| {
            let mut measured = measured.clone();
            measured.operation = Duration::from_millis(ms);
            complaints(&row(Kind::Backup, &measured))
        };

        assert_eq!(told(1250), [""; 0]);
        assert_eq!(told(1251).len(), 1);
    }

    #[test]
    fn finding_nothing_takes_one_read_of_flash_and_images() {
        let mut measured = ten_blocks(SECOND);
        (measured.nor, measured.due) = (NorCounters::default(), Work::default());
        let told = |ms| {
            let mut measured = measured.clone();
            measured.operation = Duration::from_millis(ms);
            complaints(&row(Kind::NothingToWrite, &measured))
        };

        // 0.154 s and 1 s.
        assert_eq!(told(1730), [""; 0]);
        assert_eq!(told(1740).len(), 1);
    }
}
