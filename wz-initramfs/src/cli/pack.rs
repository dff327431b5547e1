//! `wz partition archive`: the files in a partition, packed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use wz_core::card::Platform;
use wz_core::event::Problem;
use wz_core::execute;
use wz_core::flash::FileSystems;
use wz_core::image::sha256sum::{Digest, Hashing};

use super::Done;
use super::files::{partition, readable};
use super::session::Session;
use crate::uncached::LinuxPlatform;

/// Packs the files of a partition into `file`, which gets its name when it reads back as it was written.
pub fn pack(session: &mut Session, name: &str, file: &Path) -> Done {
    let sight = session.look()?;
    let found = partition(&sight, name)?;
    let kind = readable(found)?;
    let mounts = session.flash.mounts();
    let folder = mounts
        .mount(found.region, kind)
        .map_err(|error| Problem::ArchiveFailed {
            partition: name.to_owned(),
            reason: error.to_string(),
        })?;
    let platform = LinuxPlatform::of(&session.root);
    let made = make(&folder, file, &platform).map_err(|error| Problem::FileFailed {
        doing: "make".to_owned(),
        file: file.display().to_string(),
        reason: error.to_string(),
    });
    let released = mounts.unmount().map_err(|error| Problem::SystemFailed {
        doing: "unmount the partition".to_owned(),
        reason: error.to_string(),
    });
    Ok(made.and(released)?)
}

fn make(folder: &Path, file: &Path, platform: &LinuxPlatform) -> io::Result<()> {
    let partial = PathBuf::from(format!("{}.partial", file.display()));
    let made = write(folder, &partial, platform).and_then(|()| fs::rename(&partial, file));
    if made.is_err() {
        // Why it was not made matters more.
        let _ = fs::remove_file(&partial);
    }
    made
}

fn write(folder: &Path, partial: &Path, platform: &LinuxPlatform) -> io::Result<()> {
    let mut sink = Hashing::new(File::create(partial)?);
    execute::pack(folder, &mut sink)?;
    let (file, written) = sink.finish();
    file.sync_all()?;
    let mut reader = platform.open_uncached(partial)?;
    match Digest::of_reader(&mut reader)? == written {
        true => Ok(()),
        false => Err(io::Error::other("it does not read back as it was written")),
    }
}
