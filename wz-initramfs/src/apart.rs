//! What a script's shell is before it is a shell: this program, which puts itself apart from the one
//! that started it. And the way back, for our own commands in a script.
//!
//! `std` could do this between fork and exec, but asks for a Unix socket then, which the kernel of a camera
//! need not have.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::setsid;

use crate::sys;

/// The argument with which the program becomes a script's shell; [`User::name`] follows, and what the
/// shell is to be given.
pub const ARGUMENT: &str = "apart";

const SHELL: &str = "/bin/sh";

/// Served after everybody else, as `nice` counts.
const LAST: i32 = 19;

/// Served like others.
const USUAL: i32 = 0;

/// Who goes when memory runs out, as Linux has it.
const GOES_AT: &str = "/proc/self/oom_score_adj";
const FIRST_TO_GO: &str = "1000";
const LIKE_OTHERS: &str = "0";

/// What one program of a script may have of the address space. Cameras have 94 MB of memory, and our own
/// programs need 8.
const MOST_MEMORY: u64 = 64 << 20;

/// By Linux's convention the user who owns nothing.
const NOBODY: u32 = 65534;

/// As whom a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Who may do everything.
    Root,
    /// Who may change nothing.
    Nobody,
}

impl User {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Nobody => "nobody",
        }
    }

    fn named(name: &str) -> Option<Self> {
        [Self::Root, Self::Nobody]
            .into_iter()
            .find(|user| user.name() == name)
    }
}

/// Becomes the shell, with these arguments behind [`ARGUMENT`]: in a session of its own, so that what the
/// terminal sends does not reach it, with mounts of its own, which vanish with it, served last, and the
/// first to go when memory runs out.
///
/// # Errors
/// When that is not possible. Does not return otherwise.
pub fn become_shell(mut arguments: impl Iterator<Item = OsString>) -> io::Error {
    let user = arguments.next();
    let user = user.as_deref().and_then(|name| User::named(name.to_str()?));
    let Some(user) = user else {
        return io::ErrorKind::InvalidInput.into();
    };
    if let Err(error) = step_aside() {
        return error;
    }
    let mut shell = Command::new(SHELL);
    shell.args(arguments).current_dir("/");
    if user == User::Nobody {
        shell.uid(NOBODY).gid(NOBODY);
    }
    shell.exec()
}

fn step_aside() -> io::Result<()> {
    let none = None::<&str>;
    setsid()?;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    sys::set_priority(LAST)?;
    setrlimit(Resource::RLIMIT_AS, MOST_MEMORY, MOST_MEMORY)?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    fs::write(GOES_AT, FIRST_TO_GO)
}

/// Takes back for this program that it is served last and the first to go, if a script has started it:
/// it may write flash.
pub fn step_forward() {
    // Who may not, writes no flash either.
    let _ = sys::set_priority(USUAL);
    let _ = fs::write(GOES_AT, LIKE_OTHERS);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_user_nothing_is_started() {
        for arguments in [&[][..], &["somebody", "script"]] {
            let error = become_shell(arguments.iter().map(OsString::from));
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        }
    }
}
