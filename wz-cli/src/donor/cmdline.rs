//! The command line that is built into a kernel: finding it, and writing another one in its place.
//!
//! ```text
//!   3.10   "mem=94M console=ttyS1 mtdparts=..." 0 0 0 0 ...   an array of 4096 bytes
//!   6.1    "console=ttyS0 panic=1        " 0 "next string"    exactly as long as written, up to twice:
//!                                                             in setup.c and in the device-tree code
//! ```
//! Source: `arch/mips/kernel/setup.c`, `drivers/of/fdt.c`, `COMMAND_LINE_SIZE` in the MIPS
//! `uapi/asm/setup.h`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use thiserror::Error;

/// `COMMAND_LINE_SIZE`, with the zero at the end.
const ARRAY: usize = 4096;
const PRINTABLE: RangeInclusive<u8> = b' '..=b'~';
const SHORTEST: usize = 8;

/// A command line has a value for one of these.
const TELLING: &[&str] = &[
    "console=",
    "init=",
    "mem=",
    "mtdparts=",
    "rdinit=",
    "rmem=",
    "root=",
    "rootfstype=",
];

/// Words that are about somebody else's start, and go: the partition table (the whole chip is one
/// device for us) and whatever names another initramfs or another first program in it.
const REPLACED: &[&str] = &[
    "cmdlinepart.mtdparts=",
    "initrd=",
    "initrdmem=",
    "mtdparts=",
    "noinitrd",
    "rd_size=",
    "rd_start=",
    "rdinit=",
];

/// What stands behind it is for the first program; newer kernels do not look at it.
const END_OF_PARAMETERS: &str = "--";

/// Why the built-in command line can't be rewritten.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommandLineError {
    /// None found.
    #[error(
        "no built-in command line was found in the kernel; build it with CONFIG_CMDLINE_BOOL, or take another kernel"
    )]
    NotFound,
    /// Several different ones.
    #[error("several texts in the kernel could be its command line: {}; take another kernel", .found.join(" | "))]
    Ambiguous {
        /// What they say.
        found: Vec<String>,
    },
    /// Too long.
    #[error(
        "the kernel's built-in command line has room for {room} bytes, {needed} are needed for \"{text}\"; build the kernel with a longer one (blanks at its end count), or take another"
    )]
    NoRoom {
        /// How much room there is.
        room: usize,
        /// How much is needed.
        needed: usize,
        /// What was to be written.
        text: String,
    },
}

/// The built-in command line and the places where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    text: String,
    places: Vec<usize>,
    room: usize,
}

impl CommandLine {
    /// Finds the command line in an unpacked kernel.
    ///
    /// # Errors
    /// [`CommandLineError::NotFound`], [`CommandLineError::Ambiguous`].
    pub fn find(kernel: &[u8]) -> Result<Self, CommandLineError> {
        let found: BTreeSet<&str> = texts(kernel).filter(|text| is_command_line(text)).collect();
        let mut found = found.into_iter();
        let text = match (found.next(), found.next()) {
            (None, _) => return Err(CommandLineError::NotFound),
            (Some(text), None) => text.to_owned(),
            (Some(one), Some(two)) => {
                let all = [one, two]
                    .into_iter()
                    .chain(found)
                    .map(|text| text.trim().to_owned());
                return Err(CommandLineError::Ambiguous {
                    found: all.collect(),
                });
            }
        };
        let terminated = [text.as_bytes(), &[0]].concat();
        let places: Vec<usize> = memchr::memmem::find_iter(kernel, &terminated).collect();
        let room = match places[..] {
            [place] if is_array(kernel, place, text.len()) => ARRAY - 1,
            _ => text.len(),
        };
        Ok(Self { text, places, room })
    }

    /// Writes `words` behind the parameters that stay, at every place, and returns the new command line.
    ///
    /// # Errors
    /// [`CommandLineError::NoRoom`]; the kernel is unchanged then.
    pub fn rewrite(&self, kernel: &mut [u8], words: &[String]) -> Result<String, CommandLineError> {
        let old = self.text.split_whitespace();
        let (parameters, rest): (Vec<_>, Vec<_>) = {
            let mut ended = false;
            old.partition(|word| {
                ended |= *word == END_OF_PARAMETERS;
                !ended
            })
        };
        let stay = parameters.into_iter().filter(|word| !is_replaced(word));
        let text = stay
            .chain(words.iter().map(String::as_str))
            .chain(rest)
            .collect::<Vec<_>>()
            .join(" ");
        if text.len() > self.room {
            return Err(CommandLineError::NoRoom {
                room: self.room,
                needed: text.len(),
                text,
            });
        }
        for &place in &self.places {
            let end = place + self.text.len().max(text.len());
            kernel[place..end].fill(0);
            kernel[place..place + text.len()].copy_from_slice(text.as_bytes());
        }
        Ok(text)
    }
}

