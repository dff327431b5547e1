//! Runs that a person at the shell, or a script, asks for by a command.

use std::io::{Read, Write};

use sha2::{Digest as _, Sha256};

use super::asked::{Standing, read_request, ready, standing, with_card_profiles};
use super::ending::conclude;
use super::{ChipEvidence, Ended, FlashUnit, Scene, Start, Stop, Surroundings};
use crate::card::{Card, CardError, CardOperation, CardPath};
use crate::config::{Mode, Order};
use crate::event::{Event, Outcome, Problem, Reporter};
use crate::execute::{Expected, check, hex};
use crate::units::Size;

/// How much is copied at a time.
const CHUNK: usize = 64 * 1024;

/// A run as by [`run`](super::run), begun at a shell: for `order`, or else for what `general.conf`
/// asks for. The SD kernel may have been put away before; it is bootable while flash is not whole, and
/// away at the end.
pub fn run_by_hand(
    order: Option<&Order>,
    card: &mut dyn Card,
    flash: Result<FlashUnit<'_>, Problem>,
    chip: &ChipEvidence,
    surroundings: &mut dyn Surroundings,
    reporter: &mut dyn Reporter,
) -> Ended {
    Scene::new(Start::Shell, card, flash, chip, surroundings, reporter).whole(order)
}

/// Shows what a run would do now for what `general.conf` asks for. Neither flash nor card change.
pub fn preview(
    card: &mut dyn Card,
    flash: Result<FlashUnit<'_>, Problem>,
    chip: &ChipEvidence,
    surroundings: &mut dyn Surroundings,
    reporter: &mut dyn Reporter,
) -> Outcome {
    let mut scene = Scene::new(Start::Shell, card, flash, chip, surroundings, reporter);
    let result = scene.plan_only();
    let Ok(outcome) = conclude(result, scene.reporter) else {
        return Outcome::Refused;
    };
    let peak_memory = scene.surroundings.peak_memory();
    scene.reporter.report(&Event::Finished {
        outcome,
        peak_memory,
    });
    outcome
}

impl Scene<'_, '_> {
    fn plan_only(&mut self) -> Result<Outcome, Stop> {
        let config = read_request(self.card, None, self.reporter);
        let catalogue = with_card_profiles(self.card);
        if let Standing::Interrupted(_) = standing(self.card, config.as_ref().ok())? {
            return Err(Stop::from(Problem::RunOpen {}));
        }
        let mut ready = ready(config, catalogue)?;
        ready.request.mode = Mode::DryRun;
        let is_asked = !ready.request.is_empty();
        let program = self.program()?;
        self.prepare(&ready, &program)?;
        Ok(match is_asked {
            true => Outcome::DryRun,
            false => Outcome::NothingToDo,
        })
    }
}

/// Copies an image that lies elsewhere to the card, so that a run that is interrupted finds it at the
/// next power-on. Returns where it is.
///
/// # Errors
/// A run that is open, and may need another image of this name; no room for it; the reader's own errors,
/// and the card's.
pub fn take_in(
    name: &str,
    size: Size,
    image: &mut dyn Read,
    card: &mut dyn Card,
) -> Result<CardPath, Problem> {
    if is_open(card)? {
        return Err(Problem::RunOpen {});
    }
    let space = card.space().map_err(|error| error.into_problem(card))?;
    let needed = size.round_up(space.cluster);
    if needed > space.free {
        return Err(Problem::CardTooSmall {
            needed,
            free: space.free,
            cluster: space.cluster,
        });
    }
    let path = CardPath::given_images().join(name);
    let (mut hash, mut copied) = (Sha256::new(), 0);
    let mut file = card
        .create_folder(&path.parent())
        .and_then(|()| card.create(&path))
        .map_err(|error| error.into_problem(card))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let length = image
            .read(&mut buffer)
            .map_err(|error| unreadable(name, &error))?;
        if length == 0 {
            break;
        }
        hash.update(&buffer[..length]);
        copied += length as u64;
        file.write_all(&buffer[..length])
            .map_err(|source| CardError::new(CardOperation::Write, &path, source))
            .map_err(|error| error.into_problem(card))?;
    }
    file.finish()
        .map_err(|source| CardError::new(CardOperation::Sync, &path, source))
        .and_then(|()| card.sync())
        .map_err(|error| error.into_problem(card))?;
    // Without a hash beside it the image is what the card holds from now on.
    let expected = Expected {
        size: Size::bytes(copied),
        sha256: hex(hash.finalize()),
    };
    check(card, &path, &expected, &mut |_: &Event| {})?;
    Ok(path)
}

fn unreadable(name: &str, error: &std::io::Error) -> Problem {
    Problem::FileFailed {
        doing: "read".to_owned(),
        file: name.to_owned(),
        reason: error.to_string(),
    }
}

/// Whether a run that writes flash is not finished.
///
/// # Errors
/// When the journal cannot be read, and the card's own.
pub fn is_open(card: &mut dyn Card) -> Result<bool, Problem> {
    let standing = standing(card, None)?;
    Ok(matches!(standing, Standing::Interrupted(_)))
}

/// Removes what [`take_in`] has copied.
///
/// # Errors
/// The card's own.
pub(super) fn forget_given_images(card: &mut dyn Card) -> Result<(), Problem> {
    let folder = CardPath::given_images();
    let removed = match card.entries(&folder) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => card.remove_folder(&folder).and_then(|()| card.sync()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| error.into_problem(card))
}
