//! What the program says aloud, and the format of its recordings.
//!
//! A recording is G.711 mu-law, a byte a sample, mono, without a header: half the size of plain samples,
//! and undone by a few shifts. Source: ITU-T G.711, table 2a.

use std::time::Duration;

use crate::config::Volume;
use crate::event::Operation;

/// Samples a second. Every speaker driver takes this rate, and speech stays clear.
pub const SAMPLE_RATE: u32 = 8000;

/// Something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// The camera is known, and so is what to do.
    Initialising,
    /// An operation begins.
    Starting(Operation),
    /// An operation is done and checked.
    OperationSucceeded,
    /// An operation is not.
    OperationFailed,
    /// All is done.
    Finished,
    /// Not all is done.
    Failed,
    /// The card has to be taken out.
    TakeCardOut,
}

impl Prompt {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Initialising,
        Self::Starting(Operation::Backup),
        Self::Starting(Operation::Restore),
        Self::Starting(Operation::SwitchFirmware),
        Self::OperationSucceeded,
        Self::OperationFailed,
        Self::Finished,
        Self::Failed,
        Self::TakeCardOut,
    ];

    /// Its name in the file of texts; the recording is `<name>.ulaw`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialising => "initialising",
            Self::Starting(Operation::Backup) => "starting_backup",
            Self::Starting(Operation::Restore) => "starting_restore",
            Self::Starting(Operation::SwitchFirmware) => "starting_switch",
            Self::OperationSucceeded => "operation_succeeded",
            Self::OperationFailed => "operation_failed",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::TakeCardOut => "take_card_out",
        }
    }

    /// The name of its recording.
    pub fn file(self) -> String {
        format!("{}.ulaw", self.name())
    }
}

/// How long a recording of so many bytes takes.
pub const fn duration(bytes: u64) -> Duration {
    Duration::from_millis(bytes * 1000 / SAMPLE_RATE as u64)
}

/// The samples of a recording, as loud as the owner wants, as 16-bit little-endian bytes.
pub fn decode(recording: &[u8], volume: Volume) -> Vec<u8> {
    let loudness = i32::from(volume.percent());
    let scaled = |byte: &u8| i32::from(expand(*byte)) * loudness / 100;
    recording
        .iter()
        .flat_map(|byte| (scaled(byte) as i16).to_le_bytes())
        .collect()
}

/// What is added to a sample so that its highest bit tells its segment.
const BIAS: i32 = 0x84;
/// The loudest sample that has a segment.
const CLIP: i32 = 32_635;

/// A sample from its byte: sign, three bits of segment, four bits of step; all inverted.
pub fn expand(byte: u8) -> i16 {
    let bits = !byte;
    let (segment, step) = (u32::from(bits >> 4 & 7), i32::from(bits & 15));
    let magnitude = (((step << 3) + BIAS) << segment) - BIAS;
    let sample = match bits & 0x80 {
        0 => magnitude,
        _ => -magnitude,
    };
    sample as i16
}

/// The byte for a sample.
pub fn compress(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(CLIP) + BIAS;
    // The bias makes sure that one of the bits 7 to 14 is the highest.
    let segment = 24 - magnitude.leading_zeros();
    let step = magnitude >> (segment + 3) & 15;
    !(sign | (segment << 4) as u8 | step as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::collections::BTreeSet;

    fn volume(percent: u8) -> Volume {
        let text = format!("enable_audio=yes\naudio_volume={percent}");
        let conf = crate::config::read_general("general.conf", text.as_bytes());
        let asked = crate::config::request("general.conf", &conf.expect("a file").value);
        asked.expect("a request").value.sound.expect("a volume")
    }

    /// Source of the values: the table of the standard, scaled to 16 bits.
    #[rstest]
    #[case(0xff, 0)]
    #[case(0x7f, 0)]
    #[case(0x80, 32_124)]
    #[case(0x00, -32_124)]
    #[case(0xf0, 120)]
    #[case(0x70, -120)]
    #[case(0xef, 132)]
    #[case(0x90, 15_996)]
    #[case(0x9f, 8_316)]
    fn a_byte_means_what_the_standard_says(#[case] byte: u8, #[case] sample: i16) {
        assert_eq!(expand(byte), sample);
    }

    #[test]
    fn every_byte_survives_the_way_there_and_back() {
        for byte in 0..=u8::MAX {
            assert_eq!(expand(compress(expand(byte))), expand(byte), "{byte:#x}");
        }
    }

    proptest! {
        #[test]
        fn a_sample_loses_no_more_than_its_segment_allows(sample: i16) {
            let back = i32::from(expand(compress(sample)));
            let lost = (i32::from(sample).clamp(-CLIP, CLIP) - back).abs();
            prop_assert!(lost <= 4 + i32::from(sample).abs() / 32, "{sample} became {back}");
        }
    }

    #[rstest]
    #[case(100, -32_124)]
    #[case(50, -16_062)]
    #[case(1, -321)]
    #[case(0, 0)]
    fn the_volume_scales_every_sample(#[case] percent: u8, #[case] sample: i16) {
        assert_eq!(decode(&[0x00], volume(percent)), sample.to_le_bytes());
    }

    #[test]
    fn a_second_of_recording_takes_a_second() {
        assert_eq!(duration(8000), Duration::from_secs(1));
        assert_eq!(duration(4), Duration::from_micros(0));
    }

    #[test]
    fn every_prompt_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Prompt::ALL.into_iter().map(Prompt::name).collect();
        assert_eq!(names.len(), Prompt::ALL.len());
    }
}
