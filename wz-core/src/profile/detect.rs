//! Recognising what is in flash: rules as data, and their evaluation. Nothing here reads flash;
//! [`Evidence`] does, as little as the rules ask for and only when they ask.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Deserialize;

use super::firmware::{FileRule, Firmware, Model, ModelRule, VariableRule};
use super::layout::{Layout, Partition};
use crate::event::Problem;
use crate::units::{Offset, Region, Size};

/// The first bytes of a legacy uImage (U-Boot, include/image.h: `IH_MAGIC`).
const UIMAGE_MAGIC: [u8; 4] = [0x27, 0x05, 0x19, 0x56];

/// What detection may look at. Reading flash is slow: an implementation reads the boot partition
/// once and keeps it.
pub trait Evidence {
    /// The start of flash, [`super::FlashChip::boot_search`] long.
    ///
    /// # Errors
    /// That it could not be read.
    fn boot(&mut self) -> Result<&[u8], Problem>;

    /// This part of flash.
    ///
    /// # Errors
    /// That it could not be read.
    fn bytes(&mut self, region: Region) -> Result<Vec<u8>, Problem>;

    /// The variables of the U-Boot environment that is exactly this region; none if its CRC is wrong.
    ///
    /// # Errors
    /// That it could not be read.
    fn environment(&mut self, region: Region) -> Result<Option<Variables>, Problem>;

    /// A file on the file system in this partition; none if there is no such file.
    ///
    /// # Errors
    /// That the file system could not be mounted or the file not be read.
    fn file(&mut self, partition: &Partition, path: &str) -> Result<Option<Vec<u8>>, Problem>;

    /// The word that a script answers, by its path below the folder of profiles; none if it has none
    /// to say, or cannot be asked here.
    fn answer(&mut self, _script: &str) -> Option<String> {
        None
    }
}

/// The U-Boot environment: values by name.
pub type Variables = BTreeMap<String, String>;

/// Signs in flash that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clue {
    /// Any of these texts is in the start of flash.
    pub boot_contains: Vec<String>,
    /// A uImage starts here.
    pub kernel_at: Option<Offset>,
    /// These bytes are there.
    pub bytes_at: Option<BytesClue>,
    /// A U-Boot environment with a good CRC is here.
    pub environment: Option<EnvironmentClue>,
}

/// Bytes at a place in flash.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BytesClue {
    /// Where they start.
    pub offset: Offset,
    /// What they are, as hexadecimal digits: `8519`.
    #[serde(deserialize_with = "hex")]
    pub hex: Vec<u8>,
}

/// A U-Boot environment with a good CRC.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentClue {
    /// Where it starts.
    pub offset: Offset,
    /// How long it is, its CRC included.
    pub size: Size,
    /// What its variable `mtdparts` must contain.
    pub mtdparts: Option<String>,
}

/// How many of several candidates are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identified<'a, T> {
    /// No known one.
    Unknown,
    /// This one and no other.
    One(&'a T),
    /// More than one seems to be, so none is sure.
    Several(Vec<&'a T>),
}

impl<'a, T> Identified<'a, T> {
    /// The one, if it is sure.
    pub fn one(&self) -> Option<&'a T> {
        match self {
            Self::One(one) => Some(one),
            _ => None,
        }
    }
}

/// Which of these firmwares is in flash.
///
/// # Errors
/// What the evidence could not be read for.
pub fn identify<'a>(
    firmwares: &'a [Firmware],
    evidence: &mut dyn Evidence,
) -> Result<Identified<'a, Firmware>, Problem> {
    one_of(firmwares, evidence, Firmware::matches)
}

pub(super) fn one_of<'a, T>(
    candidates: &'a [T],
    evidence: &mut dyn Evidence,
    matches: impl Fn(&T, &mut dyn Evidence) -> Result<bool, Problem>,
) -> Result<Identified<'a, T>, Problem> {
    let mut found = Vec::new();
    for candidate in candidates {
        if matches(candidate, evidence)? {
            found.push(candidate);
        }
    }
    Ok(match found.as_slice() {
        [] => Identified::Unknown,
        [one] => Identified::One(one),
        _ => Identified::Several(found),
    })
}

