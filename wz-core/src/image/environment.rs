//! U-Boot's environment: variables such as `wlan_ssid=...`, kept in a partition of their own.
//!
//! ```text
//!  one copy     0       4
//!               | crc   | name=value 0 name=value 0 ... 0 0 | padding ... |
//!                       '--------- what the CRC covers, to the end -------'
//!
//!  two copies   0       4      5                                  each of them
//!               | crc   | flag | name=value 0 ... 0 0 | padding ... |
//!                              '- what the CRC covers, to the end -'
//! ```
//! The CRC-32 is little-endian on the cameras. Source: U-Boot `include/env_internal.h`. Thingino's is
//! 64K long, that of 2025 32K, and there is one copy; which of two copies counts is told in
//! [`Place`].
//!
//! A sound environment replaces the one that is built into U-Boot, all of it (`env_import` in U-Boot's
//! `common/env_common.c`): one without `bootcmd` leaves a camera that does not start. So none is ever
//! made here from nothing.

mod edit;
mod place;

use thiserror::Error;

use super::le32;
use crate::units::Size;

pub use edit::{Edit, EditError, ScriptError, read_script};
pub use place::{Change, Found, Missing, Place, find, search_region};

/// The lengths an environment may have on a camera.
pub const SIZES: [Size; 2] = [Size::kib(64), Size::kib(32)];

const CRC_LENGTH: usize = 4;
const BLANK: u8 = 0xff;

/// The variables of an environment whose CRC is right.
///
/// Values are bytes, and may be secrets (Wi-Fi passwords): it shows nothing but names when it is
/// debug-printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Environment {
    size: Size,
    /// Of two copies, each has one.
    flag: Option<u8>,
    /// `name=value`, or whatever else stands between the zeros.
    texts: Vec<Vec<u8>>,
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
    /// Reads the environment that is exactly `bytes`, the only copy.
    ///
    /// # Errors
    /// See [`EnvironmentError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvironmentError> {
        Self::behind(CRC_LENGTH, bytes)
    }

    /// Reads the environment that is exactly `bytes`, one of two copies.
    ///
    /// # Errors
    /// See [`EnvironmentError`].
    pub fn parse_one_of_two(bytes: &[u8]) -> Result<Self, EnvironmentError> {
        let environment = Self::behind(CRC_LENGTH + 1, bytes)?;
        let flag = bytes.get(CRC_LENGTH).copied();
        Ok(Self {
            flag,
            ..environment
        })
    }

    fn behind(header: usize, bytes: &[u8]) -> Result<Self, EnvironmentError> {
        let size = Size::bytes(bytes.len() as u64);
        let (Some(stored), Some(data)) = (le32(bytes, 0), bytes.get(header..)) else {
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
            flag: None,
            texts: texts(data),
        })
    }

    /// The bytes that [`Environment::parse`] reads as this one. What is behind the variables is as
    /// blank as erased flash, which costs nothing to write.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut data = self.texts.join(&0);
        data.extend_from_slice(&[0, 0]);
        data.resize(self.size.as_usize() - self.header_length(), BLANK);
        let crc = crc32fast::hash(&data).to_le_bytes();
        [&crc, self.flag.as_slice(), &data].concat()
    }

    /// How long it is in flash, CRC included.
    pub fn size(&self) -> Size {
        self.size
    }

    /// The value of a variable. Of two with the same name the later counts, as in U-Boot.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        self.iter()
            .filter(|(found, _)| *found == name.as_ref())
            .last()
            .map(|(_, value)| value)
    }

    /// Names and values in the order in which they stand. Texts without `=` are left out, as U-Boot
    /// does.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.texts.iter().filter_map(|text| name_and_value(text))
    }

    /// The same as texts; what is not UTF-8 in them becomes `U+FFFD`.
    pub fn lossy(&self) -> impl Iterator<Item = (String, String)> {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        self.iter()
            .map(move |(name, value)| (text(name), text(value)))
    }

    fn header_length(&self) -> usize {
        CRC_LENGTH + self.flag.iter().len()
    }

    fn with_flag(&self, flag: u8) -> Self {
        Self {
            flag: Some(flag),
            ..self.clone()
        }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<String> = self.lossy().map(|(name, _)| name).collect();
        f.debug_struct("Environment")
            .field("size", &self.size)
            .field("flag", &self.flag)
            .field("names", &names)
            .finish()
    }
}

/// The texts up to the first empty one.
fn texts(data: &[u8]) -> Vec<Vec<u8>> {
    data.split(|&byte| byte == 0)
        .take_while(|text| !text.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn name_and_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == b'=')?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn environment(text: &[u8], size: Size) -> Vec<u8> {
        let mut bytes = [&[0; CRC_LENGTH], text].concat();
        bytes.resize(size.as_usize(), 0);
        let crc = crc32fast::hash(&bytes[CRC_LENGTH..]);
        bytes[..CRC_LENGTH].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    const TEXT: &[u8] =
        b"baudrate=115200\0wlan_pass=a=b\0empty=\0no value\0baudrate=9600\0\0old=1\0";

    #[rstest]
    #[case(Size::kib(32))]
    #[case(Size::kib(64))]
    fn variables_are_found_in_either_length(#[case] size: Size) {
        let environment = Environment::parse(&environment(TEXT, size)).unwrap();
        assert_eq!(environment.size(), size);
        assert_eq!(environment.get("wlan_pass"), Some(b"a=b".as_slice()));
        assert_eq!(environment.get("empty"), Some(b"".as_slice()));
        assert_eq!(environment.get("no value"), None);
        assert_eq!(
            environment.get("baudrate"),
            Some(b"9600".as_slice()),
            "the later one counts"
        );
        assert_eq!(environment.get("old"), None, "behind the end");
        assert_eq!(environment.iter().count(), 4);
    }

    #[rstest]
    #[case::nothing(vec![], EnvironmentError::TooShort { found: Size::ZERO })]
    #[case::short(vec![0; 3], EnvironmentError::TooShort { found: Size::bytes(3) })]
    #[case::erased(vec![0xff; 0x1_0000], EnvironmentError::Blank)]
    #[case::zeros(
        vec![0; 0x1_0000],
        EnvironmentError::Crc { size: Size::kib(64), stored: 0, computed: crc32fast::hash(&[0; 0xfffc]) }
    )]
    fn what_is_no_environment_is_refused(
        #[case] bytes: Vec<u8>,
        #[case] expected: EnvironmentError,
    ) {
        assert_eq!(Environment::parse(&bytes), Err(expected));
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
    fn one_copy_and_one_of_two_are_not_taken_for_each_other() {
        let one = Environment::parse(&environment(TEXT, Size::kib(32))).unwrap();
        assert!(Environment::parse_one_of_two(&one.to_bytes()).is_err());
        let of_two = one.with_flag(1).to_bytes();
        assert!(Environment::parse(&of_two).is_err());
        assert_eq!(Environment::parse_one_of_two(&of_two), Ok(one.with_flag(1)));
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
            let _ = Environment::parse_one_of_two(&bytes);
        }

        #[test]
        fn any_text_under_a_good_crc_is_read_and_written_as_it_was(text: Vec<u8>) {
            let bytes = environment(&text, Size::kib(32));
            let environment = Environment::parse(&bytes).unwrap();
            prop_assert!(environment.iter().count() <= text.len());
            let again = environment.to_bytes();
            prop_assert_eq!(again.len(), bytes.len());
            prop_assert_eq!(Environment::parse(&again), Ok(environment));
        }
    }
}
