//! Reads a trace of one power-on, and tells what was done out of order.
//!
//! ```text
//!  images read to their ends ─┐
//!  safety backup read back ───┼─▶ ( announce ▶ erase, program ▶ read )* ▶ the same with the boot
//!                             ┘      guard ▶ "written" ▶ general.conf ▶ "closed" ▶ kernels
//! ```

use std::collections::{BTreeMap, BTreeSet};

use wz_core::journal::Record;
use wz_core::sim::Did;

use crate::world::BLOCK;

/// What a trace has to be in order with.
pub struct Expectation<'a> {
    /// The images that have to be read before flash is changed, with their sizes.
    pub images: &'a [(String, usize)],
    /// Whether the safety backup is made in this power-on.
    pub makes_safety_backup: bool,
    /// Where the boot guard ends.
    pub guard: usize,
    /// Whether any block of the boot guard differs.
    pub changes_boot: bool,
    /// Whether the run says that all went well.
    pub succeeds: bool,
}

const JOURNAL: &str = "wz_flash-helper/journal.bin";
const CONFIG: &str = "wz_flash-helper/general.conf";

/// The record in a journal's sector, by the layout that its documentation shows.
fn record(bytes: &[u8]) -> Record {
    let length = u32::from_le_bytes(bytes[16..20].try_into().unwrap()) as usize;
    serde_json::from_slice(&bytes[24..24 + length]).unwrap()
}

fn announced(did: &Did) -> Option<Record> {
    match did {
        Did::WroteSector { file, bytes, .. } if file == JOURNAL => Some(record(bytes)),
        _ => None,
    }
}

/// The blocks that an erase or a program touches.
fn changed(did: &Did) -> Vec<u32> {
    let (start, end) = match did {
        Did::Erased(at) => (at.as_usize(), at.as_usize() + BLOCK),
        Did::Programmed { at, length } => (at.as_usize(), at.as_usize() + length.as_usize()),
        _ => return Vec::new(),
    };
    (start / BLOCK..end.div_ceil(BLOCK))
        .map(|block| block as u32)
        .collect()
}

/// What is out of order, in words; nothing if all is well.
pub fn judge(trace: &[Did], expected: &Expectation<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let first = trace.iter().position(|did| !changed(did).is_empty());
    let last = trace.iter().rposition(|did| !changed(did).is_empty());
    if let (Some(first), Some(last)) = (first, last) {
        let (before, behind) = (&trace[..first], &trace[last + 1..]);
        faults.extend(unread_images(before, expected.images));
        if expected.makes_safety_backup {
            faults.extend(safety_backup(before));
        }
        faults.extend(endings(&trace[..=last]));
        if expected.succeeds {
            faults.extend(unfinished(behind));
        }
    }
    faults.extend(announcements(trace));
    faults.extend(boot_guard(trace, expected));
    if expected.succeeds {
        faults.extend(unread_blocks(trace));
    }
    faults.extend(ending_order(trace));
    faults
}

/// Every image is read from its start to its end, without a gap.
fn unread_images(before: &[Did], images: &[(String, usize)]) -> Vec<String> {
    let read_up_to = |image: &str| {
        let mut position = 0;
        for did in before {
            if let Did::ReadCardAt { file, at, length } = did
                && file == image
                && at.as_usize() == position
            {
                position += length.as_usize();
            }
        }
        position
    };
    let unread = images
        .iter()
        .filter(|(file, size)| read_up_to(file) < *size);
    unread
        .map(|(file, _)| format!("flash changes before {file} was read to its end"))
        .collect()
}

/// The image of the whole chip: written, synced, read back, given its name, synced.
fn safety_backup(before: &[Did]) -> Option<String> {
    let is_image = |file: &str| file.ends_with("_all.bin") && file.contains("/backup/");
    let is_step = |step: usize, did: &Did| match (step, did) {
        (0, Did::Finished(file)) | (2, Did::ReadBack(file)) => is_image(file),
        (3, Did::Renamed { from, .. }) => from.ends_with(".partial"),
        (1 | 4, Did::Synced) => true,
        _ => false,
    };
    let done = before
        .iter()
        .fold(0, |step, did| step + usize::from(is_step(step, did)));
    (done < 5).then(|| "flash changes before the safety backup was read back".to_owned())
}

