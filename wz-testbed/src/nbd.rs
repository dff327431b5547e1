//! SD cards that fail: a network block device server for QEMU, with faults.
//!
//! It speaks the part of the protocol that QEMU needs: fixed newstyle negotiation, one export,
//! simple replies (<https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md>).
//!
//! ```text
//! server: "NBDMAGIC" "IHAVEOPT" flags(2)        client: flags(4)
//! client: "IHAVEOPT" option(4) length(4) data   server: 0x3e889045565a9 option(4) type(4) length(4) data
//! client: 0x25609513 flags(2) type(2) cookie(8) offset(8) length(4) [data]
//! server: 0x67446698 error(4) cookie(8) [data]                                    all big-endian
//! ```

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use wz_core::card::SECTOR;
use wz_core::units::Region;

use crate::error::{Doing, Result};
use crate::pace::Pace;

const OPTION_REPLY: u64 = 0x0003_e889_0455_65a9;
const REQUEST: u32 = 0x2560_9513;
const REPLY: u32 = 0x6744_6698;

const OPT_EXPORT_NAME: u32 = 1;
const OPT_ABORT: u32 = 2;
const OPT_INFO: u32 = 6;
const OPT_GO: u32 = 7;
const REP_ACK: u32 = 1;
const REP_INFO: u32 = 3;
const REP_ERR_UNSUPPORTED: u32 = 0x8000_0001;

/// Flags are there, flush is understood.
const TRANSMISSION_FLAGS: u16 = 0b101;

const EIO: u32 = 5;
const EINVAL: u32 = 22;

/// More than QEMU ever asks for at once.
const LONGEST_REQUEST: u32 = 32 << 20;

const SHORTEST_SLEEP: Duration = Duration::from_millis(2);

/// What is wrong with a card. Offsets count from the card's first sector.
///
/// QEMU's SD card (`hw/sd/sd.c` of 7.2) keeps I/O errors to itself: to the camera, a failed write is
/// one that was dropped, and a failed read gives the bytes that the card read before. Errors that the
/// camera sees come from [`Run::pull_card`](crate::Run::pull_card).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// From this write on (0 is the first) nothing is stored, but success is reported: what
    /// counterfeit cards do.
    pub drops_writes_from: Option<u64>,
    /// Writes into these stretches are not stored, but success is reported.
    pub drops_writes_in: Vec<Region>,
    /// Reads that touch these stretches are I/O errors.
    pub fails_reads_in: Vec<Region>,
    /// Every sector of these stretches can be read once; from then on reading it is an I/O error.
    pub fails_rereads_in: Vec<Region>,
    /// Writes that touch these stretches are I/O errors.
    pub fails_writes_in: Vec<Region>,
    /// From this write on (0 is the first) every write is an I/O error.
    pub fails_writes_from: Option<u64>,
    /// The card is gone: every request is an I/O error.
    pub gone: bool,
    /// Reading and writing is no faster than this.
    pub bytes_per_second: Option<u64>,
}

/// How much the camera used the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CardTraffic {
    /// Read requests.
    pub reads: u64,
    /// Write requests, those that failed or were dropped included.
    pub writes: u64,
    /// Bytes that were asked for.
    pub bytes_read: u64,
    /// Bytes that were sent.
    pub bytes_written: u64,
}

/// A card image served with faults, until this is dropped.
#[derive(Debug)]
pub(crate) struct FaultyCard {
    socket: PathBuf,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    image: File,
    faults: Faults,
    /// The sectors among `fails_rereads_in` that were read.
    worn: BTreeSet<u64>,
    traffic: CardTraffic,
    pace: Option<Pace>,
    clients: Vec<UnixStream>,
    closed: bool,
}

impl FaultyCard {
    /// Serves the image file on the Unix socket `socket`, which it makes.
    pub(crate) fn serve(image: &Path, socket: &Path, faults: Faults) -> Result<Self> {
        let serving = || format!("serve {} on {}", image.display(), socket.display());
        let image = OpenOptions::new()
            .read(true)
            .write(true)
            .open(image)
            .doing(serving)?;
        // Left over from the boot before.
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).doing(serving)?;
        let state = Arc::new(Mutex::new(State {
            image,
            pace: pace(&faults),
            faults,
            worn: BTreeSet::new(),
            traffic: CardTraffic::default(),
            clients: Vec::new(),
            closed: false,
        }));
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &shared));
        Ok(Self {
            socket: socket.to_owned(),
            state,
        })
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Changes what is wrong with the card while it is in use.
    pub(crate) fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        let mut state = lock(&self.state);
        change(&mut state.faults);
        state.pace = pace(&state.faults);
    }

    pub(crate) fn faults(&self) -> Faults {
        lock(&self.state).faults.clone()
    }

    pub(crate) fn traffic(&self) -> CardTraffic {
        lock(&self.state).traffic
    }
}

