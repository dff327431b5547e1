//! Switching an option off in the owner's file, and leaving the rest of it alone.

use std::ops::Range;

use thiserror::Error;

use crate::event::Problem;

use super::findings::Findings;
use super::general::{Slot, is_known};
use super::keys::Key;
use super::reader::options;
use super::value::YesNo;
use super::{GeneralConf, read_general};

/// The places in what is read here are not told to anybody.
const FILE: &str = "general.conf";

/// Why a file was not edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotEdited {
    /// It is no configuration, or one that is refused.
    #[error("the file cannot be read")]
    Unreadable,
    /// The option is not on, or is none that can be.
    #[error("it is not \"yes\" there")]
    NotOn,
    /// The edited file would say something else than what was wanted.
    #[error("the edited file would not read back as it should")]
    ReadsBackOtherwise,
}

impl NotEdited {
    /// What the owner of the file that is called `file` has to know.
    pub fn into_problem(self, file: &str, key: Key) -> Problem {
        Problem::ConfigNotEdited {
            file: file.to_owned(),
            key: key.name().to_owned(),
            reason: self.to_string(),
        }
    }
}

/// The content of `general.conf` with `key` switched off: wherever it says yes, `yes` becomes `no`
/// and `true` becomes `false`. Every other byte is as it was.
///
/// # Errors
/// When the option is not on, or the result does not read back as the same but for it.
pub fn set_no(bytes: &[u8], key: Key) -> Result<Vec<u8>, NotEdited> {
    let before = read(bytes).ok_or(NotEdited::Unreadable)?;
    if value(&before, key) != Some(YesNo::Yes) {
        return Err(NotEdited::NotOn);
    }
    let mut edited = Vec::with_capacity(bytes.len());
    let mut rest = 0;
    for (range, word) in replacements(bytes, key) {
        edited.extend_from_slice(bytes.get(rest..range.start).unwrap_or_default());
        edited.extend_from_slice(word.as_bytes());
        rest = range.end;
    }
    edited.extend_from_slice(bytes.get(rest..).unwrap_or_default());
    let as_wanted = |after: &GeneralConf| {
        value(after, key) == Some(YesNo::No) && without(&before, key) == without(after, key)
    };
    match read(&edited) {
        Some(after) if as_wanted(&after) => Ok(edited),
        _ => Err(NotEdited::ReadsBackOtherwise),
    }
}

fn read(bytes: &[u8]) -> Option<GeneralConf> {
    read_general(FILE, bytes).ok().map(|reading| reading.value)
}

/// Where in the file `key` says yes, and what is to stand there.
fn replacements(bytes: &[u8], key: Key) -> Vec<(Range<usize>, &'static str)> {
    let all = options(FILE, bytes, &is_known, &mut Findings::default());
    let of_key = all.into_iter().filter(|entry| entry.key == key.name());
    let replacement = of_key.map(|entry| match entry.value.as_str() {
        "yes" => Some((entry.value_range, "no")),
        "true" => Some((entry.value_range, "false")),
        _ => None,
    });
    replacement.flatten().collect()
}

/// What a yes/no option says; none for options of another kind.
fn value(conf: &GeneralConf, key: Key) -> Option<YesNo> {
    match conf.clone().slot(key) {
        Slot::YesNo(option) => option.as_ref().map(|given| given.value),
        _ => None,
    }
}

