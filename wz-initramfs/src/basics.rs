//! The file systems that every program expects.

use std::fs;
use std::io;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

/// Where, what, and how large at most.
const BASICS: [(&str, &str, Option<&str>); 4] = [
    ("/dev", "devtmpfs", None),
    ("/proc", "proc", None),
    ("/sys", "sysfs", None),
    ("/tmp", "tmpfs", Some("size=4M")),
];

/// Mounts all of them; those that the kernel has mounted already are left as they are.
///
/// # Errors
/// The first that failed, and why; the others are mounted all the same.
pub fn mount_all() -> Result<(), (&'static str, io::Error)> {
    let mut result = Ok(());
    for (mount_point, kind, options) in BASICS {
        if let Err(error) = mount_one(mount_point, kind, options) {
            result = result.and(Err((mount_point, error)));
        }
    }
    result
}

fn mount_one(mount_point: &str, kind: &str, options: Option<&str>) -> io::Result<()> {
    fs::create_dir_all(mount_point)?;
    match mount(
        Some(kind),
        mount_point,
        Some(kind),
        MsFlags::empty(),
        options,
    ) {
        Ok(()) | Err(Errno::EBUSY) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
