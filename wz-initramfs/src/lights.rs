//! Plays light patterns beside the work, in a thread of its own. Whatever goes wrong here is a note in
//! the log: nobody waits for it, and nothing depends on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;

use wz_core::event::Event;
use wz_core::profile::{Gpio, Lamps, Level};
use wz_core::report::light::{Frame, Light};

use crate::gpio::Line;

/// The lamps, and who plays on them. When this is dropped, they keep what they show at that moment.
#[derive(Debug)]
pub struct Lights {
    orders: Sender<Order>,
    some_lamp_works: Arc<AtomicBool>,
}

enum Order {
    Use(Lamps),
    Show(Light),
}

impl Lights {
    /// Starts the player, without lamps yet. `root` is where `/sys` is; `notes` gets what goes wrong.
    pub fn start(root: PathBuf, notes: Sender<Event>) -> Self {
        let (orders, given) = channel();
        let some_lamp_works = Arc::new(AtomicBool::new(false));
        let player = Player {
            root,
            notes,
            lamps: Lamps::Pins(Vec::new()),
            light: None,
            lines: BTreeMap::new(),
            some_lamp_works: Arc::clone(&some_lamp_works),
        };
        // Without a thread for it there is no light.
        let _ = thread::Builder::new()
            .name("lights".to_owned())
            .spawn(move || player.play(&given));
        Self {
            orders,
            some_lamp_works,
        }
    }

    /// Plays on these lamps from now on.
    pub fn use_lamps(&self, lamps: Lamps) {
        let _ = self.orders.send(Order::Use(lamps));
    }

    /// Plays this from now on.
    pub fn show(&self, light: Light) {
        let _ = self.orders.send(Order::Show(light));
    }

    /// Whether anybody can see anything.
    pub fn can_be_seen(&self) -> bool {
        self.some_lamp_works.load(Ordering::Relaxed)
    }
}

struct Player {
    root: PathBuf,
    notes: Sender<Event>,
    lamps: Lamps,
    light: Option<Light>,
    /// The lines that have been tried; none where that failed.
    lines: BTreeMap<Gpio, Option<Line>>,
    some_lamp_works: Arc<AtomicBool>,
}

