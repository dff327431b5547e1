//! At most one program works on flash: the run, or a command at the shell.

use std::fs::{self, File};

use nix::fcntl::{Flock, FlockArg};
use wz_core::event::Problem;

use crate::root::Root;

const FILE: &str = "/tmp/wz_flash-helper.lock";

/// Held for as long as it exists. The kernel lets go of it when its program dies.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "it is dropped")] Flock<File>);

impl Lock {
    /// Takes it.
    ///
    /// # Errors
    /// [`Problem::FlashBusy`] if another program has it.
    pub fn take(root: &Root) -> Result<Self, Problem> {
        Self::take_by(root, FlockArg::LockExclusiveNonblock)
    }

    /// Takes it as soon as no other program has it.
    ///
    /// # Errors
    /// When there can be no lock.
    pub fn wait_for(root: &Root) -> Result<Self, Problem> {
        Self::take_by(root, FlockArg::LockExclusive)
    }

    /// Takes it as soon as no other program has it, with `pass_time` called while one has. None where
    /// there can be no lock: then no other program can have it either.
    pub fn patiently(root: &Root, mut pass_time: impl FnMut()) -> Option<Self> {
        loop {
            match Self::take(root) {
                Err(Problem::FlashBusy {}) => pass_time(),
                taken => return taken.ok(),
            }
        }
    }

    fn take_by(root: &Root, how: FlockArg) -> Result<Self, Problem> {
        let path = root.join(FILE);
        let file = fs::create_dir_all(root.join("/tmp"))
            .and_then(|()| File::create(path))
            .map_err(|error| Problem::SystemFailed {
                doing: "open the lock".to_owned(),
                reason: error.to_string(),
            })?;
        let taken = Flock::lock(file, how);
        taken.map(Self).map_err(|_| Problem::FlashBusy {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_programs_do_not_hold_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let first = Lock::take(&root).unwrap();
        assert_eq!(Lock::take(&root).unwrap_err(), Problem::FlashBusy {});
        drop(first);
        Lock::take(&root).unwrap();
    }

    #[test]
    fn who_is_patient_goes_on_when_the_other_has_ended_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        let mut first = Some(Lock::take(&root).unwrap());
        let mut turns = 0;
        let second = Lock::patiently(&root, || {
            turns += 1;
            if turns == 3 {
                first = None;
            }
        });
        assert!(second.is_some());
        assert_eq!(turns, 3);
    }
}
