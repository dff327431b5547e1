//! What lies on a card while it is not in a running camera: looked at, and changed as an owner would.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use wz_core::units::{Offset, Size};

use crate::card;
use crate::error::{Doing, Error, Result};
use crate::tool;

/// The card of a camera that is off.
#[derive(Debug)]
pub struct CardContents {
    image: PathBuf,
}

impl CardContents {
    pub(crate) fn of(image: &Path) -> Self {
        Self {
            image: image.to_owned(),
        }
    }

    /// The content of a file.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        card::read_file(&self.image, path)
    }

    /// The content of a text file.
    pub fn read_text(&self, path: &str) -> Result<String> {
        String::from_utf8(self.read(path)?)
            .map_err(|e| Error::Card(format!("{path} is no UTF-8 text: {e}")))
    }

    /// Whether there is a file or folder of that name; upper and lower case differ.
    pub fn has(&self, path: &str) -> Result<bool> {
        Ok(self.all()?.iter().any(|there| there == path))
    }

    /// The names in a folder, sorted, those of folders with a `/` behind. `""` is the card's root.
    pub fn list(&self, folder: &str) -> Result<Vec<String>> {
        let below = match folder {
            "" => String::new(),
            folder => format!("{folder}/"),
        };
        let names = self.paths()?.into_iter().filter_map(|path| {
            let name = path.strip_prefix(&below)?;
            let is_direct = !name.is_empty() && !name.trim_end_matches('/').contains('/');
            is_direct.then(|| name.to_owned())
        });
        Ok(names.collect())
    }

    /// The paths of everything on the card, folders too, sorted.
    pub fn all(&self) -> Result<Vec<String>> {
        let paths = self.paths()?.into_iter();
        Ok(paths
            .map(|path| path.trim_end_matches('/').to_owned())
            .collect())
    }

    /// The same; a folder's path ends with `/`.
    fn paths(&self) -> Result<Vec<String>> {
        let listing = card::mtools("mdir", &self.image, ["-b", "-a", "-/", "::/"])?;
        let paths = listing.lines().filter_map(|line| line.strip_prefix("::/"));
        let mut paths: Vec<_> = paths.map(str::to_owned).collect();
        paths.sort();
        Ok(paths)
    }

    /// Writes a file, as the owner would on a computer.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
        card::copy_in(&self.image, &[(path.to_owned(), content.as_ref().to_vec())])
    }

    /// Renames a file or folder within its folder.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        card::mtools(
            "mren",
            &self.image,
            [format!("::/{from}"), format!("::/{to}")],
        )
        .map(drop)
    }

    /// Removes a file, or a folder with all that is in it.
    pub fn remove(&self, path: &str) -> Result<()> {
        card::mtools("mdeltree", &self.image, [format!("::/{path}")]).map(drop)
    }

    /// The bytes that are free.
    pub fn room(&self) -> Result<Size> {
        card::room(&self.image)
    }

    /// Copies the image of the whole card to a file of this computer.
    pub fn copy_to(&self, image: &Path) -> Result<()> {
        let doing = || format!("copy the card to {}", image.display());
        fs::copy(&self.image, image).doing(doing).map(drop)
    }

    /// Copies a folder of the card with all that is in it to a new folder of this computer.
    pub fn extract(&self, folder: &str, to: &Path) -> Result<()> {
        card::copy_out(&self.image, folder, to)
    }

    /// Checks every `.sha256sum` file in a folder with coreutils, as an owner would, and returns
    /// the names of the files that were found whole.
    pub fn check_sha256sums(&self, folder: &str) -> Result<Vec<String>> {
        let dir = tempfile::tempdir().doing(|| "make a temporary folder".to_owned())?;
        let copy = dir.path().join("folder");
        self.extract(folder, &copy)?;
        let mut whole = Vec::new();
        for name in self.list(folder)? {
            if name.ends_with(".sha256sum") {
                let said = tool::run_in(&copy, "sha256sum", ["-c", "--strict", &name])?;
                whole.extend(
                    said.lines()
                        .filter_map(|l| l.strip_suffix(": OK").map(str::to_owned)),
                );
            }
        }
        Ok(whole)
    }

    /// Checks the file system with `fsck.fat` and returns what it found amiss: nothing on a card
    /// that was unmounted.
    pub fn fsck(&self) -> Result<Vec<String>> {
        let dir = tempfile::tempdir().doing(|| "make a temporary folder".to_owned())?;
        let volume = dir.path().join("volume");
        self.copy_volume(&volume)
            .doing(|| format!("copy the volume of {}", self.image.display()))?;
        tool::findings("fsck.fat", [Path::new("-n"), &volume])
    }

    /// Where on the card these bytes start, if they start a sector: where a part of a file lies.
    pub fn find(&self, bytes: &[u8]) -> Result<Option<Offset>> {
        const SECTOR: usize = 512;
        let card = self.bytes()?;
        let mut sectors = (0..card.len()).step_by(SECTOR);
        let found = sectors.find(|at| card[*at..].starts_with(bytes));
        Ok(found.map(|at| Offset::bytes(at as u64)))
    }

    /// The whole card, as a card reader would show it.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        fs::read(&self.image).doing(|| format!("read {}", self.image.display()))
    }

    fn copy_volume(&self, to: &Path) -> std::io::Result<()> {
        let mut image = File::open(&self.image)?;
        let (from, end) = card::first_volume(&mut image)?;
        image.seek(SeekFrom::Start(from))?;
        std::io::copy(&mut image.take(end - from), &mut File::create(to)?)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::{Card, CardLayout};
    use rstest::rstest;
    use tempfile::TempDir;

    fn contents(card: &Card) -> (TempDir, CardContents) {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("card.img");
        card.write_image(&image).unwrap();
        (dir, CardContents::of(&image))
    }

    #[rstest]
    #[case::as_instructed(CardLayout::Fat32)]
    #[case::fat16(CardLayout::Fat16)]
    #[case::no_table(CardLayout::NoPartitionTable)]
    fn files_are_read_back(#[case] layout: CardLayout) {
        let card = Card::new()
            .layout(layout)
            .with("wz_flash-helper/general.conf", "text");

        let (_dir, card) = contents(&card);

        assert_eq!(card.read("wz_flash-helper/general.conf").unwrap(), b"text");
        assert_eq!(
            card.all().unwrap(),
            ["wz_flash-helper", "wz_flash-helper/general.conf"]
        );
        assert_eq!(card.list("").unwrap(), ["wz_flash-helper/"]);
        assert_eq!(card.list("wz_flash-helper").unwrap(), ["general.conf"]);
        assert_eq!(card.fsck().unwrap(), Vec::<String>::new());
    }

    #[rstest]
    #[case::exfat(CardLayout::Exfat)]
    #[case::blank(CardLayout::Blank)]
    fn a_card_without_fat_is_told(#[case] layout: CardLayout) {
        let (_dir, card) = contents(&Card::new().layout(layout));

        let error = card.all().unwrap_err();

        assert!(error.to_string().contains("non DOS media"), "{error}");
    }

    #[test]
    fn a_full_card_has_the_room_that_was_asked_for() {
        let (_dir, card) = contents(&Card::new().size(Size::mib(64)).room_left(Size::kib(100)));

        let room = card.room().unwrap();

        assert!((Size::kib(98)..=Size::kib(100)).contains(&room), "{room}");
        assert_eq!(card.fsck().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_name_in_another_case_is_not_there() {
        let (_dir, card) = contents(&Card::new().with("Name", ""));

        assert!(card.has("Name").unwrap());
        assert!(!card.has("name").unwrap());
    }

    #[test]
    fn the_owner_can_change_a_card() {
        let (_dir, card) = contents(&Card::new().with("old", "a long content").with("gone", ""));

        card.write("old", "short").unwrap();
        card.rename("old", "new").unwrap();
        card.remove("gone").unwrap();

        assert_eq!(card.all().unwrap(), ["new"]);
        assert_eq!(card.read("new").unwrap(), b"short");
        assert_eq!(card.fsck().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_part_of_a_file_is_found_where_it_lies_on_the_card() {
        let content = crate::filler::bytes(1, 1 << 20);
        let (_dir, card) = contents(&Card::new().with("a", "first").with("file", &content));

        let at = card.find(&content[4096..8192]).unwrap().unwrap().as_usize();

        assert!(card.bytes().unwrap()[at..].starts_with(&content[4096..8192]));
        assert_eq!(card.find(b"nowhere").unwrap(), None);
    }

    #[test]
    fn a_file_that_does_not_match_its_sha256sum_is_found() {
        let sum = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
        let good = Card::new()
            .with("b/a", "foo")
            .with("b/a.sha256sum", format!("{sum}  a\n"));
        let bad = good.clone().with("b/a", "fop");

        let (_dir, card) = contents(&good);
        assert_eq!(card.check_sha256sums("b").unwrap(), ["a"]);
        let (_dir, card) = contents(&bad);
        let error = card.check_sha256sums("b").unwrap_err();
        assert!(error.to_string().contains("a: FAILED"), "{error}");
    }
}
