//! What follows the operations when they have ended well: scripts, then what the camera starts next.
//!
//! ```text
//!  flash whole ▶ journal closed ▶ SD kernels put away
//!     ▶ script ▶ script ▶ ...        the first that fails ends it
//!     ▶ copy_new_sdcard_kernel:      the owner's kernel, copied to every name that U-Boot looks for
//!     │ re_run:                      re_run="no", read back ▶ names of the copies in a closed journal
//!                                    ▶ this program's kernel gets its name back ▶ copies
//! ```
//! Power may go anywhere in this. The camera then starts its firmware or, if a kernel is in place
//! already, that kernel; as `re_run` says "no" by then, this program runs once more at most.

use std::time::Duration;

use super::by_hand::is_open;
use super::edit::switch_off;
use super::kernels::{self, Copies, Kernels};
use super::prepare::Context;
use super::{ScriptCall, ScriptFacts, Surroundings};
use crate::card::{Card, CardPath, EntryKind, rename_for_good};
use crate::config::{self, FileName, Key, NextStart};
use crate::event::{CameraFacts, Event, Outcome, Problem, Reporter, Step, in_step};
use crate::image::uimage::CheckedHeader;
use crate::journal::{self, Begun, Journal, Record, RunId};
use crate::plan::RewritePlan;
use crate::profile::{Catalogue, Chip, Firmware, Soc};
use crate::script::{check_on_card, check_scripts};
use crate::units::Size;

/// What follows, with everything decided.
#[derive(Clone, Debug)]
pub(super) struct Afterwards {
    scripts: Vec<Script>,
    script_time_limit: Duration,
    facts: ScriptFacts,
    start: Start,
}

/// A script that is to run.
#[derive(Clone, Debug)]
struct Script {
    folder: CardPath,
    name: FileName,
}

impl Script {
    fn custom(name: &FileName) -> Self {
        Self {
            folder: CardPath::scripts(),
            name: name.clone(),
        }
    }
}

/// What the camera is to start next.
#[derive(Clone, Debug)]
enum Start {
    /// What it starts by itself.
    AsItIs,
    /// The owner's kernel.
    Other(Copies),
    /// This program, once more.
    Program {
        /// How large its kernel is.
        size: Size,
        /// The names that it gets.
        names: Vec<String>,
    },
}

/// The camera as it will be when it restarts, and where this program's kernel is now.
#[derive(Clone, Debug)]
pub(super) struct Outlook<'a> {
    catalogue: &'a Catalogue,
    soc: &'a Soc,
    /// What scripts get to know.
    facts: ScriptFacts,
    /// The firmware that will be in flash, if it is a known one.
    firmware: Option<&'a Firmware>,
    /// Its layout, if it is a known one.
    layout: Option<String>,
    /// The files that this program may have been started from.
    program: Vec<CardPath>,
}

impl<'a> Outlook<'a> {
    /// Of a run that has just been planned.
    pub(super) fn planned(context: Context<'a>, rewrite: Option<&RewritePlan>) -> Self {
        let CameraFacts {
            firmware,
            layout,
            model,
            ..
        } = &context.camera.facts;
        let (to, layout) = match rewrite {
            Some(plan) => (Some(&plan.to), plan.layout.clone()),
            None => (firmware.as_ref(), layout.clone()),
        };
        Self {
            catalogue: context.catalogue,
            soc: context.soc,
            facts: ScriptFacts {
                soc: context.soc.name.clone(),
                chip: context.camera.facts.chip.clone(),
                chip_group: context.camera.facts.group.clone(),
                current_firmware: firmware.clone(),
                next_firmware: to.filter(|to| Some(*to) != firmware.as_ref()).cloned(),
                model: model.clone(),
            },
            firmware: to.and_then(|name| context.catalogue.firmware(&context.soc.name, name)),
            layout,
            program: context.program.to_vec(),
        }
    }

    /// Of a run that was interrupted and has come to its end now.
    pub(super) fn resumed(
        begun: &Begun,
        catalogue: &'a Catalogue,
        (soc, chip): (&'a Soc, &'a Chip),
        kernels: &Kernels,
    ) -> Self {
        Self {
            catalogue,
            soc,
            facts: ScriptFacts {
                soc: soc.name.clone(),
                chip: chip.name.clone(),
                chip_group: chip.group.clone(),
                current_firmware: Some(begun.from.clone()),
                next_firmware: (begun.from != begun.to).then(|| begun.to.clone()),
                model: begun.model.clone(),
            },
            firmware: catalogue.firmware(&soc.name, &begun.to),
            layout: begun.layout.clone(),
            program: kernels.files(),
        }
    }

