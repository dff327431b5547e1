//! S11: chip and card fail in every way that the simulations know, one to three at a time, at places
//! chosen by a seed; for every fourth seed power fails as well.
//!
//! Whatever happens, nothing is reported as done that is not, and the camera has something to boot.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use wz_core::event::Outcome;
use wz_core::flash::Fault;
use wz_core::sim::{CardFault, Cut, seeded_faults};

use crate::cases::{Case, cases};
use crate::chance::Chance;
use crate::effort;
use crate::parallel;
use crate::world::{Bench, MAGIC, Told};

/// Times [`effort::factor`].
const SEEDS: u64 = 2000;
/// After a cut, so many power-ons are looked at.
const POWER_ONS: usize = 2;

/// A run of which everything is known but what goes wrong.
struct Stage {
    case: Case,
    bench: Bench,
    flash_operations: u64,
    card_operations: u64,
    changes: u64,
}

impl Stage {
    fn new(case: Case) -> Self {
        use wz_core::sim::Did;
        let trace = case.whole_run();
        let is_flash = |did: &&Did| {
            matches!(
                did,
                Did::Erased(_) | Did::Programmed { .. } | Did::ReadFlash(_)
            )
        };
        let flash = trace.iter().filter(is_flash).count();
        Self {
            bench: case.bench(),
            flash_operations: flash as u64,
            card_operations: (trace.len() - flash) as u64,
            changes: case.operations(),
            case,
        }
    }
}

/// What goes wrong.
#[derive(Debug)]
struct Trouble {
    flash: Vec<Fault>,
    card: Vec<CardFault>,
    cut: Option<(u64, Cut)>,
}

impl Trouble {
    fn of(seed: u64, stage: &Stage) -> Self {
        let (flash, card) = seeded_faults(seed, stage.flash_operations, stage.card_operations);
        let chance = &mut Chance::new(seed ^ 0xC07);
        let cut = (chance.below(4) == 0).then(|| (chance.below(stage.changes), chance.cut()));
        Self { flash, card, cut }
    }

    /// Whether cells of the boot guard are broken for good.
    fn is_in_the_guard(&self, guard: usize) -> bool {
        self.flash.iter().any(|fault| match fault {
            Fault::UnreadableAt(at) | Fault::FlippedBitAt(at) | Fault::StuckAtZero { at, .. } => {
                at.as_usize() < guard
            }
            _ => false,
        })
    }

    /// Whether what is read is not what is there, each time alike: nobody can know better.
    fn lies_in_flash(&self) -> bool {
        let lies = |fault: &Fault| matches!(fault, Fault::FlippedBitAt(_));
        self.flash.iter().any(lies)
    }

    /// Whether a file may read as something else, what the owner asks for among it.
    fn garbles_files(&self) -> bool {
        let garbles = |fault: &CardFault| matches!(fault, CardFault::FlipsOnRead { .. });
        self.card.iter().any(garbles)
    }
}

/// A camera in trouble, and what it may boot.
struct Trial<'a> {
    case: &'a Case,
    trouble: Trouble,
    bench: Bench,
    /// What was in flash, broken cells included.
    old: Vec<u8>,
    wanted: Vec<u8>,
    told: Vec<Told>,
}

impl<'a> Trial<'a> {
    fn new(seed: u64, stages: &'a [Stage]) -> Self {
        let stage = &stages[(seed % stages.len() as u64) as usize];
        let trouble = Trouble::of(seed, stage);
        let mut bench = stage.bench.fork();
        for fault in &trouble.flash {
            bench.flash.break_it(*fault);
        }
        for fault in &trouble.card {
            bench.card.break_it(*fault);
        }
        if let Some((at, cut)) = trouble.cut {
            bench.power.fail_after(at, cut);
        }
        let old = bench.flash.content().to_vec();
        Self {
            case: &stage.case,
            wanted: (stage.case.becomes)(&old),
            trouble,
            bench,
            old,
            told: Vec::new(),
        }
    }

    /// Switches on, once or until nothing more happens; what is wrong with what came of it.
    fn run(&mut self) -> Result<(), String> {
        self.power_on()?;
        if !self.bench.power.is_off() {
            return Ok(());
        }
        self.bench.switch_on();
        self.something_boots()?;
        for _ in 0..POWER_ONS {
            if self.boot_loader()? != Boots::Something || !self.has_kernel() {
                break;
            }
            self.power_on()?;
        }
        Ok(())
    }

    fn power_on(&mut self) -> Result<(), String> {
        let told = self.bench.run();
        let outcome = told.ended.outcome;
        self.told.push(told);
        if self.bench.power.is_off() {
            return Ok(());
        }
        self.something_boots()?;
        match outcome {
            Outcome::Success => self.is_done(),
            Outcome::NothingToDo if self.trouble.garbles_files() => self.is_untouched(),
            Outcome::NothingToDo => self.holds_what_is_wanted(),
            _ => Ok(()),
        }
    }

