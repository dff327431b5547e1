//! What camera this is, told to everyone who has to know.

use super::chip::find_chip;
use super::{FlashUnit, Scene, Surroundings, notes};
use crate::card::{Card, CardPath};
use crate::config::{Mode, Request, Volume};
use crate::detect::{self, Camera, Detected, Manual};
use crate::event::{Event, Phase, Problem, Reporter};
use crate::execute::environment;
use crate::profile::{Catalogue, Chip, Soc};

impl Scene<'_, '_> {
    /// Finds the camera, once its U-Boot environment is as it should be.
    pub(super) fn find_camera<'c>(
        &mut self,
        catalogue: &'c Catalogue,
        request: &Request,
    ) -> Result<(&'c Soc, Camera), Problem> {
        let (soc, chip) = find_chip(catalogue, self.chip)?;
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        detect::check_size(&flash.device, soc)?;
        put_environment_right(request.mode, flash, self.card, self.reporter)?;
        let began = self.surroundings.since_power_on();
        let manual = Manual {
            firmware: request.manual_firmware.as_ref().map(ToString::to_string),
            model: request.manual_model.as_ref().map(ToString::to_string),
        };
        let detected = detect_camera(
            catalogue,
            (soc, chip),
            flash,
            &manual,
            self.surroundings,
            self.reporter,
        )?;
        let camera = self.introduce(soc, detected, request.sound);
        let flash = self.flash.as_mut().map_err(|problem| problem.clone())?;
        self.reporter
            .report(&notes::about(&camera, soc, self.chip, flash));
        self.end_phase(Phase::Detect, began);
        Ok((soc, camera))
    }

    /// Tells what the camera is, to those first who show and speak on it.
    fn introduce(&mut self, soc: &Soc, detected: Detected, sound: Option<Volume>) -> Camera {
        let Detected {
            camera,
            mut remarks,
        } = detected;
        let fittings = soc.fittings(camera.facts.model.as_deref());
        if sound.is_some() && fittings.audio.is_none() {
            remarks.push(no_speaker(&camera));
        }
        self.surroundings.fit_out(&fittings, sound);
        self.reporter.report(&Event::Camera(camera.facts.clone()));
        remarks
            .into_iter()
            .for_each(|remark| self.reporter.report(&Event::Remark(remark)));
        camera
    }
}

fn no_speaker(camera: &Camera) -> Problem {
    let why = match &camera.facts.model {
        Some(model) => format!("no profile tells of a speaker of the model {model}"),
        None => "the model of this camera is not known".to_owned(),
    };
    Problem::NoSound { why }
}

/// Before anything else looks at flash: a U-Boot environment that was being written when power failed.
fn put_environment_right(
    mode: Mode,
    flash: &mut FlashUnit<'_>,
    card: &mut dyn Card,
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let told = match mode {
        Mode::DryRun => environment::pending(card)?,
        Mode::Real => match environment::put_back(flash.chip, card, reporter) {
            Ok(()) => None,
            // It concerns another camera; this one is as it is.
            Err(problem @ Problem::EnvironmentStrange { .. }) => Some(problem),
            Err(problem) => return Err(problem),
        },
    };
    if let Some(problem) = told {
        reporter.report(&Event::Remark(problem));
    }
    Ok(())
}

/// Finds out what camera this is, with the scripts of profiles where rules do not tell.
pub(super) fn detect_camera(
    catalogue: &Catalogue,
    (soc, chip): (&Soc, &Chip),
    flash: &mut FlashUnit<'_>,
    manual: &Manual,
    surroundings: &mut dyn Surroundings,
    reporter: &mut dyn Reporter,
) -> Result<Detected, Problem> {
    let mut ask = |script: &str| {
        let script = CardPath::profiles().join(script);
        surroundings.ask_script(&script, (&soc.name, &chip.name), reporter)
    };
    detect::detect(
        catalogue,
        (soc, chip),
        &flash.device,
        manual,
        flash.chip,
        flash.file_systems,
        &mut ask,
    )
}
