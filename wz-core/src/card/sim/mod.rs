//! A simulated card for tests on the host: fills up, lies, is pulled, loses power.

mod disk;
mod names;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Card, CardError, CardFile, CardOperation, CardPath, Entry, EntryKind, SECTOR, SimFault, Space,
};
use crate::sim::{Cut, Did, Faults, Noise, Power, Trace, power_is_off};
use crate::units::{Offset, Size};
use disk::{Disk, Fate, torn_sector};
use names::{NameChange, Node, leaf, parent};

/// A card in memory. Clones share it, as two programs share a card.
#[derive(Clone, Debug)]
pub struct SimCard(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    disk: Disk,
    capacity: Size,
    faults: Faults<SimFault>,
    /// Bytes written so far.
    written: u64,
    power: Power,
    /// How many of the supply's cuts this card has felt.
    cuts_felt: usize,
    trace: Option<Trace>,
}

const CLUSTER: Size = Size::kib(4);

impl SimCard {
    /// An empty card with a power supply of its own.
    pub fn new(capacity: Size) -> Self {
        Self(Arc::new(Mutex::new(State {
            disk: Disk::default(),
            capacity,
            faults: Faults::default(),
            written: 0,
            power: Power::new(),
            cuts_felt: 0,
            trace: None,
        })))
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

impl State {
    fn feel_cuts(&mut self) {
        for cut in self.power.cuts_since(self.cuts_felt) {
            self.disk.lose_power(cut);
            self.cuts_felt += 1;
        }
    }

    fn has(&self, fault: SimFault) -> bool {
        self.faults.lasting().any(|other| other == fault)
    }

    fn check(&self) -> io::Result<()> {
        self.power.check()?;
        let is_pulled = self.faults.lasting().any(
            |fault| matches!(fault, SimFault::PulledAfter(limit) if self.written >= limit.get()),
        );
        match is_pulled {
            true => Err(io::Error::new(ErrorKind::NotConnected, "the card is gone")),
            false => Ok(()),
        }
    }

    fn record(&self, did: impl FnOnce() -> Did) {
        if let Some(trace) = &self.trace {
            trace.add(did());
        }
    }

    fn change<T>(
        &mut self,
        did: impl FnOnce() -> Did,
        apply: impl FnOnce(&mut Self, Fate) -> io::Result<T>,
    ) -> io::Result<T> {
        self.check()?;
        if self.has(SimFault::ReadOnly) {
            let refused = "the card is read-only";
            return Err(io::Error::new(ErrorKind::ReadOnlyFilesystem, refused));
        }
        let fate = match self.power.begin_change()? {
            None => {
                let fate = self.fate_under_power()?;
                let done = apply(self, fate)?;
                self.record(did);
                return Ok(done);
            }
            Some(Cut::NotStarted) => None,
            Some(Cut::Torn { seed }) => Some(Fate::Torn { seed }),
            Some(Cut::DoneUnacknowledged) => Some(Fate::Done),
        };
        if let Some(fate) = fate {
            // Nobody is there to hear whether it went well.
            let _ = apply(self, fate);
        }
        self.feel_cuts();
        Err(power_is_off())
    }

    fn fate_under_power(&mut self) -> io::Result<Fate> {
        let struck = self.faults.strike(|fault| {
            matches!(
                fault,
                SimFault::FailsWrite { .. } | SimFault::IgnoresWrite { .. }
            )
        });
        match struck {
            Some(SimFault::FailsWrite { .. }) => Err(io::Error::other("simulated write error")),
            Some(SimFault::IgnoresWrite { .. }) => Ok(Fate::Lost),
            _ => Ok(Fate::Done),
        }
    }

    /// Begins a read; tells what will be wrong with what it returns.
    fn begin_read(&mut self) -> io::Result<Option<Flaw>> {
        self.check()?;
        let struck = self.faults.strike(|fault| {
            matches!(
                fault,
                SimFault::FailsRead { .. }
                    | SimFault::FlipsOnRead { .. }
                    | SimFault::ShortRead { .. }
            )
        });
        match struck {
            Some(SimFault::FailsRead { .. }) => Err(io::Error::other("simulated read error")),
            Some(SimFault::FlipsOnRead { .. }) => Ok(Some(Flaw::WrongBit)),
            Some(SimFault::ShortRead { .. }) => Ok(Some(Flaw::Short)),
            _ => Ok(None),
        }
    }

    /// Refuses what needs room when there is none for `bytes` more.
    fn check_room(&self, bytes: usize) -> io::Result<()> {
        let has_room = self.used() + bytes as u64 <= self.capacity.get();
        match has_room && !self.has(SimFault::Full) {
            true => Ok(()),
            false => Err(io::Error::new(
                ErrorKind::StorageFull,
                "no space left on the card",
            )),
        }
    }

    fn free(&self) -> Size {
        match self.has(SimFault::Full) {
            true => Size::ZERO,
            false => Size::bytes(self.capacity.get().saturating_sub(self.used())),
        }
    }

    fn used(&self) -> u64 {
        let clusters = |node| match node {
            Node::Folder => CLUSTER.get(),
            Node::File(number) => {
                let file = self.disk.numbered(number);
                let length = file.map_or(0, |file| file.cached.len());
                Size::bytes(length as u64).round_up(CLUSTER).get()
            }
        };
        let names = self.disk.names().iter();
        names.map(|(_, node)| clusters(node)).sum()
    }

    fn append(&mut self, number: usize, bytes: &[u8], fate: Fate) -> io::Result<()> {
        self.check_room(bytes.len())?;
        let nothing = vec![0; bytes.len()];
        let stored = self.as_stored(bytes, &nothing, fate);
        self.disk.append(number, bytes, &stored);
        Ok(())
    }

    /// What the card makes of `bytes` where it held `old`.
    fn as_stored<'a>(&mut self, bytes: &'a [u8], old: &'a [u8], fate: Fate) -> Cow<'a, [u8]> {
        let start = self.written;
        self.written += bytes.len() as u64;
        if fate == Fate::Lost {
            return Cow::Borrowed(old);
        }
        let mut stored = Cow::Borrowed(bytes);
        for fault in self.faults.lasting() {
            match fault {
                SimFault::DropsWritesAfter(limit) => {
                    let kept = limit.get().saturating_sub(start).min(bytes.len() as u64) as usize;
                    stored.to_mut()[kept..].copy_from_slice(&old[kept..]);
                }
                SimFault::FlipsABitAfter(place) if place.get() >= start => {
                    let at = Size::bytes(place.get() - start).as_usize();
                    if let Some(byte) = stored.to_mut().get_mut(at) {
                        *byte ^= 0x04;
                    }
                }
                _ => {}
            }
        }
        let struck = self
            .faults
            .strike(|fault| matches!(fault, SimFault::FlipsOnWrite { .. }));
        if struck.is_some() {
            Noise::new(start).flip_a_bit(stored.to_mut());
        }
        stored
    }

    fn replace_sector(
        &mut self,
        path: &str,
        sector: u32,
        bytes: &[u8; SECTOR],
        fate: Fate,
    ) -> io::Result<()> {
        let file = self.disk.file(path).ok_or(ErrorKind::NotFound)?;
        let from = sector as usize * SECTOR;
        let old = file.stored.get(from..from + SECTOR);
        let old = old.ok_or(ErrorKind::UnexpectedEof)?.to_vec();
        let stored = match fate {
            Fate::Torn { seed } => Cow::Owned(torn_sector(&old, bytes, seed)),
            Fate::Done | Fate::Lost => self.as_stored(bytes, &old, fate),
        };
        self.disk.overwrite(path, from, &stored);
        match *stored == *bytes {
            true => Ok(()),
            false => Err(io::Error::other("the card shows something else")),
        }
    }
}

/// What is wrong with what a read returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    WrongBit,
    Short,
}

impl Flaw {
    /// Applies it to what was read whole or not at all.
    fn spoil(self, bytes: &mut [u8]) -> io::Result<()> {
        match self {
            Self::WrongBit => {
                Noise::new(bytes.len() as u64).flip_a_bit(bytes);
                Ok(())
            }
            Self::Short => Err(ErrorKind::UnexpectedEof.into()),
        }
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
            state.check_room(0)?;
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
            state.check_room(0)?;
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
            state.record(|| Did::ReadCard(file.to_string()));
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
mod tests {
    use super::super::rename_for_good;
    use super::*;
    use crate::flash::{Flash, Geometry, ReadFlash, SimNor};
    use crate::units::Region;
    use rstest::rstest;
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

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
        card.sync().unwrap();
        card.power().fail_after(1, Cut::NotStarted);
        assert!(write(&mut card, &lost, &[2]).is_err());
        assert!(card.sync().is_err());
        card.power().turn_on();
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

    fn file(name: &str) -> CardPath {
        CardPath::root().join(name)
    }

    /// A card with a synced file `old`, and with changes of every kind that are not synced.
    fn card_with_unsynced_changes(power: &Power) -> SimCard {
        let mut card = SimCard::new(Size::mib(1))
            .with(&file("old"), b"old")
            .with(&file("gone"), b"gone")
            .with(&file("journal"), &[0; 2 * SECTOR])
            .powered_by(power);
        card.create_folder(&file("folder")).unwrap();
        write(&mut card, &file("folder/new"), b"new").unwrap();
        write(&mut card, &file("partial"), b"newer").unwrap();
        card.rename(&file("partial"), &file("old")).unwrap();
        card.remove_file(&file("gone")).unwrap();
        card
    }

    fn names(card: &SimCard) -> Vec<String> {
        card.files().into_keys().collect()
    }

    fn chip() -> SimNor {
        SimNor::blank(Geometry {
            size: Size::kib(16),
            erase_block: Size::kib(4),
            page: Size::bytes(256),
        })
    }

    const SYNCED: [&str; 3] = ["gone", "journal", "old"];
    const UNSYNCED: [&str; 3] = ["folder/new", "journal", "old"];

    #[rstest]
    fn a_cut_in_any_change_of_either_device_loses_or_keeps_all_that_was_not_synced(
        #[values((Cut::NotStarted, SYNCED, b"old".as_slice()), (Cut::DoneUnacknowledged, UNSYNCED, b"newer".as_slice()))]
        (cut, left, content): (Cut, [&str; 3], &[u8]),
        #[values(
            |_: &mut SimCard, chip: &mut SimNor| chip.erase(Offset::ZERO).is_err(),
            |_: &mut SimCard, chip: &mut SimNor| chip.program(Offset::ZERO, &[0]).is_err(),
            |card: &mut SimCard, _: &mut SimNor| card.sync().is_err(),
            |card: &mut SimCard, _: &mut SimNor| card.create_folder(&file("empty")).is_err(),
            |card: &mut SimCard, _: &mut SimNor| card.write_sector(&file("journal"), 1, &[9; SECTOR]).is_err(),
        )]
        change: fn(&mut SimCard, &mut SimNor) -> bool,
    ) {
        let power = Power::new();
        let mut card = card_with_unsynced_changes(&power);
        let mut chip = chip().powered_by(&power);
        power.fail_after(0, cut);
        assert!(change(&mut card, &mut chip), "it does not succeed");
        power.turn_on();
        assert_eq!(names(&card), left);
        assert_eq!(
            card.read(&file("old"), Size::kib(1)).unwrap().unwrap(),
            content
        );
    }

