//! Images on the owner's computer: which they are, what they are called on the card, and whether they are
//! what came with their hash.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wz_core::card::{Card, CardPath};
use wz_core::event::Problem;
use wz_core::image::sha256sum::{self, Digest, LONGEST_FILE};
use wz_core::profile::Soc;
use wz_core::units::Size;

use super::{LONGEST_IMAGE, Rewrite, Wish, groups};
use crate::files::{self, Doing};
use crate::problem::{CliProblem, Failure};

/// How the image of a whole firmware ends.
const FIRMWARE: &str = "firmware";
/// How the image of a whole chip ends. Switch does not take it.
const ALL: &str = "all";
const IMAGE: &str = ".bin";

/// Where images come from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Files, and folders such as those of backups.
    pub paths: &'a [PathBuf],
    /// What they are for.
    pub rewrite: &'a Rewrite,
    /// The chip group, if the owner says it.
    pub group: Option<&'a str>,
    /// The camera's family.
    pub soc: &'a Soc,
}

/// The images and their hash files, by their paths on the card.
///
/// # Errors
/// A file can't be read, has a name that tells too little, or is not what its hash file says.
pub fn images(source: Source<'_>) -> Result<Vec<(CardPath, Vec<u8>)>, Failure> {
    if let Some(group) = source.group
        && !groups(source.soc).contains(&group)
    {
        return Err(CliProblem::GroupUnknown {
            name: group.to_owned(),
            soc: source.soc.name.clone(),
            known: groups(source.soc).join(", "),
        }
        .into());
    }
    let mut images = Vec::new();
    for path in source.paths {
        let meta = fs::metadata(path).map_err(|e| CliProblem::io(Doing::Read, path, &e))?;
        match meta.is_dir() {
            true => images.extend(source.in_folder(path)?),
            false => images.push((path.clone(), source.name_for(path)?)),
        }
    }
    let mut content = Vec::new();
    for (path, name) in images {
        let place = CardPath::restore().join(source.firmware()).join(&name);
        let image = files::read(&path, LONGEST_IMAGE)?;
        let digest = Digest::of(&image);
        check_hash(&path, digest)?;
        let sum = sha256sum::format(&digest, &name);
        content.push((place.with_suffix(".sha256sum"), sum.into_bytes()));
        content.push((place, image));
    }
    Ok(content)
}

impl Source<'_> {
    fn firmware(&self) -> &str {
        match self.rewrite {
            Rewrite::Restore { firmware, .. } => firmware,
            Rewrite::Switch { next, .. } => next,
        }
    }

    /// The images in a folder that have the names that the camera looks for, and are needed.
    fn in_folder(&self, folder: &Path) -> Result<Vec<(PathBuf, String)>, CliProblem> {
        let failed = |error: io::Error| CliProblem::io(Doing::Read, folder, &error);
        let mut found = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path
                .file_name()
                .and_then(OsStr::to_str)
                .unwrap_or_default()
                .to_owned();
            if self
                .partition_in(&name)
                .is_some_and(|partition| self.needs(partition))
            {
                found.push((path, name));
            }
        }
        found.sort();
        match found.is_empty() {
            true => Err(CliProblem::NoImages {
                folder: folder.display().to_string(),
                example: self.example(),
            }),
            false => Ok(found),
        }
    }

    fn needs(&self, partition: &str) -> bool {
        match self.rewrite {
            Rewrite::Restore { partitions, .. } => partitions.iter().any(|name| name == partition),
            Rewrite::Switch { .. } => partition != ALL,
        }
    }

    /// The partition in `<firmware>_<group>_<partition>.bin`.
    fn partition_in<'a>(&self, name: &'a str) -> Option<&'a str> {
        let rest = name
            .strip_suffix(IMAGE)?
            .strip_prefix(self.firmware())?
            .strip_prefix('_')?;
        let (group, partition) = rest.split_once('_')?;
        let is_ours =
            groups(self.soc).contains(&group) && self.group.is_none_or(|own| own == group);
        is_ours.then_some(partition)
    }

    /// What a file is called on the card: as it is, if that is a name that the camera looks for; or else
    /// it is the only image.
    fn name_for(&self, path: &Path) -> Result<String, CliProblem> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if self
            .partition_in(&name)
            .is_some_and(|partition| self.needs(partition))
        {
            return Ok(name.into_owned());
        }
        let what = match self.rewrite {
            Rewrite::Switch { .. } => FIRMWARE,
            Rewrite::Restore { partitions, .. } => match (partitions.as_slice(), self.paths) {
                ([only], [_]) => only,
                _ => {
                    return Err(CliProblem::ImageNotTold {
                        path: path.display().to_string(),
                        example: self.example(),
                    });
                }
            },
        };
        let group = self.group.or_else(|| self.group_in(&name)).ok_or_else(|| {
            CliProblem::GroupNotTold {
                path: path.display().to_string(),
                known: groups(self.soc).join(", "),
            }
        })?;
        Ok(format!("{}_{group}_{what}{IMAGE}", self.firmware()))
    }

    fn group_in(&self, name: &str) -> Option<&str> {
        let name = name.to_ascii_lowercase();
        let words: Vec<&str> = name.split(['_', '-', '.', ' ']).collect();
        groups(self.soc)
            .into_iter()
            .find(|group| words.contains(group))
    }

    fn example(&self) -> String {
        let group = groups(self.soc).into_iter().next().unwrap_or_default();
        format!("{}_{group}_kernel{IMAGE}", self.firmware())
    }
}

/// Whether the image is the one that the hash file beside it was made of, if there is one. Its name in
/// there may be an older one.
fn check_hash(path: &Path, found: Digest) -> Result<(), Failure> {
    let file = path.display().to_string();
    let sum = PathBuf::from(format!("{file}.sha256sum"));
    let bytes = match files::read(&sum, Size::bytes(LONGEST_FILE as u64)) {
        Err(CliProblem::Missing { .. }) => return Ok(()),
        bytes => bytes?,
    };
    let lines = sha256sum::parse(&bytes).map_err(|why| Problem::HashUnreadable {
        file: sum.display().to_string(),
        why: why.to_string(),
    })?;
    if lines.iter().any(|line| line.digest == found) {
        return Ok(());
    }
    let expected = lines.first().map(|line| line.digest.to_string());
    Err(Problem::ImageHash {
        file,
        expected: expected.unwrap_or_default(),
        found: found.to_string(),
    }
    .into())
}

/// Images on the card that the camera would take instead of those that are wished for: as soon as one
/// partition image of a firmware is there, the one image of all of it is left aside, and the other way
/// round there would be some of each.
///
/// # Errors
/// The card can't be read.
pub fn other_kinds(
    wish: &Wish,
    card: &mut dyn Card,
    in_the_way: &mut Vec<CliProblem>,
) -> Result<(), Failure> {
    let Some(Rewrite::Switch { next, .. }) = &wish.rewrite else {
        return Ok(());
    };
    let is_image = |name: &str| name.ends_with(IMAGE) && !name.ends_with(&format!("_{ALL}{IMAGE}"));
    let wanted: Vec<&str> = wish
        .images
        .iter()
        .map(|(path, _)| path.name())
        .filter(|name| is_image(name))
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let folder = CardPath::restore().join(next);
    let entries = card
        .entries(&folder)
        .map_err(|error| error.into_problem(card))?;
    for entry in entries.unwrap_or_default() {
        if is_image(&entry.name) && !wanted.contains(&entry.name.as_str()) {
            in_the_way.push(CliProblem::OtherImage {
                path: folder.join(&entry.name).to_string(),
            });
        }
    }
    Ok(())
}
