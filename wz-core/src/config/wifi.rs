//! `thingino.conf`: the owner's Wi-Fi, for a firmware to start with.

use std::fmt;

use crate::event::Problem;

use super::Reading;
use super::doubt::{Doubt, Stakes};
use super::line::Entry;
use super::nearest::nearest;
use super::reader::{Secrecy, read_with};

const SSID: &str = "wifi_ssid";
const PASSWORD: &str = "wifi_password";
const MAC_ADDRESS: &str = "mac_address";
const TIME_ZONE: &str = "timezone";
const KEYS: [&str; 4] = [SSID, PASSWORD, MAC_ADDRESS, TIME_ZONE];

/// As IEEE 802.11 has it, in bytes.
const LONGEST_SSID: usize = 32;
/// Of a passphrase; a key has 64 hexadecimal digits (IEEE 802.11, annex J.4).
const PASSPHRASE: std::ops::RangeInclusive<usize> = 8..=63;
const KEY_DIGITS: usize = 64;
const LONGEST_TIME_ZONE: usize = 64;

/// A text that is never shown (S9).
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What a camera needs to join a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wifi {
    /// The name of the network.
    pub ssid: Secret,
    /// Its passphrase, or its key.
    pub password: Secret,
    /// The camera's address in the network, where the owner wants a certain one.
    pub mac_address: Option<String>,
    /// As in `Europe/Berlin`.
    pub time_zone: Option<String>,
}

impl Secret {
    /// The text, for where it belongs.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Reads `thingino.conf`. Without a name of a network there is nothing to set up.
///
/// # Errors
/// Everything that keeps the file from being understood, at most 20 problems and the number of those
/// left out. None of them shows a secret.
pub fn read_wifi(file: &str, bytes: &[u8]) -> Result<Reading<Option<Wifi>>, Vec<Problem>> {
    let mut text = read_with(Secrecy::All, file, bytes, &is_known);
    let mut given: [Option<Entry>; KEYS.len()] = Default::default();
    for entry in std::mem::take(&mut text.entries) {
        match given
            .iter_mut()
            .zip(KEYS)
            .find(|(_, key)| *key == entry.key)
        {
            Some(_) if entry.value.is_empty() => {}
            Some((slot, _)) => *slot = Some(entry),
            None => {
                let near = nearest(&entry.key, KEYS);
                text.doubts.push(Doubt::unknown(&entry, near));
            }
        }
    }
    for entry in given.iter().flatten() {
        text.note(entry.key_at.line, check(entry));
    }
    let [ssid, password, mac_address, time_zone] = given;
    let Some(name) = ssid else {
        let others = [password, mac_address, time_zone];
        let keys: Vec<String> = others
            .into_iter()
            .flatten()
            .map(|entry| entry.key)
            .collect();
        if !keys.is_empty() {
            let problem = Problem::WifiWithoutName {
                file: file.to_owned(),
                keys: keys.join(", "),
            };
            text.warnings.push(0, problem);
        }
        return text.conclude(file, None, Stakes::Writing);
    };
    if password.is_none() {
        let at = name.key_at.clone();
        text.note(at.line, Err(Problem::WifiPasswordMissing { at }));
    }
    let value = |entry: Option<Entry>| entry.map(|entry| entry.value);
    let wifi = Wifi {
        ssid: Secret(name.value),
        password: Secret(value(password).unwrap_or_default()),
        mac_address: value(mac_address).map(|address| address.to_ascii_lowercase()),
        time_zone: value(time_zone),
    };
    text.conclude(file, Some(wifi), Stakes::Writing)
}

fn is_known(name: &str) -> bool {
    nearest(name, KEYS).is_some()
}

fn check(entry: &Entry) -> Result<(), Problem> {
    let (at, value) = (entry.key_at.clone(), entry.value.as_str());
    match entry.key.as_str() {
        SSID if value.len() > LONGEST_SSID => Err(Problem::WifiNameLength {
            at,
            length: value.len(),
        }),
        PASSWORD if !is_password(value) => Err(Problem::WifiPassword { at }),
        MAC_ADDRESS if !is_mac_address(value) => Err(Problem::WifiMacAddress { at }),
        TIME_ZONE if !is_time_zone(value) => Err(Problem::WifiTimeZone { at }),
        _ => Ok(()),
    }
}

fn is_password(text: &str) -> bool {
    let is_key = text.len() == KEY_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
    let is_printable = |b: u8| b == b' ' || b.is_ascii_graphic();
    is_key || PASSPHRASE.contains(&text.len()) && text.bytes().all(is_printable)
}

/// Six bytes; the lowest bit of the first would make it one of a group.
fn is_mac_address(text: &str) -> bool {
    let byte = |pair: &str| match pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => u8::from_str_radix(pair, 16).ok(),
        false => None,
    };
    let bytes: Option<Vec<u8>> = text.split(':').map(byte).collect();
    bytes.is_some_and(|bytes| {
        bytes.len() == 6 && bytes[0] & 1 == 0 && bytes.iter().any(|byte| *byte != 0)
    })
}

