//! The files beside images that hold their SHA-256: `<64 hex digits>  <name>`, a line per file.
//!
//! Written as coreutils writes them, so that `sha256sum -c` accepts them; read as people have them:
//! CRLF, a UTF-8 byte order mark, `*` before the name of a "binary" file, upper-case digits.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

const BYTES: usize = 32;
const DIGITS: usize = 2 * BYTES;
/// No honest file is longer; keeps the work on hostile ones small.
pub const LONGEST_FILE: usize = 64 * 1024;
const SHOWN: usize = 80;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest([u8; BYTES]);

/// One line: a digest and the file it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The SHA-256.
    pub digest: Digest,
    /// The name of the file as it is written, possibly with a path.
    pub name: String,
}

/// Why a file is not one of SHA-256 sums. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Sha256sumError {
    /// No sums in it.
    #[error("it is empty; it has to hold a line such as \"<64 hex digits>  <name of the image>\"")]
    Empty,
    /// Far too long.
    #[error(
        "it is {found} bytes long, which no file of SHA-256 sums is; this is probably another file"
    )]
    TooLong {
        /// Its length.
        found: usize,
    },
    /// No text.
    #[error("it is not a text: byte {at} is no UTF-8; this is probably another file")]
    NotText {
        /// The offset of the first wrong byte.
        at: usize,
    },
    /// No digest where one has to be.
    #[error(
        "line {line}, column {column}: \"{shown}\" is not a SHA-256 sum and a name; 64 hex digits, two blanks and the name of the image are needed"
    )]
    Malformed {
        /// Which line.
        line: usize,
        /// The column of the first wrong character.
        column: usize,
        /// The start of the line.
        shown: String,
    },
}

/// A text that is not 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a SHA-256 sum has 64 hex digits")]
pub struct NotADigest;

impl Digest {
    /// The digest with these bytes.
    pub const fn new(bytes: [u8; BYTES]) -> Self {
        Self(bytes)
    }

    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// The digest of all that `reader` gives.
    ///
    /// # Errors
    /// The reader's own.
    pub fn of_reader(reader: &mut dyn Read) -> io::Result<Self> {
        const CHUNK: usize = 64 * 1024;
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; CHUNK]);
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(Self(hash.finalize().into())),
                length => hash.update(&buffer[..length]),
            }
        }
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; BYTES] {
        &self.0
    }
}

/// Passes bytes on and hashes them.
#[derive(Debug)]
pub struct Hashing<W> {
    to: W,
    hash: Sha256,
}

impl<W: Write> Hashing<W> {
    /// Passes everything on to `to`.
    pub fn new(to: W) -> Self {
        let hash = Sha256::new();
        Self { to, hash }
    }

