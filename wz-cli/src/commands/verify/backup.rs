//! The images and archives of a backup.

use std::io;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use wz_core::event::Problem;
use wz_core::image::check::Content;
use wz_core::image::sha256sum::Digest;
use wz_core::profile::Partition;
use wz_core::units::{Offset, Size};

use super::{Verified, VerifiedFile};
use crate::anatomy::pieces::{Naming, WHOLE, pieces};
use crate::anatomy::recognise::{verdict, with_soc};
use crate::anatomy::{LONGEST, slice};
use crate::files;
use crate::images::{self, Looked, SUM};
use crate::problem::{CliProblem, Told};

/// Checks the image of the whole chip. Returns its content if it is as long as the chip.
pub fn whole(
    verified: &mut Verified,
    naming: Naming<'_>,
    listed: &[(String, Size)],
    has_parts: bool,
) -> Option<Vec<u8>> {
    let name = naming.image(WHOLE);
    if !listed.iter().any(|(listed, _)| *listed == name) {
        let path = verified.path(&name);
        verified.remark(&CliProblem::NoWhole { path });
        return None;
    }
    let size = naming.soc.flash.size;
    let looked = images::look(&verified.folder, &name, size);
    let content = take(verified, &name, looked, Vec::new())?;
    if content.len() != size.as_usize() {
        return None;
    }
    identity(verified, naming, &name, &content);
    if !has_parts {
        for partition in naming.layout.partitions() {
            let part = slice(&content, partition.region);
            verified
                .problems
                .extend(unfit(&verified.path(&name), partition, part));
        }
    }
    Some(content)
}

/// Whether the whole chip holds the firmware and layout that the names say.
fn identity(verified: &mut Verified, naming: Naming<'_>, name: &str, content: &[u8]) {
    let catalogue = wz_core::profile::Catalogue::builtin();
    let found = catalogue
        .soc(&naming.soc.name)
        .and_then(|soc| with_soc(&catalogue, soc, content));
    let path = verified.path(name);
    let Some(found) = found else {
        verified.remark(&CliProblem::DumpUntold { path });
        return;
    };
    if found.firmware.name != naming.firmware.name {
        verified.wrong(&CliProblem::FirmwareOther {
            path: path.clone(),
            named: naming.firmware.name.clone(),
            found: found.firmware.name.clone(),
        });
    }
    if let Some(chip) = found.chip.filter(|chip| chip.group != naming.group) {
        verified.wrong(&CliProblem::FirmwareOther {
            path: path.clone(),
            named: naming.group.to_owned(),
            found: chip.group.clone(),
        });
    }
    let mark = naming.firmware.pending_upgrade.as_ref();
    let mark = mark.and_then(|mark| mark.find(slice(content, mark.region())));
    if let Some(mark) = mark {
        verified
            .remarks
            .push(Told::from(&Problem::UpgradePending { mark }));
    }
}

/// Checks the images of all partitions, by themselves and against the whole chip.
pub fn partitions(verified: &mut Verified, naming: Naming<'_>, whole: Option<&[u8]>) {
    for piece in pieces(naming.layout) {
        let name = naming.image(&piece.name);
        let looked = images::look(&verified.folder, &name, piece.region.size);
        if looked.content.is_none() && whole.is_some() && !verified.folder.join(&name).exists() {
            let path = verified.path(&name);
            verified.remark(&CliProblem::OnlyInWhole { path });
            continue;
        }
        let partition = naming.layout.partition(&piece.name);
        let path = verified.path(&name);
        let content = looked.content.as_deref().unwrap_or_default();
        let mut more: Vec<Told> = partition
            .filter(|_| looked.content.is_some())
            .and_then(|partition| unfit(&path, partition, content))
            .into_iter()
            .collect();
        if let (Some(whole), Some(content)) = (whole, &looked.content) {
            let there = slice(whole, piece.region);
            let first = content.iter().zip(there).position(|(a, b)| a != b);
            more.extend(first.map(|at| {
                Told::from(&CliProblem::WholeDiffers {
                    path: path.clone(),
                    whole: naming.image(WHOLE),
                    at: Offset::bytes(at as u64),
                })
            }));
        }
        take(verified, &name, looked, more);
    }
}

/// Why the content is not what the partition has to hold.
fn unfit(path: &str, partition: &Partition, content: &[u8]) -> Option<Told> {
    let wanted = partition.content();
    let why = (wanted != Content::Anything).then(|| verdict(wanted, content))??;
    Some(Told::from(&CliProblem::ContentUnfit {
        path: path.to_owned(),
        partition: partition.name.clone(),
        why,
    }))
}

/// Checks the archives of files, to the end of each.
pub fn archives(verified: &mut Verified, naming: Naming<'_>, listed: &[(String, Size)]) {
    for partition in naming.layout.user_data() {
        let name = archive_name(naming, &partition.name);
        let Some((_, size)) = listed.iter().find(|(listed, _)| *listed == name) else {
            continue;
        };
        let looked = archive(&verified.folder, &name, *size);
        take(verified, &name, looked, Vec::new());
    }
}

fn archive(folder: &Path, name: &str, size: Size) -> Looked {
    let mut looked = images::look(folder, name, size);
    if let Some(content) = &looked.content {
        let unpacked = io::copy(
            &mut MultiGzDecoder::new(content.as_slice()),
            &mut io::sink(),
        );
        looked.problems.extend(unpacked.err().map(|error| {
            Told::from(&CliProblem::ArchiveDamaged {
                path: folder.join(name).display().to_string(),
                why: error.to_string(),
            })
        }));
    }
    looked
}

fn archive_name(naming: Naming<'_>, partition: &str) -> String {
    format!(
        "{}_{}_{partition}.tar.gz",
        naming.firmware.name, naming.group
    )
}

/// Notes what is of no use in a backup, such as hash files without their image.
pub fn others(verified: &mut Verified, naming: Naming<'_>, listed: &[(String, Size)]) {
    const ID: &str = "ID.txt";
    let parts = pieces(naming.layout);
    let images = parts.iter().map(|piece| naming.image(&piece.name));
    let archives = naming
        .layout
        .user_data()
        .map(|p| archive_name(naming, &p.name));
    let known: Vec<String> = images
        .chain([naming.image(WHOLE)])
        .chain(archives)
        .collect();
    let belongs = |name: &str| {
        let of = name.strip_suffix(SUM).unwrap_or(name);
        name == ID || known.iter().any(|known| known == of)
    };
    let files = listed
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !belongs(name));
    let files: Vec<&str> = files.map(String::as_str).collect();
    if !files.is_empty() {
        verified.remark(&CliProblem::NotOfBackup {
            folder: verified.folder.display().to_string(),
            files: files.join(", "),
        });
    }
}

/// Adds what was found out about a file. Returns its content.
fn take(verified: &mut Verified, name: &str, looked: Looked, more: Vec<Told>) -> Option<Vec<u8>> {
    if let Some(content) = &looked.content {
        verified.files.push(VerifiedFile {
            name: name.to_owned(),
            size_bytes: content.len() as u64,
            sha256: Digest::of(content).to_string(),
            sound: looked.problems.is_empty() && more.is_empty(),
        });
    }
    verified.problems.extend(looked.problems);
    verified.problems.extend(more);
    looked.content
}

/// As far as it can be read: it is a few lines long.
pub fn text(path: &Path) -> Result<String, CliProblem> {
    let bytes = files::read(path, LONGEST.min(Size::kib(64)))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
