//! What is wrong with profiles that could be read: all of it, not just the first.

use std::collections::{BTreeMap, BTreeSet};

use super::board::{AnyModel, Board, Gpio};
use super::detect::Clue;
use super::firmware::{Firmware, ModelRule, ProfileScripts};
use super::layout::{Format, Layout, Partition, SwitchAction, WifiStore};
use super::soc::Soc;
use crate::event::Problem;
use crate::units::{Offset, Region, Size};

/// The longest name of a firmware, group, partition or model.
const LONGEST_NAME: usize = 32;

/// What stands where a partition's name does in the names of images, and must not be one.
const TAKEN_PARTITION_NAMES: [&str; 2] = ["all", "firmware"];

/// The name of the backup folder of cameras whose firmware is not known, and of the SoC's own file.
const TAKEN_FIRMWARE_NAMES: [&str; 2] = ["unknown", "soc"];

/// Our own folder on the card.
const TAKEN_CARD_NAME: &str = "wz_flash-helper";

/// Whether a name can be part of a file name on any system: lower case letters, digits, `_` and `-`,
/// a letter or digit first.
pub(super) fn is_safe_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= LONGEST_NAME
        && name.starts_with(allowed)
        && name.chars().all(|c| allowed(c) || c == '_' || c == '-')
}

/// Whether a name is a file name on a FAT card as it stands, in one piece.
fn is_card_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    (1..=64).contains(&name.len())
        && name.chars().all(allowed)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.eq_ignore_ascii_case(TAKEN_CARD_NAME)
}

/// Whether `<name>.ko` is a file name in one piece.
fn is_module_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(allowed)
}

/// Whether two chips have one name, or answer the same ids.
pub(super) fn chips<'a>(socs: impl Iterator<Item = &'a Soc>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut names = BTreeMap::new();
    let mut ids = BTreeMap::new();
    for soc in socs {
        for chip in &soc.chips {
            let by_name = names.insert(chip.name.as_str(), chip);
            let by_ids = ids.insert(soc.ids(chip), chip);
            if let Some(other) = by_name.or(by_ids) {
                problems.push(Problem::ProfileChipRepeated {
                    file: soc.file(),
                    chip: chip.name.clone(),
                    other: other.name.clone(),
                });
            }
        }
    }
    problems
}

pub(super) fn soc(soc: &Soc) -> Vec<Problem> {
    let mut findings = Findings::new(soc.file());
    findings.name(&soc.name, &[]);
    for chip in &soc.chips {
        findings.name(&chip.name, &[]);
        findings.name(&chip.group, &[]);
    }
    let flash = &soc.flash;
    let (size, block, page) = (flash.size.get(), flash.erase_block.get(), flash.page.get());
    if page == 0 || block == 0 || !block.is_multiple_of(page) || !size.is_multiple_of(block) {
        findings.push(|file| Problem::ProfileFlashGeometry { file });
    }
    findings.inside(flash.boot_search_region(), flash.size);
    findings.boards(soc);
    findings.problems
}

pub(super) fn firmware(firmware: &Firmware, soc: &Soc) -> Vec<Problem> {
    let mut findings = Findings::new(firmware.file());
    findings.name(&firmware.name, &TAKEN_FIRMWARE_NAMES);
    findings.card_names(firmware);
    findings.firmware_rules(firmware, soc);
    findings.scripts(&firmware.scripts);
    findings.layout_names(&firmware.layouts);
    for layout in &firmware.layouts {
        findings.layout(layout, soc);
        findings.layout_evidence(layout, firmware.layouts.len(), soc);
    }
    for (earlier, later) in pairs(&firmware.layouts) {
        if alike(&earlier.evidence, &later.evidence) {
            findings.push(|file| Problem::ProfileLayoutsAlike {
                file,
                first: earlier.name.clone(),
                second: later.name.clone(),
            });
        }
    }
    findings.problems
}

/// Whether the rules of two firmwares of a SoC hold for the same flash.
pub(super) fn told_apart(firmwares: &[Firmware]) -> Vec<Problem> {
    pairs(firmwares)
        .filter(|(earlier, later)| alike(&earlier.clues, &later.clues))
        .map(|(earlier, later)| Problem::ProfileFirmwaresAlike {
            file: later.file(),
            other: earlier.file(),
        })
        .collect()
}

