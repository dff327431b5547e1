//! ```text
//!   0      2      4             8         12
//!   | 1985 | 2003 | 0000000c    | CRC     | ff ff ff ... to the end of the erase block
//!    magic  clean  length
//! ```
//! Little-endian. Without this node, the kernel takes a blank block for one whose erasing was cut
//! short, and erases it again. Source: kernel, `include/uapi/linux/jffs2.h`, `fs/jffs2/erase.c`.

use super::Window;
use crate::units::{Offset, Size};

const MAGIC: u16 = 0x1985;
const CLEAN_MARKER: u16 = 0x2003;
const LENGTH: u32 = 12;

pub(super) fn fill(size: Size, erase_block: Size, window: &mut Window<'_>) {
    let block = erase_block.get().max(u64::from(LENGTH));
    let whole_blocks = size.get() / block;
    let first = window.at.get() / block;
    let last = window.region().end().get().div_ceil(block);
    let marker = clean_marker();
    for number in first..last.min(whole_blocks) {
        window.put(Offset::bytes(number * block), &marker);
    }
}

fn clean_marker() -> [u8; LENGTH as usize] {
    let mut node = [0; LENGTH as usize];
    node[0..2].copy_from_slice(&MAGIC.to_le_bytes());
    node[2..4].copy_from_slice(&CLEAN_MARKER.to_le_bytes());
    node[4..8].copy_from_slice(&LENGTH.to_le_bytes());
    let crc = crc(&node[..8]);
    node[8..12].copy_from_slice(&crc.to_le_bytes());
    node
}

/// The CRC-32 as JFFS2 has it: it starts from 0 and is not inverted in the end.
fn crc(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(!0);
    hasher.update(bytes);
    !hasher.finalize()
}
