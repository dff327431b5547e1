/// The first `N` bytes of a stream.
#[derive(Clone, Debug)]
pub(super) struct Head<const N: usize> {
    bytes: [u8; N],
    filled: usize,
}

impl<const N: usize> Default for Head<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            filled: 0,
        }
    }
}

impl<const N: usize> Head<N> {
    /// Keeps what belongs to the head of the stream; returns what is behind it.
    pub(super) fn take<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let missing = &mut self.bytes[self.filled..];
        let (kept, behind) = bytes.split_at(missing.len().min(bytes.len()));
        missing[..kept.len()].copy_from_slice(kept);
        self.filled += kept.len();
        behind
    }

    /// As much of it as there is so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    /// All of it, once it is there.
    pub(super) fn whole(&self) -> Option<&[u8; N]> {
        (self.filled == N).then_some(&self.bytes)
    }
}
