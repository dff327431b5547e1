//! Runs the tools that make and check fixtures.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

use crate::error::{Error, Result};

/// Runs a tool that must succeed and returns what it wrote to stdout.
pub(crate) fn run<A: AsRef<OsStr>>(
    name: &str,
    args: impl IntoIterator<Item = A>,
) -> Result<String> {
    run_in(Path::new("."), name, args)
}

/// The same in another folder.
pub(crate) fn run_in<A: AsRef<OsStr>>(
    dir: &Path,
    name: &str,
    args: impl IntoIterator<Item = A>,
) -> Result<String> {
    let mut command = command(name, args);
    let out = output(command.current_dir(dir))?;
    if !out.status.success() {
        return Err(failed(&command, &out));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// Runs a checker: nothing if it is content, else what it wrote, line by line.
pub(crate) fn findings<A: AsRef<OsStr>>(
    name: &str,
    args: impl IntoIterator<Item = A>,
) -> Result<Vec<String>> {
    let out = output(&mut command(name, args))?;
    if out.status.success() {
        return Ok(Vec::new());
    }
    let said = [out.stdout, out.stderr].concat();
    Ok(String::from_utf8_lossy(&said)
        .lines()
        .map(str::to_owned)
        .collect())
}

fn command<A: AsRef<OsStr>>(name: &str, args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(name);
    // Debian keeps the tools for file systems where only root looks for them.
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .args(args)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .env("LC_ALL", "C.UTF-8");
    command
}

fn output(command: &mut Command) -> Result<Output> {
    command.output().map_err(|e| Error::Tool {
        command: format!("{command:?}"),
        why: format!("{e}; is it installed? run: make setup"),
    })
}

fn failed(command: &Command, out: &Output) -> Error {
    let said = [out.stdout.as_slice(), out.stderr.as_slice()].concat();
    Error::Tool {
        command: format!("{command:?}"),
        why: format!("{}\n{}", out.status, String::from_utf8_lossy(&said)),
    }
}
