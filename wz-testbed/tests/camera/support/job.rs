//! A run that writes flash on the emulated camera, and what it has to come to, whatever comes between.

use std::time::Duration;

use wz_testbed::{
    Booted, Camera, CameraBuilder, Card, Dead, Ended, Expected, Firmware, Image, Images, PowerOff,
    Recipe, Scope, Work, slices,
};

use super::writing::{
    boot, boots_whole, conf_is, images, kernel_is_away, restore_card, switch_conf, switched_off,
};
use super::{card, codes, result, stock};

/// What the flash chip programs in one go.
const SLICE: u64 = 4096;
/// Saving, switching and going back takes a while on a busy computer.
const PATIENCE: Duration = Duration::from_secs(240);
const JOURNAL: &str = "wz_flash-helper/journal.bin";
const NO_SAFETY_BACKUP: &str = "safety_backup=\"no\"\n";

/// Whether the old firmware is saved before flash is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SafetyBackup {
    Made,
    TurnedOff,
}

/// Something that a camera is asked to do, and what it has to come to.
pub struct Job {
    pub name: &'static str,
    pub from: Firmware,
    pub to: Firmware,
    /// What its images are of.
    pub source: Firmware,
    pub card: Card,
    pub expected: Expected,
    /// Flash operations that it takes, about.
    pub operations: u64,
    /// The configuration that it leaves.
    pub conf: Option<String>,
}

impl Job {
    /// Boot and some small partitions of another build.
    pub fn restore(safety_backup: SafetyBackup) -> Self {
        const PARTITIONS: [&str; 4] = ["boot", "kernel", "cfg", "para"];
        let options = match safety_backup {
            SafetyBackup::Made => "",
            SafetyBackup::TurnedOff => NO_SAFETY_BACKUP,
        };
        let from = stock();
        let recipe = Recipe::of("t31", "stock").expect("a profile").seed(2);
        let source = recipe.build().expect("a firmware");
        let images = images(&source, &PARTITIONS);
        let contents = images.iter().map(Image::content);
        let by_partition: Images<'_> = PARTITIONS.into_iter().zip(contents).collect();
        let expected = Expected::of_restore(from.image(), from.layout(), &by_partition);
        let expected = expected.expect("images that fit");
        Self {
            name: "restore",
            card: restore_card(&from, &images, options),
            operations: operations(&from, &expected, &from),
            expected,
            source,
            to: from.clone(),
            from,
            conf: None,
        }
    }

    /// From stock to thingino.
    pub fn switch(safety_backup: SafetyBackup) -> Self {
        let (from, to) = (stock(), Firmware::of("t31", "thingino").expect("a profile"));
        let without = switch_conf("thingino", Scope::Base);
        let conf = match safety_backup {
            SafetyBackup::Made => without.replace(NO_SAFETY_BACKUP, ""),
            SafetyBackup::TurnedOff => without,
        };
        let needed = Scope::Base.needed(to.layout());
        let images = slices(to.image(), to.layout());
        let expected = Expected::of_switch(from.image(), to.layout(), Scope::Base, &images);
        let expected = expected.expect("images that fit");
        let card = card("t31", &conf).with_partition_images(&to, &needed);
        Self {
            name: "switch_firmware",
            card: card.expect("images"),
            operations: operations(&from, &expected, &to),
            expected,
            source: to.clone(),
            to,
            from,
            conf: Some(switched_off(&conf)),
        }
    }

    pub fn camera(&self) -> Camera {
        self.camera_parts().build().expect("a camera")
    }

    pub fn camera_parts(&self) -> CameraBuilder {
        let camera = Camera::of(&self.from).card(self.card.clone());
        camera.patience(PATIENCE)
    }

    /// Switches the power on until the camera is at rest, and proves that the job is done.
    pub fn comes_to_its_end(&self, camera: &mut Camera, cut: &str) {
        let mut booted = camera.converges().expect(cut);
        if booted.last() == Some(&Booted::Nothing { why: Dead::UsbBoot }) {
            self.revive_over_usb(camera, cut);
            booted = camera.converges().expect(cut);
        }
        let firmware = Booted::whole_firmware(self.to.name());
        assert_eq!(booted.last(), Some(&firmware), "{cut}: {booted:?}");
        let faults = self.expected.faults(&camera.flash().expect("flash"));
        assert_eq!(faults.expect("tools"), [""; 0], "{cut}");
        kernel_is_away(camera, self.from.sd_kernel(), &[&self.from, &self.to]);
        // With the SD kernel away, all is done but the record of it, which nobody can write any more.
        let outcome = &result(camera)["outcome"];
        let was_done_before = booted.len() == 1 && outcome == "unfinished";
        assert!(outcome == "success" || was_done_before, "{cut}: {outcome}");
        if let Some(conf) = &self.conf {
            conf_is(camera, conf);
        }
    }

    /// While the boot partition is rewritten there is no safe instant; but all else is done by then,
    /// and the boot ROM waits for USB instead of starting half a boot loader.
    fn revive_over_usb(&self, camera: &mut Camera, cut: &str) {
        let boot = boot(&self.to).size.as_usize();
        let old = &self.from.image()[..boot];
        let mut flash = camera.flash().expect("flash");
        flash[..boot].copy_from_slice(&self.expected.flash()[..boot]);
        let faults = self.expected.faults(&flash);
        assert_eq!(
            faults.expect("tools"),
            [""; 0],
            "{cut}: boot was not the last"
        );
        flash[..boot].copy_from_slice(old);
        camera.program_flash(&flash).expect("programmed");
    }

    /// It failed with these codes, and the old firmware is whole again.
    pub fn is_undone(&self, camera: &Camera, ended: &Ended, failures: &[&str]) {
        let result = result(camera);
        let said = format!("{result:#}\n{}", ended.transcript);
        assert_eq!(ended.why, PowerOff::Reboot, "{said}");
        assert_eq!(result["outcome"], "failed", "{said}");
        assert_eq!(codes(&result, "failures"), failures, "{said}");
        let remarks = codes(&result, "remarks");
        assert!(remarks.contains(&"WZ-0712".to_owned()), "{said}");
        assert!(
            camera.flash().expect("flash") == self.from.image(),
            "{said}"
        );
        boots_whole(camera, &self.from);
        kernel_is_away(camera, self.from.sd_kernel(), &[&self.from, &self.to]);
        let journal = camera.card().expect("a card").has(JOURNAL);
        assert!(!journal.expect("a listing"), "{said}");
    }

    /// It stopped half-way, said so, and can go on.
    pub fn is_open(&self, camera: &Camera, ended: &Ended) {
        let said = &ended.transcript;
        assert!(!ended.serial.contains("Result: success"), "{said}");
        assert!(ended.serial.contains("Result: failed"), "{said}");
        let faults = self.expected.faults(&camera.flash().expect("flash"));
        assert_ne!(faults.expect("tools"), [""; 0], "all was written: {said}");
        let booted = camera.boots().expect("a boot");
        assert_eq!(booted, Booted::sd_kernel(self.from.sd_kernel()), "{said}");
    }
}

fn operations(from: &Firmware, expected: &Expected, to: &Firmware) -> u64 {
    let work = Work::to_rewrite(from.image(), expected.flash(), boot(to));
    work.erases + work.programmed / SLICE
}
