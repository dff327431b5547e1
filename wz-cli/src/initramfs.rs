//! The initramfs: a cpio archive in the "newc" format, as the kernel unpacks it at the start.
//!
//! Each entry is a header of ASCII hex numbers, the path and the content, both padded to four bytes.
//! Source: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`. Making one here
//! needs neither root nor a `cpio` program, and the same content gives the same bytes.

use thiserror::Error;

/// Where busybox lies; every applet is a link to it.
const BUSYBOX: &str = "bin/busybox";

/// Folders that `/init` mounts on or writes into.
const FOLDERS: &[&str] = &["bin", "dev", "etc", "mnt", "proc", "sdcard", "sys", "tmp"];

/// What a person at the serial console, or a custom script, expects to find.
const APPLETS: &[&str] = &[
    "ash",
    "awk",
    "basename",
    "cat",
    "chmod",
    "clear",
    "cmp",
    "cp",
    "cut",
    "date",
    "dd",
    "devmem",
    "df",
    "diff",
    "dirname",
    "dmesg",
    "du",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "free",
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
    "ls",
    "lsmod",
    "md5sum",
    "mkdir",
    "mknod",
    "mktemp",
    "mount",
    "mv",
    "nc",
    "od",
    "ping",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "reboot",
    "rm",
    "rmdir",
    "rmmod",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "strings",
    "stty",
    "sync",
    "tail",
    "tar",
    "tee",
    "test",
    "time",
    "top",
    "touch",
    "tr",
    "true",
    "umount",
    "uname",
    "uniq",
    "usleep",
    "vi",
    "wc",
    "which",
    "xargs",
    "zcat",
];

/// What an entry of the archive is, with the mode bits that say so.
const KIND_FOLDER: u32 = 0o040_000;
const KIND_FILE: u32 = 0o100_000;
const KIND_LINK: u32 = 0o120_000;
const KIND_CHARACTER_DEVICE: u32 = 0o020_000;

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
    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
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
pub fn archive(init: &[u8], busybox: &[u8]) -> Vec<u8> {
    let mut archive = Archive::default();
    FOLDERS.iter().for_each(|folder| archive.folder(folder));
    archive.character_device("dev/console", 0o600, 5, 1);
    archive.character_device("dev/null", 0o666, 1, 3);
    archive.file("init", 0o755, init);
    archive.file(BUSYBOX, 0o755, busybox);
    APPLETS
        .iter()
        .for_each(|applet| archive.link(&format!("bin/{applet}"), "busybox"));
    archive.finish()
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
    use std::process::{Command, Stdio};

    /// What the cpio program makes of the archive, one line per entry.
    fn listed(archive: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        std::fs::write(&path, archive).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let cpio = Command::new("cpio")
            .arg("-itnv")
            .stdin(file)
            .stderr(Stdio::null())
            .output();
        let cpio = cpio.unwrap();
        assert!(cpio.status.success(), "{cpio:?}");
        String::from_utf8(cpio.stdout).unwrap()
    }

    /// The line that ends in `name`, its columns separated by single blanks.
    fn line(listed: &str, name: &str) -> String {
        let columns = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut lines = listed.lines().map(columns);
        lines
            .find(|line| line.ends_with(&format!(" {name}")))
            .unwrap_or_default()
    }

    #[rstest]
    #[case("init", "-rwxr-xr-x 1 0 0 7 Jan 1 1970 init")]
    #[case("bin/busybox", "-rwxr-xr-x 1 0 0 3 Jan 1 1970 bin/busybox")]
    #[case("busybox", "lrwxrwxrwx 1 0 0 7 Jan 1 1970 bin/ash -> busybox")]
    #[case("dev/console", "crw------- 1 0 0 5, 1 Jan 1 1970 dev/console")]
    #[case("dev/null", "crw-rw-rw- 1 0 0 1, 3 Jan 1 1970 dev/null")]
    #[case("sdcard", "drwxr-xr-x 2 0 0 0 Jan 1 1970 sdcard")]
    fn cpio_reads_what_was_put_in(#[case] name: &str, #[case] expected: &str) {
        let listed = listed(&archive(b"program", b"box"));
        let found = match name {
            "busybox" => line(&listed, "bin/ash -> busybox"),
            name => line(&listed, name),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_folder_comes_before_what_it_holds() {
        let listed = listed(&archive(b"program", b"box"));
        let at = |name: &str| {
            listed
                .lines()
                .position(|line| line.ends_with(name))
                .unwrap()
        };
        assert!(at(" bin") < at(" bin/busybox") && at(" dev") < at(" dev/null"));
    }

    #[test]
    fn the_content_of_a_file_comes_out_as_it_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let program: Vec<u8> = (0..=255).cycle().take(1001).collect();
        let path = folder.path().join("archive");
        std::fs::write(&path, archive(&program, b"box")).unwrap();
        let cpio = Command::new("cpio")
            .args(["-i", "--to-stdout", "--quiet", "init"])
            .stdin(std::fs::File::open(&path).unwrap())
            .output()
            .unwrap();
        assert_eq!(cpio.stdout, program);
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
