//! Whether a boot loader that unpacks a kernel writes over what it still has to read.
//!
//! ```text
//!   load ──────── reached ▶                    unpacked, grows upwards
//!                     buffer ──── reading ▶ ── packed, is read upwards
//! ```
//! They may overlap, if what is written stays behind what is read all the way.

use std::ops::Range;

use wz_core::image::uimage::{Compression, HEADER_LEN, Uimage};
use wz_core::units::Size;

use crate::payload::{self, PayloadError, Progress};

/// Unpacking is watched in steps, and unpackers are given a little more than they have used; this covers both.
const LEAD: u64 = 4096;

/// The boot loader overwrites the packed kernel while it unpacks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overtaken {
    /// The address that it read the file to.
    pub buffer: u32,
    /// The address written to.
    pub reached: u64,
    /// The address still to be read.
    pub reading: u64,
}

/// The first of `buffers` from which `uimage` can't be unpacked to its load address.
///
/// # Errors
/// The payload can't be unpacked to at most `limit` bytes.
pub fn overtaken(
    uimage: &Uimage<'_>,
    buffers: &[u32],
    limit: Size,
) -> Result<Option<Overtaken>, PayloadError> {
    let compression = uimage.header.compression;
    if compression == Compression::None {
        // Moved as a whole, whichever way does no harm.
        return Ok(None);
    }
    let course = course(uimage.payload, compression, limit)?;
    let load = uimage.header.load;
    Ok(buffers.iter().find_map(|&buffer| {
        let source = source(buffer, uimage.payload);
        let (reached, reading) = first_crossing(load.into(), source, &course)?;
        Some(Overtaken {
            buffer,
            reached,
            reading,
        })
    }))
}

/// How far unpacking has come after each step.
fn course(
    packed: &[u8],
    compression: Compression,
    limit: Size,
) -> Result<Vec<Progress>, PayloadError> {
    let mut course = Vec::new();
    payload::unpack_watched(packed, compression, limit, |progress| course.push(progress))?;
    Ok(course)
}

/// Where the payload of a file lies that was read to `buffer`.
fn source(buffer: u32, packed: &[u8]) -> Range<u64> {
    let start = u64::from(buffer) + HEADER_LEN as u64;
    start..start + packed.len() as u64
}

