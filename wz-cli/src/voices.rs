//! Texts become what the camera says, spoken by the program espeak-ng.
//!
//! ```text
//! voices/en.toml --espeak-ng--> 22050 Hz --resample, level, trim--> 8000 Hz --mu-law--> <prompt>.ulaw
//! ```
//!
//! The same text and the same espeak-ng give the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use thiserror::Error;
use wz_core::report::speech::{self, Prompt, SAMPLE_RATE};

use crate::files::Doing;
use crate::resample::resample;

const SYNTHESISER: &str = "espeak-ng";
/// The loudest sample of a recording.
const PEAK: f64 = 29_000.0;
/// What is not louder is not heard.
const INAUDIBLE: f64 = PEAK / 100.0;
/// Silence around a recording, so that drivers that cut off the first and the last moment cut off
/// nothing.
const MARGIN: usize = SAMPLE_RATE as usize / 10;

/// Why no recordings were made.
#[derive(Debug, Error)]
pub enum VoicesError {
    /// A file or folder can't be used.
    #[error("\"{}\" can't be {doing}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was to be done with it.
        doing: Doing,
        /// What the system says.
        source: io::Error,
    },
    /// The file of texts can't be understood.
    #[error("\"{}\" is no file of texts: {why}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The synthesiser did not speak.
    #[error("{SYNTHESISER} did not say \"{text}\": {why}")]
    Silent {
        /// What it was to say.
        text: String,
        /// Why.
        why: String,
    },
}

/// What is said, and how.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    voice: Voice,
    prompts: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Voice {
    name: String,
    speed: u16,
}

/// Makes a recording in `out` of every prompt, with what the file `text` says, and returns how many.
///
/// # Errors
/// See [`VoicesError`].
pub fn make(text: &Path, out: &Path) -> Result<usize, VoicesError> {
    let content = fs::read_to_string(text).map_err(failed(Doing::Read, text))?;
    let script = script(&content).map_err(|why| VoicesError::Text {
        path: text.to_owned(),
        why,
    })?;
    fs::create_dir_all(out).map_err(failed(Doing::Made, out))?;
    for prompt in Prompt::ALL {
        let text = script.prompts.get(prompt.name());
        let spoken = speak(&script.voice, text.map_or("", String::as_str))?;
        let path = out.join(prompt.file());
        fs::write(&path, recording(&spoken)).map_err(failed(Doing::Written, &path))?;
    }
    Ok(Prompt::ALL.len())
}

