//! What camera this is: rules from the profiles, evidence from flash.

use std::fs;
use std::io::{self, Read};

use crate::config::{Name, shown};
use crate::event::{CameraFacts, Problem};
use crate::flash::{FileSystem, FileSystems, FlashError, ReadFlash};
use crate::image::check::Content;
use crate::image::environment::Environment;
use crate::profile::{
    Catalogue, Chip, Evidence, Firmware, Format, Identified, Layout, Partition, Soc, Variables,
    identify,
};
use crate::units::{Offset, Region, Size};

/// How much of a file on a partition is looked at. The files that tell the model have a few lines.
const FILE_LIMIT: u64 = 64 * 1024;

/// What the owner says, where detection cannot tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manual {
    /// The firmware that is in flash.
    pub firmware: Option<String>,
    /// The camera's model.
    pub model: Option<String>,
}

/// The flash chip as it shows itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashDevice {
    /// The kernel's name for it.
    pub name: String,
    /// The whole of it.
    pub whole: Region,
}

/// A camera, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// What the owner sees of it.
    pub facts: CameraFacts,
    /// The whole flash chip.
    pub chip: Region,
    /// The partitions of the layout that was found; none if there is no known one.
    pub partitions: Vec<CameraPartition>,
    /// The folder at the top of the card that gets a second copy, if the firmware has one.
    pub secondary_backup: Option<String>,
    /// The start of flash that the installed firmware's boot loader needs whole.
    pub boot_guard: Region,
    /// Why nothing may be written to this camera's flash, whatever it is.
    pub obstacles: Vec<Problem>,
    /// Whether its boot ROM checks signatures.
    pub boot_rom: BootRom,
}

/// What the boot ROM starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootRom {
    /// Any boot loader.
    Any,
    /// The maker's only.
    ChecksSignatures,
    /// The model is not known, and some have one that checks signatures.
    Unknown {
        /// Those, by their codes.
        locked: String,
    },
}

/// A partition of a camera's flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraPartition {
    /// Its name.
    pub name: String,
    /// Its place in flash.
    pub region: Region,
    /// What is in it.
    pub format: Format,
    /// What it is formatted as, if its files are the owner's and get packed.
    pub user_files: Option<FileSystem>,
    /// What has to be in there.
    pub content: Content,
}

impl Camera {
    /// The firmware's name in paths.
    pub fn firmware_name(&self) -> &str {
        self.facts.firmware.as_deref().unwrap_or("unknown")
    }

    /// The partition of this name.
    pub fn partition(&self, name: &str) -> Option<&CameraPartition> {
        self.partitions
            .iter()
            .find(|partition| partition.name == name)
    }

    /// Why its boot partition may not be written, if it may not.
    pub fn secure_boot(&self) -> Option<Problem> {
        match &self.boot_rom {
            BootRom::Any => None,
            BootRom::Unknown { locked } => Some(Problem::SecureBootUnknown {
                locked: locked.clone(),
            }),
            BootRom::ChecksSignatures => Some(Problem::SecureBoot {
                model: self.facts.model.clone().unwrap_or_default(),
            }),
        }
    }
}

/// What detection found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detected {
    /// The camera.
    pub camera: Camera,
    /// What is unusual about it.
    pub remarks: Vec<Problem>,
}

