//! A simulated card for tests on the host: fills up, lies, is pulled, loses power.

use std::collections::BTreeMap;
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Card, CardError, CardFile, CardOperation, CardPath, Entry, EntryKind, SECTOR, Space};
use crate::units::{Offset, Size};

/// What is wrong with the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimFault {
    /// Every change is refused.
    ReadOnly,
    /// What is written after this many bytes is reported as written and lost.
    DropsWritesAfter(Size),
    /// One bit of the byte after this many written ones is stored wrong.
    FlipsABitAfter(Size),
    /// Pulled out once this many bytes were written: everything fails from then on.
    PulledAfter(Size),
    /// Renaming is reported as done and is not.
    LosesNewNames,
}

/// What power failure leaves of the changes since the last sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SimCut {
    /// Nothing.
    LosesUnsynced,
    /// Everything, the change in progress included.
    KeepsUnsynced,
    /// Names, but of each unsynced file only a part that depends on the seed.
    Torn {
        /// Selects the parts.
        seed: u64,
    },
}

/// A card in memory. Clones share it, as two programs share a card.
#[derive(Clone, Debug)]
pub struct SimCard(Arc<Mutex<State>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Folder,
    File(Content),
}

/// The page cache tells what was written; the card what it kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    cached: Vec<u8>,
    stored: Vec<u8>,
    /// How much of it survives a power cut for sure.
    durable: usize,
}

type Tree = BTreeMap<String, Node>;

#[derive(Debug)]
struct State {
    now: Tree,
    synced: Tree,
    capacity: Size,
    fault: Option<SimFault>,
    written: u64,
    changes: u64,
    power_fails_at: Option<(u64, SimCut)>,
    off: bool,
}

const CLUSTER: Size = Size::kib(4);

impl SimCard {
    /// An empty card.
    pub fn new(capacity: Size) -> Self {
        Self(Arc::new(Mutex::new(State {
            now: Tree::new(),
            synced: Tree::new(),
            capacity,
            fault: None,
            written: 0,
            changes: 0,
            power_fails_at: None,
            off: false,
        })))
    }

    /// Puts a file on it, with the folders above.
    #[must_use]
    pub fn with(self, path: &CardPath, content: &[u8]) -> Self {
        {
            let mut state = self.state();
            state.add_folders(&path.parent());
            let (cached, stored) = (content.to_vec(), content.to_vec());
            let kept = Content {
                cached,
                stored,
                durable: content.len(),
            };
            state.now.insert(path.as_str().to_owned(), Node::File(kept));
            state.synced = state.now.clone();
        }
        self
    }

    /// Breaks it.
    pub fn break_it(&self, fault: SimFault) {
        self.state().fault = Some(fault);
    }

    /// Lets power fail during the change after `changes` more changes.
    pub fn fail_power_after(&self, changes: u64, cut: SimCut) {
        let mut state = self.state();
        state.power_fails_at = Some((state.changes + changes, cut));
    }

    /// How many changes the card has seen.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Whether power has failed.
    pub fn is_off(&self) -> bool {
        self.state().off
    }

    /// Turns power on again; what was lost is gone.
    pub fn power_on(&self) {
        let mut state = self.state();
        state.off = false;
        state.power_fails_at = None;
    }

