//! What the camera would check on a card, as far as it can be checked without the camera.

mod config;
mod images;
mod kernels;

use wz_core::card::{Card, CardError, CardPath, EntryKind};
use wz_core::event::Problem;
use wz_core::profile::{Catalogue, ProfileFile};

use crate::problem::{CliProblem, Told};

pub use config::{Asked, config};
pub use images::{ImageRow, images};
pub use kernels::{KernelRow, Names, check_kernel, kernels};

/// What was found: why the camera would refuse the card, and what is unusual.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Reasons why not.
    pub refusals: Vec<Told>,
    /// What keeps nothing from being done.
    pub remarks: Vec<Told>,
}

impl Findings {
    fn refuse(&mut self, problem: &Problem) {
        self.refusals.push(problem.into());
    }

    fn refuse_all<'a>(&mut self, problems: impl IntoIterator<Item = &'a Problem>) {
        self.refusals.extend(problems.into_iter().map(Told::from));
    }

    fn refuse_here(&mut self, problem: &CliProblem) {
        self.refusals.push(problem.into());
    }

    fn remark<'a>(&mut self, problems: impl IntoIterator<Item = &'a Problem>) {
        self.remarks.extend(problems.into_iter().map(Told::from));
    }
}

/// A card is asked; what it does not answer is a refusal, and `None`.
fn asked<T>(
    answer: Result<T, CardError>,
    card: &mut dyn Card,
    findings: &mut Findings,
) -> Option<T> {
    match answer {
        Ok(value) => Some(value),
        Err(error) => {
            findings.refuse(&error.into_problem(card));
            None
        }
    }
}

/// All names under which U-Boots look for a kernel: those of a family, or of all.
pub fn kernel_names(catalogue: &Catalogue, soc: Option<&str>) -> Vec<String> {
    let names = catalogue.sd_kernels(soc).into_iter();
    names.map(str::to_owned).collect()
}

/// The catalogue with the profiles on the card; without them, if something is wrong with them.
pub fn with_card_profiles(
    card: &mut dyn Card,
    catalogue: &Catalogue,
    findings: &mut Findings,
) -> Catalogue {
    let files = card_profiles(card);
    let files = asked(files, card, findings).unwrap_or_default();
    match catalogue.clone().with_card_profiles(&files) {
        Ok(catalogue) => catalogue,
        Err(problems) => {
            findings.refuse_all(&problems);
            catalogue.clone()
        }
    }
}

fn card_profiles(card: &mut dyn Card) -> Result<Vec<ProfileFile>, CardError> {
    let folder = CardPath::profiles();
    let mut files = Vec::new();
    for soc in card.entries(&folder)?.unwrap_or_default() {
        if soc.kind != EntryKind::Folder {
            continue;
        }
        let place = folder.join(&soc.name);
        for file in card.entries(&place)?.unwrap_or_default() {
            if file.kind == EntryKind::Folder {
                continue;
            }
            let content = card.read(&place.join(&file.name), ProfileFile::LARGEST)?;
            let path = format!("{}/{}", soc.name, file.name);
            files.extend(content.map(|content| ProfileFile::new(path, content)));
        }
    }
    Ok(files)
}
