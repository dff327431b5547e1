//! What the files in `wz_flash-helper/` say.

use wz_core::card::{Card, CardPath};
use wz_core::config::{
    self, LIMIT, Rewrite, choose, is_on, read_general, read_restore, read_wifi, request,
};
use wz_core::event::Problem;
use wz_core::profile::{Catalogue, Firmware};
use wz_core::script::check_scripts;

use super::{Findings, asked};

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// In words: `backup`, ...
    pub operations: Vec<&'static str>,
    /// The firmware whose images are needed; none if none are, or if it is the installed one.
    pub next_firmware: Option<String>,
    /// Whether partitions of the installed firmware are restored.
    pub restores: bool,
}

/// Reads all configuration. Without the camera it is not known which firmware is installed, so
/// `restore/<firmware>.conf` is read for each of its layouts.
pub fn config(card: &mut dyn Card, catalogue: &Catalogue, findings: &mut Findings) -> Asked {
    let asked_for = general(card, findings);
    let wifi = CardPath::wifi_conf();
    let content = card.read(&wifi, LIMIT);
    if let Some(bytes) = asked(content, card, findings).flatten() {
        match read_wifi(wifi.as_str(), &bytes) {
            Ok(reading) => findings.remark(&reading.warnings),
            Err(problems) => findings.refuse_all(&problems),
        }
    }
    if asked_for.restores {
        restore(card, catalogue, findings);
    }
    asked_for
}

fn general(card: &mut dyn Card, findings: &mut Findings) -> Asked {
    let path = CardPath::general_conf();
    let file = path.as_str();
    let content = card.read(&path, LIMIT);
    let Some(content) = asked(content, card, findings) else {
        return Asked::default();
    };
    let Some(bytes) = content else {
        findings.refuse(&Problem::ConfigMissing {
            file: file.to_owned(),
        });
        return Asked::default();
    };
    let conf = match read_general(file, &bytes) {
        Ok(reading) => {
            findings.remark(&reading.warnings);
            reading.value
        }
        Err(problems) => {
            findings.refuse_all(&problems);
            return Asked::default();
        }
    };
    if let (true, Some(scripts)) = (is_on(&conf.enable_custom_scripts), &conf.custom_scripts) {
        findings.refuse_all(&check_scripts(card, &scripts.value));
    }
    match request(file, &conf) {
        Ok(reading) => {
            findings.remark(&reading.warnings);
            Asked::of(&reading.value)
        }
        Err(problems) => {
            findings.refuse_all(&problems);
            Asked::default()
        }
    }
}

impl Asked {
    fn of(request: &config::Request) -> Self {
        let operations = request.operations.iter();
        Self {
            operations: operations.map(|operation| operation.name()).collect(),
            next_firmware: match &request.rewrite {
                Some(Rewrite::Switch { next, .. }) => Some(next.to_string()),
                _ => None,
            },
            restores: request.rewrite == Some(Rewrite::Restore),
        }
    }
}

fn restore(card: &mut dyn Card, catalogue: &Catalogue, findings: &mut Findings) {
    let mut wrong = Vec::new();
    let names: Vec<String> = catalogue.socs().map(|soc| soc.name.clone()).collect();
    let mut seen = Vec::new();
    for firmware in names.iter().flat_map(|soc| catalogue.firmwares(soc)) {
        if seen.contains(&firmware.name.as_str()) {
            continue;
        }
        seen.push(&firmware.name);
        let path = CardPath::restore().join(&format!("{}.conf", firmware.name));
        let content = card.read(&path, LIMIT);
        let Some(bytes) = asked(content, card, findings).flatten() else {
            continue;
        };
        let alike = names
            .iter()
            .flat_map(|soc| catalogue.firmware(soc, &firmware.name));
        wrong.push(least_wrong(path.as_str(), &bytes, alike));
    }
    if wrong.is_empty() {
        findings.refuse(&Problem::ConfigMissing {
            file: CardPath::restore().join("<firmware>.conf").to_string(),
        });
    }
    // Those of other firmwares choose nothing, as a rule.
    if wrong.iter().all(Option::is_some) {
        wrong
            .iter()
            .flatten()
            .for_each(|problems| findings.remark(problems));
    }
}

/// What is wrong with the file for the layout that it fits best; none if it fits one.
fn least_wrong<'a>(
    file: &str,
    bytes: &[u8],
    firmwares: impl Iterator<Item = &'a Firmware>,
) -> Option<Vec<Problem>> {
    let layouts =
        firmwares.flat_map(|firmware| firmware.layouts.iter().map(move |l| (firmware, l)));
    let verdicts = layouts.map(|(firmware, layout)| {
        let conf = read_restore(file, bytes, firmware, layout)?;
        choose(file, &None, &conf.value).map_err(|problem| vec![problem])?;
        Ok(())
    });
    let problems: Result<Vec<_>, ()> = verdicts
        .map(|verdict: Result<(), Vec<Problem>>| verdict.err().ok_or(()))
        .collect();
    problems.ok()?.into_iter().min_by_key(Vec::len)
}
