//! The SD kernels on the card: put away when a run is over, kept bootable under every name that
//! some U-Boot may look for while flash is changed.

use std::collections::BTreeSet;
use std::io::{Read, Write};

use sha2::{Digest as _, Sha256};

use crate::card::{
    Card, CardError, CardOperation, CardPath, EntryKind, remove_for_good, rename_for_good,
};
use crate::event::{Event, Problem, Reporter, Step, in_step};
use crate::image::uimage::{CheckedHeader, HEADER_LEN, UimageError};
use crate::profile::Catalogue;
use crate::units::{Offset, Size};

/// What stands behind the name of an SD kernel that has been put away.
pub const PUT_AWAY: &str = ".wz_flash-helper";

/// What stands behind the name of a copy that is not whole.
const PARTIAL: &str = ".partial";

/// How much is copied at a time.
const CHUNK: usize = 64 * 1024;

/// The names that U-Boots look for, and what becomes of such files when a run is over.
#[derive(Clone, Debug)]
pub struct Rule {
    /// All names under which some U-Boot looks for a kernel.
    pub names: Vec<String>,
    /// What becomes of the files.
    pub in_the_end: InTheEnd,
}

/// What becomes of the SD kernels when a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InTheEnd {
    /// They are put away.
    PutAway,
    /// They keep their names: the owner's hidden option.
    Keep,
}

/// What has become of the SD kernels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// They are put away. These were their names.
    PutAway(Vec<String>),
    /// There was none of a known name.
    NoneFound,
    /// They keep their names.
    Kept,
}

impl Kernels {
    /// Where those are now that were put away.
    pub fn files(&self) -> Vec<CardPath> {
        match self {
            Self::PutAway(names) => names.iter().map(|name| put_away_path(name)).collect(),
            Self::NoneFound | Self::Kept => Vec::new(),
        }
    }
}

/// The name that U-Boot looks for, of a kernel that is put away or is not.
pub fn name_of(path: &CardPath) -> &str {
    path.name().strip_suffix(PUT_AWAY).unwrap_or(path.name())
}

/// Whether it is one of these names. FAT knows no case.
pub fn is_one_of(name: &str, names: &[String]) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// Where a kernel of this name is once it is put away.
pub fn put_away_path(name: &str) -> CardPath {
    CardPath::root().join(&format!("{name}{PUT_AWAY}"))
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

/// Those files at the top of the card that have one of these names.
///
/// # Errors
/// The card's own.
pub fn present(card: &mut dyn Card, names: &[String]) -> Result<Vec<String>, Problem> {
    let there = names_at_the_top(card)?.into_iter();
    Ok(there.filter(|entry| is_one_of(entry, names)).collect())
}

/// Does with the kernels what the rule says.
///
/// # Errors
/// Those of [`put_away`].
pub fn end(
    rule: &Rule,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<Kernels, Problem> {
    match rule.in_the_end {
        InTheEnd::PutAway => put_away(card, &rule.names, reporter),
        InTheEnd::Keep => {
            reporter.report(&Event::Remark(Problem::KernelKept {}));
            Ok(Kernels::Kept)
        }
    }
}

/// Renames every file of these names, and makes sure that it lasts. Another kernel that was put away
/// earlier is not lost for that. Copies that were begun under these names are removed.
///
/// # Errors
/// [`Problem::KernelNotPutAway`], and the card's own.
pub fn put_away(
    card: &mut dyn Card,
    names: &[String],
    reporter: &mut dyn Reporter,
) -> Result<Kernels, Problem> {
    let found = present(card, names)?;
    for name in &found {
        let to = put_away_path(name);
        let step = Step::PutKernelAway {
            name: name.clone(),
            to: to.to_string(),
        };
        let from = CardPath::root().join(name);
        let failed = |error: CardError| Problem::KernelNotPutAway {
            name: name.clone(),
            reason: error.source.to_string(),
        };
        let is_there_already = is_same(card, &from, &to)?;
        if !is_there_already {
            make_way(card, &to, reporter)?;
        }
        in_step(reporter, step, |_| {
            match is_there_already {
                // FAT has no way to replace a file that a power cut could not lose both in.
                true => remove_for_good(card, &from),
                false => rename_for_good(card, &from, &to),
            }
            .map_err(failed)
        })?;
    }
    remove_begun_copies(card, names)?;
    Ok(match found.is_empty() {
        true => Kernels::NoneFound,
        false => Kernels::PutAway(found),
    })
}

fn remove_begun_copies(card: &mut dyn Card, names: &[String]) -> Result<(), Problem> {
    let there = names_at_the_top(card)?.into_iter();
    let begun = there
        .filter(|file| is_begun(file, names))
        .collect::<Vec<_>>();
    let mut begun = begun.iter().map(|name| CardPath::root().join(name));
    begun
        .try_for_each(|file| remove_for_good(card, &file))
        .map_err(|error| error.into_problem(card))
}

/// Whether it is a copy under one of these names that is not whole.
fn is_begun(file: &str, names: &[String]) -> bool {
    let name = file.strip_suffix(PARTIAL);
    name.is_some_and(|name| is_one_of(name, names))
}

/// Whether both files are there with the same content, on the card itself. One that cannot be read is
/// not the same.
fn is_same(card: &mut dyn Card, one: &CardPath, other: &CardPath) -> Result<bool, Problem> {
    if !is_one_of(other.name(), &names_at_the_top(card)?) {
        return Ok(false);
    }
    let mut digest = |path| digest_of(card, path).ok();
    Ok(match (digest(one), digest(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    })
}

fn digest_of(card: &mut dyn Card, path: &CardPath) -> std::io::Result<Vec<u8>> {
    let mut reader = card.read_back(path).map_err(|error| error.source)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hash.finalize().to_vec()),
            length => hash.update(&buffer[..length]),
        }
    }
}

