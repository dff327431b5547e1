//! The secrets that are on a card, so that they can be hidden wherever they stand.

use std::collections::BTreeSet;

use wz_core::config::{HIDDEN, looks_secret, read_wifi};
use wz_core::script::{Secrets, secrets_in};
use wz_core::units::Size;

/// Files that secrets are set in.
const ENDS: [&str; 4] = [".conf", ".sh", ".txt", ".env"];
/// Longer ones are none that a person has written.
const LONGEST: Size = Size::kib(256);

/// Whether a file may be one that secrets are set in.
pub fn may_hold(path: &str, size: Size) -> bool {
    let path = path.to_ascii_lowercase();
    size <= LONGEST && ENDS.iter().any(|end| path.ends_with(end)) && !path.ends_with("/id.txt")
}

/// Secrets that were found.
#[derive(Debug, Default)]
pub struct Found(BTreeSet<String>);

impl Found {
    /// Looks for secrets in a configuration, a script or a log.
    pub fn search(&mut self, text: &str) {
        self.0.extend(secrets_in(text));
        if let Ok(reading) = read_wifi("", text.as_bytes()) {
            let wifi = reading.value.iter();
            self.0.extend(wifi.flat_map(|wifi| {
                [
                    wifi.ssid.reveal().to_owned(),
                    wifi.password.reveal().to_owned(),
                ]
            }));
        }
        for (_, value) in text.lines().filter_map(secret_assignment) {
            let bare = value.trim().trim_matches(['"', '\'']);
            self.0.extend([bare.to_owned(), value.trim().to_owned()]);
            let quoted = value.trim().split(['"', '\'']).nth(1);
            self.0.extend(quoted.map(str::to_owned));
        }
        self.0.retain(|secret| !is_common(secret));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// All of them.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.0.iter().cloned())
    }
}

/// The text without what is set for names that look like secrets, known ones or not.
pub fn without_values(text: &str) -> String {
    let clean = |line: &str| match secret_assignment(line) {
        Some((name, _)) => format!("{name}={HIDDEN}"),
        None => line.to_owned(),
    };
    let lines: Vec<String> = text.split('\n').map(clean).collect();
    lines.join("\n")
}

/// What stands on both sides of the first `=`, if the name there looks like that of a secret and there
/// is something to hide. Remarks count, too: many keep an old password in one.
fn secret_assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once('=')?;
    let word = name.split_whitespace().next_back()?;
    let is_set = !is_common(value.trim().trim_matches(['"', '\'']));
    (looks_secret(word) && is_set).then_some((name, value))
}

/// What is no secret, whatever it is set for.
fn is_common(value: &str) -> bool {
    matches!(
        value.trim(),
        "" | "\"\"" | "''" | "yes" | "no" | "true" | "false" | "0" | "1" | HIDDEN
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("wifi_password=\"hunter22\"")]
    #[case("  wlan_pass=hunter22")]
    #[case("#wifi_password='hunter22'")]
    #[case("wifi_password=\"hunter22\" # mine")]
    #[case("fw_setenv wlanpass hunter22")]
    #[case("wpa_psk=hunter22\r")]
    fn a_secret_that_is_set_is_hidden_everywhere(#[case] line: &str) {
        let mut found = Found::default();
        found.search(line);
        let log = format!("joined hunter22!\n{line}\nok");
        let clean = found.secrets().hide(&without_values(&log));
        assert!(!clean.contains("hunter22"), "{clean}");
        assert!(
            clean.contains("joined ***") && clean.ends_with("\nok"),
            "{clean}"
        );
    }

    #[rstest]
    #[case("enable_wifi=\"no\"\nwifi_ssid=\"\"\n# passwords are secret\nrestore=yes\n")]
    #[case("e3b0c442  stock_t31x_all.bin\n")]
    fn what_is_no_secret_stays_as_it_is(#[case] text: &str) {
        let mut found = Found::default();
        found.search(text);
        assert_eq!(found.count(), 0);
        assert_eq!(without_values(text), text);
    }

    proptest! {
        #[test]
        fn no_password_of_a_configuration_is_left(
            password in r"[!#-&(-\[\]-~][ !#-&(-\[\]-~]{6,61}[!#-&(-\[\]-~]",
            before in "[a-z ]{0,9}",
        ) {
            let mut found = Found::default();
            found.search(&format!("wifi_ssid=\"net\"\nwifi_password=\"{password}\"\n"));
            let shown = found.secrets().hide(&format!("{before}{password}\n"));
            prop_assert!(!shown.contains(&password), "{shown}");
        }
    }
}
