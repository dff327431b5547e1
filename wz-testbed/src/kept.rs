//! Keeps what takes seconds to make, until the code that makes it changes:
//! `target/testbed/firmwares/<hash of the code>/`.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::error::{Doing, Result};
use crate::evidence::target_dir;

/// All that a firmware's content depends on besides its recipe.
const CODE: [&str; 7] = [
    include_str!("bootloader.rs"),
    include_str!("contents.rs"),
    include_str!("filesystem.rs"),
    include_str!("filler.rs"),
    include_str!("firmware.rs"),
    include_str!("tree.rs"),
    include_str!("uimage.rs"),
];

/// The content of the file `name`, which is made if it is not kept yet.
pub(crate) fn file(name: &str, make: impl FnOnce() -> Result<Vec<u8>>) -> Result<Vec<u8>> {
    // Tests run in parallel and want the same ones.
    static MAKING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = MAKING.lock();
    let folder = folder()?;
    let path = folder.join(name);
    if let Ok(content) = fs::read(&path) {
        return Ok(content);
    }
    let content = make()?;
    write_whole(&folder, &path, &content).doing(|| format!("write {}", path.display()))?;
    Ok(content)
}

/// Makes the folder, and removes those of older code.
fn folder() -> Result<PathBuf> {
    let hash = Sha256::digest(CODE.concat());
    let key: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let all = target_dir().join("testbed/firmwares");
    let folder = all.join(key);
    if !folder.exists() {
        let _ = fs::remove_dir_all(&all);
        fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
    }
    Ok(folder)
}

/// Appears whole or not at all: another process may be reading.
fn write_whole(folder: &Path, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut partial = NamedTempFile::new_in(folder)?;
    partial.write_all(content)?;
    partial.persist(path)?;
    Ok(())
}