    /// Every name that the U-Boot in flash will look for a kernel under. Which of them a build looks
    /// for is not known, but the one that is in flash now has found this program.
    fn names(&self) -> Vec<String> {
        let own = self.program.iter().map(kernels::name_of);
        let own = own.filter(|_| self.facts.next_firmware.is_none());
        let known = self
            .firmware
            .map(|f| f.sd_kernels_of(self.layout.as_deref()));
        let known = known.unwrap_or_default().iter().map(String::as_str);
        let mut names: Vec<String> = Vec::new();
        for name in own.chain(known) {
            if !names.iter().any(|other| other.eq_ignore_ascii_case(name)) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// What the profile of the firmware that was switched to wants to be run.
    fn post_switch(&self, card: &mut dyn Card) -> Result<Option<Script>, Problem> {
        let switched = self.firmware.filter(|_| self.facts.next_firmware.is_some());
        let Some((firmware, file)) =
            switched.and_then(|firmware| Some((firmware, firmware.scripts.post_switch.as_ref()?)))
        else {
            return Ok(None);
        };
        let folder = CardPath::profiles().join(&firmware.script_folder());
        let unusable = |reason: String| Problem::ProfileScriptMissing {
            script: folder.join(file).to_string(),
            reason,
        };
        let name = FileName::new(file);
        let name = name.ok_or_else(|| unusable("its name is none that is used".to_owned()))?;
        check_on_card(card, &folder.join(file)).map_err(|problem| unusable(problem.what()))?;
        Ok(Some(Script { folder, name }))
    }

    fn firmware_name(&self) -> String {
        let facts = &self.facts;
        let name = facts
            .next_firmware
            .as_ref()
            .or(facts.current_firmware.as_ref());
        name.map_or_else(|| "an unknown firmware".to_owned(), String::clone)
    }
}

/// Decides what is to be done, and finds everything that speaks against it. The card is only read.
///
/// # Errors
/// Every reason why not.
pub(super) fn plan(
    wanted: &config::Afterwards,
    outlook: &Outlook<'_>,
    card: &mut dyn Card,
) -> Result<Afterwards, Vec<Problem>> {
    let mut problems = check_scripts(card, &wanted.scripts);
    let mut scripts = Vec::new();
    match outlook.post_switch(card) {
        Ok(script) => scripts.extend(script),
        Err(problem) => problems.push(problem),
    }
    scripts.extend(wanted.scripts.iter().map(Script::custom));
    let start = match &wanted.next_start {
        NextStart::Firmware | NextStart::ProgramKept => Ok(Start::AsItIs),
        NextStart::OtherKernel(file) => other_kernel(file, outlook, card),
        NextStart::ProgramOnce => program_once(outlook, card),
    };
    match start {
        Ok(start) if problems.is_empty() => Ok(Afterwards {
            scripts,
            script_time_limit: wanted.script_time_limit,
            facts: outlook.facts.clone(),
            start,
        }),
        Ok(_) => Err(problems),
        Err(problem) => {
            problems.push(problem);
            Err(problems)
        }
    }
}

/// The size of a file; none if there is no such file.
fn size_of(path: &CardPath, card: &mut dyn Card) -> Result<Option<Size>, Problem> {
    let entries = card
        .entries(&path.parent())
        .map_err(|error| error.into_problem(card))?;
    let mut entries = entries.unwrap_or_default().into_iter();
    let size = entries.find_map(|entry| match entry.kind {
        EntryKind::File(size) if entry.name.eq_ignore_ascii_case(path.name()) => Some(size),
        _ => None,
    });
    Ok(size)
}

fn other_kernel(
    file: &FileName,
    outlook: &Outlook<'_>,
    card: &mut dyn Card,
) -> Result<Start, Problem> {
    let name = file.to_string();
    let path = CardPath::root().join(&name);
    let names = names_of(Key::CopyNewSdcardKernel, outlook)?;
    if kernels::is_one_of(&name, &kernels::names(Some(outlook.catalogue))) {
        return Err(Problem::NewKernelNameTaken { name });
    }
    let size =
        size_of(&path, card)?.ok_or_else(|| Problem::NewKernelMissing { name: name.clone() })?;
    let longest = outlook.soc.sd_boot.longest_file;
    if size > longest {
        let why = format!("it has {size}, and U-Boot reads at most {longest}");
        return Err(Problem::NewKernelBad { name, why });
    }
    let header = match kernels::examine(card, &path) {
        Ok(Ok(header)) => header,
        Ok(Err(why)) => {
            let why = why.to_string();
            return Err(Problem::NewKernelBad { name, why });
        }
        Err(error) => return Err(error.into_problem(card)),
    };
    let program = kernels::bootable_of(card, &outlook.program)?;
    match program.iter().any(|(_, known)| *known == header) {
        true => Err(Problem::NewKernelIsProgram { name }),
        false => Ok(Start::Other(Copies::of(path, header.total(), names))),
    }
}

fn program_once(outlook: &Outlook<'_>, card: &mut dyn Card) -> Result<Start, Problem> {
    let names = names_of(Key::ReRun, outlook)?;
    let (_, header) = program(&outlook.program, &names, card)?;
    let size = header.total();
    Ok(Start::Program { size, names })
}

/// The names that the next U-Boot looks for a kernel under.
fn names_of(key: Key, outlook: &Outlook<'_>) -> Result<Vec<String>, Problem> {
    let names = outlook.names();
    match names.is_empty() {
        false => Ok(names),
        true => Err(Problem::NextStartsNoKernel {
            key: key.name().to_owned(),
            firmware: outlook.firmware_name(),
        }),
    }
}

/// This program's own kernel, the only one among `files`.
fn program(
    files: &[CardPath],
    names: &[String],
    card: &mut dyn Card,
) -> Result<(CardPath, CheckedHeader), Problem> {
    let mut found = kernels::bootable_of(card, files)?.into_iter();
    let none = || Problem::NoBootableKernel {
        names: names.join(", "),
    };
    let (path, header) = found.next().ok_or_else(none)?;
    match found.find(|(_, other)| *other != header) {
        None => Ok((path, header)),
        Some((other, _)) => Err(Problem::ProgramUnclear {
            first: path.to_string(),
            second: other.to_string(),
        }),
    }
}

/// What it is done with.
pub(super) struct Tools<'a> {
    pub(super) card: &'a mut dyn Card,
    pub(super) surroundings: &'a mut dyn Surroundings,
    pub(super) reporter: &'a mut dyn Reporter,
}

impl Afterwards {
    /// A line for the owner per thing that will be done.
    pub(super) fn lines(&self) -> Vec<String> {
        let scripts = self.scripts.iter();
        let mut lines: Vec<String> = scripts
            .map(|script| format!("Then run the script {}", script.name))
            .collect();
        match &self.start {
            Start::AsItIs => {}
            Start::Other(copies) => lines.push(format!(
                "Then copy {} to {}, so that the camera starts it next",
                copies.from.name(),
                copies.to.join(", ")
            )),
            Start::Program { names, .. } => lines.push(format!(
                "Then set re_run=\"no\" and run once more: the SD kernel as {}",
                names.join(", ")
            )),
        }
        lines
    }