fn is_time_zone(text: &str) -> bool {
    text.len() <= LONGEST_TIME_ZONE && text.bytes().all(|b| b.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const FILE: &str = "thingino.conf";

    fn wifi(text: &str) -> Wifi {
        let reading = read_wifi(FILE, text.as_bytes()).expect(text);
        assert_eq!(reading.warnings, []);
        reading.value.expect("a network")
    }

    fn codes(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(|p| p.code().to_string()).collect()
    }

    #[rstest]
    #[case::blanks_and_a_star(
        "wifi_ssid=\"My  Net *\"\nwifi_password='a  b * c'",
        "My  Net *",
        "a  b * c"
    )]
    #[case::a_single_quote("wifi_ssid=\"Joe's\"\nwifi_password=\"12345678\"", "Joe's", "12345678")]
    #[case::double_quotes_dollar_backslash(
        "wifi_ssid='\"$x\\`'\r\nwifi_password='$(reboot)'\r\n",
        "\"$x\\`",
        "$(reboot)"
    )]
    #[case::without_quotes(
        "wifi_ssid=home\nwifi_password=longenough # mine",
        "home",
        "longenough"
    )]
    #[case::blanks_around(
        "wifi_ssid=\" x \"\nwifi_password=\"  12345678  \"",
        " x ",
        "  12345678  "
    )]
    #[case::other_letters("wifi_ssid=\"żółw\"\nwifi_password=12345678", "żółw", "12345678")]
    fn any_printable_character_is_taken_as_it_is(
        #[case] text: &str,
        #[case] ssid: &str,
        #[case] password: &str,
    ) {
        let wifi = wifi(text);
        assert_eq!(wifi.ssid.reveal(), ssid);
        assert_eq!(wifi.password.reveal(), password);
    }

    #[test]
    fn all_of_it_is_read() {
        let wifi = wifi(
            "wifi_ssid=a\nwifi_password=12345678\nmac_address=02:00:5E:10:20:30\ntimezone=\"CET-1CEST,M3.5.0/2,M10.5.0/3\"",
        );
        assert_eq!(wifi.mac_address.as_deref(), Some("02:00:5e:10:20:30"));
        assert_eq!(
            wifi.time_zone.as_deref(),
            Some("CET-1CEST,M3.5.0/2,M10.5.0/3")
        );
    }

    #[rstest]
    #[case::shortest("12345678", true)]
    #[case::longest(&"x".repeat(63), true)]
    #[case::a_key(&"0aF9".repeat(16), true)]
    #[case::too_short("1234567", false)]
    #[case::too_long(&"x".repeat(64), false)]
    #[case::no_ascii("pässwörter", false)]
    fn a_password_has_8_to_63_characters_or_is_a_key(#[case] password: &str, #[case] is_one: bool) {
        let text = format!("wifi_ssid=a\nwifi_password=\"{password}\"");
        match read_wifi(FILE, text.as_bytes()) {
            Ok(reading) => assert_eq!(reading.value.is_some(), is_one),
            Err(problems) => {
                assert!(!is_one);
                assert_eq!(codes(&problems), ["WZ-0811"]);
            }
        }
    }

    #[rstest]
    #[case::name_too_long(&format!("wifi_ssid=\"{}\"\nwifi_password=12345678", "ż".repeat(17)), &["WZ-0810"])]
    #[case::no_password("wifi_ssid=a", &["WZ-0812"])]
    #[case::empty_password("wifi_ssid=a\nwifi_password=\"\"", &["WZ-0812"])]
    #[case::mac("wifi_ssid=a\nwifi_password=12345678\nmac_address=02:00:5e:10:20", &["WZ-0813"])]
    #[case::mac_of_a_group("wifi_ssid=a\nwifi_password=12345678\nmac_address=01:00:5e:10:20:30", &["WZ-0813"])]
    #[case::mac_of_nobody("wifi_ssid=a\nwifi_password=12345678\nmac_address=00:00:00:00:00:00", &["WZ-0813"])]
    #[case::mac_with_signs("wifi_ssid=a\nwifi_password=12345678\nmac_address=+2:00:5e:10:20:30", &["WZ-0813"])]
    #[case::time_zone("wifi_ssid=a\nwifi_password=12345678\ntimezone=\"New York\"", &["WZ-0814"])]
    #[case::misspelt("wifi_sid=a\nwifi_ssid=b\nwifi_password=12345678", &["WZ-0141"])]
    #[case::command("wifi_ssid=a\nwifi_password=12345678\nreboot", &["WZ-0112"])]
    #[case::all_of_it("wifi_ssid=a\nwifi_password=1\nmac_address=2\ntimezone=\"\u{e9}\"", &["WZ-0811", "WZ-0813", "WZ-0814"])]
    fn what_cannot_be_set_up_is_refused(#[case] text: &str, #[case] expected: &[&str]) {
        let problems = read_wifi(FILE, text.as_bytes()).expect_err(text);
        assert_eq!(codes(&problems), expected);
    }

    #[rstest]
    #[case::nothing("", &[])]
    #[case::new("wifi_ssid=\"\"\nwifi_password=\"\"\nmac_address=\"\"\ntimezone=\"\"", &[])]
    #[case::no_name("wifi_ssid=\"\"\nwifi_password=\"12345678\"", &["WZ-0815"])]
    fn without_a_name_nothing_is_set_up(#[case] text: &str, #[case] remarks: &[&str]) {
        let reading = read_wifi(FILE, text.as_bytes()).expect(text);
        assert_eq!(reading.value, None);
        assert_eq!(codes(&reading.warnings), remarks);
    }

    #[test]
    fn debug_printing_shows_no_secret() {
        let printed = format!(
            "{:?}",
            wifi("wifi_ssid=\"My  Net *\"\nwifi_password=\"hunter2hunter2\"")
        );
        assert!(printed.contains("ssid: ***"), "{printed}");
        assert!(
            !printed.contains("My  Net") && !printed.contains("hunter2"),
            "{printed}"
        );
    }

    proptest! {
        /// However the line is broken, and whatever is wrong beside it.
        #[test]
        fn a_secret_is_in_no_message(
            secret in "[A-Z]{9}[ -~]{0,40}",
            quote in prop::sample::select(vec!["", "'", "\"", "`", "\u{201c}"]),
            end in prop::sample::select(vec!["", "'", "\"", " ;", "\u{200b}"]),
            key in prop::sample::select(vec!["wifi_ssid", "wifi_password", "wifi-password", "pasword", "export wifi_password"]),
            equals in prop::sample::select(vec!["=", " = ", ":", " "]),
        ) {
            let text = format!("{key}{equals}{quote}{secret}{end}\nmac_address=x\nwifi_ssid={quote}{secret}{end}\n");
            let told = match read_wifi(FILE, text.as_bytes()) {
                Ok(reading) => reading.warnings,
                Err(problems) => problems,
            };
            for problem in told {
                let said = format!("{problem} {} {problem:?}", problem.next_step());
                prop_assert!(!said.contains(&secret[..9]), "{said}");
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = read_wifi(FILE, &bytes);
        }
    }
}