    /// Or all done: by a power-on before that did not get to say so.
    fn is_untouched(&self) -> Result<(), String> {
        let flash = self.bench.flash.content();
        match *flash == *self.old || *flash == *self.wanted {
            true => Ok(()),
            false => Err("nothing to do, and flash is not as it was".to_owned()),
        }
    }

    fn holds_what_is_wanted(&self) -> Result<(), String> {
        let flash = self.bench.flash.content();
        match flash.iter().zip(&self.wanted).position(|(a, b)| a != b) {
            None => Ok(()),
            Some(at) => Err(format!("success, and flash differs at {at:#x}")),
        }
    }

    fn is_done(&self) -> Result<(), String> {
        self.holds_what_is_wanted()?;
        if self.has_kernel() {
            return Err("success, and the kernel is bootable".to_owned());
        }
        if self.bench.file("wz_flash-helper/journal.bin").is_some() {
            return Err("success, and a journal is left".to_owned());
        }
        let files = self.bench.card.files();
        let is_backup = |path: &str| path.ends_with("_all.bin") && !path.contains(".partial/");
        let mut backups = files.iter().filter(|(path, _)| is_backup(path));
        match backups.any(|(_, backup)| *backup == self.old || self.trouble.lies_in_flash()) {
            true => Ok(()),
            false => Err("success without a right backup".to_owned()),
        }
    }

    fn has_kernel(&self) -> bool {
        let names = ["alpha_kernel", "beta_kernel"];
        names.iter().any(|name| self.bench.has_kernel(name))
    }

    /// What the boot ROM finds.
    fn boot_loader(&self) -> Result<Boots, String> {
        let flash = self.bench.flash.content();
        let guard = self.case.guard;
        let is_whole = |whole: &[u8]| flash[..guard] == whole[..guard];
        let may_be_lost = self.trouble.is_in_the_guard(guard) || self.trouble.cut.is_some();
        match () {
            () if is_whole(&self.old) || is_whole(&self.wanted) => Ok(Boots::Something),
            () if !flash.starts_with(&MAGIC) && may_be_lost => Ok(Boots::Usb),
            () if !flash.starts_with(&MAGIC) => Err("no SPL, without a reason".to_owned()),
            // A boot loader of 40K, and what is behind it is not in the guard of its own firmware.
            () if self.old_boot_loader_is_whole() => Ok(Boots::Something),
            () => Err("a valid SPL with something else behind it".to_owned()),
        }
    }

    fn old_boot_loader_is_whole(&self) -> bool {
        let end = self.case.old.partition("boot").len();
        self.bench.flash.content()[..end] == self.old[..end]
    }

    /// The old firmware, the new one, or the program.
    fn something_boots(&self) -> Result<(), String> {
        if self.boot_loader()? == Boots::Usb || self.has_kernel() {
            return Ok(());
        }
        let flash = self.bench.flash.content();
        match *flash == *self.old || *flash == *self.wanted {
            true => Ok(()),
            false => Err("neither firmware is whole, and there is no kernel".to_owned()),
        }
    }

    fn story(&self) -> String {
        let mut story = format!("{}: {:#?}\n", self.case.name, self.trouble);
        for told in &self.told {
            let codes = [told.codes("refusals"), told.codes("failures")];
            let _ = writeln!(story, "{:?} {codes:?}", told.ended);
        }
        story
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Boots {
    Something,
    Usb,
}

fn stages() -> Vec<Stage> {
    cases().into_iter().map(Stage::new).collect()
}

/// What is wrong with what comes of this seed.
fn failure(seed: u64, stages: &[Stage]) -> Option<String> {
    let mut trial = Trial::new(seed, stages);
    let result = catch_unwind(AssertUnwindSafe(|| trial.run()));
    let what = match result {
        Ok(Ok(())) => return None,
        Ok(Err(what)) => what,
        Err(_) => "panic".to_owned(),
    };
    Some(format!(
        "{what}; {}\nWZ_SEED={seed} cargo test -p wz-core --test rewriting replay -- --nocapture",
        trial.story()
    ))
}

#[test]
fn no_fault_of_chip_and_card_ends_in_a_wrong_success_or_a_camera_without_anything_to_boot() {
    let stages = stages();
    let failures = Mutex::new(Vec::new());
    let seeds: Vec<u64> = (0..SEEDS * effort::factor()).collect();
    parallel::each(&seeds, |seed| {
        if let Some(failure) = failure(*seed, &stages) {
            failures.lock().unwrap().push(failure);
        }
    });
    let failures = failures.into_inner().unwrap();
    let first: Vec<&String> = failures.iter().take(400).collect();
    for failure in &first {
        println!("{failure}\n");
    }
    assert!(
        failures.is_empty(),
        "{} of {} seeds",
        failures.len(),
        seeds.len()
    );
}

/// Runs one seed, that of `WZ_SEED`, and tells what came of it.
#[test]
fn replay() {
    let seed = std::env::var("WZ_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let (seed, stages) = (seed.unwrap_or(1), stages());
    let mut trial = Trial::new(seed, &stages);
    let result = trial.run();
    println!("seed {seed}, {}", trial.story());
    for told in &trial.told {
        println!("{}", told.text());
    }
    assert_eq!(result, Ok(()));
}
