//! Starts QEMU as the camera's hardware and sees to it that it ends.

use std::ffi::OsString;
use std::fmt;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use crate::error::{Doing, Error, Result};
use crate::evidence::BootEvidence;
use crate::qmp::Qmp;
use crate::serial::Serial;
use crate::sound::RATE;

const QEMU: &str = "qemu-system-mipsel";
/// QEMU cuts the kernel's command line here without a word (`hw/mips/malta.c`, `ENVP_ENTRY_SIZE`).
const LONGEST_APPEND: usize = 255;
/// From the start of the process until its monitor answers.
const START: Duration = Duration::from_secs(60);

/// What the camera is made of for one power-on.
#[derive(Debug)]
pub(crate) struct Hardware {
    /// The kernel that U-Boot has loaded, as an ELF file.
    pub(crate) kernel: PathBuf,
    /// What U-Boot adds to the kernel's built-in command line.
    pub(crate) arguments: Vec<String>,
    /// The flash chip's content, a raw file.
    pub(crate) flash: PathBuf,
    pub(crate) card: CardDrive,
    /// The file that takes what the GPIO lines do, if anybody wants to know.
    pub(crate) lines: Option<PathBuf>,
    /// The file that takes what the sound card plays, if there is one.
    pub(crate) sound: Option<PathBuf>,
    /// For the monitor's socket.
    pub(crate) dir: PathBuf,
}

/// Where the SD card's sectors come from.
#[derive(Clone, Debug)]
pub(crate) enum CardDrive {
    None,
    File(PathBuf),
    /// The Unix socket of a network block device.
    Nbd(PathBuf),
}

/// Why the camera is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerOff {
    /// The program restarted it.
    Reboot,
    /// The program switched it off.
    Shutdown,
    /// The test cut the power.
    Cut,
}

/// A running QEMU. It is killed when this is dropped, and when the test process dies, whatever kills
/// that.
pub(crate) struct Machine {
    child: Child,
    keyboard: ChildStdin,
    pub(crate) serial: Serial,
    pub(crate) qmp: Qmp,
    stderr: PathBuf,
    command: String,
}

impl Hardware {
    /// Switches the power on.
    pub(crate) fn start(&self, evidence: &BootEvidence) -> Result<Machine> {
        let mut command = self.command()?;
        let shown = format!("{command:?}");
        evidence.keep_command(&shown)?;

        let starting = || format!("start {QEMU}");
        let socket = self.dir.join("monitor");
        // Left over from the boot before.
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).doing(starting)?;
        let stderr = self.dir.join("qemu.stderr");
        command.stderr(std::fs::File::create(&stderr).doing(starting)?);