    /// What it was passed on to, and the digest of all of it.
    pub fn finish(self) -> (W, Digest) {
        (self.to, Digest(self.hash.finalize().into()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.to.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let digits: &[u8; DIGITS] = text.as_bytes().try_into().map_err(|_| NotADigest)?;
        let mut bytes = [0; BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = hex(pair[0])
                .zip(hex(pair[1]))
                .map(|(h, l)| h << 4 | l)
                .ok_or(NotADigest)?;
        }
        Ok(Self(bytes))
    }
}

/// The content of the file beside the image `name`.
pub fn format(digest: &Digest, name: &str) -> String {
    format!("{digest}  {name}\n")
}

/// Reads a file of sums; blank lines are skipped.
///
/// # Errors
/// See [`Sha256sumError`]; the first line that is wrong.
pub fn parse(bytes: &[u8]) -> Result<Vec<Line>, Sha256sumError> {
    if bytes.len() > LONGEST_FILE {
        return Err(Sha256sumError::TooLong { found: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| Sha256sumError::NotText {
        at: error.valid_up_to(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let numbered = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let lines: Vec<Line> = numbered
        .map(|(at, line)| parse_line(at + 1, line))
        .collect::<Result<_, _>>()?;
    if lines.is_empty() {
        Err(Sha256sumError::Empty)
    } else {
        Ok(lines)
    }
}

/// Digest, a blank, then a blank (text) or `*` (binary), then the name.
fn parse_line(number: usize, line: &str) -> Result<Line, Sha256sumError> {
    let malformed = |column| Sha256sumError::Malformed {
        line: number,
        column,
        shown: line
            .chars()
            .take(SHOWN)
            .filter(|c| !c.is_control())
            .collect(),
    };
    let good_digits = line
        .bytes()
        .take(DIGITS)
        .take_while(|&digit| hex(digit).is_some())
        .count();
    let digest = line.get(..DIGITS).and_then(|digits| digits.parse().ok());
    let digest = digest.ok_or_else(|| malformed(good_digits + 1))?;
    let name = line.get(DIGITS..).unwrap_or_default();
    let name = name.strip_prefix("  ").or_else(|| name.strip_prefix(" *"));
    let name = name.map(str::trim_end).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| malformed(DIGITS + 1))?;
    Ok(Line {
        digest,
        name: name.to_owned(),
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// The SHA-256 of "abc" (FIPS 180-2, appendix B.1).
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_digest_is_the_standards() {
        assert_eq!(Digest::of(b"abc").to_string(), ABC);
        assert_eq!(ABC.parse(), Ok(Digest::of(b"abc")));
    }

    #[rstest]
    #[case::coreutils(format!("{ABC}  a.bin\n"))]
    #[case::no_line_end(format!("{ABC}  a.bin"))]
    #[case::windows(format!("{ABC}  a.bin\r\n"))]
    #[case::byte_order_mark(format!("\u{feff}{ABC}  a.bin\r\n"))]
    #[case::binary(format!("{ABC} *a.bin\n"))]
    #[case::upper_case(format!("{}  a.bin\n", ABC.to_uppercase()))]
    #[case::blank_lines(format!("\n{ABC}  a.bin \n\r\n"))]
    fn a_sum_is_read_in_every_spelling(#[case] file: String) {
        let expected = Line {
            digest: Digest::of(b"abc"),
            name: "a.bin".to_owned(),
        };
        assert_eq!(parse(file.as_bytes()), Ok(vec![expected]));
    }

    #[test]
    fn several_lines_are_read_in_their_order() {
        let file = format!("{ABC}  a.bin\n{ABC}  b c.bin\n");
        let names: Vec<_> = parse(file.as_bytes())
            .unwrap()
            .into_iter()
            .map(|l| l.name)
            .collect();
        assert_eq!(names, ["a.bin", "b c.bin"]);
    }

    #[rstest]
    #[case::hash_alone(format!("{ABC}\n"), 1, 65)]
    #[case::no_name(format!("{ABC}  \n"), 1, 65)]
    #[case::one_blank(format!("{ABC} a.bin\n"), 1, 65)]
    #[case::short(format!("{}  a.bin\n", &ABC[..63]), 1, 64)]
    #[case::md5("900150983cd24fb0d6963f7d28e17f72  a.bin\n".to_owned(), 1, 33)]
    #[case::second_line(format!("{ABC}  a.bin\nhello\n"), 2, 1)]
    #[case::not_ascii(format!("{}é  a.bin\n", &ABC[..63]), 1, 64)]
    fn a_wrong_line_is_refused_with_its_place(
        #[case] file: String,
        #[case] expected_line: usize,
        #[case] expected_column: usize,
    ) {
        match parse(file.as_bytes()) {
            Err(Sha256sumError::Malformed { line, column, .. }) => {
                assert_eq!((line, column), (expected_line, expected_column));
            }
            other => panic!("{other:?}"),
        }
    }

    #[rstest]
    #[case::nothing(vec![], Sha256sumError::Empty)]
    #[case::blank(b"\r\n \n".to_vec(), Sha256sumError::Empty)]
    #[case::an_image(vec![b'a', 0xff], Sha256sumError::NotText { at: 1 })]
    #[case::a_long_file(vec![b'\n'; LONGEST_FILE + 1], Sha256sumError::TooLong { found: LONGEST_FILE + 1 })]
    fn what_is_no_file_of_sums_is_refused(
        #[case] bytes: Vec<u8>,
        #[case] expected: Sha256sumError,
    ) {
        assert_eq!(parse(&bytes), Err(expected));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_it_was(bytes: [u8; 32], name in "[A-Za-z0-9_.-]{1,40}") {
            let digest = Digest::new(bytes);
            let expected = vec![Line { digest, name: name.clone() }];
            prop_assert_eq!(parse(format(&digest, &name).as_bytes()), Ok(expected));
        }

        #[test]
        fn any_bytes_are_sums_or_an_error(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_text_is_sums_or_an_error(text in "[0-9a-f]{60,66}[ *é\r\n]{0,3}\\PC{0,9}") {
            let _ = parse(text.as_bytes());
        }
    }
}
