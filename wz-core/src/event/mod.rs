//! What happened, as data. The order is the order in time:
//!
//! ```text
//! Started  Camera  Options  Remark*  Plan
//!   ( OperationStarted  ( StepStarted  Progress*  Said*  StepEnded )*  Saved*  OperationEnded )*
//! Remark | Refused | Failed wherever they occur;  PhaseEnded behind each phase;  Finished last
//! ```

mod problem;
mod spot;
mod table;

use std::fmt;
use std::time::Duration;

use crate::units::{Region, Size};

pub use problem::{Problem, SUBJECTS, Subject, TABLE as PROBLEMS};
pub use spot::Spot;
pub use table::{Code, Row};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The program runs.
    Started {
        /// Its version.
        version: &'static str,
    },
    /// What camera this is.
    Camera(CameraFacts),
    /// The owner's options that can be on or off.
    Options(Vec<OptionState>),
    /// What will be done, a line each.
    Plan(Vec<String>),
    /// An operation begins.
    OperationStarted(Operation),
    /// An operation is over.
    OperationEnded(Operation, Verdict),
    /// A step of an operation begins.
    StepStarted(Step),
    /// How far the step is.
    Progress {
        /// Bytes behind it.
        done: Size,
        /// Bytes in all.
        total: Size,
    },
    /// The step is over.
    StepEnded(Verdict),
    /// The boot loader was rewritten.
    BootRewritten {
        /// How long there was no whole boot loader in flash.
        window: Duration,
    },
    /// A script said this, a line each.
    Said(Vec<String>),
    /// A folder with a backup is whole and has its final name.
    Saved(SavedFolder),
    /// Something is unusual; it does not keep the program from doing what it was asked.
    Remark(Problem),
    /// Something was not begun, because of this.
    Refused(Problem),
    /// Something was begun and could not be ended, because of this.
    Failed(Problem),
    /// A part of the run is over.
    PhaseEnded {
        /// Which.
        phase: Phase,
        /// How long it took.
        duration: Duration,
    },
    /// For the full log only: facts for a bug report.
    Note(String),
    /// The run is over.
    Finished {
        /// How it went, as a whole.
        outcome: Outcome,
        /// The most memory the program had resident, if the system tells.
        peak_memory: Option<Size>,
    },
}

/// What was found out about the camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraFacts {
    /// SoC family, `t31`.
    pub soc: String,
    /// Chip, `t31x`.
    pub chip: String,
    /// Chip group, which is part of file names.
    pub group: String,
    /// Name and size of the flash chip's device.
    pub flash: String,
    /// The firmware in flash, if it is a known one.
    pub firmware: Option<String>,
    /// Its layout, if it is a known one.
    pub layout: Option<String>,
    /// The camera model, if it is a known one.
    pub model: Option<String>,
}

/// An option of the owner's that can be on or off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionState {
    /// Its name in `general.conf`.
    pub name: &'static str,
    /// Whether it is on.
    pub on: bool,
}

/// What the program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Save what is in flash on the card.
    Backup,
    /// Write partitions of the firmware that is installed.
    Restore,
    /// Replace the firmware.
    SwitchFirmware,
}

impl Operation {
    /// The name that programs know it by, in `result.json`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::SwitchFirmware => "switch_firmware",
        }
    }
}

/// In words: `switch firmware`.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::SwitchFirmware => "switch firmware",
        })
    }
}

