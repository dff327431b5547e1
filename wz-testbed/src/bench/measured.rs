//! Runs a scenario on an emulated camera, and collects what it cost.

use std::time::Duration;

use serde_json::Value;
use wz_testbed::{
    Camera, CardTraffic, ERASE_BLOCK, Ended, Error, Faults, NorCounters, Result, Work,
};

use super::model;
use super::scenario::Scenario;

/// The modelled chip takes minutes for what QEMU's own does in seconds.
const PATIENCE: Duration = Duration::from_secs(600);

/// The phases that make up an operation: finding out what to do, and doing it.
const OPERATION: [&str; 2] = ["plan", "execute"];
/// The part of the latter in which flash is written.
const WRITING: &str = "write";

/// What a run cost.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// From the plan to the end of the operation, as the program tells.
    pub(super) operation: Duration,
    /// The part of it in which flash was written.
    pub(super) writing: Option<Duration>,
    pub(super) nor: NorCounters,
    /// What the chip had to do, by its content before and after.
    pub(super) due: Work,
    /// Bytes in blocks that differ from before.
    pub(super) rewritten: u64,
    pub(super) boot_differs: bool,
    /// Only where the card was watched.
    pub(super) traffic: Option<CardTraffic>,
    pub(super) peak_memory: u64,
}

pub(super) fn with_fast_card(scenario: &Scenario) -> Result<Measured> {
    measure(scenario, None)
}

pub(super) fn with_slow_card(scenario: &Scenario, bytes_per_second: u64) -> Result<Measured> {
    let slow = Faults {
        bytes_per_second: Some(bytes_per_second),
        ..Faults::default()
    };
    measure(scenario, Some(slow))
}

fn measure(scenario: &Scenario, faults: Option<Faults>) -> Result<Measured> {
    let mut camera = camera(scenario, faults)?;
    let ended = camera.power_on()?.wait_until_off()?;
    let result = result(&camera)?;
    if result["outcome"] != "success" {
        return Err(failed(scenario, &ended));
    }
    let after = camera.flash()?;
    let boot = scenario.boot.offset.as_usize()..scenario.boot.end().as_usize();
    Ok(Measured {
        operation: phases(&result, |name| OPERATION.contains(&name)).unwrap_or_default(),
        writing: phases(&result, |name| name == WRITING),
        nor: ended.nor.ok_or_else(|| failed(scenario, &ended))?,
        due: Work::to_rewrite(&scenario.flash, &after, scenario.boot),
        rewritten: different(&scenario.flash, &after),
        boot_differs: scenario.flash[boot.clone()] != after[boot],
        traffic: camera.card_traffic(),
        peak_memory: result["peak_memory_bytes"]
            .as_u64()
            .ok_or_else(|| failed(scenario, &ended))?,
    })
}

fn camera(scenario: &Scenario, faults: Option<Faults>) -> Result<Camera> {
    let builder = Camera::with_flash(&scenario.chip, scenario.flash.as_slice())
        .card(scenario.card.clone())
        .patience(PATIENCE);
    let builder = model::kernel_arguments()
        .iter()
        .fold(builder, |builder, word| builder.kernel_argument(word));
    match faults {
        Some(faults) => builder.card_faults(faults).build(),
        None => builder.build(),
    }
}

fn result(camera: &Camera) -> Result<Value> {
    let text = camera.card()?.read_text("wz_flash-helper/result.json")?;
    serde_json::from_str(&text).map_err(|error| Error::Fixture(format!("result.json: {error}")))
}

/// How long these phases took together; `None` if there is none of them.
fn phases(result: &Value, wanted: impl Fn(&str) -> bool) -> Option<Duration> {
    let phases = result["phases"].as_array()?.iter();
    let times = phases.filter(|phase| phase["name"].as_str().is_some_and(&wanted));
    let times = times.filter_map(|phase| phase["milliseconds"].as_u64());
    times.map(Duration::from_millis).reduce(|a, b| a + b)
}

fn different(old: &[u8], new: &[u8]) -> u64 {
    let block = ERASE_BLOCK.as_usize();
    let blocks = old.chunks(block).zip(new.chunks(block));
    let different = blocks.filter(|(old, new)| old != new);
    different.map(|(_, new)| new.len() as u64).sum()
}

fn failed(scenario: &Scenario, ended: &Ended) -> Error {
    Error::Fixture(format!(
        "{} did not succeed:\n{}",
        scenario.name, ended.transcript
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_of_phases_are_added_up() {
        let phase = |name: &str, ms: u64| json!({ "name": name, "milliseconds": ms });
        let result = json!({ "phases": [
            phase("kernel", 500), phase("detect", 700), phase("plan", 20),
            phase("write", 100), phase("execute", 103),
        ] });

        let operation = phases(&result, |name| OPERATION.contains(&name));

        assert_eq!(operation, Some(Duration::from_millis(123)));
        assert_eq!(
            phases(&result, |name| name == WRITING),
            Some(Duration::from_millis(100))
        );
        assert_eq!(phases(&json!({ "phases": [] }), |_| true), None);
    }

    #[test]
    fn blocks_that_differ_count_as_a_whole() {
        let old = vec![0; 4 * 32 * 1024];
        let mut new = old.clone();
        new[5] = 1;
        new[6] = 1;
        new[40_000] = 1;

        assert_eq!(different(&old, &new), 2 * 32 * 1024);
    }
}
