//! What the card alone decides: what is asked for, which profiles count, and where a run starts from.

use super::Stop;
use crate::card::{Card, CardError, CardPath, Entry, EntryKind};
use crate::config::{self, GeneralConf, Mode, Order, Reading, Request};
use crate::event::{Event, Problem, Reporter};
use crate::journal::{self, RunId, Stage, State};
use crate::profile::{Catalogue, ProfileFile};

/// What the card alone decides.
pub(super) struct Ready {
    pub(super) request: Request,
    pub(super) catalogue: Catalogue,
}

/// The configuration's problems come first: the owner has written that file.
pub(super) fn ready(
    config: Result<Request, Stop>,
    catalogue: Result<Catalogue, Stop>,
) -> Result<Ready, Stop> {
    Ok(Ready {
        request: config?,
        catalogue: catalogue?,
    })
}

/// What is asked for: by `order`, or else by `general.conf`. Reported here: the options; remarks are
/// about the file and come first.
pub(super) fn read_request(
    card: &mut dyn Card,
    order: Option<&Order>,
    reporter: &mut dyn Reporter,
) -> Result<Request, Stop> {
    let path = CardPath::general_conf();
    let file = path.as_str();
    let conf = match (read_config(card, reporter)?, order) {
        (Some(conf), _) => conf,
        (None, Some(_)) => Reading {
            value: GeneralConf::default(),
            warnings: Vec::new(),
        },
        (None, None) => {
            return Err(Stop::from(Problem::ConfigMissing {
                file: file.to_owned(),
            }));
        }
    };
    let request = match order {
        Some(order) => Ok(config::ordered(file, order, &conf.value)),
        None => {
            reporter.report(&Event::Options(conf.value.options()));
            config::request(file, &conf.value)
        }
    };
    let remarks = conf.warnings.into_iter();
    remarks.for_each(|remark| reporter.report(&Event::Remark(remark)));
    let request = request?;
    request
        .warnings
        .into_iter()
        .for_each(|remark| reporter.report(&Event::Remark(remark)));
    Ok(request.value)
}

/// Reads `general.conf`, if there is one. What it says is noted for a bug report, secrets left out.
pub(super) fn read_config(
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Option<Reading<GeneralConf>>, Stop> {
    let path = CardPath::general_conf();
    let bytes = card
        .read(&path, config::LIMIT)
        .map_err(|error| error.into_problem(card))?;
    let Some(bytes) = bytes else {
        return Ok(None);
    };
    note_config(&path, &bytes, reporter);
    Ok(Some(config::read_general(path.as_str(), &bytes)?))
}

/// For a bug report: what the file says, secrets left out.
pub(super) fn note_config(path: &CardPath, bytes: &[u8], reporter: &mut dyn Reporter) {
    let lines = config::listing(path.as_str(), bytes);
    let lines = lines.iter().map(|line| format!("\n  {line}"));
    reporter.report(&Event::Note(format!(
        "{path}:{}",
        lines.collect::<String>()
    )));
}

/// Where a run starts from.
pub(super) enum Standing {
    /// Flash is not to be changed. A run that was, and never got to it, may have left its journal.
    ReadsOnly(Option<Box<State>>),
    /// Flash is to be changed, and has not been yet.
    Begins(Earlier),
    /// Flash was being changed when the camera was switched off.
    Interrupted(Box<State>),
}

/// What earlier power-ons of the same run have left.
#[derive(Default)]
pub(super) struct Earlier {
    pub(super) attempts: u32,
    pub(super) kernel_copies: Vec<String>,
    pub(super) run: Option<RunId>,
}

/// Whether the configuration can be read and asks for this.
pub(super) fn wants(config: &Result<Request, Stop>, mode: Mode) -> bool {
    config.as_ref().is_ok_and(|request| request.mode == mode)
}

pub(super) fn standing(
    card: &mut dyn Card,
    request: Option<&Request>,
) -> Result<Standing, Problem> {
    let state = journal::read(card)?.map(State::of);
    let wants_to_write =
        request.is_some_and(|request| request.mode == Mode::Real && request.rewrite.is_some());
    match state {
        Some(state) if state.stage.is_open() => Ok(Standing::Interrupted(Box::new(state))),
        leftover if !wants_to_write => Ok(Standing::ReadsOnly(leftover.map(Box::new))),
        Some(state) => Ok(Standing::Begins(Earlier {
            // A run that is over counts no more; what it has left is still to be removed.
            attempts: match state.stage {
                Stage::Preparing => state.attempts,
                _ => 0,
            },
            kernel_copies: state.kernel_copies,
            run: Some(state.journal.run()),
        })),
        None => Ok(Standing::Begins(Earlier::default())),
    }
}

/// The built-in profiles with those in `wz_flash-helper/profiles/<soc>/` on the card on top.
pub(super) fn with_card_profiles(card: &mut dyn Card) -> Result<Catalogue, Stop> {
    let files = card_profiles(card).map_err(|error| error.into_problem(card))?;
    Ok(Catalogue::builtin().with_card_profiles(&files)?)
}

fn card_profiles(card: &mut dyn Card) -> Result<Vec<ProfileFile>, CardError> {
    let folder = CardPath::profiles();
    let mut files = Vec::new();
    for soc in card.entries(&folder)?.unwrap_or_default() {
        if soc.kind != EntryKind::Folder {
            continue;
        }
        let place = folder.join(&soc.name);
        let profiles = card.entries(&place)?.unwrap_or_default();
        for file in profiles.into_iter().filter(is_profile).take(MOST_PROFILES) {
            let path = format!("{}/{}", soc.name, file.name);
            if let Some(content) = card.read(&place.join(&file.name), ProfileFile::LARGEST)? {
                files.push(ProfileFile::new(path, content));
            }
        }
    }
    Ok(files)
}

/// More than any SoC has; a folder full of something else must not fill the memory.
const MOST_PROFILES: usize = 16;

fn is_profile(entry: &Entry) -> bool {
    let is_toml = entry.name.to_ascii_lowercase().ends_with(".toml");
    entry.kind != EntryKind::Folder && is_toml
}
