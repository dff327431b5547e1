//! Images as they will stand in flash, for the rules that recognise firmwares and layouts.

use super::rewrite::{Image, Source, Target};
use crate::card::Card;
use crate::event::Problem;
use crate::image::environment::Environment;
use crate::plan::blocks::BLANK;
use crate::profile::{Evidence, Partition, Soc, Variables};
use crate::units::Region;

/// What the rules may look at: targets where they are, blank elsewhere.
pub(super) struct ImagesEvidence<'a> {
    boot_region: Region,
    boot: Option<Vec<u8>>,
    images: &'a [Image],
    targets: &'a [Target],
    card: &'a mut dyn Card,
}

impl<'a> ImagesEvidence<'a> {
    pub(super) fn new(
        soc: &Soc,
        images: &'a [Image],
        targets: &'a [Target],
        card: &'a mut dyn Card,
    ) -> Self {
        Self {
            boot_region: soc.flash.boot_search_region(),
            boot: None,
            images,
            targets,
            card,
        }
    }

    fn compose(&mut self, wanted: Region) -> Result<Vec<u8>, Problem> {
        let mut bytes = vec![BLANK; wanted.size.as_usize()];
        for target in self.targets {
            let Source::Image {
                image,
                from,
                length,
            } = target.source
            else {
                continue;
            };
            let there = Region::new(target.region.offset, length);
            let (Some(part), Some(image)) = (there.overlap(&wanted), self.images.get(image)) else {
                continue;
            };
            let at = from + (part.offset - target.region.offset);
            let start = (part.offset - wanted.offset).as_usize();
            let buffer = &mut bytes[start..start + part.size.as_usize()];
            self.card
                .read_at(&image.path, at, buffer)
                .map_err(|error| error.into_problem(self.card))?;
        }
        Ok(bytes)
    }
}

impl Evidence for ImagesEvidence<'_> {
    fn boot(&mut self) -> Result<&[u8], Problem> {
        let bytes = match self.boot.take() {
            Some(bytes) => bytes,
            None => self.compose(self.boot_region)?,
        };
        Ok(self.boot.insert(bytes))
    }

    fn bytes(&mut self, region: Region) -> Result<Vec<u8>, Problem> {
        self.compose(region)
    }

    fn environment(&mut self, region: Region) -> Result<Option<Variables>, Problem> {
        let bytes = self.compose(region)?;
        let parsed = Environment::parse(&bytes).ok();
        Ok(parsed.map(|environment| environment.lossy().collect()))
    }

    /// File systems in images are not looked into.
    fn file(&mut self, _: &Partition, _: &str) -> Result<Option<Vec<u8>>, Problem> {
        Ok(None)
    }
}
