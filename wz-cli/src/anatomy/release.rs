//! What a root file system says about itself: `os-release` in its squashfs.
//!
//! The unpackers are those that the rest of this program uses, so that `wz` needs no C library.
//! A squashfs that is packed with LZO, LZ4 or zstd is not looked into; cameras have XZ and gzip.

use std::io::{Cursor, Read};

use backhand::compression::Compressor;
use backhand::kind::Kind;
use backhand::traits::CompressionAction;
use backhand::{BackhandError, FilesystemCompressor, FilesystemReader, InnerNode, SuperBlock};
use flate2::read::ZlibDecoder;
use lzma_rust2::XzReader;

/// Where it may be; the second is a link to the first, where both are there.
const PLACES: [&str; 2] = ["/usr/lib/os-release", "/etc/os-release"];
/// It has a few lines.
const LONGEST: u64 = 64 * 1024;
/// No block of a squashfs is longer unpacked.
const LONGEST_BLOCK: u64 = 1024 * 1024;
/// What an unpacker may take: a dictionary is as long as a block.
const UNPACKER_KIB: u32 = 16 * 1024;

/// Names and values in the order in which they stand; none if the file is not there, or can't be read.
pub fn os_release(squashfs: &[u8]) -> Option<Vec<(String, String)>> {
    let text = file(squashfs, &PLACES)?;
    let lines = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once('=')?;
        let is_remark = name.starts_with('#');
        let value = value.trim_matches(['"', '\'']);
        (!is_remark).then(|| (name.to_owned(), value.to_owned()))
    });
    Some(lines.collect())
}

/// The first of these that is a file.
fn file(squashfs: &[u8], paths: &[&str]) -> Option<String> {
    let kind = Kind::new_v4(&Unpackers);
    let reader = Cursor::new(squashfs);
    let system = FilesystemReader::from_reader_with_offset_and_kind(reader, 0, kind).ok()?;
    let found = paths.iter().find_map(|path| {
        let mut nodes = system.files();
        nodes.find_map(|node| match &node.inner {
            InnerNode::File(file) if node.fullpath == std::path::Path::new(path) => Some(file),
            _ => None,
        })
    })?;
    let mut bytes = Vec::new();
    let reader = system.file(found).reader_checked().ok()?;
    reader.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Unpacks what cameras have.
#[derive(Debug)]
struct Unpackers;

impl CompressionAction for Unpackers {
    type Error = BackhandError;
    type Compressor = Compressor;
    type FilesystemCompressor = FilesystemCompressor;
    type SuperBlock = SuperBlock;

    fn decompress(
        &self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        compressor: Compressor,
    ) -> Result<(), BackhandError> {
        let mut unpacker: Box<dyn Read + '_> = match compressor {
            Compressor::Uncompressed => Box::new(bytes),
            Compressor::Gzip => Box::new(ZlibDecoder::new(bytes)),
            Compressor::Xz => Box::new(XzReader::new_mem_limit(bytes, false, UNPACKER_KIB)),
            other => return unsupported(other),
        };
        unpacker.by_ref().take(LONGEST_BLOCK).read_to_end(out)?;
        Ok(())
    }

    fn compress(
        &self,
        _: &[u8],
        _: FilesystemCompressor,
        _: u32,
    ) -> Result<Vec<u8>, BackhandError> {
        unsupported("packing")
    }
}

fn unsupported<T>(what: impl std::fmt::Debug) -> Result<T, BackhandError> {
    Err(BackhandError::UnsupportedCompression(format!("{what:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    /// `usr/lib/os-release` and a link to it, made by `mksquashfs -comp xz -b 256K`, `-comp gzip`, and not
    /// packed at all (`-noI -noD -noF -noX -noId`).
    const XZ: &[u8] = include_bytes!("fixtures/os-release.xz.squashfs");
    const GZIP: &[u8] = include_bytes!("fixtures/os-release.gzip.squashfs");
    const PLAIN: &[u8] = include_bytes!("fixtures/os-release.plain.squashfs");

    #[rstest]
    #[case(XZ)]
    #[case(GZIP)]
    #[case(PLAIN)]
    fn a_root_file_system_tells_what_it_is(#[case] squashfs: &[u8]) {
        let release = os_release(squashfs).unwrap();
        let expected = [
            ("NAME", "Thingino"),
            ("IMAGE_ID", "wyze_cam3_t31x_gc2053_rtl8189ftv"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(release, expected);
    }

    proptest! {
        #[test]
        fn damage_is_told_apart_from_an_answer(
            of in prop::sample::select(vec![XZ, GZIP, PLAIN, PLAIN, PLAIN]),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            cut in prop::option::weighted(0.1, any::<prop::sample::Index>()),
        ) {
            let mut bytes = of.to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
            let _ = os_release(&bytes);
        }
    }
}
