//! `fw_printenv` and `fw_setenv`: what scripts and people know from u-boot-tools, over the environment
//! in flash. Arguments in, output out; nothing here touches a device by itself.
//!
//! What differs from u-boot-tools 2023.01: the environment is found by its CRC, so there is no
//! `fw_env.config` (`-c` is taken and ignored); where there is none, none is made up from built-in
//! defaults; when a change does not fit, nothing is changed.

use crate::card::{Card, CardPath};
use crate::config::{LIMIT, is_on, read_general};
use crate::event::{Event, Problem};
use crate::execute::environment::find;
use crate::flash::Flash;
use crate::image::environment::{Edit, Environment, read_script};
use crate::run::{check_environment, set_environment};

/// Under which name the program was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// `fw_printenv`
    Print,
    /// `fw_setenv`
    Set,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// How it is used.
    Help,
    /// Variables are shown.
    Print {
        /// Which; all, if none is named.
        names: Vec<Vec<u8>>,
        /// How.
        form: Form,
    },
    /// A variable is set to all arguments behind its name, with blanks between them.
    Set(Edit),
    /// Variables are set as a script says.
    Script(Source),
}

/// How variables are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `name=value`
    NameAndValue,
    /// `value`
    Value,
}

/// Where a script comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// What the program is given.
    StandardInput,
    /// A file of this name.
    File(Vec<u8>),
}

/// What comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// For standard output. May hold secrets: whoever asked for them wants to see them.
    pub out: Vec<u8>,
    /// For standard error. Holds no values.
    pub errors: String,
    /// The exit status.
    pub status: u8,
}

/// Arguments that are understood, and what of them has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// What is asked for.
    pub command: Command,
    /// Lines for standard error.
    pub notes: Vec<String>,
}

const USAGE: &str = "\
usage: fw_printenv [-n] [name ...]
       fw_setenv name [value ...]
       fw_setenv -s file
       fw_setenv -s - < file

fw_printenv shows variables of the U-Boot environment; -n shows the value only.
fw_setenv sets one, or removes it if there is no value. A script has a variable
in each line: its name, blanks, its value; lines that start with # are remarks.
";

const DRY_RUN: &str = "Dry run: it could be set. Nothing was changed.\n";

impl Program {
    /// The program of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "fw_printenv" => Some(Self::Print),
            "fw_setenv" => Some(Self::Set),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Print => "fw_printenv",
            Self::Set => "fw_setenv",
        }
    }
}

impl Output {
    /// Standard output, and all is well.
    pub fn of(out: impl Into<Vec<u8>>) -> Self {
        Self {
            out: out.into(),
            ..Self::default()
        }
    }

    /// Nothing but the reason why not.
    pub fn failed(errors: impl Into<String>) -> Self {
        Self {
            out: Vec::new(),
            errors: errors.into() + "\n",
            status: 1,
        }
    }

    /// The same for a problem with a code.
    pub fn refused(problem: &Problem) -> Self {
        Self::failed(format!("## Error: {problem}\n{}", problem.next_step()))
    }
}

/// What the arguments, the program's own name left out, ask for.
///
/// # Errors
/// What is to be told instead.
pub fn parse(program: Program, arguments: &[Vec<u8>]) -> Result<Arguments, Output> {
    let mut rest = arguments.iter();
    let (mut form, mut script, mut words) = (Form::NameAndValue, None, Vec::new());
    let mut notes = Vec::new();
    while let Some(argument) = rest.next() {
        let mut operand = || rest.next().cloned().ok_or_else(|| usage(program));
        match argument.as_slice() {
            b"-h" | b"--help" => return Ok(help()),
            b"-n" | b"--noheader" if program == Program::Print => form = Form::Value,
            b"-s" | b"--script" if program == Program::Set => script = Some(source(operand()?)),
            b"-c" | b"--config" => {
                operand()?;
                notes.push(format!(
                    "{}: -c has no effect: the environment is found in flash by its CRC",
                    program.name()
                ));
            }
            // Where u-boot-tools keep their lock.
            b"-l" | b"--lock" => drop(operand()?),
            b"--" => words.extend(rest.by_ref().cloned()),
            // Values may start with a dash.
            option if option.starts_with(b"-") && option.len() > 1 && words.is_empty() => {
                return Err(usage(program));
            }
            word => {
                words.push(word.to_vec());
                if program == Program::Set {
                    words.extend(rest.by_ref().cloned());
                }
            }
        }
    }
    let command = command(program, form, script, words)?;
    Ok(Arguments { command, notes })
}

