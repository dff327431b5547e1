//! The serial console: who is sitting at it, and the shell for them.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use crate::command_line;
use crate::watchdog::Watchdog;

/// How long a key can be pressed. It runs while hardware and card are set up.
pub const WINDOW: Duration = Duration::from_secs(3);

/// After how long without a key the shell is left: noise may have opened it, and the camera is to go on.
const IDLE_SECONDS: &str = "600";

/// The argument with which the program starts the shell.
pub const SHELL_ARGUMENT: &str = "shell";

const CONSOLE: &str = "/dev/console";
const SHELL: &str = "/bin/sh";

/// Makes the console standard input, output and error; needed where the kernel opened none.
///
/// # Errors
/// When there is no console.
pub fn adopt() -> io::Result<()> {
    let console = OpenOptions::new().read(true).write(true).open(CONSOLE)?;
    dup2_stdin(&console)?;
    dup2_stdout(&console)?;
    dup2_stderr(&console)?;
    Ok(())
}

/// Keeps the kernel's own messages, except for the last words before a crash, out of ours.
pub fn silence_kernel() {
    let _ = fs::write("/proc/sys/kernel/printk", "1");
}

/// Takes note of a key while other things are being done.
#[derive(Debug)]
pub struct Console {
    opened: Instant,
    window: Window,
    cooked: Option<Termios>,
    heard: Heard,
}

/// Whether it is still waited for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Window {
    Open,
    Closed,
}

/// What has come in. A line that nobody is connected to picks up breaks, zeros and now and then what
/// could be a letter: once it does, nothing that comes in is taken for a person's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Keys,
    Noise,
    /// Nobody can press a key, or it is noise.
    Over,
}

impl Heard {
    fn and(self, bytes: &[u8]) -> Self {
        match self {
            Self::Nothing | Self::Keys if bytes.is_empty() => self,
            Self::Nothing | Self::Keys if bytes.iter().copied().all(is_typed) => Self::Keys,
            Self::Nothing | Self::Keys => Self::Noise,
            Self::Noise | Self::Over => self,
        }
    }

    /// Whether what comes in can still change the answer.
    fn is_open(self) -> bool {
        matches!(self, Self::Nothing | Self::Keys)
    }
}

impl Console {
    /// Opens the window. Single keys get through, without the Enter key.
    pub fn open() -> Self {
        let cooked = tcgetattr(io::stdin()).ok();
        if let Some(cooked) = &cooked {
            set_terminal(&single_keys(cooked.clone()));
        }
        Self {
            opened: Instant::now(),
            window: Window::Open,
            cooked,
            heard: Heard::Nothing,
        }
    }

    /// How long the window has been open.
    pub fn open_for(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Lets up to `time` pass, less if something comes in.
    pub fn pause(&mut self, time: Duration) {
        if !self.heard.is_open() {
            thread::sleep(time);
            return;
        }
        let milliseconds = u16::try_from(time.as_millis()).unwrap_or(u16::MAX);
        self.take_waiting(PollTimeout::from(milliseconds));
    }

    /// Takes note of what comes in within `time`; whether anything did.
    fn take_waiting(&mut self, time: PollTimeout) -> bool {
        let stdin = io::stdin();
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let has_come = matches!(poll(&mut fds, time), Ok(1..));
        if has_come {
            self.heard = listen(self.heard, &mut stdin.lock());
        }
        has_come
    }

    /// Waits for what is left of the window, also after a key: noise may follow. Whether keys were
    /// pressed since the last call and nothing else ever came in.
    pub fn key_was_pressed(&mut self, watchdog: &Watchdog) -> bool {
        while self.window == Window::Open && self.heard.is_open() {
            let left = WINDOW.saturating_sub(self.open_for());
            watchdog.feed();
            self.pause(left.min(Duration::from_secs(1)));
            if left.is_zero() {
                break;
            }
        }
        self.window = Window::Closed;
        self.take_all();
        match self.heard {
            Heard::Nothing | Heard::Over => false,
            Heard::Keys => {
                self.heard = Heard::Nothing;
                true
            }
            Heard::Noise => {
                self.heard = Heard::Over;
                print("There is noise on the serial line: no key opens a shell.");
                false
            }
        }
    }

    /// Takes note of all that has come in and was not looked at yet.
    fn take_all(&mut self) {
        while self.heard.is_open() && self.take_waiting(PollTimeout::ZERO) {}
    }

    /// Opens a shell and returns when it is left.
    ///
    /// # Errors
    /// When there is no shell.
    pub fn run_shell(&self, watchdog: &Watchdog) -> io::Result<()> {
        if let Some(cooked) = &self.cooked {
            set_terminal(cooked);
        }
        let ended = run_feeding(Command::new("/proc/self/exe").arg(SHELL_ARGUMENT), watchdog);
        if let Some(cooked) = &self.cooked {
            set_terminal(&single_keys(cooked.clone()));
        }
        ended.map(drop)
    }
}

/// Runs `command` to its end, with signs of life for the watchdog.
fn run_feeding(command: &mut Command, watchdog: &Watchdog) -> io::Result<ExitStatus> {
    let mut child = command.spawn()?;
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait()));
    loop {
        match ended.recv_timeout(Duration::from_secs(1)) {
            Ok(status) => return status,
            Err(mpsc::RecvTimeoutError::Timeout) => watchdog.feed(),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
    }
}

