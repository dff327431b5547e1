//! `wz profile`: what cameras there are, and how their flash is divided.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::Serialize;
use wz_core::profile::{Catalogue, Firmware, Layout, Partition, ProfileFile, SwitchAction};

use super::soc_named;
use crate::files::{self, Doing};
use crate::problem::{CliProblem, Exit, Failure};
use crate::screen::{BOLD, GOOD, Report, Screen, Sink};
use crate::table::{self, Side};

/// Show what cameras there are, and how their flash is divided.
#[derive(Clone, Debug, Subcommand)]
#[expect(missing_docs, reason = "the help of each is that of its arguments")]
pub enum ProfileCommand {
    List(ListArgs),
    Show(ShowArgs),
    Check(CheckArgs),
}

/// List SoC families, their chips and their firmwares.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:
  wz profile list")]
pub struct ListArgs {
    /// A folder of profiles of your own, which are added to the built-in ones, or replace them.
    #[arg(long, value_name = "DIR")]
    pub profiles: Option<PathBuf>,
}

/// Show the partitions of a firmware.
///
/// The last column is the partition as kernel command lines have it in mtdparts=.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz profile show t31 stock
  wz profile show t31 thingino --format json")]
pub struct ShowArgs {
    /// The SoC family: t31.
    pub soc: String,
    /// The firmware; all of them, if none is named.
    pub firmware: Option<String>,
    /// A folder of profiles of your own, which are added to the built-in ones, or replace them.
    #[arg(long, value_name = "DIR")]
    pub profiles: Option<PathBuf>,
}

/// Check profiles of your own together with the built-in ones, as the camera does.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz profile check E:\\wz_flash-helper\\profiles
  wz profile check profiles/t31/stock.toml")]
pub struct CheckArgs {
    /// A folder that holds a folder for each SoC, or one file in such a folder; the built-in profiles,
    /// if none is named.
    #[arg(value_name = "FILE|DIR")]
    pub path: Option<PathBuf>,
}

/// All SoC families.
#[derive(Clone, Debug, Serialize)]
pub struct Listing {
    /// In the order of their names.
    pub socs: Vec<SocRow>,
}

/// A SoC family.
#[derive(Clone, Debug, Serialize)]
pub struct SocRow {
    /// `t31`
    pub name: String,
    /// The length of its flash.
    pub flash_bytes: u64,
    /// `t31x`, ...
    pub chips: Vec<String>,
    /// What a kernel for it is told.
    pub command_line: String,
    /// What it may run.
    pub firmwares: Vec<FirmwareRow>,
}

/// A firmware.
#[derive(Clone, Debug, Serialize)]
pub struct FirmwareRow {
    /// `stock`
    pub name: String,
    /// The names of its layouts.
    pub layouts: Vec<String>,
    /// The files on a card that its U-Boot boots.
    pub sd_kernels: Vec<String>,
}

/// How flash is divided.
#[derive(Clone, Debug, Serialize)]
pub struct Maps {
    /// One for each layout.
    pub layouts: Vec<Map>,
}

/// One layout of a firmware.
#[derive(Clone, Debug, Serialize)]
pub struct Map {
    /// The SoC family.
    pub soc: String,
    /// The firmware.
    pub firmware: String,
    /// The layout.
    pub layout: String,
    /// In the order of flash.
    pub partitions: Vec<PartitionRow>,
}

/// A partition.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionRow {
    /// `boot`
    pub name: String,
    /// Where it starts, in bytes.
    pub offset: u64,
    /// How long it is.
    pub size_bytes: u64,
    /// `raw`, `jffs2`, ...
    pub format: String,
    /// What switching to this firmware does: `write`, `erase`, `format`, `leave`.
    pub switch: String,
    /// The same with all partitions.
    pub switch_all: String,
    /// `256K@0(boot)`
    pub mtdpart: String,
}

/// Profiles are in order.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The files that were read; none, if only the built-in ones were checked.
    pub files: Vec<PathBuf>,
    /// Everything that is known with them.
    pub socs: usize,
    /// Firmwares of all SoCs.
    pub firmwares: usize,
}

