//! Listening to a script while it runs.

use std::io::{self, PipeReader, Read};
use std::os::fd::AsFd;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Pid;
use wz_core::event::{Event, Problem, Reporter};
use wz_core::script::{MOST_OUTPUT, Output, Secrets};

use super::{Ending, MOST_PROGRAMS, TICK};
use crate::descendants::Descendants;

/// What is taken from the script's output at once.
const AT_ONCE: usize = 4096;

/// What Linux keeps in a pipe.
const PIPE: usize = 64 * 1024;

/// Who listens to a script.
pub struct Watch<'a> {
    said: PipeReader,
    is_open: bool,
    output: Output,
    reporter: &'a mut dyn Reporter,
}

impl<'a> Watch<'a> {
    /// Hears what is `said`, and hides `secrets`.
    pub fn of(said: PipeReader, secrets: Secrets, reporter: &'a mut dyn Reporter) -> Self {
        Self {
            said,
            is_open: true,
            output: Output::new(secrets),
            reporter,
        }
    }

    /// Listens until `child` has ended, or has to be.
    ///
    /// # Errors
    /// When that cannot be known.
    pub fn until_end(
        &mut self,
        child: &mut Child,
        limit: Duration,
        descendants: &Descendants,
        keep_alive: &dyn Fn(),
    ) -> io::Result<Ending> {
        let leader = Pid::from_raw(child.id().cast_signed());
        let began = Instant::now();
        let mut looked = began;
        loop {
            self.listen(TICK)?;
            keep_alive();
            if let Some(status) = child.try_wait()? {
                return Ok(Ending::ByItself(status));
            }
            if began.elapsed() >= limit {
                return Ok(Ending::TimedOut);
            }
            if looked.elapsed() >= TICK {
                if descendants.count(leader) > MOST_PROGRAMS {
                    return Ok(Ending::TooManyPrograms);
                }
                looked = Instant::now();
            }
        }
    }

    /// Waits up to `time` for something to be said.
    fn listen(&mut self, time: Duration) -> io::Result<()> {
        if !self.is_open {
            thread::sleep(time);
            return Ok(());
        }
        let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::ZERO);
        let mut fds = [PollFd::new(self.said.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, timeout)? > 0 {
            self.hear()?;
        }
        Ok(())
    }

    fn hear(&mut self) -> io::Result<()> {
        let mut bytes = [0; AT_ONCE];
        let count = self.said.read(&mut bytes)?;
        self.is_open = count > 0;
        self.take(&bytes[..count]);
        Ok(())
    }

    /// What is still in the pipe in the end.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hear_the_rest(&mut self) -> io::Result<()> {
        let rest = what_is_in(&mut self.said)?;
        self.take(&rest);
        let unfinished = self.output.finish();
        self.tell(unfinished.into_iter().collect());
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        let lines = self.output.take(bytes);
        self.tell(lines);
    }

    fn tell(&mut self, lines: Vec<String>) {
        if !lines.is_empty() {
            self.reporter.report(&Event::Said(lines));
        }
    }

    /// Tells what is unusual about its end.
    pub fn tell_leftovers(&mut self, name: &str, ending: Ending, left: usize) {
        let name = name.to_owned();
        if self.output.was_cut() {
            self.reporter
                .report(&Event::Remark(Problem::ScriptOutputCut {
                    name: name.clone(),
                    limit: MOST_OUTPUT,
                }));
        }
        if matches!(ending, Ending::ByItself(_)) && left > 0 {
            self.reporter
                .report(&Event::Remark(Problem::ScriptLeftovers {
                    name,
                    what: format!("{left} running programs"),
                }));
        }
    }
}

/// What is in a pipe, without waiting for more: a program that cannot be ended may still be about to write
/// to it. What does not fit into a pipe is not waited for either.
///
/// # Errors
/// When it cannot be read.
pub fn what_is_in(pipe: &mut PipeReader) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    while content.len() < PIPE && has_more(pipe)? {
        let mut bytes = [0; AT_ONCE];
        match pipe.read(&mut bytes)? {
            0 => break,
            count => content.extend_from_slice(&bytes[..count]),
        }
    }
    Ok(content)
}

fn has_more(pipe: &PipeReader) -> io::Result<bool> {
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    Ok(poll(&mut fds, PollTimeout::ZERO)? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn nobody_is_waited_for_who_may_write_to_a_pipe() {
        let (mut pipe, mut end) = io::pipe().unwrap();
        end.write_all(b"an answer").unwrap();
        assert_eq!(what_is_in(&mut pipe).unwrap(), b"an answer");
        assert_eq!(what_is_in(&mut pipe).unwrap(), b"");
    }

    #[test]
    fn who_writes_without_end_is_not_heard_without_end() {
        let (mut pipe, mut end) = io::pipe().unwrap();
        thread::spawn(move || while end.write_all(&[b'y'; AT_ONCE]).is_ok() {});
        assert!(what_is_in(&mut pipe).unwrap().len() < PIPE + AT_ONCE);
    }
}
