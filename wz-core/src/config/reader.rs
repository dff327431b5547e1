//! A whole configuration file: bytes to entries.

use std::collections::BTreeMap;

use crate::event::Problem;
use crate::units::Offset;

use super::doubt::{Doubt, Stakes};
use super::findings::Findings;
use super::line::{Entry, Line};
use super::parse::parse;
use super::{LIMIT, Reading};

/// The most options that a file may have; a real one has about twenty.
pub const MOST: usize = 200;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Which lines of a file are never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// Those that look like secrets, or whose option nobody knows.
    Suspected,
    /// All of them.
    All,
}

/// What a file says, line by line.
#[derive(Debug, Default)]
pub struct Text {
    /// The options, in the order of the file; of those that stand there more than once, the last.
    pub entries: Vec<Entry>,
    /// What is unusual, to be judged by what the options ask for.
    pub doubts: Vec<Doubt>,
    /// What the owner is told without consequences.
    pub warnings: Findings,
    /// What cannot be read.
    pub errors: Findings,
}

impl Text {
    /// Keeps what is wrong with the option in line `line`.
    pub fn note(&mut self, line: usize, outcome: Result<(), Problem>) {
        if let Err(problem) = outcome {
            self.errors.push(line, problem);
        }
    }

    /// Judges the doubts: `value`, unless something speaks against it.
    pub fn conclude<T>(
        mut self,
        file: &str,
        value: T,
        stakes: Stakes,
    ) -> Result<Reading<T>, Vec<Problem>> {
        for doubt in self.doubts {
            doubt.judge(stakes, &mut self.warnings, &mut self.errors);
        }
        if self.errors.is_empty() {
            let warnings = self.warnings.into_list(file);
            Ok(Reading { value, warnings })
        } else {
            Err(self.errors.into_list(file))
        }
    }
}

/// Reads the content of the file that is called `file`. The values of options whose names are not
/// even nearly known are never shown.
pub fn read(file: &str, bytes: &[u8], is_known: &dyn Fn(&str) -> bool) -> Text {
    read_with(Secrecy::Suspected, file, bytes, is_known)
}

/// The same, with more or less of it shown.
pub fn read_with(
    secrecy: Secrecy,
    file: &str,
    bytes: &[u8],
    is_known: &dyn Fn(&str) -> bool,
) -> Text {
    let mut text = Text::default();
    let all = options_with(secrecy, file, bytes, is_known, &mut text.errors);
    (text.entries, text.doubts) = last_wins(all);
    text
}

/// Every option in the order of the file; one that stands there more than once comes more than once.
pub fn options(
    file: &str,
    bytes: &[u8],
    is_known: &dyn Fn(&str) -> bool,
    errors: &mut Findings,
) -> Vec<Entry> {
    options_with(Secrecy::Suspected, file, bytes, is_known, errors)
}

fn options_with(
    secrecy: Secrecy,
    file: &str,
    bytes: &[u8],
    is_known: &dyn Fn(&str) -> bool,
    errors: &mut Findings,
) -> Vec<Entry> {
    let mut all = Vec::new();
    if let Some(problem) = not_a_text(file, bytes) {
        errors.push(0, problem);
        return all;
    }
    let mut veiled = false;
    let (mut start, bytes) = match bytes.strip_prefix(BYTE_ORDER_MARK) {
        Some(behind) => (BYTE_ORDER_MARK.len(), behind),
        None => (0, bytes),
    };
    for (index, bytes) in bytes.split(|&b| b == b'\n').enumerate() {
        let text = String::from_utf8_lossy(bytes);
        let line = Line {
            file,
            number: index + 1,
            start,
            text: text.trim_end_matches('\r'),
            veiled: veiled || secrecy == Secrecy::All,
            is_known,
        };
        start += bytes.len() + 1;
        match parse(&line) {
            Ok(None) => {}
            Ok(Some(_)) if all.len() == MOST => {
                let at = line.spot(0);
                errors.push(
                    line.number,
                    Problem::ConfigTooManyOptions { at, most: MOST },
                );
                break;
            }
            Ok(Some(entry)) => {
                veiled &= !is_known(&entry.key);
                all.push(entry);
            }
            Err(problem) => {
                veiled |= line.is_secret();
                errors.push(line.number, problem);
            }
        }
    }
    all
}

/// What keeps the file as a whole from being read.
fn not_a_text(file: &str, bytes: &[u8]) -> Option<Problem> {
    let file = file.to_owned();
    if bytes.len() > LIMIT.as_usize() {
        return Some(Problem::ConfigTooLong { file, limit: LIMIT });
    }
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Some(Problem::ConfigUtf16 { file });
    }
    let nul = bytes.iter().position(|&b| b == 0)?;
    Some(Problem::ConfigBinary {
        file,
        offset: Offset::bytes(nul as u64),
    })
}

/// As in a shell file, the last of several lines for the same option counts.
fn last_wins(all: Vec<Entry>) -> (Vec<Entry>, Vec<Doubt>) {
    let mut entries: Vec<Entry> = Vec::new();
    let mut doubts = Vec::new();
    let mut places = BTreeMap::new();
    for entry in all {
        let place = *places.entry(entry.key.clone()).or_insert(entries.len());
        match entries.get_mut(place) {
            None => entries.push(entry),
            Some(earlier) => {
                doubts.push(Doubt::repeated(earlier, &entry));
                *earlier = entry;
            }
        }
    }
    (entries, doubts)
}
