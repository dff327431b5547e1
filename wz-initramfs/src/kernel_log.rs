//! The kernel's own messages, for bug reports: which flash chip, which card, what failed.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;

const DEVICE: &str = "/dev/kmsg";
const LONGEST_RECORD: usize = 8 * 1024;
const LIMIT: usize = 48 * 1024;

/// The first messages since power-on, a line each, as many as are useful.
pub fn read() -> String {
    let log = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(DEVICE);
    log.map_or_else(|_| String::new(), |mut records| collect(&mut records))
}

/// Each read gives one record; at the end it fails, since it would have to wait.
fn collect(records: &mut impl Read) -> String {
    let mut text = String::new();
    let mut record = vec![0; LONGEST_RECORD];
    while text.len() < LIMIT
        && let Ok(length @ 1..) = records.read(&mut record)
    {
        if let Some(line) = message(&record[..length]) {
            text.push_str(&line);
            text.push('\n');
        }
    }
    text
}

/// `6,339,5140900,-;message\n KEY=value\n` as `[    5.140] message`.
fn message(record: &[u8]) -> Option<String> {
    let record = String::from_utf8_lossy(record);
    let (head, text) = record.split_once(';')?;
    let microseconds: u64 = head.split(',').nth(2)?.parse().ok()?;
    let text = text.lines().next().unwrap_or_default();
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000 / 1000);
    Some(format!("kernel [{seconds:>5}.{rest:03}] {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "6,339,5140900,-;the id code = 207018\n",
        Some("kernel [    5.140] the id code = 207018")
    )]
    #[case(
        "6,1,0,-;mmc0: new card\n SUBSYSTEM=mmc\n",
        Some("kernel [    0.000] mmc0: new card")
    )]
    #[case("noise", None)]
    fn a_record_becomes_a_line(#[case] record: &str, #[case] line: Option<&str>) {
        assert_eq!(message(record.as_bytes()).as_deref(), line);
    }
}