/// A part of an operation that the owner sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Remove what an interrupted backup left.
    RemoveLeftover {
        /// The folder.
        folder: String,
    },
    /// Read the whole chip once, into all image files.
    ReadFlash {
        /// How much.
        size: Size,
        /// How many files.
        files: usize,
        /// The folder they are in.
        folder: String,
    },
    /// Pack the files of a partition.
    Archive {
        /// The partition.
        partition: String,
        /// The archive.
        file: String,
    },
    /// Read a file back from the card and compare it with what flash held.
    Verify {
        /// The file.
        file: String,
    },
    /// Give a finished folder its final name.
    Publish {
        /// The final name.
        folder: String,
    },
    /// Verify images, and compare what is wanted with what is in flash.
    Compare {
        /// How many images.
        images: usize,
        /// How much of flash.
        size: Size,
    },
    /// Write erase blocks, the boot loader's excepted.
    WriteFlash {
        /// How much, in whole blocks.
        size: Size,
    },
    /// Rewrite the boot loader.
    RewriteBoot {
        /// How many erase blocks of it.
        blocks: usize,
    },
    /// Copy an SD kernel to a name that U-Boot looks for.
    CopyKernel {
        /// The name.
        to: String,
    },
    /// Look whether a backup of what is in flash is on the card already.
    FindBackup,
    /// Write the U-Boot environment.
    WriteEnvironment {
        /// Where.
        region: Region,
    },
    /// Put the U-Boot environment back that was being written when power failed.
    PutEnvironmentBack {
        /// Where.
        region: Region,
    },
    /// Put the Wi-Fi settings on the card, where the firmware reads them.
    WriteWifiFile {
        /// The file.
        file: String,
    },
    /// Change an option in the owner's configuration.
    EditConfig {
        /// The option, which becomes "no".
        key: &'static str,
    },
    /// Rename the SD kernel, so that the camera boots its firmware next.
    PutKernelAway {
        /// The name that U-Boot looks for.
        name: String,
        /// The new name.
        to: String,
    },
    /// Run a custom script.
    RunScript {
        /// Its file.
        name: String,
    },
    /// Rename the SD kernel back, so that the camera boots it once more.
    GiveKernelBack {
        /// The name that it was put away under.
        name: String,
        /// The name that U-Boot looks for.
        to: String,
    },
}

/// How a step or an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done and checked.
    Done,
    /// Not done.
    Failed,
}

/// A part of the run whose time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From the start of the kernel to the first instruction of the program.
    Kernel,
    /// Hardware and card.
    StartUp,
    /// Finding out what camera this is.
    Detect,
    /// Configuration and plan.
    Plan,
    /// The operations.
    Execute,
    /// Of these, changing flash.
    Write,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::StartUp => "start_up",
            Self::Detect => "detect",
            Self::Plan => "plan",
            Self::Execute => "execute",
            Self::Write => "write",
        })
    }
}

/// A folder of a backup, whole and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFolder {
    /// Where it is on the card.
    pub folder: String,
    /// What is in it, `.sha256sum` files aside.
    pub files: Vec<SavedFile>,
}

/// A file of a backup, read back and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub size: Size,
    /// SHA-256, in hex.
    pub sha256: String,
}

/// How the run went as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that was asked for is done and checked.
    Success,
    /// All that was asked for was planned; nothing was to be done.
    DryRun,
    /// Nothing was asked for.
    NothingToDo,
    /// What could be done is done and checked; what could not was told.
    Incomplete,
    /// Nothing was done; the reasons were told.
    Refused,
    /// Something went wrong on the way; what is done and what is not was told.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Success => "success",
            Self::DryRun => "dry_run",
            Self::NothingToDo => "nothing_to_do",
            Self::Incomplete => "incomplete",
            Self::Refused => "refused",
            Self::Failed => "failed",
        })
    }
}

/// Takes note of what happens.
pub trait Reporter {
    /// Called for each event, in order.
    fn report(&mut self, event: &Event);
}

impl<F: FnMut(&Event)> Reporter for F {
    fn report(&mut self, event: &Event) {
        self(event);
    }
}

/// Runs `step`, with its beginning and end reported.
///
/// # Errors
/// Those of `step`.
pub fn in_step<T, E>(
    reporter: &mut dyn Reporter,
    name: Step,
    step: impl FnOnce(&mut dyn Reporter) -> Result<T, E>,
) -> Result<T, E> {
    reporter.report(&Event::StepStarted(name));
    let result = step(reporter);
    let verdict = if result.is_ok() {
        Verdict::Done
    } else {
        Verdict::Failed
    };
    reporter.report(&Event::StepEnded(verdict));
    result
}
