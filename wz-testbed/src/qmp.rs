//! QEMU's monitor: one JSON object a line over a Unix socket
//! (<https://www.qemu.org/docs/master/interop/qmp-spec.html>).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Doing, Error, Result};

/// Every command that we send is answered at once, or never.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to the monitor.
#[derive(Debug)]
pub(crate) struct Qmp {
    to: UnixStream,
    answers: Receiver<Value>,
    events: Arc<Mutex<Vec<Value>>>,
    sorter: Option<JoinHandle<()>>,
}

impl Qmp {
    /// Takes the greeting and leaves negotiation mode.
    pub(crate) fn greet(socket: UnixStream) -> Result<Self> {
        let connecting = || "connect to QEMU's monitor".to_owned();
        socket.set_nonblocking(false).doing(connecting)?;
        let from = BufReader::new(socket.try_clone().doing(connecting)?);
        let (answer, answers) = channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let mut qmp = Self {
            to: socket,
            answers,
            events: Arc::clone(&events),
            sorter: None,
        };
        qmp.sorter = Some(thread::spawn(move || sort(from, &answer, &events)));
        qmp.command("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command and returns its answer.
    pub(crate) fn command(&mut self, name: &str, arguments: Value) -> Result<Value> {
        let failed = |why: String| Error::Qmp(format!("{name}: {why}"));
        let command = json!({ "execute": name, "arguments": arguments });
        self.to
            .write_all(format!("{command}\n").as_bytes())
            .map_err(|e| failed(e.to_string()))?;
        let answer = self
            .answers
            .recv_timeout(PATIENCE)
            .map_err(|e| failed(e.to_string()))?;
        match answer.get("error") {
            Some(error) => Err(failed(error.to_string())),
            None => Ok(answer["return"].clone()),
        }
    }

    /// All that happened until QEMU ended, oldest first. Waits for that.
    pub(crate) fn all_events(&mut self) -> Vec<Value> {
        if let Some(sorter) = self.sorter.take() {
            let _ = sorter.join();
        }
        self.events
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone()
    }
}

/// Sorts what QEMU sends until it hangs up.
fn sort(from: impl BufRead, answers: &Sender<Value>, events: &Mutex<Vec<Value>>) {
    for line in from.lines().map_while(std::io::Result::ok) {
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        if message.get("event").is_some() {
            events
                .lock()
                .unwrap_or_else(|e| e.into_inner())
                .push(message);
        } else if message.get("QMP").is_none() && answers.send(message).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A monitor that greets and then answers each command with the next of `answers`.
    fn monitor(answers: &'static [&'static str]) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut commands = BufReader::new(theirs.try_clone().unwrap()).lines();
            writeln!(&theirs, r#"{{"QMP":{{}}}}"#).unwrap();
            for answer in std::iter::once(&r#"{"return":{}}"#).chain(answers) {
                commands.next().unwrap().unwrap();
                writeln!(&theirs, "{answer}").unwrap();
            }
        });
        ours
    }

    #[test]
    fn events_do_not_get_in_the_way_of_answers() {
        let answers = &["{\"event\":\"SHUTDOWN\"}\n{\"return\":7}"];
        let mut qmp = Qmp::greet(monitor(answers)).unwrap();

        assert_eq!(qmp.command("seven", json!({})).unwrap(), 7);
        assert_eq!(qmp.all_events(), [json!({"event": "SHUTDOWN"})]);
    }

    #[test]
    fn a_refusal_names_the_command() {
        let mut qmp = Qmp::greet(monitor(&[r#"{"error":{"desc":"no"}}"#])).unwrap();

        let error = qmp.command("eject", json!({})).unwrap_err();

        assert_eq!(error.to_string(), r#"QMP: eject: {"desc":"no"}"#);
    }

    #[test]
    fn a_monitor_that_hangs_up_is_an_error() {
        let mut qmp = Qmp::greet(monitor(&[])).unwrap();

        assert!(qmp.command("stop", json!({})).is_err());
    }
}
