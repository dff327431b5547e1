//! A simulated card for tests on the host: fills up, lies, is pulled, loses power.

mod disk;
mod names;
mod state;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Card, CardError, CardFile, CardOperation, CardPath, Entry, EntryKind, SECTOR, SimFault, Space,
};
use crate::sim::{Did, Power, Trace};
use crate::units::{Offset, Size};
use disk::{Disk, Fate};
use names::{NameChange, Node, leaf, parent};
use state::{CLUSTER, Flaw, State};

/// A card in memory. Clones share it, as two programs share a card.
#[derive(Clone, Debug)]
pub struct SimCard(Arc<Mutex<State>>);

impl SimCard {
    /// An empty card with a power supply of its own.
    pub fn new(capacity: Size) -> Self {
        Self(Arc::new(Mutex::new(State::new(capacity))))
    }

    /// Puts a file on it, with the folders above; synced, like all that is on it so far.
    #[must_use]
    pub fn with(self, path: &CardPath, content: &[u8]) -> Self {
        {
            let disk = &mut self.state().disk;
            add_folders(disk, &path.parent(), Fate::Done);
            let number = disk.add_file();
            disk.append(number, content, content);
            disk.change_names(put(path, Node::File(number)), Fate::Done);
            disk.sync();
        }
        self
    }

    /// Hangs it on `power`.
    #[must_use]
    pub fn powered_by(self, power: &Power) -> Self {
        {
            let mut state = self.state();
            state.cuts_felt = power.cuts_since(0).len();
            state.power = power.clone();
        }
        self
    }

    /// Notes in `trace` what is done with it.
    #[must_use]
    pub fn traced_by(self, trace: &Trace) -> Self {
        self.state().trace = Some(trace.clone());
        self
    }

    /// Another card that holds the same, without faults and trace, on a power supply of its own.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let state = self.state();
        let duplicate = Self::new(state.capacity);
        duplicate.state().disk = state.disk.clone();
        duplicate
    }

    /// The power supply that it hangs on.
    pub fn power(&self) -> Power {
        self.state().power.clone()
    }

    /// Breaks it, besides what is broken already.
    pub fn break_it(&self, fault: SimFault) {
        self.state().faults.add(fault);
    }

    /// All files with what the card kept of them.
    pub fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let disk = &self.state().disk;
        let file = |(path, node): (&String, Node)| match node {
            Node::File(number) => {
                let stored = &disk.numbered(number)?.stored;
                Some((path.clone(), stored.to_vec()))
            }
            Node::Folder => None,
        };
        disk.kept_names().iter().filter_map(file).collect()
    }

    /// All folders that the card kept.
    pub fn folders(&self) -> Vec<String> {
        let names = self.state().disk.kept_names();
        let folders = names.iter().filter(|(_, node)| *node == Node::Folder);
        folders.map(|(path, _)| path.clone()).collect()
    }

    /// The card as it is after the power cuts so far.
    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.feel_cuts();
        state
    }

    fn look<T>(
        &self,
        path: &CardPath,
        at: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> Result<T, CardError> {
        at(&mut self.state()).map_err(|source| CardError::new(CardOperation::Read, path, source))
    }

    fn change<T>(
        &self,
        operation: CardOperation,
        path: &CardPath,
        did: impl FnOnce() -> Did,
        apply: impl FnOnce(&mut State, Fate) -> io::Result<T>,
    ) -> Result<T, CardError> {
        self.state()
            .change(did, apply)
            .map_err(|source| CardError::new(operation, path, source))
    }
}

fn put(path: &CardPath, node: Node) -> NameChange {
    let path = path.as_str().to_owned();
    NameChange::Put { path, node }
}

