//! The files of a JFFS2, read from its image.
//!
//! ```text
//! node    0 0x1985   2 type   4 length   8 CRC of these 8       nodes stand at multiples of 4
//! dirent  12 parent  16 version  20 inode  28 length of name  29 type  32 CRC  36 CRC  40 name
//! inode   12 inode   16 version  20 mode  28 size of file  44 offset  48 packed  52 unpacked
//!         56 compression  60 CRC  64 CRC  68 data
//! ```
//! Of two dirents for a name, and of two nodes for a part of a file, the later version counts. A node
//! whose CRC is wrong is none: power failed while it was written. Source: Linux,
//! `include/uapi/linux/jffs2.h` and `fs/jffs2/`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use flate2::read::ZlibDecoder;

const MAGIC: u16 = 0x1985;
const DIRENT: u16 = 0xe001;
const INODE: u16 = 0xe002;
const HEADER: usize = 12;
const ROOT: u32 = 1;
/// `DT_REG`
const REGULAR_FILE: u8 = 8;
const FOLDER: u8 = 4;
/// One node holds no more than a page of memory, which is 4K on cameras; no honest one is longer.
const LONGEST_PART: usize = 64 * 1024;

/// The regular files of a JFFS2, by their paths without a leading slash. Files that are packed in a way
/// that is not known (LZO) are left out, and so is what is damaged.
pub fn files(image: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let nodes = Nodes::scan(image);
    let mut files = BTreeMap::new();
    nodes.walk(ROOT, "", &mut BTreeSet::new(), &mut files);
    files
}

#[derive(Default)]
struct Nodes<'a> {
    /// By folder and name.
    dirents: BTreeMap<(u32, &'a [u8]), Dirent>,
    /// By inode, then by version.
    parts: BTreeMap<u32, BTreeMap<u32, Part<'a>>>,
}

#[derive(Clone, Copy)]
struct Dirent {
    version: u32,
    inode: u32,
    kind: u8,
}

struct Part<'a> {
    file_size: usize,
    offset: usize,
    size: usize,
    compression: u8,
    packed: &'a [u8],
}

impl<'a> Nodes<'a> {
    fn scan(image: &'a [u8]) -> Self {
        let mut nodes = Self::default();
        let mut at = 0;
        while let Some(rest) = image.get(at..).filter(|rest| rest.len() >= HEADER) {
            at += match node(rest) {
                Some(node) => {
                    nodes.take(node);
                    node.len().next_multiple_of(4)
                }
                None => 4,
            };
        }
        nodes
    }

    fn take(&mut self, node: &'a [u8]) {
        match half(node, 2) {
            Some(DIRENT) => _ = self.take_dirent(node),
            Some(INODE) => _ = self.take_part(node),
            _ => {}
        }
    }

    fn take_dirent(&mut self, node: &'a [u8]) -> Option<()> {
        checked(node, 32)?;
        let name = node.get(40..)?.get(..usize::from(*node.get(28)?))?;
        let dirent = Dirent {
            version: word(node, 16)?,
            inode: word(node, 20)?,
            kind: *node.get(29)?,
        };
        let place = self
            .dirents
            .entry((word(node, 12)?, name))
            .or_insert(dirent);
        if dirent.version > place.version {
            *place = dirent;
        }
        Some(())
    }

    fn take_part(&mut self, node: &'a [u8]) -> Option<()> {
        checked(node, 60)?;
        let packed = node.get(68..)?.get(..word(node, 48)? as usize)?;
        if crc(packed) != word(node, 60)? {
            return None;
        }
        let part = Part {
            file_size: word(node, 28)? as usize,
            offset: word(node, 44)? as usize,
            size: word(node, 52)? as usize,
            compression: *node.get(56)?,
            packed,
        };
        let inode = self.parts.entry(word(node, 12)?).or_default();
        inode.insert(word(node, 16)?, part);
        Some(())
    }

    /// Each folder once: a damaged one may lead to itself.
    fn walk(
        &self,
        folder: u32,
        path: &str,
        seen: &mut BTreeSet<u32>,
        files: &mut BTreeMap<String, Vec<u8>>,
    ) {
        if !seen.insert(folder) {
            return;
        }
        let first = (folder, [].as_slice());
        let own = self.dirents.range(first..);
        for ((_, name), dirent) in own.take_while(|((parent, _), _)| *parent == folder) {
            // A deleted file has the inode 0.
            let Some(name) = safe(name).filter(|_| dirent.inode != 0) else {
                continue;
            };
            match dirent.kind {
                FOLDER => self.walk(dirent.inode, &format!("{path}{name}/"), seen, files),
                REGULAR_FILE => {
                    if let Some(content) = self.content(dirent.inode) {
                        files.insert(format!("{path}{name}"), content);
                    }
                }
                _ => {}
            }
        }
    }

    fn content(&self, inode: u32) -> Option<Vec<u8>> {
        let mut content = Vec::new();
        for part in self.parts.get(&inode)?.values() {
            let bytes = unpack(part)?;
            let end = part.offset.checked_add(bytes.len())?;
            if end > content.len() {
                // A file of a flash chip is not longer than its holes and what is in the image.
                content.resize(end.min(16 << 20), 0);
            }
            content.get_mut(part.offset..end)?.copy_from_slice(&bytes);
            content.truncate(part.file_size);
        }
        Some(content)
    }
}

