//! The owner's Wi-Fi, for the firmware that is in flash when all operations are over.
//!
//! ```text
//!  thingino.conf ──▶ variables ──▶ where the firmware in flash reads them: environment, uenv.txt
//! ```
//! Nothing here shows a value (S9).

use super::chip::find_chip;
use super::environment::Startable;
use super::{ChipEvidence, FlashUnit, Scene, Stop, is_well, with_card_profiles};
use crate::card::{Card, CardPath, write_small};
use crate::config::{self, Reading, Wifi, read_wifi};
use crate::detect;
use crate::event::{Event, Outcome, Problem, Reporter, Step, in_step};
use crate::execute::{Expected, check, environment};
use crate::plan::{takes_wifi, wifi_stores, wifi_variables, with_variables};
use crate::profile::{Firmware, Layout, WifiStore};
use crate::units::{Region, Size};

/// More than any `uenv.txt` has.
const LONGEST_CARD_FILE: Size = Size::kib(64);

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provisioned {
    /// The card does not ask for it, or the firmware takes no Wi-Fi settings.
    NotAsked,
    /// The settings are where the firmware reads them, and were read back.
    Done,
    /// They cannot be there before the firmware has started once, or it is not sure that it reads
    /// them. This was told.
    Later,
    /// The environment is neither the old one nor the new one. The next power-on goes on.
    Broken,
}

/// What it is done with.
pub(super) struct Hands<'a, 'b> {
    pub(super) flash: &'a mut FlashUnit<'b>,
    pub(super) chip: &'a ChipEvidence,
    pub(super) card: &'a mut dyn Card,
    pub(super) startable: Startable<'a>,
    pub(super) reporter: &'a mut dyn Reporter,
}

impl Scene<'_, '_> {
    /// What the owner wants of the firmware that is there now, when all operations are over, and how
    /// the run has ended then. `layout` is the one that was just written.
    pub(super) fn set_up_wifi(
        &mut self,
        outcome: Outcome,
        layout: Option<&str>,
        startable: Startable<'_>,
    ) -> (Outcome, Provisioned) {
        let is_whole = is_well(outcome) || outcome == Outcome::Incomplete;
        let flash = match &mut self.flash {
            Ok(flash) if is_whole && self.sets_up_wifi => flash,
            _ => return (outcome, Provisioned::NotAsked),
        };
        let mut hands = Hands {
            flash,
            chip: self.chip,
            card: self.card,
            startable,
            reporter: self.reporter,
        };
        match provision(layout, &mut hands) {
            Ok(Provisioned::Done) if outcome == Outcome::NothingToDo => {
                (Outcome::Success, Provisioned::Done)
            }
            Ok(provisioned) => (outcome, provisioned),
            Err(problems) => {
                let is_broken = |problem| matches!(problem, &Problem::EnvironmentBroken { .. });
                let provisioned = match problems.iter().any(is_broken) {
                    true => Provisioned::Broken,
                    false => Provisioned::NotAsked,
                };
                for problem in problems {
                    self.reporter.report(&Event::Failed(problem));
                }
                (Outcome::Incomplete, provisioned)
            }
        }
    }
}

/// What the card says of Wi-Fi.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn wanted(card: &mut dyn Card) -> Result<Reading<Option<Wifi>>, Vec<Problem>> {
    let path = CardPath::wifi_conf();
    let bytes = card
        .read(&path, config::LIMIT)
        .map_err(|error| vec![error.into_problem(card)])?;
    read_wifi(path.as_str(), &bytes.unwrap_or_default())
}

