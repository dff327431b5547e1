//! Packing and unpacking what a uImage carries: gzip and LZMA (the `.lzma` file format).

use std::io::{self, Write};

use flate2::write::{GzDecoder, GzEncoder};
use lzma_rust2::{Action, LzmaOptions, LzmaStream, LzmaWriter, Status};
use thiserror::Error;
use wz_core::image::uimage::Compression;
use wz_core::units::Size;

/// An unpacker's input is fed in steps this long, so that its progress can be watched.
const STEP: usize = 64;
/// The head of an LZMA file: properties, dictionary size, unpacked size.
const LZMA_HEAD: usize = 13;
/// Stands there for a size that was not known: the data end with a mark of their own. `lzma` always writes this, and
/// with it the build of every kernel (`cmd_lzma` in `scripts/Makefile.lib`), which adds the size behind the data.
const LZMA_SIZE_UNKNOWN: u64 = u64::MAX;
const LZMA_MIN_DICTIONARY: usize = 1 << 16;
const LZMA_MAX_DICTIONARY: usize = 1 << 23;

/// How far an unpacker has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the packed payload that it has been given.
    pub consumed: usize,
    /// Bytes that it has written.
    pub produced: usize,
}

/// Why a payload can't be packed or unpacked.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// A compression that is not implemented.
    #[error("the payload's compression is {found}; only gzip, LZMA and none are understood")]
    Compression {
        /// What the header says.
        found: Compression,
    },
    /// More than the caller allows.
    #[error("the payload unpacks to more than {limit}, which is too large for a camera")]
    TooLarge {
        /// The limit.
        limit: Size,
    },
    /// The payload ends too early.
    #[error("the payload ends in the middle, after {produced} unpacked bytes; copy the file again")]
    Cut {
        /// How much was unpacked.
        produced: usize,
    },
    /// The packed data are damaged.
    #[error("the {compression} payload is damaged: {source}; copy the file again")]
    Damaged {
        /// How it is packed.
        compression: Compression,
        /// What the unpacker says.
        source: io::Error,
    },
    /// The packer failed.
    #[error("the payload can't be packed: {source}")]
    Packing {
        /// What the packer says.
        source: io::Error,
    },
}

/// Unpacks a whole payload of at most `limit` bytes.
///
/// # Errors
/// See [`PayloadError`].
pub fn unpack(packed: &[u8], how: Compression, limit: Size) -> Result<Vec<u8>, PayloadError> {
    unpack_watched(packed, how, limit, |_| ())
}

/// As [`unpack`]; `watch` is told after each small step how far it has come.
///
/// # Errors
/// See [`PayloadError`].
pub fn unpack_watched(
    packed: &[u8],
    how: Compression,
    limit: Size,
    mut watch: impl FnMut(Progress),
) -> Result<Vec<u8>, PayloadError> {
    match how {
        Compression::None if packed.len() > limit.as_usize() => {
            Err(PayloadError::TooLarge { limit })
        }
        Compression::None => Ok(packed.to_vec()),
        Compression::Gzip => gunzip(packed, limit, &mut watch),
        Compression::Lzma => unlzma(packed, limit, &mut watch),
        found => Err(PayloadError::Compression { found }),
    }
}

/// Packs a payload. The same bytes always give the same result.
///
/// # Errors
/// [`PayloadError::Compression`] for a compression that is not implemented.
pub fn pack(plain: &[u8], how: Compression) -> Result<Vec<u8>, PayloadError> {
    let packed = match how {
        Compression::None => Ok(plain.to_vec()),
        Compression::Gzip => gzip(plain),
        Compression::Lzma => lzma(plain),
        found => return Err(PayloadError::Compression { found }),
    };
    packed.map_err(|source| PayloadError::Packing { source })
}

