//! `wz plan`: what the camera would do with a card.

use std::io;
use std::path::PathBuf;

use anstyle::Style;
use clap::Args;
use serde::Serialize;
use wz_core::event::{CameraFacts, Event, Outcome, Reporter};
use wz_core::profile::Catalogue;
use wz_core::report::{Line, Tone, lines};
use wz_core::run::preview;

use crate::checking::kernel_names;
use crate::dump::{AtHome, Dump};
use crate::media::Media;
use crate::problem::{Exit, Failure, Told};
use crate::screen::{BAD, BOLD, GOOD, Report, Sink, WARNING};

/// Show what the camera would do with a card, step for step.
///
/// The plan is made by the very program that runs on the camera, from the card and a dump of the
/// camera's flash (the ..._all.bin of a backup). Nothing is changed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz plan E:\\ --flash backup\\stock\\0001
  wz plan /media/me/CARD --flash stock_t31x_all.bin
  wz plan card.img --flash dump.bin --chip t31x")]
pub struct PlanArgs {
    /// The mounted card, or the image of one.
    #[arg(value_name = "DIR|IMG")]
    pub card: PathBuf,
    /// A dump of the whole flash chip, or the folder of a backup that has one.
    #[arg(long, value_name = "DUMP|DIR")]
    pub flash: PathBuf,
    /// The camera's chip, such as t31x, where neither ID.txt nor the dump's name tells it.
    #[arg(long)]
    pub chip: Option<String>,
}

/// What the camera would do.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The dump that stands for the camera.
    pub flash: PathBuf,
    /// As in `result.json`: `dry_run` if there is a plan, `nothing_to_do`, `refused`.
    pub outcome: String,
    /// What camera it is.
    pub camera: Option<CameraRecord>,
    /// The steps, in the words of the camera's log.
    pub plan: Vec<String>,
    /// What is unusual.
    pub remarks: Vec<Told>,
    /// Every reason why not.
    pub refusals: Vec<Told>,
    #[serde(skip)]
    lines: Vec<Line>,
}

/// A camera, with the field names of `result.json`.
#[derive(Clone, Debug, Serialize)]
pub struct CameraRecord {
    soc: String,
    chip: String,
    chip_group: String,
    flash: String,
    firmware: Option<String>,
    layout: Option<String>,
    model: Option<String>,
}

/// Makes the plan.
///
/// # Errors
/// Card or dump can't be read.
pub fn run(args: &PlanArgs) -> Result<Plan, Failure> {
    let mut media = Media::open(&args.card)?;
    let dump = Dump::open(&args.flash, args.chip.as_deref(), &Catalogue::builtin())?;
    Ok(plan(&mut media, dump))
}

/// What the camera that `dump` stands for would do with the card.
pub fn plan(media: &mut Media, mut dump: Dump) -> Plan {
    let mut plan = Plan {
        flash: dump.path().to_owned(),
        outcome: String::new(),
        camera: None,
        plan: Vec::new(),
        remarks: Vec::new(),
        refusals: Vec::new(),
        lines: Vec::new(),
    };
    let chip = dump.evidence();
    preview(media.card(), Ok(dump.unit()), &chip, &mut AtHome, &mut plan);
    plan
}

impl Reporter for Plan {
    fn report(&mut self, event: &Event) {
        match event {
            Event::Camera(facts) => self.camera = Some(facts.into()),
            Event::Plan(plan) => self.plan.clone_from(plan),
            Event::Remark(problem) => self.remarks.push(problem.into()),
            Event::Refused(problem) | Event::Failed(problem) => self.refusals.push(problem.into()),
            Event::Finished { outcome, .. } => self.outcome = outcome.to_string(),
            _ => {}
        }
        // What was read on the way is no part of the plan.
        if !matches!(event, Event::StepStarted(_) | Event::Finished { .. }) {
            self.lines.extend(lines(event));
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

impl CameraRecord {
    /// The SoC family.
    pub fn soc(&self) -> &str {
        &self.soc
    }

    /// The names under which its U-Boot looks for a kernel; those of its family, where the firmware is
    /// not known.
    pub fn sd_kernels(&self, catalogue: &Catalogue) -> Vec<String> {
        let firmware = self.firmware.as_ref();
        let firmware = firmware.and_then(|name| catalogue.firmware(&self.soc, name));
        match firmware {
            Some(firmware) => firmware.sd_kernels_of(self.layout.as_deref()).to_vec(),
            None => kernel_names(catalogue, Some(&self.soc)),
        }
    }
}

impl Plan {
    /// What the camera's console would show.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn lines(&self, to: &mut Sink<'_>) -> io::Result<()> {
        for Line { tone, text } in &self.lines {
            let style = style(*tone);
            writeln!(to, "{style}{text}{style:#}")?;
        }
        Ok(())
    }

    fn is(&self, outcome: Outcome) -> bool {
        self.outcome == outcome.to_string()
    }
}

impl Report for Plan {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        self.lines(to)?;
        let (style, summary) = match () {
            () if self.is(Outcome::DryRun) => (GOOD, "This is what the camera will do."),
            () if self.is(Outcome::NothingToDo) => (WARNING, "The card asks for nothing."),
            () => (BAD, "The camera will refuse this card, and change nothing."),
        };
        writeln!(to, "{style}{summary}{style:#}")
    }

    fn exit(&self) -> Exit {
        match self.is(Outcome::DryRun) {
            true => Exit::Done,
            false => Exit::Refused,
        }
    }
}

/// How a line of the camera's console looks here.
fn style(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Heading => BOLD,
        Tone::Good => GOOD,
        Tone::Warning => WARNING,
        Tone::Bad => BAD,
    }
}
