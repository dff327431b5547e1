//! Things in a configuration that are harmless while nothing is written to flash, and reason
//! enough not to begin when something is.

use crate::event::{Problem, Spot};

use super::findings::Findings;
use super::line::Entry;

/// Something that may not be what the owner meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// An option that does not exist.
    UnknownKey {
        at: Spot,
        key: String,
        suggestion: String,
    },
    /// An option that is given twice in the same way.
    Repeated {
        at: Spot,
        key: String,
        earlier: usize,
    },
    /// An option that is given twice in different ways.
    Contradiction {
        at: Spot,
        key: String,
        earlier: usize,
    },
    /// An option with nothing behind the `=`.
    Empty { at: Spot, key: String },
}

/// How much depends on the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stakes {
    /// Flash and the card's files stay as they are, or are only added to.
    ReadOnly,
    /// Something would be written that the owner cannot take back easily.
    Writing,
}

impl Doubt {
    /// Two lines for the same option.
    pub fn repeated(earlier: &Entry, later: &Entry) -> Self {
        let at = later.key_at.clone();
        let key = later.shown_key.clone();
        let earlier_line = earlier.key_at.line;
        if earlier.value == later.value {
            Self::Repeated {
                at,
                key,
                earlier: earlier_line,
            }
        } else {
            Self::Contradiction {
                at,
                key,
                earlier: earlier_line,
            }
        }
    }

    /// An option that nobody knows, and the one that was perhaps meant.
    pub fn unknown(entry: &Entry, nearest: Option<&str>) -> Self {
        Self::UnknownKey {
            at: entry.key_at.clone(),
            key: entry.shown_key.clone(),
            suggestion: nearest.map_or_else(
                || "Delete the line, or look up the option's name in docs/config.md".to_owned(),
                |name| format!("If \"{name}\" was meant, correct the name; else delete the line"),
            ),
        }
    }

    fn line(&self) -> usize {
        match self {
            Self::UnknownKey { at, .. }
            | Self::Repeated { at, .. }
            | Self::Contradiction { at, .. }
            | Self::Empty { at, .. } => at.line,
        }
    }

    /// Adds the doubt to what is only told, or to what keeps the run from beginning.
    pub fn judge(self, stakes: Stakes, warnings: &mut Findings, errors: &mut Findings) {
        let line = self.line();
        match (self, stakes) {
            (
                Self::UnknownKey {
                    at,
                    key,
                    suggestion,
                },
                Stakes::ReadOnly,
            ) => warnings.push(
                line,
                Problem::ConfigUnknownKey {
                    at,
                    key,
                    suggestion,
                },
            ),
            (
                Self::UnknownKey {
                    at,
                    key,
                    suggestion,
                },
                Stakes::Writing,
            ) => errors.push(
                line,
                Problem::ConfigUnknownKeyRefused {
                    at,
                    key,
                    suggestion,
                },
            ),
            (Self::Repeated { at, key, earlier }, _) => {
                warnings.push(line, Problem::ConfigRepeated { at, key, earlier });
            }
            (Self::Contradiction { at, key, earlier }, Stakes::ReadOnly) => {
                warnings.push(line, Problem::ConfigContradiction { at, key, earlier });
            }
            (Self::Contradiction { at, key, earlier }, Stakes::Writing) => {
                errors.push(
                    line,
                    Problem::ConfigContradictionRefused { at, key, earlier },
                );
            }
            (Self::Empty { at, key }, Stakes::ReadOnly) => {
                warnings.push(line, Problem::ConfigEmpty { at, key });
            }
            (Self::Empty { at, key }, Stakes::Writing) => {
                errors.push(line, Problem::ConfigEmptyRefused { at, key });
            }
        }
    }
}
