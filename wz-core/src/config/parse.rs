//! Taking a line of a configuration file apart.
//!
//! ```text
//! line    = blanks [ option blanks ] [ "#" anything ]
//! option  = [ "export" blanks ] name blanks "=" blanks value
//! name    = one or more of A-Z a-z 0-9 _ -
//! value   = nothing | plain | "text" | 'text'
//! plain   = one or more of A-Z a-z 0-9 _ - . / : , + @ %
//! ```
//!
//! Text in double quotes has no `$`, no backtick and no backslash: shell and TOML disagree about
//! what those mean there, and no option needs them.

use crate::event::Problem;
use crate::units::Size;

use super::line::{Entry, Line, is_blank, is_name_character, is_plain};
use super::shown::{HIDDEN, is_invisible, looks_secret, shown};

/// The longest line that is read, comments aside.
pub const LONGEST: Size = Size::kib(1);

const SHELL_WORDS: &[&str] = &[
    "break", "case", "cat", "cd", "chmod", "continue", "cp", "dd", "do", "done", "echo", "elif",
    "else", "esac", "eval", "exec", "exit", "fi", "for", "function", "if", "let", "ln", "local",
    "mkdir", "mount", "mv", "poweroff", "printf", "read", "readonly", "reboot", "return", "rm",
    "sed", "set", "sh", "shift", "sleep", "source", "then", "touch", "trap", "umount", "unset",
    "until", "wait", "while",
];

fn is_curly_quote(c: char) -> bool {
    matches!(c, '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}')
}

/// Takes one line apart; `None` for blank lines and comments.
///
/// # Errors
/// The first thing in the line that is no part of an option.
pub fn parse(line: &Line) -> Result<Option<Entry>, Problem> {
    let mut cursor = Cursor { line, at: 0 };
    cursor.skip_while(is_blank);
    if cursor.is_at_end() {
        return Ok(None);
    }
    if line.text.len() > LONGEST.as_usize() {
        return Err(Problem::ConfigLineTooLong {
            at: line.spot(0),
            limit: LONGEST,
        });
    }
    cursor.skip_export();
    let key_at = cursor.at;
    let key = cursor.name()?;
    let value = cursor.value(key)?;
    cursor.end_of_line(key, value.text)?;
    // Up to the end of the value, no character stands for bytes that are no UTF-8: a place in the
    // text is a place in the file.
    let value_start = line.start + value.at;
    Ok(Some(Entry {
        key: key.to_owned(),
        value: value.text.to_owned(),
        value_range: value_start..value_start + value.text.len(),
        key_at: line.spot(key_at),
        value_at: line.spot(value.quote_at),
        shown_key: if line.veiled {
            HIDDEN.to_owned()
        } else {
            shown(key)
        },
        shown_value: if line.veiled || looks_secret(key) {
            HIDDEN.to_owned()
        } else {
            shown(value.text)
        },
    }))
}

/// A value without its quotes.
struct Value<'a> {
    text: &'a str,
    /// Where it begins.
    at: usize,
    /// Where it begins with its quote, if it has one.
    quote_at: usize,
}