fn gunzip(
    packed: &[u8],
    limit: Size,
    watch: &mut impl FnMut(Progress),
) -> Result<Vec<u8>, PayloadError> {
    let damaged = |source| PayloadError::Damaged {
        compression: Compression::Gzip,
        source,
    };
    let mut decoder = GzDecoder::new(Vec::new());
    let mut consumed = 0;
    while consumed < packed.len() {
        let step = &packed[consumed..packed.len().min(consumed + STEP)];
        match decoder.write(step).map_err(damaged)? {
            0 => break,
            taken => consumed += taken,
        }
        let produced = decoder.get_ref().len();
        if produced > limit.as_usize() {
            return Err(PayloadError::TooLarge { limit });
        }
        watch(Progress { consumed, produced });
    }
    let produced = decoder.get_ref().len();
    let plain = decoder.finish().map_err(|source| match source.kind() {
        io::ErrorKind::UnexpectedEof => PayloadError::Cut { produced },
        _ => damaged(source),
    })?;
    if plain.len() > limit.as_usize() {
        return Err(PayloadError::TooLarge { limit });
    }
    watch(Progress {
        consumed,
        produced: plain.len(),
    });
    Ok(plain)
}

fn unlzma(
    packed: &[u8],
    limit: Size,
    watch: &mut impl FnMut(Progress),
) -> Result<Vec<u8>, PayloadError> {
    let damaged = |source| PayloadError::Damaged {
        compression: Compression::Lzma,
        source,
    };
    let announced = lzma_announced_size(packed)?;
    if announced.is_some_and(|size| size > limit) {
        return Err(PayloadError::TooLarge { limit });
    }
    let dictionary_limit_kb = u32::try_from(limit.get() / 1024)
        .unwrap_or(u32::MAX)
        .max(1 << 17);
    let mut decoder = LzmaStream::new_mem_limit(dictionary_limit_kb, None);
    let mut plain = Vec::with_capacity(announced.unwrap_or_default().as_usize());
    let mut window = vec![0; LZMA_MIN_DICTIONARY];
    let mut rest = packed;
    loop {
        let (step, action) = match rest.get(..STEP) {
            Some(step) => (step, Action::Run),
            None => (rest, Action::Finish),
        };
        let result = decoder.process(step, &mut window, action);
        let result = result.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => PayloadError::Cut {
                produced: plain.len(),
            },
            _ => damaged(source),
        })?;
        rest = &rest[result.bytes_consumed..];
        plain.extend_from_slice(&window[..result.bytes_produced]);
        if plain.len() > limit.as_usize() {
            return Err(PayloadError::TooLarge { limit });
        }
        watch(Progress {
            consumed: packed.len() - rest.len(),
            produced: plain.len(),
        });
        if result.status == Status::StreamEnd {
            return Ok(plain);
        }
        if result.bytes_consumed == 0 && result.bytes_produced == 0 {
            return Err(PayloadError::Cut {
                produced: plain.len(),
            });
        }
    }
}

/// The unpacked size in the head of an LZMA file, if it was known.
fn lzma_announced_size(packed: &[u8]) -> Result<Option<Size>, PayloadError> {
    let head: &[u8; LZMA_HEAD] = packed
        .first_chunk()
        .ok_or(PayloadError::Cut { produced: 0 })?;
    let [_, _, _, _, _, size @ ..] = *head;
    let size = u64::from_le_bytes(size);
    Ok((size != LZMA_SIZE_UNKNOWN).then_some(Size::bytes(size)))
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain)?;
    encoder.finish()
}