    /// What it takes on the card.
    pub(super) fn needed(&self, cluster: Size) -> Size {
        match &self.start {
            Start::AsItIs => Size::ZERO,
            Start::Other(copies) => copies.needed(cluster),
            Start::Program { names, .. } if names.len() < 2 => Size::ZERO,
            Start::Program { size, names } => {
                let copies = names.iter().skip(1).cloned().collect();
                let copies = Copies::of(CardPath::root(), *size, copies).needed(cluster);
                Size::bytes(copies.get() + journal::SIZE.get())
            }
        }
    }

    /// Does it, up to the first thing that fails, which is told with what is left out. The outcome is
    /// [`Outcome::Failed`] if flash was not left whole.
    pub(super) fn carry_out(&self, kernels: &Kernels, tools: &mut Tools<'_>) -> Outcome {
        let todo = self.shown();
        for (index, script) in self.scripts.iter().enumerate() {
            if let Err(problem) = self.run_script(script, tools) {
                let outcome = match problem {
                    Problem::ScriptLeftRunOpen { .. } => Outcome::Failed,
                    _ => Outcome::Incomplete,
                };
                tools.reporter.report(&Event::Failed(problem));
                let why = format!("the script {} failed", script.name);
                let left = todo.get(index + 1..).unwrap_or_default();
                skip(left, &why, tools.reporter);
                return outcome;
            }
        }
        let started = match &self.start {
            Start::AsItIs => Ok(()),
            Start::Other(copies) => place(copies, tools),
            Start::Program { names, .. } => run_once_more(names, kernels, tools),
        };
        match started {
            Ok(()) => Outcome::Success,
            Err(problem) => {
                tools.reporter.report(&Event::Failed(problem));
                Outcome::Incomplete
            }
        }
    }

    /// Whether there is any script to run, be it a profile's.
    pub(super) fn has_scripts(&self) -> bool {
        !self.scripts.is_empty()
    }