/// Finds out what camera this is. What stays unknown is a remark, not a failure: the whole chip can
/// always be saved.
///
/// # Errors
/// When flash cannot be read, or the owner names a firmware that does not exist.
pub fn detect(
    catalogue: &Catalogue,
    (soc, chip): (&Soc, &Chip),
    device: &FlashDevice,
    manual: &Manual,
    flash: &mut dyn ReadFlash,
    file_systems: &mut dyn FileSystems,
    ask: &mut Ask<'_>,
) -> Result<Detected, Problem> {
    let boot_region = soc.flash.boot_search_region();
    let mut evidence = FlashEvidence::new(boot_region, flash, file_systems, Some(ask));
    let mut remarks = Vec::new();
    let firmwares = catalogue.firmwares(&soc.name);
    let firmware = firmware(firmwares, soc, manual, &mut evidence, &mut remarks)?;
    let layout = layout(firmware, &mut evidence, &mut remarks)?;
    let mut obstacles = not_supported(soc, chip);
    pending_upgrade(firmware, &mut evidence, &mut remarks, &mut obstacles)?;
    let (model, boot_rom) = model(firmware, layout, manual, &mut evidence, &mut remarks);
    remarks.append(&mut evidence.remarks);
    let facts = CameraFacts {
        soc: soc.name.clone(),
        chip: chip.name.clone(),
        group: chip.group.clone(),
        flash: format!("{} {}", device.name, device.whole.size),
        firmware: firmware.map(|firmware| firmware.name.clone()),
        layout: layout.map(|layout| layout.name.clone()),
        model,
    };
    let camera = Camera {
        facts,
        chip: device.whole,
        partitions: layout.map(partitions).unwrap_or_default(),
        secondary_backup: firmware.and_then(|firmware| firmware.secondary_backup.clone()),
        boot_guard: boot_guard(firmware, layout),
        obstacles,
        boot_rom,
    };
    Ok(Detected { camera, remarks })
}

/// The firmware that is in flash now, and its layout, as far as flash tells.
///
/// # Errors
/// When flash cannot be read.
pub fn installed<'a>(
    catalogue: &'a Catalogue,
    soc: &Soc,
    flash: &mut dyn ReadFlash,
    file_systems: &mut dyn FileSystems,
) -> Result<Option<(&'a Firmware, Option<&'a Layout>)>, Problem> {
    let boot_region = soc.flash.boot_search_region();
    let mut evidence = FlashEvidence::new(boot_region, flash, file_systems, None);
    let Some(firmware) = identify(catalogue.firmwares(&soc.name), &mut evidence)?.one() else {
        return Ok(None);
    };
    let layout = firmware.layout_in(&mut evidence)?.one();
    Ok(Some((firmware, layout)))
}

fn firmware<'a>(
    firmwares: &'a [Firmware],
    soc: &Soc,
    manual: &Manual,
    evidence: &mut FlashEvidence<'_>,
    remarks: &mut Vec<Problem>,
) -> Result<Option<&'a Firmware>, Problem> {
    let known = || names(firmwares.iter().map(|firmware| firmware.name.as_str()));
    let found = identify(firmwares, evidence)?.one();
    if let Some(name) = &manual.firmware {
        let named = firmwares.iter().find(|firmware| firmware.name == *name);
        let named = named.ok_or_else(|| Problem::ManualFirmwareUnknown {
            name: name.clone(),
            known: known(),
        })?;
        return match found {
            Some(other) if other.name != *name => Err(Problem::ManualFirmwareContradicted {
                named: name.clone(),
                found: other.name.clone(),
            }),
            _ => Ok(Some(named)),
        };
    }
    if found.is_none() {
        remarks.push(Problem::FirmwareUnknown {
            soc: soc.name.clone(),
            known: known(),
        });
    }
    Ok(found)
}

fn layout<'a>(
    firmware: Option<&'a Firmware>,
    evidence: &mut FlashEvidence<'_>,
    remarks: &mut Vec<Problem>,
) -> Result<Option<&'a Layout>, Problem> {
    let Some(firmware) = firmware else {
        return Ok(None);
    };
    let found = match firmware.layout_in(evidence)? {
        Identified::One(layout) => Some(layout),
        Identified::Unknown | Identified::Several(_) => None,
    };
    if found.is_none() {
        remarks.push(Problem::LayoutUnknown {
            firmware: firmware.name.clone(),
        });
    }
    Ok(found)
}

fn pending_upgrade(
    firmware: Option<&Firmware>,
    evidence: &mut FlashEvidence<'_>,
    remarks: &mut Vec<Problem>,
    obstacles: &mut Vec<Problem>,
) -> Result<(), Problem> {
    let Some(firmware) = firmware else {
        return Ok(());
    };
    if let Some(mark) = firmware.pending_upgrade_in(evidence)? {
        remarks.push(Problem::UpgradePending { mark: mark.clone() });
        obstacles.push(Problem::UpgradeUnfinished { mark });
    }
    Ok(())
}