/// `conf` as if the yes/no option `key` were not given.
fn without(conf: &GeneralConf, key: Key) -> GeneralConf {
    let mut conf = conf.clone();
    if let Slot::YesNo(option) = conf.slot(key) {
        *option = None;
    }
    conf
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LIMIT;
    use proptest::prelude::*;
    use rstest::rstest;

    fn edited(text: &str) -> String {
        let bytes = set_no(text.as_bytes(), Key::SwitchFirmware).expect(text);
        String::from_utf8(bytes).expect("only words were replaced")
    }

    #[rstest]
    #[case::double_quotes("switch_firmware=\"yes\"\n", "switch_firmware=\"no\"\n")]
    #[case::single_quotes("switch_firmware='yes'\n", "switch_firmware='no'\n")]
    #[case::no_quotes("switch_firmware=yes\n", "switch_firmware=no\n")]
    #[case::toml("switch_firmware = true\n", "switch_firmware = false\n")]
    #[case::quoted_true("switch_firmware=\"true\"", "switch_firmware=\"false\"")]
    #[case::exported(
        "\texport switch_firmware = \"yes\" # yes, switch_firmware=\"yes\"\n",
        "\texport switch_firmware = \"no\" # yes, switch_firmware=\"yes\"\n"
    )]
    #[case::windows(
        "dry_run=no\r\nswitch_firmware=yes\r\r\nre_run=no\r\n",
        "dry_run=no\r\nswitch_firmware=no\r\r\nre_run=no\r\n"
    )]
    #[case::byte_order_mark("\u{feff}switch_firmware=yes\n", "\u{feff}switch_firmware=no\n")]
    #[case::mark_and_second_line("\u{feff}#\nswitch_firmware=yes", "\u{feff}#\nswitch_firmware=no")]
    #[case::no_line_end(
        "dry_run=no\nswitch_firmware=\"yes\"",
        "dry_run=no\nswitch_firmware=\"no\""
    )]
    #[case::behind_other_letters(
        "# für ü\nswitch_firmware=yes # ü",
        "# für ü\nswitch_firmware=no # ü"
    )]
    #[case::twice(
        "switch_firmware=yes\nswitch_firmware=yes",
        "switch_firmware=no\nswitch_firmware=no"
    )]
    #[case::as_a_remark(
        "#switch_firmware=yes\nswitch_firmware=yes",
        "#switch_firmware=yes\nswitch_firmware=no"
    )]
    #[case::others(
        "dry_run=yes\nswitch_firmware=yes\nre_run=yes",
        "dry_run=yes\nswitch_firmware=no\nre_run=yes"
    )]
    fn only_the_value_changes(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(edited(text), expected);
    }

    #[test]
    fn the_line_that_counts_and_every_other_yes_are_switched_off() {
        let text = b"re_run=yes\nre_run='no'\nre_run=\"true\"\n";
        let edited = set_no(text, Key::ReRun).expect("it is on");
        assert_eq!(edited, b"re_run=no\nre_run='no'\nre_run=\"false\"\n");
    }

    #[test]
    fn remarks_in_another_encoding_stay_as_they_are() {
        let text = b"# f\xfcr\nre_run=\"yes\" # f\xfcr\n# \xff";
        let edited = set_no(text, Key::ReRun).expect("it is on");
        assert_eq!(edited, b"# f\xfcr\nre_run=\"no\" # f\xfcr\n# \xff");
    }

    #[rstest]
    #[case::missing(b"dry_run=yes", Key::ReRun)]
    #[case::off(b"re_run=no", Key::ReRun)]
    #[case::on_and_then_off(b"re_run=yes\nre_run=no", Key::ReRun)]
    #[case::of_another_kind(b"manual_model=yes", Key::ManualModel)]
    fn what_is_not_on_is_not_switched_off(#[case] bytes: &[u8], #[case] key: Key) {
        assert_eq!(set_no(bytes, key), Err(NotEdited::NotOn));
    }

    #[rstest]
    #[case::wrong_value(b"re_run=Yes")]
    #[case::command(b"re_run=yes\nreboot")]
    #[case::open_quote(b"re_run=\"yes")]
    #[case::unknown_option_beside_a_switch(b"re_run=yes\nswitch_firmware=yes\ncolour=blue")]
    #[case::zero_byte(b"re_run=yes\n\0")]
    fn what_the_reader_refuses_is_not_edited(#[case] bytes: &[u8]) {
        assert_eq!(set_no(bytes, Key::ReRun), Err(NotEdited::Unreadable));
    }

    #[test]
    fn a_file_that_would_become_too_long_is_not_edited() {
        let mut bytes = b"re_run=true\n".to_vec();
        bytes.resize(LIMIT.as_usize(), b'#');
        assert_eq!(
            set_no(&bytes, Key::ReRun),
            Err(NotEdited::ReadsBackOtherwise)
        );
        bytes.pop();
        assert!(set_no(&bytes, Key::ReRun).is_ok());
    }

    #[test]
    fn the_owner_is_told_what_still_stands_in_the_file() {
        let problem = NotEdited::NotOn.into_problem("general.conf", Key::ReRun);
        assert!(problem.what().contains("still asks for re_run"));
        assert!(problem.next_step().contains("re_run=\"no\""));
    }

    fn line() -> impl Strategy<Value = String> {
        let before = prop::sample::select(vec!["", " ", "\t", "export ", " export\t"]);
        let key = prop::sample::select(vec!["re_run", "switch_firmware", "dry_run", "roll_back"]);
        let equals = prop::sample::select(vec!["=", " =", "= ", "\t=\t"]);
        let word = prop::sample::select(vec!["yes", "no", "true", "false"]);
        let quote = prop::sample::select(vec!["", "'", "\""]);
        let behind = prop::sample::select(vec!["", " ", "# yes", " # ü \"yes\"", "\t#re_run=yes"]);
        let option = (before, key, equals, word, quote, behind).prop_map(
            |(before, key, equals, word, quote, behind)| {
                format!("{before}{key}{equals}{quote}{word}{quote}{behind}")
            },
        );
        let others = vec![
            "next_firmware=\"yes\"",
            "custom_scripts='re_run yes true'",
            "new_sdcard_kernel = re_run # re_run=\"yes\"",
            "",
        ];
        let other = prop::sample::select(others).prop_map(str::to_owned);
        prop_oneof![8 => option, 1 => "#[ -~]{0,20}", 2 => other]
    }

    fn file() -> impl Strategy<Value = String> {
        let mark = prop::sample::select(vec!["", "\u{feff}"]);
        let end = prop::sample::select(vec!["\n", "\r\n", "\r\r\n"]);
        let lines = prop::collection::vec((line(), end), 1..8);
        (mark, lines, any::<bool>()).prop_map(|(mark, lines, is_ended)| {
            let lines: String = lines.into_iter().map(|(line, end)| line + end).collect();
            let text = match is_ended {
                true => &lines,
                false => lines.trim_end_matches(['\r', '\n']),
            };
            format!("{mark}{text}")
        })
    }

    /// The bytes of a file with every value of `key` cut out, found without the reader.
    fn around_values(bytes: &[u8], key: Key) -> String {
        let text = String::from_utf8_lossy(bytes);
        let lines = text.split_inclusive('\n').map(|line| {
            let option = line.split('#').next().unwrap_or("");
            let name = option.split('=').next().unwrap_or("");
            let name = name.trim_start_matches('\u{feff}').trim();
            if name.split_whitespace().last() != Some(key.name()) {
                return line.to_owned();
            }
            let mut without = option.to_owned();
            for word in ["yes", "true", "no", "false"] {
                without = without.replacen(word, "", 1);
            }
            without + line.get(option.len()..).unwrap_or("")
        });
        lines.collect()
    }

    proptest! {
        #[test]
        fn an_accepted_file_says_the_same_but_for_the_option(text in file()) {
            for key in [Key::ReRun, Key::SwitchFirmware, Key::DryRun] {
                let before = read_general(FILE, text.as_bytes()).map(|reading| reading.value);
                match (set_no(text.as_bytes(), key), before) {
                    (Ok(edited), Ok(before)) => {
                        let after = read(&edited).expect("it is read back");
                        prop_assert_eq!(value(&before, key), Some(YesNo::Yes));
                        prop_assert_eq!(value(&after, key), Some(YesNo::No));
                        prop_assert_eq!(without(&before, key), without(&after, key));
                        prop_assert_eq!(
                            around_values(text.as_bytes(), key),
                            around_values(&edited, key)
                        );
                        prop_assert_eq!(replacements(&edited, key), []);
                    }
                    (Err(NotEdited::NotOn), Ok(before)) => {
                        prop_assert_ne!(value(&before, key), Some(YesNo::Yes));
                    }
                    (Err(NotEdited::Unreadable), Err(_)) => {}
                    (outcome, _) => prop_assert!(false, "{text:?}: {outcome:?}"),
                }
            }
        }

        /// As the program does it: first the one, then the other.
        #[test]
        fn two_options_are_switched_off_one_after_the_other_in_either_order(text in file()) {
            let both = |first: Key, second: Key| {
                let once = set_no(text.as_bytes(), first)?;
                set_no(&once, second)
            };
            let one_way = both(Key::SwitchFirmware, Key::ReRun);
            prop_assert_eq!(&one_way, &both(Key::ReRun, Key::SwitchFirmware));
            let Ok(edited) = one_way else { return Ok(()) };
            let left = |bytes: &[u8]| around_values(around_values(bytes, Key::ReRun).as_bytes(), Key::SwitchFirmware);
            prop_assert_eq!(left(text.as_bytes()), left(&edited));
        }

        #[test]
        fn any_bytes_are_edited_or_left(bytes: Vec<u8>) {
            let _ = set_no(&bytes, Key::SwitchFirmware);
        }
    }
}
