//! `result.json`: the outcome for programs. Its schema is `docs/result-schema.md`.

use serde::Serialize;

use crate::event::{
    CameraFacts, Event, OptionState, Phase, Problem, Reporter, SavedFile, SavedFolder, Verdict,
};
use crate::units::Size;

/// Rises when a field changes its meaning or goes away; new fields do not raise it.
pub const SCHEMA_VERSION: u32 = 1;

/// Collects what `result.json` says.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    schema_version: u32,
    program_version: String,
    outcome: String,
    camera: Option<CameraRecord>,
    options: Vec<OptionRecord>,
    plan: Vec<String>,
    operations: Vec<OperationRecord>,
    backups: Vec<BackupRecord>,
    remarks: Vec<ProblemRecord>,
    refusals: Vec<ProblemRecord>,
    failures: Vec<ProblemRecord>,
    phases: Vec<PhaseRecord>,
    peak_memory_bytes: Option<u64>,
    boot_window_milliseconds: Option<u64>,
}

#[derive(Clone, Debug, Serialize)]
struct CameraRecord {
    soc: String,
    chip: String,
    chip_group: String,
    flash: String,
    firmware: Option<String>,
    layout: Option<String>,
    model: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
struct OptionRecord {
    name: String,
    on: bool,
}

#[derive(Clone, Debug, Serialize)]
struct OperationRecord {
    name: String,
    done: bool,
}

#[derive(Clone, Debug, Serialize)]
struct BackupRecord {
    folder: String,
    files: Vec<FileRecord>,
}

#[derive(Clone, Debug, Serialize)]
struct FileRecord {
    name: String,
    size_bytes: u64,
    sha256: String,
}

#[derive(Clone, Debug, Serialize)]
struct ProblemRecord {
    code: String,
    what: String,
    next_step: String,
}

#[derive(Clone, Debug, Serialize)]
struct PhaseRecord {
    name: String,
    milliseconds: u64,
}

impl Record {
    /// A record of nothing yet. Until the run has finished, its outcome is `unfinished`.
    pub fn new() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            outcome: "unfinished".into(),
            ..Self::default()
        }
    }

    /// The JSON text, indented, with a line break at its end.
    ///
    /// # Errors
    /// Never in practice: everything in it can be represented.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|json| json + "\n")
    }
}

impl Reporter for Record {
    fn report(&mut self, event: &Event) {
        match event {
            Event::Started { version } => self.program_version = (*version).to_owned(),
            Event::Camera(facts) => self.camera = Some(facts.into()),
            Event::Options(options) => {
                let record = |o: &OptionState| OptionRecord {
                    name: o.name.to_owned(),
                    on: o.on,
                };
                self.options = options.iter().map(record).collect();
            }
            Event::Plan(plan) => self.plan.clone_from(plan),
            Event::OperationEnded(operation, verdict) => self.operations.push(OperationRecord {
                name: operation.name().to_owned(),
                done: *verdict == Verdict::Done,
            }),
            Event::Saved(folder) => self.backups.push(folder.into()),
            Event::BootRewritten { window } => {
                self.boot_window_milliseconds = u64::try_from(window.as_millis()).ok();
            }
            Event::Remark(problem) => self.remarks.push(problem.into()),
            Event::Refused(problem) => self.refusals.push(problem.into()),
            Event::Failed(problem) => self.failures.push(problem.into()),
            Event::PhaseEnded { phase, duration } => {
                self.phases
                    .push(PhaseRecord::new(*phase, duration.as_millis()));
            }
            Event::Finished {
                outcome,
                peak_memory,
            } => {
                self.outcome = outcome.to_string();
                self.peak_memory_bytes = peak_memory.map(Size::get);
            }
            Event::OperationStarted(_)
            | Event::StepStarted(_)
            | Event::Progress { .. }
            | Event::StepEnded(_)
            | Event::Said(_)
            | Event::Note(_) => {}
        }
    }
}

impl PhaseRecord {
    fn new(phase: Phase, milliseconds: u128) -> Self {
        let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        Self {
            name: phase.to_string(),
            milliseconds,
        }
    }
}

impl From<&CameraFacts> for CameraRecord {
    fn from(facts: &CameraFacts) -> Self {
        Self {
            soc: facts.soc.clone(),
            chip: facts.chip.clone(),
            chip_group: facts.group.clone(),
            flash: facts.flash.clone(),
            firmware: facts.firmware.clone(),
            layout: facts.layout.clone(),
            model: facts.model.clone(),
        }
    }
}

impl From<&SavedFolder> for BackupRecord {
    fn from(saved: &SavedFolder) -> Self {
        let file = |file: &SavedFile| FileRecord {
            name: file.name.clone(),
            size_bytes: file.size.get(),
            sha256: file.sha256.clone(),
        };
        Self {
            folder: saved.folder.clone(),
            files: saved.files.iter().map(file).collect(),
        }
    }
}

impl From<&Problem> for ProblemRecord {
    fn from(problem: &Problem) -> Self {
        Self {
            code: problem.code().to_string(),
            what: problem.what(),
            next_step: problem.next_step(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Operation, Outcome};

    #[test]
    fn an_interrupted_run_does_not_look_finished() {
        let json: serde_json::Value =
            serde_json::from_str(&Record::new().to_json().unwrap()).unwrap();
        assert_eq!(json["outcome"], "unfinished");
        assert_eq!(json["schema_version"], SCHEMA_VERSION);
    }

    #[test]
    fn operations_have_names_for_programs() {
        let mut record = Record::new();
        for operation in [
            Operation::Backup,
            Operation::Restore,
            Operation::SwitchFirmware,
        ] {
            record.report(&Event::OperationEnded(operation, Verdict::Done));
        }
        let names: Vec<_> = record.operations.iter().map(|o| o.name.as_str()).collect();
        assert_eq!(names, ["backup", "restore", "switch_firmware"]);
    }

    #[test]
    fn problems_stand_with_code_reason_and_next_step_where_they_belong() {
        let problem = Problem::ModelUnknown { why: "cfg".into() };
        let mut record = Record::new();
        record.report(&Event::Remark(problem.clone()));
        let peak_memory = Some(Size::mib(3));
        record.report(&Event::Finished {
            outcome: Outcome::Success,
            peak_memory,
        });
        let json: serde_json::Value = serde_json::from_str(&record.to_json().unwrap()).unwrap();
        assert_eq!(json["remarks"][0]["code"], problem.code().to_string());
        assert_eq!(json["remarks"][0]["next_step"], problem.next_step());
        assert_eq!(json["refusals"].as_array().map(Vec::len), Some(0));
        assert_eq!(json["outcome"], "success");
        assert_eq!(json["peak_memory_bytes"], 3 * 1024 * 1024);
    }
}