pub(super) fn holds_any(clues: &[Clue], evidence: &mut dyn Evidence) -> Result<bool, Problem> {
    for clue in clues {
        if clue.holds(evidence)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Clue {
    /// Whether all signs hold. The cheapest are looked at first.
    fn holds(&self, evidence: &mut dyn Evidence) -> Result<bool, Problem> {
        Ok(self.boot_holds(evidence)?
            && self.kernel_holds(evidence)?
            && self.bytes_hold(evidence)?
            && self.environment_holds(evidence)?)
    }

    fn boot_holds(&self, evidence: &mut dyn Evidence) -> Result<bool, Problem> {
        if self.boot_contains.is_empty() {
            return Ok(true);
        }
        let boot = evidence.boot()?;
        Ok(self.boot_contains.iter().any(|text| contains(boot, text)))
    }

    fn kernel_holds(&self, evidence: &mut dyn Evidence) -> Result<bool, Problem> {
        match self.kernel_at {
            Some(offset) => are_at(offset, &UIMAGE_MAGIC, evidence),
            None => Ok(true),
        }
    }

    fn bytes_hold(&self, evidence: &mut dyn Evidence) -> Result<bool, Problem> {
        match &self.bytes_at {
            Some(clue) => are_at(clue.offset, &clue.hex, evidence),
            None => Ok(true),
        }
    }

    fn environment_holds(&self, evidence: &mut dyn Evidence) -> Result<bool, Problem> {
        let Some(clue) = &self.environment else {
            return Ok(true);
        };
        let Some(variables) = evidence.environment(clue.region())? else {
            return Ok(false);
        };
        Ok(clue.mtdparts.as_ref().is_none_or(|wanted| {
            variables
                .get("mtdparts")
                .is_some_and(|value| value.contains(wanted))
        }))
    }

    /// Whether no sign is named, so that it would hold everywhere.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether flash that has what `other` asks for, and one of its texts, has what this one asks for.
    pub(super) fn follows_from(&self, other: &Self) -> bool {
        let boot = self.boot_contains.is_empty()
            || other.boot_contains.iter().any(|theirs| {
                let ours = |ours: &String| theirs.contains(ours.as_str());
                self.boot_contains.iter().any(ours)
            });
        let kernel = self.kernel_at.is_none() || self.kernel_at == other.kernel_at;
        let bytes = follows(&self.bytes_at, &other.bytes_at, BytesClue::follows_from);
        let environment = follows(
            &self.environment,
            &other.environment,
            EnvironmentClue::follows_from,
        );
        boot && kernel && bytes && environment
    }

    /// The parts of flash that it looks at, the start of flash apart.
    pub(super) fn regions(&self) -> Vec<Region> {
        let kernel = self
            .kernel_at
            .map(|offset| region_of(offset, &UIMAGE_MAGIC));
        let bytes = self.bytes_at.as_ref().map(|c| region_of(c.offset, &c.hex));
        let environment = self.environment.as_ref().map(EnvironmentClue::region);
        [kernel, bytes, environment].into_iter().flatten().collect()
    }
}

impl EnvironmentClue {
    /// Where it is.
    pub fn region(&self) -> Region {
        Region::new(self.offset, self.size)
    }

    fn follows_from(&self, other: &Self) -> bool {
        let mtdparts = follows(&self.mtdparts, &other.mtdparts, |ours, theirs| {
            theirs.contains(ours.as_str())
        });
        self.region() == other.region() && mtdparts
    }
}

impl BytesClue {
    fn follows_from(&self, other: &Self) -> bool {
        self.offset == other.offset && other.hex.starts_with(&self.hex)
    }
}

/// What is not asked for follows from anything, and nothing else follows from what is not asked for.
fn follows<T>(ours: &Option<T>, theirs: &Option<T>, from: impl Fn(&T, &T) -> bool) -> bool {
    match (ours, theirs) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(ours), Some(theirs)) => from(ours, theirs),
    }
}