/// Becomes the shell, in a session of its own, so that Ctrl-C and job control work in it and stay
/// away from the program.
///
/// # Errors
/// When there is no console or no shell. Does not return otherwise.
pub fn become_shell() -> io::Error {
    shell_command().map_or_else(|error| error, |mut shell| shell.exec())
}

fn shell_command() -> io::Result<Command> {
    // /dev/console can be nobody's controlling terminal; the device behind it can.
    let active = fs::read_to_string("/sys/class/tty/console/active")?;
    let name = active.split_whitespace().next_back().unwrap_or("ttyS0");
    setsid()?;
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/dev/{name}"))?;
    let mut shell = Command::new(SHELL);
    shell
        .stdin(terminal.try_clone()?)
        .stdout(terminal.try_clone()?)
        .stderr(terminal)
        .env_clear()
        .env("PATH", "/bin:/sbin:/usr/bin:/usr/sbin")
        .env("HOME", "/")
        .env("TERM", "vt100")
        .env("TMOUT", idle_seconds())
        .env("PS1", "wz_flash-helper# ");
    Ok(shell)
}

/// Tests have no ten minutes.
fn idle_seconds() -> String {
    command_line::value("wz.idle").unwrap_or_else(|| IDLE_SECONDS.to_owned())
}

/// Adds what has come in on `stdin` to what was heard before.
fn listen(heard: Heard, stdin: &mut impl Read) -> Heard {
    let mut bytes = [0; 256];
    match stdin.read(&mut bytes) {
        Ok(0) | Err(_) => Heard::Over,
        Ok(count) => heard.and(&bytes[..count]),
    }
}

/// Whether a terminal sends it for a key: a character of ASCII, Enter, Tab, Backspace, Esc, Ctrl-C.
fn is_typed(byte: u8) -> bool {
    matches!(
        byte,
        b' '..=b'~' | b'\r' | b'\n' | b'\t' | 0x03 | 0x08 | 0x1b | 0x7f
    )
}

/// Single keys get through as they are, breaks and framing errors as `0xFF 0x00` and a byte.
fn single_keys(mut terminal: Termios) -> Termios {
    let line_editing = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
    let hides_noise =
        InputFlags::IGNBRK | InputFlags::BRKINT | InputFlags::IGNPAR | InputFlags::ISTRIP;
    // One stray Ctrl-S would stop what is printed, and with it the run.
    let flow_control = InputFlags::IXON | InputFlags::IXOFF;
    terminal.local_flags.remove(line_editing);
    terminal.input_flags.remove(hides_noise | flow_control);
    terminal
        .input_flags
        .insert(InputFlags::INPCK | InputFlags::PARMRK);
    terminal
}

fn set_terminal(to: &Termios) {
    // A console that is no terminal just keeps its ways.
    let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, to);
}

/// Prints a line; a console that is gone is no reason to stop.
pub fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// `|` stands between what comes in at different times.
    #[rstest]
    #[case::nothing(b"", Heard::Nothing)]
    #[case::enter(b"\r", Heard::Keys)]
    #[case::space(b" ", Heard::Keys)]
    #[case::an_arrow(b"\x1b[A", Heard::Keys)]
    #[case::several_keys(b"x|yz|\r\n", Heard::Keys)]
    #[case::zeros(b"\0\0", Heard::Noise)]
    #[case::a_framing_error(b"\xff\0x", Heard::Noise)]
    #[case::high_bits(b"\x80", Heard::Noise)]
    #[case::a_letter_within_noise(b"\0x\0", Heard::Noise)]
    #[case::enter_after_noise(b"\0|\r", Heard::Noise)]
    #[case::noise_after_enter(b"\r|\x90", Heard::Noise)]
    fn only_what_a_person_types_is_a_key(#[case] input: &[u8], #[case] expected: Heard) {
        let heard = input
            .split(|byte| *byte == b'|')
            .fold(Heard::Nothing, Heard::and);
        assert_eq!(heard, expected);
    }

    #[test]
    fn a_console_that_is_gone_brings_no_key_and_another_one_does() {
        assert_eq!(listen(Heard::Keys, &mut io::empty()), Heard::Over);
        assert_eq!(listen(Heard::Nothing, &mut &b"x"[..]), Heard::Keys);
    }

    #[test]
    fn a_program_that_runs_is_waited_for() {
        let status = run_feeding(
            Command::new("/bin/sh").args(["-c", "exit 3"]),
            &Watchdog::none(),
        );
        assert_eq!(status.unwrap().code(), Some(3));
    }
}
