//! A dump of the whole chip in place of the camera that it was taken from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use wz_core::detect::FlashDevice;
use wz_core::event::{Problem, Reporter};
use wz_core::flash::{FileSystem, FileSystems, Geometry, SimNor};
use wz_core::profile::{Catalogue, Chip, Soc};
use wz_core::run::{ChipEvidence, FlashUnit, ScriptCall, Surroundings, Visit};
use wz_core::units::{Offset, Region, Size};

use crate::files::{self, Doing};
use crate::jffs2;
use crate::problem::{CliProblem, Failure};

/// No flash chip of these cameras is larger.
pub const LONGEST: Size = Size::mib(256);
/// How a backup calls the image of the whole chip.
const WHOLE_CHIP: &str = "_all.bin";

/// The camera that a dump stands for.
#[derive(Debug)]
pub struct Dump {
    path: PathBuf,
    chip: SimNor,
    file_systems: DumpFiles,
    soc_chip: String,
}

impl Dump {
    /// Reads the dump at `path`, or the one in the folder of a backup. The SoC's chip is `chip`, or else
    /// what the backup's `ID.txt` or the file's name says.
    ///
    /// # Errors
    /// It can't be read; nothing tells the chip.
    pub fn open(path: &Path, chip: Option<&str>, catalogue: &Catalogue) -> Result<Self, Failure> {
        let path = whole_chip_image(path)?;
        let content = files::read(&path, LONGEST)?;
        let soc_chip = match chip {
            Some(name) => name.to_owned(),
            None => chip_of(&path, catalogue)?,
        };
        let soc = catalogue.chip_by_name(&soc_chip).map(|(soc, _)| soc);
        let chip = SimNor::holding(geometry(&content, soc), content.clone());
        Ok(Self {
            path,
            chip,
            file_systems: DumpFiles {
                content,
                shown: None,
            },
            soc_chip,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What tells the SoC.
    pub fn evidence(&self) -> ChipEvidence {
        ChipEvidence::Named(self.soc_chip.clone())
    }

    /// The chip, as a run takes it.
    pub fn unit(&mut self) -> FlashUnit<'_> {
        let size = Size::bytes(self.file_systems.content.len() as u64);
        FlashUnit {
            device: FlashDevice {
                name: "dump".to_owned(),
                whole: Region::new(Offset::ZERO, size),
            },
            chip: &mut self.chip,
            file_systems: &mut self.file_systems,
        }
    }
}

/// As long as the dump: a wrong length is told by detection.
fn geometry(content: &[u8], soc: Option<&Soc>) -> Geometry {
    Geometry {
        size: Size::bytes(content.len() as u64),
        erase_block: soc.map_or(Size::kib(32), |soc| soc.flash.erase_block),
        page: soc.map_or(Size::bytes(256), |soc| soc.flash.page),
    }
}

/// The file itself, or the image of the whole chip in the folder.
fn whole_chip_image(path: &Path) -> Result<PathBuf, CliProblem> {
    let failed = |error: io::Error| CliProblem::io(Doing::Opened, path, &error);
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(path.to_owned());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(WHOLE_CHIP) && !name.starts_with('.') {
            found.push(file);
        }
    }
    match found.pop() {
        Some(only) if found.is_empty() => Ok(only),
        _ => Err(CliProblem::NoDump {
            folder: path.display().to_string(),
        }),
    }
}

/// `SoC: t31x` in the `ID.txt` beside it, or the chip group in its name.
fn chip_of(path: &Path, catalogue: &Catalogue) -> Result<String, CliProblem> {
    let id = fs::read_to_string(path.with_file_name("ID.txt")).unwrap_or_default();
    let of_backup = id.lines().find_map(|line| line.strip_prefix("SoC: "));
    if let Some(chip) = of_backup
        .map(str::trim)
        .filter(|chip| catalogue.chip_by_name(chip).is_some())
    {
        return Ok(chip.to_owned());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    match group_in(&name, catalogue) {
        Some((_, chip)) => Ok(chip.name.clone()),
        None => Err(CliProblem::ChipNotTold {
            path: path.display().to_string(),
            known: groups(catalogue).join(", "),
        }),
    }
}

/// The chip group that stands in a file's name (`stock_t31x_all.bin`), as the chip whose name it is, or
/// else the first of the group that the firmwares are made for.
pub fn group_in<'a>(name: &str, catalogue: &'a Catalogue) -> Option<(&'a Soc, &'a Chip)> {
    let name = name.to_ascii_lowercase();
    let words: Vec<&str> = name.split(['_', '-', '.', ' ']).collect();
    let all = || {
        catalogue
            .socs()
            .flat_map(|soc| soc.chips.iter().map(move |chip| (soc, chip)))
    };
    let in_name = |(_, chip): &(&Soc, &Chip)| words.contains(&chip.group.as_str());
    let called_so = |(_, chip): &(&Soc, &Chip)| chip.name == chip.group;
    let mut fitting = all()
        .filter(in_name)
        .filter(|(soc, chip)| soc.supports(chip));
    all()
        .filter(in_name)
        .find(called_so)
        .or_else(|| fitting.next())
}

/// All chip groups.
pub fn groups(catalogue: &Catalogue) -> Vec<&str> {
    let mut groups: Vec<_> = catalogue
        .all_chips()
        .iter()
        .map(|chip| chip.group.as_str())
        .collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The files in a dump. Those of JFFS2 partitions are shown, which tell the model; others are not needed.
#[derive(Debug)]
struct DumpFiles {
    content: Vec<u8>,
    shown: Option<TempDir>,
}

impl FileSystems for DumpFiles {
    fn mount(&mut self, region: Region, kind: FileSystem) -> io::Result<PathBuf> {
        if kind != FileSystem::Jffs2 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let image = self
            .content
            .get(region.offset.as_usize()..region.end().as_usize());
        let image = image.ok_or(io::ErrorKind::UnexpectedEof)?;
        let folder = tempfile::tempdir()?;
        for (path, content) in jffs2::files(image) {
            let place = folder.path().join(path);
            fs::create_dir_all(place.parent().unwrap_or(folder.path()))?;
            fs::write(place, content)?;
        }
        let place = folder.path().to_owned();
        self.shown = Some(folder);
        Ok(place)
    }

    fn release(&mut self) -> io::Result<()> {
        self.shown = None;
        Ok(())
    }
}

/// Where a plan is made that nobody carries out.
#[derive(Clone, Copy, Debug)]
pub struct AtHome;

impl Surroundings for AtHome {
    fn since_power_on(&self) -> Duration {
        Duration::ZERO
    }

    fn peak_memory(&self) -> Option<Size> {
        None
    }

    fn keep_alive(&self) {}

    fn before_operations(&mut self, _: &mut dyn FileSystems) -> Visit {
        Visit::Nobody
    }

    fn run_script(&mut self, script: &ScriptCall<'_>, _: &mut dyn Reporter) -> Result<(), Problem> {
        Err(Problem::ProfileScriptFailed {
            script: script.name.to_string(),
            reason: "no script is run here".to_owned(),
        })
    }
}
