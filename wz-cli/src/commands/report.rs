//! `wz report`: one zip file for a bug report, without secrets.

mod card;
mod secrets;

use std::io;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wz_core::image::sha256sum::Digest;
use wz_core::units::Size;

use crate::cardimage::{Content, Entry};
use crate::files;
use crate::package;
use crate::problem::{CliProblem, Failure};
use crate::screen::{BOLD, Report, Sink};
use card::{Card, PROGRAM};
use secrets::Found;

/// Files that tell what happened and what was asked for.
const TOLD: [&str; 6] = [".log", ".json", ".conf", ".toml", ".sha256sum", "/ID.txt"];
/// Of a longer one, the end is taken.
const LONGEST: usize = 4 << 20;
/// What is hashed for the listing; videos on the card are not.
const LONGEST_HASHED: Size = Size::mib(64);
/// Enough for every card that is used for this alone.
const MOST_LISTED: usize = 5000;

/// Put all that a bug report needs into one zip file, without Wi-Fi names and passwords.
///
/// In it are the logs, result.json, configurations and profiles from the card, and a listing of all
/// files with sizes and hashes. No image of flash is in it. Wherever a Wi-Fi name, a password or a key
/// that is set somewhere on the card shows up, it is replaced by ***. Have a look at the file before
/// you publish it.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz report E:\\
  wz report /media/me/CARD -o report.zip")]
pub struct ReportArgs {
    /// The card: its drive or folder, or an image of all of it.
    pub card: PathBuf,
    /// The zip file to make.
    #[arg(short, long, value_name = "FILE.zip", default_value = "wz-report.zip")]
    pub out: PathBuf,
}

/// What is in the zip file.
#[derive(Clone, Debug, Serialize)]
pub struct Reported {
    /// The zip file.
    pub file: PathBuf,
    /// How long it is.
    pub size_bytes: u64,
    /// In it.
    pub files: Vec<ReportedFile>,
    /// How many files of the card are listed.
    pub listed_files: usize,
    /// How many texts may be secrets, and are hidden wherever they stand.
    pub hidden_texts: usize,
}

/// A file in the zip file.
#[derive(Clone, Debug, Serialize)]
pub struct ReportedFile {
    /// Its path.
    pub path: String,
    /// How long it is.
    pub size_bytes: u64,
}

/// # Errors
/// The card can't be read, or is none; the zip file is there already, or can't be written.
pub fn run(args: &ReportArgs) -> Result<Reported, Failure> {
    if args.out.exists() {
        let path = args.out.display().to_string();
        return Err(CliProblem::AlreadyThere { path }.into());
    }
    let card = Card::open(&args.card)?;
    let listed = card.list()?;
    if !listed.iter().any(|(path, _)| path.starts_with(PROGRAM)) {
        let path = args.card.display().to_string();
        return Err(CliProblem::NotACard { path }.into());
    }
    let mut found = Found::default();
    let mut told = Vec::new();
    for (path, size) in &listed {
        let is_told = is_told(path);
        if is_told || secrets::may_hold(path, *size) {
            let text = card.text(path, LONGEST)?;
            found.search(&text);
            if is_told {
                told.push((path.clone(), text));
            }
        }
    }
    let hidden = found.secrets();
    let clean = |text: &str| hidden.hide(&secrets::without_values(text));
    let mut content = Content::new();
    for (path, text) in told {
        let path = format!("card/{}", clean(&path));
        content.insert(path, Entry::File(clean(&text).into_bytes()));
    }
    let listing = listing(&card, &listed)?;
    content.insert(
        "listing.txt".into(),
        Entry::File(clean(&listing).into_bytes()),
    );
    let about = about(&content, found.count());
    content.insert("README.txt".into(), Entry::File(about.into_bytes()));
    let zipped = package::zip(&content).map_err(CliProblem::from)?;
    files::write_whole(&args.out, &zipped)?;
    Ok(Reported {
        file: args.out.clone(),
        size_bytes: zipped.len() as u64,
        files: content.iter().filter_map(ReportedFile::of).collect(),
        listed_files: listed.len().min(MOST_LISTED),
        hidden_texts: found.count(),
    })
}

fn is_told(path: &str) -> bool {
    path.starts_with(PROGRAM) && TOLD.iter().any(|end| path.ends_with(end))
}

/// A line for each file: hash, length, path.
fn listing(card: &Card, listed: &[(String, Size)]) -> Result<String, CliProblem> {
    let mut text = String::new();
    for (path, size) in listed.iter().take(MOST_LISTED) {
        let is_text = is_told(path) || secrets::may_hold(path, *size);
        let is_hashed = *size <= LONGEST_HASHED && !is_text;
        let hash = match is_hashed {
            true => Digest::of(&card.read(path)?).to_string(),
            // The hash of a text with a password in it helps to guess the password.
            false => "-".repeat(64),
        };
        text += &format!("{hash}  {:>10}  {path}\n", size.get());
    }
    if let Some(more) = listed
        .len()
        .checked_sub(MOST_LISTED)
        .filter(|more| *more > 0)
    {
        text += &format!("and {more} more files\n");
    }
    Ok(text)
}

fn about(content: &Content, secrets: usize) -> String {
    let files: String = content.keys().map(|path| format!("  {path}\n")).collect();
    format!(
        "For a bug report, made by wz {}.\n\n{files}\n\
         Wi-Fi names, passwords and keys that are set somewhere on the card are replaced by *** wherever they\n\
         stand ({secrets} texts). Have a look before you publish it. No image of flash is in it.\n",
        wz_core::VERSION
    )
}

impl ReportedFile {
    fn of((path, entry): (&String, &Entry)) -> Option<Self> {
        match entry {
            Entry::Folder => None,
            Entry::File(bytes) => Some(Self {
                path: path.clone(),
                size_bytes: bytes.len() as u64,
            }),
        }
    }
}

impl Report for Reported {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        writeln!(
            to,
            "{BOLD}{}{BOLD:#}, {} bytes, with",
            self.file.display(),
            self.size_bytes
        )?;
        let mut files = self.files.iter();
        files.try_for_each(|file| writeln!(to, "  {:>9}  {}", file.size_bytes, file.path))?;
        writeln!(
            to,
            "\n{} files of the card are listed; {} texts that may be secrets are hidden.\nHave a look at it before you publish it.",
            self.listed_files, self.hidden_texts
        )
    }
}
