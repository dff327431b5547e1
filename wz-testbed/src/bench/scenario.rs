//! What is measured.

use wz_core::units::{Offset, Region, Size};
use wz_testbed::{Card, Error, Firmware, Result, Scope, filler, inputs};

const CONF: &str = "wz_flash-helper/general.conf";
/// What the original restores without its hidden option.
const RESTORED: [&str; 7] = ["kernel", "rootfs", "app", "kback", "aback", "cfg", "para"];

/// A camera and a card, and what is known of the work beforehand.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) chip: String,
    pub(super) flash: Vec<u8>,
    pub(super) card: Card,
    /// Bytes of flash that the operation is about.
    pub(super) touched: u64,
    /// Bytes of images.
    pub(super) images: u64,
    /// The new firmware's boot partition.
    pub(super) boot: Region,
    pub(super) original: Option<Original>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Flash is only read.
    Backup,
    /// Flash holds the images already.
    NothingToWrite,
    /// Flash is written.
    Writes,
}

/// What the original program (1.0.0) cost in the same case, with the same model of the chip and
/// QEMU's card.
#[derive(Clone, Copy, Debug)]
pub(super) struct Original {
    pub(super) milliseconds: u64,
    pub(super) erases: u64,
    pub(super) programmed: u64,
    pub(super) flash_read: u64,
    pub(super) card_read: u64,
    pub(super) card_written: u64,
}

const ORIGINAL_BACKUP: Original = Original {
    milliseconds: 31_900,
    erases: 0,
    programmed: 0,
    flash_read: 34_003_263,
    card_read: 16_456_704,
    card_written: 67_546_112,
};
const ORIGINAL_RESTORE: Original = Original {
    milliseconds: 168_900,
    erases: 1008,
    programmed: 16_515_072,
    flash_read: 16_882_261,
    card_read: 16_567_808,
    card_written: 86_528,
};
const ORIGINAL_TO_THINGINO: Original = Original {
    milliseconds: 173_800,
    erases: 1024,
    programmed: 16_777_216,
    flash_read: 17_406_549,
    card_read: 16_826_880,
    card_written: 85_504,
};
const ORIGINAL_TO_STOCK: Original = Original {
    milliseconds: 113_900,
    erases: 656,
    programmed: 10_747_904,
    flash_read: 11_440_128,
    card_read: 10_722_816,
    card_written: 84_480,
};

/// All rows of the table.
///
/// # Errors
/// A firmware cannot be made.
pub(super) fn all() -> Result<Vec<Scenario>> {
    let stock = Firmware::of("t31", "stock")?;
    let thingino = Firmware::of("t31", "thingino")?;
    let full = without_blanks(&stock)?;
    let other = with_rubbish(&stock)?;
    Ok(vec![
        backup(&stock)?,
        Scenario {
            name: "restore, nothing different",
            kind: Kind::NothingToWrite,
            original: Some(ORIGINAL_RESTORE),
            ..restore(&stock, &stock)?
        },
        Scenario {
            name: "restore, one block different",
            ..restore(&with_a_wrong_block(&stock)?, &stock)?
        },
        Scenario {
            name: "restore, all different",
            original: Some(ORIGINAL_RESTORE),
            ..restore(&other, &full)?
        },
        switch_to_thingino(&stock, &thingino)?,
        switch_to_stock(&thingino, &stock)?,
    ])
}

fn backup(stock: &Firmware) -> Result<Scenario> {
    Ok(Scenario {
        name: "backup",
        kind: Kind::Backup,
        touched: stock.image().len() as u64,
        images: 0,
        original: Some(ORIGINAL_BACKUP),
        ..scenario(stock, stock, "backup_partitions=\"yes\"\n")?
    })
}

/// All partitions but boot.
fn restore(installed: &Firmware, wanted: &Firmware) -> Result<Scenario> {
    let chosen = RESTORED.map(|partition| format!("restore_stock_{partition}=\"yes\"\n"));
    let new = scenario(installed, wanted, "restore_partitions=\"yes\"\n")?;
    let images = bytes_of(wanted, &RESTORED)?;
    Ok(Scenario {
        name: "restore",
        card: new
            .card
            .with("wz_flash-helper/restore/stock.conf", chosen.concat())
            .with_partition_images(wanted, &RESTORED)?,
        touched: images,
        images,
        ..new
    })
}

