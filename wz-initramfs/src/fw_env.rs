//! `fw_printenv` and `fw_setenv` at the shell and in scripts, also while the work waits for a script:
//! the chip and the card are opened anew.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

use wz_core::card::DirCard;
use wz_core::fw_env::{self, Arguments, Command, Output, Program, Source};
use wz_core::image::environment::Edit;

use crate::lock::Lock;
use crate::mtd::{self, MtdChip};
use crate::root::Root;
use crate::sdcard::{self, MOUNT_POINT};
use crate::uncached::LinuxPlatform;

/// Does what the arguments, without the program's own name, ask for.
pub fn run(program: Program, arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<Vec<u8>> = arguments.map(OsString::into_vec).collect();
    let output = fw_env::parse(program, &arguments)
        .and_then(carry_out)
        .unwrap_or_else(|failed| failed);
    // A pipe that nobody reads any more is no failure of ours.
    let _ = io::stdout().write_all(&output.out);
    let _ = io::stdout().flush();
    let _ = io::stderr().write_all(output.errors.as_bytes());
    ExitCode::from(output.status)
}

fn carry_out(Arguments { command, notes }: Arguments) -> Result<Output, Output> {
    let mut output = match command {
        Command::Help => fw_env::usage_text(),
        Command::Print { names, form } => {
            let _lock = lock()?;
            fw_env::print(&names, form, &mut chip()?)
        }
        Command::Set(edit) => set(&[edit])?,
        Command::Script(source) => set(&fw_env::edits_of(&script(source)?)?)?,
    };
    for note in notes.iter().rev() {
        output.errors.insert_str(0, &format!("{note}\n"));
    }
    Ok(output)
}

fn set(edits: &[Edit]) -> Result<Output, Output> {
    if !sdcard::is_mounted(&Root::of_the_camera()) {
        return Err(Output::failed(format!(
            "## Error: there is no card at {MOUNT_POINT}; it holds the old environment until the new one is read back"
        )));
    }
    let _lock = lock()?;
    let mut card = DirCard::new(MOUNT_POINT, LinuxPlatform::of(&Root::of_the_camera()));
    Ok(fw_env::set(edits, &mut chip()?, &mut card))
}

fn chip() -> Result<MtdChip, Output> {
    let root = Root::of_the_camera();
    let devices = mtd::devices(&root.sysfs());
    mtd::find_chip(&devices)
        .and_then(|device| MtdChip::open(&root, device))
        .map_err(|problem| Output::refused(&problem))
}

/// One of them at a time, and none while another program works on flash.
fn lock() -> Result<Lock, Output> {
    Lock::wait_for(&Root::of_the_camera()).map_err(|problem| Output::refused(&problem))
}

fn script(source: Source) -> Result<Vec<u8>, Output> {
    let read = match &source {
        Source::StandardInput => {
            let mut script = Vec::new();
            io::stdin().read_to_end(&mut script).map(|_| script)
        }
        Source::File(path) => fs::read(OsStr::from_bytes(path)),
    };
    read.map_err(|error| {
        let name = match &source {
            Source::StandardInput => "standard input".into(),
            Source::File(path) => String::from_utf8_lossy(path),
        };
        Output::failed(format!("I cannot open {name} for reading: {error}"))
    })
}