/// Does what the command says.
pub fn run(command: &ProfileCommand, screen: Screen) -> Exit {
    match command {
        ProfileCommand::List(args) => screen.show(list(args)),
        ProfileCommand::Show(args) => screen.show(show(args)),
        ProfileCommand::Check(args) => screen.show(check(args)),
    }
}

/// # Errors
/// Profiles of the owner are not in order.
pub fn list(args: &ListArgs) -> Result<Listing, Failure> {
    let catalogue = catalogue(args.profiles.as_deref())?;
    let firmware = |firmware: &Firmware| FirmwareRow {
        name: firmware.name.clone(),
        layouts: firmware.layouts.iter().map(|l| l.name.clone()).collect(),
        sd_kernels: firmware.sd_kernels.clone(),
    };
    let socs = catalogue.socs().map(|soc| SocRow {
        name: soc.name.clone(),
        flash_bytes: soc.flash.size.get(),
        chips: soc.chips.iter().map(|chip| chip.name.clone()).collect(),
        command_line: soc.kernel.command_line(),
        firmwares: catalogue
            .firmwares(&soc.name)
            .iter()
            .map(firmware)
            .collect(),
    });
    Ok(Listing {
        socs: socs.collect(),
    })
}

/// # Errors
/// There is no such SoC or firmware; profiles of the owner are not in order.
pub fn show(args: &ShowArgs) -> Result<Maps, Failure> {
    let catalogue = catalogue(args.profiles.as_deref())?;
    let soc = soc_named(&catalogue, &args.soc)?;
    let all = catalogue.firmwares(&soc.name);
    let wanted = |firmware: &&Firmware| args.firmware.as_ref().is_none_or(|n| *n == firmware.name);
    let firmwares: Vec<_> = all.iter().filter(wanted).collect();
    if let (true, Some(name)) = (firmwares.is_empty(), &args.firmware) {
        let known: Vec<_> = all.iter().map(|firmware| firmware.name.as_str()).collect();
        return Err(CliProblem::FirmwareUnknown {
            soc: soc.name.clone(),
            name: name.clone(),
            known: known.join(", "),
        }
        .into());
    }
    let layouts = firmwares
        .into_iter()
        .flat_map(|firmware| firmware.layouts.iter().map(|layout| map(firmware, layout)));
    Ok(Maps {
        layouts: layouts.collect(),
    })
}

/// # Errors
/// All that is wrong with them.
pub fn check(args: &CheckArgs) -> Result<Checked, Failure> {
    let sources = args
        .path
        .as_deref()
        .map(sources)
        .transpose()?
        .unwrap_or_default();
    let catalogue = with_sources(&sources)?;
    let firmwares = catalogue
        .socs()
        .map(|soc| catalogue.firmwares(&soc.name).len());
    Ok(Checked {
        socs: catalogue.socs().count(),
        firmwares: firmwares.sum(),
        files: sources.into_iter().map(|source| source.path).collect(),
    })
}

fn map(firmware: &Firmware, layout: &Layout) -> Map {
    Map {
        soc: firmware.soc.clone(),
        firmware: firmware.name.clone(),
        layout: layout.name.clone(),
        partitions: layout.partitions().iter().map(row).collect(),
    }
}

fn row(partition: &Partition) -> PartitionRow {
    let Partition { name, region, .. } = partition;
    let start = match region.offset.get() {
        0 => "0".to_owned(),
        start => format!("{start:#x}"),
    };
    PartitionRow {
        name: name.clone(),
        offset: region.offset.get(),
        size_bytes: region.size.get(),
        format: partition.format.name().to_owned(),
        switch: action(partition.switch).to_owned(),
        switch_all: action(partition.switch_all).to_owned(),
        mtdpart: format!("{}@{start}({name})", region.size),
    }
}

fn action(action: SwitchAction) -> &'static str {
    match action {
        SwitchAction::Write => "write",
        SwitchAction::Erase => "erase",
        SwitchAction::Format => "format",
        SwitchAction::Leave => "leave",
    }
}

/// A file of a profile, and where it lies.
struct Source {
    path: PathBuf,
    file: ProfileFile,
}

