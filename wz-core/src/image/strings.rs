//! Looking for texts in a stream that comes in chunks, such as a boot partition read block by block.

use memchr::memmem;

/// Looks for several needles at once; a needle that lies across two chunks is found.
///
/// ```text
///   chunk 1              chunk 2
///   | ........ demo_wc | v3.bin ......... |
///              '-tail--'   kept until chunk 2 comes: one byte less than the longest needle
/// ```
#[derive(Clone, Debug)]
pub struct StringSearch {
    needles: Vec<Needle>,
    tail: Vec<u8>,
    keep: usize,
}

#[derive(Clone, Debug)]
struct Needle {
    text: Vec<u8>,
    found: bool,
}

impl StringSearch {
    /// A search for `needles`. An empty needle is found at once.
    pub fn new<N: AsRef<[u8]>>(needles: impl IntoIterator<Item = N>) -> Self {
        let needle = |text: N| {
            let text = text.as_ref().to_vec();
            Needle {
                found: text.is_empty(),
                text,
            }
        };
        let needles: Vec<_> = needles.into_iter().map(needle).collect();
        let longest = needles
            .iter()
            .map(|needle| needle.text.len())
            .max()
            .unwrap_or(0);
        Self {
            needles,
            tail: Vec::new(),
            keep: longest.saturating_sub(1),
        }
    }

    /// Looks at the next bytes of the stream.
    pub fn push(&mut self, chunk: &[u8]) {
        // Across the seam only what starts in the tail can be new: a copy of the seam is enough.
        let reach = chunk.len().min(self.keep);
        self.tail.extend_from_slice(&chunk[..reach]);
        for needle in self.needles.iter_mut().filter(|needle| !needle.found) {
            let in_it = |bytes: &[u8]| memmem::find(bytes, &needle.text).is_some();
            needle.found = in_it(&self.tail) || in_it(chunk);
        }
        self.keep_tail(&chunk[reach..]);
    }

    /// Whether the needle that was given at this place has been found; `false` for no such place.
    pub fn found(&self, index: usize) -> bool {
        self.needles.get(index).is_some_and(|needle| needle.found)
    }

    /// The needles that have been found, in the order in which they were given.
    pub fn all_found(&self) -> impl Iterator<Item = &[u8]> {
        self.needles
            .iter()
            .filter(|needle| needle.found)
            .map(|needle| needle.text.as_slice())
    }

    /// Whether there is nothing left to look for.
    pub fn is_complete(&self) -> bool {
        self.needles.iter().all(|needle| needle.found)
    }

    /// Keeps the last bytes of the tail and what follows it.
    fn keep_tail(&mut self, rest: &[u8]) {
        let rest = &rest[rest.len().saturating_sub(self.keep)..];
        self.tail.extend_from_slice(rest);
        let surplus = self.tail.len().saturating_sub(self.keep);
        self.tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn search(needles: &[&str], chunks: &[&[u8]]) -> Vec<bool> {
        let mut search = StringSearch::new(needles);
        chunks.iter().for_each(|chunk| search.push(chunk));
        (0..needles.len())
            .map(|index| search.found(index))
            .collect()
    }

    #[test]
    fn a_needle_across_two_chunks_is_found() {
        assert_eq!(
            search(&["demo_wcv3.bin", "demo.bin"], &[b"\0demo_wc", b"v3.bin\0"]),
            [true, false]
        );
    }

    #[test]
    fn a_needle_across_many_small_chunks_is_found() {
        let chunks: Vec<&[u8]> = b"xxdemo.binxx".chunks(1).collect();
        assert_eq!(search(&["demo.bin", "demo.bim"], &chunks), [true, false]);
    }

    #[test]
    fn bytes_that_are_not_side_by_side_are_no_needle() {
        assert_eq!(search(&["abcd"], &[b"ab", b"", b"xcd"]), [false]);
        assert_eq!(search(&["abcd"], &[b"ab", b"x", b"cd"]), [false]);
    }

    #[test]
    fn the_search_is_complete_when_all_are_found() {
        let mut search = StringSearch::new(["one", "two"]);
        search.push(b"two");
        assert!(!search.is_complete());
        search.push(b"one");
        assert!(search.is_complete());
        assert_eq!(search.all_found().collect::<Vec<_>>(), [b"one", b"two"]);
        assert!(!search.found(2));
    }

    proptest! {
        #[test]
        fn chunks_make_no_difference(
            stream in prop::collection::vec(0u8..3, 0..60),
            needles in prop::collection::vec(prop::collection::vec(0u8..3, 0..6), 0..4),
            cuts in prop::collection::vec(1usize..9, 1..60),
        ) {
            let mut search = StringSearch::new(&needles);
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                let (chunk, more) = rest.split_at(rest.len().min(*cut));
                search.push(chunk);
                rest = more;
                if rest.is_empty() {
                    break;
                }
            }
            for (index, needle) in needles.iter().enumerate() {
                let expected = memmem::find(&stream, needle).is_some();
                prop_assert_eq!(search.found(index), expected, "{:?}", needle);
            }
            prop_assert!(search.tail.len() <= search.keep);
        }
    }
}
