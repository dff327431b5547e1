//! Scripts of the owner: run as processes of the shell, listened to, and ended with all that they
//! have started.
//!
//! ```text
//!   this program ── sh prelude.sh ── the script ── what it starts      own session, own mounts
//!     ▲     │            │ stdout and stderr
//!     │     └─ time limit, number of programs, watchdog
//!     └── lines ─────────┘
//! ```
//!
//! The script runs from a copy in memory, so that what it does to the card does not change it under way,
//! and line ends of Windows are taken off without touching the owner's file.

use std::fs;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use wz_core::card::CardPath;
use wz_core::config;
use wz_core::event::{Problem, Reporter};
use wz_core::run::ScriptCall;
use wz_core::script::{LONGEST_SCRIPT, Secrets, as_shell_text, check_script, secrets_in};

use self::watch::{Watch, what_is_in};
use crate::apart::{self, User};
use crate::descendants::Descendants;
use crate::lock::Lock;
use crate::mtd;
use crate::root::Root;
use crate::sdcard::MOUNT_POINT;

mod watch;

/// What scripts find in place.
const PRELUDE: &str = include_str!("../prelude.sh");

/// A script that has more programs running at once is stopped.
const MOST_PROGRAMS: usize = 100;

/// How often time and programs are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How long a script that was killed may take to be gone. One that waits for a card that does not answer
/// never goes.
const LAST_BREATH: Duration = Duration::from_secs(5);

/// A script that is to run.
#[derive(Debug)]
pub struct Job<'a> {
    /// What it is called in messages.
    pub name: &'a str,
    /// The file as it is on the card.
    pub content: &'a [u8],
    /// What it gets to know, by name.
    pub variables: &'a [(&'a str, &'a str)],
    /// After which it is stopped.
    pub time_limit: Duration,
    /// What of its words is not shown.
    pub secrets: Secrets,
}

/// Runs a script of the card that is mounted at `card`. `keep_alive` is called while it runs.
///
/// # Errors
/// See [`wz_core::run::Surroundings::run_script`].
pub fn run_call(
    root: &Root,
    call: &ScriptCall<'_>,
    keep_alive: &dyn Fn(),
    reporter: &mut dyn Reporter,
) -> Result<(), Problem> {
    let card = &root.join(MOUNT_POINT);
    let place = call.folder.join(call.name.as_str());
    let content = read(&card.join(place.as_str())).map_err(|error| Problem::CardFailed {
        doing: "read".to_owned(),
        path: place.to_string(),
        reason: error.to_string(),
    })?;
    check_script(place.as_str(), &content)?;
    let mut secrets = secrets_in(&String::from_utf8_lossy(&content));
    secrets.extend(wifi_secrets(card));
    let job = Job {
        name: call.name.as_str(),
        content: &content,
        variables: &call.facts.variables(),
        time_limit: call.time_limit,
        secrets: Secrets::new(secrets),
    };
    let stage = Stage {
        flash: Some(root.clone()),
        ..Stage::camera(card)
    };
    stage.run(&job, keep_alive, reporter)
}

/// What `thingino.conf` holds, if it is in order.
fn wifi_secrets(card: &Path) -> Vec<String> {
    let path = CardPath::wifi_conf();
    let content = fs::read(card.join(path.as_str())).unwrap_or_default();
    let reading = config::read_wifi(path.as_str(), &content);
    let wifi = reading.ok().and_then(|reading| reading.value);
    let secrets = wifi.map(|wifi| [wifi.ssid, wifi.password]);
    let secrets = secrets.into_iter().flatten();
    secrets.map(|secret| secret.reveal().to_owned()).collect()
}

/// How long a script of a profile may think.
const ANSWER_TIME_LIMIT: Duration = Duration::from_secs(10);

