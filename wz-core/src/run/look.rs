//! What camera this is and what its card says, for commands that only want to know.

use super::asked::{read_config, with_card_profiles};
use super::chip::find_chip;
use super::finding::detect_camera;
use super::{ChipEvidence, FlashUnit, Stop, Surroundings};
use crate::card::Card;
use crate::config::{GeneralConf, Given, Name};
use crate::detect::{self, Camera, Detected, Manual};
use crate::event::{Event, Problem, Reporter};
use crate::profile::{Catalogue, Chip, Firmware, Soc};

/// A camera with its card.
#[derive(Clone, Debug)]
pub struct Sight {
    /// All profiles, those on the card included.
    pub catalogue: Catalogue,
    /// The camera.
    pub camera: Camera,
    /// What `general.conf` says; nothing if there is none.
    pub conf: GeneralConf,
}

/// Looks at camera and card. Remarks go to `reporter`.
///
/// # Errors
/// Everything that keeps the camera from being known.
pub fn look(
    card: &mut dyn Card,
    flash: &mut FlashUnit<'_>,
    chip: &ChipEvidence,
    surroundings: &mut dyn Surroundings,
    reporter: &mut dyn Reporter,
) -> Result<Sight, Vec<Problem>> {
    let conf = match read_config(card, reporter) {
        Ok(reading) => reading.map(|reading| reading.value).unwrap_or_default(),
        Err(stop) => return Err(reasons(stop)),
    };
    let catalogue = with_card_profiles(card).map_err(reasons)?;
    let (soc, chip) = find_chip(&catalogue, chip).map_err(|problem| vec![problem])?;
    let camera = camera(
        &catalogue,
        &conf,
        (soc, chip),
        flash,
        surroundings,
        reporter,
    );
    let camera = camera.map_err(|problem| vec![problem])?;
    Ok(Sight {
        catalogue,
        camera,
        conf,
    })
}

fn reasons(stop: Stop) -> Vec<Problem> {
    match stop {
        Stop::Refused(problems) => problems,
        Stop::Failed(problem) => vec![problem],
        Stop::PlanAnew(_) => Vec::new(),
    }
}

fn camera(
    catalogue: &Catalogue,
    conf: &GeneralConf,
    (soc, chip): (&Soc, &Chip),
    flash: &mut FlashUnit<'_>,
    surroundings: &mut dyn Surroundings,
    reporter: &mut dyn Reporter,
) -> Result<Camera, Problem> {
    detect::check_size(&flash.device, soc)?;
    let given = |name: &Option<Given<Name>>| name.as_ref().map(|given| given.value.to_string());
    let manual = Manual {
        firmware: given(&conf.manual_current_firmware),
        model: given(&conf.manual_model),
    };
    let detected = detect_camera(
        catalogue,
        (soc, chip),
        flash,
        &manual,
        surroundings,
        reporter,
    );
    let Detected { camera, remarks } = detected?;
    remarks
        .into_iter()
        .for_each(|remark| reporter.report(&Event::Remark(remark)));
    Ok(camera)
}

impl Sight {
    /// The firmwares that this camera may have.
    pub fn firmwares(&self) -> &[Firmware] {
        self.catalogue.firmwares(&self.camera.facts.soc)
    }

    /// The firmware that `general.conf` names as the next one.
    pub fn next_firmware(&self) -> Option<&str> {
        let next = self.conf.next_firmware.as_ref()?;
        Some(next.value.as_str())
    }
}
