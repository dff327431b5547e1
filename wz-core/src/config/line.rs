//! A line of a configuration file, and what of it may be shown.

use std::ops::Range;

use crate::event::Spot;

use super::shown::{HIDDEN, looks_secret, shown};

/// A line and where it stands.
#[derive(Clone, Copy)]
pub struct Line<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Counted from 1.
    pub number: usize,
    /// Where in the file it begins, in bytes.
    pub start: usize,
    /// Without line end.
    pub text: &'a str,
    /// Behind a line about a secret that could not be taken apart: this may be more of it.
    pub veiled: bool,
    /// Whether a name is, or is nearly, that of an option; what others hold is nobody's business.
    pub is_known: &'a dyn Fn(&str) -> bool,
}

/// An option as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The option's name.
    pub key: String,
    /// Its value, without quotes.
    pub value: String,
    /// Where in the file the value stands, without quotes, in bytes.
    pub value_range: Range<usize>,
    /// Where the option's name stands.
    pub key_at: Spot,
    /// Where the value stands.
    pub value_at: Spot,
    /// The name as it may be shown.
    pub shown_key: String,
    /// The value as it may be shown.
    pub shown_value: String,
}

impl Line<'_> {
    /// Whether the line may have to do with a secret.
    pub fn is_secret(&self) -> bool {
        self.veiled || looks_secret(self.text) || self.name().is_some_and(|n| !(self.is_known)(n))
    }

    /// The name before the first `=`, if it is one.
    fn name(&self) -> Option<&str> {
        let (before, _) = self.text.split_once('=')?;
        Some(bare_name(before)).filter(|name| is_name(name))
    }

    /// The place of the character at byte `at`.
    pub fn spot(&self, at: usize) -> Spot {
        let before = self.text.get(..at).unwrap_or(self.text);
        Spot {
            file: self.file.into(),
            line: self.number,
            column: before.chars().count() + 1,
            text: self.shown_text().into(),
        }
    }

    fn shown_text(&self) -> String {
        if !self.is_secret() {
            return shown(self.text.trim());
        }
        match self.name() {
            Some(name) if !self.veiled => format!("{}={HIDDEN}", shown(name)),
            _ => HIDDEN.to_owned(),
        }
    }

    /// A part of the line as it may be shown.
    pub fn shown(&self, part: &str) -> String {
        if self.is_secret() {
            HIDDEN.to_owned()
        } else {
            shown(part)
        }
    }

    /// `name="value"`, as far as it may be shown.
    pub fn rewritten(&self, name: &str, value: &str) -> String {
        if self.is_secret() {
            return "NAME=\"VALUE\"".to_owned();
        }
        let usable = |c: char| c != '"' && (is_plain(c) || c == ' ');
        let value: String = value.chars().filter(|&c| usable(c)).collect();
        format!("{}=\"{}\"", shown(name), shown(value.trim()))
    }
}

fn bare_name(before_equals: &str) -> &str {
    let name = before_equals.trim();
    name.strip_prefix("export").map_or(name, |rest| {
        if rest.starts_with(is_blank) {
            rest.trim_start()
        } else {
            name
        }
    })
}

pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_name_character)
}

pub fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

pub fn is_plain(c: char) -> bool {
    is_name_character(c) || matches!(c, '.' | '/' | ':' | ',' | '+' | '@' | '%')
}

pub fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t')
}
