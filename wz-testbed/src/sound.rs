//! What the camera's speaker played: QEMU's sound card records it.

/// Samples a second that the recording has: what the card's clock makes of 8000, so that QEMU has nothing
/// to convert and the samples are those that the program wrote.
pub(crate) const RATE: u32 = 8018;

/// The head of a WAV file as QEMU writes it (`audio/wavaudio.c`); its lengths count only if QEMU got to
/// end it.
const HEAD: usize = 44;

/// What is recognised as a whole: 50 ms. Long enough to be found by chance nowhere else, short enough to
/// lie between two of the gaps that a busy computer makes.
const PIECE: usize = 400;

/// A piece whose samples are all smaller is silence, and tells nothing.
const AUDIBLE: i16 = 500;

/// The samples of a recording: those of the left channel. (In mono QEMU would add up both.)
pub(crate) fn samples(wav: &[u8]) -> Vec<i16> {
    let frames = wav.get(HEAD..).unwrap_or_default().chunks_exact(4);
    frames
        .map(|frame| i16::from_le_bytes([frame[0], frame[1]]))
        .collect()
}

/// Where in `heard` something like `said` begins, if most of it is there.
pub fn find_speech(heard: &[i16], said: &[i16]) -> Option<usize> {
    let pieces: Vec<_> = said
        .chunks_exact(PIECE)
        .filter(|piece| is_audible(piece))
        .collect();
    let mut from = 0;
    let mut found = Vec::new();
    for piece in &pieces {
        if let Some(at) = find(&heard[from..], piece) {
            found.push(from + at);
            from += at + piece.len();
        }
    }
    let is_most = found.len() * 4 >= pieces.len() * 3 && !pieces.is_empty();
    found.first().copied().filter(|_| is_most)
}

/// Whether there is anything to be heard.
pub fn is_audible(samples: &[i16]) -> bool {
    samples
        .iter()
        .any(|sample| sample.unsigned_abs() > AUDIBLE.unsigned_abs())
}

fn find(heard: &[i16], piece: &[i16]) -> Option<usize> {
    heard
        .windows(piece.len())
        .position(|window| window == piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filler;

    /// Noise of a second.
    fn said(seed: u64) -> Vec<i16> {
        let bytes = filler::bytes(seed, 32_000);
        samples(&[vec![0; HEAD], bytes].concat())
    }

    #[test]
    fn speech_is_found_behind_silence_and_other_speech() {
        let heard = [vec![0; 777], said(1), vec![0; 99], said(2)].concat();
        assert_eq!(find_speech(&heard, &said(1)), Some(777));
        assert_eq!(find_speech(&heard, &said(2)), Some(777 + 8000 + 99));
    }

    #[test]
    fn a_gap_does_not_keep_speech_from_being_found() {
        let mut heard = said(1);
        heard.splice(3000..3000, [0; 500]);
        assert_eq!(find_speech(&heard, &said(1)), Some(0));
    }

    #[test]
    fn what_was_not_said_or_not_to_its_end_is_not_found() {
        assert_eq!(find_speech(&said(1), &said(2)), None);
        assert_eq!(find_speech(&said(1)[..4000], &said(1)), None);
        assert_eq!(find_speech(&[0; 20_000], &said(1)), None);
        assert_eq!(find_speech(&[0; 20_000], &[0; 8000]), None);
    }
}
