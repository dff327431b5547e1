//! The images: flash is read once, and each byte goes into every file that wants it.

use std::io;

use sha2::{Digest, Sha256};

use super::MadeFile;
use crate::card::{Card, CardError, CardFile, CardOperation, CardPath};
use crate::event::{Event, Problem, Reporter, Step, in_step};
use crate::execute::overlap::overlap;
use crate::execute::verify::{Expected, hex};
use crate::flash::ReadFlash;
use crate::plan::{BackupPlan, ImageFile};
use crate::units::{Offset, Region, Size};

/// How much of flash is read at a time.
const CHUNK: Size = Size::kib(64);

/// A stretch of flash on its way to the card.
struct Chunk {
    region: Region,
    bytes: Vec<u8>,
}

impl Chunk {
    /// The bytes that `region` wants of this chunk.
    fn part_of(&self, region: &Region) -> &[u8] {
        match self.region.overlap(region) {
            None => &[],
            Some(both) => {
                let start = (both.offset - self.region.offset).as_usize();
                &self.bytes[start..start + both.size.as_usize()]
            }
        }
    }
}

/// A file that is being filled.
struct Output {
    path: CardPath,
    region: Region,
    file: Box<dyn CardFile>,
}

/// What can go wrong between flash and card.
enum Failure {
    Flash(Problem),
    Card(CardError),
}

/// Writes all images into each of `folders`.
pub(super) fn save(
    plan: &BackupPlan,
    folders: &[CardPath],
    flash: &mut dyn ReadFlash,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Vec<MadeFile>, Problem> {
    let step = Step::ReadFlash {
        size: flash.geometry().size,
        files: plan.images.len() * folders.len(),
        folder: folders.first().map(CardPath::to_string).unwrap_or_default(),
    };
    in_step(reporter, step, |reporter| {
        let saved = open(plan, folders, card)
            .map_err(Failure::Card)
            .and_then(|outputs| stream(&plan.images, flash, outputs, reporter));
        saved.map_err(|failure| match failure {
            Failure::Flash(problem) => problem,
            Failure::Card(error) => error.into_problem(card),
        })
    })
}

fn open(
    plan: &BackupPlan,
    folders: &[CardPath],
    card: &mut dyn Card,
) -> Result<Vec<Output>, CardError> {
    let mut outputs = Vec::new();
    for folder in folders {
        for image in &plan.images {
            let path = folder.join(&image.name);
            let file = card.create(&path)?;
            outputs.push(Output {
                path,
                region: image.region,
                file,
            });
        }
    }
    Ok(outputs)
}

fn stream(
    images: &[ImageFile],
    flash: &mut dyn ReadFlash,
    mut outputs: Vec<Output>,
    reporter: &mut dyn Reporter,
) -> Result<Vec<MadeFile>, Failure> {
    let chip = flash.geometry().whole();
    let mut hashes = vec![Sha256::new(); images.len()];
    let mut at = Offset::ZERO;
    let next = || {
        let chunk = read_chunk(flash, chip, at)?;
        if let Some(chunk) = &chunk {
            at = chunk.region.end();
            for (image, hash) in images.iter().zip(&mut hashes) {
                hash.update(chunk.part_of(&image.region));
            }
        }
        Ok(chunk)
    };
    let take = |chunk: Chunk| {
        write_chunk(&chunk, &mut outputs).map_err(Failure::Card)?;
        let done = chunk.region.end() - Offset::ZERO;
        reporter.report(&Event::Progress {
            done,
            total: chip.size,
        });
        Ok(())
    };
    overlap(next, take, |error| Failure::Flash(no_thread(&error)))?;
    for output in outputs {
        // A slow card takes its time here: each file is a sign of life.
        reporter.report(&Event::Progress {
            done: chip.size,
            total: chip.size,
        });
        finish(output).map_err(Failure::Card)?;
    }
    let made = |(image, hash): (&ImageFile, Sha256)| MadeFile {
        name: image.name.clone(),
        expected: Expected {
            size: image.region.size,
            sha256: hex(hash.finalize()),
        },
    };
    Ok(images.iter().zip(hashes).map(made).collect())
}

fn read_chunk(
    flash: &mut dyn ReadFlash,
    chip: Region,
    at: Offset,
) -> Result<Option<Chunk>, Failure> {
    let Some(region) = Region::new(at, CHUNK).overlap(&chip) else {
        return Ok(None);
    };
    let mut bytes = vec![0; region.size.as_usize()];
    flash.read(at, &mut bytes).map_err(|error| {
        let reason = error.source.to_string();
        Failure::Flash(Problem::FlashRead {
            region: error.region,
            reason,
        })
    })?;
    Ok(Some(Chunk { region, bytes }))
}

fn write_chunk(chunk: &Chunk, outputs: &mut [Output]) -> Result<(), CardError> {
    outputs.iter_mut().try_for_each(|output| {
        let written = output.file.write_all(chunk.part_of(&output.region));
        written.map_err(|source| CardError::new(CardOperation::Write, &output.path, source))
    })
}

fn finish(output: Output) -> Result<(), CardError> {
    let path = output.path;
    output
        .file
        .finish()
        .map_err(|source| CardError::new(CardOperation::Sync, &path, source))
}

fn no_thread(error: &io::Error) -> Problem {
    Problem::SystemFailed {
        doing: "start a thread".into(),
        reason: error.to_string(),
    }
}
