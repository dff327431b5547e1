//! The SD kernels on the card: put away when a run is over, kept bootable under every name that
//! some U-Boot may look for while flash is changed.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use crate::card::{Card, CardError, CardOperation, CardPath, EntryKind, rename_for_good};
use crate::event::{Event, Problem, Reporter, Step, in_step};
use crate::image::uimage::{CheckedHeader, HEADER_LEN};
use crate::profile::Catalogue;
use crate::units::{Offset, Size};

/// What stands behind the name of an SD kernel that has been put away.
pub const PUT_AWAY: &str = ".wz_flash-helper";

/// How much is copied at a time.
const CHUNK: usize = 64 * 1024;

/// Whether a kernel was there to be put away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// They are put away.
    PutAway,
    /// There was none of a known name.
    NoneFound,
}

/// All names under which some U-Boot of the catalogue, or of the built-in one, looks for a kernel.
pub fn names(catalogue: Option<&Catalogue>) -> Vec<String> {
    let owned = |catalogue: &Catalogue| -> Vec<String> {
        let names = catalogue.sd_kernels(None).into_iter();
        names.map(str::to_owned).collect()
    };
    catalogue.map_or_else(|| owned(&Catalogue::builtin()), owned)
}

/// The names of all files at the top of the card.
///
/// # Errors
/// The card's own.
pub fn names_at_the_top(card: &mut dyn Card) -> Result<Vec<String>, Problem> {
    let entries = card
        .entries(&CardPath::root())
        .map_err(|error| error.into_problem(card))?;
    let files = entries.unwrap_or_default().into_iter();
    let files = files.filter(|entry| entry.kind != EntryKind::Folder);
    Ok(files.map(|entry| entry.name).collect())
}

/// Renames every file of these names, and makes sure that it lasts.
///
/// # Errors
/// [`Problem::KernelNotPutAway`], and the card's own.
pub fn put_away(
    card: &mut dyn Card,
    names: &[String],
    reporter: &mut dyn Reporter,
) -> Result<Kernels, Problem> {
    let is_kernel = |entry: &String| names.iter().any(|name| name.eq_ignore_ascii_case(entry));
    let mut found = Kernels::NoneFound;
    for name in names_at_the_top(card)?.into_iter().filter(is_kernel) {
        let to = format!("{name}{PUT_AWAY}");
        let step = Step::PutKernelAway {
            name: name.clone(),
            to: to.clone(),
        };
        in_step(reporter, step, |_| {
            let root = CardPath::root();
            rename_for_good(card, &root.join(&name), &root.join(&to)).map_err(|error| {
                Problem::KernelNotPutAway {
                    name: name.clone(),
                    reason: error.source.to_string(),
                }
            })
        })?;
        found = Kernels::PutAway;
    }
    Ok(found)
}

/// Whether a kernel of one of these names has been put away.
///
/// # Errors
/// The card's own.
pub fn is_away(card: &mut dyn Card, names: &[String]) -> Result<bool, Problem> {
    let there = names_at_the_top(card)?;
    Ok(there.iter().any(|entry| is_away_name(entry, names)))
}

fn is_away_name(entry: &str, names: &[String]) -> bool {
    let away = |name: &String| format!("{name}{PUT_AWAY}").eq_ignore_ascii_case(entry);
    names.iter().any(away)
}

/// Which kernels on the card may serve as the source of copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources<'a> {
    /// Those that U-Boot finds: it has just booted one of them.
    Bootable,
    /// If there is none, also those of these names that have been put away.
    PutAway(&'a [String]),
}

/// A kernel that U-Boot boots, and the names that it is still missing under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    from: CardPath,
    size: Size,
    /// The names of the copies.
    pub to: Vec<String>,
}

impl Copies {
    /// No copies.
    pub fn none() -> Self {
        Self {
            from: CardPath::root(),
            size: Size::ZERO,
            to: Vec::new(),
        }
    }

    /// Whether U-Boot finds the kernel without them.
    pub fn are_of_a_bootable_one(&self) -> bool {
        !self.from.name().to_ascii_lowercase().ends_with(PUT_AWAY)
    }

    /// What the copies take on the card.
    pub fn needed(&self, cluster: Size) -> Size {
        let one = self.size.round_up(cluster).get() + 2 * cluster.get();
        Size::bytes(one * self.to.len() as u64)
    }
}

