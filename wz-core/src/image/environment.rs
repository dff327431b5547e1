//! U-Boot's environment: variables such as `wlan_ssid=...`, kept in a partition of their own.
//!
//! ```text
//!   0       4
//!   | crc   | name=value 0 name=value 0 ... 0 0 | padding ... |
//!           '--------- what the CRC covers, to the end -------'
//! ```
//! The CRC-32 is little-endian on the cameras. One copy, without the flag byte of redundant ones.
//! Source: U-Boot `include/env_internal.h`. Thingino's is 64K long, that of 2025 32K.

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
    #[error("{} bytes are too few for a U-Boot environment, which has 32K or 64K", found.get())]
    TooShort {
        /// How much there is.
        found: Size,
    },
    /// Erased flash.
    #[error("the U-Boot environment is blank (erased flash); U-Boot uses its built-in one")]
    Blank,
    /// The CRC is another.
    #[error(
        "there is no sound U-Boot environment of {size}: its CRC at offset 0x0 says {stored:#010x}, its bytes give {computed:#010x}"
    )]
    Crc {
        /// The length that was assumed.
        size: Size,
        /// The CRC in front of the data.
        stored: u32,
        /// The CRC of the data.
        computed: u32,
    },
}

impl Environment {
    /// Reads the environment that is exactly `bytes`.
    ///
    /// # Errors
    /// See [`EnvironmentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvironmentError> {
        let size = Size::bytes(bytes.len() as u64);
        let (Some(stored), Some(data)) = (le32(bytes, 0), bytes.get(DATA_AT..)) else {
            return Err(EnvironmentError::TooShort { found: size });
        };
        if bytes.iter().all(|&byte| byte == BLANK) {
            return Err(EnvironmentError::Blank);
        }
        let computed = crc32fast::hash(data);
        if stored != computed {
            return Err(EnvironmentError::Crc {
                size,
                stored,
                computed,
            });
        }
        Ok(Self {
            size,
            variables: variables(data),
        })
    }

    /// Reads the environment at the start of `bytes`, whichever of [`SIZES`] fits its CRC.
    ///
    /// # Errors
    /// See [`EnvironmentError`]; it is about the longest that `bytes` have room for.
    pub fn parse_any_size(bytes: &[u8]) -> Result<Self, EnvironmentError> {
        let too_short = EnvironmentError::TooShort {
            found: Size::bytes(bytes.len() as u64),
        };
        SIZES
            .into_iter()
            .filter_map(|size| bytes.get(..size.as_usize()))
            .map(Self::parse)
            .reduce(|longer, shorter| longer.or_else(|error| shorter.map_err(|_| error)))
            .unwrap_or(Err(too_short))
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
        let environment = Environment::parse_any_size(&bytes).unwrap();
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
    #[case::zeros(
        vec![0; 0x1_0000],
        EnvironmentError::Crc { size: Size::kib(64), stored: 0, computed: crc32fast::hash(&[0; 0xfffc]) }
    )]
    fn what_is_no_environment_is_refused(
        #[case] bytes: Vec<u8>,
        #[case] expected: EnvironmentError,
    ) {
        assert_eq!(Environment::parse_any_size(&bytes), Err(expected));
    }

    #[rstest]
    #[case::cut(Size::kib(64), Size::kib(32))]
    #[case::followed_by_something_else(Size::kib(32), Size::kib(64))]
    fn an_environment_of_another_size_is_not_exactly_this_one(
        #[case] is: Size,
        #[case] taken: Size,
    ) {
        let mut bytes = environment(TEXT, is);
        bytes.resize(taken.as_usize(), 0xff);
        let refused = Environment::parse(&bytes);
        assert!(
            matches!(refused, Err(EnvironmentError::Crc { .. })),
            "{refused:?}"
        );
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
            let _ = Environment::parse_any_size(&bytes);
        }

        #[test]
        fn any_text_under_a_good_crc_is_read(text: Vec<u8>) {
            let environment = Environment::parse(&environment(&text, Size::kib(32))).unwrap();
            prop_assert!(environment.iter().count() <= text.len());
        }
    }
}
