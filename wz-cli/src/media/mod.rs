//! A card on the owner's computer, as the camera's program sees one: a mounted card, which is a folder,
//! or the image of a whole card.

mod host;
mod image;
mod layout;

use std::fs;
use std::path::Path;

use wz_core::card::{Card, DirCard};
use wz_core::event::Problem;

use crate::files::Doing;
use crate::problem::{CliProblem, Failure};

pub use host::HostPlatform;
pub use image::ImageCard;

/// A card.
#[derive(Debug)]
pub enum Media {
    /// Mounted.
    Folder(DirCard<HostPlatform>),
    /// In a file, with a partition table around it.
    Image(ImageCard),
}

impl Media {
    /// Opens what is at `path`. Cards that no camera reads are refused.
    ///
    /// # Errors
    /// It is not there or can't be read; it is no card; it is none for a camera.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let meta = fs::metadata(path).map_err(|e| CliProblem::io(Doing::Opened, path, &e))?;
        if meta.is_dir() {
            host::check_file_system(path)?;
            return Ok(Self::Folder(DirCard::new(path, HostPlatform)));
        }
        let partition = layout::first_partition(path)?;
        Ok(Self::Image(ImageCard::open(path, partition)?))
    }

    /// What all that `wz-core` does with cards is done with.
    pub fn card(&mut self) -> &mut dyn Card {
        match self {
            Self::Folder(card) => card,
            Self::Image(card) => card,
        }
    }
}

/// What a card in a file is called in messages.
fn named(path: &Path) -> String {
    path.display().to_string()
}

fn not_fat(path: &Path, reason: &str) -> Failure {
    Failure::from(Problem::CardNotFat {
        device: named(path),
        reason: reason.to_owned(),
    })
}