/// Asks a script of a profile and returns what it printed. It runs as nobody, with the whole flash chip as
/// its standard input, open for reading only.
///
/// # Errors
/// See [`wz_core::run::Surroundings::ask_script`].
pub fn ask(
    root: &Root,
    place: &CardPath,
    (soc, chip): (&str, &str),
    keep_alive: &dyn Fn(),
    reporter: &mut dyn Reporter,
) -> Result<String, Problem> {
    let script = place.to_string();
    let unusable = |reason: String| Problem::ProfileScriptMissing {
        script: script.clone(),
        reason,
    };
    let card = root.join(MOUNT_POINT);
    let content = read(&card.join(place.as_str())).map_err(|error| unusable(error.to_string()))?;
    check_script(&script, &content).map_err(|problem| unusable(problem.what()))?;
    let devices = mtd::devices(&root.sysfs());
    let flash = mtd::find_chip(&devices)?.path(root);
    let flash = fs::File::open(flash).map_err(|error| unusable(error.to_string()))?;
    let job = Job {
        name: &script,
        content: &content,
        variables: &[("soc", soc), ("chip", chip)],
        time_limit: ANSWER_TIME_LIMIT,
        secrets: Secrets::default(),
    };
    let asked = Stage::camera(&card).ask(&job, flash, keep_alive, reporter);
    asked.map_err(|problem| Problem::ProfileScriptFailed {
        script: place.to_string(),
        reason: problem.what(),
    })
}

/// A script, or as much of it as shows that it is none.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let most = LONGEST_SCRIPT.get() + 1;
    fs::File::open(path)?.take(most).read_to_end(&mut content)?;
    Ok(content)
}

/// Where scripts run.
#[derive(Debug)]
pub struct Stage {
    /// Starts the shell apart, as that user.
    shell: fn(User) -> Command,
    /// Where programs are looked for.
    path: String,
    /// Where the card is mounted.
    card: PathBuf,
    /// For what the script and the prelude need; emptied afterwards.
    folder: PathBuf,
    /// Whose flash the commands in the script may be working on.
    flash: Option<Root>,
}

/// How a script came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    ByItself(ExitStatus),
    TimedOut,
    TooManyPrograms,
}

fn shell_apart(user: User) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args([apart::ARGUMENT, user.name()]);
    command
}

impl Stage {
    /// A camera.
    pub fn camera(card: &Path) -> Self {
        Self {
            shell: shell_apart,
            path: "/bin:/sbin:/usr/bin:/usr/sbin".to_owned(),
            card: card.to_owned(),
            // A command in a script may run a script of a profile.
            folder: format!("/tmp/script-{}", std::process::id()).into(),
            flash: None,
        }
    }

    /// Runs a script to its end. `keep_alive` is called while it runs.
    ///
    /// # Errors
    /// See [`wz_core::run::Surroundings::run_script`].
    pub fn run(
        &self,
        job: &Job<'_>,
        keep_alive: &dyn Fn(),
        reporter: &mut dyn Reporter,
    ) -> Result<(), Problem> {
        let act = |script: &Path, said| self.act(job, script, said);
        let ended = self.perform(job, keep_alive, reporter, act);
        // What is left of it is in memory only, and the next script makes it anew.
        let _ = fs::remove_dir_all(&self.folder);
        let ending = ended.map_err(|error| not_started(job, &error))?;
        verdict(ending, job)
    }

    /// Runs a script without the prelude, as nobody, with `flash` as its standard input, and returns what
    /// it printed. What it says on standard error is reported.
    fn ask(
        &self,
        job: &Job<'_>,
        flash: fs::File,
        keep_alive: &dyn Fn(),
        reporter: &mut dyn Reporter,
    ) -> Result<String, Problem> {
        let answered = self.listen_to_answer(job, flash, keep_alive, reporter);
        let _ = fs::remove_dir_all(&self.folder);
        let (ending, answer) = answered.map_err(|error| not_started(job, &error))?;
        verdict(ending, job).map(|()| answer)
    }

    fn listen_to_answer(
        &self,
        job: &Job<'_>,
        flash: fs::File,
        keep_alive: &dyn Fn(),
        reporter: &mut dyn Reporter,
    ) -> io::Result<(Ending, String)> {
        let (mut answer, out) = io::pipe()?;
        let ending = self.perform(job, keep_alive, reporter, |script, said| {
            let mut command = self.command(job, User::Nobody);
            command.arg(script).stdin(flash).stdout(out).stderr(said);
            Ok(command)
        })?;
        let printed = what_is_in(&mut answer)?;
        Ok((ending, String::from_utf8_lossy(&printed).into_owned()))
    }