    #[test]
    fn a_torn_cut_leaves_parts_and_what_was_synced_and_every_part_is_seen_with_some_seed() {
        let mut seen = BTreeSet::new();
        for seed in 0..500 {
            let power = Power::new();
            let card = card_with_unsynced_changes(&power);
            let mut chip = chip().powered_by(&power);
            power.fail_after(0, Cut::Torn { seed });
            assert!(chip.erase(Offset::ZERO).is_err());
            power.turn_on();
            let files = card.files();
            assert_eq!(files["journal"], [0; 2 * SECTOR]);
            seen.insert(names(&card));
            let old = &files["old"];
            let is_part = old == b"old" || b"newer".starts_with(old);
            assert!(is_part || old.len() == 5, "{old:?}");
        }
        for names in [
            &SYNCED[..],
            &UNSYNCED,
            &["gone", "journal", "old", "partial"],
            &["folder/new", "gone", "journal", "old", "partial"],
            &["folder/new", "gone", "journal", "old"],
        ] {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert!(seen.contains(&names), "{names:?}");
        }
    }

    #[test]
    fn what_is_not_synced_is_truncated_lost_or_overwritten_at_its_end_only() {
        let mut lengths = BTreeSet::new();
        let mut with_garbage = 0;
        for seed in 0..200 {
            let mut card = SimCard::new(Size::mib(1));
            let mut log = card.create(&file("log")).unwrap();
            log.write_all(&[1; 100]).unwrap();
            card.sync().unwrap();
            log.write_all(&[2; 100]).unwrap();
            card.power().fail_after(0, Cut::Torn { seed });
            assert!(log.finish().is_err());
            card.power().turn_on();
            let log = &card.files()["log"];
            assert_eq!(log[..100], [1; 100], "synced");
            let garbage = log[100..].iter().filter(|byte| **byte != 2).count();
            assert!(garbage == 0 || log.len() == 200);
            with_garbage += u32::from(garbage > 0);
            lengths.insert(log.len());
        }
        assert!(lengths.len() > 50 && with_garbage > 20);
    }

