//! The initramfs: a cpio archive in the "newc" format, as the kernel unpacks it at the start.
//!
//! Each entry is a header of ASCII hex numbers, the path and the content, both padded to four bytes.
//! Source: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`. Making one here
//! needs neither root nor a `cpio` program, and the same content gives the same bytes.

use std::io::Read;

use cpio::newc;
use thiserror::Error;

/// What the kernel starts.
const INIT: &str = "init";
/// Where busybox lies; every applet is a link to it.
const BUSYBOX: &str = "bin/busybox";

/// Folders that `/init` mounts on or writes into.
const FOLDERS: &[&str] = &[
    "bin",
    "dev",
    "etc",
    "lib",
    "lib/modules",
    "mnt",
    "proc",
    "sdcard",
    "sys",
    "tmp",
    "voices",
];

/// The names that `/init` goes by besides its own.
const PROGRAMS: &[&str] = &["fw_printenv", "fw_setenv", "wz"];

/// What a person at the serial console, or a custom script, expects to find.
pub const APPLETS: &[&str] = &[
    "ash",
    "awk",
    "base64",
    "basename",
    "bunzip2",
    "bzip2",
    "cat",
    "chmod",
    "chown",
    "clear",
    "cmp",
    "comm",
    "cp",
    "cut",
    "date",
    "dd",
    "devmem",
    "df",
    "diff",
    "dirname",
    "dmesg",
    "dos2unix",
    "du",
    "echo",
    "egrep",
    "env",
    "expand",
    "expr",
    "false",
    "fdisk",
    "fgrep",
    "find",
    "flock",
    "fold",
    "free",
    "fuser",
    "grep",
    "gunzip",
    "gzip",
    "head",
    "hexdump",
    "hostname",
    "id",
    "insmod",
    "kill",
    "killall",
    "less",
    "ln",
    "losetup",
    "ls",
    "lsmod",
    "md5sum",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "modprobe",
    "more",
    "mount",
    "mv",
    "nc",
    "nl",
    "nohup",
    "od",
    "paste",
    "pgrep",
    "pidof",
    "ping",
    "pkill",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "reboot",
    "renice",
    "rev",
    "rm",
    "rmdir",
    "rmmod",
    "sed",
    "seq",
    "setsid",
    "sh",
    "sha1sum",
    "sha256sum",
    "shuf",
    "sleep",
    "sort",
    "split",
    "stat",
    "strings",
    "stty",
    "sync",
    "tac",
    "tail",
    "tar",
    "tee",
    "test",
    "time",
    "timeout",
    "top",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "umount",
    "uname",
    "unexpand",
    "uniq",
    "unix2dos",
    "unxz",
    "unzip",
    "uptime",
    "usleep",
    "vi",
    "watch",
    "wc",
    "which",
    "whoami",
    "xargs",
    "xxd",
    "xzcat",
    "yes",
    "zcat",
];

/// What an entry of the archive is, with the mode bits that say so.
const KIND_FOLDER: u32 = 0o040_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_LINK: u32 = 0o120_000;
const KIND_CHARACTER_DEVICE: u32 = 0o020_000;

/// Where a link points that a file takes the place of.
const PLACEHOLDER: &str = ".";

const MAGIC: &str = "070701";
const END: &str = "TRAILER!!!";
/// Archives end on a multiple of this, as cpio writes them.
const BLOCK: usize = 512;

/// Why a program can't go into the initramfs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// No program.
    #[error("it is not a program (no ELF file); build it for the camera first")]
    NotElf,
    /// A program for another computer.
    #[error(
        "it is a program for another computer (ELF machine {machine}); cameras need 32-bit little-endian MIPS (8)"
    )]
    OtherMachine {
        /// `e_machine` of the ELF header.
        machine: u16,
    },
    /// A program that needs a dynamic loader.
    #[error("it is linked dynamically; there are no libraries on the camera, link it statically")]
    Dynamic,
}