fn lzma(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut options = LzmaOptions::with_preset(9);
    let dictionary = plain.len().clamp(LZMA_MIN_DICTIONARY, LZMA_MAX_DICTIONARY);
    options.dict_size = u32::try_from(dictionary.next_power_of_two()).unwrap_or(u32::MAX);
    let mut encoder = LzmaWriter::new_use_header(Vec::new(), &options, Some(plain.len() as u64))?;
    encoder.write_all(plain)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const LIMIT: Size = Size::mib(1);

    fn sample() -> Vec<u8> {
        (0..100_000u32)
            .flat_map(|n| (n / 7 % 251).to_le_bytes())
            .collect()
    }

    #[rstest]
    fn what_is_packed_unpacks_to_itself(
        #[values(Compression::None, Compression::Gzip, Compression::Lzma)] how: Compression,
        #[values(vec![], vec![7], sample())] plain: Vec<u8>,
    ) {
        let packed = pack(&plain, how).unwrap();
        assert_eq!(unpack(&packed, how, LIMIT).unwrap(), plain);
    }

    #[test]
    fn an_lzma_payload_says_how_long_it_is_as_u_boot_needs() {
        let packed = pack(&sample(), Compression::Lzma).unwrap();
        assert_eq!(packed[0], 0x5d, "lc=3 lp=0 pb=2");
        assert_eq!(packed[5..13], 400_000u64.to_le_bytes());
        assert!(packed.len() < sample().len() / 20);
    }

    #[test]
    fn a_gzip_payload_carries_no_time_and_no_name() {
        let packed = pack(b"x", Compression::Gzip).unwrap();
        assert_eq!(packed[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    }

    #[rstest]
    fn a_payload_that_unpacks_to_more_than_allowed_is_refused(
        #[values(Compression::None, Compression::Gzip, Compression::Lzma)] how: Compression,
    ) {
        let packed = pack(&sample(), how).unwrap();
        let refused = unpack(&packed, how, Size::bytes(399_999));
        assert!(
            matches!(refused, Err(PayloadError::TooLarge { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn an_lzma_payload_that_does_not_say_that_it_is_too_large_is_refused() {
        let packed = lzma_of_unknown_size(&sample());
        let refused = unpack(&packed, Compression::Lzma, Size::bytes(399_999));
        assert!(
            matches!(refused, Err(PayloadError::TooLarge { .. })),
            "{refused:?}"
        );
    }

    #[rstest]
    fn a_payload_cut_anywhere_is_refused(
        #[values(Compression::Gzip, Compression::Lzma)] how: Compression,
        #[values(0, 1, 12, 13, 17, 18, 100, 390)] kept: usize,
    ) {
        let packed = pack(&sample(), how).unwrap();
        let refused = unpack(&packed[..kept], how, LIMIT);
        assert!(refused.is_err(), "{kept} bytes were unpacked");
    }

    /// As `lzma` packs it, which is given no size.
    fn lzma_of_unknown_size(plain: &[u8]) -> Vec<u8> {
        let options = LzmaOptions::with_preset(9);
        let mut encoder = LzmaWriter::new_use_header(Vec::new(), &options, None).unwrap();
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[rstest]
    #[case::ended_by_its_mark(&[])]
    #[case::followed_by_its_size(&400_000u32.to_le_bytes())]
    fn an_lzma_payload_of_unknown_size_is_unpacked_to_its_end(#[case] behind: &[u8]) {
        let packed = [&lzma_of_unknown_size(&sample()), behind].concat();
        assert_eq!(packed[5..13], [0xff; 8]);
        assert!(unpack(&packed, Compression::Lzma, LIMIT).unwrap() == sample());
    }

    #[test]
    fn an_lzma_payload_of_unknown_size_without_an_end_is_refused() {
        let mut packed = pack(&sample(), Compression::Lzma).unwrap();
        packed[5..13].fill(0xff);
        let refused = unpack(&packed, Compression::Lzma, LIMIT);
        assert!(
            matches!(refused, Err(PayloadError::Cut { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn an_unknown_compression_is_refused_by_its_name() {
        let refused = unpack(b"BZh", Compression::Bzip2, LIMIT).unwrap_err();
        assert!(refused.to_string().contains("bzip2"), "{refused}");
    }

    #[rstest]
    fn progress_ends_at_the_whole_payload(
        #[values(Compression::Gzip, Compression::Lzma)] how: Compression,
    ) {
        let packed = pack(&sample(), how).unwrap();
        let mut seen = vec![Progress {
            consumed: 0,
            produced: 0,
        }];
        unpack_watched(&packed, how, LIMIT, |progress| seen.push(progress)).unwrap();
        assert!(seen.is_sorted_by_key(|p| p.consumed) && seen.is_sorted_by_key(|p| p.produced));
        assert_eq!(seen.last().unwrap().produced, 400_000);
        assert!(seen.len() > 3, "{seen:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_unpack_or_are_refused(bytes: Vec<u8>) {
            let _ = unpack(&bytes, Compression::Gzip, LIMIT);
            let _ = unpack(&bytes, Compression::Lzma, LIMIT);
        }

        #[test]
        fn any_bytes_behind_an_lzma_head_unpack_or_are_refused(bytes: Vec<u8>, dictionary: u32, size in 0u64..9999) {
            let head = [&[0x5d][..], &dictionary.to_le_bytes(), &size.to_le_bytes(), &[0]].concat();
            let _ = unpack(&[head, bytes].concat(), Compression::Lzma, LIMIT);
        }
    }
}
