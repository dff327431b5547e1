//! What a script says, as lines that can be shown: visible, of bounded length and number, and
//! without secrets.

use super::secrets::{Secrets, hide_assigned};
use crate::config::is_invisible;
use crate::units::Size;

/// Of what a script says, the rest is not shown.
pub const MOST_OUTPUT: Size = Size::kib(256);

/// Longer lines are cut.
const LONGEST_LINE: usize = 400;

/// Makes lines of bytes as they come in.
#[derive(Debug)]
pub struct Output {
    secrets: Secrets,
    /// What has come in since the last line end, as far as it matters.
    line: Vec<u8>,
    /// Whether the line was longer than that.
    is_open: bool,
    shown: u64,
    was_cut: bool,
}

impl Output {
    /// Hides `secrets`.
    pub fn new(secrets: Secrets) -> Self {
        Self {
            secrets,
            line: Vec::new(),
            is_open: false,
            shown: 0,
            was_cut: false,
        }
    }

    /// The lines that `bytes` complete.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => lines.extend(self.finish_line()),
                _ if self.line.len() < LONGEST_LINE * 4 + self.secrets.longest() => {
                    self.line.push(*byte);
                }
                _ => self.is_open = true,
            }
        }
        lines
    }

    /// What has come in behind the last line end.
    pub fn finish(&mut self) -> Option<String> {
        match self.line.is_empty() {
            true => None,
            false => self.finish_line(),
        }
    }

    /// Whether there was more than [`MOST_OUTPUT`].
    pub fn was_cut(&self) -> bool {
        self.was_cut
    }

    fn finish_line(&mut self) -> Option<String> {
        let bytes = std::mem::take(&mut self.line);
        self.shown += bytes.len() as u64 + 1;
        if self.shown > MOST_OUTPUT.get() {
            self.was_cut = true;
            return None;
        }
        let mut text = self.secrets.hide(&String::from_utf8_lossy(&bytes));
        if std::mem::take(&mut self.is_open) {
            // The end may be a part of a secret, which is not recognised.
            let whole = text.len().saturating_sub(self.secrets.longest());
            text.truncate(text.floor_char_boundary(whole));
            text.push_str("...");
        }
        Some(hide_assigned(&visible(last_state(&text))))
    }
}

/// What a terminal would show of a line that is written over: `10%\r20%\r`.
fn last_state(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit('\r').next().unwrap_or(line)
}

/// Without colours, and with other characters that leave no mark written out.
fn visible(line: &str) -> String {
    let mut shown = String::new();
    let mut rest = line;
    for _ in 0..LONGEST_LINE {
        rest = behind_colours(rest);
        let Some(next) = rest.chars().next() else {
            return shown;
        };
        match next {
            '\t' => shown.push(' '),
            c if is_invisible(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
        rest = &rest[next.len_utf8()..];
    }
    if !rest.is_empty() {
        shown.push_str("...");
    }
    shown
}

/// Skips escape sequences that set colours: `ESC [ 1 ; 31 m`.
fn behind_colours(mut text: &str) -> &str {
    while let Some(sequence) = text.strip_prefix("\x1b[") {
        let rest = sequence.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match rest.strip_prefix('m') {
            Some(behind) => text = behind,
            None => break,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn shown(bytes: &[u8]) -> Vec<String> {
        let mut output = Output::new(Secrets::new(["hunter22".to_owned()]));
        let mut lines = output.take(bytes);
        lines.extend(output.finish());
        lines
    }

    #[rstest]
    #[case::lines(b"a\nb\n", &["a", "b"])]
    #[case::without_line_end(b"a\nb", &["a", "b"])]
    #[case::empty_lines(b"a\n\nb\n", &["a", "", "b"])]
    #[case::windows(b"a\r\nb\r\n", &["a", "b"])]
    #[case::progress(b"10%\r20%\r30%\n", &["30%"])]
    #[case::colours(b"\x1b[1;31mred\x1b[0m \x1b[0;32mgreen\x1b[0m\n", &["red green"])]
    #[case::a_bell(b"a\x07b\n", &["a\\u{7}b"])]
    #[case::no_utf8(b"a\xffb\n", &["a\u{fffd}b"])]
    #[case::a_secret(b"+ wifi=hunter22\n", &["+ wifi=***"])]
    #[case::a_secret_of_flash(b"a=1\nwlan_pass=abc def\r\n", &["a=1", "wlan_pass=***"])]
    #[case::a_coloured_name(b"\x1b[1mwlan_pass\x1b[0m=abc\n", &["wlan_pass=***"])]
    #[case::nothing(b"", &[])]
    fn lines_are_made_visible(#[case] bytes: &[u8], #[case] expected: &[&str]) {
        assert_eq!(shown(bytes), expected);
    }

    #[test]
    fn a_long_line_is_cut_and_no_part_of_a_secret_is_left_at_its_end() {
        let line = format!("{}hunter22{}\n", "x".repeat(396), "y".repeat(5000));
        let expected = format!("{}***y...", "x".repeat(396));
        assert_eq!(shown(line.as_bytes()), [expected]);
        let line = format!("{}hunter22{}\n", "\x1b[31m".repeat(320), "y".repeat(5000));
        assert_eq!(shown(line.as_bytes()), ["..."]);
    }

    #[test]
    fn too_much_output_is_cut_and_this_is_known() {
        let mut output = Output::new(Secrets::default());
        let lines = output.take("0123456789abcde\n".repeat(20_000).as_bytes());
        assert_eq!(lines.len() as u64, MOST_OUTPUT.get() / 16);
        assert!(output.was_cut());
    }

    proptest! {
        #[test]
        fn any_bytes_give_short_visible_lines_without_secrets(
            before: Vec<u8>, after: Vec<u8>, cut in 0usize..40,
        ) {
            let bytes = [&before[..], b"hunter22", &after[..]].concat();
            let mut output = Output::new(Secrets::new(["hunter22".to_owned()]));
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let mut lines = output.take(first);
            lines.extend(output.take(second));
            lines.extend(output.finish());
            for line in lines {
                prop_assert!(!line.chars().any(is_invisible));
                prop_assert!(line.chars().count() <= LONGEST_LINE * 8 + 3);
                prop_assert!(!line.contains("hunter22"));
            }
        }
    }
}
