//! What each event reads like.

use crate::event::{
    CameraFacts, Event, Operation, OptionState, Outcome, Problem, SavedFolder, Step, Verdict,
};

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A matter of fact.
    Plain,
    /// The beginning of something.
    Heading,
    /// Good news.
    Good,
    /// To be aware of.
    Warning,
    /// Bad news.
    Bad,
}

/// A line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How it is meant.
    pub tone: Tone,
    /// What it says.
    pub text: String,
}

impl Line {
    fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

/// The lines for an event; none for what has no words of its own (progress, ends of steps, notes).
pub fn lines(event: &Event) -> Vec<Line> {
    match event {
        Event::Started { version } => {
            vec![Line::new(
                Tone::Heading,
                format!("wz_flash-helper {version}"),
            )]
        }
        Event::Camera(facts) => camera(facts),
        Event::Options(options) => self::options(options),
        Event::Plan(plan) => self::plan(plan),
        Event::OperationStarted(operation) => {
            vec![Line::new(
                Tone::Heading,
                format!(":: Starting {operation} operation"),
            )]
        }
        Event::OperationEnded(operation, verdict) => vec![ended(*operation, *verdict)],
        Event::StepStarted(step) => vec![Line::new(Tone::Plain, self::step(step))],
        Event::Said(said) => said
            .iter()
            .map(|line| Line::new(Tone::Plain, format!("   | {line}")))
            .collect(),
        Event::Saved(folder) => vec![saved(folder)],
        Event::BootRewritten { window } => vec![Line::new(
            Tone::Plain,
            format!("   No whole boot loader for {} ms", window.as_millis()),
        )],
        Event::Remark(problem) => told("Note", Tone::Warning, problem),
        Event::Refused(problem) => told("Refused", Tone::Bad, problem),
        Event::Failed(problem) => told("Failed", Tone::Bad, problem),
        Event::Finished { outcome, .. } => vec![finished(*outcome)],
        Event::Progress { .. }
        | Event::StepEnded(_)
        | Event::PhaseEnded { .. }
        | Event::Note(_) => Vec::new(),
    }
}

fn camera(facts: &CameraFacts) -> Vec<Line> {
    let or_unknown = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".into());
    let firmware = match &facts.layout {
        Some(layout) => format!("{} (layout {layout})", or_unknown(&facts.firmware)),
        None => or_unknown(&facts.firmware),
    };
    let rows = [
        ("SoC", facts.chip.clone()),
        ("Flash", facts.flash.clone()),
        ("Firmware", firmware),
        ("Model", or_unknown(&facts.model)),
    ];
    let row = |(name, value): (&str, String)| Line::new(Tone::Plain, format!("{name:<9} {value}"));
    rows.into_iter().map(row).collect()
}

fn options(options: &[OptionState]) -> Vec<Line> {
    let tick = |on| if on { "[x]" } else { "[ ]" };
    let line = |option: &OptionState| format!("{} {}", tick(option.on), option.name);
    options
        .iter()
        .map(|option| Line::new(Tone::Plain, line(option)))
        .collect()
}

fn plan(plan: &[String]) -> Vec<Line> {
    let line = |text: &String| Line::new(Tone::Plain, format!("  {text}"));
    let heading = Line::new(Tone::Heading, ":: Plan");
    std::iter::once(heading)
        .chain(plan.iter().map(line))
        .collect()
}

fn ended(operation: Operation, verdict: Verdict) -> Line {
    match verdict {
        Verdict::Done => Line::new(
            Tone::Good,
            format!(":: The {operation} operation is done and checked"),
        ),
        Verdict::Failed => Line::new(
            Tone::Bad,
            format!(":: The {operation} operation was not completed"),
        ),
    }
}

fn step(step: &Step) -> String {
    match step {
        Step::RemoveLeftover { folder } => format!("-> Remove unfinished backup: {folder}"),
        Step::ReadFlash {
            size,
            files,
            folder,
        } => {
            format!("-> Read flash: {size} to {files} files in {folder}")
        }
        Step::Archive { partition, file } => {
            format!("-> Archive files of partition: {partition} to file {file}")
        }
        Step::Verify { file } => format!("-> Verify file: {file}"),
        Step::Publish { folder } => format!("-> Finish folder: {folder}"),
        Step::Compare { images, size } => {
            format!("-> Verify images: {images}; compare them with flash: {size}")
        }
        Step::WriteFlash { size } => format!("-> Write flash: {size}, and read it back"),
        Step::RewriteBoot { blocks } => format!(
            "-> Write the boot loader: {blocks} blocks. DO NOT CUT THE POWER for a few seconds"
        ),
        Step::CopyKernel { to } => format!("-> Copy SD kernel: to {to}"),
        Step::FindBackup => "-> Look for a backup of what is in flash now".to_owned(),
        Step::WriteEnvironment { region } => {
            format!("-> Write the U-Boot environment: {region}, and read it back")
        }
        Step::PutEnvironmentBack { region } => {
            format!("-> Put the U-Boot environment back: {region}")
        }
        Step::WriteWifiFile { file } => format!("-> Write the Wi-Fi settings to the card: {file}"),
        Step::EditConfig { key } => format!("-> Set {key}=\"no\" in general.conf"),
        Step::PutKernelAway { name, to } | Step::GiveKernelBack { name, to } => {
            format!("-> Rename SD kernel: {name} to {to}")
        }
        Step::RunScript { name } => format!("-> Run script: {name}"),
    }
}

fn saved(folder: &SavedFolder) -> Line {
    let text = format!(
        "   {} files, all read back: {}",
        folder.files.len(),
        folder.folder
    );
    Line::new(Tone::Plain, text)
}

fn told(kind: &str, tone: Tone, problem: &Problem) -> Vec<Line> {
    vec![
        Line::new(
            tone,
            format!("{kind} {}: {}", problem.code(), problem.what()),
        ),
        Line::new(
            Tone::Plain,
            format!("  What to do: {}", problem.next_step()),
        ),
    ]
}

fn finished(outcome: Outcome) -> Line {
    let (tone, text) = match outcome {
        Outcome::Success => (
            Tone::Good,
            "Everything that was asked for is done and checked.",
        ),
        Outcome::DryRun => (
            Tone::Good,
            "Dry run: this is what would be done. Nothing was changed.",
        ),
        Outcome::NothingToDo => (Tone::Warning, "general.conf asks for nothing."),
        Outcome::Incomplete => (
            Tone::Warning,
            "Not everything could be done; what is missing is told above.",
        ),
        Outcome::Refused => (Tone::Bad, "Nothing was done, for the reasons told above."),
        Outcome::Failed => (Tone::Bad, "It did not work, for the reason told above."),
    };
    Line::new(tone, format!(":: Result: {outcome}. {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn a_refusal_reads_as_code_reason_and_next_step() {
        let problem = Problem::CardWithoutPartitionTable {
            device: "mmcblk0".into(),
        };
        let said: Vec<String> = lines(&Event::Refused(problem.clone()))
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(
            said[0],
            format!("Refused {}: {}", problem.code(), problem.what())
        );
        assert_eq!(said[1], format!("  What to do: {}", problem.next_step()));
    }

    #[rstest]
    #[case(Outcome::Success, Tone::Good)]
    #[case(Outcome::DryRun, Tone::Good)]
    #[case(Outcome::NothingToDo, Tone::Warning)]
    #[case(Outcome::Incomplete, Tone::Warning)]
    #[case(Outcome::Refused, Tone::Bad)]
    #[case(Outcome::Failed, Tone::Bad)]
    fn each_outcome_has_words_of_its_own(#[case] outcome: Outcome, #[case] tone: Tone) {
        let line = finished(outcome);
        assert_eq!(line.tone, tone);
        assert!(line.text.contains(&outcome.to_string()), "{}", line.text);
    }

    #[test]
    fn options_are_tick_boxes() {
        let options = [
            OptionState {
                name: "backup_partitions",
                on: true,
            },
            OptionState {
                name: "dry_run",
                on: false,
            },
        ];
        let said = lines(&Event::Options(options.to_vec()));
        assert_eq!(said[0].text, "[x] backup_partitions");
        assert_eq!(said[1].text, "[ ] dry_run");
    }
}