/// Why a file is not an initramfs of ours.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ArchiveError {
    /// Another kind of file, or not all of it.
    #[error("it is no whole cpio archive ({why})")]
    NotWhole {
        /// What stops reading it.
        why: String,
    },
    /// Nothing that a kernel starts.
    #[error("there is no program /init in it")]
    NoInit,
    /// It can't be started.
    #[error("its /init can't be started: {0}")]
    Init(#[from] ProgramError),
}

/// Checks that `archive` is whole and has a program to start.
///
/// # Errors
/// What it lacks.
pub fn check_archive(mut archive: &[u8]) -> Result<(), ArchiveError> {
    let not_whole = |error: std::io::Error| ArchiveError::NotWhole {
        why: error.to_string(),
    };
    let mut init = None;
    loop {
        let mut entry = newc::Reader::new(archive).map_err(not_whole)?;
        if entry.entry().is_trailer() {
            break;
        }
        let is_init = entry.entry().name() == INIT;
        let is_program = entry.entry().mode() == KIND_FILE | 0o755;
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(not_whole)?;
        archive = entry.finish().map_err(not_whole)?;
        // The last entry of a name is the one that stays.
        if is_init {
            init = is_program.then_some(content);
        }
    }
    Ok(check_program(&init.ok_or(ArchiveError::NoInit)?)?)
}

/// A cpio archive while it is being written.
#[derive(Clone, Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

/// The numbers of an entry that are not zero for every kind.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    mode: u32,
    links: u32,
    device: (u32, u32),
}

impl Archive {
    /// Adds a folder. Folders come before what they hold.
    pub fn folder(&mut self, path: &str) {
        self.entry(
            path,
            Numbers {
                mode: KIND_FOLDER | 0o755,
                links: 2,
                device: (0, 0),
            },
            b"",
        );
    }

    /// Adds a file with the permissions `mode`.
    ///
    /// A link of the same name comes first. Where a kernel has an initramfs of its own, this archive is unpacked over
    /// it: the link takes the place of whatever has the name there, so that the file is a new one. Else it would be
    /// written through that one's other names, and two of our files might become one.
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.link(path, PLACEHOLDER);
        self.entry(
            path,
            Numbers {
                mode: KIND_FILE | mode,
                links: 1,
                device: (0, 0),
            },
            content,
        );
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        let numbers = Numbers {
            mode: KIND_LINK | 0o777,
            links: 1,
            device: (0, 0),
        };
        self.entry(path, numbers, target.as_bytes());
    }

    /// Adds a character device.
    pub fn character_device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        let mode = KIND_CHARACTER_DEVICE | mode;
        self.entry(
            path,
            Numbers {
                mode,
                links: 1,
                device: (major, minor),
            },
            b"",
        );
    }

    /// Adds recordings, by the names of their files.
    pub fn voices(&mut self, recordings: &[(String, Vec<u8>)]) {
        for (name, recording) in recordings {
            self.file(&format!("voices/{name}"), 0o644, recording);
        }
    }

    /// Adds a kernel module.
    pub fn module(&mut self, name: &str, module: &[u8]) {
        self.file(&format!("lib/modules/{name}"), 0o644, module);
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.write(
            0,
            END,
            Numbers {
                links: 1,
                ..Numbers::default()
            },
            b"",
        );
        pad(&mut self.bytes, BLOCK);
        self.bytes
    }

    fn entry(&mut self, path: &str, numbers: Numbers, content: &[u8]) {
        self.entries += 1;
        self.write(self.entries, path, numbers, content);
    }

    /// Owner, group and time are zero throughout; inode numbers are counted.
    fn write(&mut self, inode: u32, path: &str, numbers: Numbers, content: &[u8]) {
        let (size, name_size) = (content.len() as u32, path.len() as u32 + 1);
        let (major, minor) = numbers.device;
        let fields = [
            inode,
            numbers.mode,
            0,
            0,
            numbers.links,
            0,
            size,
            0,
            0,
            major,
            minor,
            name_size,
            0,
        ];
        self.bytes.extend_from_slice(MAGIC.as_bytes());
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        pad(&mut self.bytes, 4);
        self.bytes.extend_from_slice(content);
        pad(&mut self.bytes, 4);
    }
}

