//! The runs that are interrupted, watched and broken.

use wz_core::event::Outcome;
use wz_core::sim::{Cut, Did};

use crate::world::{
    Bench, Booted, Files, Firmware, GUARD, RESTORE, TO_ALPHA, TO_BETA, alpha, alpha_over, beta,
    beta_over, other_alpha,
};

/// A run, and what is to come of it.
pub struct Case {
    pub name: &'static str,
    pub old: &'static Firmware,
    pub files: Files,
    /// What becomes of any flash.
    pub becomes: fn(&[u8]) -> Vec<u8>,
    /// What becomes of the old flash.
    pub wanted: Vec<u8>,
    pub boots: &'static str,
    /// Where the boot guard ends.
    pub guard: usize,
    /// The images on the card, with their sizes.
    pub images: Vec<(String, usize)>,
}

pub fn cases() -> Vec<Case> {
    vec![restore(), alpha_to_beta(), beta_to_alpha()]
}

pub fn restore() -> Case {
    let parts = ["boot", "kernel", "rootfs", "para"];
    let files = Files::new(RESTORE).with_restore(other_alpha(), &parts);
    Case::new("restore", alpha(), files, restored, "alpha")
}

pub fn alpha_to_beta() -> Case {
    let files = Files::new(TO_BETA).with_image("beta", "firmware", &beta().flash);
    Case::new("alpha to beta", alpha(), files, |_| beta_over(), "beta")
}

pub fn beta_to_alpha() -> Case {
    let files = Files::new(TO_ALPHA).with_partitions(alpha(), &["boot", "kernel", "rootfs"]);
    Case::new("beta to alpha", beta(), files, alpha_over, "alpha")
}

fn restored(old: &[u8]) -> Vec<u8> {
    let mut flash = old.to_vec();
    for part in [0..320 * 1024, 488 * 1024..512 * 1024] {
        flash[part.clone()].copy_from_slice(&other_alpha().flash[part]);
    }
    flash
}

impl Case {
    fn new(
        name: &'static str,
        old: &'static Firmware,
        files: Files,
        becomes: fn(&[u8]) -> Vec<u8>,
        boots: &'static str,
    ) -> Self {
        let images = files
            .paths()
            .into_iter()
            .filter(|path| path.ends_with(".bin"))
            .map(|path| (path.clone(), files.get(path).unwrap().len()))
            .collect();
        let end = |firmware: &Firmware| firmware.partition("boot").len();
        let guard = match boots {
            "beta" => end(beta()),
            _ => end(alpha()),
        };
        Self {
            name,
            old,
            files,
            becomes,
            wanted: becomes(&old.flash),
            boots,
            guard: guard.max(end(old)),
            images,
        }
    }

    pub fn bench(&self) -> Bench {
        Bench::new(&self.old.flash, &self.files)
    }

    /// What is done from the beginning to the end when nothing goes wrong.
    pub fn whole_run(&self) -> Vec<Did> {
        let mut bench = self.bench();
        let trace = bench.traced();
        let told = bench.run();
        bench.assert_done(&told, &self.wanted, self.boots);
        let entries = trace.entries();
        let changes = entries.iter().filter(|did| is_change(did)).count();
        assert_eq!(changes as u64, bench.power.operations(), "{}", self.name);
        entries
    }

    /// The camera after power failed when so many blocks had been erased.
    pub fn cut_after_erases(&self, erases: usize) -> Bench {
        let trace = self.whole_run();
        let changes = trace.iter().filter(|did| is_change(did));
        let mut erased = changes
            .enumerate()
            .filter(|(_, did)| matches!(did, Did::Erased(_)));
        let (at, _) = erased.nth(erases).unwrap();
        self.cut_at(at as u64, Cut::Torn { seed: 5 })
    }

    /// How many changes a whole run makes.
    pub fn operations(&self) -> u64 {
        self.whole_run().iter().filter(|did| is_change(did)).count() as u64
    }

    /// The camera after power failed in that change.
    pub fn cut_at(&self, at: u64, cut: Cut) -> Bench {
        let mut bench = self.bench();
        bench.power.fail_after(at, cut);
        bench.run();
        assert!(bench.power.is_off(), "{}, {at}, {cut:?}", self.name);
        bench.switch_on();
        bench
    }

    /// Switches on until the camera boots its firmware, and looks at what there is.
    pub fn converges(&self, bench: &mut Bench, power_ons: usize, what: &str) {
        for _ in 0..power_ons {
            if !self.power_on(bench, what) {
                break;
            }
        }
        self.assert_end(bench, what);
    }

    /// Switches on; false if the camera boots its firmware. Power may fail.
    pub fn power_on(&self, bench: &mut Bench, what: &str) -> bool {
        match bench.boots() {
            Booted::SdKernel => {
                let told = bench.run();
                let is_fine = matches!(
                    told.ended.outcome,
                    Outcome::Success | Outcome::NothingToDo | Outcome::Refused
                );
                assert!(is_fine || bench.power.is_off(), "{what}: {}", told.text());
            }
            Booted::Usb => {
                // The window: the owner brings the boot loader back over USB.
                let is_done = bench.flash.content()[GUARD..] == self.wanted[GUARD..];
                assert!(is_done, "{what}: boot loader before the rest");
                bench.recover_over_usb(&self.wanted);
            }
            Booted::Firmware(_) => return false,
            other => panic!("{what}: {other:?}"),
        }
        true
    }

    pub fn assert_end(&self, bench: &Bench, what: &str) {
        assert_eq!(bench.boots(), Booted::Firmware(self.boots), "{what}");
        assert!(
            bench.flash.content() == self.wanted,
            "{what}: flash differs"
        );
        assert!(!bench.flash.has_marginal_cells(), "{what}: marginal cells");
    }
}

/// Whether power can fail in it.
pub fn is_change(did: &Did) -> bool {
    !matches!(
        did,
        Did::ReadFlash(_) | Did::ReadCard(_) | Did::ReadCardAt { .. } | Did::ReadBack(_)
    )
}

pub fn cuts(seed: u64) -> [Cut; 3] {
    [Cut::NotStarted, Cut::Torn { seed }, Cut::DoneUnacknowledged]
}
