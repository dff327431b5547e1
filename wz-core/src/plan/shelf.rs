//! What lies in `restore/<firmware>/` on the card: images and the hashes beside them.

use std::collections::BTreeMap;

use super::rewrite::Image;
use crate::card::{Card, CardError, CardOperation, CardPath, EntryKind};
use crate::event::Problem;
use crate::image::sha256sum::{self, Digest, LONGEST_FILE};
use crate::units::Size;

/// The images of one firmware on the card.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    folder: String,
    /// By name in lower case, since FAT knows no case.
    images: BTreeMap<String, Found>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    path: CardPath,
    size: Size,
    /// The content of the `.sha256sum` file, if there is one.
    sums: Option<Vec<u8>>,
}

const IMAGE: &str = ".bin";
const SUM: &str = ".sha256sum";

/// Looks at `folder`. Only files that images are made of are read.
///
/// # Errors
/// When the card does not answer.
pub fn shelf(card: &mut dyn Card, folder: &CardPath) -> Result<Shelf, CardError> {
    let entries = card.entries(folder)?.unwrap_or_default();
    let mut shelf = Shelf {
        folder: folder.to_string(),
        images: BTreeMap::new(),
    };
    let is_image = |name: &str| name.to_ascii_lowercase().ends_with(IMAGE);
    for entry in entries.iter().filter(|entry| is_image(&entry.name)) {
        let EntryKind::File(size) = entry.kind else {
            continue;
        };
        let sum_name = format!("{}{SUM}", entry.name);
        let has_sum = |other: &&crate::card::Entry| {
            other.kind != EntryKind::Folder && other.name.eq_ignore_ascii_case(&sum_name)
        };
        let limit = Size::bytes(LONGEST_FILE as u64);
        let sums = match entries.iter().find(has_sum) {
            Some(sum) => card.read(&folder.join(&sum.name), limit)?,
            None => None,
        };
        let found = Found {
            path: folder.join(&entry.name),
            size,
            sums,
        };
        shelf.images.insert(entry.name.to_ascii_lowercase(), found);
    }
    Ok(shelf)
}

impl Shelf {
    /// Where it is.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Whether there is an image of this name.
    pub fn has(&self, name: &str) -> bool {
        self.images.contains_key(&name.to_ascii_lowercase())
    }

    /// The names of all images, for messages.
    pub fn names(&self) -> String {
        let names = self.images.values().map(|found| found.path.name());
        match names.clone().count() {
            0 => "none".to_owned(),
            _ => names.collect::<Vec<_>>().join(", "),
        }
    }

    /// The image of this name, with its hash.
    ///
    /// # Errors
    /// Missing, empty, without a hash, or with one that is not its own.
    pub fn image(&self, name: &str) -> Result<Image, Problem> {
        let file = format!("{}/{name}", self.folder);
        let Some(found) = self.images.get(&name.to_ascii_lowercase()) else {
            return Err(Problem::ImageMissing {
                file,
                there: self.names(),
            });
        };
        if found.size == Size::ZERO {
            return Err(Problem::ImageEmpty { file });
        }
        let digest = digest_of(name, &file, found.sums.as_deref())?;
        Ok(Image {
            path: found.path.clone(),
            size: found.size,
            digest,
        })
    }
}