impl Drop for FaultyCard {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.closed = true;
        for client in &state.clients {
            let _ = client.shutdown(Shutdown::Both);
        }
        drop(state);
        // Wakes the thread that accepts, so that it sees that it is closed.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn pace(faults: &Faults) -> Option<Pace> {
    let speed = faults.bytes_per_second?;
    Some(Pace::new(speed, Instant::now()))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(|e| e.into_inner())
}

fn accept(listener: &UnixListener, state: &Arc<Mutex<State>>) {
    for client in listener.incoming().map_while(io::Result::ok) {
        let mut known = lock(state);
        let Ok(handle) = client.try_clone() else {
            return;
        };
        if known.closed {
            return;
        }
        known.clients.push(handle);
        drop(known);
        let state = Arc::clone(state);
        thread::spawn(move || {
            // The connection's end is told by QEMU, which then has no card.
            let _ = talk(client, &state);
        });
    }
}

fn talk(mut client: UnixStream, state: &Mutex<State>) -> io::Result<()> {
    let size = lock(state).image.metadata()?.len();
    if negotiate(&mut client, size)? {
        while answer(&mut client, state)? {}
    }
    Ok(())
}

/// Whether the client wants to go on.
fn negotiate(client: &mut UnixStream, size: u64) -> io::Result<bool> {
    client.write_all(b"NBDMAGICIHAVEOPT")?;
    client.write_all(&3_u16.to_be_bytes())?; // fixed newstyle, no zeros
    let no_zeros = u32::from_be_bytes(take(client)?) & 2 != 0;
    loop {
        if &take::<8>(client)? != b"IHAVEOPT" {
            return Ok(false);
        }
        let option = u32::from_be_bytes(take(client)?);
        let length = u32::from_be_bytes(take(client)?);
        io::copy(&mut client.take(u64::from(length)), &mut io::sink())?;
        match option {
            OPT_EXPORT_NAME => {
                client.write_all(&size.to_be_bytes())?;
                client.write_all(&TRANSMISSION_FLAGS.to_be_bytes())?;
                if !no_zeros {
                    client.write_all(&[0; 124])?;
                }
                return Ok(true);
            }
            OPT_GO | OPT_INFO => {
                let mut export = vec![0, 0]; // NBD_INFO_EXPORT
                export.extend_from_slice(&size.to_be_bytes());
                export.extend_from_slice(&TRANSMISSION_FLAGS.to_be_bytes());
                reply(client, option, REP_INFO, &export)?;
                reply(client, option, REP_ACK, &[])?;
                if option == OPT_GO {
                    return Ok(true);
                }
            }
            OPT_ABORT => {
                reply(client, option, REP_ACK, &[])?;
                return Ok(false);
            }
            _ => reply(client, option, REP_ERR_UNSUPPORTED, &[])?,
        }
    }
}

fn reply(client: &mut UnixStream, option: u32, kind: u32, data: &[u8]) -> io::Result<()> {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    client.write_all(&OPTION_REPLY.to_be_bytes())?;
    client.write_all(&option.to_be_bytes())?;
    client.write_all(&kind.to_be_bytes())?;
    client.write_all(&length.to_be_bytes())?;
    client.write_all(data)
}

/// Answers one request; whether there may be more.
fn answer(client: &mut UnixStream, state: &Mutex<State>) -> io::Result<bool> {
    if u32::from_be_bytes(take(client)?) != REQUEST {
        return Ok(false);
    }
    let _flags: [u8; 2] = take(client)?;
    let kind = u16::from_be_bytes(take(client)?);
    let cookie: [u8; 8] = take(client)?;
    let offset = u64::from_be_bytes(take(client)?);
    let length = u32::from_be_bytes(take(client)?);
    if length > LONGEST_REQUEST {
        return Ok(false);
    }
    let mut data = vec![0; length as usize];
    let error = match kind {
        0 => lock(state).read(offset, &mut data),
        1 => {
            client.read_exact(&mut data)?;
            let error = lock(state).write(offset, &data);
            data.clear();
            error
        }
        2 => return Ok(false),
        3 => lock(state).flush(),
        _ => EINVAL,
    };
    if matches!(kind, 0 | 1) {
        wait_until_moved(u64::from(length), state);
    }
    client.write_all(&REPLY.to_be_bytes())?;
    client.write_all(&error.to_be_bytes())?;
    client.write_all(&cookie)?;
    if kind == 0 && error == 0 {
        client.write_all(&data)?;
    }
    Ok(true)
}

