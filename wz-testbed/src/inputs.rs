//! What `make qemu-test` builds for the tests, named by environment variables.

use std::path::PathBuf;

use wz_cli::{donor, initramfs, program};
use wz_core::report::speech::Prompt;
use wz_core::units::Size;

use crate::error::{Doing, Error, Result};
use crate::lines::WATCHER;

/// The emulator's kernel, a uImage: `uImage` in the folder that `WZ_KERNEL_DIR` names.
pub fn kernel() -> Result<PathBuf> {
    file("WZ_KERNEL_DIR", Some("uImage"))
}

/// The same kernel with an initramfs of its own inside (`qemu/donor`).
pub(crate) fn donor_kernel() -> Result<PathBuf> {
    file("WZ_KERNEL_DIR", Some("donor/uImage"))
}

/// The static busybox for the camera's processor that `WZ_BUSYBOX` names.
pub fn busybox() -> Result<PathBuf> {
    file("WZ_BUSYBOX", None)
}

/// The tool for the owner's computer that `WZ_TOOL` names.
pub fn owner_tool() -> Result<PathBuf> {
    file("WZ_TOOL", None)
}

/// The camera's program as it lies beside that tool, made with the cards in the folder that `WZ_CARDS`
/// names.
pub fn program() -> Result<PathBuf> {
    file("WZ_CARDS", Some(&format!("t31/{}", program::FILE_NAME)))
}

/// The program that becomes `/init` on the camera, named by `WZ_INIT`.
pub fn init() -> Result<PathBuf> {
    file("WZ_INIT", None)
}

/// The content of the card that `make image` makes for a SoC (`t31`), in the folder that `WZ_CARDS`
/// names.
pub fn card_folder(soc: &str) -> Result<PathBuf> {
    let conf = format!("{soc}/card/wz_flash-helper/general.conf");
    let found = file("WZ_CARDS", Some(&conf))?;
    Ok(found
        .ancestors()
        .nth(2)
        .map(PathBuf::from)
        .unwrap_or_default())
}

/// A module for the emulator's kernel, such as `softdog`.
pub fn kernel_module(name: &str) -> Result<Vec<u8>> {
    read(file("WZ_KERNEL_DIR", Some(&format!("modules/{name}.ko")))?)
}

/// A recording of what the camera says, in the folder that `WZ_VOICES` names.
pub fn recording(prompt: Prompt) -> Result<Vec<u8>> {
    read(file("WZ_VOICES", Some(&prompt.file()))?)
}

/// The initramfs that the product has, with or without what it says.
pub fn initramfs(voices: Voices) -> Result<initramfs::Archive> {
    let mut archive = initramfs::archive(&read(init()?)?, &read(busybox()?)?);
    if voices == Voices::Included {
        let all = Prompt::ALL.into_iter();
        let recordings: Result<Vec<_>> = all
            .map(|prompt| Ok((prompt.file(), recording(prompt)?)))
            .collect();
        archive.voices(&recordings?);
    }
    Ok(archive)
}

/// Whether the initramfs has recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voices {
    /// It has.
    Included,
    /// The camera says nothing.
    LeftOut,
}

/// An SD kernel for a camera that is watched: it tells what its GPIO lines do.
pub fn watched_sd_kernel() -> Result<Vec<u8>> {
    let mut archive = initramfs(Voices::Included)?;
    archive.file("watch", 0o755, WATCHER.as_bytes());
    attach(archive)
}

/// An SD kernel for the emulator with one more program in its initramfs, at `/<name>`.
pub fn sd_kernel_with_program(name: &str, program: &str) -> Result<Vec<u8>> {
    sd_kernel_with_files(&[(name, program.as_bytes())])
}

/// An SD kernel for the emulator with more files in its initramfs, all of them executable.
pub fn sd_kernel_with_files(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut archive = initramfs(Voices::LeftOut)?;
    for (name, content) in files {
        archive.file(name, 0o755, content);
    }
    attach(archive)
}

/// An SD kernel for the emulator that runs a shell script in place of our `/init`.
pub fn sd_kernel_with_script(script: &str) -> Result<Vec<u8>> {
    attach(initramfs::archive(script.as_bytes(), &read(busybox()?)?))
}

fn attach(archive: initramfs::Archive) -> Result<Vec<u8>> {
    // The emulator's kernel is held to no limits.
    let limits = donor::BootLimits {
        file: Size::mib(16),
        buffers: Vec::new(),
    };
    let attached = donor::attach(&read(kernel()?)?, &archive.finish(), &limits);
    attached
        .map(|made| made.image)
        .map_err(|e| Error::Fixture(e.to_string()))
}

fn read(path: PathBuf) -> Result<Vec<u8>> {
    std::fs::read(&path).doing(|| format!("read {}", path.display()))
}

fn file(variable: &'static str, below: Option<&str>) -> Result<PathBuf> {
    let missing = |why| Error::MissingInput { variable, why };
    let value = std::env::var_os(variable).ok_or_else(|| missing("not set".to_owned()))?;
    let mut path = PathBuf::from(value);
    path.extend(below);
    if path.is_file() {
        Ok(path)
    } else {
        Err(missing(format!("{} is no file", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_input_tells_what_to_run() {
        let error = file("WZ_TESTBED_NO_SUCH_VARIABLE", None).unwrap_err();

        assert_eq!(
            error.to_string(),
            "WZ_TESTBED_NO_SUCH_VARIABLE: not set; run: make qemu-test"
        );
    }
}
