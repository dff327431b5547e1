//! `wz card new`: a card for the camera, made or completed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use wz_core::profile::{Catalogue, Firmware, Soc};
use wz_core::units::Size;

use super::super::soc_named;
use crate::card;
use crate::cardimage::{CardImage, DEFAULT_SIZE, check_size};
use crate::checking::{self, Findings, Names, check_kernel, config, images, kernel_names, kernels};
use crate::donor::{Machine, carries_program};
use crate::files::{self, Doing};
use crate::media::Media;
use crate::newcard::{self, FileRow, Outcome, Rewrite, Source, Wish};
use crate::problem::{CliProblem, Exit, Failure, Told};
use crate::program;
use crate::screen::{BAD, BOLD, GOOD, Report, Sink, WARNING, told};

/// Make a card for the camera, or complete one.
///
/// The card is a mounted one (formatted as FAT32), or an image file, which is made if it is not there.
/// Only what is asked for is switched on in general.conf; what else you have entered there stays. Files
/// that are not of this program are never written over, unless --force is given, and nothing is changed
/// if something speaks against it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz card new E:\\ --soc t31 --kernel factory_t31_ZMC6tiIDQN --backup
  wz card new /media/me/CARD --soc t31 --restore kernel rootfs --image backup/stock/0001
  wz card new card.img --soc t31 --kernel kernel.bin --switch-to thingino --image thingino-wyze_cam3_t31x.bin")]
pub struct NewArgs {
    /// The mounted card, or an image file (*.img).
    #[arg(value_name = "DIR|IMG")]
    pub card: PathBuf,
    /// The camera's SoC family, such as t31.
    #[arg(long)]
    pub soc: String,
    /// A kernel that the camera boots from a card (a uImage); the program is put into it. Without it, the SD
    /// kernel that is on the card is used.
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// The program for the camera, if it is not beside wz [default: wz_flash-helper.cpio there].
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub program: Option<PathBuf>,
    /// The firmware that the camera has now.
    #[arg(long, value_name = "FIRMWARE", default_value = "stock")]
    pub firmware: String,
    /// The camera is to make a backup.
    #[arg(long)]
    pub backup: bool,
    /// The camera is to restore these partitions of its firmware.
    #[arg(long, value_name = "PARTITION", num_args = 1.., conflicts_with = "switch_to")]
    pub restore: Vec<String>,
    /// The camera is to get this firmware instead of its own.
    #[arg(long, value_name = "FIRMWARE")]
    pub switch_to: Option<String>,
    /// With all partitions of that firmware, those with its settings too.
    #[arg(long, requires = "switch_to")]
    pub all_partitions: bool,
    /// An image, or a folder of images such as a backup; may be given several times.
    #[arg(long = "image", value_name = "FILE|DIR")]
    pub images: Vec<PathBuf>,
    /// The chip group that an image is for, such as t31x, where its name does not tell.
    #[arg(long)]
    pub group: Option<String>,
    /// The camera is only to say what it would do.
    #[arg(long)]
    pub dry_run: bool,
    /// The size of an image file that is made: a power of two, 128M at least.
    #[arg(long, value_name = "SIZE", default_value_t = DEFAULT_SIZE)]
    pub card_size: Size,
    /// Write over files that are not of this program.
    #[arg(long)]
    pub force: bool,
}

/// What was done.
#[derive(Clone, Debug, Serialize)]
pub struct Made {
    /// The card.
    pub card: PathBuf,
    /// Whether it was made, and not completed.
    pub is_new: bool,
    /// What became of each file.
    pub files: Vec<FileRow>,
    /// What is unusual.
    pub remarks: Vec<Told>,
    /// What is still missing or wrong: the camera would refuse the card, or not start it.
    pub refusals: Vec<Told>,
    /// What to do with the card.
    pub next_steps: Vec<String>,
}

