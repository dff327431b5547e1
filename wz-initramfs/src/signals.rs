//! Lights and voice of the camera, for those who have no serial cable: follows the events, and has them
//! shown and said by threads of their own. Whatever becomes of those, the run goes on.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use wz_core::config::Volume;
use wz_core::event::Event;
use wz_core::profile::Fittings;
use wz_core::report::light::Light;
use wz_core::report::{self, Signal};

use crate::command_line;
use crate::lights::Lights;
use crate::speaker::{Speaker, tune};

/// Who shows and speaks.
#[derive(Debug)]
pub struct Players {
    lights: Lights,
    speaker: Speaker,
    notes: Receiver<Event>,
}

/// Follows the events of a run.
#[derive(Debug)]
pub struct Signals<'a> {
    followed: report::Signals,
    shown: Option<(Light, Instant)>,
    players: &'a Players,
}

impl Players {
    /// Starts them. All that they use is below `root`.
    pub fn start(root: &Path) -> Self {
        let (told, notes) = channel();
        Self {
            lights: Lights::start(root.to_owned(), told.clone()),
            speaker: Speaker::start(root.to_owned(), told, tune),
            notes,
        }
    }

    /// Players that show and say nothing, as they are never told what camera this is.
    pub fn idle() -> Self {
        Self::start(Path::new("/"))
    }

    /// What is known about the camera now.
    pub fn fit_out(&self, fittings: &Fittings, sound: Option<Volume>) {
        self.lights.use_lamps(fittings.lamps.clone());
        self.speaker.set_up(fittings, sound);
    }

    /// What the players have to say for the logs, since this was asked last.
    pub fn notes(&self) -> Vec<Event> {
        self.notes.try_iter().collect()
    }
}

impl<'a> Signals<'a> {
    /// Has `players` show and say it.
    pub fn new(players: &'a Players) -> Self {
        Self {
            followed: report::Signals::default(),
            shown: None,
            players,
        }
    }

    /// What `event` means to the owner.
    pub fn follow(&mut self, event: &Event) {
        let signal = self.followed.follow(event);
        self.give(signal);
    }

    /// From now on the camera waits until the card is taken out.
    pub fn wait_for_card_out(&mut self) {
        let signal = self.followed.waiting_for_card_out();
        self.give(signal);
    }

    /// Whether what was shown and said last can be understood by now: then the camera may restart.
    pub fn are_understood(&self) -> bool {
        let is_seen = match self.shown {
            Some((light, since)) if self.players.lights.can_be_seen() => {
                since.elapsed() >= patience(light)
            }
            _ => true,
        };
        is_seen && self.players.speaker.is_silent()
    }

    fn give(&mut self, signal: Signal) {
        if let Some(light) = signal.light {
            self.players.lights.show(light);
            self.shown = Some((light, Instant::now()));
        }
        if let Some(prompt) = signal.prompt {
            self.players.speaker.say(prompt);
        }
    }
}

/// Nobody looks at the lamps of most emulated cameras.
fn patience(light: Light) -> Duration {
    match command_line::value("wz.lights").as_deref() {
        Some("unwatched") => Duration::ZERO,
        _ => light.seen_after(),
    }
}
