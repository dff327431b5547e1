//! Embeds every file under `../profiles`, so that adding a camera needs no change of code.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let profiles = wanted("CARGO_MANIFEST_DIR")?.join("../profiles");
    let mut files = Vec::new();
    collect(&profiles, &mut files)?;
    files.sort();

    let mut source = String::from("&[\n");
    for file in &files {
        let name = slashed(file.strip_prefix(&profiles).unwrap_or(file));
        source += &format!("    ({name:?}, include_str!({:?})),\n", slashed(file));
    }
    source += "]\n";
    fs::write(wanted("OUT_DIR")?.join("profiles.rs"), source)
}

fn wanted(variable: &str) -> io::Result<PathBuf> {
    env::var_os(variable)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other(format!("{variable} is not set")))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    Ok(())
}

fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