impl Player {
    /// Plays until nobody can give orders any more.
    fn play(mut self, orders: &Receiver<Order>) {
        let mut frames = Vec::new();
        let mut position = 0;
        loop {
            match wait(&frames, position, orders) {
                Ok(order) => {
                    self.obey(order);
                    let wanted = self.frames();
                    // A pattern goes on when it is ordered again.
                    if wanted == frames {
                        continue;
                    }
                    (frames, position) = (wanted, 0);
                }
                Err(RecvTimeoutError::Timeout) => position = (position + 1) % frames.len().max(1),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if let Some(frame) = frames.get(position) {
                self.show(frame);
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Use(lamps) => self.lamps = lamps,
            Order::Show(light) => self.light = Some(light),
        }
    }

    fn frames(&self) -> Vec<Frame> {
        let pattern = self.light.map(Light::pattern);
        pattern.map_or_else(Vec::new, |pattern| pattern.on(&self.lamps))
    }

    fn show(&mut self, frame: &Frame) {
        for (gpio, level) in &frame.levels {
            self.set(*gpio, *level);
        }
        let works = self.lines.values().any(Option::is_some);
        self.some_lamp_works.store(works, Ordering::Relaxed);
    }

    /// A line that fails is given up.
    fn set(&mut self, gpio: Gpio, level: Level) {
        let result = match self.lines.get_mut(&gpio) {
            Some(Some(line)) => line.set(level).err(),
            Some(None) => None,
            None => match Line::drive(&self.root, gpio, level) {
                Ok(line) => {
                    self.lines.insert(gpio, Some(line));
                    None
                }
                Err(error) => Some(error),
            },
        };
        if let Some(error) = result {
            self.lines.insert(gpio, None);
            let note = format!("the LED at GPIO {gpio} cannot be used: {error}");
            let _ = self.notes.send(Event::Note(note));
        }
    }
}

/// The next order, if one comes before the next frame is due.
fn wait(
    frames: &[Frame],
    position: usize,
    orders: &Receiver<Order>,
) -> Result<Order, RecvTimeoutError> {
    match frames {
        [] | [_] => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
        _ => {
            let due = frames.get(position).map(|frame| frame.duration);
            orders.recv_timeout(due.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpio::tests::{kernel_with, written};
    use std::path::Path;
    use std::time::{Duration, Instant};
    use wz_core::event::Operation;
    use wz_core::profile::{Catalogue, Colour, Led};

    /// Waits until a line has been set so often; tells all that it was set to.
    fn history(root: &Path, line: u16, at_least: usize) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let history = written(root, line, "value");
            if history.len() >= at_least {
                return history;
            }
            assert!(Instant::now() < deadline, "{line}: {history:?}");
            thread::yield_now();
        }
    }

    fn player(root: &Path) -> (Lights, Receiver<Event>) {
        let (notes, told) = channel();
        (Lights::start(root.to_owned(), notes), told)
    }

    fn lamps(soc: &str, model: Option<&str>) -> Lamps {
        let catalogue = Catalogue::builtin();
        catalogue.soc(soc).unwrap().fittings(model).lamps
    }

    fn blue() -> Lamps {
        Lamps::Leds(vec![Led {
            gpio: Gpio(39),
            active: Level::High,
            colour: Colour::Blue,
        }])
    }

    #[test]
    fn a_pattern_is_played_over_and_over() {
        let root = kernel_with(&[39]);
        let (lights, _told) = player(root.path());
        lights.use_lamps(blue());
        lights.show(Light::DoNotCutPower);
        assert!(history(root.path(), 39, 6).starts_with("010101"));
        assert_eq!(written(root.path(), 39, "direction"), "high");
        assert!(lights.can_be_seen());
    }

    #[test]
    fn without_a_known_model_no_line_is_touched_but_those_that_are_leds_everywhere() {
        let lines: Vec<u16> = (0..128).collect();
        for soc in ["t20", "t31"] {
            let root = kernel_with(&lines);
            let (lights, _told) = player(root.path());
            lights.use_lamps(lamps(soc, None));
            lights.show(Light::DoNotCutPower);
            let (a, b) = (history(root.path(), 38, 6), history(root.path(), 39, 6));
            drop(lights);
            assert!(a.starts_with("010101"), "{a}");
            assert!(b.starts_with("101010"), "{b}");
            for line in lines.iter().filter(|line| ![38, 39].contains(*line)) {
                assert_eq!(written(root.path(), *line, "direction"), "in", "{line}");
                assert_eq!(written(root.path(), *line, "value"), "", "{line}");
            }
        }
    }

    #[test]
    fn the_model_changes_which_lamp_a_line_is() {
        let root = kernel_with(&[38, 39]);
        let (lights, _told) = player(root.path());
        lights.use_lamps(lamps("t31", None));
        lights.show(Light::Done);
        // The lines were driven in opposite phase from the start.
        lights.use_lamps(lamps("t31", Some("pan_v2")));
        lights.show(Light::Working(Operation::SwitchFirmware));
        let blue = history(root.path(), 38, 3);
        let red = history(root.path(), 39, 3);
        assert_eq!(written(root.path(), 38, "direction"), "high");
        assert_eq!(written(root.path(), 39, "direction"), "low");
        // Blue was lit when the lines were first driven; now it takes turns with red.
        assert!(blue.starts_with("010"), "{blue}");
        assert!(red.starts_with("101"), "{red}");
    }

    #[test]
    fn a_line_that_cannot_be_used_is_a_note_and_the_others_go_on() {
        let root = kernel_with(&[39]);
        let (lights, told) = player(root.path());
        lights.use_lamps(lamps("t31", Some("v3")));
        lights.show(Light::DoNotCutPower);
        history(root.path(), 39, 4);
        let Ok(Event::Note(note)) = told.recv() else {
            panic!("no note");
        };
        assert!(note.contains("GPIO 38"), "{note}");
        assert!(told.try_recv().is_err(), "it is tried once");
        assert!(lights.can_be_seen());
    }

    #[test]
    fn a_camera_without_lamps_is_no_problem() {
        let root = kernel_with(&[]);
        let (lights, told) = player(root.path());
        lights.use_lamps(Lamps::Leds(Vec::new()));
        lights.show(Light::Done);
        drop(lights);
        assert!(told.recv().is_err(), "the player ends without a note");
    }
}