    fn act(&self, job: &Job<'_>, script: &Path, said: PipeWriter) -> io::Result<Command> {
        let prelude = self.folder.join("prelude.sh");
        fs::write(&prelude, PRELUDE)?;
        let mut command = self.command(job, User::Root);
        command
            .arg(&prelude)
            .arg(script)
            .stdin(Stdio::null())
            .stdout(said.try_clone()?)
            .stderr(said);
        Ok(command)
    }

    fn perform(
        &self,
        job: &Job<'_>,
        keep_alive: &dyn Fn(),
        reporter: &mut dyn Reporter,
        command: impl FnOnce(&Path, PipeWriter) -> io::Result<Command>,
    ) -> io::Result<Ending> {
        let descendants = Descendants::from_now();
        let (mut child, said) = self.start(job, command)?;
        let mut watch = Watch::of(said, job.secrets.clone(), reporter);
        let ending = watch.until_end(&mut child, job.time_limit, &descendants, keep_alive);
        // A command that is killed while it writes flash leaves a camera that does not start.
        let flash_is_quiet = self.flash.as_ref().and_then(|root| {
            Lock::patiently(root, || {
                keep_alive();
                thread::sleep(TICK);
            })
        });
        // It may not have got so far as to lead a group of its own.
        let _ = child.kill();
        let left = descendants.end(Pid::from_raw(child.id().cast_signed()), keep_alive);
        drop(flash_is_quiet);
        take_note_of_its_end(&mut child, keep_alive);
        watch.hear_the_rest()?;
        let ending = ending?;
        watch.tell_leftovers(job.name, ending, left);
        Ok(ending)
    }

    fn start(
        &self,
        job: &Job<'_>,
        command: impl FnOnce(&Path, PipeWriter) -> io::Result<Command>,
    ) -> io::Result<(Child, PipeReader)> {
        let _ = fs::remove_dir_all(&self.folder);
        fs::create_dir_all(&self.folder)?;
        let script = self.folder.join("script.sh");
        fs::write(&script, as_shell_text(job.content))?;
        let (said, out) = io::pipe()?;
        let mut command = command(&script, out)?;
        Ok((command.spawn()?, said))
    }

    fn command(&self, job: &Job<'_>, user: User) -> Command {
        let mut command = (self.shell)(user);
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", "/")
            .env("wz_card", &self.card)
            .env("wz_work", &self.folder)
            .envs(job.variables.iter().copied());
        command
    }
}

/// So that it does not stay a zombie.
fn take_note_of_its_end(child: &mut Child, keep_alive: &dyn Fn()) {
    let begun = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < LAST_BREATH {
        keep_alive();
        thread::sleep(TICK);
    }
}

fn not_started(job: &Job<'_>, error: &io::Error) -> Problem {
    Problem::ScriptNotStarted {
        name: job.name.to_owned(),
        reason: error.to_string(),
    }
}

fn verdict(ending: Ending, job: &Job<'_>) -> Result<(), Problem> {
    let name = job.name.to_owned();
    match ending {
        Ending::ByItself(status) => match (status.code(), status.signal()) {
            (Some(0), _) => Ok(()),
            (Some(status), _) => Err(Problem::ScriptFailed { name, status }),
            (None, signal) => {
                let signal = signal.and_then(|number| Signal::try_from(number).ok());
                let signal = signal.map_or("a signal".to_owned(), |signal| signal.to_string());
                Err(Problem::ScriptKilled { name, signal })
            }
        },
        Ending::TimedOut => Err(Problem::ScriptTimedOut {
            name,
            seconds: job.time_limit.as_secs(),
        }),
        Ending::TooManyPrograms => Err(Problem::ScriptTooManyPrograms {
            name,
            most: MOST_PROGRAMS,
        }),
    }
}

#[cfg(test)]
mod tests;