        let power_on = Instant::now();
        let mut child = command
            .spawn()
            .doing(|| format!("{}; run: make setup", starting()))?;
        let (Some(keyboard), Some(screen)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Error::Qmp("QEMU has no serial line".to_owned()));
        };
        let serial = Serial::read_from(screen, evidence.serial_log()?, power_on);
        let monitor = match accept(&listener, &mut child) {
            Ok(monitor) => monitor,
            Err(why) => return Err(died(child, why, shown, &stderr)),
        };
        let qmp = match Qmp::greet(monitor) {
            Ok(qmp) => qmp,
            Err(why) => return Err(died(child, why.to_string(), shown, &stderr)),
        };
        Ok(Machine {
            child,
            keyboard,
            serial,
            qmp,
            stderr,
            command: shown,
        })
    }

    /// Boots with the serial console in this terminal; returns when the camera goes off.
    pub(crate) fn run_in_terminal(&self) -> Result<()> {
        let mut command = self.process()?;
        command.args(["-serial", "mon:stdio"]);
        let status = command
            .status()
            .doing(|| format!("start {QEMU}; run: make setup"))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Qemu {
            why: status.to_string(),
            command: format!("{command:?}"),
            stderr: String::new(),
        })
    }

    fn command(&self) -> Result<Command> {
        let mut command = self.process()?;
        command.args([
            "-chardev",
            "stdio,id=serial,signal=off",
            "-serial",
            "chardev:serial",
        ]);
        if let Some(lines) = &self.lines {
            let chardev = format!("file,id=lines,path={}", lines.display());
            command.args(["-chardev", &chardev, "-serial", "chardev:lines"]);
        }
        let monitor = format!(
            "socket,id=monitor,path={}",
            self.dir.join("monitor").display()
        );
        command.args(["-chardev", &monitor, "-mon", "chardev=monitor,mode=control"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(command)
    }

    /// QEMU, which the host's kernel kills when this process dies, whatever kills that. (To be exact:
    /// when the thread dies that starts it.)
    fn process(&self) -> Result<Command> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", QEMU]);
        command.args(self.machine()?);
        Ok(command)
    }

    fn machine(&self) -> Result<Vec<OsString>> {
        let mut args = words(&["-M", "malta", "-cpu", "24Kf", "-m", "128"]);
        args.extend(words(&["-nodefaults", "-no-reboot", "-display", "none"]));
        args.extend(["-kernel".into(), self.kernel.clone().into()]);
        args.extend(["-append".into(), self.append()?.into()]);
        // The cache is the host's: what the guest wrote is there after a power cut, too.
        args.extend(words(&[
            "-device",
            "virtio-blk-pci,drive=flash",
            "-blockdev",
        ]));
        args.push(file_node("flash", &self.flash).to_string().into());
        args.extend(words(&["-device", "sdhci-pci"]));
        if let Some(node) = self.card.node() {
            args.extend(["-blockdev".into(), node.to_string().into()]);
            args.extend(words(&["-device", "sd-card,id=card,drive=card"]));
        }
        if let Some(path) = &self.sound {
            let recorder = format!(
                "wav,id=sound,path={},out.frequency={RATE},out.channels=2,out.format=s16",
                path.display()
            );
            args.extend(["-audiodev".into(), recorder.into()]);
            args.extend(words(&["-device", "ES1370,audiodev=sound"]));
        }
        Ok(args)
    }

    fn append(&self) -> Result<String> {
        let line = self.arguments.join(" ");
        if line.len() > LONGEST_APPEND {
            return Err(Error::Fixture(format!(
                "QEMU passes at most {LONGEST_APPEND} bytes of kernel command line, not {}: {line}",
                line.len()
            )));
        }
        Ok(line)
    }
}

impl CardDrive {
    fn node(&self) -> Option<Value> {
        match self {
            Self::None => None,
            Self::File(path) => Some(file_node("card", path)),
            Self::Nbd(socket) => Some(json!({
                "driver": "nbd",
                "node-name": "card",
                "server": { "type": "unix", "path": socket },
            })),
        }
    }
}

fn file_node(name: &str, path: &Path) -> Value {
    json!({
        "driver": "raw",
        "node-name": name,
        "cache": { "no-flush": true },
        "file": { "driver": "file", "filename": path, "locking": "off" },
    })
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

/// Waits for QEMU to connect to its monitor's socket, or to die.
fn accept(listener: &UnixListener, child: &mut Child) -> Result<UnixStream, String> {
    let deadline = Instant::now() + START;
    loop {
        let mut ready = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::from(50_u8)) {
            Ok(1..) => return listener.accept().map(|(s, _)| s).map_err(|e| e.to_string()),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(e) => return Err(e.to_string()),
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("ended at once: {status}"));
        }
        if Instant::now() > deadline {
            return Err(format!("its monitor is silent after {} s", START.as_secs()));
        }
    }
}

fn died(mut child: Child, why: String, command: String, stderr: &Path) -> Error {
    let _ = child.kill();
    let _ = child.wait();
    Error::Qemu {
        why,
        command,
        stderr: std::fs::read_to_string(stderr).unwrap_or_default(),
    }
}

impl Machine {
    pub(crate) fn type_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.keyboard
            .write_all(bytes)
            .and_then(|()| self.keyboard.flush())
            .doing(|| "type on the serial console".to_owned())
    }

    /// Kills QEMU: what the host has not been given by then is lost, as on a camera.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for the guest to restart or switch off; says which.
    pub(crate) fn ended(&mut self) -> Result<PowerOff> {
        let status = self.child.wait().doing(|| format!("wait for {QEMU}"))?;
        if !status.success() {
            return Err(Error::Qemu {
                why: status.to_string(),
                command: self.command.clone(),
                stderr: self.stderr(),
            });
        }
        let events = self.qmp.all_events();
        let shutdown = events.iter().rfind(|event| event["event"] == "SHUTDOWN");
        Ok(match shutdown {
            Some(event) if event["data"]["reason"] == "guest-shutdown" => PowerOff::Shutdown,
            _ => PowerOff::Reboot,
        })
    }

    pub(crate) fn stderr(&self) -> String {
        let mut text = String::new();
        if let Ok(mut file) = std::fs::File::open(&self.stderr) {
            let _ = file.read_to_string(&mut text);
        }
        text
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}
