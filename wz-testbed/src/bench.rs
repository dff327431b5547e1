//! `wz-testbed bench`: what operations cost on the emulated camera, as work counted and as time.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wz_testbed::{Camera, Card, Error, Faults, Firmware, Result, inputs};

/// How long the modelled chip takes to give 1 KiB: about 6.7 MB/s, as W25Q128-class chips on these
/// cameras' drivers.
const READ_US_PER_KIB: u64 = 150;

const KIB: u64 = 1024;

/// A row of the table.
struct Row {
    name: &'static str,
    /// Time of the operation itself, as the program tells.
    execute_ms: u64,
    /// What reading flash alone takes by the model.
    flash_floor_ms: u64,
    flash_read: u64,
    card_read: u64,
    card_written: u64,
    peak_memory: u64,
}

/// Runs everything, prints the table and writes it to `out` as JSON.
///
/// # Errors
/// The bench does not work, or an operation did not end in success.
pub fn run(out: &Path) -> Result<()> {
    let rows = [
        backup("backup", "backup_partitions=\"yes\"\n")?,
        backup(
            "backup, one copy",
            "backup_partitions=\"yes\"\nsecondary_backup=\"no\"\n",
        )?,
    ];
    print(&rows);
    let json = json!({
        "schema_version": 1,
        "flash_read_us_per_kib": READ_US_PER_KIB,
        "rows": rows.iter().map(Row::to_json).collect::<Vec<_>>(),
    });
    write(out, &format!("{json:#}\n"))
}

fn backup(name: &'static str, conf: &str) -> Result<Row> {
    let firmware = Firmware::of("t31", "stock")?;
    let card = Card::new().with_folder(&inputs::card_folder("t31")?)?;
    let mut camera = Camera::of(&firmware)
        .card(card.with("wz_flash-helper/general.conf", conf))
        .card_faults(Faults::default())
        .kernel_argument(&format!("block2mtd.read_us={READ_US_PER_KIB}"))
        .build()?;
    let ended = camera.power_on()?.wait_until_off()?;
    let result = result(&camera)?;
    let failed = || Error::Fixture(format!("{name} did not succeed:\n{}", ended.transcript));
    if result["outcome"] != "success" {
        return Err(failed());
    }
    let nor = ended.nor.ok_or_else(failed)?;
    let traffic = camera.card_traffic().ok_or_else(failed)?;
    let phases = result["phases"].as_array().ok_or_else(failed)?;
    let execute = phases.iter().find(|phase| phase["name"] == "execute");
    Ok(Row {
        name,
        execute_ms: execute
            .and_then(|phase| phase["milliseconds"].as_u64())
            .ok_or_else(failed)?,
        flash_floor_ms: nor.read / KIB * READ_US_PER_KIB / 1000,
        flash_read: nor.read,
        card_read: traffic.bytes_read,
        card_written: traffic.bytes_written,
        peak_memory: result["peak_memory_bytes"].as_u64().ok_or_else(failed)?,
    })
}

fn result(camera: &Camera) -> Result<Value> {
    let text = camera.card()?.read_text("wz_flash-helper/result.json")?;
    serde_json::from_str(&text).map_err(|error| Error::Fixture(format!("result.json: {error}")))
}

impl Row {
    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "execute_ms": self.execute_ms,
            "flash_floor_ms": self.flash_floor_ms,
            "flash_read_bytes": self.flash_read,
            "card_read_bytes": self.card_read,
            "card_written_bytes": self.card_written,
            "peak_memory_bytes": self.peak_memory,
        })
    }
}

fn print(rows: &[Row]) {
    println!(
        "{:<18} {:>9} {:>12} {:>12} {:>12} {:>13} {:>11}",
        "operation",
        "time ms",
        "flash floor",
        "flash KiB",
        "card read",
        "card written",
        "memory KiB"
    );
    for row in rows {
        println!(
            "{:<18} {:>9} {:>12} {:>12} {:>12} {:>13} {:>11}",
            row.name,
            row.execute_ms,
            row.flash_floor_ms,
            row.flash_read / KIB,
            row.card_read / KIB,
            row.card_written / KIB,
            row.peak_memory / KIB,
        );
    }
}

fn write(out: &Path, text: &str) -> Result<()> {
    let made = out.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(out, text))
        .map_err(|source| Error::Io {
            doing: format!("write {}", out.display()),
            source,
        })
}
