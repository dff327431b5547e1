//! The partitions of a dump, and what is in them, as files.

use std::path::Path;

use wz_core::image::uimage::Uimage;
use wz_core::units::{Offset, Region, Size};

use crate::anatomy::facts::{Facts, PartFacts};
use crate::anatomy::slice;
use crate::folder::NewFolder;
use crate::payload;
use crate::problem::CliProblem;

/// No kernel of a camera is larger.
const LARGEST_PAYLOAD: Size = Size::mib(32);

/// Writes them into a new folder, all or none. Returns their names.
pub fn extract(facts: &Facts, bytes: &[u8], folder: &Path) -> Result<Vec<String>, CliProblem> {
    let new = NewFolder::create(folder)?;
    let mut names = Vec::new();
    for (name, content) in contents(facts, bytes) {
        new.write(&name, &content)?;
        names.push(name);
    }
    new.finish()?;
    Ok(names)
}

/// Each partition; what is in it, if that is more than one thing; and kernels without their packing.
fn contents(facts: &Facts, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let region = |offset, size| Region::new(Offset::bytes(offset), Size::bytes(size));
    let mut contents = Vec::new();
    for partition in &facts.partitions {
        let whole = region(partition.offset, partition.size_bytes);
        contents.push((
            format!("{}.bin", partition.name),
            slice(bytes, whole).to_vec(),
        ));
        contents.extend(parts(&partition.name, &partition.parts, bytes));
    }
    contents.extend(parts("part", &facts.parts, bytes));
    contents
}

fn parts(prefix: &str, parts: &[PartFacts], bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let filled: Vec<&PartFacts> = parts.iter().filter(|part| part.kind != "blank").collect();
    let mut contents = Vec::new();
    for part in &filled {
        let used = part.used_bytes.min(part.size_bytes);
        let content = slice(
            bytes,
            Region::new(Offset::bytes(part.offset), Size::bytes(used)),
        );
        let name = format!("{prefix}_{:#08x}_{}", part.offset, part.kind);
        if let Some(unpacked) = unpacked(part, content) {
            contents.push((format!("{name}.unpacked"), unpacked));
        }
        if filled.len() > 1 || prefix == "part" {
            contents.push((format!("{name}.bin"), content.to_vec()));
        }
    }
    contents
}

fn unpacked(part: &PartFacts, content: &[u8]) -> Option<Vec<u8>> {
    if part.kind != "uimage" {
        return None;
    }
    let uimage = Uimage::parse(content).ok()?;
    payload::unpack(uimage.payload, uimage.header.compression, LARGEST_PAYLOAD).ok()
}
