//! The rows for people and for programs.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::measured::Measured;
use super::scenario::Original;
use super::{Row, SLOW_CARD, judge, model};

const KIB: u64 = 1024;

/// A table for the terminal; under each row, the original's figures where there are some.
pub(super) fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<30} {:>8} {:>8} {:>8} {:>8} {:>7} {:>11} {:>10} {:>10} {:>11} {:>10}\n",
        "operation",
        "time s",
        "slow s",
        "floor s",
        "write s",
        "erases",
        "program KiB",
        "flash KiB",
        "card read",
        "card write",
        "memory KiB"
    );
    for row in rows {
        let slow = &row.slow;
        let traffic = slow.traffic.unwrap_or_default();
        let writing = slow.writing.map(seconds).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<30} {:>8} {:>8} {:>8} {writing:>8} {:>7} {:>11} {:>10} {:>10} {:>11} {:>10}",
            row.scenario.name,
            seconds(row.fast.operation),
            seconds(slow.operation),
            seconds(judge::floor(slow)),
            slow.nor.erases,
            slow.nor.programmed / KIB,
            slow.nor.read / KIB,
            traffic.bytes_read / KIB,
            traffic.bytes_written / KIB,
            slow.peak_memory / KIB,
        );
        if let Some(original) = row.scenario.original {
            let _ = writeln!(text, "{}", original_line(&original));
        }
    }
    text
}

fn original_line(original: &Original) -> String {
    format!(
        "{:<30} {:>8} {:>8} {:>8} {:>8} {:>7} {:>11} {:>10} {:>10} {:>11}",
        "  the original",
        seconds(Duration::from_millis(original.milliseconds)),
        "",
        "",
        "",
        original.erases,
        original.programmed / KIB,
        original.flash_read / KIB,
        original.card_read / KIB,
        original.card_written / KIB,
    )
}

/// As `docs/performance.md` tells its fields.
pub(super) fn json(rows: &[Row]) -> Value {
    json!({
        "schema_version": 2,
        "model": {
            "flash_erase_us_per_block": model::ERASE_US_PER_BLOCK,
            "flash_program_us_per_page": model::PROGRAM_US_PER_PAGE,
            "flash_read_us_per_kib": model::READ_US_PER_KIB,
            "slow_card_bytes_per_second": SLOW_CARD,
        },
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    let traffic = row.slow.traffic.unwrap_or_default();
    json!({
        "name": row.scenario.name,
        "fast_card": times(&row.fast),
        "slow_card": times(&row.slow),
        "floor_ms": milliseconds(judge::floor(&row.slow)),
        "erases": row.slow.nor.erases,
        "programmed_bytes": row.slow.nor.programmed,
        "flash_read_bytes": row.slow.nor.read,
        "due": { "erases": row.slow.due.erases, "programmed_bytes": row.slow.due.programmed },
        "card_read_bytes": traffic.bytes_read,
        "card_written_bytes": traffic.bytes_written,
        "peak_memory_bytes": row.slow.peak_memory,
    })
}

fn times(measured: &Measured) -> Value {
    json!({
        "operation_ms": milliseconds(measured.operation),
        "write_ms": measured.writing.map(milliseconds),
    })
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}
