//! From arguments to a command.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;
use wz_core::config::{Name, Order, Rewrite, SwitchScope, Wanted, Wish};

use super::info::Key;
use crate::root::Root;

/// What `wz help` says.
pub const HELP: &str = include_str!("help.txt");

/// All that was said.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// Where the system's folders are.
    pub root: Root,
    /// What is to be done.
    pub command: Command,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Tell what there is.
    Help,
    /// Show what general.conf asks for.
    Plan,
    /// Do it.
    Run,
    /// Do this instead.
    Order(Order),
    /// Facts about camera and card; one of them, or all.
    Info(Option<Key>),
    /// The firmwares that this camera may have.
    ProfileList,
    /// The partitions of one of them; of the installed one if none is named.
    ProfileShow(Option<String>),
    /// Something with one partition.
    Partition(PartitionCommand),
    /// The program for the U-Boot environment of this name, with these arguments.
    Environment(&'static str, Vec<OsString>),
}

/// Something with partitions of the installed firmware.
#[derive(Debug, PartialEq, Eq)]
pub enum PartitionCommand {
    /// Name them.
    List(Which),
    /// Make one a device.
    Device(String),
    /// Take back all that are devices.
    Release,
    /// Write an image to one.
    Write {
        /// Which.
        name: String,
        /// The image.
        file: PathBuf,
    },
    /// Pack the files in one.
    Archive {
        /// Which.
        name: String,
        /// The archive to be made.
        file: PathBuf,
    },
    /// Unpack files into one.
    Extract {
        /// The archive.
        file: PathBuf,
        /// Which.
        name: String,
    },
}

/// Whose partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The installed firmware's.
    Installed,
    /// Those of the one that general.conf names as the next.
    Next,
}

/// Takes the arguments apart, the program's name left out.
///
/// # Errors
/// What of them is not understood.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Arguments, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut root = Root::of_the_camera();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("root") => root = Root::at(parser.value()?),
            Long("help") | Short('h') => {
                let command = Command::Help;
                return Ok(Arguments { root, command });
            }
            Value(word) => {
                let command = command(&word.string()?, &mut parser)?;
                return Ok(Arguments { root, command });
            }
            other => return Err(other.unexpected()),
        }
    }
    let command = Command::Help;
    Ok(Arguments { root, command })
}

fn command(word: &str, parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let command = match word {
        "help" => Command::Help,
        "plan" => Command::Plan,
        "run" => Command::Run,
        "backup" => Command::Order(Order::Backup),
        "restore" => return restore(parser),
        "switch" => return switch(parser),
        "info" => return info(parser),
        "env" => return environment(parser),
        "profile" => return profile(parser),
        "partition" => return partition(parser),
        other => return Err(unknown("command", other)),
    };
    nothing_more(parser)?;
    Ok(command)
}

fn restore(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let mut wishes = vec![wish(text(parser, "a partition")?, Wanted::Image)];
    while let Some(argument) = parser.next()? {
        match argument {
            Value(name) => wishes.push(wish(name.string()?, Wanted::Image)),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Command::Order(Order::Rewrite(Rewrite::Partitions(wishes))))
}

fn wish(partition: String, content: Wanted) -> Wish {
    Wish { partition, content }
}

fn switch(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let (mut next, mut scope) = (None, SwitchScope::Working);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("all") => scope = SwitchScope::AllPartitions,
            Value(word) if next.is_none() => {
                let word = word.string()?;
                next = Some(Name::new(&word).ok_or_else(|| unknown("firmware", &word))?);
            }
            other => return Err(other.unexpected()),
        }
    }
    let next = next.ok_or_else(|| missing("a firmware"))?;
    let rewrite = Rewrite::Switch { next, scope };
    Ok(Command::Order(Order::Rewrite(rewrite)))
}

fn info(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let Some(word) = optional(parser)? else {
        return Ok(Command::Info(None));
    };
    let key = Key::named(&word).ok_or_else(|| unknown("fact", &word))?;
    nothing_more(parser)?;
    Ok(Command::Info(Some(key)))
}

fn environment(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let program = match text(parser, "print or set")?.as_str() {
        "print" => "fw_printenv",
        "set" => "fw_setenv",
        other => return Err(unknown("command", &format!("env {other}"))),
    };
    let rest = parser.raw_args()?.collect();
    Ok(Command::Environment(program, rest))
}

fn profile(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let command = match text(parser, "list or show")?.as_str() {
        "list" => Command::ProfileList,
        "show" => Command::ProfileShow(optional(parser)?),
        other => return Err(unknown("command", &format!("profile {other}"))),
    };
    nothing_more(parser)?;
    Ok(command)
}

fn partition(parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let word = text(parser, "what to do with it")?;
    let command = match word.as_str() {
        "list" => PartitionCommand::List(which(parser)?),
        "device" => PartitionCommand::Device(text(parser, "a partition")?),
        "release" => PartitionCommand::Release,
        "write" => PartitionCommand::Write {
            name: text(parser, "a partition")?,
            file: file(parser)?,
        },
        "erase" => return made_anew(Wanted::Blank, parser),
        "format" => return made_anew(Wanted::EmptyFileSystem, parser),
        "archive" => PartitionCommand::Archive {
            name: text(parser, "a partition")?,
            file: file(parser)?,
        },
        "extract" => PartitionCommand::Extract {
            file: file(parser)?,
            name: text(parser, "a partition")?,
        },
        other => return Err(unknown("command", &format!("partition {other}"))),
    };
    nothing_more(parser)?;
    Ok(Command::Partition(command))
}

