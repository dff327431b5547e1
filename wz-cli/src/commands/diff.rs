//! `wz diff`: what differs between two contents of a flash chip, and what writing one over the other
//! takes.

mod chip;

use std::io;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wz_core::plan::blocks::{Past, Work, decide};
use wz_core::profile::{Catalogue, FlashChip};
use wz_core::units::{Offset, Region, Size};

use crate::anatomy::pieces::{Piece, WHOLE, pieces};
use crate::anatomy::slice;
use crate::naming::NamingArgs;
use crate::problem::{CliProblem, Exit, Failure};
use crate::screen::{BAD, BOLD, GOOD, Report, Sink, WARNING};
use crate::table::{self, Side};
use chip::Chip;

/// Compare two dumps, or a dump and a folder of images, by partition and erase block.
///
/// It also tells what writing B over A takes, as the camera plans it: blocks that stay, that are only
/// programmed, and that are erased. Partitions that one of the two does not have are not compared.
/// Ends with 1 if anything differs.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  wz diff stock_t31x_all.bin yesterday/stock_t31x_all.bin
  wz diff stock_t31x_all.bin E:\\wz_flash-helper\\restore\\stock")]
pub struct DiffArgs {
    /// What is in flash: a dump, or a folder of images.
    #[arg(value_name = "A")]
    pub old: PathBuf,
    /// What is to be in flash: a dump, or a folder of images.
    #[arg(value_name = "B")]
    pub new: PathBuf,
    #[command(flatten)]
    #[expect(missing_docs, reason = "see there")]
    pub naming: NamingArgs,
}

/// What differs.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// A.
    pub old: PathBuf,
    /// B.
    pub new: PathBuf,
    /// `t31 stock, layout factory`; none, if no known layout is in A or B.
    pub layout: Option<String>,
    /// The length of an erase block.
    pub erase_block_bytes: u64,
    /// Whether all that was compared is the same.
    pub same: bool,
    /// In the order of flash; one for the whole chip, if no layout is known.
    pub partitions: Vec<PartitionDiff>,
    /// All of it together.
    pub work: WorkFacts,
}

/// What differs in a partition.
#[derive(Clone, Debug, Serialize)]
pub struct PartitionDiff {
    /// Its name.
    pub name: String,
    /// Where it starts.
    pub offset: u64,
    /// How long it is.
    pub size_bytes: u64,
    /// Whether both A and B have it.
    pub compared: bool,
    /// Whether it is the same in both.
    pub same: bool,
    /// How many erase blocks it has.
    pub blocks: u32,
    /// How many of them differ.
    pub differing_blocks: u32,
    /// The first byte that differs, counted from the start of flash.
    pub first_difference: Option<u64>,
    /// What writing B over A takes.
    pub work: WorkFacts,
}

/// How much work writing is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkFacts {
    /// Erase blocks that stay as they are.
    pub kept_blocks: u32,
    /// Erase blocks that are programmed without being erased.
    pub programmed_blocks: u32,
    /// Erase blocks that are erased, and programmed if they are not to be blank.
    pub erased_blocks: u32,
    /// Bytes of the pages that are programmed.
    pub programmed_bytes: u64,
    /// Roughly how long it takes.
    pub estimated_seconds: u64,
}

/// # Errors
/// A or B can't be read, or is not a chip's content; they are of chips of different sizes.
pub fn run(args: &DiffArgs) -> Result<Diff, Failure> {
    let catalogue = Catalogue::builtin();
    let old = Chip::read(&catalogue, &args.old, &args.naming)?;
    let new = Chip::read(&catalogue, &args.new, &args.naming)?;
    if old.size() != new.size() {
        return Err(CliProblem::SizesDiffer {
            first: args.old.display().to_string(),
            first_size: old.size(),
            second: args.new.display().to_string(),
            second_size: new.size(),
        }
        .into());
    }
    let divided = old.layout.or(new.layout);
    let flash = divided.map_or_else(|| flash_of(&catalogue, old.size()), |by| by.soc.flash);
    let whole = || {
        vec![Piece {
            name: WHOLE.to_owned(),
            region: Region::new(Offset::ZERO, old.size()),
        }]
    };
    let pieces = divided.map_or_else(whole, |by| pieces(by.layout));
    let mut total = Work::default();
    let compare = |piece: &Piece| {
        let (diff, work) = compare(piece, &old, &new, &flash);
        total += work;
        diff
    };
    let partitions: Vec<PartitionDiff> = pieces.iter().map(compare).collect();
    if !partitions.iter().any(|partition| partition.compared) {
        return Err(CliProblem::NothingInCommon {
            first: args.old.display().to_string(),
            second: args.new.display().to_string(),
        }
        .into());
    }
    Ok(Diff {
        old: args.old.clone(),
        new: args.new.clone(),
        layout: divided.map(|by| {
            format!(
                "{} {}, layout {}",
                by.soc.name, by.firmware.name, by.layout.name
            )
        }),
        erase_block_bytes: flash.erase_block.get(),
        same: partitions.iter().all(|partition| partition.same),
        partitions,
        work: WorkFacts::of(total, flash.page),
    })
}