/// The archive that a camera starts from: `init` as `/init`, busybox with its links, the folders and
/// the two devices that must be there before `/dev` is mounted. Not compressed.
pub fn archive(init: &[u8], busybox: &[u8]) -> Archive {
    let mut archive = Archive::default();
    FOLDERS.iter().for_each(|folder| archive.folder(folder));
    archive.character_device("dev/console", 0o600, 5, 1);
    archive.character_device("dev/null", 0o666, 1, 3);
    archive.file(INIT, 0o755, init);
    // What stock U-Boots tell a kernel to start, where it listens to them.
    archive.link("linuxrc", "/init");
    archive.file(BUSYBOX, 0o755, busybox);
    PROGRAMS
        .iter()
        .for_each(|program| archive.link(&format!("bin/{program}"), "/init"));
    APPLETS
        .iter()
        .for_each(|applet| archive.link(&format!("bin/{applet}"), "busybox"));
    archive
}

/// Checks that `program` can run on a camera with nothing else there: ELF, 32-bit little-endian MIPS,
/// static. Source of the offsets: the System V ABI.
///
/// # Errors
/// See [`ProgramError`].
pub fn check_program(program: &[u8]) -> Result<(), ProgramError> {
    const MAGIC_32_BIT_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x01\x01";
    const MACHINE_MIPS: u16 = 8;
    const SEGMENT_INTERPRETER: u32 = 3;
    let half = |at: usize| {
        program
            .get(at..)?
            .first_chunk()
            .map(|b| u16::from_le_bytes(*b))
    };
    let word = |at: usize| {
        program
            .get(at..)?
            .first_chunk()
            .map(|b| u32::from_le_bytes(*b))
    };
    if !program.starts_with(b"\x7fELF") {
        return Err(ProgramError::NotElf);
    }
    let machine = half(18).ok_or(ProgramError::NotElf)?;
    if !program.starts_with(MAGIC_32_BIT_LITTLE_ENDIAN) || machine != MACHINE_MIPS {
        return Err(ProgramError::OtherMachine { machine });
    }
    let (table, entry, count) = word(28)
        .zip(half(42))
        .zip(half(44))
        .map(|((t, e), c)| (t, e, c))
        .ok_or(ProgramError::NotElf)?;
    let mut segments =
        (0..usize::from(count)).map(|n| word(table as usize + n * usize::from(entry)));
    match segments.any(|kind| kind == Some(SEGMENT_INTERPRETER)) {
        true => Err(ProgramError::Dynamic),
        false => Ok(()),
    }
}

