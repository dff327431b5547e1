//! From the text of a profile to its types; what cannot be read is told with file, line and column.

use serde::de::DeserializeOwned;

use super::catalogue::ProfileFile;
use super::firmware::{Firmware, FirmwareSource};
use super::soc::Soc;
use crate::event::Problem;

/// What a file of profiles holds, by its place: `<soc>/soc.toml` or `<soc>/<firmware>.toml`.
#[derive(Debug)]
pub(super) enum Profile {
    Soc(Soc),
    Firmware(Firmware),
}

pub(super) fn parse(file: &ProfileFile) -> Result<Profile, Problem> {
    let (soc, name) = place(&file.path)?;
    let text = decode(file)?;
    if name == "soc" {
        let profile: Soc = toml_of(&file.path, text)?;
        named_like(&file.path, &profile.name, soc)?;
        return Ok(Profile::Soc(profile));
    }
    let source: FirmwareSource = toml_of(&file.path, text)?;
    let profile = source.into_firmware(soc);
    named_like(&file.path, &profile.name, name)?;
    Ok(Profile::Firmware(profile))
}

fn place(path: &str) -> Result<(&str, &str), Problem> {
    let misplaced = || Problem::ProfileMisplaced {
        file: path.to_owned(),
    };
    let (soc, file) = path.split_once('/').ok_or_else(misplaced)?;
    let name = file.strip_suffix(".toml").ok_or_else(misplaced)?;
    if soc.is_empty() || name.is_empty() || name.contains('/') {
        return Err(misplaced());
    }
    Ok((soc, name))
}

fn decode(file: &ProfileFile) -> Result<&str, Problem> {
    let text = std::str::from_utf8(&file.content).map_err(|error| Problem::ProfileNotText {
        file: file.path.clone(),
        byte: error.valid_up_to(),
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn toml_of<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        Problem::ProfileUnreadable {
            file: file.to_owned(),
            line,
            column,
            reason: error.message().replace('\n', ", "),
        }
    })
}

fn named_like(file: &str, name: &str, expected: &str) -> Result<(), Problem> {
    if name == expected {
        return Ok(());
    }
    Err(Problem::ProfileMisnamed {
        file: file.to_owned(),
        name: name.to_owned(),
        expected: expected.to_owned(),
    })
}

/// Both count from 1; columns are characters.
fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}
