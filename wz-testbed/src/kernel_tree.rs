//! A stand-in for a camera vendor's kernel tree, for `KERNEL_TREE=`.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wz_cli::payload;
use wz_core::image::uimage::Uimage;
use wz_core::units::Size;

use crate::error::{Doing, Error, Result};
use crate::inputs;

const MAKEFILE: &str = include_str!("../kernel-tree/Makefile");
/// What is switched on over a board's configuration.
const FRAGMENTS: &str = concat!(
    include_str!("../../kernel/common.config"),
    include_str!("../../kernel/t20.config"),
    include_str!("../../kernel/t31.config"),
);
/// Stands where the command line goes; blanks follow.
const MARKER: &[u8] = b"@COMMAND_LINE@";
/// How the command line of the emulator's kernel begins.
const EMULATORS: &[u8] = b"console=ttyS0,115200n8 panic=1";
/// The array that a vendor's kernel keeps its command line in.
const ARRAY: usize = 4096;
const LARGEST: Size = Size::mib(64);

/// A kernel that somebody's "compiler" links.
#[derive(Clone, Debug)]
pub struct Linked {
    /// All of it, with a marker where the command line goes.
    image: Vec<u8>,
    load: u32,
    entry: u32,
    /// What follows the command line that was asked for.
    board_words: String,
}

impl Linked {
    /// No kernel, but a command line in an array as the vendors' kernels have it.
    pub fn that_never_boots() -> Self {
        let mut image = MARKER.to_vec();
        image.resize(400, b' ');
        image.resize(ARRAY, 0);
        Self {
            image: [b"Linux version 3.10.14\0".as_slice(), &image, b"\0end"].concat(),
            load: 0x8001_0000,
            entry: 0x8001_0000,
            board_words: String::new(),
        }
    }

    /// The emulator's kernel, whose board needs the words that it has.
    ///
    /// # Errors
    /// It was not built, or is not what it was.
    pub fn for_the_emulator() -> Result<Self> {
        let path = inputs::kernel()?;
        let file = fs::read(&path).doing(|| format!("read {}", path.display()))?;
        let not_it = |why: String| Error::Fixture(format!("{}: {why}", path.display()));
        let uimage = Uimage::parse_file(&file).map_err(|e| not_it(e.to_string()))?;
        let mut image = payload::unpack(uimage.payload, uimage.header.compression, LARGEST)
            .map_err(|e| not_it(e.to_string()))?;
        let places: Vec<usize> = memchr::memmem::find_iter(&image, EMULATORS).collect();
        let mut board_words = String::new();
        for place in places {
            let end = image[place..].iter().position(|&byte| byte == 0);
            let literal = &mut image[place..place + end.unwrap_or_default()];
            board_words = String::from_utf8_lossy(literal).trim().to_owned();
            literal.fill(b' ');
            literal[..MARKER.len()].copy_from_slice(MARKER);
        }
        Ok(Self {
            image,
            load: uimage.header.load,
            entry: uimage.header.entry,
            board_words,
        })
    }
}

/// A folder that `make` takes for a kernel tree, with what else a tree of an owner has in it.
#[derive(Debug)]
pub struct KernelTree {
    folder: TempDir,
}

impl KernelTree {
    /// A tree with the configurations `isvp_swan_defconfig` (T31) and `isvp_bull_defconfig` (T20), a history,
    /// an object of an earlier build, and a compiler beside it. It has no `.config`.
    ///
    /// # Errors
    /// It can't be written.
    pub fn new(linked: &Linked) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("wz-kernel-tree-")
            .tempdir()
            .doing(|| "make a temporary folder".to_owned())?;
        let tree = Self { folder };
        let options: Vec<String> = FRAGMENTS
            .lines()
            .filter_map(|line| line.strip_prefix("CONFIG_")?.split('=').next())
            .chain(["CMDLINE", "LOCALVERSION"])
            .map(|name| format!("config {name}\n"))
            .collect();
        let board = format!(
            "LOAD := {:#x}\nENTRY := {:#x}\nBOARD_WORDS := {}\nCALLS := {}\n",
            linked.load,
            linked.entry,
            linked.board_words,
            tree.calls_file().display()
        );
        tree.write("Makefile", MAKEFILE)?;
        tree.write("Kconfig", options.concat())?;
        tree.write("board.mk", board)?;
        tree.write("vmlinux.bin", &linked.image)?;
        tree.write("drivers/left.o", "of a build for another board")?;
        tree.write(".git/HEAD", "ref: refs/heads/master\n")?;
        tree.write("arch/mips/boot/.gitignore", "uImage\n")?;
        for (name, soc) in [("swan", "T31"), ("bull", "T20")] {
            let config = format!("CONFIG_SOC_{soc}=y\nCONFIG_DEVTMPFS=n\n");
            tree.write(&format!("arch/mips/configs/isvp_{name}_defconfig"), config)?;
        }
        tree.write_beside("bin/stand-in-gcc", "#!/bin/sh\necho \"$*\"\n")?;
        let compiler = tree.folder.path().join("bin/stand-in-gcc");
        set_executable(&compiler).doing(|| format!("make {} a program", compiler.display()))?;
        Ok(tree)
    }

    /// What `KERNEL_TREE=` is told.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("linux")
    }

    /// A folder for what is made of it.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Writes a file of the tree.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        self.write_beside(&format!("linux/{name}"), content)
    }

    /// A command with the compiler and the environment that the tree needs, in the folder of the project.
    pub fn command(&self, program: &str) -> Command {
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut command = Command::new(project.join(program));
        let prefix = self.folder.path().join("bin/stand-in-");
        command
            .current_dir(project)
            .env("CROSS_COMPILE", prefix)
            .env("KERNEL_TREE", self.path())
            .env_remove("KERNEL_DEFCONFIG");
        command
    }

    /// What `make` was asked for, in the order of time.
    ///
    /// # Errors
    /// It can't be read.
    pub fn calls(&self) -> Result<Vec<String>> {
        let path = self.calls_file();
        let text = fs::read_to_string(&path).doing(|| format!("read {}", path.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn calls_file(&self) -> PathBuf {
        self.folder.path().join("calls")
    }

    fn write_beside(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.folder.path().join(name);
        let folder = path.parent().unwrap_or(&path);
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, content))
            .doing(|| format!("write {}", path.display()))
    }
}

fn set_executable(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}
