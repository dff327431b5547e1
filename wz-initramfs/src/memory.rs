//! How much memory the program has had resident at most.

use std::fs;

use wz_core::units::Size;

/// The peak so far, if the kernel tells.
pub fn peak() -> Option<Size> {
    parse_peak(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_peak(status: &str) -> Option<Size> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Size::kib(kib))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_from_a_status_file() {
        let status = "Name:\tinit\nVmPeak:\t    9000 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 1000 kB\n";
        assert_eq!(parse_peak(status), Some(Size::kib(1234)));
        assert_eq!(parse_peak("Name:\tinit\n"), None);
    }

    #[test]
    fn this_process_has_a_peak() {
        assert!(peak().unwrap() > Size::kib(100));
    }
}
