//! The owner's Wi-Fi, for the firmware that is in flash when all operations are over.
//!
//! ```text
//!  thingino.conf ──▶ variables ──▶ where the firmware in flash reads them: environment, uenv.txt
//! ```
//! Nothing here shows a value (S9).

use super::chip::find_chip;
use super::{ChipEvidence, FlashUnit, Stop, with_card_profiles};
use crate::card::{Card, CardPath, write_small};
use crate::config::{self, Reading, Wifi, read_wifi};
use crate::detect;
use crate::event::{Event, Problem, Reporter, Step, in_step};
use crate::execute::{Expected, check, environment};
use crate::plan::{takes_wifi, wifi_stores, wifi_variables, with_variables};
use crate::profile::WifiStore;
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
    /// They cannot be there before the firmware has started once. This was told.
    Later,
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
///
/// # Errors
/// What keeps it from having them.
pub(super) fn provision(
    flash: &mut FlashUnit<'_>,
    chip: &ChipEvidence,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Provisioned, Vec<Problem>> {
    let one = |problem| vec![problem];
    if !has_file(card).map_err(one)? {
        return Ok(Provisioned::NotAsked);
    }
    let catalogue = with_card_profiles(card).map_err(Stop::into_problems)?;
    let (soc, _) = find_chip(&catalogue, chip).map_err(one)?;
    let installed = detect::installed(&catalogue, soc, flash.chip, flash.file_systems);
    let Some((firmware, layout)) = installed.map_err(one)? else {
        return Ok(Provisioned::NotAsked);
    };
    if !takes_wifi(firmware) {
        return Ok(Provisioned::NotAsked);
    }
    let Some(wifi) = wanted(card)?.value else {
        return Ok(Provisioned::NotAsked);
    };
    let stores = wifi_stores(firmware, layout);
    if stores.is_empty() {
        return Err(one(Problem::WifiLayoutUnknown {
            firmware: firmware.name.clone(),
        }));
    }
    let variables = wifi_variables(&wifi);
    let mut provisioned = Provisioned::Done;
    if stores.contains(&WifiStore::Card) {
        to_card(&variables, &firmware.name, card, reporter).map_err(one)?;
    }
    if stores.contains(&WifiStore::Environment) {
        let known = layout.and_then(|layout| layout.environment());
        match to_environment(&variables, known, flash, card, reporter) {
            Ok(()) => {}
            Err(Problem::EnvironmentBlank { .. }) => {
                let firmware = firmware.name.clone();
                let later = Problem::WifiLater { firmware };
                reporter.report(&Event::Remark(later));
                provisioned = Provisioned::Later;
            }
            Err(problem) => return Err(one(problem)),
        }
    }
    Ok(provisioned)
}

fn has_file(card: &mut dyn Card) -> Result<bool, Problem> {
    let found = card.read(&CardPath::wifi_conf(), Size::ZERO);
    found
        .map(|bytes| bytes.is_some())
        .map_err(|error| error.into_problem(card))
}

fn to_environment(
    variables: &[(&str, &str)],
    known: Option<Region>,
    flash: &mut FlashUnit<'_>,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
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
    environment::write(&found, &new, flash.chip, card, reporter)
}

fn to_card(
    variables: &[(&str, &str)],
    firmware: &str,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
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
        in_step(reporter, Step::WriteWifiFile { file }, |reporter| {
            write_small(card, &path, &new).map_err(|error| error.into_problem(card))?;
            check(card, &path, &Expected::of(&new), reporter)
        })?;
    }
    reporter.report(&Event::Remark(Problem::WifiOnCard {
        file: path.to_string(),
        conf: firmware.to_owned(),
    }));
    Ok(())
}