/// The end of the memory that `mem=` leaves the kernel, if it stands in the command line: `size[@start]`, several times.
pub fn memory_end(text: &str) -> Option<u64> {
    let regions = text
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("mem="));
    let end = |region: &str| {
        let (size, start) = region.split_once('@').unwrap_or((region, "0"));
        bytes(size)?.checked_add(bytes(start)?)
    };
    regions.filter_map(end).max()
}

/// A number as the kernel's `memparse` reads it. Source: `lib/cmdline.c`.
fn bytes(text: &str) -> Option<u64> {
    let (digits, shift) = match text.char_indices().next_back()? {
        (at, 'k' | 'K') => (&text[..at], 10),
        (at, 'm' | 'M') => (&text[..at], 20),
        (at, 'g' | 'G') => (&text[..at], 30),
        _ => (text, 0),
    };
    let hex = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
    let number = match hex {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    number.checked_mul(1 << shift)
}

/// The runs of printable characters that end in a zero.
fn texts(kernel: &[u8]) -> impl Iterator<Item = &str> {
    let ended_by_zero = kernel.split_inclusive(|&byte| !PRINTABLE.contains(&byte));
    ended_by_zero
        .filter_map(|run| run.strip_suffix(&[0]))
        .filter(|run| (SHORTEST..ARRAY).contains(&run.len()))
        .filter_map(|run| std::str::from_utf8(run).ok())
}

fn is_command_line(text: &str) -> bool {
    let words = || text.split_whitespace();
    let tells = |word: &str| {
        TELLING
            .iter()
            .any(|key| word.len() > key.len() && word.starts_with(key))
    };
    words().count() > 1 && words().all(is_word) && words().any(tells)
}

/// `name` or `name=value`; no format string such as `console=ttyS0,%d`.
fn is_word(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or_default();
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && name.chars().all(in_name) && !word.contains('%')
}

fn is_replaced(word: &str) -> bool {
    REPLACED.iter().any(|old| match old.strip_suffix('=') {
        Some(_) => word.starts_with(old),
        None => word == *old,
    })
}

/// Whether zeros fill the rest of the array that a 3.10 kernel keeps its command line in.
fn is_array(kernel: &[u8], place: usize, length: usize) -> bool {
    let array = kernel.get(place..place + ARRAY);
    array.is_some_and(|array| array[length..].iter().all(|&byte| byte == 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const T31: &str = "console=ttyS1,115200n8 mem=94M rmem=34M@0x5E00000 rdinit=/linuxrc \
                       mtdparts=jz_sfc:256K(boot),1984K(kernel),-(rest) quiet";

    fn words() -> Vec<String> {
        vec![
            "rd_start=0x80600000".to_owned(),
            "rd_size=0x1000".to_owned(),
        ]
    }

    /// A kernel with the array of 3.10 between other data.
    fn kernel_3_10(text: &str) -> Vec<u8> {
        let mut array = text.as_bytes().to_vec();
        array.resize(ARRAY, 0);
        [
            &b"Linux version 3.10.14\0rd_start\0\x01\x02\x03\x80"[..],
            &array,
            b"console=\0%s console\0",
        ]
        .concat()
    }

    /// A kernel with the two literals of 6.1.
    fn kernel_6_1(text: &str) -> Vec<u8> {
        let text = text.as_bytes();
        [
            &b"\0rd_start\0"[..],
            text,
            b"\0bootargs\0\xff\xfe",
            text,
            b"\0next string\0",
        ]
        .concat()
    }

    #[test]
    fn in_the_array_of_3_10_words_are_added_and_others_taken_out() {
        let mut kernel = kernel_3_10(T31);
        let text = CommandLine::find(&kernel)
            .unwrap()
            .rewrite(&mut kernel, &words())
            .unwrap();
        assert_eq!(
            text,
            "console=ttyS1,115200n8 mem=94M rmem=34M@0x5E00000 quiet rd_start=0x80600000 rd_size=0x1000"
        );
        assert_eq!(kernel, kernel_3_10(&text));
    }

    #[test]
    fn the_array_of_3_10_may_become_longer_than_it_was() {
        let mut kernel = kernel_3_10("console=ttyS1 quiet");
        let text = CommandLine::find(&kernel)
            .unwrap()
            .rewrite(&mut kernel, &words())
            .unwrap();
        assert_eq!(kernel, kernel_3_10(&text));
    }

    #[test]
    fn both_literals_of_6_1_are_rewritten_within_their_blanks() {
        let padded = format!("{:200}", "console=ttyS0,115200n8 panic=1");
        let mut kernel = kernel_6_1(&padded);
        let text = CommandLine::find(&kernel)
            .unwrap()
            .rewrite(&mut kernel, &words())
            .unwrap();
        let zeros = "\0".repeat(200 - text.len());
        assert_eq!(kernel, kernel_6_1(&format!("{text}{zeros}")));
    }

    #[test]
    fn a_literal_without_room_is_refused_and_left_alone() {
        let mut kernel = kernel_6_1("console=ttyS0,115200n8 panic=1");
        let before = kernel.clone();
        let refused = CommandLine::find(&kernel)
            .unwrap()
            .rewrite(&mut kernel, &words());
        assert!(
            matches!(
                refused,
                Err(CommandLineError::NoRoom {
                    room: 30,
                    needed: 65,
                    ..
                })
            ),
            "{refused:?}"
        );
        assert_eq!(kernel, before);
    }

    #[test]
    fn zeros_behind_a_literal_that_are_no_array_are_not_written_to() {
        let mut kernel = [&b"console=ttyS0 quiet\0"[..], &[0; 1000], b"data"].concat();
        let refused = CommandLine::find(&kernel)
            .unwrap()
            .rewrite(&mut kernel, &words());
        assert!(
            matches!(refused, Err(CommandLineError::NoRoom { room: 19, .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn words_for_the_first_program_stay_behind_the_parameters() {
        let mut kernel = kernel_3_10("console=ttyS1 mem=94M -- single");
        let text = CommandLine::find(&kernel)
            .unwrap()
            .rewrite(&mut kernel, &words())
            .unwrap();
        assert_eq!(
            text,
            "console=ttyS1 mem=94M rd_start=0x80600000 rd_size=0x1000 -- single"
        );
    }

    #[test]
    fn what_names_another_initramfs_or_a_partition_table_goes() {
        let mut kernel = kernel_3_10(
            "console=ttyS1 noinitrd initrd=0x81000000,1M rd_start=1 rd_size=2 rdinit=/linuxrc \
             cmdlinepart.mtdparts=jz_sfc:-(all) init=/linuxrc",
        );
        let text = CommandLine::find(&kernel)
            .unwrap()
            .rewrite(&mut kernel, &[])
            .unwrap();
        assert_eq!(text, "console=ttyS1 init=/linuxrc");
    }

    #[rstest]
    #[case("console=ttyS1 rmem=34M@0x5E00000", None)]
    #[case("mem=94M rmem=34M@0x5E00000", Some(94 << 20))]
    #[case("mem=94M@0x0 ispmem=11M@0x6800000", Some(94 << 20))]
    #[case("mem=64M@0x0 mem=32M@0x4000000", Some(96 << 20))]
    #[case("mem=0x5e00000", Some(94 << 20))]
    #[case("mem=96256k", Some(94 << 20))]
    #[case("mem=nopentium mem=16M", Some(16 << 20))]
    #[case("mem=", None)]
    fn the_end_of_memory_is_that_of_the_last_region(#[case] text: &str, #[case] end: Option<u64>) {
        assert_eq!(memory_end(text), end);
    }

    #[rstest]
    #[case::none("Linux version 6.1\0console=\0root=\0")]
    #[case::one_word("\0console=ttyS0,115200n8\0")]
    #[case::format("\0 console=ttyS0,%d%c%c%c quiet\0")]
    #[case::sentence("\0Warning: unable to open console=tty, trying on\0")]
    #[case::not_ended("\0console=ttyS0 quiet")]
    fn other_texts_are_not_taken_for_a_command_line(#[case] kernel: &str) {
        assert_eq!(
            CommandLine::find(kernel.as_bytes()),
            Err(CommandLineError::NotFound)
        );
    }

    #[test]
    fn two_different_command_lines_are_refused_and_shown() {
        let kernel = b"\0console=ttyS0 quiet\0console=ttyS1 mem=64M\0";
        let refused = CommandLine::find(kernel).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains("console=ttyS0 quiet | console=ttyS1 mem=64M"),
            "{refused}"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_command_line_or_an_error(bytes: Vec<u8>) {
            let _ = CommandLine::find(&bytes);
        }

        #[test]
        fn rewriting_changes_nothing_but_the_command_line(blanks in 0usize..80) {
            let literal = format!("console=ttyS0 quiet{}", " ".repeat(blanks));
            let mut kernel = kernel_6_1(&literal);
            let before = kernel.clone();
            let _ = CommandLine::find(&kernel).unwrap().rewrite(&mut kernel, &words());
            prop_assert_eq!(&kernel[..10], &before[..10]);
            prop_assert_eq!(&kernel[10 + literal.len()..][..12], &before[10 + literal.len()..][..12]);
            prop_assert_eq!(kernel.len(), before.len());
        }
    }
}
