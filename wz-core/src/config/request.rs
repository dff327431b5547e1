//! From options to what is to be done.

use std::time::Duration;

use crate::event::{Operation, Problem, Spot};

use super::general::{is_off, is_on};
use super::keys::Key;
use super::value::{FileName, Name, Volume, YesNo};
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

/// What of flash is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Partitions of the installed firmware; `restore/<firmware>.conf` says which.
    Restore,
    /// These partitions of the installed firmware.
    Partitions(Vec<Wish>),
    /// All that another firmware needs.
    Switch {
        /// The other firmware.
        next: Name,
        /// How much of it.
        scope: SwitchScope,
    },
}

/// A partition and what is to stand in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The partition's name.
    pub partition: String,
    /// What is to stand in it.
    pub content: Wanted,
}

/// What is to stand in a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Its image in `restore/<firmware>/`.
    Image,
    /// The file at this path on the card, whatever it is called.
    File(String),
    /// Nothing: it is erased.
    Blank,
    /// An empty file system of the partition's own format.
    EmptyFileSystem,
}

/// How much of a firmware Switch writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchScope {
    /// What makes a working camera.
    Working,
    /// All of its partitions.
    AllPartitions,
}

/// Whether the whole chip is saved before the first erase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafetyBackup {
    /// Save it.
    Make,
    /// Begin without.
    Skip,
}

/// What becomes of an interrupted run whose images went bad on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenImagesFail {
    /// The old firmware is written back.
    RollBack,
    /// Flash stays as it is, and the owner is told.
    Stop,
}

/// What follows the operations, once they have ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Afterwards {
    /// Custom scripts, in this order.
    pub scripts: Vec<FileName>,
    /// How long each of them may take.
    pub script_time_limit: Duration,
    /// What the camera is to start when all is over.
    pub next_start: NextStart,
}

/// How long a script may take if nothing is said: writing all of a slow flash chip takes three
/// minutes.
const SCRIPT_TIME_LIMIT: Duration = Duration::from_secs(600);

/// What the camera starts when all is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextStart {
    /// The firmware in flash.
    Firmware,
    /// An SD kernel of the owner's: this file at the top of the card.
    OtherKernel(FileName),
    /// This program, once more.
    ProgramOnce,
    /// This program, for its kernel keeps its name. So that it does not run for ever, the camera
    /// waits until the card is out.
    ProgramKept,
}

/// What becomes of the firmware's Wi-Fi when the operations are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WifiSetup {
    /// It is set up as its file on the card says.
    AsTheFileSays,
    /// It is left alone.
    LeftAlone,
}

/// What the owner asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// In this order, a backup first; empty if nothing was asked for.
    pub operations: Vec<Operation>,
    /// Whether it is to be done.
    pub mode: Mode,
    /// Whether a backup is stored twice.
    pub secondary_backup: SecondaryBackup,
    /// What of flash is to be written; none where `operations` only read it.
    pub rewrite: Option<Rewrite>,
    /// Whether the whole chip is saved before a rewrite.
    pub safety_backup: SafetyBackup,
    /// What becomes of an interrupted rewrite that cannot be finished.
    pub when_images_fail: WhenImagesFail,
    /// What becomes of Wi-Fi.
    pub wifi: WifiSetup,
    /// What follows all that.
    pub afterwards: Afterwards,
    /// The hidden option for the boot partition, for [`choose`](super::choose).
    pub restore_boot: Option<Given<YesNo>>,
    /// The installed firmware, where the owner knows better than detection.
    pub manual_firmware: Option<Name>,
    /// The camera's model, where the owner knows better than detection.
    pub manual_model: Option<Name>,
    /// How loud the program speaks; none if it is to be silent.
    pub sound: Option<Volume>,
}

impl Request {
    /// Whether there is anything to be done.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.afterwards.is_empty()
    }
}

impl Afterwards {
    /// Whether nothing follows that would have to be done.
    pub fn is_empty(&self) -> bool {
        let does_nothing = matches!(
            self.next_start,
            NextStart::Firmware | NextStart::ProgramKept
        );
        self.scripts.is_empty() && does_nothing
    }
}

