//! The content of a flash chip, from a dump or from images of partitions.

use std::path::Path;

use wz_core::profile::{Catalogue, Firmware, Layout, Soc};
use wz_core::units::{Offset, Region, Size};

use crate::anatomy::LONGEST;
use crate::anatomy::pieces::{Naming, WHOLE, naming_of, pieces};
use crate::files;
use crate::images;
use crate::naming::NamingArgs;
use crate::problem::{CliProblem, Failure};

/// What erased flash reads as. Images that are shorter than their partition leave its end blank.
const BLANK: u8 = 0xff;

/// What is known of the content of a chip.
#[derive(Debug)]
pub struct Chip<'a> {
    /// As long as the chip.
    pub bytes: Vec<u8>,
    /// How it is divided.
    pub layout: Option<Divided<'a>>,
    known: Vec<Region>,
}

/// How a chip is divided.
#[derive(Clone, Copy, Debug)]
pub struct Divided<'a> {
    /// The SoC family.
    pub soc: &'a Soc,
    /// The firmware.
    pub firmware: &'a Firmware,
    /// The layout.
    pub layout: &'a Layout,
}

impl<'a> Chip<'a> {
    /// The chip whose content is in `path`: a dump, or a folder of images.
    pub fn read(
        catalogue: &'a Catalogue,
        path: &Path,
        naming: &NamingArgs,
    ) -> Result<Self, Failure> {
        match path.is_dir() {
            true => Self::of_folder(catalogue, path, naming),
            false => Self::of_dump(catalogue, path, naming),
        }
    }

    fn of_dump(
        catalogue: &'a Catalogue,
        path: &Path,
        naming: &NamingArgs,
    ) -> Result<Self, Failure> {
        let bytes = files::read(path, LONGEST)?;
        let size = Size::bytes(bytes.len() as u64);
        let mut chips = catalogue.socs().map(|soc| soc.flash.size);
        if !chips.any(|chip| chip == size) {
            return Err(CliProblem::NotADump {
                path: path.display().to_string(),
                size,
                chip: catalogue
                    .socs()
                    .map(|soc| soc.flash.size)
                    .max()
                    .unwrap_or_default(),
            }
            .into());
        }
        let layout = match naming.layout_of(catalogue, path, &bytes) {
            Ok((soc, firmware, layout)) => Some(Divided {
                soc,
                firmware,
                layout,
            }),
            Err(CliProblem::DumpUntold { .. } | CliProblem::LayoutUntold { .. }) => None,
            Err(other) => return Err(other.into()),
        };
        Ok(Self {
            known: vec![Region::new(Offset::ZERO, size)],
            bytes,
            layout,
        })
    }

    fn of_folder(
        catalogue: &'a Catalogue,
        folder: &Path,
        naming: &NamingArgs,
    ) -> Result<Self, Failure> {
        let listed = images::list(folder)?;
        let left = naming.left_of(catalogue)?;
        let Some(naming_found) = naming_of(&left, &listed) else {
            let is_whole = |name: &str| left.iter().any(|naming| naming.image(WHOLE) == name);
            let whole = listed.iter().find(|(name, _)| is_whole(name));
            let (whole, _) = whole.ok_or_else(|| CliProblem::NoImageHere {
                folder: folder.display().to_string(),
            })?;
            return Self::of_dump(catalogue, &folder.join(whole), naming);
        };
        Self::of_images(folder, naming_found, &listed)
    }

    fn of_images(
        folder: &Path,
        naming: Naming<'a>,
        listed: &[(String, Size)],
    ) -> Result<Self, Failure> {
        let Naming {
            soc,
            firmware,
            layout,
            ..
        } = naming;
        let mut bytes = vec![BLANK; soc.flash.size.as_usize()];
        let (mut known, mut problems) = (Vec::new(), Vec::new());
        for piece in pieces(layout) {
            let name = naming.image(&piece.name);
            let Some((_, size)) = listed.iter().find(|(listed, _)| *listed == name) else {
                continue;
            };
            let path = folder.join(name);
            if *size > piece.region.size {
                problems.push(CliProblem::PieceSize {
                    path: path.display().to_string(),
                    found: *size,
                    expected: piece.region.size,
                });
                continue;
            }
            let content = files::read(&path, piece.region.size)?;
            let start = piece.region.offset.as_usize();
            if let Some(place) = bytes.get_mut(start..start + content.len()) {
                place.copy_from_slice(&content);
            }
            known.push(piece.region);
        }
        if !problems.is_empty() {
            return Err(problems.into());
        }
        Ok(Self {
            bytes,
            layout: Some(Divided {
                soc,
                firmware,
                layout,
            }),
            known,
        })
    }

    /// How large the chip is.
    pub fn size(&self) -> Size {
        Size::bytes(self.bytes.len() as u64)
    }

    /// Whether all of a region is known. Images may lie one behind the other in it.
    pub fn has(&self, region: Region) -> bool {
        let covered = self.known.iter().filter_map(|known| known.overlap(&region));
        let covered: u64 = covered.map(|part| part.size.get()).sum();
        covered == region.size.get()
    }
}
