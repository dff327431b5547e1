//! Whether a file is a script that the camera's shell can run, told before anything is done.

use std::io::ErrorKind;

use crate::card::{Card, CardPath};
use crate::config::FileName;
use crate::event::Problem;
use crate::units::{Offset, Size};

/// No script is longer.
pub const LONGEST_SCRIPT: Size = Size::kib(256);

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
const ELF: &[u8] = b"\x7fELF";

/// The shells that scripts for the camera name in their first line. It has one, busybox's, which
/// knows most of what bash adds.
const SHELLS: [&str; 5] = ["ash", "bash", "busybox", "dash", "sh"];

/// Everything that keeps these scripts of `wz_flash-helper/scripts/` from being run.
pub fn check_scripts(card: &mut dyn Card, names: &[FileName]) -> Vec<Problem> {
    let path = |name: &FileName| CardPath::scripts().join(name.as_str());
    let problems = names.iter().map(path);
    problems
        .filter_map(|path| check_on_card(card, &path).err())
        .collect()
}

/// Whether the file at `path` is a shell script.
///
/// # Errors
/// What it is instead, and the card's own.
pub fn check_on_card(card: &mut dyn Card, path: &CardPath) -> Result<(), Problem> {
    let content = match card.read(path, LONGEST_SCRIPT) {
        Ok(content) => content,
        Err(error) if error.source.kind() == ErrorKind::IsADirectory => {
            let file = path.to_string();
            return Err(Problem::ScriptIsAFolder { file });
        }
        Err(error) => return Err(error.into_problem(card)),
    };
    let missing = || Problem::ScriptMissing {
        file: path.to_string(),
    };
    check_script(path.as_str(), &content.ok_or_else(missing)?)
}

/// Whether `content`, the first [`LONGEST_SCRIPT`] and one byte of `file`, is a shell script.
///
/// # Errors
/// What it is instead.
pub fn check_script(file: &str, content: &[u8]) -> Result<(), Problem> {
    let file = file.to_owned();
    let binary = |what: String| Problem::ScriptBinary {
        file: file.clone(),
        what,
    };
    if content.len() as u64 > LONGEST_SCRIPT.get() {
        let limit = LONGEST_SCRIPT;
        return Err(Problem::ScriptTooLong { file, limit });
    }
    if UTF16_MARKS.iter().any(|mark| content.starts_with(mark)) {
        return Err(Problem::ScriptUtf16 { file });
    }
    if content.starts_with(ELF) {
        return Err(binary("it is a program".to_owned()));
    }
    if let Some(at) = content.iter().position(|byte| *byte == 0) {
        let at = Offset::bytes(at as u64);
        return Err(binary(format!("it has a zero byte at {at}")));
    }
    let text = as_shell_text(content);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::ScriptEmpty { file });
    }
    match interpreter(&text) {
        Some(other) if !SHELLS.contains(&other.as_str()) => Err(Problem::ScriptInterpreter {
            file,
            interpreter: other,
        }),
        _ => Ok(()),
    }
}

/// A script as the shell takes it: without the line ends of Windows and the mark of its editors.
pub fn as_shell_text(content: &[u8]) -> Vec<u8> {
    let content = content.strip_prefix(UTF8_MARK).unwrap_or(content);
    let mut text = Vec::with_capacity(content.len());
    for (at, byte) in content.iter().enumerate() {
        let ends_line = *byte == b'\r' && content.get(at + 1).is_none_or(|next| *next == b'\n');
        if !ends_line {
            text.push(*byte);
        }
    }
    text
}

/// The program that the first line asks for: `sh` for `#!/bin/sh -e` and `#!/usr/bin/env sh`.
fn interpreter(text: &[u8]) -> Option<String> {
    let line = text
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    let mut words = line.split_whitespace();
    let name_of = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    match name_of(words.next()?).as_str() {
        "env" => words.next().map(name_of),
        other => Some(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::SimCard;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::plain("echo hello\n")]
    #[case::for_sh("#!/bin/sh\necho hello\n")]
    #[case::for_bash("#!/bin/bash\necho hello\n")]
    #[case::by_env("#!/usr/bin/env sh\necho hello\n")]
    #[case::with_a_blank("#! /bin/busybox sh\r\necho hello\r\n")]
    #[case::from_windows("\u{feff}#!/bin/sh\r\necho hello\r\n")]
    #[case::latin_1_is_nobodys_business("echo grüße\n")]
    fn shell_scripts_are_taken(#[case] text: &str) {
        assert_eq!(check_script("a.sh", text.as_bytes()), Ok(()));
    }

    #[rstest]
    #[case::missing(None, "WZ-0861")]
    #[case::too_long(Some(vec![b'#'; 262_145]), "WZ-0832")]
    #[case::empty(Some(vec![]), "WZ-0833")]
    #[case::blank(Some(b"\xef\xbb\xbf\r\n \r\n".to_vec()), "WZ-0833")]
    #[case::utf16(Some(b"\xff\xfee\0c\0h\0o\0".to_vec()), "WZ-0834")]
    #[case::program(Some(b"\x7fELF\x01\x01".to_vec()), "WZ-0835")]
    #[case::zero_byte(Some(b"echo\0".to_vec()), "WZ-0835")]
    #[case::python(Some(b"#!/usr/bin/env python3\nprint()\n".to_vec()), "WZ-0836")]
    #[case::php(Some(b"#!/usr/bin/php\r\n".to_vec()), "WZ-0836")]
    fn what_is_no_script_is_refused(#[case] content: Option<Vec<u8>>, #[case] code: &str) {
        let mut card = SimCard::new(Size::mib(1));
        if let Some(content) = content {
            card = card.with(&CardPath::scripts().join("a.sh"), &content);
        }
        let names = [FileName::new("a.sh").unwrap()];
        let codes: Vec<_> = check_scripts(&mut card, &names)
            .iter()
            .map(|problem| problem.code().to_string())
            .collect();
        assert_eq!(codes, [code]);
    }

    #[test]
    fn all_scripts_are_looked_at_and_a_folder_is_none() {
        let mut card = SimCard::new(Size::mib(1));
        card.create_folder(&CardPath::scripts().join("folder"))
            .unwrap();
        let names = ["folder", "gone"].map(|name| FileName::new(name).unwrap());
        let problems = check_scripts(&mut card, &names);
        assert!(
            matches!(
                problems[..],
                [
                    Problem::ScriptIsAFolder { .. },
                    Problem::ScriptMissing { .. }
                ]
            ),
            "{problems:?}"
        );
    }

    #[rstest]
    #[case("a\r\nb\r\n", "a\nb\n")]
    #[case("\u{feff}a\r", "a")]
    #[case("printf 'a\rb'\n", "printf 'a\rb'\n")]
    fn line_ends_of_windows_are_taken_off(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(as_shell_text(text.as_bytes()), expected.as_bytes());
    }

    proptest! {
        #[test]
        fn any_content_is_a_script_or_a_problem(content: Vec<u8>) {
            let _ = check_script("a.sh", &content);
        }
    }
}