/// A name that is one part of a path on any system.
fn safe(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    let is_bad = |c: char| c.is_control() || "/\\:*?\"<>|".contains(c);
    (!matches!(name, "" | "." | "..") && !name.contains(is_bad)).then_some(name)
}

/// The node that `bytes` start with.
fn node(bytes: &[u8]) -> Option<&[u8]> {
    let is_one = half(bytes, 0)? == MAGIC && crc(bytes.get(..8)?) == word(bytes, 8)?;
    let length = word(bytes, 4)? as usize;
    bytes
        .get(..length)
        .filter(|node| is_one && node.len() >= HEADER)
}

/// The node, if the CRC behind its first `length` bytes is theirs. For dirents it is the one of the
/// header; for inodes too.
fn checked(node: &[u8], length: usize) -> Option<()> {
    let stored = word(node, if length == 60 { 64 } else { length })?;
    (crc(node.get(..length)?) == stored).then_some(())
}

fn unpack(part: &Part<'_>) -> Option<Vec<u8>> {
    const NONE: u8 = 0;
    const ZERO: u8 = 1;
    const RTIME: u8 = 2;
    const ZLIB: u8 = 6;
    if part.size > LONGEST_PART {
        return None;
    }
    let bytes = match part.compression {
        NONE => part.packed.to_vec(),
        ZERO => vec![0; part.size],
        RTIME => rtime(part.packed, part.size)?,
        ZLIB => {
            let mut bytes = Vec::new();
            let mut packed = ZlibDecoder::new(part.packed).take(LONGEST_PART as u64);
            packed.read_to_end(&mut bytes).ok()?;
            bytes
        }
        _ => return None,
    };
    (bytes.len() == part.size).then_some(bytes)
}

/// Pairs of a byte and a number: how many of the bytes follow that followed it when it stood there last.
fn rtime(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size);
    let mut last = [0; 256];
    let mut pairs = packed.chunks_exact(2);
    while bytes.len() < size {
        let pair = pairs.next()?;
        bytes.push(pair[0]);
        let from = std::mem::replace(&mut last[usize::from(pair[0])], bytes.len());
        for at in from..from + usize::from(pair[1]) {
            bytes.push(*bytes.get(at)?);
        }
    }
    Some(bytes)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The kernel's `crc32(0, ...)`: nothing is inverted.
fn crc(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!0);
    hasher.update(bytes);
    !hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::fs;
    use std::process::Command;

    /// What mkfs.jffs2, of mtd-utils, makes of these files.
    fn made_by_mkfs(files: &[(&str, Vec<u8>)], options: &[&str]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for (path, content) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let image = folder.path().join("image");
        let made = Command::new("/usr/sbin/mkfs.jffs2")
            .args(["--little-endian", "--eraseblock=32", "--pad=0x60000", "-d"])
            .arg(&root)
            .arg("-o")
            .arg(&image)
            .args(options)
            .status();
        assert!(made.unwrap().success());
        fs::read(image).unwrap()
    }

    fn some_files() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            (
                ".product_config",
                b"PRODUCT_MODEL=WYZE_CAKP2JFUS\n".repeat(3),
            ),
            ("a/b c/empty", vec![]),
            ("a/long", (0..30_000_u32).map(|n| (n / 97) as u8).collect()),
            ("zeros", vec![0; 9000]),
        ]
    }

    #[rstest]
    #[case::usual(&[])]
    #[case::not_packed(&["--compression-mode=none"])]
    #[case::rtime(&["--disable-compressor=zlib", "--compression-mode=priority"])]
    fn files_are_read_as_mkfs_has_written_them(#[case] options: &[&str]) {
        let expected = some_files()
            .into_iter()
            .map(|(path, content)| (path.to_owned(), content));
        let image = made_by_mkfs(&some_files(), options);
        assert_eq!(files(&image), expected.collect());
    }

    #[test]
    fn a_damaged_node_costs_its_file_alone() {
        let mut image = made_by_mkfs(
            &[("a", b"first".repeat(20)), ("b", b"second".repeat(20))],
            &["--compression-mode=none"],
        );
        let at = memchr::memmem::find(&image, b"first").unwrap();
        image[at] ^= 1;
        let found = files(&image);
        assert_eq!(found.get("a"), None);
        assert_eq!(found["b"], b"second".repeat(20));
    }

    #[test]
    fn what_is_no_jffs2_has_no_files() {
        assert!(files(&[0xff; 4096]).is_empty());
        assert!(files(b"hsqs").is_empty());
        assert!(files(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_within_bounds(bytes: Vec<u8>, at in 0_usize..4000) {
            files(&bytes);
            static IMAGE: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
            let mut image = IMAGE.get_or_init(|| made_by_mkfs(&some_files(), &[])).clone();
            for (place, byte) in image.iter_mut().skip(at).zip(&bytes) {
                *place = *byte;
            }
            files(&image);
        }
    }
}
