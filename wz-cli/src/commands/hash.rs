//! `wz hash`: the `.sha256sum` files beside images, as the camera wants them.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use wz_core::image::sha256sum::{self, Digest, LONGEST_FILE};
use wz_core::units::Size;

use crate::files::{self, Doing};
use crate::problem::{CliProblem, Failure};
use crate::screen::{Report, Screen, Sink};

/// What has a hash file in a folder.
const HASHED: [&str; 2] = [".bin", ".tar.gz"];

/// Write the hash files that the camera checks images with.
///
/// For each file, <FILE>.sha256sum is written beside it. Of a folder, all images (.bin) and archives
/// (.tar.gz) in it are hashed. A hash file that belongs to other content is left alone, and nothing at
/// all is written then, unless --force is given.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz hash thingino_t31x_firmware.bin
  wz hash E:\\wz_flash-helper\\restore\\stock
  wz hash --force stock_t31x_cfg.bin")]
pub struct HashArgs {
    /// Files, or folders of images.
    #[arg(required = true, value_name = "FILE|DIR")]
    pub paths: Vec<PathBuf>,
    /// Write hash files anew that belong to other content.
    #[arg(long)]
    pub force: bool,
}

/// What became of the hash files.
#[derive(Clone, Debug, Serialize)]
pub struct Hashed {
    /// One for each file.
    pub files: Vec<HashedFile>,
}

/// A file and its hash.
#[derive(Clone, Debug, Serialize)]
pub struct HashedFile {
    /// The file that was hashed.
    pub file: PathBuf,
    /// Its SHA-256 in hex digits.
    pub sha256: String,
    /// The file that holds it.
    pub sum_file: PathBuf,
    /// What became of that one.
    pub outcome: Outcome,
}

/// What became of a hash file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was not there.
    Written,
    /// It belonged to other content.
    Replaced,
    /// It was right already.
    Kept,
}

impl Report for Hashed {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        for file in &self.files {
            let outcome = match file.outcome {
                Outcome::Written => "written",
                Outcome::Replaced => "replaced",
                Outcome::Kept => "kept",
            };
            writeln!(to, "{outcome:<8}  {}", file.sum_file.display())?;
        }
        Ok(())
    }
}

/// Hashes all files, and then writes what is missing.
///
/// # Errors
/// A file can't be read or written; a hash file belongs to other content.
pub fn run(args: &HashArgs, screen: Screen) -> Result<Hashed, Failure> {
    let mut files = Vec::new();
    for path in files_of(&args.paths)? {
        files.push(hashed(&path, screen)?);
    }
    let differing = files
        .iter()
        .filter(|file| file.outcome == Outcome::Replaced);
    let differing: Vec<CliProblem> = differing
        .map(|file| CliProblem::HashDiffers {
            sum_file: file.sum_file.display().to_string(),
            file: file.file.display().to_string(),
        })
        .collect();
    if !args.force && !differing.is_empty() {
        return Err(differing.into());
    }
    for file in files.iter().filter(|file| file.outcome != Outcome::Kept) {
        files::write_whole(&file.sum_file, file.line().as_bytes())?;
    }
    Ok(Hashed { files })
}

impl HashedFile {
    /// The content of the hash file.
    fn line(&self) -> String {
        let name = self.file.file_name().and_then(OsStr::to_str);
        format!("{}  {}\n", self.sha256, name.unwrap_or_default())
    }
}

/// The files that are named, and those that belong to the folders that are named.
fn files_of(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliProblem> {
    let mut files = Vec::new();
    for path in paths {
        let meta = fs::metadata(path).map_err(|e| CliProblem::io(Doing::Read, path, &e))?;
        match meta.is_dir() {
            true => files.extend(images_in(path)?),
            false => files.push(path.clone()),
        }
    }
    Ok(files)
}

fn images_in(folder: &Path) -> Result<Vec<PathBuf>, CliProblem> {
    let failed = |error: io::Error| CliProblem::io(Doing::Read, folder, &error);
    let mut images = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.to_ascii_lowercase();
        // macOS leaves "._<name>" beside each file that it copies to a card.
        let is_image = !name.starts_with('.') && HASHED.iter().any(|end| name.ends_with(end));
        if is_image && path.is_file() {
            images.push(path);
        }
    }
    images.sort();
    match images.is_empty() {
        true => Err(CliProblem::NothingToHash {
            folder: folder.display().to_string(),
        }),
        false => Ok(images),
    }
}

fn hashed(path: &Path, screen: Screen) -> Result<HashedFile, CliProblem> {
    let unnamed = || CliProblem::NotAName {
        path: path.display().to_string(),
    };
    let name = path.file_name().and_then(OsStr::to_str);
    let is_line = |name: &&str| !name.contains(['\n', '\r', '\\']) && name.trim() == *name;
    let name = name.filter(is_line).ok_or_else(unnamed)?;
    let (file, size) = files::open(path)?;
    let mut progress = screen.progress(name, size);
    let digest = Digest::of_reader(&mut progress.reading(file))
        .map_err(|error| CliProblem::io(Doing::Read, path, &error))?;
    let sum_file = path.with_file_name(format!("{name}.sha256sum"));
    let outcome = match fs::metadata(&sum_file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Outcome::Written,
        _ => match says(&sum_file, name, digest)? {
            true => Outcome::Kept,
            false => Outcome::Replaced,
        },
    };
    Ok(HashedFile {
        file: path.to_owned(),
        sha256: digest.to_string(),
        sum_file,
        outcome,
    })
}

/// Whether the hash file has nothing but this hash of this file.
fn says(sum_file: &Path, name: &str, digest: Digest) -> Result<bool, CliProblem> {
    let content = match files::read(sum_file, Size::bytes(LONGEST_FILE as u64)) {
        Err(CliProblem::TooLong { .. }) => return Ok(false),
        content => content?,
    };
    let wanted = sha256sum::Line {
        digest,
        name: name.to_owned(),
    };
    Ok(sha256sum::parse(&content).is_ok_and(|lines| lines == [wanted]))
}
