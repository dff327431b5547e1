//! How far a run that writes flash has got: a file on the card of fixed size, one record per sector.
//!
//! ```text
//!  wz_flash-helper/journal.bin, 256 sectors of 512 bytes; record n stands in sector n
//!
//!  0      4             12       16       20      24                            512
//!  | WZJ1 | run         | number | length | crc   | JSON text, `length` long ... 0 |
//!  '---------- the CRC-32 covers all but itself -----------------------------------'
//! ```
//! Numbers are little-endian. `run` tells the records of one run from those of an earlier one;
//! `number` is the sector's own. A record counts only if magic, run, number and CRC are right, so a
//! torn or stale sector is none. All sectors are zero before the first record is written, and each
//! record is on the card, read back, before the step that it announces.

mod record;
mod state;

use std::io::Write;

use crate::card::{
    Card, CardError, CardOperation, CardPath, SECTOR, remove_for_good, rename_for_good,
};
use crate::event::Problem;
use crate::units::Size;

pub use record::{
    Begun, Crc, Fingerprint, Record, SafetyCopy, SourceRecord, TargetRecord, plan_of,
    target_records,
};
pub use state::{MOST_ATTEMPTS, Stage, State, runs};

/// How many records there is room for. A run over the 4096 blocks of the finest chip takes fewer,
/// interruptions included.
pub const SECTORS: u32 = 256;

/// What a journal takes on the card.
pub const SIZE: Size = Size::bytes(SECTORS as u64 * SECTOR as u64);

/// How often a record is written before the card is given up.
const TRIES: u32 = 3;

const MAGIC: &[u8; 4] = b"WZJ1";
const RUN_AT: usize = 4;
const NUMBER_AT: usize = 12;
const LENGTH_AT: usize = 16;
const CRC_AT: usize = 20;
const TEXT_AT: usize = 24;

type Sector = [u8; SECTOR];

/// Tells the records of one run from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(u64);

impl RunId {
    /// An id that differs whenever any of `evidence` does.
    pub fn of(evidence: &[&[u8]]) -> Self {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new();
        for bytes in evidence {
            hash.update(bytes);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let first = digest.first_chunk().copied().unwrap_or_default();
        Self(u64::from_le_bytes(first))
    }

    /// As bytes, to make the next one from.
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

/// A journal that is being kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journal {
    run: RunId,
    next: u32,
}

/// What a journal on the card says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Goes on with it.
    pub journal: Journal,
    /// Its records, in order.
    pub records: Vec<Record>,
    /// Whether a record in the middle is lost: of those behind it, only what needs no other is
    /// believed, and nothing is known of what was in flight.
    pub is_damaged: bool,
}

impl Journal {
    /// Starts a new journal in place of an earlier one.
    ///
    /// # Errors
    /// [`Problem::JournalFailed`], and the card's own.
    pub fn begin(card: &mut dyn Card, run: RunId, first: &Record) -> Result<Self, Problem> {
        let partial = CardPath::journal().with_suffix(".partial");
        let mut content = encode(run, 0, first).map_err(failed)?.to_vec();
        content.resize(SIZE.as_usize(), 0);
        card.create_folder(&CardPath::program())
            .and_then(|()| write(card, &partial, &content))
            .map_err(|error| error.into_problem(card))?;
        let kept = read_all(card, &partial).map_err(|error| error.into_problem(card))?;
        if kept != content {
            return Err(failed("the card does not keep it"));
        }
        // Renaming over a file frees its clusters before the card has the new name.
        remove(card)
            .and_then(|()| rename_for_good(card, &partial, &CardPath::journal()))
            .map_err(|error| error.into_problem(card))?;
        Ok(Self { run, next: 1 })
    }

    /// Adds a record. When this returns, the card holds it.
    ///
    /// # Errors
    /// [`Problem::JournalFailed`], and the card's own.
    pub fn append(&mut self, card: &mut dyn Card, record: &Record) -> Result<(), Problem> {
        if self.next == SECTORS {
            return Err(failed("it is full"));
        }
        let sector = encode(self.run, self.next, record).map_err(failed)?;
        let mut tries = 1;
        loop {
            match card.write_sector(&CardPath::journal(), self.next, &sector) {
                Ok(()) => break,
                Err(error) if tries == TRIES => return Err(error.into_problem(card)),
                Err(_) => tries += 1,
            }
        }
        self.next += 1;
        Ok(())
    }

    /// The run that it is of.
    pub fn run(&self) -> RunId {
        self.run
    }
}

/// Ends the journal for good: whatever the next run finds of it, it is over.
///
/// # Errors
/// The card's own.
pub fn discard(mut journal: Journal, card: &mut dyn Card) -> Result<(), Problem> {
    // Where its last word cannot be written the journal itself must not stay: it would be taken for open.
    let closed = journal.append(card, &Record::Closed);
    match remove(card) {
        Ok(()) => Ok(()),
        Err(error) => closed.and(Err(error.into_problem(card))),
    }
}