/// That of a family whose chip has this size, or one as all known cameras have it.
fn flash_of(catalogue: &Catalogue, size: Size) -> FlashChip {
    let usual = FlashChip {
        size,
        erase_block: Size::kib(32),
        page: Size::bytes(256),
        boot_search: Size::kib(256),
    };
    let same_size = catalogue.socs().find(|soc| soc.flash.size == size);
    same_size.map_or(usual, |soc| soc.flash)
}

fn compare(
    piece: &Piece,
    old: &Chip<'_>,
    new: &Chip<'_>,
    flash: &FlashChip,
) -> (PartitionDiff, Work) {
    let compared = old.has(piece.region) && new.has(piece.region);
    let (before, after) = (
        slice(&old.bytes, piece.region),
        slice(&new.bytes, piece.region),
    );
    let first = before.iter().zip(after).position(|(a, b)| a != b);
    let first = first.filter(|_| compared);
    let mut work = Work::default();
    let mut differing = 0;
    let block = flash.erase_block.as_usize().max(1);
    for (before, after) in before
        .chunks(block)
        .zip(after.chunks(block))
        .filter(|_| compared)
    {
        let (action, _) = decide(before, after, Past::Settled);
        work.add(action, before, after, flash.page);
        differing += u32::from(before != after);
    }
    let offset = piece.region.offset.get();
    let diff = PartitionDiff {
        name: piece.name.clone(),
        offset,
        size_bytes: piece.region.size.get(),
        compared,
        same: first.is_none(),
        blocks: u32::try_from(before.len().div_ceil(block)).unwrap_or(u32::MAX),
        differing_blocks: differing,
        first_difference: first.map(|at| offset + at as u64),
        work: WorkFacts::of(work, flash.page),
    };
    (diff, work)
}

impl WorkFacts {
    fn of(work: Work, page: Size) -> Self {
        Self {
            kept_blocks: work.kept,
            programmed_blocks: work.programmed,
            erased_blocks: work.erased,
            programmed_bytes: work.bytes,
            estimated_seconds: work.estimated_seconds(page),
        }
    }
}

impl Report for Diff {
    fn exit(&self) -> Exit {
        match self.same {
            true => Exit::Done,
            false => Exit::Refused,
        }
    }

    fn render(&self, to: &mut Sink<'_>) -> io::Result<()> {
        let layout = self.layout.as_deref().unwrap_or("no layout that is known");
        let block = Size::bytes(self.erase_block_bytes);
        writeln!(to, "{BOLD}A{BOLD:#}  {}", self.old.display())?;
        writeln!(to, "{BOLD}B{BOLD:#}  {}", self.new.display())?;
        writeln!(to, "{layout}; erase blocks of {block}\n")?;
        let headings = [
            ("Partition", Side::Left),
            ("Size", Side::Right),
            ("", Side::Left),
            ("Blocks", Side::Right),
            ("Differ", Side::Right),
            ("Keep", Side::Right),
            ("Program", Side::Right),
            ("Erase", Side::Right),
        ];
        let rows: Vec<_> = self.partitions.iter().map(PartitionDiff::row).collect();
        table::write(to, headings, &rows)?;
        let left_out = self
            .partitions
            .iter()
            .filter(|partition| !partition.compared)
            .count();
        if left_out > 0 {
            writeln!(
                to,
                "\n{WARNING}Not compared{WARNING:#}: {left_out} that A or B does not have"
            )?;
        }
        let WorkFacts {
            erased_blocks,
            programmed_blocks,
            programmed_bytes,
            estimated_seconds,
            ..
        } = self.work;
        match self.same {
            true => writeln!(to, "\n{GOOD}The same{GOOD:#}"),
            false => writeln!(
                to,
                "\n{BAD}Different{BAD:#}. Writing B over A: {erased_blocks} blocks to erase, {programmed_blocks} only to program, {programmed_bytes} bytes to program, about {estimated_seconds} s"
            ),
        }
    }
}

impl PartitionDiff {
    fn row(&self) -> [String; 8] {
        let verdict = match (self.compared, self.same) {
            (false, _) => "-",
            (true, true) => "same",
            (true, false) => "differs",
        };
        let count = |count: u32| match self.compared {
            true => count.to_string(),
            false => "-".to_owned(),
        };
        [
            self.name.clone(),
            Size::bytes(self.size_bytes).to_string(),
            verdict.to_owned(),
            self.blocks.to_string(),
            count(self.differing_blocks),
            count(self.work.kept_blocks),
            count(self.work.programmed_blocks),
            count(self.work.erased_blocks),
        ]
    }
}
