//! `wz verify`: whether a backup is whole and sound.

mod backup;
mod id;

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use wz_core::plan::PARTIAL;
use wz_core::profile::Catalogue;
use wz_core::units::Size;

use crate::anatomy::pieces::{Naming, WHOLE, naming_of};
use crate::images;
use crate::naming::NamingArgs;
use crate::problem::{CliProblem, Exit, Failure, Told};
use crate::screen::{BAD, BOLD, GOOD, Report, Sink, WARNING, told};
use crate::table::{self, Side};

/// Check a backup: that it is whole, undamaged, and what its names say.
///
/// Looked at are the names and sizes of the images, their hash files, what each image has to hold (the
/// same checks that the camera makes before it writes one), the image of the whole chip against those
/// of the partitions, the archives, and ID.txt. Backups of the original wz_flash-helper are checked as
/// well. Ends with 1 if anything is wrong.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz verify E:\\wz_flash-helper\\backup\\stock\\0001
  wz verify Wyze_factory_backup/0001 --format json")]
pub struct VerifyArgs {
    /// The folder of one backup.
    pub dir: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "see there")]
    pub naming: NamingArgs,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The folder.
    pub folder: PathBuf,
    /// The SoC family.
    pub soc: String,
    /// The group of chips.
    pub chip_group: String,
    /// The firmware.
    pub firmware: String,
    /// How it divides flash.
    pub layout: String,
    /// Whether nothing is wrong.
    pub sound: bool,
    /// What was looked at.
    pub files: Vec<VerifiedFile>,
    /// What is wrong.
    pub problems: Vec<Told>,
    /// What is unusual, but harmless.
    pub remarks: Vec<Told>,
}

/// A file of the backup.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedFile {
    /// Its name.
    pub name: String,
    /// How long it is.
    pub size_bytes: u64,
    /// Its SHA-256 in hex digits.
    pub sha256: String,
    /// Whether nothing is wrong with it by itself.
    pub sound: bool,
}

/// # Errors
/// The folder can't be read, or holds no images.
pub fn run(args: &VerifyArgs) -> Result<Verified, Failure> {
    let catalogue = Catalogue::builtin();
    let left = args.naming.left_of(&catalogue)?;
    let listed = images::list(&args.dir)?;
    let has_parts = naming_of(&left, &listed);
    let naming = has_parts.or_else(|| whole_alone(&left, &listed));
    let naming = naming.ok_or_else(|| CliProblem::NoImageHere {
        folder: args.dir.display().to_string(),
    })?;
    let mut verified = Verified {
        folder: args.dir.clone(),
        soc: naming.soc.name.clone(),
        chip_group: naming.group.to_owned(),
        firmware: naming.firmware.name.clone(),
        layout: naming.layout.name.clone(),
        sound: false,
        files: Vec::new(),
        problems: Vec::new(),
        remarks: Vec::new(),
    };
    if is_partial(&args.dir) {
        let folder = args.dir.display().to_string();
        verified.wrong(&CliProblem::BackupUnfinished { folder });
    }
    let whole = backup::whole(&mut verified, naming, &listed, has_parts.is_some());
    if has_parts.is_some() {
        backup::partitions(&mut verified, naming, whole.as_deref());
    }
    backup::archives(&mut verified, naming, &listed);
    backup::others(&mut verified, naming, &listed);
    id::check(&mut verified);
    verified.sound = verified.problems.is_empty();
    Ok(verified)
}

/// A safety backup is the whole chip and nothing else.
fn whole_alone<'a>(left: &[Naming<'a>], listed: &[(String, Size)]) -> Option<Naming<'a>> {
    let is_there = |naming: &&Naming<'_>| {
        let whole = naming.image(WHOLE);
        listed.iter().any(|(name, _)| *name == whole)
    };
    left.iter().find(is_there).copied()
}

fn is_partial(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(PARTIAL)
}

impl Verified {
    fn wrong(&mut self, problem: &CliProblem) {
        self.problems.push(Told::from(problem));
    }

    fn remark(&mut self, problem: &CliProblem) {
        self.remarks.push(Told::from(problem));
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Report for Verified {
    fn exit(&self) -> Exit {
        match self.sound {
            true => Exit::Done,
            false => Exit::Refused,
        }
    }

    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let Self {
            soc,
            firmware,
            layout,
            ..
        } = self;
        writeln!(
            to,
            "{BOLD}{}{BOLD:#}: {soc} {firmware}, layout {layout}\n",
            self.folder.display()
        )?;
        let headings = [
            ("File", Side::Left),
            ("Size", Side::Right),
            ("", Side::Left),
        ];
        let row = |file: &VerifiedFile| {
            let verdict = if file.sound { "ok" } else { "wrong" };
            [
                file.name.clone(),
                Size::bytes(file.size_bytes).to_string(),
                verdict.to_owned(),
            ]
        };
        table::write(
            to,
            headings,
            &self.files.iter().map(row).collect::<Vec<_>>(),
        )?;
        if !self.problems.is_empty() || !self.remarks.is_empty() {
            writeln!(to)?;
        }
        self.problems
            .iter()
            .try_for_each(|problem| told(to, "error", BAD, problem))?;
        self.remarks
            .iter()
            .try_for_each(|remark| told(to, "note", WARNING, remark))?;
        match self.problems.len() {
            0 => writeln!(to, "\n{GOOD}This backup is in order{GOOD:#}"),
            count => writeln!(
                to,
                "\n{BAD}This backup is not in order{BAD:#}: {count} found"
            ),
        }
    }
}