/// Reads the recordings that [`make`] made, by the names of their files.
///
/// # Errors
/// One of them can't be read.
pub fn read(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, VoicesError> {
    let read = |prompt: Prompt| {
        let path = folder.join(prompt.file());
        let bytes = fs::read(&path).map_err(failed(Doing::Read, &path))?;
        Ok((prompt.file(), bytes))
    };
    Prompt::ALL.into_iter().map(read).collect()
}

fn script(text: &str) -> Result<Script, String> {
    let script: Script = toml::from_str(text).map_err(|error| error.to_string())?;
    let is_prompt = |name: &String| Prompt::ALL.iter().any(|prompt| prompt.name() == name);
    if let Some(name) = script.prompts.keys().find(|name| !is_prompt(name)) {
        return Err(format!("there is no prompt \"{name}\""));
    }
    let said = |name: &str| {
        script
            .prompts
            .get(name)
            .is_some_and(|text| !text.is_empty())
    };
    match Prompt::ALL.iter().find(|prompt| !said(prompt.name())) {
        Some(missing) => Err(format!("it has no text for \"{}\"", missing.name())),
        None => Ok(script),
    }
}

/// Samples at some rate.
#[derive(Debug, PartialEq)]
struct Sound {
    rate: u32,
    samples: Vec<i16>,
}

fn speak(voice: &Voice, text: &str) -> Result<Sound, VoicesError> {
    let silent = |why: String| VoicesError::Silent {
        text: text.to_owned(),
        why,
    };
    let run = || -> io::Result<_> {
        let mut child = Command::new(SYNTHESISER)
            .args(["-v", &voice.name, "-s", &voice.speed.to_string()])
            .args(["--stdin", "--stdout"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(text.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = run().map_err(|error| silent(error.to_string()))?;
    match wav(&output.stdout) {
        Some(sound) if output.status.success() => Ok(sound),
        _ => Err(silent(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}

/// The samples of a WAV file (RIFF) with 16-bit mono PCM. On a pipe its lengths are made up, so the
/// samples reach to the end.
fn wav(bytes: &[u8]) -> Option<Sound> {
    const CHUNK_HEAD: usize = 8;
    let half = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    if !bytes.starts_with(b"RIFF") || bytes.get(8..12)? != b"WAVE" {
        return None;
    }
    let (mut at, mut rate) = (12, None);
    loop {
        let content = at + CHUNK_HEAD;
        match bytes.get(at..at + 4)? {
            b"fmt " => {
                let is_mono_pcm = (half(content)?, half(content + 2)?, half(content + 14)?);
                rate = word(content + 4).filter(|_| is_mono_pcm == (1, 1, 16));
            }
            b"data" => {
                let pairs = bytes.get(content..)?.chunks_exact(2);
                let samples = pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
                return Some(Sound {
                    rate: rate?,
                    samples: samples.collect(),
                });
            }
            _ => {}
        }
        at = content + word(at + 4)? as usize;
    }
}

fn recording(sound: &Sound) -> Vec<u8> {
    let samples = resample(&sound.samples, sound.rate, SAMPLE_RATE);
    let loudest = samples
        .iter()
        .fold(1.0, |loudest: f64, s| loudest.max(s.abs()));
    let levelled: Vec<f64> = samples.iter().map(|s| s * PEAK / loudest).collect();
    let is_audible = |sample: &f64| sample.abs() > INAUDIBLE;
    let first = levelled.iter().position(is_audible).unwrap_or(0);
    let last = levelled.iter().rposition(is_audible).unwrap_or(0);
    let spoken = levelled.get(first..=last).unwrap_or_default();
    let silence = [speech::compress(0); MARGIN];
    let mut recording = silence.to_vec();
    recording.extend(spoken.iter().map(|s| speech::compress(s.round() as i16)));
    recording.extend(silence);
    recording
}

fn failed(doing: Doing, path: &Path) -> impl FnOnce(io::Error) -> VoicesError {
    let path = path.to_owned();
    move |source| VoicesError::Io {
        path,
        doing,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const ENGLISH: &str = include_str!("../../voices/en.toml");

    #[test]
    fn every_prompt_has_an_english_text() {
        assert_eq!(script(ENGLISH).unwrap().prompts.len(), Prompt::ALL.len());
    }

    #[rstest]
    #[case::missing("finished = ", "# finished = ", "no text for \"finished\"")]
    #[case::empty("\"Starting backup.\"", "\"\"", "no text for \"starting_backup\"")]
    #[case::misspelt("finished = ", "finnished = ", "no prompt \"finnished\"")]
    #[case::unknown_field("speed = ", "pitch = 3\nspeed = ", "pitch")]
    fn a_mistake_in_the_texts_is_named(#[case] old: &str, #[case] new: &str, #[case] told: &str) {
        let why = script(&ENGLISH.replacen(old, new, 1)).unwrap_err();
        assert!(why.contains(told), "{why}");
    }

    /// As espeak-ng writes it to a pipe.
    fn wav_of(samples: &[i16]) -> Vec<u8> {
        let mut bytes = b"RIFF\x24\xf0\xff\x7fWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend(22_050_u32.to_le_bytes());
        bytes.extend(44_100_u32.to_le_bytes());
        bytes.extend(b"\x02\0\x10\0data\0\xf0\xff\x7f");
        bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        bytes
    }

    #[test]
    fn a_wav_file_from_a_pipe_is_read_to_its_end() {
        let expected = Sound {
            rate: 22_050,
            samples: vec![1, -2, 3],
        };
        assert_eq!(wav(&wav_of(&[1, -2, 3])), Some(expected));
    }

    #[rstest]
    #[case::nothing(b"")]
    #[case::text(b"no such voice")]
    #[case::cut(&wav_of(&[])[..30])]
    fn what_is_no_wav_file_is_no_sound(#[case] bytes: &[u8]) {
        assert_eq!(wav(bytes), None);
    }

    #[test]
    fn stereo_is_not_taken_for_mono() {
        let mut bytes = wav_of(&[1, 2]);
        bytes[22] = 2;
        assert_eq!(wav(&bytes), None);
    }

    /// A tone of 440 Hz with silence around it, half as loud as can be.
    fn tone() -> Sound {
        let silence = [0; 22_050];
        let tone = (0..22_050).map(|n| {
            let phase = f64::from(n) * 440.0 * std::f64::consts::TAU / 22_050.0;
            (phase.sin() * 15_000.0) as i16
        });
        let mut samples = silence.to_vec();
        samples.extend(tone);
        samples.extend(silence);
        Sound {
            rate: 22_050,
            samples,
        }
    }

    #[test]
    fn a_recording_is_as_long_as_what_is_heard_and_as_loud_as_can_be() {
        let recording = recording(&tone());
        let spoken = recording.len() - 2 * MARGIN;
        assert!(spoken.abs_diff(8000) < 40, "{spoken} samples");
        let loudest = recording.iter().map(|byte| speech::expand(*byte).abs());
        let loudest = f64::from(loudest.max().unwrap());
        assert!((loudest - PEAK).abs() < PEAK / 20.0, "{loudest}");
        assert!(recording.starts_with(&[speech::compress(0); MARGIN]));
    }

    #[test]
    fn the_same_sound_gives_the_same_recording() {
        assert!(recording(&tone()) == recording(&tone()));
    }
}
