//! `wz env`: the U-Boot environment in a dump or in the image of its partition.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use wz_core::config::{HIDDEN, looks_secret};
use wz_core::event::Problem;
use wz_core::image::environment::{self, Edit, Environment, Found, Missing, Place};
use wz_core::units::{Offset, Region, Size};

use crate::files;
use crate::problem::{CliProblem, Exit, Failure};
use crate::screen::{Report, Screen, Sink, WARNING};

/// No flash chip of these cameras is larger.
const LONGEST_DUMP: Size = Size::mib(256);
/// What the image of an environment partition is not longer than: two copies of 64K.
const LONGEST_PARTITION: Size = Size::kib(128);

/// Show or change the U-Boot environment in a dump, or in the image of its partition.
#[derive(Clone, Debug, Subcommand)]
#[expect(missing_docs, reason = "the help of each is that of its arguments")]
pub enum EnvCommand {
    Print(PrintArgs),
    Set(SetArgs),
}

/// Show variables of the U-Boot environment.
///
/// Values of names that look like Wi-Fi names, passwords or keys are shown as *** unless
/// --show-secrets is given.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz env print thingino_t31x_all.bin
  wz env print thingino_t31x_env.bin wlan_ssid --show-secrets")]
pub struct PrintArgs {
    /// A dump of the whole chip, or the image of the env partition.
    pub file: PathBuf,
    /// The variables to show; all, if none is named.
    pub names: Vec<String>,
    /// Show Wi-Fi names and passwords, too.
    #[arg(long)]
    pub show_secrets: bool,
}

/// Change variables of the U-Boot environment.
///
/// The file as it was is kept as <FILE>.bak. A hash file beside it is no longer right afterwards: see
/// wz hash --force.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz env set thingino_t31x_env.bin wlan_ssid=home \"wlan_pass=two words\"
  wz env set thingino_t31x_all.bin bootdelay=")]
pub struct SetArgs {
    /// A dump of the whole chip, or the image of the env partition.
    pub file: PathBuf,
    /// Variables; one without a value is removed.
    #[arg(required = true, value_name = "NAME=VALUE")]
    pub variables: Vec<String>,
}

/// An environment.
#[derive(Clone, Debug, Serialize)]
pub struct Printed {
    /// The file that it is in.
    pub file: PathBuf,
    /// Where it starts in the file, in bytes.
    pub offset: u64,
    /// How long it is, both copies included.
    pub size_bytes: u64,
    /// 1 or 2.
    pub copies: u8,
    /// In the order in which they stand.
    pub variables: Vec<Variable>,
    /// Names that were asked for and are not there.
    pub missing: Vec<String>,
}

/// A variable.
#[derive(Clone, Debug, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, or `***`.
    pub value: String,
    /// Whether `***` stands for it.
    pub hidden: bool,
}

/// What was changed.
#[derive(Clone, Debug, Serialize)]
pub struct Changed {
    /// The file.
    pub file: PathBuf,
    /// The file as it was before; none, if nothing had to be changed.
    pub backup: Option<PathBuf>,
    /// The names of the variables that have another value now.
    pub changed: Vec<String>,
    /// A hash file beside it that is not right any more.
    pub outdated_sum_file: Option<PathBuf>,
}

/// Does what the command says.
pub fn run(command: &EnvCommand, screen: Screen) -> Exit {
    match command {
        EnvCommand::Print(args) => screen.show(print(args)),
        EnvCommand::Set(args) => screen.show(set(args)),
    }
}

/// # Errors
/// The file can't be read, or holds no environment.
pub fn print(args: &PrintArgs) -> Result<Printed, Failure> {
    let (_, found) = read(&args.file)?;
    let is_wanted = |name: &String| args.names.is_empty() || args.names.contains(name);
    let shown = |(name, value): (String, String)| {
        let hidden = !args.show_secrets && !value.is_empty() && looks_secret(&name);
        Variable {
            value: if hidden { HIDDEN.to_owned() } else { value },
            name,
            hidden,
        }
    };
    let is_missing = |name: &&String| found.environment.get(name).is_none();
    let span = found.place.span();
    Ok(Printed {
        file: args.file.clone(),
        offset: span.offset.get(),
        size_bytes: span.size.get(),
        copies: match found.place {
            Place::One(_) => 1,
            Place::Two(_) => 2,
        },
        variables: found
            .environment
            .lossy()
            .filter(|(name, _)| is_wanted(name))
            .map(shown)
            .collect(),
        missing: args.names.iter().filter(is_missing).cloned().collect(),
    })
}

