//! `wz card check`: everything that the camera would check, before the card goes in.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use wz_core::card::Card;
use wz_core::profile::Catalogue;
use wz_core::units::Size;

use super::super::plan::{self, Plan};
use super::super::soc_named;
use crate::checking::{
    self, Asked, Findings, ImageRow, KernelRow, Names, config, images, kernel_names, kernels,
};
use crate::dump::Dump;
use crate::media::Media;
use crate::problem::{Exit, Failure, Told};
use crate::screen::{BAD, BOLD, GOOD, Report, Sink, WARNING, told};

/// No U-Boot reads a longer SD kernel.
const LONGEST_KERNEL: Size = Size::mib(64);

/// Check a card before it goes into the camera.
///
/// Checked are the card's format, the SD kernel, the configuration, and the images with their hashes.
/// With a dump of the camera's flash, the very plan is made that the camera will carry out, and shown.
/// Nothing is changed.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz card check E:\\ --soc t31
  wz card check /media/me/CARD --flash stock_t31x_all.bin
  wz card check card.img --backup backup/stock/0001")]
pub struct CheckArgs {
    /// The mounted card, or the image of one.
    #[arg(value_name = "DIR|IMG")]
    pub card: PathBuf,
    /// The camera's SoC family, such as t31; with a dump it is known.
    #[arg(long)]
    pub soc: Option<String>,
    /// A dump of the camera's whole flash chip.
    #[arg(long, value_name = "DUMP", conflicts_with = "backup")]
    pub flash: Option<PathBuf>,
    /// A backup of the camera, whose dump of the whole chip is taken.
    #[arg(long, value_name = "DIR")]
    pub backup: Option<PathBuf>,
    /// The camera's chip, such as t31x, where neither ID.txt nor the dump's name tells it.
    #[arg(long)]
    pub chip: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// The card.
    pub card: PathBuf,
    /// What is free on it.
    pub free_bytes: Option<u64>,
    /// The SD kernels.
    pub kernels: Vec<KernelRow>,
    /// What it asks for: `backup`, `restore`, `switch_firmware`; nothing with a dump, where `plan` tells.
    pub operations: Vec<&'static str>,
    /// The images on it; none with a dump, where those that are needed are in `plan`.
    pub images: Vec<ImageRow>,
    /// What the camera of the dump would do.
    pub plan: Option<Plan>,
    /// What is unusual.
    pub remarks: Vec<Told>,
    /// Why the camera would refuse the card, or not start it.
    pub refusals: Vec<Told>,
}

/// Checks the card.
///
/// # Errors
/// It can't be read, or is none that cameras read; the dump can't be read.
pub fn run(args: &CheckArgs) -> Result<Checked, Failure> {
    let catalogue = Catalogue::builtin();
    let soc = match &args.soc {
        Some(name) => Some(soc_named(&catalogue, name)?),
        None => None,
    };
    let mut media = Media::open(&args.card)?;
    let mut findings = Findings::default();
    let dump = args.flash.as_deref().or(args.backup.as_deref());
    let dump = dump.map(|path| Dump::open(path, args.chip.as_deref(), &catalogue));
    let plan = dump.transpose()?.map(|dump| plan::plan(&mut media, dump));
    let camera = plan.as_ref().and_then(|plan| plan.camera.as_ref());
    let soc = soc.or_else(|| catalogue.soc(camera?.soc()));
    let all = kernel_names(&catalogue, soc.map(|soc| soc.name.as_str()));
    let names = Names {
        installed: camera.map_or_else(|| all.clone(), |camera| camera.sd_kernels(&catalogue)),
        all,
    };
    let longest = soc.map_or(LONGEST_KERNEL, |soc| soc.sd_boot.longest_file);
    let card = media.card();
    let free = card.space().ok().map(|space| space.free.get());
    let kernels = kernels(card, &names, longest, &mut findings);
    let (asked, images) = match plan {
        Some(_) => (Asked::default(), Vec::new()),
        None => alone(card, &catalogue, &mut findings),
    };
    Ok(Checked::of(
        &args.card,
        free,
        kernels,
        (asked, images),
        plan,
        findings,
    ))
}

