//! What every command works with: the card, the chip, and nobody else at them.

use std::path::PathBuf;

use wz_core::card::DirCard;
use wz_core::event::{Event, Problem, Reporter};
use wz_core::run::{ChipEvidence, Sight, look};

use super::NotDone;
use super::engine::Shell;
use crate::flash::Flash;
use crate::lock::Lock;
use crate::root::Root;
use crate::sdcard::MOUNT_POINT;
use crate::uncached::LinuxPlatform;
use crate::{sdcard, soc};

/// A camera whose card is mounted, held by this program alone.
pub struct Session {
    pub root: Root,
    pub card: DirCard<LinuxPlatform>,
    pub flash: Flash,
    pub chip: ChipEvidence,
    /// Kept from all but the scripts of its own run.
    pub lock: Option<Lock>,
}

impl Session {
    /// Takes hold of the camera that `root` shows.
    ///
    /// # Errors
    /// Another program has it; no card; no flash chip.
    pub fn open(root: Root) -> Result<Self, Problem> {
        let lock = Lock::take(&root)?;
        if !sdcard::is_mounted(&root) {
            return Err(Problem::CardNotMounted {
                folder: MOUNT_POINT.to_owned(),
            });
        }
        Ok(Self {
            card: DirCard::new(root.join(MOUNT_POINT), LinuxPlatform::of(&root)),
            flash: Flash::find(&root)?,
            chip: soc::evidence(&root),
            root,
            lock: Some(lock),
        })
    }

    /// Where the card is mounted.
    pub fn card_folder(&self) -> PathBuf {
        self.root.join(MOUNT_POINT)
    }

    /// What camera this is and what its card says. What is unusual is told on stderr.
    pub fn look(&mut self) -> Result<Sight, NotDone> {
        let mut told = OnStderr;
        let mut shell = Shell {
            root: &self.root,
            lock: &mut self.lock,
        };
        let sight = look(
            &mut self.card,
            &mut self.flash.unit(),
            &self.chip,
            &mut shell,
            &mut told,
        );
        sight.map_err(NotDone::from)
    }
}

/// Stdout is for what was asked.
struct OnStderr;

impl Reporter for OnStderr {
    fn report(&mut self, event: &Event) {
        if let Event::Remark(problem) = event {
            eprintln!("Note {problem}");
        }
    }
}