    #[rstest]
    #[case(Cut::NotStarted, |sector: &[u8]| sector == [0; SECTOR])]
    #[case(Cut::DoneUnacknowledged, |sector: &[u8]| sector == [9; SECTOR])]
    #[case(Cut::Torn { seed: 1 }, |sector: &[u8]| {
        let new = sector.iter().take_while(|byte| **byte == 9).count();
        (1..SECTOR).contains(&new) && sector[new..].iter().all(|byte| *byte == 0)
    })]
    fn a_sector_in_flight_is_old_or_new_or_both_and_its_neighbour_is_untouched(
        #[case] cut: Cut,
        #[case] may_hold: fn(&[u8]) -> bool,
    ) {
        let mut card = SimCard::new(Size::mib(1)).with(&file("journal"), &[0; 2 * SECTOR]);
        card.power().fail_after(0, cut);
        assert!(
            card.write_sector(&file("journal"), 1, &[9; SECTOR])
                .is_err()
        );
        card.power().turn_on();
        let journal = &card.files()["journal"];
        assert_eq!(journal[..SECTOR], [0; SECTOR]);
        assert!(may_hold(&journal[SECTOR..]), "{journal:?}");
    }

    #[test]
    fn a_sector_that_was_written_needs_no_sync() {
        let mut card = SimCard::new(Size::mib(1)).with(&file("journal"), &[0; 2 * SECTOR]);
        card.write_sector(&file("journal"), 1, &[9; SECTOR])
            .unwrap();
        card.power().fail_after(0, Cut::NotStarted);
        assert!(card.sync().is_err());
        card.power().turn_on();
        let mut sector = [0; SECTOR];
        card.read_at(&file("journal"), Offset::bytes(SECTOR as u64), &mut sector)
            .unwrap();
        assert_eq!(sector, [9; SECTOR]);
        assert!(
            card.write_sector(&file("journal"), 2, &[9; SECTOR])
                .is_err(),
            "no such sector"
        );
    }

    #[test]
    fn nothing_works_without_power() {
        let power = Power::new();
        let mut card = card_with_unsynced_changes(&power);
        let mut chip = chip().powered_by(&power);
        let mut open = card.create(&file("open")).unwrap();
        let mut reader = card.read_back(&file("old")).unwrap();
        power.fail_after(0, Cut::DoneUnacknowledged);
        assert!(chip.erase(Offset::ZERO).is_err());
        let counted = power.operations();
        let root = CardPath::root();
        let refused = [
            card.space().map(drop),
            card.entries(&root).map(drop),
            card.read(&file("old"), Size::kib(1)).map(drop),
            card.read_at(&file("old"), Offset::ZERO, &mut [0]),
            card.read_back(&file("old")).map(drop),
            card.create(&file("x")).map(drop),
            card.create_folder(&file("x")),
            card.write_sector(&file("journal"), 0, &[0; SECTOR]),
            card.rename(&file("old"), &file("x")),
            card.remove_file(&file("old")),
            card.remove_folder(&file("folder")),
            card.sync(),
        ];
        let kinds = refused.map(|result| result.unwrap_err().source.kind());
        assert!(
            kinds.iter().all(|kind| *kind == ErrorKind::NotConnected),
            "{kinds:?}"
        );
        assert!(!card.is_present());
        assert!(reader.read(&mut [0]).is_err());
        assert!(open.write(&[0]).is_err() && open.flush().is_err() && open.finish().is_err());
        assert_eq!(power.operations(), counted);
    }

    #[test]
    fn every_change_counts_once() {
        let power = Power::new();
        let mut card = SimCard::new(Size::mib(1))
            .with(&file("j"), &[0; SECTOR])
            .powered_by(&power);
        card.create_folder(&file("a")).unwrap();
        write(&mut card, &file("a/b"), b"created, appended, finished").unwrap();
        card.rename(&file("a/b"), &file("c")).unwrap();
        card.write_sector(&file("j"), 0, &[1; SECTOR]).unwrap();
        card.remove_file(&file("c")).unwrap();
        card.remove_folder(&file("a")).unwrap();
        card.sync().unwrap();
        assert_eq!(power.operations(), 9);
        card.read(&file("j"), Size::kib(1)).unwrap();
        card.entries(&CardPath::root()).unwrap();
        assert_eq!(power.operations(), 9, "looking is no change");
    }

    #[test]
    fn a_duplicate_is_a_card_of_its_own() {
        let card = SimCard::new(Size::mib(1)).with(&file("a"), &[1; SECTOR]);
        let mut other = card.duplicate();
        other.write_sector(&file("a"), 0, &[2; SECTOR]).unwrap();
        other.remove_file(&file("a")).unwrap();
        assert_eq!(
            card.files(),
            BTreeMap::from([("a".to_owned(), vec![1; SECTOR])])
        );
        assert_eq!(card.power().operations(), 0);
    }

    /// Suites make a hundred thousand runs of hundreds of changes each.
    #[test]
    fn what_a_sync_costs_does_not_depend_on_what_is_on_the_card() {
        let mut card = SimCard::new(Size::mib(64));
        for number in 0..20 {
            card = card.with(&file(&number.to_string()), &[7; 64 * 1024]);
        }
        let start = Instant::now();
        (0..10_000).for_each(|_| card.sync().unwrap());
        let took = start.elapsed();
        assert!(took < Duration::from_millis(100), "{took:?}");
    }

    fn card_with_two_sectors() -> SimCard {
        SimCard::new(Size::mib(1)).with(&file("j"), &[7; 2 * SECTOR])
    }

    type Reading = fn(&mut SimCard) -> io::Result<Vec<u8>>;

    const READ: Reading = |card| {
        let bytes = card
            .read(&file("j"), Size::kib(9))
            .map_err(|error| error.source);
        Ok(bytes?.unwrap())
    };
    const READ_AT: Reading = |card| {
        let mut bytes = vec![0; 2 * SECTOR];
        let done = card.read_at(&file("j"), Offset::ZERO, &mut bytes);
        done.map_err(|error| error.source).map(|()| bytes)
    };
    const READ_BACK: Reading = |card| {
        let mut bytes = Vec::new();
        let mut open = card.read_back(&file("j")).map_err(|error| error.source)?;
        open.read_to_end(&mut bytes).map(|_| bytes)
    };

    #[rstest]
    fn a_read_fault_strikes_the_nth_read_and_no_other(
        #[values(READ, READ_AT, READ_BACK)] read: Reading,
        #[values(
            SimFault::FailsRead { nth: 2 },
            SimFault::FlipsOnRead { nth: 2 },
            SimFault::ShortRead { nth: 2 },
        )]
        fault: SimFault,
    ) {
        let mut card = card_with_two_sectors();
        card.break_it(fault);
        let right = vec![7; 2 * SECTOR];
        assert_eq!(read(&mut card).unwrap(), right);
        match (fault, read(&mut card)) {
            (SimFault::FlipsOnRead { .. }, Ok(bytes)) => {
                let wrong = bytes.iter().map(|byte| (byte ^ 7).count_ones());
                assert_eq!((bytes.len(), wrong.sum::<u32>()), (2 * SECTOR, 1));
            }
            (SimFault::ShortRead { .. }, Ok(bytes)) => assert_eq!(bytes, [7; SECTOR]),
            (SimFault::ShortRead { .. }, Err(error)) => {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            }
            (_, result) => drop(result.unwrap_err()),
        }
        assert_eq!(read(&mut card).unwrap(), right);
    }

    type Writing = fn(&mut SimCard) -> io::Result<()>;

    const CREATE: Writing = |card| {
        card.create(&file("x"))
            .map(drop)
            .map_err(|error| error.source)
    };
    const APPEND: Writing = |card| write(card, &file("new"), b"content");
    const FOLDER: Writing = |card| card.create_folder(&file("f")).map_err(|error| error.source);
    const RENAME: Writing = |card| {
        card.rename(&file("j"), &file("k"))
            .map_err(|error| error.source)
    };
    const REMOVE: Writing = |card| card.remove_file(&file("j")).map_err(|error| error.source);
    const REPLACE: Writing = |card| {
        card.write_sector(&file("j"), 0, &[8; SECTOR])
            .map_err(|error| error.source)
    };
    const SYNC: Writing = |card| card.sync().map_err(|error| error.source);

    #[rstest]
    fn a_write_that_fails_changes_nothing(
        #[values(CREATE, FOLDER, RENAME, REMOVE, REPLACE, SYNC)] write: Writing,
    ) {
        let mut card = card_with_two_sectors();
        card.break_it(SimFault::FailsWrite { nth: 1 });
        assert!(write(&mut card).is_err());
        assert_eq!(card.files(), card_with_two_sectors().files());
        assert!(card.folders().is_empty());
        write(&mut card).unwrap();
    }

    #[rstest]
    fn an_ignored_name_is_seen_until_the_next_sync(
        #[values(CREATE, FOLDER, RENAME, REMOVE)] write: Writing,
    ) {
        let root = CardPath::root();
        let mut card = card_with_two_sectors();
        let before = card.entries(&root).unwrap();
        card.break_it(SimFault::IgnoresWrite { nth: 1 });
        write(&mut card).unwrap();
        assert_ne!(card.entries(&root).unwrap(), before);
        assert_eq!(
            card.files(),
            card_with_two_sectors().files(),
            "not on the card"
        );
        card.sync().unwrap();
        assert_eq!(card.entries(&root).unwrap(), before);
    }

    #[test]
    fn an_ignored_append_shows_on_read_back() {
        let mut card = card_with_two_sectors();
        card.break_it(SimFault::IgnoresWrite { nth: 2 });
        APPEND(&mut card).unwrap();
        let seen = card.read(&file("new"), Size::kib(1)).unwrap();
        assert_eq!(seen.as_deref(), Some(b"content".as_slice()));
        assert_eq!(read_back(&mut card, &file("new")), [0; 7]);
    }

    #[test]
    fn an_ignored_sync_leaves_everything_at_risk() {
        let mut card = card_with_two_sectors();
        card.break_it(SimFault::IgnoresWrite { nth: 4 });
        APPEND(&mut card).unwrap();
        SYNC(&mut card).unwrap();
        card.power().fail_after(0, Cut::NotStarted);
        SYNC(&mut card).unwrap_err();
        card.power().turn_on();
        assert_eq!(names(&card), ["j"]);
    }

    #[rstest]
    #[case::ignored(SimFault::IgnoresWrite { nth: 1 }, 7 ^ 8)]
    #[case::dropped(SimFault::DropsWritesAfter(Size::ZERO), 7 ^ 8)]
    #[case::flipped(SimFault::FlipsOnWrite { nth: 1 }, 0)]
    fn a_sector_that_the_card_does_not_keep_is_an_error(
        #[case] fault: SimFault,
        #[case] wrong_in_most_bytes: u8,
    ) {
        let mut card = card_with_two_sectors();
        card.break_it(fault);
        assert!(REPLACE(&mut card).is_err());
        let stored = &card.files()["j"];
        let like = |byte: &&u8| **byte ^ 8 == wrong_in_most_bytes;
        assert!(stored[..SECTOR].iter().filter(like).count() >= SECTOR - 1);
        assert_ne!(stored[..SECTOR], [8; SECTOR]);
        assert_eq!(stored[SECTOR..], [7; SECTOR]);
    }

    #[test]
    fn a_flipped_bit_shows_on_read_back_only() {
        let mut card = card_with_two_sectors();
        card.break_it(SimFault::FlipsOnWrite { nth: 1 });
        APPEND(&mut card).unwrap();
        let seen = card.read(&file("new"), Size::kib(1)).unwrap();
        assert_eq!(seen.as_deref(), Some(b"content".as_slice()));
        let stored = read_back(&mut card, &file("new"));
        let wrong = stored
            .iter()
            .zip(b"content")
            .map(|(a, b)| (a ^ b).count_ones());
        assert_eq!(wrong.sum::<u32>(), 1);
    }

    #[rstest]
    #[case::create(CREATE, false)]
    #[case::append(APPEND, false)]
    #[case::folder(FOLDER, false)]
    #[case::rename(RENAME, true)]
    #[case::replace(REPLACE, true)]
    #[case::sync(SYNC, true)]
    #[case::remove(REMOVE, true)]
    fn a_full_card_takes_what_needs_no_room(#[case] write: Writing, #[case] is_taken: bool) {
        let mut card = card_with_two_sectors();
        card.break_it(SimFault::Full);
        assert_eq!(card.space().unwrap().free, Size::ZERO);
        match write(&mut card) {
            Ok(()) => assert!(is_taken),
            Err(error) => assert!(!is_taken && error.kind() == ErrorKind::StorageFull),
        }
    }

    #[test]
    fn a_card_can_be_broken_in_several_ways() {
        let mut card = card_with_two_sectors();
        card.break_it(SimFault::LosesNewNames);
        card.break_it(SimFault::FailsWrite { nth: 2 });
        RENAME(&mut card).unwrap();
        SYNC(&mut card).unwrap_err();
        SYNC(&mut card).unwrap();
        assert_eq!(names(&card), ["j"]);
    }

    #[test]
    fn a_trace_has_what_was_done_with_chip_and_card_in_order() {
        let trace = Trace::new();
        let mut card = card_with_two_sectors().traced_by(&trace);
        let mut chip = chip().traced_by(&trace);
        card.create_folder(&file("d")).unwrap();
        write(&mut card, &file("d/a"), b"a").unwrap();
        chip.erase(Offset::bytes(4096)).unwrap();
        card.write_sector(&file("j"), 1, &[3; SECTOR]).unwrap();
        chip.program(Offset::bytes(4096), &[0; 3]).unwrap();
        chip.read(Offset::bytes(8), &mut [0; 2]).unwrap();
        card.rename(&file("d/a"), &file("b")).unwrap();
        card.sync().unwrap();
        card.read(&file("b"), Size::kib(1)).unwrap();
        card.read_at(&file("b"), Offset::ZERO, &mut [0]).unwrap();
        read_back(&mut card, &file("b"));
        card.remove_file(&file("b")).unwrap();
        card.remove_folder(&file("d")).unwrap();
        let done = [
            Did::Created("d".into()),
            Did::Created("d/a".into()),
            Did::Appended("d/a".into()),
            Did::Finished("d/a".into()),
            Did::Erased(Offset::bytes(4096)),
            Did::WroteSector {
                file: "j".into(),
                sector: 1,
                bytes: vec![3; SECTOR],
            },
            Did::Programmed {
                at: Offset::bytes(4096),
                length: Size::bytes(3),
            },
            Did::ReadFlash(Region::new(Offset::bytes(8), Size::bytes(2))),
            Did::Renamed {
                from: "d/a".into(),
                to: "b".into(),
            },
            Did::Synced,
            Did::ReadCard("b".into()),
            Did::ReadCard("b".into()),
            Did::ReadBack("b".into()),
            Did::Removed("b".into()),
            Did::Removed("d".into()),
        ];
        assert_eq!(trace.entries(), done);
    }

    #[test]
    fn a_trace_has_nothing_that_failed() {
        let (trace, power) = (Trace::new(), Power::new());
        let mut card = card_with_two_sectors().traced_by(&trace).powered_by(&power);
        let mut chip = chip().traced_by(&trace).powered_by(&power);
        assert!(card.remove_file(&file("nothing")).is_err());
        assert!(card.read_back(&file("nothing")).is_err());
        assert_eq!(card.read(&file("nothing"), Size::kib(1)).unwrap(), None);
        assert!(card.write_sector(&file("j"), 9, &[3; SECTOR]).is_err());
        assert!(chip.erase(Offset::bytes(1)).is_err());
        power.fail_after(0, Cut::DoneUnacknowledged);
        assert!(chip.program(Offset::ZERO, &[0]).is_err());
        power.turn_on();
        power.fail_after(0, Cut::DoneUnacknowledged);
        assert!(card.sync().is_err());
        assert!(chip.read(Offset::ZERO, &mut [0]).is_err());
        assert_eq!(trace.entries(), []);
    }
}