/// Whether some flash that has just what a clue of one asks for also has what a clue of the other asks
/// for. An empty clue is told of elsewhere.
fn alike(ours: &[Clue], theirs: &[Clue]) -> bool {
    let same = |a: &Clue, b: &Clue| a.follows_from(b) || b.follows_from(a);
    let filled = |clue: &&Clue| !clue.is_empty();
    ours.iter()
        .filter(filled)
        .any(|a| theirs.iter().filter(filled).any(|b| same(a, b)))
}

fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    let later = |at: usize| items.get(at + 1..).unwrap_or_default();
    items
        .iter()
        .enumerate()
        .flat_map(move |(at, item)| later(at).iter().map(move |other| (item, other)))
}

/// Collects what is wrong with one file.
struct Findings {
    file: String,
    problems: Vec<Problem>,
}

impl Findings {
    fn new(file: String) -> Self {
        Self {
            file,
            problems: Vec::new(),
        }
    }

    fn push(&mut self, problem: impl FnOnce(String) -> Problem) {
        self.problems.push(problem(self.file.clone()));
    }

    fn name(&mut self, name: &str, taken: &[&str]) {
        if !is_safe_name(name) || taken.contains(&name) {
            self.push(|file| Problem::ProfileNameUnsafe {
                file,
                name: name.to_owned(),
            });
        }
    }

    fn rule(&mut self, rule: impl Into<String>, reason: &str) {
        let rule = rule.into();
        self.push(|file| Problem::ProfileRule {
            file,
            rule,
            reason: reason.to_owned(),
        });
    }

    fn inside(&mut self, region: Region, chip: Size) {
        let fits = region
            .offset
            .checked_add(region.size)
            .is_some_and(|end| end - Offset::ZERO <= chip);
        if !fits || region.size == Size::ZERO {
            self.push(|file| Problem::ProfileOutsideFlash { file, region, chip });
        }
    }

    fn boards(&mut self, soc: &Soc) {
        let mut models = BTreeSet::new();
        for board in &soc.boards {
            for code in &board.models {
                self.name(code, &[]);
                if !models.insert(code) {
                    self.push(|file| Problem::ProfileNameRepeated {
                        file,
                        name: code.clone(),
                    });
                }
            }
            self.board(board, &soc.any_model);
        }
    }

    fn board(&mut self, board: &Board, any: &AnyModel) {
        let rule = || format!("board \"{}\"", board.models.join(", "));
        if board.models.is_empty() {
            self.rule(rule(), "is that of no model");
        }
        let mut pins = BTreeSet::new();
        if !board.pins().into_iter().all(|pin| pins.insert(pin)) {
            self.rule(rule(), "uses a GPIO line for two things");
        }
        let is_no_led = |pin: &Gpio| match &board.leds {
            Some(leds) => !leds.iter().any(|led| led.gpio == *pin),
            None => pins.contains(pin),
        };
        if any.led_pins.iter().any(is_no_led) {
            self.rule(rule(), "has no LED at a line of any_model.led_pins");
        }
        for module in board.all_modules() {
            if !is_module_name(&module.name) {
                self.rule(rule(), "names a module that can be no file");
            }
            if module.parameters.contains(|c: char| c.is_control()) {
                self.rule(rule(), "gives a module parameters that are not plain text");
            }
        }
    }

