//! The programs that were started from here, by whomever: a script, what it starts, what that leaves
//! running. Kernels of cameras have no control groups to keep them together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getsid};

use crate::{is_supervised, sys};

/// How long it takes at most until all are gone. One that waits for a card that does not answer
/// never goes.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// When this program is served while it watches, and otherwise.
const FIRST: i32 = -20;
const USUAL: i32 = 0;

/// Those that were started since it was made, in sessions of their own: what the program starts for
/// itself stays in its session.
#[derive(Debug)]
pub struct Descendants {
    earlier: BTreeSet<Pid>,
    own_session: Option<Pid>,
}

impl Descendants {
    /// From now on.
    pub fn from_now() -> Self {
        Self {
            earlier: below(Pid::this(), &processes()).into_keys().collect(),
            own_session: getsid(None).ok(),
        }
    }

    /// How many there are. Takes note of the end of those that lost their parent, so that they count no
    /// more for the kernel either. `leader` is waited for by somebody else.
    pub fn count(&self, leader: Pid) -> usize {
        let all = self.all();
        bury(&all, leader);
        all.values().filter(|process| !process.is_dead).count()
    }

    /// How many were there already, in sessions of their own, for tests.
    #[cfg(test)]
    pub fn earlier_in_other_sessions(&self) -> usize {
        let all = below(Pid::this(), &processes()).into_values();
        all.filter(|process| !process.is_dead && Some(process.session) != self.own_session)
            .count()
    }

    /// Ends all of them, and returns how many there were. `leader`, which leads a group of its own, is
    /// waited for by somebody else. `keep_alive` is called meanwhile.
    ///
    /// The kernel ends a process group at one stroke: nothing in it gets to start more meanwhile.
    pub fn end(&self, leader: Pid, keep_alive: &dyn Fn()) -> usize {
        let begun = Instant::now();
        let mut ended = BTreeSet::new();
        loop {
            let mut alive = self.all();
            bury(&alive, leader);
            alive.retain(|_, process| !process.is_dead);
            let groups: BTreeSet<Pid> = alive.values().map(|process| process.group).collect();
            for group in groups.into_iter().chain([leader]) {
                // It may be gone by now.
                let _ = killpg(group, Signal::SIGKILL);
            }
            if alive.is_empty() || begun.elapsed() > PATIENCE {
                return ended.len();
            }
            ended.extend(alive.into_keys());
            keep_alive();
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn all(&self) -> BTreeMap<Pid, Process> {
        let mut all = below(Pid::this(), &processes());
        all.retain(|pid, process| {
            !self.earlier.contains(pid) && Some(process.session) != self.own_session
        });
        all
    }
}

/// Takes note of the end of those that lost their parent.
fn bury(all: &BTreeMap<Pid, Process>, leader: Pid) {
    let dead = all.iter().filter(|(pid, process)| {
        process.is_dead && process.parent == Pid::this() && **pid != leader
    });
    for (pid, _) in dead {
        let _ = waitpid(*pid, Some(WaitPidFlag::WNOHANG));
    }
}

/// While it is there, whatever loses its parent becomes this program's child, so that none gets lost:
/// otherwise those are PID 1's (Linux 3.4 and later know it). However many there are, this program
/// is served before them; and there are never more than it can keep up with.
#[derive(Debug)]
pub struct Oversight {
    usual_most: Option<String>,
}

impl Oversight {
    /// From now on.
    pub fn begin() -> Self {
        // Without these, all but a malicious script is still kept in order.
        let _ = set_child_subreaper(true);
        let _ = sys::set_priority(FIRST);
        // Anywhere but on a camera, others would be bound as well.
        let usual_most = is_supervised().then(bind).flatten();
        Self { usual_most }
    }
}

impl Drop for Oversight {
    fn drop(&mut self) {
        let _ = set_child_subreaper(false);
        let _ = sys::set_priority(USUAL);
        if let Some(most) = &self.usual_most {
            let _ = fs::write(MOST_THREADS, most);
        }
    }
}

/// The kernel's bound for programs and threads altogether, the only one that it keeps to for root.
const MOST_THREADS: &str = "/proc/sys/kernel/threads-max";

/// How many may come in addition while it is bound: more than scripts may have, so that they are told.
const MOST_MORE: u32 = 300;

/// Binds what there may be in addition to what there is, and returns the bound before.
fn bind() -> Option<String> {
    let usual = fs::read_to_string(MOST_THREADS).ok()?;
    let now = threads(&fs::read_to_string("/proc/loadavg").ok()?)?;
    fs::write(MOST_THREADS, (now + MOST_MORE).to_string()).ok()?;
    Some(usual)
}

/// How many there are, from `0.20 0.18 0.12 1/80 11206`.
fn threads(load: &str) -> Option<u32> {
    let (_, all) = load.split_whitespace().nth(3)?.split_once('/')?;
    all.parse().ok()
}

/// What `/proc/<pid>/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    parent: Pid,
    group: Pid,
    session: Pid,
    is_dead: bool,
}

fn processes() -> BTreeMap<Pid, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        Some((Pid::from_raw(pid), process(&stat)?))
    })
    .collect()
}

/// `12 (name) S <parent> <group> <session> ...`; the name may have anything in it.
fn process(stat: &str) -> Option<Process> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace();
    let state = fields.next()?;
    let mut next = || Some(Pid::from_raw(fields.next()?.parse().ok()?));
    Some(Process {
        parent: next()?,
        group: next()?,
        session: next()?,
        is_dead: matches!(state, "Z" | "X"),
    })
}

fn below(ancestor: Pid, processes: &BTreeMap<Pid, Process>) -> BTreeMap<Pid, Process> {
    let mut found = BTreeMap::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        let children = processes.iter().filter(|(_, p)| p.parent == parent);
        for (pid, process) in children {
            if found.insert(*pid, *process).is_none() {
                parents.push(*pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn pid(number: i32) -> Pid {
        Pid::from_raw(number)
    }

    #[rstest]
    #[case("12 (sh) S 1 12 10 0", 1, false)]
    #[case("12 (a) b (c) Z 7 12 10 0", 7, true)]
    fn a_process_is_read_whatever_its_name(
        #[case] stat: &str,
        #[case] parent: i32,
        #[case] is_dead: bool,
    ) {
        let expected = Process {
            parent: pid(parent),
            group: pid(12),
            session: pid(10),
            is_dead,
        };
        assert_eq!(process(stat), Some(expected));
    }

    #[test]
    fn all_threads_are_counted() {
        assert_eq!(threads("0.20 0.18 0.12 1/80 11206\n"), Some(80));
        assert_eq!(threads("0.20\n"), None);
    }

    #[test]
    fn those_below_are_found_and_nobody_else() {
        let child_of = |parent| Process {
            parent: pid(parent),
            group: pid(1),
            session: pid(1),
            is_dead: false,
        };
        let all = BTreeMap::from(
            [(2, 1), (3, 2), (4, 3), (5, 1), (6, 5)]
                .map(|(own, parent)| (pid(own), child_of(parent))),
        );
        let found: Vec<Pid> = below(pid(2), &all).into_keys().collect();
        assert_eq!(found, [pid(3), pid(4)]);
    }
}