fn remove(card: &mut dyn Card) -> Result<(), CardError> {
    match is_there(card)? {
        false => Ok(()),
        true => remove_for_good(card, &CardPath::journal()),
    }
}

fn is_there(card: &mut dyn Card) -> Result<bool, CardError> {
    let path = CardPath::journal();
    let entries = card.entries(&path.parent())?.unwrap_or_default();
    let is_it = |name: &str| name.eq_ignore_ascii_case(path.name());
    Ok(entries.iter().any(|entry| is_it(&entry.name)))
}

/// Reads the journal on the card, past every cache; none if there is none.
///
/// # Errors
/// [`Problem::JournalUnreadable`] if there is one, and its first record is none; the card's own.
pub fn read(card: &mut dyn Card) -> Result<Option<History>, Problem> {
    if !is_there(card).map_err(|error| error.into_problem(card))? {
        return Ok(None);
    }
    let path = CardPath::journal();
    let content = read_all(card, &path).map_err(|error| error.into_problem(card))?;
    decode(&content).map(Some)
}

fn decode(content: &[u8]) -> Result<History, Problem> {
    let mut sectors = content.chunks(SECTOR);
    let first = sectors.next().and_then(|sector| parse(sector, 0, None));
    let Some((run, first)) = first else {
        return Err(Problem::JournalUnreadable {
            why: "its first record is damaged".to_owned(),
        });
    };
    let mut history = History {
        journal: Journal { run, next: 1 },
        records: vec![first],
        is_damaged: false,
    };
    let mut is_over = false;
    for (number, sector) in (1..).zip(sectors) {
        match parse(sector, number, Some(run)) {
            Some((_, record)) if !is_over => {
                history.records.push(record);
                history.journal.next = number + 1;
            }
            // Behind a gap: it was written after what is lost now.
            Some((_, record)) => {
                history.is_damaged = true;
                history
                    .records
                    .extend(Some(record).filter(Record::stands_alone));
                history.journal.next = number + 1;
            }
            None => is_over = true,
        }
    }
    Ok(history)
}

fn failed(why: impl Into<String>) -> Problem {
    Problem::JournalFailed { why: why.into() }
}

fn write(card: &mut dyn Card, path: &CardPath, content: &[u8]) -> Result<(), CardError> {
    let mut file = card.create(path)?;
    file.write_all(content)
        .and_then(|()| file.finish())
        .map_err(|source| CardError::new(CardOperation::Write, path, source))?;
    card.sync()
}

fn read_all(card: &mut dyn Card, path: &CardPath) -> Result<Vec<u8>, CardError> {
    let longest = SIZE.get() + 1;
    let mut content = Vec::new();
    let mut reader = std::io::Read::take(card.read_back(path)?, longest);
    std::io::Read::read_to_end(&mut reader, &mut content)
        .map_err(|source| CardError::new(CardOperation::Read, path, source))?;
    Ok(content)
}

fn encode(run: RunId, number: u32, record: &Record) -> Result<Sector, String> {
    let text = serde_json::to_vec(record).map_err(|error| error.to_string())?;
    let mut sector = [0; SECTOR];
    let Some(place) = sector.get_mut(TEXT_AT..TEXT_AT + text.len()) else {
        return Err(format!(
            "a record of {} is too long",
            Size::bytes(text.len() as u64)
        ));
    };
    place.copy_from_slice(&text);
    sector[..RUN_AT].copy_from_slice(MAGIC);
    sector[RUN_AT..NUMBER_AT].copy_from_slice(&run.to_bytes());
    sector[NUMBER_AT..LENGTH_AT].copy_from_slice(&number.to_le_bytes());
    sector[LENGTH_AT..CRC_AT].copy_from_slice(&(text.len() as u32).to_le_bytes());
    let crc = crc_of(&sector);
    sector[CRC_AT..TEXT_AT].copy_from_slice(&crc.to_le_bytes());
    Ok(sector)
}

fn crc_of(sector: &Sector) -> u32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&sector[..CRC_AT]);
    hash.update(&sector[TEXT_AT..]);
    hash.finalize()
}

/// The record in a sector, if it is one of this run (of any, if none is given) in its place.
fn parse(sector: &[u8], number: u32, run: Option<RunId>) -> Option<(RunId, Record)> {
    let sector: &Sector = sector.try_into().ok()?;
    let word = |at: usize| Some(u32::from_le_bytes(*sector.get(at..)?.first_chunk()?));
    let found = RunId(u64::from_le_bytes(*sector[RUN_AT..].first_chunk()?));
    let is_ours = sector.starts_with(MAGIC)
        && run.is_none_or(|run| run == found)
        && word(NUMBER_AT)? == number
        && word(CRC_AT)? == crc_of(sector);
    if !is_ours {
        return None;
    }
    let end = TEXT_AT.checked_add(word(LENGTH_AT)? as usize)?;
    let record = serde_json::from_slice(sector.get(TEXT_AT..end)?).ok()?;
    Some((found, record))
}

#[cfg(test)]
mod tests;
