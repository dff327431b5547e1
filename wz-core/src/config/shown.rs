//! What of a file may be shown: no control characters, no endless lines, no secrets.

const LONGEST: usize = 100;

/// Shown in place of a secret.
pub const HIDDEN: &str = "***";

const SECRET_WORDS: &[&str] = &[
    "key", "pass", "psk", "pwd", "secret", "ssid", "token", "wifi", "wlan", "wpa",
];

/// Whether a name, or a line that cannot be taken apart, may be about a secret: a Wi-Fi name, a
/// password or a key.
pub fn looks_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| text.contains(word))
}

/// Whether a character leaves no visible mark, or changes how others are shown.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{a0}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{3000}' | '\u{feff}'
            | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}')
}

/// `text` with invisible characters written out (`\u{1b}`), cut after 100 characters.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push_str("...");
            break;
        }
        match c {
            '\t' => shown.push(' '),
            c if is_invisible(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("a\x1b[31mb", "a\\u{1b}[31mb")]
    #[case("a\u{202e}b", "a\\u{202e}b")]
    #[case("a\tb", "a b")]
    #[case("für", "für")]
    fn control_characters_are_written_out(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(
            shown(&"x".repeat(101)),
            format!("{}...", "x".repeat(LONGEST))
        );
        assert_eq!(shown(&"x".repeat(100)), "x".repeat(LONGEST));
    }

    #[rstest]
    #[case("WIFI_PASSWORD")]
    #[case("wlanssid")]
    #[case("wifi_psk")]
    #[case("passwd")]
    #[case("api-key")]
    fn a_name_of_a_secret_is_recognised(#[case] name: &str) {
        assert!(looks_secret(name));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_short_and_visible(text: String) {
            let shown = shown(&text);
            prop_assert!(shown.chars().count() <= 10 * LONGEST + 3);
            prop_assert!(!shown.chars().any(is_invisible));
        }
    }
}
