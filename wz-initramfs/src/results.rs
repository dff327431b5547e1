//! `result.json` on the card.

use wz_core::card::{Card, CardError, CardPath, write_small};
use wz_core::event::{Event, Problem, Reporter};
use wz_core::report::Record;

use crate::reporters::Reporters;

/// Replaces the result of an earlier run by "unfinished": that is what it stays if power goes.
pub fn start(card: &mut dyn Card, reporters: &Reporters<'_>) {
    if write(card, reporters.record()).is_err() {
        let _ = card.remove_file(&CardPath::result());
    }
}

/// Stores what became of the run.
pub fn store(card: &mut dyn Card, reporters: &mut Reporters<'_>) {
    if let Err(error) = write(card, reporters.record()) {
        reporters.report(&Event::Remark(Problem::CardFailed {
            doing: error.operation.to_string(),
            path: error.path.to_string(),
            reason: error.source.to_string(),
        }));
    }
}

fn write(card: &mut dyn Card, record: &Record) -> Result<(), CardError> {
    let json = record.to_json().unwrap_or_default();
    card.create_folder(&CardPath::program())?;
    write_small(card, &CardPath::result(), json.as_bytes())
}
