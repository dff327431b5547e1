//! How fast something can go that takes one thing after the other: a clock of tokens.

use std::time::{Duration, Instant};

/// So much idle time is made up for: what asks for many small things pauses between them.
const BURST: Duration = Duration::from_millis(20);

/// A device that moves so many bytes a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    bytes_per_second: u64,
    /// When it will be done with what it has been given.
    busy_until: Instant,
}

impl Pace {
    pub(crate) fn new(bytes_per_second: u64, now: Instant) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            busy_until: now,
        }
    }

    /// Gives it so many bytes to move at the time `now`; returns when they are moved, which may have
    /// been a moment ago.
    pub(crate) fn moves(&mut self, bytes: u64, now: Instant) -> Instant {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let takes = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        self.busy_until = self.busy_until.max(earliest) + takes;
        self.busy_until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    #[test]
    fn what_follows_at_once_waits_for_what_came_before() {
        let start = Instant::now();
        let mut pace = Pace::new(10 * MB, start);

        assert_eq!(pace.moves(MB, start), start + Duration::from_millis(100));
        assert_eq!(
            pace.moves(2 * MB, start),
            start + Duration::from_millis(300)
        );
    }

    #[test]
    fn only_a_moment_of_idle_time_is_saved_up() {
        let start = Instant::now();
        let mut pace = Pace::new(10 * MB, start);
        let later = start + Duration::from_secs(60);

        assert_eq!(pace.moves(MB, later), later + Duration::from_millis(80));
    }

    #[test]
    fn pauses_between_small_requests_cost_nothing() {
        let start = Instant::now();
        let mut pace = Pace::new(10 * MB, start);
        let pause = Duration::from_millis(15);

        let ends = (1..=10)
            .map(|n| pace.moves(MB / 5, start + n * pause))
            .max();

        assert_eq!(ends, Some(start + Duration::from_millis(200)));
    }

    #[test]
    fn small_requests_are_as_slow_as_a_large_one() {
        let start = Instant::now();
        let mut pace = Pace::new(10 * MB, start);

        let ends = (0..1000).map(|_| pace.moves(MB / 1000, start)).max();

        assert_eq!(ends, Some(start + Duration::from_millis(100)));
    }
}
