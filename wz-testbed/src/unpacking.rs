//! `bootm` unpacks a kernel within one memory. What it writes over before it has read it, it reads as written.
//!
//! ```text
//!   0x80000000    load ─── written ▶         buffer ── header ── read ▶            128 MiB
//! ```
//! Source: U-Boot 2013.07, `common/cmd_bootm.c`, `bootm_load_os`.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress};
use lzma_rust2::{Action, LzmaStream, Status};

/// Where memory begins, and how much of it there is.
const MEMORY: u32 = 0x8000_0000;
const LENGTH: usize = 128 << 20;
/// So much is read before what comes of it is written.
const STEP: usize = 64;
const WINDOW: usize = 64 * 1024;
/// What unpacking may take: a dictionary of 64 MiB.
const LZMA_MEMORY_KIB: u32 = 66 * 1024;
/// A gzip header without a name or anything else that may be in it.
const GZIP_HEADER: usize = 10;

const NONE: u8 = 0;
const GZIP: u8 = 1;
const LZMA: u8 = 3;

/// How far an unpacker got with what it was given.
struct Step {
    read: usize,
    written: usize,
    is_last: bool,
}

type Unpacker = Box<dyn FnMut(&[u8], &mut [u8]) -> Result<Step, String>>;

/// What lies at `load` after the payload, which lies at `from`, was unpacked to there.
pub(crate) fn unpack(
    payload: &[u8],
    compression: u8,
    from: u32,
    load: u32,
) -> Result<Vec<u8>, String> {
    let (unpacker, skipped) = match compression {
        // Moved as a whole, whichever way does no harm.
        NONE => return Ok(payload.to_vec()),
        GZIP if payload.starts_with(&[0x1f, 0x8b, 8, 0]) => (gzip(), GZIP_HEADER),
        LZMA => (lzma(), 0),
        other => return Err(format!("compression {other} is unknown, or its head is")),
    };
    let mut memory = vec![0; LENGTH];
    let [from, load] = [from, load].map(|at| at.wrapping_sub(MEMORY) as usize);
    let end = from + payload.len();
    let place = memory.get_mut(from..end).ok_or("there is no memory")?;
    place.copy_from_slice(payload);
    let end_written = run(unpacker, &mut memory, from + skipped..end, load)?;
    let unpacked = memory.get(load..end_written);
    Ok(unpacked.ok_or("there is no memory")?.to_vec())
}

/// Returns where the last byte was written.
fn run(
    mut unpacker: Unpacker,
    memory: &mut [u8],
    source: Range<usize>,
    load: usize,
) -> Result<usize, String> {
    let mut window = vec![0; WINDOW];
    let (mut reading, mut reached) = (source.start, load);
    loop {
        let given = memory[reading..source.end.min(reading + STEP)].to_vec();
        let step = unpacker(&given, &mut window)?;
        let place = memory.get_mut(reached..reached + step.written);
        let place = place.ok_or("it is larger than memory")?;
        place.copy_from_slice(&window[..step.written]);
        reading += step.read;
        reached += step.written;
        if step.is_last {
            return Ok(reached);
        }
        if step.read == 0 && step.written == 0 {
            return Err("it ends in the middle".to_owned());
        }
    }
}

fn gzip() -> Unpacker {
    let mut inflate = Decompress::new(false);
    Box::new(move |given, window| {
        let before = (inflate.total_in(), inflate.total_out());
        let status = inflate.decompress(given, window, FlushDecompress::None);
        let status = status.map_err(|e| format!("gzip: {e}"))?;
        Ok(Step {
            read: (inflate.total_in() - before.0) as usize,
            written: (inflate.total_out() - before.1) as usize,
            is_last: status == flate2::Status::StreamEnd,
        })
    })
}

fn lzma() -> Unpacker {
    let mut stream = LzmaStream::new_mem_limit(LZMA_MEMORY_KIB, None);
    Box::new(move |given, window| {
        let action = match given.len() < STEP {
            true => Action::Finish,
            false => Action::Run,
        };
        let done = stream.process(given, window, action);
        let done = done.map_err(|e| format!("LZMA: {e}"))?;
        Ok(Step {
            read: done.bytes_consumed,
            written: done.bytes_produced,
            is_last: done.status == Status::StreamEnd,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filler;
    use rstest::rstest;
    use wz_cli::payload;
    use wz_core::image::uimage::Compression;

    /// Two million zeros and then what can't be packed.
    fn plain() -> Vec<u8> {
        [vec![0; 2_000_000], filler::bytes(1, 200_000)].concat()
    }

    #[rstest]
    #[case(GZIP, Compression::Gzip)]
    #[case(LZMA, Compression::Lzma)]
    fn a_source_that_is_overtaken_is_not_unpacked(
        #[case] number: u8,
        #[case] compression: Compression,
    ) {
        let packed = payload::pack(&plain(), compression).unwrap();
        let unpacked = |from| unpack(&packed, number, from, 0x8001_0000);
        assert!(unpacked(0x8060_0040).unwrap() == plain());
        assert!(unpacked(0x8020_0000).unwrap() == plain());
        let spoilt = unpacked(0x8010_0000);
        assert!(spoilt.is_err() || spoilt.unwrap() != plain());
    }
}
