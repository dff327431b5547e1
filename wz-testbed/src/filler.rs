//! Bytes that do not compress and are the same at every run.

/// `length` bytes of the sequence that belongs to `seed` (SplitMix64).
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    let mut state = seed;
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// `length` hexadecimal digits: what compresses to half its length, so that a compressed file system
/// stores it with a checksum.
pub fn digits(seed: u64, length: usize) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = bytes(seed, length);
    for byte in &mut bytes {
        *byte = DIGITS[usize::from(*byte & 15)];
    }
    bytes
}
