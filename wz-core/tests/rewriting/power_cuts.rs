//! S3 and S4: power fails during every single change of flash and card, in three forms, and again
//! while the run is being finished.
//!
//! The camera goes on by itself at the next power-on. In the end flash holds what was asked for, no
//! cell is marginal, and the SD kernel is put away. At no instant is there a valid SPL with anything
//! but a whole boot loader behind it; where there is no SPL, the boot ROM waits for USB, and what
//! comes back over USB is the boot loader of the run.

use wz_core::event::Outcome;
use wz_core::sim::Cut;

use crate::world::{
    Bench, Booted, Files, Firmware, GUARD, RESTORE, TO_ALPHA, TO_BETA, alpha, alpha_over, beta,
    beta_over, other_alpha,
};

/// A run to be interrupted.
struct Case {
    name: &'static str,
    old: &'static Firmware,
    files: Files,
    wanted: Vec<u8>,
    boots: &'static str,
}

fn cases() -> Vec<Case> {
    let parts = ["boot", "kernel", "rootfs", "para"];
    let mut restored = alpha().flash.clone();
    for part in [0..320 * 1024, 488 * 1024..512 * 1024] {
        restored[part.clone()].copy_from_slice(&other_alpha().flash[part]);
    }
    vec![
        Case {
            name: "restore",
            old: alpha(),
            files: Files::new(RESTORE).with_restore(other_alpha(), &parts),
            wanted: restored,
            boots: "alpha",
        },
        Case {
            name: "alpha to beta",
            old: alpha(),
            files: Files::new(TO_BETA).with_image("beta", "firmware", &beta().flash),
            wanted: beta_over(),
            boots: "beta",
        },
        Case {
            name: "beta to alpha",
            old: beta(),
            files: Files::new(TO_ALPHA).with_partitions(alpha(), &["boot", "kernel", "rootfs"]),
            wanted: alpha_over(&beta().flash),
            boots: "alpha",
        },
    ]
}

/// After the cut, and at most so many power-ons, all is done.
const POWER_ONS: usize = 3;

impl Case {
    fn bench(&self) -> Bench {
        Bench::new(&self.old.flash, &self.files)
    }

    /// How many changes a whole run makes.
    fn operations(&self) -> u64 {
        let mut bench = self.bench();
        let told = bench.run();
        bench.assert_done(&told, &self.wanted, self.boots);
        bench.power.operations()
    }

    /// Switches on until the camera boots its firmware, and looks at what there is.
    fn converges(&self, bench: &mut Bench, what: &str) {
        for _ in 0..POWER_ONS {
            match bench.boots() {
                Booted::SdKernel => {
                    let told = bench.run();
                    let ended = told.ended.outcome;
                    assert!(
                        matches!(
                            ended,
                            Outcome::Success | Outcome::NothingToDo | Outcome::Refused
                        ),
                        "{what}: {} {:?}",
                        told.text(),
                        bench
                            .file("wz_flash-helper/general.conf")
                            .map(|b| String::from_utf8_lossy(&b).into_owned())
                    );
                }
                Booted::Usb => {
                    // The window: the owner brings the boot loader back over USB.
                    self.assert_all_but_the_boot_loader_is_done(bench, what);
                    bench.recover_over_usb(&self.wanted);
                }
                Booted::Firmware(_) => break,
                other => panic!("{what}: {other:?}"),
            }
        }
        self.assert_end(bench, what);
    }

    fn assert_all_but_the_boot_loader_is_done(&self, bench: &Bench, what: &str) {
        let flash = bench.flash.content();
        assert!(
            flash[GUARD..] == self.wanted[GUARD..],
            "{what}: boot loader before the rest"
        );
    }

    fn assert_end(&self, bench: &Bench, what: &str) {
        assert_eq!(bench.boots(), Booted::Firmware(self.boots), "{what}");
        assert!(
            bench.flash.content() == self.wanted,
            "{what}: flash differs"
        );
        assert!(!bench.flash.has_marginal_cells(), "{what}: marginal cells");
    }
}

fn cuts(seed: u64) -> [Cut; 3] {
    [Cut::NotStarted, Cut::Torn { seed }, Cut::DoneUnacknowledged]
}

#[test]
fn after_a_power_cut_at_any_change_the_run_is_finished_at_the_next_power_on() {
    for case in cases() {
        let operations = case.operations();
        assert!(operations > 100, "{}: {operations}", case.name);
        for at in 0..operations {
            for cut in cuts(at * 7919 + 1) {
                let what = format!("{}, cut {at} of {operations}, {cut:?}", case.name);
                let mut bench = case.bench();
                bench.power.fail_after(at, cut);
                bench.run();
                assert!(bench.power.is_off(), "{what}");
                bench.switch_on();
                case.converges(&mut bench, &what);
            }
        }
    }
}