/// The built-in profiles, and those in `folder`.
fn catalogue(folder: Option<&Path>) -> Result<Catalogue, Failure> {
    let sources = folder.map(sources).transpose()?;
    with_sources(&sources.unwrap_or_default())
}

fn with_sources(sources: &[Source]) -> Result<Catalogue, Failure> {
    let files: Vec<_> = sources.iter().map(|source| source.file.clone()).collect();
    Ok(Catalogue::builtin().with_card_profiles(&files)?)
}

/// The profiles in a folder, or in one file.
fn sources(path: &Path) -> Result<Vec<Source>, CliProblem> {
    let meta = fs::metadata(path).map_err(|e| CliProblem::io(Doing::Read, path, &e))?;
    if !meta.is_dir() {
        return Ok(vec![source(path)?]);
    }
    let mut sources = Vec::new();
    for folder in names_in(path)? {
        if folder.is_dir() {
            let files = names_in(&folder)?.into_iter();
            let profiles = files.filter(|file| file.extension().is_some_and(|e| e == "toml"));
            for file in profiles {
                sources.push(source(&file)?);
            }
        }
    }
    match sources.is_empty() {
        true => Err(CliProblem::NoProfiles {
            folder: path.display().to_string(),
        }),
        false => Ok(sources),
    }
}

/// What is in a folder, in the order of names.
fn names_in(folder: &Path) -> Result<Vec<PathBuf>, CliProblem> {
    let failed = |error: io::Error| CliProblem::io(Doing::Read, folder, &error);
    let entries = fs::read_dir(folder).map_err(failed)?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths.map_err(failed)?;
    paths.sort();
    Ok(paths)
}

/// A profile goes by the name of its folder and its own.
fn source(path: &Path) -> Result<Source, CliProblem> {
    let content = files::read(path, ProfileFile::LARGEST)?;
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let name = |path: Option<&Path>| {
        let name = path.and_then(Path::file_name).unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let place = format!("{}/{}", name(absolute.parent()), name(Some(&absolute)));
    Ok(Source {
        path: path.to_owned(),
        file: ProfileFile::new(place, content),
    })
}

impl Report for Listing {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        for soc in &self.socs {
            writeln!(to, "{BOLD}{}{BOLD:#}  {}", soc.name, soc.chips.join(", "))?;
            writeln!(to, "  kernel      {}", soc.command_line)?;
            for FirmwareRow { name, layouts, .. } in &soc.firmwares {
                writeln!(to, "  {name:<10}  layouts: {}", layouts.join(", "))?;
            }
        }
        Ok(())
    }
}

impl Report for Maps {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        for (index, map) in self.layouts.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            let Map {
                soc,
                firmware,
                layout,
                ..
            } = map;
            writeln!(to, "{gap}{BOLD}{soc} {firmware}{BOLD:#}, layout {layout}\n")?;
            map.table(to)?;
        }
        Ok(())
    }
}

impl Map {
    fn table(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let headings = [
            ("Partition", Side::Left),
            ("Size", Side::Right),
            ("Start", Side::Right),
            ("Size (hex)", Side::Right),
            ("Start (hex)", Side::Right),
            ("Format", Side::Left),
            ("mtdparts", Side::Left),
        ];
        let rows = self.partitions.iter().map(|partition| {
            let PartitionRow {
                offset, size_bytes, ..
            } = *partition;
            [
                partition.name.clone(),
                format!("{}K", size_bytes / 1024),
                format!("{}K", offset / 1024),
                format!("{size_bytes:#x}"),
                format!("{offset:#x}"),
                partition.format.clone(),
                partition.mtdpart.clone(),
            ]
        });
        table::write(to, headings, &rows.collect::<Vec<_>>())
    }
}

impl Report for Checked {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        for file in &self.files {
            writeln!(to, "read  {}", file.display())?;
        }
        let Self {
            socs, firmwares, ..
        } = self;
        writeln!(
            to,
            "{GOOD}All profiles are in order{GOOD:#}: {firmwares} firmwares for {socs} SoC families"
        )
    }
}
