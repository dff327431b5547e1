//! The images in `wz_flash-helper/restore/`: names, hashes, lengths and contents.

use serde::Serialize;
use wz_core::card::{Card, CardPath, EntryKind};
use wz_core::event::Problem;
use wz_core::image::check::Checker;
use wz_core::image::sha256sum::Digest;
use wz_core::plan::rewrite::Image;
use wz_core::plan::shelf::{Shelf, shelf};
use wz_core::profile::{Catalogue, Partition};
use wz_core::units::Size;

use super::{Asked, Findings, asked};
use crate::dump::{self, groups};
use crate::problem::{CliProblem, Told};

/// How the image of a whole firmware ends.
const FIRMWARE: &str = "firmware";
const IMAGE: &str = ".bin";

/// An image on the card.
#[derive(Clone, Debug, Serialize)]
pub struct ImageRow {
    /// Its path on the card.
    pub file: String,
    /// How long it is.
    pub size_bytes: u64,
    /// Its SHA-256, as the card holds it; none if it was not read.
    pub sha256: Option<String>,
    /// Whether all that can be told without the camera is in order.
    pub in_order: bool,
}

/// Looks at all images. What is wrong with one that is needed is a refusal, with others a remark.
pub fn images(
    card: &mut dyn Card,
    catalogue: &Catalogue,
    wanted: &Asked,
    findings: &mut Findings,
) -> Vec<ImageRow> {
    let mut rows = Vec::new();
    for firmware in folders(card, findings) {
        let is_needed = wanted.restores || wanted.next_firmware.as_ref() == Some(&firmware);
        let mut problems = Vec::new();
        rows.extend(of_firmware(card, catalogue, &firmware, &mut problems));
        match is_needed {
            true => findings.refusals.extend(problems),
            false => findings.remarks.extend(problems),
        }
    }
    if wanted.restores && rows.is_empty() {
        findings.refuse_here(&CliProblem::NoImages {
            folder: CardPath::restore().to_string(),
            example: format!("stock_t31x_kernel{IMAGE}"),
        });
    }
    if let Some(next) = &wanted.next_firmware {
        let folder = CardPath::restore().join(next).to_string();
        if !rows
            .iter()
            .any(|row| row.file.starts_with(&format!("{folder}/")))
        {
            findings.refuse(&Problem::ImagesMissing {
                folder,
                firmware_image: format!("{next}_<group>_{FIRMWARE}{IMAGE}"),
                partitions: format!("{next}_<group>_<partition>{IMAGE}"),
            });
        }
    }
    rows
}

fn folders(card: &mut dyn Card, findings: &mut Findings) -> Vec<String> {
    let entries = card.entries(&CardPath::restore());
    let entries = asked(entries, card, findings)
        .flatten()
        .unwrap_or_default()
        .into_iter();
    let folders = entries.filter(|entry| entry.kind == EntryKind::Folder);
    folders.map(|entry| entry.name).collect()
}

fn of_firmware(
    card: &mut dyn Card,
    catalogue: &Catalogue,
    firmware: &str,
    problems: &mut Vec<Told>,
) -> Vec<ImageRow> {
    let folder = CardPath::restore().join(firmware);
    let shelf = shelf(card, &folder).map_err(|error| error.into_problem(card));
    let entries = card
        .entries(&folder)
        .map_err(|error| error.into_problem(card));
    let (shelf, entries) = match (shelf, entries) {
        (Ok(shelf), Ok(entries)) => (shelf, entries.unwrap_or_default()),
        (Err(problem), _) | (_, Err(problem)) => {
            problems.push(Told::from(&problem));
            return Vec::new();
        }
    };
    let mut rows = Vec::new();
    for entry in entries {
        let EntryKind::File(size) = entry.kind else {
            continue;
        };
        let name = &entry.name;
        if !name.to_ascii_lowercase().ends_with(IMAGE) || name.starts_with('.') {
            continue;
        }
        let before = problems.len();
        let image = One {
            name,
            firmware,
            catalogue,
            file: folder.join(name).to_string(),
        };
        let digest = image.judge(&shelf, card, problems);
        rows.push(ImageRow {
            file: image.file,
            size_bytes: size.get(),
            sha256: digest.map(|digest| digest.to_string()),
            in_order: problems.len() == before,
        });
    }
    rows
}

