//! What a custom script gets to know.

use std::time::Duration;

use crate::card::CardPath;
use crate::config::FileName;

/// A custom script that is to run now, when everything else is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCall<'a> {
    /// The folder that it is in.
    pub folder: CardPath,
    /// Its file.
    pub name: &'a FileName,
    /// After which it is stopped.
    pub time_limit: Duration,
    /// What it gets to know.
    pub facts: ScriptFacts,
}

/// What scripts get to know about the camera and about the run. They never run in a dry run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScriptFacts {
    /// SoC family, `t31`.
    pub soc: String,
    /// Chip, `t31x`.
    pub chip: String,
    /// Chip group, as in the names of images.
    pub chip_group: String,
    /// The firmware that was in flash when the run began, if it is a known one.
    pub current_firmware: Option<String>,
    /// The firmware that has replaced it, if one has.
    pub next_firmware: Option<String>,
    /// The camera model, if it is a known one.
    pub model: Option<String>,
}

impl ScriptFacts {
    /// The same as the variables that scripts of the original program know. What is not known is
    /// empty.
    pub fn variables(&self) -> [(&'static str, &str); 8] {
        let switched = match self.next_firmware {
            Some(_) => "yes",
            None => "no",
        };
        [
            ("soc", &self.soc),
            ("chip", &self.chip),
            ("chip_group", &self.chip_group),
            ("current_firmware", or_empty(&self.current_firmware)),
            ("next_firmware", or_empty(&self.next_firmware)),
            ("model", or_empty(&self.model)),
            ("switch_firmware", switched),
            ("dry_run", "no"),
        ]
    }
}

fn or_empty(fact: &Option<String>) -> &str {
    fact.as_deref().unwrap_or_default()
}