    fn run_script(&self, script: &Script, tools: &mut Tools<'_>) -> Result<(), Problem> {
        let step = Step::RunScript {
            name: script.name.to_string(),
        };
        let call = ScriptCall {
            folder: script.folder.clone(),
            name: &script.name,
            time_limit: self.script_time_limit,
            facts: self.facts.clone(),
        };
        in_step(tools.reporter, step, |reporter| {
            let ran = tools.surroundings.run_script(&call, reporter);
            // A command in it may have been unable to finish what it has begun.
            if !is_open(tools.card)? {
                return ran;
            }
            if let Err(problem) = ran {
                reporter.report(&Event::Failed(problem));
            }
            Err(Problem::ScriptLeftRunOpen {
                script: script.name.to_string(),
            })
        })
    }

    fn shown(&self) -> Vec<String> {
        let start = match self.start {
            Start::AsItIs => None,
            Start::Other(_) => Some(Key::CopyNewSdcardKernel),
            Start::Program { .. } => Some(Key::ReRun),
        };
        in_words(self.scripts.iter().map(|script| &script.name), start)
    }
}

fn in_words<'a>(scripts: impl Iterator<Item = &'a FileName>, start: Option<Key>) -> Vec<String> {
    let scripts = scripts.map(|name| format!("the script {name}"));
    scripts.chain(start.map(|key| key.to_string())).collect()
}

/// Tells that nothing of what was asked for follows.
pub(super) fn skip_all(wanted: &config::Afterwards, why: &str, reporter: &mut dyn Reporter) {
    let start = match wanted.next_start {
        NextStart::Firmware | NextStart::ProgramKept => None,
        NextStart::OtherKernel(_) => Some(Key::CopyNewSdcardKernel),
        NextStart::ProgramOnce => Some(Key::ReRun),
    };
    skip(&in_words(wanted.scripts.iter(), start), why, reporter);
}

fn skip(what: &[String], why: &str, reporter: &mut dyn Reporter) {
    if !what.is_empty() {
        let problem = Problem::AfterwardsSkipped {
            what: what.join(", "),
            why: why.to_owned(),
        };
        reporter.report(&Event::Remark(problem));
    }
}

/// Copies the owner's kernel to every name.
fn place(copies: &Copies, tools: &mut Tools<'_>) -> Result<(), Problem> {
    names_are_free(&copies.to, tools.card)?;
    let mut names = copies.to.iter();
    names.try_for_each(|name| kernels::copy(copies, name, tools.card, tools.reporter))
}

/// Whatever had such a name when the run began is put away by now.
fn names_are_free(names: &[String], card: &mut dyn Card) -> Result<(), Problem> {
    match kernels::present(card, names)?.into_iter().next() {
        None => Ok(()),
        Some(name) => Err(Problem::KernelNameTaken { name }),
    }
}

/// S7: the option is off, for good, before the kernel gets a name that U-Boot looks for.
fn run_once_more(
    names: &[String],
    kernels: &Kernels,
    tools: &mut Tools<'_>,
) -> Result<(), Problem> {
    let (from, header) = program(&kernels.files(), names, tools.card)?;
    names_are_free(names, tools.card)?;
    switch_off(Key::ReRun, tools.card, tools.reporter)?;
    let own = kernels::name_of(&from);
    let is_own = |name: &&String| name.eq_ignore_ascii_case(own);
    let first = names.iter().find(is_own).or(names.first());
    let to = CardPath::root().join(first.map_or(own, String::as_str));
    let others = names.iter().filter(|name| Some(*name) != first).cloned();
    let copies = Copies::of(to.clone(), header.total(), others.collect());
    note_copies(&copies.to, tools)?;
    give_back(&from, &to, tools)?;
    let mut names = copies.to.iter();
    names.try_for_each(|name| kernels::copy(&copies, name, tools.card, tools.reporter))
}

/// The next run finds the names in a journal that is closed from its first record on, and removes the
/// copies.
fn note_copies(names: &[String], tools: &mut Tools<'_>) -> Result<(), Problem> {
    if names.is_empty() {
        return Ok(());
    }
    let now = tools.surroundings.since_power_on().as_nanos().to_le_bytes();
    let run = RunId::of(&[b"re_run", &now]);
    let mut journal = Journal::begin(tools.card, run, &Record::Closed)?;
    names.iter().try_for_each(|name| {
        let record = Record::KernelCopies(vec![name.clone()]);
        journal.append(tools.card, &record)
    })
}

fn give_back(from: &CardPath, to: &CardPath, tools: &mut Tools<'_>) -> Result<(), Problem> {
    let step = Step::GiveKernelBack {
        name: from.to_string(),
        to: to.to_string(),
    };
    in_step(tools.reporter, step, |_| {
        rename_for_good(tools.card, from, to).map_err(|error| error.into_problem(tools.card))
    })
}