fn pad(bytes: &mut Vec<u8>, unit: usize) {
    bytes.resize(bytes.len().next_multiple_of(unit), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::io::{Cursor, Read};

    /// An entry as another implementation of the format reads it.
    #[derive(Debug, PartialEq)]
    struct Found {
        name: String,
        mode: u32,
        links: u32,
        device: (u32, u32),
        content: Vec<u8>,
    }

    fn read(archive: Vec<u8>) -> Vec<Found> {
        let mut input = Cursor::new(archive);
        let mut all = Vec::new();
        loop {
            let mut reader = cpio::NewcReader::new(input).unwrap();
            let mut content = Vec::new();
            reader.read_to_end(&mut content).unwrap();
            let entry = reader.entry();
            assert_eq!((entry.uid(), entry.gid(), entry.mtime()), (0, 0, 0));
            if entry.is_trailer() {
                return all;
            }
            all.push(Found {
                name: entry.name().to_owned(),
                mode: entry.mode(),
                links: entry.nlink(),
                device: (entry.rdev_major(), entry.rdev_minor()),
                content,
            });
            input = reader.finish().unwrap();
        }
    }

    #[rstest]
    #[case("init", 0o100_755, 1, (0, 0), "program")]
    #[case("bin/busybox", 0o100_755, 1, (0, 0), "box")]
    #[case("bin/ash", 0o120_777, 1, (0, 0), "busybox")]
    #[case("bin/wz", 0o120_777, 1, (0, 0), "/init")]
    #[case("bin/fw_printenv", 0o120_777, 1, (0, 0), "/init")]
    #[case("bin/fw_setenv", 0o120_777, 1, (0, 0), "/init")]
    #[case("linuxrc", 0o120_777, 1, (0, 0), "/init")]
    #[case("dev/console", 0o020_600, 1, (5, 1), "")]
    #[case("dev/null", 0o020_666, 1, (1, 3), "")]
    #[case("sdcard", 0o040_755, 2, (0, 0), "")]
    fn another_reader_finds_what_was_put_in(
        #[case] name: &str,
        #[case] mode: u32,
        #[case] links: u32,
        #[case] device: (u32, u32),
        #[case] content: &str,
    ) {
        let entries = read(archive(b"program", b"box").finish());
        let found = entries
            .into_iter()
            .rfind(|entry| entry.name == name)
            .unwrap();
        let (name, content) = (name.to_owned(), content.as_bytes().to_vec());
        assert_eq!(
            found,
            Found {
                name,
                mode,
                links,
                device,
                content
            }
        );
    }

    #[test]
    fn before_each_file_whatever_has_its_name_becomes_a_link() {
        let entries = read(archive(b"program", b"box").finish());
        for (at, file) in entries.iter().enumerate() {
            if file.mode & 0o170_000 == KIND_FILE {
                let before = &entries[at - 1];
                assert_eq!((&before.name, before.mode), (&file.name, 0o120_777));
            }
        }
    }

    #[rstest]
    #[case::ours(archive(&elf(1, 8, 1), b"box"), Ok(()))]
    #[case::none(Archive::default(), Err(ArchiveError::NoInit))]
    #[case::link_instead({
        let mut archive = archive(&elf(1, 8, 1), b"box");
        archive.link(INIT, "bin/busybox");
        archive
    }, Err(ArchiveError::NoInit))]
    #[case::other_computer(archive(&elf(2, 62, 1), b"box"), Err(ArchiveError::Init(ProgramError::OtherMachine { machine: 62 })))]
    fn an_archive_is_taken_if_a_camera_can_start_it(
        #[case] archive: Archive,
        #[case] expected: Result<(), ArchiveError>,
    ) {
        assert_eq!(check_archive(&archive.finish()), expected);
    }

    #[test]
    fn a_folder_comes_before_what_it_holds() {
        let names: Vec<_> = read(archive(b"program", b"box").finish())
            .into_iter()
            .map(|e| e.name)
            .collect();
        let at = |name: &str| names.iter().position(|n| n == name).unwrap();
        assert!(at("bin") < at("bin/busybox") && at("dev") < at("dev/null"));
    }

    #[test]
    fn the_applets_are_named_once_and_in_order() {
        assert!(APPLETS.is_sorted_by(|a, b| a < b));
    }

    fn elf(class: u8, machine: u16, segment: u32) -> Vec<u8> {
        let mut elf = vec![0; 0x60];
        elf[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1]);
        elf[18..20].copy_from_slice(&machine.to_le_bytes());
        elf[28..32].copy_from_slice(&0x34u32.to_le_bytes());
        elf[42..44].copy_from_slice(&32u16.to_le_bytes());
        elf[44..46].copy_from_slice(&1u16.to_le_bytes());
        elf[0x34..0x38].copy_from_slice(&segment.to_le_bytes());
        elf
    }

    #[rstest]
    #[case::static_mips(elf(1, 8, 1), Ok(()))]
    #[case::script(b"#!/bin/sh\n".to_vec(), Err(ProgramError::NotElf))]
    #[case::empty(vec![], Err(ProgramError::NotElf))]
    #[case::cut(elf(1, 8, 1)[..30].to_vec(), Err(ProgramError::NotElf))]
    #[case::host(elf(2, 62, 1), Err(ProgramError::OtherMachine { machine: 62 }))]
    #[case::mips64(elf(2, 8, 1), Err(ProgramError::OtherMachine { machine: 8 }))]
    #[case::dynamic(elf(1, 8, 3), Err(ProgramError::Dynamic))]
    fn only_a_static_program_for_the_camera_is_taken(
        #[case] program: Vec<u8>,
        #[case] expected: Result<(), ProgramError>,
    ) {
        assert_eq!(check_program(&program), expected);
    }
}
