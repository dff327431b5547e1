//! U-Boot's environment: variables such as `wlan_ssid=...`, kept in a partition of their own.
//!
//! ```text
//!   0       4
//!   | crc   | name=value 0 name=value 0 ... 0 0 | padding ... |
//!           '--------- what the CRC covers, to the end -------'
//! ```
//! The CRC-32 is little-endian on the cameras. One copy, without the flag byte of redundant ones.
//! Source: U-Boot `include/env_internal.h`. Thingino's is 64K long, that of 2025 32K.

use std::ops::Range;

use thiserror::Error;

use super::le32;
use crate::units::Size;

/// The lengths an environment may have on a camera.
pub const SIZES: [Size; 2] = [Size::kib(64), Size::kib(32)];

const DATA_AT: usize = 4;
const BLANK: u8 = 0xff;

/// The variables of an environment whose CRC is right.
///
/// Values may be secrets (Wi-Fi passwords), so it shows nothing but names when it is debug-printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    size: Size,
    variables: Vec<(String, String)>,
}

/// Why bytes are not an environment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvironmentError {
    /// Too short for the shortest.
    #[error("{found} bytes are too few for a U-Boot environment, which has 32K or 64K")]
    TooShort {
        /// How much there is.
        found: Size,
    },
    /// Erased flash.
    #[error("the U-Boot environment is blank (erased flash); U-Boot uses its built-in one")]
    Blank,
    /// No length fits the CRC.
    #[error(
        "the U-Boot environment is damaged or none: its CRC at offset 0x0 says {stored:#010x}, and that of neither 32K nor 64K is this"
    )]
    Crc {
        /// The CRC in front of the data.
        stored: u32,
    },
}

impl Environment {
    /// Reads the environment at the start of `bytes`, whichever of [`SIZES`] fits its CRC.
    ///
    /// # Errors
    /// See [`EnvironmentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvironmentError> {
        let smallest = SIZES.into_iter().min().unwrap_or(Size::ZERO);
        let found = Size::bytes(bytes.len() as u64);
        let (Some(stored), true) = (le32(bytes, 0), found >= smallest) else {
            return Err(EnvironmentError::TooShort { found });
        };
        if bytes[..smallest.as_usize()]
            .iter()
            .all(|&byte| byte == BLANK)
        {
            return Err(EnvironmentError::Blank);
        }
        let data_of = |size: Size| {
            bytes.get(Range {
                start: DATA_AT,
                end: size.as_usize(),
            })
        };
        SIZES
            .into_iter()
            .filter_map(|size| Some((size, data_of(size)?)))
            .find(|(_, data)| crc32fast::hash(data) == stored)
            .map(|(size, data)| Self {
                size,
                variables: variables(data),
            })
            .ok_or(EnvironmentError::Crc { stored })
    }

    /// How long it is in flash, CRC included.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The value of a variable. Of two with the same name the later counts, as in U-Boot.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .filter(|(found, _)| *found == name)
            .last()
            .map(|(_, value)| value)
    }

    /// Names and values in the order in which they stand.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        f.debug_struct("Environment")
            .field("size", &self.size)
            .field("names", &names)
            .finish()
    }
}

/// The `name=value` texts up to the first empty one; texts without `=` are left out, as U-Boot does.
fn variables(data: &[u8]) -> Vec<(String, String)> {
    data.split(|&byte| byte == 0)
        .take_while(|text| !text.is_empty())
        .filter_map(|text| {
            let text = String::from_utf8_lossy(text);
            let (name, value) = text.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn environment(text: &[u8], size: Size) -> Vec<u8> {
        let mut bytes = [&[0; DATA_AT], text].concat();
        bytes.resize(size.as_usize(), 0);
        let crc = crc32fast::hash(&bytes[DATA_AT..]);
        bytes[..DATA_AT].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    const TEXT: &[u8] =
        b"baudrate=115200\0wlan_pass=a=b\0empty=\0no value\0baudrate=9600\0\0old=1\0";

    #[rstest]
    #[case(Size::kib(32))]
    #[case(Size::kib(64))]
    fn variables_are_found_in_either_length(#[case] size: Size) {
        let bytes = [environment(TEXT, size), vec![0xff; 0x1_0000]].concat();
        let environment = Environment::parse(&bytes).unwrap();
        assert_eq!(environment.size(), size);
        assert_eq!(environment.get("wlan_pass"), Some("a=b"));
        assert_eq!(environment.get("empty"), Some(""));
        assert_eq!(environment.get("no value"), None);
        assert_eq!(
            environment.get("baudrate"),
            Some("9600"),
            "the later one counts"
        );
        assert_eq!(environment.get("old"), None, "behind the end");
        assert_eq!(environment.iter().count(), 4);
    }

    #[rstest]
    #[case::nothing(vec![], EnvironmentError::TooShort { found: Size::ZERO })]
    #[case::short(vec![0; 0x7fff], EnvironmentError::TooShort { found: Size::bytes(0x7fff) })]
    #[case::erased(vec![0xff; 0x1_0000], EnvironmentError::Blank)]
    #[case::zeros(vec![0; 0x1_0000], EnvironmentError::Crc { stored: 0 })]
    #[case::cut(environment(TEXT, Size::kib(64))[..0x8000].to_vec(), EnvironmentError::Crc {
        stored: le32(&environment(TEXT, Size::kib(64)), 0).unwrap()
    })]
    fn what_is_no_environment_is_refused(
        #[case] bytes: Vec<u8>,
        #[case] expected: EnvironmentError,
    ) {
        assert_eq!(Environment::parse(&bytes), Err(expected));
    }

    #[test]
    fn debug_printing_shows_no_values() {
        let bytes = environment(b"wlan_pass=secret\0\0", Size::kib(32));
        let printed = format!("{:?}", Environment::parse(&bytes).unwrap());
        assert!(
            printed.contains("wlan_pass") && !printed.contains("secret"),
            "{printed}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_environment_or_an_error(bytes: Vec<u8>) {
            let _ = Environment::parse(&bytes);
        }

        #[test]
        fn any_text_under_a_good_crc_is_read(text: Vec<u8>) {
            let environment = Environment::parse(&environment(&text, Size::kib(32))).unwrap();
            prop_assert!(environment.iter().count() <= text.len());
        }
    }
}