fn command(
    program: Program,
    form: Form,
    script: Option<Source>,
    words: Vec<Vec<u8>>,
) -> Result<Command, Output> {
    Ok(match (program, script) {
        (Program::Print, _) if form == Form::Value && words.len() != 1 => {
            return Err(Output::failed(
                "## Error: `-n'/`--noheader' option requires exactly one argument",
            ));
        }
        (Program::Print, _) => Command::Print { names: words, form },
        (Program::Set, Some(script)) if words.is_empty() => Command::Script(script),
        (Program::Set, Some(_)) => return Err(usage(program)),
        (Program::Set, None) => match words.split_first() {
            Some((name, values)) => Command::Set(Edit {
                name: name.clone(),
                value: values.join(&b' '),
            }),
            None => return Err(Output::failed("## Error: variable name missing")),
        },
    })
}

fn help() -> Arguments {
    Arguments {
        command: Command::Help,
        notes: Vec::new(),
    }
}

fn usage(program: Program) -> Output {
    Output::failed(format!(
        "{}: these arguments are not understood\n{USAGE}",
        program.name()
    ))
}

fn source(operand: Vec<u8>) -> Source {
    match operand.as_slice() {
        b"-" => Source::StandardInput,
        _ => Source::File(operand),
    }
}

/// How the programs are used.
pub fn usage_text() -> Output {
    Output::of(USAGE)
}

/// Shows variables of the environment in flash.
pub fn print(names: &[Vec<u8>], form: Form, flash: &mut dyn Flash) -> Output {
    match find(None, flash) {
        Ok(found) => shown(names, form, &found.environment),
        Err(problem) => Output {
            errors: format!("Warning: Bad CRC, using no environment\n{problem}\n"),
            status: 1,
            ..Output::default()
        },
    }
}

fn shown(names: &[Vec<u8>], form: Form, environment: &Environment) -> Output {
    let mut output = Output::default();
    if names.is_empty() {
        for (name, value) in environment.iter() {
            output.out.extend([name, b"=", value, b"\n"].concat());
        }
    }
    for name in names {
        match (environment.get(name), form) {
            (Some(value), Form::NameAndValue) => {
                output
                    .out
                    .extend([name, b"=".as_slice(), value, b"\n"].concat());
            }
            (Some(value), Form::Value) => output.out.extend([value, b"\n"].concat()),
            (None, _) => {
                let name = String::from_utf8_lossy(name);
                output.errors += &format!("## Error: \"{name}\" not defined\n");
                output.status = 1;
            }
        }
    }
    output
}

/// Sets variables in the environment in flash, all of them or none ([`set_environment`]); in a dry run,
/// only looks whether that could be done.
pub fn set(edits: &[Edit], flash: &mut dyn Flash, card: &mut dyn Card) -> Output {
    let mut remarks = String::new();
    let mut reporter = |event: &Event| {
        if let Event::Remark(problem) = event {
            remarks += &format!("{problem}\n");
        }
    };
    let done = is_dry_run(card).and_then(|is_dry| match is_dry {
        true => check_environment(edits, flash, card).map(|()| DRY_RUN),
        false => set_environment(edits, flash, card, &mut reporter).map(|()| ""),
    });
    let mut output = match done {
        Ok(note) => Output {
            errors: note.to_owned(),
            ..Output::default()
        },
        Err(problem) => Output::refused(&problem),
    };
    output.errors.insert_str(0, &remarks);
    output
}

/// What `general.conf` says. One that cannot be read may say so.
fn is_dry_run(card: &mut dyn Card) -> Result<bool, Problem> {
    let path = CardPath::general_conf();
    let content = card
        .read(&path, LIMIT)
        .map_err(|error| error.into_problem(card))?;
    match read_general(path.as_str(), &content.unwrap_or_default()) {
        Ok(reading) => Ok(is_on(&reading.value.dry_run)),
        Err(problems) => problems.into_iter().next().map_or(Ok(false), Err),
    }
}