/// What has to be copied so that a valid kernel is there under each of `names`, which are in the
/// order in which U-Boot looks for them.
///
/// # Errors
/// [`Problem::NoBootableKernel`] when there is none to copy, and the card's own.
pub fn missing(
    card: &mut dyn Card,
    names: &[String],
    sources: Sources<'_>,
) -> Result<Copies, Problem> {
    let there = names_at_the_top(card)?;
    let is_there = |name: &String| there.iter().any(|entry| entry.eq_ignore_ascii_case(name));
    let mut distinct = BTreeSet::new();
    let names = names
        .iter()
        .filter(|name| distinct.insert(name.to_ascii_lowercase()));
    let (present, absent): (Vec<&String>, Vec<&String>) = names.partition(|name| is_there(name));
    let mut found = the_bootable_one(card, &present)?;
    if let Sources::PutAway(known) = sources
        && present.is_empty()
    {
        let away: Vec<&String> = (there.iter())
            .filter(|entry| is_away_name(entry, known))
            .collect();
        found = the_bootable_one(card, &away)?;
    }
    if let Some((from, header)) = found {
        let to = absent.into_iter().cloned().collect();
        let size = header.total();
        return Ok(Copies { from, size, to });
    }
    let names = present.into_iter().chain(absent).map(String::as_str);
    Err(Problem::NoBootableKernel {
        names: names.collect::<Vec<_>>().join(", "),
    })
}

/// The first bootable one of these files, if all that are bootable are the same.
fn the_bootable_one(
    card: &mut dyn Card,
    files: &[&String],
) -> Result<Option<(CardPath, CheckedHeader)>, Problem> {
    let mut found: Option<(CardPath, CheckedHeader)> = None;
    for name in files {
        let path = CardPath::root().join(name);
        let header = bootable(card, &path).map_err(|error| error.into_problem(card))?;
        match (header, &found) {
            (Some(header), Some((first, known))) if header != *known => {
                return Err(Problem::KernelsDiffer {
                    first: first.to_string(),
                    second: path.to_string(),
                });
            }
            (Some(header), None) => found = Some((path, header)),
            _ => {}
        }
    }
    Ok(found)
}

/// The header of the file, if it is a uImage that U-Boot boots: header, length and both CRCs are
/// right.
fn bootable(card: &mut dyn Card, path: &CardPath) -> Result<Option<CheckedHeader>, CardError> {
    let failed = |source| CardError::new(CardOperation::Read, path, source);
    let mut reader = card.read_back(path)?;
    let mut head = Vec::new();
    let header = (&mut reader).take(HEADER_LEN as u64).read_to_end(&mut head);
    header.map_err(failed)?;
    let Ok(header) = CheckedHeader::parse(&head) else {
        return Ok(None);
    };
    let (mut crc, mut length) = (crc32fast::Hasher::new(), 0);
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer).map_err(failed)? {
            0 => break,
            read => {
                crc.update(&buffer[..read]);
                length += read as u64;
            }
        }
    }
    let is_whole = Size::bytes(length) == header.payload && crc.finalize() == header.payload_crc;
    Ok(is_whole.then_some(header))
}

/// Makes one of the copies. It gets its name when it was read back from the card.
///
/// # Errors
/// The card's own, a card that loses data among them.
pub fn copy(
    copies: &Copies,
    name: &str,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let step = Step::CopyKernel {
        to: name.to_owned(),
    };
    in_step(reporter, step, |reporter| {
        let to = CardPath::root().join(name);
        let partial = to.with_suffix(".partial");
        let copied =
            stream(copies, &partial, card, reporter).and_then(|()| bootable(card, &partial));
        match copied.map_err(|error| error.into_problem(card))? {
            Some(header) if header.total() == copies.size => {}
            _ => {
                return Err(Problem::KernelCopyBad {
                    file: partial.to_string(),
                });
            }
        }
        rename_for_good(card, &partial, &to).map_err(|error| error.into_problem(card))
    })
}

fn stream(
    copies: &Copies,
    to: &CardPath,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), CardError> {
    let mut file = card.create(to)?;
    let mut buffer = vec![0; CHUNK];
    let mut at = Offset::ZERO;
    let end = Offset::ZERO + copies.size;
    while at < end {
        let length = CHUNK.min((end - at).as_usize());
        card.read_at(&copies.from, at, &mut buffer[..length])?;
        file.write_all(&buffer[..length])
            .map_err(|source| CardError::new(CardOperation::Write, to, source))?;
        at = at + Size::bytes(length as u64);
        reporter.report(&Event::Progress {
            done: at - Offset::ZERO,
            total: copies.size,
        });
    }
    file.finish()
        .map_err(|source| CardError::new(CardOperation::Sync, to, source))?;
    card.sync()
}

/// Removes copies that were made, as far as they are there.
///
/// # Errors
/// The card's own.
pub fn remove_copies(copies: &[String], card: &mut dyn Card) -> Result<(), Problem> {
    let there = names_at_the_top(card)?;
    let is_copy = |entry: &String| copies.iter().any(|copy| copy.eq_ignore_ascii_case(entry));
    let (made, others): (Vec<&String>, Vec<&String>) = there.iter().partition(|name| is_copy(name));
    // Without the original, which the owner may have renamed, the last copy is the owner's kernel.
    let mut kept = 1;
    for name in others {
        let path = CardPath::root().join(name);
        if bootable(card, &path).is_ok_and(|header| header.is_some()) {
            kept = 0;
        }
    }
    for name in made.into_iter().skip(kept) {
        card.remove_file(&CardPath::root().join(name))
            .map_err(|error| error.into_problem(card))?;
    }
    card.sync().map_err(|error| error.into_problem(card))
}