/// Takes as long as a card of the speed that was asked for. QEMU asks for single sectors, and each
/// sleep is a bit too long; so short ones add up first.
fn wait_until_moved(bytes: u64, state: &Mutex<State>) {
    let now = Instant::now();
    let moved = lock(state).pace.as_mut().map(|pace| pace.moves(bytes, now));
    let wait = moved.map_or(Duration::ZERO, |moved| moved.saturating_duration_since(now));
    if wait >= SHORTEST_SLEEP {
        thread::sleep(wait);
    }
}

fn take<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Each returns the error code of the reply, 0 for none.
impl State {
    fn read(&mut self, offset: u64, data: &mut [u8]) -> u32 {
        self.traffic.reads += 1;
        self.traffic.bytes_read += data.len() as u64;
        if self.faults.gone
            || touches(&self.faults.fails_reads_in, offset, data.len())
            || self.wears_out(offset, data.len())
        {
            return EIO;
        }
        self.image.read_exact_at(data, offset).map_or(EIO, |()| 0)
    }

    /// Whether one of these sectors was worn out before. From now on all that can be are.
    fn wears_out(&mut self, offset: u64, length: usize) -> bool {
        let mut was_worn = false;
        for at in (offset..offset + length as u64).step_by(SECTOR) {
            if touches(&self.faults.fails_rereads_in, at, SECTOR) {
                was_worn |= !self.worn.insert(at);
            }
        }
        was_worn
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> u32 {
        let number = self.traffic.writes;
        self.traffic.writes += 1;
        self.traffic.bytes_written += data.len() as u64;
        let from = |first: Option<u64>| first.is_some_and(|first| number >= first);
        let faults = &self.faults;
        if faults.gone
            || from(faults.fails_writes_from)
            || touches(&faults.fails_writes_in, offset, data.len())
        {
            return EIO;
        }
        if from(faults.drops_writes_from) || touches(&faults.drops_writes_in, offset, data.len()) {
            return 0;
        }
        self.image.write_all_at(data, offset).map_or(EIO, |()| 0)
    }

    fn flush(&self) -> u32 {
        if self.faults.gone { EIO } else { 0 }
    }
}

fn touches(stretches: &[Region], offset: u64, length: usize) -> bool {
    let end = offset + length as u64;
    stretches
        .iter()
        .any(|s| offset < s.end().get() && s.offset.get() < end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use tempfile::TempDir;
    use wz_core::units::{Offset, Size};

    /// A client as small as can be.
    struct Client(UnixStream);

    impl Client {
        fn connect(card: &FaultyCard) -> (Self, u64) {
            let mut stream = UnixStream::connect(card.socket()).unwrap();
            assert_eq!(&take::<16>(&mut stream).unwrap(), b"NBDMAGICIHAVEOPT");
            take::<2>(&mut stream).unwrap();
            stream.write_all(&3_u32.to_be_bytes()).unwrap();
            stream
                .write_all(b"IHAVEOPT\0\0\0\x07\0\0\0\x06\0\0\0\0\0\0")
                .unwrap();
            let info = take::<32>(&mut stream).unwrap();
            let ack = take::<20>(&mut stream).unwrap();
            assert_eq!(ack[12..16], REP_ACK.to_be_bytes());
            let size = u64::from_be_bytes(info[22..30].try_into().unwrap());
            (Self(stream), size)
        }

        fn request(&mut self, kind: u16, offset: u64, length: usize, data: &[u8]) -> u32 {
            let length = u32::try_from(length).unwrap();
            self.0.write_all(&REQUEST.to_be_bytes()).unwrap();
            self.0.write_all(&[0, 0]).unwrap();
            self.0.write_all(&kind.to_be_bytes()).unwrap();
            self.0.write_all(b"a cookie").unwrap();
            self.0.write_all(&offset.to_be_bytes()).unwrap();
            self.0.write_all(&length.to_be_bytes()).unwrap();
            self.0.write_all(data).unwrap();
            assert_eq!(take::<4>(&mut self.0).unwrap(), REPLY.to_be_bytes());
            let error = u32::from_be_bytes(take(&mut self.0).unwrap());
            assert_eq!(&take::<8>(&mut self.0).unwrap(), b"a cookie");
            error
        }

        fn read(&mut self, sector: u64) -> Result<u8, u32> {
            match self.request(0, sector * SECTOR as u64, SECTOR, &[]) {
                0 => Ok(take::<SECTOR>(&mut self.0).unwrap()[0]),
                error => Err(error),
            }
        }

        fn write(&mut self, sector: u64, byte: u8) -> u32 {
            self.request(1, sector * SECTOR as u64, SECTOR, &[byte; SECTOR])
        }
    }

    fn card(faults: Faults) -> (TempDir, FaultyCard) {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("card.img");
        std::fs::write(&image, [0x11; 16 * SECTOR]).unwrap();
        let card = FaultyCard::serve(&image, &dir.path().join("nbd"), faults).unwrap();
        (dir, card)
    }

    fn sector(n: u64) -> Vec<Region> {
        vec![Region::new(Offset::bytes(n * 512), Size::bytes(512))]
    }

    #[test]
    fn a_healthy_card_stores_what_is_written() {
        let (_dir, card) = card(Faults::default());
        let (mut client, size) = Client::connect(&card);

        assert_eq!(size, 16 * 512);
        assert_eq!(client.read(3), Ok(0x11));
        assert_eq!(client.write(3, 0x22), 0);
        assert_eq!(client.request(3, 0, 0, &[]), 0);
        assert_eq!(client.read(3), Ok(0x22));
        assert_eq!(client.read(4), Ok(0x11));
        assert_eq!(
            card.traffic(),
            CardTraffic {
                reads: 3,
                writes: 1,
                bytes_read: 1536,
                bytes_written: 512
            }
        );
    }

    #[rstest]
    #[case::from_the_second_on(Faults { drops_writes_from: Some(1), ..Faults::default() })]
    #[case::at_a_place(Faults { drops_writes_in: sector(2), ..Faults::default() })]
    fn a_lying_card_says_that_it_stored_what_it_lost(#[case] faults: Faults) {
        let (_dir, card) = card(faults);
        let (mut client, _) = Client::connect(&card);

        assert_eq!((client.write(1, 0x22), client.write(2, 0x22)), (0, 0));

        assert_eq!((client.read(1), client.read(2)), (Ok(0x22), Ok(0x11)));
    }

    #[rstest]
    #[case::from_the_second_on(Faults { fails_writes_from: Some(1), ..Faults::default() })]
    #[case::at_a_place(Faults { fails_writes_in: sector(2), ..Faults::default() })]
    fn a_failing_write_is_an_error_and_stores_nothing(#[case] faults: Faults) {
        let (_dir, card) = card(faults);
        let (mut client, _) = Client::connect(&card);

        assert_eq!((client.write(1, 0x22), client.write(2, 0x22)), (0, EIO));

        assert_eq!((client.read(1), client.read(2)), (Ok(0x22), Ok(0x11)));
    }

    #[test]
    fn an_unreadable_sector_is_an_error() {
        let (_dir, card) = card(Faults {
            fails_reads_in: sector(2),
            ..Faults::default()
        });
        let (mut client, _) = Client::connect(&card);

        assert_eq!(
            (client.read(1), client.read(2), client.read(3)),
            (Ok(0x11), Err(EIO), Ok(0x11))
        );
    }

    #[test]
    fn a_sector_that_wears_out_can_be_read_once() {
        let (_dir, card) = card(Faults {
            fails_rereads_in: sector(2),
            ..Faults::default()
        });
        let (mut client, _) = Client::connect(&card);

        let mut read = |sector| client.read(sector);
        assert_eq!([read(1), read(2), read(3)], [Ok(0x11); 3]);
        assert_eq!([read(1), read(2), read(3)], [Ok(0x11), Err(EIO), Ok(0x11)]);
        assert_eq!(read(2), Err(EIO));
    }

    #[test]
    fn a_card_can_go_while_it_is_in_use() {
        let (_dir, card) = card(Faults::default());
        let (mut client, _) = Client::connect(&card);
        assert_eq!(client.read(1), Ok(0x11));

        card.change_faults(|faults| faults.gone = true);

        assert_eq!(client.read(1), Err(EIO));
        assert_eq!(client.write(1, 0x22), EIO);
        assert_eq!(client.request(3, 0, 0, &[]), EIO);
    }

    #[test]
    fn dropping_the_card_ends_the_connection() {
        let (_dir, card) = card(Faults::default());
        let (mut client, _) = Client::connect(&card);

        drop(card);

        assert!(take::<1>(&mut client.0).is_err());
    }
}
