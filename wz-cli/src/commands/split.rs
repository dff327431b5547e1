//! `wz split`: a dump becomes the images of its partitions.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use wz_core::image::sha256sum::{self, Digest};
use wz_core::profile::Catalogue;
use wz_core::units::{Offset, Region, Size};

use crate::anatomy::pieces::pieces;
use crate::anatomy::{LONGEST, slice};
use crate::files;
use crate::folder::NewFolder;
use crate::images::SUM;
use crate::naming::NamingArgs;
use crate::problem::Failure;
use crate::screen::{Report, Sink};
use crate::table::{self, Side};

/// Divide a dump of the whole chip into the images of its partitions.
///
/// The images and their hash files get the names that the camera expects in its restore folder. How
/// flash is divided is found out from the dump. `wz join` makes the dump of them again, to the byte.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz split stock_t31x_all.bin
  wz split dump.bin parts --chip t31x
  wz split dump.bin parts --chip t31zx --firmware thingino --layout 2025")]
pub struct SplitArgs {
    /// The dump.
    pub dump: PathBuf,
    /// A new folder for the images; without it, one beside the dump, named after it.
    pub dir: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "see there")]
    pub naming: NamingArgs,
}

/// The images.
#[derive(Clone, Debug, Serialize)]
pub struct Split {
    /// The folder that they are in.
    pub folder: PathBuf,
    /// The SoC family.
    pub soc: String,
    /// The firmware.
    pub firmware: String,
    /// How it divides flash.
    pub layout: String,
    /// In the order of flash.
    pub images: Vec<SplitImage>,
}

/// The image of a partition.
#[derive(Clone, Debug, Serialize)]
pub struct SplitImage {
    /// The partition.
    pub partition: String,
    /// The name of the file.
    pub file: String,
    /// Where it starts in flash.
    pub offset: u64,
    /// How long it is.
    pub size_bytes: u64,
    /// Its SHA-256 in hex digits.
    pub sha256: String,
}

/// # Errors
/// The dump can't be read, or does not tell how it is divided; the folder is there already.
pub fn run(args: &SplitArgs) -> Result<Split, Failure> {
    let catalogue = Catalogue::builtin();
    let bytes = files::read(&args.dump, LONGEST)?;
    let naming = args.naming.of_dump(&catalogue, &args.dump, &bytes)?;
    let folder = args.dir.clone().unwrap_or_else(|| beside(&args.dump));
    let new = NewFolder::create(&folder)?;
    let mut images = Vec::new();
    for piece in pieces(naming.layout) {
        let content = slice(&bytes, piece.region);
        let file = naming.image(&piece.name);
        let digest = Digest::of(content);
        new.write(&file, content)?;
        new.write(
            &format!("{file}{SUM}"),
            sha256sum::format(&digest, &file).as_bytes(),
        )?;
        images.push(SplitImage {
            partition: piece.name,
            file,
            offset: piece.region.offset.get(),
            size_bytes: piece.region.size.get(),
            sha256: digest.to_string(),
        });
    }
    new.finish()?;
    Ok(Split {
        folder,
        soc: naming.soc.name.clone(),
        firmware: naming.firmware.name.clone(),
        layout: naming.layout.name.clone(),
        images,
    })
}

/// `stock_t31x_all.bin` is divided into `stock_t31x_all_parts`.
fn beside(dump: &Path) -> PathBuf {
    let mut name = dump.file_stem().unwrap_or_default().to_owned();
    name.push("_parts");
    dump.with_file_name(name)
}

impl Report for Split {
    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let Self {
            soc,
            firmware,
            layout,
            ..
        } = self;
        writeln!(
            to,
            "{soc} {firmware}, layout {layout}, in {}\n",
            self.folder.display()
        )?;
        let headings = [
            ("Image", Side::Left),
            ("Start", Side::Right),
            ("Size", Side::Right),
        ];
        let row = |image: &SplitImage| {
            let region = Region::new(Offset::bytes(image.offset), Size::bytes(image.size_bytes));
            [
                image.file.clone(),
                region.offset.to_string(),
                region.size.to_string(),
            ]
        };
        table::write(
            to,
            headings,
            &self.images.iter().map(row).collect::<Vec<_>>(),
        )
    }
}