/// What was put away under this name before gets the next free one: it is the owner's.
fn make_way(
    card: &mut dyn Card,
    path: &CardPath,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let there = names_at_the_top(card)?;
    if !is_one_of(path.name(), &there) {
        return Ok(());
    }
    let mut names = (2..).map(|number: u32| format!("{}-{number}", path.name()));
    let Some(free) = names.find(|name| !is_one_of(name, &there)) else {
        return Ok(());
    };
    let step = Step::PutKernelAway {
        name: path.to_string(),
        to: free.clone(),
    };
    in_step(reporter, step, |_| {
        rename_for_good(card, path, &CardPath::root().join(&free)).map_err(|error| {
            Problem::KernelNotPutAway {
                name: path.to_string(),
                reason: error.source.to_string(),
            }
        })
    })
}

/// Those of these names whose kernel has been put away.
///
/// # Errors
/// The card's own.
pub fn away(card: &mut dyn Card, names: &[String]) -> Result<Vec<String>, Problem> {
    let there = names_at_the_top(card)?;
    let is_away = |name: &&String| is_one_of(put_away_path(name).name(), &there);
    Ok(names.iter().filter(is_away).cloned().collect())
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
    /// The kernel.
    pub from: CardPath,
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

    /// Copies of the kernel at `from`, which is as long as `size`.
    pub fn of(from: CardPath, size: Size, to: Vec<String>) -> Self {
        Self { from, size, to }
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

/// Makes sure that each file of one of these names is a kernel that U-Boot boots.
///
/// # Errors
/// [`Problem::KernelUnbootable`], and the card's own.
pub fn refuse_unbootable(card: &mut dyn Card, names: &[String]) -> Result<(), Problem> {
    for name in present(card, names)? {
        let verdict = examine(card, &CardPath::root().join(&name));
        if let Err(why) = verdict.map_err(|error| error.into_problem(card))? {
            return Err(Problem::KernelUnbootable {
                file: name,
                why: why.to_string(),
            });
        }
    }
    Ok(())
}

/// What has to be copied so that a valid kernel is there under each of `names`, which are in the
/// order in which U-Boot looks for them. A file that is none counts as missing.
///
/// # Errors
/// [`Problem::NoBootableKernel`] when there is none to copy, and the card's own.
pub fn missing(
    card: &mut dyn Card,
    names: &[String],
    sources: Sources<'_>,
) -> Result<Copies, Problem> {
    let there = names_at_the_top(card)?;
    let is_there = |name: &String| is_one_of(name, &there);
    let mut distinct = BTreeSet::new();
    let names = names
        .iter()
        .filter(|name| distinct.insert(name.to_ascii_lowercase()));
    let (present, absent): (Vec<&String>, Vec<&String>) = names.partition(|name| is_there(name));
    let places = present.iter().map(|name| CardPath::root().join(name));
    let bootable = bootable_of(card, &places.collect::<Vec<_>>())?;
    let is_bootable = |name: &&String| {
        let mut bootable = bootable.iter();
        bootable.any(|(path, _)| path.name() == name.as_str())
    };
    let (whole, bad): (Vec<&String>, Vec<&String>) = present.iter().copied().partition(is_bootable);
    let absent = [bad, absent].concat();
    let mut found = the_only_one(bootable)?;
    if let Sources::PutAway(known) = sources
        && present.is_empty()
    {
        let away = Kernels::PutAway(away(card, known)?);
        found = the_only_one(bootable_of(card, &away.files())?)?;
    }
    if let Some((from, header)) = found {
        let to = absent.into_iter().cloned().collect();
        return Ok(Copies::of(from, header.total(), to));
    }
    let names = whole.into_iter().chain(absent).map(String::as_str);
    Err(Problem::NoBootableKernel {
        names: names.collect::<Vec<_>>().join(", "),
    })
}

/// What will be [`missing`] when the kernel on the card, which may have been put away under one of the
/// `known` names, has its name back. Without a kernel nothing is foreseen: no run starts from such a card.
///
/// # Errors
/// Those of [`missing`].
pub fn foreseen(
    card: &mut dyn Card,
    names: &[String],
    known: &[String],
) -> Result<Copies, Problem> {
    match missing(card, names, Sources::Bootable) {
        Err(Problem::NoBootableKernel { .. }) => {}
        copies => return copies,
    }
    let mut copies = match missing(card, names, Sources::PutAway(known)) {
        // Which of several gets its name back, only the owner knows.
        Err(Problem::NoBootableKernel { .. } | Problem::KernelsDiffer { .. }) => {
            return Ok(Copies::none());
        }
        copies => copies?,
    };
    let own = name_of(&copies.from).to_owned();
    copies.to.retain(|name| !name.eq_ignore_ascii_case(&own));
    Ok(copies)
}

/// The first of these kernels, if all of them are the same.
fn the_only_one(
    kernels: Vec<(CardPath, CheckedHeader)>,
) -> Result<Option<(CardPath, CheckedHeader)>, Problem> {
    let mut found = kernels.into_iter();
    let Some((first, header)) = found.next() else {
        return Ok(None);
    };
    match found.find(|(_, other)| *other != header) {
        None => Ok(Some((first, header))),
        Some((second, _)) => Err(Problem::KernelsDiffer {
            first: first.to_string(),
            second: second.to_string(),
        }),
    }
}

/// The header of the file, if it is a kernel that U-Boot boots.
fn bootable(card: &mut dyn Card, path: &CardPath) -> Result<Option<CheckedHeader>, CardError> {
    examine(card, path).map(Result::ok)
}

/// Whether U-Boot boots the file: a uImage and nothing else, header, length and both CRCs right, with
/// a kernel for MIPS. It is read from the card itself.
///
/// # Errors
/// The card's own. What is wrong with the file is no error.
pub fn examine(
    card: &mut dyn Card,
    path: &CardPath,
) -> Result<Result<CheckedHeader, UimageError>, CardError> {
    let failed = |source| CardError::new(CardOperation::Read, path, source);
    let mut reader = card.read_back(path)?;
    let mut head = Vec::new();
    let header = (&mut reader).take(HEADER_LEN as u64).read_to_end(&mut head);
    header.map_err(failed)?;
    let header = match CheckedHeader::parse(&head) {
        Ok(header) => header,
        Err(why) => return Ok(Err(why)),
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
    Ok(judge(header, Size::bytes(length), crc.finalize()))
}

fn judge(header: CheckedHeader, found: Size, crc: u32) -> Result<CheckedHeader, UimageError> {
    header.header.mips_kernel()?;
    let announced = header.payload;
    if found < announced {
        return Err(UimageError::PayloadCut { announced, found });
    }
    if found > announced {
        return Err(UimageError::Surplus {
            surplus: Size::bytes(found.get() - announced.get()),
            end: Offset::ZERO + header.total(),
        });
    }
    match header.payload_crc {
        stored if stored != crc => Err(UimageError::PayloadCrc {
            stored,
            computed: crc,
        }),
        _ => Ok(header),
    }
}

/// Those of these files that U-Boot boots.
///
/// # Errors
/// The card's own.
pub fn bootable_of(
    card: &mut dyn Card,
    files: &[CardPath],
) -> Result<Vec<(CardPath, CheckedHeader)>, Problem> {
    let mut found = Vec::new();
    for file in files {
        let header = bootable(card, file).map_err(|error| error.into_problem(card))?;
        found.extend(header.map(|header| (file.clone(), header)));
    }
    Ok(found)
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
        let partial = to.with_suffix(PARTIAL);
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

/// Removes copies that were made or begun, as far as they are there and the same kernel is there under
/// another name: without the original, which the owner may have renamed, a copy is the owner's kernel.
///
/// # Errors
/// The card's own.
pub fn remove_copies(copies: &[String], card: &mut dyn Card) -> Result<(), Problem> {
    let there = names_at_the_top(card)?.into_iter();
    let begun = |name: &String| is_begun(name, copies);
    let (begun, there): (Vec<String>, Vec<String>) = there.partition(begun);
    let made = |name: &String| is_one_of(name, copies);
    let (made, others): (Vec<String>, Vec<String>) = there.into_iter().partition(made);
    let path = |name: &String| CardPath::root().join(name);
    let mut superfluous: Vec<CardPath> = begun.iter().map(path).collect();
    let mut kept: Vec<CheckedHeader> = Vec::new();
    for file in others.iter().map(path) {
        kept.extend(bootable(card, &file).ok().flatten());
    }
    for file in made.iter().map(path) {
        // The header has the checksum of the rest, so it tells a copy without reading all of it.
        let head = card
            .read(&file, Size::bytes(HEADER_LEN as u64))
            .map_err(|error| error.into_problem(card))?;
        let head = CheckedHeader::parse(&head.unwrap_or_default());
        if head.is_ok_and(|header| kept.contains(&header)) {
            superfluous.push(file);
            continue;
        }
        // A copy gets its name when it was read back: one that is not whole is somebody else's.
        kept.extend(bootable(card, &file).map_err(|error| error.into_problem(card))?);
    }
    for file in superfluous {
        card.remove_file(&file)
            .map_err(|error| error.into_problem(card))?;
    }
    card.sync().map_err(|error| error.into_problem(card))
}