fn add_folders(disk: &mut Disk, folder: &CardPath, fate: Fate) {
    let mut at = CardPath::root();
    for part in folder.as_str().split('/').filter(|part| !part.is_empty()) {
        at = at.join(part);
        if disk.names().get(at.as_str()).is_none() {
            disk.change_names(put(&at, Node::Folder), fate);
        }
    }
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
        answer.map(|()| Space {
            free: state.free(),
            cluster: CLUSTER,
        })
    }

    fn entries(&mut self, folder: &CardPath) -> Result<Option<Vec<Entry>>, CardError> {
        self.look(folder, |state| {
            state.check()?;
            match state.disk.names().get(folder.as_str()) {
                None => return Ok(None),
                Some(Node::File(_)) => return Err(ErrorKind::NotADirectory.into()),
                Some(Node::Folder) => {}
            }
            let names = state.disk.names().iter();
            let direct = names.filter(|(path, _)| parent(path) == folder.as_str());
            let entries = direct.map(|(path, node)| entry(&state.disk, leaf(path), node));
            Ok(Some(entries.collect()))
        })
    }

    fn read(&mut self, file: &CardPath, limit: Size) -> Result<Option<Vec<u8>>, CardError> {
        self.look(file, |state| {
            let flaw = state.begin_read()?;
            if state.disk.names().is_folder(file.as_str()) {
                return Err(ErrorKind::IsADirectory.into());
            }
            let Some(content) = state.disk.file(file.as_str()) else {
                return Ok(None);
            };
            let length = content.cached.len().min(limit.as_usize().saturating_add(1));
            let mut bytes = content.cached[..length].to_vec();
            flaw.map_or(Ok(()), |flaw| flaw.spoil(&mut bytes))?;
            state.record(|| Did::ReadCard(file.to_string()));
            Ok(Some(bytes))
        })
    }

    fn create_folder(&mut self, folder: &CardPath) -> Result<(), CardError> {
        let did = || Did::Created(folder.to_string());
        self.change(CardOperation::Create, folder, did, |state, fate| {
            let mut at = folder.clone();
            while at != CardPath::root() {
                if state.disk.file(at.as_str()).is_some() {
                    return Err(ErrorKind::NotADirectory.into());
                }
                at = at.parent();
            }
            if !state.disk.names().is_folder(folder.as_str()) {
                state.check_room(0)?;
            }
            add_folders(&mut state.disk, folder, fate);
            Ok(())
        })
    }

    fn create(&mut self, file: &CardPath) -> Result<Box<dyn CardFile>, CardError> {
        let did = || Did::Created(file.to_string());
        let number = self.change(CardOperation::Create, file, did, |state, fate| {
            let names = state.disk.names();
            if !names.is_folder(parent(file.as_str())) {
                return Err(ErrorKind::NotFound.into());
            }
            if names.is_folder(file.as_str()) {
                return Err(ErrorKind::IsADirectory.into());
            }
            if names.get(file.as_str()).is_none() {
                state.check_room(0)?;
            }
            let number = state.disk.add_file();
            state.disk.change_names(put(file, Node::File(number)), fate);
            Ok(number)
        })?;
        let card = self.clone();
        let path = file.clone();
        Ok(Box::new(SimFile { card, number, path }))
    }

    fn read_at(&mut self, file: &CardPath, at: Offset, buffer: &mut [u8]) -> Result<(), CardError> {
        self.look(file, |state| {
            let flaw = state.begin_read()?;
            let content = state.disk.file(file.as_str()).ok_or(ErrorKind::NotFound)?;
            let range = at.as_usize()..at.as_usize().saturating_add(buffer.len());
            let bytes = content.cached.get(range).ok_or(ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(bytes);
            flaw.map_or(Ok(()), |flaw| flaw.spoil(buffer))?;
            state.record(|| Did::ReadCardAt {
                file: file.to_string(),
                at,
                length: Size::bytes(buffer.len() as u64),
            });
            Ok(())
        })
    }

    fn write_sector(
        &mut self,
        file: &CardPath,
        sector: u32,
        bytes: &[u8; SECTOR],
    ) -> Result<(), CardError> {
        let did = || Did::WroteSector {
            file: file.to_string(),
            sector,
            bytes: bytes.to_vec(),
        };
        self.change(CardOperation::Write, file, did, |state, fate| {
            state.replace_sector(file.as_str(), sector, bytes, fate)
        })
    }

    fn read_back(&mut self, file: &CardPath) -> Result<Box<dyn Read + Send>, CardError> {
        let bytes = self.look(file, |state| {
            let flaw = state.begin_read()?;
            let content = state.disk.file(file.as_str()).ok_or(ErrorKind::NotFound)?;
            let mut bytes = Arc::clone(&content.stored);
            match flaw {
                None => {}
                Some(Flaw::Short) => Arc::make_mut(&mut bytes).truncate(content.stored.len() / 2),
                Some(flaw) => flaw.spoil(Arc::make_mut(&mut bytes).as_mut_slice())?,
            }
            state.record(|| Did::ReadBack(file.to_string()));
            Ok(bytes)
        })?;
        let card = self.clone();
        Ok(Box::new(ReadBack { card, bytes, at: 0 }))
    }

    fn rename(&mut self, from: &CardPath, to: &CardPath) -> Result<(), CardError> {
        let did = || Did::Renamed {
            from: from.to_string(),
            to: to.to_string(),
        };
        self.change(CardOperation::Rename, from, did, |state, fate| {
            let names = state.disk.names();
            if names.get(from.as_str()).is_none() || !names.is_folder(parent(to.as_str())) {
                return Err(ErrorKind::NotFound.into());
            }
            if names.is_folder(to.as_str()) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            let fate = match state.has(SimFault::LosesNewNames) {
                true => Fate::Lost,
                false => fate,
            };
            let (from, to) = (from.as_str().to_owned(), to.as_str().to_owned());
            state.disk.change_names(NameChange::Move { from, to }, fate);
            Ok(())
        })
    }

    fn remove_file(&mut self, file: &CardPath) -> Result<(), CardError> {
        let did = || Did::Removed(file.to_string());
        self.change(CardOperation::Remove, file, did, |state, fate| {
            remove(&mut state.disk, file, fate)
        })
    }

    fn remove_folder(&mut self, folder: &CardPath) -> Result<(), CardError> {
        let did = || Did::Removed(folder.to_string());
        self.change(CardOperation::Remove, folder, did, |state, fate| {
            remove(&mut state.disk, folder, fate)
        })
    }

    fn sync(&mut self) -> Result<(), CardError> {
        let root = CardPath::root();
        self.change(
            CardOperation::Sync,
            &root,
            || Did::Synced,
            |state, fate| {
                if fate == Fate::Done {
                    state.disk.sync();
                }
                Ok(())
            },
        )
    }
}