/// The image at `path`, wherever on the card it is and whatever it is called. Its hash is that in the
/// `.sha256sum` file beside it, or else its own, as the card holds it.
///
/// # Errors
/// Missing, empty, with a hash that is not its own, or not to be read.
pub fn image_at(card: &mut dyn Card, path: &CardPath) -> Result<Image, Problem> {
    let folder = path.parent();
    let entries = card
        .entries(&folder)
        .map_err(|error| error.into_problem(card))?;
    let entries = entries.unwrap_or_default();
    let file_named = |name: &str| {
        let mut files = entries.iter().filter_map(|entry| match entry.kind {
            EntryKind::File(size) => Some((&entry.name, size)),
            EntryKind::Folder => None,
        });
        files.find(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    let file = path.to_string();
    let Some((_, size)) = file_named(path.name()) else {
        let there = "not this one".to_owned();
        return Err(Problem::ImageMissing { file, there });
    };
    if size == Size::ZERO {
        return Err(Problem::ImageEmpty { file });
    }
    let digest = match file_named(&format!("{}{SUM}", path.name())) {
        Some((sum, _)) => {
            let limit = Size::bytes(LONGEST_FILE as u64);
            let sums = card
                .read(&folder.join(sum), limit)
                .map_err(|error| error.into_problem(card))?;
            digest_of(path.name(), &file, sums.as_deref())?
        }
        None => own_digest(card, path).map_err(|error| error.into_problem(card))?,
    };
    let path = path.clone();
    Ok(Image { path, size, digest })
}

fn own_digest(card: &mut dyn Card, path: &CardPath) -> Result<Digest, CardError> {
    let mut reader = card.read_back(path)?;
    Digest::of_reader(&mut reader)
        .map_err(|source| CardError::new(CardOperation::Read, path, source))
}

/// The hash that stands for `name` in the content of the `.sha256sum` file beside `image`, its path.
///
/// # Errors
/// [`Problem::HashMissing`], [`Problem::HashUnreadable`], [`Problem::HashOfAnother`]
pub fn digest_of(name: &str, image: &str, sums: Option<&[u8]>) -> Result<Digest, Problem> {
    let file = format!("{image}{SUM}");
    let Some(sums) = sums else {
        return Err(Problem::HashMissing { file });
    };
    let lines = sha256sum::parse(sums).map_err(|why| Problem::HashUnreadable {
        file: file.clone(),
        why: why.to_string(),
    })?;
    let is_ours = |line: &&sha256sum::Line| {
        let named = line.name.rsplit(['/', '\\']).next().unwrap_or_default();
        named.eq_ignore_ascii_case(name)
    };
    let mut ours = lines.iter().filter(is_ours);
    let Some(line) = ours.next() else {
        let named = lines.iter().map(|line| line.name.as_str());
        return Err(Problem::HashOfAnother {
            file,
            named: named.take(3).collect::<Vec<_>>().join(", "),
        });
    };
    if ours.any(|other| other.digest != line.digest) {
        return Err(Problem::HashUnreadable {
            file,
            why: format!("it has two different sums for {name}"),
        });
    }
    Ok(line.digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::SimCard;
    use rstest::rstest;

    const NAME: &str = "stock_t31x_kernel.bin";
    const SUM_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn folder() -> CardPath {
        CardPath::program().join("restore").join("stock")
    }

    fn shelf_with(image: &[u8], sum: Option<&str>) -> Shelf {
        let mut card = SimCard::new(Size::mib(1)).with(&folder().join(NAME), image);
        if let Some(sum) = sum {
            let path = folder().join(&format!("{NAME}{SUM}"));
            card = card.with(&path, sum.as_bytes());
        }
        shelf(&mut card, &folder()).unwrap()
    }

    #[rstest]
    #[case::coreutils(format!("{SUM_OF_ABC}  {NAME}\n"))]
    #[case::windows(format!("{SUM_OF_ABC} *{NAME}\r\n"))]
    #[case::with_a_path(format!("{SUM_OF_ABC}  /sdcard/x/{NAME}\n"))]
    #[case::other_case(format!("{SUM_OF_ABC}  {}\n", NAME.to_uppercase()))]
    #[case::of_many(format!("{}  other.bin\n{SUM_OF_ABC}  {NAME}\n", "0".repeat(64)))]
    fn an_image_has_the_hash_that_stands_for_its_name(#[case] sum: String) {
        let image = shelf_with(b"abc", Some(&sum)).image(NAME).unwrap();
        assert_eq!(image.digest, Digest::of(b"abc"));
        assert_eq!(image.size, Size::bytes(3));
    }

    #[rstest]
    #[case::missing_image(b"abc", Some("x"), "other.bin", "WZ-0501")]
    #[case::empty_image(b"", Some("x"), NAME, "WZ-0502")]
    #[case::no_hash(b"abc", None, NAME, "WZ-0503")]
    #[case::empty_hash(b"abc", Some(""), NAME, "WZ-0504")]
    #[case::garbage_hash(b"abc", Some("kernel"), NAME, "WZ-0504")]
    fn what_is_not_in_order_has_a_code(
        #[case] image: &[u8],
        #[case] sum: Option<&str>,
        #[case] name: &str,
        #[case] code: &str,
    ) {
        let problem = shelf_with(image, sum).image(name).unwrap_err();
        assert_eq!(problem.code().to_string(), code, "{problem}");
    }

    #[rstest]
    #[case::its_own(None, b"abc", Ok(()))]
    #[case::in_the_file_beside_it(Some(SUM_OF_ABC), b"abc", Ok(()))]
    #[case::missing(None, b"", Err("WZ-0502"))]
    fn an_image_anywhere_has_a_hash(
        #[case] sum: Option<&str>,
        #[case] content: &[u8],
        #[case] expected: Result<(), &str>,
    ) {
        let path = CardPath::root().join("new/cfg.jffs2");
        let mut card = SimCard::new(Size::mib(1)).with(&path, content);
        if let Some(sum) = sum {
            let sum = format!("{sum}  cfg.jffs2\n");
            card = card.with(&path.with_suffix(SUM), sum.as_bytes());
        }
        let image = image_at(&mut card, &path);
        let found = image.as_ref().map(|image| image.digest);
        let code = found.as_ref().map_err(|problem| problem.code().to_string());
        match expected {
            Ok(()) => assert_eq!(code, Ok(&Digest::of(content))),
            Err(expected) => assert_eq!(code, Err(expected.to_owned())),
        }
        let elsewhere = image_at(&mut card, &CardPath::root().join("new/other"));
        assert_eq!(elsewhere.unwrap_err().code().to_string(), "WZ-0501");
    }

    #[test]
    fn a_hash_of_another_file_is_not_taken_for_the_images() {
        let sum = format!("{SUM_OF_ABC}  /version\n");
        let problem = shelf_with(b"abc", Some(&sum)).image(NAME).unwrap_err();
        assert!(
            matches!(problem, Problem::HashOfAnother { .. }),
            "{problem}"
        );
    }

    #[test]
    fn two_different_sums_for_one_image_are_no_sum() {
        let sum = format!("{SUM_OF_ABC}  {NAME}\n{}  {NAME}\n", "0".repeat(64));
        let problem = shelf_with(b"abc", Some(&sum)).image(NAME).unwrap_err();
        assert!(
            matches!(problem, Problem::HashUnreadable { .. }),
            "{problem}"
        );
    }
}
