//! Images on a card for Restore and Switch: good ones, and those that people really have.
//!
//! ```text
//! wz_flash-helper/restore/stock/stock_t31x_kernel.bin             Image
//! wz_flash-helper/restore/stock/stock_t31x_kernel.bin.sha256sum   its HashFile
//! ```

use sha2::{Digest, Sha256};
use wz_core::units::Size;

use crate::card::Card;
use crate::error::Result;
use crate::firmware::Firmware;

/// An image and the hash file beside it.
#[derive(Clone, Debug)]
pub struct Image {
    path: String,
    content: Vec<u8>,
    hash_file: HashFile,
}

/// What the `.sha256sum` file beside an image says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashFile {
    /// The image's hash, as `sha256sum` writes it.
    Right,
    /// The same with the line end of Windows.
    WindowsLineEnd,
    /// Another hash.
    Wrong,
    /// The right hash of a file with another name.
    OfAnotherFile,
    /// Nothing.
    Empty,
    /// There is no such file.
    Missing,
}

impl Image {
    /// The image of a partition, as Backup makes it.
    ///
    /// # Errors
    /// The firmware has no such partition.
    pub fn of_partition(firmware: &Firmware, partition: &str) -> Result<Self> {
        let content = firmware.partition(partition)?.to_vec();
        Ok(Self::new(firmware, partition, content))
    }

    /// The first `length` bytes of the whole firmware, for switching with one file.
    pub fn of_firmware(firmware: &Firmware, length: Size) -> Self {
        let whole = firmware.image();
        let content = whole[..length.as_usize().min(whole.len())].to_vec();
        Self::new(firmware, "firmware", content)
    }

    fn new(firmware: &Firmware, part: &str, content: Vec<u8>) -> Self {
        let (name, group) = (firmware.name(), firmware.chip_group());
        Self {
            path: format!("wz_flash-helper/restore/{name}/{name}_{group}_{part}.bin"),
            content,
            hash_file: HashFile::Right,
        }
    }

    /// The same file with something else in it; its hash file is about that.
    #[must_use]
    pub fn holding(mut self, content: impl Into<Vec<u8>>) -> Self {
        self.content = content.into();
        self
    }

    /// The same file, shorter; its hash file is about that.
    #[must_use]
    pub fn cut_to(mut self, length: Size) -> Self {
        self.content.truncate(length.as_usize());
        self
    }

    /// With another hash file.
    #[must_use]
    pub fn with_hash_file(mut self, hash_file: HashFile) -> Self {
        self.hash_file = hash_file;
        self
    }

    /// Where it lies on the card.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its name on the card, without the folder.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// What is in it.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// What its hash file says, if there is one.
    fn hash_text(&self) -> Option<String> {
        let hash = |bytes: &[u8]| -> String {
            let hash = Sha256::digest(bytes);
            hash.iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let line = |name: &str, end: &str| format!("{}  {name}{end}", hash(&self.content));
        match self.hash_file {
            HashFile::Right => Some(line(self.name(), "\n")),
            HashFile::WindowsLineEnd => Some(line(self.name(), "\r\n")),
            HashFile::Wrong => Some(format!("{}  {}\n", hash(b"something else"), self.name())),
            HashFile::OfAnotherFile => Some(line(&format!("another_{}", self.name()), "\n")),
            HashFile::Empty => Some(String::new()),
            HashFile::Missing => None,
        }
    }
}

impl Card {
    /// With an image and what is beside it.
    #[must_use]
    pub fn with_image(self, image: &Image) -> Self {
        let card = self.with(image.path(), image.content());
        match image.hash_text() {
            Some(text) => card.with(&format!("{}.sha256sum", image.path()), text),
            None => card,
        }
    }

    /// With the images of these partitions.
    ///
    /// # Errors
    /// The firmware has no such partition.
    pub fn with_partition_images(
        self,
        firmware: &Firmware,
        partitions: &[impl AsRef<str>],
    ) -> Result<Self> {
        partitions.iter().try_fold(self, |card, partition| {
            let image = Image::of_partition(firmware, partition.as_ref())?;
            Ok(card.with_image(&image))
        })
    }

    /// With the image of the whole firmware, of which the file has the first `length` bytes.
    #[must_use]
    pub fn with_firmware_image(self, firmware: &Firmware, length: Size) -> Self {
        self.with_image(&Image::of_firmware(firmware, length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card_contents::CardContents;
    use rstest::rstest;
    use tempfile::TempDir;

    const FOLDER: &str = "wz_flash-helper/restore/stock";

    fn stock() -> Firmware {
        Firmware::of("t31", "stock").unwrap()
    }

    fn written(card: &Card) -> (TempDir, CardContents) {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("card.img");
        card.write_image(&image).unwrap();
        (dir, CardContents::of(&image))
    }

    #[test]
    fn images_are_named_as_backup_names_them_and_coreutils_find_them_whole() {
        let stock = stock();
        let card = Card::new()
            .with_partition_images(&stock, &["kernel", "cfg"])
            .unwrap()
            .with_firmware_image(&stock, Size::mib(1));

        let (_dir, card) = written(&card);

        let mut whole = card.check_sha256sums(FOLDER).unwrap();
        whole.sort();
        let names = ["cfg", "firmware", "kernel"].map(|part| format!("stock_t31x_{part}.bin"));
        assert_eq!(whole, names);
        let read = |name: &str| card.read(&format!("{FOLDER}/{name}")).unwrap();
        assert!(read(&names[0]) == stock.partition("cfg").unwrap());
        assert!(read(&names[1]) == stock.image()[..1 << 20]);
    }

    #[rstest]
    #[case::wrong(HashFile::Wrong, Some("FAILED"))]
    #[case::of_another(HashFile::OfAnotherFile, Some("another_stock_t31x_cfg.bin"))]
    #[case::empty(HashFile::Empty, Some("no properly formatted"))]
    #[case::missing(HashFile::Missing, None)]
    fn a_spoilt_hash_file_vouches_for_nothing(
        #[case] hash_file: HashFile,
        #[case] complaint: Option<&str>,
    ) {
        let image = Image::of_partition(&stock(), "cfg").unwrap();
        let card = Card::new().with_image(&image.with_hash_file(hash_file));

        let (_dir, card) = written(&card);

        match (card.check_sha256sums(FOLDER), complaint) {
            (Err(error), Some(complaint)) => {
                assert!(error.to_string().contains(complaint), "{error}");
            }
            (whole, _) => assert_eq!(whole.unwrap(), [""; 0]),
        }
    }

    #[test]
    fn the_hash_is_that_of_the_new_content() {
        let image = Image::of_partition(&stock(), "cfg").unwrap();
        let short = image.clone().cut_to(Size::bytes(3)).hash_text();

        assert_ne!(short, image.hash_text());
        assert_eq!(
            image.holding(*b"foo").hash_text().unwrap(),
            "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae  stock_t31x_cfg.bin\n"
        );
    }

    #[test]
    fn a_line_end_of_windows_is_the_only_difference() {
        let image = Image::of_partition(&stock(), "cfg").unwrap();
        let windows = image.clone().with_hash_file(HashFile::WindowsLineEnd);

        let (right, windows) = (image.hash_text().unwrap(), windows.hash_text().unwrap());

        assert_eq!(windows, right.replace('\n', "\r\n"));
    }
}
