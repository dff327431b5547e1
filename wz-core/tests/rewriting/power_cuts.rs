//! S3 and S4: power fails during every single change of flash and card, in three forms.
//!
//! The camera goes on by itself at the next power-on. In the end flash holds what was asked for, no
//! cell is marginal, and the SD kernel is put away. At no instant is there a valid SPL with anything
//! but a whole boot loader behind it; where there is no SPL, the boot ROM waits for USB, and what
//! comes back over USB is the boot loader of the run.

use crate::cases::{cases, cuts};
use crate::parallel;

/// After the cut, and at most so many power-ons, all is done.
const POWER_ONS: usize = 3;

#[test]
fn after_a_power_cut_at_any_change_the_run_is_finished_at_the_next_power_on() {
    for case in cases() {
        let operations = case.operations();
        assert!(operations > 100, "{}: {operations}", case.name);
        let all: Vec<u64> = (0..operations).collect();
        parallel::each(&all, |&at| {
            for cut in cuts(at * 7919 + 1) {
                let what = format!("{}, cut {at} of {operations}, {cut:?}", case.name);
                let mut bench = case.cut_at(at, cut);
                case.converges(&mut bench, POWER_ONS, &what);
            }
        });
    }
}
