//! All that a dump, or the image of a partition, tells about itself.

use serde::Serialize;
use wz_core::config::{HIDDEN, looks_secret};
use wz_core::image::check::Content;
use wz_core::image::environment::{self, Environment, Place};
use wz_core::image::uimage::{Compression, Uimage};
use wz_core::image::{sha256sum::Digest, squashfs};
use wz_core::profile::{Catalogue, Format, Layout, Partition};
use wz_core::units::{Offset, Region, Size};

use super::parts::{Kind, Part, parts};
use super::recognise::{PartitionOf, Recognised, partitions_of, recognise, verdict};
use super::{pieces, release, slice, versions};

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// The whole of a flash chip.
    Dump,
    /// The start of a flash chip, from the boot loader to a kernel at least.
    Firmware,
    /// A boot loader.
    BootLoader,
    /// A uImage.
    Uimage,
    /// A kernel, a root file system and more.
    Bundle,
    /// A squashfs.
    Squashfs,
    /// A JFFS2.
    Jffs2,
    /// A FAT.
    Vfat,
    /// A U-Boot environment.
    Environment,
    /// Files, packed with gzip.
    Archive,
    /// Erased flash.
    Blank,
    /// No bytes.
    Empty,
    /// Something else.
    Unknown,
}

/// All that is known about a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// How long it is.
    pub size_bytes: u64,
    /// Its SHA-256 in hex digits.
    pub sha256: String,
    /// What it is.
    pub kind: FileKind,
    /// The firmware; more than one, if nothing tells them apart.
    pub firmwares: Vec<FirmwareFacts>,
    /// The partitions that it may be the image of.
    pub partition_of: Vec<PartitionName>,
    /// What its boot loader says.
    pub boot_loader: Option<BootLoaderFacts>,
    /// The partitions of a dump whose layout is known.
    pub partitions: Vec<PartitionFacts>,
    /// What is in the file, if it has no partitions.
    pub parts: Vec<PartFacts>,
    /// The U-Boot environment.
    pub environment: Option<EnvironmentFacts>,
    /// What its root file systems say.
    pub os_releases: Vec<ReleaseFacts>,
    /// The mark of an upgrade that the firmware has not finished.
    pub pending_upgrade: Option<String>,
}

/// A firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FirmwareFacts {
    /// The SoC family: `t31`.
    pub soc: String,
    /// `stock`
    pub firmware: String,
    /// How it divides flash, if that is sure.
    pub layout: Option<String>,
    /// The chip that its boot loader is built for, if it says so.
    pub chip: Option<String>,
    /// The group of that chip, which stands in the names of images.
    pub chip_group: Option<String>,
}

/// A partition, by all its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "their names say it")]
pub struct PartitionName {
    pub soc: String,
    pub firmware: String,
    pub layout: String,
    pub partition: String,
}

/// What a boot loader says, if it says so in clear text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BootLoaderFacts {
    /// Its first stage.
    pub spl: Option<String>,
    /// U-Boot itself.
    pub u_boot: Option<String>,
}

/// A partition of a dump.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionFacts {
    /// `kernel`
    pub name: String,
    /// Where it starts in flash, in bytes.
    pub offset: u64,
    /// How long it is.
    pub size_bytes: u64,
    /// `raw`, `uimage`, ...: what the profile says.
    pub format: &'static str,
    /// Why it is not what it has to be.
    pub problem: Option<String>,
    /// What is in it.
    pub parts: Vec<PartFacts>,
}

/// A stretch of flash that is one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartFacts {
    /// Where it starts, in bytes.
    pub offset: u64,
    /// How long it is, up to the next.
    pub size_bytes: u64,
    /// How much of that it takes.
    pub used_bytes: u64,
    /// `boot_loader`, `environment`, `uimage`, `squashfs`, `jffs2`, `vfat`, `blank`, `data`.
    pub kind: &'static str,
    /// How it is packed.
    pub compression: Option<String>,
    /// The name in the header of a uImage.
    pub name: Option<String>,
    /// The version that a kernel says it has.
    pub linux: Option<String>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// A U-Boot environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EnvironmentFacts {
    /// Where it starts in the file.
    pub offset: u64,
    /// How long it is, all copies.
    pub size_bytes: u64,
    /// 1 or 2.
    pub copies: u8,
    /// In the order in which they stand.
    pub variables: Vec<Variable>,
}