impl Firmware {
    /// What model the camera is. An unknown model is no failure.
    ///
    /// # Errors
    /// What the evidence could not be read for: a damaged file system, say.
    pub fn model_in(
        &self,
        layout: &Layout,
        evidence: &mut dyn Evidence,
    ) -> Result<Option<Model>, Problem> {
        let mut files = BTreeMap::new();
        for rule in &self.models {
            let code = if let Some(wanted) = &rule.file {
                wanted.holds(layout, evidence, &mut files)?.then_some(None)
            } else if let Some(wanted) = &rule.variable {
                wanted.value(layout, evidence)?.map(Some)
            } else if let Some(text) = &rule.boot_contains {
                contains(evidence.boot()?, text).then_some(None)
            } else {
                None
            };
            if let Some(model) = code.and_then(|found| rule.model(found)) {
                return Ok(Some(model));
            }
        }
        Ok(self.model_by_script(evidence))
    }
}

/// Files that were read already, by partition and path.
type Files<'a> = BTreeMap<(&'a str, &'a str), Option<Vec<u8>>>;

impl FileRule {
    fn holds<'a>(
        &'a self,
        layout: &Layout,
        evidence: &mut dyn Evidence,
        files: &mut Files<'a>,
    ) -> Result<bool, Problem> {
        let Some(partition) = layout.partition(&self.partition) else {
            return Ok(false);
        };
        let key = (self.partition.as_str(), self.path.as_str());
        let file = match files.entry(key) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => unread.insert(evidence.file(partition, &self.path)?),
        };
        Ok(file
            .as_ref()
            .is_some_and(|bytes| contains(bytes, &self.contains)))
    }
}

impl VariableRule {
    fn value(
        &self,
        layout: &Layout,
        evidence: &mut dyn Evidence,
    ) -> Result<Option<String>, Problem> {
        let Some(partition) = layout.partition(&self.partition) else {
            return Ok(None);
        };
        let variables = evidence.environment(partition.region)?;
        let value = variables.and_then(|mut all| all.remove(&self.name));
        Ok(value.filter(|value| self.equals.as_ref().is_none_or(|wanted| wanted == value)))
    }
}

impl ModelRule {
    /// The model, once the sign holds; `value` is what a variable holds. A value that could not be a
    /// code is no answer.
    fn model(&self, value: Option<String>) -> Option<Model> {
        let code = match &self.code {
            Some(code) => code.clone(),
            None => value.filter(|value| super::check::is_safe_name(value))?,
        };
        Some(Model {
            code,
            name: self.name.clone(),
            secure_boot: self.secure_boot,
        })
    }
}

fn are_at(offset: Offset, wanted: &[u8], evidence: &mut dyn Evidence) -> Result<bool, Problem> {
    Ok(evidence.bytes(region_of(offset, wanted))? == wanted)
}

fn region_of(offset: Offset, bytes: &[u8]) -> Region {
    Region::new(offset, Size::bytes(bytes.len() as u64))
}

fn contains(bytes: &[u8], text: &str) -> bool {
    position(bytes, text.as_bytes()).is_some()
}

/// Where `wanted` first occurs; an empty text occurs nowhere.
pub(super) fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let last_start = bytes.len().checked_sub(wanted.len())?;
    (0..=last_start).find(|at| bytes[*at] == *first && bytes[*at..].starts_with(wanted))
}

fn hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.as_bytes();
    let whole = !digits.is_empty() && digits.len().is_multiple_of(2);
    if !whole || !digits.iter().all(u8::is_ascii_hexdigit) {
        let wrong = format!("\"{text}\" is not pairs of hexadecimal digits such as 8519");
        return Err(serde::de::Error::custom(wrong));
    }
    let pairs = digits.chunks_exact(2);
    Ok(pairs
        .map(|pair| nibble(pair[0]) << 4 | nibble(pair[1]))
        .collect())
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests;