    fn card_names(&mut self, firmware: &Firmware) {
        if firmware.sd_kernels.is_empty() {
            self.rule("sd_kernels", "names no file");
        }
        if firmware.new_card_kernels.is_empty() && !firmware.sd_kernels.is_empty() {
            self.rule("new_card_kernels", "names no file");
        }
        let is_known = |name: &String| firmware.sd_kernels.contains(name);
        if !firmware.new_card_kernels.iter().all(is_known) {
            self.rule("new_card_kernels", "names a file that sd_kernels does not");
        }
        let mut seen = BTreeSet::new();
        for name in firmware.sd_kernels.iter().chain(&firmware.secondary_backup) {
            if !is_card_name(name) {
                self.push(|file| Problem::ProfileCardName {
                    file,
                    name: name.clone(),
                });
            }
            if !seen.insert(name.to_ascii_lowercase()) {
                self.push(|file| Problem::ProfileNameRepeated {
                    file,
                    name: name.clone(),
                });
            }
        }
        // A kernel of another name would never be put away.
        let of_layouts = firmware
            .layouts
            .iter()
            .flat_map(|l| &l.sd_kernels)
            .flatten();
        if of_layouts
            .into_iter()
            .any(|name| !firmware.sd_kernels.contains(name))
        {
            self.rule(
                "layout.sd_kernels",
                "names a file that the firmware's does not",
            );
        }
    }

    fn firmware_rules(&mut self, firmware: &Firmware, soc: &Soc) {
        if firmware.clues.is_empty() && firmware.scripts.detect_firmware.is_none() {
            self.rule("detect.firmware", "is missing");
        }
        self.clues("detect.firmware", &firmware.clues, soc);
        for model in &firmware.models {
            self.model(model, &firmware.layouts);
        }
        if let Some(mark) = &firmware.pending_upgrade {
            self.inside(mark.region(), soc.flash.size);
            if mark.text.is_empty() {
                self.rule("pending_upgrade", "has an empty text");
            }
        }
    }

    fn scripts(&mut self, scripts: &ProfileScripts) {
        let names = [
            &scripts.detect_firmware,
            &scripts.detect_model,
            &scripts.post_switch,
        ];
        for name in names.into_iter().flatten() {
            if !is_card_name(name) {
                self.push(|file| Problem::ProfileCardName {
                    file,
                    name: name.clone(),
                });
            }
        }
    }

    fn clues(&mut self, rule: &str, clues: &[Clue], soc: &Soc) {
        for clue in clues {
            if clue.is_empty() {
                self.rule(rule, "holds for every camera: it names no sign");
            }
            if clue.boot_contains.iter().any(String::is_empty) {
                self.rule(rule, "looks for an empty text");
            }
            for region in clue.regions() {
                self.inside(region, soc.flash.size);
            }
        }
    }

    fn model(&mut self, model: &ModelRule, layouts: &[Layout]) {
        const RULE: &str = "detect.model";
        let signs = [
            model.file.is_some(),
            model.variable.is_some(),
            model.boot_contains.is_some(),
        ];
        if signs.into_iter().filter(|sign| *sign).count() != 1 {
            self.rule(RULE, "must have one of file, variable and boot_contains");
        }
        match &model.code {
            Some(code) => self.name(code, &[]),
            None if model.variable.as_ref().is_some_and(|v| v.equals.is_none()) => {}
            None => self.rule(RULE, "has no code"),
        }
        let file = model.file.as_ref();
        let texts = [
            file.map(|file| &file.contains),
            file.map(|file| &file.path),
            model.boot_contains.as_ref(),
        ];
        if texts.into_iter().flatten().any(String::is_empty) {
            self.rule(RULE, "looks for an empty text");
        }
        let steps = file.map(|file| file.path.split('/')).into_iter().flatten();
        if steps
            .into_iter()
            .any(|step| step.is_empty() || step == "..")
        {
            self.rule(RULE, "has a path that is not plainly inside its partition");
        }
        self.model_partition(model, layouts);
    }

    fn model_partition(&mut self, model: &ModelRule, layouts: &[Layout]) {
        const RULE: &str = "detect.model";
        let of_name = |name: &str| -> Vec<&Partition> {
            layouts.iter().filter_map(|l| l.partition(name)).collect()
        };
        if let Some(file) = &model.file {
            let partitions = of_name(&file.partition);
            if !partitions.iter().any(|p| p.format.file_system().is_some()) {
                self.rule(RULE, "reads a file from a partition without file system");
            }
        }
        if let Some(variable) = &model.variable
            && of_name(&variable.partition).is_empty()
        {
            self.rule(RULE, "reads a partition that no layout has");
        }
    }

