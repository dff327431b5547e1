//! What the camera's GPIO lines did: a small program in the guest looks at them and tells each change on a
//! second serial port.
//!
//! ```text
//! 4.31 38=out,hi 39=out,lo        seconds since the kernel's start; every line that is in use
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

/// The first program of a watched camera; it becomes `/init` once it has left the watcher behind.
pub(crate) const WATCHER: &str = r##"#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t debugfs debug /sys/kernel/debug
look() {
	now=
	while read -r line; do
		case $line in
		gpio-[0-9]*)
			number=${line#gpio-}
			set -- ${line##*)}
			now="$now ${number%% *}=$1,$2"
			;;
		esac
	done </sys/kernel/debug/gpio
}
watch() {
	last=none
	while :; do
		look
		if [ "$now" != "$last" ]; then
			read -r time _ </proc/uptime
			echo "$time$now"
			last=$now
		fi
		usleep 30000
	done
}
stty -F /dev/ttyS1 115200
watch >/dev/ttyS1 &
exec /init
"##;

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineState {
    /// It is only looked at.
    Input,
    /// It is driven to ground.
    Low,
    /// It is driven to the supply's voltage.
    High,
}

/// The lines in use, by their numbers, from one change to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When this began, since the kernel's start.
    pub at: Duration,
    /// Every line that is in use.
    pub lines: BTreeMap<u16, LineState>,
}

/// What the watcher has told. The last line may be cut off.
pub(crate) fn looks(told: &str) -> Vec<Look> {
    told.lines().filter_map(look).collect()
}

fn look(told: &str) -> Option<Look> {
    let mut words = told.split_whitespace();
    let at = words.next()?.parse().ok()?;
    let line = |word: &str| {
        let (number, state) = word.split_once('=')?;
        let state = match state {
            "out,hi" => LineState::High,
            "out,lo" => LineState::Low,
            "in,hi" | "in,lo" => LineState::Input,
            _ => return None,
        };
        Some((number.parse().ok()?, state))
    };
    Some(Look {
        at: Duration::try_from_secs_f64(at).ok()?,
        lines: words.map(line).collect::<Option<_>>()?,
    })
}

/// For how long each state of what `seen` makes of the lines lasted, one behind the other. How long the
/// last one lasted is not known.
pub fn runs<T: PartialEq>(looks: &[Look], seen: impl Fn(&Look) -> T) -> Vec<(T, Duration)> {
    let mut runs: Vec<(T, Duration)> = Vec::new();
    let ends = looks.iter().skip(1).chain(looks.last());
    for (look, end) in looks.iter().zip(ends) {
        let (state, time) = (seen(look), end.at.saturating_sub(look.at));
        match runs.last_mut() {
            Some((last, lasted)) if *last == state => *lasted += time,
            _ => runs.push((state, time)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use LineState::{High, Input, Low};

    #[test]
    fn what_the_watcher_tells_is_read() {
        let told = "0.52\r\n1.00 38=out,hi 39=out,lo\r\n1.51 38=out,lo 59=in,hi\r\n2.0 38=ou";
        let look = |milliseconds, lines: &[(u16, LineState)]| Look {
            at: Duration::from_millis(milliseconds),
            lines: lines.iter().copied().collect(),
        };
        let expected = [
            look(520, &[]),
            look(1000, &[(38, High), (39, Low)]),
            look(1510, &[(38, Low), (59, Input)]),
        ];
        assert_eq!(looks(told), expected);
    }

    #[test]
    fn states_that_do_not_matter_are_taken_together() {
        let looks = looks("1.0 38=out,hi\n1.5 38=out,hi 39=out,lo\n2.0 38=out,lo\n4.0 38=out,hi\n");
        let runs = runs(&looks, |look| look.lines[&38]);
        let seconds: Vec<_> = runs.iter().map(|(s, t)| (*s, t.as_millis())).collect();
        assert_eq!(seconds, [(High, 1000), (Low, 2000), (High, 0)]);
    }
}
