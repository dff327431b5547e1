//! Speaks beside the work, in a thread of its own: a driver may block for ever, and nobody waits for it
//! longer than what there is to say takes, plus a second.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use wz_core::config::Volume;
use wz_core::event::{Event, Problem};
use wz_core::profile::{Fittings, Switch};
use wz_core::report::speech::{self, Prompt, SAMPLE_RATE};

use crate::gpio::Line;
use crate::{modules, sys};

/// Where recordings are in the initramfs.
const VOICES: &str = "voices";
const DEVICE: &str = "dev/dsp";

/// How much longer than it takes is waited for what is said.
const GRACE: Duration = Duration::from_secs(1);
/// How long is waited for power pins and modules: nothing else should happen while they are being set up.
/// What is not set up by then never is.
const SET_UP: Duration = Duration::from_secs(3);

/// The speaker, and who speaks through it.
#[derive(Debug)]
pub struct Speaker {
    root: PathBuf,
    orders: Sender<Order>,
    /// Whether anything is said; not until it is known that it is wanted.
    sound: Cell<Sound>,
    /// When all that was ordered so far has been said, at the latest.
    silent_from: RefCell<Instant>,
    /// What was ordered and has not been said.
    left: Arc<AtomicU32>,
    /// Whether nothing is set up or said any more, though it was ordered.
    is_given_up: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sound {
    Off,
    On,
}

enum Order {
    SetUp {
        fittings: Fittings,
        volume: Option<Volume>,
        done: Sender<()>,
    },
    Say(Prompt),
}

/// How a device is told what samples it gets; tests have none that can be told.
pub type Tune = fn(&File) -> io::Result<()>;

impl Speaker {
    /// Starts the thread. `root` is where all paths begin; `notes` gets what goes wrong.
    pub fn start(root: PathBuf, notes: Sender<Event>, tune: Tune) -> Self {
        let (orders, given) = channel();
        let left = Arc::new(AtomicU32::new(0));
        let is_given_up = Arc::new(AtomicBool::new(false));
        let voice = Voice {
            root: root.clone(),
            notes,
            tune,
            amplifier: None,
            volume: None,
            left: Arc::clone(&left),
            is_given_up: Arc::clone(&is_given_up),
        };
        // Without a thread for it there is no sound.
        let _ = thread::Builder::new()
            .name("voice".to_owned())
            .spawn(move || voice.work(&given));
        Self {
            root,
            orders,
            sound: Cell::new(Sound::Off),
            silent_from: RefCell::new(Instant::now()),
            left,
            is_given_up,
        }
    }

    /// Switches on and loads what the camera's board needs, and begins to speak if there is a volume and
    /// a speaker. Waits for it, but not for ever: then it is given up for good.
    pub fn set_up(&self, fittings: &Fittings, volume: Option<Volume>) {
        if self.is_given_up.load(Ordering::Relaxed) {
            return;
        }
        let (done, is_done) = channel();
        let volume = volume.filter(|_| fittings.audio.is_some());
        if volume.is_some() {
            self.sound.set(Sound::On);
        }
        let _ = self.orders.send(Order::SetUp {
            fittings: fittings.clone(),
            volume,
            done,
        });
        // What is being said is said to its end first.
        let speech = (self.silent_from.borrow()).saturating_duration_since(Instant::now());
        if is_done.recv_timeout(speech + SET_UP).is_err() {
            self.is_given_up.store(true, Ordering::Relaxed);
            self.sound.set(Sound::Off);
        }
    }

    /// Says it, behind what is being said.
    pub fn say(&self, prompt: Prompt) {
        if self.sound.get() == Sound::Off {
            return;
        }
        let length = fs::metadata(recording(&self.root, prompt)).map_or(0, |file| file.len());
        let mut silent_from = self.silent_from.borrow_mut();
        *silent_from = Instant::now().max(*silent_from) + speech::duration(length);
        self.left.fetch_add(1, Ordering::Relaxed);
        let _ = self.orders.send(Order::Say(prompt));
    }

