//! `ID.txt`: what the backup says about itself. The original's has other lines; what is not there is
//! not compared.

use super::Verified;
use super::backup::text;
use crate::problem::{CliProblem, Told};
use wz_core::plan::BackupId;

const FILE: &str = "ID.txt";

pub fn check(verified: &mut Verified) {
    let path = verified.folder.join(FILE);
    let shown = path.display().to_string();
    let text = match text(&path) {
        Ok(text) => text,
        Err(CliProblem::Missing { .. }) => {
            verified.remark(&CliProblem::NoId { path: shown });
            return;
        }
        Err(other) => {
            verified.problems.push(Told::from(&other));
            return;
        }
    };
    let folder = verified
        .folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let id = BackupId::of_folder(&folder).map(|id| id.to_string());
    let expected = [
        ("ID", id),
        ("Firmware", Some(verified.firmware.clone())),
        ("Layout", Some(verified.layout.clone())),
    ];
    for (name, expected) in expected {
        let (Some(expected), Some(found)) = (expected, value(&text, name)) else {
            continue;
        };
        if found != expected && found != "unknown" {
            verified.wrong(&CliProblem::IdDiffers {
                path: shown.clone(),
                name: name.to_owned(),
                found: wz_core::config::shown(&found),
                expected,
            });
        }
    }
}

/// What stands behind `name:`.
fn value(text: &str, name: &str) -> Option<String> {
    let of_name = |line: &str| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then(|| value.trim().to_owned())
    };
    text.lines().find_map(of_name)
}
