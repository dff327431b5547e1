//! Changing variables, one by one or by a script, with the limits of U-Boot's own tools.

use std::fmt;

use thiserror::Error;

use super::Environment;
use crate::units::Size;

/// A variable that is to be set; removed, if the value is empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Edit {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value, which may be a secret.
    pub value: Vec<u8>,
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Edit({})", shown(&self.name))
    }
}

/// Why a variable cannot be set so. The words are those of u-boot-tools, where it has any.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EditError {
    /// There is no name.
    #[error("variable name missing")]
    NoName,
    /// A name ends where an `=` is.
    #[error("illegal character '=' in variable name \"{name}\"")]
    EqualsSign {
        /// The name.
        name: String,
    },
    /// A zero ends a variable.
    #[error("\"{name}\" has a zero byte in its name or value")]
    ZeroByte {
        /// The name, without the zero.
        name: String,
    },
    /// There is no room.
    #[error(
        "environment overflow, \"{name}\" is not set: {} bytes would be needed, and {size} hold {}",
        needed.get(), room.get()
    )]
    Overflow {
        /// The variable.
        name: String,
        /// What all variables would take together.
        needed: Size,
        /// What there is for them.
        room: Size,
        /// The whole environment.
        size: Size,
    },
}

/// Why a script cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("Line {line}: {error}")]
pub struct ScriptError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub error: EditError,
}

impl Environment {
    /// Sets a variable; an empty value removes it. It then stands behind all others, unless it had
    /// this value already.
    ///
    /// # Errors
    /// See [`EditError`]; the environment is then as it was.
    pub fn set(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), EditError> {
        let (name, value) = (name.as_ref(), value.as_ref());
        check(name, value)?;
        let is_as_wanted = match self.count(name) {
            0 => value.is_empty(),
            1 => !value.is_empty() && self.get(name) == Some(value),
            _ => false,
        };
        if is_as_wanted {
            return Ok(());
        }
        let others = self.texts.iter().filter(|text| !is_of(text, name));
        let mut texts: Vec<Vec<u8>> = others.cloned().collect();
        if !value.is_empty() {
            texts.push([name, b"=", value].concat());
        }
        self.check_room(name, &texts)?;
        self.texts = texts;
        Ok(())
    }

    fn count(&self, name: &[u8]) -> usize {
        self.texts.iter().filter(|text| is_of(text, name)).count()
    }

    /// Each text ends with a zero, and all of them with one more.
    fn check_room(&self, name: &[u8], texts: &[Vec<u8>]) -> Result<(), EditError> {
        let needed = texts.iter().map(|text| text.len() + 1).sum::<usize>() + 1;
        let room = self.size.as_usize() - self.header_length();
        match needed <= room {
            true => Ok(()),
            false => Err(EditError::Overflow {
                name: shown(name),
                needed: Size::bytes(needed as u64),
                room: Size::bytes(room as u64),
                size: self.size,
            }),
        }
    }
}

fn is_of(text: &[u8], name: &[u8]) -> bool {
    text.strip_prefix(name)
        .is_some_and(|rest| rest.starts_with(b"="))
}

fn check(name: &[u8], value: &[u8]) -> Result<(), EditError> {
    let shown = || shown(name);
    if name.is_empty() {
        return Err(EditError::NoName);
    }
    if name.contains(&b'=') {
        // What stands behind it may be a password.
        let name = shown();
        let name = name.split('=').next().unwrap_or_default().to_owned();
        return Err(EditError::EqualsSign { name });
    }
    if name.contains(&0) || value.contains(&0) {
        return Err(EditError::ZeroByte { name: shown() });
    }
    Ok(())
}

fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(name).replace('\0', "")
}