    fn layout_names(&mut self, layouts: &[Layout]) {
        for layout in layouts {
            self.name(&layout.name, &[]);
        }
        for (earlier, later) in pairs(layouts) {
            if earlier.name == later.name {
                self.push(|file| Problem::ProfileNameRepeated {
                    file,
                    name: later.name.clone(),
                });
            }
        }
    }

    fn layout_evidence(&mut self, layout: &Layout, layouts: usize, soc: &Soc) {
        let rule = format!("evidence of the layout \"{}\"", layout.name);
        if layout.evidence.is_empty() && layouts > 1 {
            self.rule(rule.as_str(), "is missing, and there are other layouts");
        }
        self.clues(&rule, &layout.evidence, soc);
        if layout.wifi.contains(&WifiStore::Environment) && layout.environment().is_none() {
            let rule = format!("wifi of the layout \"{}\"", layout.name);
            self.rule(
                rule,
                "is in the environment, and there is no partition \"env\"",
            );
        }
    }

    fn layout(&mut self, layout: &Layout, soc: &Soc) {
        for partition in layout.partitions() {
            self.partition(partition, layout, soc);
        }
        for (earlier, later) in pairs(layout.partitions()) {
            if earlier.name == later.name {
                self.push(|file| Problem::ProfileNameRepeated {
                    file,
                    name: later.name.clone(),
                });
            }
        }
        self.boot(layout);
        let chip = soc.flash.size;
        if layout.end() - Offset::ZERO != chip {
            self.push(|file| Problem::ProfileLayoutSize {
                file,
                layout: layout.name.clone(),
                end: layout.end(),
                chip,
            });
        }
    }

    /// Images for the start of flash are judged as boot loaders, those for anywhere else are not.
    fn boot(&mut self, layout: &Layout) {
        let Some(boot) = layout.boot() else {
            self.rule(
                format!("layout \"{}\"", layout.name),
                "has no partition at the start of flash, where the boot ROM reads",
            );
            return;
        };
        let rule = || format!("partition \"{}\"", boot.name);
        if boot.format != Format::Raw {
            self.rule(rule(), "is what the boot ROM reads, so its format is raw");
        }
        if [boot.switch, boot.switch_all].contains(&SwitchAction::Erase) {
            self.rule(rule(), "is what the boot ROM reads, but is to be erased");
        }
        let elsewhere = layout
            .partition("boot")
            .filter(|named| named.region.offset != Offset::ZERO);
        if elsewhere.is_some() {
            self.rule(
                "partition \"boot\"",
                "is not at the start of flash, where the boot ROM reads",
            );
        }
    }

    fn partition(&mut self, partition: &Partition, layout: &Layout, soc: &Soc) {
        self.name(&partition.name, &TAKEN_PARTITION_NAMES);
        let region = partition.region;
        let block = soc.flash.erase_block;
        let at = |file| (file, layout.name.clone(), partition.name.clone());
        self.inside(region, soc.flash.size);
        if !region.offset.is_aligned_to(block) || !region.end().is_aligned_to(block) {
            self.push(|file| {
                let (file, layout, partition) = at(file);
                Problem::ProfilePartitionUnaligned {
                    file,
                    layout,
                    partition,
                    region,
                    block,
                }
            });
        }
        if let Some(stated) = partition.stated_offset.filter(|o| *o != region.offset) {
            self.push(|file| {
                let (file, layout, partition) = at(file);
                Problem::ProfilePartitionMisplaced {
                    file,
                    layout,
                    partition,
                    stated,
                    end: region.offset,
                }
            });
        }
        self.partition_use(partition, soc);
    }

    fn partition_use(&mut self, partition: &Partition, soc: &Soc) {
        let rule = || format!("partition \"{}\"", partition.name);
        if partition.user_data && partition.format.file_system().is_none() {
            self.rule(rule(), "holds user data but no file system to archive");
        }
        let actions = [partition.switch, partition.switch_all];
        if !actions.contains(&SwitchAction::Format) {
            return;
        }
        match partition.format.empty() {
            None => self.rule(rule(), "is to be formatted, but only jffs2 and vfat can be"),
            Some(made) if partition.region.size < made.smallest(soc.flash.erase_block) => {
                self.rule(rule(), "is to be formatted, but is too small for that");
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
