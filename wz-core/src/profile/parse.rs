//! From the text of a profile to its types; what cannot be read is told with file, line and column.

use serde::de::DeserializeOwned;

use super::catalogue::ProfileFile;
use super::firmware::{Firmware, FirmwareSource};
use super::soc::Soc;
use crate::event::Problem;
use crate::units::Size;

/// What a file of profiles holds, by its place: `<soc>/soc.toml` or `<soc>/<firmware>.toml`.
#[derive(Debug)]
pub(super) enum Profile {
    Soc(Soc),
    Firmware(Firmware),
}

pub(super) fn parse(file: &ProfileFile) -> Result<Profile, Problem> {
    let (soc, name) = place(&file.path)?;
    let text = decode(file)?;
    if name == "soc" {
        let profile: Soc = toml_of(&file.path, text)?;
        named_like(&file.path, &profile.name, soc)?;
        return Ok(Profile::Soc(profile));
    }
    let source: FirmwareSource = toml_of(&file.path, text)?;
    let profile = source.into_firmware(soc);
    named_like(&file.path, &profile.name, name)?;
    Ok(Profile::Firmware(profile))
}

fn place(path: &str) -> Result<(&str, &str), Problem> {
    let misplaced = || Problem::ProfileMisplaced {
        file: path.to_owned(),
    };
    let (soc, file) = path.split_once('/').ok_or_else(misplaced)?;
    let name = file.strip_suffix(".toml").ok_or_else(misplaced)?;
    if soc.is_empty() || name.is_empty() || name.contains('/') {
        return Err(misplaced());
    }
    Ok((soc, name))
}

fn decode(file: &ProfileFile) -> Result<&str, Problem> {
    let size = Size::bytes(file.content.len() as u64);
    if size > ProfileFile::LARGEST {
        return Err(Problem::ProfileTooLarge {
            file: file.path.clone(),
            size,
            largest: ProfileFile::LARGEST,
        });
    }
    let text = std::str::from_utf8(&file.content).map_err(|error| Problem::ProfileNotText {
        file: file.path.clone(),
        byte: error.valid_up_to(),
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn toml_of<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Problem> {
    toml::from_str(text).map_err(|error| {
        let (line, column) = line_and_column(text, error.span().map_or(0, |span| span.start));
        Problem::ProfileUnreadable {
            file: file.to_owned(),
            line,
            column,
            reason: error.message().replace('\n', ", "),
        }
    })
}

fn named_like(file: &str, name: &str, expected: &str) -> Result<(), Problem> {
    if name == expected {
        return Ok(());
    }
    Err(Problem::ProfileMisnamed {
        file: file.to_owned(),
        name: name.to_owned(),
        expected: expected.to_owned(),
    })
}

/// Both count from 1; columns are characters.
fn line_and_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const STOCK: &str = include_str!("../../../profiles/t31/stock.toml");

    fn read(path: &str, content: impl Into<Vec<u8>>) -> Result<Profile, Problem> {
        parse(&ProfileFile::new(path, content))
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_column() {
        let text = STOCK.replacen("size = \"1984K\"", "size = \"1984 K\"", 1);
        let line = text.lines().position(|line| line.contains("1984 K"));
        let problem = read("t31/stock.toml", text).unwrap_err();
        let Problem::ProfileUnreadable {
            file,
            line: told,
            column,
            reason,
        } = problem
        else {
            panic!("{problem:?}");
        };
        assert_eq!((file.as_str(), Some(told - 1)), ("t31/stock.toml", line));
        assert_eq!(column, 8);
        assert!(reason.contains("\"1984 K\""), "{reason}");
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let text = STOCK.replacen("user_data = true", "userdata = true", 1);
        let problem = read("t31/stock.toml", text).unwrap_err();
        assert!(problem.what().contains("`userdata`"), "{problem}");
        assert!(problem.what().contains("`user_data`"), "{problem}");
    }

    #[test]
    fn a_file_from_a_windows_editor_is_read() {
        let text = format!("\u{feff}{}", STOCK.replace('\n', "\r\n"));
        assert!(read("t31/stock.toml", text).is_ok());
    }

    #[rstest]
    #[case("stock.toml")]
    #[case("t31/stock.txt")]
    #[case("t31/.toml")]
    #[case("/stock.toml")]
    #[case("a/t31/stock.toml")]
    fn a_file_in_a_strange_place_is_no_profile(#[case] path: &str) {
        let file = path.to_owned();
        let problem = read(path, STOCK).unwrap_err();
        assert_eq!(problem, Problem::ProfileMisplaced { file });
    }

    #[test]
    fn a_profile_in_a_file_of_another_name_is_refused() {
        let problem = read("t31/stok.toml", STOCK).unwrap_err();
        assert!(matches!(problem, Problem::ProfileMisnamed { .. }));
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_with_their_place() {
        let file = "t31/stock.toml".to_owned();
        let problem = read(&file, b"# ok\n\xff".as_slice()).unwrap_err();
        assert_eq!(problem, Problem::ProfileNotText { file, byte: 5 });
    }

    #[test]
    fn an_enormous_file_is_not_even_read() {
        let problem = read("t31/stock.toml", vec![b'#'; 70_000]).unwrap_err();
        assert!(matches!(problem, Problem::ProfileTooLarge { .. }));
    }

    proptest! {
        #[test]
        fn any_text_is_a_profile_or_a_problem(text: String) {
            let _ = read("t31/stock.toml", text.clone());
            let _ = read("t31/soc.toml", text);
        }

        #[test]
        fn a_garbled_profile_is_a_profile_or_a_problem(
            at in 0..STOCK.len(),
            length in 0usize..40,
            garbage in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut bytes = STOCK.as_bytes().to_vec();
            let end = bytes.len().min(at + length);
            bytes.splice(at..end, garbage);
            let _ = read("t31/stock.toml", bytes);
        }
    }
}
