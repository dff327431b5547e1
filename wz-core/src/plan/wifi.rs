//! How the owner's Wi-Fi reaches a firmware: pure, from what is wanted to what is to stand where.
//!
//! ```text
//!  thingino.conf ──▶ variables ──┬──▶ U-Boot environment      wlan_ssid, wlan_pass, wlan_mac
//!                                └──▶ uenv.txt on the card    wlanssid, wlanpass, wlanmac
//! ```
//! Both spellings are set: the second one is that of builds until February 2025, and those that do not
//! know it do not mind it.

use crate::config::Wifi;
use crate::profile::{Firmware, Layout, WifiStore};

/// Where the settings go: where the layout says, or, if it is not known, where no harm is done.
pub fn wifi_stores(firmware: &Firmware, layout: Option<&Layout>) -> Vec<WifiStore> {
    match layout {
        Some(layout) => layout.wifi.clone(),
        None => match all_stores(firmware).contains(&WifiStore::Card) {
            true => vec![WifiStore::Card],
            false => Vec::new(),
        },
    }
}

/// Whether this firmware takes Wi-Fi settings at all.
pub fn takes_wifi(firmware: &Firmware) -> bool {
    !all_stores(firmware).is_empty()
}

fn all_stores(firmware: &Firmware) -> Vec<WifiStore> {
    let layouts = firmware.layouts.iter();
    layouts.flat_map(|layout| layout.wifi.clone()).collect()
}

/// The settings as the firmware calls them. The values are secrets.
pub fn wifi_variables(wifi: &Wifi) -> Vec<(&'static str, &str)> {
    let (ssid, password) = (wifi.ssid.reveal(), wifi.password.reveal());
    let mut variables = vec![
        ("wlan_ssid", ssid),
        ("wlan_pass", password),
        ("wlanssid", ssid),
        ("wlanpass", password),
    ];
    if let Some(address) = &wifi.mac_address {
        variables.extend([("wlan_mac", address.as_str()), ("wlanmac", address)]);
    }
    if let Some(zone) = &wifi.time_zone {
        variables.push(("timezone", zone));
    }
    variables
}

/// The text file with these variables in it: a line each, behind those of others, which stay as they
/// are.
pub fn with_variables(file: &[u8], variables: &[(&str, &str)]) -> Vec<u8> {
    let is_ours = |line: &[u8]| {
        let name = line.split(|&byte| byte == b'=').next().unwrap_or_default();
        let mut names = variables.iter().map(|(name, _)| name.as_bytes());
        line.contains(&b'=') && names.any(|ours| ours == name.trim_ascii())
    };
    let others = file.split_inclusive(|&byte| byte == b'\n');
    let mut text: Vec<u8> = others
        .filter(|line| !is_ours(line))
        .flatten()
        .copied()
        .collect();
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    for (name, value) in variables {
        text.extend_from_slice(format!("{name}={value}\n").as_bytes());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_wifi;
    use crate::profile::Catalogue;
    use proptest::prelude::*;
    use rstest::rstest;

    fn wifi(more: &str) -> Wifi {
        let text = format!("wifi_ssid=\"My  Net *\"\nwifi_password='p \"q\" $x'\n{more}");
        let reading = read_wifi("thingino.conf", text.as_bytes()).unwrap();
        reading.value.unwrap()
    }

    #[rstest]
    #[case("2024", &[WifiStore::Environment])]
    #[case("2025", &[WifiStore::Environment, WifiStore::Card])]
    #[case("2026-06", &[WifiStore::Card])]
    #[case("2026-08", &[WifiStore::Card])]
    fn each_generation_gets_it_where_it_reads_it(#[case] name: &str, #[case] stores: &[WifiStore]) {
        for soc in ["t20", "t31"] {
            let catalogue = Catalogue::builtin();
            let thingino = catalogue.firmware(soc, "thingino").unwrap();
            let layout = thingino.layout(name);
            assert!(layout.is_some());
            assert_eq!(wifi_stores(thingino, layout), stores);
            assert!(takes_wifi(thingino));
        }
    }

    #[test]
    fn an_unknown_layout_gets_it_where_it_does_no_harm() {
        let catalogue = Catalogue::builtin();
        let thingino = catalogue.firmware("t31", "thingino").unwrap();
        assert_eq!(wifi_stores(thingino, None), [WifiStore::Card]);
        let stock = catalogue.firmware("t31", "stock").unwrap();
        assert_eq!(wifi_stores(stock, None), []);
        assert_eq!(wifi_stores(stock, stock.layout("factory")), []);
        assert!(!takes_wifi(stock));
    }

    #[test]
    fn settings_are_written_in_both_spellings() {
        let wifi = wifi("mac_address=02:00:5e:10:20:30\ntimezone=Europe/Berlin");
        let (ssid, password, mac) = ("My  Net *", "p \"q\" $x", "02:00:5e:10:20:30");
        let expected = [
            ("wlan_ssid", ssid),
            ("wlan_pass", password),
            ("wlanssid", ssid),
            ("wlanpass", password),
            ("wlan_mac", mac),
            ("wlanmac", mac),
            ("timezone", "Europe/Berlin"),
        ];
        assert_eq!(wifi_variables(&wifi), expected);
    }

    #[rstest]
    #[case::new("", "wlan_ssid=a\n")]
    #[case::others_stay("# mine\r\nosmem=40M\r\n\n", "# mine\r\nosmem=40M\r\n\nwlan_ssid=a\n")]
    #[case::replaced("wlan_ssid=old\nx=1", "x=1\nwlan_ssid=a\n")]
    #[case::replaced_wherever(" wlan_ssid = old\r\nx=1\nwlan_ssid=b\n", "x=1\nwlan_ssid=a\n")]
    #[case::similar_names(
        "wlan_ssid2=x\nxwlan_ssid=y\n",
        "wlan_ssid2=x\nxwlan_ssid=y\nwlan_ssid=a\n"
    )]
    #[case::no_variable("wlan_ssid\n", "wlan_ssid\nwlan_ssid=a\n")]
    fn other_lines_of_the_file_stay(#[case] file: &str, #[case] expected: &str) {
        let text = with_variables(file.as_bytes(), &[("wlan_ssid", "a")]);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn whatever_was_there_it_is_said_once_and_saying_it_again_changes_nothing(file: Vec<u8>) {
            let wifi = wifi("timezone=UTC");
            let variables = wifi_variables(&wifi);
            let text = with_variables(&file, &variables);
            let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
            for (name, value) in &variables {
                let wanted = format!("{name}={value}");
                let count = lines.iter().filter(|line| **line == wanted.as_bytes()).count();
                prop_assert_eq!(count, 1);
            }
            prop_assert_eq!(with_variables(&text, &variables), text);
        }
    }
}