/// Makes or completes the card.
///
/// # Errors
/// Inputs can't be used, the card is none, or something is in the way; nothing was changed then. Or the
/// card can't be written.
pub fn run(args: &NewArgs) -> Result<Made, Failure> {
    let catalogue = Catalogue::builtin();
    let soc = soc_named(&catalogue, &args.soc)?;
    let installed = firmware(&catalogue, soc, &args.firmware)?;
    let given = match &args.kernel {
        Some(path) => Some(given_kernel(path, args, &catalogue, soc)?),
        None => None,
    };
    let machine = given.as_ref().and_then(|given| given.machine);
    let wish = wish(args, &catalogue, soc, given.map(|given| given.image))?;
    let place = Place::of(&args.card, args.force)?;
    let (mut media, files) = match place {
        Place::Card => {
            let mut media = Media::open(&args.card)?;
            let work = newcard::plan(&wish, &catalogue, soc, media.card())?;
            let files = work.carry_out(&mut media)?;
            (media, files)
        }
        Place::NewFolder => {
            let content = newcard::content(&wish, &catalogue, soc)?;
            crate::package::write_folder(&args.card, &content).map_err(CliProblem::from)?;
            (Media::open(&args.card)?, rows(&content))
        }
        Place::NewImage => {
            check_size(args.card_size).map_err(CliProblem::from)?;
            let content = newcard::content(&wish, &catalogue, soc)?;
            make_image(&args.card, args.card_size, &content)?;
            (Media::open(&args.card)?, rows(&content))
        }
    };
    let mut findings = check(&mut media, &catalogue, soc, installed);
    if machine == Some(Machine::Emulator) {
        let remark = CliProblem::KernelOfEmulator {};
        findings.remarks.push(Told::from(&remark));
    }
    Ok(Made {
        card: args.card.clone(),
        is_new: place != Place::Card,
        files,
        next_steps: next_steps(args, place, findings.refusals.is_empty()),
        remarks: findings.remarks,
        refusals: findings.refusals,
    })
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A card, or what has to be one.
    Card,
    /// Nothing; a folder is made.
    NewFolder,
    /// Nothing, or something that is replaced; an image is made.
    NewImage,
}

impl Place {
    fn of(path: &Path, force: bool) -> Result<Self, Failure> {
        let is_image = path
            .extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("img"));
        match (fs::metadata(path), is_image) {
            (Err(error), true) if error.kind() == io::ErrorKind::NotFound => Ok(Self::NewImage),
            (Err(error), false) if error.kind() == io::ErrorKind::NotFound => Ok(Self::NewFolder),
            (Err(error), _) => Err(CliProblem::io(Doing::Opened, path, &error).into()),
            (Ok(meta), _) if meta.is_file() && force && Media::open(path).is_err() => {
                Ok(Self::NewImage)
            }
            (Ok(_), _) => Ok(Self::Card),
        }
    }
}

fn wish(
    args: &NewArgs,
    catalogue: &Catalogue,
    soc: &Soc,
    kernel: Option<Vec<u8>>,
) -> Result<Wish, Failure> {
    let installed = firmware(catalogue, soc, &args.firmware)?;
    let rewrite = match &args.switch_to {
        Some(next) => Some(Rewrite::Switch {
            next: firmware(catalogue, soc, next)?.name.clone(),
            all_partitions: args.all_partitions,
        }),
        None if args.restore.is_empty() => None,
        None => Some(Rewrite::Restore {
            firmware: installed.name.clone(),
            partitions: args.restore.clone(),
        }),
    };
    let images = match &rewrite {
        Some(rewrite) => newcard::images(Source {
            paths: &args.images,
            rewrite,
            group: args.group.as_deref(),
            soc,
        })?,
        None if args.images.is_empty() => Vec::new(),
        None => return Err(CliProblem::ImageForNothing {}.into()),
    };
    Ok(Wish {
        backup: args.backup,
        rewrite,
        dry_run: args.dry_run,
        kernel,
        kernel_names: installed.new_card_kernels.clone(),
        images,
        force: args.force,
    })
}

fn firmware<'a>(
    catalogue: &'a Catalogue,
    soc: &Soc,
    name: &str,
) -> Result<&'a Firmware, CliProblem> {
    let all = catalogue.firmwares(&soc.name);
    let known = || {
        all.iter()
            .map(|firmware| firmware.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let found = all.iter().find(|firmware| firmware.name == name);
    found.ok_or_else(|| CliProblem::FirmwareUnknown {
        soc: soc.name.clone(),
        name: name.to_owned(),
        known: known(),
    })
}

/// An SD kernel with the program in it.
struct GivenKernel {
    image: Vec<u8>,
    /// What it is for; not known of one that had the program already.
    machine: Option<Machine>,
}

fn given_kernel(
    path: &Path,
    args: &NewArgs,
    catalogue: &Catalogue,
    soc: &Soc,
) -> Result<GivenKernel, CliProblem> {
    if let (Some(other), false) = (family_of(path, catalogue, soc), args.force) {
        return Err(CliProblem::KernelOfOtherFamily {
            path: path.display().to_string(),
            soc: soc.name.clone(),
            other: other.name.clone(),
        });
    }
    let content = files::read(path, Size::mib(64))?;
    let size = Size::bytes(content.len() as u64);
    let longest = soc.sd_boot.longest_file;
    let header = check_kernel(&path.display().to_string(), size, &content, longest)?;
    match (carries_program(&header), &args.program) {
        (true, None) => Ok(GivenKernel {
            image: content,
            machine: None,
        }),
        (true, Some(_)) => Err(CliProblem::ProgramTwice {
            kernel: path.display().to_string(),
        }),
        (false, program) => {
            let program = program::read(program.as_deref())?;
            let made = card::sd_kernel(path, &content, &program, soc)?;
            Ok(GivenKernel {
                image: made.image,
                machine: Some(made.machine),
            })
        }
    }
}

/// The family whose SD kernels are called like this file, if those of `soc` are not.
fn family_of<'a>(path: &Path, catalogue: &'a Catalogue, soc: &Soc) -> Option<&'a Soc> {
    let name = path.file_name()?.to_str()?;
    let is_of = |soc: &Soc| catalogue.sd_kernels(Some(&soc.name)).contains(name);
    match is_of(soc) {
        true => None,
        false => catalogue.socs().find(|other| is_of(other)),
    }
}