/// A variable, or a line of `os-release`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, or `***`.
    pub value: String,
    /// Whether `***` stands for it.
    pub hidden: bool,
}

/// What a root file system says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseFacts {
    /// Where the squashfs starts.
    pub offset: u64,
    /// In the order in which they stand.
    pub variables: Vec<Variable>,
}

/// Whether Wi-Fi names and passwords are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// `***` stands for them.
    Hidden,
    /// They are.
    Shown,
}

impl Facts {
    /// All that `bytes` tell. The file's name is asked only where several partitions come into question.
    pub fn of(catalogue: &Catalogue, name: &str, bytes: &[u8], secrets: Secrets) -> Self {
        let all = parts(bytes, Offset::ZERO);
        let kind = kind(catalogue, bytes, &all);
        let is_chip = matches!(kind, FileKind::Dump | FileKind::Firmware);
        let firmwares = if is_chip {
            recognise(catalogue, bytes)
        } else {
            Vec::new()
        };
        let layout = common_layout(&firmwares);
        let partitions: Vec<PartitionFacts> = layout
            .iter()
            .flat_map(|layout| layout.partitions())
            .filter(|partition| partition.region.offset.as_usize() < bytes.len())
            .map(|partition| PartitionFacts::of(partition, bytes))
            .collect();
        let has_parts = !matches!(kind, FileKind::Empty | FileKind::Archive);
        let loose = partitions.is_empty() && has_parts;
        Self {
            size_bytes: bytes.len() as u64,
            sha256: Digest::of(bytes).to_string(),
            kind,
            partition_of: if is_chip {
                Vec::new()
            } else {
                names(catalogue, name, kind, bytes)
            },
            boot_loader: BootLoaderFacts::of(layout, bytes, &all),
            environment: EnvironmentFacts::of(kind, layout, bytes, secrets),
            os_releases: releases(bytes, layout, &all),
            pending_upgrade: firmwares
                .iter()
                .find_map(|found| pending_upgrade(found, bytes)),
            parts: match loose {
                true => all.iter().map(|part| PartFacts::of(part, bytes)).collect(),
                false => Vec::new(),
            },
            firmwares: firmwares.iter().map(FirmwareFacts::of).collect(),
            partitions,
        }
    }
}

fn kind(catalogue: &Catalogue, bytes: &[u8], parts: &[Part]) -> FileKind {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let is_chip = |size: usize| {
        catalogue
            .socs()
            .any(|soc| soc.flash.size.as_usize() == size)
    };
    let has = |wanted: fn(&Kind) -> bool| parts.iter().any(|part| wanted(&part.kind));
    let has_kernel = has(|kind| matches!(kind, Kind::Uimage(_)));
    let has_root = has(|kind| matches!(kind, Kind::Squashfs(_)));
    match parts.first().map(|part| &part.kind) {
        None => FileKind::Empty,
        _ if is_chip(bytes.len()) => FileKind::Dump,
        Some(Kind::BootLoader) if has_kernel => FileKind::Firmware,
        Some(Kind::BootLoader) => FileKind::BootLoader,
        Some(_) if has_kernel && has_root => FileKind::Bundle,
        Some(Kind::Uimage(_)) => FileKind::Uimage,
        Some(Kind::Squashfs(_)) => FileKind::Squashfs,
        Some(Kind::Jffs2) => FileKind::Jffs2,
        Some(Kind::Vfat) => FileKind::Vfat,
        Some(Kind::Environment) => FileKind::Environment,
        Some(Kind::Blank) if parts.len() == 1 => FileKind::Blank,
        Some(Kind::Data | Kind::Blank) if bytes.starts_with(&GZIP) => FileKind::Archive,
        Some(Kind::Data | Kind::Blank) => FileKind::Unknown,
    }
}

