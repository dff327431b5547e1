//! Power that goes at the wrong moment, and what comes of it.

use crate::camera::Camera;
use crate::error::{Error, Result};
use crate::run::Ended;
use crate::uboot::Booted;

/// How often a camera may start over once its power stays on.
const MOST_POWER_ONS: usize = 3;

impl Camera {
    /// Switches the power on, and cuts it as soon as the serial console shows `text`.
    ///
    /// # Errors
    /// The text is never shown.
    pub fn cut_power_at(&mut self, text: &str) -> Result<Ended> {
        let mut run = self.power_on()?;
        run.wait_for(text)?;
        run.cut_power()
    }

    /// Switches the power on; it goes in the middle of a flash operation, after `operations` erased
    /// blocks and programmed slices of 4 KiB. If there are not so many, the run ends by itself.
    ///
    /// # Errors
    /// No SD kernel is booted, or the run does not end.
    pub fn cut_power_after(&mut self, operations: u64) -> Result<Ended> {
        self.power_on_until_flash_operation(operations)?
            .wait_until_off()
    }

    /// Switches the power on again and again, as an owner would, until something else than an SD
    /// kernel is booted. Returns all that was booted.
    ///
    /// # Errors
    /// SD kernels are booted for ever: the error has the transcript of the last one.
    pub fn converges(&mut self) -> Result<Vec<Booted>> {
        let mut all = Vec::new();
        let mut last = String::new();
        for _ in 0..=MOST_POWER_ONS {
            let run = self.power_on()?;
            let booted = run.booted().clone();
            all.push(booted.clone());
            if !matches!(booted, Booted::SdKernel { .. }) {
                return Ok(all);
            }
            last = run.wait_until_off()?.transcript;
        }
        Err(Error::Fixture(format!(
            "an SD kernel was booted {MOST_POWER_ONS} times, and still is:\n{last}"
        )))
    }
}