impl Rewrite {
    /// The operation that does it.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::Restore | Self::Partitions(_) => Operation::Restore,
            Self::Switch { .. } => Operation::SwitchFirmware,
        }
    }
}

/// What `conf`, read from the file that is called `file`, asks for. The warnings say what of it
/// has no effect, and what safety it gives up.
///
/// # Errors
/// Options that contradict each other, or that need others.
pub fn request(file: &str, conf: &GeneralConf) -> Result<Reading<Request>, Vec<Problem>> {
    let mut refusals = Vec::new();
    let rewrite = rewrite(conf, &mut refusals);
    refusals.extend(lacking(conf));
    refusals.extend(two_next_starts(conf));
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let request = requested(conf, rewrite);
    let warnings = remarks(file, conf, &request);
    Ok(Reading {
        value: request,
        warnings,
    })
}

pub(super) fn requested(conf: &GeneralConf, rewrite: Option<Rewrite>) -> Request {
    let name = |option: &Option<Given<Name>>| option.as_ref().map(|given| given.value.clone());
    Request {
        operations: operations(conf, rewrite.as_ref()),
        mode: if is_on(&conf.dry_run) {
            Mode::DryRun
        } else {
            Mode::Real
        },
        secondary_backup: if is_off(&conf.secondary_backup) {
            SecondaryBackup::Skip
        } else {
            SecondaryBackup::Make
        },
        rewrite,
        safety_backup: if is_off(&conf.safety_backup) {
            SafetyBackup::Skip
        } else {
            SafetyBackup::Make
        },
        when_images_fail: if is_off(&conf.roll_back) {
            WhenImagesFail::Stop
        } else {
            WhenImagesFail::RollBack
        },
        wifi: WifiSetup::AsTheFileSays,
        afterwards: Afterwards {
            scripts: scripts(conf),
            script_time_limit: script_time_limit(conf),
            next_start: next_start(conf),
        },
        restore_boot: conf.restore_boot.clone(),
        manual_firmware: name(&conf.manual_current_firmware),
        manual_model: name(&conf.manual_model),
        sound: sound(conf),
    }
}

fn scripts(conf: &GeneralConf) -> Vec<FileName> {
    let named = conf.custom_scripts.as_ref().map(|given| &given.value);
    match is_on(&conf.enable_custom_scripts) {
        true => named.cloned().unwrap_or_default(),
        false => Vec::new(),
    }
}

fn script_time_limit(conf: &GeneralConf) -> Duration {
    let given = conf.custom_scripts_timeout.as_ref();
    given.map_or(SCRIPT_TIME_LIMIT, |given| given.value.duration())
}

fn next_start(conf: &GeneralConf) -> NextStart {
    match &conf.new_sdcard_kernel {
        Some(kernel) if is_on(&conf.copy_new_sdcard_kernel) => {
            NextStart::OtherKernel(kernel.value.clone())
        }
        _ if is_on(&conf.re_run) => NextStart::ProgramOnce,
        _ if is_on(&conf.skip_rename_sdcard_kernel) => NextStart::ProgramKept,
        _ => NextStart::Firmware,
    }
}

fn sound(conf: &GeneralConf) -> Option<Volume> {
    let volume = conf.audio_volume.as_ref().map(|given| given.value);
    is_on(&conf.enable_audio).then(|| volume.unwrap_or(Volume::DEFAULT))
}

fn operations(conf: &GeneralConf, rewrite: Option<&Rewrite>) -> Vec<Operation> {
    let backup = is_on(&conf.backup_partitions).then_some(Operation::Backup);
    let rewrite = rewrite.map(Rewrite::operation);
    backup.into_iter().chain(rewrite).collect()
}

/// What is to be written; what keeps it from being clear is added to `refusals`.
fn rewrite(conf: &GeneralConf, refusals: &mut Vec<Problem>) -> Option<Rewrite> {
    let restore = asked(&conf.restore_partitions);
    let Some(at) = asked(&conf.switch_firmware) else {
        return restore.map(|_| Rewrite::Restore);
    };
    if let Some(restore) = restore {
        refusals.push(Problem::ConfigRestoreAndSwitch {
            at: at.clone(),
            restore_line: restore.line,
        });
    }
    let Some(next) = &conf.next_firmware else {
        refusals.push(needs(at, Key::SwitchFirmware, Key::NextFirmware));
        return None;
    };
    let scope = if is_on(&conf.switch_with_all_partitions) {
        SwitchScope::AllPartitions
    } else {
        SwitchScope::Working
    };
    Some(Rewrite::Switch {
        next: next.value.clone(),
        scope,
    })
}

