//! The kernel's own messages, for bug reports: which flash chip, which card, what failed.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;

const DEVICE: &str = "/dev/kmsg";
const LONGEST_RECORD: usize = 8 * 1024;
const LIMIT: usize = 48 * 1024;

/// What a line about flash or card has in it; drivers differ, so it is rather too much than too little.
const SUBJECTS: &[&str] = &[
    "mtd", "sfc", "flash", "jedec", "id code", "jffs2", "squashfs", "mmc", "sdhci", "sd card",
];

/// The same, where it is a word of its own.
const WORDS: &[&str] = &["nor", "fat", "spi"];

/// The messages about flash and card so far: the chip's JEDEC id, the card's name, what failed.
pub fn about_flash_and_card() -> String {
    let lines = read();
    let chosen = lines.lines().filter(|line| is_about_flash_or_card(line));
    chosen.flat_map(|line| [line, "\n"]).collect()
}

fn is_about_flash_or_card(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let mut words = line.split(|c: char| !c.is_ascii_alphabetic());
    words.any(|word| WORDS.contains(&word)) || SUBJECTS.iter().any(|subject| line.contains(subject))
}

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
        "kernel [    5.140] the id code = 207018, the flash name is XM25QH128B",
        true
    )]
    #[case(
        "kernel [    1.213] mmc0: new high speed SDHC card at address aaaa",
        true
    )]
    #[case("kernel [    1.300]  mmcblk0: p1", true)]
    #[case(
        "kernel [    1.400] FAT-fs (mmcblk0p1): Volume was not properly unmounted.",
        true
    )]
    #[case("kernel [    0.100] SPI NOR: unknown", true)]
    #[case("kernel [    0.100] Memory: 61000K, normal zone, fatal if lost", false)]
    #[case("kernel [    0.100] NET: Registered protocol family 1", false)]
    fn lines_about_flash_and_card_are_chosen(#[case] line: &str, #[case] chosen: bool) {
        assert_eq!(is_about_flash_or_card(line), chosen);
    }

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
