//! Commands that are runs: planned, journaled, reported like any other.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wz_core::card::CardPath;
use wz_core::config::{Order, Rewrite, Wanted, Wish};
use wz_core::event::{Event, Outcome, Problem, Reporter};
use wz_core::flash::FileSystems;
use wz_core::run::{ScriptCall, Surroundings, Visit, preview, run_by_hand, take_in};
use wz_core::units::Size;

use super::session::Session;
use super::{Done, NotDone};
use crate::descendants::Oversight;
use crate::lock::Lock;
use crate::logs::Earlier;
use crate::reporters::{Reporters, since_power_on};
use crate::root::Root;
use crate::signals::Players;
use crate::watchdog::Watchdog;
use crate::{memory, scripts};

/// Scripts find this in their environment.
const IN_A_SCRIPT: &str = "wz_work";

/// Shows what a run would do. Neither flash nor card change, not even the logs.
pub fn plan(session: &mut Session) -> Done {
    // The run that the shell belongs to feeds it, and has the lights and the voice.
    let (watchdog, players) = (Watchdog::none(), Players::idle());
    let mut reporters = Reporters::new(&watchdog, &players);
    let mut shell = Shell {
        root: &session.root,
        lock: &mut session.lock,
    };
    let outcome = preview(
        &mut session.card,
        Ok(session.flash.unit()),
        &session.chip,
        &mut shell,
        &mut reporters,
    );
    done(outcome)
}

/// Does what `order` says, or else what `general.conf` asks for.
pub fn run(session: &mut Session, order: Option<&Order>) -> Done {
    session.flash.mounts().take_back_all()?;
    let (watchdog, players) = (Watchdog::none(), Players::idle());
    let mut reporters = Reporters::new(&watchdog, &players);
    let is_in_a_script = env::var_os(IN_A_SCRIPT).is_some();
    match (is_in_a_script, order) {
        // It would run the script again.
        (true, None) => return Err(NotDone::from(Problem::RunInScript {})),
        // Who runs the script logs what it says.
        (true, Some(_)) => {}
        (false, _) => reporters.open_logs(&session.card_folder(), Earlier::Keep),
    }
    reporters.report(&Event::Started {
        version: wz_core::VERSION,
    });
    let mut shell = Shell {
        root: &session.root,
        lock: &mut session.lock,
    };
    let ended = run_by_hand(
        order,
        &mut session.card,
        Ok(session.flash.unit()),
        &session.chip,
        &mut shell,
        &mut reporters,
    );
    reporters.close_logs();
    done(ended.outcome)
}

fn done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Success | Outcome::DryRun | Outcome::NothingToDo => Ok(()),
        Outcome::Incomplete | Outcome::Refused | Outcome::Failed => Err(NotDone::Told),
    }
}

/// Writes an image to a partition.
pub fn write(session: &mut Session, partition: String, file: &Path) -> Done {
    let image = on_the_card(session, file)?;
    let wish = Wish {
        partition,
        content: Wanted::File(image),
    };
    let order = Order::Rewrite(Rewrite::Partitions(vec![wish]));
    run(session, Some(&order))
}

/// Where on the card the image is. One from elsewhere is copied there, with its hash if it has one: if
/// power fails, the next power-on has to find it.
fn on_the_card(session: &mut Session, file: &Path) -> Result<String, Problem> {
    let failed = |error: std::io::Error| Problem::FileFailed {
        doing: "read".to_owned(),
        file: file.display().to_string(),
        reason: error.to_string(),
    };
    let place = fs::canonicalize(file).map_err(failed)?;
    let card = fs::canonicalize(session.card_folder()).map_err(failed)?;
    if let Ok(inside) = place.strip_prefix(card) {
        return Ok(inside.to_string_lossy().into_owned());
    }
    let hash = PathBuf::from(format!("{}.sha256sum", place.display()));
    if hash.is_file() {
        copy(session, &hash)?;
    }
    copy(session, &place)
}

fn copy(session: &mut Session, from: &Path) -> Result<String, Problem> {
    let failed = |error: std::io::Error| Problem::FileFailed {
        doing: "read".to_owned(),
        file: from.display().to_string(),
        reason: error.to_string(),
    };
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    let mut open = File::open(from).map_err(failed)?;
    let size = Size::bytes(open.metadata().map_err(failed)?.len());
    let place = take_in(&name, size, &mut open, &mut session.card)?;
    Ok(place.to_string())
}

/// A shell, for a run that was begun in one.
pub(super) struct Shell<'a> {
    pub(super) root: &'a Root,
    pub(super) lock: &'a mut Option<Lock>,
}

impl Surroundings for Shell<'_> {
    fn since_power_on(&self) -> Duration {
        since_power_on()
    }

    fn peak_memory(&self) -> Option<Size> {
        memory::peak()
    }

    fn keep_alive(&self) {}

    fn before_operations(&mut self, _: &mut dyn FileSystems) -> Visit {
        Visit::Nobody
    }

    fn ask_script(
        &mut self,
        script: &CardPath,
        camera: (&str, &str),
        reporter: &mut dyn Reporter,
    ) -> Result<String, Problem> {
        let _oversight = Oversight::begin();
        scripts::ask(self.root, script, camera, &|| {}, reporter)
    }

    fn run_script(
        &mut self,
        script: &ScriptCall<'_>,
        reporter: &mut dyn Reporter,
    ) -> Result<(), Problem> {
        drop(self.lock.take());
        let _oversight = Oversight::begin();
        let ended = scripts::run_call(self.root, script, &|| {}, reporter);
        *self.lock = Some(Lock::take(self.root)?);
        ended
    }
}