fn not_supported(soc: &Soc, chip: &Chip) -> Vec<Problem> {
    match soc.supports(chip) {
        true => Vec::new(),
        false => vec![Problem::ChipNotSupported {
            chip: chip.name.clone(),
        }],
    }
}

/// The boot partition; where the layout is not known, the longest that the firmware has.
fn boot_guard(firmware: Option<&Firmware>, layout: Option<&Layout>) -> Region {
    let boot_end = |layout: &Layout| layout.boot().map(|boot| boot.region.end());
    let end = match (layout, firmware) {
        (Some(layout), _) => boot_end(layout),
        (None, Some(firmware)) => firmware.layouts.iter().filter_map(boot_end).max(),
        (None, None) => None,
    };
    Region::new(Offset::ZERO, end.unwrap_or_default() - Offset::ZERO)
}

/// A model that cannot be found out is a remark: it is only shown and recorded. What the owner says
/// gives a name, and never takes away what was found.
fn model(
    firmware: Option<&Firmware>,
    layout: Option<&Layout>,
    manual: &Manual,
    evidence: &mut FlashEvidence<'_>,
    remarks: &mut Vec<Problem>,
) -> (Option<String>, BootRom) {
    let (Some(firmware), Some(layout)) = (firmware, layout) else {
        return (manual.model.clone(), BootRom::Any);
    };
    let locked = firmware.locked_models();
    let found = firmware.model_in(layout, evidence);
    let why = match &found {
        Ok(Some(model)) => {
            let boot_rom = match model.secure_boot {
                true => BootRom::ChecksSignatures,
                false => BootRom::Any,
            };
            return (
                Some(manual.model.clone().unwrap_or(model.code.clone())),
                boot_rom,
            );
        }
        Ok(None) => "none of its signs is there".to_owned(),
        Err(problem) => problem.what(),
    };
    let boot_rom = match &manual.model {
        Some(code) if locked.contains(&code.as_str()) => BootRom::ChecksSignatures,
        None if !locked.is_empty() => BootRom::Unknown {
            locked: locked.join(", "),
        },
        _ => BootRom::Any,
    };
    if manual.model.is_none() {
        remarks.push(Problem::ModelUnknown { why });
    }
    (manual.model.clone(), boot_rom)
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn partitions(layout: &Layout) -> Vec<CameraPartition> {
    let partition = |partition: &Partition| CameraPartition {
        name: partition.name.clone(),
        region: partition.region,
        format: partition.format,
        user_files: file_system(partition.format).filter(|_| partition.user_data),
        content: partition.content(),
    };
    layout.partitions().iter().map(partition).collect()
}

/// What the kernel can mount of it.
pub fn file_system(format: Format) -> Option<FileSystem> {
    match format {
        Format::Raw | Format::Uimage | Format::Bundle => None,
        Format::Jffs2 => Some(FileSystem::Jffs2),
        Format::Squashfs => Some(FileSystem::Squashfs),
        Format::Vfat => Some(FileSystem::Vfat),
    }
}

/// Asks a script of a profile, by its path below the folder of profiles, and returns what it printed.
pub type Ask<'a> = dyn FnMut(&str) -> Result<String, Problem> + 'a;

/// The word that a script has printed; none if it has printed nothing.
///
/// # Errors
/// [`Problem::ProfileScriptAnswer`]
fn word(script: &str, printed: &str) -> Result<Option<String>, Problem> {
    let word = printed.trim();
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    match word {
        "" => Ok(None),
        _ if Name::new(word).is_some() && word.chars().all(fits) => Ok(Some(word.to_owned())),
        _ => Err(Problem::ProfileScriptAnswer {
            script: script.to_owned(),
            answer: shown(word),
        }),
    }
}

/// What the rules may look at, read from flash when they first ask for it.
struct FlashEvidence<'a> {
    boot_region: Region,
    boot: Option<Vec<u8>>,
    flash: &'a mut dyn ReadFlash,
    file_systems: &'a mut dyn FileSystems,
    /// None where no script is asked.
    ask: Option<&'a mut Ask<'a>>,
    /// Scripts that gave no answer.
    remarks: Vec<Problem>,
}

