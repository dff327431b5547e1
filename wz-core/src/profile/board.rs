//! What a camera can show and say: its LEDs and its speaker, and the pins and kernel modules that these
//! need.
//!
//! A pin means something else on each board (48 cuts the card's power on one, and feels the card on
//! another), so what may be driven depends on what is known: see [`Soc::fittings`].

use std::fmt;

use serde::Deserialize;

use super::soc::Soc;

/// A GPIO line by the number that Linux gives it on these SoCs: PA00 is 0, PB00 is 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Gpio(pub u16);

impl fmt::Display for Gpio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The voltage of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Ground.
    Low,
    /// The supply's.
    High,
}

impl Level {
    /// The other one.
    pub const fn opposite(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// A line that switches something on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// The line.
    pub gpio: Gpio,
    /// The level that means "on".
    pub active: Level,
}

impl Switch {
    /// The level that switches it on.
    pub const fn on(&self) -> Level {
        self.active
    }

    /// The level that switches it off.
    pub const fn off(&self) -> Level {
        self.active.opposite()
    }
}

/// What an LED's light looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Colour {
    Red,
    Yellow,
    Blue,
    White,
}

/// A light-emitting diode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Led {
    /// Its line.
    pub gpio: Gpio,
    /// The level at which it is lit.
    pub active: Level,
    /// Its colour.
    pub colour: Colour,
}

/// A kernel module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Module {
    /// Its file is `<name>.ko`.
    pub name: String,
    /// What it is told, as on the command line of `insmod`.
    #[serde(default)]
    pub parameters: String,
}

/// A speaker behind `/dev/dsp`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audio {
    /// The modules of its driver, in the order in which they are loaded, and only if there is to be
    /// sound.
    #[serde(default, rename = "module")]
    pub modules: Vec<Module>,
    /// Switches its amplifier on, where the driver does not.
    pub amplifier: Option<Switch>,
}

/// What is on the board of some models.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// The codes of these models.
    pub models: Vec<String>,
    /// Its LEDs: `[]` where there are none; without it, nobody knows.
    #[serde(rename = "led")]
    pub leds: Option<Vec<Led>>,
    /// What has to be switched on before anything else here works.
    #[serde(default, rename = "power")]
    pub power: Vec<Switch>,
    /// Modules that it needs, in the order in which they are loaded.
    #[serde(default, rename = "module")]
    pub modules: Vec<Module>,
    /// Its speaker, if there is one.
    pub audio: Option<Audio>,
}

/// What holds for every camera with a SoC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnyModel {
    /// Lines that light an LED on every model, whatever its colour and polarity.
    #[serde(default)]
    pub led_pins: Vec<Gpio>,
}

/// The lamps of a camera, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lamps {
    /// The model's LEDs.
    Leds(Vec<Led>),
    /// Lines that light an LED, at a level that is not known.
    Pins(Vec<Gpio>),
}

/// All that may be driven on a camera, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fittings {
    /// What shows light.
    pub lamps: Lamps,
    /// What has to be switched on first.
    pub power: Vec<Switch>,
    /// What has to be loaded then.
    pub modules: Vec<Module>,
    /// What speaks.
    pub audio: Option<Audio>,
}

impl Lamps {
    /// The lines that are driven.
    pub fn pins(&self) -> Vec<Gpio> {
        match self {
            Self::Leds(leds) => leds.iter().map(|led| led.gpio).collect(),
            Self::Pins(pins) => pins.clone(),
        }
    }
}

impl Fittings {
    /// Those of a camera of which nothing is known.
    pub const fn none() -> Self {
        Self {
            lamps: Lamps::Pins(Vec::new()),
            power: Vec::new(),
            modules: Vec::new(),
            audio: None,
        }
    }
}

impl Board {
    /// Every line that is driven on it.
    pub fn pins(&self) -> Vec<Gpio> {
        let leds = self.leds.iter().flatten().map(|led| led.gpio);
        let amplifier = self.audio.as_ref().and_then(|audio| audio.amplifier);
        let switches = self.power.iter().copied().chain(amplifier);
        leds.chain(switches.map(|switch| switch.gpio)).collect()
    }

    /// All modules that it may need.
    pub fn all_modules(&self) -> impl Iterator<Item = &Module> {
        let audio = self.audio.iter().flat_map(|audio| &audio.modules);
        self.modules.iter().chain(audio)
    }
}

impl Soc {
    /// What may be driven on a camera with this SoC. While its model is not known, or no board has it,
    /// that is what is an LED on every model, and nothing else.
    pub fn fittings(&self, model: Option<&str>) -> Fittings {
        let is_of = |board: &&Board| board.models.iter().any(|code| Some(code.as_str()) == model);
        let any = || Lamps::Pins(self.any_model.led_pins.clone());
        match self.boards.iter().find(is_of) {
            None => Fittings {
                lamps: any(),
                ..Fittings::none()
            },
            Some(board) => Fittings {
                lamps: board.leds.clone().map_or_else(any, Lamps::Leds),
                power: board.power.clone(),
                modules: board.modules.clone(),
                audio: board.audio.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Catalogue;
    use rstest::rstest;

    fn fittings(soc: &str, model: Option<&str>) -> Fittings {
        let catalogue = Catalogue::builtin();
        catalogue.soc(soc).expect("a profile").fittings(model)
    }

    #[rstest]
    fn without_a_known_model_only_what_is_an_led_on_every_model_is_driven(
        #[values("t20", "t31")] soc: &str,
        #[values(None, Some("nobody_knows_it"))] model: Option<&str>,
    ) {
        let expected = Fittings {
            lamps: Lamps::Pins(vec![Gpio(38), Gpio(39)]),
            ..Fittings::none()
        };
        assert_eq!(fittings(soc, model), expected);
    }

    #[rstest]
    #[case::sd_power_here_card_detect_on_pan_v2(48)]
    #[case::infrared_here_sd_power_on_pan_v2(47)]
    fn a_pin_that_means_something_else_elsewhere_is_driven_on_no_board(#[case] pin: u16) {
        let catalogue = Catalogue::builtin();
        for board in catalogue.socs().flat_map(|soc| &soc.boards) {
            assert!(!board.pins().contains(&Gpio(pin)), "{board:?}");
        }
    }

    #[rstest]
    #[case("t20", "v2", 38, Colour::Yellow, Level::Low)]
    #[case("t20", "v2", 39, Colour::Blue, Level::Low)]
    #[case("t31", "v3", 38, Colour::Red, Level::Low)]
    #[case("t31", "v3", 39, Colour::Blue, Level::Low)]
    #[case("t31", "pan_v2", 38, Colour::Blue, Level::High)]
    #[case("t31", "pan_v2", 39, Colour::Red, Level::High)]
    fn the_same_pins_have_other_colours_and_levels_on_another_model(
        #[case] soc: &str,
        #[case] model: &str,
        #[case] pin: u16,
        #[case] colour: Colour,
        #[case] active: Level,
    ) {
        let Lamps::Leds(leds) = fittings(soc, Some(model)).lamps else {
            panic!("the LEDs of {model} are not known");
        };
        let gpio = Gpio(pin);
        let wanted = Led {
            gpio,
            active,
            colour,
        };
        assert!(leds.contains(&wanted), "{leds:?}");
    }

    #[test]
    fn a_model_whose_leds_nobody_knows_has_those_of_every_model() {
        let fittings = fittings("t31", Some("v3c"));
        assert_eq!(fittings.lamps, Lamps::Pins(vec![Gpio(38), Gpio(39)]));
        assert!(fittings.audio.is_some());
    }
}