/// The configuration is edited, the run declared over and kernels put away behind the last change.
fn endings(up_to_the_last_change: &[Did]) -> Vec<String> {
    let up_to_the_last_change = of_this_journal(up_to_the_last_change);
    let is_early = |did: &Did| match did {
        Did::Renamed { to, .. } => to == CONFIG || to.ends_with(".wz_flash-helper"),
        Did::Removed(file) => file == JOURNAL || file.ends_with("_kernel"),
        other => matches!(announced(other), Some(Record::Written | Record::Closed)),
    };
    let early = up_to_the_last_change.iter().filter(|did| is_early(did));
    early
        .map(|did| format!("before the last change of flash: {}", shown(did)))
        .collect()
}

fn unfinished(behind: &[Did]) -> Option<String> {
    let is_written = |did: &Did| announced(did) == Some(Record::Written);
    let is_missing = !behind.iter().any(is_written);
    is_missing.then(|| "success without a record of it".to_owned())
}

/// What was done since the journal was begun: before, an earlier one may have been removed.
fn of_this_journal(trace: &[Did]) -> &[Did] {
    let begins = |did: &Did| matches!(did, Did::Renamed { to, .. } if to == JOURNAL);
    let start = trace.iter().rposition(begins).unwrap_or(0);
    &trace[start..]
}

/// Written, then the configuration, then closed, then the kernels.
fn ending_order(trace: &[Did]) -> Vec<String> {
    let trace = of_this_journal(trace);
    let rank = |did: &Did| match did {
        Did::Renamed { to, .. } if to == CONFIG => Some(1),
        Did::Renamed { to, .. } if to.ends_with(".wz_flash-helper") => Some(4),
        Did::Removed(file) if file == JOURNAL => Some(3),
        other => match announced(other)? {
            Record::Written => Some(0),
            Record::Closed => Some(2),
            _ => None,
        },
    };
    let ranked: Vec<(u32, &Did)> = trace
        .iter()
        .filter_map(|did| Some((rank(did)?, did)))
        .collect();
    let swapped = ranked.windows(2).filter(|two| two[0].0 > two[1].0);
    swapped
        .map(|two| format!("{} before {}", shown(two[0].1), shown(two[1].1)))
        .collect()
}

/// Each change is of a block that the last record of this power-on announces.
fn announcements(trace: &[Did]) -> Vec<String> {
    let mut in_flight = BTreeSet::new();
    let mut faults = Vec::new();
    for did in trace {
        if let Some(Record::InFlight(runs)) = announced(did) {
            in_flight = runs
                .into_iter()
                .flat_map(|(first, count)| first..first + count)
                .collect();
        }
        let unannounced = changed(did)
            .into_iter()
            .find(|block| !in_flight.contains(block));
        faults.extend(unannounced.map(|block| format!("block {block} was not announced")));
    }
    faults
}

/// Once the boot guard is touched, nothing else is; it is not touched without need.
fn boot_guard(trace: &[Did], expected: &Expectation<'_>) -> Vec<String> {
    let is_guarded = |block: &u32| (*block as usize) < expected.guard / BLOCK;
    let mut faults = Vec::new();
    let mut began = false;
    for block in trace.iter().flat_map(changed) {
        if is_guarded(&block) && !expected.changes_boot {
            faults.push(format!("block {block} of the boot loader does not differ"));
        }
        if began && !is_guarded(&block) {
            faults.push(format!("block {block} behind the boot loader"));
        }
        began |= is_guarded(&block);
    }
    faults
}

/// Every block that was changed is read, whole, behind its last change and before success.
fn unread_blocks(trace: &[Did]) -> Vec<String> {
    let end = trace
        .iter()
        .position(|did| announced(did) == Some(Record::Written));
    let mut unread: BTreeMap<u32, ()> = BTreeMap::new();
    for did in &trace[..end.unwrap_or(trace.len())] {
        unread.extend(changed(did).into_iter().map(|block| (block, ())));
        if let Did::ReadFlash(region) = did {
            let (start, end) = (region.offset.as_usize(), region.end().as_usize());
            unread.retain(|block, ()| {
                let at = *block as usize * BLOCK;
                !(start <= at && at + BLOCK <= end)
            });
        }
    }
    unread
        .into_keys()
        .map(|block| format!("block {block} was not read back"))
        .collect()
}

fn shown(did: &Did) -> String {
    announced(did).map_or_else(|| format!("{did:?}"), |record| format!("{record:?}"))
}