impl<'a> FlashEvidence<'a> {
    fn new(
        boot_region: Region,
        flash: &'a mut dyn ReadFlash,
        file_systems: &'a mut dyn FileSystems,
        ask: Option<&'a mut Ask<'a>>,
    ) -> Self {
        Self {
            boot_region,
            boot: None,
            flash,
            file_systems,
            ask,
            remarks: Vec::new(),
        }
    }
}

fn read(flash: &mut dyn ReadFlash, region: Region) -> Result<Vec<u8>, Problem> {
    let mut bytes = vec![0; region.size.as_usize()];
    flash
        .read(region.offset, &mut bytes)
        .map_err(FlashError::into_read_problem)?;
    Ok(bytes)
}

impl Evidence for FlashEvidence<'_> {
    fn answer(&mut self, script: &str) -> Option<String> {
        let ask = self.ask.as_mut()?;
        let answer = ask(script).and_then(|printed| word(script, &printed));
        answer.unwrap_or_else(|problem| {
            self.remarks.push(problem);
            None
        })
    }

    fn boot(&mut self) -> Result<&[u8], Problem> {
        let bytes = match self.boot.take() {
            Some(bytes) => bytes,
            None => read(self.flash, self.boot_region)?,
        };
        Ok(self.boot.insert(bytes))
    }

    fn bytes(&mut self, region: Region) -> Result<Vec<u8>, Problem> {
        if self.boot_region.contains(&region)
            && let Some(boot) = &self.boot
        {
            let start = (region.offset - self.boot_region.offset).as_usize();
            return Ok(boot[start..start + region.size.as_usize()].to_vec());
        }
        read(self.flash, region)
    }

    fn environment(&mut self, region: Region) -> Result<Option<Variables>, Problem> {
        let bytes = self.bytes(region)?;
        let Ok(environment) = Environment::parse(&bytes) else {
            return Ok(None);
        };
        Ok(Some(environment.lossy().collect()))
    }

    fn file(&mut self, partition: &Partition, path: &str) -> Result<Option<Vec<u8>>, Problem> {
        let failed = |error: io::Error| Problem::FileSystemUnreadable {
            partition: partition.name.clone(),
            reason: error.to_string(),
        };
        let Some(kind) = file_system(partition.format) else {
            return Ok(None);
        };
        let root = self
            .file_systems
            .mount(partition.region, kind)
            .map_err(failed)?;
        // Opening a pipe would wait for ever; a link may lead out of the partition.
        let place = root.join(path);
        match fs::symlink_metadata(&place) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
            Ok(found) if !found.is_file() => return Ok(None),
            Ok(_) => {}
        }
        match fs::File::open(place) {
            Err(error) => Err(failed(error)),
            Ok(file) => {
                let mut bytes = Vec::new();
                file.take(FILE_LIMIT)
                    .read_to_end(&mut bytes)
                    .map_err(failed)?;
                Ok(Some(bytes))
            }
        }
    }
}

/// The chip's size as the profile has it; [`Problem::FlashSize`] for a chip of another size.
///
/// # Errors
/// See above. An unknown chip shows up as 8 MiB, and saving that would be half a backup.
pub fn check_size(device: &FlashDevice, soc: &Soc) -> Result<(), Problem> {
    let expected: Size = soc.flash.size;
    if device.whole.size == expected {
        return Ok(());
    }
    Err(Problem::FlashSize {
        device: device.name.clone(),
        found: device.whole.size,
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::a_word("v3\n", Ok(Some("v3")))]
    #[case::nothing("\n", Ok(None))]
    #[case::two_words("v3 pan\n", Err("WZ-0852"))]
    #[case::capitals("V3", Err("WZ-0852"))]
    #[case::a_path("../v3", Err("WZ-0852"))]
    fn a_script_answers_with_one_word_or_nothing(
        #[case] printed: &str,
        #[case] expected: Result<Option<&str>, &str>,
    ) {
        let answer = word("t31/a/model.sh", printed);
        let answer = answer.map_err(|problem| problem.code().to_string());
        let expected = expected.map(|word| word.map(str::to_owned));
        assert_eq!(answer, expected.map_err(str::to_owned));
    }
}