pub(super) fn remarks(file: &str, conf: &GeneralConf, request: &Request) -> Vec<Problem> {
    let mut remarks = Vec::new();
    if let (Some(given), Some(_), SafetyBackup::Skip) =
        (&conf.safety_backup, &request.rewrite, request.safety_backup)
    {
        remarks.push(Problem::ConfigNoSafetyBackup {
            at: given.at.clone(),
        });
    }
    if request.is_empty() {
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

/// Options that lack the one that says with what.
fn lacking(conf: &GeneralConf) -> Vec<Problem> {
    let scripts = asked(&conf.enable_custom_scripts)
        .filter(|_| conf.custom_scripts.is_none())
        .map(|at| needs(at, Key::EnableCustomScripts, Key::CustomScripts));
    let kernel = asked(&conf.copy_new_sdcard_kernel)
        .filter(|_| conf.new_sdcard_kernel.is_none())
        .map(|at| needs(at, Key::CopyNewSdcardKernel, Key::NewSdcardKernel));
    scripts.into_iter().chain(kernel).collect()
}

fn needs(at: Spot, key: Key, needed: Key) -> Problem {
    Problem::ConfigNeedsAnother {
        at,
        key: key.name().to_owned(),
        needed: needed.name().to_owned(),
    }
}

/// Options that each decide what the camera starts when all is over: one of them can.
fn two_next_starts(conf: &GeneralConf) -> Vec<Problem> {
    let options = [
        (Key::CopyNewSdcardKernel, &conf.copy_new_sdcard_kernel),
        (Key::ReRun, &conf.re_run),
        (Key::SkipRenameSdcardKernel, &conf.skip_rename_sdcard_kernel),
    ];
    let asked = |(key, option): (Key, &Option<Given<YesNo>>)| Some((key, asked(option)?));
    let asked: Vec<(Key, Spot)> = options.into_iter().filter_map(asked).collect();
    let contradiction = |two: &[(Key, Spot)]| match two {
        [(key, spot), (other, at)] => Some(Problem::TwoNextStarts {
            at: at.clone(),
            key: other.name().to_owned(),
            other: key.name().to_owned(),
            line: spot.line,
        }),
        _ => None,
    };
    asked.windows(2).filter_map(contradiction).collect()
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

    /// What a lone backup asks for.
    fn backup() -> Request {
        Request {
            operations: vec![Operation::Backup],
            mode: Mode::Real,
            secondary_backup: SecondaryBackup::Make,
            rewrite: None,
            safety_backup: SafetyBackup::Make,
            when_images_fail: WhenImagesFail::RollBack,
            wifi: WifiSetup::AsTheFileSays,
            afterwards: Afterwards {
                scripts: Vec::new(),
                script_time_limit: SCRIPT_TIME_LIMIT,
                next_start: NextStart::Firmware,
            },
            restore_boot: None,
            manual_firmware: None,
            manual_model: None,
            sound: None,
        }
    }

    fn file(name: &str) -> FileName {
        FileName::new(name).expect("a file name")
    }

    fn switch(next: &str, scope: SwitchScope) -> Rewrite {
        let next = Name::new(next).expect("a name");
        Rewrite::Switch { next, scope }
    }

    #[test]
    fn a_backup_is_requested_with_its_defaults() {
        let reading = asked("backup_partitions=\"yes\"").expect("a backup can be done");
        assert_eq!(reading.warnings, []);
        assert_eq!(reading.value, backup());
    }

    #[test]
    fn what_is_available_reaches_the_request() {
        let text = "backup_partitions=true\ndry_run=true\nsecondary_backup=\"no\"\n\
                    manual_current_firmware=\"stock\"\nmanual_model=\"v3\"";
        let request = asked(text).expect("it can be done").value;
        assert_eq!(
            request,
            Request {
                mode: Mode::DryRun,
                secondary_backup: SecondaryBackup::Skip,
                manual_firmware: Name::new("stock"),
                manual_model: Name::new("v3"),
                ..backup()
            }
        );
    }

    #[rstest]
    #[case::restore("restore_partitions=\"yes\"", Rewrite::Restore, Operation::Restore)]
    #[case::switch(
        "switch_firmware=\"yes\"\nnext_firmware=\"thingino\"",
        switch("thingino", SwitchScope::Working),
        Operation::SwitchFirmware
    )]
    #[case::switch_with_all_partitions(
        "switch_firmware=true\nnext_firmware=stock\nswitch_firmware_with_all_partitions=true",
        switch("stock", SwitchScope::AllPartitions),
        Operation::SwitchFirmware
    )]
    fn a_rewrite_is_requested_with_its_safety_nets_and_behind_a_backup(
        #[case] text: &str,
        #[case] rewrite: Rewrite,
        #[case] operation: Operation,
        #[values(false, true)] with_backup: bool,
    ) {
        let before = if with_backup {
            "backup_partitions=\"yes\"\n"
        } else {
            ""
        };
        let reading = asked(&format!("{text}\n{before}")).expect("it can be done");
        let operations = if with_backup {
            vec![Operation::Backup, operation]
        } else {
            vec![operation]
        };
        assert_eq!(reading.warnings, []);
        assert_eq!(
            reading.value,
            Request {
                operations,
                rewrite: Some(rewrite),
                ..backup()
            }
        );
    }

    #[rstest]
    #[case("", None)]
    #[case("audio_volume=70", None)]
    #[case("enable_audio=no\naudio_volume=70", None)]
    #[case("enable_audio=yes", Some(50))]
    #[case("enable_audio=yes\naudio_volume=70", Some(70))]
    #[case("enable_audio=yes\naudio_volume=0", Some(0))]
    fn sound_is_as_loud_as_the_owner_says_and_off_unless_asked_for(
        #[case] text: &str,
        #[case] percent: Option<u8>,
    ) {
        let request = asked(text).expect("it can be done").value;
        assert_eq!(request.sound.map(Volume::percent), percent);
    }

    #[test]
    fn scripts_may_take_ten_minutes_or_as_long_as_is_said() {
        let limit = |text: &str| {
            let request = asked(text).expect("it can be done").value;
            request.afterwards.script_time_limit.as_secs()
        };
        assert_eq!(limit("backup_partitions=yes"), 600);
        assert_eq!(limit("custom_scripts_timeout_seconds=\"5\""), 5);
    }

    #[test]
    fn safety_nets_can_be_turned_off() {
        let text = "restore_partitions=\"yes\"\nsafety_backup=\"no\"\nroll_back=\"no\"";
        let request = asked(text).expect("it can be done").value;
        assert_eq!(request.safety_backup, SafetyBackup::Skip);
        assert_eq!(request.when_images_fail, WhenImagesFail::Stop);
    }

    #[test]
    fn the_hidden_option_for_the_boot_partition_reaches_the_request() {
        let request = asked("restore_partitions=yes\nhidden_option_restore_boot=yes");
        let restore_boot = request.expect("it can be done").value.restore_boot;
        assert!(is_on(&restore_boot));
    }

    #[rstest]
    #[case("", &["WZ-0161"])]
    #[case("backup_partitions=\"no\"", &["WZ-0161"])]
    #[case("backup_partitions=\"yes\"\nenable_audio=\"yes\"\naudio_volume=\"70\"", &[])]
    #[case("backup_partitions=\"yes\"\nsafety_backup=\"no\"", &[])]
    #[case("next_firmware=\"stock\"\nswitch_firmware_with_all_partitions=\"yes\"", &["WZ-0161"])]
    fn what_has_no_effect_is_remarked(#[case] text: &str, #[case] remarks: &[&str]) {
        assert_eq!(codes(&asked(text).expect(text).warnings), remarks);
    }

    #[rstest]
    #[case("restore_partitions=\"yes\"")]
    #[case("switch_firmware=\"yes\"\nnext_firmware=\"stock\"")]
    #[case("dry_run=\"yes\"\nrestore_partitions=\"yes\"")]
    fn a_rewrite_without_a_safety_backup_is_remarked_where_it_is_turned_off(#[case] text: &str) {
        let text = format!("safety_backup=\"no\"\n{text}");
        let warnings = asked(&text).expect("it can be done").warnings;
        let [Problem::ConfigNoSafetyBackup { at }] = &warnings[..] else {
            panic!("{warnings:?}");
        };
        assert_eq!(at.line, 1);
    }

    #[rstest]
    #[case::scripts(
        "enable_custom_scripts=yes\ncustom_scripts=\"a.sh b.sh\"",
        &["a.sh", "b.sh"],
        NextStart::Firmware
    )]
    #[case::other_kernel(
        "copy_new_sdcard_kernel=yes\nnew_sdcard_kernel=\"k.bin\"",
        &[],
        NextStart::OtherKernel(file("k.bin"))
    )]
    #[case::once_more("re_run=yes", &[], NextStart::ProgramOnce)]
    #[case::kept("skip_rename_prog_sdcard_kernel=yes", &[], NextStart::ProgramKept)]
    #[case::only_named("custom_scripts=\"a.sh\"\nnew_sdcard_kernel=\"k.bin\"", &[], NextStart::Firmware)]
    fn what_follows_the_operations_reaches_the_request(
        #[case] text: &str,
        #[case] scripts: &[&str],
        #[case] next_start: NextStart,
    ) {
        let reading = asked(&format!("backup_partitions=yes\n{text}")).expect(text);
        assert_eq!(reading.warnings, []);
        let scripts = scripts.iter().map(|name| file(name)).collect();
        let afterwards = Afterwards {
            scripts,
            script_time_limit: SCRIPT_TIME_LIMIT,
            next_start,
        };
        let expected = Request {
            afterwards,
            ..backup()
        };
        assert_eq!(reading.value, expected);
    }

    #[rstest]
    #[case("enable_custom_scripts=yes\ncustom_scripts=a.sh", &[])]
    #[case("copy_new_sdcard_kernel=yes\nnew_sdcard_kernel=k.bin", &[])]
    #[case("re_run=yes", &[])]
    #[case("skip_rename_prog_sdcard_kernel=yes", &["WZ-0161"])]
    fn what_only_follows_is_asked_for_too(#[case] text: &str, #[case] remarks: &[&str]) {
        let reading = asked(text).expect(text);
        assert_eq!(codes(&reading.warnings), remarks);
        assert_eq!(reading.value.is_empty(), !remarks.is_empty());
    }

    #[rstest]
    #[case("switch_firmware=\"yes\"", &["WZ-0151"])]
    #[case("switch_firmware=\"yes\"\nnext_firmware=\"\"", &["WZ-0151"])]
    #[case("enable_custom_scripts=\"yes\"\ncustom_scripts=\" \"", &["WZ-0151"])]
    #[case("copy_new_sdcard_kernel=\"yes\"", &["WZ-0151"])]
    #[case("copy_new_sdcard_kernel=\"yes\"\nnew_sdcard_kernel=\"k.bin\"\nre_run=\"yes\"",
        &["WZ-0860"])]
    #[case("re_run=\"yes\"\nskip_rename_prog_sdcard_kernel=\"yes\"", &["WZ-0860"])]
    #[case("copy_new_sdcard_kernel=\"yes\"\nskip_rename_prog_sdcard_kernel=\"yes\"",
        &["WZ-0151", "WZ-0860"])]
    #[case("restore_partitions=\"yes\"\nswitch_firmware=\"yes\"\nnext_firmware=\"stock\"",
        &["WZ-0150"])]
    #[case("restore_partitions=\"yes\"\nswitch_firmware=\"yes\"", &["WZ-0150", "WZ-0151"])]
    fn what_cannot_be_done_is_refused_and_not_ignored(
        #[case] text: &str,
        #[case] expected: &[&str],
        #[values("", "dry_run=\"yes\"\n")] before: &str,
    ) {
        let text = format!("backup_partitions=\"yes\"\n{before}{text}");
        let refusals = asked(&text).expect_err(&text);
        assert_eq!(codes(&refusals), expected);
    }
}
