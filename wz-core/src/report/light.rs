//! What the lamps say, as data: patterns in red and blue, and what they become on the lamps that a
//! camera has.
//!
//! ```text
//!                    0        1 s       2 s
//! backup        blue ████____ ████____ ████____
//! restore        red ████____ ████____ ████____
//! switch         red ████____ ████____ ████____
//!               blue ____████ ____████ ____████
//! do not cut    both █_█_█_█_ █_█_█_█_ █_█_█_█_
//! done          blue ████████ ████████ ████████
//! WZ-03..        red █_█_█____________ █_█_█____________
//! ```

use std::time::Duration;

use crate::event::{Operation, Subject};
use crate::profile::{Colour, Gpio, Lamps, Led, Level};

/// What the lamps are to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Light {
    /// The program runs, and finds out what to do.
    Starting,
    /// An operation is under way.
    Working(Operation),
    /// The boot loader is being written.
    DoNotCutPower,
    /// All is well.
    Done,
    /// Something is not: a blink code.
    Trouble(Subject),
    /// The card has to be taken out; behind the blink code, if something is wrong.
    TakeCardOut(Option<Subject>),
}

/// Which lamps are lit. A yellow one stands for a red one, a white one for a blue one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Lit {
    Nothing,
    Red,
    Blue,
    Both,
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// What is lit.
    pub lit: Lit,
    /// For how long.
    pub duration: Duration,
}

/// Beats that are played over and over. A single one lasts; its duration is how long it takes to notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    beats: Vec<Beat>,
}

/// A beat as the lines of a camera have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What each line is set to.
    pub levels: Vec<(Gpio, Level)>,
    /// For how long.
    pub duration: Duration,
}

/// How often a blink code is shown before the camera restarts: enough to count it, and to count again.
const SHOWN: u32 = 2;

/// The lamps of a blink code.
const BLINK: [Beat; 2] = [beat(Lit::Red, 300), beat(Lit::Nothing, 300)];

const fn beat(lit: Lit, milliseconds: u64) -> Beat {
    let duration = Duration::from_millis(milliseconds);
    Beat { lit, duration }
}

impl Light {
    /// What is played.
    pub fn pattern(self) -> Pattern {
        let one_hertz = |first, second| vec![beat(first, 500), beat(second, 500)];
        let beats = match self {
            Self::Starting => vec![beat(Lit::Both, 100), beat(Lit::Nothing, 900)],
            Self::Working(Operation::Backup) => one_hertz(Lit::Blue, Lit::Nothing),
            Self::Working(Operation::Restore) => one_hertz(Lit::Red, Lit::Nothing),
            Self::Working(Operation::SwitchFirmware) => one_hertz(Lit::Red, Lit::Blue),
            Self::DoNotCutPower => vec![beat(Lit::Both, 100), beat(Lit::Nothing, 100)],
            Self::Done => vec![beat(Lit::Blue, 2000)],
            Self::Trouble(subject) => code(subject, &[beat(Lit::Nothing, 1500)]),
            Self::TakeCardOut(Some(subject)) => code(subject, &REMINDER),
            Self::TakeCardOut(None) => REMINDER[1..].to_vec(),
        };
        Pattern { beats }
    }

    /// How long somebody has to see it who is to understand it.
    pub fn seen_after(self) -> Duration {
        match self {
            Self::Trouble(_) => self.pattern().duration() * SHOWN,
            Self::Done => self.pattern().duration(),
            _ => Duration::ZERO,
        }
    }
}

/// A long blue light behind what else is to be said.
const REMINDER: [Beat; 3] = [
    beat(Lit::Nothing, 700),
    beat(Lit::Blue, 1800),
    beat(Lit::Nothing, 700),
];

fn code(subject: Subject, rest: &[Beat]) -> Vec<Beat> {
    let mut beats = BLINK.repeat(subject.blinks().into());
    beats.extend(rest);
    beats
}

impl Pattern {
    /// The beats, as a camera with a red and a blue lamp shows them.
    pub fn beats(&self) -> &[Beat] {
        &self.beats
    }

    /// How long it takes.
    pub fn duration(&self) -> Duration {
        self.beats.iter().map(|beat| beat.duration).sum()
    }

