//! What a simulated card holds: what programs see, what a power cut would leave, and the way from
//! the one to the other.

use std::sync::Arc;

use super::super::SECTOR;
use super::names::{NameChange, Names, Node};
use crate::sim::{Cut, Noise};

/// What becomes of a change that is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It happens.
    Done,
    /// Power fails in the middle of it.
    Torn { seed: u64 },
    /// It is acknowledged, and seen until the next sync, but never reaches the card.
    Lost,
}

/// The files and names of a card.
///
/// ```text
///  now      what programs see             file.cached   |----------------------|
///  journal  what leads from one to the    file.stored   |--------|-------------|
///           other, unless it is lost                    |durable |  at risk    |
///  synced   what a cut leaves for sure
/// ```
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    now: Names,
    synced: Names,
    journal: Vec<NameChange>,
    /// `now` shows a change that the journal does not have.
    shows_lost: bool,
    files: Vec<File>,
    /// The files of which not everything is durable.
    at_risk: Vec<usize>,
}

/// The page cache tells what was written; the card what it kept.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) cached: Arc<Vec<u8>>,
    pub(super) stored: Arc<Vec<u8>>,
    /// How much of `stored` survives a power cut for sure.
    durable: usize,
}

impl Disk {
    pub(super) fn names(&self) -> &Names {
        &self.now
    }

    /// The names that would be there if everything so far were synced.
    pub(super) fn kept_names(&self) -> Names {
        let mut names = self.synced.clone();
        self.journal.iter().for_each(|change| names.apply(change));
        names
    }

    pub(super) fn file(&self, path: &str) -> Option<&File> {
        match self.now.get(path) {
            Some(Node::File(number)) => self.files.get(number),
            _ => None,
        }
    }

    pub(super) fn numbered(&self, number: usize) -> Option<&File> {
        self.files.get(number)
    }

    pub(super) fn change_names(&mut self, change: NameChange, fate: Fate) {
        self.now.apply(&change);
        match fate {
            Fate::Lost => self.shows_lost = true,
            Fate::Done | Fate::Torn { .. } => self.journal.push(change),
        }
    }

    /// A new, empty file without a name.
    pub(super) fn add_file(&mut self) -> usize {
        self.files.push(File::default());
        self.files.len() - 1
    }

    /// Puts `seen` behind what programs see of a file, and `stored` behind what the card keeps.
    pub(super) fn append(&mut self, number: usize, seen: &[u8], stored: &[u8]) {
        if let Some(file) = self.files.get_mut(number) {
            if file.durable == file.stored.len() {
                self.at_risk.push(number);
            }
            Arc::make_mut(&mut file.cached).extend_from_slice(seen);
            Arc::make_mut(&mut file.stored).extend_from_slice(stored);
        }
    }

    /// Replaces a stretch inside a file, past the page cache.
    pub(super) fn overwrite(&mut self, path: &str, from: usize, bytes: &[u8]) {
        if let Some(Node::File(number)) = self.now.get(path)
            && let Some(file) = self.files.get_mut(number)
        {
            for copy in [&mut file.cached, &mut file.stored] {
                if let Some(old) = Arc::make_mut(copy).get_mut(from..from + bytes.len()) {
                    old.copy_from_slice(bytes);
                }
            }
        }
    }

    /// Hands everything to the card, and shows what it has kept.
    pub(super) fn sync(&mut self) {
        for change in self.journal.drain(..) {
            self.synced.apply(&change);
        }
        for number in self.at_risk.drain(..) {
            self.files[number].durable = self.files[number].stored.len();
        }
        if self.shows_lost {
            self.now = self.synced.clone();
            self.shows_lost = false;
        }
    }

    /// Leaves of what is not synced as much as `cut` says.
    pub(super) fn lose_power(&mut self, cut: Cut) {
        match cut {
            Cut::NotStarted => self.lose_unsynced(),
            Cut::Torn { seed } => self.tear_unsynced(&mut Noise::new(seed)),
            Cut::DoneUnacknowledged => {}
        }
        self.sync();
        self.now = self.synced.clone();
        for file in &mut self.files {
            file.cached = Arc::clone(&file.stored);
        }
    }

    fn lose_unsynced(&mut self) {
        self.journal.clear();
        for number in &self.at_risk {
            let file = &mut self.files[*number];
            Arc::make_mut(&mut file.stored).truncate(file.durable);
        }
    }

    /// Half of the cuts leave all names, the others some of them. Of a file, the end is missing or,
    /// one time in four, never written.
    fn tear_unsynced(&mut self, noise: &mut Noise) {
        if noise.below(2) == 0 {
            self.journal.retain(|_| noise.below(2) == 0);
        }
        for number in &self.at_risk {
            let file = &mut self.files[*number];
            let kept = file.durable + noise.index_below(file.stored.len() - file.durable + 1);
            let stored = Arc::make_mut(&mut file.stored);
            match noise.below(4) {
                0 => stored[kept..].fill(noise.draw() as u8),
                _ => stored.truncate(kept),
            }
        }
    }
}

/// A sector that was being written when power failed: the first part is new, the last one old. Every
/// fourth seed leaves garbage between them.
pub(super) fn torn_sector(old: &[u8], new: &[u8; SECTOR], seed: u64) -> Vec<u8> {
    let noise = &mut Noise::new(seed);
    let new_up_to = noise.index_below(SECTOR + 1);
    let garbage = match seed % 4 {
        3 => noise.index_below(SECTOR - new_up_to + 1),
        _ => 0,
    };
    let mut sector = old.to_vec();
    sector[..new_up_to].copy_from_slice(&new[..new_up_to]);
    sector[new_up_to..][..garbage].fill_with(|| noise.draw() as u8);
    sector
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_sector_is_new_then_old_and_every_fourth_seed_has_garbage_between() {
        let (old, new) = ([0x00; SECTOR], [0xFF; SECTOR]);
        let mut with_garbage = 0;
        for seed in 0..400 {
            let sector = torn_sector(&old, &new, seed);
            let first_old = sector.iter().position(|byte| *byte != 0xFF);
            let behind_new = &sector[first_old.unwrap_or(SECTOR)..];
            let is_clean = behind_new.iter().all(|byte| *byte == 0);
            assert!(is_clean || seed % 4 == 3, "{seed}");
            with_garbage += u32::from(!is_clean);
        }
        assert!(with_garbage > 80, "{with_garbage}");
    }
}