/// What can be told of configuration and images without the camera.
fn alone(
    card: &mut dyn Card,
    catalogue: &Catalogue,
    findings: &mut Findings,
) -> (Asked, Vec<ImageRow>) {
    let with_own = checking::with_card_profiles(card, catalogue, findings);
    let asked = config(card, &with_own, findings);
    let images = images(card, &with_own, &asked, findings);
    (asked, images)
}

impl Checked {
    fn of(
        card: &Path,
        free_bytes: Option<u64>,
        kernels: Vec<KernelRow>,
        (asked, images): (Asked, Vec<ImageRow>),
        plan: Option<Plan>,
        findings: Findings,
    ) -> Self {
        let of_plan = |told: fn(&Plan) -> &Vec<Told>| plan.as_ref().map(told).cloned();
        let all = |of_plan: Option<Vec<Told>>, own: Vec<Told>| {
            let mut all = of_plan.unwrap_or_default();
            all.extend(own);
            all
        };
        Self {
            card: card.to_owned(),
            free_bytes,
            kernels,
            operations: asked.operations,
            images,
            remarks: all(of_plan(|plan| &plan.remarks), findings.remarks),
            refusals: all(of_plan(|plan| &plan.refusals), findings.refusals),
            plan,
        }
    }
}

impl Report for Checked {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let row = |to: &mut Sink<'_>, what: &str, text: &str| {
            writeln!(to, "{BOLD}{what:<9}{BOLD:#} {text}")
        };
        let free = self
            .free_bytes
            .map(|free| format!(", {} MB free", free / 1_000_000));
        let card = self.card.display();
        row(to, "Card", &format!("{card}{}", free.unwrap_or_default()))?;
        for kernel in &self.kernels {
            let what = kernel.kernel.as_deref().unwrap_or("no kernel");
            let KernelRow {
                name, size_bytes, ..
            } = kernel;
            row(
                to,
                "SD kernel",
                &format!("{name}: {what}, {size_bytes} bytes"),
            )?;
        }
        if !self.operations.is_empty() {
            row(to, "Asks for", &self.operations.join(", "))?;
        }
        for image in &self.images {
            let verdict = if image.in_order {
                "in order"
            } else {
                "not in order"
            };
            let ImageRow {
                file, size_bytes, ..
            } = image;
            row(
                to,
                "Image",
                &format!("{file}: {verdict}, {size_bytes} bytes"),
            )?;
        }
        if let Some(plan) = &self.plan {
            plan.lines(to)?;
        }
        let own = |all: &[Told], of_plan: Option<&Vec<Told>>| {
            let told = of_plan.map_or(0, Vec::len);
            all[told..].to_vec()
        };
        let plan = self.plan.as_ref();
        for problem in own(&self.remarks, plan.map(|plan| &plan.remarks)) {
            told(to, "note", WARNING, &problem)?;
        }
        for problem in own(&self.refusals, plan.map(|plan| &plan.refusals)) {
            told(to, "error", BAD, &problem)?;
        }
        match (self.refusals.len(), plan) {
            (0, Some(_)) => writeln!(to, "{GOOD}The card is in order.{GOOD:#}"),
            (0, None) => writeln!(
                to,
                "{GOOD}The card is in order, as far as can be told without the camera's flash (--flash, --backup).{GOOD:#}"
            ),
            (1, _) => writeln!(to, "{BAD}There is a problem.{BAD:#}"),
            (problems, _) => writeln!(to, "{BAD}There are {problems} problems.{BAD:#}"),
        }
    }

    fn exit(&self) -> Exit {
        match self.refusals.is_empty() {
            true => Exit::Done,
            false => Exit::Refused,
        }
    }
}