    /// What it becomes on these lamps. Lamps of one colour alone show its rhythm; lines of which it is
    /// not known at which level they light a lamp show it in opposite phase, so that one of them does.
    pub fn on(&self, lamps: &Lamps) -> Vec<Frame> {
        let frame = |beat: &Beat| Frame {
            levels: match lamps {
                Lamps::Leds(leds) => leds.iter().map(|led| self.led(beat, led, leds)).collect(),
                Lamps::Pins(pins) => self.opposite_phases(beat, pins),
            },
            duration: beat.duration,
        };
        match lamps.pins().is_empty() {
            true => Vec::new(),
            false => self.beats.iter().map(frame).collect(),
        }
    }

    fn led(&self, beat: &Beat, led: &Led, leds: &[Led]) -> (Gpio, Level) {
        let (red, blue) = (leds.iter().any(is_red), leds.iter().any(|led| !is_red(led)));
        let lit = match (beat.lit, red && blue) {
            (_, false) => self.is_stressed(beat),
            (Lit::Nothing, true) => false,
            (Lit::Both, true) => true,
            (Lit::Red, true) => is_red(led),
            (Lit::Blue, true) => !is_red(led),
        };
        match lit {
            true => (led.gpio, led.active),
            false => (led.gpio, led.active.opposite()),
        }
    }

    fn opposite_phases(&self, beat: &Beat, pins: &[Gpio]) -> Vec<(Gpio, Level)> {
        let levels = match self.is_stressed(beat) {
            true => [Level::High, Level::Low],
            false => [Level::Low, Level::High],
        };
        pins.iter()
            .copied()
            .zip(levels.into_iter().cycle())
            .collect()
    }

    /// Whether a lone lamp is lit: when any would be; if there always is one, when it is the first.
    fn is_stressed(&self, beat: &Beat) -> bool {
        match self.beats.iter().any(|beat| beat.lit == Lit::Nothing) {
            true => beat.lit != Lit::Nothing,
            false => self
                .beats
                .first()
                .is_some_and(|first| first.lit == beat.lit),
        }
    }
}

