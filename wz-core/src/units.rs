//! Offsets and sizes in bytes, and the two ways people write them: `256K` and `0x40000`.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

/// A number of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// A place in flash or in a file, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(u64);

/// A stretch of flash: `offset .. offset + size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Region {
    /// Where it starts.
    pub offset: Offset,
    /// How long it is.
    pub size: Size,
}

/// Why a text is not a size: it is neither `<number>[K|M|G]` nor `0x<hex>`, or it exceeds 64 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASize(String);

impl Size {
    /// No bytes at all.
    pub const ZERO: Self = Self(0);

    /// `n` bytes.
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// `n` KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n * KIB)
    }

    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n * MIB)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as an index; saturates where `usize` is 32 bits, so that an index made
    /// from it is out of bounds rather than wrong.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// The sum, unless it exceeds 64 bits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// This many bytes, rounded up to whole `unit`s (a cluster, an erase block). Saturates.
    pub fn round_up(self, unit: Self) -> Self {
        let unit = unit.0.max(1);
        Self(self.0.div_ceil(unit).saturating_mul(unit))
    }
}

impl Offset {
    /// The start.
    pub const ZERO: Self = Self(0);

    /// `n` bytes from the start.
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// The number of bytes from the start.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes from the start as an index; saturates where `usize` is 32 bits.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Whether it is a multiple of `unit`.
    pub fn is_aligned_to(self, unit: Size) -> bool {
        self.0.is_multiple_of(unit.0.max(1))
    }

    /// The offset `size` further on, unless it exceeds 64 bits.
    pub fn checked_add(self, size: Size) -> Option<Self> {
        self.0.checked_add(size.0).map(Self)
    }
}

impl Add<Size> for Offset {
    type Output = Self;

    fn add(self, size: Size) -> Self {
        Self(self.0.saturating_add(size.0))
    }
}

impl Sub for Offset {
    type Output = Size;

    /// How far `self` lies behind `earlier`; zero if it does not.
    fn sub(self, earlier: Self) -> Size {
        Size(self.0.saturating_sub(earlier.0))
    }
}

impl Region {
    /// The region of `size` bytes from `offset` on.
    pub const fn new(offset: Offset, size: Size) -> Self {
        Self { offset, size }
    }

    /// The first offset behind the region.
    pub fn end(&self) -> Offset {
        self.offset + self.size
    }

    /// Whether the two share a byte.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.overlap(other).is_some()
    }

    /// The bytes that both have, if any.
    pub fn overlap(&self, other: &Self) -> Option<Self> {
        let start = self.offset.max(other.offset);
        let end = self.end().min(other.end());
        (start < end).then(|| Self::new(start, end - start))
    }

    /// Whether all of `other` lies inside.
    pub fn contains(&self, other: &Self) -> bool {
        self.offset <= other.offset && other.end() <= self.end()
    }
}

/// `16M`, `256K` or the plain number: the largest unit that is exact.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            n if n.is_multiple_of(MIB) => write!(f, "{}M", n / MIB),
            n if n.is_multiple_of(KIB) => write!(f, "{}K", n / KIB),
            n => write!(f, "{n}"),
        }
    }
}

/// `0x40000`.
impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// `256K@0x40000`.
impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.size, self.offset)
    }
}

impl fmt::Display for NotASize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not a number of bytes such as 256K, 16M or 0x40000",
            self.0
        )
    }
}

impl std::error::Error for NotASize {}

fn parse_bytes(text: &str) -> Result<u64, NotASize> {
    let wrong = || NotASize(text.chars().take(40).collect());
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        let all_hex = hex.chars().all(|c| c.is_ascii_hexdigit());
        return all_hex
            .then(|| u64::from_str_radix(hex, 16).ok())
            .flatten()
            .ok_or_else(wrong);
    }
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], KIB),
        Some((at, 'M' | 'm')) => (&text[..at], MIB),
        Some((at, 'G' | 'g')) => (&text[..at], GIB),
        _ => (text, 1),
    };
    let all_digits = digits.chars().all(|c| c.is_ascii_digit());
    all_digits
        .then(|| digits.parse::<u64>().ok())
        .flatten()
        .and_then(|n| n.checked_mul(unit))
        .ok_or_else(wrong)
}

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        parse_bytes(text).map(Self)
    }
}

impl FromStr for Offset {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        parse_bytes(text).map(Self)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of bytes such as \"256K\", \"0x40000\" or 65536")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse_bytes(text).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, n: i64) -> Result<u64, E> {
        u64::try_from(n).map_err(|_| E::custom("a number of bytes is not negative"))
    }

    fn visit_u64<E: de::Error>(self, n: u64) -> Result<u64, E> {
        Ok(n)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor).map(Self)
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BytesVisitor).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("256K", 0x4_0000)]
    #[case("16m", 0x100_0000)]
    #[case("0x40000", 0x4_0000)]
    #[case("65537", 65537)]
    fn a_size_is_read_in_every_spelling(#[case] text: &str, #[case] bytes: u64) {
        assert_eq!(text.parse(), Ok(Size::bytes(bytes)));
    }

    #[rstest]
    #[case("")]
    #[case("K")]
    #[case("-1")]
    #[case("+1")]
    #[case("1.5M")]
    #[case("0x")]
    #[case("0x+1")]
    #[case("12 K")]
    #[case("99999999999999999999")]
    #[case("18446744073709551615K")]
    fn a_text_that_is_no_size_is_refused(#[case] text: &str) {
        assert!(text.parse::<Size>().is_err(), "{text:?}");
    }

    proptest! {
        #[test]
        fn a_printed_size_reads_back_as_itself(n: u64) {
            prop_assert_eq!(Size::bytes(n).to_string().parse(), Ok(Size::bytes(n)));
            prop_assert_eq!(Offset::bytes(n).to_string().parse(), Ok(Offset::bytes(n)));
        }

        #[test]
        fn any_text_is_a_size_or_an_error(text: String) {
            let _ = text.parse::<Size>();
        }

        #[test]
        fn overlap_is_symmetric_and_lies_in_both(a in 0u64..99, n in 0u64..99, b in 0u64..99, m in 0u64..99) {
            let x = Region::new(Offset::bytes(a), Size::bytes(n));
            let y = Region::new(Offset::bytes(b), Size::bytes(m));
            prop_assert_eq!(x.overlap(&y), y.overlap(&x));
            if let Some(both) = x.overlap(&y) {
                prop_assert!(x.contains(&both) && y.contains(&both) && both.size > Size::ZERO);
            }
        }
    }
}