/// # Errors
/// The file can't be read or written, holds no environment, or the variables do not fit.
pub fn set(args: &SetArgs) -> Result<Changed, Failure> {
    let edits = args.variables.iter().map(|text| edit(text));
    let edits = edits.collect::<Result<Vec<_>, _>>()?;
    let (mut bytes, found) = read(&args.file)?;
    let new = edited(&found.environment, &edits)?;
    if new == found.environment {
        return Ok(Changed::nothing(&args.file));
    }
    let old = bytes.clone();
    for change in found.changes(&new) {
        let start = change.at.as_usize();
        if let Some(place) = bytes.get_mut(start..start + change.bytes.len()) {
            place.copy_from_slice(&change.bytes);
        }
    }
    files::check_writable(&args.file)?;
    let backup = with_suffix(&args.file, ".bak");
    files::write_whole(&backup, &old)?;
    files::write_whole(&args.file, &bytes)?;
    let is_changed = |edit: &&Edit| new.get(&edit.name) != found.environment.get(&edit.name);
    let name = |edit: &Edit| String::from_utf8_lossy(&edit.name).into_owned();
    let sum_file = with_suffix(&args.file, ".sha256sum");
    Ok(Changed {
        file: args.file.clone(),
        backup: Some(backup),
        changed: edits.iter().filter(is_changed).map(name).collect(),
        outdated_sum_file: sum_file.exists().then_some(sum_file),
    })
}

impl Changed {
    fn nothing(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            backup: None,
            changed: Vec::new(),
            outdated_sum_file: None,
        }
    }
}

/// What stands before the first `=` may be shown; what is behind it may be a password.
fn edit(text: &str) -> Result<Edit, CliProblem> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| CliProblem::NotAnAssignment {
            text: text.to_owned(),
        })?;
    Ok(Edit {
        name: name.into(),
        value: value.into(),
    })
}

fn edited(environment: &Environment, edits: &[Edit]) -> Result<Environment, Problem> {
    let mut new = environment.clone();
    for edit in edits {
        new.set(&edit.name, &edit.value)
            .map_err(|error| Problem::EnvironmentEdit {
                why: error.to_string(),
            })?;
    }
    Ok(new)
}

/// The file's content, and the environment in it. Places are those in the file.
fn read(path: &Path) -> Result<(Vec<u8>, Found), Failure> {
    let bytes = files::read(path, LONGEST_DUMP)?;
    let size = Size::bytes(bytes.len() as u64);
    let whole = Region::new(Offset::ZERO, size);
    let known = (size <= LONGEST_PARTITION).then_some(whole);
    let searched = environment::search_region(known);
    let part = bytes.get(searched.offset.as_usize()..searched.end().as_usize());
    let part = part.filter(|part| part.len() >= environment::SIZES[1].as_usize());
    let part = part.ok_or_else(|| CliProblem::NoEnvironmentPlace {
        path: path.display().to_string(),
        size,
    })?;
    let found = environment::find(known, part).map_err(|missing| match missing {
        Missing::Blank(region) => Problem::EnvironmentBlank { region },
        Missing::Unsound(region) => Problem::EnvironmentUnsound { region },
        Missing::Several(first, second) => Problem::EnvironmentSeveral { first, second },
    })?;
    Ok((bytes, found))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

impl Report for Printed {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        for Variable { name, value, .. } in &self.variables {
            writeln!(to, "{name}={value}")?;
        }
        for name in &self.missing {
            writeln!(to, "{WARNING}# {name} is not set{WARNING:#}")?;
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        match self.missing.is_empty() {
            true => Exit::Done,
            false => Exit::Refused,
        }
    }
}

impl Report for Changed {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let Some(backup) = &self.backup else {
            return writeln!(to, "{} has these values already", self.file.display());
        };
        writeln!(
            to,
            "changed  {}: {}",
            self.file.display(),
            self.changed.join(", ")
        )?;
        writeln!(to, "kept     {}", backup.display())?;
        match &self.outdated_sum_file {
            Some(sum) => writeln!(
                to,
                "{WARNING}{} is not right any more{WARNING:#}: wz hash --force \"{}\"",
                sum.display(),
                self.file.display()
            ),
            None => Ok(()),
        }
    }
}