fn is_red(led: &Led) -> bool {
    matches!(led.colour, Colour::Red | Colour::Yellow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SUBJECTS;
    use rstest::rstest;
    use std::collections::BTreeSet;

    fn led(pin: u16, active: Level, colour: Colour) -> Led {
        Led {
            gpio: Gpio(pin),
            active,
            colour,
        }
    }

    fn v3() -> Lamps {
        Lamps::Leds(vec![
            led(38, Level::Low, Colour::Red),
            led(39, Level::Low, Colour::Blue),
        ])
    }

    fn all() -> Vec<Light> {
        let operations = [
            Operation::Backup,
            Operation::Restore,
            Operation::SwitchFirmware,
        ];
        let subjects = SUBJECTS.map(|(subject, _)| subject);
        let mut all = vec![
            Light::Starting,
            Light::DoNotCutPower,
            Light::Done,
            Light::TakeCardOut(None),
        ];
        all.extend(operations.map(Light::Working));
        all.extend(subjects.map(Light::Trouble));
        all.extend(subjects.map(|subject| Light::TakeCardOut(Some(subject))));
        all
    }

    /// What a line does: `#` while it is high, `_` while it is low, a character for each 100 ms.
    fn drawn(frames: &[Frame], pin: u16) -> String {
        let strip = |frame: &Frame| {
            let level = frame.levels.iter().find(|(gpio, _)| *gpio == Gpio(pin));
            let character = match level.expect("the line").1 {
                Level::High => "#",
                Level::Low => "_",
            };
            character.repeat(frame.duration.as_millis() as usize / 100)
        };
        frames.iter().map(strip).collect()
    }

    #[rstest]
    #[case::backup(Light::Working(Operation::Backup), "##########", "_____#####")]
    #[case::restore(Light::Working(Operation::Restore), "_____#####", "##########")]
    #[case::switch(Light::Working(Operation::SwitchFirmware), "_____#####", "#####_____")]
    #[case::do_not_cut_power(Light::DoNotCutPower, "_#", "_#")]
    #[case::done(Light::Done, "####################", "____________________")]
    fn a_low_line_lights_the_lamps_of_a_v3(
        #[case] light: Light,
        #[case] red: &str,
        #[case] blue: &str,
    ) {
        let frames = light.pattern().on(&v3());
        assert_eq!(
            (drawn(&frames, 38).as_str(), drawn(&frames, 39).as_str()),
            (red, blue)
        );
    }

    #[test]
    fn other_colours_and_levels_show_the_same_elsewhere() {
        let pan_v2 = Lamps::Leds(vec![
            led(38, Level::High, Colour::Blue),
            led(39, Level::High, Colour::Red),
        ]);
        let v2 = Lamps::Leds(vec![
            led(38, Level::Low, Colour::Yellow),
            led(39, Level::Low, Colour::Blue),
        ]);
        for light in all() {
            let (here, there) = (light.pattern().on(&v3()), light.pattern().on(&pan_v2));
            let swapped: String = drawn(&there, 38)
                .chars()
                .map(|c| if c == '#' { '_' } else { '#' })
                .collect();
            assert_eq!(drawn(&here, 39), swapped, "{light:?}");
            assert_eq!(here, light.pattern().on(&v2), "{light:?}");
        }
    }

    #[test]
    fn every_light_differs_from_every_other() {
        let patterns = all().into_iter().map(Light::pattern);
        let drawn = patterns.map(|pattern| format!("{pattern:?}"));
        assert_eq!(drawn.collect::<BTreeSet<_>>().len(), all().len());
    }

    #[test]
    fn a_blink_code_has_as_many_blinks_as_the_first_two_digits_of_the_code_say() {
        for (subject, _) in SUBJECTS {
            let pattern = Light::Trouble(subject).pattern();
            let blinks = pattern.beats().iter().filter(|beat| beat.lit == Lit::Red);
            assert_eq!(blinks.count(), usize::from(subject.blinks()));
            let longest = pattern.beats().iter().map(|beat| beat.duration).max();
            let last = pattern.beats().last().map(|beat| beat.duration);
            assert_eq!(longest, last, "the pause tells where to begin to count");
        }
    }

    #[rstest]
    #[case::backup(Light::Working(Operation::Backup), "#####_____")]
    #[case::switch(Light::Working(Operation::SwitchFirmware), "#####_____")]
    #[case::do_not_cut_power(Light::DoNotCutPower, "#_")]
    #[case::done(Light::Done, "####################")]
    fn a_lone_lamp_of_any_colour_keeps_the_rhythm(
        #[case] light: Light,
        #[case] expected: &str,
        #[values(Colour::Red, Colour::Blue)] colour: Colour,
    ) {
        let lamps = Lamps::Leds(vec![led(38, Level::High, colour)]);
        assert_eq!(drawn(&light.pattern().on(&lamps), 38), expected);
    }

    #[test]
    fn pins_of_unknown_polarity_are_always_in_opposite_phase_and_keep_the_rhythm() {
        let pins = Lamps::Pins(vec![Gpio(38), Gpio(39)]);
        for light in all() {
            let pattern = light.pattern();
            let frames = pattern.on(&pins);
            let lone = pattern.on(&Lamps::Leds(vec![led(38, Level::High, Colour::Red)]));
            assert_eq!(drawn(&frames, 38), drawn(&lone, 38), "{light:?}");
            for frame in &frames {
                let levels: Vec<_> = frame.levels.iter().map(|(_, level)| *level).collect();
                assert_eq!(levels[0], levels[1].opposite(), "{light:?}");
            }
        }
    }

    #[test]
    fn without_lamps_there_is_nothing_to_play() {
        for lamps in [Lamps::Leds(vec![]), Lamps::Pins(vec![])] {
            assert_eq!(Light::Done.pattern().on(&lamps), []);
        }
    }

    #[test]
    fn nothing_flickers_and_nothing_takes_longer_than_a_person_counts() {
        for light in all() {
            let pattern = light.pattern();
            let shortest = pattern.beats().iter().map(|beat| beat.duration).min();
            assert!(shortest >= Some(Duration::from_millis(100)), "{light:?}");
            assert!(light.seen_after() < Duration::from_secs(15), "{light:?}");
        }
    }

    #[test]
    fn success_lasts_long_enough_to_be_noticed_before_the_camera_restarts() {
        assert!(Light::Done.seen_after() >= Duration::from_secs(1));
    }
}
