//! A place in a text file that the owner wrote.

use std::fmt;

/// Where in a text file something is, with the line as it may be shown: without secrets and
/// control characters, and not longer than a console line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file's name.
    pub file: Box<str>,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The line, fit to be shown.
    pub text: Box<str>,
}

/// `Line 3, column 9 of "general.conf" [dry_run="Yes"]`: the beginning of a sentence.
impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            text,
        } = self;
        write!(f, "Line {line}, column {column} of \"{file}\" [{text}]")
    }
}
