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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_general;
    use rstest::rstest;

    const CONF: &str = "general.conf";

    fn codes(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(|p| p.code().to_string()).collect()
    }

    fn asked(text: &str) -> Result<Reading<Request>, Vec<Problem>> {
        let conf = read_general(CONF, text.as_bytes()).expect(text).value;
        request(CONF, &conf)
    }

    #[test]
    fn a_backup_is_requested_with_its_defaults() {
        let reading = asked("backup_partitions=\"yes\"").expect("a backup can be done");
        assert_eq!(reading.warnings, []);
        assert_eq!(
            reading.value,
            Request {
                operations: vec![Operation::Backup],
                mode: Mode::Real,
                secondary_backup: SecondaryBackup::Make,
                manual_firmware: None,
                manual_model: None,
            }
        );
    }

    #[test]
    fn what_is_available_reaches_the_request() {
        let text = "backup_partitions=true\ndry_run=true\nsecondary_backup=\"no\"\n\
                    manual_current_firmware=\"stock\"\nmanual_model=\"v3\"";
        let request = asked(text).expect("it can be done").value;
        assert_eq!(request.mode, Mode::DryRun);
        assert_eq!(request.secondary_backup, SecondaryBackup::Skip);
        assert_eq!(request.manual_firmware, Name::new("stock"));
        assert_eq!(request.manual_model, Name::new("v3"));
    }

    #[rstest]
    #[case("", &["WZ-0161"])]
    #[case("backup_partitions=\"no\"", &["WZ-0161"])]
    #[case("backup_partitions=\"yes\"\nenable_audio=\"yes\"\naudio_volume=\"70\"", &["WZ-0162"])]
    fn what_has_no_effect_is_remarked(#[case] text: &str, #[case] remarks: &[&str]) {
        assert_eq!(codes(&asked(text).expect(text).warnings), remarks);
    }

    #[rstest]
    #[case("restore_partitions=\"yes\"", &["WZ-0160"])]
    #[case("switch_firmware=\"yes\"\nnext_firmware=\"stock\"", &["WZ-0160"])]
    #[case("enable_custom_scripts=\"yes\"\ncustom_scripts=\"a.sh\"", &["WZ-0160"])]
    #[case("copy_new_sdcard_kernel=\"yes\"\nnew_sdcard_kernel=\"k.bin\"", &["WZ-0160"])]
    #[case("re_run=\"yes\"", &["WZ-0160"])]
    #[case("skip_rename_prog_sdcard_kernel=\"yes\"", &["WZ-0160"])]
    #[case("switch_firmware=\"yes\"", &["WZ-0151", "WZ-0160"])]
    #[case("enable_custom_scripts=\"yes\"\ncustom_scripts=\" \"", &["WZ-0151", "WZ-0160"])]
    #[case("copy_new_sdcard_kernel=\"yes\"", &["WZ-0151", "WZ-0160"])]
    #[case("restore_partitions=\"yes\"\nswitch_firmware=\"yes\"\nnext_firmware=\"stock\"",
        &["WZ-0150", "WZ-0160", "WZ-0160"])]
    fn what_cannot_be_done_is_refused_and_not_ignored(
        #[case] text: &str,
        #[case] expected: &[&str],
    ) {
        let refusals = asked(&format!("backup_partitions=\"yes\"\n{text}")).expect_err(text);
        assert_eq!(codes(&refusals), expected);
        let option = text.split('=').next().unwrap();
        assert!(refusals.iter().any(|p| p.what().contains(option)));
    }
}