/// Gives the firmware in flash the owner's Wi-Fi settings, if the card has any and it takes them.
/// `written` is the layout that was just written: before its firmware has started, flash may not tell.
///
/// # Errors
/// What keeps it from having them.
pub(super) fn provision(
    written: Option<&str>,
    hands: &mut Hands<'_, '_>,
) -> Result<Provisioned, Vec<Problem>> {
    let one = |problem| vec![problem];
    // What is wrong with the file matters only to a firmware that takes it.
    let wifi = wanted(hands.card);
    if matches!(&wifi, Ok(Reading { value: None, .. })) {
        return Ok(Provisioned::NotAsked);
    }
    let catalogue = with_card_profiles(hands.card).map_err(Stop::into_problems)?;
    let (soc, _) = find_chip(&catalogue, hands.chip).map_err(one)?;
    let flash = &mut *hands.flash;
    let installed = detect::installed(&catalogue, soc, flash.chip, flash.file_systems);
    let Some((firmware, found)) = installed.map_err(one)? else {
        let told = Problem::WifiFirmwareUnknown {};
        hands.reporter.report(&Event::Remark(told));
        return Ok(Provisioned::Later);
    };
    if !takes_wifi(firmware) {
        return Ok(Provisioned::NotAsked);
    }
    let Some(wifi) = wifi?.value else {
        return Ok(Provisioned::NotAsked);
    };
    let layout = found.or_else(|| firmware.layout(written?));
    pass_on(&wifi, firmware, layout, hands).map_err(one)
}

fn pass_on(
    wifi: &Wifi,
    firmware: &Firmware,
    layout: Option<&Layout>,
    hands: &mut Hands<'_, '_>,
) -> Result<Provisioned, Problem> {
    let name = || firmware.name.clone();
    let variables = wifi_variables(wifi);
    let stores = wifi_stores(firmware, layout);
    let mut why_later = None;
    if stores.contains(&WifiStore::Card) {
        to_card(&variables, name(), hands)?;
    }
    if stores.contains(&WifiStore::Environment) {
        let known = layout.and_then(Layout::environment);
        match to_environment(&variables, known, hands) {
            Ok(()) => {}
            Err(Problem::EnvironmentBlank { .. }) => {
                why_later = Some(Problem::WifiLater { firmware: name() });
            }
            Err(problem) => return Err(problem),
        }
    }
    if layout.is_none() {
        why_later = Some(Problem::WifiLayoutUnknown { firmware: name() });
    }
    match why_later {
        None => Ok(Provisioned::Done),
        Some(problem) => {
            hands.reporter.report(&Event::Remark(problem));
            Ok(Provisioned::Later)
        }
    }
}

fn to_environment(
    variables: &[(&str, &str)],
    known: Option<Region>,
    hands: &mut Hands<'_, '_>,
) -> Result<(), Problem> {
    let flash = &mut *hands.flash;
    // Settings that share an erase block with it must not be mounted meanwhile.
    let released = flash.file_systems.release();
    released.map_err(|error| Problem::SystemFailed {
        doing: "unmount the partitions".to_owned(),
        reason: error.to_string(),
    })?;
    let found = environment::find(known, flash.chip)?;
    let mut new = found.environment.clone();
    for (name, value) in variables {
        new.set(name, value)
            .map_err(|error| Problem::EnvironmentEdit {
                why: error.to_string(),
            })?;
    }
    if new == found.environment {
        return Ok(());
    }
    let (startable, chip) = (&mut hands.startable, &mut *flash.chip);
    startable.during(hands.card, hands.reporter, |card, reporter| {
        environment::write(&found, &new, chip, card, reporter)
    })
}

fn to_card(
    variables: &[(&str, &str)],
    firmware: String,
    hands: &mut Hands<'_, '_>,
) -> Result<(), Problem> {
    let card = &mut *hands.card;
    let path = CardPath::uenv();
    let old = card
        .read(&path, LONGEST_CARD_FILE)
        .map_err(|error| error.into_problem(card))?
        .unwrap_or_default();
    if old.len() > LONGEST_CARD_FILE.as_usize() {
        return Err(Problem::WifiCardFile {
            file: path.to_string(),
            limit: LONGEST_CARD_FILE,
        });
    }
    let new = with_variables(&old, variables);
    if new != old {
        let file = path.to_string();
        in_step(hands.reporter, Step::WriteWifiFile { file }, |reporter| {
            write_small(card, &path, &new).map_err(|error| error.into_problem(card))?;
            check(card, &path, &Expected::of(&new), reporter)
        })?;
    }
    hands.reporter.report(&Event::Remark(Problem::WifiOnCard {
        file: path.to_string(),
        firmware,
    }));
    Ok(())
}
