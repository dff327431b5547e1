//! A configuration file as a bug report may show it.

use super::findings::Findings;
use super::keys::{Key, renamed};
use super::reader::options;
use super::shown::HIDDEN;

/// Every option in the file, as `line 3: dry_run="no"`. What could be a secret is `***`: values of
/// names that are unknown or look like it, and all of what cannot be read.
pub fn listing(file: &str, bytes: &[u8]) -> Vec<String> {
    let mut unreadable = Findings::default();
    let entries = options(file, bytes, &is_option, &mut unreadable);
    let mut lines: Vec<String> = entries
        .iter()
        .map(|entry| {
            let value = match is_option(&entry.key) {
                true => &entry.shown_value,
                false => HIDDEN,
            };
            format!(
                "line {}: {}=\"{value}\"",
                entry.key_at.line, entry.shown_key
            )
        })
        .collect();
    if !unreadable.is_empty() {
        lines.push("and lines that cannot be read".to_owned());
    }
    lines
}

/// Of either file. One that is misspelt may be anything.
fn is_option(name: &str) -> bool {
    Key::named(name).is_some() || renamed(name).is_some() || name.starts_with("restore_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_are_listed_with_their_lines_and_secrets_are_not() {
        let text = "# mine\r\nexport dry_run=\"no\"\r\nwifi_password=\"hunter2\"\nmystery=\"hunter3\"\n\
                    next_firmware=stock # soon\n$(hunter4)\n";
        assert_eq!(
            listing("general.conf", text.as_bytes()),
            [
                "line 2: dry_run=\"no\"",
                "line 3: wifi_password=\"***\"",
                "line 4: mystery=\"***\"",
                "line 5: next_firmware=\"stock\"",
                "and lines that cannot be read",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_value_of_an_unknown_name_is_listed(name in "[a-z]{1,12}", value in "[0-9]{6,20}") {
            prop_assume!(!is_option(&name));
            let text = format!("{name}=\"{value}\"\n{name} {value}\n\"{value}\n");
            let listed = listing("general.conf", text.as_bytes()).join("\n");
            prop_assert!(!listed.contains(&value), "{listed}");
        }
    }
}