struct Cursor<'a> {
    line: &'a Line<'a>,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        self.line.text.get(self.at..).unwrap_or("")
    }

    fn next(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// At the end of what counts: of the line, or before a comment.
    fn is_at_end(&self) -> bool {
        matches!(self.next(), None | Some('#'))
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or("")
    }

    fn skip_export(&mut self) {
        if self
            .rest()
            .strip_prefix("export")
            .is_some_and(|rest| rest.starts_with(is_blank))
        {
            self.at += "export".len();
            self.skip_while(is_blank);
        }
    }

    /// The name and the `=` behind it.
    fn name(&mut self) -> Result<&'a str, Problem> {
        let start = self.at;
        let name = self.skip_while(is_name_character);
        let behind = self.at;
        self.skip_while(is_blank);
        if !name.is_empty() && self.next() == Some('=') {
            self.at += 1;
            self.skip_while(is_blank);
            return Ok(name);
        }
        Err(self.no_option(start, name, behind))
    }

    /// Why there is no option at byte `start`, where `name` was found, up to byte `behind`.
    fn no_option(&self, start: usize, name: &str, behind: usize) -> Problem {
        let line = self.line;
        let at = line.spot(start);
        let rest = line.text.get(start..).unwrap_or("");
        let word = rest.split(is_blank).next().unwrap_or(rest);
        let separated = behind < self.at || self.is_at_end();
        if rest.contains("<<") {
            return Problem::ConfigHereDocument { at };
        }
        if (SHELL_WORDS.contains(&name) && (separated || self.next() == Some(';')))
            || matches!(word, "." | "[" | "[[" | "!" | "{" | "}")
        {
            return Problem::ConfigCommand {
                at,
                word: line.shown(word.trim_end_matches(';')),
            };
        }
        if rest.starts_with('[') {
            return Problem::ConfigTable { at };
        }
        if name.is_empty() && matches!(self.next(), Some('"' | '\''))
            || self.next() == Some('.') && rest.contains('=')
        {
            let name = word.split('=').next().unwrap_or(word);
            return Problem::ConfigBadName {
                at,
                name: line.shown(name),
            };
        }
        let option = self.rest().split('#').next().unwrap_or("");
        let end = self.at + option.len();
        self.unwanted_character(end).unwrap_or_else(|| {
            let value = option.trim_start_matches([':', ' ', '\t']);
            Problem::ConfigNotAnOption {
                at,
                suggestion: if (line.is_known)(name) && !value.is_empty() && !line.is_secret() {
                    format!(
                        "If it is meant as an option, write {}",
                        line.rewritten(name, value)
                    )
                } else {
                    "If it is meant as a remark, put a # before it".to_owned()
                },
            }
        })
    }

    fn value(&mut self, key: &str) -> Result<Value<'a>, Problem> {
        let quote_at = self.at;
        let (text, at) = match self.next() {
            Some('"' | '\'') => (self.quoted(key)?, quote_at + 1),
            Some('[' | '{') => return Err(self.toml_value()),
            _ => (self.skip_while(is_plain), quote_at),
        };
        Ok(Value { text, at, quote_at })
    }

    fn toml_value(&self) -> Problem {
        Problem::ConfigTomlValue {
            at: self.line.spot(self.at),
        }
    }

    fn quoted(&mut self, key: &str) -> Result<&'a str, Problem> {
        let rest = self.rest();
        if rest.starts_with("\"\"\"") || rest.starts_with("'''") {
            return Err(self.toml_value());
        }
        let quote = if rest.starts_with('"') { '"' } else { '\'' };
        let opened_at = self.at;
        self.at += 1;
        let content = self.rest();
        let Some(length) = content.find(quote) else {
            return Err(Problem::ConfigUnclosedQuote {
                at: self.line.spot(opened_at),
                quote,
                suggestion: self
                    .line
                    .rewritten(key, content.split('#').next().unwrap_or("")),
            });
        };
        let end = self.at + length;
        let value = content.get(..length).unwrap_or("");
        while self.at < end {
            let wrong = match self.next() {
                Some('$' | '`') if quote == '"' => self.shell_code(),
                Some('\\') if quote == '"' => self.backslash(),
                Some(c) if is_invisible(c) || c == char::REPLACEMENT_CHARACTER => {
                    self.unwanted_character(end)
                }
                _ => None,
            };
            if let Some(problem) = wrong {
                return Err(problem);
            }
            self.at += self.next().map_or(1, char::len_utf8);
        }
        self.at = end + 1;
        Ok(value)
    }

    /// Nothing but blanks and a comment may follow.
    fn end_of_line(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        self.skip_while(is_blank);
        if self.is_at_end() {
            return Ok(());
        }
        let at = self.line.spot(self.at);
        let extra = self.rest().trim_end();
        let first_word = extra.split(is_blank).next().unwrap_or(extra);
        Err(self
            .unwanted_character(self.at + first_word.len())
            .unwrap_or_else(|| {
                let extra = extra.split('#').next().unwrap_or("").trim_end();
                Problem::ConfigTextAfterValue {
                    at,
                    extra: self.line.shown(extra),
                    suggestion: self.line.rewritten(key, &format!("{value} {extra}")),
                }
            }))
    }

    /// The first character up to byte `end` that has no place in an option, if there is one.
    fn unwanted_character(&self, end: usize) -> Option<Problem> {
        let text = self.line.text.get(self.at..end)?;
        let is_unwanted = |c| {
            is_invisible(c) && c != '\t'
                || is_curly_quote(c)
                || matches!(
                    c,
                    '\u{fffd}' | '\\' | '$' | '`' | ';' | '&' | '|' | '<' | '>' | '(' | ')'
                )
        };
        let (offset, c) = text.char_indices().find(|&(_, c)| is_unwanted(c))?;
        let cursor = Cursor {
            line: self.line,
            at: self.at + offset,
        };
        match c {
            '\\' => cursor.backslash(),
            '\u{fffd}' => Some(Problem::ConfigNotUtf8 {
                at: self.line.spot(cursor.at),
            }),
            c if is_curly_quote(c) => Some(Problem::ConfigCurlyQuote {
                at: self.line.spot(cursor.at),
                quote: c,
            }),
            c if is_invisible(c) => Some(Problem::ConfigInvisible {
                at: self.line.spot(cursor.at),
                character: format!("U+{:04X}", u32::from(c)),
            }),
            _ => cursor.shell_code(),
        }
    }

    fn backslash(&self) -> Option<Problem> {
        Some(Problem::ConfigBackslash {
            at: self.line.spot(self.at),
        })
    }

    fn shell_code(&self) -> Option<Problem> {
        let code = self.rest();
        let at = self.line.spot(self.at);
        if code.starts_with("<<") {
            return Some(Problem::ConfigHereDocument { at });
        }
        Some(Problem::ConfigShellCode {
            at,
            code: self.line.shown(code.trim_end()),
        })
    }
}