/// Reads a script: a variable in each line, its name, blanks or `=`, its value as it stands. Without a
/// value it is removed. Lines that are blank or start with `#` are none.
///
/// # Errors
/// The first line that is no variable.
pub fn read_script(script: &[u8]) -> Result<Vec<Edit>, ScriptError> {
    let mut edits = Vec::new();
    for (index, line) in script.split(|&byte| byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = line.trim_ascii_start();
        if text.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let ends = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'=';
        let (name, value) = text.split_at(text.iter().position(ends).unwrap_or(text.len()));
        let value = match value.strip_prefix(b"=") {
            Some(value) => value,
            None => value.trim_ascii_start(),
        };
        check(name, value).map_err(|error| ScriptError {
            line: index + 1,
            error,
        })?;
        edits.push(Edit {
            name: name.to_vec(),
            value: value.to_vec(),
        });
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn environment(size: Size, variables: &[(&str, &str)]) -> Environment {
        let mut environment = Environment {
            size,
            flag: None,
            texts: Vec::new(),
        };
        for (name, value) in variables {
            environment.set(name, value).unwrap();
        }
        environment
    }

    fn text(environment: &Environment) -> String {
        let variables = environment
            .lossy()
            .map(|(name, value)| format!("{name}={value};"));
        variables.collect()
    }

    #[rstest]
    #[case::new("c", "3", "a=1;b=2;c=3;")]
    #[case::changed_goes_last("a", "9", "b=2;a=9;")]
    #[case::equal_stays("a", "1", "a=1;b=2;")]
    #[case::empty_removes("a", "", "b=2;")]
    #[case::removing_what_is_not_there("z", "", "a=1;b=2;")]
    #[case::with_equals_and_blanks("c", " x = y ", "a=1;b=2;c= x = y ;")]
    #[case::a_name_that_another_starts_with("aa", "3", "a=1;b=2;aa=3;")]
    fn a_variable_is_set(#[case] name: &str, #[case] value: &str, #[case] expected: &str) {
        let mut environment = environment(Size::kib(32), &[("a", "1"), ("b", "2")]);
        environment.set(name, value).unwrap();
        assert_eq!(text(&environment), expected);
    }

    #[test]
    fn of_two_with_one_name_none_stays_behind() {
        let mut environment = environment(Size::kib(32), &[("b", "2")]);
        environment.texts.extend([b"a=1".to_vec(), b"a=2".to_vec()]);
        environment.set("a", "2").unwrap();
        assert_eq!(text(&environment), "b=2;a=2;");
        environment.set("a", "").unwrap();
        assert_eq!(text(&environment), "b=2;");
    }

    #[rstest]
    #[case::no_name(b"".as_slice(), b"1".as_slice(), "variable name missing")]
    #[case::equals(b"a=b", b"1", "illegal character '=' in variable name \"a\"")]
    #[case::zero_in_the_name(b"a\0b", b"1", "\"ab\" has a zero byte in its name or value")]
    #[case::zero_in_the_value(b"a", b"1\0", "\"a\" has a zero byte in its name or value")]
    fn what_would_be_another_variable_is_refused(
        #[case] name: &[u8],
        #[case] value: &[u8],
        #[case] words: &str,
    ) {
        let mut environment = environment(Size::kib(32), &[("a", "0")]);
        let before = environment.clone();
        assert_eq!(environment.set(name, value).unwrap_err().to_string(), words);
        assert_eq!(environment, before);
    }

    /// 32K less 4 for the CRC, `a=`, and two zeros.
    const MOST: usize = 0x8000 - 4 - 2 - 2;

    #[test]
    fn the_last_byte_can_be_used_and_no_more() {
        let mut full = environment(Size::kib(32), &[]);
        full.set("a", "x".repeat(MOST)).unwrap();
        assert_eq!(full.to_bytes().len(), 0x8000);
        assert_eq!(Environment::parse(&full.to_bytes()), Ok(full.clone()));
        let refused = full
            .clone()
            .set("b", "")
            .and(full.set("a", "x".repeat(MOST + 1)));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "environment overflow, \"a\" is not set: 32765 bytes would be needed, and 32K hold 32764"
        );
        let mut one_of_two = full.with_flag(1);
        assert!(one_of_two.set("a", "y".repeat(MOST)).is_err());
        one_of_two.set("a", "y".repeat(MOST - 1)).unwrap();
        assert_eq!(one_of_two.to_bytes().len(), 0x8000);
    }

    #[rstest]
    #[case::as_u_boot_tools_has_it("netdev         eth0\n", &[("netdev", "eth0")])]
    #[case::the_rest_is_the_value("\t var2  The quick  \"brown\" # fox \n", &[("var2", "The quick  \"brown\" # fox ")])]
    #[case::without_a_value("var1\nvar2 \n", &[("var1", ""), ("var2", "")])]
    #[case::as_libubootenv_has_it("a=b c\nd=\n", &[("a", "b c"), ("d", "")])]
    #[case::equals_in_the_value("a b=c\n", &[("a", "b=c")])]
    #[case::remarks_and_blank_lines("# a b\n\n   \na b\n", &[("a", "b")])]
    #[case::windows_line_ends("a b\r\nc d\r\n", &[("a", "b"), ("c", "d")])]
    #[case::no_last_line_end("a b", &[("a", "b")])]
    #[case::nothing("", &[])]
    fn a_script_has_a_variable_in_each_line(
        #[case] script: &str,
        #[case] expected: &[(&str, &str)],
    ) {
        let edit = |(name, value): &(&str, &str)| Edit {
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        };
        let expected: Vec<_> = expected.iter().map(edit).collect();
        assert_eq!(read_script(script.as_bytes()), Ok(expected));
    }

    #[rstest]
    #[case(b"a b\n=c\n".as_slice(), "Line 2: variable name missing")]
    #[case(b"a b\0c\n", "Line 1: \"a\" has a zero byte in its name or value")]
    fn a_line_that_is_no_variable_is_told(#[case] script: &[u8], #[case] words: &str) {
        assert_eq!(read_script(script).unwrap_err().to_string(), words);
    }

    proptest! {
        #[test]
        fn what_was_set_is_read_back_in_either_form(
            variables in prop::collection::vec(("[a-c_0-9#]{1,3}", "[^\0]{0,20}"), 0..12),
            size in prop::sample::select(super::super::SIZES.to_vec()),
            flag in prop::option::of(any::<u8>()),
        ) {
            let mut environment = Environment { size, flag, texts: Vec::new() };
            let mut expected = std::collections::BTreeMap::new();
            for (name, value) in &variables {
                environment.set(name, value).unwrap();
                expected.insert(name.clone(), value.clone());
            }
            expected.retain(|_, value| !value.is_empty());
            let bytes = environment.to_bytes();
            prop_assert_eq!(bytes.len(), size.as_usize());
            let read = match flag {
                None => Environment::parse(&bytes),
                Some(_) => Environment::parse_one_of_two(&bytes),
            };
            prop_assert_eq!(read.as_ref(), Ok(&environment));
            let found: std::collections::BTreeMap<_, _> = environment.lossy().collect();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn any_bytes_are_a_script_or_an_error(script: Vec<u8>) {
            let _ = read_script(&script);
        }
    }
}
