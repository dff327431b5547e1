//! A firmware: what it is called, how it is recognised, and which layouts it has.

use serde::Deserialize;

use super::detect::{Clue, Evidence, Identified, holds_any, one_of};
use super::layout::{Layout, LayoutSource};
use crate::event::Problem;
use crate::units::{Offset, Region, Size};

/// What a camera of one SoC may run: `stock`, `thingino`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Lower case, the name of the profile's file; stands in the names of images and folders.
    pub name: String,
    /// The SoC that it is for.
    pub soc: String,
    /// The file names that its U-Boot boots from a card, the preferred one first. Which of them a
    /// build looks for is not known.
    pub sd_kernels: Vec<String>,
    /// Those of them under which a new card gets its kernel: one for each generation of its U-Boot.
    pub new_card_kernels: Vec<String>,
    /// A folder at the card's root that gets a copy of each backup.
    pub secondary_backup: Option<String>,
    /// Any of these tells that this firmware is in flash.
    pub clues: Vec<Clue>,
    /// How it tells what model the camera is; the first that holds counts.
    pub models: Vec<ModelRule>,
    /// How it marks an upgrade that it finishes at its next start.
    pub pending_upgrade: Option<PendingUpgrade>,
    /// How it divides flash.
    pub layouts: Vec<Layout>,
    /// What is left to scripts.
    pub scripts: ProfileScripts,
}

/// Scripts beside a profile on the card, in the folder `<soc>/<firmware>/` of profiles, for what rules
/// cannot say. Each is a file's name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileScripts {
    /// Prints the firmware's name if it is in flash. Asked when no clue holds.
    pub detect_firmware: Option<String>,
    /// Prints the model's code. Asked when no rule holds.
    pub detect_model: Option<String>,
    /// Runs after this firmware was switched to, before custom scripts.
    pub post_switch: Option<String>,
}

/// A kind of camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// The short name that configurations and scripts use: `v3`.
    pub code: String,
    /// What is printed on the box, if known.
    pub name: Option<String>,
    /// Whether its boot ROM checks signatures, so that another boot partition bricks it.
    pub secure_boot: bool,
}

/// One sign of what model a camera is: exactly one of `file`, `variable`, `boot_contains`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRule {
    /// [`Model::code`]. Only a variable may go without: its value is the code then.
    pub code: Option<String>,
    /// [`Model::name`].
    pub name: Option<String>,
    /// [`Model::secure_boot`].
    #[serde(default)]
    pub secure_boot: bool,
    /// A text in a file on a partition.
    pub file: Option<FileRule>,
    /// A variable of the U-Boot environment.
    pub variable: Option<VariableRule>,
    /// A text in the boot partition.
    pub boot_contains: Option<String>,
}

/// A text in a file on a partition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRule {
    /// The partition with the file system.
    pub partition: String,
    /// The file's path in it, without a leading slash.
    pub path: String,
    /// The text.
    pub contains: String,
}

/// A variable of the U-Boot environment.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableRule {
    /// The partition that is the environment.
    pub partition: String,
    /// The variable's name.
    pub name: String,
    /// The value that it must have; without it, the value is the model's code.
    pub equals: Option<String>,
}

/// A text in flash that makes the firmware's U-Boot copy partitions at its next start. While it is
/// there, the camera is half updated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PendingUpgrade {
    /// Where to look.
    pub offset: Offset,
    /// How far to look.
    pub size: Size,
    /// How the text starts.
    pub text: String,
}

impl Firmware {
    /// Its file below the folder of profiles.
    pub fn file(&self) -> String {
        format!("{}/{}.toml", self.soc, self.name)
    }

    /// The folder of its scripts below the folder of profiles.
    pub fn script_folder(&self) -> String {
        format!("{}/{}", self.soc, self.name)
    }

    /// What one of its scripts answers.
    fn answer(&self, script: Option<&String>, evidence: &mut dyn Evidence) -> Option<String> {
        evidence.answer(&format!("{}/{}", self.script_folder(), script?))
    }

    /// Whether this firmware is in flash. Stops reading at the first clue that holds.
    ///
    /// # Errors
    /// What the evidence could not be read for.
    pub fn matches(&self, evidence: &mut dyn Evidence) -> Result<bool, Problem> {
        if holds_any(&self.clues, evidence)? {
            return Ok(true);
        }
        let answer = self.answer(self.scripts.detect_firmware.as_ref(), evidence);
        Ok(answer.is_some_and(|name| name == self.name))
    }