/// The layout, if all candidates divide flash alike.
fn common_layout<'a>(firmwares: &[Recognised<'a>]) -> Option<&'a Layout> {
    let first = firmwares.first()?.layout?;
    let alike = |other: &Recognised<'_>| {
        let layout = other.layout.map(Layout::partitions);
        layout == Some(first.partitions())
    };
    firmwares.iter().all(alike).then_some(first)
}

/// The partitions that the file may be the image of, or the one that it is named after.
fn names(catalogue: &Catalogue, name: &str, kind: FileKind, bytes: &[u8]) -> Vec<PartitionName> {
    let of = |of: &PartitionOf<'_>| PartitionName {
        soc: of.firmware.soc.clone(),
        firmware: of.firmware.name.clone(),
        layout: of.layout.name.clone(),
        partition: of.partition.name.clone(),
    };
    let possible: Vec<PartitionName> = partitions_of(catalogue, bytes).iter().map(of).collect();
    let namings = pieces::namings(catalogue);
    let is_named = |of: &PartitionName| {
        let mut namings = namings.iter();
        namings.any(|naming| {
            naming.firmware.name == of.firmware
                && naming.soc.name == of.soc
                && naming.image(&of.partition) == name
        })
    };
    let named: Vec<_> = possible.iter().filter(|of| is_named(of)).cloned().collect();
    // Every partition of this size may hold what nobody knows.
    let is_known = !matches!(
        kind,
        FileKind::Unknown | FileKind::Blank | FileKind::Archive
    );
    match named.is_empty() && is_known {
        true => possible,
        false => named,
    }
}

fn pending_upgrade(found: &Recognised<'_>, bytes: &[u8]) -> Option<String> {
    let mark = found.firmware.pending_upgrade.as_ref()?;
    mark.find(slice(bytes, mark.region()))
}

fn releases(bytes: &[u8], layout: Option<&Layout>, all: &[Part]) -> Vec<ReleaseFacts> {
    // Where the layout is known, what stands elsewhere may be a leftover.
    let of_layout = layout.map(|layout| {
        let holds_root = |p: &&Partition| matches!(p.format, Format::Squashfs | Format::Bundle);
        let regions = layout.partitions().iter().filter(holds_root);
        regions
            .flat_map(|p| parts(slice(bytes, p.region), p.region.offset))
            .collect::<Vec<_>>()
    });
    let parts = of_layout.as_deref().unwrap_or(all).iter();
    let squashfs = parts.filter(|part| matches!(part.kind, Kind::Squashfs(_)));
    let read = squashfs.filter_map(|part| {
        let variables = release::os_release(slice(bytes, part.region))?;
        Some(ReleaseFacts {
            offset: part.region.offset.get(),
            variables: variables
                .into_iter()
                .map(|(name, value)| Variable {
                    name,
                    value,
                    hidden: false,
                })
                .collect(),
        })
    });
    read.collect()
}

impl FirmwareFacts {
    fn of(found: &Recognised<'_>) -> Self {
        Self {
            soc: found.soc.name.clone(),
            firmware: found.firmware.name.clone(),
            layout: found.layout.map(|layout| layout.name.clone()),
            chip: found.chip.map(|chip| chip.name.clone()),
            chip_group: found.chip.map(|chip| chip.group.clone()),
        }
    }
}

impl BootLoaderFacts {
    fn of(layout: Option<&Layout>, bytes: &[u8], parts: &[Part]) -> Option<Self> {
        let first = parts.first().filter(|part| part.kind == Kind::BootLoader)?;
        let of_layout = layout.and_then(Layout::boot).map(|boot| boot.region);
        let boot = slice(bytes, of_layout.unwrap_or(first.region));
        Some(Self {
            spl: versions::spl(boot),
            u_boot: versions::u_boot(boot),
        })
    }
}

