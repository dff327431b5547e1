//! What was found, for people.

use std::io;

use wz_core::config::is_invisible;
use wz_core::units::{Offset, Size};

use super::Inspected;
use crate::anatomy::facts::{
    EnvironmentFacts, Facts, FileKind, FirmwareFacts, PartFacts, PartitionFacts, PartitionName,
    ReleaseFacts, Variable,
};
use crate::screen::{BAD, BOLD, Report, Sink, WARNING};
use crate::table::{self, Side};

impl Report for Inspected {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let facts = &self.facts;
        let size = Size::bytes(facts.size_bytes);
        let file = self.file.display();
        writeln!(to, "{BOLD}{file}{BOLD:#}: {}, {size}", what(facts.kind))?;
        writeln!(to, "SHA-256    {}", facts.sha256)?;
        facts.identity(to)?;
        facts.content(to)?;
        facts.problems(to)?;
        if let Some(environment) = &facts.environment {
            environment.render(to)?;
        }
        facts
            .os_releases
            .iter()
            .try_for_each(|release| release.render(to))?;
        if let Some(extracted) = &self.extracted {
            let (count, folder) = (extracted.files.len(), extracted.folder.display());
            writeln!(to, "\n{count} files are in {folder}")?;
        }
        Ok(())
    }
}

fn what(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Dump => "the whole of a flash chip",
        FileKind::Firmware => "a firmware, shorter than the flash chip",
        FileKind::BootLoader => "a boot loader",
        FileKind::Uimage => "a uImage",
        FileKind::Bundle => "a kernel, a root file system and what follows them",
        FileKind::Squashfs => "a squashfs",
        FileKind::Jffs2 => "a JFFS2",
        FileKind::Vfat => "a FAT",
        FileKind::Environment => "a U-Boot environment",
        FileKind::Archive => "files, packed with gzip",
        FileKind::Blank => "blank, as erased flash is",
        FileKind::Empty => "empty",
        FileKind::Unknown => "nothing that is known",
    }
}

impl Facts {
    fn identity(&self, to: &mut Sink<'_>) -> io::Result<()> {
        for firmware in &self.firmwares {
            writeln!(to, "Firmware   {}", firmware.words())?;
        }
        if self.firmwares.len() > 1 {
            writeln!(
                to,
                "           {WARNING}Nothing in it tells these apart.{WARNING:#}"
            )?;
        }
        if self.firmwares.is_empty() && matches!(self.kind, FileKind::Dump | FileKind::Firmware) {
            writeln!(to, "Firmware   {WARNING}none that is known{WARNING:#}")?;
        }
        for of in &self.partition_of {
            writeln!(to, "Partition  {}", of.words())?;
        }
        if let Some(boot) = &self.boot_loader {
            let says = |text: &Option<String>| text.clone().unwrap_or("not in clear text".into());
            writeln!(to, "SPL        {}", says(&boot.spl))?;
            writeln!(to, "U-Boot     {}", says(&boot.u_boot))?;
        }
        let linux = self.all_parts().filter_map(|part| part.linux.as_ref());
        linux
            .into_iter()
            .try_for_each(|linux| writeln!(to, "Kernel     {linux}"))
    }

    fn all_parts(&self) -> impl Iterator<Item = &PartFacts> {
        let of_partitions = self
            .partitions
            .iter()
            .flat_map(|partition| &partition.parts);
        of_partitions.chain(&self.parts)
    }

    fn content(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let rows: Vec<[String; 4]> = match self.partitions.as_slice() {
            [] => self
                .parts
                .iter()
                .map(|part| part.row(String::new()))
                .collect(),
            partitions => partitions.iter().flat_map(PartitionFacts::rows).collect(),
        };
        if rows.is_empty() {
            return Ok(());
        }
        writeln!(to)?;
        let headings = [
            ("Partition", Side::Left),
            ("Start", Side::Right),
            ("Size", Side::Right),
            ("Content", Side::Left),
        ];
        table::write(to, headings, &rows)
    }

