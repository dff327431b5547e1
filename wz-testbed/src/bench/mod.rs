//! `wz-testbed bench`: what operations cost on the emulated camera, as work counted and as time, and
//! whether that is as little as it can be.
//!
//! ```text
//! Scenario --> Measured (QEMU's card)    --+--> Row --> judge --> complaints
//!         \--> Measured (a slow card)    --'       \--> table, JSON, chart
//! ```

mod chart;
mod judge;
mod measured;
mod model;
mod scenario;
mod table;

use std::fs;
use std::path::Path;

use wz_testbed::{Error, Result};

use measured::Measured;
use scenario::Scenario;

/// The slow card's speed. QEMU asks for one sector at a time and lets its processor wait for it, so
/// faster ones cannot be told from QEMU's own speed of about 10 MB/s.
const SLOW_CARD: u64 = 2_000_000;

/// A scenario and what it cost.
#[derive(Debug)]
struct Row {
    scenario: Scenario,
    /// With the card as fast as QEMU makes it.
    fast: Measured,
    /// With a card of [`SLOW_CARD`].
    slow: Measured,
}

/// Measures the operations whose name has `only` in it, prints the table, and writes it to `out` as JSON and to `chart` as a picture.
///
/// # Errors
/// The bench does not work, an operation did not end in success, or one did more than it had to.
pub fn run(only: &str, out: &Path, chart: &Path) -> Result<()> {
    let mut rows = Vec::new();
    let wanted = |scenario: &Scenario| scenario.name.contains(only);
    for scenario in scenario::all()?.into_iter().filter(wanted) {
        eprintln!("{} ...", scenario.name);
        rows.push(Row {
            fast: measured::with_fast_card(&scenario)?,
            slow: measured::with_slow_card(&scenario, SLOW_CARD)?,
            scenario,
        });
    }
    print!("{}", table::text(&rows));
    write(out, &format!("{:#}\n", table::json(&rows)))?;
    write(chart, &chart::svg(&rows))?;
    let complaints: Vec<String> = rows.iter().flat_map(judge::complaints).collect();
    match complaints.is_empty() {
        true => Ok(()),
        false => Err(Error::Fixture(format!(
            "more than it had to be:\n  {}",
            complaints.join("\n  ")
        ))),
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
