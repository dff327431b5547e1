//! Reads files back from the card and compares them with what they should be.

use std::io::{ErrorKind, Read};

use sha2::{Digest, Sha256};

use super::overlap::overlap;
use crate::card::{Card, CardError, CardOperation, CardPath};
use crate::event::{Event, Problem, Reporter, Step, in_step};
use crate::units::Size;

/// How much is read at a time.
const CHUNK: Size = Size::kib(64);

/// What a file should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its length.
    pub size: Size,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

impl Expected {
    /// What a file with this content should be.
    pub fn of(content: &[u8]) -> Self {
        Self {
            size: Size::bytes(content.len() as u64),
            sha256: hex(Sha256::digest(content)),
        }
    }
}

/// Hexadecimal digits of a hash.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Reads `file` from the card itself and compares it with `expected`, as a step of its own.
///
/// # Errors
/// Those of [`check`].
pub fn verify(
    card: &mut dyn Card,
    file: &CardPath,
    expected: &Expected,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let step = Step::Verify {
        file: file.to_string(),
    };
    in_step(reporter, step, |reporter| {
        check(card, file, expected, reporter)
    })
}

/// Reads `file` from the card itself and compares it with `expected`.
///
/// # Errors
/// [`Problem::ReadBackDiffers`] or [`Problem::ReadBackLength`] for a card that lost something; the
/// card's own errors.
pub fn check(
    card: &mut dyn Card,
    file: &CardPath,
    expected: &Expected,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let found = digest(card, file, expected.size, reporter).map_err(|e| e.into_problem(card))?;
    compare(file, expected, found)
}

fn compare(file: &CardPath, expected: &Expected, found: Expected) -> Result<(), Problem> {
    let file = file.to_string();
    if found.size != expected.size {
        return Err(Problem::ReadBackLength {
            file,
            expected: expected.size,
            found: found.size,
        });
    }
    if found.sha256 != expected.sha256 {
        let expected = expected.sha256.clone();
        return Err(Problem::ReadBackDiffers {
            file,
            expected,
            found: found.sha256,
        });
    }
    Ok(())
}

fn digest(
    card: &mut dyn Card,
    file: &CardPath,
    total: Size,
    reporter: &mut dyn Reporter,
) -> Result<Expected, CardError> {
    let fail = |source| CardError::new(CardOperation::Read, file, source);
    let mut reader = card.read_back(file)?;
    let mut hash = Sha256::new();
    let mut done = Size::ZERO;
    let next = || {
        let mut chunk = vec![0; CHUNK.as_usize()];
        let length = fill(reader.as_mut(), &mut chunk).map_err(fail)?;
        chunk.truncate(length);
        Ok((length > 0).then_some(chunk))
    };
    let take = |chunk: Vec<u8>| {
        hash.update(&chunk);
        done = Size::bytes(done.get() + chunk.len() as u64);
        reporter.report(&Event::Progress { done, total });
        Ok(())
    };
    overlap(next, take, fail)?;
    Ok(Expected {
        size: done,
        sha256: hex(hash.finalize()),
    })
}

/// Reads until `buffer` is full or the file ends.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