    /// Whether all has been said, or should have been said a second ago.
    pub fn is_silent(&self) -> bool {
        let is_late = || Instant::now() >= *self.silent_from.borrow() + GRACE;
        self.left.load(Ordering::Relaxed) == 0 || is_late()
    }
}

fn recording(root: &Path, prompt: Prompt) -> PathBuf {
    root.join(VOICES).join(prompt.file())
}

/// What the thread has.
struct Voice {
    root: PathBuf,
    notes: Sender<Event>,
    tune: Tune,
    amplifier: Option<Switch>,
    /// None once speaking has failed.
    volume: Option<Volume>,
    left: Arc<AtomicU32>,
    is_given_up: Arc<AtomicBool>,
}

impl Voice {
    fn work(mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            if self.is_given_up() {
                return;
            }
            match order {
                Order::SetUp {
                    fittings,
                    volume,
                    done,
                } => {
                    self.set_up(&fittings, volume);
                    // Who waited may have lost patience.
                    let _ = done.send(());
                }
                Order::Say(prompt) => {
                    self.say_or_be_silent(prompt);
                    self.left.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn set_up(&mut self, fittings: &Fittings, volume: Option<Volume>) {
        for switch in &fittings.power {
            if self.is_given_up() {
                return;
            }
            if let Err(error) = Line::drive(&self.root, switch.gpio, switch.active) {
                let note = format!("the power pin GPIO {} cannot be used: {error}", switch.gpio);
                self.tell(Event::Note(note));
            }
        }
        let audio = fittings.audio.iter().filter(|_| volume.is_some());
        let modules = fittings.modules.iter();
        let modules = modules.chain(audio.flat_map(|audio| &audio.modules));
        let modules = modules.take_while(|_| !self.is_given_up());
        for problem in modules::load_all(&self.root, modules) {
            self.tell(Event::Remark(problem));
        }
        self.amplifier = fittings.audio.as_ref().and_then(|audio| audio.amplifier);
        self.volume = volume;
    }

    fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    /// One failure is told, and ends all speaking.
    fn say_or_be_silent(&mut self, prompt: Prompt) {
        let Some(volume) = self.volume else { return };
        if let Err(error) = self.say(prompt, volume) {
            self.volume = None;
            let why = error.to_string();
            self.tell(Event::Remark(Problem::NoSound { why }));
        }
    }

    fn say(&self, prompt: Prompt, volume: Volume) -> io::Result<()> {
        let recording = in_file(recording(&self.root, prompt), |path| fs::read(path))?;
        let mut device = in_file(self.root.join(DEVICE), |path| {
            OpenOptions::new().write(true).open(path)
        })?;
        (self.tune)(&device)?;
        self.amplify(Switch::on)?;
        let said = device.write_all(&speech::decode(&recording, volume));
        // Drivers that cannot wait here wait when the device is closed.
        let _ = sys::play_out(&device);
        drop(device);
        self.amplify(Switch::off)?;
        said
    }

    fn amplify(&self, level: fn(&Switch) -> wz_core::profile::Level) -> io::Result<()> {
        match &self.amplifier {
            Some(switch) => Line::drive(&self.root, switch.gpio, level(switch)).map(drop),
            None => Ok(()),
        }
    }

    fn tell(&self, event: Event) {
        let _ = self.notes.send(event);
    }
}

/// An error of the standard library does not name the file.
fn in_file<T>(path: PathBuf, open: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let named = |error: io::Error| io::Error::other(format!("{}: {error}", path.display()));
    open(&path).map_err(named)
}

/// Tells an OSS device what samples it gets.
///
/// # Errors
/// When it is none, or plays only others.
pub fn tune(device: &File) -> io::Result<()> {
    let rate = sys::set_sound_format(device, SAMPLE_RATE)?;
    // Some clocks cannot be divided evenly.
    match rate.abs_diff(SAMPLE_RATE) < SAMPLE_RATE / 20 {
        true => Ok(()),
        false => Err(io::Error::other(format!(
            "the speaker takes {rate} samples a second, not {SAMPLE_RATE}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tempfile::TempDir;
    use wz_core::profile::{Audio, Gpio, Lamps, Level};

    use crate::gpio::tests::{kernel_with, written};

    /// Half a second.
    const RECORDING: &[u8] = &[0x55; 4000];

    fn camera() -> TempDir {
        let root = kernel_with(&[7, 48]);
        fs::create_dir(root.path().join("voices")).unwrap();
        fs::create_dir(root.path().join("dev")).unwrap();
        for prompt in Prompt::ALL {
            fs::write(recording(root.path(), prompt), RECORDING).unwrap();
        }
        root
    }

    fn with_speaker() -> Fittings {
        Fittings {
            audio: Some(Audio::default()),
            ..Fittings::none()
        }
    }

    fn speaker(root: &TempDir) -> (Speaker, Receiver<Event>) {
        let (notes, told) = channel();
        let speaker = Speaker::start(root.path().to_owned(), notes, |_| Ok(()));
        (speaker, told)
    }

    fn wait(speaker: &Speaker) {
        while !speaker.is_silent() {
            thread::yield_now();
        }
    }

    #[test]
    fn what_is_said_reaches_the_device_as_loud_as_is_wanted() {
        let root = camera();
        fs::write(root.path().join(DEVICE), "").unwrap();
        let (speaker, told) = speaker(&root);
        speaker.set_up(&with_speaker(), Some(Volume::DEFAULT));
        speaker.say(Prompt::Finished);
        wait(&speaker);
        assert_eq!(speaker.left.load(Ordering::Relaxed), 0);
        let heard = fs::read(root.path().join(DEVICE)).unwrap();
        assert!(heard == speech::decode(RECORDING, Volume::DEFAULT));
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn nothing_is_said_without_a_volume_or_a_speaker() {
        for (fittings, volume) in [
            (with_speaker(), None),
            (Fittings::none(), Some(Volume::DEFAULT)),
        ] {
            let root = camera();
            fs::write(root.path().join(DEVICE), "").unwrap();
            let (speaker, told) = speaker(&root);
            speaker.say(Prompt::Initialising);
            speaker.set_up(&fittings, volume);
            speaker.say(Prompt::Finished);
            assert!(speaker.is_silent());
            drop(speaker);
            assert!(told.recv().is_err(), "the thread ends without a remark");
            assert_eq!(fs::read(root.path().join(DEVICE)).unwrap(), b"");
        }
    }

    /// Nobody reads from the pipe, so opening it blocks for ever.
    #[test]
    fn a_device_that_blocks_for_ever_is_waited_for_as_long_as_it_takes_and_a_second() {
        let root = camera();
        mkfifo(&root.path().join(DEVICE), Mode::S_IRWXU).unwrap();
        let (speaker, _told) = speaker(&root);
        speaker.set_up(&with_speaker(), Some(Volume::DEFAULT));
        let begun = Instant::now();
        speaker.say(Prompt::Initialising);
        speaker.say(Prompt::Finished);
        let silent_from = *speaker.silent_from.borrow();
        assert!(silent_from >= begun + Duration::from_secs(1));
        assert!(!speaker.is_silent());
        wait(&speaker);
        assert!(Instant::now() >= silent_from + GRACE);
        assert_eq!(speaker.left.load(Ordering::Relaxed), 2, "it still blocks");
    }

    #[test]
    fn a_camera_without_its_device_says_so_once() {
        let root = camera();
        let (speaker, told) = speaker(&root);
        speaker.set_up(&with_speaker(), Some(Volume::DEFAULT));
        speaker.say(Prompt::Initialising);
        speaker.say(Prompt::Finished);
        wait(&speaker);
        drop(speaker);
        let told: Vec<Event> = told.iter().collect();
        let [Event::Remark(problem)] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(problem.code().to_string(), "WZ-0881");
        assert!(problem.what().contains("dev/dsp"), "{problem}");
    }

    #[test]
    fn power_is_switched_on_and_a_missing_module_is_told() {
        let root = camera();
        let (speaker, told) = speaker(&root);
        let low = |gpio| Switch {
            gpio: Gpio(gpio),
            active: Level::Low,
        };
        let fittings = Fittings {
            lamps: Lamps::Leds(Vec::new()),
            power: vec![low(48)],
            modules: vec![wz_core::profile::Module {
                name: "nowhere".to_owned(),
                parameters: String::new(),
            }],
            audio: None,
        };
        speaker.set_up(&fittings, None);
        assert_eq!(written(root.path(), 48, "direction"), "low");
        assert_eq!(written(root.path(), 7, "direction"), "in");
        let Ok(Event::Remark(problem)) = told.try_recv() else {
            panic!("nothing is told");
        };
        assert_eq!(problem.code().to_string(), "WZ-0880");
    }

    #[test]
    fn what_was_given_up_is_not_set_up_later() {
        let root = camera();
        let device = root.path().join(DEVICE);
        mkfifo(&device, Mode::S_IRWXU).unwrap();
        let (speaker, told) = speaker(&root);
        speaker.set_up(&with_speaker(), Some(Volume::DEFAULT));
        speaker.say(Prompt::Initialising);
        let power = Switch {
            gpio: Gpio(48),
            active: Level::Low,
        };
        let fittings = Fittings {
            power: vec![power],
            ..Fittings::none()
        };
        speaker.set_up(&fittings, None);
        fs::read(&device).unwrap();
        drop(speaker);
        assert!(told.recv().is_err(), "the thread has ended");
        assert_eq!(written(root.path(), 48, "direction"), "in");
    }

    #[test]
    fn the_amplifier_is_on_only_while_something_is_said() {
        let root = camera();
        fs::write(root.path().join(DEVICE), "").unwrap();
        let (speaker, _told) = speaker(&root);
        let amplifier = Some(Switch {
            gpio: Gpio(7),
            active: Level::High,
        });
        let fittings = Fittings {
            audio: Some(Audio {
                amplifier,
                ..Audio::default()
            }),
            ..Fittings::none()
        };
        speaker.set_up(&fittings, Some(Volume::DEFAULT));
        assert_eq!(written(root.path(), 7, "direction"), "in");
        speaker.say(Prompt::Finished);
        wait(&speaker);
        assert_eq!(written(root.path(), 7, "direction"), "low");
    }
}