/// Where writing from `load` on comes too close to reading `source`, if it does.
fn first_crossing(load: u64, source: Range<u64>, course: &[Progress]) -> Option<(u64, u64)> {
    if load >= source.end {
        return None;
    }
    let mut places = course.iter().map(|progress| {
        let reached = load + progress.produced as u64;
        let reading = source.start + progress.consumed as u64;
        (reached, reading)
    });
    places.find(|(reached, reading)| reached + LEAD > *reading)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lzma_rust2::{Action, LzmaStream, Status};
    use proptest::prelude::*;

    /// Where the memory of the model begins, and its length.
    const MEMORY: u32 = 0x8000_0000;
    const LENGTH: usize = 1 << 20;
    const LOAD: u32 = MEMORY + 0x4_0000;
    /// What is refused although it would just about do.
    const CAUTION: u32 = 16 * 1024;

    /// A run of bytes of a kernel: of one value, repeating, or such as can't be packed.
    #[derive(Clone, Debug)]
    enum Run {
        Same(usize),
        Repeating(usize),
        Noise(usize, u32),
    }

    impl Run {
        fn bytes(&self) -> Vec<u8> {
            match *self {
                Self::Same(length) => vec![0; length],
                Self::Repeating(length) => (0..length).map(|n| (n % 250) as u8).collect(),
                Self::Noise(length, seed) => std::iter::successors(Some(seed), |state| {
                    Some(state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
                })
                .map(|state| (state >> 24) as u8)
                .take(length)
                .collect(),
            }
        }
    }

    /// A kernel, and behind it an initramfs that is packed already.
    fn runs() -> impl Strategy<Value = Vec<Run>> {
        let run = prop_oneof![
            (1usize..60_000).prop_map(Run::Same),
            (1usize..60_000).prop_map(Run::Repeating),
            (1usize..60_000, any::<u32>()).prop_map(|(length, seed)| Run::Noise(length, seed)),
        ];
        prop::collection::vec(run, 0..4)
            .prop_map(|kernel| [kernel, vec![Run::Noise(40_000, 7)]].concat())
    }

    /// A packed kernel, and how it is unpacked.
    struct Packed {
        bytes: Vec<u8>,
        course: Vec<Progress>,
    }

    impl Packed {
        fn of(plain: &[u8]) -> Self {
            let bytes = payload::pack(plain, Compression::Lzma).unwrap();
            let course = course(&bytes, Compression::Lzma, Size::mib(1)).unwrap();
            Self { bytes, course }
        }

        fn is_refused(&self, buffer: u32) -> bool {
            first_crossing(LOAD.into(), source(buffer, &self.bytes), &self.course).is_some()
        }

        /// The lowest buffer above the load address that is not refused.
        fn lowest_buffer(&self) -> u32 {
            let highest = MEMORY as usize + LENGTH - HEADER_LEN - self.bytes.len();
            let all: Vec<u32> = (LOAD..highest as u32).collect();
            LOAD + all.partition_point(|&buffer| self.is_refused(buffer)) as u32
        }
    }

    /// A boot loader in one memory: each byte is read where it lies at that time, and what comes of it is written
    /// at once.
    fn unpacks(packed: &[u8], plain: &[u8], buffer: u32) -> bool {
        let mut memory = vec![0; LENGTH];
        let start = (buffer - MEMORY) as usize + HEADER_LEN;
        memory[start..start + packed.len()].copy_from_slice(packed);
        let load = (LOAD - MEMORY) as usize;
        let mut decoder = LzmaStream::new_mem_limit(u32::MAX, None);
        let (mut read, mut written) = (start, load);
        let mut window = vec![0; 1 << 16];
        loop {
            let input = match read < start + packed.len() {
                true => &memory[read..=read],
                false => &[][..],
            };
            let Ok(step) = decoder.process(input, &mut window, Action::Run) else {
                return false;
            };
            let end = written + step.bytes_produced;
            if end > LENGTH {
                return false;
            }
            read += step.bytes_consumed;
            memory[written..end].copy_from_slice(&window[..step.bytes_produced]);
            written = end;
            if step.status == Status::StreamEnd || written - load >= plain.len() {
                return memory[load..end] == *plain;
            }
            if step.bytes_consumed == 0 && step.bytes_produced == 0 {
                return false;
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn what_is_not_refused_unpacks_and_hardly_more_is_refused(runs in runs()) {
            let plain: Vec<u8> = runs.iter().flat_map(Run::bytes).collect();
            let packed = Packed::of(&plain);
            let lowest = packed.lowest_buffer();
            for buffer in [lowest, lowest + 1, lowest + 5000] {
                prop_assert!(unpacks(&packed.bytes, &plain, buffer), "{buffer:#x}");
            }
            let below = lowest - CAUTION;
            prop_assert!(!unpacks(&packed.bytes, &plain, below), "{below:#x}");
        }

        #[test]
        fn a_buffer_below_the_load_address_is_refused_where_they_meet(runs in runs()) {
            let plain: Vec<u8> = runs.iter().flat_map(Run::bytes).collect();
            let packed = Packed::of(&plain);
            let length = (HEADER_LEN + packed.bytes.len()) as u32;
            prop_assume!(length < LOAD - MEMORY);
            prop_assert!(!packed.is_refused(LOAD - length));
            prop_assert!(unpacks(&packed.bytes, &plain, LOAD - length));
            prop_assert!(packed.is_refused(LOAD - length + 1));
        }
    }
}
