//! From options to what is to be done.

use crate::event::{Operation, Problem, Spot};

use super::general::is_on;
use super::keys::Key;
use super::value::{Name, YesNo};
use super::{GeneralConf, Given, Reading};

/// Whether things are done or only shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Do it.
    Real,
    /// Show the plan and leave the flash as it is.
    DryRun,
}

/// Whether a backup is stored a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecondaryBackup {
    /// In the folder that the profile names, where it names one.
    Make,
    /// Not at all.
    Skip,
}

/// What the owner asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// In this order; empty if nothing was asked for.
    pub operations: Vec<Operation>,
    /// Whether it is to be done.
    pub mode: Mode,
    /// Whether a backup is stored twice.
    pub secondary_backup: SecondaryBackup,
    /// The installed firmware, where the owner knows better than detection.
    pub manual_firmware: Option<Name>,
    /// The camera's model, where the owner knows better than detection.
    pub manual_model: Option<Name>,
}

/// What `conf`, read from the file that is called `file`, asks for. The warnings say what of it
/// has no effect.
///
/// # Errors
/// Options that contradict each other, that need others, or that this version cannot do.
pub fn request(file: &str, conf: &GeneralConf) -> Result<Reading<Request>, Vec<Problem>> {
    let mut refusals = conflicts(conf);
    refusals.extend(not_available(conf));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let request = Request {
        operations: operations(conf),
        mode: if is_on(&conf.dry_run) {
            Mode::DryRun
        } else {
            Mode::Real
        },
        secondary_backup: match &conf.secondary_backup {
            Some(given) if given.value == YesNo::No => SecondaryBackup::Skip,
            _ => SecondaryBackup::Make,
        },
        manual_firmware: conf
            .manual_current_firmware
            .clone()
            .map(|given| given.value),
        manual_model: conf.manual_model.clone().map(|given| given.value),
    };
    let warnings = remarks(file, conf, &request);
    Ok(Reading {
        value: request,
        warnings,
    })
}

fn operations(conf: &GeneralConf) -> Vec<Operation> {
    is_on(&conf.backup_partitions)
        .then_some(Operation::Backup)
        .into_iter()
        .collect()
}

fn remarks(file: &str, conf: &GeneralConf, request: &Request) -> Vec<Problem> {
    let mut remarks = Vec::new();
    if let Some(at) = asked(&conf.enable_audio) {
        remarks.push(Problem::ConfigNoSound { at });
    }
    if request.operations.is_empty() {
        remarks.push(Problem::NothingRequested {
            file: file.to_owned(),
        });
    }
    remarks
}

/// Where the owner said yes to an option.
fn asked(option: &Option<Given<YesNo>>) -> Option<Spot> {
    let given = option.as_ref()?;
    (given.value == YesNo::Yes).then(|| given.at.clone())
}

/// Options that cannot be meant together, and options that lack the one that says with what.
pub fn conflicts(conf: &GeneralConf) -> Vec<Problem> {
    let mut conflicts = Vec::new();
    let restore = asked(&conf.restore_partitions);
    let switch = asked(&conf.switch_firmware);
    if let (Some(restore), Some(at)) = (&restore, &switch) {
        conflicts.push(Problem::ConfigRestoreAndSwitch {
            at: at.clone(),
            restore_line: restore.line,
        });
    }
    let needs = [
        (
            switch,
            conf.next_firmware.is_none(),
            Key::SwitchFirmware,
            Key::NextFirmware,
        ),
        (
            asked(&conf.enable_custom_scripts),
            conf.custom_scripts.is_none(),
            Key::EnableCustomScripts,
            Key::CustomScripts,
        ),
        (
            asked(&conf.copy_new_sdcard_kernel),
            conf.new_sdcard_kernel.is_none(),
            Key::CopyNewSdcardKernel,
            Key::NewSdcardKernel,
        ),
    ];
    for (at, is_missing, key, needed) in needs {
        if let (Some(at), true) = (at, is_missing) {
            conflicts.push(Problem::ConfigNeedsAnother {
                at,
                key: key.name().to_owned(),
                needed: needed.name().to_owned(),
            });
        }
    }
    conflicts
}

/// What this version cannot do. Options that only say how (`next_firmware`, `custom_scripts`) ask
/// for nothing by themselves.
fn not_available(conf: &GeneralConf) -> Vec<Problem> {
    let later = [
        (Key::RestorePartitions, &conf.restore_partitions),
        (Key::SwitchFirmware, &conf.switch_firmware),
        (Key::EnableCustomScripts, &conf.enable_custom_scripts),
        (Key::CopyNewSdcardKernel, &conf.copy_new_sdcard_kernel),
        (Key::ReRun, &conf.re_run),
        (Key::SkipRenameSdcardKernel, &conf.skip_rename_sdcard_kernel),
    ];
    later
        .into_iter()
        .filter_map(|(key, option)| {
            Some(Problem::ConfigNotAvailable {
                at: asked(option)?,
                key: key.name().to_owned(),
            })
        })
        .collect()
}