/// The variables of a script.
///
/// # Errors
/// What is to be told of the first line that is none.
pub fn edits_of(script: &[u8]) -> Result<Vec<Edit>, Output> {
    read_script(script).map_err(|error| Output::failed(format!("## Error: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::SimCard;
    use crate::flash::{Geometry, SimNor};
    use crate::journal::{Journal, Record, RunId};
    use crate::units::{Offset, Size};
    use rstest::rstest;

    fn words(text: &[&str]) -> Vec<Vec<u8>> {
        text.iter().map(|word| word.as_bytes().to_vec()).collect()
    }

    fn edit(name: &str, value: impl Into<Vec<u8>>) -> Edit {
        Edit {
            name: name.into(),
            value: value.into(),
        }
    }

    fn set_command(name: &str, value: &str) -> Command {
        Command::Set(edit(name, value))
    }

    #[rstest]
    #[case::a_value(&["a", "1"], set_command("a", "1"))]
    #[case::values_are_joined(&["a", "1", "", "2  3"], set_command("a", "1  2  3"))]
    #[case::no_value(&["a"], set_command("a", ""))]
    #[case::a_value_like_an_option(&["a", "-n", "--help"], set_command("a", "-n --help"))]
    #[case::a_name_like_an_option(&["--", "-a", "1"], set_command("-a", "1"))]
    #[case::config(&["-c", "x", "a", "1"], set_command("a", "1"))]
    #[case::script(&["-s", "file"], Command::Script(Source::File(b"file".to_vec())))]
    #[case::script_from_input(&["--script", "-"], Command::Script(Source::StandardInput))]
    #[case::help(&["-h"], Command::Help)]
    fn what_fw_setenv_is_asked_for(#[case] arguments: &[&str], #[case] expected: Command) {
        let parsed = parse(Program::Set, &words(arguments)).unwrap();
        assert_eq!(parsed.command, expected);
        assert_eq!(parsed.notes.len(), usize::from(arguments[0] == "-c"));
    }

    #[rstest]
    #[case::all(&[], &[], Form::NameAndValue)]
    #[case::some(&["a", "b"], &["a", "b"], Form::NameAndValue)]
    #[case::value(&["-n", "a"], &["a"], Form::Value)]
    #[case::value_behind(&["a", "-n"], &["a"], Form::Value)]
    fn what_fw_printenv_is_asked_for(
        #[case] arguments: &[&str],
        #[case] names: &[&str],
        #[case] form: Form,
    ) {
        let names = words(names);
        let parsed = parse(Program::Print, &words(arguments)).unwrap();
        assert_eq!(parsed.command, Command::Print { names, form });
    }

    #[rstest]
    #[case(Program::Print, &["-n"], "option requires exactly one argument")]
    #[case(Program::Print, &["-n", "a", "b"], "option requires exactly one argument")]
    #[case(Program::Print, &["-s", "x"], "usage: fw_printenv")]
    #[case(Program::Set, &[], "## Error: variable name missing")]
    #[case(Program::Set, &["-s"], "usage: fw_printenv")]
    #[case(Program::Set, &["-s", "x", "a"], "usage: fw_printenv")]
    #[case(Program::Set, &["-x"], "usage: fw_printenv")]
    fn what_is_not_understood_is_told(
        #[case] program: Program,
        #[case] arguments: &[&str],
        #[case] told: &str,
    ) {
        let output = parse(program, &words(arguments)).unwrap_err();
        assert_eq!(output.status, 1);
        assert!(output.errors.contains(told), "{}", output.errors);
    }

    const ENV: usize = 0x4_0000;

    fn chip(data: &[u8]) -> SimNor {
        let mut text = data.to_vec();
        text.resize(0x8000 - 4, 0);
        let environment = [&crc32fast::hash(&text).to_le_bytes(), text.as_slice()].concat();
        let mut flash: Vec<u8> = (0..0x8_0000_u32).map(|at| (at % 249) as u8).collect();
        flash[ENV..ENV + 0x8000].copy_from_slice(&environment);
        let geometry = Geometry {
            size: Size::kib(512),
            erase_block: Size::kib(32),
            page: Size::bytes(256),
        };
        SimNor::holding(geometry, flash)
    }

    fn printed(names: &[&str], form: Form, flash: &mut SimNor) -> (String, String, u8) {
        let output = print(&words(names), form, flash);
        let out = String::from_utf8(output.out).unwrap();
        (out, output.errors, output.status)
    }

    #[rstest]
    #[case::all(&[], Form::NameAndValue, "a=1\nb=x  y\n", "", 0)]
    #[case::one(&["b"], Form::NameAndValue, "b=x  y\n", "", 0)]
    #[case::its_value(&["b"], Form::Value, "x  y\n", "", 0)]
    #[case::none(&["c"], Form::NameAndValue, "", "## Error: \"c\" not defined\n", 1)]
    #[case::one_of_two(&["c", "a"], Form::NameAndValue, "a=1\n", "## Error: \"c\" not defined\n", 1)]
    fn variables_are_shown_as_u_boot_tools_do(
        #[case] names: &[&str],
        #[case] form: Form,
        #[case] out: &str,
        #[case] errors: &str,
        #[case] status: u8,
    ) {
        let shown = printed(names, form, &mut chip(b"a=1\0b=x  y\0"));
        assert_eq!(shown, (out.to_owned(), errors.to_owned(), status));
    }

    #[test]
    fn without_a_good_crc_nothing_is_shown_and_nothing_set() {
        let mut flash = chip(b"a=1\0b=22222\0");
        let spoilt = Offset::bytes(ENV as u64 + 10);
        flash.program(spoilt, &[0]).unwrap();
        let (out, errors, status) = printed(&["a"], Form::Value, &mut flash);
        assert_eq!((out.as_str(), status), ("", 1));
        assert!(errors.starts_with("Warning: Bad CRC"), "{errors}");
        let before = flash.content().to_vec();
        let mut card = SimCard::new(Size::mib(4));
        let output = set(&[edit("a", "2")], &mut flash, &mut card);
        assert_eq!(output.status, 1);
        assert!(output.errors.contains("WZ-0801"), "{}", output.errors);
        assert!(flash.content() == before);
    }

    #[test]
    fn in_a_dry_run_nothing_is_set() {
        let mut card =
            SimCard::new(Size::mib(4)).with(&CardPath::general_conf(), b"dry_run=\"yes\"\n");
        let mut flash = chip(b"a=1\0");
        let output = set(&[edit("a", "2")], &mut flash, &mut card);
        assert_eq!((output.errors.as_str(), output.status), (DRY_RUN, 0));
        assert!(flash.content() == chip(b"a=1\0").content());
        let output = set(&[edit("d", vec![b'x'; 0x8000])], &mut flash, &mut card);
        assert!(
            output.errors.contains("environment overflow"),
            "{}",
            output.errors
        );
    }

    #[test]
    fn while_it_is_not_known_whether_it_is_a_dry_run_nothing_is_set() {
        let mut card =
            SimCard::new(Size::mib(4)).with(&CardPath::general_conf(), b"dry_run=\"ye\n");
        let mut flash = chip(b"a=1\0");
        let output = set(&[edit("a", "2")], &mut flash, &mut card);
        assert!(output.errors.contains("general.conf"), "{}", output.errors);
        assert_eq!(output.status, 1);
        assert!(flash.content() == chip(b"a=1\0").content());
    }

    #[test]
    fn a_script_is_carried_out_as_a_whole_or_not_at_all() {
        let mut flash = chip(b"a=1\0b=2\0");
        let mut card = SimCard::new(Size::mib(4));
        let edits = edits_of(b"# remark\nb\nwlan_ssid  My  Net *\nc=3\n").unwrap();
        assert_eq!(set(&edits, &mut flash, &mut card), Output::default());
        let all = printed(&[], Form::NameAndValue, &mut flash).0;
        assert_eq!(all, "a=1\nwlan_ssid=My  Net *\nc=3\n");
        let too_much = [edit("a", "9"), edit("d", vec![b'x'; 0x8000])];
        let output = set(&too_much, &mut flash, &mut card);
        assert_eq!(output.status, 1);
        assert!(
            output
                .errors
                .contains("environment overflow, \"d\" is not set"),
            "{}",
            output.errors
        );
        assert_eq!(printed(&[], Form::NameAndValue, &mut flash).0, all);
    }

    #[test]
    fn while_a_run_writes_flash_nothing_is_set() {
        let mut flash = chip(b"a=1\0");
        let mut card = SimCard::new(Size::mib(4));
        let run = RunId::of(&[b"run"]);
        let started = Record::Started { attempt: 1 };
        Journal::begin(&mut card, run, &started).unwrap();
        assert_eq!(
            set(&[edit("a", "2")], &mut flash, &mut card),
            Output::default()
        );
        let mut journal = Journal::begin(&mut card, run, &started).unwrap();
        journal.append(&mut card, &Record::Committed).unwrap();
        let output = set(&[edit("a", "3")], &mut flash, &mut card);
        assert_eq!(output.status, 1);
        assert!(output.errors.contains("WZ-0820"), "{}", output.errors);
        assert_eq!(printed(&["a"], Form::Value, &mut flash).0, "2\n");
    }

    #[test]
    fn a_value_that_is_refused_is_not_shown() {
        let mut flash = chip(b"a=1\0");
        let mut card = SimCard::new(Size::mib(4));
        let secret = [vec![b'x'; 0x8000], b"hunter2".to_vec()].concat();
        let output = set(&[edit("wlan_pass", secret)], &mut flash, &mut card);
        assert_eq!(output.status, 1);
        assert!(!output.errors.contains("hunter2"));
    }
}