impl PartitionFacts {
    fn of(partition: &Partition, bytes: &[u8]) -> Self {
        let Region { offset, size } = partition.region;
        let content = slice(bytes, partition.region);
        let problem = match partition.content() {
            Content::Anything => None,
            wanted => verdict(wanted, content),
        };
        let parts = parts(content, offset);
        Self {
            name: partition.name.clone(),
            offset: offset.get(),
            size_bytes: size.get(),
            format: partition.format.name(),
            problem,
            parts: parts
                .iter()
                .map(|part| PartFacts::of(part, bytes))
                .collect(),
        }
    }
}

impl PartFacts {
    /// Of a part of `bytes`.
    fn of(part: &Part, bytes: &[u8]) -> Self {
        let facts = Self {
            offset: part.region.offset.get(),
            size_bytes: part.region.size.get(),
            used_bytes: part.used.get(),
            kind: kind_name(&part.kind),
            compression: None,
            name: None,
            linux: None,
            problem: None,
        };
        match &part.kind {
            Kind::Uimage(header) => {
                let whole = Uimage::parse(slice(bytes, part.region));
                Self {
                    compression: Some(header.header.compression.to_string()),
                    name: Some(header.header.name.clone()),
                    linux: whole.as_ref().ok().and_then(versions::linux),
                    problem: whole.err().map(|error| error.to_string()),
                    ..facts
                }
            }
            Kind::Squashfs(superblock) => Self {
                compression: Some(squashfs_compression(superblock.compression)),
                problem: superblock
                    .whole_in(part.region.size)
                    .err()
                    .map(|error| error.to_string()),
                ..facts
            },
            _ => facts,
        }
    }
}

/// As profiles and JSON have it.
fn kind_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::BootLoader => "boot_loader",
        Kind::Environment => "environment",
        Kind::Uimage(_) => "uimage",
        Kind::Squashfs(_) => "squashfs",
        Kind::Jffs2 => "jffs2",
        Kind::Vfat => "vfat",
        Kind::Blank => "blank",
        Kind::Data => "data",
    }
}

fn squashfs_compression(compression: squashfs::Compression) -> String {
    match compression {
        squashfs::Compression::Other(number) => format!("number {number}"),
        // The two formats call the same compression by the same name.
        squashfs::Compression::Gzip => Compression::Gzip.to_string(),
        squashfs::Compression::Lzma => Compression::Lzma.to_string(),
        squashfs::Compression::Lzo => Compression::Lzo.to_string(),
        squashfs::Compression::Lz4 => Compression::Lz4.to_string(),
        squashfs::Compression::Zstd => Compression::Zstd.to_string(),
        squashfs::Compression::Xz => "XZ".to_owned(),
    }
}

impl EnvironmentFacts {
    fn of(kind: FileKind, layout: Option<&Layout>, bytes: &[u8], secrets: Secrets) -> Option<Self> {
        let whole = Region::new(Offset::ZERO, Size::bytes(bytes.len() as u64));
        let known = match kind {
            FileKind::Dump | FileKind::Firmware => layout.and_then(Layout::environment),
            FileKind::Environment => Some(whole),
            _ => return None,
        };
        let searched = slice(bytes, environment::search_region(known));
        let found = environment::find(known, searched).ok()?;
        let span = found.place.span();
        Some(Self {
            offset: span.offset.get(),
            size_bytes: span.size.get(),
            copies: match found.place {
                Place::One(_) => 1,
                Place::Two(_) => 2,
            },
            variables: variables(&found.environment, secrets),
        })
    }
}

fn variables(environment: &Environment, secrets: Secrets) -> Vec<Variable> {
    let shown = |(name, value): (String, String)| {
        let hidden = secrets == Secrets::Hidden && !value.is_empty() && looks_secret(&name);
        Variable {
            value: if hidden { HIDDEN.to_owned() } else { value },
            name,
            hidden,
        }
    };
    environment.lossy().map(shown).collect()
}