/// From one image of the whole firmware, as most owners have it.
fn switch_to_thingino(stock: &Firmware, thingino: &Firmware) -> Result<Scenario> {
    let new = scenario(stock, thingino, &switch_conf("thingino"))?;
    let size = thingino.image().len() as u64;
    Ok(Scenario {
        name: "switch stock to thingino",
        card: new.card.with_firmware_image(thingino, Size::bytes(size)),
        touched: size,
        images: size,
        original: Some(ORIGINAL_TO_THINGINO),
        ..new
    })
}

/// From a backup, with the default options.
fn switch_to_stock(thingino: &Firmware, stock: &Firmware) -> Result<Scenario> {
    let new = scenario(thingino, stock, &switch_conf("stock"))?;
    let needed = Scope::Base.needed(stock.layout());
    let kept = ["aback"];
    Ok(Scenario {
        name: "switch thingino to stock",
        card: new.card.with_partition_images(stock, &needed)?,
        touched: stock.image().len() as u64 - bytes_of(stock, &kept)?,
        images: bytes_of(stock, &needed)?,
        original: Some(ORIGINAL_TO_STOCK),
        ..new
    })
}

/// A camera and a card without images; the rest is to be filled in.
fn scenario(installed: &Firmware, wanted: &Firmware, conf: &str) -> Result<Scenario> {
    Ok(Scenario {
        name: "",
        kind: Kind::Writes,
        chip: installed.chip().to_owned(),
        flash: installed.image().to_vec(),
        card: Card::new()
            .with_folder(&inputs::card_folder("t31")?)?
            .with(CONF, conf),
        touched: 0,
        images: 0,
        boot: boot(wanted)?,
        original: None,
    })
}

fn switch_conf(next: &str) -> String {
    format!("switch_firmware=\"yes\"\nnext_firmware=\"{next}\"\n")
}

fn bytes_of(firmware: &Firmware, partitions: &[&str]) -> Result<u64> {
    let sizes = partitions.iter().map(|name| firmware.partition(name));
    sizes.map(|bytes| bytes.map(|b| b.len() as u64)).sum()
}

/// The same firmware with something in each blank page behind the boot partition: the most work that
/// there can be.
fn without_blanks(stock: &Firmware) -> Result<Firmware> {
    const PAGE: usize = 256;
    let from = boot(stock)?.end().as_usize();
    let full = filler::bytes(3, stock.image().len());
    let is_blank = |at: &usize| {
        stock.image()[*at..][..PAGE]
            .iter()
            .all(|byte| *byte == 0xff)
    };
    let blank = (from..full.len()).step_by(PAGE).filter(is_blank);
    Ok(blank.fold(stock.clone(), |firmware, at| {
        firmware.with_bytes(Offset::bytes(at as u64), &full[at..at + PAGE])
    }))
}

/// The same boot partition, and behind it what is like no firmware anywhere.
fn with_rubbish(stock: &Firmware) -> Result<Firmware> {
    let from = boot(stock)?.end();
    let rubbish = filler::bytes(4, stock.image().len() - from.as_usize());
    Ok(stock.clone().with_bytes(from, &rubbish))
}

fn boot(firmware: &Firmware) -> Result<Region> {
    let none = || Error::Fixture(format!("{} has no boot partition", firmware.name()));
    Ok(firmware.layout().boot().ok_or_else(none)?.region)
}

/// A byte that has to be erased, in the middle of a partition that is not empty.
fn with_a_wrong_block(stock: &Firmware) -> Result<Firmware> {
    let missing = || Error::Fixture("stock has no app partition".to_owned());
    let app = stock.layout().partition("app").ok_or_else(missing)?;
    let at = Offset::bytes(app.region.offset.get() + 3 * 32 * 1024 + 100);
    Ok(stock.clone().with_bytes(at, &[0]))
}