/// The image takes its place when it is whole.
fn make_image(
    path: &Path,
    size: Size,
    content: &crate::cardimage::Content,
) -> Result<(), CliProblem> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let made = CardImage::create(&partial, size, content).map_err(CliProblem::from);
    let made = made.and_then(|_| {
        fs::rename(&partial, path).map_err(|error| CliProblem::io(Doing::Made, path, &error))
    });
    if made.is_err() {
        let _ = fs::remove_file(&partial);
    }
    made
}

fn rows(content: &crate::cardimage::Content) -> Vec<FileRow> {
    let files = content
        .iter()
        .filter(|(_, entry)| **entry != crate::cardimage::Entry::Folder);
    let row = |file: &String| FileRow {
        file: file.clone(),
        outcome: Outcome::Written,
    };
    files.map(|(path, _)| row(path)).collect()
}

/// As `wz card check` does without a dump; and each name that a U-Boot looks for has to be there.
fn check(media: &mut Media, catalogue: &Catalogue, soc: &Soc, installed: &Firmware) -> Findings {
    let mut findings = Findings::default();
    let card = media.card();
    let names = Names {
        all: kernel_names(catalogue, Some(&soc.name)),
        installed: installed.sd_kernels.clone(),
    };
    let found = kernels(card, &names, soc.sd_boot.longest_file, &mut findings);
    let is_there = |name: &&String| found.iter().any(|row| row.name.eq_ignore_ascii_case(name));
    let missing = installed
        .new_card_kernels
        .iter()
        .find(|name| !is_there(name));
    if let (Some(name), false) = (missing, found.is_empty()) {
        let problem = CliProblem::KernelNameMissing {
            firmware: installed.name.clone(),
            name: name.clone(),
        };
        findings.refusals.push(Told::from(&problem));
    }
    let catalogue = checking::with_card_profiles(card, catalogue, &mut findings);
    let asked = config(card, &catalogue, &mut findings);
    images(card, &catalogue, &asked, &mut findings);
    findings
}

fn next_steps(args: &NewArgs, place: Place, is_ready: bool) -> Vec<String> {
    let mut steps = Vec::new();
    if !is_ready {
        steps.push(
            "Put right what is wrong with the card, and check it with wz card check.".to_owned(),
        );
    } else if args.switch_to.is_some() || !args.restore.is_empty() {
        steps.push(
            "Check it against a backup of the camera: wz card check CARD --backup DIR.".to_owned(),
        );
    }
    if args
        .card
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("img"))
    {
        steps.push("Write the image to a card, for instance with balenaEtcher.".to_owned());
    } else if place == Place::NewFolder {
        steps.push(
            "Copy what is in the folder to the top of a card that is formatted as FAT32."
                .to_owned(),
        );
    } else {
        steps.push("Eject the card as the system wants it.".to_owned());
    }
    steps.push("Put it into the camera without power, and plug the camera in.".to_owned());
    steps.push(
        "Leave the camera alone until it has restarted; see README.md for what its lights say."
            .to_owned(),
    );
    steps.push(
        "Look into wz_flash-helper/result.json and initramfs_serial.log on the card.".to_owned(),
    );
    steps
}

impl Report for Made {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        for FileRow { file, outcome } in &self.files {
            let outcome = match outcome {
                Outcome::Written => "written",
                Outcome::Changed => "changed",
                Outcome::Kept => "kept",
                Outcome::Renamed => "renamed",
            };
            writeln!(to, "{outcome:<8} {file}")?;
        }
        for problem in &self.remarks {
            told(to, "note", WARNING, problem)?;
        }
        for problem in &self.refusals {
            told(to, "error", BAD, problem)?;
        }
        match self.refusals.is_empty() {
            true => writeln!(to, "{GOOD}The card is ready.{GOOD:#}")?,
            false => writeln!(to, "{BAD}The card is not ready yet.{BAD:#}")?,
        }
        writeln!(to, "{BOLD}What to do next{BOLD:#}")?;
        for (number, step) in (1..).zip(&self.next_steps) {
            writeln!(to, "  {number}. {step}")?;
        }
        Ok(())
    }

    fn exit(&self) -> Exit {
        match self.refusals.is_empty() {
            true => Exit::Done,
            false => Exit::Refused,
        }
    }
}
