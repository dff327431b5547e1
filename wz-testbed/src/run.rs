//! A camera that is switched on: its serial console, and the ways in which it goes off.

use std::time::Duration;

use serde_json::json;

use crate::camera::Camera;
use crate::counters::NorCounters;
use crate::error::{Error, Result, WaitEnded};
use crate::evidence::BootEvidence;
use crate::nbd::Faults;
use crate::qemu::{Machine, PowerOff};
use crate::uboot::Booted;

/// A camera that is switched on. While it is, nobody can look at its flash and card: end it with
/// [`Run::wait_until_off`] or [`Run::cut_power`]. Dropping it cuts the power.
#[derive(Debug)]
pub struct Run<'a> {
    camera: &'a mut Camera,
    evidence: BootEvidence,
    booted: Booted,
    said: Vec<String>,
    machine: Option<Machine>,
    /// Whether the flash chip takes the power away in the middle of its work.
    chip_cuts_power: bool,
    /// Up to where the test has waited for the serial console.
    seen: usize,
}

/// What is left of a run: all that the serial console showed, and how it ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Why the camera is off.
    pub why: PowerOff,
    /// All that the serial console showed, in plain text.
    pub serial: String,
    /// The flash chip's work, if the kernel got to tell it: not after a power cut.
    pub nor: Option<NorCounters>,
    /// The same as `serial`, each line with the seconds since power-on.
    pub transcript: String,
}

impl Ended {
    /// The steps that the serial console showed, each once, in their order: `-> Read flash: ...`.
    pub fn steps(&self) -> Vec<String> {
        let mut steps: Vec<String> = Vec::new();
        for line in self.serial.lines().filter(|line| line.starts_with("-> ")) {
            let step = line.rsplit_once(" ...").map_or(line, |(step, _)| step);
            if !steps.iter().any(|known| known == step) {
                steps.push(step.to_owned());
            }
        }
        steps
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        camera: &'a mut Camera,
        evidence: BootEvidence,
        booted: Booted,
        said: Vec<String>,
        machine: Option<Machine>,
        chip_cuts_power: bool,
    ) -> Self {
        Self {
            camera,
            evidence,
            booted,
            said,
            machine,
            chip_cuts_power,
            seen: 0,
        }
    }

    /// What the camera has booted.
    pub fn booted(&self) -> &Booted {
        &self.booted
    }

    /// What U-Boot said on the way: why it took no kernel from the card.
    pub fn uboot_said(&self) -> &[String] {
        &self.said
    }

    /// Waits until the serial console shows `text`, behind what was waited for before.
    ///
    /// # Errors
    /// With the whole transcript: it is not shown in time, or the camera goes off.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let (from, patience) = (self.seen, self.camera.patience);
        let waited = self.machine()?.serial.wait_for(text, from, patience);
        self.seen = waited.map_err(|why| self.not_seen(&format!("{text:?}"), why))?;
        Ok(())
    }

    /// All that the serial console has shown so far, in plain text.
    pub fn serial(&self) -> String {
        self.machine
            .as_ref()
            .map(|m| m.serial.text())
            .unwrap_or_default()
    }

    /// When the line was shown that has `text` in it, counted from power-on.
    pub fn time_of(&self, text: &str) -> Option<Duration> {
        self.machine.as_ref()?.serial.time_of(text)
    }

    /// Presses a key on the serial console: space.
    pub fn press_key(&mut self) -> Result<()> {
        self.machine()?.type_bytes(b" ")
    }

    /// Types a line on the serial console.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        self.machine()?.type_bytes(format!("{line}\n").as_bytes())
    }

    /// Pulls the card out of its slot.
    pub fn pull_card(&mut self) -> Result<()> {
        self.machine()?
            .qmp
            .command("blockdev-remove-medium", json!({ "id": "card" }))
            .map(drop)
    }

    /// Changes what is wrong with a card that has had faults from the start.
    pub fn change_card_faults(&mut self, change: impl FnOnce(&mut Faults)) -> Result<()> {
        self.camera.change_faults(change)
    }

    /// Cuts the power, now.
    pub fn cut_power(mut self) -> Result<Ended> {
        self.machine()?.kill();
        self.end(PowerOff::Cut)
    }

    /// Waits until the program restarts the camera or switches it off.
    ///
    /// # Errors
    /// With the whole transcript: it does not happen in time, or QEMU fails.
    pub fn wait_until_off(mut self) -> Result<Ended> {
        let patience = self.camera.patience;
        let waited = self.machine()?.serial.wait_for_end(patience);
        waited.map_err(|why| self.not_seen("the end", why))?;
        let why = self.machine()?.ended()?;
        self.end(why)
    }

    fn end(mut self, why: PowerOff) -> Result<Ended> {
        let (patience, chip_cuts_power) = (self.camera.patience, self.chip_cuts_power);
        let serial = &self.machine()?.serial;
        // What was in the pipe when QEMU ended is still being read.
        let read = serial.wait_for_end(patience);
        let (text, transcript) = (serial.text(), serial.transcript());
        read.map_err(|why| self.not_seen("the end", why))?;
        let nor = NorCounters::in_text(&text);
        Ok(Ended {
            why: match why {
                PowerOff::Reboot if chip_cuts_power && nor.is_none() => PowerOff::Cut,
                why => why,
            },
            nor,
            serial: text,
            transcript,
        })
    }

    fn machine(&mut self) -> Result<&mut Machine> {
        match &mut self.machine {
            Some(machine) => Ok(machine),
            None => Err(Error::NotRunning(format!(
                "{}\n{}",
                self.booted,
                self.said.join("\n")
            ))),
        }
    }

    fn not_seen(&mut self, wanted: &str, why: WaitEnded) -> Error {
        let Some(machine) = &mut self.machine else {
            return Error::NotRunning(self.booted.to_string());
        };
        if why == WaitEnded::PowerOff
            && let Err(crashed) = machine.ended()
        {
            return crashed;
        }
        Error::NotSeen {
            wanted: wanted.to_owned(),
            why,
            transcript: machine.serial.transcript(),
            kept_in: self.evidence.dir().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_once_and_without_their_progress() {
        let ended = Ended {
            why: PowerOff::Reboot,
            serial: "wz\n-> Read flash: 16M ...\n-> Read flash: 16M ... 7%\n\
                     -> Read flash: 16M ... ok\n   8 files\n-> Verify file: a.bin ... ok\n"
                .to_owned(),
            nor: None,
            transcript: String::new(),
        };

        assert_eq!(
            ended.steps(),
            ["-> Read flash: 16M", "-> Verify file: a.bin"]
        );
    }
}
