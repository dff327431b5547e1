//! The values that options can have.

use std::fmt;
use std::time::Duration;

use crate::event::Problem;

use super::Given;
use super::line::Entry;

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum YesNo {
    /// `"yes"` or `true`.
    Yes,
    /// `"no"` or `false`.
    No,
}

/// How loud, in percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume(u8);

/// A time, from a second to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(u32);

/// The name of a firmware or a model: 1 to 32 ASCII letters, digits, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

/// The name of a file in a fixed folder of the card: 1 to 100 ASCII letters, digits and `. _ + -`,
/// beginning with a letter, a digit or `_`. It leads to no other folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName(String);

impl Volume {
    /// Where nothing else is said.
    pub const DEFAULT: Self = Self(50);

    /// 0 to 100.
    pub fn percent(self) -> u8 {
        self.0
    }
}

impl Seconds {
    /// The longest.
    pub const MOST: u32 = 24 * 60 * 60;

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl Name {
    /// `text` as a name, if it is one.
    pub fn new(text: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_name = (1..=32).contains(&text.len())
            && text.chars().all(fits)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric());
        is_name.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FileName {
    /// `text` as a file name, if it is one.
    pub fn new(text: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '-');
        let is_name = (1..=100).contains(&text.len())
            && text.chars().all(fits)
            && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        is_name.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn given<T>(entry: &Entry, value: T) -> Given<T> {
    Given {
        value,
        at: entry.key_at.clone(),
    }
}

/// # Errors
/// When it is none of the four accepted words.
pub fn yes_no(entry: &Entry) -> Result<Given<YesNo>, Problem> {
    let word = match entry.value.as_str() {
        "yes" | "true" => YesNo::Yes,
        "no" | "false" => YesNo::No,
        other => {
            return Err(Problem::ConfigNotYesOrNo {
                at: entry.value_at.clone(),
                key: entry.key.clone(),
                value: entry.shown_value.clone(),
                suggestion: suggested_word(&entry.key, other),
            });
        }
    };
    Ok(given(entry, word))
}

fn suggested_word(key: &str, typed: &str) -> String {
    match typed.trim().to_ascii_lowercase().as_str() {
        "yes" | "y" | "ye" | "yess" | "true" | "t" | "1" | "on" | "enable" | "enabled" => {
            format!("If you want it on, write {key}=\"yes\"")
        }
        "no" | "n" | "not" | "none" | "false" | "f" | "0" | "off" | "disable" | "disabled" => {
            format!("If you want it off, write {key}=\"no\"")
        }
        _ => format!("Write {key}=\"yes\" or {key}=\"no\""),
    }
}

/// # Errors
/// When it is no whole number from 0 to 100.
pub fn volume(entry: &Entry) -> Result<Given<Volume>, Problem> {
    let digits = entry.value.len() <= 3 && entry.value.bytes().all(|b| b.is_ascii_digit());
    match entry.value.parse() {
        Ok(percent @ 0..=100) if digits => Ok(given(entry, Volume(percent))),
        _ => Err(Problem::ConfigNotAVolume {
            at: entry.value_at.clone(),
            key: entry.key.clone(),
            value: entry.shown_value.clone(),
        }),
    }
}

/// # Errors
/// When it is no whole number of seconds from 1 to a day's.
pub fn seconds(entry: &Entry) -> Result<Given<Seconds>, Problem> {
    let digits = entry.value.len() <= 5 && entry.value.bytes().all(|b| b.is_ascii_digit());
    match entry.value.parse() {
        Ok(seconds @ 1..=Seconds::MOST) if digits => Ok(given(entry, Seconds(seconds))),
        _ => Err(Problem::ConfigNotSeconds {
            at: entry.value_at.clone(),
            key: entry.key.clone(),
            value: entry.shown_value.clone(),
            most: Seconds::MOST,
        }),
    }
}

/// # Errors
/// When it is neither empty nor a name.
pub fn name(entry: &Entry) -> Result<Option<Given<Name>>, Problem> {
    if entry.value.is_empty() {
        return Ok(None);
    }
    match Name::new(&entry.value) {
        Some(name) => Ok(Some(given(entry, name))),
        None => Err(Problem::ConfigNotAName {
            at: entry.value_at.clone(),
            key: entry.key.clone(),
            value: entry.shown_value.clone(),
        }),
    }
}

/// # Errors
/// When it is neither empty nor the name of a file.
pub fn file_name(entry: &Entry) -> Result<Option<Given<FileName>>, Problem> {
    if entry.value.is_empty() {
        return Ok(None);
    }
    match FileName::new(&entry.value) {
        Some(name) => Ok(Some(given(entry, name))),
        None => Err(not_a_file_name(entry)),
    }
}

/// File names with blanks between them.
///
/// # Errors
/// When one of them is not the name of a file.
pub fn file_names(entry: &Entry) -> Result<Option<Given<Vec<FileName>>>, Problem> {
    let names: Option<Vec<_>> = entry.value.split_whitespace().map(FileName::new).collect();
    match names {
        Some(names) if names.is_empty() => Ok(None),
        Some(names) => Ok(Some(given(entry, names))),
        None => Err(not_a_file_name(entry)),
    }
}

fn not_a_file_name(entry: &Entry) -> Problem {
    Problem::ConfigNotAFileName {
        at: entry.value_at.clone(),
        key: entry.key.clone(),
        value: entry.shown_value.clone(),
    }
}