/// One image.
struct One<'a> {
    name: &'a str,
    firmware: &'a str,
    catalogue: &'a Catalogue,
    file: String,
}

impl One<'_> {
    /// Its digest; everything that is wrong with it is added to `problems`.
    fn judge(
        &self,
        shelf: &Shelf,
        card: &mut dyn Card,
        problems: &mut Vec<Told>,
    ) -> Option<Digest> {
        let places = self.places();
        if places.is_none() {
            problems.push(Told::from(&CliProblem::ImageName {
                file: self.file.clone(),
                example: format!("{}_<group>_<partition>{IMAGE}", self.firmware),
                groups: groups(self.catalogue).join(", "),
            }));
        }
        let image = shelf
            .image(self.name)
            .map_err(|problem| problems.push(Told::from(&problem)));
        let image = image.ok()?;
        if image.size > dump::LONGEST {
            problems.push(Told::from(&CliProblem::TooLong {
                path: self.file.clone(),
                size: image.size,
                longest: dump::LONGEST,
            }));
            return None;
        }
        let content = match card.read(&image.path, dump::LONGEST) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) => {
                problems.push(Told::from(&error.into_problem(card)));
                return None;
            }
        };
        let digest = Digest::of(&content);
        let problem = self.hash_problem(&image, digest);
        let problem = problem.or_else(|| self.misfit(&content, &places.unwrap_or_default()));
        problems.extend(problem.as_ref().map(Told::from));
        Some(digest)
    }

    fn hash_problem(&self, image: &Image, found: Digest) -> Option<Problem> {
        (found != image.digest).then(|| Problem::ImageHash {
            file: self.file.clone(),
            expected: image.digest.to_string(),
            found: found.to_string(),
        })
    }

    /// Where such an image may belong: the partition of its name in every layout of its firmware. An
    /// image of the whole firmware or of the whole chip has no such place; a name that is none is `None`.
    fn places(&self) -> Option<Vec<&Partition>> {
        let name = self.name.to_ascii_lowercase();
        let rest = name
            .strip_suffix(IMAGE)?
            .strip_prefix(self.firmware)?
            .strip_prefix('_')?;
        let (group, partition) = rest.split_once('_')?;
        if !groups(self.catalogue).contains(&group) {
            return None;
        }
        if matches!(partition, FIRMWARE | "all") {
            return Some(Vec::new());
        }
        let socs = self.catalogue.socs();
        let of_group = socs.filter(|soc| soc.chips.iter().any(|chip| chip.group == group));
        let firmwares =
            of_group.filter_map(|soc| self.catalogue.firmware(&soc.name, self.firmware));
        let layouts = firmwares.flat_map(|firmware| &firmware.layouts);
        let places: Vec<_> = layouts
            .filter_map(|layout| layout.partition(partition))
            .collect();
        (!places.is_empty()).then_some(places)
    }

    /// Why it fits none of these places, by the first of them.
    fn misfit(&self, content: &[u8], places: &[&Partition]) -> Option<Problem> {
        let verdicts = places.iter().map(|place| self.fits(content, place).err());
        let verdicts: Option<Vec<Problem>> = verdicts.collect();
        verdicts?.into_iter().next()
    }

    fn fits(&self, content: &[u8], place: &Partition) -> Result<(), Problem> {
        let size = Size::bytes(content.len() as u64);
        if size > place.region.size {
            return Err(Problem::ImageTooLong {
                file: self.file.clone(),
                size,
                partition: place.name.clone(),
                room: place.region.size,
            });
        }
        let mut checker = Checker::new(place.content(), size);
        checker.take(content);
        checker.finish().map_err(|why| Problem::ImageContent {
            file: self.file.clone(),
            partition: place.name.clone(),
            why: why.to_string(),
        })
    }
}