fn made_anew(content: Wanted, parser: &mut lexopt::Parser) -> Result<Command, lexopt::Error> {
    let wishes = vec![wish(text(parser, "a partition")?, content)];
    nothing_more(parser)?;
    Ok(Command::Order(Order::Rewrite(Rewrite::Partitions(wishes))))
}

fn which(parser: &mut lexopt::Parser) -> Result<Which, lexopt::Error> {
    match parser.next()? {
        None => Ok(Which::Installed),
        Some(Long("next")) => Ok(Which::Next),
        Some(other) => Err(other.unexpected()),
    }
}

fn optional(parser: &mut lexopt::Parser) -> Result<Option<String>, lexopt::Error> {
    match parser.next()? {
        None => Ok(None),
        Some(Value(word)) => word.string().map(Some),
        Some(other) => Err(other.unexpected()),
    }
}

fn text(parser: &mut lexopt::Parser, what: &str) -> Result<String, lexopt::Error> {
    optional(parser)?.ok_or_else(|| missing(what))
}

fn file(parser: &mut lexopt::Parser) -> Result<PathBuf, lexopt::Error> {
    match parser.next()? {
        Some(Value(path)) => Ok(path.into()),
        Some(other) => Err(other.unexpected()),
        None => Err(missing("a file")),
    }
}

fn nothing_more(parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
    match parser.next()? {
        None => Ok(()),
        Some(more) => Err(more.unexpected()),
    }
}

fn missing(what: &str) -> lexopt::Error {
    format!("{what} is missing").into()
}

fn unknown(what: &str, word: &str) -> lexopt::Error {
    format!("\"{word}\" is no {what}").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn parsed(line: &str) -> Result<Arguments, String> {
        let words = line.split_whitespace().map(OsString::from);
        parse(words).map_err(|error| error.to_string())
    }

    fn rewrites(wishes: &[(&str, Wanted)]) -> Command {
        let wishes = wishes
            .iter()
            .map(|(name, content)| wish((*name).to_owned(), content.clone()));
        Command::Order(Order::Rewrite(Rewrite::Partitions(wishes.collect())))
    }

    fn switches(firmware: &str, scope: SwitchScope) -> Command {
        let next = Name::new(firmware).unwrap();
        Command::Order(Order::Rewrite(Rewrite::Switch { next, scope }))
    }

    #[rstest]
    #[case("", Command::Help)]
    #[case("--help", Command::Help)]
    #[case("plan", Command::Plan)]
    #[case("run", Command::Run)]
    #[case("backup", Command::Order(Order::Backup))]
    #[case("restore cfg kernel", rewrites(&[("cfg", Wanted::Image), ("kernel", Wanted::Image)]))]
    #[case("switch thingino", switches("thingino", SwitchScope::Working))]
    #[case("switch --all stock", switches("stock", SwitchScope::AllPartitions))]
    #[case("switch stock --all", switches("stock", SwitchScope::AllPartitions))]
    #[case("info", Command::Info(None))]
    #[case("info model", Command::Info(Some(Key::Model)))]
    #[case("profile list", Command::ProfileList)]
    #[case("profile show", Command::ProfileShow(None))]
    #[case("profile show stock", Command::ProfileShow(Some("stock".to_owned())))]
    #[case(
        "partition list",
        Command::Partition(PartitionCommand::List(Which::Installed))
    )]
    #[case(
        "partition list --next",
        Command::Partition(PartitionCommand::List(Which::Next))
    )]
    #[case("partition release", Command::Partition(PartitionCommand::Release))]
    #[case("partition erase cfg", rewrites(&[("cfg", Wanted::Blank)]))]
    #[case("partition format cfg", rewrites(&[("cfg", Wanted::EmptyFileSystem)]))]
    #[case("partition write cfg /tmp/a.bin", Command::Partition(PartitionCommand::Write {
        name: "cfg".to_owned(), file: "/tmp/a.bin".into() }))]
    #[case("partition extract /tmp/a.tar.gz cfg", Command::Partition(PartitionCommand::Extract {
        name: "cfg".to_owned(), file: "/tmp/a.tar.gz".into() }))]
    #[case("env print -n a", Command::Environment("fw_printenv", vec!["-n".into(), "a".into()]))]
    #[case("env set a", Command::Environment("fw_setenv", vec!["a".into()]))]
    fn arguments_become_a_command(#[case] line: &str, #[case] command: Command) {
        let root = Root::of_the_camera();
        assert_eq!(parsed(line), Ok(Arguments { root, command }));
    }

    #[test]
    fn the_root_may_be_another_folder() {
        let arguments = parsed("--root /tmp/camera plan").unwrap();
        assert_eq!(arguments.root, Root::at("/tmp/camera"));
    }

    #[rstest]
    #[case("burn")]
    #[case("plan now")]
    #[case("plan --dry-run")]
    #[case("--root")]
    #[case("restore")]
    #[case("restore --all")]
    #[case("switch")]
    #[case("switch --all")]
    #[case("switch a b")]
    #[case("switch ../x")]
    #[case("info colour")]
    #[case("info model soc")]
    #[case("profile")]
    #[case("profile edit")]
    #[case("partition")]
    #[case("partition list cfg")]
    #[case("partition erase")]
    #[case("partition erase cfg para")]
    #[case("partition write cfg")]
    #[case("partition extract a.tar.gz")]
    #[case("env")]
    #[case("env delete a")]
    fn what_is_not_understood_does_nothing(#[case] line: &str) {
        assert!(parsed(line).is_err());
    }
}
