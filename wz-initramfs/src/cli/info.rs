//! Facts about camera, card and profiles, for people and for shells.

use wz_core::config::is_on;
use wz_core::event::Problem;
use wz_core::profile::{Firmware, Format, Layout};
use wz_core::run::Sight;
use wz_core::units::Region;

use super::args::Which;
use super::session::Session;
use super::{Done, NotDone};
use crate::sdcard::MOUNT_POINT;

macro_rules! keys {
    ($( $key:ident = $name:literal; )*) => {
        /// A fact that a shell may ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Key { $( $key, )* }

        impl Key {
            /// All of them.
            const ALL: &[Self] = &[ $( Self::$key, )* ];

            /// As scripts know it.
            const fn name(self) -> &'static str {
                match self { $( Self::$key => $name, )* }
            }
        }
    };
}

keys! {
    Soc = "soc";
    Chip = "chip";
    ChipGroup = "chip_group";
    FlashType = "flash_type";
    CurrentFirmware = "current_firmware";
    NextFirmware = "next_firmware";
    Model = "model";
    Layout = "layout";
    SwitchFirmware = "switch_firmware";
    DryRun = "dry_run";
    Sd = "sd";
}

impl Key {
    /// The fact of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|key| key.name() == name)
    }

    /// Empty if it is not known.
    fn value(self, sight: &Sight) -> String {
        let (facts, conf) = (&sight.camera.facts, &sight.conf);
        let known = |fact: &Option<String>| fact.clone().unwrap_or_default();
        let yes_no = |is_on| match is_on {
            true => "yes".to_owned(),
            false => "no".to_owned(),
        };
        match self {
            Self::Soc => facts.soc.clone(),
            Self::Chip => facts.chip.clone(),
            Self::ChipGroup => facts.group.clone(),
            // Cameras with other chips are not found at all.
            Self::FlashType => "nor".to_owned(),
            Self::CurrentFirmware => known(&facts.firmware),
            Self::NextFirmware => sight.next_firmware().unwrap_or_default().to_owned(),
            Self::Model => known(&facts.model),
            Self::Layout => known(&facts.layout),
            Self::SwitchFirmware => yes_no(is_on(&conf.switch_firmware)),
            Self::DryRun => yes_no(is_on(&conf.dry_run)),
            Self::Sd => MOUNT_POINT.to_owned(),
        }
    }
}

/// Prints one fact as it is, or all as a shell may `eval` them.
pub fn info(session: &mut Session, key: Option<Key>) -> Done {
    let sight = session.look()?;
    match key {
        Some(key) => println!("{}", key.value(&sight)),
        None => Key::ALL
            .iter()
            .for_each(|key| println!("{}={}", key.name(), quoted(&key.value(&sight)))),
    }
    Ok(())
}

/// For a shell: nothing in single quotes means anything, but a single quote.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

/// Prints the partitions of a firmware, a line each.
pub fn partitions(session: &mut Session, which: Which) -> Done {
    let sight = session.look()?;
    let lines: Vec<String> = match which {
        Which::Installed => installed(&sight)?,
        Which::Next => of_layout(next_layout(&sight)?),
    };
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

fn installed(sight: &Sight) -> Result<Vec<String>, NotDone> {
    let partitions = &sight.camera.partitions;
    if partitions.is_empty() {
        return Err(NotDone::from(unknown_partitions(sight)));
    }
    let lines = partitions.iter();
    let lines = lines.map(|part| line(&part.name, part.region, part.format));
    Ok(lines.collect())
}

/// Why there are no partitions to name.
pub fn unknown_partitions(sight: &Sight) -> Problem {
    match &sight.camera.facts.firmware {
        Some(firmware) => Problem::RewriteUnknownLayout {
            firmware: firmware.clone(),
        },
        None => Problem::RewriteUnknownFirmware {},
    }
}

fn of_layout(layout: &Layout) -> Vec<String> {
    let partitions = layout.partitions().iter();
    let lines = partitions.map(|part| line(&part.name, part.region, part.format));
    lines.collect()
}

fn line(name: &str, region: Region, format: Format) -> String {
    let (offset, size) = (region.offset.get(), region.size.get());
    format!("{name} {offset:#x} {size:#x} {}", format.name())
}

/// The layout of the firmware that `general.conf` names as the next one.
fn next_layout(sight: &Sight) -> Result<&Layout, Problem> {
    let name = sight.next_firmware().unwrap_or_default();
    let firmware = find(sight, name)?;
    let facts = &sight.camera.facts;
    let shown = match facts.firmware.as_deref() == Some(name) {
        true => facts.layout.as_deref(),
        false => None,
    };
    match (shown, firmware.layouts.as_slice()) {
        (Some(shown), layouts) if layouts.iter().any(|layout| layout.name == shown) => {
            firmware.layout(shown).ok_or_else(|| undecided(firmware))
        }
        (_, [only]) => Ok(only),
        _ => Err(undecided(firmware)),
    }
}

fn undecided(firmware: &Firmware) -> Problem {
    let layouts = firmware.layouts.iter().map(|layout| layout.name.as_str());
    Problem::LayoutUndecided {
        firmware: firmware.name.clone(),
        layouts: layouts.collect::<Vec<_>>().join(", "),
    }
}

fn find<'a>(sight: &'a Sight, name: &str) -> Result<&'a Firmware, Problem> {
    let firmwares = sight.firmwares();
    let found = firmwares.iter().find(|firmware| firmware.name == name);
    found.ok_or_else(|| {
        let known = firmwares.iter().map(|firmware| firmware.name.as_str());
        Problem::NextFirmwareUnknown {
            name: name.to_owned(),
            known: known.collect::<Vec<_>>().join(", "),
        }
    })
}

/// Prints the firmwares that this camera may have, with their layouts; the installed one is marked.
pub fn profiles(session: &mut Session) -> Done {
    let sight = session.look()?;
    for firmware in sight.firmwares() {
        let is_installed = sight.camera.facts.firmware.as_ref() == Some(&firmware.name);
        let mark = if is_installed { "*" } else { " " };
        let layouts = firmware.layouts.iter().map(|layout| layout.name.as_str());
        let layouts = layouts.collect::<Vec<_>>().join(" ");
        println!("{mark} {}: {layouts}", firmware.name);
    }
    Ok(())
}

/// Prints what is known about a firmware: the installed one, or the named one.
pub fn profile(session: &mut Session, firmware: Option<&str>) -> Done {
    let sight = session.look()?;
    let name = firmware.unwrap_or(sight.camera.firmware_name());
    let firmware = find(&sight, name)?;
    println!("firmware {}", firmware.name);
    println!("sd_kernels {}", firmware.sd_kernels.join(" "));
    for layout in &firmware.layouts {
        println!("layout {}", layout.name);
        of_layout(layout)
            .iter()
            .for_each(|line| println!("  {line}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::process::Command;

    #[rstest]
    #[case("stock")]
    #[case("")]
    #[case("it's $(reboot) `reboot` \"quoted\" \\ !")]
    fn a_shell_reads_back_what_was_quoted(#[case] value: &str) {
        let script = format!("x={}; printf %s \"$x\"", quoted(value));
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}