    fn problems(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let of_partition = |partition: &PartitionFacts| {
            let problem = partition.problem.as_ref()?;
            Some(format!("{}: {problem}", partition.name))
        };
        let of_part = |part: &PartFacts| {
            let problem = part.problem.as_ref()?;
            Some(format!("{} at {:#x}: {problem}", part.kind, part.offset))
        };
        let pending = self.pending_upgrade.as_ref().map(|mark| {
            format!("an upgrade is not finished (\"{mark}\"): the firmware goes on with it at its next start")
        });
        let problems = self.partitions.iter().filter_map(of_partition);
        let problems = problems
            .chain(self.parts.iter().filter_map(of_part))
            .chain(pending);
        for (number, problem) in problems.enumerate() {
            let gap = if number == 0 { "\n" } else { "" };
            writeln!(to, "{gap}{BAD}wrong{BAD:#}  {problem}")?;
        }
        Ok(())
    }
}

impl FirmwareFacts {
    fn words(&self) -> String {
        let layout = match &self.layout {
            Some(layout) => format!("layout {layout}"),
            None => "layout unknown".to_owned(),
        };
        let chip = match (&self.chip, &self.chip_group) {
            (Some(chip), Some(group)) if chip != group => {
                format!(", for the {chip} (group {group})")
            }
            (Some(chip), _) => format!(", for the {chip}"),
            _ => format!(", for a chip of the family {}", self.soc),
        };
        format!("{}, {layout}{chip}", self.firmware)
    }
}

impl PartitionName {
    fn words(&self) -> String {
        let Self {
            soc,
            firmware,
            layout,
            partition,
        } = self;
        format!("{partition} of {firmware} ({soc}, layout {layout})")
    }
}

impl PartitionFacts {
    /// One for the partition; if there is more than one thing in it, one for each.
    fn rows(&self) -> Vec<[String; 4]> {
        let filled: Vec<&PartFacts> = self
            .parts
            .iter()
            .filter(|part| part.kind != "blank")
            .collect();
        let content = match filled.as_slice() {
            [] => "blank".to_owned(),
            [part] => part.words(),
            _ => String::new(),
        };
        let (start, size) = (Offset::bytes(self.offset), Size::bytes(self.size_bytes));
        let mut rows = vec![[
            self.name.clone(),
            start.to_string(),
            size.to_string(),
            content,
        ]];
        if filled.len() > 1 {
            rows.extend(self.parts.iter().map(|part| part.row(String::new())));
        }
        rows
    }
}

impl PartFacts {
    fn row(&self, name: String) -> [String; 4] {
        let (start, size) = (Offset::bytes(self.offset), Size::bytes(self.size_bytes));
        [name, start.to_string(), size.to_string(), self.words()]
    }

    fn words(&self) -> String {
        let used = format!("{} bytes", self.used_bytes);
        let packed = self.compression.as_deref().unwrap_or_default();
        let name = plain(self.name.as_deref().unwrap_or_default());
        match self.kind {
            "boot_loader" => "boot loader".to_owned(),
            "environment" => "U-Boot environment".to_owned(),
            "uimage" => format!("uImage \"{name}\", {packed}, {used}"),
            "squashfs" => format!("squashfs, {packed}, {used}"),
            "jffs2" => format!("JFFS2, up to {} in use", Size::bytes(self.used_bytes)),
            "vfat" => format!("FAT, {}", Size::bytes(self.used_bytes)),
            other => other.to_owned(),
        }
    }
}

impl EnvironmentFacts {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let (offset, size) = (Offset::bytes(self.offset), Size::bytes(self.size_bytes));
        let copies = if self.copies == 1 { "" } else { ", two copies" };
        writeln!(
            to,
            "\n{BOLD}U-Boot environment{BOLD:#} at {offset}, {size}{copies}"
        )?;
        variables(&self.variables, to)
    }
}

impl ReleaseFacts {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let offset = Offset::bytes(self.offset);
        writeln!(to, "\n{BOLD}os-release{BOLD:#} in the squashfs at {offset}")?;
        variables(&self.variables, to)
    }
}

fn variables(variables: &[Variable], to: &mut Sink<'_>) -> io::Result<()> {
    let mut variables = variables.iter();
    variables.try_for_each(|Variable { name, value, .. }| {
        writeln!(to, "  {}={}", plain(name), plain(value))
    })
}

/// What comes from the file must not reach a terminal as a command to it.
fn plain(text: &str) -> String {
    let visible = |c: char| {
        if is_invisible(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(visible).collect()
}