    /// All files with what the card kept of them.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let state = self.state();
        let file = |(path, node): (&String, &Node)| match node {
            Node::File(content) => Some((path.clone(), content.stored.clone())),
            Node::Folder => None,
        };
        state.now.iter().filter_map(file).collect()
    }

    /// All folders.
    pub fn folders(&self) -> Vec<String> {
        let state = self.state();
        let folders = state.now.iter().filter(|(_, node)| **node == Node::Folder);
        folders.map(|(path, _)| path.clone()).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(
        &self,
        operation: CardOperation,
        path: &CardPath,
        apply: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T, CardError> {
        self.state()
            .change(apply)
            .map_err(|source| CardError::new(operation, path, source))
    }
}

impl State {
    fn check(&self) -> io::Result<()> {
        let pulled = match self.fault {
            Some(SimFault::PulledAfter(limit)) => self.written >= limit.get(),
            _ => false,
        };
        match pulled || self.off {
            true => Err(io::Error::new(ErrorKind::NotConnected, "the card is gone")),
            false => Ok(()),
        }
    }

    fn change<T>(&mut self, apply: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        self.check()?;
        if self.fault == Some(SimFault::ReadOnly) {
            return Err(io::Error::new(
                ErrorKind::ReadOnlyFilesystem,
                "the card is read-only",
            ));
        }
        let number = self.changes;
        self.changes += 1;
        match self.power_fails_at {
            Some((at, cut)) if number == at => {
                if cut != SimCut::LosesUnsynced {
                    apply(self)?;
                }
                self.lose_power(cut);
                Err(io::Error::new(ErrorKind::NotConnected, "power is off"))
            }
            _ => apply(self),
        }
    }

    fn lose_power(&mut self, cut: SimCut) {
        self.off = true;
        match cut {
            SimCut::LosesUnsynced => self.now = self.synced.clone(),
            SimCut::KeepsUnsynced => {}
            SimCut::Torn { seed } => tear(&mut self.now, seed),
        }
        make_durable(&mut self.now);
        self.synced = self.now.clone();
    }

    fn add_folders(&mut self, folder: &CardPath) {
        let mut at = CardPath::root();
        for part in folder.as_str().split('/').filter(|part| !part.is_empty()) {
            at = at.join(part);
            self.now
                .entry(at.as_str().to_owned())
                .or_insert(Node::Folder);
        }
    }

    fn used(&self) -> u64 {
        let clusters = |node: &Node| match node {
            Node::Folder => CLUSTER.get(),
            Node::File(content) => Size::bytes(content.cached.len() as u64)
                .round_up(CLUSTER)
                .get(),
        };
        self.now.values().map(clusters).sum()
    }

    fn append(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if self.used() + bytes.len() as u64 > self.capacity.get() {
            return Err(io::Error::new(
                ErrorKind::StorageFull,
                "no space left on the card",
            ));
        }
        let written = self.written;
        self.written += bytes.len() as u64;
        let fault = self.fault;
        let Some(Node::File(content)) = self.now.get_mut(path) else {
            return Err(io::Error::new(ErrorKind::NotFound, "the file is gone"));
        };
        content.cached.extend_from_slice(bytes);
        content.stored.extend_from_slice(bytes);
        let kept = content.stored.len() - bytes.len();
        let bad = |place: Size| {
            let place = place.get().saturating_sub(written).min(bytes.len() as u64);
            kept + place as usize
        };
        match fault {
            Some(SimFault::DropsWritesAfter(limit)) => content.stored[bad(limit)..].fill(0),
            Some(SimFault::FlipsABitAfter(place)) if place.get() >= written => {
                if let Some(byte) = content.stored.get_mut(bad(place)) {
                    *byte ^= 0x04;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    fn replace_sector(&mut self, path: &str, sector: u32, bytes: &[u8; SECTOR]) -> io::Result<()> {
        let Some(Node::File(content)) = self.now.get_mut(path) else {
            return Err(ErrorKind::NotFound.into());
        };
        let from = sector as usize * SECTOR;
        let range = from..from + SECTOR;
        let Some(cached) = content.cached.get_mut(range.clone()) else {
            return Err(ErrorKind::UnexpectedEof.into());
        };
        cached.copy_from_slice(bytes);
        let written = self.written;
        self.written += SECTOR as u64;
        let is_lost = matches!(self.fault,
            Some(SimFault::DropsWritesAfter(limit)) if written + SECTOR as u64 > limit.get());
        if !is_lost {
            content.stored[range].copy_from_slice(bytes);
        }
        let node = Node::File(content.clone());
        self.synced.insert(path.to_owned(), node);
        match is_lost {
            false => Ok(()),
            true => Err(io::Error::other("the card shows something else")),
        }
    }
}

/// Leaves of each file what is durable and a part, by the seed, of what is not.
fn tear(tree: &mut Tree, seed: u64) {
    for (index, node) in tree.values_mut().enumerate() {
        if let Node::File(content) = node {
            let hash = seed
                .wrapping_add(index as u64)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                >> 40;
            let at_risk = content.stored.len() - content.durable;
            content
                .stored
                .truncate(content.durable + hash as usize % (at_risk + 1));
            content.cached = content.stored.clone();
        }
    }
}

fn make_durable(tree: &mut Tree) {
    for node in tree.values_mut() {
        if let Node::File(content) = node {
            content.durable = content.stored.len();
        }
    }
}

fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| folder.is_empty() || rest.starts_with('/'))
}

impl Card for SimCard {
    fn is_present(&mut self) -> bool {
        self.state().check().is_ok()
    }

    fn space(&mut self) -> Result<Space, CardError> {
        let state = self.state();
        let answer = state
            .check()
            .map_err(|source| CardError::new(CardOperation::Space, &CardPath::root(), source));
        let free = Size::bytes(state.capacity.get().saturating_sub(state.used()));
        answer.map(|()| Space {
            free,
            cluster: CLUSTER,
        })
    }

    fn entries(&mut self, folder: &CardPath) -> Result<Option<Vec<Entry>>, CardError> {
        let state = self.state();
        let fail = |source| CardError::new(CardOperation::Read, folder, source);
        state.check().map_err(fail)?;
        match state.now.get(folder.as_str()) {
            None if *folder != CardPath::root() => return Ok(None),
            Some(Node::File(_)) => return Err(fail(ErrorKind::NotADirectory.into())),
            None | Some(Node::Folder) => {}
        }
        let direct = state.now.iter().filter(|(path, _)| {
            is_below(path, folder.as_str()) && folder.join(leaf(path)).as_str() == *path
        });
        Ok(Some(
            direct.map(|(path, node)| entry(leaf(path), node)).collect(),
        ))
    }

    fn read(&mut self, file: &CardPath, limit: Size) -> Result<Option<Vec<u8>>, CardError> {
        let state = self.state();
        let fail = |source| CardError::new(CardOperation::Read, file, source);
        state.check().map_err(fail)?;
        match state.now.get(file.as_str()) {
            None => Ok(None),
            Some(Node::Folder) => Err(fail(ErrorKind::IsADirectory.into())),
            Some(Node::File(content)) => {
                let length = content.cached.len().min(limit.as_usize().saturating_add(1));
                Ok(Some(content.cached[..length].to_vec()))
            }
        }
    }

    fn create_folder(&mut self, folder: &CardPath) -> Result<(), CardError> {
        self.change(CardOperation::Create, folder, |state| {
            let mut at = folder.clone();
            while at != CardPath::root() {
                if let Some(Node::File(_)) = state.now.get(at.as_str()) {
                    return Err(ErrorKind::NotADirectory.into());
                }
                at = at.parent();
            }
            state.add_folders(folder);
            Ok(())
        })
    }

    fn create(&mut self, file: &CardPath) -> Result<Box<dyn CardFile>, CardError> {
        self.change(CardOperation::Create, file, |state| {
            let parent = file.parent();
            let has_parent = state.now.get(parent.as_str()) == Some(&Node::Folder);
            if parent != CardPath::root() && !has_parent {
                return Err(ErrorKind::NotFound.into());
            }
            state
                .now
                .insert(file.as_str().to_owned(), Node::File(Content::default()));
            Ok(())
        })?;
        Ok(Box::new(SimFile {
            card: self.clone(),
            path: file.clone(),
        }))
    }

    fn read_at(&mut self, file: &CardPath, at: Offset, buffer: &mut [u8]) -> Result<(), CardError> {
        let state = self.state();
        let fail = |source| CardError::new(CardOperation::Read, file, source);
        state.check().map_err(fail)?;
        let Some(Node::File(content)) = state.now.get(file.as_str()) else {
            return Err(fail(ErrorKind::NotFound.into()));
        };
        let from = at.as_usize();
        let range = from..from.saturating_add(buffer.len());
        let Some(bytes) = content.cached.get(range) else {
            return Err(fail(ErrorKind::UnexpectedEof.into()));
        };
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_sector(
        &mut self,
        file: &CardPath,
        sector: u32,
        bytes: &[u8; SECTOR],
    ) -> Result<(), CardError> {
        let path = file.as_str();
        self.change(CardOperation::Write, file, |state| {
            state.replace_sector(path, sector, bytes)
        })
    }

    fn read_back(&mut self, file: &CardPath) -> Result<Box<dyn Read + Send>, CardError> {
        let state = self.state();
        let fail = |source| CardError::new(CardOperation::Read, file, source);
        state.check().map_err(fail)?;
        match state.now.get(file.as_str()) {
            Some(Node::File(content)) => Ok(Box::new(Cursor::new(content.stored.clone()))),
            _ => Err(fail(ErrorKind::NotFound.into())),
        }
    }

    fn rename(&mut self, from: &CardPath, to: &CardPath) -> Result<(), CardError> {
        self.change(CardOperation::Rename, from, |state| {
            if state.fault == Some(SimFault::LosesNewNames) {
                return Ok(());
            }
            let node = state.now.remove(from.as_str()).ok_or(ErrorKind::NotFound)?;
            state.now.insert(to.as_str().to_owned(), node);
            let inside = |path: &&String| is_below(path, from.as_str());
            let moved: Vec<String> = state.now.keys().filter(inside).cloned().collect();
            for path in moved {
                if let Some(node) = state.now.remove(&path) {
                    let rest = path.strip_prefix(from.as_str()).unwrap_or_default();
                    state.now.insert(format!("{to}{rest}"), node);
                }
            }
            Ok(())
        })
    }

    fn remove_file(&mut self, file: &CardPath) -> Result<(), CardError> {
        self.change(CardOperation::Remove, file, |state| {
            state
                .now
                .remove(file.as_str())
                .map(|_| ())
                .ok_or(ErrorKind::NotFound.into())
        })
    }

    fn remove_folder(&mut self, folder: &CardPath) -> Result<(), CardError> {
        self.change(CardOperation::Remove, folder, |state| {
            state
                .now
                .remove(folder.as_str())
                .ok_or(ErrorKind::NotFound)?;
            state.now.retain(|path, _| !is_below(path, folder.as_str()));
            Ok(())
        })
    }

    fn sync(&mut self) -> Result<(), CardError> {
        self.change(CardOperation::Sync, &CardPath::root(), |state| {
            make_durable(&mut state.now);
            state.synced = state.now.clone();
            Ok(())
        })
    }
}

fn leaf(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn entry(name: &str, node: &Node) -> Entry {
    let kind = match node {
        Node::Folder => EntryKind::Folder,
        Node::File(content) => EntryKind::File(Size::bytes(content.cached.len() as u64)),
    };
    Entry {
        name: name.to_owned(),
        kind,
    }
}

struct SimFile {
    card: SimCard,
    path: CardPath,
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let path = self.path.as_str();
        self.card
            .state()
            .change(|state| state.append(path, bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CardFile for SimFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        let path = self.path.as_str();
        self.card
            .state()
            .change(|state| match state.now.get(path).cloned() {
                Some(node) => {
                    state.synced.insert(path.to_owned(), node);
                    Ok(())
                }
                None => Err(ErrorKind::NotFound.into()),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::rename_for_good;
    use super::*;

    fn write(card: &mut SimCard, path: &CardPath, bytes: &[u8]) -> io::Result<()> {
        let mut file = card.create(path).map_err(|error| error.source)?;
        file.write_all(bytes)?;
        file.finish()
    }

    fn read_back(card: &mut SimCard, path: &CardPath) -> Vec<u8> {
        let mut bytes = Vec::new();
        card.read_back(path)
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    }

    #[test]
    fn a_lying_card_shows_its_loss_only_on_read_back() {
        let mut card = SimCard::new(Size::mib(1));
        card.break_it(SimFault::DropsWritesAfter(Size::bytes(2)));
        let path = CardPath::root().join("f");
        write(&mut card, &path, &[1, 2, 3, 4]).unwrap();
        assert_eq!(
            card.read(&path, Size::kib(1)).unwrap(),
            Some(vec![1, 2, 3, 4])
        );
        assert_eq!(read_back(&mut card, &path), [1, 2, 0, 0]);
    }

    #[test]
    fn a_cut_loses_what_was_not_synced() {
        let mut card = SimCard::new(Size::mib(1));
        let (kept, lost) = (CardPath::root().join("kept"), CardPath::root().join("lost"));
        write(&mut card, &kept, &[1]).unwrap();
        card.fail_power_after(1, SimCut::LosesUnsynced);
        assert!(write(&mut card, &lost, &[2]).is_err());
        assert!(card.sync().is_err());
        card.power_on();
        assert_eq!(card.files().into_keys().collect::<Vec<_>>(), ["kept"]);
    }

    #[test]
    fn a_full_card_refuses_and_says_so() {
        let mut card = SimCard::new(Size::kib(8));
        let path = CardPath::root().join("f");
        let error = write(&mut card, &path, &[0; 9000]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    #[test]
    fn a_new_name_that_the_card_loses_is_an_error() {
        let (old, new) = (CardPath::root().join("old"), CardPath::root().join("new"));
        let mut card = SimCard::new(Size::mib(1)).with(&old, &[7]);
        card.break_it(SimFault::LosesNewNames);
        assert!(rename_for_good(&mut card, &old, &new).is_err());
        let mut good = SimCard::new(Size::mib(1)).with(&old, &[7]);
        rename_for_good(&mut good, &old, &new).unwrap();
        assert_eq!(good.files().into_keys().collect::<Vec<_>>(), ["new"]);
    }

    #[test]
    fn renaming_a_folder_takes_its_files_along() {
        let from = CardPath::root().join("a");
        let mut card = SimCard::new(Size::mib(1)).with(&from.join("x"), &[7]);
        card.rename(&from, &CardPath::root().join("b")).unwrap();
        assert_eq!(card.files(), BTreeMap::from([("b/x".to_owned(), vec![7])]));
    }
}
