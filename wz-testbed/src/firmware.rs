//! Synthetic firmwares: the flash content of a camera, laid out as a profile says, of real parts.
//!
//! A new profile gets its firmware by being there, as long as its kernel lies in a partition that is
//! called `kernel` (root file system: the first squashfs behind it) or `ota` (kernel, root file
//! system and data in one).

use sha2::{Digest, Sha256};
use wz_core::profile::{Catalogue, Firmware as Profile, Layout, ModelRule, Partition};
use wz_core::units::{Offset, Region, Size};

use crate::contents::Contents;
use crate::error::{Error, Result};
use crate::kept;
use crate::tree::Tree;

/// A recipe for a firmware.
#[derive(Clone, Debug)]
pub struct Recipe {
    pub(crate) profile: Profile,
    pub(crate) layout: Layout,
    pub(crate) chip: String,
    pub(crate) group: String,
    pub(crate) chip_size: Size,
    pub(crate) model: Option<ModelRule>,
    pub(crate) boot_strings: Vec<String>,
    pub(crate) sd_kernels: Vec<String>,
    pub(crate) seed: u64,
}

/// A firmware as it lies in flash.
#[derive(Clone, Debug)]
pub struct Firmware {
    recipe: Recipe,
    image: Vec<u8>,
}

impl Recipe {
    /// The built-in firmware `name` of a SoC, with its first layout, for its first model, on the
    /// first chip that it is made for.
    ///
    /// # Errors
    /// There is no such profile.
    pub fn of(soc: &str, name: &str) -> Result<Self> {
        let catalogue = Catalogue::builtin();
        let none = || Error::Fixture(format!("there is no profile {soc}/{name}"));
        let family = catalogue.soc(soc).ok_or_else(none)?;
        let profile = catalogue.firmware(soc, name).ok_or_else(none)?;
        let chip = family
            .chips
            .iter()
            .find(|c| family.supports(c))
            .ok_or_else(none)?;
        let strings = profile
            .clues
            .iter()
            .find_map(|clue| clue.boot_contains.first());
        Ok(Self {
            layout: profile.layouts.first().ok_or_else(none)?.clone(),
            chip: chip.name.clone(),
            group: chip.group.clone(),
            chip_size: family.flash.size,
            model: profile.models.first().cloned(),
            boot_strings: strings.into_iter().cloned().collect(),
            sd_kernels: profile.sd_kernels.clone(),
            seed: 1,
            profile: profile.clone(),
        })
    }

    /// Every built-in firmware of every SoC with every layout. The U-Boots of all of them boot SD
    /// kernels here, for else nothing could be tried on those that do not.
    pub fn all() -> Result<Vec<Self>> {
        let catalogue = Catalogue::builtin();
        let mut all = Vec::new();
        for soc in catalogue.socs() {
            for firmware in catalogue.firmwares(&soc.name) {
                let recipe = Self::of(&soc.name, &firmware.name)?;
                for layout in &firmware.layouts {
                    let recipe = recipe.clone().layout(&layout.name)?;
                    all.push(recipe.sd_kernels(&firmware.sd_kernels));
                }
            }
        }
        Ok(all)
    }

    /// With another layout of the profile, and a U-Boot that boots the SD kernels that the profile says
    /// of it.
    pub fn layout(mut self, name: &str) -> Result<Self> {
        self.sd_kernels = self.profile.sd_kernels_of(Some(name)).to_vec();
        let layout = self.profile.layout(name);
        self.layout = layout
            .ok_or_else(|| Error::Fixture(format!("{} has no layout {name}", self.profile.file())))?
            .clone();
        Ok(self)
    }

    /// For another model (`pan_v2`), or for none that the profile knows.
    pub fn model(mut self, code: Option<&str>) -> Result<Self> {
        self.model = match code {
            None => None,
            Some(code) => {
                let mut models = self.profile.models.iter();
                let model = models.find(|model| model.code.as_deref() == Some(code));
                let none = || Error::Fixture(format!("{} has no {code}", self.profile.file()));
                Some(model.ok_or_else(none)?.clone())
            }
        };
        Ok(self)
    }

    /// With a U-Boot that boots SD kernels of these names.
    #[must_use]
    pub fn sd_kernels<S: Into<String> + Clone>(mut self, names: &[S]) -> Self {
        self.sd_kernels = names.iter().cloned().map(Into::into).collect();
        self
    }