fn remove(disk: &mut Disk, path: &CardPath, fate: Fate) -> io::Result<()> {
    disk.names().get(path.as_str()).ok_or(ErrorKind::NotFound)?;
    let path = path.as_str().to_owned();
    disk.change_names(NameChange::Remove { path }, fate);
    Ok(())
}

fn entry(disk: &Disk, name: &str, node: Node) -> Entry {
    let kind = match node {
        Node::Folder => EntryKind::Folder,
        Node::File(number) => {
            let length = disk.numbered(number).map_or(0, |file| file.cached.len());
            EntryKind::File(Size::bytes(length as u64))
        }
    };
    Entry {
        name: name.to_owned(),
        kind,
    }
}

struct SimFile {
    card: SimCard,
    number: usize,
    path: CardPath,
}

impl Write for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let did = || Did::Appended(self.path.to_string());
        let append = |state: &mut State, fate| state.append(self.number, bytes, fate);
        self.card.state().change(did, append)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.card.state().check()
    }
}

/// What was finished is as much at risk as before: a card promises nothing before it is synced.
impl CardFile for SimFile {
    fn finish(self: Box<Self>) -> io::Result<()> {
        let did = || Did::Finished(self.path.to_string());
        self.card.state().change(did, |_, _| Ok(()))
    }
}

/// What the card kept of a file when it was opened.
struct ReadBack {
    card: SimCard,
    bytes: Arc<Vec<u8>>,
    at: usize,
}

impl Read for ReadBack {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.card.state().check()?;
        let count = (&self.bytes[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