    /// The model that its script tells.
    pub(super) fn model_by_script(&self, evidence: &mut dyn Evidence) -> Option<Model> {
        let code = self.answer(self.scripts.detect_model.as_ref(), evidence)?;
        let named = |rule: &&ModelRule| rule.code.as_ref() == Some(&code);
        let rule = self.models.iter().find(named);
        Some(Model {
            name: rule.and_then(|rule| rule.name.clone()),
            secure_boot: rule.is_some_and(|rule| rule.secure_boot),
            code,
        })
    }

    /// Whether these bytes, the start of a boot partition, have a text that is enough to tell this
    /// firmware.
    pub fn boot_is_its_own(&self, boot: &[u8]) -> bool {
        let by_text_alone = |clue: &&Clue| {
            Clue {
                boot_contains: clue.boot_contains.clone(),
                ..Clue::default()
            } == **clue
        };
        let texts = self.clues.iter().filter(by_text_alone);
        texts
            .flat_map(|clue| &clue.boot_contains)
            .any(|text| super::detect::position(boot, text.as_bytes()).is_some())
    }

    /// The models whose boot ROM checks signatures, for messages.
    pub fn locked_models(&self) -> Vec<&str> {
        let locked = self.models.iter().filter(|model| model.secure_boot);
        locked.filter_map(|model| model.code.as_deref()).collect()
    }

    /// The layout that is in flash. A firmware's only layout needs no evidence.
    ///
    /// # Errors
    /// What the evidence could not be read for.
    pub fn layout_in(
        &self,
        evidence: &mut dyn Evidence,
    ) -> Result<Identified<'_, Layout>, Problem> {
        if let [only] = self.layouts.as_slice()
            && only.evidence.is_empty()
        {
            return Ok(Identified::One(only));
        }
        one_of(&self.layouts, evidence, |layout, evidence| {
            holds_any(&layout.evidence, evidence)
        })
    }

    /// The layout of this name.
    pub fn layout(&self, name: &str) -> Option<&Layout> {
        self.layouts.iter().find(|layout| layout.name == name)
    }

    /// The file names that the U-Boot of this layout boots from a card; all that any layout's does, if
    /// the layout is not known.
    pub fn sd_kernels_of(&self, layout: Option<&str>) -> &[String] {
        let of_layout = layout.and_then(|name| self.layout(name)?.sd_kernels.as_deref());
        of_layout.unwrap_or(&self.sd_kernels)
    }

    /// The text that marks a pending upgrade, up to the end of its line: `FWGRADEUP=kernel+app`.
    ///
    /// # Errors
    /// That this part of flash could not be read.
    pub fn pending_upgrade_in(
        &self,
        evidence: &mut dyn Evidence,
    ) -> Result<Option<String>, Problem> {
        match &self.pending_upgrade {
            Some(mark) => Ok(mark.find(&evidence.bytes(mark.region())?)),
            None => Ok(None),
        }
    }
}

impl PendingUpgrade {
    /// Where to look.
    pub fn region(&self) -> Region {
        Region::new(self.offset, self.size)
    }

    /// The text in `bytes`, up to the end of its line.
    pub fn find(&self, bytes: &[u8]) -> Option<String> {
        const LONGEST: usize = 64;
        let start = super::detect::position(bytes, self.text.as_bytes())?;
        let text = bytes[start..]
            .iter()
            .take(LONGEST)
            .take_while(|byte| byte.is_ascii_graphic() || **byte == b' ');
        Some(text.map(|byte| char::from(*byte)).collect())
    }
}

/// A firmware's file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FirmwareSource {
    firmware: HeadSource,
    #[serde(default)]
    detect: DetectSource,
    pending_upgrade: Option<PendingUpgrade>,
    #[serde(default, rename = "layout")]
    layouts: Vec<LayoutSource>,
    #[serde(default)]
    scripts: ProfileScripts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadSource {
    name: String,
    sd_kernels: Vec<String>,
    new_card_kernels: Option<Vec<String>>,
    secondary_backup: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct DetectSource {
    #[serde(default)]
    firmware: Vec<Clue>,
    #[serde(default)]
    model: Vec<ModelRule>,
}

impl FirmwareSource {
    pub(super) fn into_firmware(self, soc: &str) -> Firmware {
        let preferred = self.firmware.sd_kernels.iter().take(1).cloned();
        Firmware {
            name: self.firmware.name,
            soc: soc.to_owned(),
            new_card_kernels: self
                .firmware
                .new_card_kernels
                .unwrap_or_else(|| preferred.collect()),
            sd_kernels: self.firmware.sd_kernels,
            secondary_backup: self.firmware.secondary_backup,
            clues: self.detect.firmware,
            models: self.detect.model,
            pending_upgrade: self.pending_upgrade,
            layouts: self.layouts.into_iter().map(Layout::new).collect(),
            scripts: self.scripts,
        }
    }
}