    /// With these strings in the boot partition instead of those that the profile looks for. With
    /// none, the firmware is one that nobody knows, whose U-Boot still boots SD kernels.
    #[must_use]
    pub fn boot_strings<S: Into<String>>(mut self, strings: impl IntoIterator<Item = S>) -> Self {
        self.boot_strings = strings.into_iter().map(Into::into).collect();
        self
    }

    /// Another build: other bytes in every partition. The default is 1.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Makes the firmware, or takes it from Cargo's target folder, where each is kept.
    pub fn build(self) -> Result<Firmware> {
        let name = self.file_name();
        let image = kept::file(&name, || self.make())?;
        Ok(Firmware {
            recipe: self,
            image,
        })
    }

    pub(crate) fn make(&self) -> Result<Vec<u8>> {
        let mut image = vec![0xff; self.chip_size.as_usize()];
        let contents = Contents::of(self)?;
        for partition in self.layout.partitions() {
            let content = contents.of_partition(partition)?;
            let region = image
                .get_mut(range(partition.region))
                .and_then(|region| region.get_mut(..content.len()));
            let too_small = || {
                Error::Fixture(format!(
                    "{} takes {} bytes, but is {}",
                    partition.name,
                    content.len(),
                    partition.region
                ))
            };
            region.ok_or_else(too_small)?.copy_from_slice(&content);
        }
        Ok(image)
    }

    fn file_name(&self) -> String {
        let hash = Sha256::digest(format!("{self:?}"));
        let key: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
        format!(
            "{}-{}-{}-{key}.bin",
            self.profile.soc, self.profile.name, self.layout.name
        )
    }
}

impl Firmware {
    /// The built-in firmware `name` of a SoC as [`Recipe::of`] makes it.
    pub fn of(soc: &str, name: &str) -> Result<Self> {
        Recipe::of(soc, name)?.build()
    }

    /// Its name in the profile: `stock`.
    pub fn name(&self) -> &str {
        &self.recipe.profile.name
    }

    /// Its profile.
    pub fn profile(&self) -> &Profile {
        &self.recipe.profile
    }

    /// How it lies in flash.
    pub fn layout(&self) -> &Layout {
        &self.recipe.layout
    }

    /// The chip that it is for: `t31x`.
    pub fn chip(&self) -> &str {
        &self.recipe.chip
    }

    /// The group that stands in the names of images, `t31x`.
    pub fn chip_group(&self) -> &str {
        &self.recipe.group
    }

    /// The first name under which its U-Boot looks for a kernel on the SD card.
    pub fn sd_kernel(&self) -> &str {
        self.recipe
            .profile
            .sd_kernels
            .first()
            .map_or("", String::as_str)
    }

    /// The whole flash chip.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The bytes of a partition.
    ///
    /// # Errors
    /// The layout has no such partition.
    pub fn partition(&self, name: &str) -> Result<&[u8]> {
        let region = self.find(name)?.region;
        Ok(self.image.get(range(region)).unwrap_or_default())
    }

    /// The files in a partition with a JFFS2, squashfs or vfat file system.
    ///
    /// # Errors
    /// The layout has no such partition, or there is no file system in it.
    pub fn files(&self, partition: &str) -> Result<Tree> {
        let partition = self.find(partition)?;
        Contents::of(&self.recipe)?
            .files(partition)
            .ok_or_else(|| Error::Fixture(format!("{} has no file system", partition.name)))
    }

    /// The same firmware, damaged: these bytes at this place in flash.
    #[must_use]
    pub fn with_bytes(mut self, at: Offset, bytes: &[u8]) -> Self {
        let start = at.as_usize();
        if let Some(region) = self.image.get_mut(start..start + bytes.len()) {
            region.copy_from_slice(bytes);
        }
        self
    }

    /// The same firmware with an erased partition.
    ///
    /// # Errors
    /// The layout has no such partition.
    pub fn with_blank(self, partition: &str) -> Result<Self> {
        let region = self.find(partition)?.region;
        Ok(self.with_bytes(region.offset, &vec![0xff; region.size.as_usize()]))
    }

    fn find(&self, name: &str) -> Result<&Partition> {
        self.recipe.layout.partition(name).ok_or_else(|| {
            Error::Fixture(format!(
                "{} has no partition {name}",
                self.recipe.profile.file()
            ))
        })
    }
}

fn range(region: Region) -> std::ops::Range<usize> {
    region.offset.as_usize()..region.end().as_usize()
}
