//! One erase block: changed, read back, tried again.

use crate::event::Problem;
use crate::flash::{Flash, FlashError, ReadFlash};
use crate::plan::blocks::{Action, BLANK, is_blank, ranges_to_program};
use crate::units::{Offset, Size};

/// How often a block is written before it is given up.
pub const TRIES: u32 = 3;

/// A block that is to hold `wanted`.
#[derive(Clone, Copy, Debug)]
pub struct Goal<'a> {
    /// Where it is.
    pub at: Offset,
    /// What it is to hold.
    pub wanted: &'a [u8],
    /// The partition, for messages.
    pub partition: &'a str,
}

impl Goal<'_> {
    /// Does `action`, once.
    ///
    /// # Errors
    /// [`Problem::FlashWrite`].
    pub fn apply(&self, action: Action, flash: &mut dyn Flash) -> Result<(), Problem> {
        let page = flash.geometry().page;
        let old = match action {
            Action::Keep | Action::Erase => self.wanted.to_vec(),
            Action::Program => self.read(flash)?,
            Action::EraseProgram => vec![BLANK; self.wanted.len()],
        };
        if action.erases() {
            flash.erase(self.at).map_err(|error| self.failed(&error))?;
        }
        self.program(&old, page, flash)
    }

    /// Programs the pages that differ from `old`, which is what the block holds.
    ///
    /// # Errors
    /// [`Problem::FlashWrite`].
    pub fn program(&self, old: &[u8], page: Size, flash: &mut dyn Flash) -> Result<(), Problem> {
        for range in ranges_to_program(old, self.wanted, page) {
            let at = self.at + Size::bytes(range.start as u64);
            flash
                .program(at, &self.wanted[range])
                .map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Reads the block back and compares it.
    ///
    /// # Errors
    /// [`Problem::FlashDiffers`], [`Problem::FlashRead`].
    pub fn check(&self, tries: u32, flash: &mut dyn ReadFlash) -> Result<(), Problem> {
        let found = self.read(flash)?;
        let mut pairs = found.iter().zip(self.wanted);
        match pairs.position(|(found, wanted)| found != wanted) {
            None => Ok(()),
            Some(at) => Err(Problem::FlashDiffers {
                partition: self.partition.to_owned(),
                block: self.at,
                at: self.at + Size::bytes(at as u64),
                expected: hex(self.wanted.get(at)),
                found: hex(found.get(at)),
                tries,
            }),
        }
    }

    /// Does `action` and checks it; erases and programs anew as long as it does not read back.
    ///
    /// # Errors
    /// The last of [`TRIES`] tries.
    pub fn reach(&self, action: Action, flash: &mut dyn Flash) -> Result<(), Problem> {
        let mut action = action;
        let mut tries = 1;
        loop {
            let done = self
                .apply(action, flash)
                .and_then(|()| self.check(tries, flash));
            match done {
                Err(problem) if tries == TRIES => return Err(problem),
                Err(_) => (action, tries) = (self.anew(), tries + 1),
                Ok(()) => return Ok(()),
            }
        }
    }

    /// The action that makes it right whatever it holds.
    pub fn anew(&self) -> Action {
        match is_blank(self.wanted) {
            true => Action::Erase,
            false => Action::EraseProgram,
        }
    }

    /// What the block holds.
    ///
    /// # Errors
    /// [`Problem::FlashRead`].
    pub fn read(&self, flash: &mut dyn ReadFlash) -> Result<Vec<u8>, Problem> {
        let mut bytes = vec![0; self.wanted.len()];
        flash
            .read(self.at, &mut bytes)
            .map_err(FlashError::into_read_problem)?;
        Ok(bytes)
    }

    fn failed(&self, error: &FlashError) -> Problem {
        Problem::FlashWrite {
            partition: self.partition.to_owned(),
            operation: error.operation.to_string(),
            region: error.region,
            reason: error.source.to_string(),
        }
    }
}

fn hex(byte: Option<&u8>) -> String {
    byte.map_or_else(String::new, |byte| format!("{byte:#04x}"))
}
